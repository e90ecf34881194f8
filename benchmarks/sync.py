"""What a repeated sync costs: nothing, a hundredth or everything changed, in virtual time at the published quotas."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import looptime

from aps_async import Session, TwoLegged
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import Version
from aps_async.sync.project import sync_project
from benchmarks.children import figure, folder_in_memory, run, spread
from benchmarks.memory import resident_mib

EPOCH = 1_800_000_000.0
SHEETS = (1_000, 10_000)
PAGE = 200
_RESUMED = "all changed, stopped, resumed"
_SHARES = {"first run": 1.0, "unchanged": 0.0, "1 % changed": 0.01, "all changed": 1.0, _RESUMED: 1.0}
_STOPPED_AFTER = 30.0


def clock() -> float:
    """Wall time that goes with the event loop's own."""
    return EPOCH + asyncio.get_running_loop().time()


def _revise(world: World, count: int) -> None:
    items = [each for each in world.items.values() if each.kind == "Document"]
    for item in items[:count]:
        number = item.tip.number + 1
        item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={number}", number, item))
    world.index()


async def _sync(simulator: Simulator, folder: Path, expected: int | None) -> dict[str, float]:
    simulator.reset_counts()
    tokens = TwoLegged(simulator.client_id, simulator.client_secret)
    before, cpu, began = resident_mib("VmRSS"), time.process_time(), asyncio.get_running_loop().time()
    async with Session(tokens, base_url=simulator.url, clock=clock) as session:
        project = simulator.world.hubs[0].projects[0]
        async with aclosing(sync_project(session, project.id, folder)) as outcomes:
            changed = sum([each.state != "unchanged" async for each in outcomes])
        if expected is not None and changed != expected:
            raise AssertionError(f"{changed} sheets were not unchanged, instead of {expected}")
        endpoints = simulator.counts()["endpoints"].values()
        return {
            "calls": session.calls,
            "refused": sum(each["429"] for each in endpoints),
            "seconds": asyncio.get_running_loop().time() - began,
            "cpu": time.process_time() - cpu,
            "mib": max(0.0, resident_mib("VmHWM") - before),
        }


async def _play(sheets: int, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    behaviour = Behaviour(job_time=JobTime.fixed(20))
    world = World.single_folder(sheets, seed=seed)
    found = {}
    async with Simulator(world, clock=clock, behaviour=behaviour, seed=seed) as simulator:
        simulator.pages.is_plain = True  # drawing would take most of the time
        for name, share in _SHARES.items():
            count = round(sheets * share)
            if name != "first run":
                _revise(world, count)
            if name == _RESUMED:  # in the window of the starts before, which are in the ledger
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOPPED_AFTER):
                        await _sync(simulator, folder, count)
            found[name] = await _sync(simulator, folder, None if name == _RESUMED else count)
            await asyncio.sleep(600)  # virtual: each run has whole quota windows
    return found


def measure(rounds: int, sizes: Sequence[int] = SHEETS) -> str:
    """A table; the simulator runs in the same process, so its CPU and memory are in the figures."""
    lines = [
        "One folder, jobs of 20 s, virtual time at the published quotas: after a first run nothing, 1 % and all",
        "sheets are revised. Calls are all API calls; CPU and memory are of the client and of the simulator in one",
        "process; memory is how far the process's peak so far lies above the start of the run.",
        "Goals: for an unchanged project as many calls as pages of 200 sheets, and 10; the bound of the others is the",
        "quota of 100 starts a minute and the last job. The last run is stopped 30 s after its begin and begun again",
        "at once, by a new session; its figures are those of the second part. Goal: nothing is refused.",
        "",
        "| sheets | run | calls | goal | seconds | bound | CPU s | MiB | refused (429) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for sheets in sizes:
        found = [run("benchmarks.sync", sheets=sheets, seed=seed) for seed in range(1 if sheets > 1000 else rounds)]
        lines += [_row(sheets, name, [each[name] for each in found]) for name in _SHARES]
    return "\n".join(lines)


def _row(sheets: int, name: str, runs: list[dict[str, Any]]) -> str:
    changed = round(sheets * _SHARES[name])
    calls = "" if changed else f"<= {-(-sheets // PAGE) + 10}"
    bound = f">= {(changed - 1) // 100 * 60 + 20}" if changed and name != _RESUMED else ""
    cells = [
        figure(f"calls, {sheets} sheets, {name}", [each["calls"] for each in runs], 0),
        calls,
        figure(f"seconds, {sheets} sheets, {name}", [each["seconds"] for each in runs], 0),
        bound,
        spread([each["cpu"] for each in runs], 1),
        spread([each["mib"] for each in runs], 0),
        str(sum(each["refused"] for each in runs)),
    ]
    return f"| {sheets:,} | {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """One series of runs, in a process of its own."""
    options = json.loads(sys.argv[1])
    loop = looptime.new_event_loop()
    try:
        with folder_in_memory() as folder:
            found = loop.run_until_complete(_play(options["sheets"], options["seed"], Path(folder)))
    finally:
        loop.close()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
