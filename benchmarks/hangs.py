"""Calls that never get a response: what they cost a bulk run, a whole project and a single export (virtual time)."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import looptime

from aps_async import Session, TwoLegged, bim360, export_many, export_project, wait_for_export
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from benchmarks import run
from benchmarks.charts import bars
from benchmarks.children import figure, run_all, spread

EPOCH = 1_800_000_000.0
SHARE, JOB = 0.05, 20.0
SHEETS, FITTING, MANY, FEW = 1000, 940, 3000, 60
SCENES = {
    "bulk": f"{SHEETS} exports, {SHARE:.0%} of starts and polls hang",
    "fitting": f"{FITTING} exports, which fit into the same ten windows of starts with 5% more",
    "many": f"{MANY} exports, {SHARE:.0%} of starts and polls hang",
    "project": f"a project of 900 sheets, {SHARE:.0%} of its lists, too",
    "few": f"{FEW} exports, eight polls hang",
    "one": "one export, the last poll but one hangs",
}
_CALLS = ("export_start", "export_status")
_LISTS = ("top_folders", "folder_contents", "batch_get")


def _faults(scene: str) -> list[Fault]:
    if scene == "few":
        return [Fault(endpoint="export_status", kind="hang", nth=tuple(range(100, 108)))]
    if scene == "one":
        return [Fault(endpoint="export_status", kind="hang", nth=(10,))]
    names = _CALLS + (_LISTS if scene == "project" else ())
    return [Fault(endpoint=name, kind="hang", probability=SHARE) for name in names]


async def _export(session: Session, simulator: Simulator, scene: str, folder: str) -> int:
    """Files that arrived."""
    if scene == "project":
        return sum([each.ok async for each in export_project(session, "Clinic", folder)])
    project, sheets = simulator.world.hubs[0].projects[0].id, simulator.world.sheets
    if scene == "one":
        job = await bim360.start_export(session, project, sheets[0].tip.id)
        return int((await wait_for_export(session, job, Path(folder) / "x.pdf")).is_file())
    requests = [bim360.make_request(project, each.tip.id) for each in sheets]
    return sum([each.ok async for each in export_many(session, requests, folder)])


async def _client(scene: str, seed: int, *, hang: bool) -> dict[str, Any]:
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return EPOCH + loop.time()

    count = {"bulk": SHEETS, "fitting": FITTING, "many": MANY, "few": FEW, "one": 1}
    world = World.from_json(run.world()) if scene == "project" else World.single_folder(count[scene])
    behaviour, faults = Behaviour(job_time=JobTime.fixed(JOB)), _faults(scene) if hang else []
    async with Simulator(world, seed=seed, clock=clock, behaviour=behaviour, faults=faults) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url, clock=clock) as session:
            with tempfile.TemporaryDirectory() as folder:
                began = loop.time()
                files = await _export(session, simulator, scene, folder)
                wall = loop.time() - began
        calls = simulator.counts()["endpoints"]["export_start"]["calls"]
    return {"wall": wall, "files": files, "floor": (calls - 1) // 100 * 60 + JOB}


def measure(rounds: int) -> str:
    """A table."""
    options = [
        {"scene": scene, "seed": seed, "hang": hang} for scene in SCENES for seed in range(rounds) for hang in (0, 1)
    ]
    found = run_all("benchmarks.hangs", options)
    lines, chart = [], {}
    for scene, words in SCENES.items():
        rows = [(row, each) for each, row in zip(options, found, strict=True) if each["scene"] == scene]
        walls = [[row["wall"] for row, each in rows if each["hang"] == hang] for hang in (0, 1)]
        floors = [[row["floor"] for row, each in rows if each["hang"] == hang] for hang in (0, 1)]
        ratios = [after / before for before, after in zip(*walls, strict=True)]
        least = [after / before for before, after in zip(*floors, strict=True)]
        files = [row["files"] for row, each in rows if each["hang"]]
        more = [after - before for before, after in zip(*walls, strict=True)]
        chart[words] = median(ratios)
        cells = [spread(walls[0], 1), spread(walls[1], 1), spread(more, 1), figure(f"hangs, {scene}", ratios, 3)]
        lines.append(f"| {words} | " + " | ".join([*cells, spread(least, 3), spread(files, 0)]) + " |")
    return "\n".join(
        [
            f"Virtual time, published quotas, jobs of {JOB:g} s. A call that hangs never gets a response, but counts",
            "against the quota; so the quota alone makes a run longer by the factor in the last column but one:",
            "1,000 starts fill ten windows of a minute, so those that hang need an eleventh, whatever the client does.",
            f"With {FITTING} exports they fit into the tenth; what is left is the wait for the last of them. In a",
            "longer run, whole windows and the last wait weigh less.",
            "",
            bars("hangs", "wall time over that without calls that hang", chart, start=0.9, goal=1.1, digits=3),
            "",
            "| | wall, s | with calls that hang, s | more, s (goal for one poll: 12) | factor (goal: 1.1) "
            "| factor by quota alone | files |",
            "|---|---|---|---|---|---|---|",
            *lines,
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    loop = looptime.new_event_loop()
    try:
        row = loop.run_until_complete(_client(options["scene"], options["seed"], hang=bool(options["hang"])))
    finally:
        loop.close()
    sys.stdout.write(json.dumps(row) + "\n")
