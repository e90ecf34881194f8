"""The cost of a ledger: runs with and without it in turn, and the time and size of a hundred thousand requests."""

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from aps_async import ExportRef, ExportRequest, Session, Settings, TwoLegged, bim360, export_many
from aps_async.exports.wait import download_export, poll_export
from aps_async.ledger import LEDGER_NAME, Ledger, ledger_status
from aps_async.ledger.journal import KnownFile, Record
from aps_async.models import DeliveredExport, Downloaded, ExportKind
from benchmarks.children import run, simulator, spread
from benchmarks.memory import SIZE, WORLD, resident_mib

SHEETS, SPEED, MANY = 500, 20, 100_000
AT_ONCE = 250  # as a run enters them


async def _client(at: dict[str, Any], *, ledger: bool) -> dict[str, float]:
    tokens = TwoLegged(at["client_id"], at["client_secret"])
    with tempfile.TemporaryDirectory() as folder:
        async with Session(tokens, base_url=at["url"], settings=Settings().scaled(SPEED)) as session:
            requests = [bim360.make_request(at["project"], urn, name=urn) for urn in at["sheets"]]
            began, cpu = time.perf_counter(), time.process_time()
            outcomes = [each async for each in export_many(session, requests, folder, ledger=ledger)]
            took = {"wall": time.perf_counter() - began, "cpu": (time.process_time() - cpu) / SHEETS * 1e3}
    assert all(outcome.ok for outcome in outcomes)
    return took


def _request(number: int) -> ExportRequest:
    urn = f"urn:adsk.wipprod:fs.file:vf.{number:022}?version=1"
    name = f"A-{number} - Floor plan of level {number}"
    return ExportRequest(kind=ExportKind.BIM360, project_id="b" * 36, source_ids=(urn,), name=name)


async def _many() -> dict[str, float]:
    """Enters, starts and ends everything as fast as possible, without a service."""
    measured: dict[str, float] = {"entered": 0.0, "through": 0.0, "again": 0.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Ledger(folder) as ledger:
            await ledger.begin(MANY)
            lag = asyncio.create_task(_worst_lag())
            before = resident_mib("VmRSS")
            for first in range(0, MANY, AT_ONCE):
                some = range(first, first + AT_ONCE)
                began = time.perf_counter()
                records = await ledger.enter([(_request(number), None) for number in some])
                measured["entered"] += time.perf_counter() - began
                began = time.perf_counter()
                await asyncio.gather(*map(partial(_through, ledger, folder), records, some))
                measured["through"] += time.perf_counter() - began
            await ledger.begin(MANY)
            began = time.perf_counter()
            for first in range(0, MANY, AT_ONCE):
                await ledger.enter([(_request(number), None) for number in range(first, first + AT_ONCE)])
            measured["again"] = time.perf_counter() - began
            lag.cancel()
            measured["lag"] = await lag
            measured["memory"] = resident_mib("VmHWM") - before
        measured["bytes"] = (folder / LEDGER_NAME).stat().st_size / MANY
        began = time.perf_counter()
        assert ledger_status(folder).done == MANY
        measured["status"] = time.perf_counter() - began
    return measured


async def _through(ledger: Ledger, folder: Path, record: Record, number: int) -> None:
    request = _request(number)
    await ledger.started(record, ExportRef(request=request, export_id=f"{number:036}"))
    path = folder / f"{record.name}.pdf"
    await ledger.arriving(record, Downloaded(path=path, size=number, sha256=f"{number:064x}"))
    await ledger.ended(record, DeliveredExport(request=request, path=path, size=number))


async def _worst_lag() -> float:
    """The largest delay of a timer of the event loop, in ms."""
    worst = 0.0
    try:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began - 0.001)
    except asyncio.CancelledError:
        return worst * 1e3


async def _check() -> dict[str, float]:
    """Checking existing files: small ones, and one of 1 GiB."""
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Ledger(folder) as ledger:
            for words, count, size in (("small", 1000, 200_000), ("large", 1, 1 << 30)):
                body = bytes(size)
                known = KnownFile("", size, hashlib.sha256(body).hexdigest())
                files = [KnownFile(f"{words}-{number}", known.size, known.sha256) for number in range(count)]
                for each in files:
                    (folder / each.name).write_bytes(body)
                began = time.perf_counter()
                found = await asyncio.gather(*(ledger.holds(Record(1, each.name, files=(each,))) for each in files))
                measured[words] = time.perf_counter() - began
                assert all(found)
    return measured


