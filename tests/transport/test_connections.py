"""The two HTTP sessions: trusted certificates, what they share with the caller's session, and header limits."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import RawTestServer

from aps_async import InputError, Session, Settings, StaticToken, TransportError, download
from aps_async.cli import environment
from aps_async.errors import NotFoundError
from aps_async.links import SignedUrl
from aps_async.resources import projects
from aps_async.simulator import World
from aps_async.transport.quotas import Endpoint
from tests.certificates import company
from tests.cli.support import pdf_with, run
from tests.support import service, session_for

HERE = Endpoint("test", 100, token="any")
QUICK = Settings(max_attempts=1, max_download_attempts=1)
PDF = pdf_with("A-101")


class Seen(list[web.BaseRequest]):
    """A server of the API and of the storage, which keeps what it is sent."""

    headers: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.headers = {"Set-Cookie": "session=canary; Path=/"}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.append(request)
        if request.path == "/file":
            return web.Response(body=PDF, headers=self.headers)
        return web.json_response({"data": []}, headers=self.headers)

    def sent(self, name: str, path: str) -> list[str | None]:
        return [each.headers.get(name) for each in self if each.path == path]


@asynccontextmanager
async def server(seen: Seen, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async with RawTestServer(seen, host="127.0.0.1", scheme="https" if context else "http") as running:
        # by name, since a real cookie jar keeps nothing of addresses
        yield f"{'https' if context else 'http'}://localhost:{running.port}"


@asynccontextmanager
async def secure(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """The address of a server whose certificate only the company's CA vouches for, and that CA's file."""
    file, context = company(tmp_path)
    running = RawTestServer(Seen(), host="127.0.0.1", scheme="https")
    await running.start_server(ssl=context)
    try:
        yield f"https://localhost:{running.port}", file
    finally:
        await running.close()


async def use_both(session: Session, base: str, folder: Path) -> None:
    """One call to the API and one signed link."""
    await session.request(HERE, "GET", "/list", into=dict[str, Any])
    done = await download(session, SignedUrl(f"{base}/file?X-Amz-Signature=1"), folder / "a.pdf")
    assert done.path.read_bytes() == PDF


def _context(file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # on by default since Python 3.13
    return context


TRUST: dict[str, Callable[[Path], Any]] = {
    "a file": lambda file: file,
    "a file by name": str,
    "a context": _context,
}


@pytest.mark.parametrize("kind", TRUST)
async def test_a_company_s_ca_is_trusted_by_both(tmp_path: Path, kind: str) -> None:
    async with (
        secure(tmp_path) as (base, file),
        Session(StaticToken("t"), base_url=base, settings=QUICK, ssl=TRUST[kind](file)) as session,
    ):
        await use_both(session, base, tmp_path)


async def test_a_ca_goes_before_what_a_session_of_ones_own_trusts(tmp_path: Path) -> None:
    async with (
        secure(tmp_path) as (base, file),
        aiohttp.ClientSession() as mine,
        Session(StaticToken("t"), base_url=base, settings=QUICK, http=mine, ssl=file) as session,
    ):
        await use_both(session, base, tmp_path)


async def test_the_variable_does_the_same(tmp_path: Path) -> None:
    async with secure(tmp_path) as (base, file):
        environ = {"APS_ACCESS_TOKEN": "t", "APS_BASE_URL": base, "APS_CA_FILE": str(file)}
        async with environment.open_session(None, environ) as session:
            await use_both(session, base, tmp_path)
        async with Session(StaticToken("t"), base_url=base, settings=QUICK) as session:
            with pytest.raises(TransportError, match="certificate"):
                await session.request(HERE, "GET", "/list", into=dict[str, Any])


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "no PEM certificate"), (b"nonsense", "no PEM certificate"), (b"\x30\x82", "no PEM")],
)
def test_a_ca_file_that_is_none(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        Session(StaticToken("t"), ssl=file)
    ran = run(
        "projects", env={"APS_ACCESS_TOKEN": "t", "APS_BASE_URL": "https://localhost:9", "APS_CA_FILE": str(file)}
    )
    assert ran.code == 4
    assert words in ran.err


@pytest.mark.parametrize("trust", [False, True, 0, b"ca.pem"])
def test_checks_cannot_be_turned_off(trust: Any) -> None:
    with pytest.raises(InputError, match="cannot be turned off"):
        Session(StaticToken("t"), ssl=trust)


class Anywhere(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        return


async def test_links_use_the_connector_of_a_session_of_ones_own_and_nothing_else_of_it(tmp_path: Path) -> None:
    seen = Seen()
    async with server(seen) as base:
        base = base.replace("localhost", "storage.example")
        mine = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Anywhere()),
            headers={"X-Mine": "canary", "Authorization": "canary"},
            cookies={"mine": "canary"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )
        async with mine, session_on(base, http=mine) as session:
            for _ in range(2):
                done = await download(session, SignedUrl(f"{base}/file?X-Amz-Signature=1"), tmp_path / "a.pdf")
                assert done.path.read_bytes() == PDF
            await session.close()
            assert not mine.closed
            async with mine.get(f"{base}/mine") as answer:  # its connector is still open too
                assert answer.status == 200
    for name in ("X-Mine", "Cookie", "Authorization"):
        assert seen.sent(name, "/file") == [None, None]
        assert seen.sent(name, "/mine") != [None]


@asynccontextmanager
async def session_on(base: str, **options: Any) -> AsyncIterator[Session]:
    """A session whose base address is not checked: names of this test are not loopback to anybody else."""
    async with Session(StaticToken("t"), base_url="http://127.0.0.1:9", settings=QUICK, **options) as session:
        yield session


async def test_no_cookie_is_kept_of_a_link_or_a_call(tmp_path: Path) -> None:
    seen = Seen()
    async with server(seen) as base, Session(StaticToken("t"), base_url=base, settings=QUICK) as session:
        for _ in range(2):
            await use_both(session, base, tmp_path)
    assert seen.sent("Cookie", "/file") == [None, None]
    assert seen.sent("Cookie", "/list") == [None, None]


@pytest.mark.parametrize("own", [False, True])
async def test_long_headers_are_taken(tmp_path: Path, own: bool) -> None:
    seen = Seen()
    seen.headers = {"Content-Security-Policy": "x" * (32 << 10), "Set-Cookie": "y" * (32 << 10)}
    async with (
        server(seen) as base,
        aiohttp.ClientSession() as mine,
        Session(StaticToken("t"), base_url=base, settings=QUICK, http=mine if own else None) as session,
    ):
        await use_both(session, base, tmp_path)
        async with session.open_with_token(HERE, "/list") as answer:
            assert answer.status == 200


async def test_a_closed_connector_is_reported(tmp_path: Path) -> None:
    async with server(Seen()) as base:
        mine = aiohttp.ClientSession()
        async with Session(StaticToken("t"), base_url=base, settings=QUICK, http=mine) as session:
            await mine.close()
            with pytest.raises(InputError, match="was closed"):
                await download(session, SignedUrl(f"{base}/file?X-Amz-Signature=1"), tmp_path / "a.pdf")


@pytest.mark.parametrize(
    "options", [{}, {"raise_for_status": True}, {"auto_decompress": False}, {"read_bufsize": 1}], ids=str
)
async def test_no_option_of_the_callers_own_http_session_changes_an_error(options: dict[str, Any]) -> None:
    async with (
        service(World.demo(1)) as simulator,
        aiohttp.ClientSession(**options) as http,
        session_for(simulator, http=http) as session,
    ):
        await projects.list_hubs(session)
        simulator.tokens.revoke_all()  # a token that is refused is renewed
        assert (await projects.list_hubs(session)).hubs
        with pytest.raises(NotFoundError, match=r"404.*The hub does not exist"):
            await anext(projects.list_projects(session, "b.none"))


@pytest.mark.parametrize("kind", ["auth", "netrc"])
async def test_an_authorization_of_the_callers_own_http_session_is_an_input_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login someone password secret-of-another-service\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with service(World.demo(1)) as simulator, aiohttp.ClientSession(trust_env=kind == "netrc") as http:
        if kind == "auth":
            http._default_auth = object()  # type: ignore[assignment]  # the argument is deprecated, and still there
        session = Session(StaticToken("t"), base_url=simulator.url, http=http)
        async with session:
            with pytest.raises(InputError, match="an Authorization of its own"):
                await projects.list_hubs(session)


def test_something_else_as_http_session_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"aiohttp\.ClientSession, not object"):
        Session(StaticToken("t"), http=cast("aiohttp.ClientSession", object()))
