"""`--batch` of `export` and `sync`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation, simulation
from tests.cli.test_acc_commands import WORLD
from tests.sync.sheets import labels_of

Cli = Callable[..., Ran]


@pytest.fixture(scope="module", params=["in order", "one missing"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """Simulators whose PDFs of several sheets are whole, or not."""
    file = tmp_path_factory.mktemp("world") / "world.json"
    file.write_text(json.dumps(WORLD), "utf-8")
    switches = (f"acc_sheet_pages={request.param}", "job_time=0.1")
    with simulation("--world", str(file), *(part for each in switches for part in ("--set", each))) as found:
        yield found


@pytest.mark.parametrize("command", ["export", "sync"])
def test_sheets_come_in_batches(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    out, merged = tmp_path / "out", tmp_path / "set.pdf"
    argv = (command, "Tower", "--out", str(out), "--user-id", "ADA", "--merge", str(merged), "--json")
    ran = cli(*argv, "--batch", "2", env=service.env)
    assert ran.code == 0, ran.err
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert len(found) == 3
    warnings = sum(bool(each["warnings"]) for each in found)
    assert warnings in (0, 2)
    words = "its batch of 2 was not usable: 2 sheets were asked for, and the number of pages is 1"
    assert ran.err.count(words) == warnings
    assert labels_of(merged) == ["A-101", "A-102", "A-103"]
    assert len(list(out.glob("*.pdf"))) == 3
    assert cli("resume", str(out), env=service.env).code == 0


@pytest.mark.parametrize("command", ["export", "sync"])
def test_batches_are_refused_where_there_are_none(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    ran = cli(command, "Clinic", "--out", str(tmp_path), "--batch", "2", env=service.env)
    assert ran.code == 4
    assert "Clinic is not an ACC project" in ran.err
    for more in (("--batch", "0"), ("--batch", "1001")):
        assert cli(command, "Tower", "--out", str(tmp_path), *more, env=service.env).code == 2
    assert cli("export", "Tower", "--files", "--out", str(tmp_path), "--batch", "2", env=service.env).code == 2
