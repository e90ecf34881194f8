"""The programs in the docstring of `export_stream`'s module, as they are written there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aps_async.exports import streaming
from aps_async.simulator import Behaviour, JobPolls, Simulator, World
from tests.docstrings import programs
from tests.exports.test_streaming import PDF_HEADERS, SIZE, WORLD, Client

FASTAPI, AIOHTTP = programs(streaming.__doc__)


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobPolls(2), quotas=False)) as running:
        monkeypatch.setenv("APS_BASE_URL", running.url)
        monkeypatch.setenv("APS_CLIENT_ID", running.client_id)
        monkeypatch.setenv("APS_CLIENT_SECRET", running.client_secret)
        monkeypatch.setenv("APS_WAITING", "off")
        yield running


def app_of(program: str) -> Any:
    names: dict[str, Any] = {"__name__": "mine"}
    exec(compile(program, "mine.py", "exec"), names)  # noqa: S102 - our own text
    return names["app"]


def query(simulator: Simulator, name: str) -> str:
    [sheet] = [each for each in simulator.world.sheets if each.name.startswith(name)]
    return urlencode({"project": sheet.folder.project.id, "version": sheet.tip.id})


async def until_quiet(simulator: Simulator) -> None:
    """Waits until polls have been seen and no more come."""
    before = -1
    async with asyncio.timeout(20):
        while (now := len([seen for seen in simulator.log if seen.endpoint == "export_status"])) != before or now == 0:
            before = now
            await asyncio.sleep(0.3)


async def test_fastapi(simulator: Simulator) -> None:
    app = app_of(FASTAPI)
    async with app.router.lifespan_context(app):
        client = Client(query=query(simulator, "large"))
        await client.get(app)
        assert (client.sent[0]["status"], client.headers, len(client.body)) == (200, PDF_HEADERS, SIZE)
        gone = Client("2.3", leaves_after=-1, query=query(simulator, "never"))
        async with asyncio.timeout(20):
            await gone.get(app)
        assert gone.sent[0]["status"] == 499
        await until_quiet(simulator)


async def test_aiohttp(simulator: Simulator) -> None:
    assert "handler_cancellation=True" in AIOHTTP
    runner = web.AppRunner(app_of(AIOHTTP), handler_cancellation=True)  # as `run_app` makes one
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/sheet")
    try:
        async with aiohttp.ClientSession() as client:
            async with client.get(address.with_query(query(simulator, "large"))) as response:
                assert {name: response.headers[name] for name in PDF_HEADERS} == PDF_HEADERS
                assert len(await response.read()) == SIZE
            with pytest.raises(TimeoutError):
                await client.get(
                    address.with_query(query(simulator, "never")), timeout=aiohttp.ClientTimeout(total=0.5)
                )
            await until_quiet(simulator)
    finally:
        await runner.cleanup()
