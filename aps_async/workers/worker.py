"""A worker: makes the steps of `steps.py` for the exports that its lanes (`lanes.py`) take from the queue.

The store (`runs.py`) records each step. A started export occupies only a row: it is polled again when it is due and a
download slot is free, and if the response brings the signed link, the same slot downloads it. `step_rules.py` decides
when a step is repeated, `engine.py` describes the queue, and `rate_limit.py` the quota that all workers share.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import evolve

from aps_async.arguments import check_functions, check_kind
from aps_async.downloads.storage import Storage
from aps_async.errors import (
    APSError,
    AuthError,
    DatabaseError,
    DownloadError,
    ExportError,
    InputError,
    NotAllowedError,
    TargetError,
    UnauthorizedError,
)
from aps_async.exports.pollers import EndingWords
from aps_async.exports.wait import checked_job
from aps_async.models import ExportJob, ExportRef
from aps_async.policies import PollStatus
from aps_async.polling import PollRules
from aps_async.session import Session
from aps_async.transport.retry import interception, may_recover
from aps_async.workers import engine, steps
from aps_async.workers.checks import check_storable, check_storage
from aps_async.workers.database import Database
from aps_async.workers.lanes import work
from aps_async.workers.owners import Owner, patient_owner_of, token_problem
from aps_async.workers.pending import Pending
from aps_async.workers.presence import SILENT, Presence
from aps_async.workers.questions import Questions
from aps_async.workers.records import Entry, entry_of
from aps_async.workers.reports import Reports
from aps_async.workers.runs import RunStore
from aps_async.workers.step_rules import FIRST_WAIT, TRIES, is_forgotten, step_rules
from aps_async.workers.steps import Delivered, NotWantedError
from aps_async.workers.target import Target

__all__ = ["REFUSALS", "REFUSED_IN_A_ROW", "STARTS", "TRIES", "TURNS", "OutcomeListener", "Worker"]
__dir__: object = __all__.copy

STARTS = 8
"""Concurrent starts; all workers together need 100 starts a minute."""
REFUSED_IN_A_ROW = 5
"""A worker stops after this many exports in a row were refused with 401 or 403, or stopped by a web filter."""
_FOR_ACCESS = "Give its app access to the account and the project, and its token the scopes that it needs"
_FOR_NETWORK = "Let its machine reach the services and their storage"
REFUSALS = 3
"""Consecutive refusals of one export before it becomes a dead letter, unless another worker has not tried it yet."""
TURNS = 10
"""Maximum number of delivery attempts, so that a file that crashes its worker does not crash all of them."""
_HOUSEKEEPING = 30.0

OutcomeListener = Callable[[Entry, Delivered | None, BaseException | None], object]

_log = logging.getLogger(__name__)


class Worker:
    """Processes the queue of a database until it is stopped; several workers may run, on any number of machines.

    Args:
        session: an open session whose `quotas` are `SharedQuotas` of the same database.
        database: an open database with `patience=None`, so that outages are waited out.
        storage: the storage for files, the same for all workers.
        max_concurrent_downloads: slots to poll or download exports, at least 2; None: the number in `Settings`.
        on_outcome: called with every export that this worker has finished, and with its file or error.
    """

    def __init__(
        self,
        session: Session,
        database: Database,
        storage: Storage,
        *,
        max_concurrent_downloads: int | None = None,
        on_outcome: OutcomeListener | None = None,
    ) -> None:
        check_functions(on_outcome=on_outcome)
        check_kind("session", session, Session)
        check_kind("database", database, Database)
        check_storage(storage)
        self.session = session
        self.storage = storage
        self.max_concurrent_downloads: int = session.settings.concurrent_downloads(max_concurrent_downloads)
        self._database = database
        self._store = RunStore(database)
        self._on_outcome = on_outcome
        self.unreadable: int = 0
        """The number of rows that could not be read and became dead letters; `on_outcome` is not called for them."""
        self._target = Target(storage, lambda: self._scale, self._note_change)
        self._reports = Reports(session)
        self._presence: Presence | None = None
        self._owner: Owner | None = None
        self._refused: dict[str, set[int]] = {"start": set(), "fetch": set(), "delivery": set()}
        self.delivered: int = 0
        """The number of exports that it has delivered."""
        self.failed: int = 0
        """The number of exports that it has made dead letters, without the unreadable ones."""
        self._pending = Pending(session, self._store)
        self._words: dict[int, EndingWords] = {}
        self._questions = Questions(session)
        self._rows: dict[int, Any] = {}

    @property
    def _scale(self) -> float:
        """Seconds here for each second of the service: less than 1 for a simulator that runs faster."""
        return 1.0 / self.session.settings.time_scale

    async def run(self, *, until_done: bool = False, stop: asyncio.Event | None = None) -> None:
        """Processes the queue until `stop` is set, or (`until_done`) all enqueued exports that it may take have ended.

        The exports that it holds then go back to the other workers at once; no unfinished file is left.

        Raises:
            AuthError: no token can be obtained, or the service refused several exports in a row; the exports stay
                queued for other workers.
            TargetError: the storage cannot be used at the start, or has a path that the database cannot hold.
            DatabaseError: the tables are of another version, or were upgraded while it worked.
        """
        self._store = await RunStore.opened(self._database)
        self._owner = await patient_owner_of(self.session, FIRST_WAIT * self._scale)
        stop = stop or asyncio.Event()
        pace = min(1.0, max(0.1, self._scale))  # starts wait for the quota anyway
        starts = engine.LaneOptions(
            lane="start", handle=self.start, slots=STARTS, owner=self._owner, pace=pace, claimed=self._read_ahead
        )
        fetches = engine.LaneOptions(
            lane="fetch",
            handle=self.fetch,
            slots=self.max_concurrent_downloads,
            owner=self._owner,
            claimed=self._read_ahead,
        )
        check_storable(self.storage)
        await self.storage.check()
        self._presence = Presence(self._database, self._owner, lambda: self.waits_for)
        aside = asyncio.create_task(self._aside(stop, until_done))
        presence = asyncio.create_task(self._presence.keep())
        lanes = asyncio.create_task(work(self._database, (starts, fetches), stop))
        everything = {aside, presence, lanes}
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            aside.cancel()
            presence.cancel()
            ended = await asyncio.gather(*everything, return_exceptions=True)
            await self._questions.close()
            self._reports.hand_over(all_of_them=True)
            await self._target.close()
            await self._presence.leave()
            self._presence = None
        for problem in ended:
            if isinstance(problem, BaseException) and not isinstance(problem, asyncio.CancelledError):
                raise problem

    @property
    def owner(self) -> Owner | None:
        """The owner of the exports that it takes, besides those without an owner; known once it runs."""
        return self._owner

    @property
    def waits_for(self) -> str | None:
        """Why it cannot deliver at present; None if it can."""
        problem = self._target.problem
        return None if problem is None else f"deliveries wait for the target: {problem}"

    @property
    def problem(self) -> str | None:
        """Why it cannot work at present: it is not running, cannot reach the database, or waits for the target."""
        if self._presence is None or self._presence.last is None:
            return "it is not running"
        age = asyncio.get_running_loop().time() - self._presence.last
        return f"its last heartbeat was {age:.0f} s ago" if age > SILENT else self.waits_for

    def _note_change(self) -> None:
        if self._presence is not None:
            self._presence.changed.set()

    async def start(self, export: int, _: int = 0) -> engine.Next:
        """Starts one export, unless it is started. Waits for the quota, and while too many exports are pending."""
        entry = await self._entry(export)
        if entry is None or entry.state != "waiting":
            return None
        if entry.owner not in (None, self._owner):
            return await self._move("start", entry)
        with self._reports.working_on(entry):
            return await self._start(entry)

    async def _start(self, entry: Entry) -> engine.Next:
        await self._pending.take(entry.request.kind)
        try:
            job = await steps.start(self.session, entry.request)
        except Exception as problem:  # noqa: BLE001 - any error becomes this export's outcome or its delay
            return await self._handle_failure(entry, problem)
        self._refused["start"].clear()
        delay = 0.0 if job.status.is_final else self._pending.interval(entry.request.kind)
        if not await self._store.started(entry, job.ref.export_id):
            return None
        running = evolve(entry, state="running", export_id=job.ref.export_id, age=0.0, tries=0, refusals=0)
        return self._keep(running, delay, lane="fetch")

    async def fetch(self, export: int, polls: int = 0) -> engine.Next:
        """Makes one status call for an export, and delivers it if it is done. `polls`: earlier status calls for it."""
        if self._target.problem is not None:
            await self._target.ready()
            self._rows.pop(export, None)
        entry = await self._entry(export)
        if entry is None or entry.state != "running" or entry.ref is None:
            self._reports.handed_over(export)
            return None
        if entry.owner not in (None, self._owner):
            return await self._move("fetch", entry)
        with self._reports.working_on(entry):
            return await self._fetch(entry, entry.ref, polls)

    async def _fetch(
        self, entry: Entry, ref: ExportRef, polls: int, rules: PollRules[ExportJob] | None = None
    ) -> engine.Next:
        await self._pending.count()
        export, question = entry.id, await self._questions.ask(entry.id, ref)
        if not question.task.done():
            return self._keep(entry, self.session.settings.poll_interval, polls + 1, rules)
        took = asyncio.get_running_loop().time() - question.asked
        try:
            if (words := self._words.get(export)) is None:
                words = self._words[export] = EndingWords(self.session)
            job = words.judge(await question.task)
            self._refused["fetch"].clear()
            if job.status.is_final:
                checked_job(job)
                del self._words[export]
            elif entry.tries or entry.refusals:  # of a job that is done, these may be failed deliveries
                await self._store.recovered(export)
                entry = evolve(entry, tries=0, refusals=0)
            rules = rules or self._rules(entry)
            wait = rules.decide(PollStatus(answer=job, age=entry.age))
            if wait is not None:
                return self._keep(entry, wait, polls + 1, rules)
            return await self._deliver(entry, job, polls + 1)
        except NotWantedError as problem:
            self._reports.handed_over(export)
            _log.info("%s", problem)
        except Exception as problem:  # noqa: BLE001 - any error becomes this export's outcome or its delay
            return await self._handle_failure(entry, problem, polls + 1, took)
        return None

    def _keep(
        self,
        entry: Entry,
        delay: float,
        polls: int = 0,
        rules: PollRules[ExportJob] | None = None,
        lane: engine.Lane | None = None,
    ) -> engine.Kept:
        """Keeps an export for another status call; its row is only read again if files cannot be stored then."""
        loop, ref = asyncio.get_running_loop(), entry.ref
        read = loop.time()
        assert ref is not None  # noqa: S101 - for the type checker

        async def again() -> engine.Next:
            if self._target.problem is not None:
                return await self.fetch(entry.id, polls)
            later = evolve(entry, age=entry.age + loop.time() - read)
            with self._reports.working_on(later):
                return await self._fetch(later, ref, polls, rules)

        return engine.Kept(delay, again, lane)

    async def _move(self, lane: engine.Lane, entry: Entry) -> float:
        """Moves an export to its owner's lane, if an older version has put it into the queue without an owner."""
        await engine.move(self._database, lane, entry.id, entry.owner)
        return 0.0

    async def _read_ahead(self, exports: Sequence[int]) -> None:
        """Reads the rows for several steps with one statement."""
        self._rows.update(await self._store.rows(exports))

    async def _entry(self, export: int) -> Entry | None:
        """The export; None if there is none, or if its row was unreadable and has become a dead letter."""
        try:
            row = self._rows.pop(export, None)
            return await self._store.entry(export) if row is None else entry_of(row)
        except InputError as problem:
            if await self._store.failed(export, problem):
                self.unreadable += 1
                _log.error("%s; it is a dead letter now", problem)
            return None

    async def _deliver(self, entry: Entry, job: ExportJob, polls: int) -> engine.Next:
        delivery_attempt = await self._store.delivery_attempt(entry.id)
        if delivery_attempt is None:
            raise NotWantedError(f"{steps.NOT_WANTED}: {job.ref}")
        if delivery_attempt > TURNS:
            raise ExportError(
                f"{job.ref}: its delivery was started {TURNS} times and never finished; it may crash its workers",
                ref=job.ref,
                job=job,
            )

        async def wanted() -> bool:
            return await self._store.is_mine(entry.id, delivery_attempt)

        name = f"{entry.folder}/{entry.name}"
        try:
            file = await steps.deliver(self.session, job, self._target.delivery(wanted), name, wanted=wanted)
        except BaseException:
            with suppress(APSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._store.delivery_ended(entry.id, delivery_attempt)
            raise
        if await self._store.delivered(entry.id, delivery_attempt, file, polls=polls, failed_files=job.failed_files):
            self._report(entry, file, None)
            self._refused["delivery"].clear()
            return engine.Removed()
        self._reports.handed_over(entry.id)
        return None

    def _rules(self, entry: Entry) -> PollRules[ExportJob]:
        return step_rules(self.session, entry, self._pending.interval, self._scale)

    async def _handle_failure(self, entry: Entry, problem: Exception, polls: int = 0, took: float = 0.0) -> engine.Next:
        """Decides what an error means: another try after some seconds, a dead letter, or the end of this worker.

        `took` are the seconds of the failed call, which count as waiting.

        Raises:
            APSError: no export can succeed with this worker; it has to stop.
        """
        if isinstance(problem, DatabaseError):
            raise problem
        if isinstance(problem, AuthError) and not may_recover(problem):
            if (found := await token_problem(self.session)) is not None and not may_recover(found):
                raise problem  # not because of the export: workers with other credentials may succeed
            problem = found or problem
        if isinstance(problem, TargetError) and await self._target.failed(problem):
            return 0.0  # not because of the export: it waits until files can be stored
        if isinstance(problem, NotAllowedError | UnauthorizedError) or interception(problem):
            return await self._handle_refusal(entry, problem, polls)
        failed = (type(problem),) * (entry.tries + 1)
        status = PollStatus[ExportJob](error=problem, polls=max(0, polls - 1), failed_with=failed, age=entry.age)
        rules = evolve(self._rules(entry), timeout=None)
        try:
            # Errors are limited by number, however long an outage lasts; the deadline only ends jobs that still run.
            wait = rules.decide(status) or 0.0
        except Exception as final:  # noqa: BLE001 - `problem`, or what replaces it
            if not isinstance(final, APSError):
                _log.error("export %d: unexpected %s", entry.id, type(final).__name__, exc_info=final)
            if entry.ref is not None and is_forgotten(entry, final, self._scale):
                return await self._start_again(entry, entry.ref)
            return await self._give_up(entry, final, polls)
        if not rules.not_yet(problem, status):
            await self._store.record_transient_failure(entry.id)
        wait = max(wait - took, rules.floor(status))
        _log.info("export %d: %s; again in %.1f s", entry.id, problem, wait)
        return wait

    async def _start_again(self, entry: Entry, ref: ExportRef) -> engine.Next:
        """Starts an export again whose job the service no longer has, as after days without any worker."""
        self._words.pop(entry.id, None)
        if not await self._store.forgotten(entry, ref.export_id):
            self._reports.handed_over(entry.id)
            return None
        _log.warning("export %d: the service no longer has its job, which is started again", entry.id)
        return engine.Kept(0.0, partial(self.start, entry.id), "start")

    async def _give_up(self, entry: Entry, problem: Exception, polls: int) -> engine.Next:
        if await self._store.failed(entry.id, problem, polls=polls):
            self._report(entry, None, problem)
            return engine.Removed()
        self._reports.handed_over(entry.id)
        return None

    async def _handle_refusal(self, entry: Entry, problem: Exception, polls: int) -> engine.Next:
        """Puts an export back for other workers, which may have the access or the network that this one lacks.

        Raises:
            AuthError: several exports in a row were refused, so this worker must stop.
        """
        is_delivery = isinstance(problem, DownloadError)
        refused = self._refused["delivery" if is_delivery else "start" if entry.ref is None else "fetch"]
        refused.add(entry.id)
        if len(refused) >= REFUSED_IN_A_ROW:
            whose = f" ({self._owner})" if self._owner else ""
            raise AuthError(
                f"this worker{whose} was refused for {len(refused)} exports in a row and has stopped; the exports wait "
                f"for other workers. {_FOR_NETWORK if interception(problem) else _FOR_ACCESS}. "
                f"The last refusal: {problem}"
            ) from problem
        me = self._presence.id if self._presence else ""
        if entry.refusals + 1 >= REFUSALS and not await self._store.has_other_worker(entry.id, me):
            return await self._give_up(entry, problem, polls)
        await self._store.record_refusal(entry.id, me)
        wait = FIRST_WAIT * 2.0 ** min(entry.refusals, REFUSALS) * self._scale
        _log.warning("export %d was refused and waits %.1f s for any worker: %s", entry.id, wait, problem)
        return engine.Yielded(wait)

    def _report(self, entry: Entry, file: Delivered | None, problem: BaseException | None) -> None:
        self._reports.ended(entry, file, problem)
        self.failed += problem is not None
        self.delivered += file is not None
        if self._on_outcome is not None:
            self._on_outcome(entry, file, problem)

    async def _aside(self, stop: asyncio.Event, until_done: bool) -> None:
        """Runs maintenance regularly; with `until_done`, returns when everything is done."""
        loop = asyncio.get_running_loop()
        kept = loop.time() - _HOUSEKEEPING * random.uniform(0.0, 1.0)  # noqa: S311 - not all workers at once
        while not stop.is_set():
            if loop.time() - kept > _HOUSEKEEPING:
                kept = loop.time()
                self._reports.hand_over()
                if lost := await engine.run_maintenance(self._database):
                    _log.warning("%d exports were missing from the queue, and were put back", lost)
            if until_done and await self._store.is_done(self._owner):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5 if until_done else _HOUSEKEEPING):
                    await stop.wait()
