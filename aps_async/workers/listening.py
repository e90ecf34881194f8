"""Adaptations of PgQueuer's classes. Imported only where the extra `workers` is installed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Any, Self, TypeVar, cast

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter

from aps_async.errors import DatabaseError
from aps_async.workers.database import Database, driver, is_outage
from aps_async.workers.slots import Slots, Turn

__all__ = ["MOST_KEPT", "Ears", "Listening", "Patient", "patient_queries", "queries_on"]
__dir__: object = __all__.copy

MOST_KEPT = 250
"""Jobs that a lane keeps at once; each costs a heartbeat every few seconds."""

Q = TypeVar("Q", bound=Queries)

_DUE = (
    '{"channel": "aps_ch_pgqueuer", "operation": "update", "sent_at": "2026-01-01T00:00:00Z", '
    '"table": "aps_pgqueuer", "type": "table_changed_event"}'
)
_MOMENT = 0.02  # seconds; what comes within a moment shares one statement

_log = logging.getLogger(__name__)


def queries_on(connection: Any) -> Queries:
    """PgQueuer's statements for our tables, on one asyncpg connection."""
    return _queries(Queries, AsyncpgDriver(connection))


def patient_queries(listening: "Listening") -> "Patient":
    """The same for one lane of a worker."""
    return _queries(Patient, listening)


def _queries(kind: type[Q], over: AsyncpgDriver) -> Q:
    # Its log is informative only, so it may lose entries if the database crashes.
    settings = DBSettings(prefix="aps_", durability=Durability.balanced)
    return kind(over, qb.QueryBuilderEnvironment(settings=settings), qb.QueryQueueBuilder(settings=settings))


class Ears:
    """The one connection of a worker that only listens, for all of its lanes.

    The first lane opens it, the last one closes it; after an outage, the first that returns opens another.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._users: set[Listening] = set()
        self._changing = asyncio.Lock()

    async def add(self, listening: "Listening", channel: str, hear: Callable[..., None]) -> Any:
        """Starts listening for one more lane; returns the connection."""
        async with self._changing:  # a connection takes one statement at a time
            if self._connection is None or self._connection.is_closed():
                self._users.clear()  # those of the lost connection
                self._connection = await self._database.unpooled()
            self._users.add(listening)
            await self._connection.add_listener(channel, hear)
            return self._connection

    async def remove(self, listening: "Listening", connection: Any, channel: str, hear: Callable[..., None]) -> None:
        """Ends the listening of one lane."""
        async with self._changing:
            self._users.discard(listening)
            shared = connection is self._connection and bool(self._users)
            if connection is self._connection and not shared:
                self._connection = None
            try:
                async with asyncio.timeout(2.0):
                    await (connection.remove_listener(channel, hear) if shared else connection.close())
            except (OSError, TimeoutError, driver().InterfaceError, driver().PostgresError):
                connection.terminate()


class Listening(AsyncpgDriver):
    """Sends statements to the pool; the worker's listening connection passes on the events that matter."""

    def __init__(self, database: Database, ears: Ears | None = None) -> None:
        super().__init__(cast("Any", None))  # there is no single connection
        self.on_lost: Callable[[], object] = _nothing
        self._database = database
        self._ears = ears or Ears(database)
        self._connection: Any = None
        self._wake: Callable[[str], None] | None = None
        self._woken = False
        self.was_woken: bool = False
        """Whether an event has come since this was last set to False; PgQueuer drops some while it is busy."""
        self._listens = asyncio.Event()
        self._channel = ""

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Returns the rows of a statement."""
        return [dict(row) for row in await self._database.pool.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> str:
        """Runs a statement without rows."""
        return str(await self._database.pool.execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        """Notifies all listeners. Waits until this one listens: PgQueuer tests its own listener before that."""
        await self._listens.wait()
        await self._database.pool.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        """Starts listening."""
        self._wake, self._channel = callback, channel
        self._connection = await self._ears.add(self, channel, self._hear)
        self._connection.add_termination_listener(self._lost)
        self._listens.set()

    def _lost(self, _connection: object) -> None:
        self.on_lost()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.on_lost, self._wake = _nothing, None
        if self._connection is not None:
            self._connection.remove_termination_listener(self._lost)
            await self._ears.remove(self, self._connection, self._channel, self._hear)

    def wake_after(self, delay: float) -> None:
        """Wakes this lane when a row is due that was put back; the trigger does not report those."""
        asyncio.get_running_loop().call_later(delay + 0.002, self._pass_on, _DUE)

    def _hear(self, _: Any, __: Any, ___: Any, payload: Any) -> None:
        if '"table_changed_event"' not in payload:
            if self._wake is not None:
                self._wake(payload)
        elif '"insert"' in payload:  # deleted rows matter to no worker
            self._pass_on(payload)

    def _pass_on(self, payload: str) -> None:
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_later(_MOMENT, self._wake_up, payload)

    def _wake_up(self, payload: str) -> None:
        self._woken = False
        if self._wake is not None:
            self.was_woken = True
            self._wake(payload)


def _nothing() -> None:
    """The listener before one is set."""


# Only rows that are still this lane's: a worker that was frozen may hold jobs that others have taken over.
_PUT_BACK = """
UPDATE aps_pgqueuer SET status = 'queued', execute_after = now() + make_interval(secs => delay),
    attempts = attempts + steps, updated = now(), queue_manager_id = NULL
