"""Generators that run ahead of those who read them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, Self, TypeVar

from aps_async.threads import stopped

__all__ = ["ReadAhead"]
__dir__: object = __all__.copy

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Runs a generator in a task of its own, from now on, and yields lists of what it has brought meanwhile, in order.

    What the generator raises is raised after everything before it. Needs `contextlib.aclosing` around it, which ends
    the task and closes the generator.

    Args:
        source: the generator.
        limit: items that may wait; None: all of them.
        size: items in one list; None: all that wait.
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
        """Waits until something is there: False at the end. Raises what the generator raised, if nothing is left."""
        while not self._waiting and not self._task.done():
            self._news.clear()
            await self._news.wait()
        if not self._waiting:
            await self._task
        return bool(self._waiting)

    async def items(self) -> AsyncGenerator[T, None]:
        """Everything one by one."""
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
        """Ends the task."""
        await stopped([self._task])
        await self._source.aclose()  # which the task may never have begun
