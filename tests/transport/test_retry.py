"""Retries: transient errors are retried, never sooner than asked; calls that may have taken effect are not."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import (
    APSError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitedError,
    ResponseError,
    Session,
    Settings,
    StaticToken,
    TransportError,
    projects,
)
from aps_async.errors import CallTimeoutError, ServerError
from aps_async.resources.jsonapi import Page
from aps_async.simulator import Fault, World
from aps_async.transport.quotas import Endpoint
from aps_async.transport.retry import call_deadline, is_transient, may_recover, waits, was_not_sent
from tests.support import EPOCH, served, service, session_for, virtual_clock

virtual_time = pytest.mark.looptime  # for coroutines only: it would leave a loop behind with the others

GET = Endpoint("hubs", 1000)
START = Endpoint("start", 1000, repeatable=False)
HUBS = "/project/v1/hubs"
NUMBERS = Settings(backoff_base=0.5, backoff_max=30.0, max_attempts=8, request_timeout=90.0, read_timeout=60.0)


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def faulty(*faults: Fault, numbers: Settings = NUMBERS) -> AsyncIterator[tuple[Any, Session]]:
    """A simulator with these faults, and a session that has its token."""
    async with service(World.demo(1), faults=faults) as simulator, session_for(simulator, numbers) as session:
        await session._tokens.token(session)
        yield simulator, session


def seen(simulator: Any, endpoint: str = "hubs") -> list[Any]:
    return [each for each in simulator.log if each.endpoint == endpoint]


FAULTS = {
    **{str(status): Fault(endpoint="hubs", status=status, nth=(1, 2)) for status in (408, 429, 500, 502, 503, 504)},
    **{kind: Fault(endpoint="hubs", kind=kind, nth=(1, 2)) for kind in ("html", "empty", "text", "broken_json")},
    **{kind: Fault(endpoint="hubs", kind=kind, nth=(1, 3)) for kind in ("reset", "reset_body", "truncate")},
    "HTML under a 502": Fault(endpoint="hubs", kind="html", status=502, nth=(1, 2)),
    "silence": Fault(endpoint="hubs", kind="hang", nth=(1, 2)),
    "revoked": Fault(endpoint="hubs", kind="revoke", nth=(1,)),
    "slow": Fault(endpoint="hubs", kind="slow", seconds=50),
}  # fmt: skip


@virtual_time
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_passes_is_waited_out(fault: Fault) -> None:
    async with faulty(fault) as (simulator, session):
        assert (await projects.list_hubs(session)).hubs
        await asyncio.sleep(5)  # the simulator notes a call when it is over
        assert simulator.counts()["endpoints"]["hubs"]["faults"] >= 1


@virtual_time
@pytest.mark.parametrize("status", [400, 403, 404, 409, 418, 501])
async def test_what_does_not_pass_is_not_repeated(status: int) -> None:
    async with faulty(Fault(endpoint="hubs", status=status)) as (simulator, session):
        with pytest.raises(ResponseError) as caught:
            await projects.list_hubs(session)
        assert caught.value.status == status
        assert len(seen(simulator)) == 1
        assert now() == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(endpoint="hubs", status=503), ServerError),
        (Fault(endpoint="hubs", status=429), RateLimitedError),
        (Fault(endpoint="hubs", kind="html"), DecodeError),
        (Fault(endpoint="hubs", kind="truncate"), TransportError),
    ],
)
@virtual_time
async def test_after_all_tries_the_last_error_comes_out_as_it_is(fault: Fault, kind: type[APSError]) -> None:
    async with faulty(fault) as (simulator, session):
        with pytest.raises(kind) as caught:
            await projects.list_hubs(session)
        assert type(caught.value) is kind
        assert len(seen(simulator)) == NUMBERS.max_attempts


@virtual_time
async def test_one_attempt_means_one() -> None:
    async with faulty(Fault(endpoint="hubs", status=503)) as (simulator, session):
        with pytest.raises(ServerError):
            await session.request(GET, "GET", HUBS, into=Page, retry=False)
        assert len(seen(simulator)) == 1


@virtual_time
async def test_waits_double_with_jitter_up_to_their_limit() -> None:
    numbers = Settings(backoff_base=1.0, backoff_max=8.0, max_attempts=8)
    async with faulty(Fault(endpoint="hubs", status=500), numbers=numbers) as (simulator, session):
        with pytest.raises(ServerError):
            await projects.list_hubs(session)
        gaps = [after.time - before.time for before, after in itertools.pairwise(seen(simulator))]
    for gap, step in zip(gaps, [1, 2, 4, 8, 8, 8, 8], strict=True):
        assert step / 2 <= gap <= step + 0.01
    assert len({round(gap / step, 3) for gap, step in zip(gaps, [1, 2, 4, 8, 8, 8, 8], strict=True)}) > 3  # jitter


@virtual_time
@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize("asked", [1, 25, 120])
async def test_retry_after_is_a_floor(status: int, asked: int) -> None:
    async with faulty(Fault(endpoint="hubs", status=status, retry_after=asked, times=3)) as (simulator, session):
        await projects.list_hubs(session)
        gaps = [after.time - before.time for before, after in itertools.pairwise(seen(simulator))]
    assert len(gaps) == 3
    assert all(asked - 1e-3 <= gap <= asked + 2.01 for gap in gaps)


@virtual_time
@pytest.mark.parametrize("clock_is_wrong_by", [0, -3600, 86_400])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_as_a_date_is_a_floor_whatever_our_clock_says(status: int, clock_is_wrong_by: int) -> None:
    def date(seconds: float) -> str:
        return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)

    at = list[float]()

    async def busy(request: web.BaseRequest) -> web.StreamResponse:
        at.append(now())
        if len(at) > 2:
            return web.json_response({"data": []})
        headers = {"Date": date(virtual_clock()), "Retry-After": date(virtual_clock() + 40)}
        return web.json_response({}, status=status, headers=headers)

    def clock() -> float:
        return virtual_clock() + clock_is_wrong_by

    async with served(busy) as url, Session(StaticToken("x"), base_url=url, clock=clock) as session:
        await session.request(GET, "GET", "/x", into=Page)
    gaps = [after - before for before, after in itertools.pairwise(at)]
    assert all(39 <= gap <= 42.1 for gap in gaps), gaps


@virtual_time
@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_beyond_the_limit_raises_at_once(status: int) -> None:
    async with faulty(Fault(endpoint="hubs", status=status, retry_after=86_400)) as (simulator, session):
        with pytest.raises(ResponseError) as caught:
            await projects.list_hubs(session)
        assert caught.value.retry_after == 86_400
        assert isinstance(caught.value, RateLimitedError if status == 429 else ServerError)
        assert now() == 0
        assert len(seen(simulator)) == 1


@virtual_time
async def test_an_absurd_429_does_not_hold_up_the_next_call() -> None:
    fault = Fault(endpoint="hubs", status=429, retry_after=86_400, times=1)
    async with faulty(fault) as (_, session):
        with pytest.raises(RateLimitedError):
            await projects.list_hubs(session)
        await projects.list_hubs(session)
        assert now() == pytest.approx(NUMBERS.backoff_base, abs=0.1)


@virtual_time
async def test_no_connection_is_held_while_waiting() -> None:
    numbers = Settings(connections=1)
    async with faulty(Fault(endpoint="hubs", status=503, retry_after=100, times=1), numbers=numbers) as (_, session):
        call = asyncio.create_task(projects.list_hubs(session))
        await asyncio.sleep(1)
        assert (await projects.list_hubs(session)).hubs
        assert now() == pytest.approx(1, abs=0.1)
        await call


@virtual_time
async def test_silence_ends_at_the_call_timeout_even_where_the_body_may_take_long() -> None:
    numbers = Settings(call_timeout=20, max_attempts=1)
    async with faulty(Fault(endpoint="hubs", kind="hang"), numbers=numbers) as (_, session):
        with pytest.raises(TransportError, match="no answer in time"):
            await projects.list_hubs(session)
        assert now() == pytest.approx(20, abs=0.5)


@virtual_time
async def test_a_trickle_ends_at_the_request_timeout() -> None:
    numbers = Settings(request_timeout=90, max_attempts=1)
    async with faulty(Fault(endpoint="hubs", kind="slow", seconds=300), numbers=numbers) as (_, session):
        with pytest.raises(TransportError, match="no answer in time"):
            await projects.list_hubs(session)
        assert now() == pytest.approx(90, abs=0.5)


# --------------------------------------------- what starts something


@asynccontextmanager
async def starting(*answers: web.Response | str) -> AsyncIterator[tuple[list[float], Session]]:
    """A server that gives these answers in turn, then a good one; "reset" drops the connection. And a session."""
    at = list[float]()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        at.append(now())
        answer = answers[len(at) - 1] if len(at) <= len(answers) else web.json_response({"id": "x"})
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response()
        if answer == "silence":
            await asyncio.sleep(10_000)
        assert isinstance(answer, web.Response)
        return answer

    async with served(handler) as url, Session(StaticToken("x"), base_url=url, settings=NUMBERS) as session:
        yield at, session


async def start(session: Session) -> dict[str, str]:
    return await session.request(START, "POST", "/start", into=dict, json={})


@virtual_time
@pytest.mark.parametrize("status", [429, 503])
async def test_a_start_is_repeated_where_it_certainly_never_arrived(status: int) -> None:
    async with starting(web.Response(status=status), web.Response(status=status)) as (at, session):
        assert await start(session) == {"id": "x"}
        assert len(at) == 3


@virtual_time
@pytest.mark.parametrize("what", [500, 502, 504, 408, "reset", "silence", "html", "empty"])
async def test_a_start_is_never_repeated_where_it_may_have_taken_effect(what: int | str) -> None:
    answers: dict[int | str, web.Response | str] = {
        "reset": "reset",
        "silence": "silence",
        "html": web.Response(text="<html>", content_type="text/html"),
        "empty": web.Response(),
    }
    answer = answers[what] if what in answers else web.Response(status=int(what))
    async with starting(answer) as (at, session):
        with pytest.raises(APSError) as caught:
            await start(session)
        assert isinstance(caught.value, ServerError | ResponseError | TransportError | DecodeError)
        assert not isinstance(caught.value, AuthError)
        assert len(at) == 1
        await asyncio.sleep(1000)
        assert len(at) == 1


@virtual_time
async def test_a_start_waits_for_a_service_that_is_not_up_yet() -> None:
    """A refused connection has started nothing."""

    async def good(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"id": "x"})

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with Session(StaticToken("x"), base_url=f"http://127.0.0.1:{port}", settings=NUMBERS) as session:
        call = asyncio.create_task(start(session))
        await asyncio.sleep(1)
        runner = web.ServerRunner(web.Server(good))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        assert await call == {"id": "x"}
        await runner.cleanup()


@virtual_time
async def test_a_refused_connection_is_a_transport_error_with_the_address() -> None:
    async with Session(StaticToken("x"), base_url="http://127.0.0.1:1", settings=Settings(max_attempts=3)) as session:
        with pytest.raises(TransportError, match=r"GET /x: .*127\.0\.0\.1:1") as caught:
            await session.request(GET, "GET", "/x?secret=canary", into=dict)
        assert not caught.value.sent
        assert "canary" not in str(caught.value)
        rate_limiter: Any = session.rate_limiter(GET)
        assert rate_limiter.waiting == 0


@virtual_time
async def test_calls_that_never_arrived_do_not_use_up_the_quota() -> None:
    numbers = Settings(max_attempts=3, budgets={"hubs": 1})
    async with Session(StaticToken("x"), base_url="http://127.0.0.1:1", settings=numbers) as session:
        with pytest.raises(TransportError):
            await session.request(GET, "GET", "/x", into=dict)
        assert now() < 5  # and not two windows later


# ------------------------------------------------------------ the rules


def problem(status: int) -> ResponseError:
    return ResponseError("x", status=status, method="GET", path="/")


@pytest.mark.parametrize(
    ("error", "transient", "passing", "unsent"),
    [
        (problem(429), True, True, True), (problem(503), True, True, True), (problem(500), True, True, False),
        (problem(404), False, False, False), (problem(401), False, False, False),
        (TransportError("x", sent=True), True, True, False), (TransportError("x", sent=False), True, True, True),
        (DecodeError("x", garbled=True), True, True, False), (DecodeError("x"), False, False, False),
        (AuthError("x"), False, False, False), (ValueError("x"), False, False, False),
        (NotFoundError("x", status=404, method="GET", path="/"), False, False, False),
    ],
)  # fmt: skip
def test_what_is_repeated(error: Exception, transient: bool, passing: bool, unsent: bool) -> None:
    assert (is_transient(error), may_recover(error), was_not_sent(error)) == (transient, passing, unsent)


def test_a_wait_of_minutes_also_outlives_a_token_service_that_is_down() -> None:
    down, wrong = AuthError("down"), AuthError("wrong")
    down.__cause__ = problem(500)
    wrong.__cause__ = problem(401)
    assert may_recover(down)
    assert not may_recover(wrong)
    assert not is_transient(down)


@settings(deadline=None, max_examples=100)
@given(
    asked=st.lists(st.none() | st.floats(0, 400), max_size=12), status=st.sampled_from([429, 503]), paced=st.booleans()
)
def test_no_wait_is_ever_shorter_than_asked_unless_a_pacer_does_the_waiting(
    asked: list[float | None], status: int, paced: bool
) -> None:
    generator = waits(Settings(), paced=paced)
    next(generator)
    for number, seconds in enumerate(asked):
        error = ResponseError("x", status=status, method="GET", path="/", retry_after=seconds)
        wait = generator.send(error)
        if paced and status == 429:
            assert wait == 0
        else:
            step = min(0.5 * 2**number, 30.0)
            floor = seconds if seconds is not None and seconds <= 300 else 0
            assert floor + step / 2 <= wait <= floor + step


def test_the_virtual_clock_begins_at_a_whole_second() -> None:
    assert EPOCH % 1 == 0  # HTTP dates have no fractions, and the tests above compare with them


async def test_a_timeout_from_elsewhere_is_not_taken_for_the_deadline_around_it() -> None:
    with pytest.raises(TimeoutError, match="another clock") as caught:
        async with call_deadline(60.0, "a call"):
            raise TimeoutError("another clock")
    assert not isinstance(caught.value, CallTimeoutError)
