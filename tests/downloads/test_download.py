"""Downloads: the complete, right file or a clear error, however often the connection breaks, and no partial file."""

import asyncio
import hashlib
import io
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from aps_async import (
    DownloadError,
    ExportRef,
    ExportTimeoutError,
    InputError,
    LinkExpiredError,
    NotFoundError,
    Session,
    Settings,
    SignedUrl,
    StaticToken,
    bim360,
    download,
)
from aps_async.downloads.content import ANY, PDF, ZIP, ContentCheck, Expected, Signature
from aps_async.downloads.download import stream
from aps_async.errors import IncompleteDownloadError, TargetError
from aps_async.links import Source
from aps_async.models import ExportKind, ExportRequest, Progress, Received
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime

SIZE = 300_000
NUMBERS = Settings(backoff_base=0.5, read_timeout=60.0, max_attempts=2)


@define
class Bench:
    """One finished export, and what is needed to bring it home."""

    simulator: Simulator
    session: Session
    ref: ExportRef
    link: SignedUrl
    renewals: list[SignedUrl | None] = field(factory=list)

    async def renew(self, refused: SignedUrl | None) -> Source:
        self.renewals.append(refused)
        link = (await bim360.get_export(self.session, self.ref)).link
        assert link is not None
        return Source.of(link)

    def body(self, revision: int = 0) -> bytes:
        version = self.simulator.world.sheets[0].tip
        content = self.simulator.pages.content(version, markups=False, hyperlinks=False, revision=revision)
        return b"".join(content.chunks(0, content.size))

    def gets(self) -> list[Any]:
        return [seen for seen in self.simulator.log if seen.endpoint == "signed_get"]

    async def to(self, target: Any, **options: Any) -> Any:
        return await download(self.session, self.link, target, renew=self.renew, **options)


@asynccontextmanager
async def bench(
    *faults: Fault, size: int | None = SIZE, numbers: Settings = NUMBERS, **behaviour: Any
) -> AsyncIterator[Bench]:
    world = World.single_folder(1, bytes=size) if size else World.single_folder(1)
    async with (
        service(world, faults=faults, behaviour=Behaviour(job_time=JobPolls(0), **behaviour)) as simulator,
        session_for(simulator, numbers) as session,
    ):
        version = simulator.world.sheets[0].tip.id
        ref = (await bim360.start_export(session, simulator.world.hubs[0].projects[0].id, version)).ref
        link = (await bim360.get_export(session, ref)).link
        assert link is not None
        yield Bench(simulator, session, ref, link)
        assert simulator.counts()["authorization_on_signed_link"] == 0


def storage_fault(kind: Any, *nth: int, **more: Any) -> Fault:
    return Fault(endpoint="signed_get", kind=kind, nth=nth, **more)


def alone(path: Path) -> bool:
    """Whether nothing but this file lies in its folder."""
    return [each.name for each in path.parent.iterdir()] == [path.name]


# ------------------------------------------------------------------ plain


async def test_a_file_comes_whole_with_its_progress(tmp_path: Path) -> None:
    async with bench() as b:
        progress = list[Progress]()
        target = tmp_path / "A-101.pdf"
        done = await b.to(target, on_progress=progress.append)
        assert (done.path, done.size) == (target, SIZE)
        assert target.read_bytes() == b.body()
        assert alone(target)
        received = [each.received for each in progress]
        assert received == sorted(set(received))
        assert received[-1] == SIZE
        assert {each.total for each in progress} == {SIZE}
        assert [seen.headers for seen in b.gets()] == [{"authorization": False}]
        assert b.renewals == []
        assert target.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


@pytest.mark.parametrize("as_text", [True, False])
async def test_what_was_there_is_replaced_on_success(tmp_path: Path, as_text: bool) -> None:
    async with bench() as b:
        target = tmp_path / "A-101.pdf"
        target.write_bytes(b"old")
        await b.to(str(target) if as_text else target)
        assert target.read_bytes() == b.body()
        assert alone(target)


# ----------------------------------------------------------------- breaks

breaks = st.lists(st.tuples(st.sampled_from(["reset_body", "truncate"]), st.integers(0, SIZE)), min_size=1, max_size=5)


@limits(deadline=None, max_examples=30)
@given(breaks=breaks)
async def test_a_break_at_any_byte_is_resumed_where_it_was(breaks: list[tuple[str, int]]) -> None:
    """Where a break leaves less than a signature's length, the next try begins at the first byte."""
    faults = [storage_fault(kind, number, after_bytes=at) for number, (kind, at) in enumerate(breaks, 1)]
    async with bench(*faults) as b:
        b.simulator.reset_counts()
        file, progress = io.BytesIO(), list[int]()
        await b.to(file, on_progress=lambda each: progress.append(each.received))
        assert file.getvalue() == b.body()
        least = most = 0
        for seen, (kind, at) in zip(b.gets(), [*breaks, ("", SIZE)], strict=True):
            stands = int(seen.headers.get("range", "bytes=0-")[6:-1])
            assert least <= stands <= most
            assert ("if-match" in seen.headers) == bool(stands)
            most = stands + min(at, SIZE - stands - 1)
            most = most if most >= len(PDF.head) else 0
            least = stands if kind == "reset_body" else most  # a reset may overtake what was sent before it
        if "reset_body" not in dict(breaks):
            assert b.simulator.counts()["bytes_sent"] <= SIZE + len(breaks) * len(PDF.head)
        assert progress[-1] == SIZE


