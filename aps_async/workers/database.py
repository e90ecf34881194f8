"""The PostgreSQL that all workers share: reconnects automatically, and raises errors of our own hierarchy."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from aps_async.errors import DatabaseError, InputError
from aps_async.extras import needed
from aps_async.lazy import regex

__all__ = ["CONNECTIONS", "STATEMENT_SECONDS", "Database", "check_address", "driver", "is_outage", "opened"]
__dir__: object = __all__.copy

T = TypeVar("T")

CONNECTIONS = 3
"""Connections of each worker, besides the one that listens. Few, since statements are short and waits hold none."""
STATEMENT_SECONDS = 30.0
_LONGEST_PAUSE = 5.0
_WARN_FROM = 0.5
"""Seconds between attempts from which on an outage is logged; connections that were merely dropped are back sooner."""
_PROBES = 5
_ERRNO = regex(r"\[Errno -?\d+\] ")
_SETTINGS = {"application_name": "aps-async"}  # PgBouncer accepts no other startup parameter that we need
# If a worker is suspended in a transaction, its locks must not stop the others.
_LIMIT_IDLE = "SET idle_in_transaction_session_timeout = '15s'"
_POOLER = (
    "it is reached through a pooler such as PgBouncer in transaction mode, which loses notifications and prepared "
    "statements: use the pooler's session mode, or PostgreSQL's own address"
)

_UNREADABLE = (
    "the database's address cannot be read: write it as postgresql://user@host:5432/name, with the special "
    "characters of user and password percent-encoded, such as %2F for /, %23 for #, %3F for ? and %40 for @; a "
    "password may also be in PGPASSWORD or a .pgpass file"
)

_log = logging.getLogger(__name__)


def check_address(url: object) -> None:
    """Checks the form of a database's address. No error shows any of it: a password may be in the wrong place.

    Raises:
        InputError: it is not an address of a PostgreSQL, or cannot be read.
    """
    if not isinstance(url, str):
        raise InputError(f"the database's address must be a text, such as postgresql://user@host/name, not {url!r:.40}")
    try:
        parts = urlsplit(url.strip())
        ports = [urlsplit(f"//{each}").port for each in _hosts(parts.netloc)]
    except ValueError:
        raise InputError(_UNREADABLE) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise InputError("the database's address must begin with postgresql://")
    # A password with one of these characters ends the part of the address that it belongs to.
    is_cut = "@" in parts.path or parts.fragment or any("=" not in each for each in parts.query.split("&") if each)
    if is_cut or 0 in ports:
        raise InputError(_UNREADABLE)


def _hosts(netloc: str) -> list[str]:
    """The hosts with their ports: there may be several, of which one is the primary."""
    return netloc.rpartition("@")[2].split(",")


def driver() -> Any:
    """The module asyncpg.

    Raises:
        InputError: the extra `workers` is not installed.
    """
    return needed("asyncpg", "workers", "working with a database")


def is_outage(problem: BaseException) -> bool:
    """Whether the same statement may succeed once the database is available again, or less busy."""
    exceptions = driver().exceptions
    return isinstance(
        problem,
        OSError
        | TimeoutError
        | exceptions.PostgresConnectionError
        | exceptions.InterfaceError
        | exceptions.InternalClientError
        | exceptions.OperatorInterventionError
        | exceptions.ReadOnlySQLTransactionError  # during a failover, or while its disk is full
        | exceptions.InsufficientResourcesError
        | exceptions.TransactionRollbackError
        | exceptions.IdleInTransactionSessionTimeoutError,
    )


class Database:
    """A pool of connections to one PostgreSQL; use it as `async with Database(url) as database:`.

    Args:
        url: `postgresql://user@host/name`; a password is better put into `PGPASSWORD` or a `.pgpass` file.
        patience: seconds for which a statement is repeated while the database is unavailable; None: no limit, which is
            right for workers.
        connections: the maximum number of open connections.

    Raises:
        DatabaseError: on entering, if the database cannot be used.
        InputError: on entering, if the address cannot be read.
    """

    def __init__(self, url: str, *, patience: float | None = 0.0, connections: int = CONNECTIONS) -> None:
        self.url = url
        self.patience = patience
        self._connections = connections
        self._pool: Any = None
        self._is_out = False
        self._is_read_only = False
        self._back_at = float("-inf")

    @property
    def shown(self) -> str:
        """The address without user and password, for messages."""
        try:
            check_address(self.url)
        except InputError:
            return "the given address"
        parts = urlsplit(self.url.strip())
        hosts = (urlsplit(f"//{each}") for each in _hosts(parts.netloc))
        shown = ",".join(f"{each.hostname}:{each.port}" if each.port else each.hostname or "" for each in hosts)
        return f"{shown or 'local socket'}{parts.path}"

    async def __aenter__(self) -> Self:
        check_address(self.url)

        async def opened() -> Any:
            await self._check_connection()
            return await driver().create_pool(
                self.url,
                min_size=0,  # the pool would restore a minimum in the background, and log errors when it cannot
                max_size=self._connections,
                timeout=STATEMENT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                max_inactive_connection_lifetime=60.0,
                server_settings=_SETTINGS,
                init=_limit_idle,
                reset=_keep,
            )

        self._pool = await self._patiently(opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(_LONGEST_PAUSE):
                await pool.close()
        except Exception as problem:  # noqa: BLE001 - the database may be unavailable; it ends our connections itself
            _log.info("the database's connections were dropped: %s", type(problem).__name__)
            pool.terminate()

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """Returns all rows of a statement. It may run twice, after an outage."""
        rows: list[Any] = await self._patiently(lambda: self.pool.fetch(sql, *values))
        return rows

    async def row(self, sql: str, *values: Any) -> Any:
        """Returns the first row, or None; see `fetch`."""
        return await self._patiently(lambda: self.pool.fetchrow(sql, *values))

    async def value(self, sql: str, *values: Any) -> Any:
        """Returns the first column of the first row, or None; see `fetch`."""
        return await self._patiently(lambda: self.pool.fetchval(sql, *values))

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Returns the result of `work(connection)`, run in one transaction.

        It is repeated after an outage, so it must tolerate that the first attempt was committed.
        """

        async def once() -> T:
            async with self.pool.acquire() as connection, connection.transaction():
                return await work(connection)

        return await self._patiently(once)

    async def bare(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Like `transaction`, but without one, for statements that cannot run inside a transaction."""

        async def once() -> T:
            async with self.pool.acquire() as connection:
                return await work(connection)

        return await self._patiently(once)

    async def unpooled(self) -> Any:
        """A separate connection, to listen on; the caller closes it."""
        connection = await driver().connect(self.url, timeout=STATEMENT_SECONDS, server_settings=_SETTINGS)
        try:
            await _limit_idle(connection)
        except BaseException:  # also when cancelled: no caller has the connection yet
            connection.terminate()
            raise
        return connection

    async def _check_connection(self) -> None:
        """Connects once, to find out what no later attempt can succeed with.

        Raises:
            DatabaseError: the database is behind a pooler in transaction mode.
            InputError: asyncpg cannot read the address.
        """
        try:
            await self._refuse_transaction_mode()
        except driver().exceptions.ClientConfigurationError as problem:
            raise InputError(f"the database's address: {problem}") from None
        except OSError:  # also a certificate that is refused, which is a ValueError too
            raise
        except (ValueError, OverflowError):
            raise InputError(_UNREADABLE) from None  # the message may quote a part of the address

    async def _refuse_transaction_mode(self) -> None:
        """Refuses a pooler in transaction mode, which gives the connection of an idle client to another client.

        Raises:
            DatabaseError: the database is behind such a pooler.
        """
        options = {"timeout": STATEMENT_SECONDS, "server_settings": _SETTINGS}
        async with _closing(await driver().connect(self.url, **options)) as first:
            if await _backend(first) == first.get_server_pid():
                return  # PostgreSQL itself; a pooler reports a number of its own
            async with _closing(await driver().connect(self.url, **options)) as second:
                for _ in range(_PROBES):  # other clients of the pooler may interfere
                    before = await _backend(first)
                    async with second.transaction():
                        if await _backend(second) == before or await _backend(first) != before:
                            raise DatabaseError(f"the database at {self.shown}: {_POOLER}")

    @property
    def pool(self) -> Any:
        """asyncpg's pool.

        Raises:
            DatabaseError: it is not open, or closed already.
        """
        if self._pool is None:
            raise DatabaseError(f"the database at {self.shown} is not open: use it inside 'async with'")
        return self._pool

    async def _patiently(self, once: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        ends = None if self.patience is None else loop.time() + self.patience
        pause, has_failed, could_only_read = 0.1, False, False
        while True:
            began = loop.time()
            try:
                found = await once()
            except DatabaseError:
                raise
            except Exception as problem:
                if not is_outage(problem):
                    raise self.error_of(problem) from problem
                if isinstance(problem, driver().exceptions.ReadOnlySQLTransactionError):
                    could_only_read = True
                    await self._replace_connections()  # they stay read-only; new ones may find another server
                # By its start: an attempt during which this process was suspended says nothing about the database now.
                if ends is not None and began + pause > ends:
                    raise self.error_of(problem) from None
                _log.info("the database is unavailable (%s), trying again in %.1f s", type(problem).__name__, pause)
                if ends is None and pause >= _WARN_FROM and began >= self._back_at:  # with a limit, an error comes soon
                    self._note_outage(problem, could_only_read)
            else:
                if has_failed:
                    await self._note_recovery(could_only_read)
                return found
            has_failed = True
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _note_outage(self, problem: Exception, could_only_read: bool) -> None:
        if not self._is_out:
            self._is_out, self._is_read_only = True, could_only_read
            _log.warning("the database at %s is unavailable (%s); trying again", self.shown, _words(problem))

    async def _note_recovery(self, could_only_read: bool) -> None:
        """Ends an outage, if a statement that failed before shows that it is over.

        An outage for writes only ends with a statement that was refused as a write before: any other may only read,
        which a standby allows.
        """
        if self._is_out and (could_only_read or not self._is_read_only):
            self._is_out, self._back_at = False, asyncio.get_running_loop().time()
            await self._replace_connections()  # those from before would report the same outage again
            _log.warning("the database at %s is available again", self.shown)

    async def _replace_connections(self) -> None:
        if self._pool is not None:
            await self._pool.expire_connections()

    def error_of(self, problem: Exception) -> Exception:
        """The error of our own hierarchy for one of the driver's; any other error as it is."""
        exceptions = driver().exceptions
        if isinstance(problem, exceptions.DuplicatePreparedStatementError | exceptions.InvalidSQLStatementNameError):
            return DatabaseError(f"the database at {self.shown}: {_POOLER}")
        if isinstance(problem, driver().PostgresError | OSError | driver().InterfaceError | TimeoutError):
            words = _words(problem)
            unknown = (
                exceptions.UndefinedColumnError | exceptions.UndefinedTableError | exceptions.UndefinedFunctionError
            )
            if isinstance(problem, unknown):
                words += "; if a newer version of aps-async has upgraded the tables, install it here too"
            if isinstance(problem, OSError | TimeoutError):
                words += "; check its address, and that PostgreSQL runs there"
            return DatabaseError(f"the database at {self.shown}: {words}")
        return problem


def _words(problem: BaseException) -> str:
    """The text of an error, without the error numbers of the system."""
    return _ERRNO.sub("", str(problem)).strip() or type(problem).__name__


async def _limit_idle(connection: Any) -> None:
    await connection.execute(_LIMIT_IDLE)


async def _keep(_: Any) -> None:
    """Resets nothing: no statement changes a setting, and asyncpg ends open transactions itself."""


async def _backend(connection: Any) -> int:
    """The id of the server process that runs this statement."""
    found: int = await connection.fetchval("SELECT pg_backend_pid()")
    return found


@asynccontextmanager
async def _closing(connection: Any) -> AsyncGenerator[Any, None]:
    try:
        yield connection
    finally:
        await connection.close(timeout=_LONGEST_PAUSE)


@asynccontextmanager
async def opened(database: Database | str) -> AsyncGenerator[Database, None]:
    """Yields an open database, given one or its address."""
    if isinstance(database, Database):
        yield database
        return
    async with Database(database) as found:
        yield found
