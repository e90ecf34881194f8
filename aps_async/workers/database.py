"""The one PostgreSQL that all workers share: connections that come back by themselves, errors of our tree."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from aps_async.errors import DatabaseError, InputError
from aps_async.extras import missing

__all__ = ["CONNECTIONS", "STATEMENT_SECONDS", "Database", "driver", "is_outage", "opened"]
__dir__: object = __all__.copy

T = TypeVar("T")

CONNECTIONS = 6
"""Per worker, besides the two that listen: statements are short, and no step waits with one in hand."""
STATEMENT_SECONDS = 30.0
_LONGEST_PAUSE = 5.0
_PROBES = 5
_SETTINGS = {"application_name": "aps-async"}  # of the parameters at the start, PgBouncer takes no other of ours
# A frozen worker must not hold a row that the others wait for.
_LIMIT_IDLE = "SET idle_in_transaction_session_timeout = '15s'"
_POOLER = (
    "it is reached through a pooler such as PgBouncer in transaction mode, which loses notifications and prepared "
    "statements: use the pooler's session mode, or PostgreSQL's own address"
)

_log = logging.getLogger("aps_async")


def driver() -> Any:
    """asyncpg, which only the extra `workers` brings.

    Raises:
        InputError: it is not installed.
    """
    try:
        import asyncpg
    except ModuleNotFoundError as problem:
        raise InputError(missing(problem, "workers", "working with a database")) from None
    return asyncpg


def is_outage(problem: BaseException) -> bool:
    """Whether the same statement may well succeed once the database is back, or less busy."""
    exceptions = driver().exceptions
    return isinstance(
        problem,
        OSError
        | TimeoutError
        | exceptions.PostgresConnectionError
        | exceptions.InterfaceError
        | exceptions.InternalClientError
        | exceptions.OperatorInterventionError
        | exceptions.InsufficientResourcesError
        | exceptions.TransactionRollbackError
        | exceptions.IdleInTransactionSessionTimeoutError,
    )


class Database:
    """A pool of connections to one PostgreSQL; use it as `async with Database(url) as database:`.

    Args:
        url: `postgresql://user@host/name`; passwords are better left to `PGPASSWORD` or a `.pgpass` file.
        patience: seconds for which a statement is repeated while the database is away; None: for ever, which is what
            a worker wants.
        connections: the most that are open at once.

    Raises:
        DatabaseError: on entering, when there is no database to be had.
    """

    def __init__(self, url: str, *, patience: float | None = 0.0, connections: int = CONNECTIONS) -> None:
        self.url = url
        self.patience = patience
        self._connections = connections
        self._pool: Any = None

    @property
    def shown(self) -> str:
        """The address without user and password, for messages."""
        try:
            parts = urlsplit(self.url)
            return f"{parts.hostname or 'local socket'}{parts.path}"
        except ValueError:
            return "the given address"

    async def __aenter__(self) -> Self:
        async def opened() -> Any:
            await self._refuse_transaction_mode()
            return await driver().create_pool(
                self.url,
                min_size=0,  # a floor would be restored in the background, and complain in the log when it cannot be
                max_size=self._connections,
                timeout=STATEMENT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                max_inactive_connection_lifetime=60.0,
                server_settings=_SETTINGS,
                init=_limit_idle,
                reset=_reset,
            )

        self._pool = await self._patiently(opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(_LONGEST_PAUSE):
                await pool.close()
        except Exception as problem:  # noqa: BLE001 - the database may be away; it ends our connections itself
            _log.info("the database's connections were dropped: %s", type(problem).__name__)
            pool.terminate()

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a statement that may be repeated."""
        rows: list[Any] = await self._patiently(lambda: self._pool.fetch(sql, *values))
        return rows

    async def row(self, sql: str, *values: Any) -> Any:
        """The first row of a statement that may be repeated, or None."""
        return await self._patiently(lambda: self._pool.fetchrow(sql, *values))

    async def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._patiently(lambda: self._pool.fetchval(sql, *values))

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What `work(connection)` gives, in one transaction. It is repeated when the database went away meanwhile, so
        it must bear that the first try was committed after all."""

        async def once() -> T:
            async with self._pool.acquire() as connection, connection.transaction():
                return await work(connection)

        return await self._patiently(once)

    async def bare(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """The same without a transaction, for statements that refuse one."""

        async def once() -> T:
            async with self._pool.acquire() as connection:
                return await work(connection)

        return await self._patiently(once)

    async def unpooled(self) -> Any:
        """A connection of its own, to listen on; the caller closes it."""
        connection = await driver().connect(self.url, timeout=STATEMENT_SECONDS, server_settings=_SETTINGS)
        await _limit_idle(connection)
        return connection

    async def _refuse_transaction_mode(self) -> None:
        """A pooler in transaction mode gives the connection of an idle client to another one.

        Raises:
            DatabaseError: it does.
        """
        options = {"timeout": STATEMENT_SECONDS, "server_settings": _SETTINGS}
        async with _closing(await driver().connect(self.url, **options)) as first:
            if await _backend(first) == first.get_server_pid():
                return  # PostgreSQL itself; a pooler states a number of its own
            async with _closing(await driver().connect(self.url, **options)) as second:
                for _ in range(_PROBES):  # other clients of the pooler may come between
                    before = await _backend(first)
                    async with second.transaction():
                        if await _backend(second) == before or await _backend(first) != before:
                            raise DatabaseError(f"the database at {self.shown}: {_POOLER}")

    @property
    def pool(self) -> Any:
        """asyncpg's own."""
        return self._pool

    async def _patiently(self, once: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        ends = None if self.patience is None else loop.time() + self.patience
        pause = 0.1
        while True:
            try:
                return await once()
            except DatabaseError:
                raise
            except Exception as problem:
                if not is_outage(problem):
                    raise self._error(problem) from problem
                if ends is not None and loop.time() + pause > ends:
                    raise self._error(problem) from None
                _log.info("the database does not answer (%s), trying again in %.1f s", type(problem).__name__, pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _error(self, problem: Exception) -> Exception:
        exceptions = driver().exceptions
        if isinstance(problem, exceptions.DuplicatePreparedStatementError | exceptions.InvalidSQLStatementNameError):
            return DatabaseError(f"the database at {self.shown}: {_POOLER}")
        if isinstance(problem, driver().PostgresError | OSError | driver().InterfaceError | TimeoutError):
            words = str(problem).strip() or type(problem).__name__
            return DatabaseError(f"the database at {self.shown}: {words}")
        return problem


async def _limit_idle(connection: Any) -> None:
    await connection.execute(_LIMIT_IDLE)


async def _reset(connection: Any) -> None:
    """As asyncpg's own, which forgets all settings, and with ours again: in one trip to the server."""
    await connection.execute(f"{connection.get_reset_query()}\n;{_LIMIT_IDLE}")


async def _backend(connection: Any) -> int:
    """The process that serves this statement."""
    found: int = await connection.fetchval("SELECT pg_backend_pid()")
    return found


@asynccontextmanager
async def _closing(connection: Any) -> AsyncIterator[Any]:
    try:
        yield connection
    finally:
        await connection.close(timeout=_LONGEST_PAUSE)


@asynccontextmanager
async def opened(database: Database | str) -> AsyncIterator[Database]:
    """An open database, given one or its address."""
    if isinstance(database, Database):
        yield database
        return
    async with Database(database) as found:
        yield found
