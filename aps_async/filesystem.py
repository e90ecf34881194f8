"""How our own files are opened, locked and replaced: one rule for the folder's lock, the ledger, logins and profiles.

Others may be able to write to the folder. So a link in the place of a file of ours is refused, never followed.
"""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["NO_FOLLOW", "move_below", "open_own", "part_of", "refuse_link", "replacing", "sync_folder", "try_lock"]
__dir__: object = __all__.copy

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Windows does not have it; there, `refuse_link` looks before a file is opened."""
_OPEN = NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a FIFO in our place must not block
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # behind the text: on Windows, locked bytes cannot be read

    def _lock(file: int, *, shared: bool) -> None:  # noqa: ARG001 - it has exclusive locks only
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int, *, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def refuse_link(path: Path) -> bool:
    """Whether a file is at this path; a link, a folder or a device in its place is refused.

    Raises:
        OSError: ELOOP, if something else is there.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    _check_regular(found, path)
    return True


def open_own(path: Path, flags: int, mode: int = 0o666) -> int:
    """Opens a file of ours and gives its descriptor.

    Raises:
        OSError: it cannot be opened, or is a link or anything else but a file.
    """
    if not NO_FOLLOW:
        refuse_link(path)
    file = os.open(path, flags | _OPEN, mode)
    try:
        _check_regular(os.fstat(file), path)
    except OSError:
        os.close(file)
        raise
    return file


def _check_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "is not a regular file", str(path))


def try_lock(file: int, *, shared: bool = False) -> bool:
    """Takes the lock of an open file, which ends when it is closed, at the latest with the process.

    `flock` belongs to the open file and not to the process, so that two users in one process exclude each other too;
    Windows' `locking` does the same. `shared` only looks: it also works on a file that may not be written.

    Returns:
        False if another process has it.

    Raises:
        OSError: the file system does not support locks.
    """
    try:
        _lock(file, shared=shared)
    except OSError as problem:
        if problem.errno in _TAKEN:
            return False
        raise
    return True


@contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` in one step at the end of the block, once its bytes are on the disk.

    A crash leaves the old file or the new one. If the block fails, the old one stays.

    Raises:
        OSError: it cannot be written.
    """
    part = part_of(path, secrets.token_hex(6))
    # O_EXCL: no other user can have put a file or a link here to read what is written.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def part_of(path: Path, mark: str) -> Path:
    """The unfinished file beside `path`; with `*` as mark, a pattern for all of them."""
    return path.with_name(f".{path.name}.{mark}.part")


def sync_folder(folder: Path) -> None:
    """A renamed file has its new name for good only once the folder is on the disk; Windows needs no such thing."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_below(file: Path, folder: Path, parts: Sequence[str]) -> None:
    """Moves a file to `parts` below a folder, for good; the folders between are made, and links among them refused.

    Raises:
        OSError: it cannot be moved; ELOOP if one of the folders is a link or a file.
    """
    *folders, name = parts
    if sys.platform == "win32":
        for each in folders:
            folder = folder / each
            folder.mkdir(exist_ok=True)
            if folder.resolve() != folder.absolute():
                raise OSError(errno.ELOOP, "is a link", str(folder))
        file.replace(folder / name)
        return
    below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for each in folders:
            above, below = below, _open_folder(each, below)
            os.close(above)
        os.replace(file, name, dst_dir_fd=below)
        os.fsync(below)  # the name itself must outlive a power cut: the outcome is recorded right after this
    finally:
        os.close(below)


def _open_folder(name: str, above: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=above)
    except NotADirectoryError as problem:
        raise OSError(errno.ELOOP, "is a link or a file", name) from problem
