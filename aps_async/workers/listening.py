"""Adaptations of PgQueuer's classes. Imported only where the extra `workers` is installed."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self, TypeVar, cast

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability

from aps_async.workers.database import Database, driver, is_outage

__all__ = ["Listening", "Patient", "patient_queries", "queries_on"]
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


class Listening(AsyncpgDriver):
    """Sends statements to the pool; one connection only listens, and passes on the events that matter."""

    def __init__(self, database: Database) -> None:
        super().__init__(cast("Any", None))  # there is no single connection
        self.on_lost: Callable[[], object] = _nothing
        self._database = database
        self._ears: Any = None
        self._wake: Callable[[str], None] | None = None
        self._woken = False
        self._listens = asyncio.Event()

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
        self._wake = callback
        await self._ears.add_listener(channel, self._hear)
        self._ears.add_termination_listener(self._lost)
        self._listens.set()

    def _lost(self, _connection: object) -> None:
        self.on_lost()

    async def __aenter__(self) -> Self:
        self._ears = await self._database.unpooled()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.on_lost, self._wake = _nothing, None
        try:
            await self._ears.close(timeout=2.0)
        except (OSError, TimeoutError, driver().InterfaceError, driver().PostgresError):
            self._ears.terminate()

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


class Patient(Queries):
    """Puts rows back without logging tracebacks, and leaves them unchanged if the database is unavailable."""

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:  # noqa: ARG002
        """See the base class. A row that cannot be put back is taken over once its heartbeat is old."""
        try:
            await super().retry_job(job, delay, None)
        except Exception as problem:
            if not is_outage(problem):
                raise
            _log.info("an export is left for others to take over: %s", type(problem).__name__)
        else:
            if isinstance(self.driver, Listening):
                self.driver.wake_after(delay.total_seconds())
