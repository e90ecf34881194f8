"""The state of one request in a bulk run, and its outcome."""

import asyncio
from pathlib import Path
from typing import Any

from attrs import define

from aps_async.exports.bulk_requests import Wanted, request_of
from aps_async.ledger.journal import Record
from aps_async.models import (
    DeliveredExport,
    Downloaded,
    ExportJob,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    FailedExport,
    StoredExport,
)
from aps_async.polling import Poller

__all__ = ["Entry", "outcome_of"]
__dir__: object = __all__.copy


@define(eq=False)
class Entry:
    """One request of a bulk run, from the moment it is read to its outcome."""

    wanted: Wanted
    record: Record
    began: float
    number: int | None = None
    """Identifies the export in hook events; None without hooks, and for the job of a batch."""
    reported: bool = False
    ref: ExportRef | None = None
    poller: Poller[ExportJob] | None = None
    started_at: float | None = None
    """By the event loop's clock; None: the job was started elsewhere, or by an earlier run."""
    running_at: float = 0.0
    """When the job was last known to be running."""
    timer: asyncio.TimerHandle | None = None
    asking: "asyncio.Task[None] | None" = None
    """A status call in progress."""
    received: int = 0
    reused: bool = False
    locations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Names of the files in a storage."""
    unpacked: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Warnings from before the download."""
    members: "tuple[Entry, ...]" = ()
    """For the job of a batch: the entries of its sheets."""
    page: Path | None = None
    """The sheet's own file, split from the PDF of a batch; it still needs its final name."""

    @property
    def request(self) -> ExportRequest:
        """The request, also if only its reference or job was given."""
        return request_of(self.wanted)

    @property
    def job_poller(self) -> Poller[ExportJob]:
        """The poller, once the job is started."""
        assert self.poller is not None  # noqa: S101 - for the type checker
        return self.poller


def outcome_of(entry: Entry, result: Downloaded | Exception, now: float) -> ExportOutcome | StoredExport:
    """The outcome to yield for an entry that ended at `now`, by the event loop's clock."""
    status = entry.poller.status if entry.poller else None
    job = status.answer if status else None
    known: dict[str, Any] = {
        "request": entry.request,
        "ref": entry.ref or entry.record.ref,
        "failed_files": job.failed_files if job else (),
        "seconds": now - entry.began,
        "polls": status.polls if status else 0,
    }
    if isinstance(result, Exception):
        return FailedExport(**known, error=result)
    if entry.locations:
        return StoredExport(
            **known,
            size=result.size,
            locations=entry.locations,
            names=entry.names,
            reused=entry.reused,
            warnings=entry.warnings,
        )
    return DeliveredExport(
        **known,
        path=result.path,
        size=result.size,
        unpacked=entry.unpacked,
        reused=entry.reused,
        warnings=entry.warnings,
    )
