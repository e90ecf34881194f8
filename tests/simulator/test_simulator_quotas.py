"""Published budgets."""

import asyncio

import pytest

from aps_async.simulator import Behaviour, World
from tests.simulator.conftest import Answer, Client, Serve

HUBS = "/project/v1/hubs"


async def burst(client: Client, number: int, path: str = HUBS) -> tuple[int, Answer]:
    answers = [await client.get(path) for _ in range(number)]
    return [answer.status for answer in answers].count(200), answers[-1]


@pytest.mark.looptime
async def test_fixed_windows_begin_with_the_simulator(serve: Serve) -> None:
    async with serve(virtual=True) as client:
        await asyncio.sleep(40)
        accepted, last = await burst(client, 53)
        assert accepted == 50
        assert last.status == 429
        assert last.headers["Retry-After"] == "20"
        assert last.headers["Server"] == "Apigee Router"
        assert last.body == b'{"developerMessage":"Quota limit exceeded."}'
        await asyncio.sleep(20)
        assert (await burst(client, 53))[0] == 50
        hubs = client.simulator.counts()["endpoints"]["hubs"]
        assert (hubs["calls"], hubs["429"], hubs["statuses"]) == (106, 6, {"200": 100, "429": 6})
        assert hubs["most_in_a_window"] == 100  # both bursts lie within a minute


@pytest.mark.looptime
async def test_phase_speed_and_rounding_up(serve: Serve) -> None:
    async with serve(virtual=True, speed=20, behaviour=Behaviour(quota_phase=30)) as client:
        assert (await burst(client, 51))[1].headers["Retry-After"] == "2"  # 1.5 s
        await asyncio.sleep(1.5)
        assert (await burst(client, 51))[0] == 50
        await asyncio.sleep(3)
        assert (await burst(client, 51))[0] == 50


@pytest.mark.looptime
async def test_rolling_window(serve: Serve) -> None:
    async with serve(virtual=True, behaviour=Behaviour(quota_window="rolling")) as client:
        await burst(client, 30)
        await asyncio.sleep(30)
        accepted, last = await burst(client, 21)
        assert (accepted, last.headers["Retry-After"]) == (20, "30")
        await asyncio.sleep(30)
        assert (await burst(client, 31))[0] == 30
        assert client.simulator.counts()["endpoints"]["hubs"]["most_in_a_window"] == 50


@pytest.mark.looptime
async def test_budgets_are_per_client_and_endpoint(serve: Serve) -> None:
    apps = [{"id": "one", "secret": "s"}, {"id": "two", "secret": "s"}]
    world = World.from_json({"apps": apps, "hubs": [{"name": "H"}]})
    behaviour = Behaviour(quota_overrides={"hubs": 3, "token": 2})
    async with serve(world, virtual=True, behaviour=behaviour) as client:
        assert (await burst(client, 5))[0] == 3
        assert (await client.get(f"{HUBS}/{world.hubs[0].id}")).status == 200
        assert [(await client.token()).status for _ in range(2)] == [200, 429]
        await client.login(client_id="two", client_secret="s")
        assert (await burst(client, 5))[0] == 3


@pytest.mark.looptime
async def test_switches(serve: Serve) -> None:
    async with serve(virtual=True, behaviour=Behaviour(retry_after_on_429=False)) as client:
        assert "Retry-After" not in (await burst(client, 51))[1].headers
    async with serve(virtual=True, behaviour=Behaviour(quotas=False)) as client:
        assert (await burst(client, 60))[0] == 60
        assert client.simulator.counts()["endpoints"]["hubs"]["most_in_a_window"] == 60


@pytest.mark.looptime
async def test_published_numbers_of_the_export_endpoints(serve: Serve) -> None:
    async with serve(virtual=True) as client:
        starts = [await client.start() for _ in range(101)]
        assert [answer.status for answer in starts].count(202) == 100
        path = f"{client.exports()}/{starts[0].json['id']}"
        assert (await burst(client, 1003, path))[0] == 1000
