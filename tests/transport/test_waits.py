"""Every wait ends and reports why: one table for each class of fault, in virtual time."""

import asyncio
import errno
import itertools
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import RawTestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aps_async import (
    APSError,
    ExportFailedError,
    ExportOutcome,
    ExportRef,
    ExportTimeoutError,
    InputError,
    NotFoundError,
    RateLimitedError,
    Session,
    Settings,
    StaticToken,
    TransportError,
    TwoLegged,
    bim360,
    download,
    export_many,
    files,
    poll_many,
    wait_for_export,
)
from aps_async.auth import AccessToken
from aps_async.errors import AuthError, CallTimeoutError, IncompleteDownloadError, ServerError, UnauthorizedError
from aps_async.exports.kinds import row_of
from aps_async.exports.wait import poll_export
from aps_async.links import SignedUrl
from aps_async.models import ExportKind
from aps_async.transport.quotas import Endpoint
from aps_async.transport.retry import may_start_again
from tests.support import served, virtual_clock

pytestmark = pytest.mark.looptime

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
SHEET = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"
REF = ExportRef(request=bim360.make_request(PROJECT, SHEET, name="A-1"), export_id="1")
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
HANG = "hang"
RUNNING: dict[str, Any] = {"id": "1", "status": "committed"}

Step = str | int | dict[str, Any] | tuple[int, dict[str, str]]
"""HANG, a status, a body, or a status with headers."""


def now() -> float:
    return asyncio.get_running_loop().time()


class Script:
    """A service that answers each method from a list of steps; the last one stays. `/f` is the file."""

    def __init__(self, *gets: Step, posts: tuple[Step, ...] = (RUNNING,)) -> None:
        self._steps = {"GET": list(gets), "POST": list(posts)}
        self.asked: list[tuple[str, float]] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/f":
            return web.Response(body=PDF)
        self.asked.append((request.method, now()))
        steps = self._steps[request.method]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if step == HANG:
            await asyncio.sleep(200)
            return web.Response()
        status, headers = step if isinstance(step, tuple) else (step, {})
        if isinstance(step, dict):
            link = f"http://{request.host}/f?X-Amz-Signature=1"
            return web.json_response({key: self._linked(value, link) for key, value in step.items()})
        return web.json_response({}, status=int(status), headers=headers)  # type: ignore[arg-type]

    @staticmethod
    def _linked(value: Any, link: str) -> Any:
        return {"signedUrl": link} if value == "LINK" else value

    def count(self, method: str) -> int:
        return sum(each == method for each, _ in self.asked)


DONE: dict[str, Any] = {"id": "1", "status": "completed", "data": "LINK"}


