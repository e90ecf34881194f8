"""What the tests of workers share: a worker with the simulator, and its results."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aps_async import (
    ExportRequest,
    Session,
    Settings,
    bim360,
)
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.workers import (
    Database,
    Folder,
    RunStatus,
    RunStore,
    SharedQuotas,
    Worker,
    engine,
)
from tests.support import service, session_for

SPEED = 60.0
QUICK = Behaviour(job_time=JobTime.fixed(5))


def requests_of(simulator: Simulator) -> list[ExportRequest]:
    project = simulator.world.hubs[0].projects[0]
    return [bim360.make_request(project.id, sheet.tip.id, name=sheet.name) for sheet in simulator.world.sheets]


@asynccontextmanager
async def working_session(simulator: Simulator, database: Database, **changes: Any) -> AsyncIterator[Session]:
    quotas = SharedQuotas(database)
    settings = Settings(**changes).scaled(SPEED)
    async with session_for(simulator, settings, quotas=quotas) as session:
        yield session
    await quotas.close()


async def work(session: Session, database: Database, folder: Path, seconds: float = 30.0, **options: Any) -> None:
    """Until everything is done."""
    async with asyncio.timeout(seconds):
        await Worker(session, database, Folder(folder), **options).run(until_done=True)


@asynccontextmanager
async def working_through(url: str, folder: Path) -> AsyncIterator[asyncio.Task[None]]:
    """A worker in the middle of 60 exports, for what a database does meanwhile; after the block, all are delivered."""
    async with (
        Database(url, patience=None) as database,
        service(World.single_folder(60), speed=SPEED, behaviour=QUICK) as simulator,
    ):
        await RunStore.opened(database)
        run = await run_of(simulator, database)
        async with working_session(simulator, database, budgets={"bim360.export_start": 30}) as session:
            working = asyncio.create_task(work(session, database, folder))
            await under_way(simulator)
            yield working
            await working
        assert (await RunStore(database).run(run.id)).done == 60
    assert len(whole_files(folder)) == 60


async def letters(database: Database) -> dict[str, Exception | None]:
    return {each.name: each.outcome.error async for each in RunStore(database).records(states=["failed"])}


def whole_files(folder: Path) -> list[str]:
    for left in (folder / ".aps-async").iterdir():
        raise AssertionError(left)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pdf"))


async def run_of(simulator: Simulator, database: Database, **options: Any) -> RunStatus:
    return await RunStore(database).enqueue(requests_of(simulator), "Clinic", **options)


async def under_way(simulator: Simulator) -> None:
    """Waits until some exports have begun, whatever the machine is busy with; the quota keeps the others back."""
    while simulator.counts()["endpoints"].get("export_start", {"calls": 0})["calls"] < 3:  # noqa: ASYNC110 - it counts, it does not signal
        await asyncio.sleep(0.02)


async def fetched(one: Worker, export: int) -> list[float]:
    """Calls the step again, as the lane does, until it has ended; returns the delays."""
    delays: list[float] = []
    first = partial(one.fetch, export)
    then = await first()
    while isinstance(then, float | engine.Kept):
        again, delay = (then.again, then.delay) if isinstance(then, engine.Kept) else (first, then)
        delays.append(delay)
        await asyncio.sleep(delay)
        then = await again()
    return delays
