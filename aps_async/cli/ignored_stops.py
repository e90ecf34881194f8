"""Ctrl-C at a moment at which Python cannot raise an exception, such as while it deletes an object: it is remembered.

Python would only print it. While modules are imported this is the case once in some hundred moments.
"""

import sys

__all__ = ["ignored_stops", "remember_ignored_stops"]
__dir__: object = __all__.copy

ignored_stops: list[KeyboardInterrupt] = []
"""Those of this process; the command's work looks here as it begins."""


def remember_ignored_stops() -> None:
    """From now on, remembers them in place of printing a traceback."""
    show = sys.unraisablehook

    def remember(found: "sys.UnraisableHookArgs") -> None:
        if isinstance(found.exc_value, KeyboardInterrupt):
            ignored_stops.append(found.exc_value)
        else:
            show(found)

    sys.unraisablehook = remember
