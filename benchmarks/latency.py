"""One export in an idle process: from finished to the first byte on disk, and the polls it took (virtual time)."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import looptime

from aps_async import Session, TwoLegged, bim360, wait_for_export
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from benchmarks.charts import bars
from benchmarks.children import figure, run_all, spread

EPOCH = 1_800_000_000.0
JOBS = 100


async def _client(seed: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return EPOCH + loop.time()

    late: list[float] = []
    world = World.single_folder(JOBS)
    behaviour = Behaviour(job_time=JobTime(median=20.0, p95=26.0))
    async with Simulator(world, seed=seed, clock=clock, behaviour=behaviour) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url, clock=clock) as session:
            with tempfile.TemporaryDirectory() as folder:
                for sheet in world.sheets:
                    first: list[float] = []
                    job = await bim360.start_export(session, world.hubs[0].projects[0].id, sheet.tip.id)
                    path = Path(folder) / "x.pdf"

                    def note(_: object, to: list[float] = first) -> None:
                        to.append(clock())

                    await wait_for_export(session, job, path, on_progress=note)
                    late.append(first[0] - simulator.counts()["jobs"][job.ref.export_id]["finishes"])
        polls = [job["polls"] for job in simulator.counts()["jobs"].values()]
    late.sort()
    return {"mean": sum(late) / JOBS, "p95": late[int(JOBS * 0.95)], "polls": sum(polls) / JOBS, "most": max(polls)}


def measure(rounds: int) -> str:
    """A table."""
    rows = run_all("benchmarks.latency", [{"seed": seed} for seed in range(rounds)])
    cells = [figure(name, [row[key] for row in rows]) for key, name in (("mean", "mean s"), ("polls", "polls a job"))]
    chart = {name: median(row[key] for row in rows) for key, name in (("mean", "mean, s"), ("p95", "p95, s"))}
    return "\n".join(
        [
            f"{JOBS} exports one after the other, jobs of about 20 s, published quotas, virtual time.",
            "",
            bars("latency", "from finished to the first byte on disk", chart, goal=1.5),
            "",
            "| from finished to the first byte on disk, mean s (goal: 1.5) | p95 s | polls a job (goal: 12) | most |",
            "|---|---|---|---|",
            f"| {cells[0]} | {spread([row['p95'] for row in rows])} | {cells[1]} "
            f"| {spread([row['most'] for row in rows], 0)} |",
            "",
            "Most polls: for the longest of the hundred jobs, which takes twice as long as the others.",
        ]
    )


if __name__ == "__main__":
    loop = looptime.new_event_loop()
    try:
        row = loop.run_until_complete(_client(json.loads(sys.argv[1])["seed"]))
    finally:
        loop.close()
    sys.stdout.write(json.dumps(row) + "\n")
