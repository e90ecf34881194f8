"""A worker whose target fails: full, down for a while, or down from the beginning."""

import asyncio
import os
from pathlib import Path

import pytest

from aps_async.errors import TargetError
from aps_async.simulator import Fault, World
from aps_async.workers import (
    Database,
    Folder,
    RunStore,
    Worker,
    worker,
)
from aps_async.workers.presence import list_workers
from tests.support import service
from tests.workers.working import QUICK, SPEED, letters, run_of, whole_files, work, working_session


async def test_a_full_disk_is_waited_out(database: Database, tmp_path: Path) -> None:
    full = [True, True, True]

    class Full(Folder):
        async def put(self, file: Path, name: str) -> str:
            if full:
                full.pop()
                raise TargetError("cannot write: the disk is full", path=file)
            return await super().put(file, name)

    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session, asyncio.timeout(20):
            await Worker(session, database, Full(tmp_path)).run(until_done=True)
    assert full == []
    assert len(whole_files(tmp_path)) == 2
    assert await letters(database) == {}


class Dead(Folder):
    """A target that is down for a while: nothing can be written, and nobody knows why."""

    down = False
    checks = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.has_file, self.checked_often = asyncio.Event(), asyncio.Event()

    async def put(self, file: Path, name: str) -> str:
        self.has_file.set()
        if self.down:
            raise TargetError("the target does not respond", path=file)
        return await super().put(file, name)

    async def check(self) -> None:
        self.checks += 1
        if self.checks == 6:
            self.checked_often.set()
        if self.down:
            raise TargetError("the target does not respond")
        await super().check()


async def test_while_the_target_is_down_deliveries_wait_and_nothing_is_downloaded_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = Dead(tmp_path)
    async with service(World.single_folder(20), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session, asyncio.timeout(30):
            working = asyncio.create_task(Worker(session, database, target).run(until_done=True))
            await target.has_file.wait()
            target.down = True
            await target.checked_often.wait()
            [seen] = await list_workers(database)
            while seen.waits_for is None:  # the heartbeat that says so may still be on its way
                await asyncio.sleep(0.02)
                [seen] = await list_workers(database)
            assert seen.is_alive
            assert seen.waits_for == "deliveries wait for the target: the target does not respond"
            target.down = False
            await working
        downloads = simulator.counts()["endpoints"]["signed_get"]["calls"]
    assert downloads == 20
    assert len(whole_files(tmp_path)) == 20
    assert await letters(database) == {}
    assert caplog.text.count("files cannot be stored") == caplog.text.count("files can be stored again") == 1
    assert await list_workers(database) == []
    assert await database.value("SELECT max(turns) FROM aps_export") == 1


async def test_a_target_that_is_down_at_the_start_ends_the_worker(database: Database, tmp_path: Path) -> None:
    target = Dead(tmp_path)
    target.down = True
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            with pytest.raises(TargetError, match="does not respond"):
                await Worker(session, database, target).run(until_done=True)
        assert "export_start" not in simulator.counts()["endpoints"]
    assert (await RunStore(database).run(run.id)).waiting == 1


async def test_a_delivery_that_fails_in_a_living_worker_is_no_sign_of_its_death(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURNS", 2)
    fault = Fault(endpoint="signed_get", kind="status", status=500, times=30)
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 1


async def test_a_folder_whose_path_the_database_cannot_hold_is_refused_before_any_export(
    database: Database, tmp_path: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            with pytest.raises(TargetError, match="not valid Unicode"):
                await work(session, database, odd)
    assert (await RunStore(database).run(run.id)).waiting == 2
    assert simulator.counts()["endpoints"].get("export_start") is None