class Tokens:
    """A provider that can always give another token."""

    two_legged = False

    def __init__(self) -> None:
        self.fresh = 0

    async def token(self, client: object, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
        self.fresh += rejected is not None
        return AccessToken(f"t{self.fresh}")


@asynccontextmanager
async def opened(script: Script, **options: Any) -> AsyncIterator[Session]:
    options.setdefault("tokens", StaticToken("t"))
    options.setdefault("settings", Settings(poll_jitter=0))
    async with served(script) as url, Session(base_url=url, clock=virtual_clock, **options) as session:
        yield session


async def many(session: Session, folder: Path, count: int = 1, **options: Any) -> list[ExportOutcome]:
    requests = [bim360.make_request(PROJECT, SHEET, name=f"A-{n}") for n in range(count)]
    async with aclosing(export_many(session, requests, folder, **options)) as outcomes:
        return [outcome async for outcome in outcomes]


# ---------------------------------------------------------------- Retry-After, in every wait

NOT_OBEYED = ["0", "-5", "Wed, 25 Nov 2020 10:00:00 GMT", "301", "1e400", "inf", "nan", "9" * 30, "soon", ""]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("text", NOT_OBEYED)
async def test_a_poll_is_neither_held_up_nor_hurried(text: str, status: int) -> None:
    script = Script((status, {"Retry-After": text}), (status, {"Retry-After": text}), DONE)
    async with opened(script) as session:
        await poll_export(session, REF)
    gaps = [after - before for (_, before), (_, after) in itertools.pairwise(script.asked)]
    assert gaps == pytest.approx([4, 8], abs=0.1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("text", NOT_OBEYED)
async def test_a_bulk_run_is_neither_held_up_nor_hurried(text: str, status: int, tmp_path: Path) -> None:
    refused = (status, {"Retry-After": text})
    script = Script(refused, DONE, posts=(refused, RUNNING))
    async with opened(script) as session:
        [outcome] = await many(session, tmp_path, timeout=60)
    assert outcome.error is None
    assert 2 < now() < 15


@pytest.mark.parametrize("text", NOT_OBEYED)
async def test_a_download_is_not_held_up(text: str, tmp_path: Path) -> None:
    answers = iter([web.Response(status=503, headers={"Retry-After": text}), web.Response(body=PDF)])

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return next(answers)

    async with served(handler) as url, Session(StaticToken("t"), base_url=url, clock=virtual_clock) as session:
        await download(session, SignedUrl(f"{url}/f?sig=1"), tmp_path / "x.pdf")
    assert 0.2 < now() < 1


@pytest.mark.parametrize("text", ["0", "Wed, 25 Nov 2020 10:00:00 GMT"])
async def test_a_start_is_not_repeated_at_once(text: str) -> None:
    script = Script(posts=((429, {"Retry-After": text}),))
    async with opened(script) as session:
        with pytest.raises(RateLimitedError):
            await bim360.start_export(session, PROJECT, SHEET)
    gaps = [after - before for (_, before), (_, after) in itertools.pairwise(script.asked)]
    assert gaps == pytest.approx([0.5, 1, 2, 4, 4, 4, 4], abs=0.1)


async def test_a_bulk_run_does_not_wait_past_its_deadline_for_what_it_may_not_ask(tmp_path: Path) -> None:
    script = Script((503, {"Retry-After": "200"}))
    async with opened(script) as session:
        [outcome] = await many(session, tmp_path, timeout=30)
    assert isinstance(outcome.error, ExportTimeoutError)
    assert isinstance(outcome.error.__cause__, ServerError)
    assert "503" in str(outcome.error)
    assert script.count("GET") == 1
    assert now() == pytest.approx(30, abs=0.5)


# ---------------------------------------------------------------- time limits of one call

SMALL, LARGE, ONCE = Endpoint("small", 100), Endpoint("large", 100, large=True), Endpoint("once", 100, repeatable=False)


@pytest.mark.parametrize(
    ("endpoint", "limits"),
    [
        (SMALL, [10, 20, 40, 80, 90]),
        (LARGE, [10, 20, 40, 80, 90]),
        (ONCE, [90, 90]),
        *((kind.status, [10, 20, 40, 80, 90]) for kind in map(row_of, ExportKind)),
    ],
    ids=lambda x: str(x),
)
async def test_the_limit_of_a_call_doubles_where_it_is_short(endpoint: Endpoint, limits: list[float]) -> None:
    async with opened(Script(HANG)) as session:
        for limit in limits:
            began = now()
            with pytest.raises(TransportError, match="no answer in time"):
                await session.request(endpoint, "GET", "/x", into=dict, retry=False)
            assert now() - began == pytest.approx(limit, abs=0.1)


async def test_an_answer_makes_the_limit_short_again() -> None:
    async with opened(Script(HANG, {"a": 1}, HANG)) as session:
        for limit in (10, 0, 10):
            began = now()
            with suppress(TransportError):
                await session.request(SMALL, "GET", "/x", into=dict, retry=False)
            assert now() - began == pytest.approx(limit, abs=0.1)


@pytest.mark.parametrize(("repeatable", "limit"), [(True, 10), (False, 90)])
async def test_a_token_call_that_must_not_be_repeated_has_the_long_limit(repeatable: bool, limit: float) -> None:
    script = Script(posts=(HANG, {"access_token": "x"}))
    async with opened(script) as session:
        with suppress(TransportError):
            await session.post_form("/token", {"a": "b"}, headers={}, repeatable=repeatable)
    assert script.count("POST") == 1 + repeatable
    assert limit <= now() < limit + 1


def test_scaled_settings_scale_the_limits() -> None:
    assert (Settings().scaled(10).call_timeout, Settings().scaled(10).request_timeout) == (1, 9)


async def test_a_hung_poll_costs_twelve_seconds_at_most() -> None:
    async with opened(Script(RUNNING, HANG, DONE)) as session:
        await poll_export(session, REF)
    assert now() <= 2 + 12


async def test_a_hung_poll_holds_no_download_slot(tmp_path: Path) -> None:
    hung = Script(HANG, DONE)
    ended: dict[str, float] = {}
    async with opened(hung) as session:
        requests = [bim360.make_request(PROJECT, SHEET, name=f"A-{n}") for n in range(2)]
        async with aclosing(export_many(session, requests, tmp_path, max_concurrent_downloads=1)) as outcomes:
            async for outcome in outcomes:
                assert outcome.error is None
                ended[outcome.request.name or ""] = now()
    first, last = sorted(ended.values())
    assert first < 6
    assert last < 15


@asynccontextmanager
async def raw(piece: bytes, every: float) -> AsyncIterator[str]:
    """A server that sends the same piece again and again."""
    talks = set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            while True:
                writer.write(piece)
                await asyncio.sleep(every)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@pytest.mark.parametrize("every", [1.0, 5_000.0], ids=["again and again", "then silence"])
@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
async def test_informational_responses_do_not_stretch_a_wait(every: float, status: bytes, tmp_path: Path) -> None:
    numbers = Settings(max_attempts=1, max_download_attempts=1)
    async with (
        raw(b"HTTP/1.1 " + status + b"\r\n\r\n", every) as url,
        Session(StaticToken("t"), base_url=url, settings=numbers, clock=virtual_clock) as session,
    ):
        with pytest.raises(TransportError):
            await session.request(SMALL, "GET", "/x", into=dict)
        assert now() == pytest.approx(10, abs=0.5)
        with pytest.raises(APSError):
            await download(session, SignedUrl(f"{url}/f?sig=1"), tmp_path / "x.pdf")
        assert now() < 10 + 80


# ---------------------------------------------------------------- deadlines


@pytest.mark.parametrize(
    "work",
    [
        lambda session: bim360.start_export(session, PROJECT, SHEET, timeout=30),
        lambda session: files.start_export(session, PROJECT, [SHEET], timeout=30),
        lambda session: session.post_form("/token", {}, headers={}, timeout=30),
        lambda session: session.request(SMALL, "POST", "/x", into=dict, timeout=30),
    ],
    ids=["bim360", "files", "token", "request"],
)
@pytest.mark.parametrize("step", [HANG, 503], ids=str)
async def test_calls_accept_a_deadline(work: Callable[[Session], Any], step: Step) -> None:
    async with opened(Script(posts=(step,)), tokens=Tokens()) as session:
        with pytest.raises(CallTimeoutError, match=r"in 30 s: ") as caught:
            await work(session)
    assert now() == pytest.approx(30, abs=0.5)
    if step == 503:
        assert isinstance(caught.value.__cause__, ServerError)
        assert "503" in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_deadline_reports_what_was_met_last(status: int, tmp_path: Path) -> None:
    async with opened(Script(RUNNING, status)) as session:
        with pytest.raises(ExportTimeoutError, match=f"'committed'.*{status}") as caught:
            await wait_for_export(session, REF, tmp_path / "x.pdf", timeout=40)
        assert getattr(caught.value.__cause__, "status", None) == status
        [outcome] = await many(session, tmp_path, timeout=40)
    assert isinstance(outcome.error, ExportTimeoutError)
    assert getattr(outcome.error.__cause__, "status", None) == status


async def test_a_deadline_in_the_download_says_so(tmp_path: Path) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/f":
            return web.Response(status=503)
        link = f"http://{request.host}/f?X-Amz-Signature=1"
        return web.json_response({"id": "1", "status": "completed", "data": {"signedUrl": link}})

    async with served(handler) as url, Session(StaticToken("t"), base_url=url, clock=virtual_clock) as session:
        with pytest.raises(ExportTimeoutError, match=r"was done .*not downloaded.*503") as caught:
            await wait_for_export(session, REF, tmp_path / "x.pdf", timeout=5)
    assert isinstance(caught.value.__cause__, APSError)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- what ends a wait, and what does not


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ((404, 404, DONE), None),  # right after the start
        ((RUNNING, 404, DONE), None),  # one, between two answers
        ((RUNNING, 404, RUNNING, 404, DONE), None),
        ((RUNNING, 503, 404, DONE), None),
        ((RUNNING, 404, 404, DONE), NotFoundError),  # within the grace of 10 s, but it was known already
        ((RUNNING, 404, 503, 404, DONE), NotFoundError),
        ((404,), NotFoundError),
    ],
    ids=str,
)
async def test_a_404(steps: tuple[Step, ...], ends: type[Exception] | None, tmp_path: Path) -> None:
    async with opened(Script(*steps)) as session:
        if ends is None:
            await poll_export(session, REF)
        else:
            with pytest.raises(ends):
                await poll_export(session, REF)
            assert now() < 20
    async with opened(Script(*steps)) as session:
        [outcome] = await many(session, tmp_path)
    assert type(outcome.error) is (ends or type(None))


