"""The command line. Importing this needs nothing beyond the library; `main` asks for the extra `cli`."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; `argv` without the program's name."""
    try:
        from aps_async.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except ModuleNotFoundError as problem:
        missing = (problem.name or "").partition(".")[0]
        if missing in ("", "aps_async"):  # not of an extra: a fault of ours
            raise
        sys.stderr.write(
            f"aps-async: error: the command line needs {missing}, which is not installed: "
            "pip install 'aps-async[cli]'\n"
        )
        return 2
