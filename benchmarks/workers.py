"""Workers, as processes on this machine with a real PostgreSQL: which faults they survive, and what they cost."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks import survival
from benchmarks.children import RAW, spread
from benchmarks.large_queue import measured
from tests.cli.support import Simulation, simulation
from tests.postgres import Postgres, postgres
from tests.workers.fleet import OPEN, Fleet

SHEETS = 500
ENQUEUED = 100_000
IDLE_SECONDS = 60.0


def measure(rounds: int) -> str:
    """Three tables: four workers under faults, the cost of an export, and a large queue."""
    return "\n\n".join([survival.measure(rounds), _cost(rounds), _enqueueing(min(rounds, 3))])


# ---------------------------------------------------------------------- cost


def _cost(rounds: int) -> str:
    speed, rows = 20, []
    for _ in range(rounds):
        with postgres() as server, simulation("--sheets", str(SHEETS), "--speed", str(speed)) as service:
            rows.append(_three_and_idle(server, service))
    RAW.extend(rows)
    return "\n".join(
        [
            f"## Cost: {SHEETS} sheets, 3 workers at `--speed {speed}`, nothing goes wrong",
            "",
            "CPU ms per export; a run in one process is in `bulk.md`. An idle worker and its share of an idle database "
            f"are measured over {IDLE_SECONDS:g} s.",
            "",
            "| | median (least-most) |",
            "|---|---|",
            f"| verified files | {spread([row['done'] for row in rows], 0)} |",
            f"| wall, s ({240 / speed:g} s until the last start may go) | {spread([row['wall'] for row in rows], 1)} |",
            f"| polls an export | {spread([row['polls'] for row in rows], 1)} |",
            f"| 3 workers, CPU ms an export | {spread([row['workers'] for row in rows], 1)} |",
            f"| PostgreSQL, CPU ms an export | {spread([row['server'] for row in rows], 1)} |",
            f"| idle worker, CPU ms a second | {spread([row['idle'] for row in rows], 1)} |",
            f"| PostgreSQL for 3 idle workers, CPU ms a second | {spread([row['idle_server'] for row in rows], 1)} |",
        ]
    )


def _three_and_idle(server: Postgres, service: Simulation) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(server, server.fresh_database("fleet"), service, Path(folder) / "plans")
        try:
            fleet.start(3)
            time.sleep(3)
            before, server_before = [_cpu(each) for each in fleet.workers], server.cpu_seconds()
            time.sleep(IDLE_SECONDS)
            idle = (sum(map(_cpu, fleet.workers)) - sum(before)) / 3 / IDLE_SECONDS
            idle_server = (server.cpu_seconds() - server_before) / IDLE_SECONDS
            fleet.enqueue("Riverside Clinic")
            before, server_before, began = (
                [_cpu(each) for each in fleet.workers],
                server.cpu_seconds(),
                time.monotonic(),
            )
            asyncio.run(_until_done(fleet.database))
            wall = time.monotonic() - began
            workers = sum(map(_cpu, fleet.workers)) - sum(before)
            used = server.cpu_seconds() - server_before
            rows = fleet.outcomes()
        finally:
            fleet.stop()
    return {
        "done": sum(row["state"] == "done" for row in rows),
        "polls": sum(row["polls"] for row in rows) / len(rows),
        "wall": wall,
        "workers": workers / SHEETS * 1e3,
        "server": used / SHEETS * 1e3,
        "idle": idle * 1e3,
        "idle_server": idle_server * 1e3,
    }


async def _until_done(database: str) -> None:
    """Waits over one connection, as each new one costs PostgreSQL 4 ms, which are not the workers'."""
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(120):
            while await connection.fetchval(OPEN):  # noqa: ASYNC110 - other processes end it
                await asyncio.sleep(0.25)
    finally:
        await connection.close()


def _cpu(process: "subprocess.Popen[str]") -> float:
    """User and system seconds so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- a large queue


def _enqueueing(rounds: int) -> str:
    rows = []
    for _ in range(rounds):
        with postgres() as server:
            rows.append(asyncio.run(measured(server, ENQUEUED)))
    RAW.extend(rows)
    return "\n".join(
        [
            f"## {ENQUEUED:,} requests enqueued, by one process",
            "",
            "| | median (least-most) |",
            "|---|---|",
            f"| seconds | {spread([row['seconds'] for row in rows], 1)} |",
            f"| CPU ms a request, this process | {spread([row['cpu'] for row in rows], 3)} |",
            f"| database, MB | {spread([row['size'] for row in rows], 0)} |",
            f"| exports in it, bytes a request | {spread([row['exports'] for row in rows], 0)} |",
            f"| queue in it, bytes a request | {spread([row['queue'] for row in rows], 0)} |",
            f"| the queue's log in it, bytes a request | {spread([row['log'] for row in rows], 0)} |",
            f"| status of all runs, s | {spread([row['status'] for row in rows], 2)} |",
            f"| the queue's next 4 exports, ms | {spread([row['next'] for row in rows], 1)} |",
            f"| retry of 25,000 dead letters, s (goal: at most 3) | {spread([row['retry'] for row in rows], 2)} |",
            f"| cancel all of them, s | {spread([row['cancel'] for row in rows], 2)} |",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(measure(1) + "\n")
