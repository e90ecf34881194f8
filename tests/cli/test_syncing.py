"""`sync` and `register` from the command line, over two states of one project."""

import copy
import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aps_async.simulator.demo import demo
from tests.cli.support import Ran, Simulation, run, simulation
from tests.documents import lying_in

Cli = Callable[..., Ran]
PROJECT = "Riverside Clinic"


def later(world: dict[str, Any]) -> dict[str, Any]:
    """The same account a week later: a sheet revised, one deleted, one with another title."""
    world = copy.deepcopy(world)
    folders = world["hubs"][0]["projects"][0]["folders"][0]["folders"]
    sheets = [each for folder in folders for each in folder.get("items", ()) if each.get("type") != "file"]
    revised, hidden, renamed = [each for each in sheets if "number" in each][:3]
    revised["versions"] += 1
    hidden["hidden"] = True
    renamed["title"] = "Finishes"
    return world


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulation, Simulation]]:
    """The account this week and next week."""
    folder = tmp_path_factory.mktemp("worlds")
    first = demo(6)
    with ExitStack() as stack:
        running = []
        for name, world in (("first", first), ("later", later(first))):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(world), "utf-8")
            running.append(stack.enter_context(simulation("--world", str(path), "--speed", "60")))
        yield running[0], running[1]


@pytest.mark.parametrize("command", ["sync", "export"])
def test_a_register_that_cannot_be_written_leaves_the_summary(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path, command: str
) -> None:
    (tmp_path / "register.csv").mkdir()
    ran = cli(command, PROJECT, "--out", tmp_path, env=weeks[0].env)
    assert (ran.code, ran.out[:2]) == (7, "6 "), ran.err
    assert (tmp_path / "report.html").is_file()
    assert ran.err.rstrip().endswith("If another program has it open, close it; then run it again")


def test_two_weeks(cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    first, second = (week.env for week in weeks)
    ran = cli("sync", PROJECT, "--out", tmp_path, env=first)
    assert (ran.code, ran.out.split(";")[0]) == (0, "6 new, 1 left out"), ran.err
    names = [name for name in lying_in(tmp_path) if name.endswith(".pdf")]
    assert len(names) == 6

    ran = cli("sync", PROJECT, "--out", tmp_path, "--strict", env=second)
    assert ran.code == 9, ran.err
    assert ran.out.startswith("1 revised, 1 renamed, 3 unchanged, 1 withdrawn, 1 left out; ")
    assert "revised (1 -> 2)" in ran.err
    assert "withdrawn: it is hidden or deleted; its file is still in the folder\n" in ran.err
    assert "renamed: was " in ran.err
    assert len(list((tmp_path / "superseded").iterdir())) == 1

    ran = cli("sync", PROJECT, "--out", tmp_path, "--prune", "--json", env=second)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert {line["state"] for line in lines} == {"unchanged", "withdrawn", "left out"}
    [withdrawn] = [line for line in lines if line["state"] == "withdrawn"]
    assert Path(withdrawn["path"]).parent.name == "superseded"
    assert Path(withdrawn["path"]).is_file()
    place = f"superseded/{Path(withdrawn['path']).name}"
    assert f"withdrawn: it is hidden or deleted; its file is now {place}\n" in ran.err

    ran = cli("sync", PROJECT, "--out", tmp_path, "--markups", env=second)
    assert "5 refreshed" in ran.out
    assert "markups as of " in ran.out


def test_the_register(cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    assert cli("register", tmp_path).code == 8, "there is none"
    assert cli("export", PROJECT, "--out", tmp_path, env=weeks[0].env).code == 0
    table = cli("register", tmp_path)
    assert table.code == 0
    assert table.out.startswith("SHEET")
    [found] = [json.loads(cli("register", tmp_path, "--json").out)]
    rows = list(csv.DictReader(io.StringIO(cli("register", tmp_path, "--csv").out)))
    assert [row["number"] for row in rows] == [each["number"] for each in found["sheets"]]
    assert sum(bool(row["file"]) for row in rows) == 6
    assert cli("register", tmp_path, "--json", "--csv").code == 2


@pytest.mark.parametrize(
    ("zone", "exported", "written"),
    [
        ("UTC", "2026-03-28", "2026-03-28 23:30:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29 00:30:00"),
        ("Pacific/Apia", "2026-03-29", "2026-03-29 12:30:00"),
        ("America/St_Johns", "2026-03-28", "2026-03-28 21:00:00"),
    ],
)
def test_all_times_of_a_register_are_shown_in_one_time_zone(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path, zone: str, exported: str, written: str
) -> None:
    assert cli("export", PROJECT, "--sheet", "A-101", "--out", tmp_path, env=weeks[0].env).code == 0
    register = tmp_path / "register.json"
    found = json.loads(register.read_text("utf-8"))
    found["writtenAt"] = found["sheets"][0]["exportedAt"] = "2026-03-28T23:30:00+00:00"
    register.write_text(json.dumps(found), "utf-8")
    shown = run("register", str(tmp_path), env={"TZ": zone})
    assert f"  {exported}  " in shown.out
    assert f", as of {written}\n" in shown.err


def test_export_reports_what_is_withdrawn(cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    assert cli("export", PROJECT, "--out", tmp_path, env=weeks[0].env).code == 0
    ran = cli("export", PROJECT, "--out", tmp_path, env=weeks[1].env)
    assert ran.code == 0
    assert ", 1 left out, 1 withdrawn, " in ran.out
    assert ran.err.count("withdrawn: ") == 1
    assert "it is hidden or deleted; its file is still in the folder" in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-prune", "3"), "--max-prune needs --prune"),
        (("--refresh", "soon"), "'soon' is not a duration such as 15m"),
        (("--name", "{nummer}"), "there is no field {nummer}"),
        (("--tree", "--name", "{number}"), "cannot be given together"),
    ],
)
def test_wrong_usage_is_refused_at_once(cli: Cli, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    ran = cli("sync", PROJECT, "--out", tmp_path / "new", *options, env={"APS_BASE_URL": "http://127.0.0.1:9"})
    assert ran.code == 2
    assert words in ran.err
    assert not (tmp_path / "new").exists()


def test_resume_goes_on_with_a_sync(cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    assert cli("sync", PROJECT, "--out", tmp_path, "--tree", "--match", "A-*", env=weeks[0].env).code == 0
    ran = cli("resume", tmp_path, env=weeks[1].env)
    assert ran.code == 0, ran.err
    assert "1 revised" in ran.out