@pytest.mark.parametrize("steps", [(401,), (401, 503)], ids=str)
async def test_a_401_ends_after_three_fresh_tokens(steps: tuple[Step, ...], tmp_path: Path) -> None:
    tokens, pairs = Tokens(), [step for step in steps * 4 for _ in range(1 + (step == 401))]
    async with opened(Script(*pairs), tokens=tokens) as session:
        with pytest.raises(UnauthorizedError):
            await poll_export(session, REF)
        assert tokens.fresh == 3
    tokens = Tokens()
    async with opened(Script(posts=(401,)), tokens=tokens) as session:
        [outcome] = await many(session, tmp_path)
        assert isinstance(outcome.error, UnauthorizedError)
        assert tokens.fresh == 3


WORDS = ["aborted", "canceled", "cancelled", "expired", "timeout", "error", "rejected", "Aborted", "ERROR"]


@pytest.mark.parametrize("word", WORDS)
async def test_an_undocumented_end_is_believed_at_the_fifth_time(word: str, caplog: pytest.LogCaptureFixture) -> None:
    script = Script({"id": "1", "status": word})
    async with opened(script) as session:
        with pytest.raises(ExportFailedError, match=word):
            await poll_export(session, REF)
    assert script.count("GET") == 5
    assert [word in each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [True]


async def test_an_undocumented_end_is_believed_after_a_minute() -> None:
    script = Script({"id": "1", "status": "aborted"})
    async with opened(script, settings=Settings(poll_interval=25, poll_jitter=0)) as session:
        with pytest.raises(ExportFailedError):
            await poll_export(session, REF)
    assert now() == pytest.approx(75, abs=0.5)


async def test_one_that_does_not_come_back_is_forgotten_and_other_words_are_running() -> None:
    odd = [{"id": "1", "status": "aborted"}] * 4
    script = Script(*odd, RUNNING, *odd, *[{"id": "1", "status": "rendering"}] * 20, DONE)
    async with opened(script) as session:
        await poll_export(session, REF)
    assert script.count("GET") == 4 + 1 + 4 + 20 + 1


async def test_done_without_data_for_a_few_seconds(tmp_path: Path) -> None:
    bare = {"id": "1", "status": "completed"}
    script = Script(bare, bare, bare, DONE)
    async with opened(script) as session:
        await wait_for_export(session, REF, tmp_path / "x.pdf")
    assert (script.count("GET"), script.count("POST")) == (4, 0)
    assert now() < 6


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("step", [HANG, 500, 502, 504], ids=str)
async def test_a_start_whose_response_was_lost(step: Step, tmp_path: Path) -> None:
    for make, posts in ((files.make_requests, 1), (lambda *_: [REF.request], 2)):
        script = Script(DONE, posts=(step, RUNNING))
        async with opened(script, tokens=Tokens()) as session:
            outcomes = export_many(session, make(PROJECT, [SHEET]), tmp_path)
            async with aclosing(outcomes):
                [outcome] = [each async for each in outcomes]
        assert script.count("POST") == posts
        assert (outcome.error is None) == (posts == 2)


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (TransportError("lost", sent=True), False, False),
        (TransportError("lost", sent=True), True, True),
        (TransportError("refused", sent=False), False, True),
        (UnauthorizedError("401", status=401, method="POST", path="/"), False, True),
        (RateLimitedError("429", status=429, method="POST", path="/"), False, True),
        (ServerError("500", status=500, method="POST", path="/"), False, False),
        (InputError("no"), True, False),
    ],
)
def test_whether_to_start_again(error: Exception, repeatable: bool, again: bool) -> None:
    assert may_start_again(error, repeatable=repeatable) is again


