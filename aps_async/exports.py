"""Waiting: from a started job to a verified file. The page to read first.

Every kind of export is one row of `KINDS`; the loop below asks, judges and waits, and knows nothing of any service.
"""

import asyncio
import logging
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from aps_async.content import Expected
from aps_async.downloads import BeforeRename, download, stream
from aps_async.errors import APSError, ExportError, ExportFailedError, ExportTimeoutError, NotFoundError
from aps_async.kinds import KINDS, Export, ref_of
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, ExportJob, ExportStatus, Progress
from aps_async.quotas import Endpoint
from aps_async.retry import WaitGenerator, is_passing
from aps_async.session import Session
from aps_async.targets import PartFile, Writable, checked_path

_log = logging.getLogger("aps_async")


@frozen(kw_only=True)
class PollPolicy:
    """How often one export is asked about, in seconds.

    The interval is stretched so that all exports of this client id that are waited for share the status quota:
    2 s up to 33 exports, 6 s for 100.
    """

    interval: float | None = None
    """None: `Settings.poll_interval`."""
    jitter: float | None = None
    """A share of the interval, added at random; None: `Settings.poll_jitter`."""

    def waits(self, session: Session, endpoint: Endpoint) -> Generator[float, Any, None]:
        """backoff's form of the same: an endless generator of waits."""
        pacer, numbers = session.pacer(endpoint), session.settings
        interval = numbers.poll_interval if self.interval is None else self.interval
        jitter = numbers.poll_jitter if self.jitter is None else self.jitter
        yield 0.0
        while True:
            yield max(interval, pacer.fair_interval()) * random.uniform(1.0, 1.0 + jitter)  # noqa: S311 - spreads load


Policy = PollPolicy | WaitGenerator
"""A `PollPolicy`, or any backoff wait generator, such as `functools.partial(backoff.expo, max_value=15)`."""


class Watch:
    """One export being waited for: asks, forgives what passes, and says when to ask again."""

    def __init__(self, session: Session, export: Export, policy: Policy | None = None) -> None:
        self.ref = ref_of(export)
        self.job = export if isinstance(export, ExportJob) else None
        self.polls = 0
        self._session = session
        self._kind = KINDS[self.ref.kind]
        self.began = asyncio.get_running_loop().time()
        self._failures = 0
        self._asked = 0.0
        self._wait = session.settings.poll_interval
        policy = PollPolicy() if policy is None else policy
        self._waits = policy.waits(session, self._kind.status) if isinstance(policy, PollPolicy) else policy()
        next(self._waits)  # backoff's generators begin with an empty yield

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Counts this export among those that share the status quota."""
        with self._session.pacer(self._kind.status).sharing():
            yield

    async def ask(self) -> ExportJob | None:
        """The job as it stands now; None when the question met something that passes.

        Raises:
            APSError: what does not pass: no permission, no such job, bad credentials, an answer that makes no sense.
        """
        try:
            self.job = await self._kind.get(self._session, self.ref, retry=False)
        except APSError as problem:
            if not self._passes(problem):
                problem.add_note(f"while waiting for {self.ref}")
                raise
            self._failures += not isinstance(problem, NotFoundError)  # young jobs are soon asked about again
            self._asked = getattr(problem, "retry_after", None) or 0.0
            _log.info("%s: %s; asking again", self.ref, problem)
            return None
        self.polls += 1
        self._failures, self._asked = 0, 0.0
        return self.job

    def next_wait(self) -> float:
        """Seconds until the next question: the policy's, longer after failures, never below `Retry-After`."""
        with suppress(StopIteration):  # a policy of so many waits: the last one stays
            self._wait = float(self._waits.send(self.job))
        return max(self._wait * 2.0 ** min(self._failures, 4), self._asked)

    def _passes(self, problem: APSError) -> bool:
        if isinstance(problem, NotFoundError):  # a job that was just started may not have spread yet
            age = asyncio.get_running_loop().time() - self.began
            return self.polls == 0 and age < self._session.settings.not_found_grace
        return is_passing(problem)


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
        policy: when to ask; see `PollPolicy`.

    Raises:
        ExportTimeoutError: the deadline passed; the job may still finish.
        APSError: a fault that does not pass.
    """
    watch = Watch(session, export, policy)
    if watch.job is not None:
        yield watch.job
        if watch.job.status.is_final:
            return
    ends = _deadline(session, export, timeout)
    with watch.sharing():
        asked_before = watch.job is not None
        while True:
            async with _until(ends, watch):
                if asked_before:
                    await asyncio.sleep(watch.next_wait())
                asked_before = True
                job = await watch.ask()
            if job is not None:
                yield job
                if job.status.is_final:
                    return


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
    async with aclosing(export_states(session, export, timeout=timeout, policy=policy)) as states:
        async for job in states:
            if on_status is not None:
                on_status(job)
            if job.status.is_final:
                return checked_job(job)
    raise AssertionError("export_states ends with a final answer or an error")


def checked_job(job: ExportJob) -> ExportJob:
    """A final job, unless it failed, or lacks something and the request allows no partial result.

    Raises:
        ExportFailedError: with the service's reason and the files that are missing.
    """
    partial = job.status is ExportStatus.PARTIAL
    if job.status is not ExportStatus.FAILED and (job.ref.request.allow_partial or not partial):
        return job
    lost = [f"{each.id} ({each.reason or each.detail or 'no reason'})" for each in job.failed_files]
    why = job.problem or (f"missing are {', '.join(lost)}" if lost else None)
    why = f": {why}" if why else ", and gives no reason"
    of = ", ".join(job.ref.request.subjects[:3]) + (" …" if len(job.ref.request.subjects) > 3 else "")
    raise ExportFailedError(f"the service answers {job.raw_status!r} for {job.ref} of {of}{why}", ref=job.ref, job=job)


async def wait_for_export(
    session: Session,
    export: Export,
    path: str | os.PathLike[str] | Writable,
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
        path: where the file goes; what was there is replaced at the very end. Or an open binary file.
        timeout: seconds for all of it, polls and download; None: `Settings.export_timeout` (10 minutes; 35 for ACC).
        policy: when to ask; see `PollPolicy`.
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
    target = checked_path(path) if isinstance(path, str | os.PathLike) else path
    ends = _deadline(session, export, timeout)
    job = await poll_export(session, export, timeout=timeout, policy=policy, on_status=on_status)
    async with _until(ends, Watch(session, job)):
        return (await download_export(session, job, target, on_progress=on_progress)).path


async def download_export(
    session: Session,
    job: ExportJob,
    target: str | os.PathLike[str] | Writable | PartFile,
    *,
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Downloaded:
    """Brings a finished job's result to a verified file; a link that has died is renewed.

    Args:
        session: the session.
        job: a finished job.
        target: a path, or an open binary file.
        add_suffix: put `.pdf`, `.zip` or `.docx` behind the path, as the content turns out.
        sha256: also compute the file's SHA-256, as the bytes pass.
        before_rename: awaited once the file is written and verified, before it is renamed.
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
        expected=Expected(signatures=KINDS[job.ref.kind].signatures),
        add_suffix=add_suffix,
        sha256=sha256,
        before_rename=before_rename,
        on_progress=on_progress,
    )


