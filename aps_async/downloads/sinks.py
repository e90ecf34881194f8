"""`PartFile`, to which a download is written until it is verified and renamed."""

import asyncio
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Self
from weakref import WeakKeyDictionary

from aps_async.downloads.target_paths import target_error
from aps_async.errors import DownloadError, IncompleteDownloadError
from aps_async.filesystem import check_replaceable, new_file, open_own
from aps_async.text import cut
from aps_async.threads import in_thread

__all__ = [
    "PartFile",
    "part_name",
    "remove_parts",
]
__dir__: object = __all__.copy


def part_name(path: Path, tag: str = "") -> str:
    """Returns a new hidden path beside `path`, for an unfinished file; `tag` names its owner, see `remove_parts`."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{cut(name.rpartition('.')[0] or name, 40)}-{tag}{secrets.token_hex(4)}.part")


def remove_parts(folder: Path, tag: str) -> int:
    """Removes the part files with this tag, which killed runs have left, where it can; returns how many it removed.

    Only to be called when no run with this tag is active.
    """
    ours = re.compile(rf"\..*-{re.escape(tag)}[0-9a-f]{{8}}\.part")
    with os.scandir(folder) as entries:
        found = [
            Path(each.path) for each in entries if ours.fullmatch(each.name) and not each.is_dir(follow_symlinks=False)
        ]
    return sum(map(_is_removed, found))


def _is_removed(part: Path) -> bool:
    try:
        part.unlink(missing_ok=True)
    except OSError:  # it is another user's, or a virus scanner reads it; the next run tries again
        return False
    return True


class PartFile:
    """A part file beside the final path: `write`, `complete`, `rename`; `discard` removes it if it is still there."""

    def __init__(self, path: Path, tag: str = "") -> None:
        self.path = path
        self._part = part_name(path, tag)
        self._is_set_back = bool(tag)
        self._file: int | None = None
        self._size = 0
        self._identity: tuple[int, int] | None = None
        self._is_left = False

    @classmethod
    def of(cls, part: Path, path: Path, tag: str = "") -> Self:
        """A part file whose bytes are all in `part` already, which has to be in the same file system.

        Raises:
            OSError: the part file cannot be opened.
        """
        found = cls(path, tag)
        found._part = os.fspath(part)
        found._file = open_own(part, os.O_RDWR)
        found._size = os.fstat(found._file).st_size
        found._is_left = True
        return found

    @property
    def part(self) -> Path:
        """The path of the part file."""
        return Path(self._part)

    async def write(self, at: int, data: bytes) -> None:
        """Writes all of `data` at byte `at`, and cuts off what was behind it.

        Runs in the event loop, since a thread for each chunk would cost a quarter of the speed.
        """
        try:
            if self._file is None:
                self._file = new_file(self._part)
                self._is_left = True
            if at != self._size:
                os.ftruncate(self._file, at)
                os.lseek(self._file, at, os.SEEK_SET)
            self._size = at + len(data)
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as problem:
            raise target_error(self.path, problem) from problem

    def final(self, suffix: str | None) -> Path:
        """The final path; `suffix` is appended."""
        return self.path if suffix is None else self.path.with_name(self.path.name + suffix)

    async def complete(self, verify: Callable[[Path, Event], Sequence[str] | None] | None = None) -> tuple[str, ...]:
        """Syncs the part file to the disk and closes it, so that a power cut cannot leave an empty PDF.

        Then calls `verify` in a thread, see `Signature.verify`, and returns its warnings.

        Raises:
            IncompleteDownloadError: what `verify` raised; or another program has changed or removed the part file.
            TargetError: it cannot be synced or read.
        """
        if self._file is None:
            raise IncompleteDownloadError(f"no bytes arrived for {self.path}", path=self.path)
        try:
            await _on_disk(self._file)
            status = os.fstat(self._file)
            self._identity = (status.st_dev, status.st_ino)
            file, self._file = self._file, None
            os.close(file)  # forgotten first: even if this fails, its number may be reused at once
            if self._is_set_back:
                _set_back(self._part)
            if verify is None:
                return ()
            stop = Event()
            try:
                warnings = await in_thread(verify, self.part, stop, on_cancel=stop.set)
                return tuple(warnings or ())
            except DownloadError:
                self._check_part(self.path)  # then it is not the download that is damaged
                raise
        except OSError as problem:
            raise target_error(self.path, problem) from problem

    def rename(self, suffix: str | None = None) -> Path:
        """Renames the completed file to its final path, and returns that.

        Raises:
            IncompleteDownloadError: another program has changed or removed the part file.
            TargetError: it cannot be renamed.
        """
        final = self.final(suffix)
        try:
            self._check_part(final)
            check_replaceable(final)
            os.replace(self._part, final)
            self._is_left = False
        except OSError as problem:
            raise target_error(final, problem) from problem
        return final

    def _check_part(self, final: Path) -> None:
        """Checks that the completed part file is still the one that was written."""
        try:
            status = os.lstat(self._part)
        except FileNotFoundError:
            if not final.parent.is_dir():
                raise
            raise IncompleteDownloadError(
                f"another program has removed the part file of {final}; run it again", path=self.path
            ) from None
        if (status.st_dev, status.st_ino) != self._identity or status.st_size != self._size:
            raise IncompleteDownloadError(
                f"another program has changed the part file of {final}: {status.st_size} bytes instead of "
                f"{self._size}; run it again",
                path=self.path,
            )

    def discard(self) -> None:
        """Removes the part file, if it is still there."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                os.close(file)
        if self._is_left:
            with suppress(OSError):
                os.unlink(self._part)


def _set_back(path: str) -> None:
    """Sets a file's time back by two seconds, so that any later write shows even with FAT's coarse clock."""
    now = time.time_ns()
    with suppress(OSError):  # then the ledger has to read the file once more
        os.utime(path, ns=(now, now - 2_000_000_000))


_unsynced: "WeakKeyDictionary[asyncio.AbstractEventLoop, list[tuple[int, asyncio.Future[None]]]]" = WeakKeyDictionary()


async def _on_disk(file: int) -> None:
    """Syncs a file to the disk.

    Files of the same turn of the event loop share a thread: one thread for each would cost as much as the rest of a
    small file's download.

    Raises:
        OSError: syncing failed.
    """
    loop = asyncio.get_running_loop()
    files = _unsynced.setdefault(loop, [])
    if not files:
        loop.call_soon(_sync, loop)
    done = loop.create_future()
    files.append((file, done))
    await done


def _sync(loop: asyncio.AbstractEventLoop) -> None:
    files = _unsynced.pop(loop)

    def report(problems: Sequence[Exception | None]) -> None:
        for (_, done), problem in zip(files, problems, strict=True):
            if done.done():  # the waiting task was cancelled
                continue
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)

    try:
        results = loop.run_in_executor(None, _synced, [file for file, _ in files])
    except RuntimeError as closed:  # the loop is ending, and its threads are gone
        report([closed] * len(files))
    else:
        results.add_done_callback(lambda done: report(done.result()))


def _synced(files: Sequence[int]) -> list[OSError | None]:
    """Syncs files, in a thread; returns the error of each, or None."""
    problems: list[OSError | None] = []
    for file in files:
        try:
            os.fsync(file)
            problems.append(None)
        except OSError as problem:
            problems.append(problem)
    return problems
