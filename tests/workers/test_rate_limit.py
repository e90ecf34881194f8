"""The shared quotas of all workers are exact in any window, whatever is killed, frozen or refused."""

import asyncio
import time
from typing import Any

import pytest

from aps_async import Settings
from aps_async.errors import DatabaseError
from aps_async.resources.projects import list_hubs
from aps_async.simulator import Behaviour, Fault, World
from aps_async.transport.quotas import Endpoint, LocalRateLimiter
from aps_async.workers import Database, RunStore, SharedQuotas, SharedRateLimiter
from aps_async.workers import rate_limit as pacing
from tests.support import service, session_for

PROBE = Endpoint("probe", 5)
HELD = "SELECT coalesce(sum(cardinality(held)), 0) FROM aps_quota"
USED = "SELECT coalesce(sum(n), 0) FROM aps_quota, unnest(used) AS n"
COUNTED = f"SELECT ({HELD}) + ({USED})"


def rate_limiters(databases: list[Database], budget: int = 5, window: float = 1.0) -> list[SharedRateLimiter]:
    """One for each process, as it were."""
    return [SharedQuotas(each).rate_limiter(("http://x", "app"), PROBE, budget, window, 0.1) for each in databases]


def most_in_a_window(calls: list[tuple[float, float]], window: float) -> int:
    """The most that a service may have counted, if it counts each call at the worst moment."""
    return max(sum(begin < at + window - 0.002 and end >= at for begin, end in calls) for _, at in calls)


async def call(rate_limiter: SharedRateLimiter, seen: list[tuple[float, float]], lasts: float = 0.0) -> None:
    await rate_limiter.acquire()
    begin = time.monotonic()
    await asyncio.sleep(lasts)
    seen.append((begin, time.monotonic()))
    rate_limiter.release()


async def until(database: Database, condition: str) -> None:
    """Waits until a query returns true."""
    while not await database.value(condition):  # noqa: ASYNC110 - another connection makes it true
        await asyncio.sleep(0.02)


async def close(*all_pacers: SharedRateLimiter) -> None:
    for rate_limiter in all_pacers:
        await rate_limiter.close()


async def test_three_processes_never_exceed_one_budget_and_use_it_up(database: Database, url: str) -> None:
    async with Database(url) as second, Database(url) as third:
        three = rate_limiters([database, second, third], budget=20, window=1.0)
        seen: list[tuple[float, float]] = []
        began = time.monotonic()
        await asyncio.gather(*(call(three[n % 3], seen, n % 4 / 50) for n in range(90)))
        took = time.monotonic() - began
        assert most_in_a_window(seen, 1.0) <= 20
        assert 4.0 <= took < 8.0  # 20 at once, then 20 a second; half of the budget would take 8 s
        await close(*three)


async def test_a_whole_budget_goes_at_once_and_the_next_waits_a_window(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], window=3.0)
    seen: list[tuple[float, float]] = []
    began = time.monotonic()
    await asyncio.gather(*(call(rate_limiter, seen) for _ in range(5)))
    assert time.monotonic() - began < 2.9
    await call(rate_limiter, seen)
    assert 2.95 <= time.monotonic() - began < 5.9
    await close(rate_limiter)


async def test_places_that_nothing_was_sent_with_come_back_at_once(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], budget=2)
    for _ in range(6):
        await rate_limiter.acquire()
        rate_limiter.release(used=False)
    await close(rate_limiter)
    assert await database.value(COUNTED) == 0


