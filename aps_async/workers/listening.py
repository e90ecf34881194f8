"""Adaptations of PgQueuer's classes. Imported only where the extra `workers` is installed."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self, TypeVar, cast

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, QueueEntrypoint

from aps_async.errors import DatabaseError
from aps_async.workers.database import Database, driver, is_outage

__all__ = ["Ears", "Listening", "Patient", "patient_queries", "queries_on"]
__dir__: object = __all__.copy

Q = TypeVar("Q", bound=Queries)

_DUE = (
    '{"channel": "aps_ch_pgqueuer", "operation": "update", "sent_at": "2026-01-01T00:00:00Z", '
    '"table": "aps_pgqueuer", "type": "table_changed_event"}'
)
_MOMENT = 0.02  # seconds; PgQueuer queries the lane once for each wake-up, so several within a moment become one

_log = logging.getLogger(__name__)


def queries_on(connection: Any) -> Queries:
    """PgQueuer's statements for our tables, on one asyncpg connection."""
    return _queries(Queries, AsyncpgDriver(connection))


def patient_queries(listening: "Listening") -> "Patient":
    """The same for a worker."""
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
        """Wakes this worker when a row that it has put back is due; the trigger does not report those."""
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
            self._wake(payload)


def _nothing() -> None:
    """The listener before one is set."""


_PUT_BACK = """
UPDATE aps_pgqueuer SET status = 'queued', execute_after = now() + $2::interval, attempts = attempts + 1,
    updated = now(), queue_manager_id = NULL
WHERE id = $1
"""


_NEXT = """
SELECT min(due) - now() AS eta FROM unnest($1::text[]) AS lanes (name), LATERAL (
    SELECT execute_after AS due FROM aps_pgqueuer WHERE status = 'queued' AND entrypoint = name
    ORDER BY execute_after LIMIT 1
) AS next
"""


@dataclass
class Patient(Queries):
    """Puts rows back without tracebacks and log entries, and leaves them unchanged if the database is unavailable.

    One statement says when the next row is due, instead of PgQueuer's three.
    """

    kept: dict[int, Job] = field(default_factory=dict[int, Job], init=False)
    """Jobs that were put back, by identity: the same row may be picked again before PgQueuer logs its end."""
    eta: timedelta | None = field(default=None, init=False)

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """See the base class; asked first, so that the other two need no statement."""
        [row] = await self.driver.fetch(_NEXT, entrypoints)
        self.eta = cast("timedelta | None", row["eta"])
        return int(self.eta is not None and self.eta <= timedelta(0))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:  # noqa: ARG002
        """See the base class."""
        return self.eta

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:  # noqa: ARG002
        """See the base class."""
        return int(self.eta is not None)

    async def put_back(self, job: Job, delay: float) -> None:
        """Makes a job due again after `delay` seconds. A row that cannot be put back is taken over once its heartbeat
        is old."""
        self.kept[id(job)] = job
        try:
            await self.driver.execute(_PUT_BACK, job.id, timedelta(seconds=delay))
        except Exception as problem:
            if not is_outage(problem) and not isinstance(problem, DatabaseError):
                raise
            _log.info("an export is left for others to take over: %s", type(problem).__name__)
        else:
            if isinstance(self.driver, Listening):
                self.driver.wake_after(delay)

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        """Removes the jobs that have ended; PgQueuer also counts those as ended that were put back."""
        if ended := [each for each in job_status if self.kept.pop(id(each[0]), None) is None]:
            await super().log_jobs(ended)
