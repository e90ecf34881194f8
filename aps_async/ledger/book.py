"""The ledger as a bulk run uses it."""

import asyncio
import hashlib
import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from aps_async.downloads.filenames import NameBook, safe_stem
from aps_async.downloads.sinks import local_path, made_folder, remove_parts
from aps_async.errors import ExportFailedError, InputError, LedgerError
from aps_async.filesystem import open_own
from aps_async.ledger import rows
from aps_async.ledger.journal import KnownFile, Record
from aps_async.ledger.lock import FolderLock
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.ledger.store import Store
from aps_async.models import Downloaded, ExportOutcome, ExportRef, ExportRequest

__all__ = ["Ledger"]
__dir__: object = __all__.copy

_CHECKS = 4  # files hashed at once, in threads: more do not make a disk faster
_TAG = re.compile(r"[0-9a-f]{8}-")
_PROBLEM = 1000  # signs of an error's message that are kept


class Ledger:
    """Remembers, in a folder, what has been exported into it and how far everything else has come.

    Give it to `export_many`, which opens it, or open it yourself for several runs: `async with Ledger(folder)`. While
    it is open, no other run can use the folder; that ends with the process, however it ends.

    Args:
        folder: the folder that the files go to; it is made when it is missing.
        keep_older: when a newer version of a sheet is exported, leave the older one's file and give the newer one
            another name; otherwise the newer one takes its place.
        again: export everything anew, although it is there: markups change without a new version. Only the first run
            after opening does; when it was stopped, go on without this.
        command: any text that tells how to run the same again; `ledger_status` gives it back.
    """

    lasting = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_older: bool = False,
        again: bool = False,
        command: str | None = None,
    ) -> None:
        self.folder: Path = local_path(folder)
        self.tag: str = ""
        self._keep_older = keep_older
        self._again = again
        self._command = command
        self._lock = FolderLock(self.folder)
        self._store = Store(self.folder / LEDGER_NAME)
        self._run = 0
        self._opened = False
        self._checks = asyncio.Semaphore(_CHECKS)
        self._counts: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether it is inside its `async with`."""
        return bool(self.tag)

    async def __aenter__(self) -> Self:
        """Opens it.

        Raises:
            FolderInUseError: another run works in the folder.
            LedgerError: the ledger there cannot be used; the message says what to do.
            TargetError: the folder cannot be written to.
        """
        if self._opened:
            raise LedgerError("a ledger is opened once; make another one")
        self._opened = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, made_folder, self.folder)
        self._lock.acquire()
        try:
            await self._store.open()
            tag = await self._store.call(_tag, durable=False)
            await loop.run_in_executor(None, remove_parts, self.folder, tag)
        except BaseException:
            await self.__aexit__()
            raise
        self.tag = tag
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tag = ""
        try:
            await self._store.close()
        finally:
            self._lock.release()

    def check_folder(self, folder: Path) -> None:
        """Raises unless this ledger is that folder's.

        Raises:
            InputError: it is another one's.
        """
        if folder.resolve() != self.folder.resolve():
            raise InputError(f"this ledger is for {self.folder}, and the files are to go to {folder}: use one folder")

    async def begin(self, total: int | None) -> None:
        """A run begins."""
        command, again = self._command, self._again
        self._again = False

        def begin(connection: sqlite3.Connection) -> int:
            if again:
                rows.forget_files(connection)
            return rows.begin_run(connection, command, total)

        self._run = await self._store.call(begin, durable=False)

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Finds requests, or enters those that are new."""
        run, keep, counts = self._run, self._keep_older, self._counts
        # Lost in a power cut, they are simply entered again.
        return await self._store.call(
            lambda db: rows.enter(db, run, wanted, keep_older=keep, counts=counts), durable=False
        )

    async def holds(self, record: Record) -> bool:
        """Compares size and SHA-256 of the record's files, in a thread."""
        if not record.files:
            return False
        async with self._checks:
            return await asyncio.to_thread(_are_whole, self.folder, record.files)

    async def started(self, record: Record, ref: ExportRef) -> None:
        """Writes the reference down, for good: to start twice costs quota, and with ACC a second job."""
        await self._store.call(lambda db: rows.started(db, record.id, ref.export_id))
        record.ref = ref

    async def arriving(self, record: Record, file: Downloaded) -> None:
        """Writes down what is about to get its final name.

        A kill between that and `ended` then costs nothing: the next run finds the file, and that it is the right one.
        """
        if file.sha256 is None:
            raise LedgerError(f"nothing is known of the file for {record.name}")
        known = [KnownFile(file.path.name, file.size, file.sha256)]
        await self._store.call(lambda db: rows.arriving(db, record.id, known), durable=False)

    async def ended(self, record: Record, outcome: ExportOutcome) -> None:
        """Writes the outcome down, and removes the older version's file if a newer one has taken its place."""
        if not outcome.ok:
            words = str(outcome.error)[:_PROBLEM]
            given_up = isinstance(outcome.error, ExportFailedError)
            await self._store.call(lambda db: rows.failed(db, record.id, words, given_up=given_up))
            return
        unpacked = outcome.unpacked
        as_before = outcome.reused and {each.name for each in unpacked} <= {each.name for each in record.files}
        if as_before and record.done:
            return
        files = await asyncio.to_thread(_known, unpacked) if unpacked and not as_before else None
        left = await self._store.call(lambda db: _done(db, record.id, files))
        if left:
            await asyncio.to_thread(_remove, self.folder, left)

    def names(self, record: Record) -> NameBook:
        """Names that the ledger remembers, for the files of an archive."""
        return _Names(self._store, record.id)

    async def complete(self, total: int) -> None:
        """The run came to its end."""
        run = self._run
        await self._store.call(lambda db: rows.end_run(db, run, total))


