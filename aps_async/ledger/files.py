"""Compares files in the folder with the ledger. Everything here runs in threads.

A *stamp* is a file's times and inode. As in git, a file with the same size and stamp counts as unchanged; otherwise its
hash decides. A stamp is only kept if a later write cannot lead to the same times: the clocks of file systems tick every
few milliseconds, that of FAT every two seconds.
"""

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from attrs import evolve

from aps_async.filesystem import open_own
from aps_async.ledger.journal import KnownFile

__all__ = ["are_unchanged", "are_whole", "is_whole", "known_file", "read_again", "sha256", "stamp_of"]
__dir__: object = __all__.copy

_CHUNK = 1 << 20
_TICK = 2.0
"""A file that was changed within these last seconds may be changed again without a difference in its times."""


def are_unchanged(folder: Path, files: Sequence[KnownFile]) -> bool:
    """Whether all files have the size and stamp in the ledger; no file is read."""
    try:
        return all(each.stamp is not None and _is_stamped(os.path.join(folder, each.name), each) for each in files)  # noqa: PTH118
    except OSError:
        return False


def _is_stamped(path: str, file: KnownFile) -> bool:
    found = os.lstat(path)
    return found.st_size == file.size and _stamp(found) == file.stamp


def _stamp(found: os.stat_result) -> str | None:
    """Without the number of the device, which may change when it is mounted again."""
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}" if stat.S_ISREG(found.st_mode) else None


def stamp_of(path: Path, size: int, renamed_after: float) -> str | None:
    """The stamp of a file that was verified before it got its name; None if it may have been changed since.

    Args:
        path: the file.
        size: bytes.
        renamed_after: a time before the rename, in seconds since the epoch. `PartFile` sets the file's time back, so
            a later time means that it was changed.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return None
    is_ours = found.st_size == size and found.st_mtime < renamed_after - _TICK / 2
    return _stamp(found) if is_ours else None


def read_again(folder: Path, files: Sequence[KnownFile], stop: Event) -> tuple[KnownFile, ...] | None:
    """Reads all files; returns them with new stamps if they have the size and hash in the ledger, otherwise None.

    Sizes are compared first, since that finds most changes at once. `stop` ends it early if the caller is cancelled.
    """
    now = time.time()
    try:
        before = [os.lstat(folder / each.name) for each in files]
        if any(found.st_size != each.size for found, each in zip(before, files, strict=True)):
            return None
        if not all(sha256(folder / each.name, stop) == each.sha256 for each in files):
            return None
        return tuple(
            each if _stamp(found) == each.stamp else evolve(each, stamp=_settled(found, folder / each.name, now))
            for found, each in zip(before, files, strict=True)
        )
    except OSError:
        return None


def _settled(before: os.stat_result, path: Path, began: float) -> str | None:
    """The stamp of a file after it was read; None if the stamp might not show a change made meanwhile."""
    is_old = max(before.st_mtime, before.st_ctime) < began - _TICK
    return _stamp(before) if is_old and _stamp(before) == _stamp(os.lstat(path)) else None


def are_whole(folder: Path, files: Sequence[KnownFile], stop: Event) -> bool:
    """Whether all files are there and unchanged. Only files with another stamp are read."""
    return are_unchanged(folder, files) or read_again(folder, files, stop) is not None


def is_whole(folder: Path, file: KnownFile, name: str) -> bool:
    """Whether a file is there and unchanged, under the given name. A link counts as a change."""
    path = folder / name
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def known_file(folder: Path, path: Path, stop: Event) -> KnownFile:
    """Reads size, hash and stamp of a file in the folder.

    Raises:
        OSError: it cannot be read.
    """
    return KnownFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256(path, stop))


def sha256(path: Path, stop: Event | None = None) -> str:
    """The SHA-256 of a file that is not a link; of a part of it, once `stop` is set.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        while not (stop is not None and stop.is_set()) and (chunk := file.read(_CHUNK)):
            digest.update(chunk)
    return digest.hexdigest()
