"""The protocol by which a bulk run records its events: `Ledger` stores them, `NoLedger` only chooses file names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from attrs import define, field, frozen

from aps_async.downloads.filenames import NameBook, safe_path
from aps_async.models import Downloaded, ExportKind, ExportOutcome, ExportRef, ExportRequest, FailedFile, StoredExport

__all__ = ["Journal", "KnownFile", "NoLedger", "Record"]
__dir__: object = __all__.copy


@frozen
class KnownFile:
    """A file that an export has made, or was about to."""

    name: str
    """Relative to the run's folder."""
    size: int
    sha256: str
    stamp: str | None = field(default=None, eq=False)
    """Times and inode when it was last read, by which `Ledger` recognizes it without reading it."""


@define(eq=False)
class Record:
    """What is known about one request."""

    id: int
    name: str
    """The name of its file, without suffix."""
    ref: ExportRef | None = None
    """Set if it was started already."""
    files: tuple[KnownFile, ...] = ()
    """Files to check before any call to the service."""
    done: bool = False
    arrived: KnownFile | None = None
    """The file that this run has given its final name, or is about to."""
    failed_files: tuple[FailedFile, ...] = ()
    """What is missing from its files, if the result is partial."""
    warnings: tuple[str, ...] = ()
    """Irregularities of its files."""
    arrived_at: float = 0.0
    """A time before the rename, in seconds since the epoch."""
    job_seconds: float | None = None
    """How long the job took, in seconds; None if it was polled too rarely to know."""
    lost: Literal["missing", "changed"] | None = None
    """Why its files cannot be reused, after `holds` was False: one of them is not there, or is another one."""
    is_unchanged: bool = False
    """Whether all files have the same stamps as before, so that none has to be read; see `ledger.files`."""


class Journal(Protocol):
    """Called at each event of a run."""

    lasting: bool
    """Whether a stopped run can be continued."""
    tag: str
    """Part of the names of part files, by which those of a killed run are recognized."""
    expected: int | None
    """How many requests the run has, if that is known."""

    async def begin(self, total: int | None) -> None:
        """A run begins; `total`: the number of its requests, if that is known."""
        ...

    async def expect(self, total: int) -> None:
        """The number of the run's requests has become known."""
        ...

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Enters requests, with the references of those that are started already; returns their records."""
        ...

    async def recent_starts(self, within: float, at_once: int) -> dict[ExportKind, list[float]]:
        """How many seconds ago each start in the last `within` seconds was, by kind.

        A run that was killed may have made up to `at_once` starts more than it could record.
        """
        ...

    async def holds(self, record: Record) -> bool:
        """Whether the record's files are there, whole and unchanged."""
        ...

    async def started(self, record: Record, ref: ExportRef) -> None:
        """The service has accepted the request. The first status call is only made after this returns."""
        ...

    async def arriving(self, record: Record, file: Downloaded) -> tuple[str, ...]:
        """The file is complete, and is renamed after this returns. Returns warnings about what was in its place."""
        ...

    async def storing(self, record: Record, staged: Path, files: Sequence[Path]) -> tuple[str, ...]:
        """Like `arriving`, for complete files in a folder that are copied to the storage after this returns."""
        ...

    def locations(self, record: Record) -> tuple[str, ...]:
        """Where the record's files are, to show to users."""
        ...

    async def ended(self, record: Record, outcome: ExportOutcome | StoredExport) -> tuple[str, ...]:
        """The export has ended. Its outcome is yielded after this returns, with these warnings in addition."""
        ...

    def names(self, record: Record) -> NameBook:
        """Names for the files of an archive; called in another thread."""
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

    async def ended(self, record: Record, outcome: ExportOutcome | StoredExport) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing to keep."""
        return ()

    def names(self, record: Record) -> NameBook:  # noqa: ARG002 - the protocol's
        """The run's own."""
        return self._names

    async def complete(self, total: int) -> None:
        """Nothing to keep."""
