"""CPU of one poll: `get_export` through the whole session, against raw aiohttp with orjson and parsing by hand."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import aiohttp
import orjson
from yarl import URL

from aps_async import ExportRef, ExportRequest, Session, Settings, TwoLegged
from aps_async.exports.kinds import get_export
from aps_async.models import ExportKind
from aps_async.resources import bim360
from aps_async.transport.request import call_to
from benchmarks.canned import EXPORT, PROJECT, URN
from benchmarks.charts import bars
from benchmarks.children import child, figure, instructions, run, spread

CALLS = 6000
PATH = f"/bim360/docs/v1/projects/{PROJECT}/versions/urn%3Aadsk%3Fversion%3D1/exports/{EXPORT}"
LOOPS = ("asyncio", "uvloop")
LAYERS = {
    "raw": "raw aiohttp + orjson, with a timer for each call",
    "http": "aiohttp as the session calls it: no timer, no redirects, no `async with`",
    "send": "+ the deadline, errors of our own",
    "exchange": "+ the quota, the token",
    "attempt": "+ status and JSON",
    "request": "+ headers, address, retries, the typed response",
    "ours": "+ path and `ExportJob`: all of `get_export`",
}

Poll = Callable[[], Awaitable[object]]


async def _measured(call: Poll, at_once: int, calls: int) -> float:
    """CPU microseconds a call."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(worker(10) for _ in range(at_once)))  # connections are open, code is warm
    began = time.process_time()
    await asyncio.gather(*(worker(calls // at_once) for _ in range(at_once)))
    return (time.process_time() - began) / (calls // at_once * at_once) * 1e6


async def raw(url: str, at_once: int, calls: int) -> float:
    """A handwritten poll that handles all special cases of the address, and checks the status."""
    headers = {"Authorization": "Bearer " + "t" * 900, "Accept": "application/json", "User-Agent": "raw"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as http:

        async def call() -> tuple[str, str, str | None]:
            async with http.get(URL(url + PATH, encoded=True), headers=headers) as response:
                response.raise_for_status()
                body = orjson.loads(await response.read())
            return body["id"], body["status"], (body.get("data") or {}).get("signedUrl")

        return await _measured(call, at_once, calls)


async def ours(url: str, at_once: int, calls: int, layer: str) -> float:
    """`get_export`, or only part of it up to one layer of the session."""
    settings = Settings(budgets={"bim360.export_status": 10_000_000}, connections=at_once)
    request = ExportRequest(kind=ExportKind.BIM360, project_id=PROJECT, source_ids=(URN,))
    ref = ExportRef(request=request, export_id=EXPORT)
    async with Session(TwoLegged("id", "secret"), base_url=url, settings=settings) as session:
        await session.check_token()
        headers = {"Accept": "application/json", "User-Agent": "aps-async"}
        call = call_to(session.base_url, bim360.STATUS, "GET", PATH, headers)
        http, token = session._connections, await session._tokens.token(session)

        async def bare() -> bytes:
            response = await http.begin(call, token, settings)
            body: bytes = await response.read()
            return body

        layers: dict[str, Poll] = {
            "http": bare,
            "send": lambda: http.send(call, token, settings),
            "exchange": lambda: session._exchange(call, None, session._send),
            "attempt": lambda: session._attempt(call),
            "request": lambda: session.request(bim360.STATUS, "GET", PATH, into=bim360.ExportAnswer),
            "ours": lambda: get_export(session, ref),
        }
        return await _measured(layers[layer], at_once, calls)


def _instructions(**options: Any) -> float | None:
    return instructions("benchmarks.polls", (3200, 12_800), **options)


def measure(rounds: int) -> str:
    """A table by concurrency and event loop, measured in turns, and a breakdown by layer."""
    rows, chart = [], {}
    with child("benchmarks.canned") as at:
        for loop in LOOPS:
            for at_once in (1, 64, 256):
                found: dict[str, list[float]] = {"raw": [], "ours": []}
                for _ in range(rounds):
                    for who in found:
                        found[who].append(run("benchmarks.polls", who=who, at_once=at_once, loop=loop, **at)["us"])
                ratio = [o / r for o, r in zip(found["ours"], found["raw"], strict=True)]
                counted = [_instructions(who=who, at_once=at_once, loop=loop, **at) for who in ("raw", "ours")]
                by_count = "-"
                if counted[0] and counted[1]:
                    by_count = figure(f"{loop}, {at_once} at once, instructions", [counted[1] / counted[0]])
                name = f"{loop}, {at_once} at once"
                cells = [spread(found["raw"], 0), spread(found["ours"], 0), figure(f"{name}, CPU time", ratio)]
                rows.append(f"| {loop} | {at_once} | " + " | ".join([*cells, by_count.partition(" ")[0]]) + " |")
                chart[name] = median(ratio)
        layers = _layers(at)
    return "\n".join(
        [
            bars("polls", "CPU of a poll over raw aiohttp + orjson", chart, start=0.9, goal=1.1),
            "",
            "| loop | at once | raw aiohttp + orjson, CPU us | get_export, CPU us | ratio (goal: 1.10) "
            "| ratio of instructions |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *layers,
        ]
    )


def _layers(at: dict[str, Any]) -> list[str]:
    rows = []
    for layer, words in LAYERS.items():
        counted = [_instructions(who=layer, at_once=64, loop=loop, **at) for loop in LOOPS]
        if not counted[0] or not counted[1]:
            return ["Instructions are not counted: this machine has no `perf`, or no counter for it."]
        rows.append(f"| {words} | {counted[0] / 1e3:.0f} | {counted[1] / 1e3:.0f} |")
    return [
        "Where the time goes: thousands of instructions a call, 64 at once, without the kernel. Three quarters of what",
        "the session adds to aiohttp (the difference between the second line and the last) are saved by features of",
        "aiohttp that it does not use (between the first and the second). uvloop runs aiohttp's part with fewer",
        "instructions and ours with the same number, so that our share is larger there.",
        "With 256 at once, the garbage collector has more of our live objects to scan: without it, the ratio of",
        "instructions on uvloop is 1.08.",
        "",
        "| | asyncio | uvloop |",
        "|---|---|---|",
        *rows,
    ]


def _main(options: dict[str, Any]) -> float:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if options["loop"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    url, at_once, calls, who = options["url"], options["at_once"], options.get("calls", CALLS), options["who"]
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(raw(url, at_once, calls) if who == "raw" else ours(url, at_once, calls, who))


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"us": _main(json.loads(sys.argv[1]))}) + "\n")
