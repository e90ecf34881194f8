"""What a worker process shows over HTTP: metrics that a strict reader accepts, and whether it can deliver."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from aps_async import InputError, Settings
from aps_async.errors import DatabaseError, TargetError
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.workers import Database, Folder, RunStore, SharedQuotas, Worker
from aps_async.workers import presence as presence_module
from aps_async.workers.metrics import Metric, render
from aps_async.workers.monitor import Monitor
from aps_async.workers.owners import Owner
from tests.postgres import Postgres
from tests.support import service, session_for
from tests.workers.working import requests_of

SPEED = 60.0
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} (\S+)\Z")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_SUFFIXES = {"gauge": {""}, "counter": {""}, "summary": {"_sum", "_count"}}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """The samples of a page in Prometheus's text format; anything that is not quite right raises."""
    found: Samples = {}
    name = kind = ""
    seen: set[str] = set()
    assert text.endswith("\n")
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            _, typed, named, kind = next(lines).split(" ")
            assert (typed, named, bool(words)) == ("TYPE", name, True)
            assert name not in seen
            assert name.endswith("_total") == (kind == "counter")
            seen.add(name)
            continue
        sample = _SAMPLE.match(line)
        assert sample, line
        assert sample[1].removeprefix(name) in _SUFFIXES[kind], line
        at, labels = 0, {}
        while at < len(sample[2]):
            label = _LABEL.match(sample[2], at)
            assert label, line
            labels[label[1]] = re.sub(r"\\.", lambda found: _ESCAPED[found[0]], label[2])
            at = label.end()
        key = sample[1], frozenset(labels.items())
        assert key not in found, line
        found[key] = float(sample[3])
    return found


