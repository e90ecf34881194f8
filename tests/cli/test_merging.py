"""`--merge` of `export` and `sync`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli import delivering
from aps_async.sync import run
from tests.cli.support import Ran, Simulation
from tests.sync.sheets import labels_of

Cli = Callable[..., Ran]


def test_sync_and_export_join_the_sheets(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    for command in ("sync", "export"):
        out, file = tmp_path / command, tmp_path / f"{command}.pdf"
        argv = (command, "Riverside", "--folder", "Good", "--out", str(out), "--merge", str(file))
        ran = cli(*argv, env=service.env)
        assert ran.code == 0, ran.err
        assert ran.out.splitlines()[-1] == f"{file}: 3 sheets on 3 pages"
        assert labels_of(file) == ["A-101", "A-102", "A-103"]
        again = cli(*argv, "--json", env=service.env)
        assert f"{file}: 3 sheets, up to date" in again.err
        assert [json.loads(line)["ok"] for line in again.out.splitlines()] == [True] * 3
        file.unlink()
        assert cli("resume", str(out), env=service.env).code == 0
        assert file.is_file()


def test_a_sheet_without_a_file_is_named(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    for command in ("sync", "export"):
        file = tmp_path / command / "broken.pdf"
        ran = cli(
            *(command, "Riverside", "--folder", "Broken", "--out", str(file.parent), "--merge", str(file)),
            env=service.env,
        )
        assert ran.code == 1
        assert "not in broken.pdf: B-1" in ran.err
        assert ran.out.splitlines()[-1] == f"{file}: 1 sheet on 1 page; 1 sheet is not in it"


@pytest.mark.parametrize(
    "place", [f"out/{'a' * 256}.pdf", f"{'a' * 256}.pdf", "missing/set.pdf", "out/missing/set.pdf"]
)
def test_a_place_that_cannot_be_written_is_known_first(
    cli: Cli, service: Simulation, tmp_path: Path, place: str
) -> None:
    before = service.control("counts")["endpoints"]
    for command in ("sync", "export"):
        argv = (command, "Riverside", "--folder", "Good", "--out", str(tmp_path / "out"))
        ran = cli(*argv, "--merge", str(tmp_path / place), env=service.env)
        assert (ran.code, ran.err.count("cannot write ")) == (7, 1)
    assert service.control("counts")["endpoints"] == before
    assert list(tmp_path.iterdir()) == []


def test_a_failed_merge_is_one_error(
    cli: Cli, service: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (delivering, run):  # as if the folder went away during the run
        monkeypatch.setattr(module, "checked_path", lambda path: path)
    for command in ("sync", "export"):
        out, file = tmp_path / command, tmp_path / "missing" / "set.pdf"
        argv = (command, "Riverside", "--folder", "Good", "--out", str(out), "--merge", str(file))
        ran = cli(*argv, env=service.env)
        assert ran.code == 7
        assert ran.err.count("error:") == 1
        assert "set.pdf was not written, all else is done" in ran.err
        assert len(list(out.glob("*.pdf"))) == 3
    refused = cli("export", "Riverside", "--files", "--out", str(tmp_path), "--merge", "x.pdf", env=service.env)
    assert refused.code == 2
    assert cli("sync", "Riverside", "--out", str(tmp_path), "--merge", "x.zip", env=service.env).code == 2
