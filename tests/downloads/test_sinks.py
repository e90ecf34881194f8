"""Targets: an unusable target is refused before the wait, and a disk that fills up leaves no partial file."""

import asyncio
import contextlib
import errno
import io
import os
import resource
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aps_async import APSError
from aps_async.downloads.archives import unpack_archive, verify_archive
from aps_async.downloads.filenames import NameBook
from aps_async.downloads.open_files import OpenFile, opened
from aps_async.downloads.sinks import PartFile
from aps_async.downloads.target_paths import checked_path, made_folder, target_error
from aps_async.errors import DiskFullError, DownloadError, IncompleteDownloadError, InputError, TargetError
from aps_async.filesystem import replacing

ROOT = Path(__file__).parents[2]


def test_a_path_that_can_take_a_file_is_given_back(tmp_path: Path) -> None:
    assert checked_path(str(tmp_path / "x.pdf")) == tmp_path / "x.pdf"
    (tmp_path / "x.pdf").write_bytes(b"old")
    assert checked_path(tmp_path / "x.pdf") == tmp_path / "x.pdf"


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("missing/x.pdf", "create it first"),
        ("missing/deeper/x.pdf", "create it first"),
        ("a_file/x.pdf", "is a file"),
        ("a_file/deeper/x.pdf", "create it first|is a file"),
        ("a_folder", "give a file name"),
        ("", "give a file name"),
    ],
)
def test_a_path_that_cannot_says_what_to_do(tmp_path: Path, place: str, advice: str) -> None:
    (tmp_path / "a_file").write_bytes(b"")
    (tmp_path / "a_folder").mkdir()
    with pytest.raises(TargetError, match=advice) as caught:
        checked_path(tmp_path / place)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.path == tmp_path / place
    assert isinstance(caught.value, APSError)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, which not even root can write to")
async def test_a_folder_without_write_permission(tmp_path: Path) -> None:
    sink = PartFile(Path("/proc/x.pdf"))
    with pytest.raises(TargetError, match=r"cannot write /proc/x\.pdf"):
        await sink.write(0, b"%PDF-")
    sink.discard()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(TargetError, match="not writable"):
        checked_path(locked / "x.pdf")
    with pytest.raises(TargetError, match="not writable"):
        made_folder(locked)


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert made_folder(str(wanted)) == wanted
    assert wanted.is_dir()
    assert made_folder(wanted) == wanted


