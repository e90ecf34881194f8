"""Limits the pending exports of all workers to `Settings.max_pending_exports`; pending: started, not delivered."""

import asyncio

from aps_async.models import ExportKind
from aps_async.session import Session
from aps_async.workers import steps
from aps_async.workers.runs import RunStore

__all__ = ["Pending"]
__dir__: object = __all__.copy

_LIFETIME = 5.0
"""Seconds of the service for which the numbers are used: all workers together start about 8 exports meanwhile."""


class Pending:
    """The number of pending exports by kind, read from the database every few seconds.

    Args:
        session: the worker's session.
        store: the runs.
    """

    def __init__(self, session: Session, store: RunStore) -> None:
        self._session = session
        self._store = store
        self._by_kind: dict[str, int] = {}
        self._counted = float("-inf")
        self._counting = asyncio.Lock()

    def interval(self, kind: ExportKind) -> float:
        """Seconds between two status calls for one export, such that all exports together stay within the quota."""
        return steps.poll_interval(self._session, kind, self._by_kind.get(kind, 0))

    async def take(self, kind: ExportKind) -> None:
        """Waits while too many exports are pending, because the service or the connection is slow."""
        while True:
            await self.count()
            if sum(self._by_kind.values()) < self._session.settings.max_pending_exports:
                self._by_kind[kind] = self._by_kind.get(kind, 0) + 1  # until the next count
                return
            await asyncio.sleep(self._lifetime)

    async def count(self) -> None:
        """Reads the numbers again if they are too old."""
        if self._are_old():
            async with self._counting:
                if self._are_old():
                    self._by_kind = await self._store.pending()
                    self._counted = asyncio.get_running_loop().time()

    def _are_old(self) -> bool:
        return asyncio.get_running_loop().time() - self._counted > self._lifetime

    @property
    def _lifetime(self) -> float:
        return max(0.2, _LIFETIME / self._session.settings.time_scale)
