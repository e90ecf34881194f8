"""100 to 10,000 sheets by 1 and 4 clients in virtual time: the cost of a sheet must not grow."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import looptime

from aps_async import ExportRequest, Session, TwoLegged, bim360, export_many
from aps_async.simulator import Behaviour, Simulator, World
from benchmarks.charts import bars
from benchmarks.children import figure, run, spread
from benchmarks.memory import resident_mib

EPOCH = 1_800_000_000.0


async def _played(sheets: int, clients: int, seed: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return EPOCH + loop.time()

    # every client is an app with its own quota, like four companies
    apps = [{"id": f"app-{number}", "secret": "secret"} for number in range(clients)]
    items = [{"number": f"A-{number}"} for number in range(sheets)]
    plans = {"name": "Plans", "items": items}
    world = World.from_json({"apps": apps, "hubs": [{"projects": [{"name": "Large", "folders": [plans]}]}]})
    async with Simulator(world, seed=seed, clock=clock, behaviour=Behaviour()) as simulator:
        requests = [
            bim360.make_request(world.hubs[0].projects[0].id, each.tip.id, name=each.name) for each in world.sheets
        ]
        simulator.prepare()
        with tempfile.TemporaryDirectory() as folder:

            async def one(number: int, mine: list[ExportRequest]) -> int:
                tokens = TwoLegged(f"app-{number}", "secret")
                async with Session(tokens, base_url=simulator.url, clock=clock) as session:
                    return sum(
                        [outcome.polls async for outcome in export_many(session, mine, Path(folder) / str(number))]
                    )

            before, cpu, began = resident_mib("VmRSS"), time.process_time(), loop.time()
            polls = sum(await asyncio.gather(*(one(n, requests[n::clients]) for n in range(clients))))
            return {
                "wall": (loop.time() - began) * clients / sheets,
                "cpu": (time.process_time() - cpu) / sheets * 1e3,
                "kib": (resident_mib("VmHWM") - before) * 1024 / sheets,
                "polls": polls / sheets,
            }


def measure(rounds: int) -> str:
    """A table; the simulator runs in the same process, so its CPU is in the figure."""
    rows, chart = [], {}
    for clients in (1, 4):
        for sheets in (100, 1000, 10_000):
            found = [
                run("benchmarks.growth", sheets=sheets, clients=clients, seed=seed)
                for seed in range(1 if sheets > 1000 else rounds)
            ]
            name = f"{clients} client{'s' * (clients > 1)}, {sheets} sheets"
            cpu = [row["cpu"] for row in found]
            cells = [spread([row[key] for row in found]) for key in ("wall", "kib", "polls")]
            cells.insert(1, figure(f"CPU ms a sheet, {name}", cpu))
            rows.append(f"| {clients} | {sheets} | " + " | ".join(cells) + " |")
            chart[name] = median(cpu)
    return "\n".join(
        [
            "Virtual time, published quotas for each client, client and simulator in one process (CPU is of both).",
            "At 100 starts a minute and client, a sheet takes 0.6 s; small runs add the time of their last job, and",
            "divide the fixed cost of a process by fewer sheets. 10,000 sheets were run once.",
            "",
            bars("growth", "CPU of client and simulator, ms a sheet", chart),
            "",
            "| clients | sheets | s a sheet and client | CPU ms a sheet | KiB a sheet | polls a sheet |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    loop = looptime.new_event_loop()
    try:
        row = loop.run_until_complete(_played(**options))
    finally:
        loop.close()
    sys.stdout.write(json.dumps(row) + "\n")
