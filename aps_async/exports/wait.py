"""One export: waits for a started job, and downloads its result to a verified file.

`wait_for_export` does both; `poll_export`, `export_states` and `poll_many` only wait, `download_export` only downloads.
The polling loop is `Poller` in `aps_async.polling`, its rules for exports are in `aps_async.exports.pollers`, and what
differs between services is in the table `aps_async.exports.kinds`. Bulk runs and workers have loops of their own, and
share `download_export` with its `Result`, which finds a finished job's link, and a fresh one when that has expired.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

from aps_async.arguments import check_functions, check_not_async
from aps_async.errors import ExportError, ExportFailedError
from aps_async.exports.kinds import Export, ref_of, row_of
from aps_async.exports.outcomes import reported
from aps_async.exports.pollers import export_poller, export_rules
from aps_async.links import SignedUrl, Source
from aps_async.models import ExportJob, ExportRef, ExportStatus, Progress, Writable
from aps_async.policies import Policy
from aps_async.polling import Poller
from aps_async.session import Session
from aps_async.text import abridged
from aps_async.threads import stopped

if TYPE_CHECKING:
    from aps_async.downloads.download import BeforeRename
    from aps_async.downloads.sinks import PartFile
    from aps_async.models import Downloaded, Received

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
_NAMED = 20
"""Missing files that an error names."""


async def export_states(
    session: Session, export: Export, *, timeout: float | None = None, policy: Policy | None = None
) -> AsyncGenerator[ExportJob, None]:
    """Yields each status of an export until a final one: `async for job in export_states(session, ref)`.

    The last one has a final status, which may be FAILED. Transient errors (429, 5xx, lost connections, timeouts, a 401
    in the middle, a 404 right after the start) are waited out until the deadline. No task runs in the background.

    Args:
        session: the session.
        export: a reference, from any process, or the job that `start_export` returned.
        timeout: seconds until the deadline; None: `Settings.export_timeout` (10 minutes; 35 for ACC).
        policy: when to make the next status call; see `Policy`.

    Raises:
        ExportTimeoutError: the deadline passed; the job may still finish.
        APSError: an error that is not transient.
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
    """Waits until an export is done, without downloading it.

    Args:
        session: the session.
        export: a reference or a started job.
        timeout: seconds until the deadline; None: as `export_states`.
        policy: when to make the next status call; see `Policy`.
        on_status: called with each status of the job.

    Returns:
        The finished job with its link, which is valid for about two minutes.

    Raises:
        ExportFailedError: the job failed, or its result is partial and `ExportRequest.allow_partial` is False.
        ExportTimeoutError: the deadline passed; the job may still finish.
        APSError: an error that is not transient.
    """
    check_functions(on_status=on_status)
    poller = export_poller(session, export, timeout=timeout, policy=policy)
    return checked_job(await poller.result(on_answer=on_status))


async def poll_many(
    session: Session, exports: Iterable[Export], *, timeout: float | None = None, policy: Policy | None = None
) -> AsyncGenerator[tuple[ExportRef, ExportJob | Exception], None]:
    """Waits for many exports without downloading them; yields each reference with its outcome, in order of completion.

    A link is valid for about two minutes, so download a job as soon as it is yielded, or use `export_many` for all of
    it. Each export has a small task of its own, which is fine for thousands. To leave the loop early, use
    `contextlib.aclosing`.

    Args:
        session: the session.
        exports: references or started jobs; the whole iterable is read before the first outcome is yielded.
        timeout: seconds until the deadline of each; None: as `wait_for_export`.
        policy: when to make the next status call; see `Policy`.

    Yields:
        The reference, and the finished job or the error that `poll_export` raised.
    """
    check_not_async(policy=policy)

    async def one(export: Export) -> tuple[ExportRef, ExportJob | Exception]:
        try:
            return ref_of(export), await poll_export(session, export, timeout=timeout, policy=policy)
        except Exception as error:  # noqa: BLE001 - the others continue; the caller gets the error
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
    """Returns a job whose status is final, if its result can be used.

    Raises:
        ExportFailedError: it failed, or its result is partial and `ExportRequest.allow_partial` is False. The message
            has the service's reason, or names the first missing files; the job has all of them.
    """
    partial = job.status is ExportStatus.PARTIAL
    if job.status is not ExportStatus.FAILED and (job.ref.request.allow_partial or not partial):
        return job
    lost = [f"{each.id} ({each.reason or each.detail or 'no reason'})" for each in job.failed_files[:_NAMED]]
    why = job.reason or (f"these are missing: {abridged(lost, len(job.failed_files))}" if lost else None)
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
    """Waits for an export and downloads its result to a verified file.

    Args:
        session: the session.
        export: a reference, from any process, or the job that `start_export` returned.
        target: the path of the file, which is replaced only once the new one is verified; or an open binary file.
        timeout: seconds for polls and download together; None: `Settings.export_timeout` (10 minutes; 35 for ACC).
        policy: when to make the next status call; see `Policy`.
        on_status: called with each status of the job.
        on_progress: called after each chunk of the download.

    Returns:
        The path; None for an open file.

    Raises:
        ExportFailedError: the job failed, or its result is partial and `ExportRequest.allow_partial` is False.
        ExportTimeoutError: the deadline passed first; to continue waiting, pass the error's `ref`.
        DownloadError: the result could not be downloaded to the target; see its subclasses.
        APSError: an error that is not transient.

    On any failure, and on cancellation, nothing is left behind: no task, no open connection, no part file.
    """
    # Here, where a job is waited for anyway: without them, the first call of a program goes out 3 ms earlier.
    from aps_async.downloads.open_files import checked_target
    from aps_async.models import Downloaded

    check_not_async(policy=policy)
    check_functions(on_status=on_status, on_progress=on_progress)
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
    target: "str | os.PathLike[str] | PartFile",
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: "BeforeRename | None" = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> "Downloaded": ...


