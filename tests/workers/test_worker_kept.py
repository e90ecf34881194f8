"""Exports that a worker keeps between two status calls: they cost no statements, and are not kept from others."""

import asyncio
import uuid
from pathlib import Path

import pytest
from pgqueuer.domain.models import Job

from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.workers import Database, Folder, RunStore, Worker, engine, listening
from aps_async.workers.listening import Listening, Patient, patient_queries
from aps_async.workers.slots import Slots
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
    monkeypatch.setattr(listening, "MOST_KEPT", 2)
    async with service(World.single_folder(12), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 12


def lane(database: Database) -> Patient:
    queries = patient_queries(Listening(database))
    queries.slots = Slots(1)
    return queries


def job(number: int) -> Job:
    return Job.model_construct(id=number)


@pytest.mark.looptime
async def test_a_kept_job_gets_a_slot_when_it_is_due_or_another_is_released() -> None:
    queries, loop = lane(Database("")), asyncio.get_running_loop()
    first, second = (asyncio.create_task(queries.keep(job(each), 5.0, queries.slots)) for each in (1, 2))
    assert await first is None
    assert loop.time() == pytest.approx(5.0)
    await asyncio.sleep(0.5)
    assert not second.done()
    queries.removed(job(1))
    assert await second is None
    assert loop.time() == pytest.approx(5.5)


@pytest.mark.looptime
async def test_a_kept_job_that_no_slot_or_a_suspended_process_delays_is_left_to_others() -> None:
    queries = lane(Database(""))
    assert await queries.keep(job(1), 5.0, queries.slots) is None
    assert await queries.keep(job(2), 5.0, queries.slots) == 0.0  # the first one has the slot
    queries.longest_pause = -1.0
    assert await queries.keep(job(1), 5.0, queries.slots) == 0.0
    queries.longest_pause = 5.0
    keeping = asyncio.create_task(queries.keep(job(1), 5.0, queries.slots))
    await asyncio.sleep(2.0)
    queries.release_kept()
    assert await keeping == pytest.approx(3.0)
    assert await queries.keep(job(1), 5.0, queries.slots) == 5.0  # and nothing is kept any more
