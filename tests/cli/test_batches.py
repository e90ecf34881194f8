"""`--batch` of `export` and `sync`."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation, run, simulation, start, text_of
from tests.cli.test_acc_commands import WORLD
from tests.sync.sheets import labels_of

Cli = Callable[..., Ran]


@pytest.fixture(scope="module", params=["in order", "one missing"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """Simulators whose PDFs of several sheets are whole, or not."""
    file = tmp_path_factory.mktemp("world") / "world.json"
    file.write_text(json.dumps(WORLD), "utf-8")
    switches = (f"acc_sheet_pages={request.param}", "job_time=5")
    with simulation(
        "--world", str(file), "--speed", "60", *(part for each in switches for part in ("--set", each))
    ) as found:
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
    words = "its batch of 2 was not usable: the PDF has 1 page, and 2 sheets were requested"
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


@pytest.mark.long
def test_a_killed_run_leaves_no_wrong_name_and_goes_on(tmp_path: Path) -> None:
    numbers = [f"A-{n}" for n in (*range(1, 20), *range(100, 120))]
    sheets = [{"number": each, "title": f"Plan {at}"} for at, each in enumerate(numbers)]
    world = {
        "users": [{"id": "ADA"}],
        "hubs": [{"projects": [{"name": "Tower", "projectType": "ACC", "sheets": sheets}]}],
    }
    file, out = tmp_path / "world.json", tmp_path / "out"
    file.write_text(json.dumps(world), "utf-8")
    switches = ("--set", "acc_sheet_pages=shuffled", "--set", "acc_sheet_names=both", "--set", "job_time=1")
    with simulation("--world", str(file), "--speed", "20", *switches) as service:
        argv = ("export", "Tower", "--out", str(out), "--user-id", "ADA", "--batch", "13", "--no-report")
        for wanted in (0, 1, 14, 30):
            process = start(*argv, env=service.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(3000):
                files = list(out.glob("*.pdf"))
                if process.poll() is not None or (len(files) > wanted if wanted else list(out.glob(".*.part"))):
                    break
                time.sleep(0.01)
            process.kill()
            process.communicate()
            assert {each.stem for each in out.glob("*.pdf") if not shows_its_number(each)} == set()
        ran = run(*argv, env=service.env)
    assert ran.code == 0, ran.err
    files = list(out.glob("*.pdf"))
    assert (len(files), {each.stem for each in files if not shows_its_number(each)}) == (len(numbers), set())
    assert not list(out.glob("*.part")), "nor a part of what was split"


def shows_its_number(path: Path) -> bool:
    """Whether a sheet's file has its number in a line of its own, and its title."""
    number, _, title = path.stem.partition(" - ")
    lines = text_of(path).splitlines()
    return number in lines and title in lines
