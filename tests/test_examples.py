"""The examples run unchanged."""

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import frozen

from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.cli.support import clean_environment, text_of

EXAMPLES = Path(__file__).with_name("examples")
WAYS = [{"number": "A-1"}, {"number": "A-2", "fails": True}, {"number": "A-3"}]
WORLD = {"hubs": [{"projects": [{"name": "Clinic", "folders": [{"name": "Plans", "items": WAYS}]}]}]}


def environment_of(simulator: Simulator) -> dict[str, str]:
    return {
        "APS_BASE_URL": simulator.url,
        "APS_CLIENT_ID": simulator.client_id,
        "APS_CLIENT_SECRET": simulator.client_secret,
    }


async def test_worker_tasks(tmp_path: Path) -> None:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(0.1))) as simulator:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(EXAMPLES / "worker_tasks.py"), "Clinic", str(tmp_path / "plans"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(environment_of(simulator)),
        )  # fmt: skip
        out, err = (each.decode().splitlines() for each in await process.communicate())
    assert process.returncode == 0, err
    assert sorted(out) == [str(tmp_path / "plans" / f"A-{n} - Sheet A-{n}.pdf") for n in (1, 3)]
    assert [text_of(Path(line)) != "" for line in out] == [True, True]
    assert [line.partition(":")[0] for line in err] == ["A-2 - Sheet A-2"]


@frozen
class Answer:
    """What the web service says."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


async def call(app: Any, method: str, path: str, **query: str) -> Answer:
    """One request, as a server hands it to an ASGI application."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": urlencode(query).encode(), "headers": [], "scheme": "http",
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not asked:
            await asyncio.Event().wait()  # a client that stays
        return asked.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))


def web_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module, made anew as a starting server would."""
    monkeypatch.setenv("EXPORTS", str(folder))
    spec = importlib.util.spec_from_file_location("web_service", EXAMPLES / "web_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The application between its start and its end."""
    app = web_service(folder, monkeypatch).app
    async with app.router.lifespan_context(app):
        yield app


async def until_done(app: Any, export_id: str) -> Answer:
    while True:
        answer = await call(app, "GET", f"/exports/{export_id}")
        if answer.status != 202:
            return answer
        await asyncio.sleep(1)


@pytest.mark.looptime
async def test_web_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(20))) as simulator:
        for name, value in environment_of(simulator).items():
            monkeypatch.setenv(name, value)
        project = simulator.world.hubs[0].projects[0].id
        first, failing, last = (sheet.tip.id for sheet in simulator.world.sheets)
        async with serving(tmp_path, monkeypatch) as app:
            started = await call(app, "POST", "/exports", project=project, version=first)
            assert started.status == 202
            done = await until_done(app, started.json["id"])
            assert (done.status, done.body[:5]) == (200, b"%PDF-")
            refused = await call(app, "POST", "/exports", project=project, version="no urn at all")
            assert refused.status == 502
            wrong = await call(app, "POST", "/exports", project=project, version=failing)
            told = await until_done(app, wrong.json["id"])
            assert told.status == 502
            assert "failed" in told.json["detail"]
            assert (await call(app, "GET", "/exports/..%2Fetc")).status == 404
            stopped = await call(app, "POST", "/exports", project=project, version=last)
            assert (await call(app, "GET", f"/exports/{stopped.json['id']}")).status == 202
        assert not list(tmp_path.glob(".*.part"))
        starts = simulator.counts()["endpoints"]["export_start"]["calls"]
        async with serving(tmp_path, monkeypatch) as app:
            again = await until_done(app, stopped.json["id"])
            assert (again.status, again.body[:5]) == (200, b"%PDF-")
            assert (await until_done(app, started.json["id"])).body == done.body
        assert simulator.counts()["endpoints"]["export_start"]["calls"] == starts, "nothing was started twice"


async def test_prometheus_metrics(tmp_path: Path) -> None:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(0.1))) as simulator:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(EXAMPLES / "prometheus_metrics.py"), "Clinic", str(tmp_path / "plans"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment({**environment_of(simulator), "METRICS_PORT": "0"}),
        )  # fmt: skip
        out, err = (each.decode() for each in await process.communicate())
    assert process.returncode == 1, err  # one of the three sheets fails
    samples = {}
    for line in out.splitlines():
        found = re.fullmatch(r"# (?:HELP|TYPE) \w+ .+|(\w+(?:\{(?:\w+=\"[^\"\\]*\",?)+\})?) ([0-9.e+-]+)", line)
        assert found, line
        if found[1]:
            samples[found[1]] = float(found[2])
    assert samples['aps_exports_total{kind="bim360",error=""}'] == 2
    assert samples['aps_exports_total{kind="bim360",error="ExportFailedError"}'] == 1
    assert samples['aps_requests_total{endpoint="storage",status="200"}'] == 2
    files = sum(path.stat().st_size for path in (tmp_path / "plans").glob("*.pdf"))
    assert samples["aps_received_bytes_total"] == files
