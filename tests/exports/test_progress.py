"""What a run counts, when it is expected to end, and what waits for the quota until when, in virtual time."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import looptime  # noqa: F401 - its marker
import pytest

from aps_async import export_many, list_sheets
from aps_async.exports.progress import BulkProgress, Pace
from aps_async.ledger import Ledger
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.transport.quotas import LocalRateLimiter
from tests.support import service, session_for

USER = "BW9RM76WZBGL"
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


def jobs(simulator: Simulator) -> int:
    """Jobs that the service has accepted."""
    return len(simulator.jobs.by_id) + len(simulator.acc_jobs.by_id)


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("batch", "fault"),
    [
        (1, None),
        (1, Fault(endpoint="sheets_export_start", status=403)),
        (1, Fault(endpoint="sheets_export_start", status=403, nth=(2,))),
        (3, None),
        (3, Fault(endpoint="sheets_export_start", status=403, times=1)),
        (3, Fault(endpoint="sheets_export_status", status=403, times=1)),
    ],
)
async def test_only_what_has_a_job_is_running(tmp_path: Path, batch: int, fault: Fault | None) -> None:
    """Not what is refused, what waits for others of its batch, or what is compared with the folder."""
    seen: list[tuple[BulkProgress, int]] = []

    async with service(World.acc(0, 7), behaviour=Behaviour(job_time=JobTime.fixed(20))) as simulator:

        async def run() -> None:
            outcomes = export_many(
                session,
                requests,
                tmp_path,
                batch=batch,
                ledger=Ledger(tmp_path, verify=True),
                on_progress=lambda at: seen.append((at, jobs(simulator))),
            )
            async with aclosing(outcomes):
                async for _ in outcomes:
                    pass

        async with session_for(simulator) as session:
            project = simulator.world.hubs[0].projects[0].id
            requests = [each.to_request(user_id=USER) async for each in list_sheets(session, project)]
            if fault is not None:
                simulator.add_fault(fault)
            await run()
            first, seen = seen, []
            simulator.clear_faults()
            before = jobs(simulator)
            await run()
    for at, accepted in first:
        assert min(at.starting, at.running, at.downloading, at.queued) >= 0
        assert at.waiting <= at.starting
        assert at.running <= batch * accepted
    ended = first[-1][0]
    assert (ended.starting, ended.running, ended.done + ended.failed) == (0, 0, 7)
    if fault is None:
        assert max(at.running for at, _ in first) == 7
        assert {at.running for at, _ in seen} == {0}, "the files are there"
        assert jobs(simulator) == before
