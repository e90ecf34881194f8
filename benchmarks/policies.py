"""Polling policies over a whole run in virtual time: the real client against the simulator at published quotas.

Every policy has the same jobs (log-normal, median 20 s, p95 60 s if not said otherwise, seeded by the round) and the
same client; what differs is when a job is asked about and where the downloads wait.
"""

import asyncio
import functools
import json
import random
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import aclosing
from pathlib import Path
from statistics import mean, median
from typing import Any

import backoff
import looptime

from aps_async import ExportRequest, Session, Settings, TwoLegged, bim360, export_many, start_export
from aps_async.exports.wait import download_export, poll_export
from aps_async.policies import Policy, PollPolicy
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from benchmarks.bulk import OTHERS, bound, others
from benchmarks.charts import bars
from benchmarks.children import figure, run_all, spread
from benchmarks.refusals import CountingQuotas

EPOCH = 1_800_000_000.0
SLOTS = 8
SLOW = 10.0


def _full_jitter() -> Generator[float, Any, None]:
    """The default of backoff: exponential up to a minute, with each wait drawn between zero and that."""
    steps = backoff.expo(base=1.5, factor=2, max_value=60)
    yield next(steps)
    while True:
        yield random.uniform(0, next(steps))


async def _gated(session: Session, requests: list[ExportRequest], folder: Path, policy: Policy | None) -> None:
    async with aclosing(
        export_many(session, requests, folder, max_concurrent_downloads=SLOTS, policy=policy)
    ) as outcomes:
        async for outcome in outcomes:
            assert outcome.ok, outcome.error


async def _task_per_job(session: Session, requests: list[ExportRequest], folder: Path, policy: Policy | None) -> None:
    """The common approach: poll every job independently, then queue for a download slot."""
    free = asyncio.Semaphore(SLOTS)

    async def one(number: int, request: ExportRequest) -> None:
        job = await poll_export(session, await start_export(session, request), policy=policy, timeout=36_000)
        async with free:
            await download_export(session, job, folder / f"{number}.pdf")

    await asyncio.gather(*(one(number, request) for number, request in enumerate(requests)))


Runner = Callable[[Session, list[ExportRequest], Path, Policy | None], Any]
_fixed = functools.partial(backoff.constant, 5)
POLICIES: dict[str, tuple[Runner, Policy | None]] = {
    "ours: shared quota, gated by a free slot": (_gated, None),
    "the same without learning": (_gated, PollPolicy()),
    "fixed 5 s, gated": (_gated, _fixed),
    "full jitter 2-60 s, gated": (_gated, _full_jitter),
    "shared quota, a task per job": (_task_per_job, PollPolicy()),
    "fixed 5 s, a task per job, no pacer": (_task_per_job, _fixed),
}
JOBS = {"alike": JobTime(p95=36.0), "wide": JobTime(p95=120.0)}
SCENES = {
    "quick": "downloads take no time",
    "slow": "downloads take 10 s",
    "shared": "others start 40 a minute too",
    "alike": "jobs take about as long, p95 36 s",
    "wide": "jobs differ widely, p95 120 s",
}


