"""The run behind `export_many`: one task reads requests and starts their jobs, download slots poll and download them.

A timer puts an entry into `_ready` when it is due. A free slot takes it, polls, and sets the timer again or downloads.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from attrs import define, evolve, field

from aps_async.downloads.storage import Storage
from aps_async.errors import APSError, DiskFullError, LedgerError, NotFoundError
from aps_async.exports.batches import Batches, BatchPolicy
from aps_async.exports.bulk_files import Files
from aps_async.exports.bulk_requests import Wanted, batches, request_of, start_patiently
from aps_async.exports.entries import Entry, failure_of, outcome_of, report
from aps_async.exports.kinds import Export, ref_of, row_of
from aps_async.exports.learning import Durations, LearningPolicy
from aps_async.exports.outcomes import report_began, report_ended
from aps_async.exports.pollers import export_poller
from aps_async.exports.progress import BulkProgress, Counts
from aps_async.ledger.journal import Journal, Record
from aps_async.models import Downloaded, ExportJob, ExportKind, ExportOutcome, ExportRequest, StoredExport
from aps_async.policies import Policy
from aps_async.polling import Poller
from aps_async.session import Session
from aps_async.threads import stopped
from aps_async.transport.export_numbers import working_on

__all__ = ["Run"]
__dir__: object = __all__.copy


@define(eq=False)
class Run:
    """One call of `export_many`."""

    session: Session
    target: Path | Storage
    max_concurrent_downloads: int
    timeout: float | None
    policy: Policy | None
    unpack: bool
    journal: Journal
    on_progress: Callable[[BulkProgress], object] | None
    batches: Batches | None = None
    outcomes: asyncio.Queue[ExportOutcome | StoredExport | None] = field(
        factory=asyncio.Queue[ExportOutcome | StoredExport | None]
    )
    ending: BaseException | None = None
    """The error that ends the whole run: the caller's own, or that of the ledger or disk."""
    taken: int = 0
    _ready: asyncio.Queue[Entry] = field(factory=asyncio.Queue[Entry])  # due for a status call or a download
    _open: set[Entry] = field(factory=set[Entry])
    _running: set[Entry] = field(factory=set[Entry])
    """Those of `_open` that have a job at the service, alone or in a batch."""
    _jobs: set[Entry] = field(factory=set[Entry])  # entries for the jobs of batches
    _looking: int = 0
    _tasks: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    _room: asyncio.Semaphore = field(init=False)
    _starts: asyncio.Semaphore = field(init=False)
    _fed: bool = False
    _closing: bool = False
    _durations: defaultdict[tuple[ExportKind, str], Durations] = field(factory=lambda: defaultdict(Durations))
    """Those of this run's jobs, by kind and project."""
    _counts: Counts = field(factory=Counts)
    _files: Files = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.session.settings.max_pending_exports)
        self._starts = asyncio.Semaphore(self.session.settings.max_concurrent_starts)
        self._files = Files(
            self.session,
            self.target,
            self.journal,
            self.batches,
            self._counts,
            self.report_progress,
            unpack=self.unpack,
        )

    def begin(self, requests: Iterable[Wanted] | AsyncIterable[Wanted]) -> None:
        self._spawn_part(self._feed(requests))
        for _ in range(min(self.max_concurrent_downloads, self.session.settings.max_pending_exports)):
            self._spawn_part(self._slot())

    async def close(self) -> None:
        """Cancels everything that is still in progress."""
        self._closing = True
        await stopped(self._tasks)
        for entry in (*self._open, *self._jobs):
            self._release(entry)
        for entry in (each for each in self._open if not each.reported):
            seconds, error = self._now() - entry.began, asyncio.CancelledError()
            report_ended(self.session, entry.request, entry.ref, seconds, number=entry.number, error=error)
        if self.batches is not None:
            self.batches.close()

    def _spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _spawn_part(self, work: Coroutine[None, None, None]) -> None:
        """Starts a task that the run depends on: if it fails, the run ends with its error instead of hanging."""

        def ended(task: "asyncio.Task[None]") -> None:
            if self._closing:
                return
            if task.cancelled():
                self._stop(APSError("a task of the run was cancelled from outside"))
            elif (problem := task.exception()) is not None:
                self._stop(problem)

        self._spawn(work).add_done_callback(ended)

    async def _feed(self, requests: Iterable[Wanted] | AsyncIterable[Wanted]) -> None:
        """Reads requests one by one, as there is room, and starts them in order."""
        try:
            async with aclosing(batches(requests)) as each:
                async for batch in each:
                    for wanted, record in zip(batch, await self._entered(batch), strict=True):
                        await self._room.acquire()
                        entry = self._opened(wanted, record)
                        self._open.add(entry)
                        self.taken += 1
                        if record.files:
                            self._looking += 1
                            look = self._look(entry)
                            if record.is_unchanged:
                                await look  # reads no file, so a task would cost more than the work
                            else:
                                self._spawn_part(look)
                        else:
                            await self._begin(entry)
            await self.journal.expect(self.taken)
        except Exception as problem:  # noqa: BLE001 - the caller's iterator may raise anything; raised again at the end
            self.ending = self.ending or problem
        self._fed = True
        await self._begin_batches()
        self._end_if_done()

    def _opened(self, wanted: Wanted, record: Record) -> Entry:
        ref = record.ref if isinstance(wanted, ExportRequest) else ref_of(wanted)
        return Entry(wanted, record, self._now(), report_began(self.session, request_of(wanted), ref))

    async def _entered(self, batch: list[Wanted]) -> list[Record]:
        return await self.journal.enter(
            [(request_of(each), None if isinstance(each, ExportRequest) else ref_of(each)) for each in batch]
        )

    async def _look(self, entry: Entry) -> None:
        """Reuses the files of an earlier run if they are unchanged; otherwise the entry is exported."""
        try:
            found: Downloaded | Exception | None = await self._files.reused(entry)
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - one failure stops nothing
            found = failure_of(problem)
        if found is not None:
            await self._finish(entry, found)
        self._looking -= 1
        if found is None:
            await self._begin(entry)
        await self._begin_batches()

    async def _begin(self, entry: Entry) -> None:
        """Starts the entry's job, or adds the entry to a batch."""
        if self.batches is not None and self.batches.takes(entry):
            await self._begin_batch(self.batches.add(entry))
            await self._begin_batches()
        else:
            await self._begin_job(entry)

    async def _begin_job(self, entry: Entry) -> None:
        await self._starts.acquire()
        self._counts.starting += 1
        if self.on_progress is not None:
            kind = request_of(entry.wanted).kind
            self._counts.limiter = self.session.rate_limiter(row_of(kind).start_endpoint)
        self._spawn_part(self._start(entry))
        # After the start has made its call, so that a wait for the quota is reported at once.
        asyncio.get_running_loop().call_soon(self.report_progress)

    async def _begin_batches(self) -> None:
        """Starts the batches that are not full, if no other entry can be added to them."""
        if self.batches is None:
            return
        is_stuck = self._room.locked() and self.batches.waiting == len(self._open)
        if is_stuck or (self._fed and not self._looking):
            for members in self.batches.rest():
                await self._begin_batch(members)

    async def _begin_batch(self, members: Sequence[Entry]) -> None:
        if self.batches is None or not members:
            return
        entry = members[0] if len(members) == 1 else self.batches.job(members, self._now())
        if entry.members:
            self._jobs.add(entry)
        await self._begin_job(entry)

    async def _start(self, entry: Entry) -> None:
        failure: Exception | None = None
        try:
            await self._start_job(entry)
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - one failure stops nothing
            failure = failure_of(problem)
        finally:
            self._counts.starting -= 1
            self._starts.release()
        if failure is not None:
            await self._finish(entry, failure)
        self.report_progress()

    async def _start_job(self, entry: Entry) -> None:
        is_new = isinstance(entry.wanted, ExportRequest) and entry.record.ref is None
        with working_on(entry.number):
            export = await self._export(entry)
        entry.ref = ref_of(export)
        entry.running_at = self._now()
        entry.started_at = entry.running_at if is_new else None
        self._counts.pace.started(entry.running_at)
        policy = self.policy or self._policy_for(entry)
        durations = self._durations[entry.request.kind, entry.request.project_id]
        learned = partial(LearningPolicy, durations=durations)
        entry.poller = export_poller(self.session, export, timeout=self.timeout, policy=policy, learned=learned)
        self._running.update(entry.members or (entry,))
        self._ask_when_due(entry, entry.poller)

    def _policy_for(self, entry: Entry) -> Policy | None:
        numbers = self.session.settings
        return BatchPolicy(interval=numbers.poll_interval, jitter=numbers.poll_jitter) if entry.members else None

    async def _export(self, entry: Entry) -> Export:
        """The reference or job to wait for: one that was started before, or a new one."""
        if isinstance(entry.wanted, ExportRequest):
            if entry.record.ref is not None:
                return entry.record.ref
            export: Export = await start_patiently(self.session, entry.wanted, self.timeout)
        else:
            export = entry.wanted
        if not entry.members:  # not for batches: the ledger must not wait for a sheet by the job of many
            await self.journal.started(entry.record, ref_of(export))
        return export

    def _ask_when_due(self, entry: Entry, poller: Poller[ExportJob]) -> None:
        entry.due = poller.wakes_at
        entry.timer = asyncio.get_running_loop().call_at(entry.due, self._ready.put_nowait, entry)

    async def _slot(self) -> None:
        """One download slot: polls the next entry that is due, and if its job is done, downloads the result at once."""
        while True:
            entry = await self._ready.get()
            try:
                with working_on(entry.number):
                    if entry.page is None and not await self._is_done(entry):
                        continue
                    got = await self._files.fetch(entry)
            except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - one failure stops nothing
                problem = failure_of(raised)
                if self._is_forgotten(entry, problem):
                    self._forget_job(entry)
                    self._spawn_part(self._begin(entry))  # which may wait for others; this slot does not
                else:
                    await self._finish(entry, problem)
            else:
                await self._finish(entry, got)

    async def _is_done(self, entry: Entry) -> bool:
        """Makes a status call for the entry. False: it is not done, and another call is scheduled."""
        poller = entry.job_poller
        if not poller.done and not await self._asked(entry, poller):
            return False
        if not poller.done:
            entry.running_at = self._now()
            self._ask_when_due(entry, poller)
            return False
        self._note_duration(entry)
        return True

    def _note_duration(self, entry: Entry) -> None:
        """Records how long the job took, unless it was polled too rarely to know; later polls learn from it."""
        if entry.started_at is None or entry.record.job_seconds is not None:
            return
        earliest, latest = entry.running_at - entry.started_at, self._now() - entry.started_at
        seconds, interval = (earliest + latest) / 2, self.session.settings.poll_interval
        if latest - earliest <= max(2 * interval, seconds / 4):
            entry.record.job_seconds = seconds
        had_a_slot = self._now() <= entry.due + interval  # or the poll came too late to learn from it
        if had_a_slot and not entry.members:
            self._durations[entry.request.kind, entry.request.project_id].learn(earliest, latest)

    async def _asked(self, entry: Entry, poller: Poller[ExportJob]) -> bool:
        """Polls, or takes a late response. False: the call takes long, and continues without this slot."""
        if entry.asking is None:
            entry.asking = self._spawn(poller.ask_or_end())
            await asyncio.wait({entry.asking}, timeout=self.session.settings.poll_interval)
            if not entry.asking.done():
                entry.asking.add_done_callback(partial(self._answered, entry))
                return False
        asking, entry.asking = entry.asking, None
        await asking
        return True

    def _answered(self, entry: Entry, asking: "asyncio.Task[None]") -> None:
        if not asking.cancelled():
            asking.exception()  # retrieved, since asyncio would log it if the run ends first
        self._ready.put_nowait(entry)

    def _is_forgotten(self, entry: Entry, problem: Exception) -> bool:
        """Whether the service no longer has a job from the ledger, so that it has to be started again."""
        recorded = isinstance(entry.wanted, ExportRequest) and entry.record.ref is not None
        if not (recorded and self.journal.lasting and isinstance(problem, NotFoundError)):
            return False
        return entry.poller is not None and not entry.poller.status.polls

    def _forget_job(self, entry: Entry) -> None:
        self._release(entry)
        self._running.discard(entry)
        entry.ref = entry.record.ref = entry.poller = None

    async def _finish(self, entry: Entry, result: Downloaded | Exception) -> None:
        self._release(entry)
        if isinstance(result, LedgerError | DiskFullError) and self.journal.lasting:
            # All entries would meet it, and with a ledger the run can be continued: one error instead of many.
            self._stop(result)
            return
        if entry.members:
            self._spawn_part(self._deal(entry, result))
            return
        outcome = outcome_of(entry, result, self._now())
        report(self.session, entry, outcome)
        try:
            notes = await self.journal.ended(entry.record, outcome)
        except Exception as problem:  # noqa: BLE001 - without its ledger, the run could not be continued
            self._stop(problem)
            return
        if notes and outcome.ok:
            outcome = evolve(outcome, warnings=(*outcome.warnings, *notes))
        self._open.discard(entry)
        self._running.discard(entry)
        self._counts.done += outcome.ok
        self._counts.failed += not outcome.ok
        self._counts.already_there += outcome.reused
        if outcome.ok and not outcome.reused:
            self._counts.pace.delivered(self._now(), entry.started_at)
        self.outcomes.put_nowait(outcome)
        self._room.release()
        self.report_progress()
        if self.batches is not None and self.batches.waiting:
            self._spawn_part(self._begin_batches())
        self._end_if_done()

    async def _deal(self, job: Entry, result: Downloaded | Exception) -> None:
        """Gives every sheet of a batch its page; if that is not possible, each is exported on its own."""
        self._jobs.discard(job)
        problem = f"it failed: {result}" if isinstance(result, Exception) else await self._split(job, result)
        for entry in job.members:
            if problem is None:  # without a reference: that job has all sheets
                self._ready.put_nowait(entry)
            else:
                self._running.discard(entry)
                entry.notes = (f"exported on its own: its batch of {len(job.members):,} was not usable: {problem}",)
                await self._begin(entry)

    async def _split(self, job: Entry, got: Downloaded) -> str | None:
        assert self.batches is not None  # noqa: S101 - for the type checker
        try:
            return await self.batches.split(job, got.path)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a batch that fails stops nothing
            return f"it failed: {failure_of(error)}"

    def _release(self, entry: Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
        if entry.poller is not None:
            entry.poller.close()

    def _end_if_done(self) -> None:
        if self._fed and not self._open:
            self.outcomes.put_nowait(None)

    def report_progress(self) -> None:
        """Calls `on_progress` with the current figures."""
        if self.on_progress is None or self._closing:
            return
        at = self._counts.progress(
            total=self.taken if self._fed else self.journal.expected,
            taken=self.taken,
            unfinished=len(self._open),
            running=len(self._running),
            queued=self._ready.qsize(),
            exports_a_start=self.batches.size if self.batches else 1,
            slots=self.max_concurrent_downloads,
            trouble=self.session.contact.trouble,
        )
        try:
            self.on_progress(at)
        except BaseException as problem:  # the caller's own, such as `pytest.fail`; rather end the run than hang a slot
            self.on_progress = None
            self._stop(failure_of(problem) if isinstance(problem, asyncio.CancelledError) else problem)
            if isinstance(problem, KeyboardInterrupt | SystemExit):
                raise

    def _stop(self, problem: BaseException) -> None:
        """Ends the run. What is in progress is cancelled once the caller has got the outcomes so far."""
        self.ending = self.ending or problem
        self.outcomes.put_nowait(None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
