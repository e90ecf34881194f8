"""Rows that come in any order and are read in the order of their keys: on the disk, since there may be 100,000."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import finalize

from attrs import define, field

from aps_async.errors import DiskFullError, TargetError

__all__ = ["Spool"]
__dir__: object = __all__.copy

_AT_ONCE = 500


@define(eq=False)
class Spool:
    """A temporary file, which is made once the rows no longer fit into a small cache; any thread may use it.

    Raises:
        DiskFullError: the disk with the folder for temporary files is full.
        TargetError: that folder cannot be written to.
    """

    _added: int = field(default=0, init=False)
    _waiting: list[tuple[bytes, str]] = field(factory=list[tuple[bytes, str]], init=False)
    _connection: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        finalize(self, self._connection.close)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("CREATE TABLE rows (key BLOB, row TEXT)")

    def __len__(self) -> int:
        return self._added

    def __iter__(self) -> Iterator[list[Any]]:
        """The rows by their keys, and those with equal keys as they came."""
        self._write()
        with _explained():
            for [row] in self._connection.execute("SELECT row FROM rows ORDER BY key, rowid"):
                yield json.loads(row)

    def add(self, key: Sequence[str], row: Sequence[object]) -> None:
        """Adds a row.

        Args:
            key: compared text by text, by their code points.
            row: anything that JSON can hold.
        """
        self._waiting.append(("\0".join(key).encode("utf-8", "surrogatepass"), json.dumps(row)))
        self._added += 1
        if len(self._waiting) == _AT_ONCE:
            self._write()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        with _explained():
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO rows VALUES (?, ?)", waiting)
            self._connection.execute("COMMIT")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        if getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFullError("the disk with the folder for temporary files is full: make room") from problem
        raise TargetError(f"the folder for temporary files cannot be written to ({problem})") from problem