async def stream_export(session: Session, job: ExportJob) -> AsyncGenerator[bytes, None]:
    """A finished job's result as chunks; see `stream` for what that can and cannot promise."""
    result = Result(session, job)
    expected = Expected(signatures=KINDS[job.ref.kind].signatures)
    async with aclosing(stream(session, await result.source(), renew=result.source, expected=expected)) as chunks:
        async for chunk in chunks:
            yield chunk


class Result:
    """A finished job's result: where it is now, and where it is when that has died."""

    def __init__(self, session: Session, job: ExportJob) -> None:
        self.job = job
        self._session = session
        self._refused: list[SignedUrl] = []

    async def source(self, refused: SignedUrl | None = None) -> Source:
        """Links that live: the job's own, those of a new answer, or those of the job done again.

        Raises:
            ExportError: the service calls the job done and gives no link.
            APSError: as `get_export` and `poll_export`.
        """
        session, kind = self._session, KINDS[self.job.ref.kind]
        if refused is not None:
            self._refused.append(refused)
        found = await kind.resolve(session, self.job, self._refused)
        if found is None and (kind.get_renews or self.job.link is None):
            self.job = await kind.get(session, self.job.ref)
            found = await kind.resolve(session, self.job, self._refused)
        if found is None:
            # BIM 360 answers a repeated start with the same job and a fresh URL; ACC does the job once more.
            self.job = await poll_export(session, await kind.start(session, self.job.ref.request))
            found = await kind.resolve(session, self.job, self._refused)
        if found is None:
            job = self.job
            raise ExportError(f"{job.ref} is {job.raw_status!r}, but the service gives no link", ref=job.ref, job=job)
        return found


def patience(session: Session, export: Export, timeout: float | None) -> float:
    """The seconds that a wait may take: the caller's, or the settings' for this kind."""
    if timeout is not None:
        return timeout
    acc_job = KINDS[ref_of(export).kind].acc
    return session.settings.acc_export_timeout if acc_job else session.settings.export_timeout


def _deadline(session: Session, export: Export, timeout: float | None) -> float:
    return asyncio.get_running_loop().time() + patience(session, export, timeout)


@asynccontextmanager
async def _until(ends: float, watch: Watch) -> AsyncIterator[None]:
    """Ends what runs inside at the deadline, with the error that lets the caller go on later."""
    scope = asyncio.timeout_at(ends)
    try:
        async with scope:
            await asyncio.sleep(0)  # past the deadline nothing begins, not even what would not have to wait
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        said = f"the last answer was {watch.job.raw_status!r}" if watch.job else "there was no answer"
        raise ExportTimeoutError(
            f"{watch.ref} was not done at the deadline ({said}); it may still finish: wait again with its ref",
            ref=watch.ref,
            job=watch.job,
        ) from None
