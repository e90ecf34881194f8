"""Batches: one job for many sheets of an ACC project, whose PDF is split into one verified file for each sheet."""

import secrets
import shutil
from collections.abc import Hashable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from attrs import define, field, frozen

from aps_async.downloads.download import BeforeRename
from aps_async.downloads.sinks import PartFile, part_name
from aps_async.downloads.storage import Storage, discard_from, staged_in
from aps_async.downloads.target_paths import target_error
from aps_async.errors import InputError
from aps_async.exports.entries import Entry
from aps_async.ledger.files import known_file
from aps_async.ledger.journal import Record
from aps_async.models import Downloaded, ExportKind, ExportRequest, Project
from aps_async.narrowing import is_really
from aps_async.pdf.page_names import same_number
from aps_async.pdf.splitting import check_installed, split_sheets
from aps_async.policies import PollPolicy, PollStatus
from aps_async.resources import sheets
from aps_async.threads import in_thread

__all__ = ["LARGEST", "BatchPolicy", "Batches", "batch_for", "checked_batch", "put_in_place"]
__dir__: object = __all__.copy

LARGEST = sheets.SERVICE.limit
"""The service's limit: sheets in one job."""


def batch_for(project: Project, batch: int | None, *, one_pdf: bool = False) -> int | None:
    """The value of `export_many(batch=...)` for the sheets of a project.

    Args:
        project: the project of the sheets.
        batch: the number that the caller asks for; None: the default.
        one_pdf: whether the sheets are joined into one PDF afterwards: then one ACC job makes up to 1,000 of them.

    Raises:
        InputError: the project is not in ACC, or the number is out of range.
    """
    if batch is None:
        return LARGEST if one_pdf and project.is_acc else None
    if not project.is_acc:
        raise InputError(f"{project.name} is not an ACC project: its sheets are exported one by one, without batches")
    return checked_batch(batch)


def checked_batch(batch: int) -> int:
    """Returns the number, if one job can take that many sheets.

    Raises:
        InputError: it is out of range.
    """
    if not is_really(batch, int) or not 1 <= batch <= LARGEST:
        raise InputError(f"a batch has 1 to {LARGEST:,} sheets, not {batch!r:.100}")
    return batch


@frozen(kw_only=True)
class BatchPolicy(PollPolicy):
    """For jobs whose duration grows with their sheets: polls first after ten intervals, then at growing intervals."""

    def __call__(self, status: PollStatus[Any]) -> float:
        return max(super().__call__(status), 10 * self.interval - status.age, status.age / 2)


@define(eq=False)
class Batches:
    """The batches of one run: entries that wait until their batch is full, and the files that its jobs brought."""

    size: int
    """Maximum number of sheets in one job."""
    target: Path | Storage
    tag: str
    """Marks the part files; see `part_name`."""
    _waiting: dict[Hashable, list[dict[str, Entry]]] = field(factory=dict[Hashable, list[dict[str, Entry]]])
    _scratch: Path | None = None
    _files: set[Path] = field(factory=set[Path])

    def __attrs_post_init__(self) -> None:
        checked_batch(self.size)
        check_installed()

    @property
    def waiting(self) -> int:
        """The number of entries whose batch is not full yet."""
        return sum(len(group) for groups in self._waiting.values() for group in groups)

    def takes(self, entry: Entry) -> bool:
        """Whether an entry can share a job with others: a single sheet with a number, not started yet."""
        request = entry.request
        return (
            self.size > 1
            and isinstance(entry.wanted, ExportRequest)
            and entry.record.ref is None
            and not entry.notes
            and request.kind is ExportKind.SHEETS
            and len(request.source_ids) == 1
            and request.options.output_name is None
            and request.identity is not None
            and bool(same_number(request.identity.number))
        )

    def add(self, entry: Entry) -> Sequence[Entry]:
        """Adds an entry to a batch; returns the entries of that batch if it is full now, else nothing.

        No two sheets of a batch have the same number, since their pages could not be distinguished.
        """
        request, number = entry.request, _number(entry)
        groups = self._waiting.setdefault((request.project_id, request.options, request.user_id), [])
        group = next((each for each in groups if number not in each), None)
        if group is None:
            group = dict[str, Entry]()
            groups.append(group)
        group[number] = entry
        if len(group) < self.size:
            return ()
        groups.remove(group)
        return list(group.values())

    def rest(self) -> list[Sequence[Entry]]:
        """Returns the batches that are not full, and forgets them."""
        found: list[Sequence[Entry]] = [list(each.values()) for groups in self._waiting.values() for each in groups]
        self._waiting.clear()
        return found

    def job(self, members: Sequence[Entry], began: float) -> Entry:
        """The entry of a batch's job."""
        first = members[0].request
        request = ExportRequest(
            kind=first.kind,
            project_id=first.project_id,
            source_ids=tuple(each.request.source_ids[0] for each in members),
            options=first.options,
            user_id=first.user_id,
            name=f"{len(members):,} sheets",
        )
        return Entry(request, Record(0, ""), began, members=tuple(members))

    async def new_file(self) -> Path:
        """Returns a new temporary path; `close` removes what is left there."""
        if self._scratch is None:
            if isinstance(self.target, Path):
                self._scratch = self.target
            else:
                self._scratch = await staged_in(self.target, secrets.token_hex(8))
                self._scratch.mkdir()
        path = Path(part_name(self._scratch / "batch", self.tag))
        self._files.add(path)
        return path

    async def split(self, job: Entry, pdf: Path) -> str | None:
        """Splits a job's PDF into the `Entry.page` of each member; returns the reason if that is not possible.

        Raises:
            TargetError: a file cannot be written.
        """
        numbers = [_number(each) for each in job.members]
        files = [await self.new_file() for _ in numbers]
        stop = Event()
        try:
            problem = await in_thread(split_sheets, pdf, numbers, files, stop, on_cancel=stop.set)
        except OSError as error:
            raise target_error(pdf, error) from error
        finally:
            self._remove(pdf)
        if problem is None:
            for member, file in zip(job.members, files, strict=True):
                member.page = file
        else:
            self._remove(*files)
        return problem

    def close(self) -> None:
        """Removes the temporary files."""
        self._remove(*self._files)
        if self._scratch is not None and not isinstance(self.target, Path):
            shutil.rmtree(self._scratch, ignore_errors=True)
            discard_from(self.target, self._scratch)

    def _remove(self, *files: Path) -> None:
        for each in files:
            each.unlink(missing_ok=True)
        self._files.difference_update(files)


def _number(entry: Entry) -> str:
    identity = entry.request.identity
    return same_number(identity.number) if identity else ""


async def put_in_place(page: Path, path: Path, tag: str, before_rename: BeforeRename | None) -> Downloaded:
    """Gives a sheet that was split from a job's PDF its final name, once it is synced to the disk.

    Raises:
        TargetError: it cannot get that name.
    """
    try:
        sink = PartFile.of(page, path, tag)
    except OSError as problem:
        raise target_error(path, problem) from problem
    try:
        await sink.complete()
        got = await _described(page, sink.final(".pdf"))
        if before_rename is not None:
            await before_rename(got)
        sink.rename(".pdf")
    finally:
        sink.discard()
    return got


async def _described(page: Path, path: Path) -> Downloaded:
    stop = Event()
    try:
        known = await in_thread(known_file, page.parent, page, stop, on_cancel=stop.set)
    except OSError as problem:
        raise target_error(path, problem) from problem
    return Downloaded(path=path, size=known.size, sha256=known.sha256)
