"""Which workers are running, by the database's clock: a row for each, with a heartbeat and what it waits for."""

import asyncio
import importlib.metadata
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache

from attrs import frozen

from aps_async.errors import APSError
from aps_async.reprs import short_repr
from aps_async.workers import schema
from aps_async.workers.database import Database
from aps_async.workers.owners import Owner
from aps_async.workers.records import RunStatus

__all__ = ["BEAT", "SILENT", "Presence", "WorkerStatus", "list_workers", "waits_for"]
__dir__: object = __all__.copy

BEAT = 5.0
"""Seconds between two heartbeats."""
SILENT = 20.0
"""Seconds without a heartbeat after which a worker counts as dead or frozen."""

_BEAT = """
INSERT INTO aps_worker (id, host, pid, version, client_id, user_id, waits_for) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET heartbeat = clock_timestamp(), waits_for = EXCLUDED.waits_for
RETURNING (SELECT max(version) FROM aps_schema)
"""
_LIST = """
SELECT id, host, pid, version, client_id, user_id, started, waits_for,
    extract(epoch FROM clock_timestamp() - heartbeat)::float8 AS heartbeat_age
FROM aps_worker WHERE heartbeat > now() - interval '1 day' ORDER BY started, id
"""


@frozen(kw_only=True)
class WorkerStatus:
    """A worker that is running, or that died within the last day."""

    id: str
    host: str
    pid: int
    version: str
    client_id: str | None
    user_id: str | None
    started: datetime
    waits_for: str | None
    """Why it cannot deliver at present; None if it can."""
    heartbeat_age: float
    """Seconds since its last heartbeat."""

    __repr__ = short_repr

    @property
    def owner(self) -> Owner | None:
        """The owner whose runs it takes, besides those without an owner."""
        return Owner(self.client_id, self.user_id or "") if self.client_id else None

    @property
    def is_alive(self) -> bool:
        """Whether it has sent a heartbeat within the last 20 s."""
        return self.heartbeat_age < SILENT


async def list_workers(database: Database) -> list[WorkerStatus]:
    """The workers that are running, or that died within the last day; the oldest first."""
    if await database.value("SELECT to_regclass('aps_worker')") is None:
        return []
    return [WorkerStatus(**dict(row)) for row in await database.fetch(_LIST)]


@cache
def _version() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("aps-async")
    return "unknown"


def waits_for(run: RunStatus, workers: Sequence[WorkerStatus]) -> tuple[str, ...]:
    """The reasons why no worker can deliver exports of a run at present; empty if one can."""
    able = [each for each in workers if each.is_alive and run.owner in (None, each.owner)]
    if run.is_over or any(each.waits_for is None for each in able):
        return ()
    if not able:
        return (f"no worker {f'with {run.owner} ' if run.owner else ''}is running",)
    return tuple(f"worker {each.pid} on {each.host}: {each.waits_for}" for each in able)


class Presence:
    """Keeps the row of one worker up to date.

    Args:
        database: an open database.
        owner: the owner whose exports the worker takes.
        waits_for: returns why the worker cannot deliver at present, or None.
    """

    def __init__(self, database: Database, owner: Owner | None, waits_for: Callable[[], str | None]) -> None:
        self.id: str = secrets.token_hex(8)
        self.last: float | None = None
        """When the last heartbeat was stored, by the event loop's clock."""
        self.changed: asyncio.Event = asyncio.Event()
        self._database = database
        self._owner = owner
        self._waits_for = waits_for
        self._schema = schema.VERSION

    async def keep(self) -> None:
        """Sends heartbeats until it is cancelled.

        Raises:
            DatabaseError: a newer version has upgraded the tables.
        """
        while True:
            await self._beat()
            self.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self.changed.wait()

    async def _beat(self) -> None:
        client_id, user_id = (self._owner.client_id, self._owner.user_id) if self._owner else (None, None)
        words = (self._waits_for() or "")[:1000].replace("\0", "") or None
        host = socket.gethostname()
        known = (self.id, host, os.getpid(), _version(), client_id, user_id, words)
        schema.check_version(await self._database.value(_BEAT, *known), self._schema)
        self.last = asyncio.get_running_loop().time()

    async def leave(self) -> None:
        """Removes the row, if the database is available."""
        with suppress(APSError, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._database.fetch("DELETE FROM aps_worker WHERE id = $1", self.id)