@frozen
class Page:
    """What one process shows."""

    http: aiohttp.ClientSession
    url: str

    async def samples(self) -> Samples:
        async with self.http.get(f"{self.url}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return parse(await response.text())

    async def value(self, name: str, **labels: str) -> float:
        """The only sample with these labels, and perhaps others."""
        wanted = set(labels.items())
        [found] = [value for (each, has), value in (await self.samples()).items() if each == name and wanted <= has]
        return found

    async def ready(self) -> tuple[int, list[str]]:
        async with self.http.get(f"{self.url}/readyz") as response:
            return response.status, (await response.json())["problems"]

    async def is_healthy(self) -> bool:
        async with self.http.get(f"{self.url}/healthz") as response:
            return response.status == 200


@asynccontextmanager
async def monitored(
    simulator: Simulator, database: Database, folder: Folder
) -> AsyncIterator[tuple[Worker, Page, Monitor]]:
    quotas = SharedQuotas(database)
    async with session_for(simulator, Settings().scaled(SPEED), quotas=quotas) as session:
        worker = Worker(session, database, folder)
        monitor = Monitor(database, quotas, [worker])
        async with monitor.listening("127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
            yield worker, Page(http, f"http://127.0.0.1:{port}"), monitor
    await quotas.close()


async def test_the_client_library_of_prometheus_reads_the_page_as_the_reader_here_does(
    database: Database, tmp_path: Path
) -> None:
    behaviour = Behaviour(job_time=JobTime.fixed(5))
    async with service(World.single_folder(3), speed=SPEED, behaviour=behaviour) as simulator:
        await RunStore(database).enqueue(requests_of(simulator), 'odd "name" \\n', owner=Owner(simulator.client_id))
        async with monitored(simulator, database, Target(tmp_path)) as (worker, page, _):
            async with asyncio.timeout(30):
                await worker.run(until_done=True)
            async with page.http.get(f"{page.url}/metrics") as response:
                text = await response.text()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type in _SUFFIXES
        assert family.documentation
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    assert found == parse(text)
    assert len(found) > 20


class Target(Folder):
    """A target that can be down."""

    down = False

    async def check(self) -> None:
        if self.down:
            raise TargetError("the share is offline")
        await super().check()

    async def put(self, file: Path, name: str) -> str:
        await self.check()
        return await super().put(file, name)


async def test_the_metrics_of_a_run_add_up(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aps_async.workers.monitor._LIFETIME", -1.0)
    faults = [
        Fault(endpoint="export_status", kind="status", status=429, nth=(2,)),
        Fault(endpoint="export_start", kind="status", status=404, nth=(1,)),
    ]
    behaviour = Behaviour(job_time=JobTime.fixed(5))
    async with service(World.single_folder(6), speed=SPEED, behaviour=behaviour, faults=faults) as simulator:
        owner, store = Owner(simulator.client_id), RunStore(database)
        run = await store.enqueue(requests_of(simulator), 'odd "name" \\n', owner=owner)
        other = await store.enqueue(requests_of(simulator)[:2], "other", owner=Owner("other-app"))
        async with monitored(simulator, database, Target(tmp_path)) as (worker, page, _):
            assert await page.value("aps_async_exports", run=str(run.id), state="pending") == 6
            async with asyncio.timeout(30):
                await worker.run(until_done=True)
            samples = await page.samples()
            one = {"run": str(run.id), "name": run.name, "client_id": simulator.client_id}
            states = {"pending": 0, "running": 0, "done": 5, "failed": 1, "cancelled": 0}
            for state, count in states.items():
                assert samples["aps_async_exports", frozenset({**one, "state": state}.items())] == count
            assert await page.value("aps_async_exports", run=str(other.id), client_id="other-app", state="pending") == 2
            assert await page.value("aps_async_outcomes_total", outcome="delivered") == 5
            assert await page.value("aps_async_outcomes_total", outcome="failed") == 1
            assert await page.value("aps_async_rate_limited_total", endpoint="bim360.export_status") == 1
            assert await page.value("aps_async_quota_limit", endpoint="bim360.export_start") == 100
            assert await page.value("aps_async_quota_used", endpoint="bim360.export_start") <= 6 + 2  # reserved ahead
            assert await page.value("aps_async_export_seconds_count", run=str(run.id), state="running") == 5
            assert await page.value("aps_async_export_seconds_sum", run=str(run.id), state="running") > 0
            assert await page.value("aps_async_delivered_bytes", run=str(run.id)) == (await store.run(run.id)).size
            assert await page.value("aps_async_database_up") == 1


async def test_readiness_is_accurate_under_each_fault(
    database: Database, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aps_async.workers.monitor._LIFETIME", -1.0)
    monkeypatch.setattr("aps_async.workers.monitor._PATIENCE", 0.2)
    monkeypatch.setattr("aps_async.workers.metrics._PATIENCE", 0.2)
    monkeypatch.setattr(presence_module, "BEAT", 0.1)
    target = Target(tmp_path)
    stop = asyncio.Event()
    async with (
        service(World.single_folder(1), speed=SPEED) as simulator,
        monitored(simulator, database, target) as (worker, page, _),
        asyncio.timeout(60),
    ):
        assert await page.ready() == (503, ["worker for any client id: it is not running"])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run(stop=stop))
            await until(page)
            assert await seen(page, "aps_async_worker_heartbeat_age_seconds") < 5
            target.down = True
            await RunStore(database).enqueue(requests_of(simulator), "Clinic")
            await until(page, "deliveries wait for the target: the share is offline")
            assert await page.value("aps_async_target_up") == 0
            target.down = False
            await until(page)
            await asyncio.to_thread(server.stop)
            try:
                await until(page, "the database is unavailable")
                assert await page.value("aps_async_database_up") == 0
                assert await page.is_healthy()
            finally:
                await asyncio.to_thread(server.start)
            await until(page)
            stop.set()
        assert (await page.ready())[0] == 503


async def test_a_database_that_is_closed_ends_its_worker_with_one_error(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(World.single_folder(2), speed=SPEED) as simulator, asyncio.timeout(60):
        async with (
            Database(url, patience=None) as database,
            monitored(simulator, database, Target(tmp_path)) as (worker, page, _),
        ):
            working = asyncio.create_task(worker.run())
            await until(page)
            await RunStore(database).enqueue(requests_of(simulator), "Clinic")
        with pytest.raises(DatabaseError, match="is not open: use it inside 'async with'"):
            await working
    assert "AttributeError" not in caplog.text


async def until(page: Page, *expected: str) -> None:
    """Waits until these are the only reasons why the process is not ready.

    On a busy machine the database may seem to be unavailable in between.
    """
    while True:
        status, problems = await page.ready()
        assert status == (503 if problems else 200)
        if [re.sub(r"^worker for [^:]+: ", "", each) for each in problems] == list(expected):
            return
        await asyncio.sleep(0.05)


async def seen(page: Page, name: str) -> float:
    """The only sample with this name, once the database has returned it in time."""
    while True:
        found = [value for (each, _), value in (await page.samples()).items() if each == name]
        if found:
            return found[0]
        await asyncio.sleep(0.05)


async def test_an_address_that_is_taken_is_reported(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot be served on 127.0.0.1:{port}"):
            async with Monitor(database, SharedQuotas(database), []).listening("127.0.0.1", port):
                pass


@pytest.mark.parametrize("text", ["plain", 'quoted "x"', "back\\slash", "line\nbreak", "\\n", "Ä 図"])
def test_any_text_survives_as_a_label(text: str) -> None:
    page = render([Metric("a_total", "counter", "Help.", [("", {"name": text}, 1.0)])])
    assert parse(page) == {("a_total", frozenset({("name", text)})): 1.0}
