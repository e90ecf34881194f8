"""Untrusted archives: a bad one is a single error, and nothing of it reaches the disk."""

import asyncio
import errno
import io
import os
import random
import stat
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async import ExportOutcome, export_many, files, start_export, wait_for_export
from aps_async.downloads.archives import ArchiveLimits, unpack_archive, verify_archive
from aps_async.downloads.filenames import NameBook
from aps_async.errors import IncompleteDownloadError, TargetError
from aps_async.ledger import Ledger
from aps_async.simulator import Behaviour, JobTime
from aps_async.simulator.archives import make_zip
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


def with_method(data: bytes, name: str, method: int) -> bytes:
    """With another compression method in both headers of an entry, which zipfile cannot read then."""
    patched = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.getinfo(name).header_offset
    patched[at + 8 : at + 10] = struct.pack("<H", method)
    at = data.index(name.encode(), data.index(b"PK\x01\x02")) - 46
    patched[at + 10 : at + 12] = struct.pack("<H", method)
    return bytes(patched)


def damaged(method: int) -> bytes:
    data = bytearray(zipped(("a.pdf", PDF * 3), method=method))
    for at in range(60, 90):
        data[at] ^= 0xFF
    return bytes(data)


def with_name(name: bytes, directory_says_utf8: bool, file_says_utf8: bool) -> bytes:
    """`a.pdf` and an entry with these bytes for a name."""
    new = bytearray(zipped(("a.pdf", PDF), ("*" * len(name), PDF)).replace(b"*" * len(name), name))
    local, at = new.rindex(b"PK\x03\x04"), new.rindex(b"PK\x01\x02")
    new[local + 7] = 0x08 * file_says_utf8
    new[at + 9] = 0x08 * directory_says_utf8
    return bytes(new)


def of_version(version: int) -> bytes:
    new = bytearray(zipped(("a.pdf", PDF), ("odd.pdf", PDF)))
    at = new.rindex(b"PK\x01\x02") + 6
    new[at : at + 2] = version.to_bytes(2, "little")
    return bytes(new)


def large(data: bytes) -> bytes:
    """The same with the records of an archive of more than 4 GiB."""
    end = data.rindex(b"PK\x05\x06")
    count, length, offset = struct.unpack_from("<HLL", data, end + 10)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return (
        data[:end]
        + record
        + locator
        + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, count, count, *[0xFFFFFFFF] * 2, 0)
    )


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


def with_extra(*fields: bytes) -> bytes:
    """`a.pdf` and an entry with these extra fields in the directory."""
    odd = zipfile.ZipInfo("odd.pdf")
    odd.extra = b"".join(fields)
    return zipped(("a.pdf", PDF), (odd, PDF))


def with_flag(flag: int) -> bytes:
    """`a.pdf` and an entry with this flag in both headers."""
    new = bytearray(zipped(("a.pdf", PDF), ("odd.pdf", PDF)))
    local, at = new.rindex(b"PK\x03\x04"), new.rindex(b"PK\x01\x02")
    new[local + 6] |= flag
    new[at + 8] |= flag
    return bytes(new)


def displaced(by: int) -> bytes:
    """With a directory that is so many bytes from where the archive says."""
    new = bytearray(zipped(("a.pdf", PDF)))
    end = new.rindex(b"PK\x05\x06") + 16
    struct.pack_into("<L", new, end, struct.unpack_from("<L", new, end)[0] + by)
    return bytes(new)


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
    "places before its beginning": (lambda: displaced(4), "is damaged: it leads to a place outside"),
    "places far before its beginning": (lambda: displaced(1 << 20), "is damaged: it leads to a place outside"),
    "places too late": (lambda: displaced(-4), "is damaged"),
    "not a ZIP": (lambda: b"PK\x03\x04 and then something else", "is damaged"),
    "nothing at all": (lambda: b"", "is damaged"),
    "empty": (zipped, "is empty"),
    "only folders": (lambda: zipped(("a/", b"")), "is empty"),
    "bomb of bzip2": (lambda: make_zip([], "bomb"), "as a ZIP bomb would"),
    "bomb of deflate": (lambda: make_zip([], "bomb_deflate"), "as a ZIP bomb would"),
    "broken lzma": (lambda: damaged(zipfile.ZIP_LZMA), "is damaged"),
    "broken bzip2": (lambda: damaged(zipfile.ZIP_BZIP2), "is damaged"),
    "traversal with both separators": (lambda: named("a/..\\..\\x"), "points outside"),
    "overlapping": (lambda: overlapping(("a.pdf",) * 5), "overlap"),
    "overlapping, other names": (lambda: overlapping(("a.pdf", "b.pdf")), "overlap"),
    "too many entries": (lambda: zipped(*((f"{n}.txt", b"") for n in range(10_001))), "10001 entries, more than 10000"),
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