async def test_a_range_that_is_ignored_means_start_over(tmp_path: Path) -> None:
    faults = [storage_fault("truncate", 1, after_bytes=200_000), storage_fault("ignore_range", 2)]
    async with bench(*faults) as b:
        target = tmp_path / "x.pdf"
        await b.to(target)
        assert target.read_bytes() == b.body()
        assert [seen.status for seen in b.gets()] == [200, 200]


@pytest.mark.parametrize("at", [10, 65_536, 299_990])
async def test_a_file_that_changed_in_the_middle_is_taken_anew(tmp_path: Path, at: int) -> None:
    async with bench(storage_fault("reset_body", 1, after_bytes=at), storage_fault("changed", 2)) as b:
        target = tmp_path / "x.pdf"
        await b.to(target)
        assert target.read_bytes() == b.body(revision=1) != b.body()
        assert [seen.status for seen in b.gets()] == [200, 412, 200]
        assert "range" not in b.gets()[2].headers


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_storage_that_is_busy_is_waited_for(tmp_path: Path, status: int) -> None:
    faults = [storage_fault("truncate", 1), storage_fault("status", 2, 3, status=status, retry_after=7)]
    async with bench(*faults) as b:
        await b.to(tmp_path / "x.pdf")
        first, second, third, fourth = (seen.time for seen in b.gets())
        assert third - second >= 7
        assert fourth - third >= 7
        assert second - first <= 2
        assert b.gets()[3].headers["range"] == f"bytes={SIZE // 2}-"


@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_an_answer_that_never_comes_is_asked_for_again(tmp_path: Path, kind: str) -> None:
    async with bench(storage_fault(kind, 1, 3)) as b:  # the second may be the client's own repeat on a fresh connection
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()


async def test_a_trickle_within_the_read_timeout_is_no_fault(tmp_path: Path) -> None:
    async with bench(storage_fault("slow", 1, seconds=1100)) as b:  # a piece every 55 s
        await b.to(tmp_path / "x.pdf")
        assert asyncio.get_running_loop().time() >= 1000
        await asyncio.sleep(60)  # the simulator notes a call when it is over
        assert len(b.gets()) == 1


async def test_silence_beyond_the_read_timeout_is_resumed(tmp_path: Path) -> None:
    async with bench(storage_fault("slow", 1, seconds=10_000, after_bytes=100_000)) as b:
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
        await asyncio.sleep(20_000)
        resumed = [seen for seen in b.gets() if "range" in seen.headers]
        assert len(resumed) == 1
        assert asyncio.get_running_loop().time() >= 60


async def test_breaks_without_a_new_byte_end_after_so_many(tmp_path: Path) -> None:
    dead = Fault(endpoint="signed_get", kind="truncate", after_bytes=0)
    faults = [storage_fault("truncate", 1, after_bytes=1000), dead]
    async with bench(*faults, numbers=Settings(max_download_attempts=4, backoff_base=0.1)) as b:
        with pytest.raises(IncompleteDownloadError, match=rf"1000 of {SIZE} bytes") as caught:
            await b.to(tmp_path / "x.pdf")
        assert caught.value.path == tmp_path / "x.pdf"
        assert caught.value.__cause__ is not None
        assert len(b.gets()) == 4
        assert list(tmp_path.iterdir()) == []


async def test_every_new_byte_gives_new_patience(tmp_path: Path) -> None:
    fault = Fault(endpoint="signed_get", kind="truncate", after_bytes=10_000, times=25)
    async with bench(fault, numbers=Settings(max_download_attempts=2, backoff_base=0.1)) as b:
        await b.to(tmp_path / "x.pdf")
        assert len(b.gets()) == 26
        assert asyncio.get_running_loop().time() < 5  # and the waits begin anew as well


# ------------------------------------------------------------ links that die


async def test_a_link_that_died_on_the_way_is_renewed(tmp_path: Path) -> None:
    async with bench(storage_fault("expired", 1, 3), storage_fault("truncate", 2)) as b:
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
        assert [seen.status for seen in b.gets()] == [403, 200, 403, 206]
        assert b.renewals[0] == b.link
        assert len(b.renewals) == 2
        assert len({*b.renewals}) == 2


@pytest.mark.parametrize("passed", [0, 60, 114, 116, 119, 121, 3000])
async def test_a_link_about_to_die_is_never_opened(tmp_path: Path, passed: float) -> None:
    async with bench() as b:
        await asyncio.sleep(passed)
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
        assert b.simulator.counts()["expired_urls_opened"] == 0
        assert b.renewals == ([] if passed < 115 else [None])
        assert [seen.status for seen in b.gets()] == [200]


async def test_a_link_that_promises_more_than_the_reference_is_not_believed(tmp_path: Path) -> None:
    async with bench(signed_url_life=300.0) as b:
        await asyncio.sleep(130)
        await b.to(tmp_path / "x.pdf")
        assert b.renewals == [None]


