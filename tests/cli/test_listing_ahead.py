"""Commands that begin while the list goes on: totals that are not guessed, and the same errors as before."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation, paths_in, simulation

FOLDERS = 40
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {
                            "name": "Plans",
                            "folders": [
                                {"name": f"F{n:02}", "items": [{"number": f"A-{n:02}"}]} for n in range(FOLDERS)
                            ]
                            + [{"name": "Empty"}],
                        }
                    ],
                }
            ]
        }
    ]
}
# Eight folders at once take half a second each at this speed.
SLOW = {"endpoint": "folder_contents", "kind": "slow", "seconds": 30}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    world = tmp_path_factory.mktemp("world") / "world.json"
    world.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(world), "--speed", "60", "--set", "job_time=1") as running:
        yield running


def numbered(ran: Ran) -> list[str]:
    """The figures in front of the lines of progress."""
    return [line.partition(" ")[0] for line in ran.err.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("command", ["export", "sync"])
def test_files_arrive_while_the_list_goes_on(
    cli: Callable[..., Ran], clinic: Simulation, tmp_path: Path, command: str
) -> None:
    with clinic.faults(SLOW):
        ran = cli(command, "Clinic", "--out", tmp_path, "--no-report", env=clinic.env)
    assert ran.code == 0, ran.err
    figures = numbered(ran)
    assert figures[0].startswith("[1/")
    assert figures[0].endswith("+]")
    assert int(figures[0][3:-2]) < FOLDERS
    assert figures[-1] == f"[{FOLDERS}/{FOLDERS}]"
    assert len([path for path in paths_in(tmp_path) if path.suffix == ".pdf"]) == FOLDERS
    if command == "export":
        assert f"exporting {FOLDERS} sheets" in ran.err.splitlines()
        assert ran.err.splitlines()[0] != f"exporting {FOLDERS} sheets"


def test_a_folder_that_may_not_be_listed_is_reported_and_the_rest_arrives(
    cli: Callable[..., Ran], clinic: Simulation, tmp_path: Path
) -> None:
    refused = {"endpoint": "folder_contents", "kind": "status", "status": 403, "nth": [20]}
    with clinic.faults(refused):
        ran = cli("export", "Clinic", "--out", tmp_path, "--no-report", env=clinic.env)
    assert "could not be listed" in ran.err
    assert numbered(ran)[-1] == f"[{FOLDERS - 1}/{FOLDERS - 1}]"


def test_a_list_that_fails_on_the_way_says_so_after_what_arrived(
    cli: Callable[..., Ran], clinic: Simulation, tmp_path: Path
) -> None:
    with clinic.faults({"endpoint": "folder_contents", "kind": "status", "status": 501, "nth": [30]}):
        ran = cli("export", "Clinic", "--out", tmp_path, "--no-report", env=clinic.env)
    assert ran.code not in (0, 130)
    assert "501" in ran.err
    done = len(numbered(ran))
    again = cli("export", "Clinic", "--out", tmp_path, "--no-report", env=clinic.env)
    assert again.code == 0, again.err
    assert f"({done:,} already there)" in again.out


@pytest.mark.parametrize("folder", ["Empty", "Nowhere"])
def test_nothing_to_export_is_an_error_before_anything_is_written(
    cli: Callable[..., Ran], clinic: Simulation, tmp_path: Path, folder: str
) -> None:
    ran = cli("export", "Clinic", "--folder", folder, "--out", tmp_path / "out", env=clinic.env)
    assert ran.code == 4
    assert not (tmp_path / "out").exists()


def batch_gets(clinic: Simulation) -> int:
    """Calls for numbers and titles so far."""
    endpoints = clinic.control("counts")["endpoints"]
    return sum(each["calls"] for name, each in endpoints.items() if "batch" in name)


def test_a_repeated_export_takes_numbers_and_titles_from_the_ledger(
    cli: Callable[..., Ran], clinic: Simulation, tmp_path: Path
) -> None:
    words = ("export", "Clinic", "--out", tmp_path, "--no-report")
    calls = [batch_gets(clinic)]
    for options in ((), (), ("--verify",)):
        ran = cli(*words, *options, env=clinic.env)
        assert ran.code == 0, ran.err
        calls.append(batch_gets(clinic))
    first, again, verified = (after - before for before, after in pairwise(calls))
    assert (first > 0, again, verified > 0) == (True, 0, True)
    assert f"({FOLDERS} already there)" in ran.out
