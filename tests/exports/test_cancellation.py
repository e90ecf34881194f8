"""Cancelled, or out of time, wherever it waits: nothing is left behind, and the same session delivers next."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from aps_async import Session, Settings, export_many, wait_for_export
from aps_async.exports.kinds import row_of
from aps_async.ledger.lock import LOCK_NAME
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.models import ExportKind
from aps_async.session import TOKENS
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator
from aps_async.transport.quotas import LocalRateLimiter, Quotas
from tests.kinds import SCENES, Scene, is_whole, world
from tests.support import service

pytestmark = pytest.mark.looptime(start=time.monotonic)

BUDGETS = {each.name: 1 for kind in map(row_of, ExportKind) for each in (kind.status, kind.start_endpoint)} | {
    TOKENS.name: 1
}
TIGHT = Settings(connections=1, budgets=BUDGETS, quota_window=1.0)
"""One of everything: a place or a connection that is not given back stops the next export for good."""
BUMPY = [
    Fault(endpoint="token", status=503, nth=(1,)),
    Fault(endpoint="*export_start", status=429, nth=(1,), retry_after=1),
    Fault(endpoint="*export_status", kind="revoke", nth=(1,)),
    Fault(endpoint="*export_status", kind="reset", nth=(2,)),
    Fault(endpoint="signed_get", kind="truncate", nth=(1,)),
    Fault(endpoint="signed_get", kind="expired", nth=(2,)),
]
LONGEST = 900.0
"""Virtual seconds after which the export that follows has hung."""

_watching: "ContextVar[Steps | None]" = ContextVar("watching", default=None)


class Steps:
    """Counts how often a piece of work and the tasks that it makes suspend, and interrupts it at one of these points.

    `how`: `cancelled` while it waits; `cancelled late`, as what it waits for comes; `timed out` by `asyncio.timeout`.
    """

    def __init__(self, at: int, how: str) -> None:
        self.count = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.at, self.how = at, how

    @property
    def reached(self) -> bool:
        return self.count >= self.at

    async def interrupted(self, work: Coroutine[Any, Any, None]) -> bool:
        """Runs the work; False: it ended before it could be interrupted."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_watched)  # type: ignore[arg-type]  # typeshed: any kind of future
        watched = _watching.set(self)
        try:
            self._main = asyncio.create_task(self._run(work))
            await asyncio.wait([self._main])
        finally:
            _watching.reset(watched)
            loop.set_task_factory(None)
        if self._main.cancelled():
            assert self.reached
            assert self.how != "timed out"
            return True
        if isinstance(problem := self._main.exception(), TimeoutError) and self._scope.expired():
            assert self.reached
            return True
        if problem is not None:
            raise problem
        return False

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(None) as self._scope:
            await work

    def note(self, awaited: "asyncio.Future[Any] | None") -> None:
        """One more step; a bare `yield` awaits nothing."""
        self.count += 1
        if self.count != self.at:
            return
        loop = asyncio.get_running_loop()
        if self.how == "cancelled":
            self._main.cancel()
        elif self.how == "timed out":
            self._scope.reschedule(loop.time())
        elif awaited is None:
            loop.call_soon(self._main.cancel)
        else:
            awaited.add_done_callback(lambda _: self._main.cancel())


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are counted."""

    def __init__(self, work: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._work, self._steps = work, steps

    def send(self, value: Any) -> Any:
        awaited = self._work.send(value)
        self._steps.note(awaited)
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._work.throw(*error)
        self._steps.note(awaited)
        return awaited

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("only a task runs it")


def _watched(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> "asyncio.Task[Any]":
    """A task factory: counts the steps of the tasks that come from watched work, and none of the simulator's."""
    steps = _watching.get()
    if steps is None:
        return asyncio.Task(work, loop=loop, **options)
    task = asyncio.Task(Counted(work, steps), loop=loop, **options)
    steps.tasks.append(task)
    return task


def left_behind(session: Session, tasks: Sequence["asyncio.Task[Any]"], folder: Path) -> list[str]:
    """Tasks, open files and places in a quota."""
    endpoints = [each for kind in map(row_of, ExportKind) for each in (kind.status, kind.start_endpoint)]
    limiters = [each for each in map(session.rate_limiter, endpoints) if isinstance(each, LocalRateLimiter)]
    assert len(limiters) == len(endpoints)
    return [
        *(repr(task) for task in tasks if not task.done()),
        *(f"{each} exports share a quota" for each in limiters if each.sharers),
        *(f"{each} wait for a quota" for each in limiters if each.waiting),
        *open_files(folder),
    ]