# ---------------------------------------------------------------- a bulk run always ends


def failing(_: object) -> float:
    raise ZeroDivisionError("mine")


def generator() -> Any:
    yield
    yield "x"


POLICIES = [failing, lambda _: None, lambda _: "5", lambda _: float("nan"), lambda _: -1, lambda _: 1e999, generator]


@pytest.mark.parametrize("policy", POLICIES)
async def test_whatever_a_policy_does(policy: Any, tmp_path: Path) -> None:
    async with opened(Script(RUNNING)) as session:
        outcomes = await many(session, tmp_path, 3, policy=policy)
        assert [type(each.error) for each in outcomes] == [InputError] * 3
        with pytest.raises(InputError, match="policy"):
            await poll_export(session, REF, policy=policy)
        assert session.rate_limiter(bim360.STATUS).fair_interval() == 0


@pytest.mark.parametrize("after", [0.0, 0.5, 3.0, 11.0])
async def test_a_session_closed_in_use(after: float, tmp_path: Path) -> None:
    async with opened(Script(RUNNING, HANG, RUNNING)) as session:
        asyncio.get_running_loop().call_later(after, lambda: closing.append(asyncio.create_task(session.close())))
        closing: list[asyncio.Task[None]] = []
        outcomes = await many(session, tmp_path, 5, timeout=60)
        assert len(outcomes) == 5
        assert all(isinstance(each.error, APSError) for each in outcomes)
    assert now() < 130


