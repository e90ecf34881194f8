"""Four workers under every fault that operators meet, one after the other: is every export delivered once?"""

import hashlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.children import RAW, spread
from benchmarks.relay import Relay
from tests.cli.support import Simulation, simulation
from tests.postgres import postgres
from tests.workers.fleet import Fleet

SHEETS = 500
SPEED = 6
AHEAD_HOURS = 26
FROZEN, CUT, DOWN = 22.0, 25.0, 60.0
"""Seconds of this machine."""

_DONE = "SELECT count(*) FROM aps_export WHERE state = 'done'"
_CLOCK, _KILLED, _FROZEN, _REFUSED = range(4)
_SHIFTED = (sys.executable, "-m", "benchmarks.shifted_clock", str(AHEAD_HOURS))
_REFUSALS = [
    {"endpoint": endpoint, "kind": "status", "status": 403, "every": 1}
    for endpoint in ("export_start", "export_status")
]

_INTRODUCTION = f"""\
## {SHEETS} sheets, 4 workers, and everything that operators have met

`aps-async worker`, four times, at `--speed {SPEED}` with published quotas; times are seconds of this machine. The
first worker's clock is {AHEAD_HOURS} hours ahead. The last one meets 403 for every export. After a tenth is delivered,
the second worker gets `kill -9` and the third SIGSTOP, for {FROZEN:g} s. Then, each after 30 more deliveries: the
network to PostgreSQL lets nothing through for {CUT:g} s; PostgreSQL is stopped with `-m immediate` and started again;
the service resets every connection for {DOWN:g} s; the target cannot be written to for {DOWN:g} s.
"""


def measure(rounds: int) -> str:
    """One table."""
    rows = [_round() for _ in range(rounds)]
    RAW.extend(rows)
    lines = [
        ("delivered, with the right hash", "whole", 0, f"{SHEETS}"),
        ("outcomes", "outcomes", 0, f"{SHEETS}"),
        ("dead letters", "letters", 0, "0"),
        ("files put after their outcome", "late", 0, "0"),
        ("exports held at the kill, by both", "held", 0, ""),
        ("all of them taken over after, s", "taken_over", 1, "at most 15"),
        ("most starts in a window", "starts", 0, "at most 100"),
        ("most status calls in a window", "polls", 0, "at most 1,000"),
        ("429s", "refused", 0, "0"),
        ("expired links opened", "expired", 0, "0"),
        ("exports open when the target went away", "open", 0, "more than 0"),
        ("downloads while the target was away", "downloads_away", 0, "what was in hand"),
        ("start calls beyond one a sheet, with those that the service reset", "repeated", 0, ""),
        ("downloads beyond one a sheet, with those that the service reset", "downloads", 0, ""),
        ("the worker without access ended with a message, exit code", "refused_code", 0, "3"),
        ("connections to PostgreSQL, at most", "connections", 0, "4 for each worker"),
        ("wall, s", "wall", 1, ""),
    ]
    table = [
        f"| {words} | {spread([row[name] for row in rows], digits)} | {goal} |" for words, name, digits, goal in lines
    ]
    return "\n".join([_INTRODUCTION, "| | median (least-most) | goal |", "|---|---|---|", *table])


