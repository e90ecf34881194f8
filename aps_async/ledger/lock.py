"""One run at a time in a folder: a lock that the system takes back when its process dies, `kill -9` included.

A lock file of one's own making would outlive a killed run and need a hand to remove it; the lock of an open file
does not. `flock` belongs to the open file and not to the process, so that two runs of one process exclude each other
too; Windows' `locking` does the same. The file itself stays: to remove it would let two runs lock two different ones.
"""

import errno
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from aps_async.errors import FolderInUseError, LedgerError
from aps_async.targets import target_error

LOCK_NAME = ".aps-async.lock"
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # behind the text: Windows lets nobody read what is locked

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Held from `acquire()` to `release()`, or to the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LOCK_NAME
        self._file: int | None = None

    def acquire(self) -> Self:
        """Takes the lock and leaves a line that says who has it.

        Raises:
            FolderInUseError: another run has it.
            LedgerError: this file system knows no locks.
            TargetError: the lock file cannot be written.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as problem:
            raise target_error(self._path, problem) from problem
        try:
            _lock(file)
        except OSError as problem:
            who = _read(file)
            os.close(file)
            if problem.errno in _TAKEN:
                raise _in_use(self._folder, who) from None
            raise LedgerError(
                f"{self._folder} lies on a file system without locks ({problem.strerror}): choose another folder"
            ) from problem
        self._file = file
        with suppress(OSError):  # a full disk: the lock holds all the same, it only does not say whose it is
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(file, f"process {os.getpid()} on {socket.gethostname()} since {when}\n".encode())
        return self

    def release(self) -> None:
        """Gives the lock back."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)  # which unlocks
            self._file = None


def holder(folder: Path) -> str | None:
    """Who works in a folder now; None when nobody does. It creates nothing.

    Raises:
        TargetError: the lock file cannot be opened.
    """
    path = folder / LOCK_NAME
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise target_error(path, problem) from problem
    try:
        _lock(file)
    except OSError as problem:
        return _read(file) if problem.errno in _TAKEN else None
    finally:
        os.close(file)
    return None


def refuse_if_in_use(folder: Path) -> None:
    """Says early what `FolderLock.acquire` would say, before anything is asked of the service.

    Raises:
        FolderInUseError: another run works there.
    """
    if (who := holder(folder)) is not None:
        raise _in_use(folder, who)


def _in_use(folder: Path, who: str) -> FolderInUseError:
    return FolderInUseError(f"another run ({who}) works in {folder}: wait for it, stop it, or choose another folder")


def _read(file: int) -> str:
    with suppress(OSError):
        os.lseek(file, 0, os.SEEK_SET)
        if words := os.read(file, 200).decode(errors="replace").strip():
            return words
    return "of which nothing is known"