async def test_a_task_that_is_cancelled_from_outside(tmp_path: Path) -> None:
    class Cancelling(Tokens):
        async def token(self, client: object, rejected: AccessToken | None = None) -> AccessToken:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return await super().token(client, rejected)

    async with opened(Script(RUNNING), tokens=Cancelling()) as session:
        with pytest.raises(APSError, match="cancelled from outside"):
            await many(session, tmp_path, 3)


async def test_a_cancellation_from_inside_is_a_failure_of_each_export(tmp_path: Path) -> None:
    class Cancelled(Tokens):
        async def token(self, client: object, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
            raise asyncio.CancelledError

    async with opened(Script(RUNNING), tokens=Cancelled()) as session:
        outcomes = await many(session, tmp_path, 3)
    assert [type(each.error) for each in outcomes] == [AuthError] * 3


class OwnError(BaseException):
    """No `Exception`, as those by which test runners and other event loops end something."""


ENDS = [OwnError, GeneratorExit, pytest.fail.Exception]


@pytest.mark.parametrize("error", ENDS)
@pytest.mark.parametrize("place", ["policy", "progress", "hook", "token", "source"])
async def test_a_caller_who_raises_no_exception_ends_a_bulk_run_too(
    place: str, error: type[BaseException], tmp_path: Path
) -> None:
    def ends(*_: object) -> Any:
        raise error

    class Ending(Tokens):
        async def token(self, client: object, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
            raise error

    def source() -> Iterator[ExportRef]:
        yield REF
        raise error

    before = asyncio.all_tasks()
    options: dict[str, Any] = {"policy": {"policy": ends}, "progress": {"on_progress": ends}}.get(place, {})
    tokens = Ending() if place == "token" else Tokens()
    async with opened(Script(RUNNING), tokens=tokens, hooks=[ends] if place == "hook" else []) as session:
        with pytest.raises(error):
            async with aclosing(
                export_many(session, source() if place == "source" else [REF] * 3, tmp_path, **options)
            ) as outcomes:
                await anext(outcomes)
        assert session.rate_limiter(bim360.STATUS).fair_interval() == 0
    assert now() < 60
    assert {each for each in asyncio.all_tasks() - before if "aps_async" in repr(each.get_coro())} == set()
    assert list(tmp_path.iterdir()) == []


async def test_the_timeout_of_a_bulk_run_bounds_its_starts(tmp_path: Path) -> None:
    async with opened(Script(RUNNING, posts=(429,))) as session:
        outcomes = await many(session, tmp_path, 5, timeout=30)
    assert [type(each.error) for each in outcomes] == [CallTimeoutError] * 5
    assert all("429" in str(each.error) for each in outcomes)
    assert now() == pytest.approx(30, abs=0.5)


async def test_many_are_waited_for_without_a_download() -> None:
    script = Script(RUNNING, RUNNING, {"id": "1", "status": "failed"}, DONE)
    async with opened(script) as session, aclosing(poll_many(session, [REF, REF])) as found:
        outcomes = [each async for each in found]
    assert [ref for ref, _ in outcomes] == [REF, REF]
    assert sorted(type(each).__name__ for _, each in outcomes) == ["ExportFailedError", "ExportJob"]


async def test_waits_end_if_the_references_cannot_be_read_to_their_end() -> None:
    def refs() -> Iterator[ExportRef]:
        yield from (REF, REF)
        raise OSError("the list broke")

    async with opened(Script(RUNNING)) as session, aclosing(poll_many(session, refs())) as found:
        before = asyncio.all_tasks()
        with pytest.raises(OSError, match="the list broke"):
            await anext(found)
        assert asyncio.all_tasks() == before


async def test_more_slots_than_exports_may_be_pending_cost_nothing(tmp_path: Path) -> None:
    async with opened(Script(RUNNING, DONE)) as session:
        slots, tasks = 10**9, len(asyncio.all_tasks())
        async with aclosing(export_many(session, [REF], tmp_path, max_concurrent_downloads=slots)) as outcomes:
            await anext(outcomes)
            assert len(asyncio.all_tasks()) - tasks <= session.settings.max_pending_exports + 2


# ---------------------------------------------------------------- the first connection of a command


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


async def test_a_refused_first_connection_of_a_command() -> None:
    told: list[str] = []
    url = f"http://127.0.0.1:{free_port()}"
    async with Session(StaticToken("t"), base_url=url, on_unreachable=lambda error: told.append(str(error))) as session:
        with pytest.raises(TransportError, match="proxy") as caught:
            await session.request(SMALL, "GET", "/x", into=dict)
    assert caught.value.obstacle == "connection"
    assert len(told) == 1
    assert now() < 5


class Lookup(AbstractResolver):
    """Finds what it is given, in place of the network: an error, or addresses; None: it never ends."""

    def __init__(self, found: OSError | list[str] | None) -> None:
        self.asked = 0
        self._found = found

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        self.asked += 1
        if self._found is None:
            await asyncio.sleep(3600)
        if isinstance(self._found, OSError):
            raise self._found
        kind = socket.AddressFamily.AF_INET
        return [
            ResolveResult(hostname=host, host=each, port=port, family=kind, proto=0, flags=0)
            for each in self._found or ()
        ]

    async def close(self) -> None:
        pass


def no_route(_: object) -> socket.socket:
    raise OSError(errno.EHOSTUNREACH, "No route to host")


def no_network(_: object) -> socket.socket:
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that answers no connection: its queue is full."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
UNREACHABLE: dict[str, tuple[OSError | list[str] | None, Callable[[object], socket.socket] | None, str]] = {
    "unknown": (UNKNOWN, None, "host"),
    "no name server": (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), None, "host"),
    "a look-up without an end": (None, None, "connection"),
    "no route": (["127.0.0.1"], no_route, "connection"),
    "no network": (["127.0.0.1", "127.0.0.2"], no_network, "connection"),
    "silent": (["127.0.0.1"], None, "connection"),
}


@pytest.mark.parametrize("tokens", ["static", "two-legged"])
@pytest.mark.parametrize("case", UNREACHABLE)
async def test_a_host_that_cannot_be_reached_at_first(case: str, tokens: str) -> None:
    found, sockets, obstacle = UNREACHABLE[case]
    lookup, told = Lookup(found), list[str]()
    connector = aiohttp.TCPConnector(resolver=lookup, socket_factory=sockets, use_dns_cache=False)
    provider = StaticToken("t") if tokens == "static" else TwoLegged("id", "secret")
    with silent_port() as port:
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            Session(
                provider,
                base_url=f"https://unknown.invalid:{port}",
                http=http,
                on_unreachable=lambda error: told.append(str(error)),
            ) as session,
        ):
            with pytest.raises(APSError, match=r"Check the address.*the network, and the proxy") as caught:
                await session.request(SMALL, "GET", "/x", into=dict)
    assert now() < 5
    assert lookup.asked == 2
    assert len(told) == 1
    assert "unknown.invalid" in told[0] or "no connection in time" in told[0]
    problem = caught.value if isinstance(caught.value, TransportError) else caught.value.__cause__
    assert isinstance(problem, TransportError)
    assert (problem.obstacle, problem.sent) == (obstacle, False)


