"""The callback server accepts only the expected redirect, and no secret reaches any log."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import attrs
import pytest

from aps_async import APSError, AuthError, InputError, Session, Settings
from aps_async.auth import (
    AppCredentials,
    AuthorizationRequest,
    Login,
    MemoryStore,
    ThreeLegged,
    authorize,
    authorize_elsewhere,
)
from aps_async.auth.callback import Callback, Listener, Page, listening
from aps_async.errors import CallTimeoutError
from aps_async.resources.projects import list_hubs
from aps_async.simulator import Behaviour, Fault, Simulator
from tests.auth.support import PUBLIC, agree, world_with
from tests.support import free_port

APP = AppCredentials(PUBLIC)


@attrs.define
class Door:
    """A listener and what it waits for."""

    listener: Listener
    request: AuthorizationRequest
    netloc: str

    @property
    def right(self) -> str:
        return f"/callback?code=c0de&state={self.request.state}"

    async def ask(self, *lines: str, address: str = "127.0.0.1") -> bytes:
        """What comes back for a request that begins with these lines."""
        reader, writer = await asyncio.open_connection(address, self.listener.callback.port)
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def door(host: str = "127.0.0.1") -> AsyncIterator[Door]:
    uri = f"http://{host}:{free_port()}/callback"
    request = AuthorizationRequest.new(APP, redirect_uri=uri, scopes=["data:read"])
    async with listening(Callback.of(uri), request.is_answered_by) as listener:
        yield Door(listener, request, urlsplit(uri).netloc)


WRONG: dict[str, tuple[int, list[str]]] = {
    "another path": (404, ["GET /other?{query} HTTP/1.1", "Host: {host}"]),
    "the root": (404, ["GET / HTTP/1.1", "Host: {host}"]),
    "a path below": (404, ["GET /callback/?{query} HTTP/1.1", "Host: {host}"]),
    "an encoded path": (404, ["GET /%63allback?{query} HTTP/1.1", "Host: {host}"]),
    "a whole address": (404, ["GET http://evil.example/callback?{query} HTTP/1.1", "Host: {host}"]),
    "a form": (404, ["POST /callback?{query} HTTP/1.1", "Host: {host}", "Content-Length: 0"]),
    "a head": (404, ["HEAD /callback?{query} HTTP/1.1", "Host: {host}"]),
    "an option": (404, ["OPTIONS /callback?{query} HTTP/1.1", "Host: {host}"]),
    "another host": (400, ["GET /callback?{query} HTTP/1.1", "Host: evil.example"]),
    "another name": (400, ["GET /callback?{query} HTTP/1.1", "Host: localhost:{port}"]),
    "another port": (400, ["GET /callback?{query} HTTP/1.1", "Host: 127.0.0.1"]),
    "no host": (400, ["GET /callback?{query} HTTP/1.0"]),
    "a body": (400, ["GET /callback?{query} HTTP/1.1", "Host: {host}", "Content-Length: 1", "", "x"]),
    "an origin": (400, ["GET /callback?{query} HTTP/1.1", "Host: {host}", "Origin: https://evil.example"]),
    "a script": (400, ["GET /callback?{query} HTTP/1.1", "Host: {host}", "Sec-Fetch-Mode: cors"]),
    "an image": (400, ["GET /callback?{query} HTTP/1.1", "Host: {host}", "Sec-Fetch-Dest: image"]),
    "a frame": (400, ["GET /callback?{query} HTTP/1.1", "Host: {host}", "Sec-Fetch-Dest: iframe"]),
    "no state": (400, ["GET /callback?code=c0de HTTP/1.1", "Host: {host}"]),
    "a wrong state": (400, ["GET /callback?code=c0de&state=x HTTP/1.1", "Host: {host}"]),
    "two states": (400, ["GET /callback?{query}&state=x HTTP/1.1", "Host: {host}"]),
    "two codes": (400, ["GET /callback?{query}&code=x HTTP/1.1", "Host: {host}"]),
    "code and error": (400, ["GET /callback?{query}&error=x HTTP/1.1", "Host: {host}"]),
    "neither": (400, ["GET /callback?state={state} HTTP/1.1", "Host: {host}"]),
}


@pytest.mark.parametrize("name", WRONG)
async def test_whatever_is_not_the_right_request_hears_nothing(name: str) -> None:
    status, lines = WRONG[name]
    async with door() as here:
        words = {
            "query": here.right.partition("?")[2],
            "host": here.netloc,
            "port": here.netloc.partition(":")[2],
            "state": here.request.state,
        }
        answer = await here.ask(*(line.format(**words) for line in lines))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert body == b""
        assert b"Python" not in head
        assert here.listener.refused == 1
        # And it spoils nothing: the right one is still taken.
        right = asyncio.create_task(here.ask(f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}"))
        assert await here.listener.redirected() == f"http://{here.netloc}{here.right}"
        await here.listener.show(Page("Done", "<b>&"))
        shown = (await right).decode()
        assert "200 OK" in shown
        assert "&lt;b&gt;&amp;" in shown


async def test_noise_is_refused() -> None:
    async with door() as here:
        assert b" 400 " in (await here.ask("\x16\x03\x01 nonsense")).splitlines()[0]


async def test_a_replayed_callback_is_refused() -> None:
    async with door() as here:
        first = asyncio.create_task(here.ask(f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}"))
        await here.listener.redirected()
        again = await here.ask(f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}")
        assert again.split()[1] == b"404"
        await here.listener.show(Page("Done", "Done."))
        assert b"200 OK" in await first
    with pytest.raises(ConnectionRefusedError):
        await here.ask(f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}")


async def test_it_listens_on_the_loopback_address_alone() -> None:
    async with door() as here:
        port = here.listener.callback.port
        for address in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
            if address != "127.0.0.1":
                with pytest.raises(OSError, match="Connect call failed"):
                    await asyncio.open_connection(address, port)


@pytest.mark.parametrize("size", [8 << 10, 9 << 10, 32 << 10])
async def test_cookies_of_other_programs_on_this_machine_do_no_harm(size: int) -> None:
    async with door("localhost") as here:
        cookies = ["Cookie: session=" + "x" * size, "X-Other: " + "y" * size]
        right = asyncio.create_task(here.ask(f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}", *cookies))
        await here.listener.redirected()
        await here.listener.show(Page("Done", "Done."))
        assert b"200 OK" in await right


async def test_what_cannot_be_read_is_refused_and_not_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with door() as here:
        for line in ("Cookie: canary=" + "canary" * 20_000, "Canary\x00: canary", "canary"):
            assert b" 400 " in (await here.ask("GET / HTTP/1.1", line)).splitlines()[0]
    assert "canary" not in caplog.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_localhost_is_both_addresses(address: str) -> None:
    async with door("localhost") as here:
        lines = (f"GET {here.right} HTTP/1.1", f"Host: {here.netloc}")
        right = asyncio.create_task(here.ask(*lines, address=address))
        await here.listener.redirected()
        await here.listener.show(Page("Done", "Done."))
        assert b"200 OK" in await right


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", r"127\.0\.0\.1"), ("::1", r"\[::1\]")])
async def test_a_port_that_is_taken_on_either_address_is_named(address: str, shown: str) -> None:
    port = free_port()
    async with await asyncio.start_server(lambda _, writer: writer.close(), address, port):
        with pytest.raises(InputError, match=rf"cannot listen on {shown}:{port} .*--callback"):
            async with listening(Callback.of(f"http://localhost:{port}/callback"), bool):
                pass
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        pass  # nothing of ours is left on the port


@pytest.mark.parametrize(
    "problem", [OSError(errno.EADDRNOTAVAIL, "x"), OSError("no address"), socket.gaierror(-9, "x")]
)
async def test_a_machine_without_ipv6_listens_on_the_other_address(
    monkeypatch: pytest.MonkeyPatch, problem: OSError
) -> None:
    loop = asyncio.get_running_loop()
    real = loop.create_server

    async def create(factory: Any, host: str, port: int) -> asyncio.Server:
        if host == "::1":
            raise problem
        return await real(factory, host, port)

    monkeypatch.setattr(loop, "create_server", create)
    async with door("localhost") as here:
        assert b" 404 " in (await here.ask("GET / HTTP/1.1", f"Host: {here.netloc}")).splitlines()[0]


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1:8765/callback",
        "http://example.com:8765/callback",
        "http://0.0.0.0:8765/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:8765/callback?x=1",
        "http://127.0.0.1:99999/callback",
        "nonsense",
    ],
)
def test_a_callback_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="--no-browser"):
        Callback.of(uri)


@asynccontextmanager
async def scene(callback: str, **options: Any) -> AsyncIterator[tuple[Simulator, Session, ThreeLegged]]:
    async with Simulator(world_with(callback), **options) as simulator:
        tokens = ThreeLegged(PUBLIC, store=MemoryStore())
        async with Session(
            tokens, base_url=simulator.url, settings=Settings(max_attempts=2, backoff_base=0.01)
        ) as session:
            yield simulator, session, tokens


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_library_signs_in_by_itself(host: str) -> None:
    callback = f"http://{host}:{free_port()}/callback"
    async with scene(callback) as (_, session, tokens), aiohttp.ClientSession() as http:
        shown: list[asyncio.Task[str]] = []

        async def browse(url: str) -> str:
            async with http.get(await agree(url)) as answer:
                return await answer.text()

        async def show(url: str) -> None:
            shown.append(asyncio.create_task(browse(url)))

        login = await authorize(session, tokens, scopes=["data:read"], callback=callback, show=show, timeout=20)
        assert login.user_id == "BW9RM76WZBGL"
        assert "You are signed in" in await shown[0]
        assert (await list_hubs(session)).hubs


class Locked(MemoryStore):
    """A store that cannot be written in time, as in a keyring that is locked."""

    def __init__(self, problem: Exception) -> None:
        super().__init__()
        self.problem = problem

    async def save(self, login: Login) -> None:  # noqa: ARG002 - the protocol's
        raise self.problem


@pytest.mark.parametrize("problem", [TimeoutError("locked"), CallTimeoutError("slow", sent=True), OSError("gone")])
@pytest.mark.parametrize("elsewhere", [True, False])
async def test_an_error_of_the_store_is_not_taken_for_a_user_who_did_not_sign_in(
    problem: Exception, elsewhere: bool
) -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (_, session, _), aiohttp.ClientSession() as http:
        locked = ThreeLegged(PUBLIC, store=Locked(problem))
        pages: list[asyncio.Task[str]] = []

        async def browse(url: str) -> str:
            async with http.get(await agree(url)) as answer:
                return await answer.text()

        async def show(url: str) -> None:
            pages.append(asyncio.create_task(browse(url)))

        if elsewhere:
            signing_in = authorize_elsewhere(session, locked, callback=callback, timeout=20, ask=agree)
        else:
            signing_in = authorize(session, locked, callback=callback, timeout=20, show=show)
        with pytest.raises(type(problem)) as raised:
            await signing_in
        assert raised.value is problem
        for page in pages:
            assert "Not signed in" in await page


async def failing(_: str) -> Any:
    raise TimeoutError("no display")


async def waiting(_: str) -> Any:
    return await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("timeout", [None, 20, float("inf")])
async def test_a_timeout_of_what_shows_the_page_is_raised_as_it_is(timeout: float | None) -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (_, session, tokens):
        with pytest.raises(TimeoutError, match="no display"):
            await authorize(session, tokens, callback=callback, timeout=timeout, show=failing)
        with pytest.raises(TimeoutError, match="no display"):
            await authorize_elsewhere(session, tokens, callback=callback, timeout=timeout, ask=failing)


async def test_the_time_limit_itself_is_reported() -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (_, session, tokens):
        for timeout in (0, 0.01):
            with pytest.raises(AuthError, match="no sign-in within 0 s; try again"):
                await authorize(session, tokens, callback=callback, timeout=timeout, show=waiting)
            with pytest.raises(AuthError, match="no sign-in within 0 s; try again"):
                await authorize_elsewhere(session, tokens, callback=callback, timeout=timeout, ask=waiting)


@pytest.mark.parametrize("timeout", [-1, float("nan"), 1e300, "20", True, object()])
async def test_a_time_limit_that_is_none_is_refused_before_anything_is_shown(timeout: Any) -> None:
    asked: list[str] = []

    async def show(url: str) -> Any:
        asked.append(url)
        return url

    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (_, session, tokens):
        with pytest.raises(InputError, match="timeout must be a number of seconds"):
            await authorize(session, tokens, callback=callback, timeout=timeout, show=show)
        with pytest.raises(InputError, match="timeout must be a number of seconds"):
            await authorize_elsewhere(session, tokens, callback=callback, timeout=timeout, ask=show)
    assert asked == []


async def test_an_address_of_another_host_or_attempt_is_refused() -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (simulator, session, tokens):
        for spoil in (
            lambda right: right.replace("127.0.0.1", "evil.example"),
            lambda right: right.replace("http:", "https:"),
            lambda right: right.replace("/callback", "/other"),
            lambda right: right.replace("state=", "state=x"),
            lambda right: right + "&state=x",
            lambda _: callback,
            lambda _: "http://[",
        ):

            async def ask(url: str, spoil: Any = spoil) -> str:
                return str(spoil(await agree(url)))

            with pytest.raises(AuthError, match="does not belong to the sign-in that was started here"):
                await authorize_elsewhere(session, tokens, callback=callback, ask=ask)
        assert simulator.counts()["token_requests"] == 0
        assert await tokens.store.load() is None


async def test_the_id_token_must_answer_this_request(monkeypatch: pytest.MonkeyPatch) -> None:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with scene(callback) as (_, session, tokens):
        scopes = ["openid", "data:read"]
        await authorize_elsewhere(session, tokens, callback=callback, scopes=scopes, ask=agree)
        request = AuthorizationRequest.new(APP, redirect_uri=callback, scopes=scopes)
        redirected = await agree(request.url(session.base_url))
        with pytest.raises(AuthError, match="id token does not belong"):
            await attrs.evolve(request, nonce="another").finish(session, APP, redirected)


async def test_no_secret_reaches_a_log_at_any_level_or_an_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code, verifier, state and tokens, through a login, renewals, failures and a logout; asyncio's own log too."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    secrets: set[str] = set()
    new = AuthorizationRequest.new

    def noted(*args: Any, **options: Any) -> AuthorizationRequest:
        request = new(*args, **options)
        secrets.update((request.verifier, request.state))
        return request

    monkeypatch.setattr(AuthorizationRequest, "new", noted)
    callback = f"http://127.0.0.1:{free_port()}/callback"
    problems: list[APSError] = []
    async with (
        scene(callback, behaviour=Behaviour(token_life=1)) as (simulator, session, tokens),
        aiohttp.ClientSession() as http,
    ):

        async def browse(url: str) -> None:
            redirected = await agree(url)
            secrets.add(parse_qs(urlsplit(redirected).query)["code"][0])
            async with http.get(redirected.replace("state=", "state=wrong")), http.get(redirected) as answer:
                await answer.read()

        visits: list[asyncio.Task[None]] = []

        async def show(url: str) -> None:
            visits.append(asyncio.create_task(browse(url)))

        await authorize(session, tokens, callback=callback, show=show, timeout=20)
        for kind in ("reset", "html", "broken_json", "status"):
            simulator.add_fault(Fault(endpoint="token", kind=kind, times=1))
            for _ in range(3):
                try:
                    await tokens.token(session, await tokens.token(session))
                except APSError as problem:
                    problems.append(problem)
            try:
                await authorize(session, tokens, callback=callback, show=show, timeout=20)
            except APSError as problem:
                problems.append(problem)
        await tokens.log_out(session)
        await asyncio.gather(*visits)
        secrets.update((*simulator.logins.refreshes, *simulator.tokens._tokens))
    assert len(secrets) > 15
    assert caplog.records
    assert problems
    shown = "\n".join(
        [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
        + [f"{problem!r} {problem.__cause__!r} {problem.__context__!r}" for problem in problems]
    )
    assert not [secret for secret in secrets if secret in shown]
