"""Reads and writes the ledger's table of runs. Everything here runs in the ledger's thread."""

import sqlite3
import time

from aps_async.text import well_formed

__all__ = [
    "announce_run",
    "begin_run",
    "end_run",
    "expect",
]
__dir__: object = __all__.copy


def begin_run(connection: sqlite3.Connection, command: str | None, total: int | None) -> int:
    """Records that a run begins, and returns its number. It replaces a run that was stopped before its first export."""
    last, is_unused = _last_run(connection)
    made = connection.execute(
        "INSERT OR REPLACE INTO runs (id, began, total, command) VALUES (?, ?, ?, ?)",
        (last if is_unused else None, time.time(), total, well_formed(command) if command else command),
    )
    return int(made.lastrowid or 0)


def announce_run(connection: sqlite3.Connection, command: str | None) -> None:
    """Records a folder's first run before its list, so that it can be resumed. A later one hides no earlier one."""
    last, is_unused = _last_run(connection)
    if last is None or is_unused:
        begin_run(connection, command, None)


def _last_run(connection: sqlite3.Connection) -> tuple[int | None, bool]:
    """The number of the last run, and whether it was stopped before its first export."""
    found = connection.execute(
        "SELECT id, ended IS NULL AND NOT EXISTS (SELECT 1 FROM exports WHERE run=runs.id) FROM runs"
        " ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return (None, False) if found is None else (found[0], bool(found[1]))


def expect(connection: sqlite3.Connection, run: int, total: int) -> None:
    """Records how many requests a run has."""
    connection.execute("UPDATE runs SET total=? WHERE id=?", (total, run))


def end_run(connection: sqlite3.Connection, run: int, total: int) -> None:
    """Records that a run is complete: every request has its outcome."""
    connection.execute("UPDATE runs SET ended=?, total=? WHERE id=?", (time.time(), total, run))
