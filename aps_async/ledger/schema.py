"""The ledger's tables, and the migrations from every older version of them.

`PRAGMA user_version` counts the `MIGRATIONS` that were applied to a file. A new file goes through all of them, so that
every test runs each one; a released migration is never changed, only followed by another one.
"""

import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from aps_async.downloads.target_paths import target_error
from aps_async.errors import DiskFullError, LedgerError, TargetError
from aps_async.filesystem import refuse_link

__all__ = [
    "APPLICATION",
    "LEDGER_NAME",
    "MIGRATIONS",
    "MOVE_AWAY",
    "READABLE_FROM",
    "WRONG_VALUES",
    "State",
    "copied_ledger",
    "explained",
    "open_ledger",
    "read_ledger",
]
__dir__: object = __all__.copy

LEDGER_NAME = ".aps-async.sqlite"
MOVE_AWAY = "move it away and run it again; everything is then exported again"
"""What to do about a ledger that cannot be used, for error messages."""
APPLICATION = 0x41505361  # "APSa", in the file's header, which marks it as ours
_WAIT = 10.0  # seconds to wait for a reader such as `status`
WRONG_VALUES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""Errors from values of the wrong type or range, in a file that another program has written."""
_FULL = {sqlite3.SQLITE_FULL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

READABLE_FROM = 1
"""The oldest version whose tables can be read unchanged; only a run migrates a file."""
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            began REAL NOT NULL,
            ended REAL, -- NULL: it goes on, or was stopped
            total INTEGER, -- NULL: not known before its end
            command TEXT -- JSON: what to run again
        )""",
        """CREATE TABLE exports (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE, -- a digest of the request without its name
            lineage BLOB NOT NULL, -- a digest of what it is a version of
            run INTEGER NOT NULL, -- the last that asked for it
            state INTEGER NOT NULL,
            name TEXT, -- without suffix; NULL: a newer version has it now
            request TEXT NOT NULL, -- JSON
            export_id TEXT,
            problem TEXT,
            changed REAL NOT NULL
        )""",
        "CREATE INDEX exports_lineage ON exports (lineage)",
        """CREATE TABLE names (
            folded BLOB PRIMARY KEY, -- a digest of a name without suffix, as systems compare it
            export INTEGER NOT NULL -- whose it is
        ) WITHOUT ROWID""",
        """CREATE TABLE files (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID""",
    ),
    # Lineages of ACC sheets are of collection and number now, no longer of the file's name. A row alone does not say
    # these two, so it learns them from the next request for it (`rows.py`); the number keeps older versions out, which
    # would look for the name and not find it.
    (),
    (
        """CREATE TABLE sheets (
            lineage BLOB PRIMARY KEY, -- as in exports
            project TEXT NOT NULL,
            facts TEXT NOT NULL, -- JSON: the sheet as it was listed last
            viewer TEXT NOT NULL, -- a digest of the app and user that it was listed for
            state TEXT NOT NULL, -- what the last sync found
            reason TEXT,
            moved TEXT, -- where its file is now, once that has been withdrawn and moved
            named REAL -- when the service was last asked for its number and title
        ) WITHOUT ROWID""",
        """CREATE TABLE former_files (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            stamp TEXT,
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID""",
        # Recognizes an unchanged file without reading it, see `files.py`; NULL: it has to be read.
        "ALTER TABLE files ADD COLUMN stamp TEXT",
        # When the start was last sent to the service; the next run counts it against the quota.
        "ALTER TABLE exports ADD COLUMN started REAL",
        # How long the job took, in seconds, for forecasts; NULL: not known.
        "ALTER TABLE exports ADD COLUMN seconds REAL",
    ),
    (
        """CREATE TABLE moves (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            target TEXT NOT NULL, -- the name that the file is about to get; see `moves.py`
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE leaving (
            export INTEGER NOT NULL, -- whose files have taken the place of this one, under another name
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            version TEXT, -- see `Former`
            PRIMARY KEY (export, name, sha256)
        ) WITHOUT ROWID""",
    ),
    (
        # JSON: what is missing from an export's files; NULL: nothing, or the export is older than this column.
        "ALTER TABLE exports ADD COLUMN lacks TEXT",
        # JSON: irregularities of the files.
        "ALTER TABLE exports ADD COLUMN warnings TEXT",
    ),
)


class State(IntEnum):
    """How far an export has come, as of the last commit."""

    WANTED = 0
    STARTED = 1
    """The job is started, and its reference is stored."""
    DONE = 2
    """Its files are under their final names."""
    FAILED = 3


def open_ledger(path: Path) -> sqlite3.Connection:
    """Opens a ledger, creates it if there is none, and migrates an older one.

    Raises:
        LedgerError: the file is damaged, of a newer version, or another program's database.
        TargetError: the file cannot be written.
    """
    with _opened(path, str(path.absolute())) as connection:
        _migrate(connection, _version(connection, path))
        # Write-ahead: a commit is one write and one sync, and readers (`status`) do not block the writer.
        connection.execute("PRAGMA journal_mode=WAL")
        return connection


