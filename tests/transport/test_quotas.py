"""Rate limiters: no window exceeds the published budget, and no caller waits without a reason or forever."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import looptime
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import Session, Settings, TwoLegged
from aps_async.errors import InputError
from aps_async.simulator import Behaviour, Fault, World
from aps_async.transport.quotas import Endpoint, LocalRateLimiter, Quotas
from tests.support import service, session_for

virtual_time = pytest.mark.looptime  # for coroutines only: it would leave a loop behind with the others

PROBE = Endpoint("hubs", 5)
WINDOW = 60.0


def in_virtual_time(main: Callable[[], Awaitable[None]], start: float = 0.0) -> None:
    """Runs one example in a loop of its own, and looks whether it left a task or a timer."""

    async def run() -> None:
        await main()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        left = [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        assert left == []

    loop = looptime.new_event_loop(start=start, idle_step=0.05, idle_timeout=0.2)  # a hang ends as an error
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def most_in_a_window(calls: list[tuple[float, float]], window: float) -> int:
    """The most that a service may have counted in any window, if it counts each call at the worst possible moment."""
    tolerance = 1e-6  # the virtual clock's own step
    return max(
        (sum(begin < at + window - tolerance and end >= at for begin, end in calls) for _, at in calls), default=0
    )


@frozen
class Caller:
    """One caller of the property test, all in seconds."""

    arrives: float
    lasts: float
    gives_up_after: float | None
    sent: bool
    old_ticket: bool


times = st.integers(0, 2000).map(lambda number: number / 100)
callers = st.builds(
    Caller,
    arrives=times,
    lasts=st.one_of(st.just(0.0), times),
    gives_up_after=st.one_of(st.none(), st.none(), times),
    sent=st.booleans() | st.just(value=True),
    old_ticket=st.booleans(),
)


@settings(deadline=None, max_examples=250)
@given(
    crowd=st.lists(callers, min_size=1, max_size=25),
    budget=st.integers(1, 6),
    window=st.sampled_from([0.7, 3.0, 10.0, 60.0]),
    start=st.sampled_from([0.0, 0.3, 1234.567]),
)
def test_no_window_ever_holds_more_than_the_budget(
    crowd: list[Caller], budget: int, window: float, start: float
) -> None:
    counted: list[tuple[float, float]] = []
    waiting: dict[int, float] = {}
    overtaken: list[tuple[int, int]] = []
    served: list[Caller] = []

    async def call(rate_limiter: LocalRateLimiter, who: Caller, old: int) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(who.arrives)
        priority = old if who.old_ticket else LocalRateLimiter.priority()
        waiting[priority] = loop.time()
        try:
            await rate_limiter.acquire(priority)
            begin = loop.time()
        finally:
            arrived = waiting.pop(priority)
        if arrived < begin:
            overtaken.extend(
                (priority, other) for other, since in waiting.items() if other < priority and since < begin
            )
        try:
            await asyncio.sleep(who.lasts)
        finally:
            rate_limiter.release(used=who.sent)
            if who.sent:
                counted.append((begin, loop.time()))
        served.append(who)

    async def impatient(rate_limiter: LocalRateLimiter, who: Caller, old: int) -> None:
        try:
            async with asyncio.timeout(None if who.gives_up_after is None else who.arrives + who.gives_up_after):
                await call(rate_limiter, who, old)
        except TimeoutError:
            assert who.gives_up_after is not None

    async def main() -> None:
        rate_limiter = LocalRateLimiter(budget, window)
        old = [LocalRateLimiter.priority() for _ in crowd]
        async with asyncio.TaskGroup() as tasks:
            for who, priority in zip(crowd, old, strict=True):
                tasks.create_task(impatient(rate_limiter, who, priority))
        assert rate_limiter.waiting == 0

    in_virtual_time(main, start)
    assert most_in_a_window(counted, window) <= budget
    assert overtaken == []
    assert [who for who in crowd if who.gives_up_after is None and who not in served] == []


@settings(deadline=None, max_examples=100)
@given(calls=st.integers(1, 40), budget=st.integers(1, 12), start=st.floats(0, 5000, allow_nan=False))
def test_whole_budgets_go_at_one_instant_each(calls: int, budget: int, start: float) -> None:
    began: list[float] = []

    async def main() -> None:
        rate_limiter, loop = LocalRateLimiter(budget, WINDOW), asyncio.get_running_loop()
        first = loop.time()

        async def call() -> None:
            await rate_limiter.acquire()
            began.append(loop.time() - first)
            rate_limiter.release()

        await asyncio.gather(*(call() for _ in range(calls)))

    in_virtual_time(main, start)
    assert began == pytest.approx([number // budget * WINDOW for number in range(calls)], abs=1e-5)


@virtual_time
async def test_a_repeat_with_its_old_ticket_goes_before_those_who_came_later() -> None:
    rate_limiter, order = LocalRateLimiter(1, 10.0), []

    async def call(name: str, priority: int | None = None) -> None:
        await rate_limiter.acquire(priority)
        order.append(name)
        rate_limiter.release()

    mine = LocalRateLimiter.priority()
    await call("first try", mine)
    others = [asyncio.create_task(call(name)) for name in ("b", "c")]
    await asyncio.sleep(1)
    await asyncio.gather(call("my repeat", mine), *others)
    assert order == ["first try", "my repeat", "b", "c"]


@virtual_time
async def test_calls_of_one_priority_go_in_the_order_of_their_arrival() -> None:
    rate_limiter, order = LocalRateLimiter(1, WINDOW), list[int]()

    async def call(number: int) -> None:
        await rate_limiter.acquire(7)
        order.append(number)
        rate_limiter.release(used=False)

    await rate_limiter.acquire()
    calls = [asyncio.create_task(call(number)) for number in range(5)]
    await asyncio.sleep(1)
    rate_limiter.release(used=False)
    await asyncio.gather(*calls)
    assert order == list(range(5))


PUBLISHED = PROBE.budget
BUDGETS: dict[str, tuple[list[dict[str, int]], int]] = {
    "none names one": ([{}, {}], PUBLISHED),
    "only the second": ([{}, {"hubs": 2}], 2),
    "only the first": ([{"hubs": 2}, {}], 2),
    "the second names less": ([{"hubs": 4}, {"hubs": 2}], 2),
    "the second names more": ([{"hubs": 2}, {"hubs": 4}], 2),
    "one was raised": ([{}, {"hubs": 50}], 50),
    "one was raised, before": ([{"hubs": 50}, {}], 50),
    "raised by two": ([{"hubs": 50}, {"hubs": 60}], 50),
    "another endpoint": ([{}, {"projects": 2}], PUBLISHED),
}


@virtual_time
@pytest.mark.parametrize("name", BUDGETS)
async def test_sessions_of_one_client_id_agree_on_a_budget(name: str) -> None:
    named, expected = BUDGETS[name]
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(
                Session(TwoLegged("x", "y"), base_url="http://127.0.0.1:9", settings=Settings(budgets=each))
            )
            for each in named
        ]
        found = {each.rate_limiter(PROBE) for each in sessions}
        [shared] = found
        assert isinstance(shared, LocalRateLimiter)
        assert shared.budget == expected


@virtual_time
async def test_a_budget_that_is_lowered_meanwhile_holds_from_then_on() -> None:
    quotas = Quotas()
    rate_limiter = quotas.rate_limiter("x", PROBE, 5, WINDOW, 0.5)
    now = asyncio.get_running_loop().time
    for _ in range(5):
        await rate_limiter.acquire()
        rate_limiter.release()
        await asyncio.sleep(1)
    assert quotas.rate_limiter("x", PROBE, 2, WINDOW, 0.5) is rate_limiter
    expected = rate_limiter.admits_at(1)
    await rate_limiter.acquire()
    assert now() == pytest.approx(expected) == pytest.approx(63, abs=0.1)  # the fourth of the five is a minute old
    rate_limiter.release()


@virtual_time
async def test_a_cancelled_waiter_gives_its_place_to_the_next() -> None:
    rate_limiter, loop = LocalRateLimiter(1, 10.0), asyncio.get_running_loop()
    began = loop.time()
    await rate_limiter.acquire()
    gone, stays = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await asyncio.sleep(1)
    assert rate_limiter.waiting == 2
    gone.cancel()
    await asyncio.sleep(0)
    assert rate_limiter.waiting == 1
    rate_limiter.release()  # at 1 s: the next may go at 11 s
    await stays
    assert loop.time() - began == pytest.approx(11.0)


@virtual_time
async def test_a_waiter_cancelled_in_the_moment_its_place_comes_gives_it_on() -> None:
    rate_limiter = LocalRateLimiter(1, 10.0)
    await rate_limiter.acquire()
    unlucky, next_one = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    rate_limiter.release(used=False)  # the place is given, but nobody has run yet
    unlucky.cancel()
    async with asyncio.timeout(0.001):  # at once
        await next_one
    assert unlucky.cancelled()
    rate_limiter.release()


@virtual_time
async def test_a_call_that_was_never_sent_costs_nothing() -> None:
    rate_limiter, loop = LocalRateLimiter(1, 60.0), asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        await rate_limiter.acquire()
        rate_limiter.release(used=False)
    assert loop.time() == began
    await rate_limiter.acquire()
    rate_limiter.release(used=True)
    await rate_limiter.acquire()
    assert loop.time() - began == pytest.approx(60.0)
    rate_limiter.release()


async def timed(rate_limiter: LocalRateLimiter, instants: list[float], *, lasts: float = 0.5) -> None:
    """A call that is answered well after `lasts` seconds."""
    loop = asyncio.get_running_loop()
    await rate_limiter.acquire()
    instants.append(loop.time())
    await asyncio.sleep(lasts)
    rate_limiter.accepted()
    rate_limiter.release()


@virtual_time
async def test_after_a_429_all_wait_for_retry_after_then_one_goes_then_two_then_four() -> None:
    rate_limiter, loop = LocalRateLimiter(5, 60.0), asyncio.get_running_loop()
    began, instants = loop.time(), list[float]()
    await asyncio.gather(*(timed(rate_limiter, instants) for _ in range(3)))
    await rate_limiter.acquire()
    rate_limiter.refused(25.0)
    rate_limiter.release(used=False)
    refused_at = loop.time() - began
    instants.clear()
    await asyncio.gather(*(timed(rate_limiter, instants) for _ in range(8)))
    resumes = refused_at + 25.0
    # More at once with every answer, up to the budget; and the others a window after these.
    first = [resumes, *[resumes + 0.5] * 2, *[resumes + 1.0] * 2]
    second = [resumes + 0.5 + 60.0, *[resumes + 1.0 + 60.0] * 2]
    assert [at - began for at in instants] == pytest.approx([*first, *second], abs=1e-3)


@virtual_time
async def test_a_limit_met_again_after_a_429_is_met_by_few() -> None:
    """Others took most of the window: the service takes five of ours, and refuses whatever comes then."""
    rate_limiter, loop = LocalRateLimiter(100, 60.0), asyncio.get_running_loop()
    accepted = refused = 0

    async def call() -> None:
        nonlocal accepted, refused
        priority = rate_limiter.priority()
        while True:
            await rate_limiter.acquire(priority)
            await asyncio.sleep(0.1)
            if accepted < 5 or loop.time() - began > 60:
                accepted += 1
                rate_limiter.accepted()
                rate_limiter.release()
                return
            refused += 1
            rate_limiter.refused(60.0)
            rate_limiter.release(used=False)

    await rate_limiter.acquire()
    rate_limiter.refused(1.0)
    rate_limiter.release(used=False)
    began = loop.time()
    await asyncio.gather(*(call() for _ in range(50)))
    assert accepted == 50
    assert refused <= 8  # 45 with all at once


@virtual_time
async def test_answers_to_calls_from_before_a_429_prove_nothing() -> None:
    rate_limiter, loop = LocalRateLimiter(100, 60.0), asyncio.get_running_loop()
    for _ in range(80):
        await rate_limiter.acquire()
    rate_limiter.refused(10.0)
    for _ in range(79):
        rate_limiter.accepted()
    for _ in range(80):
        rate_limiter.release()
    instants = list[float]()
    await asyncio.gather(*(timed(rate_limiter, instants) for _ in range(3)))
    assert [at - instants[0] for at in instants] == pytest.approx([0.0, 0.5, 0.5], abs=1e-3)
    assert loop.time() > instants[0]


@virtual_time
async def test_a_second_429_never_shortens_the_pause() -> None:
    rate_limiter, loop = LocalRateLimiter(5, 60.0), asyncio.get_running_loop()
    began = loop.time()
    for asked in (30.0, 1.0):
        await rate_limiter.acquire() if asked == 30.0 else None
        rate_limiter.refused(asked)
    rate_limiter.release(used=False)
    await rate_limiter.acquire()
    assert loop.time() - began == pytest.approx(30.0)
    rate_limiter.release()


@virtual_time
async def test_429s_without_retry_after_back_off_and_an_answer_ends_that() -> None:
    rate_limiter, loop = LocalRateLimiter(50, 60.0, backoff_base=0.5), asyncio.get_running_loop()
    began, instants = loop.time(), list[float]()
    for _ in range(9):
        await rate_limiter.acquire()
        instants.append(loop.time() - began)
        rate_limiter.refused(None)
        rate_limiter.release()
    pauses = [after - before for before, after in itertools.pairwise(instants)]
    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60], abs=1e-3)  # never longer than a window
    await rate_limiter.acquire()
    rate_limiter.accepted()
    rate_limiter.release()
    at = loop.time()
    for _ in range(5):
        await rate_limiter.acquire()
        rate_limiter.release()
    assert loop.time() == at
    await rate_limiter.acquire()
    rate_limiter.refused(None)  # the first one again
    rate_limiter.release()
    await rate_limiter.acquire()
    rate_limiter.release()
    assert loop.time() - at == pytest.approx(0.5, abs=1e-3)


def test_sharers_stretch_the_interval_they_may_ask_at() -> None:
    rate_limiter = LocalRateLimiter(1000, 60.0)
    with rate_limiter.sharing(), rate_limiter.sharing():
        assert rate_limiter.sharers == 2
        assert rate_limiter.fair_interval() == pytest.approx(0.12)
    assert rate_limiter.fair_interval() == 0
    assert rate_limiter.fair_interval(100) == pytest.approx(6.0)


def test_a_quota_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="admits nothing"):
        LocalRateLimiter(0, 60.0)


@virtual_time
async def test_sessions_of_one_client_id_share_a_pacer_and_others_do_not() -> None:
    def a_session(client_id: str, base: str = "https://one.example", **more: Any) -> Session:
        return Session(TwoLegged(client_id, "secret"), base_url=base, **more)

    async with (
        a_session("app") as one,
        a_session("app") as two,
        a_session("other app") as stranger,
        a_session("app", "https://two.example") as elsewhere,
        a_session("app", quotas=Quotas()) as alone,
    ):
        mine = one.rate_limiter(PROBE)
        assert two.rate_limiter(PROBE) is mine
        assert one.rate_limiter(Endpoint("another", 5)) is not mine
        for session in (stranger, elsewhere, alone):
            assert session.rate_limiter(PROBE) is not mine


@virtual_time
async def test_two_sessions_together_keep_the_published_quota_of_the_service() -> None:
    async with (
        service(World.demo(1), behaviour=Behaviour(quota_window="rolling")) as simulator,
        session_for(simulator) as one,
        session_for(simulator) as two,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        hubs = Endpoint("hubs", 50)
        calls = (
            session.request(hubs, "GET", "/project/v1/hubs", into=dict) for session in (one, two) for _ in range(60)
        )
        await asyncio.gather(*calls)
        seen = simulator.counts()["endpoints"]["hubs"]
        assert seen["statuses"] == {"200": 120}  # and not a single 429
        assert seen["most_in_a_window"] == 50
        assert loop.time() - began == pytest.approx(120.0, abs=0.1)


@virtual_time
@pytest.mark.parametrize("phase", [0.0, 20.0, 1.0])
async def test_what_others_spend_of_the_quota_costs_one_pause_and_no_more(phase: float) -> None:
    """Another process with the same client id has used up the window; ours ends when the service's does."""
    behaviour = Behaviour(quota_overrides={"hubs": 5}, quota_phase=phase)
    limits = Settings(budgets={"hubs": 5})
    async with (
        service(World.demo(1), behaviour=behaviour) as simulator,
        session_for(simulator, limits, quotas=Quotas()) as other,
        session_for(simulator, limits) as ours,
    ):
        began = asyncio.get_running_loop().time()

        async def get(session: Session) -> float:
            await session.request(PROBE, "GET", "/project/v1/hubs", into=dict)
            return asyncio.get_running_loop().time() - began

        await asyncio.gather(*(get(other) for _ in range(5)))
        done = await asyncio.gather(*(get(ours) for _ in range(10)))
        ends = phase or 60.0
        assert done == pytest.approx([ends] * 5 + [ends + 60.0] * 5, abs=1.5)
        assert simulator.counts()["endpoints"]["hubs"]["429"] <= 5  # those under way when the first came back
        assert simulator.counts()["endpoints"]["hubs"]["statuses"]["200"] == 15


