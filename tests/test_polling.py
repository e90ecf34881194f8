"""Polling of any job: when it is polled, which errors are waited out, how it ends."""

import asyncio
import doctest
import functools
import itertools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import backoff
import pytest
from attrs import evolve

from aps_async import RateLimitedError, poll, poll_states, polling
from aps_async.errors import PollTimeoutError, ServerError, UnauthorizedError
from aps_async.policies import PollPolicy, PollStatus, WaitGenerator
from aps_async.polling import PollRules

pytestmark = pytest.mark.looptime
STEADY = PollPolicy(interval=2, jitter=0)


class Service:
    """Answers from a script; the last line stays."""

    def __init__(self, *script: Any) -> None:
        self._script, self._times = list(script), list[float]()

    async def __call__(self) -> Any:
        self._times.append(asyncio.get_running_loop().time())
        said = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(said, Exception):
            raise said
        return said

    @property
    def asked(self) -> list[float]:
        return [round(each - self._times[0], 3) for each in self._times]


def busy(status: int, retry_after: float | None = None) -> ServerError | RateLimitedError:
    kind = RateLimitedError if status == 429 else ServerError
    return kind("busy", status=status, method="GET", path="/job", retry_after=retry_after)


def refused() -> UnauthorizedError:
    return UnauthorizedError("401", status=401, method="GET", path="/job")


def is_done(said: str) -> bool:
    return said in ("success", "failed")


async def test_faults_that_pass_are_waited_out_and_retry_after_is_a_floor() -> None:
    service = Service("pending", busy(503, 20), busy(500), "inprogress", "success")
    assert await poll(service, is_final=is_done, timeout=600, policy=STEADY) == "success"
    assert service.asked == [0, 2, 22, 30, 32]


@pytest.mark.parametrize("asked", [0, 301, 1e9, math.inf, math.nan, None])
async def test_a_retry_after_that_is_not_obeyed_leaves_the_policy_alone(asked: float | None) -> None:
    service = Service("pending", busy(429, asked), busy(503, asked), "success")
    assert await poll(service, is_final=is_done, policy=STEADY) == "success"
    assert service.asked == [0, 2, 6, 14]


async def test_the_deadline_names_the_last_error() -> None:
    service = Service("pending", busy(429, 300))
    with pytest.raises(PollTimeoutError, match="'pending'") as caught:
        await poll(service, is_final=is_done, timeout=700, policy=STEADY)
    assert isinstance(caught.value.__cause__, RateLimitedError)
    assert service.asked == [0, 2, 302, 602]
    service = Service("success")
    assert await poll(service, is_final=is_done, state=caught.value.answer, policy=STEADY) == "success"


async def test_backoffs_generators_are_policies() -> None:
    service = Service("a", "b", "c", "success")
    policy = functools.partial(backoff.expo, max_value=15)
    assert [said async for said in poll_states(service, is_final=is_done, policy=policy)] == ["a", "b", "c", "success"]
    assert service.asked == [0, 1, 3, 7]


async def test_a_hung_question_ends_at_the_deadline() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(PollTimeoutError, match="no answer"):
        await poll(lambda: asyncio.sleep(3600, "x"), is_final=is_done, timeout=90)
    assert asyncio.get_running_loop().time() - began == pytest.approx(90)


async def test_leaving_early_leaves_the_quota() -> None:
    class Quota:
        sharers = 0

        @contextmanager
        def sharing(self) -> Iterator[None]:
            self.sharers += 1
            yield
            self.sharers -= 1

        def fair_interval(self, sharers: int | None = None) -> float:  # noqa: ARG002
            return 7.0

    quota: Any = Quota()
    service = Service("run")
    states: AsyncIterator[str] = poll_states(service, is_final=is_done, policy=STEADY, quota=quota)
    async with aclosing(states) as each:  # type: ignore[type-var]
        async for _ in each:
            assert quota.sharers == 1
            if len(service.asked) == 3:
                break
    assert quota.sharers == 0
    assert service.asked == [0, 7, 14]


