"""Opens, locks and replaces this library's own files: locks, ledgers, logins, profiles.

Other users may be able to write to the folder, so a link in place of one of our files is refused and never followed.
"""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from aps_async.text import cut

__all__ = [
    "NO_FOLLOW",
    "at_home",
    "check_real_folders",
    "check_replaceable",
    "make_folders",
    "move_below",
    "nearest_existing",
    "new_file",
    "open_own",
    "part_of",
    "refuse_link",
    "remove_below",
    "replacing",
    "sync_folder",
    "try_lock",
]
__dir__: object = __all__.copy

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Windows has no such flag; there, `refuse_link` checks the path before a file is opened."""
_OPEN = (
    NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
)  # a FIFO in place of our file must not block
_PART = 200  # bytes of a name that its unfinished file keeps
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # position of the locked byte: beyond the text, since locked bytes cannot be read on Windows

    def _lock(file: int, *, shared: bool) -> None:  # noqa: ARG001 - Windows has exclusive locks only
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int, *, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def at_home(path: str | os.PathLike[str]) -> str:
    """The path with `~` replaced as shells do, which they do neither in `--out=~/plans` nor in a file or variable.

    `~name` stays if there is no such user, where `Path.expanduser` raises a RuntimeError; and `./~` is a name.
    """
    return os.path.expanduser(path)  # noqa: PTH111


def nearest_existing(path: Path) -> Path:
    """The path itself if there is anything, even a broken link, or else the nearest folder above it."""
    return next((each for each in (path, *path.absolute().parents) if os.path.lexists(each)), path)


def refuse_link(path: Path) -> bool:
    """Whether there is a file at this path; a link, folder or device is refused.

    Raises:
        OSError: ELOOP, if the path is not a regular file.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    _check_regular(found, path)
    return True


def check_replaceable(path: str | os.PathLike[str]) -> bool:
    """Checks that a path may be replaced: that there is nothing, a file or a link, and not a device or pipe.

    Root may replace `/dev/null`, and everything else on the machine would then write to that file.

    Returns:
        Whether it is a link.

    Raises:
        OSError: EISDIR or ELOOP if it may not; or the path cannot be examined.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP, "is not a regular file", str(path))
    return stat.S_ISLNK(mode)


def open_own(path: Path, flags: int, mode: int = 0o666) -> int:
    """Opens one of our files and returns its descriptor.

    Raises:
        OSError: the file cannot be opened, or is a link or not a regular file.
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


def new_file(path: str | os.PathLike[str], mode: int = 0o666) -> int:
    """Creates a file and returns its descriptor, open for writing.

    Raises:
        OSError: EEXIST if anything has this name, even a link: another user may have put it there to read what is
            written.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, mode)


def _check_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "is not a regular file", str(path))


def try_lock(file: int, *, shared: bool = False) -> bool:
    """Tries to lock an open file. The lock is released when the file is closed, at the latest with the process.

    `flock` belongs to the open file and not to the process, so two openings in one process exclude each other too, as
    with `locking` on Windows. `shared` only tests the lock, and also works on a file that is open for reading only.

    Returns:
        False if the lock is held elsewhere.

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
def replacing(
    path: Path, mode: int = 0o666, *, part: Path | None = None, durable: bool = True
) -> Generator[BinaryIO, None, None]:
    """Yields a temporary file that replaces `path` in one step at the end of the block, after it is synced to the disk.

    A crash leaves the old file or the new one. If the block fails, the old file stays.

    Args:
        path: the file to replace.
        mode: permissions of the new file, before the umask.
        part: the temporary file, in the same folder; by default see `part_of`.
        durable: whether to sync the folder too, so that the new file survives a power cut right after the block.

    Raises:
        OSError: the file cannot be written.
    """
    part = part or part_of(path, secrets.token_hex(6))
    descriptor = new_file(part, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check_replaceable(path)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def part_of(path: Path, mark: str) -> Path:
    """The path of the unfinished file for `path`; with `*` as mark, a pattern for all of them.

    It is not longer than a file system allows if the name of `path` is not.
    """
    return path.with_name(f".{cut(path.name, _PART)}.{mark}.part")


def sync_folder(folder: Path) -> None:
    """Syncs a folder to the disk, without which a rename may not survive a power cut; not needed on Windows."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_real_folders(folder: Path, parts: Sequence[str]) -> None:
    """Checks that no link is among the folders at `parts` below a folder; missing ones are allowed.

    Raises:
        OSError: ELOOP, if one of them is a link or a file.
    """
    for each in parts:
        folder = folder / each
        try:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise OSError(errno.ELOOP, "is a link or a file", str(folder))
        except FileNotFoundError:
            return


def make_folders(folder: Path, parts: Sequence[str]) -> None:
    """Creates the folders at `parts` below a folder.

    Raises:
        OSError: a folder cannot be created; ELOOP if one of them is a link or a file.
    """
    check_real_folders(folder, parts)
    folder.joinpath(*parts).mkdir(parents=True, exist_ok=True)


def remove_below(folder: Path, parts: Sequence[str]) -> None:
    """Removes the file at `parts` below a folder, if it is there.

    Raises:
        OSError: the file cannot be removed; ELOOP if one of the folders is a link or a file.
    """
    check_real_folders(folder, parts[:-1])
    folder.joinpath(*parts).unlink(missing_ok=True)


def move_below(file: Path, folder: Path, parts: Sequence[str]) -> None:
    """Moves a file to `parts` below a folder, durably. Creates the folders in between, and refuses links among them.

    Raises:
        OSError: the file cannot be moved; ELOOP if one of the folders is a link or a file.
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
        os.fsync(below)  # the new name must survive a power cut, since the outcome is recorded right after this
    finally:
        os.close(below)


def _open_folder(name: str, above: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=above)
    except NotADirectoryError as problem:
        raise OSError(errno.ELOOP, "is a link or a file", name) from problem
