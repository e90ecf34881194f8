"""Waiting: from a started job to a verified file. The page to read first.

Every kind of export is one row in `kinds`; the loop below asks, judges and waits, and knows nothing of any service.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import overload

from aps_async.downloads.content import Expected
from aps_async.downloads.download import BeforeRename, download
from aps_async.downloads.open_files import checked_target
from aps_async.downloads.sinks import PartFile, Writable
from aps_async.errors import ExportError, ExportFailedError
from aps_async.exports.kinds import Export, ref_of, row_of
from aps_async.exports.outcomes import reported
from aps_async.exports.pollers import export_poller, export_rules
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, ExportJob, ExportRef, ExportStatus, Progress, Received
from aps_async.policies import Policy
from aps_async.polling import Poller
from aps_async.session import Session
from aps_async.threads import stopped

__all__ = [
    "Result",
    "checked_job",
    "download_export",
    "export_states",
    "poll_export",
    "poll_many",
    "wait_for_export",
]
__dir__: object = __all__.copy


async def export_states(
    session: Session, export: Export, *, timeout: float | None = None, policy: Policy | None = None
) -> AsyncGenerator[ExportJob, None]:
    """Every answer about one export until it is final: `async for job in export_states(session, ref)`.

    The last one has a final status, FAILED included. Faults that pass (429, 5xx, lost connections, timeouts, a 401 in
    the middle, a 404 right after the start) are waited out inside the deadline. Nothing runs between two steps.

    Args:
        session: the session.
        export: a reference, from any process, or the job that `start_export` gave.
        timeout: seconds until the deadline; None: `Settings.export_timeout` (10 minutes; 35 for ACC).
        policy: when to ask; see `Policy`.

    Raises:
        ExportTimeoutError: the deadline passed; the job may still finish.
        APSError: a fault that does not pass.
    """
    poller = export_poller(session, export, timeout=timeout, policy=policy)
    async with aclosing(poller.states()) as states:
        async for job in states:
            yield job


async def poll_export(
    session: Session,
    export: Export,
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_status: Callable[[ExportJob], object] | None = None,
) -> ExportJob:
    """Waits until an export is done, without downloading it; arguments as `export_states`.

    Args:
        session: the session.
        export: a reference or a started job.
        timeout: seconds until the deadline.
        policy: when to ask.
        on_status: called with every answer.

    Returns:
        The finished job with its link, which lives about two minutes.

    Raises:
        ExportFailedError: the service gave the job up, or its result is partial and the request allows none.
        ExportTimeoutError: the deadline passed.
        APSError: a fault that does not pass.
    """
    poller = export_poller(session, export, timeout=timeout, policy=policy)
    return checked_job(await poller.result(on_answer=on_status))


async def poll_many(
    session: Session, exports: Iterable[Export], *, timeout: float | None = None, policy: Policy | None = None
) -> AsyncGenerator[tuple[ExportRef, ExportJob | Exception], None]:
    """Waits for many exports without downloading them; yields each reference with its outcome, as it comes.

    A link lives about two minutes, so download a job as soon as it is yielded, or leave all of it to `export_many`.
    There is a small task for each export: fine for thousands. Leaving the loop early needs `contextlib.aclosing`.

    Args:
        session: the session.
        exports: references or started jobs; all are taken before the first is yielded.
        timeout: seconds until the deadline of each; None: as `wait_for_export`.
        policy: when to ask; see `Policy`.

    Yields:
        The reference, and the finished job or the error that `poll_export` raised.
    """

    async def one(export: Export) -> tuple[ExportRef, ExportJob | Exception]:
        try:
            return ref_of(export), await poll_export(session, export, timeout=timeout, policy=policy)
        except Exception as error:  # noqa: BLE001 - one failure ends nothing; the caller gets it
            return ref_of(export), error

    tasks: list[asyncio.Task[tuple[ExportRef, ExportJob | Exception]]] = []
    try:
        for export in exports:
            tasks.append(asyncio.create_task(one(export)))  # noqa: PERF401 - if `exports` raises, these are stopped
        for next_done in asyncio.as_completed(tasks):
            yield await next_done
    finally:
        await stopped(tasks)


def checked_job(job: ExportJob) -> ExportJob:
    """A final job, unless it failed, or lacks something and the request allows no partial result.

    Raises:
        ExportFailedError: with the service's reason and the files that are missing.
    """
    partial = job.status is ExportStatus.PARTIAL
    if job.status is not ExportStatus.FAILED and (job.ref.request.allow_partial or not partial):
        return job
    lost = [f"{each.id} ({each.reason or each.detail or 'no reason'})" for each in job.failed_files]
    why = job.reason or (f"missing are {', '.join(lost)}" if lost else None)
    why = f": {why}" if why else ", and gives no reason"
    of = ", ".join(job.ref.request.source_ids[:3]) + (" …" if len(job.ref.request.source_ids) > 3 else "")
    raise ExportFailedError(f"the service answers {job.raw_status!r} for {job.ref} of {of}{why}", ref=job.ref, job=job)


@overload
async def wait_for_export(
    session: Session,
    export: Export,
    target: str | os.PathLike[str],
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_status: Callable[[ExportJob], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Path: ...


@overload
async def wait_for_export(
    session: Session,
    export: Export,
    target: Writable,
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_status: Callable[[ExportJob], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> None: ...


async def wait_for_export(
    session: Session,
    export: Export,
    target: str | os.PathLike[str] | Writable,
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_status: Callable[[ExportJob], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Path | None:
    """Waits for an export and brings its result to a verified file.

    Args:
        session: the session.
        export: a reference, from any process, or the job that `start_export` gave.
        target: where the file goes; what was there is replaced at the very end. Or an open binary file.
        timeout: seconds for all of it, polls and download; None: `Settings.export_timeout` (10 minutes; 35 for ACC).
        policy: when to ask; see `Policy`.
        on_status: called with every answer about the job.
        on_progress: called with every chunk of the download.

    Returns:
        The path; None for an open file.

    Raises:
        ExportFailedError: the service gave the job up.
        ExportTimeoutError: the deadline passed first; wait again with its `ref`.
        DownloadError: the result cannot be brought to its target; see its subclasses.
        APSError: a fault that does not pass.

    On any failure, and on cancellation, nothing is left behind: no task, no open connection, no part file.
    """
    target = checked_target(target)
    poller = export_poller(session, export, timeout=timeout, policy=policy)
    with reported(session, ref_of(export)) as delivery:
        job = checked_job(await poller.result(on_answer=on_status))
        async with poller.until_deadline():
            got = await download_export(session, job, target, on_progress=on_progress)
        path = got.path if isinstance(got, Downloaded) else None
        delivery.size, delivery.location = got.size, None if path is None else str(path)
    return path


@overload
async def download_export(
    session: Session,
    job: ExportJob,
    target: str | os.PathLike[str] | PartFile,
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Downloaded: ...


@overload
async def download_export(
    session: Session,
    job: ExportJob,
    target: Writable,
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Received: ...


async def download_export(
    session: Session,
    job: ExportJob,
    target: str | os.PathLike[str] | Writable | PartFile,
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Downloaded | Received:
    """Brings a finished job's result to a verified file; a link that has died is renewed.

    Args:
        session: the session.
        job: a finished job.
        target: a path, or an open binary file.
        add_suffix: put `.pdf`, `.zip` or `.docx` behind the path, as the content turns out.
        sha256: also compute the file's SHA-256, as the bytes pass.
        before_rename: awaited once the file is written and verified, before it is renamed; an open file is not.
        on_progress: called with every chunk.

    Raises:
        DownloadError: see `download`.
        APSError: as `get_export`.
    """
    result = Result(session, job)
    return await download(
        session,
        await result.source(),
        target,
        renew=result.source,
        expected=Expected(signatures=row_of(job.ref.kind).signatures),
        add_suffix=add_suffix,
        sha256=sha256,
        before_rename=before_rename,
        on_progress=on_progress,
    )


class Result:
    """A finished job's result: where it is now, and where it is when that has died."""

    def __init__(self, session: Session, job: ExportJob) -> None:
        self.job: ExportJob = job
        self._session = session
        self._refused: list[SignedUrl] = []

    async def source(self, refused: SignedUrl | None = None) -> Source:
        """Links that live: the job's own, those of a new answer, or those of the job done again.

        Raises:
            ExportError: the service calls the job done and gives no link.
            APSError: as `get_export` and `poll_export`.
        """
        session, kind = self._session, row_of(self.job.ref.kind)
        if refused is not None:
            self._refused.append(refused)
        job = self.job
        found = None
        if job.link or job.derivative or job.version_urn:
            found = await kind.resolve(session, job, self._refused)
        if found is None and (kind.status_call_refreshes_link or self.job.link is None):
            found = await self._asked_again()
        if found is None:
            # BIM 360 answers a repeated start with the same job and a fresh URL; ACC does the job once more.
            self.job = await poll_export(session, await kind.start(session, self.job.ref.request))
            found = await kind.resolve(session, self.job, self._refused)
        if found is None:
            job = self.job
            raise ExportError(f"{job.ref} is {job.raw_status!r}, but the service gives no link", ref=job.ref, job=job)
        return found

    async def _asked_again(self) -> Source | None:
        """A fresh link; a finished job may take a few seconds until it has one."""
        session, kind, loop = self._session, row_of(self.job.ref.kind), asyncio.get_running_loop()
        ends = loop.time() + session.settings.not_found_grace
        while True:
            # As a poll: a 404 or a far-off Retry-After in the middle of a download must not end it. Without the pace
            # of all that share the quota, since a download slot waits.
            ask = partial(kind.get, session, self.job.ref, retry=False)
            self.job = await Poller(ask, export_rules(session, self.job.ref)).result()
            try:
                found = await kind.resolve(session, self.job, self._refused)
            except ExportError:  # it names no file
                if loop.time() >= ends:
                    raise
            else:
                if found is not None or self.job.link is not None or loop.time() >= ends:
                    return found
            await asyncio.sleep(session.settings.poll_interval)
