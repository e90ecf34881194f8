"""A million sheets: quota, database and workers, partly simulated and partly measured.

The time is simulated, event by event in virtual time: starts at the published quota, jobs of the documented length,
polls as `poll_interval` spaces them, downloads in the workers' slots. The database is tried: a real PostgreSQL is given
a million requests, and asked what a worker asks it.
"""

import asyncio
import heapq
import math
import random
from collections import deque

from benchmarks.children import RAW
from benchmarks.large_queue import RETRIED, measured
from tests.postgres import postgres

SHEETS = 1_000_000
WORKERS, SLOTS = 3, 8
CLIENTS = 3
STARTS, POLLS, WINDOW = 100, 1000, 60.0
POLL_SECONDS, DOWNLOAD_SECONDS = 0.3, 3.0
MEDIAN, P95 = 20.0, 120.0


def simulate(sheets: int, seed: int = 1) -> dict[str, float]:
    """One run in virtual time; seconds of the service."""
    dice = random.Random(seed)
    sigma = math.log(P95 / MEDIAN) / 1.6449
    window: deque[float] = deque()
    events: list[tuple[float, int, float, int]] = []  # when it is due, number, done at, polls so far
    free = [0.0] * (WORKERS * SLOTS)  # when each slot is free again
    heapq.heapify(free)
    now = last = busy = 0.0
    started = delivered = polls = most_pending = 0
    polled: deque[float] = deque()
    most_polls = 0
    while delivered < sheets:
        next_start = math.inf
        if started < sheets and started - delivered < 2000:
            next_start = max(now, window[0] + WINDOW) if len(window) == STARTS else now
        if next_start <= (events[0][0] if events else math.inf):
            now = next_start
            if len(window) == STARTS:
                window.popleft()
            window.append(now)
            done = now + dice.lognormvariate(math.log(MEDIAN), sigma)
            started += 1
            most_pending = max(most_pending, started - delivered)
            heapq.heappush(events, (now + _interval(started - delivered, dice), started, done, 0))
            continue
        due, number, done, asked = heapq.heappop(events)
        begin = max(due, free[0])  # a poll is made when a slot is free
        now = max(now, due)
        polls += 1
        polled.append(begin)
        while polled[0] <= begin - WINDOW:
            polled.popleft()
        most_polls = max(most_polls, len(polled))
        takes = POLL_SECONDS + (DOWNLOAD_SECONDS if done <= begin else 0.0)
        heapq.heapreplace(free, begin + takes)
        busy += takes
        if done <= begin:
            delivered += 1
            last = max(last, begin + takes)
        else:
            again = begin + takes + _interval(started - delivered, dice)
            heapq.heappush(events, (again, number, done, asked + 1))
    return {
        "days": last / 86400,
        "bound": ((sheets // STARTS - 1) * WINDOW) / 86400,
        "polls": polls / sheets,
        "most_polls": most_polls,
        "pending": most_pending,
        "busy": busy / last / len(free),
    }


def _interval(pending: int, dice: random.Random) -> float:
    return max(2.0, pending * WINDOW / POLLS) * dice.uniform(1.0, 1.1)


def measure(_: int) -> str:
    """Both tables, measured once: the simulation is seeded, and the database takes minutes."""
    at = simulate(SHEETS)
    with postgres() as server:
        new, old = (asyncio.run(measured(server, SHEETS, clients=CLIENTS, stored=stored)) for stored in (False, True))
    RAW.extend([at, new, old])
    rows = [
        ("tables created or upgraded in, s", "upgrade", 2),
        ("enqueued in, s", "seconds", 0),
        ("database, MB", "size", 0),
        ("exports, bytes a request", "exports", 0),
        ("queue, bytes a request", "queue", 0),
        ("the queue's log, bytes a request (kept for ten minutes)", "log", 0),
        ("claim: the queue's next 4 exports of one client id, ms", "next", 1),
        ("status of all runs, s", "status", 2),
        (f"retry of {RETRIED:,} dead letters, s (goal: at most 3)", "retry", 2),
        (f"cancel of one run, a {CLIENTS}rd of all, s", "cancel", 1),
    ]
    return "\n".join(
        [
            f"{SHEETS:,} sheets of one client id, {WORKERS} workers with {SLOTS} slots each. Jobs log-normal, median "
            f"{MEDIAN:g} s, p95 {P95:g} s; a status call {POLL_SECONDS:g} s, a download {DOWNLOAD_SECONDS:g} s.",
            "",
            "## In virtual time",
            "",
            "| | |",
            "|---|---|",
            f"| days, until the last file | {at['days']:.3f} |",
            f"| days, until the quota lets the last start go | {at['bound']:.3f} |",
            f"| most exports pending | {at['pending']:,.0f} |",
            f"| status calls an export | {at['polls']:.1f} |",
            f"| most status calls in a minute (quota {POLLS:,}) | {at['most_polls']:,.0f} |",
            f"| slots in use | {at['busy'] * 100:.0f} % |",
            "",
            f"## In a real PostgreSQL, {CLIENTS} client ids with a run each",
            "",
            "The second column begins with the tables of the first version, and its rows, and upgrades them.",
            "",
            "| | new tables | upgraded |",
            "|---|---|---|",
            *(f"| {words} | {new[name]:,.{digits}f} | {old[name]:,.{digits}f} |" for words, name, digits in rows),
        ]
    )