async def test_resuming_after_a_long_silence_takes_a_fresh_link(tmp_path: Path) -> None:
    faults = [storage_fault("truncate", 1), storage_fault("status", 2, status=503, retry_after=200)]
    async with bench(*faults) as b:
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
        assert b.simulator.counts()["expired_urls_opened"] == 0
        assert b.renewals == [None]
        assert b.gets()[-1].status == 206


async def test_a_fresh_link_that_dies_while_waiting_is_renewed_too(tmp_path: Path) -> None:
    faults = [storage_fault("truncate", 1), storage_fault("status", 2, status=503, retry_after=200)]
    async with bench(*faults) as b:
        await asyncio.sleep(130)
        await b.to(tmp_path / "x.pdf")
        assert b.renewals == [None, None]
        assert b.simulator.counts()["expired_urls_opened"] == 0


async def test_when_every_link_is_refused_it_ends_with_what_to_do(tmp_path: Path) -> None:
    target = tmp_path / "x.pdf"
    target.write_bytes(b"old")
    async with bench(Fault(endpoint="signed_get", kind="expired")) as b:
        with pytest.raises(LinkExpiredError, match=r"Request has expired.*fresh URL") as caught:
            await b.to(target)
        assert caught.value.path == target
        assert "X-Amz" not in str(caught.value)
        assert len(b.gets()) == 1 + b.session.settings.link_renewals
        assert len(b.renewals) == b.session.settings.link_renewals
        assert target.read_bytes() == b"old"
        assert alone(target)


async def test_without_a_way_to_renew_a_refused_link_is_the_end(tmp_path: Path) -> None:
    async with bench(Fault(endpoint="signed_get", kind="expired")) as b:
        with pytest.raises(LinkExpiredError):
            await download(b.session, b.link, tmp_path / "x.pdf")
        assert len(b.gets()) == 1
        await asyncio.sleep(130)
        with pytest.raises(LinkExpiredError, match="about to expire"):
            await download(b.session, b.link, tmp_path / "x.pdf")
        assert len(b.gets()) == 1


async def test_what_the_renewal_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    ref = ExportRef(request=ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("x",)), export_id="e")
    async with bench(Fault(endpoint="signed_get", kind="expired")) as b:
        gone = NotFoundError("gone", status=404, method="GET", path="/x")
        for problem in (gone, ExportTimeoutError("too late", ref=ref), OSError("not ours")):
            asked = 0

            async def renew(_: SignedUrl | None, problem: Exception = problem) -> Source:
                nonlocal asked
                asked += 1
                raise problem

            with pytest.raises(type(problem)) as caught:
                await download(b.session, b.link, tmp_path / "x.pdf", renew=renew)
            assert caught.value is problem
            assert asked == 1
        assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------- what is not the file


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("s3_error_200", "an XML error (InternalError"),
        ("html", "an HTML page (Service unavailable)"),
        ("text", "a body of 22 bytes that begins 'upstream connect error'"),
        ("empty", "an empty body"),
    ],
)
async def test_a_200_that_is_not_the_file_is_recognized_and_requested_again(
    tmp_path: Path, kind: str, words: str
) -> None:
    async with bench(storage_fault(kind, 1, 2)) as b:
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
    async with bench(Fault(endpoint="signed_get", kind=kind)) as b:
        target = tmp_path / "x.pdf"
        target.write_bytes(b"old")
        with pytest.raises(IncompleteDownloadError) as caught:
            await b.to(target)
        assert f"not a PDF but {words}" in str(caught.value)
        assert len(b.gets()) == 3
        assert target.read_bytes() == b"old"
        assert alone(target)


@pytest.mark.parametrize("kind", ["s3_error_200", "html"])
async def test_such_an_answer_in_the_middle_costs_no_more_than_a_restart(tmp_path: Path, kind: str) -> None:
    async with bench(storage_fault("truncate", 1), storage_fault(kind, 2)) as b:
        await b.to(tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b.body()
        assert len(b.gets()) == 3


@pytest.mark.parametrize("wrong", [Expected(sha1="0" * 40), Expected(size=SIZE - 1), Expected(size=SIZE + 1)])
async def test_a_wrong_hash_or_size_is_no_file(tmp_path: Path, wrong: Expected) -> None:
    target = tmp_path / "x.pdf"
    target.write_bytes(b"old")
    async with bench() as b:
        with pytest.raises(IncompleteDownloadError, match=r"sha1|bytes"):
            await b.to(target, expected=wrong)
        assert target.read_bytes() == b"old"
        assert alone(target)


async def test_the_right_hash_holds_over_a_resumed_and_a_restarted_file(tmp_path: Path) -> None:
    faults = [storage_fault("truncate", 1), storage_fault("ignore_range", 2), storage_fault("reset_body", 3)]
    async with bench(*faults) as b:
        digest = hashlib.sha1(b.body(), usedforsecurity=False).hexdigest().upper()
        await b.to(tmp_path / "x.pdf", expected=Expected(sha1=digest, size=SIZE))
        assert (tmp_path / "x.pdf").read_bytes() == b.body()


PAGE = b"%PDF-1.7\n" + b"x" * 5000 + b"\n%%EOF\n"
Answerer = Callable[[web.BaseRequest, int], Awaitable[web.StreamResponse] | web.StreamResponse]


@asynccontextmanager
async def storage(answer: Answerer, numbers: Settings = NUMBERS) -> AsyncIterator[tuple[Session, SignedUrl, list[Any]]]:
    """A storage that misbehaves as this function says, which is told the number of the request."""
    requests = list[web.BaseRequest]()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        requests.append(request)
        found = answer(request, len(requests))
        return found if isinstance(found, web.StreamResponse) else await found

    async with served(handler) as url, Session(StaticToken("x"), base_url=url, settings=numbers) as session:
        yield session, SignedUrl(f"{url}/a.pdf?X-Amz-Signature=canary"), requests


def whole(body: bytes = PAGE, **headers: str) -> web.Response:
    return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def cut(request: web.BaseRequest, after: int, body: bytes = PAGE, **headers: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={name.replace("_", "-"): value for name, value in headers.items()})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[:after])
    assert request.transport is not None
    request.transport.close()
    return response


