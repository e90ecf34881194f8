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
        gc.disable()  # until the command's work begins: looking for cycles in what is imported took a tenth of `status`
    try:
        if argv is None:
            from aps_async.cli.ignored_stops import remember_ignored_stops

            remember_ignored_stops()
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules are imported; `run` sees to all others
        return _stopped()
    except RuntimeError as problem:
        if not isinstance(problem.__cause__, KeyboardInterrupt):  # Python 3.11 wraps it while a class is made
            raise
        return _stopped()


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
