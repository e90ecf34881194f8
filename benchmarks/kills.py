"""`kill -9` of `aps-async export` at random moments, then the same command again, until everything is there."""

import base64
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from attrs import define, field, frozen

from aps_async.ledger import LEDGER_NAME
from benchmarks.children import simulator, spread

SHEETS, SPEED = 300, 60
IN_FLIGHT = 32  # Settings.starts_at_once

Moment = Callable[["subprocess.Popen[str]", dict[str, Any]], None]
"""Waits until it is time to kill, given the command and where the simulator is."""


@frozen
class Killed:
    """What one kill left behind."""

    files: int
    """Under their final names, all of them right."""
    lost: int
    """Starts that the service has seen and the ledger has not."""


@define
class Told:
    """What became of one folder."""

    kills: list[Killed] = field(factory=list)
    fetched_again: int = 0
    """Downloads of what was there already."""
    started_again: int = 0
    """Starts of what the ledger had a reference for."""
    left: set[str] = field(factory=set)
    """What else lies in the folder at the end."""


def measure(rounds: int) -> str:
    """A table; `rounds` is the number of kills, once each in a folder of its own and once all in one folder."""
    dice = random.Random(2026)  # the same moments each time
    whole, right = undisturbed()

    def at_any_time(process: "subprocess.Popen[str]", _: dict[str, Any]) -> None:
        try:
            process.communicate(timeout=dice.uniform(0, whole))
        except subprocess.TimeoutExpired:
            return

    def among_the_starts(process: "subprocess.Popen[str]", at: dict[str, Any]) -> None:
        wait_for_calls(process, at, ("export_start",), dice.randrange(1, SHEETS))

    def soon(process: "subprocess.Popen[str]", at: dict[str, Any]) -> None:
        wait_for_calls(process, at, ("export_start", "signed_get"), dice.randrange(1, 4 * SHEETS // rounds))

    apart = [killed([at_any_time], right) for _ in range(rounds)]
    starting = [killed([among_the_starts], right) for _ in range(rounds)]
    together = killed([soon] * rounds, right)
    columns = (apart, starting, [together])

    def row(words: str, cell: Callable[[list[Told]], str]) -> str:
        return f"| {words} | " + " | ".join(cell(column) for column in columns) + " |"

    def each(values: Callable[[Killed], int]) -> Callable[[list[Told]], str]:
        return lambda column: spread([values(kill) for told in column for kill in told.kills], 0)

    return "\n".join(
        [
            f"`aps-async export` of {SHEETS} sheets from a simulator at `--speed {SPEED}` with the published quotas: "
            f"{whole:.1f} s when nothing disturbs it. Killed, then begun again: at a moment drawn from 0 to "
            f"{whole:.1f} s after its start; when the service has seen so many starts, drawn from 1 to {SHEETS - 1}; "
            "and many times in one folder, each time after a few more starts and downloads.",
            "",
            f"| | {rounds} folders, at any time | {rounds} folders, among the starts | one folder, {rounds} kills |",
            "|---|---|---|---|",
            row("at the end equal to the undisturbed run", lambda column: f"{len(column)} of {len(column)}"),
            row("files there at a kill, all of them right", each(lambda kill: kill.files)),
            row("files fetched again that were there", lambda column: str(sum(told.fetched_again for told in column))),
            row(f"starts to be repeated after a kill (of at most {IN_FLIGHT} in flight)", each(lambda kill: kill.lost)),
            row("starts repeated of what the ledger knew", lambda column: str(sum(t.started_again for t in column))),
            row("part files left at the end", lambda column: str(sum(".part" in n for t in column for n in t.left))),
        ]
    )


def undisturbed(*options: str) -> tuple[float, dict[str, str]]:
    """How long a run takes, and what it brings: the digest of every file by its name."""
    with tempfile.TemporaryDirectory() as name, simulator(sheets=SHEETS, speed=SPEED) as at:
        began = time.monotonic()
        to_the_end(at, Path(name), *options)
        took, right = time.monotonic() - began, digests(Path(name))
    assert len(right) == SHEETS
    return took, right


def killed(moments: list[Moment], right: dict[str, str]) -> Told:
    """Begins an export and kills it, at every one of these moments, and then lets it come to its end."""
    told = Told()
    with tempfile.TemporaryDirectory() as name, simulator(sheets=SHEETS, speed=SPEED) as at:
        folder = Path(name)
        there, known, seen = set[str](), set[str](), 0
        for moment in [*moments, None]:
            if moment is None:
                to_the_end(at, folder)
            else:
                with export_command(at, folder) as process:
                    moment(process, at)
                    process.kill()
            log = _log(at)
            starts, fetches = _subjects(log, "export_start"), _subjects(log, "signed_get")
            told.fetched_again += sum(each in there for each in fetches[seen:] if each)
            told.started_again += sum(each in known for each in starts[seen:] if each)
            seen = len(log)
            whole = digests(folder)
            assert whole.items() <= right.items(), "something wrong stands under a final name"
            rows = _rows(folder)
            there = {subject for subject, name, _ in rows if f"{name}.pdf" in whole}
            known = {subject for subject, _, reference in rows if reference}
            lost = {each for each in starts if each} - known
            assert len(lost) <= IN_FLIGHT
            if moment is not None:
                told.kills.append(Killed(len(whole), len(lost)))
        assert whole == right
        told.left = {path.name for path in folder.iterdir()} - set(right)
    return told


def export_command(
    at: dict[str, Any],
    folder: Path,
    *options: str,
    command: str = "export",
    stdout: int | IO[str] = subprocess.DEVNULL,
) -> "subprocess.Popen[str]":
    """Begins `aps-async export`, or another command, of the whole project."""
    credentials = {
        "APS_BASE_URL": at["url"],
        "APS_CLIENT_ID": at["client_id"],
        "APS_CLIENT_SECRET": at["client_secret"],
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APS_")}
    argv = [sys.executable, "-m", "aps_async", command, at["project"], "--out", str(folder), *options]
    environment |= credentials | {"APS_SPEED": str(SPEED)}
    return subprocess.Popen(argv, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


def wait_for_calls(
    process: "subprocess.Popen[str]", at: dict[str, Any], endpoints: tuple[str, ...], count: int
) -> None:
    """Until the service has seen so many more of these calls, or the command has come to its end."""
    before = None
    for counts in _asked(at, "counts"):
        seen = sum(counts["endpoints"].get(name, {}).get("calls", 0) for name in endpoints)
        before = seen if before is None else before
        if seen - before >= count or process.poll() is not None:
            return


def to_the_end(at: dict[str, Any], folder: Path, *options: str, command: str = "export") -> None:
    """Runs the command, which has to succeed."""
    with export_command(at, folder, *options, command=command) as process:
        _, words = process.communicate()
    assert process.returncode == 0, words


def _log(at: dict[str, Any]) -> list[dict[str, Any]]:
    """What the service saw, when it has done with the calls of a client that is gone."""
    for counts in _asked(at, "counts"):
        if counts["open_connections"] <= 1:  # our own
            break
    log: list[dict[str, Any]] = next(_asked(at, "log"))
    return log


def _asked(at: dict[str, Any], what: str) -> Iterator[Any]:
    while True:
        with urllib.request.urlopen(f"{at['url']}/simulator/{what}") as answer:
            yield json.load(answer)
        time.sleep(0.005)  # else most of what the simulator does is to answer this


def _subjects(log: list[dict[str, Any]], endpoint: str) -> list[str | None]:
    """For each call of the log, the sheet that it was about; None for the calls of other endpoints."""

    def subject(key: str) -> str:
        parts = key.split("/")
        if endpoint == "export_start":
            return unquote(parts[parts.index("versions") + 1])
        return (
            base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4)).decode().replace("_version=", "?version=")
        )

    return [subject(call["key"]) if call["endpoint"] == endpoint else None for call in log]


def _rows(folder: Path) -> list[tuple[str, str, str | None]]:
    """Sheet, name and reference of everything in the ledger."""
    if not (folder / LEDGER_NAME).exists():
        return []
    with closing(sqlite3.connect(folder / LEDGER_NAME)) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name='exports'").fetchone():
            return []  # killed before its tables were made
        rows = ledger.execute("SELECT request, name, export_id FROM exports").fetchall()
    return [(json.loads(request)["subjects"][0], name, reference) for request, name, reference in rows]


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file by its name, those of the ledger and the register left out."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*.pdf")}
