"""`--dry-run` of `export` and `sync`: nothing is started or written, and the run right after it does what was said."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]
GOOD = ("--folder", "Plans/Good")


@pytest.mark.parametrize("command", ["export", "sync"])
def test_one_project(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    run = (command, "Riverside", *GOOD, "--out", tmp_path / "out")
    ran = cli(*run, "--dry-run", env=service.env)
    assert ran.code == 0, ran.err
    what = "0 already there" if command == "export" else "3 new"
    pattern = rf"{what}; 3 exports, \d+ calls, about \d+ s at the published quota, 3 files of unknown size; "
    assert re.fullmatch(pattern + rf"nothing was started: {re.escape(str(tmp_path / 'out'))}\n", ran.out), ran.out
    assert list(tmp_path.iterdir()) == []

    assert cli(*run, env=service.env).code == 0
    ran = cli(*run, "--dry-run", "--verify", env=service.env)
    what = "3 already there" if command == "export" else "3 unchanged"
    assert re.match(rf"{what}; 0 exports, \d+ calls, about \d+ s at the published quota; nothing was started", ran.out)

    [file] = (tmp_path / "out").glob("A-101*.pdf")
    size = file.stat().st_size
    file.unlink()
    ran = cli(*run, "--dry-run", "--json", env=service.env)
    found = [json.loads(line) for line in ran.out.splitlines()]
    if command == "export":
        [work] = found
        assert (work["there"], work["starts"] + work["waits"], work["size"], work["unknown"]) == (2, 1, size, 0)
    else:
        assert sorted(each["state"] for each in found) == ["refreshed", "unchanged", "unchanged"]
    assert "nothing was started" in ran.err


def test_several_projects(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("sync", "--all", *GOOD, "--out", tmp_path / "out", "--dry-run", env=service.env)
    one, total = ran.out.splitlines()
    assert one.startswith("Riverside: 3 new; 3 exports, ")
    assert total.startswith("4 projects (3 failed): 3 new; 3 exports, ")
    assert "Annex: failed: " in ran.err
    assert ran.code == cli("sync", "--all", *GOOD, "--out", tmp_path / "out", env=service.env).code
    assert list((tmp_path / "out").glob("*/*.pdf"))


def test_a_round_of_watch_is_no_forecast(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("sync", "Riverside", "--out", tmp_path, "--dry-run", "--watch", "15m", env=service.env)
    assert (ran.code, "--dry-run and --watch cannot be given together" in ran.err) == (2, True)
