"""Polls that learn from how long earlier jobs took: fewer where these took alike, none lost where they did not."""

import asyncio
import random
from contextlib import aclosing
from pathlib import Path
from statistics import mean

import pytest
from attrs import define, evolve

from aps_async import export_many
from aps_async.exports.learning import Durations, LearningPolicy
from aps_async.policies import PollPolicy, PollStatus
from aps_async.simulator import Behaviour, JobTime, World
from tests.exports.test_bulk import requests_of
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


def learned(*seconds: float) -> Durations:
    durations = Durations()
    for each in seconds:
        durations.learn(each, each)
    return durations


def drawn(p95: float, count: int = 200) -> list[float]:
    time = JobTime(median=20.0, p95=p95)
    return [time.draw(str(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("seconds", "age", "polled_at"),
    [
        pytest.param([], 0.0, 0.0, id="none"),
        pytest.param([20.0] * 19, 0.0, 0.0, id="too few"),
        pytest.param([20.0] * 20, 0.0, 20.0, id="enough"),
        pytest.param([20.0] * 20, 20.0, 0.0, id="as old as the oldest"),
        pytest.param([*range(20, 40)], 0.0, 25, id="a quarter"),
        pytest.param([*range(20, 40)], 25.0, 29, id="of the rest"),
        pytest.param([*range(20, 40)], 38.0, 39, id="the last"),
        pytest.param([*range(20, 40)], 1e6, 0.0, id="older than all"),
        pytest.param([5.0] * 15 + [20.0] * 5, 0.0, 0.0, id="two kinds of jobs"),
        pytest.param([0.0] * 20, 0.0, 0.0, id="no time at all"),
        pytest.param([1000.0] * 20 + [*range(20, 40)] * 10, 0.0, 25, id="only the latest count"),
        pytest.param(drawn(p95=60.0), 0.0, 0.0, id="wide"),
        pytest.param(drawn(p95=120.0), 0.0, 0.0, id="wider"),
    ],
)
def test_a_poll_waits_until_a_quarter_is_done(seconds: list[float], age: float, polled_at: float) -> None:
    durations = learned(*seconds)
    assert durations.next_poll(age) == polled_at
    status = PollStatus[str](age=age, fair_interval=6.0)
    wait = LearningPolicy(PollPolicy(jitter=0.0), durations)(status)
    assert wait >= max(2.0, polled_at - age)
    if durations.share == 1.0 and not polled_at:
        assert wait == 6.0


def test_what_is_not_used_of_the_quota_shortens_the_waits() -> None:
    durations = learned(*range(20, 40))
    policy = LearningPolicy(PollPolicy(jitter=0.0), durations)
    assert 0.1 < durations.share < 0.2  # of half a minute, the last five seconds
    assert policy(PollStatus[str](age=30.0, fair_interval=60.0)) == pytest.approx(60.0 * durations.share)
    assert policy(PollStatus[str](age=30.0, fair_interval=0.0)) == 3.0
    assert policy(PollStatus[str](age=30.0, failed_with=(OSError, OSError))) == 8.0
    assert policy(PollStatus[str](age=40.0, fair_interval=60.0)) == 60.0  # many may be as old: they share all of it


@define
class Run:
    """The jobs of one run, in the order of their starts."""

    jobs: list[dict[str, float]]

    def polls(self, first: int) -> float:
        """Polls of each job from that one on."""
        return mean(job["polls"] for job in self.jobs[first:])

    def delay(self, first: int) -> float:
        """Seconds from the end of each job, from that one on, until it was noticed."""
        return mean(job["first_seen_completed"] - job["finishes"] for job in self.jobs[first:])

    def took(self, number: int) -> float:
        return self.jobs[number]["finishes"] - self.jobs[number]["started"]


async def both(folder: Path, sheets: int, before: JobTime, after: JobTime | None = None) -> tuple[Run, Run]:
    """Two runs, one that polls steadily and one that learns; from 90 s on, with jobs of another duration."""
    found = list[Run]()
    for name, policy in (("steady", PollPolicy()), ("learning", None)):
        random.seed(1)
        async with service(World.single_folder(sheets), behaviour=Behaviour(job_time=before)) as simulator:
            simulator.pages.is_plain = True
            changed = evolve(simulator.behaviour, job_time=after or before)
            change = asyncio.get_running_loop().call_later(90, simulator.use_behaviour, changed)
            async with (
                session_for(simulator) as session,
                aclosing(export_many(session, requests_of(simulator), folder / name, policy=policy)) as outcomes,
            ):
                assert all([outcome.ok async for outcome in outcomes])
            change.cancel()
            jobs = simulator.counts()["jobs"].values()
        assert len(jobs) == sheets
        found.append(Run(sorted(jobs, key=lambda job: float(job["started"]))))
    steady, learning = found
    return steady, learning


@pytest.mark.parametrize(
    ("p95", "polls", "delay"),
    [(20.0, 0.7, 0.7), (36.0, 0.85, 1.15), (120.0, 1.1, 1.2)],  # means of 200 jobs
    ids=["equal", "alike", "wide"],
)
async def test_alike_jobs_take_fewer_polls_and_others_no_more(
    tmp_path: Path, p95: float, polls: float, delay: float
) -> None:
    steady, learning = await both(tmp_path, 300, JobTime(p95=p95))
    learned = 100  # the jobs of the first minute
    assert learning.polls(learned) <= polls * steady.polls(learned)
    assert learning.delay(learned) <= delay * steady.delay(learned)


@pytest.mark.parametrize(("before", "after"), [(60.0, 5.0), (5.0, 60.0)], ids=["faster", "slower"])
async def test_jobs_that_take_another_time_are_noticed(tmp_path: Path, before: float, after: float) -> None:
    steady, learning = await both(tmp_path, 500, JobTime.fixed(before), JobTime.fixed(after))
    assert learning.took(0) == pytest.approx(before)
    assert learning.took(-1) == pytest.approx(after)
    assert steady.delay(400) <= 6.6
    assert learning.delay(400) <= 6.6  # the steady interval of the 100 jobs of a minute
