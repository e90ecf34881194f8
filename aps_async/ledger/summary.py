"""Read-only status of a ledger, also available while a run is in progress."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from aps_async.downloads.target_paths import local_path
from aps_async.errors import LedgerError
from aps_async.ledger.file_rows import structured
from aps_async.ledger.lock import holder
from aps_async.ledger.schema import LEDGER_NAME, WRONG_VALUES, State, explained, read_ledger
from aps_async.models import FailedFile

__all__ = ["LedgerStatus", "ledger_status"]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class LedgerStatus:
    """Status of the last run into a folder. `done`, `failed`, `started` and `waiting` add up to its requests."""

    folder: Path
    working: str | None
    """The process of the active run; None if no run is active."""
    began: datetime
    ended: datetime | None
    """None: the run is active, or was stopped."""
    done: int
    failed: int
    started: int
    """Started at the service, and neither done nor failed."""
    waiting: int
    """Not started at the service yet."""
    size: int
    """Bytes of the files that are done."""
    older: int
    """Files of earlier runs that the last one did not request."""
    failures: tuple[tuple[str, str], ...]
    """The name of each failed export, and the reason."""
    missing: tuple[tuple[str, FailedFile], ...]
    """What is missing from partial results, with the name of each export; the next run exports these again."""
    warnings: tuple[tuple[str, str], ...]
    """Irregularities of the files that are done, with the name of each export."""
    command: str | None
    """The `command` of the `Ledger`."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.ended is not None and not (self.failed or self.started or self.waiting or self.missing)


def ledger_status(folder: str | os.PathLike[str]) -> LedgerStatus:
    """Reads the status of the last run into a folder, without writing anything or taking a lock.

    The recorded files are not compared with the files in the folder: the next run does that.

    Raises:
        InputError: the folder is not a valid path.
        LedgerError: there is no ledger, or no run in it, or it cannot be read.
    """
    place = local_path(folder)
    path = place / LEDGER_NAME
    with closing(read_ledger(path)) as connection:
        try:
            return _read(connection, place)
        except (sqlite3.Error, *WRONG_VALUES) as problem:
            raise explained(path, problem) from problem


def _read(connection: sqlite3.Connection, folder: Path) -> LedgerStatus:
    last = connection.execute("SELECT id, began, ended, total, command FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    if last is None:  # stopped while an older version of this package was listing the project
        raise LedgerError(f"the run into {folder} was stopped before its first export: run the original command again")
    run, began, ended, total, command = last
    counts = dict(connection.execute("SELECT state, count(*) FROM exports WHERE run=? GROUP BY state", (run,)))
    done_files = "SELECT {} FROM files JOIN exports ON exports.id=export WHERE state=? AND run{}?"
    [size] = connection.execute(done_files.format("coalesce(sum(size), 0)", "="), (State.DONE, run)).fetchone()
    [older] = connection.execute(done_files.format("count(*)", "<"), (State.DONE, run)).fetchone()
    failures = connection.execute(
        "SELECT name, problem FROM exports WHERE run=? AND state=? ORDER BY name", (run, State.FAILED)
    ).fetchall()
    missing, warnings = _irregularities(connection, run)
    entered = sum(counts.values())
    return LedgerStatus(
        folder=folder,
        working=holder(folder),
        began=datetime.fromtimestamp(began, UTC),
        ended=None if ended is None else datetime.fromtimestamp(ended, UTC),
        done=counts.get(State.DONE, 0),
        failed=counts.get(State.FAILED, 0),
        started=counts.get(State.STARTED, 0),
        waiting=counts.get(State.WANTED, 0) + max(0, (total or 0) - entered),
        size=size,
        older=older,
        failures=tuple((name or "", problem or "") for name, problem in failures),
        missing=missing,
        warnings=warnings,
        command=command,
    )


def _irregularities(
    connection: sqlite3.Connection, run: int
) -> tuple[tuple[tuple[str, FailedFile], ...], tuple[tuple[str, str], ...]]:
    """What is missing from the files of a run, and their irregularities; empty for older ledgers."""
    if "lacks" not in {row[1] for row in connection.execute("PRAGMA table_info(exports)")}:
        return (), ()
    rows = connection.execute(
        "SELECT name, coalesce(lacks, '[]'), coalesce(warnings, '[]') FROM exports"
        " WHERE run=? AND state=? AND (lacks IS NOT NULL OR warnings IS NOT NULL) ORDER BY name",
        (run, State.DONE),
    ).fetchall()
    missing = [(name or "", lost) for name, lacks, _ in rows for lost in structured(lacks, tuple[FailedFile, ...])]
    odd = [(name or "", words) for name, _, warnings in rows for words in structured(warnings, tuple[str, ...])]
    return tuple(missing), tuple(odd)
