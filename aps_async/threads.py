"""Cancellation: threads and tasks are waited for before it is passed on, and one that is not ours becomes an error."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

__all__ = ["ended", "in_thread", "is_being_cancelled", "of_caller", "settled", "stopped"]
__dir__: object = __all__.copy

T = TypeVar("T")


def is_being_cancelled() -> bool:
    """Whether the current task is being cancelled.

    If not, a CancelledError was raised by code that the task has called, such as a token provider of the caller,
    because something that this code awaited was cancelled by others. It is an error of that code; the task continues.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def of_caller(work: Awaitable[T], error: Callable[[], Exception]) -> T:
    """Awaits code of the caller. If it was cancelled and the current task was not, that is this error.

    Raises:
        Exception: `error()`, see `is_being_cancelled`; or what the code raised.
    """
    try:
        return await work
    except asyncio.CancelledError as problem:
        if is_being_cancelled():
            raise
        raise error() from problem


async def settled(tasks: "Iterable[asyncio.Future[Any]]") -> None:
    """Waits until all of them have ended, whatever their results; a cancellation is raised only then.

    anyio, and with it Starlette and FastAPI, cancels again and again until its scope is left, not once as asyncio does.
    """
    waiting = set(tasks)
    cancellation = None
    while not all(task.done() for task in waiting):
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as problem:
            cancellation = problem
    for task in waiting:
        if not task.cancelled():
            task.exception()  # otherwise asyncio logs that the exception was never retrieved
    if cancellation is not None:
        raise cancellation


async def stopped(tasks: "Iterable[asyncio.Future[Any]]") -> None:
    """Cancels all of them, and waits until they have ended; see `settled`."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await settled(tasks)


async def ended(work: Awaitable[T], *, on_cancel: Callable[[], object] | None = None) -> T:
    """Waits for work that must not be left running; a cancellation is raised only after the work has ended.

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
        await settled([task])
        raise


async def in_thread(function: Callable[..., T], *arguments: Any, on_cancel: Callable[[], object] | None = None) -> T:
    """Runs `function(*arguments)` in a thread; see `ended`."""
    running = asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments))
    return await ended(running, on_cancel=on_cancel)
