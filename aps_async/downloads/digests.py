"""Hashes of a file while it arrives, beside the event loop once the file is large."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

__all__ = ["Digests"]
__dir__: object = __all__.copy

_SMALL = 1 << 20  # bytes of a file that are hashed at once: a thread would cost a small file more than its hash
_BATCH = 1 << 19  # bytes that go to the thread together, so that the way there costs a hundredth of the work
_MOST = 1 << 21  # bytes that may wait for the thread


class Digests:
    """Hashes the bytes of one file in order.

    `update` never waits. After it, `catch_up` waits if the thread is so far behind that memory would fill up, and
    `settle` waits until all bytes are in the hashes, which `copy` and `hexdigest` need.
    """

    def __init__(self, *names: str) -> None:
        self._hashes: Mapping[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._size = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._batch: asyncio.Future[None] | None = None

    def update(self, piece: bytes) -> None:
        """Takes the next bytes; only in a running event loop once there are more than 1 MiB."""
        if not self._hashes:
            return
        self._size += len(piece)
        if self._size <= _SMALL:
            self._hash([piece])
            return
        self._waiting.append(piece)
        self._waiting_size += len(piece)
        if self._waiting_size >= _BATCH and (self._batch is None or self._batch.done()):
            self._start_batch()

    @property
    def is_behind(self) -> bool:
        """Whether to await `catch_up` before more bytes are taken."""
        return self._waiting_size >= _MOST

    async def catch_up(self) -> None:
        """Waits until there is room for more bytes."""
        while self.is_behind:
            await self._end_batch()
            self._start_batch()

    async def settle(self) -> None:
        """Waits until every byte is in the hashes."""
        await self._end_batch()
        if self._waiting_size >= _BATCH:
            self._start_batch()
            await self._end_batch()
        self._hash(self._take_waiting())

    def copy(self) -> "Digests":
        """The same, to go on from here; only when it is settled."""
        other = Digests()
        other._hashes = {name: each.copy() for name, each in self._hashes.items()}
        other._size = self._size
        return other

    def hexdigest(self, name: str) -> str | None:
        """As hexadecimal digits; None for a hash that was not asked for. Only when it is settled."""
        return self._hashes[name].hexdigest() if name in self._hashes else None

    def _start_batch(self) -> None:
        if self._batch is not None:
            self._batch.result()  # an error is not lost
        self._batch = asyncio.get_running_loop().run_in_executor(None, self._hash, self._take_waiting())

    async def _end_batch(self) -> None:
        if self._batch is not None:
            await asyncio.wait([self._batch])  # which, unlike `await`, lets the batch end when this is cancelled
            self._batch.result()
            self._batch = None

    def _take_waiting(self) -> list[bytes]:
        pieces, self._waiting, self._waiting_size = self._waiting, [], 0
        return pieces

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            for each in self._hashes.values():
                each.update(piece)