async def _hashed(at: dict[str, Any], *, sha256: bool) -> dict[str, float]:
    """One file of 1 GiB, from a job that is done."""
    tokens = TwoLegged(at["client_id"], at["client_secret"])
    with tempfile.TemporaryDirectory() as folder:
        async with Session(tokens, base_url=at["url"]) as session:
            started = await bim360.start_export(session, at["project"], at["sheets"][-1])
            job = await poll_export(session, started)
            began, cpu = time.perf_counter(), time.process_time()
            got = await download_export(session, job, Path(folder) / "large.pdf", sha256=sha256)
            took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    assert got.size == SIZE
    assert (got.sha256 is not None) == sha256
    return took


def measure(rounds: int) -> str:
    """Tables: with and without a ledger in turn; a hundred thousand requests; checking existing files."""
    without: list[dict[str, float]] = []
    with_one: list[dict[str, float]] = []
    for _ in range(rounds):
        for rows, ledger in ((without, False), (with_one, True)):
            with simulator(sheets=SHEETS, speed=SPEED, job=20) as at:
                rows.append(run("benchmarks.ledger", what="client", at=at, ledger=ledger))
    plain: list[dict[str, float]] = []
    hashed: list[dict[str, float]] = []
    with simulator(world=WORLD, polls=1) as at:
        run("benchmarks.ledger", what="hash", at=at, sha256=False)  # the simulator draws its page
        for _ in range(rounds):
            for rows, sha256 in ((plain, False), (hashed, True)):
                rows.append(run("benchmarks.ledger", what="hash", at=at, sha256=sha256))
    many = [run("benchmarks.ledger", what="many") for _ in range(min(rounds, 3))]
    checks = [run("benchmarks.ledger", what="check") for _ in range(rounds)]

    def over(none: list[dict[str, Any]], one: list[dict[str, Any]], figure: str) -> str:
        ratios = [more[figure] / less[figure] - 1 for less, more in zip(none, one, strict=True)]
        return spread([ratio * 100 for ratio in ratios], 1)

    def column(rows: list[dict[str, Any]], figure: str, factor: float = 1, digits: int = 2) -> str:
        return spread([row[figure] * factor for row in rows], digits)

    gib = (1 << 30) / 2**30
    return "\n".join(
        [
            f"## {SHEETS} sheets at `--speed {SPEED}`, published quotas, jobs of 20 s",
            "",
            "| | without | with a ledger | more, % |",
            "|---|---|---|---|",
            *(
                f"| {words} | {column(without, figure)} | {column(with_one, figure)} "
                f"| {over(without, with_one, figure)} |"
                for figure, words in (("wall", "**wall, s** (goal: at most 3 %)"), ("cpu", "client CPU, ms a sheet"))
            ),
            "",
            "## SHA-256 of 1 GiB while the bytes arrive",
            "",
            "| | without | with | more, % |",
            "|---|---|---|---|",
            *(
                f"| {words} | {column(plain, figure)} | {column(hashed, figure)} | {over(plain, hashed, figure)} |"
                for figure, words in (("wall", "wall, s"), ("cpu", "client CPU, s"))
            ),
            "",
            f"## {MANY:,} requests",
            "",
            "| | |",
            "|---|---|",
            f"| entered in, s | {column(many, 'entered')} |",
            f"| reference, file and outcome of all written in, s | {column(many, 'through')} |",
            f"| entered again by the next run in, s | {column(many, 'again')} |",
            f"| the event loop's worst lag meanwhile, ms | {column(many, 'lag', digits=0)} |",
            f"| `aps-async status`, s | {column(many, 'status')} |",
            f"| database, bytes a request | {column(many, 'bytes', digits=0)} |",
            f"| memory raised by, MiB | {column(many, 'memory', digits=1)} |",
            "",
            "## Checking existing files",
            "",
            "| | |",
            "|---|---|",
            f"| 1,000 files of 200 kB, ms a file | {column(checks, 'small')} |",
            f"| one file of 1 GiB, GiB/s | {spread([gib / row['large'] for row in checks])} |",
        ]
    )


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    match options["what"]:
        case "client":
            found = asyncio.run(_client(options["at"], ledger=options["ledger"]))
        case "hash":
            found = asyncio.run(_hashed(options["at"], sha256=options["sha256"]))
        case "many":
            found = asyncio.run(_many())
        case _:
            found = asyncio.run(_check())
    sys.stdout.write(json.dumps(found) + "\n")
