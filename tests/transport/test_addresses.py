"""Which addresses may get the token, the secret or a signed link, and which get nothing at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from aps_async import (
    APSError,
    DecodeError,
    DownloadError,
    ExportError,
    ExportJob,
    ExportRef,
    ExportRequest,
    ExportStatus,
    InputError,
    Session,
    Settings,
    SignedUrl,
    StaticToken,
)
from aps_async.exports.uploads import download_link
from aps_async.models import ExportKind
from aps_async.resources.jsonapi import pages
from aps_async.transport.addresses import api_url, encoded, is_local, path_of
from aps_async.transport.quotas import Endpoint, Quotas
from aps_async.transport.request import PRODUCTION, checked_base, checked_link_target
from tests.support import served

ANY = Endpoint("any", 1_000_000)
ONCE = Settings(max_attempts=1, max_download_attempts=1, link_renewals=1, backoff_base=0.001, backoff_max=0.001)


class Recorder(AbstractResolver):
    """Leads every name to one port of this machine, and notes what is resolved and connected to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.names = set[str]()
        self.connected = set[Any]()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.names.add(f"{host}:{port}")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=family, proto=0, flags=0)]

    def socket(self, info: Any) -> socket.socket:
        self.connected.add(info[4])
        return socket.socket(*info[:3])

    async def close(self) -> None:
        pass


@asynccontextmanager
async def recorded(handler: Any) -> AsyncIterator[tuple[Session, Recorder]]:
    """A session whose base address is a name without a port: whatever is appended to it without a slash leads away."""
    async with served(handler) as url:
        recorder = Recorder(URL(url).port or 0)
        connector = aiohttp.TCPConnector(
            resolver=recorder, socket_factory=recorder.socket, use_dns_cache=False, force_close=True
        )
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            Session(
                StaticToken("x"), base_url="http://localhost", settings=ONCE, http=http, quotas=Quotas()
            ) as session,
        ):
            yield session, recorder


LEADING_AWAY = [
    ".evil.example/x", "x:.evil.example/y", "@evil.example/x", ":80@evil.example/x", ":99999/x", "-evil.example",
    "https:.evil.example", "https:@evil.example/x", "http:\\\\evil.example/x", "//evil.example", "///evil.example/x",
    "/\\evil.example/x", "\\\\evil.example\\x", "/\t/evil.example/x", "\t//evil.example/x", "\n.evil.example/x",
    "https://evil.example", "https://evil.example/x", "https://evil.example?x", "https://user:pw@evil.example/x",
    "HTTPS://EVIL.example/x", "ftp://evil.example/x", "javascript:alert(1)", "data:,x", "x", "?page=2", "#x", "[::1]/x",
    "%2e.evil.example/x", "/../../x", "/x#@evil.example", "https://[::1/x", "\ud83d", "/\ud83d", " /x", "/x y\u00e4",
    "\u3002evil.example/x", "0/x", "\x00.evil.example", "/x\r\nHost: evil.example", "https://h:99999/x",
]  # fmt: skip

hostile = st.one_of(
    st.sampled_from(LEADING_AWAY),
    st.text(max_size=40),
    st.text(alphabet="/\\:@?#.[]%\t\n ax0\u3002\uff0f\ud800", max_size=16),
    st.builds(str.__add__, st.sampled_from(["http:", "https:", "//", "/", "x:", ".", "@", ":"]), st.text(max_size=30)),
)


@pytest.mark.parametrize(
    "base",
    [PRODUCTION, "https://api.example:8443", "http://127.0.0.1:8080", "http://[::1]:8080", "https://h.example/p/q"],
)
@settings(deadline=None, max_examples=400)
@given(text=hostile)
def test_any_text_leads_to_our_origin_or_nowhere(base: str, text: str) -> None:
    paths: list[Callable[[], str]] = [lambda: text, lambda: path_of(text)]
    for path in paths:
        try:
            url = api_url(base, path())
        except ValueError:
            continue
        assert url.origin() == URL(base, encoded=True).origin()
        assert url.raw_user is url.raw_password is None
        assert str(url).startswith(f"{base}/")
        assert str(url).isascii()
        assert str(url).isprintable()


@pytest.mark.parametrize("text", LEADING_AWAY)
@pytest.mark.parametrize("field", ["next", "bare next", "link", "path"])
async def test_no_text_of_the_service_takes_the_token_elsewhere(tmp_path: Path, field: str, text: str) -> None:
    await try_text(tmp_path, field, text)


def test_generated_texts_of_the_service_take_the_token_nowhere_else(tmp_path: Path) -> None:
    @settings(deadline=None, max_examples=60)
    @given(text=hostile, field=st.sampled_from(["next", "bare next", "link", "path"]))
    @example(text=".evil.example/x", field="next")
    def try_one(text: str, field: str) -> None:
        asyncio.run(try_text(tmp_path, field, text))

    try_one()


