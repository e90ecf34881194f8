"""The lanes of one worker: takes rows of the queue, makes their steps, and keeps, puts back or removes them.

The rows that a worker holds have its id and a heartbeat. If it sends no heartbeats, because it is dead, suspended or
cut off, others take over its rows; its next heartbeat returns which ones it has lost. `engine.py` describes the queue.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from attrs import define, field, frozen

from aps_async.errors import APSError, DatabaseError
from aps_async.threads import is_being_cancelled, stopped
from aps_async.workers import engine
from aps_async.workers.database import Database, driver, is_outage
from aps_async.workers.engine import Kept, LaneOptions, Next, Removed, Yielded
from aps_async.workers.slots import Slots, Turn, due_together

__all__ = ["MOST_KEPT", "work"]
__dir__: object = __all__.copy

MOST_KEPT = 250
"""Exports that a worker keeps at once; each costs a heartbeat every few seconds."""
_MOMENT = 0.02  # seconds for which changes wait for others, to share one statement
_PAUSE = 1.0  # seconds before a statement is repeated after an outage
_PROBE = 10.0  # seconds between two tests of the connection that listens
_FAREWELL = 2.0  # seconds that a worker that stops waits for the database

# Only rows that this worker still holds: if it was suspended, others may have taken them over.
_PUT_BACK = """
UPDATE aps_pgqueuer SET status = 'queued', execute_after = now() + make_interval(secs => delay),
    attempts = attempts + steps, updated = now(), queue_manager_id = NULL
FROM unnest($1::bigint[], $2::float8[], $3::int[]) AS back (row, delay, steps) WHERE id = row AND queue_manager_id = $4
"""
# And only rows that are still in this lane.
_REMOVE = """
DELETE FROM aps_pgqueuer USING unnest($1::bigint[], $2::text[]) AS ended (row, lane)
WHERE id = row AND split_part(entrypoint, ' ', 1) = lane AND queue_manager_id = $3
"""
_HAND_BACK = """
UPDATE aps_pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL
WHERE queue_manager_id = $1 AND status = 'picked'
"""
_BEAT = "UPDATE aps_pgqueuer SET heartbeat = now() WHERE id = ANY ($1) AND queue_manager_id = $2 RETURNING id"

_log = logging.getLogger(__name__)


async def work(database: Database, lanes: Sequence[LaneOptions], stop: asyncio.Event) -> None:
    """Processes lanes until `stop` is set or a step fails, and waits while the database is unavailable.

    Raises:
        Exception: the error of a step, or of the database if it is not an outage.
    """
    await _Lanes(database, stop, [_Lane(options) for options in lanes]).run()


def _export_of(payload: bytes | None) -> int | None:
    """The number of a row's export; None if the row is not one of ours, so that it is removed from the queue."""
    try:
        found = int(payload or b"")
    except (TypeError, ValueError):
        return None
    return found if 0 < found < 1 << 63 else None


@define(eq=False)
class _Job:
    """A row that this worker holds."""

    id: int
    payload: bytes | None
    attempts: int
    lane: "_Lane"
    steps: int = 0
    slots: Slots | None = None
    """The lane's slots while it has one of them; None without a slot."""
    turn: Turn | None = None
    """Set while it is kept without a slot."""


@frozen
class _PutBack:
    """A row that is to be put back."""

    job: _Job
    delay: float
    wake: bool


class _Lane:
    """One lane of this worker: its slots, and what wakes it."""

    def __init__(self, options: LaneOptions) -> None:
        self.options = options
        self.entrypoints = [*{engine.entrypoint_of(options.lane, owner) for owner in (None, options.owner)}]
        self.slots = Slots(max(2, options.slots), options.pace)
        self.slots.wake = self.wake_after
        self.woken = asyncio.Event()
        self._wakes = False

    def wake_after(self, delay: float) -> None:
        """Wakes the lane after a delay, when a row is due that was put back: PostgreSQL does not report that."""
        asyncio.get_running_loop().call_later(delay, self.wake)

    def wake(self) -> None:
        """Wakes the lane in a moment."""
        if not self._wakes:
            self._wakes = True
            asyncio.get_running_loop().call_later(_MOMENT, self._wake)

    def _wake(self) -> None:
        self._wakes = False
        self.woken.set()


