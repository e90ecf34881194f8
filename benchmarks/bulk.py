"""A bulk run against its bound: the instant at which the quota lets the last start go, plus that job's own time."""

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from typing import Any

from aps_async import Session, Settings, TwoLegged, bim360, export_many
from benchmarks.children import run, simulator, spread

SHEETS, SPEED = 500, 20
WINDOW = 60 / SPEED


def _counts(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/simulator/counts") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def _client(at: dict[str, Any]) -> dict[str, Any]:
    settings = Settings().scaled(SPEED)
    tokens = TwoLegged(at["client_id"], at["client_secret"])
    with tempfile.TemporaryDirectory() as folder:
        async with Session(tokens, base_url=at["url"], settings=settings) as session:
            requests = [bim360.export_request(at["project"], urn, name=urn) for urn in at["sheets"]]
            began, cpu = time.time(), time.process_time()
            outcomes = [outcome async for outcome in export_many(session, requests, folder)]
            ended, cpu = time.time(), time.process_time() - cpu
        return {
            "began": began,
            "wall": ended - began,
            "ok": sum(outcome.ok for outcome in outcomes),
            "polls": sum(outcome.polls for outcome in outcomes) / len(outcomes),
            "cpu": cpu / len(outcomes) * 1e3,
        }


def measure(rounds: int) -> str:
    """Two tables of wall / bound and what the service counted."""
    return "\n\n".join(
        [
            f"{SHEETS} sheets at `--speed {SPEED}`, published quotas, no faults; service seconds where marked (s).",
            "## Every job takes 20 s",
            "The bound is the instant at which the quota lets the last start go, plus that job's own time.",
            _table(rounds, {"job": 20}),
            "## Jobs log-normal, median 20 s, p95 60 s",
            "The same bound, or the instant at which the slowest of all jobs is done, if that is later.",
            _table(rounds, {}),
        ]
    )


def _table(rounds: int, options: dict[str, Any]) -> str:
    rows = []
    for _ in range(rounds):
        with simulator(sheets=SHEETS, speed=SPEED, **options) as at:
            row = run("benchmarks.bulk", at=at)
            told = _counts(at["url"])
        jobs = told["jobs"].values()
        last = max(jobs, key=lambda job: job["started"])
        quota = (SHEETS // 100 - 1) * WINDOW
        slowest = max(job["finishes"] for job in jobs) - row["began"]
        own = last["finishes"] - last["started"]
        row["bound"] = quota + own if options else max(quota + own, slowest)
        late = [job["first_seen_completed"] - job["finishes"] for job in jobs]
        row["late"] = sum(late) / len(late) * SPEED
        row["refused"] = max(told["endpoints"][name]["429"] for name in ("export_start", "export_status"))
        row["expired"] = told["expired_urls_opened"]
        rows.append(row)
    ratios = [row["wall"] / row["bound"] for row in rows]
    return "\n".join(
        [
            "| | median (least-most) |",
            "|---|---|",
            f"| verified files | {spread([row['ok'] for row in rows], 0)} |",
            f"| wall / bound | **{spread(ratios, 3)}** (goal: at most 1.10) |",
            f"| wall, real s | {spread([row['wall'] for row in rows])} |",
            f"| finished until noticed, mean (s) | {spread([row['late'] for row in rows])} |",
            f"| polls a job | {spread([row['polls'] for row in rows], 1)} |",
            f"| most 429s at one endpoint | {spread([row['refused'] for row in rows], 0)} (goal: at most 1) |",
            f"| expired URLs opened | {spread([row['expired'] for row in rows], 0)} (goal: 0) |",
            f"| client CPU, ms a sheet | {spread([row['cpu'] for row in rows], 1)} |",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_client(json.loads(sys.argv[1])["at"]))) + "\n")