async def try_text(folder: Path, field: str, text: str) -> None:
    """Has a session follow a text, and looks at what the HTTP client resolved and connected to."""
    asked = list[str]()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.host)
        link = text if field == "bare next" else {"href": text}
        return web.json_response({"data": [], "links": {"next": link} if len(asked) == 1 else {}})

    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id="e")
    job = ExportJob(ref=ref, status=ExportStatus.SUCCEEDED, raw_status="completed", deprecated_link=text)
    async with recorded(answer) as (session, recorder):
        with suppress(APSError):
            if field == "link":
                await download_link(session, job, folder / "x.pdf")
            elif field == "path":
                await session.request(ANY, "GET", text, into=type(None))
            else:
                assert [each async for each in pages(session, ANY, "/x")]
        assert recorder.names <= {"localhost:80"}
        assert recorder.connected <= {("127.0.0.1", recorder.port)}
        assert set(asked) <= {"localhost"}


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/a?b=c", "/a?b=c"),
        ("https://other.example/a?b=c", "/a?b=c"),
        ("//other.example/a", "/a"),
        ("/a b?q=A 101", "/a%20b?q=A%20101"),
        ("/Pl\u00e4ne?q=Z\u00fcrich", "/Pl%C3%A4ne?q=Z%C3%BCrich"),
        ("/\U0001f600\x7f\x01x", "/%F0%9F%98%80%7F%01x"),
        ("/a?q=x\r\n", "/a?q=x"),
        (" /a\n", "/a"),
        ("/a%2Fb+c%2B?q=%2f%2F%255B[]\"<>|'^`{}\\", "/a%2Fb+c%2B?q=%2f%2F%255B[]\"<>|'^`{}\\"),
        ("/100%", "/100%"),
    ],
)
def test_only_what_cannot_be_sent_is_encoded(link: str, path: str) -> None:
    assert path_of(link) == path
    assert encoded(path) == path
    assert str(api_url("https://h.example", link)) == f"https://h.example{path}"


async def test_what_a_link_cannot_be_is_reported_as_what_it_came_from(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"data": [], "links": {"next": ".evil.example/x"}})

    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id="e")
    job = ExportJob(ref=ref, status=ExportStatus.SUCCEEDED, raw_status="x", deprecated_link="x:.evil.example/y")
    async with recorded(answer) as (session, _):
        with pytest.raises(DecodeError, match="next page"):
            [each async for each in pages(session, ANY, "/x")]
        with pytest.raises(ExportError, match="deprecated link"):
            await download_link(session, job, tmp_path / "x.pdf")
        with pytest.raises(InputError, match="nothing was sent"):
            await session.request(ANY, "GET", ".evil.example", into=type(None))
        with pytest.raises(InputError, match="surrogate"):
            await session.request(ANY, "GET", "/x", query={"q": "\ud83d"}, into=type(None))
        with pytest.raises(InputError, match="surrogate"):
            await session.post_form("/x", {"scope": "\ud83d"}, headers={})


# ---------------------------------------------------------- the base address


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1", "http://127.0.0.1:8080", "http://127.3.2.1", "http://127.1", "http://0x7f000001",
    "http://[::1]:1", "http://[::ffff:127.0.0.1]", "http://localhost", "http://LOCALHOST.:8080",
    "http://api.localhost", "https://10.0.0.1", "https://api.example", "https://api.example/prefix",
    "HTTPS://api.example"],
)  # fmt: skip
def test_a_base_address_is_encrypted_or_on_this_machine(base: str) -> None:
    assert checked_base(f" {base}/\n").lower() == base.lower()


@pytest.mark.parametrize(
    "base",
    ["http://developer.api.autodesk.com", "HTTP://api.example", "http://10.0.0.1", "http://192.168.1.2:80",
     "http://localhost.example", "http://127.0.0.1.example", "http://notlocalhost", "http://0.0.0.0",
     "http://[fe80::1]", "http://simulator:8080", "http://128.0.0.1", "http://1.127"],
)  # fmt: skip
async def test_a_secret_is_not_sent_in_the_clear(base: str) -> None:
    with pytest.raises(InputError, match="use https"):
        Session(StaticToken("x"), base_url=base)


# ---------------------------------------------------------------- the links

