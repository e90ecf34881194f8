"""Archives from outside: what is wrong with one is told in one error, and nothing of it gets onto the disk."""

import io
import random
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async import (
    ArchiveLimits,
    ExportOutcome,
    IncompleteDownloadError,
    TargetError,
    export_many,
    files,
    start_export,
    unpack_archive,
    verify_archive,
    wait_for_export,
)
from aps_async.names import NameBook
from aps_async.simulator import Behaviour, JobTime
from tests.documents import lying_in
from tests.kinds import SCENES, world
from tests.support import service

pytestmark = pytest.mark.looptime(start=time.monotonic)

PDF = b"%PDF-1.7\n" + random.Random(1).randbytes(4000) + b"\n%%EOF\n"  # noqa: S311 - noise, so that nothing compresses it
SMALL = ArchiveLimits(entries=3, size=20_000)


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive; names are written as they are given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def named(name: str) -> bytes:
    return zipped(("good.pdf", PDF), (name, b"outside"))


def symlink() -> bytes:
    entry = zipfile.ZipInfo("link.pdf")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped(("good.pdf", PDF), (entry, b"/etc/passwd"))


def encrypted() -> bytes:
    """With the flag set in both headers; zipfile itself cannot encrypt."""
    data = bytearray(zipped(("secret.pdf", PDF)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def wrong_crc() -> bytes:
    data = bytearray(zipped(("a.pdf", PDF), ("b.pdf", PDF), method=zipfile.ZIP_STORED))
    data[len(PDF) + 200 + len(PDF) // 2] ^= 0xFF
    return bytes(data)


def broken_stream() -> bytes:
    data = bytearray(zipped(("a.pdf", PDF * 3)))
    data[60:90] = bytes(30)
    return bytes(data)


def bomb() -> bytes:
    """42 kB that unpack to 41 MB."""
    return zipped(("0001.pdf", b"%PDF-" + bytes(20 << 20)), ("0002.pdf", b"%PDF-" + bytes(21 << 20)))


def overlapping(names: tuple[str, ...]) -> bytes:
    """Every entry of the directory is the one body, as in bombs that grow with the square of their size."""
    [name, *_] = names
    single = zipped((name, PDF), method=zipfile.ZIP_STORED)
    at = single.index(b"PK\x01\x02")
    end = single.index(b"PK\x05\x06")
    entry = single[at:end]
    directory = b"".join(entry.replace(name.encode(), each.encode()) for each in names)
    tail = struct.pack("<HHHHLLH", 0, 0, len(names), len(names), len(directory), at, 0)
    return single[:at] + directory + b"PK\x05\x06" + tail


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "traversal": (lambda: named("../../x"), "points outside"),
    "deep traversal": (lambda: named("a/b/../../../x"), "points outside"),
    "absolute": (lambda: named("/etc/x"), "points outside"),
    "drive": (lambda: named("C:/x"), "points outside"),
    "drive without a root": (lambda: named("C:x"), "points outside"),
    "backslash": (lambda: named("..\\..\\x"), "points outside"),
    "rooted by a backslash": (lambda: named("\\x"), "points outside"),
    "share": (lambda: named("\\\\server\\share\\x"), "points outside"),
    "symlink": (symlink, "is a link"),
    "encrypted": (encrypted, "is encrypted"),
    "wrong crc": (wrong_crc, "Bad CRC-32 for file 'b.pdf'"),
    "broken stream": (broken_stream, "is damaged"),
    "truncated": (lambda: zipped(("a.pdf", PDF))[:-30], "is damaged"),
    "without its beginning": (lambda: zipped(("a.pdf", PDF), ("b.pdf", PDF))[2000:], "it is cut off"),
    "not a ZIP": (lambda: b"PK\x03\x04 and then something else", "is damaged"),
    "nothing at all": (lambda: b"", "is damaged"),
    "empty": (zipped, "is empty"),
    "only folders": (lambda: zipped(("a/", b"")), "is empty"),
    "bomb": (bomb, "that is a bomb"),
    "overlapping": (lambda: overlapping(("a.pdf",) * 5), "overlap"),
    "overlapping, other names": (lambda: overlapping(("a.pdf", "b.pdf")), "overlap"),
    "too many entries": (lambda: zipped(*((f"{n}.txt", b"") for n in range(10_001))), "10001 entries, more than 10000"),
    "no PDF": (lambda: zipped(("a.pdf", b"<html>503</html>")), "entry 'a.pdf' is no PDF"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_one_clear_error_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    archive = tmp_path / "deep" / "er" / "x.zip"
    archive.write_bytes(make())
    began = time.perf_counter()
    with pytest.raises(IncompleteDownloadError, match=words):
        verify_archive(archive)
    assert time.perf_counter() - began < 5
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_the_bomb_is_small() -> None:
    assert 40_000 < len(bomb()) < 44_000


@pytest.mark.parametrize(
    ("entries", "words"),
    [(4, "4 entries, more than 3"), (3, "more than 20000 bytes")],
)
def test_limits_can_be_set(entries: int, words: str, tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped(*((f"{n}.pdf", PDF * 2) for n in range(entries))))
    with pytest.raises(IncompleteDownloadError, match=words):
        verify_archive(archive, limits=SMALL)
    verify_archive(archive)


async def test_a_good_one_is_unpacked_flat_under_safe_names(tmp_path: Path) -> None:
    archive, folder = tmp_path / "x.zip", tmp_path / "out"
    folder.mkdir()
    names = ("A-101.pdf", "sub/A-101.PDF", "NUL.pdf", "what?.pdf", "no suffix", "odd.p:x", "dir/")
    archive.write_bytes(zipped(*((name, PDF if not name.endswith("/") else b"") for name in names)))
    verify_archive(archive)
    made = await unpack_archive(archive, folder, NameBook())
    assert [path.name for path in made] == [
        "A-101.pdf", "A-101 (2).pdf", "_NUL.pdf", "what_.pdf", "no suffix", "odd.p_x"
    ]  # fmt: skip
    assert lying_in(folder) == sorted(path.name for path in made)
    assert {path.read_bytes() for path in made} == {PDF}


async def test_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped(("a.pdf", PDF)))
    with pytest.raises(TargetError, match="its folder does not exist"):
        await unpack_archive(archive, tmp_path / "gone", NameBook())
    assert lying_in(tmp_path) == ["x.zip"]


# ---------------------------------------------------------------- through a whole export

KINDS = {
    "traversal": "points outside",
    "bad_crc": "Bad CRC-32",
    "bomb": "would unpack to more|that is a bomb",
    "bomb_deflate": "that is a bomb",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unpack", [False, True])
async def test_a_bad_archive_ends_an_export(kind: str, unpack: bool, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    behaviour = Behaviour(job_time=JobTime.fixed(20), acc_zip=kind)  # type: ignore[arg-type]
    scene = SCENES["acc-files-zip"]
    async with service(world(), behaviour=behaviour) as simulator, scene.session(simulator) as session:
        request = scene.request(simulator, "good")
        with pytest.raises(IncompleteDownloadError, match=KINDS[kind]):
            await wait_for_export(session, await start_export(session, request), folder / "x.zip")
        outcomes: list[ExportOutcome] = [
            outcome async for outcome in export_many(session, [request], folder, unpack=unpack)
        ]
        # A file of its own beside it, so that the run is seen to go on.
        [alone] = files.export_requests(request.project_id, request.subjects[:1], name="alone")
        outcomes += [outcome async for outcome in export_many(session, [request, alone], folder, unpack=unpack)]
    assert [type(each.error) for each in outcomes if not each.ok] == [IncompleteDownloadError] * 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "alone.pdf"]
