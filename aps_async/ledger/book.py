"""`Ledger`: the ledger of a folder or storage as a bulk run uses it, one method for each event of the run."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import Literal, Self

from attrs import evolve

from aps_async.downloads.filenames import NameBook, safe_stem, stem_of
from aps_async.downloads.sinks import remove_parts
from aps_async.downloads.storage import ReadableStorage, Storage
from aps_async.downloads.target_paths import local_path, made_folder
from aps_async.errors import ExportFailedError, InputError, LedgerError
from aps_async.filesystem import check_real_folders
from aps_async.lazy import regex
from aps_async.ledger import file_rows, rows, run_rows
from aps_async.ledger.files import are_unchanged, known_file, read_again, stamp_of
from aps_async.ledger.journal import KnownFile, Record
from aps_async.ledger.lock import FolderLock
from aps_async.ledger.moves import Moves, is_superseded
from aps_async.ledger.places import FolderPlace, Place, StoragePlace
from aps_async.ledger.schema import LEDGER_NAME, MOVE_AWAY
from aps_async.ledger.sheets import SheetBook
from aps_async.ledger.store import Store
from aps_async.models import Downloaded, ExportKind, ExportOutcome, ExportRef, ExportRequest, StoredExport
from aps_async.threads import in_thread

__all__ = ["Ledger"]
__dir__: object = __all__.copy

_TAG = regex(r"[0-9a-f]{8}-")
_PROBLEM = 1000  # characters of an error's message that are stored


class Ledger:
    """Records what has been exported into a folder or storage, and how far the other exports have come.

    Give it to `export_many`, which opens it, or open it yourself for several runs, one after the other:
    `async with Ledger(folder)`. While it is open, no other run can use the folder, until it is closed or the process
    ends.

    Args:
        folder: the folder that the files go to; it is created if it is missing. With a storage, a folder for the ledger
            alone; `state_folder` returns one.
        storage: where the files go instead of the folder. Nothing else may write there, since the lock against a second
            run is in the folder.
        keep_older: when a newer version of a sheet is exported, keep the older one's file, and give the newer one
            another name; otherwise the newer one replaces it.
        again: export everything again, even unchanged files, since markups change without a new version. Only applies
            to the first run after opening; to continue a stopped run, omit it.
        superseded: what happens to a file that a newer version replaces: `keep` moves it to the folder `superseded`,
            `drop` removes it; both move a file that was changed since its export. None: it is removed, or overwritten
            if it has the same name; in a storage, as `keep`.
        verify: read every file and compare its hash; otherwise a file counts as unchanged if its size, times and inode
            are the same.
        preview: work on a copy of the ledger in memory, without a lock. Nothing is written, and the folder is not
            created. For forecasts; `export_many` refuses it.
        command: any text that describes how to repeat the run; `ledger_status` returns it.
    """

    lasting = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        storage: ReadableStorage | None = None,
        keep_older: bool = False,
        again: bool = False,
        superseded: Literal["keep", "drop"] | None = None,
        verify: bool = False,
        preview: bool = False,
        command: str | None = None,
    ) -> None:
        self.folder: Path = local_path(folder)
        self.tag: str = ""
        self._keep_older = keep_older
        self._again = again
        self._verify = verify
        self.storage = storage
        self._command = command
        self._lock = FolderLock(self.folder)
        self._preview = preview
        self._store = Store(self.folder / LEDGER_NAME, copied=preview)
        self._run = 0
        self._total: int | None = None
        self.expected: int | None = None
        self._opened = False
        place = FolderPlace(self.folder) if storage is None else StoragePlace(storage)
        self.moves: Moves = Moves(self._store, place, superseded or (None if storage is None else "keep"))
        self._checks = asyncio.Semaphore(place.checks)
        self._counts: dict[str, int] = {}

    @property
    def place(self) -> Place:
        """Where the files are."""
        return self.moves.place

    @property
    def sheets(self) -> SheetBook:
        """The sheets in the folder, for `sync`."""
        return SheetBook(self._store, self.moves)

    @property
    def is_open(self) -> bool:
        """Whether it is open, that is, inside its `async with` block."""
        return bool(self.tag)

    async def __aenter__(self) -> Self:
        """Opens the ledger.

        Raises:
            FolderInUseError: another run is using the folder.
            LedgerError: the ledger in the folder cannot be used; the message says what to do.
            TargetError: the folder cannot be written to.
        """
        if self._opened:
            raise LedgerError("a ledger is opened once; make another one")
        self._opened = True
        if self._preview:
            await self._store.open()
            await self.moves.settle(preview=True)
            self.tag = await self._store.call(_tag, durable=False)
            return self
        await in_thread(made_folder, self.folder)
        self._lock.acquire()
        try:
            await self._store.open()
            tag = await self._store.call(_tag, durable=False)
            subfolders = await self._store.call(rows.subfolders, durable=False)
            await in_thread(_remove_parts, self.folder, subfolders, tag)
            await self.moves.settle(preview=False)
            await self._store.call(lambda db: run_rows.announce_run(db, self._command), durable=False)
        except BaseException:
            await self.__aexit__()
            raise
        self.tag = tag
        if isinstance(self.place, FolderPlace):
            self.place.tag = tag
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tag = ""
        try:
            await self._store.close()
        finally:
            self._lock.release()

    def for_one_run(self) -> AbstractContextManager[None]:
        """Keeps other runs with this ledger away during the block; see `FolderLock.for_one_run`."""
        return self._lock.for_one_run()

    def check_target(self, target: Path | Storage) -> None:
        """Checks that this ledger is for files in this folder or storage.

        Raises:
            InputError: it is for another folder or storage, or it is a preview.
        """
        if self._preview:
            raise InputError("a ledger that is opened as a preview takes no files: open it without preview")
        if not isinstance(target, Path):
            if target is not self.storage:
                raise InputError("this ledger is not for this storage: make it with Ledger(folder, storage=...)")
        elif self.storage is not None:
            raise InputError(f"this ledger is for a storage, and the files are to go to {target}")
        elif target.resolve() != self.folder.resolve():
            raise InputError(f"this ledger is for {self.folder}, and the files are to go to {target}: use one folder")

    async def reserve(self, file: Path) -> None:
        """Reserves the name of a file that is not an export, if it is inside the folder: no export gets that name.

        Raises:
            InputError: an export's file has the name, or it is in `superseded/`.
        """
        folder, path = self.folder.resolve(), file.parent.resolve() / file.name
        if self.storage is not None or not path.is_relative_to(folder):
            return
        name = path.relative_to(folder).as_posix()
        if is_superseded(name):
            raise InputError(f"{file} is in the folder for older versions: choose another place")
        owner = await self._store.call(lambda db: rows.reserve_name(db, stem_of(name)))
        if owner is not None:
            raise InputError(f"{file} is the file of {owner}: choose another name")

    async def digests(self) -> dict[str, str]:
        """The SHA-256 of every file of an export, by its name in the folder."""
        return await self._store.call(file_rows.digests, durable=False)

    async def note_joined(self, file: Path, identifier: bytes, warnings: Sequence[str]) -> None:
        """Stores the irregularities of a PDF that was joined from exported files; see `joined_warnings`."""
        await self._store.call(lambda db: file_rows.note_joined(db, str(file), identifier, warnings))

    async def joined_warnings(self, file: Path, identifier: bytes) -> tuple[str, ...] | None:
        """The irregularities of the joined PDF with this identifier; None if the ledger does not have it."""
        return await self._store.call(lambda db: file_rows.joined_warnings(db, str(file), identifier), durable=False)

    async def begin(self, total: int | None) -> None:
        """A run begins."""
        command, again = self._command, self._again
        self._again = False
        if total is None:
            total = self._total
        self._total, self.expected = None, total

        def begin(connection: sqlite3.Connection) -> int:
            if again:
                rows.forget_files(connection)
            return run_rows.begin_run(connection, command, total)

        self._run = await self._store.call(begin, durable=False)

    async def expect(self, total: int) -> None:
        """Records how many exports this run (or the next one) has; called again while a list is still being read."""
        self.expected = total
        if run := self._run:
            await self._store.call(lambda db: run_rows.expect(db, run, total), durable=False)
        else:
            self._total = total

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Returns the records of requests, and enters requests that are new."""
        run, keep, counts = self._run, self._keep_older, self._counts

        def enter(connection: sqlite3.Connection) -> list[Record]:
            found = rows.enter(connection, run, wanted, keep_older=keep, counts=counts)
            for each in found if not self._verify else ():
                each.is_unchanged = bool(each.files) and are_unchanged(self.folder, each.files)
            return found

        # If a power cut loses them, they are entered again.
        return await self._store.call(enter, durable=False)

    async def job_seconds(self, like: ExportRequest, most: int = 500) -> list[float]:
        """How long the latest jobs of this kind and project took, in seconds of their run's clock, the latest last."""
        return await self._store.call(lambda db: rows.job_seconds(db, like, most), durable=False)

    async def recent_starts(self, within: float, at_once: int) -> dict[ExportKind, list[float]]:
        """How many seconds ago each recent start was, by kind; see `rows.recent_starts`."""
        found: dict[ExportKind, list[float]] = {}
        for kind, ago in await self._store.call(lambda db: rows.recent_starts(db, within, at_once), durable=False):
            found.setdefault(kind, []).append(ago)
        return found

    async def holds(self, record: Record) -> bool:
        """Whether the record's files are there and unchanged, by their stamps, or else by size and SHA-256."""
        if not record.files or record.is_unchanged:
            return record.is_unchanged
        async with self._checks:
            are_whole = await self._are_whole(record)
            if not are_whole:
                are_there = [await self.place.is_there(each.name) for each in record.files]
                record.lost = "changed" if all(are_there) else "missing"
        return are_whole

    async def _are_whole(self, record: Record) -> bool:
        if self.storage is not None:
            return await self.place.are_whole(record.files)
        stop = Event()
        found = await in_thread(read_again, self.folder, record.files, stop, on_cancel=stop.set)
        if found is not None:
            await self._store.call(lambda db: file_rows.set_stamps(db, record.id, found), durable=False)
        return found is not None

    def locations(self, record: Record) -> tuple[str, ...]:
        """Where the record's files are, to show to users."""
        return tuple(self.place.location(each.name) for each in record.files)

    async def started(self, record: Record, ref: ExportRef) -> None:
        """Stores the reference durably: starting twice costs quota, and in ACC creates a second job."""
        await self._store.call(lambda db: rows.started(db, record.id, ref.export_id))
        record.ref = ref

    async def arriving(self, record: Record, file: Downloaded) -> tuple[str, ...]:
        """Stores size and hash of a file that is about to get its final name, and moves what is in its place.

        If the run is killed between this and `ended`, the next run recognizes the file.

        Returns:
            A warning, if a changed file was in its place and has been moved.
        """
        if file.sha256 is None:
            raise LedgerError(f"nothing is known of the file for {record.name}")
        name = "/".join((*record.name.split("/")[:-1], file.path.name))
        known = record.arrived = KnownFile(name, file.size, file.sha256)
        record.arrived_at = time.time()
        return await self._arriving(record, [known])

    async def storing(self, record: Record, staged: Path, files: Sequence[Path]) -> tuple[str, ...]:
        """Does the same as `arriving` for files that are about to be copied from a folder into the storage."""
        stop = Event()
        known = await in_thread(_known_files, staged, files, stop, on_cancel=stop.set)
        return await self._arriving(record, known)

    async def _arriving(self, record: Record, known: Sequence[KnownFile]) -> tuple[str, ...]:
        def arriving(connection: sqlite3.Connection) -> list[file_rows.Former]:
            file_rows.arriving(connection, record, known)
            return file_rows.former(connection, record.id)

        former = await self._store.call(arriving, durable=False)
        return await self.moves.make_way(record.id, [each.name for each in known], former)

    async def ended(self, record: Record, outcome: ExportOutcome | StoredExport) -> tuple[str, ...]:
        """Stores the outcome, and removes the older version's file if a newer one has replaced it.

        Returns:
            Warnings about files that could not be removed.
        """
        if not outcome.ok:
            words = str(outcome.error)[:_PROBLEM]
            given_up = isinstance(outcome.error, ExportFailedError)
            await self._store.call(lambda db: rows.failed(db, record.id, words, given_up=given_up))
            await self.moves.take_back(record.id)
            return ()
        unpacked = outcome.unpacked
        as_before = outcome.reused and {each.name for each in unpacked} <= {each.name for each in record.files}
        if as_before and record.done:
            return ()
        files, stop = None, Event()
        if unpacked and not as_before:
            files = await in_thread(_known_files, self.folder, unpacked, stop, on_cancel=stop.set)
        left = await self._store.call(lambda db: _done(db, self.folder, record, files))
        return await self.moves.put_away(record.id, left) if left else ()

    def names(self, record: Record) -> NameBook:
        """Names for the files of an archive, which the ledger keeps for the next run."""
        return _Names(self._store, record.id)

    async def complete(self, total: int) -> None:
        """The run is complete."""
        run, self._run = self._run, 0
        await self._store.call(lambda db: run_rows.end_run(db, run, total))


