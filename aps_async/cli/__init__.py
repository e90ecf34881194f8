"""The command line. Importing this needs only the library itself; `main` reports when the extra `cli` is missing.

Nothing is imported here but by `main`, which can say that Ctrl-C stopped it, where Python would show a traceback.
"""

import gc
import sys

from aps_async import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]
__dir__: object = __all__.copy


def main(argv: "Sequence[str] | None" = None) -> int:
    """Runs one command and returns its exit code; `argv` excludes the program's name."""
    if argv is None:
        _keep_ctrl_c()
        gc.disable()  # until the command's work begins: looking for cycles in what is imported took a tenth of `status`
        _keep_ctrl_c()
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules are imported; `run` sees to all others
        return _stopped()
    except RuntimeError as problem:
        if not isinstance(problem.__cause__, KeyboardInterrupt):  # Python 3.11 wraps it while a class is made
            raise
        return _stopped()


ignored_stops: "list[KeyboardInterrupt]" = []
"""Where Python cannot raise an exception, as while it deletes an object, it prints and ignores even that of Ctrl-C.

While modules are imported this is the case once in some hundred moments. The command's work looks here as it begins.
"""


def _keep_ctrl_c() -> None:
    show = sys.unraisablehook

    def keep(found: "sys.UnraisableHookArgs") -> None:
        if isinstance(found.exc_value, KeyboardInterrupt):
            ignored_stops.append(found.exc_value)
        else:
            show(found)

    sys.unraisablehook = keep


def _stopped() -> int:
    sys.stderr.write("aps-async: stopped\n")
    return 130


def _main(argv: "Sequence[str]") -> int:
    from aps_async.cli.surroundings import make_usable

    make_usable()
    try:
        from aps_async.cli.app import run

        return run(argv)
    except ModuleNotFoundError as problem:
        from aps_async.extras import missing

        if (problem.name or "").partition(".")[0] == "backoff":  # its message already says what to do
            sys.stderr.write(f"aps-async: error: {problem}\n")
        else:
            sys.stderr.write(f"aps-async: error: {missing(problem, 'cli', 'the command line')}\n")
        return 2
    except ImportError as problem:
        if problem.name != "backoff":
            raise
        sys.stderr.write(f"aps-async: error: {problem}\n")
        return 2
