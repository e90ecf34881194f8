"""`kill -9` of `aps-async sync --prune` at many moments, then the same command again: is anything lost or stale?

A folder agrees with a project. Then a third of its sheets is revised, a tenth is withdrawn, a tenth gets another title,
some are new and some files have been edited. The sync of that is killed at a moment, and begun again in this folder.
"""

import copy
import hashlib
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from benchmarks import children
from benchmarks.kills import export_command, to_the_end, wait_for_calls

SHEETS, SPEED = 60, 60
_SUPERSEDED = "superseded"
_OPTIONS = ("--prune", "--max-prune", "100")
_OTHER_NAMES = ("--name", "Sheet {number}")
CHANGED = ("export_start", "signed_get")
"""Calls that a run makes for what is new or revised; those before them only list."""

Moment = Callable[["subprocess.Popen[str]", dict[str, Any]], None]
"""Waits until it is time to kill, given the command and where the simulator is."""


@define
class Found:
    """What the kills left behind."""

    runs: int = 0
    killed: int = 0
    """Those that were still running at their moment."""
    in_between: int = 0
    """Kills that left a folder which agreed with neither week."""
    lost: list[str] = field(factory=list[str])
    """Files of the first week whose bytes were nowhere in the folder, after the kill or at the end."""
    broken: list[str] = field(factory=list[str])
    """Names that were given to other bytes than those of a whole file."""
    different: list[str] = field(factory=list[str])
    """What differed at the end from a run that nothing disturbed."""


@define
class Weeks:
    """The folder of the first week, its edits, the service of the second, and what must come of both."""

    at: dict[str, Any]
    first: Path
    expected: dict[str, str]
    seconds: float
    """Of an undisturbed run."""
    calls: int
    """Of an undisturbed run, to start and to download."""


