"""The state of one request in a bulk run, and its outcome."""

import asyncio
from pathlib import Path
from typing import Any

from attrs import define

from aps_async.errors import APSError
from aps_async.exports.bulk_requests import Wanted, request_of
from aps_async.exports.outcomes import Delivery, report_outcome
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
from aps_async.session import Session
from aps_async.threads import is_being_cancelled

__all__ = ["Entry", "failure_of", "outcome_of", "report"]
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
    due: float = 0.0
    """When `timer` puts it up for a poll."""
    timer: asyncio.TimerHandle | None = None
    asking: "asyncio.Task[None] | None" = None
    """A status call in progress."""
    received: int = 0
    reused: bool = False
    locations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Names of the files in a storage."""
    unpacked: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    """Warnings about how it was exported, which are not about the file itself."""
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


def failure_of(raised: BaseException) -> Exception:
    """What an export has failed with. A cancellation of the current task is raised again instead.

    One that came from inside is a failure like any other: see `is_being_cancelled`.
    """
    if isinstance(raised, Exception):
        return raised
    if is_being_cancelled():
        raise raised
    failure = APSError("something that the export waited for was cancelled, and not the export")
    failure.__cause__ = raised
    return failure


def outcome_of(entry: Entry, result: Downloaded | Exception, now: float) -> ExportOutcome | StoredExport:
    """The outcome to yield for an entry that ended at `now`, by the event loop's clock."""
    status = entry.poller.status if entry.poller else None
    job = status.answer if status else None
    known: dict[str, Any] = {
        "request": entry.request,
        "ref": entry.ref or entry.record.ref,
        "failed_files": job.failed_files if job else entry.record.failed_files,
        "seconds": now - entry.began,
        "polls": status.polls if status else 0,
        "lost": entry.record.lost,
    }
    if isinstance(result, Exception):
        return FailedExport(**known, error=result)
    warnings = (*entry.notes, *entry.record.warnings)
    if entry.locations:
        return StoredExport(
            **known,
            size=result.size,
            locations=entry.locations,
            names=entry.names,
            reused=entry.reused,
            warnings=warnings,
        )
    return DeliveredExport(
        **known,
        path=result.path,
        size=result.size,
        unpacked=entry.unpacked,
        reused=entry.reused,
        warnings=warnings,
    )


def report(session: Session, entry: Entry, outcome: ExportOutcome | StoredExport) -> None:
    """Logs the outcome of an entry, and emits it to the hooks."""
    delivery = None
    if not isinstance(outcome, FailedExport):
        place = outcome.path if isinstance(outcome, DeliveredExport) else ", ".join(outcome.locations)
        delivery = Delivery(size=outcome.size, location=str(place), reused=outcome.reused)
    request, ref, seconds, error = outcome.request, outcome.ref, outcome.seconds, outcome.error
    report_outcome(session, request, ref, seconds, number=entry.number, delivery=delivery, error=error)
    entry.reported = True
