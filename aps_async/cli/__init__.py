"""The command line. Importing this needs nothing beyond the library; `main` asks for the extra `cli`."""

import sys
from collections.abc import Sequence

from aps_async.extras import missing


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; `argv` without the program's name."""
    try:
        from aps_async.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except ModuleNotFoundError as problem:
        sys.stderr.write(f"aps-async: error: {missing(problem, 'cli', 'the command line')}\n")
        return 2