FROM unnest($1::bigint[], $2::float8[], $3::int[]) AS back (row, delay, steps) WHERE id = row AND queue_manager_id = $4
"""
_BEAT = """
UPDATE aps_pgqueuer SET heartbeat = now() WHERE id = ANY ($1) AND queue_manager_id = $2 RETURNING id
"""
_REMOVE = "DELETE FROM aps_pgqueuer WHERE id = ANY ($1) AND entrypoint = ANY ($2) AND queue_manager_id = $3"


@dataclass
class _Returned:
    """A job that is to be put back."""

    job: Job
    delay: float
    steps: int
    wake: Slots | None


@dataclass
class Patient(Queries):
    """PgQueuer's statements for one lane of a worker, with fewer round trips.

    - Jobs are put back and removed together, without tracebacks and log entries, and stay as they are if the database
      is unavailable: others take them over once their heartbeat is old.
    - PgQueuer asks again after every batch, and then twice when the next row is due. Here the lane is woken for every
      row of its own that becomes due, and when a slot is free while more rows are due; only rows of workers that have
      ended are found by asking from time to time.
    - Jobs can be kept without a slot. Those whose rows others have taken over are found by the next heartbeat.
    """

    slots: Slots = field(default_factory=lambda: Slots(1), init=False)
    claimed: Callable[[list[Job]], Awaitable[object]] | None = field(default=None, init=False)
    """Awaited with the jobs of one statement before their steps begin."""
    longest_pause: float = field(default=inf, init=False)
    """Seconds after which a kept job that is still not called is left to others: this process was suspended."""
    released: dict[int, Job] = field(default_factory=dict[int, Job], init=False)
    """Jobs that were put back, or whose rows are gone, by identity: a row may be picked again before PgQueuer logs that
    it ended."""
    _manager: QueueManagerId | None = field(default=None, init=False)
    _taken: dict[int, Slots] = field(default_factory=dict[int, Slots], init=False)
    """Whose slot each job has that is not kept without one."""
    _kept: dict[int, Turn] = field(default_factory=dict[int, Turn], init=False)
    _keeps: bool = field(default=True, init=False)
    _found_few: bool = field(default=False, init=False)
    _returned: list["_Returned"] = field(default_factory=list["_Returned"], init=False)
    _returning: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def _lane(self) -> Listening:
        return cast("Listening", self.driver)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """See the base class; returns nothing at once if nothing can be left since the statement before."""
        if self._found_few and not self._lane.was_woken:
            self._found_few = False
            return []
        self._lane.was_woken = False
        self._manager = queue_manager_id
        if (free := min(batch_size, self.slots.free)) <= 0:
            self.slots.has_backlog = True
            return []
        jobs = await super().dequeue(free, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout)
        new = [job for job in jobs if job.id not in self._taken and job.id not in self._kept]
        self._taken |= {job.id: self.slots for job in new}
        self.slots.take(len(new))
        self._found_few = 0 < len(jobs) < free
        if jobs and self.claimed is not None:
            await self.claimed(jobs)
        return jobs

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:  # noqa: ARG002
        """See the base class; an event may have come during the last statement."""
        return int(self._lane.was_woken)

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> None:
        """See the base class; the lane will be woken."""

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:  # noqa: ARG002
        """See the base class; the lane will be woken."""
        return 0

    async def keep(self, job: Job, delay: float, slots: Slots) -> float | None:
        """Keeps a job without a slot until it is due. Returns None if it has one of `slots` then; otherwise the seconds
        after which it is due, and it has to be put back."""
        if not self._keeps or len(self._kept) >= MOST_KEPT:
            return delay
        loop = asyncio.get_running_loop()
        turn = self._kept[job.id] = Turn(loop.time() + delay)
        self._give_back([job])
        alarm = loop.call_at(turn.due, slots.request, turn, self.longest_pause)
        try:
            await turn.decided
        finally:
            alarm.cancel()
            del self._kept[job.id]
            if turn.has_slot:
                self._taken[job.id] = slots
        return None if turn.has_slot else max(0.0, turn.due - loop.time())

    def release_all(self) -> None:
        """Gives back the slots of jobs that never began, as the lane has ended."""
        for slots in self._taken.values():
            slots.give_back(1)
        self._taken.clear()

    def release_kept(self) -> None:
        """Ends the keeping of all jobs, at once and for good."""
        self._keeps = False
        for turn in self._kept.values():
            turn.decline()

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """See the base class; rows of other workers stay as they are."""
        mine = {row["id"] for row in await self.driver.fetch(_BEAT, job_ids, self._manager)}
        for lost in set(job_ids) - mine:
            if lost in self._kept:
                self._kept[lost].decline()

    async def put_back(self, job: Job, delay: float, *, steps: int, wake: Slots | None) -> None:
        """Makes a job due again after `delay` seconds and so many steps, and then wakes the lane of these slots."""
        self.released[id(job)] = job
        self._returned.append(_Returned(job, delay, steps, wake))
        async with self._returning:
            if delay and not self.slots.has_backlog:
                await asyncio.sleep(_MOMENT)
            returned, self._returned = self._returned, []
            if returned:
                jobs = [each.job for each in returned]
                delays = [each.delay for each in returned]
                await self._execute(_PUT_BACK, jobs, delays, [each.steps for each in returned])
                for lane, after in {(each.wake, each.delay) for each in returned}:
                    if lane is not None:
                        lane.wake(after)

    def removed(self, job: Job) -> None:
        """Records that a job's row is gone."""
        self.released[id(job)] = job
        self._give_back([job])

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        """Removes the jobs that have ended; PgQueuer also counts those as ended that were put back."""
        if ended := [job for job, _, _ in job_status if self.released.pop(id(job), None) is None]:
            await self._execute(_REMOVE, ended, list({job.entrypoint for job in ended}))

    async def _execute(self, statement: str, jobs: list[Job], *values: object) -> None:
        """Runs a statement that releases jobs of this lane, if the database is available."""
        try:
            await self.driver.execute(statement, [job.id for job in jobs], *values, jobs[0].queue_manager_id)
        except Exception as problem:
            if not is_outage(problem) and not isinstance(problem, DatabaseError):
                raise
            _log.info("%d exports are left for others to take over: %s", len(jobs), type(problem).__name__)
        finally:
            self._give_back(jobs)

    def _give_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            if (slots := self._taken.pop(job.id, None)) is not None:
                slots.give_back(1)