NOT_KNOWN = Signature("ZIP", ".zip", b"PK")
UNREAD = evolve(ZIP, verify=None)
ZIPPED = b"PK\3\4 A-101.pdf" + PAGE + b"PK\1\2 PK\5\6" + bytes(18)


@pytest.mark.parametrize(
    ("body", "signatures", "found", "warnings"),
    [
        (PAGE, (PDF,), PDF, 0),
        (b"%PDF-%%EOF", (PDF,), PDF, 0),
        (b"\xef\xbb\xbf" + PAGE, (PDF,), PDF, 0),
        (b"\r\n--part\r\nContent-Type: application/pdf\r\n\r\n" + PAGE, (PDF,), PDF, 0),
        (bytes(1024) + PAGE, (PDF,), PDF, 0),
        (bytes(1025) + PAGE, (PDF,), None, 0),
        (b"%PD", (PDF,), None, 0),
        (b"", (PDF,), None, 0),
        (PAGE + bytes(100_000), (PDF,), PDF, 0),
        (PAGE + b" \r\n\0" * 50_000, (PDF,), PDF, 0),
        (PAGE + b"x" * 65_500, (PDF,), PDF, 0),
        (PAGE + b"x" * 65_500 + bytes(100_000), (PDF,), PDF, 0),
        (PAGE + b"x" * 66_000, (PDF,), PDF, 1),
        (PAGE + bytes(66_000) + b"x", (PDF,), PDF, 1),
        (PAGE[:-7], (PDF,), PDF, 1),
        (PAGE[:-2], (PDF,), PDF, 1),
        (b"PK\3\4 and so on", (NOT_KNOWN,), NOT_KNOWN, 0),
        (ZIPPED, (PDF, UNREAD), UNREAD, 0),
        (ZIPPED + bytes(2000), (PDF, UNREAD), UNREAD, 0),
        (ZIPPED[:-30], (PDF, UNREAD), None, 0),
        (b"\n" + ZIPPED, (UNREAD,), None, 0),
        (PAGE, (UNREAD, PDF), PDF, 0),
        (b"\n" + PAGE, (UNREAD, PDF), PDF, 0),
        (b"", (ANY,), ANY, 0),
        (b"anything", (ANY,), ANY, 0),
    ],
)
@pytest.mark.parametrize("pieces", [1, 3])
async def test_signatures(
    tmp_path: Path, body: bytes, signatures: tuple[Signature, ...], found: Signature | None, warnings: int, pieces: int
) -> None:
    """Whether the body comes at once, or its first bytes one by one."""

    async def answer(request: web.BaseRequest, _number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        for at in range(pieces - 1):
            await response.write(body[at : at + 1])
            await asyncio.sleep(0.01)
        await response.write(body[pieces - 1 :])
        return response

    async with storage(lambda request, number: answer(request, number)) as (session, link, requests):
        call = download(session, link, tmp_path / "x", expected=Expected(signatures=signatures), add_suffix=True)
        if found is None:
            with pytest.raises(IncompleteDownloadError):
                await call
            assert len(requests) == 3
            assert list(tmp_path.iterdir()) == []
        else:
            got = await call
            assert got.path == tmp_path / f"x{found.suffix}"
            assert got.path.read_bytes() == body
            assert len(got.warnings) == warnings


def test_an_end_mark_is_found_however_the_pieces_are_cut() -> None:
    for ending in (b"", b"\n", bytes(2000)):
        body = PAGE + ending
        for at in range(len(PAGE) - 20, len(body)):
            check = ContentCheck(Expected())
            check.feed(body[:at])
            check.feed(body[at:])
            assert check.verify(None) == ()


async def test_an_irregular_file_that_is_streamed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    body = PAGE[:-7]

    async def answer(_request: web.BaseRequest, _number: int) -> web.StreamResponse:
        return web.Response(body=body)

    async with storage(answer) as (session, link, _requests):
        assert b"".join([chunk async for chunk in stream(session, link)]) == body
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("sha1", [True, False])
async def test_without_a_length_a_missing_end_mark_is_a_break(tmp_path: Path, sha1: bool) -> None:
    """Nothing else would show that the body is whole, unless its hash is known."""
    body = PAGE[:-7]

    async def answer(request: web.BaseRequest, _number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(body)
        return response

    expected = Expected(sha1=hashlib.sha1(body, usedforsecurity=False).hexdigest()) if sha1 else Expected()
    async with storage(lambda request, number: answer(request, number)) as (session, link, requests):
        call = download(session, link, tmp_path / "x.pdf", expected=expected)
        if sha1:
            assert len((await call).warnings) == 1
        else:
            with pytest.raises(IncompleteDownloadError, match="its end mark is missing"):
                await call
        assert len(requests) == (1 if sha1 else 3)


@pytest.mark.parametrize("etag", [{}, {"ETag": 'W/"weak"'}, {"ETag": ""}, {"ETag": '"\xff"'}])
async def test_without_a_strong_etag_a_broken_file_starts_over(tmp_path: Path, etag: dict[str, Any]) -> None:
    def answer(request: web.BaseRequest, number: int) -> Any:
        return cut(request, 2000, **etag) if number < 3 else whole(**etag)

    async with storage(answer) as (session, link, requests):
        await download(session, link, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == PAGE
        assert ["Range" in request.headers for request in requests] == [False] * 3


REST = f"bytes 2000-{len(PAGE) - 1}/{len(PAGE)}"


@pytest.mark.parametrize(
    ("content_range", "headers", "is_taken"),
    [
        (REST, {"ETag": '"1"'}, True),
        (REST.rpartition("/")[0] + "/*", {"ETag": '"1"'}, True),
        (f"bytes 0-{len(PAGE) - 1}/{len(PAGE)}", {"ETag": '"1"'}, False),
        (f"bytes 1999-{len(PAGE) - 1}/{len(PAGE)}", {"ETag": '"1"'}, False),
        (f"bytes 2001-{len(PAGE) - 1}/{len(PAGE)}", {"ETag": '"1"'}, False),
        (f"bytes 2000-{len(PAGE) - 1}/{len(PAGE) + 1}", {"ETag": '"1"'}, False),
        (f"bytes 2000-{len(PAGE) - 1}/{len(PAGE) - 1}", {"ETag": '"1"'}, False),
        (f"bytes 2000-{len(PAGE) - 1}", {"ETag": '"1"'}, False),
        ("nonsense", {"ETag": '"1"'}, False),
        ("", {"ETag": '"1"'}, False),
        (REST, {}, False),
        (REST, {"ETag": '"2"'}, False),
        (REST, {"ETag": 'W/"1"'}, False),
        (REST, {"ETag": "1"}, False),
        (REST, {"ETag": '"1"', "Content-Encoding": "gzip"}, False),
    ],
)
@pytest.mark.parametrize("how", ["path", "stream"])
async def test_only_the_missing_part_of_the_same_file_is_appended(
    tmp_path: Path, content_range: str, headers: dict[str, str], is_taken: bool, how: str
) -> None:
    """The bytes of the partial response have the right length: only its headers show that they are others."""

    def answer(request: web.BaseRequest, number: int) -> Any:
        if number == 1:
            return cut(request, 2000, ETag='"1"')
        if number == 2:
            assert request.headers["Range"] == "bytes=2000-"
            assert request.headers["If-Match"] == '"1"'
            body = PAGE[2000:] if is_taken else b"?" * (len(PAGE) - 2007) + b"\n%%EOF\n"
            return web.Response(status=206, body=body, headers={"Content-Range": content_range, **headers})
        return whole(ETag='"1"')

    async with storage(answer) as (session, link, requests):
        if how == "path":
            await download(session, link, tmp_path / "x.pdf")
            taken = (tmp_path / "x.pdf").read_bytes()
        else:
            taken = b"".join([chunk async for chunk in stream(session, link)])
        assert taken == PAGE
        assert len(requests) == (2 if is_taken else 3)


async def test_a_partial_response_may_be_shorter_than_requested(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest, number: int) -> web.StreamResponse:
        if number == 1:
            return await cut(request, 1000, ETag='"1"')
        at = int(request.headers["Range"][6:-1])
        end = min(at + (0 if number == 3 else 1000), len(PAGE))
        content_range = f"bytes {at}-{max(at, end - 1)}/{len(PAGE)}"
        return web.Response(status=206, body=PAGE[at:end], headers={"Content-Range": content_range, "ETag": '"1"'})

    async with storage(answer, Settings(max_download_attempts=2, backoff_base=0.1)) as (session, link, requests):
        await download(session, link, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == PAGE
        starts = [int(each.headers.get("Range", "bytes=0-")[6:-1]) for each in requests]
        assert starts == [0, 1000, 2000, 2000, 3000, 4000, 5000]


async def test_partial_responses_without_a_byte_come_to_an_end(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest, number: int) -> web.StreamResponse:
        if number == 1:
            return await cut(request, 1000, ETag='"1"')
        status = 206 if number < 20 else 403  # so that it ends anyway
        headers = {"Content-Range": f"bytes 1000-{len(PAGE) - 1}/{len(PAGE)}", "ETag": '"1"'}
        return web.Response(status=status, headers=headers)

    async with storage(answer, Settings(max_download_attempts=3, backoff_base=0.1)) as (session, link, requests):
        with pytest.raises(IncompleteDownloadError, match="without a new byte"):
            await download(session, link, tmp_path / "x.pdf")
        assert len(requests) == 3
    assert list(tmp_path.iterdir()) == []


async def test_a_break_after_the_last_byte_is_none(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest, _number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(PAGE)
        await asyncio.sleep(0.1)
        assert request.transport is not None
        request.transport.abort()
        return response

    expected = Expected(size=len(PAGE))
    async with storage(lambda request, number: answer(request, number)) as (session, link, requests):
        await download(session, link, tmp_path / "x.pdf", expected=expected)
        assert (tmp_path / "x.pdf").read_bytes() == PAGE
        assert len(requests) == 1


@pytest.mark.parametrize("etag", [{}, {"ETag": 'W/"weak"'}, {"ETag": ""}, {"ETag": '"\xff"'}])
async def test_a_stream_does_not_join_bytes_without_a_strong_etag(etag: dict[str, Any]) -> None:
    def answer(request: web.BaseRequest, number: int) -> Any:
        return cut(request, 2000, **etag) if number == 1 else whole(PAGE.replace(b"x", b"y"), **etag)

    async with storage(answer) as (session, link, _):
        with pytest.raises(IncompleteDownloadError, match="changed"):
            async for _chunk in stream(session, link):
                pass


async def test_a_range_that_is_not_satisfiable_means_start_over(tmp_path: Path) -> None:
    def answer(request: web.BaseRequest, number: int) -> Any:
        return cut(request, 2000, ETag='"1"') if number == 1 else web.Response(status=416) if number == 2 else whole()

    async with storage(answer) as (session, link, _):
        await download(session, link, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == PAGE


@pytest.mark.parametrize("status", [206, 302, 307, 400, 404, 405, 410, 416, 501])
async def test_what_no_repeat_can_cure_ends_at_once(tmp_path: Path, status: int) -> None:
    def answer(_request: web.BaseRequest, _number: int) -> web.Response:
        headers = {} if status == 307 else {"Location": "/y"}
        return web.Response(status=status, body=b"<Error><Code>NoSuchKey</Code></Error>", headers=headers)

    async with storage(answer) as (session, link, requests):
        with pytest.raises(DownloadError, match="no usable Location" if status == 307 else "NoSuchKey") as caught:
            await download(session, link, tmp_path / "x.pdf")
        assert f"{status}" in str(caught.value)
        assert "canary" not in str(caught.value)
        assert len(requests) == 1
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("encoding", "is_taken"),
    [
        ("", True),
        ("identity", True),
        ("aws-chunked", True),
        ("UTF-8", True),
        ("binary", True),
        ("application/pdf", True),
        ("aws-chunked, identity", True),
        ("br", False),
        ("GZIP", False),
        ("x-gzip", False),
        ("zstd", False),
        ("aws-chunked, gzip", False),
    ],
)
async def test_only_known_content_codings_are_refused(tmp_path: Path, encoding: str, is_taken: bool) -> None:
    async with storage(lambda _request, _number: whole(Content_Encoding=encoding)) as (session, link, _):
        call = download(session, link, tmp_path / "x.pdf")
        if is_taken:
            await call
            assert (tmp_path / "x.pdf").read_bytes() == PAGE
        else:
            with pytest.raises(DownloadError, match=r"\w-encoded although"):
                await call
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [len(PAGE) - 1, len(PAGE) + 1])
async def test_a_wrong_size_is_no_file_without_a_length_either(tmp_path: Path, size: int) -> None:
    async def answer(request: web.BaseRequest, _number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(PAGE)
        await response.write_eof()
        return response

    async with storage(answer) as (session, link, _):
        with pytest.raises(IncompleteDownloadError, match=f"{len(PAGE)} bytes arrived instead of {size}"):
            await download(session, link, tmp_path / "x.pdf", expected=Expected(size=size))
    assert list(tmp_path.iterdir()) == []


async def test_a_body_of_unknown_length_is_taken_to_its_end(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest, _number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(PAGE), 700):
            await response.write(PAGE[start : start + 700])
        await response.write_eof()
        return response

    async with storage(lambda request, number: answer(request, number)) as (session, link, _):
        progress = list[Progress]()
        done = await download(session, link, tmp_path / "x.pdf", on_progress=progress.append)
        assert (tmp_path / "x.pdf").read_bytes() == PAGE
        assert done.size == len(PAGE)
        assert progress[-1] == Progress(received=len(PAGE), total=None)


async def test_a_refused_connection_is_reported_without_the_query(tmp_path: Path) -> None:
    link = SignedUrl("http://127.0.0.1:1/a.pdf?X-Amz-Signature=canary")
    async with Session(
        StaticToken("x"), base_url="http://127.0.0.1:1", settings=Settings(max_download_attempts=2)
    ) as session:
        with pytest.raises(IncompleteDownloadError, match="2 interruptions") as caught:
            await download(session, link, tmp_path / "x.pdf")
    assert "canary" not in str(caught.value)
    assert "canary" not in str(caught.value.__cause__)


async def test_neither_netrc_nor_the_environment_brings_credentials_to_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\ndefault login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://canary:canary@127.0.0.1:1")
    (tmp_path / "out").mkdir()
    async with bench() as b:
        await b.to(tmp_path / "out" / "x.pdf")
        assert b.simulator.counts()["authorization_on_signed_link"] == 0
        assert {seen.headers["authorization"] for seen in b.gets()} == {False}


# ------------------------------------------------------------ cancellation

STAGES = {
    "before the answer": (storage_fault("hang", 1), 5.0),
    "at the first bytes": (storage_fault("slow", 1, seconds=100, after_bytes=1000), 1.0),
    "in the middle": (storage_fault("slow", 1, seconds=100), 50.0),
    "while waiting for the next try": (storage_fault("status", 1, status=503, retry_after=100), 50.0),
    "while waiting after a break": (storage_fault("truncate", 1), 0.1),
    "while renewing": (storage_fault("expired", 1), 5.0),
    "at once": (storage_fault("hang", 1), 0.0),
}


@pytest.mark.parametrize(("fault", "at"), STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("how", ["path", "stream"])
async def test_cancellation_leaves_nothing(tmp_path: Path, fault: Fault, at: float, how: str) -> None:
    target = tmp_path / "x.pdf"
    target.write_bytes(b"old")
    async with bench(fault, Fault(endpoint="export_status", kind="hang", nth=(2,))) as b:
        before = b.simulator.counts()["open_connections"]
        tasks = asyncio.all_tasks()

        async def streamed() -> None:
            async with aclosing(stream(b.session, b.link, renew=b.renew)) as chunks:
                async for _ in chunks:
                    pass

        call = asyncio.create_task(b.to(target) if how == "path" else streamed())
        await asyncio.sleep(at)
        assert not call.done()
        if how == "path" and "slow" in fault.kind and at:
            assert len(list(tmp_path.iterdir())) == 2  # the part file is really there
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert alone(target)
        assert target.read_bytes() == b"old"
        await asyncio.sleep(1)
        assert b.simulator.counts()["open_connections"] <= before + (fault.kind in ("status", "truncate", "expired"))
        assert asyncio.all_tasks() - tasks == set() or fault.kind in ("status", "truncate", "expired")


async def test_a_deadline_around_it_does_the_same(tmp_path: Path) -> None:
    async with bench(storage_fault("slow", 1, seconds=100)) as b:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(42):
                await b.to(tmp_path / "x.pdf")
        assert list(tmp_path.iterdir()) == []


async def test_a_callback_that_raises_ends_the_download_cleanly(tmp_path: Path) -> None:
    async with bench() as b:
        before = b.simulator.counts()["open_connections"]
        with pytest.raises(ZeroDivisionError):
            await b.to(tmp_path / "x.pdf", on_progress=lambda _: 1 / 0)
        assert list(tmp_path.iterdir()) == []
        await asyncio.sleep(1)
        assert b.simulator.counts()["open_connections"] == before


# --------------------------------------------------------- files and streams


class Pipe:
    """Takes bytes and cannot go back."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: bytes) -> None:
        self.taken += data


class AsyncFile:
    """As asynchronous file libraries have them: every method is a coroutine function."""

    def __init__(self) -> None:
        self.file = io.BytesIO()

    async def write(self, data: bytes) -> int:
        await asyncio.sleep(0.01)
        return self.file.write(data)

    async def seekable(self) -> bool:
        return True

    async def tell(self) -> int:
        return self.file.tell()


class HalfAsyncFile(AsyncFile):
    """And others answer `seekable` at once."""

    def seekable(self) -> bool:  # type: ignore[override]
        return True


class Sluggish(io.RawIOBase):
    """A raw file may take less than it is given."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: Any) -> int:
        part = bytes(data)[:1000]
        self.taken += part
        return len(part)


@pytest.mark.parametrize("fault", [None, storage_fault("truncate", 1), storage_fault("expired", 1)])
async def test_open_files_of_every_kind_take_the_bytes(tmp_path: Path, fault: Fault | None) -> None:
    async with bench(*([fault] if fault else [])) as b:
        memory, pipe, sluggish = io.BytesIO(b"head:"), Pipe(), Sluggish()
        memory.seek(5)
        assert type(await b.to(memory)) is Received
        assert memory.getvalue() == b"head:" + b.body()
        for target in (pipe, sluggish):
            await b.to(target)
            assert bytes(target.taken) == b.body()
        for file in (AsyncFile(), HalfAsyncFile()):
            await b.to(file)
            assert file.file.getvalue() == b.body()
        with (tmp_path / "mine").open("wb") as mine:
            await b.to(mine)
            assert not mine.closed
        assert (tmp_path / "mine").read_bytes() == b.body()


async def test_an_open_file_is_rewound_to_where_it_stood_when_the_download_starts_over() -> None:
    async with bench(storage_fault("truncate", 1), storage_fault("changed", 2)) as b:
        file = io.BytesIO(b"head:and a longer tail" + b"x" * 2 * SIZE)
        file.seek(5)
        await b.to(file)
        assert file.getvalue() == b"head:" + b.body(revision=1)


@pytest.mark.parametrize("make", [Pipe, AsyncFile, HalfAsyncFile])
async def test_a_file_that_cannot_be_rewound_says_so(make: Callable[[], Any]) -> None:
    async with bench(storage_fault("truncate", 1), storage_fault("changed", 2)) as b:
        with pytest.raises(IncompleteDownloadError, match="cannot be rewound"):
            await b.to(make())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_under_an_open_file_is_a_target_error() -> None:
    async with bench() as b:
        full = io.FileIO("/dev/full", "wb")
        with full, pytest.raises(TargetError, match="the disk is full") as caught:
            await b.to(full)
        assert isinstance(caught.value.__cause__, OSError)


async def test_a_file_that_takes_nothing_is_a_target_error() -> None:
    class Stuck(Pipe):
        def write(self, data: bytes) -> int:  # type: ignore[override]  # noqa: ARG002
            return 0

    async with bench() as b:
        with pytest.raises(TargetError, match="took 0 of"):
            await b.to(Stuck())


async def collected(b: Bench, **options: Any) -> bytes:
    return b"".join([chunk async for chunk in stream(b.session, b.link, renew=b.renew, **options)])


@limits(deadline=None, max_examples=20)
@given(breaks=breaks, restart=st.sampled_from(["ignore_range", "s3_error_200", "html", "expired", "reset"]))
async def test_a_stream_hides_breaks_and_restarts(breaks: list[tuple[str, int]], restart: str) -> None:
    faults = [storage_fault(kind, number, after_bytes=at) for number, (kind, at) in enumerate(breaks, 1)]
    async with bench(*faults, storage_fault(restart, len(breaks) + 1)) as b:
        assert await collected(b) == b.body()


async def test_a_stream_of_a_file_that_changed_ends_with_an_error() -> None:
    async with bench(storage_fault("truncate", 1), storage_fault("changed", 2)) as b:
        given = bytearray()
        with pytest.raises(IncompleteDownloadError, match="changed"):  # noqa: PT012
            async for chunk in stream(b.session, b.link, renew=b.renew):
                given += chunk
        assert b.body().startswith(given)
        assert len(given) == SIZE // 2


async def test_a_stream_checks_the_end_too() -> None:
    async with bench() as b:
        given = 0
        with pytest.raises(IncompleteDownloadError, match="sha1"):  # noqa: PT012
            async for chunk in stream(b.session, b.link, renew=b.renew, expected=Expected(sha1="0" * 40)):
                given += len(chunk)
        assert given == SIZE


async def test_leaving_a_stream_early_drops_the_connection() -> None:
    async with bench(storage_fault("slow", 1, seconds=100, after_bytes=1000)) as b:
        before = b.simulator.counts()["open_connections"]
        async with aclosing(stream(b.session, b.link, renew=b.renew)) as chunks:
            assert await anext(chunks)
            assert b.simulator.counts()["open_connections"] == before + 1
        await asyncio.sleep(1)
        assert b.simulator.counts()["open_connections"] == before


# ------------------------------------------------------------------ memory


@pytest.mark.parametrize("to", ["path", "stream"])
async def test_a_large_body_is_never_in_memory(tmp_path: Path, to: str) -> None:
    size = 64 << 20
    async with bench(size=size) as b:
        tracemalloc.start()
        try:
            if to == "path":
                await b.to(tmp_path / "x.pdf")
                received = (tmp_path / "x.pdf").stat().st_size
            else:
                received = 0
                async for chunk in stream(b.session, b.link, renew=b.renew):
                    received += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert received == size
        assert peak < 8 << 20


async def test_many_at_once_are_independent(tmp_path: Path) -> None:
    faults = [storage_fault("truncate", *range(1, 60, 3)), storage_fault("expired", *range(2, 60, 5))]
    async with bench(*faults) as b:
        await asyncio.gather(*(b.to(tmp_path / f"{number}.pdf") for number in range(20)))
        assert {path.read_bytes() for path in tmp_path.iterdir()} == {b.body()}
        assert len(list(tmp_path.iterdir())) == 20


async def test_renew_returns_links_in_either_form(tmp_path: Path) -> None:
    async with bench(Fault(endpoint="signed_get", kind="status", status=403, times=1)) as at:

        async def renew(refused: SignedUrl | None) -> SignedUrl:
            return (await at.renew(refused)).parts[0].link

        got = await download(at.session, at.link, tmp_path / "x.pdf", renew=renew)
        assert got.path.read_bytes() == at.body()


WRONG: list[Any] = [None, "https://storage.example/x?X-Amz-Signature=canary", Source(parts=()), Source(parts=("x",))]  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", WRONG, ids=["none", "text", "no_links", "no_parts"])
async def test_links_that_are_none_are_refused(tmp_path: Path, wrong: Any) -> None:
    async with bench(Fault(endpoint="signed_get", kind="status", status=403)) as at:

        async def renew(refused: SignedUrl | None) -> Any:
            return wrong

        for source, words in ((at.link, "renew must return"), (wrong, "the source must be")):
            with pytest.raises(InputError, match=f"^{words} a Source") as caught:
                await download(at.session, source, tmp_path / "x.pdf", renew=renew)
            assert "canary" not in str(caught.value)
            with pytest.raises(InputError, match=f"^{words} a Source"):
                async with aclosing(stream(at.session, source, renew=renew)) as chunks:
                    await anext(chunks)
        assert list(tmp_path.iterdir()) == []
