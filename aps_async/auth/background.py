"""Runs blocking calls that may wait for a user: a browser in the foreground, a keyring that has to be unlocked."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["in_daemon_thread"]
__dir__: object = __all__.copy

T = TypeVar("T")


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Returns what `call()` returns, or raises what it raises.

    Unlike a thread of `asyncio.to_thread`, this one is not waited for when the event loop closes or the program ends.
    Once the caller is cancelled, the result is dropped.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not result.done():
            setter(value)

    def work() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (result.set_result, call())
        except BaseException as problem:  # noqa: BLE001 - it is raised again where the result is awaited
            outcome = (result.set_exception, problem)
        try:
            loop.call_soon_threadsafe(settle, *outcome)
        except RuntimeError:
            return  # the loop is closed: nothing awaits the result any more

    threading.Thread(target=work, daemon=True).start()
    return await result
