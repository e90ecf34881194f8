"""Runs a command's coroutine so that Ctrl-C and SIGTERM cancel it cleanly."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable

from aps_async.cli.ending import is_stop_reported
from aps_async.cli.exit_codes import Interrupted
from aps_async.cli.ignored_stops import ignored_stops

Work = Callable[[], Awaitable[int]]
"""A command with its options parsed."""


def run_to_the_end(work: Work) -> int:
    """Runs the work to its end and returns its exit code.

    Raises:
        Interrupted: a signal stopped it; its cancellation is complete.
    """
    # Lists of thousands of sheets stay until the end of a run. Looking through all of them for cycles again and again
    # took a quarter of its time.
    gc.set_threshold(50_000)
    if not gc.isenabled():
        gc.freeze()  # nor among what was imported
        gc.enable()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_stoppable(work))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:  # part of the extra `speed`
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _stoppable(work: Work) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    came: list[int] = []

    def stop(number: int) -> None:
        # Only the first signal cancels: a second would interrupt the cleanup that the first has begun.
        if not came and task is not None:
            task.cancel()
        came.append(number)

    handled = [number for number in (signal.SIGINT, signal.SIGTERM) if _handles(loop, number, stop)]
    try:
        if ignored_stops:
            stop(signal.SIGINT)
            await asyncio.sleep(0)  # raises the cancellation
        return await work()
    except asyncio.CancelledError:
        if not came or task is None:
            raise
        task.uncancel()
        raise Interrupted(came[0], is_reported=is_stop_reported.get()) from None
    except Exception as problem:
        if not came:
            raise
        raise Interrupted(came[0]) from problem  # what was cut short may have failed on its way out
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _handles(loop: asyncio.AbstractEventLoop, number: signal.Signals, stop: Callable[[int], None]) -> bool:
    try:
        loop.add_signal_handler(number, stop, number)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        return False
    return True