@pytest.mark.parametrize("patient", [False, True])
async def test_an_unknown_host_at_the_first_connection(patient: bool) -> None:
    names = Lookup(UNKNOWN)
    connector = aiohttp.TCPConnector(resolver=names, use_dns_cache=False)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        Session(StaticToken("t"), base_url="https://aps.example", http=http, patient=patient) as session,
    ):
        with pytest.raises(TransportError, match="Check the address") as caught:
            await session.request(SMALL, "GET", "/x", into=dict)
    assert (caught.value.obstacle, caught.value.sent) == ("host", False)
    assert names.asked == (Settings().max_attempts if patient else 2)
    assert (now() > 20) if patient else (now() < 5)


@asynccontextmanager
async def refusing_proxy(status: str) -> AsyncGenerator[tuple[str, list[bytes]], None]:
    """A proxy that makes no connection; gives its address, and what it is asked for."""
    asked = list[bytes]()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://user:canary@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.mark.parametrize(
    ("status", "obstacle", "attempts"),
    [
        ("407 Proxy Authentication Required", "proxy", 2),
        ("403 Forbidden", "proxy", 2),
        ("502 Bad Gateway", "connection", 8),
    ],
)  # fmt: skip
async def test_a_proxy_that_does_not_connect(status: str, obstacle: str, attempts: int, tmp_path: Path) -> None:
    async with (
        refusing_proxy(status) as (proxy, asked),
        Session(StaticToken("t"), base_url="https://aps.example", proxy=proxy) as session,
    ):
        with pytest.raises(TransportError, match=status) as caught:
            await session.request(SMALL, "GET", "/x", into=dict)
        assert (caught.value.obstacle, caught.value.sent) == (obstacle, False)
        assert len(asked) == attempts
        with pytest.raises(IncompleteDownloadError, match=status) as failed:
            await download(session, SignedUrl("https://storage.example/x?Signature=canary"), tmp_path / "x.pdf")
        assert len(asked) == 2 * attempts
    assert "canary" not in f"{caught.value} {failed.value} {failed.value.__cause__}"
    assert (now() < 5) if attempts == 2 else (now() > 20)


