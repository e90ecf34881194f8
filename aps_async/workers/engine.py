"""The queue, on PgQueuer: which export is due in which lane, and which worker holds it.

https://pgqueuer.readthedocs.io

A lane is an entrypoint with its own workers: one for exports to start, one for exports to poll and deliver. PgQueuer
has the table and the statement that picks rows, with `FOR UPDATE SKIP LOCKED`, also those of a worker without a
heartbeat. The table stays beside ours because that statement takes rows of it only, and outcomes stay; so both change
in one statement wherever an export is queued, started or ended. The rest is here and in `lanes.py`, not PgQueuer's
manager:

- rows are put back, added and removed without an entry in PgQueuer's log, several with one statement: it would store a
  traceback for every status call, and its statement for adding rows takes a time that grows with the square of their
  number;
- a worker keeps an export after its start and between two status calls: its row stays picked, its slot is free, and
  nothing is written but heartbeats, which show as well which rows others have taken over;
- a row that cannot be put back because the database is unavailable is left as it is, and taken over once its heartbeat
  is old; PgQueuer would mark it as failed;
- a worker that stops puts back the rows that it holds; PgQueuer would mark them as cancelled, and delete them;
- PgQueuer's trigger wakes every worker for every deleted row, its manager wakes twenty times a second, and a lane
  without rows asks three times for the next; here only a new row wakes a lane, or one of this worker that becomes due.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from attrs import frozen

from aps_async.extras import needed
from aps_async.workers.database import Database
from aps_async.workers.owners import Owner

__all__ = [
    "CHANNEL",
    "HEARTBEAT",
    "IDLE",
    "Handle",
    "Kept",
    "Lane",
    "LaneOptions",
    "Next",
    "Removed",
    "Yielded",
    "drop_run",
    "entrypoint_of",
    "install",
    "installed",
    "move",
    "move_if",
    "put_from",
    "remove_if",
    "run_maintenance",
    "set_run_priority",
    "upgrade",
]
__dir__: object = __all__.copy

Lane = Literal["start", "fetch"]


@frozen
class Removed:
    """The export's row went with its outcome."""


@frozen
class Yielded:
    """The export is put back for any worker; this one is not woken for it, or it would always be the first."""

    delay: float
    """Seconds after which it is due."""


@frozen
class Kept:
    """The export stays with this worker without a slot, unless it keeps too many, or has no slot when it is due."""

    delay: float
    """Seconds after which it is due."""
    again: "Callable[[], Awaitable[Next]]"
    """Its next step, which need not read what this worker has read already."""
    lane: Lane | None = None
    """The lane that its row was moved to."""


Next = float | Kept | Removed | Yielded | None
"""The seconds after which an export's step has to be called again, by any worker; None if the lane has finished with
the export."""

Handle = Callable[[int, int], Awaitable[Next]]
"""Called with an export's number and how many steps were made for it before. Does one step."""

HEARTBEAT = 9.0
"""Seconds without a heartbeat after which others take over a worker's exports; heartbeats are sent every 4.5 s."""
CHANNEL = "aps_enqueued"
"""Where PostgreSQL reports new rows. PgQueuer's own channel also reports every row that is removed."""
IDLE = 5.0
"""Most seconds between two queries of an idle lane; a dead worker's exports are found that much later."""
_KEEP_LOG = timedelta(minutes=10)


def installed() -> None:
    """Checks that PgQueuer can be imported.

    Raises:
        InputError: the extra `workers` is not installed.
    """
    needed("pgqueuer", "workers", "working with a database")


async def install(connection: Any) -> None:
    """Creates the queue's tables, inside the caller's transaction and lock."""
    from aps_async.workers.claims import queries_on

    queries = queries_on(connection)
    if not await queries.schema_is_installed():
        await queries.install()
        await queries.optimize_autovacuum()


async def upgrade(connection: Any) -> None:
    """Upgrades tables of an older PgQueuer; outside of any transaction, as its statements require."""
    from aps_async.workers.claims import queries_on

    queries = queries_on(connection)
    if (await queries.plan_upgrade()).statements:
        await queries.apply_upgrade()


def entrypoint_of(lane: Lane, owner: Owner | None) -> str:
    """PgQueuer's name for the lane of an owner's exports; workers that know of no owners do not take from it."""
    return " ".join((lane, owner.client_id, owner.user_id)).strip() if owner else lane


async def put_from(connection: Any, statement: str, values: Sequence[Any]) -> int:
    """Adds the exports that a statement returns to the lanes of their owners, unless they are there, in the same
    statement. It returns `id` and `state` of each, and `priority`, `client_id` and `user_id` of its run; how many are
    returned here."""
    return int(await connection.fetchval(_PUT.format(statement=statement), *values))