def open_files(folder: Path) -> list[str]:
    """Files in the folder that this process has open, the removed ones included."""
    targets = []
    for each in Path("/proc/self").glob("fd/*"):  # nothing, where the system has no such folder
        with suppress(OSError):
            targets.append(each.readlink())
    return [str(target) for target in targets if folder in target.parents]


HOW = ("cancelled", "cancelled late", "timed out")
each_way = pytest.mark.parametrize("how", HOW)


@asynccontextmanager
async def bumpy_service() -> AsyncIterator[Simulator]:
    """Jobs that two polls finish, so that every run takes the same steps, whatever the clock does."""
    behaviour = Behaviour(job_time=JobPolls(2), repeat_gives_same_job=False, quotas=False)
    async with service(world(), behaviour=behaviour) as simulator:
        yield simulator
        await asyncio.sleep(1)
        assert simulator.counts()["open_connections"] == 0


def make_bumpy(simulator: Simulator) -> None:
    simulator.clear_faults()
    for fault in BUMPY:
        simulator.add_fault(fault)


@each_way
@pytest.mark.parametrize("kind", ["bim360", "acc-files-zip"])
async def test_one_export_at_every_step(kind: str, how: str, tmp_path: Path) -> None:
    async with bumpy_service() as simulator:
        for at in count(1):
            steps = Steps(at, how)
            await interrupt_one_export(SCENES[kind], simulator, steps, tmp_path / str(at))
            if not steps.reached:
                break
    assert at > 35


async def interrupt_one_export(scene: Scene, simulator: Simulator, steps: Steps, folder: Path) -> None:
    async def export() -> None:
        job = await scene.begin(session, simulator, "good")
        await wait_for_export(session, job, folder / "x")

    folder.mkdir()
    make_bumpy(simulator)
    async with scene.session(simulator, TIGHT, quotas=Quotas()) as session:
        was_interrupted = await steps.interrupted(export())
        await asyncio.sleep(0.1)  # what was cancelled has its turn
        assert left_behind(session, steps.tasks, folder) == []
        assert [path.name for path in folder.iterdir()] == ([] if was_interrupted else ["x"])
        simulator.clear_faults()
        async with asyncio.timeout(LONGEST):
            await export()
    assert [path.name for path in folder.iterdir()] == ["x"]
    assert is_whole(folder / "x")


SAMPLED_EVERY = 11
LEDGER_FILES = {LOCK_NAME, *(f"{LEDGER_NAME}{end}" for end in ("", "-wal", "-shm"))}
MANY = [("bim360", "good"), ("bim360", "good"), ("acc-files-zip", "good"), ("bim360", "good")]


@each_way
@pytest.mark.parametrize("ledger", [False, True], ids=["no ledger", "ledger"])
async def test_many_exports_at_sampled_steps(ledger: bool, how: str, tmp_path: Path) -> None:
    async with bumpy_service() as simulator:
        undisturbed = Steps(0, how)
        await interrupt_many_exports(simulator, undisturbed, tmp_path / "0", ledger=ledger)
        steps = range(1, undisturbed.count + 1)
        assert len(steps) > 80
        for at in {*steps[HOW.index(how) * 3 :: SAMPLED_EVERY], *steps[-2:]}:  # the end closes the ledger
            await interrupt_many_exports(simulator, Steps(at, how), tmp_path / str(at), ledger=ledger)


async def interrupt_many_exports(simulator: Simulator, steps: Steps, folder: Path, *, ledger: bool) -> None:
    requests = [evolve(SCENES[kind].request(simulator, which), name=f"{n}") for n, (kind, which) in enumerate(MANY)]
    names = {"0.pdf", "1.pdf", "2.zip", "3.pdf"}

    async def export() -> None:
        async with aclosing(export_many(session, requests, folder, ledger=ledger)) as outcomes:
            problems = [outcome.error async for outcome in outcomes]
        assert problems == [None] * len(requests)

    folder.mkdir()
    make_bumpy(simulator)
    async with SCENES["bim360"].session(simulator, TIGHT, quotas=Quotas()) as session:
        was_interrupted = await steps.interrupted(export())
        await asyncio.sleep(0.1)
        assert left_behind(session, steps.tasks, folder) == []
        found = {path.name for path in folder.iterdir()} - (LEDGER_FILES if ledger else set())
        assert found <= names
        assert was_interrupted or found == names
        assert all(is_whole(folder / name) for name in found)
        simulator.clear_faults()
        async with asyncio.timeout(LONGEST):
            await export()
    assert {path.name for path in folder.iterdir()} - (LEDGER_FILES if ledger else set()) == names
    assert all(is_whole(folder / name) for name in names)
