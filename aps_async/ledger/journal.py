"""The journal of a bulk run: in memory here, on the disk in `aps_async.ledger`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import define, field, frozen

from aps_async.downloads.filenames import NameBook, safe_path
from aps_async.models import Downloaded, ExportKind, ExportOutcome, ExportRef, ExportRequest, FailedFile, StoredExport

__all__ = ["Journal", "KnownFile", "NoLedger", "Record"]
__dir__: object = __all__.copy


@frozen
class KnownFile:
    """A file that an export has made, or was about to."""

    name: str
    """In the run's folder."""
    size: int
    sha256: str
    stamp: str | None = field(default=None, eq=False)
    """Times and inode when it was last read, by which `Ledger` recognizes it without reading it."""


@define(eq=False)
class Record:
    """What is known about one request."""

    id: int
    name: str
    """Of its file, without suffix."""
    ref: ExportRef | None = None
    """When it was started already."""
    files: tuple[KnownFile, ...] = ()
    """Files to check before any call to the service."""
    done: bool = False
    arrived: KnownFile | None = None
    """What this run is about to put under its final name, or has."""
    failed_files: tuple[FailedFile, ...] = ()
    """What its files lack of what was asked for."""
    warnings: tuple[str, ...] = ()
    """What is odd about its files, as long as they are there."""
    arrived_at: float = 0.0
    """A time before it got that name, in seconds since the epoch."""
    job_seconds: float | None = None
    """How long the job took, as far as its status showed."""
    is_unchanged: bool = False
    """Whether the stamps of all files are as they were."""


class Journal(Protocol):
    """The events of a run that can be stored."""

    lasting: bool
    """Whether a stopped run can be continued."""
    tag: str
    """A mark in the names of part files."""
    expected: int | None
    """How many requests the run has, if that is known."""

    async def begin(self, total: int | None) -> None:
        """A run begins, of so many requests if that is known."""
        ...

    async def expect(self, total: int) -> None:
        """The run has so many requests, which may not have been known when it began."""
        ...

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Enters requests, each with its reference if it is already started, and returns what is known about them."""
        ...

    async def recent_starts(self, within: float, at_once: int) -> dict[ExportKind, list[float]]:
        """How many seconds ago the starts of the last seconds were, by their kind; `at_once` of them may be unknown."""
        ...

    async def holds(self, record: Record) -> bool:
        """Whether the record's files are there, whole and unchanged."""
        ...

    async def started(self, record: Record, ref: ExportRef) -> None:
        """The service has accepted the request; its status is not requested before this returns."""
        ...

    async def arriving(self, record: Record, file: Downloaded) -> tuple[str, ...]:
        """The file is complete, and gets its final name when this returns; returns warnings about what was there."""
        ...

    async def storing(self, record: Record, staged: Path, files: Sequence[Path]) -> tuple[str, ...]:
        """Files in a folder are complete, and are put into the storage when this returns; the rest as `arriving`."""
        ...

    def locations(self, record: Record) -> tuple[str, ...]:
        """Where the record's files are, to show to users."""
        ...

    async def ended(self, record: Record, outcome: ExportOutcome | StoredExport) -> None:
        """The export has ended; its outcome is reported when this returns."""
        ...

    def names(self, record: Record) -> NameBook:
        """Names for the files of an archive; used in another thread."""
        ...

    async def complete(self, total: int) -> None:
        """Every request has its outcome."""
        ...


class NoLedger:
    """Chooses names, and stores nothing."""

    lasting = False
    tag = ""

    def __init__(self) -> None:
        self._names = NameBook()
        self.expected: int | None = None

    async def begin(self, total: int | None) -> None:
        """A run begins."""
        self.expected = total

    async def expect(self, total: int) -> None:
        """The run has so many requests."""
        self.expected = total

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Names the files."""
        return [
            Record(0, self._names.take_path(safe_path(each.name or each.source_ids[0], each.subfolder)))
            for each, _ in wanted
        ]

    async def recent_starts(self, within: float, at_once: int) -> dict[ExportKind, list[float]]:  # noqa: ARG002
        """Nothing is known."""
        return {}

    async def holds(self, record: Record) -> bool:  # noqa: ARG002 - the protocol's
        """Nothing is known."""
        return False

    async def started(self, record: Record, ref: ExportRef) -> None:
        """Nothing to keep."""

    async def arriving(self, record: Record, file: Downloaded) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Nothing to keep."""
        return ()

    async def storing(self, record: Record, staged: Path, files: Sequence[Path]) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing to keep."""
        return ()

    def locations(self, record: Record) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Nothing is known."""
        return ()

    async def ended(self, record: Record, outcome: ExportOutcome | StoredExport) -> None:
        """Nothing to keep."""

    def names(self, record: Record) -> NameBook:  # noqa: ARG002 - the protocol's
        """The run's own."""
        return self._names

    async def complete(self, total: int) -> None:
        """Nothing to keep."""
