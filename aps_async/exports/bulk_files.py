"""The files of a bulk run: which are in the folder or storage already, and how results get there."""

import asyncio
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from aps_async.downloads.archives import unpack_archive
from aps_async.downloads.filenames import in_folder
from aps_async.downloads.sinks import PartFile
from aps_async.downloads.storage import Storage, discard_from, put_into, staged_in
from aps_async.downloads.target_paths import checked_path, target_error
from aps_async.exports.batches import Batches, put_in_place
from aps_async.exports.entries import Entry
from aps_async.exports.progress import Counts
from aps_async.exports.wait import checked_job, download_export
from aps_async.filesystem import make_folders
from aps_async.ledger.journal import Journal
from aps_async.models import Downloaded, Progress
from aps_async.session import Session

__all__ = ["Files"]
__dir__: object = __all__.copy


@define(eq=False)
class Files:
    """The files of one run; `fetch` downloads a result, `reused` finds what is there."""

    session: Session
    target: Path | Storage
    journal: Journal
    batches: Batches | None
    counts: Counts
    report: Callable[[], None]
    """Called whenever bytes have arrived."""
    unpack: bool = field(kw_only=True)

    async def reused(self, entry: Entry) -> Downloaded | None:
        """Returns what an earlier run has delivered, if that is still there and unchanged."""
        files = entry.record.files
        to_unpack = self.unpack and len(files) == 1 and files[0].name.endswith(".zip")
        in_storage = not isinstance(self.target, Path)
        if (to_unpack and in_storage) or not await self.journal.holds(entry.record):
            return None
        entry.reused = True
        if not isinstance(self.target, Path):
            entry.names = tuple(each.name for each in files)
            entry.locations = self.journal.locations(entry.record)
            return Downloaded(path=Path(files[0].name), size=sum(each.size for each in files))
        paths = [self.target / each.name for each in files]
        path = paths[0]
        if len(files) > 1:
            path = Path(f"{in_folder(self.target, entry.record.name)}.zip")
            entry.unpacked = tuple(sorted(paths, key=path.__eq__))  # the archive, if it was kept, is the last
        got = Downloaded(path=path, size=sum(each.size for each in files))
        if not entry.unpacked:
            await self._unpack(entry, got, self.target)
        return got

    async def fetch(self, entry: Entry) -> Downloaded:
        """Downloads a finished job's files to the folder; for a storage, to a temporary folder first."""
        if entry.members and self.batches is not None:
            return await self._download(entry, await self.batches.new_file())
        if isinstance(self.target, Path):
            return await self._fetch_into(self.target, entry)
        staged = await staged_in(self.target, secrets.token_hex(8))
        try:
            _make_folder(staged)
            got = await self._fetch_into(staged, entry)
            files = entry.unpacked or (got.path,)
            notes = await self.journal.storing(entry.record, staged, files)
            entry.notes = (*entry.notes, *notes)
            entry.names = tuple(each.relative_to(staged).as_posix() for each in files)
            entry.locations = tuple(
                [await put_into(self.target, each, name) for each, name in zip(files, entry.names, strict=True)]
            )
            return got
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            discard_from(self.target, staged)

    async def _fetch_into(self, folder: Path, entry: Entry) -> Downloaded:
        got = await self._download(entry, _target_path(folder, entry.record.name))
        entry.record.warnings = got.warnings
        await self._unpack(entry, got, folder)
        return got

    async def _download(self, entry: Entry, path: Path) -> Downloaded:
        def note(progress: Progress) -> None:
            self.counts.received += progress.received - entry.received
            entry.received = progress.received
            self.report()

        async def arriving(file: Downloaded) -> None:
            entry.record.warnings = file.warnings
            notes = await self.journal.arriving(entry.record, file)
            entry.notes = (*entry.notes, *notes)

        before_rename = arriving if self.journal.lasting and isinstance(self.target, Path) else None
        if entry.page is not None:
            return await put_in_place(entry.page, path, self.journal.tag, before_rename)
        poller = entry.job_poller
        self.counts.downloading += 1
        try:
            now = asyncio.get_running_loop().time()  # the deadline starts again: the job may have waited for this slot
            async with poller.until_deadline(since=now):
                job = checked_job(poller.answer)
                entry.record.failed_files = job.failed_files
                return await download_export(
                    self.session,
                    job,
                    PartFile(path, self.journal.tag),
                    add_suffix=not entry.members,
                    sha256=self.journal.lasting and not entry.members,
                    before_rename=None if entry.members else before_rename,
                    on_progress=note,
                )
        finally:
            self.counts.downloading -= 1

    async def _unpack(self, entry: Entry, got: Downloaded, folder: Path) -> None:
        if self.unpack and got.path.suffix == ".zip":
            names = self.journal.names(entry.record)
            skipped: list[str] = []
            entry.unpacked = await unpack_archive(got.path, folder, names, tag=self.journal.tag, on_skip=skipped.append)
            if skipped:
                entry.unpacked = (*entry.unpacked, got.path) if entry.unpacked else ()
                entry.record.warnings = tuple(dict.fromkeys((*entry.record.warnings, *skipped)))
            elif (note := _removed(got.path)) and not self.journal.lasting:  # a ledger tries again, and reports it
                entry.notes = (*entry.notes, note)


def _removed(archive: Path) -> str | None:
    """Removes an archive whose files are all unpacked; returns a warning if that is not possible."""
    try:
        archive.unlink(missing_ok=True)
    except OSError as problem:  # on Windows, while a virus scanner reads it
        return f"{archive.name} is unpacked, and could not be removed: {problem.strerror or problem}"
    return None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir()
    except OSError as problem:
        raise target_error(path, problem) from problem


def _target_path(folder: Path, name: str) -> Path:
    """Returns the path for a file name, still without its suffix; creates the subfolders."""
    path = in_folder(folder, name)
    if path.parent != folder:
        try:
            make_folders(folder, path.parent.relative_to(folder).parts)
        except OSError as problem:
            raise target_error(path, problem) from problem
    return checked_path(path, add_suffix=True)
