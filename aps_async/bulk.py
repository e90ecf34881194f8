"""Many exports at once in one process.

Starts are scarce (100 a minute) and go as fast as the quota lets them. Polls are plentiful. Signed URLs live two
minutes, so a job is asked about only by a download slot that is free: the answer that brings the URL is at once
followed by its download, and no URL dies in a queue however slow the line is.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, aclosing
from pathlib import Path

from attrs import define, field, frozen

from aps_async.archives import unpack_archive
from aps_async.errors import APSError, ExportTimeoutError
from aps_async.exports import Export, Policy, Watch, checked_job, download_export, ref_of, start_export
from aps_async.models import Downloaded, ExportJob, ExportOutcome, ExportRef, ExportRequest, Progress
from aps_async.names import NameBook
from aps_async.retry import is_passing, waits
from aps_async.session import Session
from aps_async.targets import made_folder

Wanted = ExportRequest | Export
"""What a bulk run takes: something to start, or something that was started already, here or elsewhere."""

_START_ROUNDS = 3  # each with all of Settings.tries; more would only delay the report of an outage


@frozen(kw_only=True)
class BulkProgress:
    """Where a bulk run stands. The first four add up to what was taken from `requests` so far."""

    starting: int
    running: int
    done: int
    failed: int
    received: int
    """Bytes, of finished and running downloads."""


async def export_many(
    session: Session,
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
    folder: str | os.PathLike[str],
    *,
    slots: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[ExportOutcome, None]:
    """Exports every request into a folder and yields one outcome for each, as it finishes.

    A failure is an outcome like any other and stops nothing. Requests are taken as the run needs them, so an endless
    or slow source is fine. Files are named after `request.name`, made safe, and numbered where two would be alike.
    Leaving the loop early needs `contextlib.aclosing` around it; then everything under way is cancelled, and no part
    file, task or connection stays. The finished files stay.

    Args:
        session: the session.
        requests: what to export, for example from `Sheet.to_request`; references and jobs that were started already
            are waited for and not started again.
        folder: where the files go; it is made when it is missing.
        slots: downloads at once; None: `Settings.download_slots`.
        timeout: seconds that one job may take from its start, and again its download; None: `Settings.export_timeout`.
        policy: when to ask about a job; see `PollPolicy`.
        unpack: put the files of a ZIP (several ACC files) into the folder, and no ZIP.
        on_progress: called after every change; keep it quick.

    Yields:
        `ExportOutcome`: path, size, seconds and polls, or the error.

    Raises:
        TargetError: the folder cannot be made or written to.
        Exception: what `requests` itself raised, after the outcomes of everything before it; or what `on_progress`
            raised, at once.
    """
    run = _Run(
        session,
        made_folder(folder),
        slots or session.settings.download_slots,
        session.settings.export_timeout if timeout is None else timeout,
        policy,
        unpack,
        on_progress,
    )
    run.begin(requests)
    try:
        while (outcome := await run.outcomes.get()) is not None:
            yield outcome
        if run.callers_error is not None:
            raise run.callers_error
    finally:
        await run.close()


@define(eq=False)
class _Entry:
    """One request on its way."""

    wanted: Wanted
    name: str
    began: float
    watch: Watch | None = None
    share: AbstractContextManager[None] | None = None
    timer: asyncio.TimerHandle | None = None
    received: int = 0
    unpacked: tuple[Path, ...] = ()

    @property
    def request(self) -> ExportRequest:
        return _request_of(self.wanted)


@define(eq=False)
class _Run:
    session: Session
    folder: Path
    slots: int
    timeout: float
    policy: Policy | None
    unpack: bool
    on_progress: Callable[[BulkProgress], object] | None
    outcomes: "asyncio.Queue[ExportOutcome | None]" = field(factory=asyncio.Queue)
    callers_error: Exception | None = None
    _ready: "asyncio.Queue[_Entry]" = field(factory=asyncio.Queue)  # due to be asked about, in order
    _open: set[_Entry] = field(factory=set)
    _tasks: "set[asyncio.Task[None]]" = field(factory=set)
    _names: NameBook = field(factory=NameBook)
    _room: asyncio.Semaphore = field(init=False)
    _starts: asyncio.Semaphore = field(init=False)
    _fed: bool = False
    _starting: int = 0
    _done: int = 0
    _failed: int = 0
    _bytes: int = 0

    def __attrs_post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.session.settings.pending_exports)
        self._starts = asyncio.Semaphore(self.session.settings.starts_at_once)

    def begin(self, requests: Iterable[Wanted] | AsyncIterable[Wanted]) -> None:
        self._spawn(self._feed(requests))
        for _ in range(self.slots):
            self._spawn(self._slot())

    async def close(self) -> None:
        """Ends everything that is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in list(self._open):
            self._leave(entry)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _feed(self, requests: Iterable[Wanted] | AsyncIterable[Wanted]) -> None:
        """Takes requests one by one, as there is room, and starts them in their order."""
        try:
            async with aclosing(_each(requests)) as each:
                async for wanted in each:
                    await self._room.acquire()
                    await self._starts.acquire()
                    request = _request_of(wanted)
                    name = self._names.take(request.name or request.subjects[0], "")
                    entry = _Entry(wanted, name, self._now())
                    self._open.add(entry)
                    self._starting += 1
                    self._tell()
                    self._spawn(self._start(entry))
        except Exception as problem:  # noqa: BLE001 - the caller's iterator may raise anything; raised again at the end
            self.callers_error = problem
        self._fed = True
        self._end_if_done()

    async def _start(self, entry: _Entry) -> None:
        try:
            wanted = entry.wanted
            export = await self._started(wanted) if isinstance(wanted, ExportRequest) else wanted
        except Exception as problem:  # noqa: BLE001 - one failure stops nothing, whatever it is
            self._finish(entry, error=problem)
        else:
            entry.watch = Watch(self.session, export, self.policy)
            entry.share = entry.watch.sharing()
            entry.share.__enter__()
            job = entry.watch.job
            if job is None or job.status.is_final:
                self._ready.put_nowait(entry)
            else:
                self._ask_later(entry)
        finally:
            self._starting -= 1
            self._starts.release()
            self._tell()

    async def _started(self, request: ExportRequest) -> ExportJob:
        """Starts a job, patiently: among thousands, some meet a service that is down or a token just revoked."""
        patience = waits(self.session.settings, paced=False)
        next(patience)
        for _ in range(_START_ROUNDS - 1):
            try:
                return await start_export(self.session, request)
            except APSError as problem:
                if not is_passing(problem):
                    raise
                wait = patience.send(problem)
            await asyncio.sleep(wait)
        return await start_export(self.session, request)

    def _ask_later(self, entry: _Entry) -> None:
        assert entry.watch is not None  # noqa: S101 - for the type checker
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(entry.watch.next_wait(), self._ready.put_nowait, entry)

    async def _slot(self) -> None:
        """One download slot: asks about the job whose turn it is, and if it is done, downloads it right away."""
        while True:
            entry = await self._ready.get()
            try:
                job = await self._asked(entry)
                if job is None:
                    self._ask_later(entry)
                    continue
                got = await self._download(entry, job)
                await self._unpack(entry, got)
            except Exception as problem:  # noqa: BLE001 - one failure stops nothing, whatever it is
                self._finish(entry, error=problem)
            else:
                self._finish(entry, got=got)

    async def _asked(self, entry: _Entry) -> ExportJob | None:
        """The finished job, or None while it runs."""
        watch = entry.watch
        assert watch is not None  # noqa: S101 - for the type checker
        fresh = watch.job is not None and watch.job.status.is_final and watch.polls == 0
        job = watch.job if fresh else await watch.ask()
        if job is None or not job.status.is_final:
            # Only an answer says that it is late: a job that waited for a slot may long be done.
            if self._now() - watch.began > self.timeout:
                raise self._too_late(watch, "was not done")
            return None
        return checked_job(job)

    async def _download(self, entry: _Entry, job: ExportJob) -> Downloaded:
        def note(progress: Progress) -> None:
            self._bytes += progress.received - entry.received
            entry.received = progress.received
            self._tell()

        scope = asyncio.timeout(self.timeout)
        try:
            async with scope:
                target = self.folder / entry.name
                return await download_export(self.session, job, target, add_suffix=True, on_progress=note)
        except TimeoutError:
            if not scope.expired() or entry.watch is None:
                raise
        raise self._too_late(entry.watch, "was done, but not downloaded")

    async def _unpack(self, entry: _Entry, got: Downloaded) -> None:
        if self.unpack and got.path is not None and got.path.suffix == ".zip":
            entry.unpacked = await unpack_archive(got.path, self.folder, self._names)
            got.path.unlink()

    def _too_late(self, watch: Watch, what: str) -> ExportTimeoutError:
        return ExportTimeoutError(f"{watch.ref} {what} in {self.timeout:g} s", ref=watch.ref, job=watch.job)

    def _finish(self, entry: _Entry, *, got: Downloaded | None = None, error: Exception | None = None) -> None:
        self._leave(entry)
        self._done += error is None
        self._failed += error is not None
        watch = entry.watch
        ref: ExportRef | None = watch.ref if watch else None
        self.outcomes.put_nowait(
            ExportOutcome(
                request=entry.request,
                ref=ref,
                path=got.path if got else None,
                unpacked=entry.unpacked,
                failed_files=watch.job.failed_files if watch and watch.job else (),
                size=got.size if got else 0,
                seconds=self._now() - entry.began,
                polls=watch.polls if watch else 0,
                error=error,
            )
        )
        self._room.release()
        self._tell()
        self._end_if_done()

    def _leave(self, entry: _Entry) -> None:
        self._open.discard(entry)
        if entry.timer is not None:
            entry.timer.cancel()
        if entry.share is not None:
            entry.share.__exit__(None, None, None)
            entry.share = None

    def _end_if_done(self) -> None:
        if self._fed and not self._open:
            self.outcomes.put_nowait(None)

    def _tell(self) -> None:
        if self.on_progress is None:
            return
        at = BulkProgress(
            starting=self._starting,
            running=len(self._open) - self._starting,
            done=self._done,
            failed=self._failed,
            received=self._bytes,
        )
        try:
            self.on_progress(at)
        except Exception as problem:  # noqa: BLE001 - the caller's own; it ends the run rather than hang a slot
            self.on_progress = None
            self.callers_error = problem
            self.outcomes.put_nowait(None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _request_of(wanted: Wanted) -> ExportRequest:
    return wanted if isinstance(wanted, ExportRequest) else ref_of(wanted).request


async def _each(
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
) -> AsyncGenerator[Wanted, None]:
    if isinstance(requests, AsyncIterable):
        try:
            async for request in requests:
                yield request
        finally:
            if isinstance(requests, AsyncGenerator):
                await requests.aclose()
    else:
        for request in requests:
            yield request
