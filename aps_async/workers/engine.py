"""PgQueuer, and nothing else of it anywhere: which export is due in which lane, and who has it in hand.

https://pgqueuer.readthedocs.io

A lane is an entrypoint with workers of its own: exports to start, and exports to look after. PgQueuer picks rows with
`FOR UPDATE SKIP LOCKED`, lets those of a worker without a heartbeat be picked by others, and puts a row back for later
when asked. What it does not do is here:

- a row that cannot be put back because the database is away is left as it is, and taken over once its heartbeat is old;
  PgQueuer itself would call it failed;
- a worker that stops hands back what it has in hand; PgQueuer would call it cancelled, and delete it;
- its trigger wakes every worker for every row that is deleted; here only new rows do, and a row of our own that is due.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from attrs import define, field, frozen

from aps_async.extras import needed
from aps_async.workers.database import Database, is_outage

__all__ = [
    "HEARTBEAT",
    "IDLE",
    "Handle",
    "Lane",
    "LaneOptions",
    "drop_run",
    "install",
    "installed",
    "put",
    "run_maintenance",
    "upgrade",
    "work",
]
__dir__: object = __all__.copy

Lane = Literal["start", "fetch"]
Handle = Callable[[int, int], Awaitable[float | None]]
"""Does one step for the export with this number, which was put back so many times. Gives the seconds after which it
wants to be called again, or None when this lane is through with it."""

HEARTBEAT = 12.0
"""Seconds without one after which a worker's exports are taken over; it comes every 6 s."""
IDLE = 5.0
"""Seconds between two looks at a lane in which nothing stirs: how late a dead worker's exports are found."""
_KEEP_LOG = timedelta(minutes=10)

_log = logging.getLogger("aps_async")


def installed() -> None:
    """Makes sure that PgQueuer can be imported.

    Raises:
        InputError: it cannot; the extra `workers` brings it.
    """
    needed("pgqueuer", "workers", "working with a database")


async def install(connection: Any) -> None:
    """Makes the queue's tables, inside the caller's transaction and lock."""
    from aps_async.workers.listening import queries_on

    queries = queries_on(connection)
    if not await queries.schema_is_installed():
        await queries.install()
        await queries.optimize_autovacuum()


async def upgrade(connection: Any) -> None:
    """Brings tables that an older PgQueuer made up to date; outside of any transaction, as its statements want it."""
    from aps_async.workers.listening import queries_on

    queries = queries_on(connection)
    if (await queries.plan_upgrade()).statements:
        await queries.apply_upgrade()


async def put(connection: Any, lane: Lane, exports: Sequence[int], *, priority: int = 0, delay: float = 0.0) -> None:
    """Lets exports be due in a lane after `delay` seconds, unless they are already; inside the caller's transaction."""
    from aps_async.workers.listening import queries_on

    if not exports:
        return
    count = len(exports)
    delays: list[timedelta | None] = [timedelta(seconds=delay)] * count
    keys: list[str | None] = [f"{lane}:{each}" for each in exports]
    await queries_on(connection).enqueue(
        [lane] * count,
        [str(each).encode() for each in exports],
        [priority] * count,
        delays,
        keys,
        on_conflict="skip",
    )


# The one place where the queue's table is read and written past PgQueuer: it has no notion of a run.
_DROP = """
DELETE FROM aps_pgqueuer q USING aps_export e
WHERE e.run = $1 AND q.status = 'queued' AND q.dedupe_key IN ('start:' || e.id, 'fetch:' || e.id)
"""
_LOST = """
SELECT e.id, r.priority FROM aps_export e JOIN aps_run r ON r.id = e.run
WHERE e.state = $1 AND NOT EXISTS (
    SELECT FROM aps_pgqueuer q WHERE q.dedupe_key = $2 || ':' || e.id AND q.status IN ('queued', 'picked')
) LIMIT 10000
"""
_LANE_IS_EMPTY = """
SELECT NOT EXISTS (SELECT FROM aps_pgqueuer WHERE entrypoint = $1 AND status IN ('queued', 'picked'))
"""


async def drop_run(connection: Any, run: int) -> None:
    """Takes everything of a run out of the lanes that nobody has in hand."""
    await connection.execute(_DROP, run)