@define(eq=False)
class _Lanes:
    """The tasks of one worker that use the queue: take rows, send heartbeats, make steps, put rows back, listen."""

    database: Database
    stop: asyncio.Event
    lanes: Sequence[_Lane]
    id: UUID = field(factory=uuid4)
    jobs: dict[int, _Job] = field(factory=dict[int, _Job])
    kept: int = 0
    tasks: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    over: asyncio.Event = field(factory=asyncio.Event)
    fault: BaseException | None = None
    back: list[_PutBack] = field(factory=list[_PutBack])
    ended: list[_Job] = field(factory=list[_Job])
    flushing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Runs until the worker is stopped or a step fails."""
        taking = [asyncio.create_task(self._take(lane)) for lane in self.lanes]
        aside = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        ends = [asyncio.create_task(each.wait()) for each in (self.stop, self.over)]
        try:
            await asyncio.wait([*taking, *aside, *ends], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.over.set()
            for lane in self.lanes:
                lane.woken.set()
            await asyncio.wait(taking, timeout=_FAREWELL)  # a statement that is not cancelled leaves no row behind
            for task in (*taking, *aside):
                if task.done() and not task.cancelled():
                    self.fault = self.fault or task.exception()
            await stopped([*taking, *aside, *ends])
            await self._hand_back()
        if self.fault is not None:
            raise self.fault

    async def _hand_back(self) -> None:
        """Puts back all rows that this worker holds, if the database is available."""
        for task in self.tasks:
            task.cancel()
        while self.tasks:
            await asyncio.wait(self.tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                if self.flushing is not None:
                    await self.flushing
                await self._flush()
                await self._execute(_HAND_BACK, self.id)

    # ---------------------------------------------------------------- rows

    async def _take(self, lane: _Lane) -> None:
        """Takes rows whenever slots are free and rows may be due."""
        from aps_async.workers.claims import Claims

        claims, slots = Claims(self.database, self.id, engine.HEARTBEAT), lane.slots
        while not self.over.is_set():
            lane.woken.clear()
            free = max(0, slots.free)
            slots.has_backlog = True
            rows = await claims.take(lane.entrypoints, free) if free else []
            # After a late heartbeat, this worker may take a row that it is still working on.
            await self._begin(lane, [row for row in rows if row["id"] not in self.jobs])
            if len(rows) < free:
                slots.has_backlog = False
            pause = engine.IDLE * random.uniform(0.85, 1.0)  # noqa: S311 - not always right after the same worker
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await lane.woken.wait()

    async def _begin(self, lane: _Lane, rows: Sequence[Any]) -> None:
        jobs = [_Job(row["id"], row["payload"], row["attempts"], lane, slots=lane.slots) for row in rows]
        self.jobs |= {job.id: job for job in jobs}
        lane.slots.take(len(jobs))
        if jobs and lane.options.claimed is not None:
            await lane.options.claimed([number for job in jobs if (number := _export_of(job.payload)) is not None])
        for job in jobs:
            task = asyncio.create_task(self._process(job))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _beat(self) -> None:
        """Sends heartbeats, and drops kept jobs whose rows others have taken over, or whose run was cancelled."""
        pause = engine.HEARTBEAT / 2
        while True:
            await asyncio.sleep(pause)
            jobs, pause = [*self.jobs.values()], engine.HEARTBEAT / 2
            if not jobs:
                continue
            rows = await self._execute(_BEAT, [job.id for job in jobs], self.id)
            if rows is None:
                pause = _PAUSE
                continue
            mine = {row["id"] for row in rows}
            for job in jobs:
                if job.id not in mine and job.turn is not None:
                    job.turn.decline()

    async def _flush(self) -> None:
        """Puts rows back and removes them, so that several share a statement."""
        while self.back or self.ended:
            back, self.back, ended, self.ended = self.back, [], self.ended, []
            for job in (*(each.job for each in back), *ended):
                del self.jobs[job.id]  # before the statement, after which this worker may take the row again
            if back:
                values = (
                    [each.job.id for each in back],
                    [each.delay for each in back],
                    [each.job.steps for each in back],
                )
                await self._execute(_PUT_BACK, *values, self.id)
                for lane, delay in {(each.job.lane, each.delay) for each in back if each.wake}:
                    lane.wake_after(delay)
            if ended:
                names = [job.lane.options.lane for job in ended]
                await self._execute(_REMOVE, [job.id for job in ended], names, self.id)

    async def _flush_in_a_moment(self) -> None:
        await asyncio.sleep(_MOMENT)
        try:
            await self._flush()
        except Exception as problem:  # noqa: BLE001 - ends the worker
            self._fail(problem)

    async def _execute(self, statement: str, *values: object) -> Sequence[Any] | None:
        """Returns the rows of a statement; None during an outage. Rows without heartbeats are then taken over."""
        try:
            found: Sequence[Any] = await self.database.pool.fetch(statement, *values, timeout=engine.HEARTBEAT)
        except Exception as problem:
            if not is_outage(problem) and not isinstance(problem, DatabaseError):
                raise self.database.error_of(problem) from problem
            _log.info("the queue cannot be updated: %s", type(problem).__name__)
            return None
        return found

    # ---------------------------------------------------------------- steps

    async def _process(self, job: _Job) -> None:
        then = await self._step(job, partial(self._first_step, job))
        while isinstance(then, Kept) and not self.over.is_set():
            if then.lane is not None:
                [job.lane] = [each for each in self.lanes if each.options.lane == then.lane]
                job.steps = 0  # steps in the other lane do not count
            then = await self._step(job, partial(self._next_step, job, then))
        self._give_back_slot(job)
        if isinstance(then, Removed):
            del self.jobs[job.id]
        elif then is None:
            self.ended.append(job)
        else:
            delay = then.delay if isinstance(then, Yielded | Kept) else then
            self.back.append(_PutBack(job, delay, wake=not isinstance(then, Yielded)))
        if (self.back or self.ended) and (self.flushing is None or self.flushing.done()):
            self.flushing = asyncio.create_task(self._flush_in_a_moment())

    async def _first_step(self, job: _Job) -> Next:
        number = _export_of(job.payload)
        if number is None:
            _log.error("a job in the queue names no export but %.100r; it is dropped", job.payload)
            return None
        return await job.lane.options.handle(number, job.attempts)

    async def _next_step(self, job: _Job, kept: Kept) -> Next:
        """Keeps a job until it is due and makes its next step; or returns the delay with which to put it back."""
        if self.kept >= MOST_KEPT:
            return kept.delay
        loop, slots = asyncio.get_running_loop(), job.lane.slots
        turn = job.turn = Turn(due_together(loop.time(), kept.delay))
        self.kept += 1
        self._give_back_slot(job)
        alarm = loop.call_at(turn.due, slots.request, turn, engine.HEARTBEAT / 2)
        try:
            await turn.decided
        finally:
            alarm.cancel()
            self.kept -= 1
            job.turn = None
            if turn.has_slot:
                job.slots = slots
        return await kept.again() if turn.has_slot else max(0.0, turn.due - loop.time())

    async def _step(self, job: _Job, step: Callable[[], Awaitable[Next]]) -> Next:
        job.steps += 1
        try:
            return await step()
        except asyncio.CancelledError:  # the worker is stopping
            if not is_being_cancelled():  # in a function or storage of the caller, which must not be repeated at once
                self._fail(APSError(f"something that export {job.id} waited for was cancelled, and not this worker"))
                return 1.0
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - for the type checker
            task.uncancel()
            return 0.0  # for another worker, at once
        except BaseException as problem:  # noqa: BLE001 - a step handles what it can; anything else ends the worker
            self._fail(problem)
            return 1.0

    def _fail(self, problem: BaseException) -> None:
        self.fault = self.fault or problem
        self.over.set()

    def _give_back_slot(self, job: _Job) -> None:
        slots, job.slots = job.slots, None
        if slots is not None:
            slots.give_back(1)

    # ---------------------------------------------------------------- events

    async def _listen(self) -> None:
        """Listens for new rows. Lanes also query from time to time, so that an outage delays them by seconds only."""
        while True:
            try:
                await self._hear()
            except Exception as problem:
                if not is_outage(problem):
                    raise self.database.error_of(problem) from problem
                _log.info("listening for new exports: %s; trying again", type(problem).__name__)
            await asyncio.sleep(_PAUSE)

    async def _hear(self) -> None:
        """Wakes the lanes for new rows until the connection is lost."""
        connection, lost = await self.database.unpooled(), asyncio.Event()
        try:

            def ended(*_: object) -> None:
                lost.set()

            def heard(*_: object) -> None:
                self._wake()

            connection.add_termination_listener(ended)
            await connection.add_listener(engine.CHANNEL, heard)
            self._wake()  # for rows that were added before
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE):
                        await lost.wait()
                await connection.fetchval("SELECT 1", timeout=_PROBE)
        finally:
            try:
                async with asyncio.timeout(_FAREWELL):
                    await connection.close()
            except (OSError, TimeoutError, driver().InterfaceError, driver().PostgresError):
                connection.terminate()

    def _wake(self) -> None:
        for lane in self.lanes:
            lane.wake()
