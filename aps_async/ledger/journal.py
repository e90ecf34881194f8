"""What a bulk run keeps of itself: nothing beyond its own life here, everything in `aps_async.ledger`."""

from collections.abc import Sequence
from typing import Protocol

from attrs import define, frozen

from aps_async.downloads.filenames import NameBook
from aps_async.models import Downloaded, ExportOutcome, ExportRef, ExportRequest

__all__ = ["Journal", "KnownFile", "NoLedger", "Record"]
__dir__: object = __all__.copy


@frozen
class KnownFile:
    """A file that an export has made, or was about to."""

    name: str
    """In the run's folder."""
    size: int
    sha256: str


@define(eq=False)
class Record:
    """What is known of one request."""

    id: int
    name: str
    """Of its file, without suffix."""
    ref: ExportRef | None = None
    """When it was started already."""
    files: tuple[KnownFile, ...] = ()
    """To be looked at before anything is asked of the service."""
    done: bool = False


class Journal(Protocol):
    """The moments of a run that may be worth keeping."""

    lasting: bool
    """Whether a run that ends early goes on where it was."""
    tag: str
    """A mark in the names of part files."""

    async def begin(self, total: int | None) -> None:
        """A run begins, of so many requests if that is known."""
        ...

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Takes requests in, each with its reference if it was started already, and tells what is known of them."""
        ...

    async def holds(self, record: Record) -> bool:
        """Whether the record's files are there, whole and unchanged."""
        ...

    async def started(self, record: Record, ref: ExportRef) -> None:
        """The service has taken the request; nothing is asked about it before this returns."""
        ...

    async def arriving(self, record: Record, file: Downloaded) -> None:
        """The file is whole, and gets its final name when this returns."""
        ...

    async def ended(self, record: Record, outcome: ExportOutcome) -> None:
        """The export has come to its end; its outcome is told when this returns."""
        ...

    def names(self, record: Record) -> NameBook:
        """Names for the files of an archive; used in another thread."""
        ...

    async def complete(self, total: int) -> None:
        """Every request has its outcome."""
        ...


class NoLedger:
    """Names, and no memory."""

    lasting = False
    tag = ""

    def __init__(self) -> None:
        self._names = NameBook()

    async def begin(self, total: int | None) -> None:
        """Nothing to keep."""

    async def enter(self, wanted: Sequence[tuple[ExportRequest, ExportRef | None]]) -> list[Record]:
        """Names the files."""
        return [Record(0, self._names.take(each.name or each.source_ids[0], "")) for each, _ in wanted]

    async def holds(self, record: Record) -> bool:  # noqa: ARG002 - the protocol's
        """Nothing is known."""
        return False

    async def started(self, record: Record, ref: ExportRef) -> None:
        """Nothing to keep."""

    async def arriving(self, record: Record, file: Downloaded) -> None:
        """Nothing to keep."""

    async def ended(self, record: Record, outcome: ExportOutcome) -> None:
        """Nothing to keep."""

    def names(self, record: Record) -> NameBook:  # noqa: ARG002 - the protocol's
        """The run's own."""
        return self._names

    async def complete(self, total: int) -> None:
        """Nothing to keep."""
