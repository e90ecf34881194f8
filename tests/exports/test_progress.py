"""When a run is expected to end, and what waits for the quota until when, in virtual time."""

import asyncio

import looptime  # noqa: F401 - its marker
import pytest

from aps_async.exports.progress import Pace
from aps_async.transport.quotas import LocalRateLimiter

WINDOW = 60.0


async def spend(limiter: LocalRateLimiter, calls: int) -> None:
    for _ in range(calls):
        await limiter.acquire()
        limiter.release()


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("spent", "calls"), [(0, 1), (0, 10), (0, 11), (3, 7), (3, 8), (10, 1), (10, 10), (10, 11), (7, 34)]
)
async def test_the_time_of_the_last_call_is_known_to_the_second(spent: int, calls: int) -> None:
    loop, limiter = asyncio.get_running_loop(), LocalRateLimiter(10, WINDOW)
    await spend(limiter, spent)
    await asyncio.sleep(7)
    expected = limiter.admits_at(calls)
    await spend(limiter, calls)
    assert loop.time() == pytest.approx(expected)


@pytest.mark.looptime
async def test_a_pause_after_a_429_counts() -> None:
    loop, limiter = asyncio.get_running_loop(), LocalRateLimiter(10, WINDOW)
    limiter.refused(25)
    assert limiter.admits_at(1) == loop.time() + 25
    assert limiter.admits_at(11) >= loop.time() + 25


@pytest.mark.looptime
async def test_the_end_of_a_run() -> None:
    loop, limiter, pace = asyncio.get_running_loop(), LocalRateLimiter(10, WINDOW), Pace()
    now = loop.time()
    assert pace.end(5, 0, limiter, slots_taken=False) is None, "nothing is known yet"
    assert pace.end(25, 25, limiter, slots_taken=False) == now + 2 * WINDOW, "by the quota alone"
    pace.started(now)
    pace.delivered(now + 20, now)
    pace.delivered(now + 30, now)
    assert pace.end(25, 25, limiter, slots_taken=False) == now + 2 * WINDOW + 25
    assert pace.end(1, 0, limiter, slots_taken=False) == now + 25
    assert pace.end(50, 0, limiter, slots_taken=True) == now + 500, "the downloads hold it up"
    assert pace.end(5, 1, None, slots_taken=False) is None, "a quota shared between machines"
    assert pace.end(0, 0, limiter, slots_taken=False) == now
