"""A worker with the simulator: everything is delivered, in order, despite faults and other runs."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from aps_async.simulator import Fault, World
from aps_async.workers import (
    Database,
    Entry,
    Folder,
    RunStore,
    Worker,
    engine,
    worker,
)
from tests.support import service
from tests.workers.working import (
    QUICK,
    SPEED,
    fetched,
    letters,
    requests_of,
    run_of,
    whole_files,
    work,
    working_session,
)


async def test_everything_is_delivered_verified_and_recorded(database: Database, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def tell(entry: Entry, file: Any, problem: Any) -> None:
        assert problem is None
        told.append((entry.name, file.size))

    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path, on_outcome=tell)
        counts = simulator.counts()
    assert (await RunStore(database).run(run.id)).done == 30
    records = [each async for each in RunStore(database).records(run.id)]
    assert sorted(told) == sorted((each.name, each.outcome.size) for each in records)
    for each in records:
        assert each.outcome.path is not None
        body = each.outcome.path.read_bytes()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (each.outcome.size, each.sha256)
        assert each.outcome.path == tmp_path / "Clinic" / f"{each.name}.pdf"
        assert each.outcome.polls >= 1
    assert len(whole_files(tmp_path)) == 30
    assert counts["endpoints"]["export_start"]["calls"] == 30
    assert counts["expired_urls_opened"] == 0
    assert await database.value("SELECT count(*) FROM aps_pgqueuer") == 0


async def test_faults_of_every_kind_cost_time_and_nothing_else(database: Database, tmp_path: Path) -> None:
    faults = [
        *(Fault(kind="status", status=status, probability=0.04) for status in (500, 502, 504)),
        Fault(kind="status", status=503, retry_after=2, probability=0.02),
        Fault(kind="html", status=502, probability=0.02),
        Fault(kind="reset", probability=0.03),
        Fault(kind="reset_body", probability=0.02),
        Fault(kind="truncate", probability=0.02),
        Fault(endpoint="signed_get", kind="expired", probability=0.1),
    ]
    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK, faults=faults) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        assert sum(each["faults"] for each in simulator.counts()["endpoints"].values()) > 10
    assert len(whole_files(tmp_path)) == 30
    assert await letters(database) == {}


async def test_a_run_with_a_higher_priority_goes_first(database: Database, tmp_path: Path) -> None:
    order: list[str] = []
    async with service(World.single_folder(24), speed=SPEED, behaviour=QUICK) as simulator:
        requests = requests_of(simulator)
        await RunStore(database).enqueue(requests[:16], "usual")
        await RunStore(database).enqueue(requests[16:], "urgent", priority=10)
        async with working_session(simulator, database, budgets={"bim360.export_start": 100}) as session:
            await work(session, database, tmp_path, on_outcome=lambda entry, *_: order.append(entry.folder))
        started = [seen.path for seen in simulator.log if seen.endpoint == "export_start"]
    assert len(order) == 24
    urgent = {request.source_ids[0].rpartition("vf.")[2].split("?")[0] for request in requests[16:]}
    last = max(at for at, path in enumerate(started) if any(each in path for each in urgent))
    assert last < 8 + worker.STARTS  # those under way at once may overtake each other


async def test_nothing_is_started_while_too_much_is_pending(database: Database, tmp_path: Path) -> None:
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, sum((await RunStore(database).pending()).values()))
            await asyncio.sleep(0.02)

    async with service(World.single_folder(40), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        watching = asyncio.create_task(watch())
        async with working_session(simulator, database, max_pending_exports=5) as session:
            await work(session, database, tmp_path)
        watching.cancel()
    assert len(whole_files(tmp_path)) == 40
    assert most <= 5 + worker.STARTS  # what was in hand when it was counted goes on


async def test_a_cancelled_run_stops_and_a_download_under_way_is_not_put(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(6), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        store = RunStore(database)
        async with working_session(simulator, database) as session:

            class Slow(Folder):
                async def stage(self, stem: str) -> Path:
                    await store.cancel(run.id)
                    return await super().stage(stem)

            async with asyncio.timeout(20):
                await Worker(session, database, Slow(tmp_path)).run(until_done=True)
    after = await store.run(run.id)
    assert (after.done, after.dropped) == (0, 6)
    assert whole_files(tmp_path) == []


async def test_steps_that_are_repeated_do_nothing_more(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            one = Worker(session, database, Folder(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            assert await one.fetch(export) is None  # not started yet
            assert isinstance(await one.start(export), engine.Kept)
            assert await one.start(export) is None
            assert await one.start(export + 1) is None
            await fetched(one, export)
            assert await one.fetch(export) is None
        told = simulator.counts()["endpoints"]
    assert (told["export_start"]["calls"], told["signed_get"]["calls"]) == (1, 1)
    assert len(whole_files(tmp_path)) == 1


async def test_a_lane_that_is_idle_asks_little(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "IDLE", 0.5)
    asked = 0
    fetch = database.pool.fetch

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(pool, name)

        async def fetch(self, *words: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            return await fetch(*words, **options)

    pool = database._pool
    async with (
        service(World.single_folder(1), speed=SPEED) as simulator,
        working_session(simulator, database) as session,
    ):
        database._pool = Counting()
        stop = asyncio.Event()
        working = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
        await asyncio.sleep(1.0)
        before = asked
        await asyncio.sleep(2.0)
        meanwhile = asked - before
        stop.set()
        await working
        database._pool = pool
    assert meanwhile <= 2 * 5  # two lanes, five looks