ODD: dict[str, tuple[Callable[[], bytes], str | None, int]] = {
    "bytes before the PDF": (lambda: zipped(("a.pdf", PDF), ("odd.pdf", b"\xef\xbb\xbf\r\n" + PDF)), None, 2),
    "1,024 bytes before the PDF": (lambda: zipped(("a.pdf", PDF), ("odd.pdf", bytes(1024) + PDF)), None, 2),
    "1,025 bytes before the PDF": (
        lambda: zipped(("a.pdf", PDF), ("odd.pdf", bytes(1025) + PDF)),
        "not a valid PDF",
        2,
    ),
    "not a PDF": (lambda: zipped(("a.pdf", PDF), ("odd.pdf", b"<html>503</html>")), "not a valid PDF", 2),
    "an empty PDF": (lambda: zipped(("a.pdf", PDF), ("odd.pdf", b"")), "not a valid PDF", 2),
    "a scan of 1,000 to 1": (lambda: zipped(("a.pdf", PDF), ("odd.pdf", b"%PDF-" + b"\xff" * (40 << 20))), None, 2),
    "Deflate64": (lambda: with_method(zipped(("a.pdf", PDF), ("odd.pdf", PDF)), "odd.pdf", 9), "Deflate64", 1),
    "PPMd": (lambda: with_method(zipped(("a.pdf", PDF), ("odd.pdf", PDF)), "odd.pdf", 98), "method 98", 1),
    "a version of the format to come": (lambda: of_version(99), None, 2),
    "an extra field longer than all of them": (lambda: with_extra(b"up\xff\xff"), None, 2),
    "an extra field that is cut off": (lambda: with_extra(b"XX\1\0x", b"YY\x09\0yy"), None, 2),
    "a cut extra field for large files": (lambda: with_extra(b"\1\0\x10\0abc"), None, 2),
    "half of an extra field's head": (lambda: with_extra(b"XX\1\0x", b"YYY"), None, 2),
    "a second name that is too short": (lambda: with_extra(b"up\3\0\1ab", b"XX\1\0x"), None, 2),
    "a second name that is not UTF-8": (
        lambda: with_extra(b"up\x07\0\1" + zlib.crc32(b"odd.pdf").to_bytes(4, "little") + b"\xff\xfe"),
        None,
        2,
    ),
    "strong encryption": (lambda: with_flag(0x40), "a patch or has strong encryption", 1),
    "a patch": (lambda: with_flag(0x20), "a patch or has strong encryption", 1),
    "backslashes": (lambda: zipped(("Plans\\", b""), ("Plans\\a.pdf", PDF), ("odd.txt", b"x")), None, 2),
}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_entry_costs_a_warning_and_no_other_entry(name: str, tmp_path: Path) -> None:
    make, words, files_made = ODD[name]
    archive, folder = tmp_path / "x.zip", tmp_path / "out"
    archive.write_bytes(make())
    folder.mkdir()
    warnings = verify_archive(archive)
    assert len(warnings) == (words is not None)
    assert all(f"'odd.pdf' is {words}" in each.replace("compressed by ", "") for each in warnings)
    skipped: list[str] = []
    made = await unpack_archive(archive, folder, NameBook(), on_skip=skipped.append)
    assert skipped == (list(warnings) if files_made == 1 else [])
    assert len(made) == files_made
    assert made[0] == folder / "a.pdf"
    assert made[0].read_bytes() == PDF
    assert lying_in(folder) == sorted(path.name for path in made)
    assert archive.exists()


