"""Looking into a running simulator over HTTP."""

import json

import pytest

from aps_async.simulator import Simulator, World
from tests.simulator.conftest import Serve

HUBS = "/project/v1/hubs"


async def test_counts_log_and_reset(serve: Serve) -> None:
    async with serve() as client:
        await client.get(HUBS + "?filter[id]=x", user="BW9RM76WZBGL")
        await client.get("/nothing")
        counts = (await client.call("GET", "/simulator/counts")).json
        assert counts["endpoints"]["hubs"] == {
            "calls": 1,
            "statuses": {"200": 1},
            "429": 0,
            "faults": 0,
            "most_in_a_window": 1,
        }
        assert counts["endpoints"]["unknown"]["statuses"] == {"404": 1}
        assert counts["open_connections"] == 1
        log = (await client.call("GET", "/simulator/log")).json
        assert [entry["endpoint"] for entry in log] == ["token", "hubs", "unknown"]
        assert log[1]["headers"] == {"x-user-id": "BW9RM76WZBGL", "authorization": True}
        assert log[1]["path"] == HUBS + "?filter[id]=x"
        assert client.bearer not in json.dumps(log)
        await client.call("POST", "/simulator/reset")
        assert client.simulator.counts()["endpoints"] == {}
        assert len(client.simulator.log) == 0


async def test_faults_over_http(serve: Serve) -> None:
    async with serve() as client:
        rules = [{"endpoint": "hubs", "status": 500, "times": 1}]
        assert (await client.call("POST", "/simulator/faults", json=rules)).json == {"faults": 1}
        assert (await client.call("GET", "/simulator/faults")).json[0]["endpoint"] == "hubs"
        assert (await client.get(HUBS)).status == 500
        assert (await client.get(HUBS)).status == 200
        bad = await client.call("POST", "/simulator/faults", json=[{"kind": "odd"}])
        assert bad.status == 400
        assert "odd" in bad.json["error"]
        assert (await client.call("POST", "/simulator/faults", data="{")).status == 400
        assert (await client.call("DELETE", "/simulator/faults")).json == {"faults": 0}
        assert len(client.simulator.faults) == 0


async def test_world_over_http_has_no_secrets(serve: Serve) -> None:
    async with serve() as client:
        answer = await client.call("GET", "/simulator/world")
        assert answer.json["hubs"][0]["projects"][0]["name"] == "Riverside Clinic"
        assert client.simulator.client_secret.encode() not in answer.body
        assert (await client.call("GET", "/simulator/nothing")).status == 404


async def test_life() -> None:
    simulator = Simulator(World.single_folder(1))
    async with simulator:
        port = int(simulator.url.rpartition(":")[2])
        assert simulator.url.startswith("http://127.0.0.1:")
        assert simulator.storage_url not in (simulator.url, "")
        with pytest.raises(RuntimeError, match="running"):
            await simulator.start()
        with pytest.raises(OSError, match="address"):
            await Simulator(port=port).start()
    await simulator.close()
    async with Simulator(port=port) as again:
        assert again.url.endswith(f":{port}")