async def test_a_program_that_may_start_before_the_network_is_patient() -> None:
    async with Session(StaticToken("t"), base_url=f"http://127.0.0.1:{free_port()}", patient=True) as session:
        with pytest.raises(TransportError):
            await session.request(SMALL, "GET", "/x", into=dict)
    assert now() > 20


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day, today = timedelta(days=1), datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), today - day, today + day
    )
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(secret + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@pytest.mark.parametrize("patient", [False, True])
async def test_an_untrusted_certificate_at_the_first_connection(patient: bool, tmp_path: Path) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=self_signed(tmp_path)) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Session(StaticToken("t"), base_url=url, patient=patient) as session:
            with pytest.raises(IncompleteDownloadError, match=r"2 interruptions.*CA file"):
                await download(session, SignedUrl(f"{url}/x?Signature=canary"), tmp_path / "x.pdf")
            with pytest.raises(TransportError, match="CA file") as caught:
                await session.request(SMALL, "GET", "/x", into=dict)
    assert (caught.value.obstacle, caught.value.sent) == ("certificate", False)
    assert (now() > 20) if patient else (now() < 5)


async def test_in_the_middle_of_a_run_a_refused_connection_is_waited_out(tmp_path: Path) -> None:
    script, told = Script(RUNNING, DONE), list[str]()
    server = RawTestServer(script, host="127.0.0.1")
    await server.start_server()
    url, port = str(server.make_url("/")).rstrip("/"), server.port
    async with Session(StaticToken("t"), base_url=url, on_unreachable=lambda error: told.append(str(error))) as session:
        await bim360.get_export(session, REF)
        await server.close()
        waiting = asyncio.create_task(poll_export(session, REF))
        await asyncio.sleep(20)
        again = RawTestServer(script, host="127.0.0.1", port=port)
        await again.start_server()
        await waiting
        await again.close()
    assert told == []
