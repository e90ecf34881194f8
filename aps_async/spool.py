"""Rows that come in any order and are read in the order of their keys: on the disk, since there may be 100,000."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field

from aps_async.errors import DiskFullError, TargetError

__all__ = ["Spool"]
__dir__: object = __all__.copy

Value = str | int | float | bytes | None
_AT_ONCE = 500


@define(eq=False)
class Spool:
    """A temporary file, which is made once the rows no longer fit into a small cache; any thread may use it.

    Raises:
        DiskFullError: the disk with the folder for temporary files is full; raised by every method.
        TargetError: the folder for temporary files cannot be written to.
    """

    columns: int
    """Values in a row."""
    _added: int = field(default=0, init=False)
    _waiting: list[tuple[Value, ...]] = field(factory=list[tuple[Value, ...]], init=False)
    _connection: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        names = ", ".join(f"c{number}" for number in range(self.columns))
        with _explained():
            self._connection.execute("PRAGMA journal_mode=OFF")
            self._connection.execute(f"CREATE TABLE rows (key BLOB, {names})")

    def __len__(self) -> int:
        return self._added

    def __iter__(self) -> Iterator[Sequence[Value]]:
        """The rows by their keys, and those with equal keys as they came."""
        self._write()
        with _explained():
            for _, *values in self._connection.execute("SELECT * FROM rows ORDER BY key, rowid"):
                yield values

    def add(self, key: Sequence[str], values: Sequence[Value]) -> None:
        """Adds a row.

        Args:
            key: compared text by text, by their code points.
            values: of the columns.
        """
        self._waiting.append(("\0".join(key).encode("utf-8", "surrogatepass"), *values))
        self._added += 1
        if len(self._waiting) == _AT_ONCE:
            self._write()

    def close(self) -> None:
        """Removes the file."""
        self._connection.close()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        marks = ", ".join("?" * (self.columns + 1))
        with _explained():
            self._connection.execute("BEGIN")
            self._connection.executemany(f"INSERT INTO rows VALUES ({marks})", waiting)  # noqa: S608 - marks only
            self._connection.execute("COMMIT")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        if getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFullError("the disk with the folder for temporary files is full; make room") from problem
        raise TargetError(f"the folder for temporary files cannot be written to ({problem})") from problem
