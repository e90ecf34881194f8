"""The queue, on PgQueuer: which export is due in which lane, and which worker holds it.

https://pgqueuer.readthedocs.io

The queue has two lanes, `start` for exports to start and `fetch` for exports to poll and deliver; in PgQueuer's terms,
each lane is an entrypoint. Of PgQueuer we use the table, and the statement that takes rows from it with `FOR UPDATE
SKIP LOCKED`, among them the rows of workers without a heartbeat. Its table only has exports that have not ended; our
own table, `aps_export`, keeps their outcomes. One statement changes both when an export is queued, started or ended.

PgQueuer's manager is not used. `lanes.py` replaces it, for these reasons:

- it would log a traceback for every status call, and the time of its statement for adding rows grows with the square of
  their number; here rows are put back, added and removed without log entries, several with one statement;
- here a worker keeps an export after its start and between two status calls: its row stays taken, its slot is free, and
  only heartbeats are written, whose results also show which rows others have taken over;
- if the database is unavailable and a row cannot be put back, it is left as it is, and taken over once its heartbeat is
  old; PgQueuer would mark it as failed;
- a worker that stops puts back the rows that it holds; PgQueuer would mark them as cancelled and delete them;
- PgQueuer's trigger wakes every worker for every deleted row, its manager wakes up twenty times a second, and a lane
  without rows runs three queries each time; here a lane wakes up only for a new row, or for one of its own that is due.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
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
    """The export has ended; its row was removed when its outcome was stored."""


@frozen
class Yielded:
    """The export is put back for any worker. This worker is not woken for it, otherwise it would always be first."""

    delay: float
    """Seconds after which it is due."""


@frozen
class Kept:
    """The export stays with this worker without a slot, unless the worker keeps too many or has no slot in time."""

    delay: float
    """Seconds after which it is due."""
    again: "Callable[[], Awaitable[Next]]"
    """Makes its next step, without reading again what this worker has read already."""
    lane: Lane | None = None
    """The lane that its row was moved to."""


Next = float | Kept | Removed | Yielded | None
"""What happens to an export after a step. Seconds: any worker makes the next step after these; None: the lane has
finished with the export."""

Handle = Callable[[int, int], Awaitable[Next]]
"""Makes one step, given an export's number and how many steps were made for it before."""

HEARTBEAT = 9.0
"""Seconds without a heartbeat after which others take over a worker's exports; heartbeats are sent every 4.5 s."""
CHANNEL = "aps_enqueued"
"""The channel on which PostgreSQL reports new rows. PgQueuer's own channel also reports every row that is removed."""
IDLE = 5.0
"""Maximum seconds between two queries of an idle lane, and so until a dead worker's exports are found."""
_KEEP_LOG = timedelta(minutes=10)


def installed() -> None:
    """Checks that PgQueuer is there, without importing it: a command that only asks for runs does not need it.

    Raises:
        InputError: the extra `workers` is not installed.
    """
    if find_spec("pgqueuer") is None:
        needed("pgqueuer", "workers", "working with a database")


async def install(connection: Any) -> None:
    """Creates the queue's tables, inside the caller's transaction and lock."""
    from aps_async.workers.claims import queries_on

    queries = queries_on(connection)
    if not await queries.schema_is_installed():
        await queries.install()
        await queries.optimize_autovacuum()


async def upgrade(connection: Any) -> None:
    """Upgrades the tables of an older PgQueuer; not in a transaction, which its statements do not allow."""
    from aps_async.workers.claims import queries_on

    queries = queries_on(connection)
    if (await queries.plan_upgrade()).statements:
        await queries.apply_upgrade()


def entrypoint_of(lane: Lane, owner: Owner | None) -> str:
    """PgQueuer's name for the lane of an owner's exports. Older workers, which know no owners, take none from it."""
    return " ".join((lane, owner.client_id, owner.user_id)).strip() if owner else lane


async def put_from(connection: Any, statement: str, values: Sequence[Any]) -> int:
    """Adds the exports that a statement returns to the lanes of their owners, unless they are there; as one statement.

    The given statement has to return `id` and `state` of each export, and `priority`, `client_id` and `user_id` of its
    run. Returns the number of exports.
    """
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


async def move_if(
    database: Database, statement: str, values: Sequence[Any], owner: Owner | None, *, to: Lane = "fetch"
) -> bool:
    """Moves an export's row from the other lane to this one if a statement returns its number; as one statement.

    The caller has to hold the row. The given statement must not use the parameter `$1`.
    """
    move = _MOVE_ON.format(statement=statement, origin="start" if to == "fetch" else "fetch", target=to)
    return bool(await database.fetch(move, entrypoint_of(to, owner), *values))


_MOVE_ON = """
WITH changed AS ({statement})
UPDATE aps_pgqueuer SET entrypoint = $1, dedupe_key = '{target}:' || changed.id, attempts = 0
FROM changed WHERE dedupe_key = '{origin}:' || changed.id AND status IN ('queued', 'picked') AND NOT EXISTS (
    SELECT FROM aps_pgqueuer other WHERE other.dedupe_key = '{target}:' || changed.id
        AND other.status IN ('queued', 'picked')
) RETURNING changed.id
"""


async def remove_if(database: Database, statement: str, values: Sequence[Any]) -> bool:
    """Removes the row of an export if a statement returns its number, as one statement. Returns whether it did."""
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
    """How a worker processes one lane."""

    lane: Lane
    handle: Handle
    slots: int
    """Maximum number of steps at once."""
    owner: Owner | None = None
    """The owner whose exports are taken, besides those without an owner."""
    claimed: Callable[[Sequence[int]], Awaitable[object]] | None = None
    """Awaited with the numbers of exports that were taken together, before `handle` is called for each."""
    pace: float = 0.0
    """Seconds for which a free slot waits for other slots, to take rows with one query, while there is a backlog."""
