"""Work in threads, which nobody can cancel: a cancellation goes on once the work has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

__all__ = ["ended", "in_thread"]
__dir__: object = __all__.copy

T = TypeVar("T")


async def ended(work: Awaitable[T], *, on_cancel: Callable[[], object] | None = None) -> T:
    """Waits for work that must not be left alone; when cancelled, it still waits, and then raises the cancellation.

    Args:
        work: what to wait for.
        on_cancel: called first when cancelled, to make the work end soon.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # or asyncio would report that nobody looked at it
        raise


async def in_thread(function: Callable[..., T], *arguments: Any, on_cancel: Callable[[], object] | None = None) -> T:
    """Runs `function(*arguments)` in a thread; see `ended`."""
    running = asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments))
    return await ended(running, on_cancel=on_cancel)