NAMES = {
    "UTF-8": "Pl\u00e4ne.pdf".encode(),
    "Latin-1": "Pl\u00e4ne.pdf".encode("latin-1"),
    "neither": b"Pl\xff\xfe\x80ne.pdf",
    "cut": "\u56f3.pdf".encode()[:2] + b".pdf",
    "half a surrogate pair": b"\xed\xa0\xbd.pdf",
}


@pytest.mark.parametrize(
    "wrap", [bytes, large, lambda data: b"in front of it" + data], ids=["plain", "large", "behind"]
)
@pytest.mark.parametrize("file_says_utf8", [True, False])
@pytest.mark.parametrize("directory_says_utf8", [True, False])
@pytest.mark.parametrize("name", NAMES)
async def test_a_name_in_no_encoding_costs_a_warning_at_most(
    name: str, directory_says_utf8: bool, file_says_utf8: bool, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    archive, folder = tmp_path / "x.zip", tmp_path / "out"
    archive.write_bytes(wrap(with_name(NAMES[name], directory_says_utf8, file_says_utf8)))
    folder.mkdir()
    warnings = verify_archive(archive)
    if name != "UTF-8" and directory_says_utf8:
        [warning] = warnings
        assert warning.endswith("has a name that is not valid UTF-8")
    else:
        assert warnings == ()
    made = await unpack_archive(archive, folder, NameBook())
    assert len(made) == 2
    assert {path.read_bytes() for path in made} == {PDF}
    if name == "UTF-8" and directory_says_utf8:
        assert made[1].name == "Pl\u00e4ne.pdf"


@pytest.mark.parametrize("name", [b"../\xff.pdf", b"C:\xff.pdf", b"\\\\\xff\\x"])
def test_a_name_in_no_encoding_leads_nowhere_else(name: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(with_name(name, True, True))
    with pytest.raises(IncompleteDownloadError, match="points outside"):
        verify_archive(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("limits", "is_bomb"),
    [
        (ArchiveLimits(ratio=5, ratio_from=1000), True),
        (ArchiveLimits(ratio=5, ratio_from=100_000), False),
        (ArchiveLimits(ratio=2000, ratio_from=1000), False),
    ],
)
def test_a_bomb_is_judged_by_the_whole_archive(limits: ArchiveLimits, is_bomb: bool, tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped(*((f"{n}.txt", bytes(1000)) for n in range(100))))
    if is_bomb:
        with pytest.raises(IncompleteDownloadError, match="to 100000, as a ZIP bomb would"):
            verify_archive(archive, limits=limits)
    else:
        verify_archive(archive, limits=limits)


class Gate(NameBook):
    """Waits, in the thread, before it names the second file."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()

    def take(self, title: str, suffix: str = ".pdf") -> str:
        if title == "b":
            self.reached.set()
            assert self.open.wait(10)
        return super().take(title, suffix)


@pytest.mark.parametrize("second", [PDF, b""])
async def test_no_file_appears_after_a_cancel(second: bytes, tmp_path: Path) -> None:
    archive, folder, gate = tmp_path / "x.zip", tmp_path / "out", Gate()
    archive.write_bytes(zipped(("a.pdf", PDF), ("b.pdf", second), ("c.pdf", PDF)))
    folder.mkdir()
    unpacking = asyncio.create_task(unpack_archive(archive, folder, gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    unpacking.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not unpacking.done(), "the thread still writes"
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await unpacking
    assert lying_in(folder) == ["a.pdf"]


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


@pytest.mark.parametrize("other", ["a.pdf ", "a.pdf.", "a.pdf\u200d", "a.p\u200ddf", "A.PDF", "b/a.pdf", "b\\a.pdf"])
@pytest.mark.parametrize("first", [True, False])
async def test_no_file_replaces_another_one_of_its_archive(other: str, first: bool, tmp_path: Path) -> None:
    archive, folder = tmp_path / "x.zip", tmp_path / "out"
    folder.mkdir()
    entries = (("a.pdf", PDF), (other, PDF + b"other"))
    archive.write_bytes(zipped(*(entries if first else reversed(entries))))
    made = await unpack_archive(archive, folder, NameBook())
    assert sorted(name.lower() for name in lying_in(folder)) == ["a (2).pdf", "a.pdf"]
    assert len({path.read_bytes() for path in made}) == 2


async def test_unpacked_files_are_on_the_disk_before_they_get_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = list[tuple[int, int]](), os.fsync

    def noted(file: int) -> None:
        sync(file)
        synced.append((os.fstat(file).st_ino, os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    archive, folder = tmp_path / "x.zip", tmp_path / "out"
    archive.write_bytes(zipped(("a.pdf", PDF), ("b.pdf", PDF)))
    folder.mkdir()
    made = await unpack_archive(archive, folder, NameBook())
    assert synced == [(path.stat().st_ino, len(PDF)) for path in made]


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
    "bomb": "as a ZIP bomb would",
    "bomb_deflate": "as a ZIP bomb would",
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
        [alone] = files.make_requests(request.project_id, request.source_ids[:1], name="alone")
        outcomes += [outcome async for outcome in export_many(session, [request, alone], folder, unpack=unpack)]
    assert [type(each.error) for each in outcomes if not each.ok] == [IncompleteDownloadError] * 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "alone.pdf"]


@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize("with_ledger", [False, True])
async def test_an_archive_that_cannot_be_unpacked_in_full_stays(
    unpack: bool, with_ledger: bool, tmp_path: Path
) -> None:
    behaviour = Behaviour(job_time=JobTime.fixed(20), acc_zip="deflate64")
    scene = SCENES["acc-files-zip"]
    async with service(world(), behaviour=behaviour) as simulator, scene.session(simulator) as session:
        request = scene.request(simulator, "good")
        runs: list[list[ExportOutcome]] = []
        for _ in range(2 if with_ledger else 1):
            ledger = Ledger(tmp_path) if with_ledger else False
            outcomes = export_many(session, [request], tmp_path, unpack=unpack, ledger=ledger)
            runs.append([outcome async for outcome in outcomes])
        starts = simulator.counts()
    first = runs[0][0]
    assert first.ok
    assert first.path is not None
    assert first.path.suffix == ".zip"
    assert first.path.exists()
    assert len(first.warnings) == 1
    assert "Deflate64" in first.warnings[0]
    assert bool(first.unpacked) == unpack
    assert first.unpacked[-1:] == ((first.path,) if unpack else ())
    assert sorted(path.name for path in first.unpacked or [first.path]) == [
        name for name in lying_in(tmp_path) if not name.startswith(".aps-async")
    ]
    if with_ledger:
        [again] = runs[1]
        assert (again.ok, again.reused) == (True, True)
        assert sorted(again.unpacked) == sorted(first.unpacked)
    assert starts["expired_urls_opened"] == 0


@pytest.mark.parametrize("with_ledger", [False, True])
@pytest.mark.parametrize(
    ("problem", "left"), [(errno.ENOENT, False), (errno.EACCES, True), (errno.EPERM, True), (errno.EBUSY, True)]
)
async def test_an_archive_that_cannot_be_removed_costs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int, left: bool, with_ledger: bool
) -> None:
    """Such as on Windows, while a virus scanner reads it; or another program has removed it."""
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.suffix != ".zip":
            return unlink(path, missing_ok)
        if problem == errno.ENOENT:
            unlink(path)
            return unlink(path, missing_ok)
        raise OSError(problem, os.strerror(problem), str(path))

    scene = SCENES["acc-files-zip"]
    behaviour = Behaviour(job_time=JobTime.fixed(20))
    async with service(world(), behaviour=behaviour) as simulator, scene.session(simulator) as session:
        request = scene.request(simulator, "good")
        monkeypatch.setattr(Path, "unlink", refused)
        run = export_many(session, [request], tmp_path, unpack=True, ledger=with_ledger)
        [outcome] = [each async for each in run]
        monkeypatch.undo()
        assert outcome.ok, outcome.error
        assert [each.suffix for each in outcome.unpacked] == [".pdf", ".pdf"]
        assert all(each.exists() for each in outcome.unpacked)
        assert len(outcome.warnings) == left
        words = "could not be put away; the next run tries again" if with_ledger else "could not be removed: "
        assert not left or words in outcome.warnings[0]
        assert (tmp_path / "good.zip").exists() == left
        if with_ledger:
            [again] = [each async for each in export_many(session, [request], tmp_path, unpack=True, ledger=True)]
            assert again.reused
            assert sorted(again.unpacked) == sorted(outcome.unpacked)
            assert not (tmp_path / "good.zip").exists()
