"""A session with default settings follows the clock of a simulator, and of nothing else."""

from pathlib import Path

import pytest
from aiohttp import web

from aps_async import Session, Settings, StaticToken, TwoLegged, bim360, export_project, projects, wait_for_export
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.support import served


async def test_a_fast_simulator_delivers_to_a_default_session(tmp_path: Path) -> None:
    """The first example of the simulator's docstring; links live two seconds there."""
    behaviour = Behaviour(job_time=JobTime.fixed(20.0))
    async with Simulator(World.demo(sheets=12), speed=60, behaviour=behaviour) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url) as session:
            sheet = simulator.world.sheets[0]
            job = await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id)
            assert session.settings == Settings().scaled(60)
            path = await wait_for_export(session, job, tmp_path / "one.pdf")
            assert path is not None
            assert path.read_bytes().startswith(b"%PDF-")
            run = export_project(session, sheet.folder.project.id, tmp_path / "all")
            assert [outcome.error async for outcome in run] == [None] * 12


async def test_scaled_settings_stay_as_they_are() -> None:
    async with Simulator(World.demo(1), speed=60) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        numbers = Settings(max_attempts=3).scaled(30)
        async with Session(tokens, base_url=simulator.url, settings=numbers) as session:
            await projects.list_hubs(session)
            assert session.settings is numbers


@pytest.mark.parametrize("stated", ["", "0", "-60", "nan", "inf", "1e999", "fast", "1", "60, 60", "9" * 400])
async def test_a_speed_that_makes_no_sense_changes_nothing(stated: str) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"data": []}, headers={"X-Simulator-Speed": stated})

    async with served(answer) as url, Session(StaticToken("t"), base_url=url) as session:
        await projects.list_hubs(session)
        assert session.settings == Settings()


def test_only_an_address_on_this_machine_is_believed() -> None:
    for base, known in (
        ("https://developer.api.autodesk.com", True),
        ("https://10.0.0.1", True),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://[::1]:8080", False),
    ):
        assert Session(StaticToken("t"), base_url=base)._speed_is_known is known