class _Names(NameBook):
    """Calls the ledger from another thread than the event loop's."""

    def __init__(self, store: Store, record: int) -> None:
        super().__init__()
        self._store = store
        self._record = record
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()

    def take(self, title: str, suffix: str = ".pdf") -> str:
        """Returns a name that no other export has; if possible, one that this export had before."""
        call = self._store.call(partial(self._take, safe_stem(title)), durable=False)
        return f"{asyncio.run_coroutine_threadsafe(call, self._loop).result()}{suffix}"

    def _take(self, stem: str, connection: sqlite3.Connection) -> str:
        """Runs in the store's thread, where a name is chosen and marked as used before the next one is asked for."""
        name = rows.take_name(connection, self._record, stem, self._counts, self._used)
        self._used.add(name)
        return name


def _tag(connection: sqlite3.Connection) -> str:
    """The tag in the names of part files. It is checked, since part files with it are removed."""
    found = connection.execute("SELECT value FROM facts WHERE name='tag'").fetchone()
    if found is None or not _TAG.fullmatch(str(found[0])):
        raise LedgerError(f"the folder's ledger has no valid tag: {MOVE_AWAY}")
    return str(found[0])


def _done(
    connection: sqlite3.Connection, folder: Path, record: Record, files: list[KnownFile] | None
) -> list[file_rows.Former]:
    if files is not None:
        file_rows.arriving(connection, record, files)
    elif (file := record.arrived) is not None:
        stamp = stamp_of(folder / file.name, file.size, record.arrived_at)
        file_rows.set_stamps(connection, record.id, [evolve(file, stamp=stamp)])
    return file_rows.done(connection, record.id, record.job_seconds)


def _known_files(folder: Path, paths: Sequence[Path], stop: Event) -> list[KnownFile]:
    return [known_file(folder, path, stop) for path in paths]


def _remove_parts(folder: Path, subfolders: Sequence[str], tag: str) -> None:
    remove_parts(folder, tag)
    for each in subfolders:
        parts = each.split("/")
        with suppress(OSError):  # it is missing, or a link, which is not followed
            check_real_folders(folder, parts)
            remove_parts(folder.joinpath(*parts), tag)
