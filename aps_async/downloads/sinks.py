"""`PartFile`, to which a download is written until it is verified and renamed; and checks of target paths."""

import asyncio
import errno
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

from aps_async.descriptors import TOO_MANY, TOO_MANY_ADVICE
from aps_async.downloads.filenames import check_lengths
from aps_async.errors import DiskFullError, DownloadError, IncompleteDownloadError, InputError, TargetError
from aps_async.filesystem import check_replaceable, nearest_existing, open_own
from aps_async.lazy import regex
from aps_async.links import redact_addresses
from aps_async.text import cut
from aps_async.threads import in_thread

__all__ = [
    "PartFile",
    "checked_lengths",
    "checked_path",
    "local_path",
    "made_folder",
    "new_file",
    "part_name",
    "remove_parts",
    "source_error",
    "target_error",
]
__dir__: object = __all__.copy

_ADVICE = {
    errno.ENOSPC: "the disk is full; make room and run it again",
    errno.EDQUOT: "the disk quota is used up; make room and run it again",
    errno.EFBIG: "it is larger than the file system or a limit allows; raise the limit or choose another place",
    errno.EACCES: "it is not writable; choose another place or change its permissions",
    errno.EPERM: "it is not writable; choose another place or change its permissions",
    errno.EROFS: "it lies on a read-only file system; choose another place",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "{folder}; choose another place",
    errno.EISDIR: "it is a folder; give a file name",
    errno.EEXIST: "something else has the name of its part file; run it again",
    errno.ELOOP: "a link, or something else that is not ours, is in {place}; remove it or choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    **dict.fromkeys(TOO_MANY, TOO_MANY_ADVICE),
}
_SUFFIX = ".docx"
"""The longest that is added to a path."""
_LONG = 60
"""Characters: shorter names fit into every file system."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ADDRESS = regex(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]|(?i:s3|gs|az|file|https?):")  # a drive letter is a single one
_SEPARATORS = (os.sep, os.altsep or os.sep)
# Not through a link, and not an existing file, since others may be able to write to the folder.
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def target_error(path: Path | None, problem: OSError) -> TargetError:
    """Converts an error while writing to a target; without a path, to an open file."""
    advice = _ADVICE.get(problem.errno or 0, os.strerror(problem.errno) if problem.errno else str(problem))
    other = problem.filename if path and problem.filename not in (None, os.fspath(path)) else None  # a folder above
    if problem.errno == errno.EEXIST and path and problem.filename == os.fspath(path):
        advice = "another file has this name; move it away and run it again"
    advice = advice.replace("{place}", f"the place of {other}" if other else "its place")
    if "{folder}" in advice:
        advice = advice.replace("{folder}", _instead_of_a_folder(path))
    kind = DiskFullError if problem.errno in _FULL else TargetError
    return kind(f"cannot write {path or 'to the open file'}: {advice}", path=path)


def _instead_of_a_folder(path: Path | None) -> str:
    """What is there in the place of a folder: at the path itself, or above it."""
    is_there = path is not None and os.path.lexists(path)
    place = nearest_existing(path) if path else None
    whose = "it" if is_there else "its folder"
    if place is None or place.is_file():
        return f"{whose} is a file, not a folder"
    if place.is_symlink() and not place.exists():
        return f"{whose} is a link to something that does not exist"
    return f"{whose} is not a folder"


def source_error(path: Path, problem: OSError) -> TargetError:
    """Converts an error while reading one of our own files, to store it or to copy it elsewhere."""
    reason = os.strerror(problem.errno) if problem.errno else str(problem)
    if problem.errno in (errno.ELOOP, errno.EISDIR):
        reason = "a link, a folder or something else that is not ours is in its place; move it away and run it again"
    return TargetError(f"cannot read {path}: {reason}", path=path)


def checked_path(path: str | bytes | os.PathLike[str], *, add_suffix: bool = False) -> Path:
    """Checks that a file can be created at a path, before a wait of minutes; returns the path.

    Args:
        path: the path.
        add_suffix: the file's name is this and a suffix that is not known yet, so that whatever has this very name is
            not in its way: a folder `A-101` may be beside `A-101.pdf`.

    Raises:
        InputError: see `local_path`.
        TargetError: its folder is missing or not writable, its name is too long, or the path is a folder, a device or
            a pipe.
    """
    target = local_path(path)
    if add_suffix and len(target.name) > _LONG:
        checked_lengths(target.with_name(f"{target.name}{_SUFFIX}"))
    if not add_suffix:
        _check_free(target)
    elif target.name in ("", "..") or os.fsdecode(path).endswith(_SEPARATORS):
        raise target_error(target, OSError(errno.EISDIR, ""))
    if os.access(os.path.dirname(target) or ".", os.W_OK | os.X_OK):
        return target
    if not target.parent.is_dir():
        raise target_error(target, OSError(errno.ENOTDIR if target.parent.exists() else errno.ENOENT, ""))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise target_error(target, OSError(errno.EACCES, ""))
    return target


def checked_lengths(path: Path) -> Path:
    """Checks that no name of a path is too long for its file system, also where folders are yet to be made.

    Raises:
        TargetError: one is.
    """
    try:
        check_lengths(path)
    except OSError as problem:
        raise target_error(path, problem) from None
    return path


def _check_free(target: Path) -> None:
    """Checks that what has a file's name, if anything, can be replaced."""
    try:
        is_link = check_replaceable(target)
    except OSError as problem:
        raise target_error(target, problem) from None
    if is_link and target.is_dir():
        raise target_error(target, OSError(errno.EISDIR, ""))


def local_path(path: str | bytes | os.PathLike[str]) -> Path:
    """Checks that this is a path on this machine; returns it.

    Raises:
        InputError: it is empty or not valid on any file system, or it is an address such as `s3://bucket`, which would
            become a folder of that name.
    """
    text = os.fsdecode(path)
    try:
        is_possible = text.strip() and "\0" not in text and (text.isascii() or os.fsencode(text))
    except UnicodeEncodeError:  # half of a character
        is_possible = False
    if not is_possible:
        raise InputError("the path must not be empty or contain NUL or half a character; '.' is the current folder")
    if _ADDRESS.match(text.strip()):  # a Path has lost the second slash
        raise InputError(
            f"{redact_addresses(text)!r} is not a path on this machine; where an address may be given, for many files, "
            "it begins with s3://, gs:// or az://"
        )
    return path if isinstance(path, Path) else Path(text)


def made_folder(folder: str | os.PathLike[str]) -> Path:
    """Creates a folder if it is missing; returns its path.

    Raises:
        InputError: see `local_path`.
        TargetError: it cannot be created, or is not writable.
    """
    path = local_path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise target_error(path, OSError(errno.ENOTDIR, "")) from None
    except OSError as problem:
        raise target_error(path, problem) from problem
    if not os.access(path, os.W_OK | os.X_OK):
        raise target_error(path, OSError(errno.EACCES, ""))
    return path


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


def new_file(path: str | os.PathLike[str]) -> int:
    """Creates a file, which must not exist yet, not even as a link; returns its descriptor, open for writing."""
    return os.open(path, _NEW_FILE, 0o666)


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
            raise IncompleteDownloadError(f"nothing came for {self.path}", path=self.path)
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
