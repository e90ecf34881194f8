"""From the command to the last file: 900 sheets in 300 folders, over a line with latency, against the quota's bound."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.charts import bars
from benchmarks.children import RAW, child, figure, folder_in_memory, simulator, spread

FOLDERS, EACH = 300, 3
LATENCY, JOB = 0.4, 20.0
SPEED = 5.0
BOUND = 8 * 60 + JOB
"""Seconds: 900 starts are nine windows of 100, of which the last begins after eight minutes, and the last job."""
WAYS = {
    "library": "export_project, by name",
    "known": "export_project, project and folder known",
    "export": "aps-async export",
    "sync": "aps-async sync",
}
COMMANDS = ("export", "sync")
FIRST_START = {"library": 3.8, "known": 2.5, "export": 3.8, "sync": 3.8}


def world() -> dict[str, Any]:
    """One project with sheets in many folders."""
    folders = [
        {"name": f"F{n:03}", "items": [{"number": f"A-{n:03}{each}"} for each in range(EACH)]} for n in range(FOLDERS)
    ]
    return {"hubs": [{"projects": [{"name": "Clinic", "folders": [{"name": "Plans", "folders": folders}]}]}]}


@contextmanager
def service(speed: float) -> Iterator[dict[str, Any]]:
    """The simulator behind the slow line."""
    with simulator(world=world(), speed=speed, job=JOB) as at:
        port = urlsplit(at["url"]).port
        with child("benchmarks.slow_line", port=port, delay=LATENCY / speed) as line:
            yield {**at, "line": line["url"]}


def _starts(at: dict[str, Any]) -> list[float]:
    with urllib.request.urlopen(f"{at['url']}/simulator/counts") as answer:
        return sorted(job["started"] for job in json.load(answer)["jobs"].values())


@contextmanager
def _client(at: dict[str, Any], way: str, speed: float, folder: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {
        **os.environ,
        "APS_BASE_URL": at["line"],
        "APS_CLIENT_ID": at["client_id"],
        "APS_CLIENT_SECRET": at["client_secret"],
        "APS_SPEED": f"{speed:g}",
    }
    command = [sys.executable, "-m", "benchmarks.run", json.dumps({"way": way, "folder": folder})]
    with (
        tempfile.TemporaryFile() as lines,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=lines, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _read(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line in JSON; commands print others."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        with suppress(ValueError):
            found: dict[str, Any] = json.loads(line)
            return found
    raise RuntimeError("the measured process ended early")


def whole(way: str) -> dict[str, Any]:
    """A whole run."""
    with service(SPEED) as at, folder_in_memory() as folder, _client(at, way, SPEED, folder) as process:
        began, ended = _read(process)["began"], _read(process)
        starts = _starts(at)
        files = [each.stat().st_mtime for each in Path(folder).iterdir() if each.suffix == ".pdf"]
    row = {
        "way": way,
        "wall": (max(files) - began) * SPEED,
        "after": ended["ended"] - max(files),
        "hundredth": (starts[99] - began) * SPEED,
        "last": (starts[-1] - began) * SPEED,
        "files": len(files),
        "peak": ended["peak"],
    }
    RAW.append({"module": "benchmarks.run", "told": row})
    return row


def first_start(way: str) -> float:
    """Seconds from the command to the first start, at the services' own speed."""
    with service(1.0) as at, folder_in_memory() as folder, _client(at, way, 1.0, folder) as process:
        began = _read(process)["began"]
        for _ in range(1200):
            if starts := _starts(at):
                return float(starts[0] - began)
            time.sleep(0.1)
    raise RuntimeError("nothing was started in two minutes")


def measure(rounds: int) -> str:
    """A table."""
    runs = {way: [whole(way) for _ in range(rounds)] for way in WAYS}
    firsts = {way: [first_start(way) for _ in range(rounds)] for way in WAYS}
    ratios = {way: [row["wall"] / BOUND for row in rows] for way, rows in runs.items()}
    lines = [
        f"{FOLDERS * EACH} sheets in {FOLDERS} folders, {LATENCY} s a call, jobs of {JOB:g} s, published quotas, from "
        "the command to the last file,",
        f"without Python's start-up. Whole runs at speed {SPEED:g}, first starts at speed 1; seconds of the service.",
        f"Bound: eight windows of a minute and the last job, {BOUND:g} s.",
        "",
        bars(
            "run",
            "wall time over the quota's bound",
            {WAYS[way]: median(values) for way, values in ratios.items()},
            start=0.95,
            goal=1.05,
            digits=3,
        ),
        "",
        "| | wall / bound (goal: 1.05) | wall, s | first start, s | goal | hundredth start, s | files "
        "| after the last file, real s | peak, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for way, rows in runs.items():
        cells = [
            figure(f"wall / bound, {way}", ratios[way], 3),
            spread([row["wall"] for row in rows], 0),
            figure(f"first start, {way}", firsts[way]),
            f"{FIRST_START[way]:g}",
            spread([row["hundredth"] for row in rows], 1),
            spread([row["files"] for row in rows], 0),
            spread([row["after"] for row in rows], 1),
            spread([row["peak"] for row in rows], 0),
        ]
        lines.append(f"| {WAYS[way]} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Load average of this machine at the end: {os.getloadavg()[2]:.0f}. More than its cores slows the client",
        f"and the simulator, and each real second counts as {SPEED:g}.",
        "After the last file, the command line draws the thumbnails of its report, in a process of their own.",
    ]
    return "\n".join(lines)


def _print(**values: float) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _library(folder: str, *, is_known: bool) -> None:
    from aps_async import Session, Settings, TwoLegged, export_project
    from aps_async.resources.projects import find_project, list_top_folders

    async with Session(TwoLegged.from_env(), base_url=os.environ["APS_BASE_URL"], settings=Settings.from_env()) as one:
        project = await find_project(one, "Clinic") if is_known else None
        [plans] = [each for each in await list_top_folders(one, project) if each.is_plans] if project else [None]
    session = Session(TwoLegged.from_env(), base_url=os.environ["APS_BASE_URL"], settings=Settings.from_env())
    _print(began=time.time())
    async with session:
        async for _ in export_project(session, project or "Clinic", folder, source_folder=plans):
            pass


def _run(way: str, folder: str) -> None:
    import resource

    if way in COMMANDS:
        from aps_async.cli import app, export, main, syncing  # noqa: F401 - loaded before the clock starts

        _print(began=time.time())
        main([way, "Clinic", "--out", folder])
    else:
        asyncio.run(_library(folder, is_known=way == "known"))
    _print(ended=time.time(), peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    _run(options["way"], options["folder"])
