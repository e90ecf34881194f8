"""The command line. Importing this needs nothing beyond the library; `main` asks for the extra `cli`."""

import sys
from collections.abc import Sequence

from aps_async.cli.surroundings import make_usable
from aps_async.extras import missing

__all__ = ["main"]
__dir__: object = __all__.copy


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; `argv` without the program's name."""
    make_usable()
    try:
        from aps_async.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] == "backoff":  # its own words say what to do
            sys.stderr.write(f"aps-async: error: {problem}\n")
        else:
            sys.stderr.write(f"aps-async: error: {missing(problem, 'cli', 'the command line')}\n")
        return 2
    except ImportError as problem:
        if problem.name != "backoff":
            raise
        sys.stderr.write(f"aps-async: error: {problem}\n")
        return 2
