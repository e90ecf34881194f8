"""1,000 sheets at the published quotas in real time, against the bound set by quota, jobs and slots."""

import asyncio
import json
import random
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from statistics import mean, median
from typing import Any

from aps_async import APSError, ExportRequest, Session, Settings, TwoLegged, bim360, export_many, start_export
from aps_async.transport.quotas import Quotas
from benchmarks.charts import bars
from benchmarks.children import figure, folder_in_memory, run, simulator, spread
from benchmarks.refusals import CountingQuotas

SHEETS, SPEED, SLOTS = 1000, 20, 8
WINDOW = 60.0
SLOW = 6.0
OTHERS = 40
SCENES = {
    "quick": "downloads take no time",
    "slow": f"downloads take {SLOW:g} s: the slots are the bottleneck",
    "shared": f"others start {OTHERS} a minute on the same client id",
}


def bound(jobs: list[dict[str, Any]], began: float, sheets: int, download: float, slots: int, speed: float) -> float:
    """The shortest time that a run can take.

    The last start goes when the quota lets it, and its job takes its time; no job is done before it is done; and the
    slots have to bring every file, from the first that is there.
    """
    windows = (sheets - 1) // 100 * WINDOW / speed
    last = max(jobs, key=lambda job: job["started"])
    by_quota = windows + last["finishes"] - last["started"]
    slowest = max(job["finishes"] for job in jobs) - began
    first = min(job["finishes"] for job in jobs) - began
    return float(max(by_quota, slowest, first + sheets * download / slots / speed))


def _counts(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/simulator/counts") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def others(
    url: str, tokens: TwoLegged, request: ExportRequest, pause: float, clock: Callable[[], float] = time.time
) -> None:
    """Another program on the same client id, independent of ours."""
    async with Session(
        tokens, base_url=url, quotas=Quotas(), settings=Settings(max_attempts=1), clock=clock
    ) as session:
        while True:
            await asyncio.sleep(pause)
            with suppress(APSError):
                await start_export(session, request)


async def _client(at: dict[str, Any], scene: str) -> dict[str, Any]:
    settings = Settings(max_concurrent_downloads=SLOTS).scaled(SPEED)
    tokens = TwoLegged(at["client_id"], at["client_secret"])
    *sheets, spare = at["sheets"]
    counting = CountingQuotas()
    window = WINDOW / SPEED * 0.9  # a little shorter, as one 429 in each window is not sixty seconds to the millisecond
    with folder_in_memory() as folder:
        async with Session(tokens, base_url=at["url"], settings=settings, quotas=counting) as session:
            requests = [bim360.make_request(at["project"], urn, name=urn) for urn in sheets]
            noise = None
            if scene == "shared":
                request = bim360.make_request(at["project"], spare)
                noise = asyncio.create_task(others(at["url"], tokens, request, 60 / OTHERS / SPEED))
            began, cpu = time.time(), time.process_time()
            outcomes = [outcome async for outcome in export_many(session, requests, folder)]
            ended, cpu = time.time(), time.process_time() - cpu
            if noise is not None:
                noise.cancel()
                await asyncio.gather(noise, return_exceptions=True)
        return {
            "began": began,
            "wall": ended - began,
            "ok": sum(outcome.ok for outcome in outcomes),
            "polls": sum(outcome.polls for outcome in outcomes) / len(outcomes),
            "cpu": cpu / len(outcomes) * 1e3,
            "refused": counting.most(),
            "refused_in_a_window": counting.most_in_a_window(window),
            "refused_later": counting.most_in_a_window(window, after_the_first=True),
        }


def _played(scene: str, seed: int) -> dict[str, Any]:
    slow = [{"endpoint": "signed_get", "kind": "slow", "seconds": SLOW}] if scene == "slow" else []
    phase = random.Random(seed).uniform(0, WINDOW)
    with simulator(sheets=SHEETS + 1, speed=SPEED, faults=slow, quota_phase=phase) as at:
        row = run("benchmarks.bulk", at=at, scene=scene)
        measured = _counts(at["url"])
    jobs = list(measured["jobs"].values())
    if scene == "shared":  # the others used the spare sheet
        jobs = [job for job in jobs if job["first_seen_completed"]]
    row["bound"] = bound(jobs, row["began"], SHEETS, SLOW if scene == "slow" else 0.0, SLOTS, SPEED)
    late = sorted((job["first_seen_completed"] - job["finishes"]) * SPEED for job in jobs)
    row["late"], row["late95"] = mean(late), late[int(len(late) * 0.95)]
    row["expired"] = measured["expired_urls_opened"]
    return row


def measure(rounds: int) -> str:
    """A table. The three scenes of a round run concurrently, since they wait for the quota nearly all the time."""
    found: dict[str, list[dict[str, Any]]] = {scene: [] for scene in SCENES}
    with ThreadPoolExecutor(len(SCENES)) as threads:
        for seed in range(rounds):
            for scene, row in zip(SCENES, threads.map(_played, SCENES, [seed] * len(SCENES)), strict=True):
                found[scene].append(row)
    columns = {scene: {name: [row[name] for row in rows] for name in rows[0]} for scene, rows in found.items()}
    ratios = {
        scene: [wall / bound for wall, bound in zip(column["wall"], column["bound"], strict=True)]
        for scene, column in columns.items()
    }

    def line(words: str, name: str, digits: int) -> str:
        return f"| {words} | " + " | ".join(spread(column[name], digits) for column in columns.values()) + " |"

    return "\n".join(
        [
            f"{SHEETS} sheets at `--speed {SPEED}`, published quotas, {SLOTS} slots, jobs log-normal (median 20 s, p95 "
            "60 s),",
            "no faults. Times are in seconds of the service unless stated otherwise. Bound: the time when the quota",
            "allows the last start, plus that job; or the slowest job; or all downloads through the slots.",
            "",
            bars(
                "bulk",
                "wall time over its bound",
                {SCENES[scene]: median(values) for scene, values in ratios.items()},
                start=0.95,
                goal=1.03,
                digits=3,
            ),
            "",
            "| | " + " | ".join(SCENES.values()) + " |",
            "|---|" + "---|" * len(SCENES),
            "| **wall / bound** (goal: 1.03 without others) | "
            + " | ".join(figure(f"wall / bound, {scene}", values, 3) for scene, values in ratios.items())
            + " |",
            line("verified files", "ok", 0),
            line("wall, real s", "wall", 2),
            line("from finished to noticed, mean s", "late", 1),
            line("the same, p95", "late95", 1),
            line("polls a job", "polls", 1),
            line("429s to us, at the endpoint with the most (goal: 1 without others)", "refused", 0),
            line("the same, most in one window (goal: 1 with others)", "refused_in_a_window", 0),
            line("the same, after the first window shared with others", "refused_later", 0),
            line("expired URLs opened (goal: 0)", "expired", 0),
            line("client CPU, ms a sheet", "cpu", 1),
            "",
            "If downloads are slow, jobs wait for a slot and are polled when one is free, so that no link expires.",
            "With others on the client id, the first shared window costs as many 429s as there are starts in flight",
            "(32 at most); after that the rate limiter knows when the windows end, and gets one 429 in each, exactly",
            "so in virtual time. Here `Retry-After` is in whole seconds, each of which is 20 s of the service: a call",
            "that comes so late into a window finds up to 14 places taken by the others.",
        ]
    )


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(_client(options["at"], options["scene"]))) + "\n")
