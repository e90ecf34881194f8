"""The lanes of one worker, each processed by PgQueuer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from aps_async.workers import engine
from aps_async.workers.database import Database, is_outage
from aps_async.workers.engine import Kept, Lane, LaneOptions, Next, Removed, Yielded
from aps_async.workers.slots import Slots

if TYPE_CHECKING:
    from aps_async.workers.listening import Ears, Patient

__all__ = ["work"]
__dir__: object = __all__.copy

_log = logging.getLogger(__name__)


async def work(database: Database, lanes: Sequence[LaneOptions], stop: asyncio.Event) -> None:
    """Processes lanes until `stop` is set or one of them fails, and resumes automatically after an outage.

    Raises:
        Exception: the error of a step that is not an outage.
    """
    from aps_async.workers.listening import Ears

    ears = Ears(database)
    slots = {options.lane: Slots(max(2, options.slots), options.pace) for options in lanes}
    tasks = [asyncio.create_task(_work(database, options, slots, ears, stop)) for options in lanes]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, BaseException):
            raise problem


async def _work(
    database: Database, options: LaneOptions, slots: dict[Lane, Slots], ears: "Ears", stop: asyncio.Event
) -> None:
    """Processes one lane.

    Raises:
        Exception: the error of a step that is not an outage.
    """
    while not stop.is_set():
        try:
            await _Shift(database, options, slots, ears, stop).run()
        except Exception as problem:
            if not _is_outage(problem):
                raise
            _log.info("lane %s: %s; starting again", options.lane, type(problem).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await stop.wait()


def _is_outage(problem: BaseException) -> bool:
    from pgqueuer.domain.errors import FailingListenerError

    return isinstance(problem, FailingListenerError) or is_outage(problem)


def _export_of(job: Any) -> int | None:
    """The number of a job's export; None if the job is not one of ours, so that it is removed from the queue."""
    try:
        found = int(job.payload or b"")
    except (TypeError, ValueError):
        return None
    return found if 0 < found < 1 << 63 else None


@define(eq=False)
class _Shift:
    """The processing of a lane until its connection is lost, a step fails, or `stop` is set."""

    database: Database
    options: LaneOptions
    slots: dict[Lane, Slots]
    """Those of each lane of the worker."""
    ears: "Ears"
    stop: asyncio.Event
    in_hand: set[asyncio.Task[Any]] = field(factory=set[asyncio.Task[Any]])
    fault: Exception | None = None

    async def run(self) -> None:
        """Processes the lane.

        Raises:
            Exception: the error of a step, or an outage.
        """
        from pgqueuer.core.qm import QueueManager
        from pgqueuer.domain.types import Channel

        from aps_async.workers.listening import Listening, patient_queries

        listening = Listening(self.database, self.ears)
        queries = patient_queries(listening)
        slots = queries.slots = self.slots[self.options.lane]
        slots.wake, queries.claimed, queries.longest_pause = listening.wake_after, self._claimed, engine.HEARTBEAT / 2
        manager = QueueManager(queries, Channel(queries.qbe.settings.channel))
        listening.on_lost = manager.shutdown.set
        entrypoint = self._entrypoint(manager, queries)
        for name in {engine.entrypoint_of(self.options.lane, owner) for owner in (None, self.options.owner)}:
            manager.entrypoint(name, on_failure="hold")(entrypoint)
        shift = manager.run(
            dequeue_timeout=timedelta(seconds=engine.IDLE),
            batch_size=slots.number,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=engine.HEARTBEAT),
            log_aggregation_interval=timedelta(0),
        )
        working, stopping = asyncio.create_task(shift), asyncio.create_task(self.stop.wait())
        ending = asyncio.create_task(manager.shutdown.wait())  # PgQueuer sets it too, and then waits for its tasks
        ending.add_done_callback(lambda _: queries.release_kept())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            manager.shutdown.set()
            if not working.done():  # otherwise it has already waited for everything that it holds
                self._hand_back()
                await asyncio.wait({working})
            ending.cancel()
            queries.release_all()
        if self.fault is not None:
            raise self.fault
        working.result()

    def _hand_back(self) -> None:
        for task in self.in_hand:
            task.cancel()

    def _entrypoint(self, manager: Any, queries: "Patient") -> Callable[[Any], Awaitable[None]]:
        async def entrypoint(job: Any) -> None:
            then = await self._step(partial(self._first_step, job), manager.shutdown)
            lane, steps = self.options.lane, 1
            while isinstance(then, Kept):
                if then.lane is not None:
                    lane, steps = then.lane, 0
                step = partial(self._next_step, queries, job, then, self.slots[lane])
                then = await self._step(step, manager.shutdown)
                steps += 1
            if isinstance(then, Removed):
                queries.removed(job)
            elif then is not None:
                manager.job_context.pop(job.id, None)  # or the next query of the lane would skip the row
                wake, after = (None, then.delay) if isinstance(then, Yielded) else (self.slots[lane], then)
                await queries.put_back(job, after, steps=steps, wake=wake)

        return entrypoint

    async def _claimed(self, jobs: Sequence[Any]) -> None:
        if self.options.claimed is not None:
            await self.options.claimed([number for job in jobs if (number := _export_of(job)) is not None])

    async def _first_step(self, job: Any) -> Next:
        number = _export_of(job)
        if number is None:
            _log.error("a job in the queue names no export but %.100r; it is dropped", job.payload)
            return None
        return await self.options.handle(number, job.attempts)

    async def _next_step(self, queries: "Patient", job: Any, kept: Kept, slots: Slots) -> Next:
        left = await queries.keep(job, kept.delay, slots)
        return await kept.again() if left is None else left

    async def _step(self, step: Callable[[], Awaitable[Next]], shutdown: asyncio.Event) -> Next:
        if shutdown.is_set():
            return 0.0
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self.in_hand.add(task)
        then: Next
        try:
            then = await step()
        except asyncio.CancelledError:
            task.uncancel()
            then = 0.0  # for another worker, at once
        except Exception as problem:  # noqa: BLE001 - a step handles what it can; anything else ends the worker
            self.fault = self.fault or problem
            shutdown.set()
            then = 1.0
        finally:
            self.in_hand.discard(task)
        if self.fault is not None:
            self._hand_back()
        return then
