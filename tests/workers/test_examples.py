"""The documented examples work."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from saq.queue.postgres import PostgresQueue

from aps_async import ExportFailedError, ExportRequest, Settings, bim360
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.workers import Delivered, Folder
from tests.examples import asyncio_worker, saq_worker
from tests.support import service, session_for

QUICK = Behaviour(job_time=JobTime.fixed(10))
FAULTS = [Fault(kind="status", status=500, every=9), Fault(endpoint="signed_get", kind="truncate", every=5)]


def requests_of(simulator: Simulator) -> list[ExportRequest]:
    project = simulator.world.hubs[0].projects[0]
    return [bim360.make_request(project.id, sheet.tip.id, name=sheet.name) for sheet in simulator.world.sheets]


@pytest.mark.looptime
async def test_a_queue_of_ones_own_brings_everything_through_faults(tmp_path: Path) -> None:
    async with service(World.single_folder(20), behaviour=QUICK, faults=FAULTS) as simulator:
        async with session_for(simulator) as session:
            run = asyncio_worker.export_all(session, requests_of(simulator), Folder(tmp_path), workers=3)
            async with aclosing(run) as results:
                found: dict[str, Any] = {str(request.name): result async for request, result in results}
        assert simulator.counts()["expired_urls_opened"] == 0
    assert all(isinstance(each, Delivered) for each in found.values())
    assert sorted(path.stem for path in tmp_path.glob("*.pdf")) == sorted(found)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.looptime
async def test_in_a_queue_of_ones_own_a_failure_is_a_result_like_any_other(tmp_path: Path) -> None:
    world = World.from_json(
        {"hubs": [{"name": "H", "projects": [{"name": "P", "folders": [{"name": "Plans", "items": [
            {"number": "good"}, {"number": "bad", "fails": True}]}]}]}]}
    )  # fmt: skip
    async with service(world, behaviour=QUICK) as simulator, session_for(simulator) as session:
        run = asyncio_worker.export_all(session, requests_of(simulator), Folder(tmp_path))
        found = {str(request.name)[:4].strip(): type(result) async for request, result in run}
    assert found == {"good": Delivered, "bad": ExportFailedError}


async def test_saq_brings_everything_over_the_same_postgresql(url: str, tmp_path: Path) -> None:
    queue = PostgresQueue.from_url(url, name="plans", min_size=1, max_size=4)
    async with service(World.single_folder(12), speed=60, behaviour=QUICK) as simulator:
        await queue.connect()
        requests = requests_of(simulator)
        for request in requests:
            await saq_worker.enqueue(queue, request)
        async with session_for(simulator, Settings().scaled(60)) as session:
            worker = saq_worker.worker(
                queue, session, Folder(tmp_path), concurrency=4, poll_interval=0.05, timers={"schedule": 1}
            )
            working = asyncio.create_task(worker.start())
            async with asyncio.timeout(25):
                while len(list(tmp_path.glob("*.pdf"))) < len(requests):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await asyncio.sleep(0.3)
            await worker.stop()
            await asyncio.wait({working}, timeout=5)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == len(requests)
    await queue.disconnect()
    assert sorted(path.stem for path in tmp_path.glob("*.pdf")) == sorted(str(each.name) for each in requests)
