"""`export_stream` in FastAPI and aiohttp: whole, broken, and with clients that leave."""

import asyncio
import gc
from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve, field, frozen
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import ClientDisconnect

from aps_async import ExportFailedError, ExportJob, Session, Settings, SignedUrl, TwoLegged, bim360
from aps_async.errors import ClientDisconnectedError, IncompleteDownloadError, InputError
from aps_async.exports.streaming import ExportStream, export_stream
from aps_async.exports.wait import poll_export
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from tests.support import served

SIZE = 3_000_000
ITEMS = [{"number": "large", "bytes": SIZE}, {"number": "fails", "fails": True}, {"number": "never", "never": True}]
FOLDERS = [{"name": "Plans", "items": ITEMS}]
WORLD = {"hubs": [{"name": "H", "projects": [{"name": "P", "projectType": "BIM360", "folders": FOLDERS}]}]}
PDF_HEADERS = {
    "content-type": "application/pdf",
    "content-disposition": "attachment; filename=\"A-101.pdf\"; filename*=UTF-8''A-101.pdf",
    "x-content-type-options": "nosniff",
    "content-length": str(SIZE),
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobPolls(2), quotas=False)) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    tokens = TwoLegged(simulator.client_id, simulator.client_secret)
    async with Session(tokens, base_url=simulator.url, settings=Settings().without_waiting()) as opened:
        yield opened


async def begin(session: Session, simulator: Simulator, name: str = "large") -> ExportJob:
    [sheet] = [each for each in simulator.world.sheets if each.name.startswith(name)]
    return await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id)


def ours() -> set["asyncio.Task[Any]"]:
    """The tasks but those of the simulator's connections."""
    return {task for task in asyncio.all_tasks() if "RequestHandler" not in repr(task.get_coro())}


async def assert_nothing_is_left(session: Session, before: set["asyncio.Task[Any]"]) -> None:
    gc.collect()
    for _ in range(20):  # until generators that a framework dropped are closed
        await asyncio.sleep(0)
    assert not session._connections._links.connector._acquired  # type: ignore[union-attr]
    assert ours() == before


# ------------------------------------------------------------------ FastAPI


def fastapi_app(session: Session, job: ExportJob, *, middleware: bool = False) -> FastAPI:
    app = FastAPI()
    if middleware:

        @app.middleware("http")
        async def passes_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    @app.get("/sheet")
    async def sheet(request: Request) -> StreamingResponse:
        body = await export_stream(session, job, filename="A-101", receive=request.receive)
        return StreamingResponse(body, headers=body.headers)

    return app


@frozen
class Client:
    """What an ASGI server does for one client, who may leave after so many chunks, or before the first."""

    spec: str = "2.4"
    leaves_after: int | None = None
    query: str = ""
    sent: list[MutableMapping[str, Any]] = field(factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def has_left(self) -> bool:
        return self.leaves_after is not None and len(self.sent) > self.leaves_after

    async def get(self, app: FastAPI) -> None:
        left = asyncio.Event()
        if self.leaves_after == -1:
            left.set()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            await asyncio.sleep(0)
            if self.has_left and self.spec == "2.4":
                raise OSError("the client is gone")
            self.sent.append(message)
            if self.has_left:
                left.set()

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": self.spec}, "http_version": "1.1",
            "method": "GET", "path": "/sheet", "raw_path": b"/sheet", "headers": [], "scheme": "http",
            "query_string": self.query.encode(),
        }  # fmt: skip
        await app(scope, receive, send)


async def test_fastapi_passes_a_whole_export_on(session: Session, simulator: Simulator) -> None:
    client = Client()
    await client.get(fastapi_app(session, await begin(session, simulator)))
    assert client.sent[0]["status"] == 200
    assert client.headers == PDF_HEADERS
    assert (len(client.body), client.body[:5]) == (SIZE, b"%PDF-")


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize(("spec", "raised"), [("2.3", None), ("2.4", (ClientDisconnect, OSError))])
async def test_fastapi_stops_when_the_client_leaves(
    session: Session, simulator: Simulator, spec: str, raised: tuple[type[Exception]] | None, middleware: bool
) -> None:
    job = await begin(session, simulator)
    simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=6, after_bytes=SIZE // 3))
    before = ours()
    client = Client(spec, leaves_after=2)
    async with asyncio.timeout(10):
        if raised is None:
            await client.get(fastapi_app(session, job, middleware=middleware))
        else:
            with pytest.raises(raised):
                await client.get(fastapi_app(session, job, middleware=middleware))
    assert 0 < len(client.body) < SIZE
    await assert_nothing_is_left(session, before)


