"""`aps-async export` while half of all responses come to harm and the process is killed, until everything is there."""

import json
import random
import re
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from aps_async import errors
from aps_async.simulator.demo import single_folder
from aps_async.simulator.demoacc import acc
from benchmarks.children import FIGURES, RAW, child, simulator
from benchmarks.faulty_proxy import COUNTS
from benchmarks.faulty_responses import FAULTS
from benchmarks.kills import SPEED, digests, export_command
from benchmarks.memory import resident_mib

SHARE, SEED = 0.5, 2026
MOST_RESTARTS = 30
TIMEOUT = 300.0
"""Seconds for each step of an export: a silent storage costs 60 s, which this `--speed` does not shorten."""
LONGEST = 600.0
"""Seconds after which a command counts as one that does not end."""
USER = "BW9RM76WZBGL"
"""For `--user-id`: a user of the ACC project."""
_FRESH = re.compile(r"\[\d+/\d+\] .*, [\d.]+ s$")  # an outcome that this process brought
_UNTYPED = re.compile(r"Traceback|never retrieved|Unclosed|unexpected [A-Z]")


@frozen(kw_only=True)
class Size:
    """How much is exported, and how often that is disturbed from outside."""

    sheets: int = 1000
    kills: int = 8
    step: int = 200
    """Memory is measured each time that so many exports are done."""

    def half(self) -> "Size":
        """One of two projects that together are as large."""
        return evolve(self, sheets=self.sheets // 2, kills=self.kills // 2)


@define
class Survived:
    """What became of one folder."""

    seed: int
    kinds: str = ""
    """Of the projects that were exported into it."""
    wrong: int = 0
    """Files under a final name that are not, byte for byte, those of an undisturbed run."""
    lost: int = 0
    """Sheets without a file at the end."""
    untyped: list[str] = field(factory=list)
    """Errors that are not of our hierarchy, and tracebacks."""
    errors: Counter[str] = field(factory=Counter)
    """Those of our hierarchy that single exports or the command ended with, before the next attempt."""
    kills: int = 0
    restarts: int = 0
    """After a command that ended by itself, with an error or with some exports failed."""
    seconds: float = 0.0
    requests: int = 0
    faults: Counter[str] = field(factory=Counter)
    memory: dict[int, float] = field(factory=dict)
    """Peak (MiB) of the first process after so many exports."""
    messages: list[str] = field(factory=list)
    """Of the errors, for the file of raw figures."""
    left: list[str] = field(factory=list)
    """What else lies in the folder at the end."""


def measure(rounds: int, size: Size = Size()) -> str:
    """A table of so many `rounds`. The first is exported without kills, which shows the memory.

    In the last of several, half of the sheets are those of an ACC project, exported for a user.
    """
    mixed = [number > 0 and number == rounds - 1 for number in range(rounds)]
    quiet = {with_acc: _undisturbed(size, with_acc=with_acc) for with_acc in sorted(set(mixed))}
    runs = [
        _run(SEED + number, quiet[with_acc][1], size if number else evolve(size, kills=0), with_acc=with_acc)
        for number, with_acc in enumerate(mixed)
    ]
    for run in runs:
        RAW.append({"module": "benchmarks.chaos", "options": {"seed": run.seed}, "result": _plain(run)})
    FIGURES["seconds"] = [run.seconds for run in runs]
    return _table(runs, quiet[False][0], size)


def _undisturbed(size: Size, *, with_acc: bool) -> tuple[Survived, dict[str, str]]:
    """A run without faults and kills, and what it brings: the digest of every file by its name."""
    with tempfile.TemporaryDirectory() as name, disturbed(size.sheets, 0, 0.0, with_acc=with_acc) as at:
        quiet = survived(at, Path(name), {}, 0, evolve(size, kills=0))
        right = digests(Path(name))
    assert len(right) == size.sheets, quiet
    return quiet, right


def _run(seed: int, right: dict[str, str], size: Size, *, with_acc: bool) -> Survived:
    with tempfile.TemporaryDirectory() as name, disturbed(size.sheets, seed, SHARE, with_acc=with_acc) as at:
        return survived(at, Path(name), right, seed, size)


@contextmanager
def disturbed(sheets: int, seed: int, share: float, *, with_acc: bool = False) -> Iterator[dict[str, Any]]:
    """A simulator behind a proxy that harms this share of all responses; gives the proxy's address."""
    world = {"world": _two_projects(sheets // 2)} if with_acc else {"sheets": sheets}
    with simulator(**world, speed=SPEED) as at:
        ports = {"api": urlsplit(at["url"]).port, "storage": urlsplit(at["storage_url"]).port}
        with child("benchmarks.faulty_proxy", seed=seed, share=share, upstream=ports) as proxy:
            yield {**at, "url": proxy["api"]}


def _two_projects(sheets: int) -> dict[str, Any]:
    """The world of a BIM 360 and an ACC project with so many sheets each."""
    bim360, in_acc = single_folder(sheets, options={}), acc(0, sheets, seed=0)
    return {**bim360, "hubs": [{**bim360["hubs"][0], "projects": [*_projects(bim360), *_projects(in_acc)]}]}


def _projects(world: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world["hubs"][0]["projects"]
    return found


def survived(at: dict[str, Any], folder: Path, right: dict[str, str], seed: int, size: Size) -> Survived:
    """Exports every project: killed so often, and begun again until nothing is left to do."""
    projects: dict[str, str] = at["projects"]
    tally, dice = Survived(seed, " and ".join(projects.values())), random.Random(seed)
    began = time.monotonic()
    for project, kind in projects.items():
        options = ("--user-id", USER) if kind == "ACC" else ()
        share = size if len(projects) == 1 else size.half()
        _to_the_end({**at, "project": project}, folder, options, right, tally, dice, share)
    tally.seconds = time.monotonic() - began
    there = digests(folder)
    tally.lost = len(right.keys() - there.keys())
    tally.left = sorted({path.name for path in folder.iterdir()} - there.keys())
    with urllib.request.urlopen(at["url"] + COUNTS) as response:
        counts = json.load(response)
    tally.requests, tally.faults = counts["requests"], Counter(counts["faults"])
    return tally


def _to_the_end(
    at: dict[str, Any],
    folder: Path,
    options: Sequence[str],
    right: dict[str, str],
    tally: Survived,
    dice: random.Random,
    size: Size,
) -> None:
    """Exports one project."""
    # Each of the killed processes gets some way on: they share two thirds of the work.
    killed_after = [dice.randrange(1, 2 * size.sheets // (3 * size.kills) + 2) for _ in range(size.kills)]
    code = 1
    while code and tally.restarts <= MOST_RESTARTS:
        code = _command(at, folder, options, tally, killed_after[0] if killed_after else None, size)
        tally.wrong += bool(right) and sum(right.get(name) != each for name, each in digests(folder).items())
        if code == -9:
            tally.kills += 1
            del killed_after[:1]
        elif code:
            tally.restarts += 1


def _command(
    at: dict[str, Any], folder: Path, more: Sequence[str], tally: Survived, killed_after: int | None, size: Size
) -> int:
    """One process until it ends or has brought so many sheets and is killed; gives its exit code."""
    brought, last = 0, ""
    options = ("--json", "--timeout", f"{TIMEOUT:g}", *more)
    with tempfile.TemporaryFile("w+") as lines, export_command(at, folder, *options, stdout=lines) as process:
        guard = threading.Timer(LONGEST, process.kill)
        guard.start()
        assert process.stderr is not None
        for line in process.stderr:
            last = line.strip()
            tally.untyped += [last] * bool(_UNTYPED.search(line))
            brought += bool(_FRESH.match(last))
            if brought == killed_after:
                process.kill()
                killed_after = None
            elif not tally.restarts + tally.kills and brought and brought % size.step == 0:
                with suppress(LookupError):  # it has just ended
                    tally.memory.setdefault(brought, resident_mib("VmHWM", process.pid))
        code = process.wait()
        if not guard.is_alive():
            tally.untyped.append(f"a command did not end in {LONGEST:g} s")
        guard.cancel()
        lines.seek(0)
        _note_errors(lines.read(), tally)
    if code not in (0, 1, -9):
        tally.errors[f"exit code {code}"] += 1
        tally.messages.append(last)
    if code not in (0, 1, 3, 4, 5, 6, -9):
        tally.untyped.append(f"exit code {code}: {last}")
    return code


def _note_errors(text: str, tally: Survived) -> None:
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):  # the process was killed while it wrote this
            continue
        if error := json.loads(line)["error"]:
            tally.errors[error["type"]] += 1
            tally.messages.append(error["message"])
            kind = getattr(errors, error["type"], None)
            if not (isinstance(kind, type) and issubclass(kind, errors.APSError)):
                tally.untyped.append(f"{error['type']}: {error['message']}")


def _useless(run: Survived) -> int:
    return sum(run.faults[each.name] for each in FAULTS if not each.harmless)


def _plain(run: Survived) -> dict[str, Any]:
    names = Survived.__annotations__
    return {name: dict(value) if isinstance(value := getattr(run, name), Counter) else value for name in names}


def _table(runs: list[Survived], quiet: Survived, size: Size) -> str:
    def row(words: str, cell: Any) -> str:
        return f"| {words} | " + " | ".join(str(cell(run)) for run in runs) + " |"

    def memory(run: Survived) -> str:
        return ", ".join(f"{mib:.1f} ({count:,})" for count, mib in run.memory.items()) or "-"

    harmed = sum((run.faults for run in runs), Counter[str]())
    return "\n".join(
        [
            f"`aps-async export` of {size.sheets:,} sheets from a simulator at `--speed {SPEED}` through a proxy that "
            f"harms {SHARE:.0%} of all responses; killed (`SIGKILL`) {size.kills} times, except for the first, and "
            f"begun again until it exits with 0. Undisturbed: {quiet.requests:,} requests in {quiet.seconds:.1f} s. "
            "The seed decides which calls are harmed, and how.",
            "",
            "| seed | " + " | ".join(str(run.seed) for run in runs) + " |",
            "|---|" + "---|" * len(runs),
            row("projects", lambda run: run.kinds),
            row("files with a wrong byte, at any time", lambda run: run.wrong),
            row("sheets lost", lambda run: run.lost),
            row("untyped errors and tracebacks", lambda run: len(run.untyped)),
            row("part files left", lambda run: sum(".part" in name for name in run.left)),
            row("kills", lambda run: run.kills),
            row("restarts after an error", lambda run: run.restarts),
            row(
                "exports and commands that ended with an error before they succeeded",
                lambda run: ", ".join(f"{count} {name}" for name, count in run.errors.most_common()) or "none",
            ),
            row("requests", lambda run: f"{run.requests:,}"),
            row("of them harmed", lambda run: f"{run.faults.total() / run.requests:.1%}"),
            row("retries, since the response was of no use", lambda run: f"{_useless(run):,}"),
            row("seconds", lambda run: f"{run.seconds:.0f}"),
            row("peak memory of the first process in MiB (after so many exports)", memory),
            "",
            "Faults: " + ", ".join(f"{harmed[each.name]:,} {each.name}" for each in FAULTS) + ".",
        ]
    )