def measure(rounds: int, sheets: int = SHEETS) -> str:
    """A table; `rounds` / 7 of 50 kills."""
    count = max(2, 50 * rounds // 7)
    dice = random.Random(2026)

    def at_any_time(process: "subprocess.Popen[str]", _: dict[str, Any]) -> None:
        try:
            process.communicate(timeout=dice.uniform(0, weeks.seconds))
        except subprocess.TimeoutExpired:
            return

    def among_the_changes(process: "subprocess.Popen[str]", at: dict[str, Any]) -> None:
        wait_for_calls(process, at, CHANGED, dice.randrange(1, weeks.calls))

    with two_weeks(sheets) as weeks:
        found = Found()
        while found.killed < count and found.runs < 2 * count:
            even, half = found.runs % 2, found.runs // 2 % 2
            kill_and_go_on(weeks, among_the_changes if even else at_any_time, found, *(_OTHER_NAMES if half else ()))
    children.RAW.append({"module": "benchmarks.prunes", "told": {"kills": count, "lost": found.lost}})
    return "\n".join(
        [
            f"`aps-async sync --prune` of {sheets} sheets, a third of them revised, a tenth withdrawn, a tenth renamed "
            f"and 5 new, 3 edited, at `--speed {SPEED}`: {weeks.seconds:.1f} s when nothing disturbs it. Killed "
            "at a moment drawn from all of that, or after so many starts and downloads, then begun again; half of them "
            "first with other names for all files.",
            "",
            "| | |",
            "|---|---|",
            f"| kills, of {found.runs} runs | {found.killed} |",
            f"| of them, in a folder between the two weeks | {found.in_between} |",
            f"| files lost, after the kill or at the end | {len(found.lost)} |",
            f"| names with other bytes than a whole file's | {len(found.broken)} |",
            f"| differences at the end from the undisturbed run | {len(found.different)} |",
            *(f"| | {words} |" for words in (*found.lost, *found.broken, *found.different)[:10]),
        ]
    )


@contextmanager
def two_weeks(sheets: int = SHEETS) -> Iterator[Weeks]:
    """Both weeks, with the folder of the first one made and edited."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        world = _world(sheets)
        with children.simulator(world=world, speed=SPEED, job=20) as at:
            to_the_end(at, root / "first", *_OPTIONS, "--no-report", command="sync")
        for path in sorted((root / "first").glob("*.pdf"))[-3:]:
            path.write_bytes(path.read_bytes() + path.name.encode())
        with children.simulator(world=_later(world), speed=SPEED, job=20) as at:
            _copy(root / "first", root / "whole")
            began = time.monotonic()
            to_the_end(at, root / "whole", *_OPTIONS, command="sync")
            seconds = time.monotonic() - began
            changed = len(_pdfs(root / "whole").keys() - _pdfs(root / "first").keys())
            yield Weeks(at, root / "first", _pdfs(root / "whole"), seconds, changed)


def kill_and_go_on(weeks: Weeks, moment: Moment, found: Found, *options: str) -> None:
    """One kill, and the run after it, before that another one if there are options; adds what was wrong to `found`."""
    folder = weeks.first.with_name("killed")
    _copy(weeks.first, folder)
    try:
        with export_command(weeks.at, folder, *_OPTIONS, command="sync") as process:
            moment(process, weeks.at)
            was_running = process.poll() is None
            process.kill()
        before, then = _pdfs(weeks.first), _pdfs(folder)
        found.runs += 1
        found.killed += was_running
        found.in_between += then not in (before, weeks.expected)
        whole = {*before.values(), *weeks.expected.values()}
        found.broken += [f"{name} is not whole" for name, digest in then.items() if digest not in whole]
        found.lost += [f"{name} after the kill" for name in _missing(before, then)]
        if options:
            to_the_end(weeks.at, folder, *_OPTIONS, *options, command="sync")
            found.lost += [f"{name} under other names" for name in _missing(before, _pdfs(folder))]
        to_the_end(weeks.at, folder, *_OPTIONS, command="sync")
        end = _pdfs(folder)
        found.lost += [f"{name} at the end" for name in _missing(before, end)]
        found.different += _differences(end, weeks.expected)
    finally:
        shutil.rmtree(folder)


def _missing(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Names of the files whose bytes are nowhere any more."""
    there = set(now.values())
    return [name for name, digest in before.items() if digest not in there]


def _differences(end: dict[str, str], expected: dict[str, str]) -> list[str]:
    """Files in place must be the same; of those that gave way, the bytes, since their names may have a number."""
    ours, wanted = _in_place(end), _in_place(expected)
    found = [f"{name} at the end" for name in ours.keys() | wanted.keys() if ours.get(name) != wanted.get(name)]
    aside, wanted_aside = (Counter(set(each.values()) - set(_in_place(each).values())) for each in (end, expected))
    return found + [f"{_SUPERSEDED}: {digest[:8]}" for digest in (aside - wanted_aside) + (wanted_aside - aside)]


def _in_place(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if not name.startswith(f"{_SUPERSEDED}/")}


def _pdfs(folder: Path) -> dict[str, str]:
    """The SHA-256 of every PDF below a folder by its name; part files, which begin with a dot, are left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("[!.]*.pdf")
    }


def _copy(source: Path, to: Path) -> None:
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(".aps-async.lock"))


def _world(sheets: int) -> dict[str, Any]:
    """One BIM 360 project with one folder of sheets."""
    items = [{"number": f"A-{101 + number}", "title": f"Plan {number}", "versions": 1} for number in range(sheets)]
    project = {"name": "Clinic", "folders": [{"name": "Plans", "items": items}]}
    return {"hubs": [{"name": "Hub", "projects": [project]}]}


def _later(world: dict[str, Any]) -> dict[str, Any]:
    """The same project a week later."""
    later = copy.deepcopy(world)
    items = later["hubs"][0]["projects"][0]["folders"][0]["items"]
    for number, item in enumerate(items):
        if number % 3 == 0:
            item["versions"] += 1
        elif number % 10 == 1:
            item["hidden"] = True
        elif number % 10 == 2:
            item["title"] = f"Other plan {number}"
    items += [{"number": f"N-{number}", "title": "New", "versions": 1} for number in range(5)]
    return later
