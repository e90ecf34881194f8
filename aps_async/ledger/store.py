"""The one thread that uses the ledger's SQLite file, so that a slow disk does not block the event loop.

Work that arrives while the thread is busy shares the next transaction: a single write is committed at once, and a
thousand take hardly longer than one.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from aps_async.errors import LedgerError
from aps_async.ledger.schema import WRONG_VALUES, copied_ledger, explained, open_ledger
from aps_async.threads import ended

__all__ = ["Store"]
__dir__: object = __all__.copy

T = TypeVar("T")


@frozen
class _Work:
    do: Callable[[sqlite3.Connection], Any]
    durable: bool
    done: "asyncio.Future[Any]"


class Store:
    """An open ledger file. After the first error it refuses all work, since its state is uncertain."""

    def __init__(self, path: Path, *, copied: bool = False) -> None:
        self._path = path
        self._open_file = copied_ledger if copied else open_ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aps-async-ledger")
        self._connection: sqlite3.Connection | None = None
        self._synchronous = ""
        self._waiting: list[_Work] = []
        self._busy: asyncio.Future[Any] | None = None
        self._broken: Exception | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Opens the file.

        Raises:
            LedgerError: it cannot be used.
            TargetError: it cannot be written.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            await self.close()
            raise

    async def call(self, do: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Runs `do` in a transaction and returns when that is committed.

        A `durable` commit survives a power cut; any commit survives the end of the process. If the caller is
        cancelled, the work is still done.

        Raises:
            LedgerError: the file is damaged or closed.
            TargetError: it cannot be written.
        """
        if self._broken is not None:
            raise self._broken
        loop = asyncio.get_running_loop()
        work = _Work(do, durable, loop.create_future())
        self._waiting.append(work)
        if self._busy is None:
            self._next(loop)
        found: T = await work.done
        return found

    async def close(self) -> None:
        """Completes the work in progress and closes the file, even if cancelled: the folder stays locked until then."""
        await ended(self._end())

    async def _end(self) -> None:
        while self._busy is not None:
            await asyncio.wait([self._busy])
            await asyncio.sleep(0)  # its callback starts the next batch
        if self._is_closed:
            return
        self._is_closed = True
        if self._broken is None:
            self._broken = LedgerError(f"{self._path} is closed")
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = loop.run_in_executor(self._thread, self._commit, batch)
        self._busy.add_done_callback(lambda busy: self._ended(loop, batch, busy))

    def _ended(self, loop: asyncio.AbstractEventLoop, batch: list[_Work], busy: "asyncio.Future[list[Any]]") -> None:
        self._busy = None
        problem = None if busy.cancelled() else busy.exception()
        if isinstance(problem, Exception):
            self._broken = problem
            batch, self._waiting = [*batch, *self._waiting], []
            for work in batch:
                if not work.done.done():
                    work.done.set_exception(problem)
                    work.done.exception()  # retrieved here, since its caller may have been cancelled
            return
        for work, found in zip(batch, busy.result(), strict=True):
            if not work.done.done():
                work.done.set_result(found)
        if self._waiting:
            self._next(loop)

    # The methods below run in the thread.

    def _open(self) -> None:
        self._connection = self._open_file(self._path)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # on a full disk the log stays, and the next run uses it
                connection.close()

    def _commit(self, batch: list[_Work]) -> list[Any]:
        connection = self._connection
        assert connection is not None  # noqa: S101 - for the type checker
        try:
            # FULL syncs the log at every commit. NORMAL syncs it now and then: a power cut may lose the last commits,
            # but none before them.
            wanted = "FULL" if any(work.durable for work in batch) else "NORMAL"
            if wanted != self._synchronous:
                connection.execute(f"PRAGMA synchronous={wanted}")
                self._synchronous = wanted
            connection.execute("BEGIN IMMEDIATE")
            found = [work.do(connection) for work in batch]
            connection.execute("COMMIT")
        except (sqlite3.Error, *WRONG_VALUES) as problem:
            raise explained(self._path, problem) from problem
        else:
            return found
        finally:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