async def _played(policy: str, scene: str, sheets: int, seed: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return EPOCH + loop.time()

    faults = [Fault(endpoint="signed_get", kind="slow", seconds=SLOW)] if scene == "slow" else []
    behaviour = Behaviour(quota_phase=random.Random(seed).uniform(0, 60), job_time=JOBS.get(scene, JobTime()))
    world = World.single_folder(sheets + 1)
    async with Simulator(world, seed=seed, clock=clock, behaviour=behaviour, faults=faults) as simulator:
        project = world.hubs[0].projects[0].id
        *requests, spare = [bim360.make_request(project, each.tip.id, name=each.name) for each in world.sheets]
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        unpaced = dict.fromkeys(("bim360.export_start", "bim360.export_status"), 1_000_000)
        budgets = unpaced if policy.endswith("no pacer") else {}
        settings = Settings(export_timeout=36_000, budgets=budgets, max_attempts=1000 if budgets else 8)
        counting = CountingQuotas()
        async with Session(tokens, base_url=simulator.url, settings=settings, quotas=counting, clock=clock) as session:
            noise = None
            if scene == "shared":
                noise = asyncio.create_task(others(simulator.url, tokens, spare, 60 / OTHERS, clock))
            began = loop.time()
            with tempfile.TemporaryDirectory() as folder:
                play, when = POLICIES[policy]
                await play(session, requests, Path(folder), when)
            wall = loop.time() - began
            if noise is not None:
                noise.cancel()
                await asyncio.gather(noise, return_exceptions=True)
        measured = _measured(simulator, scene, sheets, wall, EPOCH + began)
        return {**measured, "refused": counting.most(), "refused_in_a_window": counting.most_in_a_window(60)}


def _measured(simulator: Simulator, scene: str, sheets: int, wall: float, began: float) -> dict[str, float]:
    measured = simulator.counts()
    jobs = [job for job in measured["jobs"].values() if job["first_seen_completed"]]  # the others poll none
    late = sorted(job["first_seen_completed"] - job["finishes"] for job in jobs)
    ends = measured["endpoints"]
    return {
        "wall": wall,
        "ratio": wall / bound(jobs, began, sheets, SLOW if scene == "slow" else 0.0, SLOTS, 1.0),
        "late": mean(late),
        "late95": late[int(len(late) * 0.95)],
        "polls": ends["export_status"]["calls"] / sheets,
        "expired": measured["expired_urls_opened"],
        "gets": ends["signed_get"]["calls"] / sheets,
    }


def measure(rounds: int, sheets: int = 1000) -> str:
    """A table by scene and policy, and a chart of the deciding figure."""
    asked = [
        {"policy": policy, "scene": scene, "sheets": sheets, "seed": seed}
        for scene in SCENES
        for policy in POLICIES
        for seed in range(rounds)
    ]
    measured = iter(run_all("benchmarks.policies", asked))
    rows, chart = [], {}
    for scene, words in SCENES.items():
        for policy in POLICIES:
            found = [next(measured) for _ in range(rounds)]
            ratio = [row["ratio"] for row in found]
            first = figure(f"wall / bound, {scene}: {policy}", ratio, 3)
            cells = [first] + [
                spread([row[name] for row in found], digits)
                for name, digits in (
                    ("late", 1),
                    ("late95", 1),
                    ("polls", 1),
                    ("refused", 0),
                    ("refused_in_a_window", 0),
                    ("expired", 0),
                )
            ]
            rows.append(f"| {words} | {policy} | " + " | ".join(cells) + " |")
            chart[f"{scene}: {policy}"] = median(ratio)
    return "\n".join(
        [
            f"{sheets} sheets at published quotas in virtual time, {SLOTS} download slots; each round draws the phase",
            "of the quota's windows. Bound as in `bulk`.",
            "",
            bars("policies", "wall time over its bound, 1,000 sheets (shorter is better)", chart, start=0.99, digits=3),
            "",
            "| | policy | wall / bound | noticed after, mean s | p95 s | polls a job | 429s to us | most in a window "
            "| expired opened |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "All policies but the last use our rate limiter, which keeps a run at its bound without 429s. With ours,",
            "there is no number to choose: the interval follows from the quota and the number of jobs that share it,",
            "and, where the run's earlier jobs took about as long, from how long they took. Goal for those: a fifth",
            "fewer polls, noticed no later; where they differ widely, nothing changes.",
            "The gate costs nothing if downloads are fast; if slow,",
            "it makes one status call for each file, when a slot is free for its download.",
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    loop = looptime.new_event_loop()
    try:
        row = loop.run_until_complete(_played(options["policy"], options["scene"], options["sheets"], options["seed"]))
    finally:
        loop.close()
    sys.stdout.write(json.dumps(row) + "\n")