def copied_ledger(path: Path) -> sqlite3.Connection:
    """Returns a copy in memory, which can be changed without affecting the folder; empty if there is no ledger.

    Raises:
        LedgerError: the ledger cannot be read by this version.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if _is_there(path):
            with closing(read_ledger(path)) as connection:
                connection.backup(copy)
        _migrate(copy, _version(copy, path))
    except BaseException:
        copy.close()
        raise
    return copy


def read_ledger(path: Path) -> sqlite3.Connection:
    """Opens a ledger for reading, also while a run writes to it, or in a read-only folder.

    Raises:
        LedgerError: there is no ledger, or it cannot be read by this version.
    """
    if not _is_there(path):
        if not os.path.lexists(path.parent):
            raise LedgerError(f"there is no folder {path.parent}")
        raise _empty(path)
    address = path.absolute().as_uri()
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        # Not mode=ro: it would leave the log's files behind, which a reader without write access could not remove.
        return _to_read(path, f"{address}?mode=rw")
    log = Path(f"{path}-wal")
    try:
        # Without a log there is no writer, and the file is complete. To read a log, SQLite needs its index as well.
        return _to_read(path, f"{address}?mode=ro" if _is_there(log) else f"{address}?immutable=1")
    except TargetError:
        return _copied(path, log)


def _to_read(path: Path, address: str) -> sqlite3.Connection:
    with _opened(path, address) as connection:
        connection.execute("PRAGMA query_only=ON")
        if (version := _version(connection, path)) == 0:
            raise _empty(path)
        if version < READABLE_FROM:
            raise LedgerError(f"{path} is of an older aps-async; the next run into its folder brings it up to date")
        return connection


def _empty(path: Path) -> LedgerError:
    return LedgerError(f"{path.parent} has no ledger ({path.name}): no export or sync has kept one in it")


def _copied(path: Path, log: Path) -> sqlite3.Connection:
    """Copies a killed run's ledger from a read-only folder into memory, where its log can be merged."""
    with TemporaryDirectory(prefix="aps-async-") as folder:
        copy = Path(folder, path.name)
        try:
            shutil.copyfile(path, copy)
            shutil.copyfile(log, f"{copy}-wal")
        except OSError as problem:
            raise LedgerError(f"{path} cannot be read: {problem.strerror or problem}") from problem
        found = sqlite3.connect(":memory:", isolation_level=None)
        with closing(_to_read(copy, f"{copy.as_uri()}?mode=rw")) as connection:
            connection.backup(found)
        return found


def _is_there(path: Path) -> bool:
    try:
        return refuse_link(path)
    except OSError as problem:
        raise LedgerError(f"{path} is a link or not a file: remove it, or choose another folder") from problem


@contextmanager
def _opened(path: Path, address: str) -> Generator[sqlite3.Connection, None, None]:
    """Yields a connection, which is closed again if the block fails."""
    _is_there(path)  # SQLite follows a link in the place of the ledger, though not of the files beside it
    try:
        connection = sqlite3.connect(address, uri=True, timeout=_WAIT, isolation_level=None)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as problem:
        raise explained(path, problem) from problem


def _version(connection: sqlite3.Connection, path: Path) -> int:
    tables, odd = connection.execute(
        "SELECT count(*), coalesce(sum(type NOT IN ('table', 'index')), 0) FROM sqlite_master"
    ).fetchone()
    whose: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables and whose != APPLICATION:
        raise LedgerError(f"{path} is a database of something else: move it away, or choose another folder")
    if odd:  # triggers and views would run with our statements
        raise LedgerError(f"{path} was changed by another program: {MOVE_AWAY}")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"{path} was written by a newer aps-async (form {version}; this one knows {len(MIGRATIONS)}): update "
            "aps-async, or choose another folder"
        )
    return version


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Applies all missing migrations in one transaction: if it is killed, the older version remains."""
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        if version == 0:
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            # It is in the names of part files, to distinguish those of a killed run from other programs' files.
            connection.execute("INSERT INTO facts VALUES ('tag', ?)", (f"{secrets.token_hex(4)}-",))
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _why_not_opened() -> OSError:
    """The error behind "unable to open": too many open files, or a missing right; SQLite does not say which."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as problem:
        return problem
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def explained(path: Path, problem: Exception) -> Exception:
    """Converts an error while reading or writing into one of ours that says what to do."""
    if isinstance(problem, WRONG_VALUES):
        return LedgerError(f"{path} contains a value that cannot be used ({problem}): {MOVE_AWAY}")
    code = getattr(problem, "sqlite_errorcode", 0)
    kind = code & 0xFF
    if kind in _FULL:
        return DiskFullError(f"cannot write {path}: the disk is full; make room and run it again", path=path)
    if kind in _DAMAGED:
        return LedgerError(f"{path} is damaged ({problem}): {MOVE_AWAY}")
    if kind in _BUSY:
        return LedgerError(f"{path} is held by another program ({problem}): close that and run it again")
    if code == sqlite3.SQLITE_IOERR_WRITE:  # a disk quota or file size limit; a full disk has a code of its own
        return DiskFullError(
            f"cannot write {path}: the disk's quota is used up, or the drive fails; make room and run it again",
            path=path,
        )
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return target_error(path, _why_not_opened())
    return LedgerError(f"{path} cannot be used ({problem}): run it again, or move it away to start from scratch")
