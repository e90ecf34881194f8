"""Commands in a current folder that somebody has removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Simulation, clean_environment

REMOVED = "the current folder has been removed: change to another one"
SCRIPT = "import os, sys; os.rmdir(os.getcwd()); from aps_async.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("demo",), 7, REMOVED),
        (("simulate", "--pdf", "x.pdf"), 7, REMOVED),
        (("sync", "Riverside", "--out", "{tmp}/out", "--merge", "x.pdf"), 7, REMOVED),
        (("sync", "Riverside", "--out", "out"), 7, "cannot write out: its folder does not exist"),
        (("doctor",), 7, "to fix: write access"),
        (("doctor", "--out", "{tmp}"), 0, "nothing is wrong"),
        (("projects",), 0, "projects"),
        (("sync", "Riverside", "--out", "{tmp}/out", "--sheet", "A-101"), 0, "1 new"),
    ],
)
def test_commands_in_a_removed_folder(
    service: Simulation, tmp_path: Path, argv: tuple[str, ...], code: int, words: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    path = os.pathsep.join(str(Path(each).absolute()) for each in sys.path if each)
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", SCRIPT, *(each.format(tmp=tmp_path) for each in argv)],
        cwd=here,
        env=clean_environment(service.env) | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, words in ran.stdout + ran.stderr) == (code, True), ran
    assert "Traceback" not in ran.stderr
