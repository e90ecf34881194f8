"""The command line. Importing this needs nothing beyond the library; `main` asks for the extra `cli`."""

import sys
from collections.abc import Sequence

from aps_async.cli.surroundings import make_usable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; `argv` without the program's name."""
    make_usable()
    try:
        from aps_async.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except ImportError as problem:
        missing = (problem.name or "").partition(".")[0]
        if missing == "backoff":  # its own words say what to do
            sys.stderr.write(f"aps-async: error: {problem}\n")
        elif not isinstance(problem, ModuleNotFoundError) or missing in ("", "aps_async"):  # a fault of ours
            raise
        else:
            sys.stderr.write(
                f"aps-async: error: the command line needs {missing}, which is not installed: "
                "pip install 'aps-async[cli]'\n"
            )
        return 2
