"""The command line. Importing this needs only the library itself; `main` reports when the extra `cli` is missing."""

import sys
from collections.abc import Sequence

from aps_async.cli.surroundings import make_usable
from aps_async.extras import missing

__all__ = ["main"]
__dir__: object = __all__.copy


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` excludes the program's name."""
    make_usable()
    try:
        from aps_async.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules are imported; `run` sees to all others
        sys.stderr.write("aps-async: stopped\n")
        return 130
    except ModuleNotFoundError as problem:
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
