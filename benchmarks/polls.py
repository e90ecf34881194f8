"""CPU of one poll: `get_export` through the whole session, against raw aiohttp with orjson and parsing by hand."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
from yarl import URL

from aps_async import ExportKind, ExportRef, ExportRequest, Session, Settings, TwoLegged, get_export
from benchmarks.canned import EXPORT, PROJECT, URN
from benchmarks.children import child, run, spread

CALLS = 6000


async def _measured(call: Callable[[], Awaitable[object]], at_once: int) -> float:
    """CPU microseconds a call."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(worker(10) for _ in range(at_once)))  # connections stand, code is warm
    began = time.process_time()
    await asyncio.gather(*(worker(CALLS // at_once) for _ in range(at_once)))
    return (time.process_time() - began) / (CALLS // at_once * at_once) * 1e6


async def ours(url: str, at_once: int) -> float:
    settings = Settings(budgets={"bim360.export_status": 10_000_000}, connections=at_once)
    request = ExportRequest(kind=ExportKind.BIM360, project_id=PROJECT, subjects=(URN,))
    ref = ExportRef(request=request, export_id=EXPORT)
    async with Session(TwoLegged("id", "secret"), base_url=url, settings=settings) as session:
        return await _measured(lambda: get_export(session, ref), at_once)


async def raw(url: str, at_once: int) -> float:
    """What somebody would write by hand who knows all the traps of the address, and checks the status."""
    path = f"/bim360/docs/v1/projects/{PROJECT}/versions/urn%3Aadsk%3Fversion%3D1/exports/{EXPORT}"
    headers = {"Authorization": "Bearer " + "t" * 900, "Accept": "application/json", "User-Agent": "raw"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as http:

        async def call() -> tuple[str, str, str | None]:
            async with http.get(URL(url + path, encoded=True), headers=headers) as response:
                response.raise_for_status()
                body = orjson.loads(await response.read())
            return body["id"], body["status"], (body.get("data") or {}).get("signedUrl")

        return await _measured(call, at_once)


def measure(rounds: int) -> str:
    """A table by calls at once and event loop, in turns."""
    rows = []
    with child("benchmarks.canned") as at:
        for loop in ("asyncio", "uvloop"):
            for at_once in (1, 64, 256):
                found: dict[str, list[float]] = {"raw": [], "ours": []}
                for _ in range(rounds):
                    for who in found:
                        found[who].append(run("benchmarks.polls", who=who, at_once=at_once, loop=loop, **at)["us"])
                ratio = sorted(o / r for o, r in zip(found["ours"], found["raw"], strict=True))
                rows.append(
                    f"| {loop} | {at_once} | {spread(found['raw'], 0)} | {spread(found['ours'], 0)} | {spread(ratio)} |"
                )
    return "\n".join(
        [
            "| loop | at once | raw aiohttp + orjson, CPU us | get_export, CPU us | ratio (goal: 1.10) |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    if options["loop"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    else:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        us = runner.run({"ours": ours, "raw": raw}[options["who"]](options["url"], options["at_once"]))
    sys.stdout.write(json.dumps({"us": us}) + "\n")