class _Names(NameBook):
    """For use in another thread than the event loop's."""

    def __init__(self, store: Store, record: int) -> None:
        super().__init__()
        self._store = store
        self._record = record
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()

    def take(self, title: str, suffix: str = ".pdf") -> str:
        """A name that is new, or was this export's before."""
        stem, record = safe_stem(title), self._record
        call = self._store.call(lambda db: rows.take_name(db, record, stem, self._counts, self._used), durable=False)
        name = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        self._used.add(name)
        return f"{name}{suffix}"


def _tag(connection: sqlite3.Connection) -> str:
    """The mark of part files. It becomes part of their names and chooses which are removed, so it is checked."""
    found = connection.execute("SELECT value FROM facts WHERE name='tag'").fetchone()
    if found is None or not _TAG.fullmatch(str(found[0])):
        raise LedgerError(f"the folder's ledger has no valid tag. {rows.MOVE_AWAY}")
    return str(found[0])


def _done(connection: sqlite3.Connection, record: int, files: list[KnownFile] | None) -> list[KnownFile]:
    if files is not None:
        rows.arriving(connection, record, files)
    return rows.done(connection, record)


def _are_whole(folder: Path, files: Sequence[KnownFile]) -> bool:
    """Sizes first: they reveal most changes, and cost nothing. A link in the place of a file is a change."""
    try:
        if any((folder / each.name).stat().st_size != each.size for each in files):
            return False
        return all(_sha256(folder / each.name) == each.sha256 for each in files)
    except OSError:
        return False


def _known(paths: Sequence[Path]) -> list[KnownFile]:
    return [KnownFile(path.name, path.stat().st_size, _sha256(path)) for path in paths]


def _sha256(path: Path) -> str:
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(folder: Path, files: Sequence[KnownFile]) -> None:
    """Only what is ours and as we left it."""
    for each in files:
        if _are_whole(folder, [each]):
            with suppress(OSError):
                (folder / each.name).unlink()
