"""Jobs that the service no longer has: after days without any worker, or in a database that was restored."""

import asyncio
from pathlib import Path

import pytest

from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.workers import Database, Folder, RunStore, Worker
from tests.support import service
from tests.workers.working import SPEED, letters, run_of, whole_files, work, working_session

HOURLY = Behaviour(job_time=JobTime.fixed(5), jobs_forgotten_after=3600)


async def pass_by(seconds: float, simulator: Simulator, database: Database) -> None:
    """All jobs were started that much earlier, for the service and for the database."""
    for job in simulator.jobs.by_id.values():
        job.started -= seconds
    await database.fetch("UPDATE aps_export SET started = started - make_interval(secs => $1)", seconds)


@pytest.mark.parametrize("age", [3600, 86400 * 3])
@pytest.mark.parametrize("polled", [False, True])
async def test_an_old_job_that_is_not_found_is_started_again(
    database: Database, tmp_path: Path, age: int, polled: bool
) -> None:
    async with service(World.single_folder(3), speed=SPEED, behaviour=HOURLY) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            one = Worker(session, database, Folder(tmp_path))
            exports = [row["id"] for row in await database.fetch("SELECT id FROM aps_export ORDER BY id")]
            for export in exports:
                await one.start(export)
            if polled:
                for job in simulator.jobs.by_id.values():
                    job.seconds = 3600.0  # on a busy machine, it would otherwise be done by now, and be delivered
                await one.fetch(exports[0])
            await pass_by(float(age), simulator, database)
            await work(session, database, tmp_path)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == 2 * len(exports)
    assert await letters(database) == {}
    assert len(whole_files(tmp_path)) == 3


async def test_a_job_that_is_never_found_becomes_a_dead_letter_which_can_be_tried_again(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(1), speed=SPEED, behaviour=HOURLY) as simulator:
        await run_of(simulator, database)
        simulator.add_fault(Fault(endpoint="export_status", status=404))
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
            assert [type(each).__name__ for each in (await letters(database)).values()] == ["NotFoundError"]
            assert simulator.counts()["endpoints"]["export_start"]["calls"] == 1
            simulator.clear_faults()
            assert await RunStore(database).retry() == 1
            await work(session, database, tmp_path)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == 2
    assert len(whole_files(tmp_path)) == 1


async def test_two_workers_start_a_forgotten_job_once(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(12), speed=SPEED, behaviour=HOURLY) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session, working_session(simulator, database) as other:
            one = Worker(session, database, Folder(tmp_path))
            for row in await database.fetch("SELECT id FROM aps_export ORDER BY id"):
                await one.start(row["id"])
            await pass_by(86400.0, simulator, database)
            await asyncio.gather(work(session, database, tmp_path), work(other, database, tmp_path))
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == 24
    assert await letters(database) == {}
    assert len(whole_files(tmp_path)) == 12