_PUT = """
WITH found AS ({statement}), added AS (
    INSERT INTO aps_pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
    SELECT priority, concat_ws(' ', lane, client_id, nullif(user_id, '')), convert_to(id::text, 'UTF8'), now(),
        lane || ':' || id, 'queued'
    FROM (SELECT *, CASE state WHEN 'running' THEN 'fetch' ELSE 'start' END AS lane FROM found) AS wanted ORDER BY id
    ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL DO NOTHING
) SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('aps_enqueued', '') END FROM found
"""


async def move_if(database: Database, statement: str, values: Sequence[Any], owner: Owner | None) -> bool:
    """Moves the row of an export, which the caller holds, from the start lane to the fetch lane, if a statement without
    the parameter `$1` returns its number; in the same statement."""
    return bool(await database.fetch(_MOVE_ON.format(statement=statement), entrypoint_of("fetch", owner), *values))


_MOVE_ON = """
WITH changed AS ({statement})
UPDATE aps_pgqueuer SET entrypoint = $1, dedupe_key = 'fetch:' || changed.id, attempts = 0
FROM changed WHERE dedupe_key = 'start:' || changed.id AND status IN ('queued', 'picked') AND NOT EXISTS (
    SELECT FROM aps_pgqueuer other WHERE other.dedupe_key = 'fetch:' || changed.id
        AND other.status IN ('queued', 'picked')
) RETURNING changed.id
"""


async def remove_if(database: Database, statement: str, values: Sequence[Any]) -> bool:
    """Removes the row of an export if a statement returns its number, in the same statement. Returns whether it did."""
    return await database.value(_REMOVE.format(statement=statement), *values) is not None


_REMOVE = """
WITH changed AS ({statement}), removed AS (
    DELETE FROM aps_pgqueuer USING changed
    WHERE dedupe_key IN ('start:' || changed.id, 'fetch:' || changed.id) AND status IN ('queued', 'picked')
) SELECT id FROM changed
"""

# PgQueuer does not know about runs.
_DROP = """
DELETE FROM aps_pgqueuer WHERE status IN ('queued', 'picked') AND dedupe_key IN (
    SELECT lane || id FROM aps_export, (VALUES ('start:'), ('fetch:')) AS lanes (lane) WHERE run = $1
)
"""
_PRIORITY = """
UPDATE aps_pgqueuer SET priority = $2 WHERE dedupe_key IN (
    SELECT lane || id FROM aps_export, (VALUES ('start:'), ('fetch:')) AS lanes (lane) WHERE run = $1
)
"""
_LOST = """
SELECT e.id, e.state, r.priority, r.client_id, r.user_id FROM aps_export e JOIN aps_run r ON r.id = e.run
WHERE e.state = $1 AND NOT EXISTS (
    SELECT FROM aps_pgqueuer q WHERE q.dedupe_key = $2 || ':' || e.id AND q.status IN ('queued', 'picked')
) LIMIT 10000
"""
_LANE_IS_EMPTY = """
SELECT NOT EXISTS (
    SELECT FROM aps_pgqueuer WHERE split_part(entrypoint, ' ', 1) = $1 AND status IN ('queued', 'picked')
)
"""
_MOVE = "UPDATE aps_pgqueuer SET entrypoint = $2 WHERE dedupe_key = $1"


async def drop_run(connection: Any, run: int) -> None:
    """Removes a run's exports from the lanes; workers that hold some find out with their next heartbeat."""
    await connection.execute(_DROP, run)


async def set_run_priority(connection: Any, run: int, priority: int) -> None:
    """Changes the priority of a run's exports in the lanes, also of those that a worker holds and may put back."""
    await connection.execute(_PRIORITY, run, priority)


async def move(database: Database, lane: Lane, export: int, owner: Owner | None) -> None:
    """Moves an export's row, which the caller holds, to the lane of its owner."""
    await database.fetch(_MOVE, f"{lane}:{export}", entrypoint_of(lane, owner))


async def run_maintenance(database: Database) -> int:
    """Puts back exports that are missing from their lane, and deletes old log rows. Returns how many were missing."""
    found = 0
    lanes: list[tuple[Lane, str]] = [("fetch", "running")]
    if await database.value(_LANE_IS_EMPTY, "start"):  # checks every row, up to a million, so only if the lane is empty
        lanes.append(("start", "waiting"))
    for lane, state in lanes:
        found += await database.bare(partial(put_from, statement=_LOST, values=(state, lane)))
    await database.fetch("DELETE FROM aps_pgqueuer_log WHERE created < now() - $1::interval", _KEEP_LOG)
    await database.fetch("DELETE FROM aps_worker WHERE heartbeat < now() - interval '1 day'")
    return found


@frozen(kw_only=True)
class LaneOptions:
    """How a worker processes a lane."""

    lane: Lane
    handle: Handle
    slots: int
    """Steps at once."""
    owner: Owner | None = None
    """Whose exports are taken, besides those without an owner."""
    claimed: Callable[[Sequence[int]], Awaitable[object]] | None = None
    """Awaited with the numbers of exports that were taken at once, before `handle` is called for each."""
    pace: float = 0.0
    """Seconds for which a free slot waits for others while more exports are due than this worker has slots."""
