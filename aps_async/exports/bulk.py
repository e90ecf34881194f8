"""Many exports at once in one process.

Starts are scarce (100 a minute) and go as fast as the quota lets them. Polls are plentiful. Signed URLs live two
minutes, so a job is asked about only by a download slot that is free: the answer that brings the URL is at once
followed by its download, and no URL dies in a queue however slow the line is.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import overload

from aps_async.downloads.sinks import made_folder
from aps_async.downloads.storage import Storage
from aps_async.exports.batches import Batches
from aps_async.exports.bulk_requests import Wanted
from aps_async.exports.bulk_run import Run
from aps_async.exports.kinds import row_of
from aps_async.exports.progress import BulkProgress
from aps_async.exports.targets import ledger_for, target_for
from aps_async.ledger import Ledger
from aps_async.ledger.journal import Journal, NoLedger
from aps_async.models import ExportOutcome, StoredExport, StoredOutcome
from aps_async.policies import Policy
from aps_async.session import Session
from aps_async.transport.quotas import LocalRateLimiter
from aps_async.transport.retry import check_timeout

__all__ = ["BulkProgress", "export_many"]
__dir__: object = __all__.copy


@overload
def export_many(
    session: Session,
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
    folder: str | os.PathLike[str],
    *,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[ExportOutcome, None]: ...


@overload
def export_many(
    session: Session,
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
    folder: Storage,
    *,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[StoredOutcome, None]: ...


async def export_many(
    session: Session,
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
    folder: str | os.PathLike[str] | Storage,
    *,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[ExportOutcome | StoredExport, None]:
    """Exports every request into a folder, or a storage, and yields one outcome for each, as it finishes.

    A failure is an outcome like any other and stops nothing. Requests are taken as the run needs them, so an endless
    or slow source is fine. Files are named after `request.name`, made safe, and numbered where two would be alike.
    With a ledger, a run that was stopped, by whatever, goes on where it was when it is begun again: files that are
    there and unchanged are not fetched, what was started is waited for, and names stay as they were.
    Leaving the loop early needs `contextlib.aclosing` around it; then everything under way is cancelled, and no part
    file, task or connection stays. The finished files stay.

    Args:
        session: the session.
        requests: what to export, for example from `Sheet.to_request`; references and jobs that were started already
            are waited for and not started again.
        folder: where the files go; it is made when it is missing. Or `s3://bucket/prefix`, `gs://bucket/prefix` or
            `az://container/prefix`, with the extra `s3`; or any object with the protocol `Storage`. Files are then
            verified on this machine before they are stored, and outcomes are `StoredExport`s with `locations`; type
            checkers see that for `storage_for(address)`, not for the address as a text.
        max_concurrent_downloads: downloads at once; None: `Settings.max_concurrent_downloads`.
        timeout: seconds that the start of one job may take, the quota included, then the job from there until it is
            done, and again its download; None: as `wait_for_export`.
        policy: when to ask about a job; see `Policy`. One that raises, or returns no seconds, fails that export.
        unpack: put the files of a ZIP (several ACC files) into the folder, and no ZIP.
        ledger: keep a ledger in the folder, see `Ledger`; one that is not open is opened for this run. That of a
            storage is kept in its `state_folder` on this machine, and the storage has to be a `ReadableStorage`; an
            older version's file is copied to `superseded/` there before it is replaced.
        batch: sheets of ACC projects in one job, at most, 1 to 1,000; its PDF is split into one verified file each, if
            page labels, bookmarks or title blocks identify every page. If not, or if the job fails, each of these
            sheets is exported on its own, which a warning of its outcome reports. A job is started once so many
            sheets have come, or `requests` has ended. All else is exported as without. What the service's PDF of
            several sheets looks like is not documented, so this is never a default. Needs the extra `pdf`, whose
            PDFium must not be used by another thread of the process meanwhile.
        on_progress: called after every change; keep it quick.

    Yields:
        A `DeliveredExport` with its path, or a `FailedExport` with its error; `outcome.ok` distinguishes them.

    Raises:
        InputError: the address is of another kind or has no credentials; a ledger needs more than the storage can do;
            `batch`, `timeout` or `max_concurrent_downloads` is out of range; or an extra is missing.
        TargetError: the folder cannot be made or written to.
        LedgerError: its ledger cannot be used, or another run works there (`FolderInUseError`).
        DiskFullError: the disk is full, and there is a ledger: the run ends, to go on when there is room.
        Exception: what `requests` itself raised, after the outcomes of everything before it; or what `on_progress`
            raised, at once.
    """
    check_timeout(timeout)
    slots = session.settings.concurrent_downloads(max_concurrent_downloads)
    async with AsyncExitStack() as stack:
        target = target_for(folder)
        journal = await _journal(ledger, target, stack)
        run = Run(
            session,
            made_folder(target) if isinstance(target, Path) else target,
            slots,
            timeout,
            policy,
            unpack,
            journal,
            on_progress,
            None if batch is None else Batches(batch, target, journal.tag),
        )
        stack.push_async_callback(run.close)
        stack.callback(session.contact.listen(run.report_progress))
        await journal.begin(len(requests) if isinstance(requests, Collection) else None)
        await _count_recent_starts(session, journal)
        run.begin(requests)
        while (outcome := await run.outcomes.get()) is not None:
            yield outcome
        if run.ending is not None:
            raise run.ending
        await journal.complete(run.taken)


async def _count_recent_starts(session: Session, journal: Journal) -> None:
    """What a run that was stopped has started in the last minute counts against the quota."""
    numbers = session.settings
    recent = await journal.recent_starts(numbers.quota_window, numbers.max_concurrent_starts)
    for kind, ages in recent.items():
        limiter = session.rate_limiter(row_of(kind).start_endpoint)
        if isinstance(limiter, LocalRateLimiter):  # shared ones have counted them
            limiter.count_earlier(ages)


async def _journal(ledger: Ledger | bool, target: Path | Storage, stack: AsyncExitStack) -> Journal:
    if ledger is False:
        return NoLedger()
    book = ledger_for(target) if ledger is True else ledger
    book.check_target(target)
    return book if book.is_open else await stack.enter_async_context(book)
