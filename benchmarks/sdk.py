"""One poll of an ACC export by this library and by autodesk-platform-sdk (Python >= 3.12), on the same responses.

Needs `APS_BENCH_SDK_PYTHON`: an interpreter that has the SDK and this library's dependencies.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.canned import EXPORT, PROJECT
from benchmarks.children import RAW, child, figure, spread

AT_ONCE = 64


async def _measured(call: Callable[[], Awaitable[object]], calls: int) -> float:
    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(worker(3) for _ in range(AT_ONCE)))
    began = time.process_time()
    await asyncio.gather(*(worker(calls // AT_ONCE) for _ in range(AT_ONCE)))
    return (time.process_time() - began) / (calls // AT_ONCE * AT_ONCE) * 1e6


async def ours(url: str) -> float:
    from aps_async import ExportRef, ExportRequest, Session, Settings, StaticToken
    from aps_async.exports.kinds import get_export
    from aps_async.models import ExportKind

    settings = Settings(budgets={"files.export_status": 10_000_000}, connections=AT_ONCE)
    request = ExportRequest(kind=ExportKind.FILES, project_id=PROJECT, source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id=EXPORT)
    async with Session(StaticToken("a.eyJ1c2VyaWQiOiJ4In0.c"), base_url=url, settings=settings) as session:
        return await _measured(lambda: get_export(session, ref), 12_800)


async def theirs(url: str) -> float:
    from autodesk_platform_sdk import AsyncClient  # type: ignore[import-not-found, unused-ignore]

    async with AsyncClient(base_url=url, access_token="token") as client:  # noqa: S106
        return await _measured(lambda: client.files.get_export(PROJECT, EXPORT), 1280)


def measure(rounds: int) -> str:
    """A table, in turns."""
    python = os.environ.get("APS_BENCH_SDK_PYTHON")
    if not python:
        return "Not measured: `APS_BENCH_SDK_PYTHON` names no interpreter that has autodesk-platform-sdk."
    found: dict[str, list[float]] = {"theirs": [], "ours": []}
    with child("benchmarks.canned") as at:
        for _ in range(rounds):
            for who in found:
                options = json.dumps({"who": who, **at})
                done = subprocess.run([python, "-m", "benchmarks.sdk", options], stdout=subprocess.PIPE, check=True)
                found[who].append(json.loads(done.stdout)["us"])
    RAW.append({"us a call": found})
    ratios = [ours / theirs for ours, theirs in zip(found["ours"], found["theirs"], strict=True)]
    return "\n".join(
        [
            f"`get_export` of an ACC Files job, {AT_ONCE} at once, the same pending responses.",
            "",
            "| | CPU us a call |",
            "|---|---|",
            f"| autodesk-platform-sdk, AsyncClient | {spread(found['theirs'], 0)} |",
            f"| aps_async | {spread(found['ours'], 0)} |",
            f"| **ours / theirs** | {figure('ours / theirs', ratios, 3)} (goal: at most 0.1) |",
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps({"us": asyncio.run({"ours": ours, "theirs": theirs}[options["who"]](options["url"]))}))
