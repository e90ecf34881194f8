"""The three steps of an export, for any queue: start, poll, deliver. Plain coroutines, safe to repeat at any point.

    job = await start(session, request)                  # one POST; store job.ref
    job = await poll_once(session, ref)                  # one GET; call it again later while it runs
    file = await deliver(session, job, storage, name)    # the verified file is in the storage

A repeated start returns the same job (BIM 360) or another one for the same result (ACC, Cost); a repeated delivery
replaces the file by an equal one. Poll when you can download: the link in the response is valid for two minutes.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from attrs import frozen

from aps_async.arguments import check_awaited
from aps_async.downloads.filenames import checked_relative, safe_stem
from aps_async.downloads.storage import Storage, discard_from, put_into, staged_in
from aps_async.errors import APSError, DownloadError
from aps_async.exports.kinds import get_export, row_of, start_export
from aps_async.exports.pollers import effective_timeout
from aps_async.exports.wait import checked_job, download_export
from aps_async.models import ExportJob, ExportKind, ExportRef, ExportRequest, FailedFile
from aps_async.policies import PollPolicy, PollStatus
from aps_async.reprs import short_repr
from aps_async.session import Session
from aps_async.transport import retry
from aps_async.transport.hooks import Polled, emit

__all__ = ["NOT_WANTED", "Delivered", "NotWantedError", "deliver", "may_recover", "poll_interval", "poll_once", "start"]
__dir__: object = __all__.copy

NOT_WANTED = "the export is no longer this worker's"


class NotWantedError(DownloadError):
    """The verified file is not needed any more: its run was cancelled, or another worker has delivered it."""


_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Delivered:
    """A verified file in the storage."""

    location: str
    """A path, or an address in object storage."""
    size: int
    """Bytes."""
    sha256: str
    warnings: tuple[str, ...] = ()
    """Irregularities of the file; see `Downloaded.warnings`."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what the result lacks; see `ExportRequest.allow_partial`."""

    __repr__ = short_repr


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Starts the job. Store `job.ref` for the next step (`ref_to_json`).

    Raises:
        ExportFailedError: the job has already failed (BIM 360 returns the job of an earlier start).
        APSError: the call failed; see `start_export`. `may_recover` returns whether to try again later.
    """
    job = await start_export(session, request)
    return checked_job(job) if job.status.is_final else job


async def poll_once(session: Session, ref: ExportRef) -> ExportJob:
    """Makes one status call. If the job is not final, call this again after `poll_interval`.

    Raises:
        ExportFailedError: the job failed.
        APSError: the call failed; see `get_export`. `may_recover` returns whether to try again later.
    """
    job = await get_export(session, ref, retry=False)
    if session.hooks:
        emit(session.hooks, Polled(ref=ref, status=job.status, raw_status=job.raw_status))
    return checked_job(job) if job.status.is_final else job


async def deliver(
    session: Session,
    job: ExportJob,
    storage: Storage,
    name: str,
    *,
    wanted: Callable[[], Awaitable[bool]] | None = None,
    timeout: float | None = None,
) -> Delivered:
    """Downloads a finished job's result, verifies it, and only then stores it under its name.

    Args:
        session: the session.
        job: a finished job.
        storage: the storage for the file.
        name: with `/` between folders and without a suffix, which is derived from the content.
        wanted: awaited before the verified file is stored; if it returns False, nothing is stored.
        timeout: seconds for the download; None: as `wait_for_export`.

    Raises:
        InputError: the name could lead outside the storage, or is not allowed on every system.
        NotWantedError: `wanted` returned False.
        DownloadError: see `download`; also raised when `timeout` is over.
        APSError: renewing the link failed; see `get_export`.
    """

    def too_long(_: Exception | None) -> DownloadError:
        return DownloadError(f"{job.ref} was done, but its download took too long")

    check_awaited(wanted=wanted)
    checked_relative(name)
    staged = await staged_in(storage, f"{safe_stem(job.ref.export_id)[:40]}-{secrets.token_hex(4)}")
    kept = staged
    limit = effective_timeout(session, job, timeout)
    try:
        async with retry.until(asyncio.get_running_loop().time() + limit, too_long):
            got = await download_export(session, job, staged, add_suffix=True, sha256=True)
        kept = got.path or staged
        if wanted is not None and not await wanted():
            raise NotWantedError(f"{NOT_WANTED}: {job.ref}")
        location = await put_into(storage, kept, name + kept.suffix)
    except TimeoutError as problem:
        if isinstance(problem, APSError):
            raise
        raise DownloadError(f"{job.ref} was done, but its file could not be stored in time") from problem
    finally:
        discard_from(storage, kept)
    for warning in got.warnings:
        _log.warning("%s: %s", location, warning)
    return Delivered(
        location=location,
        size=got.size,
        sha256=got.sha256 or "",
        warnings=got.warnings,
        failed_files=job.failed_files,
    )


def may_recover(problem: BaseException) -> bool:
    """Whether the same step may succeed later: after an outage, a broken connection, a full disk, an early 404."""
    if isinstance(problem, NotWantedError):
        return False
    return retry.may_recover(problem) or isinstance(problem, DownloadError)


def poll_interval(session: Session, kind: ExportKind, pending: int) -> float:
    """Seconds until a running job's next status call, if `pending` jobs in all processes share the status quota."""
    numbers = session.settings
    fair = session.rate_limiter(row_of(kind).status).fair_interval(pending)
    return PollPolicy(interval=numbers.poll_interval, jitter=numbers.poll_jitter)(PollStatus(fair_interval=fair))