def counted(rate_limiter: SharedRateLimiter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many places each statement from now on asks for."""
    exchange, statements = rate_limiter._exchange, list[int]()

    async def count(wanted: int) -> float:
        statements.append(wanted)
        return await exchange(wanted)

    monkeypatch.setattr(rate_limiter, "_exchange", count)
    return statements


async def test_calls_one_after_the_other_share_statements_and_no_place_stays_reserved(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [rate_limiter] = rate_limiters([database], budget=1000, window=60.0)
    statements = counted(rate_limiter, monkeypatch)
    for _ in range(100):
        await rate_limiter.acquire()
        rate_limiter.release()
    assert len(statements) <= 25
    assert max(statements) <= 21
    await close(rate_limiter)
    assert await database.value(COUNTED) == 100
    assert await database.value(HELD) == 0


async def test_calls_beside_each_other_share_statements(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    [rate_limiter] = rate_limiters([database], budget=1000, window=60.0)
    statements, calls = counted(rate_limiter, monkeypatch), list[asyncio.Task[None]]()
    for number in range(100):
        calls.append(asyncio.create_task(call(rate_limiter, [], 0.01)))
        await asyncio.sleep(0.002 if number % 5 else 0.03)
    await asyncio.gather(*calls)
    assert len(statements) <= 25
    await close(rate_limiter)
    assert await database.value(HELD) == 0


async def test_calls_that_queue_up_while_no_place_is_free_cost_few_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [rate_limiter] = rate_limiters([database], budget=5, window=6.0)
    await asyncio.gather(*(call(rate_limiter, []) for _ in range(5)))
    statements, calls = counted(rate_limiter, monkeypatch), list[asyncio.Task[None]]()
    for _ in range(50):
        calls.append(asyncio.create_task(call(rate_limiter, [])))
        await asyncio.sleep(0.01)
    assert len(statements) <= 5  # one for the first, and one every half second
    for each in calls:
        each.cancel()
    await close(rate_limiter)


async def test_a_429_gives_back_what_was_reserved_for_later(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], budget=1000, window=60.0)
    for _ in range(10):
        await rate_limiter.acquire()
        rate_limiter.release()
    rate_limiter.refused(0.1)
    await until(database, f"SELECT ({HELD}) = 0")
    await close(rate_limiter)


async def test_who_is_cancelled_in_the_queue_or_with_a_place_coming_leaves_nothing(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], budget=1, window=30.0)
    await rate_limiter.acquire()
    waiting = [asyncio.create_task(rate_limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*waiting, return_exceptions=True)
    )
    rate_limiter.release(used=False)
    async with asyncio.timeout(20):  # the window is longer
        await rate_limiter.acquire()
    rate_limiter.release()
    await close(rate_limiter)
    assert await database.value(COUNTED) == 1


async def test_first_come_first_served_by_ticket(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], budget=1, window=0.2)
    await rate_limiter.acquire()
    order: list[str] = []

    async def wait(name: str, priority: int) -> None:
        await rate_limiter.acquire(priority)
        order.append(name)
        rate_limiter.release()

    early, late = LocalRateLimiter.priority(), LocalRateLimiter.priority()
    tasks = [asyncio.create_task(wait("second", late)), asyncio.create_task(wait("first", early))]
    await asyncio.sleep(0.05)
    rate_limiter.release()
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]
    await close(rate_limiter)


async def test_a_429_seen_by_one_pauses_all_and_one_goes_ahead(database: Database, url: str) -> None:
    async with Database(url) as second:
        mine, others = rate_limiters([database, second], budget=5, window=20.0)
        for _ in range(5):  # the whole budget is spent, as far as we know
            await mine.acquire()
            mine.release()
        await until(database, f"SELECT ({USED}) = 5")
        began = time.monotonic()
        mine.refused(0.8)
        await until(database, "SELECT bool_or(resumes > '-infinity') FROM aps_quota")
        async with asyncio.timeout(15):  # the window is longer
            await others.acquire()  # a new window begins where Retry-After ends, so what was spent does not count
        assert time.monotonic() - began >= 0.75
        stuck = asyncio.create_task(others.acquire())
        await asyncio.sleep(0.3)
        assert not stuck.done()
        others.accepted()
        others.release()
        async with asyncio.timeout(15):
            await stuck
        others.release()
        await close(mine, others)


async def test_a_429_without_retry_after_pauses_longer_each_time(database: Database) -> None:
    [rate_limiter] = rate_limiters([database], budget=50, window=10.0)
    pauses = []
    for _ in range(3):
        await rate_limiter.acquire()
        rate_limiter.refused(None)
        rate_limiter.release()
        began = time.monotonic()
        await rate_limiter.acquire()
        pauses.append(time.monotonic() - began)
        rate_limiter.release()
    assert all(pause >= least for pause, least in zip(pauses, (0.09, 0.19, 0.39), strict=True))
    await close(rate_limiter)


async def test_what_a_dead_process_held_counts_until_its_lease_and_a_window_are_over(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LEASE", 1.0)
    async with Database(url) as second:
        dead, alive = rate_limiters([database, second], budget=1, window=1.0)
        await dead.acquire()  # and never gives it back
        began = time.monotonic()
        async with asyncio.timeout(20):
            await alive.acquire()
        assert time.monotonic() - began >= 1.9
        alive.release()
        await close(alive, dead)


async def test_a_place_that_comes_to_a_process_that_was_frozen_is_not_used(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LEASE", 4.0)
    [rate_limiter] = rate_limiters([database], budget=2, window=0.5)
    exchange, late = rate_limiter._exchange, [True]

    async def frozen(wanted: int) -> float:
        wait = await exchange(wanted)
        if wanted and late.pop():
            time.sleep(1.1)  # noqa: ASYNC251 - the whole process stands still, as after SIGSTOP
            late.append(False)
        elif wanted:
            late.append(False)
        return wait

    monkeypatch.setattr(rate_limiter, "_exchange", frozen)
    await rate_limiter.acquire()
    assert await database.value(HELD) == 1
    rate_limiter.release()
    await close(rate_limiter)


async def test_the_database_may_go_away_in_the_middle(url: str, server: Any) -> None:
    async with Database(url, patience=None) as patient:
        await RunStore.opened(patient)
        [rate_limiter] = rate_limiters([patient], budget=10, window=1.0)
        seen: list[tuple[float, float]] = []
        crowd = [asyncio.create_task(call(rate_limiter, seen)) for _ in range(30)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.restart)
        await asyncio.gather(*crowd)
        assert len(seen) == 30
        assert most_in_a_window(seen, 1.0) <= 10
        await close(rate_limiter)


async def test_who_waits_hears_of_books_that_cannot_be_kept(database: Database) -> None:
    await database.fetch("DROP FUNCTION aps_take")
    [rate_limiter] = rate_limiters([database])
    with pytest.raises(DatabaseError, match="aps_take"):
        await rate_limiter.acquire()


async def test_two_sessions_with_shared_quotas_are_never_refused_by_the_service(database: Database, url: str) -> None:
    settings = Settings(quota_window=1.0, budgets={"hubs": 10})
    behaviour = Behaviour(quota_seconds=1.0, quota_overrides={"hubs": 10}, quota_window="rolling")
    async with Database(url) as second, service(World.demo(sheets=1), behaviour=behaviour) as simulator:
        both = SharedQuotas(database), SharedQuotas(second)
        async with (
            session_for(simulator, settings, quotas=both[0]) as one,
            session_for(simulator, settings, quotas=both[1]) as other,
        ):
            await asyncio.gather(*(list_hubs(session) for session in (one, other) * 15))
        told = simulator.counts()["endpoints"]["hubs"]
        assert (told["calls"], told["429"], told["most_in_a_window"] <= 10) == (30, 0, True)
        for each in both:
            await each.close()


async def test_one_sessions_429_holds_back_the_other(database: Database, url: str) -> None:
    settings = Settings(quota_window=5.0)
    fault = Fault(endpoint="hubs", kind="status", status=429, retry_after=1, nth=(1,))
    async with Database(url) as second, service(World.demo(sheets=1), faults=[fault]) as simulator:
        both = SharedQuotas(database), SharedQuotas(second)
        async with (
            session_for(simulator, settings, quotas=both[0]) as one,
            session_for(simulator, settings, quotas=both[1]) as other,
        ):
            first = asyncio.create_task(list_hubs(one))
            await until(database, "SELECT bool_or(resumes > '-infinity') FROM aps_quota")
            await list_hubs(other)
            await first
        refused, *others = [seen for seen in simulator.log if seen.endpoint == "hubs"]
        assert (refused.status, [seen.status for seen in others]) == (429, [200, 200])
        assert min(seen.time for seen in others) - refused.time >= 0.95
        for each in both:
            await each.close()


def test_tokens_without_a_client_id_share_one_budget() -> None:
    quotas = SharedQuotas(Database("postgresql://nowhere/none"))
    one, other = (quotas.rate_limiter(("http://x", number), PROBE, 5, 1.0, 0.1) for number in (1, 2))
    named = quotas.rate_limiter(("http://x", "app"), PROBE, 5, 1.0, 0.1)
    assert one is other
    assert named is not one
    assert named.fair_interval(10) == 2.0
    with named.sharing(), named.sharing():
        assert named.fair_interval() == pytest.approx(0.4)
    assert named.fair_interval() == 0
