"""What the end of a run remarks on, and what `--quiet` leaves out."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ran, Simulation, simulation

Cli = Callable[..., Ran]
PROJECT = "Riverside"
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": PROJECT,
                    "folders": [
                        {
                            "name": "Plans",
                            "items": [
                                {"number": "A-1", "title": "Plan"},
                                {"number": "A-2", "title": "Roof (2)"},
                            ],
                            "folders": [
                                {
                                    "name": "Annex",
                                    "items": [{"number": "A-1", "title": "Plan"}, {"number": "a-1", "title": "plan"}],
                                }
                            ],
                        }
                    ],
                },
                {"name": "Other", "folders": [{"name": "Plans", "items": [{"number": "B-1"}]}]},
            ]
        }
    ]
}
NUMBERED = "2 files numbered, since several sheets have the same name: "


def later() -> dict[str, Any]:
    """A folder has gone from the lists, although the service shows it and its sheets; the others have changed."""
    world: dict[str, Any] = copy.deepcopy(WORLD)
    plans = world["hubs"][0]["projects"][0]["folders"][0]
    plans["folders"][0]["deleted"] = True
    plans["items"][0]["versions"] = 2
    plans["items"][1]["title"] = "Terrace"
    return world


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulation, Simulation]]:
    """The account this week and next week."""
    folder = tmp_path_factory.mktemp("worlds")
    with ExitStack() as stack:
        running: list[Simulation] = []
        for name, world in (("first", WORLD), ("later", later())):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(world), "utf-8")
            running.append(stack.enter_context(simulation("--world", str(path), "--speed", "600")))
        yield running[0], running[1]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        (("sync", PROJECT), f"\n{NUMBERED}A-1 - Plan (2).pdf, a-1 - plan (3).pdf\n"),
        (("export", PROJECT), f"\n{NUMBERED}A-1 - Plan (2).pdf, a-1 - plan (3).pdf\n"),
        (("sync", PROJECT, "--name", "{title}"), f"\n{NUMBERED}Plan (2).pdf, plan (3).pdf\n"),
        (("export", PROJECT, "--name", "{title}", "--match", "*-1"), f"\n{NUMBERED}Plan (2).pdf, plan (3).pdf\n"),
        (
            ("export", PROJECT, "--dry-run"),
            "\n3 sheets are called 'A-1 - Plan', so that their files will be numbered\n",
        ),
        (("sync", f"{PROJECT}*"), f"\n{PROJECT}: {NUMBERED}A-1 - Plan (2).pdf, a-1 - plan (3).pdf\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_files_with_a_number_are_named(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path, how: tuple[str, ...], line: str
) -> None:
    command, project, *options = how
    ran = cli(command, project, "--out", tmp_path, *options, env=weeks[0].env)
    assert ran.code == 0, ran.err
    assert (f"\n{ran.err}").count(line) == 1, ran.err
    assert "Roof (2)" not in ran.err.partition("numbered")[2], "its own name ends like that"
    if "--dry-run" not in options:
        again = cli(command, project, "--out", tmp_path, *options, env=weeks[0].env)
        assert "numbered" not in again.err, "once is enough"


@pytest.mark.parametrize("how", [("--tree",), ("--name", "{folder}/{title}")], ids=["tree", "folders"])
def test_without_namesakes_there_is_no_remark(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path, how: tuple[str, ...]
) -> None:
    ran = cli("sync", PROJECT, "--out", tmp_path, "--exclude", "a-1", *how, env=weeks[0].env)
    assert "numbered" not in ran.err


def test_what_was_not_looked_at_is_named_with_its_reason(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path
) -> None:
    first, second = (week.env for week in weeks)
    assert cli("sync", PROJECT, "--out", tmp_path, env=first).code == 0
    ran = cli("sync", PROJECT, "--out", tmp_path, "--sheet", "A-2", env=first)
    assert "3 not looked at;" in ran.out
    assert "not looked at (" not in ran.err, "the rest was not asked for"
    ran = cli("sync", PROJECT, "--out", tmp_path, env=second)
    assert "\n2 not looked at (it is there, but was not listed): A-1, a-1\n" in ran.err
    ran = cli("sync", "Other", "--out", tmp_path, env=first)
    [line] = [
        each for each in ran.err.splitlines() if each.startswith("4 not looked at (it belongs to another project): ")
    ]
    assert line.endswith(", A-2")


def test_quiet_leaves_out_what_went_well(cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    first, second = (week.env for week in weeks)
    assert cli("sync", PROJECT, "--out", tmp_path, "--quiet", env=first).err == ""
    log = tmp_path / "log.txt"
    ran = cli("--log-file", log, "sync", PROJECT, "--out", tmp_path, "--quiet", env=second)
    assert ran.out.startswith("1 revised, 1 renamed, 2 not looked at; ")
    assert ran.err == ""
    logged = log.read_text("utf-8")
    assert "A-1 - Plan: revised (1 -> 2)\n" in logged
    assert "A-2 - Terrace: renamed: was A-2 - Roof (2)\n" in logged
    assert "2 not looked at (" in logged


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--since", "2200-01-01"), 0, "0 of 4 sheets selected"),
        (("--exclude", "*"), 4, "none of the 4 sheets of Riverside is selected"),
    ],
    ids=["nothing since then", "nothing left"],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "forecast"])
def test_that_nothing_is_selected_is_not_taken_for_an_empty_project(
    cli: Cli,
    weeks: tuple[Simulation, Simulation],
    tmp_path: Path,
    options: tuple[str, ...],
    code: int,
    words: str,
    dry: tuple[str, ...],
) -> None:
    ran = cli("sync", PROJECT, "--out", tmp_path / "new", *options, *dry, env=weeks[0].env)
    assert ran.code == code
    assert words in ran.err or dry
    assert "shows no sheets" not in ran.err
    assert ran.out.startswith("nothing to do; ") or code


@pytest.mark.parametrize(
    "how", [("sync",), ("export",), ("sync", "--dry-run"), ("sync", "--json"), ("export", "--json")]
)
def test_the_log_file_has_the_end_of_a_run(
    cli: Cli, weeks: tuple[Simulation, Simulation], tmp_path: Path, how: tuple[str, ...]
) -> None:
    command, *options = how
    log = tmp_path / "log.txt"
    ran = cli("--log-file", log, command, PROJECT, "--out", tmp_path / "out", *options, "--quiet", env=weeks[0].env)
    assert ran.code == 0
    shown = ran.err if "--json" in options else ran.out
    assert log.read_text("utf-8").count(f" {shown.splitlines()[0]}\n") == 1
