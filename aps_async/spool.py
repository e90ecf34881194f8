"""Sorts many texts by their keys in a temporary file, since there may be 100,000 of them."""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from weakref import finalize

from attrs import define, field

from aps_async.errors import DiskFullError, TargetError

__all__ = ["Spool"]
__dir__: object = __all__.copy

_AT_ONCE = 500


@define(eq=False)
class Spool:
    """Texts in a temporary file, which is only created if they exceed a small cache. Any thread may use it.

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
        self._connection.execute("CREATE TABLE texts (key BLOB, text TEXT)")

    def __len__(self) -> int:
        return self._added

    def __iter__(self) -> Iterator[str]:
        """Yields the texts in the order of their keys; those with equal keys in the order of `add`."""
        self._write()
        with _explained():
            for [text] in self._connection.execute("SELECT text FROM texts ORDER BY key, rowid"):
                yield text

    def add(self, key: Sequence[str], text: str) -> None:
        """Adds a text, which must be well-formed.

        Args:
            key: compared part by part, by code points.
            text: the text.
        """
        self._waiting.append(("\0".join(key).encode("utf-8", "surrogatepass"), text))
        self._added += 1
        if len(self._waiting) == _AT_ONCE:
            self._write()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        with _explained():
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO texts VALUES (?, ?)", waiting)
            self._connection.execute("COMMIT")


@contextmanager
def _explained() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFullError("the disk with the folder for temporary files is full: make room") from problem
        raise TargetError(f"the folder for temporary files cannot be written to ({problem})") from problem