@pytest.mark.parametrize(
    ("status", "wait"),
    [
        (PollStatus(answer="run", age=5.0), 2),
        (PollStatus(answer="run", age=5.0, fair_interval=6.0), 6),
        (PollStatus(error=busy(500), failed_with=(ServerError,) * 2), 8),
        (PollStatus(error=busy(503, 40), failed_with=(ServerError,)), 40),
        (PollStatus(answer="success", age=5000.0), None),
    ],
)
def test_the_decision_needs_no_loop(status: PollStatus[str], wait: float | None) -> None:
    assert PollRules(is_final=is_done, policy=STEADY, timeout=600).decide(status) == wait


GENERATORS: dict[str, WaitGenerator] = {
    "expo": functools.partial(backoff.expo, max_value=15),
    "fibo": backoff.fibo,
    "constant": functools.partial(backoff.constant, 5),
    "a list that ends": functools.partial(backoff.constant, [1, 3]),
    "runtime": functools.partial(backoff.runtime, value=lambda _: 3),
}


@pytest.mark.parametrize("name", GENERATORS)
async def test_decisions_and_waits_agree_on_backoffs_generators(name: str) -> None:
    service = Service(*["run"] * 6, busy(503), busy(503), "success")
    policy = GENERATORS[name]
    await poll(service, is_final=is_done, policy=policy)
    waits = [later - earlier for earlier, later in itertools.pairwise(service.asked)]
    rules = PollRules(is_final=is_done, policy=policy)
    failed = PollStatus(answer="run", polls=6, error=busy(503), failed_with=(ServerError,))
    statuses = [PollStatus(answer="run", polls=polls) for polls in range(1, 7)]
    statuses += [failed, evolve(failed, failed_with=(ServerError,) * 2)]
    assert [rules.decide(each) for each in statuses] == waits
    assert rules.decide(statuses[2]) == waits[2]  # in any order, since nothing is remembered


def test_a_decision_before_any_poll_takes_the_first_wait() -> None:
    assert PollRules(is_final=is_done, policy=backoff.expo).decide(PollStatus(answer="run")) == 1


def test_what_the_decision_raises() -> None:
    rules = PollRules(is_final=is_done, policy=STEADY, timeout=600)
    with pytest.raises(UnauthorizedError):
        rules.decide(PollStatus(error=refused(), failed_with=(UnauthorizedError, ServerError) * 3))
    with pytest.raises(ValueError, match="not ours"):
        rules.decide(PollStatus(error=ValueError("not ours"), failed_with=(ValueError,)))
    with pytest.raises(PollTimeoutError):
        rules.decide(PollStatus(answer="run", age=600))


@pytest.mark.looptime(False)
def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(polling)
    assert found.attempted >= 5
    assert found.failed == 0


async def test_a_generator_that_ends_at_once_is_no_busy_loop() -> None:
    def nothing() -> Iterator[float]:
        yield from ()

    service = Service("a", "b", "success")
    assert await poll(service, is_final=is_done, policy=nothing) == "success"  # type: ignore[arg-type]
    assert service.asked == [0, 2, 4]


async def test_the_time_of_a_question_that_hung_counts_as_waiting() -> None:
    class Slow(Service):
        async def __call__(self) -> Any:
            first = not self._times
            answer = await super().__call__()
            if first:
                await asyncio.sleep(3)
                raise busy(500)
            return answer

    service = Slow("x", "success")
    assert await poll(service, is_final=is_done, policy=STEADY) == "success"
    assert service.asked == [0, 4]


@pytest.mark.parametrize(
    ("script", "is_final", "result"),
    [
        (["there", None], lambda said: said is None, None),
        ([None], lambda said: said is None, None),
        ([None, "success"], lambda said: said == "success", "success"),
        (["there", busy(503), None], lambda said: said is None, None),
    ],
)
async def test_none_is_an_answer_too(script: list[Any], is_final: Callable[[Any], bool], result: object) -> None:
    """Such as for a thing that is waited for until it is gone."""
    service = Service(*script)
    assert await poll(service, is_final=is_final, timeout=60, policy=STEADY) == result
    assert len(service.asked) == len(script)


async def test_the_deadline_tells_none_from_no_answer() -> None:
    async def nothing() -> None:
        return None

    with pytest.raises(PollTimeoutError, match="the last answer was None"):
        await poll(nothing, is_final=lambda _: False, timeout=10)