@pytest.mark.parametrize("place", ["a_file", "a_file/below"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_file").write_bytes(b"")
    with pytest.raises(TargetError, match="is a file"):
        made_folder(tmp_path / place)


async def finish(sink: PartFile | OpenFile) -> Path | None:
    await sink.complete()
    return sink.rename()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
@pytest.mark.parametrize("name", [b"\xff.pdf", b"plan \xe4.pdf", b"\xff" * 200 + b".pdf"])
async def test_a_name_that_is_not_unicode(tmp_path: Path, name: bytes) -> None:
    target = checked_path(os.fsencode(tmp_path) + b"/" + name)
    sink = PartFile(target)
    await sink.write(0, b"%PDF")
    assert await finish(sink) == target
    assert names(tmp_path) == [os.fsdecode(name)]


async def test_nothing_has_the_final_name_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "x.pdf"
    sink = PartFile(target)
    assert names(tmp_path) == []
    await sink.write(0, b"one ")
    [part] = names(tmp_path)
    assert part.startswith(".")
    assert part.endswith(".part")
    await sink.write(4, b"two")
    assert await finish(sink) == target
    sink.discard()
    assert names(tmp_path) == ["x.pdf"]
    assert target.read_bytes() == b"one two"


async def test_discarding_leaves_nothing_and_can_be_done_twice(tmp_path: Path) -> None:
    sink = PartFile(tmp_path / "x.pdf")
    await sink.write(0, b"half")
    sink.discard()
    sink.discard()
    assert names(tmp_path) == []


async def test_writing_at_an_earlier_position_forgets_what_came_after_it(tmp_path: Path) -> None:
    sink = PartFile(tmp_path / "x.pdf")
    for at, data in ((0, b"wrong and long"), (0, b"right"), (3, b"GHT"), (6, b"!")):
        await sink.write(at, data)
    await finish(sink)
    assert (tmp_path / "x.pdf").read_bytes() == b"rigGHT!"


async def test_a_file_of_which_nothing_came_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(IncompleteDownloadError, match="no bytes arrived"):
        await finish(PartFile(tmp_path / "x.pdf"))
    assert names(tmp_path) == []


async def test_two_downloads_to_one_name_do_not_mix(tmp_path: Path) -> None:
    one, two = PartFile(tmp_path / "x.pdf"), PartFile(tmp_path / "x.pdf")
    for at in range(3):
        await one.write(at, b"1")
        await two.write(at, b"2")
    await finish(one)
    assert (tmp_path / "x.pdf").read_bytes() == b"111"
    await finish(two)
    assert (tmp_path / "x.pdf").read_bytes() == b"222"
    assert names(tmp_path) == ["x.pdf"]


async def test_a_name_of_the_greatest_length_still_has_room_for_its_part_file(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 125 + ".pdf")
    sink = PartFile(target)
    await sink.write(0, b"x")
    await finish(sink)
    assert target.read_bytes() == b"x"
    too_long = PartFile(tmp_path / ("x" * 300))
    await too_long.write(0, b"x")
    with pytest.raises(TargetError, match="too long"):
        await finish(too_long)
    too_long.discard()
    assert names(tmp_path) == [target.name]


async def test_a_folder_that_appears_under_the_name_meanwhile(tmp_path: Path) -> None:
    sink = opened(tmp_path / "x.pdf")
    await sink.write(0, b"x")
    (tmp_path / "x.pdf").mkdir()
    with pytest.raises(TargetError, match="give a file name"):
        await finish(sink)
    sink.discard()
    assert names(tmp_path) == ["x.pdf"]


async def test_a_folder_that_vanishes_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "soon gone"
    folder.mkdir()
    sink = PartFile(folder / "x.pdf")
    await sink.write(0, b"x")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with pytest.raises(TargetError, match="create it first"):
        await finish(sink)
    sink.discard()


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    if not Path("/bin/mount").exists():
        pytest.skip("a tmpfs is a thing of Linux")
    mounted = subprocess.run(  # noqa: S603
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here; the limit on file size below tries the same")
    try:
        yield
    finally:
        # Lazy: a test that fails may have a file open there, and must not leave the disk behind.
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)  # noqa: S603


async def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path, 256 * 1024):
        sink = PartFile(tmp_path / "x.pdf")
        with pytest.raises(DiskFullError, match="the disk is full; make room") as caught:  # noqa: PT012
            for number in range(20):
                await sink.write(number * 65_536, b"x" * 65_536)
        assert caught.value.path == tmp_path / "x.pdf"
        sink.discard()
        assert names(tmp_path) == []


async def test_what_a_write_leaves_over_is_written_too(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = PartFile(tmp_path / "x.pdf")
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))  # the first write takes 60 bytes, the next one fails
    try:
        with pytest.raises(TargetError, match="larger than the file system or a limit allows"):
            await sink.write(0, bytes(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.discard()
    assert names(tmp_path) == []


def test_a_limit_on_the_size_of_files_ends_the_same_way(tmp_path: Path) -> None:
    """From outside, over the whole way: the error is of our tree, the old file stands, no part file is left."""
    (tmp_path / "x.pdf").write_bytes(b"old")
    script = textwrap.dedent(
        """
        import asyncio, resource, sys
        from aps_async import Settings, bim360, wait_for_export
        from aps_async.errors import TargetError
        from aps_async.simulator import Behaviour, JobPolls, World
        from tests.support import service, session_for

        async def main():
            world = World.single_folder(1, bytes=3_000_000)
            async with service(world, behaviour=Behaviour(job_time=JobPolls(0))) as simulator, session_for(
                simulator, Settings(poll_interval=0.01)
            ) as session:
                project = simulator.world.hubs[0].projects[0]
                job = await bim360.start_export(session, project.id, simulator.world.sheets[0].id)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
                try:
                    await wait_for_export(session, job, sys.argv[1])
                except TargetError as problem:
                    print(problem)

        asyncio.run(main())
        """
    )
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script, str(tmp_path / "x.pdf")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    assert run.stdout.startswith(f"cannot write {tmp_path / 'x.pdf'}: ")
    assert names(tmp_path) == ["x.pdf"]
    assert (tmp_path / "x.pdf").read_bytes() == b"old"


async def test_a_finish_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    sink = PartFile(tmp_path / "x.pdf")
    await sink.write(0, b"x" * 1_000_000)
    finishing = asyncio.create_task(finish(sink))
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    sink.discard()
    assert names(tmp_path) == []


class Threads(ThreadPoolExecutor):
    """The loop's threads, counting how often one is asked for."""

    asked = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.asked += 1
        return super().submit(fn, *args, **kwargs)


async def written_parts(folder: Path, count: int) -> list[PartFile]:
    sinks = [PartFile(folder / f"{number}.pdf") for number in range(count)]
    for sink in sinks:
        await sink.write(0, b"%PDF-")
    return sinks


async def test_files_that_end_together_are_synced_in_one_thread(tmp_path: Path) -> None:
    threads = Threads(4)
    asyncio.get_running_loop().set_default_executor(threads)
    sinks = await written_parts(tmp_path, 20)
    await asyncio.gather(*(finish(sink) for sink in sinks))
    assert threads.asked == 1
    assert names(tmp_path) == sorted(f"{number}.pdf" for number in range(20))
    await asyncio.gather(*(finish(sink) for sink in await written_parts(tmp_path, 3)))
    assert threads.asked == 2


async def test_of_files_that_end_together_only_the_bad_one_fails(tmp_path: Path) -> None:
    sinks = await written_parts(tmp_path, 3)
    os.close(sinks[1]._file or -1)
    done = await asyncio.gather(*(finish(sink) for sink in sinks), return_exceptions=True)
    assert [type(each) for each in done] == [type(tmp_path), TargetError, type(tmp_path)]
    for sink in sinks:
        sink.discard()
    assert names(tmp_path) == ["0.pdf", "2.pdf"]


async def test_of_files_that_end_together_one_may_be_cancelled(tmp_path: Path) -> None:
    sinks = await written_parts(tmp_path, 3)
    tasks = [asyncio.create_task(finish(sink)) for sink in sinks]
    await asyncio.sleep(0)
    tasks[1].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [type(tmp_path), asyncio.CancelledError, type(tmp_path)]
    for sink in sinks:
        sink.discard()
    assert names(tmp_path) == ["0.pdf", "2.pdf"]


async def test_a_sync_that_finds_no_threads_any_more_says_so(tmp_path: Path) -> None:
    (sink,) = await written_parts(tmp_path, 1)
    await asyncio.get_running_loop().shutdown_default_executor()
    with pytest.raises(RuntimeError, match="shutdown"):
        await asyncio.wait_for(finish(sink), 5)
    sink.discard()
    assert names(tmp_path) == []


async def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, replace, seen = os.fsync, os.replace, list[Any]()

    def noted_sync(file: int) -> None:
        sync(file)
        seen.append((os.fstat(file).st_ino, os.fstat(file).st_size))

    def noted_replace(part: Any, final: Any) -> None:
        seen.append(("named", Path(part).stat().st_ino))
        replace(part, final)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    sink = PartFile(tmp_path / "x.pdf")
    await sink.write(0, b"%PDF-")
    await finish(sink)
    number = (tmp_path / "x.pdf").stat().st_ino
    assert seen == [(number, 5), ("named", number)]


@pytest.mark.parametrize("plant", ["file", "link to a file", "link to nothing"])
async def test_what_lies_under_the_part_files_name_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 8)
    sink, victim = PartFile(tmp_path / "x.pdf"), tmp_path / "victim"
    if plant != "link to nothing":
        victim.write_bytes(b"precious")
    if plant == "file":
        victim.rename(sink.part)
        victim = sink.part
    else:
        sink.part.symlink_to(victim)
    before = names(tmp_path)
    with pytest.raises(TargetError, match="run it again"):
        await sink.write(0, b"%PDF-")
    sink.discard()
    assert names(tmp_path) == before
    assert not victim.exists() if plant == "link to nothing" else victim.read_bytes() == b"precious"


async def test_how_part_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_with = list[tuple[int, int]]()
    open_ = os.open

    def noted(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        opened_with.append((flags, mode))
        return open_(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", noted)
    sink = PartFile(tmp_path / "x.pdf")
    await sink.write(0, b"x")
    sink.discard()
    [(flags, mode)] = opened_with
    assert flags & os.O_EXCL
    assert flags & getattr(os, "O_NOFOLLOW", 0) == getattr(os, "O_NOFOLLOW", 0)
    assert mode == 0o666


def append(part: Path) -> None:
    with part.open("ab") as file:
        file.write(b"more")


def truncate(part: Path) -> None:
    os.truncate(part, 3)


def replace_by_a_file(part: Path) -> None:
    part.rename(part.with_name("real"))
    part.write_bytes(b"%PDF-")


def replace_by_a_link(part: Path) -> None:
    real = part.rename(part.with_name("real"))
    part.symlink_to(real)


def remove(part: Path) -> None:
    part.unlink()


def move_its_folder(part: Path) -> None:
    part.parent.rename(part.parent.with_name("moved"))


@pytest.mark.parametrize("change", [append, truncate, replace_by_a_file, replace_by_a_link, remove])
@pytest.mark.parametrize("completed", [False, True])
async def test_a_part_file_that_another_program_changed_is_not_taken(
    tmp_path: Path, change: Callable[[Path], None], completed: bool
) -> None:
    sink = PartFile(tmp_path / "x.pdf")
    await sink.write(0, b"%PDF-")
    if completed:
        await sink.complete()
    change(sink.part)
    with pytest.raises(
        IncompleteDownloadError, match=f"another program has {'remov' if change is remove else 'chang'}ed"
    ):
        await (finish(sink) if not completed else renamed(sink))
    assert not (tmp_path / "x.pdf").exists()
    sink.discard()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove, "another program has removed the part file of {}/x; run it again"),
        (lambda part: os.truncate(part, 40), "another program has changed the part file of {}/x: 40 bytes instead of"),
        (
            lambda part: part.parent.rename(part.parent.with_name("moved")),
            "cannot write {}/x: its folder does not exist",
        ),
        (lambda _: None, "the archive is damaged"),
    ],
    ids=["removed", "changed", "folder moved", "nothing"],
)
async def test_what_others_do_to_an_archive_while_it_is_checked_is_not_damage(
    change: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    folder = tmp_path / "plans"
    folder.mkdir()
    sink = PartFile(folder / "x")
    await sink.write(0, b"PK" + bytes(98))

    def verify(path: Path, stop: threading.Event) -> Sequence[str]:
        change(path)
        return verify_archive(path, stop=stop)

    with pytest.raises(DownloadError) as raised:
        await sink.complete(verify)
    assert words.format(folder) in str(raised.value)
    sink.discard()


async def test_an_archive_that_is_gone_is_not_a_damaged_one(tmp_path: Path) -> None:
    words = f"another program has removed {tmp_path / 'x.zip'}"
    with pytest.raises(IncompleteDownloadError, match=words):
        verify_archive(tmp_path / "x.zip")
    with pytest.raises(IncompleteDownloadError, match=words):
        await unpack_archive(tmp_path / "x.zip", tmp_path, NameBook())
    with pytest.raises(
        TargetError, match=f"cannot read {tmp_path}: a link, a folder or something else that is not ours"
    ):
        verify_archive(tmp_path)


async def test_a_folder_that_is_gone_at_the_end_is_named(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    sink = PartFile(tmp_path / "plans" / "A-101")
    await sink.write(0, b"%PDF-")
    await sink.complete()
    (tmp_path / "plans").rename(tmp_path / "moved")
    with pytest.raises(TargetError, match=r"plans/A-101\.pdf: its folder does not exist"):
        sink.rename(".pdf")
    sink.discard()


async def renamed(sink: PartFile) -> Path:
    return sink.rename()


@pytest.mark.parametrize("file", [io.BytesIO(b"head:and a tail"), None], ids=["open file", "part file"])
async def test_every_sink_writes_at_the_given_position(tmp_path: Path, file: io.BytesIO | None) -> None:
    if file is not None:
        file.seek(5)
    sink = opened(file or tmp_path / "x")
    for at, data in ((0, b"one "), (4, b"two "), (4, b"2 "), (6, b"three")):
        await sink.write(at, data)
    await finish(sink)
    assert (file.getvalue() if file else (tmp_path / "x").read_bytes()) == (b"head:" if file else b"") + b"one 2 three"


def closed_file() -> io.BytesIO:
    """One that takes nothing any more."""
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize(
    "target",
    [
        "",
        " ",
        "a\0.pdf",
        "half \ud83d.pdf",
        b"a\0.pdf",
        None,
        5,
        ["a.pdf"],
        io.StringIO(),
        closed_file(),
        "s3://bucket/a.pdf",
        "https://h/a.pdf",
    ],
    ids=lambda target: type(target).__name__ if hasattr(target, "read") else repr(target),  # no address in memory
)
async def test_what_cannot_be_a_target_is_refused(target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        opened(target)
    assert not list(tmp_path.iterdir())


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    assert checked_path(os.fsencode(tmp_path / "a.pdf")) == tmp_path / "a.pdf"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.fspath(path))


@pytest.mark.skipif(sys.platform == "win32", reason="names no such files")
@pytest.mark.parametrize("make", [pipe, listener])
async def test_devices_and_pipes_are_never_replaced(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("a.pdf"))
    before = os.lstat("a.pdf")
    with pytest.raises(TargetError, match="not ours, is in its place"):
        checked_path("a.pdf")
    with pytest.raises(TargetError, match="not ours, is in its place"):
        checked_path("/dev/null")
    sink = PartFile(Path("a.pdf"))  # what was made meanwhile
    await sink.write(0, b"x")
    await sink.complete()
    with pytest.raises(TargetError, match="not ours, is in its place"):
        sink.rename()
    sink.discard()
    with pytest.raises(OSError, match="regular"), replacing(Path("a.pdf")):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["a.pdf"]
    assert os.path.samestat(os.lstat("a.pdf"), before)


NAMESAKES: list[Callable[[Path], object]] = [
    Path.mkdir,
    lambda path: path.symlink_to(path.parent, target_is_directory=True),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to("/dev/null"),
    os.mkfifo,
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
@pytest.mark.parametrize("make", NAMESAKES)
def test_what_has_the_name_without_its_suffix_is_not_in_the_way(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "A-101")
    assert checked_path(tmp_path / "A-101", add_suffix=True) == tmp_path / "A-101"


@pytest.mark.parametrize("place", ["", ".", "..", "a_folder/", "a_folder/.."])
def test_a_folder_given_for_a_name_without_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a_folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(APSError, match=r"give a file name|must not be empty"):
        checked_path(place, add_suffix=True)


async def test_an_open_file_that_is_closed_meanwhile_is_a_target_error() -> None:
    file = io.BytesIO()
    sink = opened(file)
    file.close()
    with pytest.raises(TargetError, match="it was closed"):
        await sink.write(0, b"x")


@pytest.mark.parametrize(
    ("filename", "place"),
    [(None, "its place"), ("plans/a.pdf", "its place"), ("superseded", "the place of superseded")],
)
def test_what_is_in_the_place_of_a_folder_is_named(filename: str | None, place: str) -> None:
    problem = OSError(errno.ELOOP, "is a link or a file", filename)
    words = str(target_error(Path("plans/a.pdf"), problem))
    assert words.startswith(
        "cannot write plans/a.pdf: a link, or something else that is not ours, is in " + place + ";"
    )


async def test_a_part_file_is_closed_once_even_if_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another file's as soon as it was closed."""
    closed, close = list[int](), os.close

    def failing(file: int) -> None:
        if file == ours:
            closed.append(file)
        close(file)
        if file == ours:
            raise OSError(errno.EDQUOT, "no quota is left")

    sink = opened(tmp_path / "x.pdf")
    await sink.write(0, b"x")
    [ours] = [int(each.name) for each in Path("/proc/self/fd").iterdir() if ".part" in os.path.realpath(each)]
    monkeypatch.setattr(os, "close", failing)
    with pytest.raises(TargetError):
        await finish(sink)
    sink.discard()
    assert closed == [ours]
    assert names(tmp_path) == []


async def _written(sink: OpenFile | PartFile, size: int) -> None:
    for at in range(0, size, 1 << 16):
        await sink.write(at, bytes(1 << 16))


@pytest.mark.skipif(os.name == "nt", reason="its pipes always block")
@pytest.mark.parametrize("buffering", [0, 4096])
async def test_a_full_pipe_that_does_not_block_loses_no_bytes(buffering: int) -> None:
    """Its `write` returns None if it is unbuffered, as that of many files which have taken everything."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        os.fdopen(reading, "rb"),
        contextlib.suppress(BlockingIOError),
        os.fdopen(writing, "wb", buffering=buffering) as file,
    ):
        sink = opened(file)
        with pytest.raises(TargetError, match="cannot write to the open file"):
            await _written(sink, 1 << 24)


@pytest.mark.parametrize("returned", [None, "all", True, 10**9])
async def test_what_other_files_return_means_that_all_was_taken(returned: object) -> None:
    taken = list[bytes]()

    class Other:
        def write(self, data: bytes) -> object:
            taken.append(data)
            return returned

    sink = opened(Other())
    await sink.write(0, b"ab")
    await sink.write(2, b"cd")
    assert taken == [b"ab", b"cd"]
