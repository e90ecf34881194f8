"""A session with default settings follows the clock of a simulator, and of nothing else."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import aps_async.simulator as simulator_package
from aps_async import Session, Settings, StaticToken, TwoLegged, export_many, export_project, wait_for_export
from aps_async.errors import ExportTimeoutError, InputError
from aps_async.exports.wait import export_states, poll_export
from aps_async.models import ExportJob, ExportRef
from aps_async.resources import bim360, projects
from aps_async.simulator import Behaviour, JobPolls, JobTime, Simulator, World
from tests.support import served, service, session_for

FirstCall = Callable[[Session, ExportRef | ExportJob, Path], Awaitable[object]]


def example() -> str:
    """The code of the simulator's docstring, as it is written there."""
    found = re.search(r"(?m)^ {4}.*\n(?:(?: {4}.*)?\n)*", simulator_package.__doc__ or "")
    assert found is not None
    return found[0]


async def test_the_example_of_the_docstring_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(f"async def example():\n{example()}\n    return session, simulator", names)  # noqa: S102 - our own text
    session, simulator = await names["example"]()
    assert session.settings == Settings().scaled(simulator.speed) != Settings()
    [pdf] = tmp_path.iterdir()
    assert pdf.suffix == ".pdf"
    assert pdf.read_bytes().startswith(b"%PDF-")


async def test_a_fast_simulator_delivers_to_a_default_session(tmp_path: Path) -> None:
    """Links live two seconds there."""
    behaviour = Behaviour(job_time=JobTime.fixed(20.0))
    async with Simulator(World.demo(sheets=12), speed=60, behaviour=behaviour) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url) as session:
            project = simulator.world.sheets[0].folder.project
            run = export_project(session, project.id, tmp_path)
            assert [outcome.error async for outcome in run] == [None] * 12


async def waited(session: Session, export: ExportRef | ExportJob, folder: Path) -> object:
    return await wait_for_export(session, export, folder / "a.pdf")


async def polled(session: Session, export: ExportRef | ExportJob, _: Path) -> object:
    return await poll_export(session, export)


async def watched(session: Session, export: ExportRef | ExportJob, _: Path) -> object:
    return [job async for job in export_states(session, export)]


async def run(session: Session, export: ExportRef | ExportJob, folder: Path) -> object:
    [outcome] = [outcome async for outcome in export_many(session, [export], folder)]
    if outcome.error is not None:
        raise outcome.error
    return outcome


FIRST_CALLS = [waited, polled, watched, run]


@pytest.mark.looptime
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("first_call", FIRST_CALLS)
async def test_a_wait_that_is_the_first_call_of_a_session_keeps_the_simulators_pace(
    first_call: FirstCall, with_state: bool, tmp_path: Path
) -> None:
    async with service(World.demo(1), speed=60, behaviour=Behaviour(job_time=JobPolls(20))) as simulator:
        sheet = simulator.world.sheets[0]
        async with session_for(simulator) as starter:
            job = await bim360.start_export(starter, sheet.folder.project.id, sheet.tip.id)
        async with session_for(simulator) as session:
            began = asyncio.get_running_loop().time()
            await first_call(session, job if with_state else job.ref, tmp_path)
            assert asyncio.get_running_loop().time() - began < 21 * 2.5 / 60, "20 polls, 2 s of the service apart"


@pytest.mark.looptime
@pytest.mark.parametrize("first_call", FIRST_CALLS)
async def test_a_wait_that_is_the_first_call_of_a_session_has_the_simulators_deadline(
    first_call: FirstCall, tmp_path: Path
) -> None:
    async with service(World.demo(1), speed=60, behaviour=Behaviour(job_time=JobPolls(10**9))) as simulator:
        sheet = simulator.world.sheets[0]
        async with session_for(simulator) as starter:
            job = await bim360.start_export(starter, sheet.folder.project.id, sheet.tip.id)
        async with session_for(simulator) as session:
            with pytest.raises(ExportTimeoutError, match="not done in 10 s"):
                await first_call(session, job.ref, tmp_path)


ADDRESSES = {
    "http://127.0.0.1:9": 20,
    "http://localhost:9": 20,
    "http://[::1]:9": 20,
    "https://developer.api.autodesk.com": 1,
    "https://10.0.0.1": 1,
}


@pytest.mark.parametrize(("base", "speed"), ADDRESSES.items())
def test_the_variable_counts_on_this_machine_only(base: str, speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APS_SPEED", " 20 ")
    session = Session(StaticToken("t"), base_url=base)
    assert session.settings == Settings().scaled(speed)
    given = Settings(max_attempts=3)
    assert Session(StaticToken("t"), base_url=base, settings=given).settings is given


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", "1e999", "2 0"])
def test_a_speed_in_the_environment_that_makes_no_sense_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APS_SPEED", text)
    with pytest.raises(InputError, match="APS_SPEED must be a number greater than 0"):
        Session(StaticToken("t"), base_url="http://127.0.0.1:9")
    assert Session(StaticToken("t"), base_url="https://developer.api.autodesk.com").settings == Settings()


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
        assert Session(StaticToken("t"), base_url=base).speed_is_known is known