def _round() -> dict[str, Any]:
    with (
        postgres() as server,
        simulation("--sheets", str(SHEETS), "--speed", str(SPEED)) as service,
        simulation("--sheets", "1", "--speed", str(SPEED)) as forbidding,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = server.fresh_database("fleet")
        fleet = Fleet(server, url, service, Path(folder) / "plans")
        with Relay(url) as relay:
            fleet.env["APS_DATABASE_URL"] = relay.url
            try:
                return _ill_treated(fleet, relay, forbidding)
            finally:
                fleet.stop()


def _ill_treated(fleet: Fleet, relay: Relay, forbidding: Simulation) -> dict[str, Any]:
    began = time.monotonic()
    fleet.enqueue("Riverside Clinic")
    forbidding.control("faults", "POST", _REFUSALS)
    fleet.start(1, command=_SHIFTED)
    fleet.start(2)
    fleet.start(1, env=forbidding.env)
    fleet.wait_for(_DONE, SHEETS // 10, 120)
    connections = fleet.query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aps-async'")[0]["count"]
    fleet.signal(_KILLED, signal.SIGKILL)
    fleet.signal(_FROZEN, signal.SIGSTOP)
    frozen, held = time.monotonic(), fleet.in_hand()
    fleet.taken_over_in(_of_silent(fleet, held), 60)
    taken_over = time.monotonic() - frozen
    time.sleep(max(0.0, frozen + FROZEN - time.monotonic()))
    fleet.signal(_FROZEN, signal.SIGCONT)
    _after_more(fleet)
    relay.cut()
    time.sleep(CUT)
    relay.mend()
    _after_more(fleet)
    fleet.server.restart()
    _after_more(fleet)
    with fleet.service.faults({"kind": "reset", "every": 1}):
        time.sleep(DOWN)
    _after_more(fleet)
    still_open = fleet.query("SELECT count(*) FROM aps_export WHERE state IN ('waiting', 'running')")[0]["count"]
    before = _downloads(fleet)
    with _target_away(fleet.out):
        time.sleep(DOWN)
        away = _downloads(fleet) - before
    fleet.wait_until_done(300)
    wall = time.monotonic() - began
    time.sleep(2)
    code = fleet.workers[_REFUSED].poll()
    return _results(fleet) | {
        "held": len(held),
        "taken_over": taken_over,
        "connections": connections,
        "open": still_open,
        "downloads_away": away,
        "refused_code": -1 if code is None else code,
        "wall": wall,
    }


def _of_silent(fleet: Fleet, held: dict[int, str]) -> dict[int, str]:
    """What is in the hands of those that send no heartbeat any more."""
    time.sleep(1)
    before = _heartbeats(fleet)
    time.sleep(5)
    silent = {row for row, beat in _heartbeats(fleet).items() if before.get(row) == beat}
    return {row: who for row, who in held.items() if row in silent}


def _heartbeats(fleet: Fleet) -> dict[int, Any]:
    return {row["id"]: row["heartbeat"] for row in fleet.query("SELECT id, heartbeat FROM aps_pgqueuer")}


def _after_more(fleet: Fleet) -> None:
    done = fleet.query(_DONE)[0]["count"]
    fleet.wait_for(_DONE, min(SHEETS, done + 30), 240)


def _downloads(fleet: Fleet) -> int:
    found: int = fleet.counts()["endpoints"]["signed_get"]["calls"]
    return found


@contextmanager
def _target_away(out: Path) -> Iterator[None]:
    """A share that is not mounted: something else is in its place."""
    away = out.with_name("away")
    out.rename(away)
    out.write_text("")
    try:
        yield
    finally:
        out.unlink()
        away.rename(out)


def _results(fleet: Fleet) -> dict[str, Any]:
    rows, counts = fleet.outcomes(), fleet.counts()
    files = {row["id"]: Path(row["place"]) for row in rows if row["place"]}
    starts, polls = (counts["endpoints"][name] for name in ("export_start", "export_status"))
    return {
        "whole": sum(
            hashlib.sha256(files[row["id"]].read_bytes()).hexdigest() == row["sha256"]
            for row in rows
            if row["id"] in files
        ),
        "outcomes": sum(row["state"] == "done" for row in rows),
        "letters": sum(row["state"] == "failed" for row in rows),
        "late": sum(files[row["id"]].stat().st_mtime > row["finished"] for row in rows if row["id"] in files),
        "starts": starts["most_in_a_window"],
        "polls": polls["most_in_a_window"],
        "refused": sum(each["429"] for each in counts["endpoints"].values()),
        "expired": counts["expired_urls_opened"],
        "repeated": starts["calls"] - SHEETS,
        "downloads": counts["endpoints"]["signed_get"]["calls"] - SHEETS,
    }
