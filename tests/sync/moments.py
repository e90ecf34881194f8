"""Every moment at which a run can be killed: what its folders look like just then.

Whatever was written before a `kill -9` is there after it. So a copy that is made before each change of a folder, and
before each commit of a ledger, is what the next run would find.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from unittest.mock import patch

from attrs import define, field

from aps_async.ledger import LEDGER_NAME

_CHANGES = {"os.rename", "os.remove", "os.link", "os.rmdir", "os.mkdir", "shutil.copyfile"}


@define(eq=False)
class Moments:
    """Copies of a folder. While one is made, all that would change the folder waits."""

    folder: Path
    copies: Path
    taken: list[Path] = field(factory=list[Path])
    _lock: RLock = field(factory=RLock)
    _is_copying: bool = False

    def take(self) -> None:
        """Copies the folder."""
        with self._lock:
            if self._is_copying:  # this is a change that the copying makes itself
                return
            self._is_copying = True
            try:
                copy = self.copies / f"{len(self.taken):03}"
                while not self._copied(copy):
                    shutil.rmtree(copy)
                self.taken.append(copy)
            finally:
                self._is_copying = False

    def _copied(self, copy: Path) -> bool:
        """Makes a copy; False if meanwhile another thread has made the change that it had announced before."""
        before = _names(self.folder)
        try:
            shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("*.lock", "*-shm"))
        except shutil.Error:
            if _names(self.folder) == before:
                raise
        return _names(self.folder) == before

    def different(self) -> list[Path]:
        """The copies without those that are like an earlier one."""
        return list({_state(each): each for each in reversed(self.taken)}.values())[::-1]


def _names(folder: Path) -> set[str]:
    return {os.path.join(above, name) for above, _, names in os.walk(folder) for name in names}  # noqa: PTH118


def _state(copy: Path) -> tuple[object, ...]:
    """What a run finds in a copy: all files, and the rows of the ledger."""
    files: list[object] = []
    for path in sorted(each for each in copy.rglob("*") if each.is_file() and "-wal" not in each.name):
        if path.name == LEDGER_NAME:
            with closing(sqlite3.connect(path)) as ledger:
                files.append(tuple(each for each in ledger.iterdump() if 'INTO "runs"' not in each))
        elif not path.name.endswith(".part"):
            files.append((path.relative_to(copy).as_posix(), path.read_bytes()))
    return tuple(files)


_current: list[Moments] = []
_hooked: list[bool] = []


def _hook(event: str, _: tuple[object, ...]) -> None:
    for each in _current if event in _CHANGES else ():
        each.take()


@contextmanager
def every_moment(folder: Path, copies: Path) -> Iterator[Moments]:
    """Copies the folder at every moment of the block."""
    if not _hooked:
        sys.addaudithook(_hook)  # which stays: nothing can remove it
        _hooked.append(True)
    moments = Moments(folder, copies)
    copies.mkdir()

    def committing(statement: str) -> None:
        if statement == "COMMIT":
            moments.take()

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = plain(*arguments, **options)
        connection.set_trace_callback(committing)
        return connection

    plain: Any = sqlite3.connect
    with patch("sqlite3.connect", connect):
        _current.append(moments)
        try:
            yield moments
        finally:
            _current.remove(moments)
