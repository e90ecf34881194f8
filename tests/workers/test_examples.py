"""The documented examples work. Those that are programs are copied into an empty project, and run there."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from saq.queue.postgres import PostgresQueue

from aps_async import ExportFailedError, ExportRequest, Session, Settings, TwoLegged, bim360, list_sheets
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.workers import Delivered, Folder
from tests.cli.support import clean_environment, simulation
from tests.examples import asyncio_worker, saq_worker
from tests.postgres import Postgres
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


EXAMPLES = Path(__file__).parents[1] / "examples"
ACTIVE = "SELECT count(*) FROM saq_jobs WHERE status = 'active'"
DAGSTER = "APS_TEST_DAGSTER_PYTHON"
"""The Python of an environment that has Dagster and the library's dependencies, and no extra."""


def copied(example: str, project: Path) -> Path:
    """A copy of an example in an empty project."""
    project.mkdir()
    return Path(shutil.copy(EXAMPLES / example, project))


async def enqueued(url: str) -> int:
    """Every sheet of the project, for SAQ."""
    queue = PostgresQueue.from_url(url, name="plans")
    await queue.connect()
    number = 0
    async with Session(TwoLegged.from_env()) as session:
        async for sheet in list_sheets(session, "Riverside Clinic"):
            await saq_worker.enqueue(queue, sheet.to_request())
            number += 1
    await queue.disconnect()
    return number


@pytest.mark.long
def test_saq_survives_a_kill_and_shares_the_quotas(
    url: str, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = copied("saq_worker.py", tmp_path / "project")
    plans, workers = tmp_path / "plans", list[subprocess.Popen[bytes]]()
    with simulation("--sheets", "30", "--speed", "30") as service:
        for name, value in service.env.items():
            monkeypatch.setenv(name, value)
        count = asyncio.run(enqueued(url))
        assert count == 30
        with (
            (tmp_path / "log").open("wb") as log,
            service.faults({"endpoint": "signed_get", "kind": "slow", "seconds": 90}),
        ):
            for _ in range(2):
                command = [sys.executable, program.name, url, str(plans)]
                workers.append(
                    subprocess.Popen(  # noqa: S603
                        command, cwd=program.parent, env=clean_environment(service.env), stdout=log, stderr=log
                    )
                )
            try:
                until(lambda: server.query(ACTIVE, url=url)[0]["count"] >= 12, 60, tmp_path / "log")
                workers[0].kill()
                service.control("faults", "DELETE")
                until(lambda: len(list(plans.glob("*.pdf"))) == count, 100, tmp_path / "log")
            finally:
                for each in workers:
                    each.terminate()
                    each.wait(30)
        starts = service.control("counts")["endpoints"]["export_start"]
    assert (starts["429"], starts["most_in_a_window"] <= 100) == (0, True)
    assert (
        server.query("SELECT count(*) FROM aps_quota WHERE endpoint = 'bim360.export_start'", url=url)[0]["count"] == 1
    )


def until(holds: Any, seconds: float, log: Path) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, log.read_text()[-4000:]
        time.sleep(0.2)


async def test_saq_tries_again_only_what_may_recover(url: str, tmp_path: Path) -> None:
    queue = PostgresQueue.from_url(url, name="plans", min_size=1, max_size=4)
    faults = [Fault(endpoint="export_start", kind="status", status=403, every=1)]
    async with service(World.single_folder(1), speed=60, behaviour=QUICK, faults=faults) as simulator:
        await queue.connect()
        await saq_worker.enqueue(queue, requests_of(simulator)[0])
        async with session_for(simulator, Settings().scaled(60)) as session:
            worker = saq_worker.worker(queue, session, Folder(tmp_path), concurrency=2, poll_interval=0.05)
            working = asyncio.create_task(worker.start())
            async with asyncio.timeout(25):
                while [each.status async for each in queue.iter_jobs()] != ["failed"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await worker.stop()
            await asyncio.wait({working}, timeout=5)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == 1
    await queue.disconnect()


def test_dagster_syncs_a_project(tmp_path: Path) -> None:
    python = os.environ.get(DAGSTER)
    if not python:
        pytest.skip(f"set {DAGSTER} to the Python of an environment with Dagster")
    program = copied("dagster_sync.py", tmp_path / "project")
    with simulation("--sheets", "6", "--speed", "60") as service:
        env = clean_environment(service.env) | {"PYTHONPATH": str(EXAMPLES.parents[1]), "DAGSTER_HOME": ""}

        def materialized() -> str:
            command = [python, program.name, "Riverside Clinic", "plans"]
            ran = subprocess.run(  # noqa: S603
                command, cwd=program.parent, env=env, capture_output=True, text=True, check=False, timeout=120
            )
            assert ran.returncode == 0, ran.stderr[-3000:]
            return ran.stdout

        assert "{'sheets': 7, 'left out': 1, 'new': 6}" in materialized()
        assert len(list((program.parent / "plans").rglob("*.pdf"))) == 6
        starts = service.control("counts")["endpoints"]["export_start"]["calls"]
        assert "{'sheets': 7, 'left out': 1, 'unchanged': 6}" in materialized()
        assert service.control("counts")["endpoints"]["export_start"]["calls"] == starts == 6
