"""Links that storage refuses: which ones are renewed, how often, and what the error reports."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aps_async import DownloadError, LinkExpiredError, SignedUrl, download
from aps_async.errors import IncompleteDownloadError
from aps_async.links import Source, redirect_target
from tests.downloads.test_download import NUMBERS, PAGE, cut, storage
from tests.support import served

pytestmark = pytest.mark.looptime

FILTER = b"<html><head><title>Access denied by policy - WebFilter</title></head><body>cloud storage</body></html>"
UNTITLED = b"<!DOCTYPE html><style>b{}</style><body><b>Blocked</b> by ProxyBox</body>"


def xml(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>Some words.</Message></Error>'.encode()


REFUSALS: dict[str, tuple[int, bytes, int, type[DownloadError], str]] = {
    # status, body, renewals before it gives up, error, words
    "403 AccessDenied": (403, xml("AccessDenied"), 4, LinkExpiredError, "AccessDenied: Some words.*get the export"),
    "403 without a body": (403, b"", 4, LinkExpiredError, "403 an empty body"),
    "401": (401, b"", 4, LinkExpiredError, "401 an empty body"),
    "400 ExpiredToken": (400, xml("ExpiredToken"), 4, LinkExpiredError, "400 ExpiredToken"),
    "400 InvalidToken": (400, xml("InvalidToken"), 4, LinkExpiredError, "400 InvalidToken"),
    "400 of another kind": (400, xml("InvalidArgument"), 0, DownloadError, "400 InvalidArgument"),
    "400 without a body": (400, b"", 0, DownloadError, "400 an empty body"),
    "404": (404, xml("NoSuchKey"), 1, DownloadError, "404 NoSuchKey"),
    "404 without a body": (404, b"", 1, DownloadError, "404 an empty body"),
    "410": (410, b"", 0, DownloadError, "410 an empty body"),
    "a wrong signature": (403, xml("SignatureDoesNotMatch"), 1, DownloadError, "403 SignatureDoesNotMatch"),
    "a web filter's page": (403, FILTER, 1, DownloadError, "a web filter or proxy.*WebFilter"),
    "a web filter's page, 401": (401, FILTER, 1, DownloadError, "a web filter or proxy.*WebFilter"),
    "a page without a title": (403, UNTITLED, 1, DownloadError, "a web filter or proxy.*Blocked by ProxyBox"),
    "a proxy that wants a password": (407, FILTER, 0, DownloadError, "407.*WebFilter"),
    "307 to nowhere": (307, b"", 1, DownloadError, "307.*no usable Location"),
    "302": (302, b"", 0, DownloadError, "302"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("renewable", [True, False])
async def test_what_a_refusal_means(tmp_path: Path, name: str, renewable: bool) -> None:
    status, body, renewals, error, words = REFUSALS[name]
    refused: list[SignedUrl | None] = []
    async with storage(lambda _request, _number: web.Response(status=status, body=body)) as (session, link, requests):

        async def renew(old: SignedUrl | None) -> Source:
            refused.append(old)
            return Source.of(SignedUrl(f"{link.reveal()}{len(refused)}"))

        with pytest.raises(DownloadError) as caught:
            await download(session, link, tmp_path / "x.pdf", renew=renew if renewable else None)
    assert type(caught.value) is error
    assert re.search(words, str(caught.value))
    assert ("get the export again" in str(caught.value)) == (error is LinkExpiredError)
    assert "canary" not in str(caught.value)
    assert len(refused) == (renewals if renewable else 0)
    assert None not in refused
    assert len(requests) == 1 + len(refused)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, (_, body, *_) in REFUSALS.items() if len(body) > 40])
async def test_a_refusal_that_comes_in_pieces_means_the_same(tmp_path: Path, name: str) -> None:
    status, body, renewals, error, words = REFUSALS[name]

    async def in_pieces(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for piece in (body[:22], body[22:]):
            await response.write(piece)
            await asyncio.sleep(0.1)
        return response

    async with storage(lambda request, _number: in_pieces(request)) as (session, link, requests):

        async def renew(_: SignedUrl | None) -> Source:
            return Source.of(SignedUrl(f"{link.reveal()}{len(requests)}"))

        with pytest.raises(DownloadError, match=words) as caught:
            await download(session, link, tmp_path / "x.pdf", renew=renew)
    assert type(caught.value) is error
    assert len(requests) == 1 + renewals


@pytest.mark.parametrize("name", [name for name, (_, _, renewals, _, _) in REFUSALS.items() if renewals])
@pytest.mark.parametrize("after", [0, 2000])
async def test_a_fresh_link_goes_on_where_the_refused_one_ended(tmp_path: Path, name: str, after: int) -> None:
    status, body, *_ = REFUSALS[name]

    def answer(request: web.BaseRequest, number: int) -> Any:
        if after and number == 1:
            return cut(request, after, ETag='"1"')
        if "fresh" not in request.path_qs:
            return web.Response(status=status, body=body)
        at = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"ETag": '"1"', "Content-Range": f"bytes {at}-{len(PAGE) - 1}/{len(PAGE)}"}
        return web.Response(status=206 if at else 200, body=PAGE[at:], headers=headers)

    async with storage(answer) as (session, link, requests):

        async def renew(_: SignedUrl | None) -> Source:
            return Source.of(SignedUrl(f"{link.reveal()}&fresh"))

        await download(session, link, tmp_path / "x.pdf", renew=renew)
        assert (tmp_path / "x.pdf").read_bytes() == PAGE
        assert requests[-1].headers.get("Range") == (f"bytes={after}-" if after else None)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (429, xml("TooManyRequests"), "429 .*TooManyRequests: Some words."),
        (429, b"", "429 an empty body"),
        (503, xml("SlowDown"), "503 .*SlowDown: Some words."),
    ],
)
async def test_a_busy_storage_is_reported_in_its_own_words(
    tmp_path: Path, status: int, body: bytes, words: str
) -> None:
    """A storage has no client id with a quota that others might share."""
    async with storage(lambda _request, _number: web.Response(status=status, body=body)) as (session, link, _):
        with pytest.raises(IncompleteDownloadError, match=words) as caught:
            await download(session, link, tmp_path / "x.pdf")
    assert "quota" not in str(caught.value)


async def test_links_that_always_look_dead_or_cut_the_file_anew_come_to_an_end(tmp_path: Path) -> None:
    """Every fresh link is opened once, whatever the clocks say."""
    asked = 0
    async with storage(lambda _request, _number: web.Response(status=403)) as (session, link, requests):

        async def renew(_: SignedUrl | None) -> Source:
            nonlocal asked
            asked += 1
            source = Source.of(SignedUrl(link.reveal(), expires_at=1.0))
            return Source(parts=source.parts * (1 + asked % 2))

        with pytest.raises(LinkExpiredError):
            await download(session, SignedUrl(link.reveal(), expires_at=1.0), tmp_path / "x.pdf", renew=renew)
    assert asked <= 2 * NUMBERS.link_renewals + 1
    assert len(requests) <= asked


# ---------------------------------------------------------------- redirects


async def test_a_temporary_redirect_is_followed_once_for_every_request(tmp_path: Path) -> None:
    seen: list[tuple[str | None, ...]] = []

    async def regional(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(("regional", *(request.headers.get(each) for each in ("Range", "Cookie", "Authorization"))))
        if "Range" not in request.headers:
            return await cut(request, 2000, ETag='"1"')
        headers = {"ETag": '"1"', "Content-Range": f"bytes 2000-{len(PAGE) - 1}/{len(PAGE)}"}
        return web.Response(status=206, body=PAGE[2000:], headers=headers)

    async with served(regional) as url:

        def answer(request: web.BaseRequest, _number: int) -> web.Response:
            seen.append(("global", *(request.headers.get(each) for each in ("Range", "Cookie", "Authorization"))))
            return web.Response(status=307, headers={"Location": f"{url}/r%2Fx?X-Amz-Signature=canary"})

        async with storage(answer) as (session, link, _):
            with_cookie = SignedUrl(link.reveal(), cookie="CloudFront-Policy=canary")
            await download(session, with_cookie, tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes() == PAGE
    assert seen == [
        ("global", None, "CloudFront-Policy=canary", None),
        ("regional", None, None, None),
        ("global", "bytes=2000-", "CloudFront-Policy=canary", None),
        ("regional", "bytes=2000-", None, None),
    ]


async def test_a_redirect_of_what_is_opened_in_another_way_is_not_followed(tmp_path: Path) -> None:
    """An opener of its own may send a token."""
    async with served(lambda _: pytest.fail("followed")) as url:
        refusal = web.Response(status=307, headers={"Location": f"{url}/x.pdf"})
        async with storage(lambda _request, _number: refusal) as (session, link, requests):
            with pytest.raises(DownloadError, match="307"):
                await download(session, link, tmp_path / "x.pdf", opener=session.open_link)
            assert len(requests) == 1


async def test_a_redirect_that_leads_to_another_one_ends(tmp_path: Path) -> None:
    def answer(_request: web.BaseRequest, _number: int) -> web.Response:
        return web.Response(status=307, headers={"Location": "/again?canary"}, body=xml("TemporaryRedirect"))

    async with storage(answer) as (session, link, requests):
        with pytest.raises(DownloadError, match="307 TemporaryRedirect") as caught:
            await download(session, link, tmp_path / "x.pdf")
        assert len(requests) == 2
    assert "canary" not in str(caught.value)


PUBLIC = "https://storage.example/a?X-Amz-Signature=1"


@pytest.mark.parametrize(
    ("link", "location", "leads_to"),
    [
        (PUBLIC, "https://s3.eu-west-1.example/a%2Fb?x=%3D", "https://s3.eu-west-1.example/a%2Fb?x=%3D"),
        (PUBLIC, "HTTPS://s3.example/a", "HTTPS://s3.example/a"),
        (PUBLIC, "/b?c=%2F", "https://storage.example/b?c=%2F"),
        (PUBLIC, "//other.example/b", "https://other.example/b"),
        (PUBLIC, "https://8.8.8.8/a", "https://8.8.8.8/a"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:9090/b", "http://127.0.0.1:9090/b"),
        (PUBLIC, "", "no usable Location"),
        (PUBLIC, "http://storage.example/a", "leaves https"),
        (PUBLIC, "ftp://storage.example/a", "absolute"),
        (PUBLIC, "file:///etc/passwd", "absolute"),
        (PUBLIC, "https://user@storage.example/a", "user name"),
        (PUBLIC, "https://storage.example:99999/a", "ort"),
        (PUBLIC, "https://st\udcfforage.example/a", "no usable Location"),
        (PUBLIC, "https://storage.example/a\r\nX: y", "no usable Location"),
        *[
            (PUBLIC, f"https://{host}/a", "private address")
            for host in (
                "localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "10.0.0.1",
                "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]",
                "[fd00::1]",
            )
        ],
    ],
)  # fmt: skip
def test_where_a_redirect_may_lead(link: str, location: str, leads_to: str) -> None:
    base = "http://127.0.0.1:1" if link.startswith("http:") else "https://developer.api.autodesk.com"
    if leads_to.lower().startswith("http"):
        assert redirect_target(SignedUrl(link), location, base_url=base).reveal() == leads_to
        return
    with pytest.raises(ValueError, match=leads_to):
        redirect_target(SignedUrl(link), location, base_url=base)


@pytest.mark.parametrize(
    ("location", "goes_along"),
    [
        ("/b", True),
        ("https://storage.example/b", True),
        ("https://storage.example:8443/b", False),
        ("https://s3.example/b", False),
    ],
)
def test_a_cookie_goes_to_its_own_host_only(location: str, goes_along: bool) -> None:
    target = redirect_target(SignedUrl(PUBLIC, cookie="a=b"), location, base_url="https://developer.api.autodesk.com")
    assert target.reveal_cookie() == ("a=b" if goes_along else None)
