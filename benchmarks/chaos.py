"""`aps-async export` while half of all responses come to harm and the process is killed, until everything is there."""

import json
import random
import re
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from aps_async import errors
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
_FRESH = re.compile(r"\[\d+/\d+\] .*, [\d.]+ s$")  # an outcome that this process brought
_UNTYPED = re.compile(r"Traceback|never retrieved|Unclosed|unexpected [A-Z]")


@frozen(kw_only=True)
class Size:
    """How much is exported, and how often that is disturbed from outside."""

    sheets: int = 1000
    kills: int = 8
    step: int = 200
    """Memory is measured each time that so many exports are done."""


@define
class Survived:
    """What became of one project."""

    seed: int
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
    """A table; `rounds` is the number of projects. The first is exported without kills, which shows the memory."""
    with tempfile.TemporaryDirectory() as name, disturbed(size.sheets, 0, 0.0) as at:
        quiet = survived(at, Path(name), {}, 0, evolve(size, kills=0))
        right = digests(Path(name))
    assert len(right) == size.sheets, quiet
    runs = [_run(SEED + number, right, size if number else evolve(size, kills=0)) for number in range(rounds)]
    for run in runs:
        RAW.append({"module": "benchmarks.chaos", "options": {"seed": run.seed}, "result": _plain(run)})
    FIGURES["seconds"] = [run.seconds for run in runs]
    return _table(runs, quiet, size)


def _run(seed: int, right: dict[str, str], size: Size) -> Survived:
    with tempfile.TemporaryDirectory() as name, disturbed(size.sheets, seed, SHARE) as at:
        return survived(at, Path(name), right, seed, size)


@contextmanager
def disturbed(sheets: int, seed: int, share: float) -> Iterator[dict[str, Any]]:
    """A simulator behind a proxy that harms this share of all responses; gives the proxy's address."""
    with simulator(sheets=sheets, speed=SPEED) as at:
        ports = {"api": urlsplit(at["url"]).port, "storage": urlsplit(at["storage_url"]).port}
        with child("benchmarks.faulty_proxy", seed=seed, share=share, upstream=ports) as proxy:
            yield {**at, "url": proxy["api"]}


def survived(at: dict[str, Any], folder: Path, right: dict[str, str], seed: int, size: Size) -> Survived:
    """Exports a project: killed so often, and begun again until nothing is left to do."""
    tally, dice = Survived(seed), random.Random(seed)
    began = time.monotonic()
    # Each of the killed processes gets some way on: they share two thirds of the work.
    killed_after = [dice.randrange(1, 2 * size.sheets // (3 * size.kills) + 2) for _ in range(size.kills)]
    code = 1
    while code and tally.restarts <= MOST_RESTARTS:
        code = _command(at, folder, tally, killed_after[tally.kills] if tally.kills < size.kills else None, size)
        there = digests(folder)
        tally.wrong += bool(right) and sum(right.get(name) != each for name, each in there.items())
        if code == -9:
            tally.kills += 1
        elif code:
            tally.restarts += 1
    tally.seconds = time.monotonic() - began
    tally.lost = len(right.keys() - there.keys())
    tally.left = sorted({path.name for path in folder.iterdir()} - there.keys())
    with urllib.request.urlopen(at["url"] + COUNTS) as response:
        counts = json.load(response)
    tally.requests, tally.faults = counts["requests"], Counter(counts["faults"])
    return tally


def _command(at: dict[str, Any], folder: Path, tally: Survived, killed_after: int | None, size: Size) -> int:
    """One process until it ends or has brought so many sheets and is killed; gives its exit code."""
    brought, last = 0, ""
    options = ("--json", "--timeout", f"{TIMEOUT:g}")
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
