"""Messages and results that go to a full disk: a run goes on without messages, and no error is a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from tests.cli.support import Ran, Simulation, run
from tests.documents import lying_in

FULL = Path("/dev/full")
GOOD = ("sync", "Riverside", "--folder", "Plans/Good")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
_NOT_WRITTEN = "aps-async: error: the result cannot be written to standard output: No space left on device\n"


@frozen(kw_only=True)
class Case:
    """One command, what of its output goes to the full disk, and how it ends."""

    argv: tuple[str, ...]
    full: str
    code: int = 0
    files: int = 3
    err: str | None = None


CASES = {
    "messages of a run": Case(argv=(*GOOD, "--out", "x"), full="stderr"),
    "messages of -v": Case(argv=(*GOOD, "--out", "x", "-v"), full="stderr"),
    "failures": Case(argv=("sync", "Riverside", "--folder", "Broken", "--out", "x"), full="stderr", code=1, files=1),
    "an error": Case(argv=("sync", "Nope", "--out", "x"), full="stderr", code=4, files=0),
    "the log file": Case(
        argv=("-q", *GOOD, "--out", "x", "--log-file", str(FULL)),
        full="",
        err="warning: the log file cannot be written to any more: No space left on device\n",
    ),
    "the log file and messages": Case(argv=(*GOOD, "--out", "x", "--log-file", str(FULL)), full="stderr"),
    "the log file of an error": Case(
        argv=("sync", "Nope", "--out", "x", "--log-file", str(FULL)), full="", code=4, files=0
    ),
    "a table": Case(argv=("projects",), full="stdout", code=7, files=0, err=_NOT_WRITTEN),
    "JSON": Case(argv=("projects", "--json"), full="stdout", code=7, files=0, err=_NOT_WRITTEN),
    "the version": Case(argv=("--version",), full="stdout", code=7, files=0, err=_NOT_WRITTEN),
    "help": Case(argv=("--help",), full="stdout", code=7, files=0, err="aps-async: error: No space left on device\n"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_full_disk(service: Simulation, tmp_path: Path, case: Case) -> None:
    with FULL.open("w") as full:
        streams = {case.full: full} if case.full else {}
        ran = run(*case.argv, env=service.env, cwd=tmp_path, **streams)
    assert ran.code == case.code, ran.err
    found = [name for name in lying_in(tmp_path / "x") if name.endswith(".pdf")] if (tmp_path / "x").is_dir() else []
    assert len(found) == case.files
    assert "Traceback" not in ran.err
    assert "Errno" not in ran.err
    if case.err is not None:
        assert case.err in ran.err


def test_a_run_whose_messages_are_lost_is_complete(
    cli: Callable[..., Ran], service: Simulation, tmp_path: Path
) -> None:
    with FULL.open("w") as full:
        assert run(*GOOD, "--out", str(tmp_path), env=service.env, stderr=full).out.startswith("3 new; ")
    assert cli("status", tmp_path).code == 0