@overload
async def download_export(
    session: Session,
    job: ExportJob,
    target: Writable,
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: "BeforeRename | None" = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> "Received": ...


async def download_export(
    session: Session,
    job: ExportJob,
    target: "str | os.PathLike[str] | Writable | PartFile",
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: "BeforeRename | None" = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> "Downloaded | Received":
    """Downloads a finished job's result to a verified file. A link that has expired is renewed.

    Args:
        session: the session.
        job: a finished job.
        target: a path, or an open binary file.
        add_suffix: append `.pdf`, `.zip` or `.docx` to the path, depending on the content.
        sha256: also compute the file's SHA-256 while it arrives.
        before_rename: awaited once the file is written and verified, before it is renamed; not for an open file.
        on_progress: called after each chunk.

    Raises:
        DownloadError: see `download`.
        ExportError: the job is done, but the service gives no link.
        APSError: the link could not be renewed; as `get_export` and `poll_export`.
    """
    from aps_async.downloads.content import Expected
    from aps_async.downloads.download import download

    check_functions(on_progress=on_progress)
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
    """Finds the link to a finished job's result, and a fresh one whenever that has expired."""

    def __init__(self, session: Session, job: ExportJob) -> None:
        self.job: ExportJob = job
        self._session = session
        self._refused: list[SignedUrl] = []

    async def source(self, refused: SignedUrl | None = None) -> Source:
        """Returns valid links: the job's own, those of another status call, or those of another start.

        Args:
            refused: the link that storage has just refused, which must not be returned again.

        Raises:
            ExportError: the job is done, but the service gives no link.
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
            # BIM 360 responds to a repeated start with the same job and a fresh link; ACC does the job once more.
            self.job = await poll_export(session, await kind.start(session, self.job.ref.request))
            found = await kind.resolve(session, self.job, self._refused)
        if found is None:
            job = self.job
            no_link = "only gives the link that was refused" if job.link in self._refused else "gives no link"
            raise ExportError(f"{job.ref} is {job.raw_status!r}, but the service {no_link}", ref=job.ref, job=job)
        return found

    async def _asked_again(self) -> Source | None:
        """Makes status calls until one brings a fresh link: a finished job may take a few seconds to have one."""
        session, kind, loop = self._session, row_of(self.job.ref.kind), asyncio.get_running_loop()
        ends = loop.time() + session.settings.not_found_grace
        while True:
            # With the rules of polling, so that a 404 or a very long Retry-After in the middle of a download does not
            # end it; but without its quota, since a download slot should not wait for other jobs' polls.
            ask = partial(kind.get, session, self.job.ref, retry=False)
            self.job = await Poller(ask, export_rules(session, self.job.ref)).result()
            try:
                found = await kind.resolve(session, self.job, self._refused)
            except ExportError:  # the response names no file yet
                if loop.time() >= ends:
                    raise
            else:
                if found is not None or self.job.link is not None or loop.time() >= ends:
                    return found
            await asyncio.sleep(session.settings.poll_interval)
