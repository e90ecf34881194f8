"""What a sync or export into a folder that has everything costs the command, with the simulator in another process.

The folder is made from a register, as one whose ledger was lost: thousands of exports would prove nothing more here.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.children import RAW, figure, folder_in_memory, simulator, spread
from benchmarks.memory import resident_mib

SIZES = (5_000, 20_000, 50_000)
EACH = 60
"""Sheets in one folder, as in the demo's large project."""
SPEED = 20.0
_PROJECT = "Large"
_AT = "2026-01-05T10:00:00+00:00"


def world(sheets: int) -> dict[str, Any]:
    """One project of that many sheets."""
    folders = [
        {"name": f"F{first // EACH:04}", "items": [_item(n) for n in range(first, min(first + EACH, sheets))]}
        for first in range(0, sheets, EACH)
    ]
    return {"hubs": [{"projects": [{"name": _PROJECT, "folders": [{"name": "Plans", "folders": folders}]}]}]}


def _item(number: int) -> dict[str, str]:
    return {"number": f"A-{number:05}", "title": f"Floor plan of part {number}"}


@contextmanager
def service(sheets: int) -> Iterator[dict[str, Any]]:
    """The simulator of such a project."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world(sheets), file)
        file.flush()
        with simulator(world=file.name, speed=SPEED, job=1, plain=True) as at:
            yield at


def fill(folder: Path, at: dict[str, Any]) -> None:
    """Files for all sheets, and the register that names them."""
    rows: list[dict[str, Any]] = []
    for number, source in enumerate(at["sheets"]):
        sheet = _item(number)
        name, content = f"{sheet['number']} - {sheet['title']}.pdf", f"%PDF-1.7\n%{source}\n%%EOF\n".encode()
        (folder / name).write_bytes(content)
        rows.append(
            {
                **sheet,
                "name": name.removesuffix(".pdf"),
                "version": "1",
                "folder": f"Plans/F{number // EACH:04}",
                "file": name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "state": "unchanged",
                "exportedAt": _AT,
                "source": source,
                "fileSource": source,
            }
        )
    project = {"project": _PROJECT, "projectId": at["project"].removeprefix("b."), "writtenAt": _AT, "form": 1}
    (folder / "register.json").write_text(json.dumps({**project, "sheets": rows}))


def command(at: dict[str, Any], *words: str) -> dict[str, Any]:
    """One run of the command: its CPU time, peak memory and last line."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",  # an installed package is compiled
        "APS_BASE_URL": at["url"],
        "APS_CLIENT_ID": at["client_id"],
        "APS_CLIENT_SECRET": at["client_secret"],
        "APS_SPEED": f"{SPEED:g}",
    }
    before = _calls(at)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", json.dumps(words)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *_, summary, last = done.stdout.splitlines()
    found: dict[str, Any] = {**json.loads(last), "summary": summary, "calls": _calls(at) - before}
    RAW.append({"module": "benchmarks.scale", "options": {"words": words[:1]}, "told": found})
    return found


def _calls(at: dict[str, Any]) -> int:
    with urllib.request.urlopen(f"{at['url']}/simulator/counts") as answer:
        return sum(each["calls"] for each in json.load(answer)["endpoints"].values())


def measure(rounds: int) -> str:
    """A table."""
    lines = [
        f"`aps-async sync` and `export` of one project in folders of {EACH} sheets, into a folder that has all of",
        f"them, in a process of its own, at {SPEED:g} times the services' speed. The first run makes the lost ledger",
        "again from the register and reads every file. The goal for 20,000 sheets is 2.5 s of CPU.",
        "",
        "| sheets | run | API calls | goal | CPU s | peak MiB | wall s |",
        "|---|---|---|---|---|---|---|",
    ]
    peaks: dict[tuple[str, int], float] = {}
    for sheets in SIZES:
        with service(sheets) as at, folder_in_memory() as folder:
            fill(Path(folder), at)
            first = command(at, "sync", _PROJECT, "--out", folder)
            _check(first, f"{sheets:,} unchanged")
            lines.append(_row(sheets, "sync, ledger made again", [first], ""))
            for word, summary in (
                ("sync", f"{sheets:,} unchanged"),
                ("export", f"{sheets:,} PDFs ({sheets:,} already there)"),
            ):
                rows = [command(at, word, _PROJECT, "--out", folder) for _ in range(rounds)]
                for each in rows:
                    _check(each, summary)
                peaks[word, sheets] = min(each["peak"] for each in rows)
                lines.append(_row(sheets, f"{word}, unchanged", rows, -(-sheets // EACH) + 10))
    least, most = min(SIZES), max(SIZES)
    for word in ("sync", "export"):
        more = peaks[word, most] - peaks[word, least]
        lines += ["", f"`{word}`: {most:,} sheets take {more:.0f} MiB more than {least:,} (goal: 40)."]
    return "\n".join(lines)


def _check(run: dict[str, Any], summary: str) -> None:
    if not run["summary"].startswith(summary):
        raise AssertionError(run["summary"])


def _row(sheets: int, name: str, runs: list[dict[str, Any]], goal: object) -> str:
    cells = [
        spread([each["calls"] for each in runs], 0),
        str(goal),
        figure(f"CPU s, {sheets} sheets, {name}", [each["cpu"] for each in runs], 1),
        figure(f"peak MiB, {sheets} sheets, {name}", [each["peak"] for each in runs], 0),
        spread([each["wall"] for each in runs], 1),
    ]
    return f"| {sheets:,} | {name} | " + " | ".join(cells) + " |"


def main(words: list[str]) -> None:
    """The measured process."""
    from aps_async.cli import main as run

    began = time.monotonic()
    code = run(words)
    found = {"cpu": time.process_time(), "peak": resident_mib("VmHWM"), "wall": time.monotonic() - began}
    sys.stdout.write(json.dumps(found) + "\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
