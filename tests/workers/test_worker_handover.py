"""What a worker holds goes to others when it stops, freezes, or loses the database."""

import asyncio
from pathlib import Path

import pytest

from aps_async.simulator import World
from aps_async.workers import (
    Database,
    Folder,
    RunStore,
    Worker,
    engine,
    worker,
)
from tests.postgres import Postgres
from tests.support import service
from tests.workers.working import (
    QUICK,
    SPEED,
    fetched,
    run_of,
    under_way,
    whole_files,
    work,
    working_session,
    working_through,
)


async def test_a_worker_that_stops_hands_over_at_once_and_another_ends_the_run(
    database: Database, url: str, tmp_path: Path
) -> None:
    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        stop = asyncio.Event()
        async with working_session(simulator, database, budgets={"bim360.export_start": 5}) as session:
            first = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
            await under_way(simulator)
            stop.set()
            async with asyncio.timeout(20):
                await first
        assert await database.value("SELECT count(*) FROM aps_pgqueuer WHERE status <> 'queued'") == 0
        before = len(whole_files(tmp_path))
        assert before < 30
        async with Database(url, patience=None) as other, working_session(simulator, other) as session:
            await work(session, other, tmp_path)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] <= 30 + worker.STARTS
    assert len(whole_files(tmp_path)) == 30


async def test_a_worker_that_is_cancelled_does_the_same(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(20), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database, budgets={"bim360.export_start": 10}) as session:
            first = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run())
            await under_way(simulator)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        assert await database.value("SELECT count(*) FROM aps_pgqueuer WHERE status <> 'queued'") == 0
        whole_files(tmp_path)


async def test_the_database_restarts_in_the_middle_and_everything_comes(
    url: str, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HEARTBEAT", 3.0)
    async with working_through(url, tmp_path):
        await asyncio.to_thread(server.restart)


async def test_a_frozen_workers_delivery_is_not_put_after_another_took_its_turn(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            faster = Worker(session, database, Folder(tmp_path))

            class Frozen(Folder):
                async def stage(self, stem: str) -> Path:
                    await fetched(faster, export)
                    return await super().stage(stem)

            slower = Worker(session, database, Frozen(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            await slower.start(export)
            await fetched(slower, export)
    [file] = [tmp_path / each for each in whole_files(tmp_path)]
    [record] = [each async for each in RunStore(database).records()]
    assert record.finished is not None
    assert file.stat().st_mtime <= record.finished.timestamp()
    assert await database.value("SELECT turns FROM aps_export") == 2
