"""One run at a time in a folder: a lock that the system releases if the process dies, even by `kill -9`.

The lock file itself stays: removing it would let two runs lock two different files.
"""

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from aps_async.downloads.target_paths import target_error
from aps_async.errors import FolderInUseError, LedgerError
from aps_async.filesystem import open_own, try_lock

__all__ = ["LOCK_NAME", "FolderLock", "holder", "refuse_if_in_use"]
__dir__: object = __all__.copy

LOCK_NAME = ".aps-async.lock"


class FolderLock:
    """Held from `acquire()` to `release()`, or to the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LOCK_NAME
        self._file: int | None = None
        self._has_run = False

    def acquire(self) -> Self:
        """Takes the lock and writes a line that names its holder.

        Raises:
            FolderInUseError: another run holds the lock.
            LedgerError: this file system does not support locks.
            TargetError: the lock file cannot be written.
        """
        try:
            file = open_own(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as problem:
            raise target_error(self._path, problem) from problem
        try:
            is_ours = try_lock(file)
        except OSError as problem:
            os.close(file)
            raise LedgerError(
                f"{self._folder} is on a file system without locks ({problem.strerror}): choose another folder"
            ) from problem
        if not is_ours:
            words = _read(file)
            os.close(file)
            raise _in_use(self._folder, words)
        self._file = file
        with suppress(OSError):  # a full disk: the lock still works, without its holder's name
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(file, f"process {os.getpid()} on {socket.gethostname()} since {when}\n".encode())
        return self

    def release(self) -> None:
        """Releases the lock."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)  # which releases the lock
            self._file = None

    @contextmanager
    def for_one_run(self) -> Generator[None, None, None]:
        """Keeps a second run of this lock's holder away during the block.

        Raises:
            FolderInUseError: there is one already.
        """
        if self._has_run:
            raise _in_use(self._folder, "with the same ledger")
        self._has_run = True
        try:
            yield
        finally:
            self._has_run = False


def holder(folder: Path) -> str | None:
    """The process of the run that is active in a folder, or None. Creates nothing.

    Raises:
        TargetError: the lock file cannot be opened.
    """
    path = folder / LOCK_NAME
    try:
        file = open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise target_error(path, problem) from problem
    try:
        return None if try_lock(file, shared=True) else _read(file)
    except OSError:  # this file system has no locks, so no run can use the folder
        return None
    finally:
        os.close(file)


def refuse_if_in_use(folder: Path) -> None:
    """Raises what `FolderLock.acquire` would raise, before any call to the service.

    Raises:
        FolderInUseError: another run works there.
    """
    if (found := holder(folder)) is not None:
        raise _in_use(folder, found)


def _in_use(folder: Path, process: str) -> FolderInUseError:
    return FolderInUseError(
        f"another run ({process}) works in {folder}: wait for it, stop it, or choose another folder"
    )


def _read(file: int) -> str:
    with suppress(OSError):
        os.lseek(file, 0, os.SEEK_SET)
        words = os.read(file, 200).decode(errors="replace").strip()
        if words := "".join(each for each in words if each.isprintable()):  # anybody may have written it
            return words
    return "of which nothing is known"