@virtual_time
async def test_a_429_holds_back_the_callers_of_its_endpoint_only() -> None:
    fault = Fault(endpoint="hubs", kind="status", status=429, retry_after=20, nth=(1,))
    async with service(World.demo(1), faults=[fault]) as simulator, session_for(simulator) as session:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def get(name: str, path: str) -> float:
            await session.request(Endpoint(name, 50), "GET", path, into=dict)
            return loop.time() - began

        hub = simulator.world.hubs[0].id
        first = asyncio.create_task(get("hubs", "/project/v1/hubs"))
        await asyncio.sleep(1)
        others = [asyncio.create_task(get("hubs", "/project/v1/hubs")) for _ in range(3)]
        assert await get("projects", f"/project/v1/hubs/{hub}/projects") == pytest.approx(1.0, abs=0.01)
        done = await asyncio.gather(first, *others)
        assert done == pytest.approx([20.0] * 4, abs=0.01)


@virtual_time
async def test_a_place_is_not_given_to_a_waiter_that_was_cancelled_just_before() -> None:
    rate_limiter = LocalRateLimiter(1, 10.0)
    await rate_limiter.acquire()
    gone, stays = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()  # it has not run yet, so it still waits in the queue
    rate_limiter.release(used=False)
    async with asyncio.timeout(0.001):
        await stays
    assert gone.cancelled()
    assert rate_limiter.waiting == 0
    rate_limiter.release()