LOCAL_HOSTS = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0X7F.1",
    "0x7f.0.0.0x1", "017700000001", "0177.0.0.1", "0177.0.0.01", "0", "00", "0x0", "0x", "0.0.0.1", "10.0.0.1",
    "10.1", "012.0.0.1", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.257", "0xc0a80001",
    "3232235521", "169.254.169.254", "0xa9fea9fe", "2852039166", "100.100.100.200", "192.0.0.192", "255.255.255.255",
    "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "0xe0000001", "[ff02::1]",
    "[::ffff:240.0.0.1]", "localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST.",
    "localhost.localdomain", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a00:1]", "[::FFFF:192.168.0.1]",
    "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]",
    "[2002:c0a8:1::1]", "[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%25lo]", "[febf::1]", "[fc00::1]",
    "localhost4", "LOCALHOST6.", "localhost4.localdomain4", "localhost6.localdomain6", "ip6-loopback", "[64:ff9b:1::1]",
    "[fd12:3456::1]", "[fec0::1]", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\uff4c\uff4fcalhost",
]  # fmt: skip
PUBLIC_HOSTS = [
    "cdn.derivative.autodesk.com", "b.s3.eu-west-1.amazonaws.com", "8.8.8.8", "134744072", "010.8.8.8", "172.15.0.1",
    "172.32.0.1", "192.167.1.1", "11.0.0.1", "126.1", "169.253.1.1", "198.17.1.1", "198.20.1.1", "223.1.1.1",
    "203.0.113.9", "notlocalhost",
    "localhost7", "[64:ff9b:2::1]",
    "localhost.example", "127.0.0.1.nip.io", "10.example", "[2606:4700::1111]", "[::ffff:8.8.8.8]",
    "[64:ff9b::8.8.8.8]", "[2002:808:808::]", "a_b.example", "b.s3.example.", "xn--mller-kva.example",
    "m\u00fcller.example", "minio", "1e100.net", "0x7f.example",
]  # fmt: skip


@pytest.mark.parametrize("host", LOCAL_HOSTS)
@pytest.mark.parametrize("tail", ["/x?X-Amz-Signature=canary", ":8443/x", "", "?canary"])
def test_a_public_service_leads_to_no_local_address(host: str, tail: str) -> None:
    with pytest.raises(DownloadError, match="private network") as caught:
        checked_link_target(f"https://{host}{tail}", PRODUCTION)
    assert "canary" not in str(caught.value)
    for base in ("http://127.0.0.1:1", "https://10.0.0.1", "http://localhost"):
        assert checked_link_target(f"https://{host}{tail}", base).scheme == "https"


@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_a_public_link_is_opened_byte_for_byte(host: str) -> None:
    tail = '/a%2Fb+c%2B.pdf?X-Amz-Signature=%2f%2F&x=[1]"'
    for base in (PRODUCTION, "http://127.0.0.1:1"):
        url = checked_link_target(f"https://{host}{tail}", base)
        assert url.raw_path_qs == tail
        assert not is_local(url.raw_host or "")
        if host.isascii():
            assert str(url) == f"https://{host}{tail}"


@pytest.mark.parametrize(
    "link",
    ["https://h:0/x", "https://h:65536/x", "https://h:99999999999999999999/x", "https://h:port/x", "https://h:-1/x",
    "https://h:1:2/x", "https://h:\u0661/x", "https://a..b/x", "https://.b/x", "https:///x", "https://",
    f"https://{'a' * 64}.example/x", f"https://{'a.' * 127}b/x", "https://a b.example/x", "https://a%20b.example/x",
    "https://127%2e0.0.1/x", "https://a,b/x", "https://[::1/x", "https://::1/x", "https://[::1]x/x",
    "https://[v1.x]/x", "https://[1.2.3.4]/x", "https://[]/x", "https://[::g]/x", "https://256.1.1.1/x",
    "https://1.2.3.4.5/x", "https://08.1.1.1/x", "https://1.2.3.256/x", "https://4294967296/x",
    f"https://{'9' * 5000}/x", "https://a.1/x", "https://u:canary@h.example/x", "https://h.example\\@evil.example/x",
    "https://\u2100.example/x", "https://loc\u00adalhost/x", "https://\ud83d.example/x", "https://h.example/\ud83d",
    f"https://{chr(228) * 60}.example/x", "ftp://h.example/x", "/x", "x", "", "https:h.example/x",
    "http://h.example/x"],
)  # fmt: skip
async def test_an_impossible_link_is_one_of_our_errors(link: str) -> None:
    with pytest.raises(DownloadError) as caught:
        checked_link_target(link, PRODUCTION)
    assert "canary" not in str(caught.value)
    async with Session(StaticToken("x"), base_url=PRODUCTION) as session:
        with pytest.raises(DownloadError):
            async with session.open_link(SignedUrl(link)):
                pass
    assert "canary" not in str(SignedUrl(link))


@pytest.mark.parametrize("base", [PRODUCTION, "http://127.0.0.1:1"])
@settings(deadline=None, max_examples=400)
@given(text=st.one_of(hostile, st.builds("https://{}{}".format, st.sampled_from(LOCAL_HOSTS + PUBLIC_HOSTS), hostile)))
def test_any_text_is_a_link_that_may_be_opened_or_our_error(base: str, text: str) -> None:
    str(SignedUrl(text))
    try:
        url = checked_link_target(text, base)
    except DownloadError:
        return
    assert str(url).isascii()
    assert str(url).isprintable()
    assert url.raw_host
    assert 0 < (url.port or 0) < 65536
    assert url.raw_user is url.raw_password is None
    if base == PRODUCTION:
        assert url.scheme == "https"
        assert not is_local(url.raw_host)
    assert checked_link_target(str(url), base) == url
