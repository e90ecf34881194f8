"""Status calls of a worker: pending and hung ones hold no slot."""

import asyncio
from pathlib import Path

from aps_async import (
    Settings,
)
from aps_async.simulator import Behaviour, Fault, JobTime, World
from aps_async.workers import (
    Database,
    Folder,
    RunStore,
    Worker,
)
from tests.support import service, session_for
from tests.workers.working import QUICK, SPEED, fetched, run_of, whole_files, work, working_session


async def test_pending_exports_hold_no_slot(database: Database, tmp_path: Path) -> None:
    """40 jobs of 60 s with 2 slots: one after the other in slots would take 1,200 s of the service."""
    behaviour = Behaviour(job_time=JobTime.fixed(60))
    async with service(World.single_folder(40), speed=SPEED, behaviour=behaviour) as simulator:
        await run_of(simulator, database)
        began = asyncio.get_running_loop().time()
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path, max_concurrent_downloads=2)
        took = (asyncio.get_running_loop().time() - began) * SPEED
        assert simulator.counts()["expired_urls_opened"] == 0
    assert len(whole_files(tmp_path)) == 40
    assert took < 1200


async def test_a_hung_poll_holds_no_slot_and_its_late_answer_counts(database: Database, tmp_path: Path) -> None:
    """Both slots meet polls that take 8 s here; the other exports do not wait for them."""
    hang = Fault(endpoint="export_status", kind="hang", nth=(1, 2, 3), seconds=8.0 * SPEED)
    ended: list[float] = []
    async with service(World.single_folder(9), speed=SPEED, behaviour=QUICK, faults=[hang]) as simulator:
        await run_of(simulator, database)
        async with working_session(
            simulator, database, call_timeout=60 * SPEED, request_timeout=60 * SPEED, poll_interval=6
        ) as session:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await work(
                session,
                database,
                tmp_path,
                max_concurrent_downloads=2,
                on_outcome=lambda *_: ended.append(loop.time() - began),
            )
        polls = simulator.counts()["endpoints"]["export_status"]["calls"]
    assert len(whole_files(tmp_path)) == 9
    assert ended[5] < 8.0 <= ended[6]
    records = [each async for each in RunStore(database).records()]
    assert polls <= sum(each.outcome.polls for each in records)  # none was asked again for want of patience


async def test_a_poll_that_never_ends_costs_little(database: Database, tmp_path: Path) -> None:
    """Its slot for one interval, and its export for the time limit of a call, after which it is asked about at once."""
    hang = Fault(endpoint="export_status", kind="hang", nth=(1,))
    speed, behaviour = 10.0, Behaviour(job_time=JobTime.fixed(0))
    async with service(World.single_folder(1), speed=speed, behaviour=behaviour, faults=[hang]) as simulator:
        await run_of(simulator, database)
        async with session_for(simulator, Settings(poll_jitter=0).scaled(speed)) as session:
            one = Worker(session, database, Folder(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            await one.start(export)
            *during, after = await fetched(one, export)
    assert set(during) == {0.2}
    assert len(during) <= 5
    assert after == 0
    assert len(whole_files(tmp_path)) == 1
