"""Hashes a file while it arrives; large files in a thread, beside the event loop."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

__all__ = ["Digests"]
__dir__: object = __all__.copy

_SMALL = 1 << 20  # bytes hashed without a thread, which would take longer than the hash of a small file
_BATCH = 1 << 19  # bytes passed to the thread together: the hand-over then takes 1 % of the time
_MOST = 1 << 21  # bytes that may wait for the thread


class Digests:
    """Hashes the bytes of one file in order.

    `update` never waits. Await `catch_up` after it if `is_behind`, so that waiting bytes do not fill the memory, and
    `settle` before `copy` and `hexdigest`, which need all bytes in the hashes.
    """

    def __init__(self, *names: str) -> None:
        self._hashes: Mapping[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._size = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._batch: asyncio.Future[None] | None = None

    def update(self, piece: bytes) -> None:
        """Takes the next bytes. Needs a running event loop once there are more than 1 MiB."""
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
        """Waits until all bytes are in the hashes."""
        await self._end_batch()
        if self._waiting_size >= _BATCH:
            self._start_batch()
            await self._end_batch()
        self._hash(self._take_waiting())

    def copy(self) -> "Digests":
        """A copy of this state, to continue from; only after `settle`. Without a hash there is no state."""
        if not self._hashes:
            return self
        other = Digests()
        other._hashes = {name: each.copy() for name, each in self._hashes.items()}
        other._size = self._size
        return other

    def hexdigest(self, name: str) -> str | None:
        """Hexadecimal digits; None for a hash that was not requested. Only after `settle`."""
        return self._hashes[name].hexdigest() if name in self._hashes else None

    def _start_batch(self) -> None:
        if self._batch is not None:
            self._batch.result()  # raises an error of the thread
        self._batch = asyncio.get_running_loop().run_in_executor(None, self._hash, self._take_waiting())

    async def _end_batch(self) -> None:
        if self._batch is not None:
            await asyncio.wait([self._batch])  # unlike `await`, this lets the batch finish when it is cancelled
            self._batch.result()
            self._batch = None

    def _take_waiting(self) -> list[bytes]:
        pieces, self._waiting, self._waiting_size = self._waiting, [], 0
        return pieces

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            for each in self._hashes.values():
                each.update(piece)
