"""The token endpoint, bearers and scopes."""

import base64

import pytest

from aps_async.simulator import Behaviour, Simulator, World
from tests.simulator.conftest import Serve

TOKEN = "/authentication/v2/token"
HUBS = "/project/v1/hubs"


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


async def test_credentials_in_form_or_basic(serve: Serve) -> None:
    async with serve() as client:
        answer = await client.token()
        assert answer.status == 200
        assert answer.json["token_type"] == "Bearer"
        assert answer.json["expires_in"] == 3599
        assert answer.headers["Cache-Control"] == "no-store"
        form = {"grant_type": "client_credentials", "scope": "data:read"}
        headers = basic(client.simulator.client_id, client.simulator.client_secret)
        assert (await client.call("POST", TOKEN, data=form, headers=headers)).status == 200
        assert client.simulator.counts()["token_requests"] == 3


async def test_refused_token_requests(serve: Serve) -> None:
    async with serve() as client:
        app = basic(client.simulator.client_id, client.simulator.client_secret)
        form = {"grant_type": "client_credentials", "scope": "data:read"}
        both = await client.call("POST", TOKEN, data={**form, "client_id": "x", "client_secret": "y"}, headers=app)
        assert (both.status, both.json["error"]) == (400, "invalid_request")
        assert (await client.token(client_secret="wrong")).json["errorCode"] == "AUTH-003"
        assert (await client.token(client_id="nobody")).status == 401
        assert (await client.token(scope="")).json["error"] == "invalid_scope"
        assert (await client.token(scope="data:everything")).json["error"] == "invalid_scope"
        assert (await client.token(grant_type="password")).json["error"] == "unsupported_grant_type"
        assert (await client.call("POST", TOKEN, data=form)).json["errorCode"] == "AUTH-008"
        assert (await client.call("POST", TOKEN, json=form)).json["errorCode"] == "AUTH-007"


async def test_bearer_missing_unknown_and_revoked(serve: Serve) -> None:
    async with serve(behaviour=Behaviour(unauthorized="json")) as client:
        assert (await client.call("GET", HUBS)).status == 401
        assert (await client.call("GET", HUBS, headers={"Authorization": "Bearer x"})).json["errorCode"] == "AUTH-006"
        assert (await client.get(HUBS)).status == 200
        assert (await client.call("POST", "/simulator/revoke")).json == {"revoked": 1}
        assert (await client.get(HUBS)).status == 401


async def test_unauthorized_takes_turns_between_document_and_empty_body(serve: Serve) -> None:
    async with serve(login=False) as client:
        bodies = {(await client.get(HUBS)).body[:1] for _ in range(2)}
        assert bodies == {b"", b"{"}
    async with serve(login=False, behaviour=Behaviour(unauthorized="empty")) as client:
        answer = await client.get(HUBS)
        assert answer.body == b""
        assert "expired" in answer.headers["x-ads-troubleshooting"]


async def test_missing_scope(serve: Serve) -> None:
    async with serve(login=False) as client:
        await client.login("data:write")
        answers = [await client.get(HUBS) for _ in range(2)]
        assert [answer.status for answer in answers] == [403, 403]
        kinds = sorted(answer.headers["Content-Type"].partition(";")[0] for answer in answers)
        assert kinds == ["application/json", "text/plain"]


@pytest.mark.looptime
async def test_tokens_expire_in_divided_time(serve: Serve) -> None:
    import asyncio

    async with serve(virtual=True, speed=60) as client:
        assert (await client.token()).json["expires_in"] == 59
        await asyncio.sleep(59)
        assert (await client.get(HUBS)).status == 200
        await asyncio.sleep(1)
        assert (await client.get(HUBS)).status == 401


async def test_several_apps_one_of_them_not_provisioned(serve: Serve) -> None:
    world = World.from_json(
        {
            "apps": [{"id": "one", "secret": "s1"}, {"id": "two", "secret": "s2", "provisioned": False}],
            "warnings": [{"region": "APAC"}],
            "hubs": [{"name": "H", "projects": [{"name": "P"}]}],
        }
    )
    async with serve(world, login=False) as client:
        assert (client.simulator.client_id, client.simulator.client_secret) == ("one", "s1")
        await client.login(client_id="two", client_secret="s2")
        hubs = await client.get(HUBS)
        assert (hubs.status, hubs.json["data"]) == (200, [])
        assert hubs.json["meta"]["warnings"][0]["HttpStatusCode"] == "403"
        assert (await client.get(f"{HUBS}/{world.hubs[0].id}")).status == 403


def test_speed_must_be_positive() -> None:
    with pytest.raises(ValueError, match="speed"):
        Simulator(speed=0)
