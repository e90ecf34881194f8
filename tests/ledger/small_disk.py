"""Exports onto a disk that is too small, enlarges it, and exports again; to be run in a mount namespace of its own."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path


def export(project: str, folder: Path, *options: str) -> dict[str, object]:
    """One command, and what lies in the folder after it."""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-m", "aps_async", "export", project, "--out", str(folder), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    return {"code": ran.returncode, "out": ran.stdout, "err": ran.stderr, "files": files}


def mount(folder: Path, options: str) -> None:
    """A disk in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)  # noqa: S603, S607


def main(project: str, folder: Path, size: str) -> None:
    """Prints what both commands did."""
    mount(folder, f"size={size}")
    first = export(project, folder)
    mount(folder, "remount,size=64m")
    sys.stdout.write(json.dumps([first, export(project, folder, "--no-report")]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
