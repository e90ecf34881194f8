"""No local variable in our frames shows a token, a secret or a form, after an error or during a call."""

import asyncio
import gc
import inspect
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwk

import aps_async
from aps_async import APSError, Session, Settings, SignedUrl, TwoLegged, download
from aps_async.auth import (
    AccessToken,
    AppCredentials,
    AuthorizationRequest,
    FileStore,
    Login,
    ServiceAccount,
    ThreeLegged,
    revoke,
)
from aps_async.errors import forget_frames
from aps_async.exports.uploads import download_link
from aps_async.models import ExportJob, ExportKind, ExportRef, ExportRequest, ExportStatus
from aps_async.transport.quotas import Endpoint, Quotas
from tests.support import served

PACKAGE = str(Path(aps_async.__file__).parent)
SECRET, TOKEN, CODE = "canary-secret", "canary-token", "canary-code"
BASIC = "Y2FuYXJ5LWFwcDpjYW5hcnktc2VjcmV0"
pytestmark = pytest.mark.looptime

ANY = Endpoint("any", 1_000_000)
NUMBERS = Settings(max_attempts=1, max_download_attempts=1, request_timeout=30)


class Fixed:
    two_legged = True

    async def token(self, client: Any, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
        return AccessToken(TOKEN)


def assert_hidden(frames: list[types.FrameType]) -> None:
    for frame in frames:
        for name, value in frame.f_locals.items():
            shown = repr(value)
            for secret in (SECRET, TOKEN, CODE, BASIC, "eyJ"):
                assert secret not in shown, f"{frame.f_code.co_filename}, {frame.f_code.co_name}: {name}"


def frames_of(problem: BaseException) -> list[types.FrameType]:
    """All that a tool which shows local variables would show of an error, of the HTTP client too."""
    found, seen = list[types.FrameType](), set[int]()
    left: list[BaseException | None] = [problem]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        trace = each.__traceback__
        while trace is not None:
            found.append(trace.tb_frame)
            trace = trace.tb_next
        left += [each.__cause__, each.__context__]
    return [each for each in found if __file__ not in each.f_code.co_filename]


def frames_alive() -> list[types.FrameType]:
    """Every suspended frame of this package, in whichever task it is awaited."""
    frames = [each.cr_frame for each in gc.get_objects() if inspect.iscoroutine(each)]
    return [each for each in frames if each is not None and each.f_code.co_filename.startswith(PACKAGE)]


@asynccontextmanager
async def serving(
    tokens: Any, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
) -> AsyncIterator[Any]:
    """A session on a server; the event is set when the server has a call."""
    came = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        came.set()
        return await answer(request)

    async with served(handler) as url, Session(tokens, base_url=url, settings=NUMBERS, quotas=Quotas()) as session:
        if isinstance(tokens, ThreeLegged):
            await tokens.store.save(login(url))
        yield session, came


def login(url: str) -> Login:
    return Login(
        client_id="canary-app", service=url, scopes=("data:read",), refresh_token=CODE, access_token=TOKEN,
        issued_at=0, expires_at=1, signed_in_at=0,
    )  # fmt: skip


async def hangs(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def refuses(_: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"developerMessage": "no"}, status=403)


async def breaks(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cuts(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b"%PDF-1.7")
    assert request.transport is not None
    request.transport.abort()
    return response


async def breaks_the_chunks(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n%PDF-1.7\r\nzz\r\n")
    request.transport.close()
    return web.Response()


async def redirects(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"ftp://h{request.raw_path}"})


async def encodes(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"x", headers={"Content-Encoding": "br"})


async def garbles(request: web.BaseRequest) -> web.StreamResponse:
    body = {"access_token": [TOKEN], "refresh_token": CODE, "expires_in": 3599, "token_type": "Bearer"}
    if request.path.endswith("token"):
        return web.json_response(body)
    return web.Response(text="garbage", content_type="application/json")


async def talks_nonsense(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"nonsense\r\n\r\n")
    request.transport.close()
    return web.Response()


def app_tokens(_: Path) -> Any:
    return TwoLegged("canary-app", SECRET)


def account_tokens(_: Path) -> Any:
    return ServiceAccount("canary-app", SECRET, account_id="a", key_id="k", private_key=KEY)


def user_tokens(folder: Path) -> Any:
    return ThreeLegged("canary-app", client_secret=SECRET, store=FileStore(folder / "login.json"))


async def a_call(session: Session, _: Path) -> object:
    return await session.request(ANY, "POST", "/x", into=dict[str, str], json={"a": 1})


async def a_deprecated_link(session: Session, folder: Path) -> object:
    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id="e")
    job = ExportJob(ref=ref, status=ExportStatus.SUCCEEDED, raw_status="completed", deprecated_link="/x")
    return await download_link(session, job, folder / "x.pdf")


def a_link(session: Session) -> SignedUrl:
    return SignedUrl(f"{session.base_url}/x?X-Amz-Signature={CODE}", cookie=f"CloudFront-Policy={CODE}")


async def a_download(session: Session, folder: Path) -> object:
    return await download(session, a_link(session), folder / "x.pdf")


async def a_sign_in(session: Session, _: Path) -> object:
    app = AppCredentials("canary-app", SECRET)
    begun = AuthorizationRequest.new(app, redirect_uri="http://127.0.0.1:1/", scopes=["data:read"])
    return await begun.finish(session, app, f"http://127.0.0.1:1/?code={CODE}&state={begun.state}")


async def a_revocation(session: Session, _: Path) -> object:
    await revoke(session, AppCredentials("canary-app", SECRET), CODE)
    return None


KEY = jwk.RSAKey.generate_key(2048).as_pem(private=True).decode()
CASES: dict[str, tuple[Callable[[Path], Any], Callable[[Session, Path], Awaitable[object]]]] = {
    "a call": (lambda _: Fixed(), a_call),
    "a deprecated link": (lambda _: Fixed(), a_deprecated_link),
    "a download": (lambda _: Fixed(), a_download),
    "a token of the app": (app_tokens, a_call),
    "a token of a service account": (account_tokens, a_call),
    "a renewal": (user_tokens, a_call),
    "a sign-in": (app_tokens, a_sign_in),
    "a revocation": (app_tokens, a_revocation),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_hanging_call_shows_nothing_nor_does_its_end(case: str, tmp_path: Path) -> None:
    make, call = CASES[case]
    async with serving(make(tmp_path), hangs) as (session, came):
        task = asyncio.ensure_future(call(session, tmp_path))
        await came.wait()
        frames = frames_alive()
        assert {"begin", "send", "_get"} & {each.f_code.co_name for each in frames}
        assert_hidden(frames)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert_hidden(frames_of(caught.value))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "answer", [refuses, breaks, garbles, talks_nonsense, hangs, cuts, breaks_the_chunks, redirects, encodes]
)
async def test_an_error_shows_nothing(case: str, answer: Any, tmp_path: Path) -> None:
    make, call = CASES[case]
    async with serving(make(tmp_path), answer) as (session, _):
        with pytest.raises((APSError, TimeoutError)) as caught:
            async with asyncio.timeout(0.2 if answer is hangs else None):
                await call(session, tmp_path)
        assert caught.value.__traceback__ is not None
        assert_hidden(frames_of(caught.value))


def test_forgetting_frames_follows_causes_and_contexts_in_a_circle_too() -> None:
    def fails(text: str) -> None:
        try:
            Path(text).read_text("utf-8")
        except OSError as problem:
            raise ValueError(text) from problem

    with pytest.raises(ValueError, match="hidden") as caught:
        fails("hidden")
    problem = caught.value
    assert problem.__cause__ is not None
    problem.__cause__.__context__ = problem
    forget_frames(problem)
    assert problem.__traceback__ is problem.__cause__.__traceback__ is None


@pytest.mark.parametrize("answer", [breaks, talks_nonsense, hangs])
async def test_an_error_of_the_http_client_shows_nothing_of_a_link(answer: Any, tmp_path: Path) -> None:
    async with serving(Fixed(), answer) as (session, _):
        with pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
            async with asyncio.timeout(0.2), session.open_link(a_link(session)):
                pass
    for shown in (repr(caught.value), repr(vars(caught.value)), str(caught.value)):
        assert CODE not in shown
    assert_hidden(frames_of(caught.value))
