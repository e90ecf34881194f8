"""A simulator in a thread of its own, so that it answers whatever the caller's thread and event loop do."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

from .app import Simulator


@contextmanager
def running_in_thread(simulator: Simulator) -> Generator[Simulator, None, None]:
    """Runs a simulator in an event loop of its own: for code that calls `asyncio.run`, and for other processes.

    Raises:
        OSError: a port is taken.
    """
    runner, started, ended = asyncio.Runner(), threading.Event(), asyncio.Event()
    problems: list[BaseException] = []

    async def serve() -> None:
        async with simulator:
            started.set()
            await ended.wait()

    def run() -> None:
        try:
            with runner:
                runner.run(serve())
        except BaseException as problem:  # noqa: BLE001 - raised again in the thread of the caller
            problems.append(problem)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    started.wait()
    try:
        if not problems:
            yield simulator
    finally:
        if not problems:
            runner.get_loop().call_soon_threadsafe(ended.set)
        thread.join()
    if problems:
        raise problems[0]
