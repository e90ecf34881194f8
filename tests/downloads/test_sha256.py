"""The SHA-256 of a download is that of the file, however the bytes arrive, and is known before the final name."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from aps_async import Session, Settings, SignedUrl, StaticToken, download
from aps_async.downloads.content import ANY, Expected
from aps_async.errors import IncompleteDownloadError
from aps_async.links import Part, Source
from aps_async.models import Downloaded
from aps_async.simulator import Fault
from tests.downloads.test_download import bench, storage_fault
from tests.support import served

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [storage_fault("truncate", 1, after_bytes=70_000), storage_fault("reset_body", 2, after_bytes=90_000)],
        [storage_fault("truncate", 1, after_bytes=70_000), storage_fault("ignore_range", 2)],
        [storage_fault("truncate", 1, after_bytes=70_000), storage_fault("changed", 2)],
    ],
    ids=["whole", "resumed", "range ignored", "changed in the middle"],
)
async def test_the_hash_is_that_of_the_file(tmp_path: Path, faults: Sequence[Fault]) -> None:
    path = tmp_path / "a.pdf"
    async with bench(*faults) as b:
        got = await b.to(path, sha256=True)
        without = await b.to(tmp_path / "b.pdf")
    assert got.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert without.sha256 is None


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [storage_fault("truncate", 1, after_bytes=3_700_000), storage_fault("reset_body", 2, after_bytes=5_000_000)],
        [storage_fault("truncate", 1, after_bytes=3_700_000), storage_fault("ignore_range", 2)],
        [storage_fault("truncate", 1, after_bytes=3_700_000), storage_fault("changed", 2)],
    ],
    ids=["whole", "resumed", "range ignored", "changed in the middle"],
)
async def test_so_is_the_hash_of_a_large_file(tmp_path: Path, faults: Sequence[Fault]) -> None:
    """Which is hashed in a thread."""
    path = tmp_path / "a.pdf"
    async with bench(*faults, size=8_000_000) as b:
        got = await b.to(path, sha256=True)
    assert got.size == path.stat().st_size == 8_000_000
    assert got.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


async def test_the_hash_of_a_file_in_parts_survives_a_part_that_starts_over(tmp_path: Path) -> None:
    bodies = [bytes([number]) * 50_000 for number in (1, 2, 3)]
    seen: list[str] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        body = bodies[int(request.path[1:])]
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})  # no ETag: no way to resume
        await response.prepare(request)
        cut = request.path == "/1" and seen.count("/1") == 1
        await response.write(body[:20_000] if cut else body)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    async with served(serve) as address, Session(StaticToken("t"), base_url=address) as session:
        parts = tuple(Part(link=SignedUrl(f"{address}/{number}"), size=50_000) for number in range(3))
        got = await download(
            session,
            Source(parts=parts, size=150_000),
            tmp_path / "parts",
            expected=Expected(signatures=(ANY,)),
            sha256=True,
        )
    assert seen == ["/0", "/1", "/1", "/2"]
    assert (tmp_path / "parts").read_bytes() == b"".join(bodies)
    assert got.sha256 == hashlib.sha256(b"".join(bodies)).hexdigest()


@pytest.mark.parametrize(
    ("count", "ends", "etag", "words"),
    [
        (1, "whole", '"0"', ""),
        (3, "whole", None, ""),
        (1, "short", None, "the file has 40000 bytes instead of 50000"),
        (3, "short", None, "part 3 of the file has 40000 bytes instead of 50000"),
        (1, "broken", None, "at 20000 of 50000 bytes"),
        (3, "broken", None, "at 120000 of 150000 bytes"),
    ],
)
async def test_what_is_said_of_a_file_in_parts(
    count: int, ends: str, etag: str | None, words: str, tmp_path: Path
) -> None:
    last = f"/{count - 1}"

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        size = 40_000 if ends == "short" and request.path == last else 50_000
        response = web.StreamResponse(headers={"Content-Length": str(size), "ETag": f'"{request.path[1:]}"'})
        if "Range" in request.headers:
            response.set_status(503)
        await response.prepare(request)
        if ends == "broken" and request.path == last:
            await response.write(b"x" * 20_000)
            assert request.transport is not None
            request.transport.abort()
        else:
            await response.write(b"x" * size)
        return response

    settings = Settings(max_download_attempts=2)
    async with (
        served(serve) as address,
        Session(StaticToken("t"), base_url=address, settings=settings) as session,
    ):
        parts = tuple(Part(link=SignedUrl(f"{address}/{number}"), size=50_000) for number in range(count))
        source = Source(parts=parts, size=50_000 * count)
        coming = download(session, source, tmp_path / "parts", expected=Expected(signatures=(ANY,)))
        if words:
            with pytest.raises(IncompleteDownloadError, match=words):
                await coming
        else:
            assert (await coming).etag == etag


async def test_whoever_has_the_last_word_sees_the_whole_before_its_name_does(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    told: list[tuple[Downloaded, bool]] = []

    async def note(file: Downloaded) -> None:
        await asyncio.sleep(1)
        told.append((file, path.exists()))

    async with bench() as b:
        got = await b.to(tmp_path / "a", add_suffix=True, sha256=True, before_rename=note)
    assert told == [(got, False)]
    assert got.path == path
    assert path.exists()


async def test_a_last_word_that_is_no_leaves_nothing(tmp_path: Path) -> None:
    async def refuse(file: Downloaded) -> None:
        assert file.size
        raise RuntimeError("not this one")

    async with bench() as b:
        with pytest.raises(RuntimeError, match="not this one"):
            await b.to(tmp_path / "a.pdf", before_rename=refuse)
    assert list(tmp_path.iterdir()) == []
