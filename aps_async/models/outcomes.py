"""The outcomes of a bulk run, one for each request."""

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
    """The fields that all outcomes have, whether the export was delivered or failed."""

    request: ExportRequest
    ref: ExportRef | None = field(default=None, repr=False)
    """None if it was not started, or was one of several sheets in one job; see `batch` of `export_many`."""
    seconds: float = 0.0
    """Seconds from its start, waiting for the quota included, to its end."""
    polls: int = 0
    """The number of status calls with a response."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what the result lacks; see `ExportRequest.allow_partial`. With a ledger, the next run with the same
    request exports it again, since the service may have by then what was missing."""
    lost: Literal["missing", "changed"] | None = None
    """With a ledger: why the file of an earlier run was not reused; None if it was, or there was none."""


@frozen(kw_only=True)
class DeliveredExport(FinishedExport):
    """An export whose verified file is at `path`."""

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None
    path: Path
    """The verified file; if an archive was unpacked, its former path."""
    size: int
    """Bytes."""
    unpacked: tuple[Path, ...] = ()
    """The files from an unpacked archive; and last the archive itself, if not all of it could be unpacked."""
    reused: bool = False
    """Whether the file is from an earlier run, was unchanged, and therefore not downloaded again."""
    warnings: tuple[str, ...] = ()
    """Irregularities of the file; see `Downloaded.warnings`. Repeated by later runs that reuse the file."""

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
    """The locations of its files, such as `s3://plans/A-101.pdf`."""
    names: tuple[str, ...] = ()
    """The names of its files in the storage, with `/` between folders."""
    reused: bool = False
    """Whether the files are from an earlier run, were unchanged, and therefore not downloaded again."""
    warnings: tuple[str, ...] = ()
    """Irregularities of the file; see `DeliveredExport.warnings`."""

    __repr__ = short_repr


@frozen(kw_only=True)
class FailedExport(FinishedExport):
    """An export that failed."""

    ok: ClassVar[Literal[False]] = False
    path: ClassVar[None] = None
    size: ClassVar[Literal[0]] = 0
    unpacked: ClassVar[tuple[Path, ...]] = ()
    reused: ClassVar[Literal[False]] = False
    warnings: ClassVar[tuple[str, ...]] = ()
    error: Exception
    """Why it failed."""

    __repr__ = short_repr


ExportOutcome: TypeAlias = DeliveredExport | FailedExport
"""The outcome of one request of a bulk run; `ok`, `path` and `error` exist in either case.

Runs into a storage have
`StoredOutcome`s instead. Type checkers narrow it by `outcome.ok is True` (mypy also by `if outcome.ok:`),
`outcome.error is None` and `isinstance`.
"""


StoredOutcome: TypeAlias = StoredExport | FailedExport
"""The same of a run into a storage."""
