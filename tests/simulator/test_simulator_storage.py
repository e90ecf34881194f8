"""Signed links and the store behind them."""

import asyncio

import pytest
from yarl import URL

from aps_async.simulator import Behaviour, JobPolls, World
from tests.simulator.conftest import Answer, Serve

NOW = Behaviour(job_time=JobPolls(0))


async def test_a_link_opens_without_bearer_and_only_without(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        whole = await client.call("GET", link)
        assert whole.status == 200
        assert whole.body.startswith(b"%PDF-")
        assert whole.body.rstrip().endswith(b"%%EOF")
        assert whole.headers["Content-Type"] == "application/pdf"
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert whole.headers["x-amz-request-id"]
        assert whole.headers["Last-Modified"].endswith("GMT")
        leaked = await client.get(link)
        assert (leaked.status, leaked.code) == (400, "InvalidArgument")
        assert client.bearer.encode() not in leaked.body
        assert client.simulator.counts()["authorization_on_signed_link"] == 1


async def test_signature_covers_every_byte_and_the_method(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        rewritten = str(URL(link))  # what a client does that lets yarl normalise
        assert rewritten != link
        for bad in (
            rewritten,
            link + "&a=b",
            link.replace(".pdf?", ".pdf?a=b&"),
            link[:-1] + ("0" if link[-1] != "0" else "1"),
        ):
            answer = await client.call("GET", bad)
            assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
        assert (await client.call("HEAD", link)).status == 403
        assert (await client.call("GET", link.partition("?")[0])).code == "AccessDenied"
        assert (await client.call("GET", link)).status == 200


@pytest.mark.looptime
async def test_expiry_counts_on_arrival_and_agrees_with_the_url(serve: Serve) -> None:
    async with serve(behaviour=NOW, virtual=True) as client:
        link = await client.link()
        assert "X-Amz-Expires=120&" in link
        assert "X-Amz-Date=20250615T150640Z&" in link
        await asyncio.sleep(119)
        assert (await client.call("GET", link)).status == 200
        await asyncio.sleep(1)
        late = await client.call("GET", link)
        assert (late.status, late.code) == (403, "AccessDenied")
        assert b"<Message>Request has expired</Message>" in late.body
        assert late.headers["Content-Type"] == "application/xml"
        assert client.simulator.counts()["expired_urls_opened"] == 1
        assert (await client.call("GET", await client.link())).status == 200


@pytest.mark.looptime
async def test_speed_divides_the_life_of_links(serve: Serve) -> None:
    async with serve(behaviour=NOW, virtual=True, speed=30) as client:
        link = await client.link()
        assert "X-Amz-Expires=4&" in link
        await asyncio.sleep(4)
        assert (await client.call("GET", link)).status == 403
    async with serve(behaviour=NOW, virtual=True, speed=1000) as client:
        assert "X-Amz-Expires=1&" in await client.link()


async def test_ranges_and_preconditions(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        whole = await client.call("GET", link)
        size, etag = len(whole.body), whole.headers["ETag"]
        assert etag.startswith('"')

        async def ranged(text: str, **headers: str) -> Answer:
            return await client.call("GET", link, headers={"Range": text, **headers})

        for text, start, stop in (
            ("bytes=0-9", 0, 10),
            ("bytes=100-", 100, size),
            ("bytes=-7", size - 7, size),
            ("bytes=0-", 0, size),
        ):
            answer = await ranged(text)
            assert answer.status == 206
            assert answer.body == whole.body[start:stop]
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
            assert answer.headers["ETag"] == etag
        beyond = await ranged(f"bytes={size}-")
        assert (beyond.status, beyond.code) == (416, "InvalidRange")
        assert beyond.headers["Content-Range"] == f"bytes */{size}"
        assert (await ranged("bytes=5-2")).status == 200
        assert (await ranged("lines=1-2")).status == 200
        assert (await ranged("bytes=5-", **{"If-Match": etag})).status == 206
        changed = await ranged("bytes=5-", **{"If-Match": '"other"'})
        assert (changed.status, changed.code) == (412, "PreconditionFailed")
        assert (await ranged("bytes=5-", **{"If-Range": '"other"'})).status == 206
        assert (await client.call("GET", link, headers={"If-None-Match": etag})).status == 304


async def test_a_padded_sheet_is_a_valid_pdf_of_exactly_that_size(serve: Serve) -> None:
    import pypdfium2

    size = 3_500_001
    async with serve(World.single_folder(1, bytes=size), behaviour=NOW) as client:
        link = await client.link()
        whole = await client.call("GET", link)
        assert len(whole.body) == size
        assert whole.body.rstrip().endswith(b"%%EOF")
        document = pypdfium2.PdfDocument(whole.body)
        assert len(document) == 1
        assert "A-101" in document[0].get_textpage().get_text_range()
        for start, stop in ((0, size), (5, 20_000), (1_048_570, 2_300_000), (size - 30, size), (1_200_000, 1_200_001)):
            part = await client.call("GET", link, headers={"Range": f"bytes={start}-{stop - 1}"})
            assert part.body == whole.body[start:stop]
        misplaced = whole.body[2_000_000:3_000_000]
        assert misplaced != whole.body[2_000_000 - 1_048_576 : 3_000_000 - 1_048_576]
        assert client.simulator.counts()["bytes_sent"] > size


async def test_unknown_object(serve: Serve) -> None:
    async with serve() as client:
        signer = client.simulator.storage.signer
        target = signer.link("/bucket/nothing.pdf", client.simulator.clock(), 120)
        answer = await client.call("GET", client.simulator.storage_url + target)
        assert (answer.status, answer.code) == (404, "NoSuchKey")


LONG_AGO, FAR_AHEAD = "Mon, 01 Jan 2001 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "{bare}"}, 200),
        ({"If-Match": '"a", {etag}'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"a", "b"'}, 412),
        ({"If-Match": "W/{etag}"}, 412),
        ({"If-Match": "{etag}", "If-Unmodified-Since": LONG_AGO}, 200),
        ({"If-Unmodified-Since": LONG_AGO}, 412),
        ({"If-Unmodified-Since": "{modified}"}, 200),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": "{bare}"}, 304),
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"a",{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"a"', "If-Modified-Since": FAR_AHEAD}, 200),
        ({"If-Modified-Since": "{modified}"}, 304),
        ({"If-Modified-Since": FAR_AHEAD}, 304),
        ({"If-Modified-Since": LONG_AGO}, 200),
        ({"If-Modified-Since": "Mon, 01 Jan 99999999 00:00:00 GMT"}, 200),
        ({"If-Match": "{etag}", "If-None-Match": "{etag}"}, 304),
        ({"Range": "bytes=0-9", "If-Match": '"a"'}, 412),
        ({"Range": "bytes=0-9", "If-None-Match": "{etag}"}, 304),
        ({"Range": "bytes=0-9", "If-Match": "{etag}"}, 206),
    ],
    ids=str,
)
async def test_conditional_requests(serve: Serve, headers: dict[str, str], status: int) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        whole = await client.call("GET", link)
        etag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
        sent = {name: text.format(etag=etag, bare=etag.strip('"'), modified=modified) for name, text in headers.items()}
        answer = await client.call("GET", link, headers=sent)
        assert answer.status == status
        if status == 304:
            assert answer.headers["ETag"] == etag
            assert not answer.body
