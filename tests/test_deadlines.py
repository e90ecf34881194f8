"""Deadlines: what `asyncio.timeout` does, for many blocks with one timer."""

import asyncio

import pytest

from aps_async.deadlines import Deadlines

pytestmark = pytest.mark.looptime


def timers() -> int:
    return sum(not handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]


async def block(deadlines: Deadlines, seconds: float) -> str:
    """How a block of so many seconds ends, and when."""
    now = asyncio.get_running_loop().time
    began = now()
    try:
        with deadlines:
            await asyncio.sleep(seconds)
    except TimeoutError:
        return f"timeout after {now() - began:.1f}"
    return f"done after {now() - began:.1f}"


async def test_a_block_ends_by_itself_or_at_its_deadline() -> None:
    deadlines = Deadlines(10)
    assert await block(deadlines, 9.9) == "done after 9.9"
    assert await block(deadlines, 10.1) == "timeout after 10.0"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0  # the task is as it was
    assert deadlines._running == {}


async def test_each_block_has_its_own_deadline_and_all_of_them_one_timer() -> None:
    deadlines = Deadlines(10)
    loop = asyncio.get_running_loop()
    came = [loop.create_future() for _ in range(8)]

    async def waiting(for_: "asyncio.Future[None]") -> float | None:
        began = loop.time()
        try:
            with deadlines:
                await for_
        except TimeoutError:
            return loop.time() - began
        return None

    tasks = []
    for future in came:
        tasks.append(asyncio.create_task(waiting(future)))
        await asyncio.sleep(1)
    assert len(deadlines._running) == 8
    assert timers() == 1
    for future in came[::2]:
        future.set_result(None)
    assert await asyncio.gather(*tasks) == [None, 10.0] * 4


async def test_the_timer_stops_when_nothing_is_left_to_watch() -> None:
    deadlines = Deadlines(10)
    assert await block(deadlines, 1) == "done after 1.0"
    await asyncio.sleep(10)
    assert deadlines._timer is None
    assert await block(deadlines, 20) == "timeout after 10.0"
    assert deadlines._timer is None


async def test_a_cancellation_from_elsewhere_goes_first_even_at_the_same_instant() -> None:
    deadlines = Deadlines(10)
    task = asyncio.create_task(block(deadlines, 60))
    loop = asyncio.get_running_loop()
    loop.call_later(10, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_another_error_at_the_deadline_is_not_lost() -> None:
    deadlines = Deadlines(10)

    async def broken() -> None:
        with deadlines:
            try:
                await asyncio.sleep(60)
            finally:
                raise ConnectionError("the line broke on the way out")

    with pytest.raises(ConnectionError):
        await asyncio.create_task(broken())


async def test_blocks_can_lie_in_each_other() -> None:
    outer, inner = Deadlines(10), Deadlines(3)
    found = []

    async def many() -> None:
        while True:
            found.append(await block(inner, 60))

    with pytest.raises(TimeoutError), outer:
        await many()
    assert found == ["timeout after 3.0"] * 3
    assert asyncio.get_running_loop().time() == 10


async def test_closing_takes_the_timer_back() -> None:
    deadlines = Deadlines(10)
    task = asyncio.create_task(block(deadlines, 20))
    await asyncio.sleep(1)
    deadlines.close()
    assert await task == "done after 20.0"
    assert timers() == 0
