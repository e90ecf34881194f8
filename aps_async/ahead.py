"""Runs an async generator ahead of its reader, in a task of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, Self, TypeVar

from aps_async.threads import stopped

__all__ = ["ReadAhead"]
__dir__: object = __all__.copy

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Starts a generator in a task of its own, and yields lists of the items that have become available, in order.

    What the generator raises is raised after the items before it. Put `contextlib.aclosing` around it, which ends the
    task and closes the generator.

    Args:
        source: the generator.
        limit: how many items may wait to be read; None: any number.
        size: the maximum number of items in one list; None: all that are waiting.
    """

    def __init__(self, source: AsyncGenerator[T, None], *, limit: int | None = None, size: int | None = None) -> None:
        self._source = source
        self._room = None if limit is None else asyncio.Semaphore(limit)
        self._size = size
        self._waiting: list[T] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._news.set())

    async def _run(self) -> None:
        async with aclosing(self._source) as items:
            async for item in items:
                if self._room is not None:
                    await self._room.acquire()
                self._waiting.append(item)
                self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def ready(self) -> bool:
        """Waits for an item; False at the end. Raises what the generator raised, if no item is left before that."""
        while not self._waiting and not self._task.done():
            self._news.clear()
            await self._news.wait()
        if not self._waiting:
            await self._task
        return bool(self._waiting)

    async def items(self) -> AsyncGenerator[T, None]:
        """Yields the items one by one."""
        async for batch in self:
            for item in batch:
                yield item

    async def __anext__(self) -> list[T]:
        if not await self.ready():
            raise StopAsyncIteration
        batch = self._waiting[: self._size]
        del self._waiting[: len(batch)]
        if self._room is not None:
            for _ in batch:
                self._room.release()
        return batch

    async def aclose(self) -> None:
        """Cancels the task and closes the generator."""
        await stopped([self._task])
        await self._source.aclose()  # the task may never have started it
