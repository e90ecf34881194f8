"""Exports that a worker keeps between two status calls: they cost no statements, and are not kept from others."""

import asyncio
import uuid
from pathlib import Path

import pytest

from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.workers import Database, Folder, RunStore, Worker, engine, lanes
from aps_async.workers.slots import Slots, Turn, due_together
from tests.support import service
from tests.workers.working import QUICK, SPEED, run_of, whole_files, work, working_session

LONG = Behaviour(job_time=JobTime.fixed(600))


def polls(simulator: Simulator) -> int:
    found: int = simulator.counts()["endpoints"].get("export_status", {"calls": 0})["calls"]
    return found


async def polled(simulator: Simulator, more: int) -> None:
    """Waits for so many more status calls."""
    wanted = polls(simulator) + more
    while polls(simulator) < wanted:  # noqa: ASYNC110 - it counts, it does not signal
        await asyncio.sleep(0.02)


async def test_a_status_call_writes_nothing(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(4), speed=SPEED, behaviour=LONG) as simulator:
        await run_of(simulator, database)
        stop = asyncio.Event()
        async with working_session(simulator, database) as session:
            working = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
            await polled(simulator, 8)
            query = "SELECT id, entrypoint, updated, attempts FROM aps_pgqueuer WHERE status = 'picked' ORDER BY id"
            before = await database.fetch(query)
            await polled(simulator, 12)
            assert await database.fetch(query) == before
            stop.set()
            await working
        rows = await database.fetch("SELECT status, attempts FROM aps_pgqueuer")
    assert len(before) == len(rows) == 4
    assert {row["status"] for row in rows} == {"queued"}
    assert sum(row["attempts"] for row in rows) >= 20


@pytest.mark.parametrize("another", [True, False], ids=["taken over", "cancelled"])
async def test_what_another_worker_has_taken_over_or_is_cancelled_is_no_longer_polled(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    monkeypatch.setattr(engine, "HEARTBEAT", 0.8)
    async with service(World.single_folder(4), speed=SPEED, behaviour=LONG) as simulator:
        run = await run_of(simulator, database)
        stop = asyncio.Event()
        async with working_session(simulator, database) as session:
            working = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
            await polled(simulator, 8)
            if another:
                taken = "UPDATE aps_pgqueuer SET queue_manager_id = $1, heartbeat = now() + interval '1 hour'"
                await database.fetch(taken, uuid.uuid4())
            else:
                await RunStore(database).cancel(run.id)
            async with asyncio.timeout(20):
                before = -1
                while polls(simulator) != before:
                    before = polls(simulator)
                    await asyncio.sleep(0.5)  # five intervals
            stop.set()
            await working
        rows = await database.fetch("SELECT status FROM aps_pgqueuer")
    assert [row["status"] for row in rows] == (["picked"] * 4 if another else [])


async def test_a_worker_that_keeps_as_many_as_it_may_puts_back_the_others(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_KEPT", 2)
    async with service(World.single_folder(12), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 12


async def test_kept_exports_are_due_together(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first status calls are milliseconds apart, and their intervals differ by up to a tenth."""
    due, request = list[float](), Slots.request

    def noted(slots: Slots, turn: Turn, longest_pause: float) -> None:
        due.append(turn.due)
        request(slots, turn, longest_pause)

    monkeypatch.setattr(Slots, "request", noted)
    async with service(World.single_folder(8), speed=SPEED, behaviour=LONG) as simulator:
        await run_of(simulator, database)
        stop = asyncio.Event()
        async with working_session(simulator, database) as session:
            working = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
            await polled(simulator, 64)
            stop.set()
            await working
    assert len(due) >= 56
    assert len(set(due)) <= len(due) / 1.5


@pytest.mark.parametrize("delay", [0.001, 0.1, 0.3, 1.0, 2.0, 2.2, 6.0, 45.0])
def test_what_is_due_together_is_hardly_early_or_late(delay: float) -> None:
    moments = {now: due_together(now, delay) for now in (1000.0 + n * min(delay, 1.0) / 50 for n in range(100))}
    most = min(delay / 8, 0.125)
    assert all(abs(due - now - delay) <= most + 1e-9 for now, due in moments.items())
    assert len(set(moments.values())) <= 17
    # What waits half as long is due at the same moments, and others between them.
    assert all(due_together(due - delay / 2, delay / 2) == due for due in moments.values())


def test_what_need_not_wait_is_due_at_once() -> None:
    assert due_together(1000.1, 0.0) == 1000.1
    assert due_together(1000.1, -1.0) == 1000.1


def turn(slots: Slots, delay: float, longest_pause: float = 5.0) -> Turn:
    """A turn that asks for a slot when it is due."""
    loop = asyncio.get_running_loop()
    asked = Turn(loop.time() + delay)
    loop.call_later(delay, slots.request, asked, longest_pause)
    return asked


@pytest.mark.looptime
async def test_a_kept_export_gets_a_slot_when_it_is_due_or_another_is_given_back() -> None:
    slots, loop = Slots(1), asyncio.get_running_loop()
    first, second = turn(slots, 5.0), turn(slots, 5.0)
    assert await first.decided
    assert loop.time() == pytest.approx(5.0)
    await asyncio.sleep(0.5)
    assert not second.decided.done()
    slots.give_back(1)
    assert await second.decided
    assert loop.time() == pytest.approx(5.5)
    assert slots.free == 0


@pytest.mark.looptime
async def test_a_kept_export_that_finds_no_slot_or_was_suspended_is_left_to_others() -> None:
    slots = Slots(1)
    slots.take(1)
    assert not await turn(slots, 5.0).decided
    slots.give_back(1)
    assert not await turn(slots, 5.0, longest_pause=-1.0).decided  # it is later than that
    declined = turn(slots, 5.0)
    declined.decline()
    await asyncio.sleep(6.0)
    assert not declined.has_slot
    assert slots.free == 1


@pytest.mark.looptime
async def test_slots_wake_the_queue_only_if_more_may_be_due() -> None:
    slots, woken = Slots(2, 0.5), list[float]()
    slots.wake = woken.append
    slots.take(2)
    slots.give_back(1)
    assert woken == []
    slots.has_backlog = True
    kept = turn(slots, 0.0)
    assert await kept.decided
    slots.give_back(2)
    assert woken == [0.5]