async def run_maintenance(database: Database) -> int:
    """Puts back what should be in a lane and is not, whatever took it out; forgets old log rows. How many were lost."""
    found = 0
    lanes: list[tuple[Lane, str]] = [("fetch", "running")]
    if await database.value(_LANE_IS_EMPTY, "start"):  # a look at each of a million rows only when it can matter
        lanes.append(("start", "waiting"))
    for lane, state in lanes:
        lost = await database.fetch(_LOST, state, lane)
        for priority in {row["priority"] for row in lost}:
            chosen = [row["id"] for row in lost if row["priority"] == priority]
            await database.transaction(partial(put, lane=lane, exports=chosen, priority=priority))
        found += len(lost)
    await database.fetch("DELETE FROM aps_pgqueuer_log WHERE created < now() - $1::interval", _KEEP_LOG)
    return found


@frozen(kw_only=True)
class LaneOptions:
    """How a worker works in a lane."""

    lane: Lane
    handle: Handle
    slots: int
    """Exports in hand at once."""
    pace: float = 0.1
    """Seconds between two looks at a lane in which more is due than this worker has slots for."""


async def work(database: Database, options: LaneOptions, stop: asyncio.Event) -> None:
    """Works in a lane until told to stop, and comes back by itself after an outage.

    Raises:
        Exception: what a step raised that is no outage.
    """
    while not stop.is_set():
        try:
            await _Shift(database, options, stop).run()
        except Exception as problem:
            if not _is_outage(problem):
                raise
            _log.info("lane %s: %s; beginning again", options.lane, type(problem).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await stop.wait()


def _is_outage(problem: BaseException) -> bool:
    from pgqueuer.domain.errors import FailingListenerError

    return isinstance(problem, FailingListenerError) or is_outage(problem)


def _export_of(job: Any) -> int | None:
    """The export that a job is about; None if it is not one of ours, so that it leaves the queue."""
    try:
        found = int(job.payload)
    except (TypeError, ValueError):
        found = 0
    if 0 < found < 1 << 63:
        return found
    _log.error("a job in the queue is about %.100r, which is not an export's number; it is dropped", job.payload)
    return None


@define(eq=False)
class _Shift:
    """A lane's work between two outages."""

    database: Database
    options: LaneOptions
    stop: asyncio.Event
    in_hand: "set[asyncio.Task[Any]]" = field(factory=set)
    fault: Exception | None = None

    async def run(self) -> None:
        from pgqueuer.core.qm import QueueManager
        from pgqueuer.domain.types import Channel

        from aps_async.workers.listening import Listening, patient_queries

        listening = Listening(self.database)
        queries = patient_queries(listening)
        manager = QueueManager(queries, Channel(queries.qbe.settings.channel))
        manager.min_dequeue_poll_interval = timedelta(seconds=self.options.pace)
        listening.on_lost = manager.shutdown.set
        manager.entrypoint(self.options.lane, on_failure="hold")(self._entrypoint(manager.shutdown))
        slots = max(2, self.options.slots)
        shift = manager.run(
            dequeue_timeout=timedelta(seconds=IDLE),
            batch_size=slots // 2,
            max_concurrent_tasks=slots,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=HEARTBEAT),
            log_aggregation_interval=timedelta(0),
        )
        working, stopping = asyncio.create_task(shift), asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            manager.shutdown.set()
            if not working.done():  # otherwise it has waited for everything in hand
                self._hand_back()
                await asyncio.wait({working})
        if self.fault is not None:
            raise self.fault
        working.result()

    def _hand_back(self) -> None:
        for task in self.in_hand:
            task.cancel()

    def _entrypoint(self, shutdown: asyncio.Event) -> Callable[[Any], Awaitable[None]]:
        from pgqueuer.domain.errors import RetryRequested

        async def entrypoint(job: Any) -> None:
            if shutdown.is_set():
                raise RetryRequested
            number = _export_of(job)
            if number is None:
                return
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - for the type checker
            self.in_hand.add(task)
            try:
                delay = await self.options.handle(number, job.attempts)
            except asyncio.CancelledError:
                task.uncancel()
                delay = 0.0  # for another worker, at once
            except Exception as problem:  # noqa: BLE001 - a step tells what it can; this is the end of the worker
                self.fault = self.fault or problem
                shutdown.set()
                delay = 1.0
            finally:
                self.in_hand.discard(task)
            if self.fault is not None:
                self._hand_back()
            if delay is not None:
                raise RetryRequested(timedelta(seconds=delay))

        return entrypoint
