"""What became of each request of a bulk run."""

from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from attrs import field, frozen

from aps_async.models.exports import ExportRef, ExportRequest, FailedFile
from aps_async.reprs import short_repr

__all__ = [
    "DeliveredExport",
    "ExportOutcome",
    "FailedExport",
    "FinishedExport",
    "StoredExport",
    "StoredOutcome",
]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class FinishedExport:
    """What is known of a finished export, whether it was delivered or failed."""

    request: ExportRequest
    ref: ExportRef | None = field(default=None, repr=False)
    """None if it was never started, or came as one of several sheets from one job; see `batch` of `export_many`."""
    seconds: float = 0.0
    """From the moment its turn to start came to the end."""
    polls: int = 0
    """Status calls that were answered."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what the result lacks; see `ExportRequest.allow_partial`. With a ledger, the next run with the same
    request exports it again, since the service may have by then what was missing."""


@frozen(kw_only=True)
class DeliveredExport(FinishedExport):
    """An export whose verified file is at `path`."""

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None
    path: Path
    """The verified file; of an archive that was unpacked, where it was."""
    size: int
    """Bytes."""
    unpacked: tuple[Path, ...] = ()
    """The files that an archive was unpacked to; and the archive itself, last, if not all of it could be unpacked."""
    reused: bool = False
    """The file is an earlier run's, found whole and unchanged: nothing was fetched."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file; see `Downloaded.warnings`. A later run that reuses the file repeats it."""

    __repr__ = short_repr


@frozen(kw_only=True)
class StoredExport(FinishedExport):
    """An export that was delivered to a storage, such as `s3://`."""

    ok: ClassVar[Literal[True]] = True
    path: ClassVar[None] = None
    error: ClassVar[None] = None
    unpacked: ClassVar[tuple[Path, ...]] = ()
    size: int
    """Bytes."""
    locations: tuple[str, ...] = ()
    """Where its files are, such as `s3://plans/A-101.pdf`."""
    names: tuple[str, ...] = ()
    """Their names in the storage, with `/` between folders."""
    reused: bool = False
    """The files are an earlier run's, found whole and unchanged: nothing was fetched."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file; see `DeliveredExport.warnings`."""

    __repr__ = short_repr


@frozen(kw_only=True)
class FailedExport(FinishedExport):
    """An export that ended without a file."""

    ok: ClassVar[Literal[False]] = False
    path: ClassVar[None] = None
    size: ClassVar[Literal[0]] = 0
    unpacked: ClassVar[tuple[Path, ...]] = ()
    reused: ClassVar[Literal[False]] = False
    warnings: ClassVar[tuple[str, ...]] = ()
    error: Exception
    """Why there is no file."""

    __repr__ = short_repr


ExportOutcome: TypeAlias = DeliveredExport | FailedExport
"""What became of one request of a bulk run: `ok`, `path` and `error` are there in either case.

Runs into a storage have
`StoredOutcome`s instead. Type checkers narrow it by `outcome.ok is True` (mypy also by `if outcome.ok:`),
`outcome.error is None` and `isinstance`.
"""


StoredOutcome: TypeAlias = StoredExport | FailedExport
"""The same of a run into a storage."""