@pytest.mark.parametrize("middleware", [False, True])
async def test_a_client_that_leaves_during_the_wait_ends_it(
    session: Session, simulator: Simulator, middleware: bool
) -> None:
    job = await begin(session, simulator, "never")
    before = ours()
    client = Client("2.3", leaves_after=-1)
    async with asyncio.timeout(10):
        with pytest.raises(ClientDisconnectedError, match="before the export was ready"):
            await client.get(fastapi_app(session, job, middleware=middleware))
    assert client.sent[0]["status"] == 500  # the framework's, to nobody
    await assert_nothing_is_left(session, before)


async def test_a_failed_export_is_raised_before_the_response_begins(session: Session, simulator: Simulator) -> None:
    client = Client()
    with pytest.raises(ExportFailedError):
        await client.get(fastapi_app(session, await begin(session, simulator, "fails")))
    assert client.sent[0]["status"] == 500


# ------------------------------------------------------------------ aiohttp


@asynccontextmanager
async def aiohttp_service(
    session: Session, job: ExportJob, outcomes: list[BaseException | None], ended: asyncio.Event | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    async def sheet(request: web.Request) -> web.StreamResponse:
        try:
            async with aclosing(await export_stream(session, job, filename="A-101")) as body:
                response = web.StreamResponse(headers=body.headers)
                await response.prepare(request)
                async for chunk in body:
                    await response.write(chunk)
        except BaseException as problem:
            outcomes.append(problem)
            if ended is not None:
                ended.set()
            raise
        outcomes.append(None)
        return response

    app = web.Application()
    app.router.add_get("/sheet", sheet)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession(server.make_url("/")) as client:
        yield client


async def test_aiohttp_passes_a_whole_export_on(session: Session, simulator: Simulator) -> None:
    outcomes: list[BaseException | None] = []
    async with aiohttp_service(session, await begin(session, simulator), outcomes) as client:
        async with client.get("/sheet") as response:
            body = await response.read()
        got = {name.lower(): value for name, value in response.headers.items()}
    assert {name: got[name] for name in PDF_HEADERS} == PDF_HEADERS
    assert (len(body), body[:5]) == (SIZE, b"%PDF-")
    assert outcomes == [None]


async def test_aiohttp_stops_when_the_client_leaves(session: Session, simulator: Simulator) -> None:
    outcomes: list[BaseException | None] = []
    ended = asyncio.Event()
    simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=6, after_bytes=SIZE // 3))
    async with aiohttp_service(session, await begin(session, simulator), outcomes, ended) as client:
        response = await client.get("/sheet")
        assert len(await response.content.readexactly(1000)) == 1000
        response.close()
        async with asyncio.timeout(10):
            await ended.wait()
    [problem] = outcomes
    assert isinstance(problem, ConnectionError | asyncio.CancelledError)
    assert not session._connections._links.connector._acquired  # type: ignore[union-attr]


async def test_aiohttp_breaks_the_response_off_when_the_file_changes(session: Session, simulator: Simulator) -> None:
    outcomes: list[BaseException | None] = []
    job = await begin(session, simulator)
    simulator.add_fault(Fault(endpoint="signed_get", kind="reset_body", nth=(1,), after_bytes=SIZE // 2))
    simulator.add_fault(Fault(endpoint="signed_get", kind="changed", nth=(2,)))
    async with aiohttp_service(session, job, outcomes) as client, client.get("/sheet") as response:
        assert response.content_length == SIZE
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert isinstance(outcomes[0], IncompleteDownloadError)


# ------------------------------------------------------------------ the stream itself


async def test_a_file_that_turns_out_broken_is_never_given_out_whole(session: Session, simulator: Simulator) -> None:
    pieces = [b"%PDF-1.7 " + bytes(5000), b"the end, without a mark"]

    async def storage(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()  # chunked, so that only the end mark shows whether all has come
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    job = await poll_export(session, await begin(session, simulator))
    async with served(storage) as url:
        stream = await export_stream(session, evolve(job, link=SignedUrl(f"{url}/x?X-Amz-Signature=1")))
        assert stream.size is None
        assert "Content-Length" not in stream.headers
        given: list[bytes] = []
        with pytest.raises(IncompleteDownloadError):
            await read_into(given, stream)
    assert b"".join(given) == pieces[0]


async def read_into(given: list[bytes], stream: ExportStream) -> None:
    async for chunk in stream:
        given.append(chunk)  # noqa: PERF401 - the list keeps what came before an error


@pytest.mark.parametrize(
    ("filename", "plain", "whole"),
    [
        (None, None, None),
        ("A-101", "A-101.pdf", "A-101.pdf"),
        ("A-101.PDF", "A-101.PDF", "A-101.PDF"),
        ("Grundriß 1/2", "Grundri_ 1_2.pdf", "Grundriß 1_2.pdf"),
        ('a"; filename="b.exe', "a_; filename=_b.exe.pdf", "a_; filename=_b.exe.pdf"),
        ("a\r\nSet-Cookie: x", "a Set-Cookie_ x.pdf", "a Set-Cookie_ x.pdf"),
    ],
)
async def test_the_file_name_is_safe_in_a_header(
    session: Session, simulator: Simulator, filename: str | None, plain: str | None, whole: str | None
) -> None:
    job = await begin(session, simulator)
    async with aclosing(await export_stream(session, job, filename=filename)) as body:
        value = body.headers["Content-Disposition"]
    kind, _, rest = value.partition('; filename="')
    ascii_name, _, encoded = rest.partition("\"; filename*=UTF-8''")
    assert (kind, value.isprintable(), value.isascii()) == ("attachment", True, True)
    expected = f"{job.ref.export_id}.pdf"
    assert (ascii_name, unquote(encoded)) == (plain or expected, whole or expected)


@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_closing_early_leaves_nothing(session: Session, simulator: Simulator, chunks: int) -> None:
    job = await begin(session, simulator)
    simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=6, after_bytes=SIZE // 3))
    before = ours()
    async with aclosing(await export_stream(session, job)) as body:
        for _ in range(chunks):
            await anext(aiter(body))
    await assert_nothing_is_left(session, before)


async def test_a_server_that_fails_ends_the_wait(session: Session, simulator: Simulator) -> None:
    async def receive() -> NoReturn:
        raise RuntimeError("the server's own")

    before = ours()
    with pytest.raises(RuntimeError, match="the server's own"):
        await export_stream(session, await begin(session, simulator, "never"), receive=receive)
    await assert_nothing_is_left(session, before)


async def test_cancelling_the_wait_leaves_nothing(session: Session, simulator: Simulator) -> None:
    async def stays() -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    before = ours()
    for receive in (None, stays):
        job = await begin(session, simulator, "never")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await export_stream(session, job, receive=receive)
        await assert_nothing_is_left(session, before)


def opening_task() -> "asyncio.Task[ExportStream]":
    [found] = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_opened"]
    return found


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("how", ["disconnect", "cancel", "cancel again and again"])
async def test_a_client_that_leaves_when_the_stream_is_ready_leaves_no_connection(
    session: Session, simulator: Simulator, how: str, turns: int
) -> None:
    """In the same turn of the event loop, or a few turns later. Nothing waits for the garbage collector."""
    left = asyncio.Event()
    began = asyncio.Event()

    async def receive() -> dict[str, str]:
        began.set()
        await left.wait()
        return {"type": "http.disconnect"}

    async def leave() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        if how == "disconnect":
            left.set()
        for _ in range(0 if how == "disconnect" else 1 if how == "cancel" else 4):
            waiting.cancel()
            await asyncio.sleep(0)

    job = await begin(session, simulator)
    before = ours()
    simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=6, after_bytes=SIZE // 3))
    waiting = asyncio.ensure_future(export_stream(session, job, receive=receive))
    await began.wait()
    leaving: list[asyncio.Task[None]] = []
    opening_task().add_done_callback(lambda _: leaving.append(asyncio.ensure_future(leave())))
    await asyncio.wait([waiting])
    if waiting.cancelled() or waiting.exception() is not None:
        assert not session._connections._links.connector._acquired  # type: ignore[union-attr]
    else:
        await waiting.result().aclose()
    await leaving[0]
    await assert_nothing_is_left(session, before)


@pytest.mark.parametrize("closers", [1, 2])
@pytest.mark.parametrize("reads", [False, True], ids=["between two reads", "during a read"])
async def test_a_stream_that_another_task_closes_does_not_end_as_a_whole_one(
    session: Session,
    simulator: Simulator,
    reads: bool,
    closers: int,
) -> None:
    """Such as a web app that shuts down: a response without a length would end like that of a whole file."""
    job = await begin(session, simulator)
    before = ours()
    simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=6, after_bytes=SIZE // 3))
    stream = await export_stream(session, job)
    received = len(await anext(aiter(stream)))

    began = asyncio.Event()

    async def read_on() -> None:
        nonlocal received
        asyncio.get_running_loop().call_soon(began.set)  # once it waits for data
        async for chunk in stream:
            received += len(chunk)

    if reads:
        reader = asyncio.ensure_future(read_on())
        await began.wait()
        with pytest.raises(InputError, match="each has one reader"):
            await anext(aiter(stream))
    async with asyncio.timeout(10):
        await asyncio.gather(*(stream.aclose() for _ in range(closers)))
    if not reads:
        reader = asyncio.ensure_future(read_on())
    with pytest.raises(ClientDisconnectedError, match="closed before its end"):
        await reader
    assert received < SIZE
    await assert_nothing_is_left(session, before)


async def test_a_stream_that_is_closed_at_its_end_was_whole(session: Session, simulator: Simulator) -> None:
    stream = await export_stream(session, await begin(session, simulator))
    assert sum([len(chunk) async for chunk in stream]) == SIZE
    await stream.aclose()
    assert [chunk async for chunk in stream] == []
