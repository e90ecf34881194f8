"""The time of tests: it stands still while threads work, and passes for everything else."""

import asyncio
import time
from threading import Event

import pytest

pytestmark = pytest.mark.looptime


async def test_time_stands_still_while_a_thread_works() -> None:
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(0.05):
        await asyncio.to_thread(time.sleep, 0.3)  # what a slow disk looks like
    assert asyncio.get_running_loop().time() - began < 0.05


async def test_time_passes_at_once_without_threads() -> None:
    began, here = asyncio.get_running_loop().time(), time.perf_counter()
    await asyncio.sleep(3600.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(3600.0)
    assert time.perf_counter() - here < 60.0


async def test_time_passes_for_a_thread_that_waits_for_it() -> None:
    is_over = Event()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.to_thread(is_over.wait, 60.0)
    finally:
        is_over.set()
