"""Many exports at once in one process.

Starts are scarce (100 a minute), so they are made as fast as the quota allows; polls are plentiful. A signed link is
valid for two minutes, so only a free download slot makes a status call: if the response brings the link, the same slot
downloads it at once, and no link expires in a queue, however slow the network is. `bulk_run` has the run itself.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import overload

from aps_async.arguments import check_functions, check_kind, check_not_async
from aps_async.downloads.storage import Storage
from aps_async.downloads.target_paths import made_folder
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
    """Exports every request into a folder or a storage, and yields one outcome for each, in order of completion.

    A failure is an outcome too, and does not stop the others. Requests are read only as the run needs them, so the
    source may be slow or endless. Files are named after `request.name`, made safe, and numbered if two would be alike.

    With a ledger, the same call continues a run that was stopped, for whatever reason: files that are there and
    unchanged are not downloaded again, started jobs are waited for, and file names stay the same.

    To leave the loop early, put `contextlib.aclosing` around it: then everything in progress is cancelled, and no part
    file, task or connection is left. Finished files stay.

    Args:
        session: the session.
        requests: what to export, for example from `Sheet.to_request`; references and jobs that were started already
            are waited for and not started again.
        folder: where the files go; it is created if it is missing. Or `s3://bucket/prefix`, `gs://bucket/prefix` or
            `az://container/prefix`, with the extra `s3`; or any object with the protocol `Storage`. Files are then
            verified on this machine before they are stored, and outcomes are `StoredExport`s with `locations`; type
            checkers see that for `storage_for(address)`, not for the address as a text.
        max_concurrent_downloads: the number of download slots; None: `Settings.max_concurrent_downloads`.
        timeout: seconds for each of three steps of one export: its start (waiting for the quota included), its job, and
            its download; None: as `wait_for_export`.
        policy: when to make the next status call; see `Policy`. If it raises or does not return seconds, that export
            fails.
        unpack: put the files of a ZIP (several ACC files) into the folder instead of the ZIP.
        ledger: True keeps a ledger in the folder; or a `Ledger`, which is opened for this run if it is not open. The
            ledger of a storage is in its `state_folder` on this machine, and the storage has to be a `ReadableStorage`;
            an older version's file is copied to `superseded/` there before it is replaced.
        batch: maximum number of sheets of an ACC project in one job, 1 to 1,000. Its PDF is split into one verified
            file for each, if page labels, bookmarks or title blocks identify every page. If not, or if the job fails,
            each of these sheets is exported on its own, with a warning in its outcome. A job is started once it has
            that many sheets, or when `requests` ends. Other requests are not affected. What the service's PDF of
            several sheets looks like is not documented, so this is never a default. Needs the extra `pdf`, whose
            PDFium must not be used by another thread of the process at the same time.
        on_progress: called after every change; it should return quickly.

    Yields:
        A `DeliveredExport` with its path, or a `FailedExport` with its error; `outcome.ok` distinguishes them.

    Raises:
        InputError: the address is not `s3://`, `gs://` or `az://`, or has no credentials; there is a ledger and the
            storage is not a `ReadableStorage`; `batch`, `timeout` or `max_concurrent_downloads` is out of range; or an
            extra is missing.
        TargetError: the folder cannot be created or written to.
        LedgerError: its ledger cannot be used, or another run uses the folder (`FolderInUseError`).
        DiskFullError: the disk is full. Only with a ledger: without one, each export that meets it is a failed outcome.
        Exception: what `requests` raised, once everything before it has its outcome; or what `on_progress` raised, at
            once.
    """
    check_timeout(timeout)
    check_functions(on_progress=on_progress)
    check_not_async(policy=policy)
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
    """Counts the starts of an earlier run against the quota, if they are less than a minute old."""
    numbers = session.settings
    recent = await journal.recent_starts(numbers.quota_window, numbers.max_concurrent_starts)
    for kind, ages in recent.items():
        limiter = session.rate_limiter(row_of(kind).start_endpoint)
        if isinstance(limiter, LocalRateLimiter):  # shared limiters have counted them already
            limiter.count_earlier(ages)


async def _journal(ledger: Ledger | bool, target: Path | Storage, stack: AsyncExitStack) -> Journal:
    if ledger is False:
        return NoLedger()
    book = ledger_for(target) if ledger is True else ledger
    check_kind("ledger", book, Ledger)
    book.check_target(target)
    stack.enter_context(book.for_one_run())
    return book if book.is_open else await stack.enter_async_context(book)
