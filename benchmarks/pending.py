"""Many pending exports in one process: memory of each, CPU while they wait, time to cancel them all."""

import asyncio
import gc
import json
import sys
import tempfile
import time
from contextlib import aclosing
from typing import Any

from aps_async import ExportRequest, Session, Settings, TwoLegged, export_many
from aps_async.exports.bulk import BulkProgress
from aps_async.models import ExportKind
from benchmarks.canned import PROJECT
from benchmarks.children import child, figure, run, spread
from benchmarks.memory import resident_mib

IDLE = 5.0


async def _client(url: str, count: int) -> dict[str, float]:
    settings = Settings(budgets={"bim360.export_start": 100_000_000}, max_pending_exports=count, export_timeout=1e6)
    requests = [
        ExportRequest(
            kind=ExportKind.BIM360, project_id=PROJECT, source_ids=(f"urn:adsk.wipprod:fs.file:vf.{n:022}?version=1",)
        )
        for n in range(count)
    ]
    pending = asyncio.Event()

    def note(at: BulkProgress) -> None:
        if at.running == count:
            pending.set()

    async with Session(TwoLegged("id", "secret"), base_url=url, settings=settings) as session:
        with tempfile.TemporaryDirectory() as folder:
            gc.collect()
            before = resident_mib("VmRSS")
            async with aclosing(export_many(session, requests, folder, on_progress=note)) as outcomes:
                waiting = asyncio.ensure_future(anext(outcomes))
                await pending.wait()
                gc.collect()
                grown = resident_mib("VmRSS") - before
                cpu = time.process_time()
                await asyncio.sleep(IDLE)
                cpu = time.process_time() - cpu
                began = time.perf_counter()
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            cancelled = time.perf_counter() - began
    return {"kib": grown * 1024 / count, "idle": cpu / IDLE * 100, "cancel": cancelled}


def measure(rounds: int) -> str:
    """A table for 10,000 and 100,000."""
    rows = []
    with child("benchmarks.canned") as at:
        for count in (10_000, 100_000):
            found = [
                run("benchmarks.pending", count=count, **at)
                for _ in range(min(rounds, 3) if count > 10_000 else rounds)
            ]
            cells = [spread([row[name] for row in found]) for name in ("idle", "cancel")]
            cells.insert(0, figure(f"KiB each, {count} pending", [row["kib"] for row in found]))
            rows.append(f"| {count} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            "The status quota (1,000 a minute) is shared by all of them, so the process polls 17 times a second.",
            "100,000 are tried three times: starting them takes half a minute.",
            "",
            "| pending | KiB each (goal: 4) | CPU while they wait, % of a core | cancel all, s |",
            "|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(_client(options["url"], options["count"]))) + "\n")
