"""The authorize page, codes, rotation, revocation and service accounts, from a plain client's side."""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from aps_async.simulator import Behaviour, World
from aps_async.simulator.oauth import challenge_of
from tests.simulator.conftest import Serve

AUTHORIZE = "/authentication/v2/authorize"
TOKEN = "/authentication/v2/token"
ACCOUNTS = "/authentication/v2/service-accounts"
CALLBACK = "http://127.0.0.1:8765/callback"
VERIFIER = "v" * 50
HUBS = "/project/v1/hubs"


def asked(**changes: str) -> str:
    values = {
        "client_id": "simulator-public",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "data:read",
        "state": "st4te",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    return f"{AUTHORIZE}?{urlencode({name: value for name, value in values.items() if value})}"


@attrs.define
class Browser:
    """Follows no redirect by itself, keeps the one cookie, fills in forms."""

    client: Any
    cookie: str = ""

    async def get(self, url: str) -> Any:
        return await self.client.call("GET", url, headers={"Cookie": self.cookie})

    async def send(self, url: str, **form: str) -> Any:
        answer = await self.client.call("POST", url, data=form, headers={"Cookie": self.cookie})
        self.cookie = answer.headers.get("Set-Cookie", self.cookie).partition(";")[0]
        return answer

    async def log_in(self, url: str, email: str = "ada@northlight.example") -> Any:
        answer = await self.send(url, step="login", email=email, password="simulator")
        return await self.get(answer.headers["Location"]) if answer.status == 303 else answer

    async def decide(self, url: str, decision: str) -> dict[str, str]:
        page = (await self.get(url)).body.decode()
        guard = re.search(r'name="guard" value="(\w+)"', page)
        assert guard is not None
        answer = await self.send(url, step="consent", guard=guard[1], decision=decision)
        assert answer.status == 302
        assert answer.headers["Location"].startswith(parse_qs(urlsplit(url).query)["redirect_uri"][0] + "?")
        return {name: found[0] for name, found in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    async def code(self, **changes: str) -> str:
        await self.log_in(asked(**changes))
        return (await self.decide(asked(**changes), "allow"))["code"]


async def exchange(client: Any, code: str, **changes: str) -> Any:
    form = {
        "grant_type": "authorization_code",
        "client_id": "simulator-public",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changes
    return await client.call("POST", TOKEN, data={name: value for name, value in form.items() if value})


async def refresh(client: Any, token: str, **changes: str) -> Any:
    form = {"grant_type": "refresh_token", "client_id": "simulator-public", "refresh_token": token} | changes
    return await client.call("POST", TOKEN, data=form)


async def test_log_in_agree_exchange_and_call(serve: Serve) -> None:
    async with serve(login=False) as client:
        browser = Browser(client)
        page = await browser.get(asked())
        assert (page.status, "Sign in" in page.body.decode()) == (200, True)
        wrong = await browser.send(asked(), step="login", email="ada@northlight.example", password="no")
        assert "do not go together" in wrong.body.decode()
        consent = (await browser.log_in(asked())).body.decode()
        assert "Ada Brandt" in consent
        assert "Read your data" in consent
        back = await browser.decide(asked(), "allow")
        assert back["state"] == "st4te"
        tokens = (await exchange(client, back["code"])).json
        assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
        client.bearer = tokens["access_token"]
        assert (await client.get(HUBS)).status == 200
        who = (await client.get("/userinfo")).json
        assert (who["sub"], who["email"]) == ("BW9RM76WZBGL", "ada@northlight.example")


async def test_denied_and_prompted(serve: Serve) -> None:
    async with serve(login=False) as client:
        browser = Browser(client)
        await browser.log_in(asked())
        assert (await browser.decide(asked(), "deny"))["error"] == "access_denied"
        assert "Allow access?" in (await browser.get(asked())).body.decode()
        assert "Sign in" in (await browser.get(asked(prompt="login"))).body.decode()
        assert "Allow access?" in (await browser.log_in(asked(prompt="login"))).body.decode()
        out = await browser.get(f"/authentication/v2/logout?{urlencode({'post_logout_redirect_uri': CALLBACK})}")
        assert out.headers["Location"] == CALLBACK
        assert "Sign in" in (await browser.get(asked())).body.decode()


@pytest.mark.parametrize(
    "changes", [{"redirect_uri": CALLBACK + "/"}, {"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}]
)
async def test_requests_that_are_sent_back_to_nobody(serve: Serve, changes: dict[str, Any]) -> None:
    async with serve(login=False) as client:
        answer = await client.call("GET", asked(**changes))
        assert (answer.status, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "data:everything"}, "invalid_scope"),
        ({"prompt": "none"}, "invalid_request"),
        ({"scope": "openid"}, "invalid_request"),
    ],
)
async def test_requests_that_are_sent_back(serve: Serve, changes: dict[str, Any], error: str) -> None:
    async with serve(login=False) as client:
        answer = await client.call("GET", asked(**changes))
        values = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert (answer.status, values["error"], values["state"]) == (302, [error], ["st4te"])


async def test_a_form_from_elsewhere_decides_nothing(serve: Serve) -> None:
    async with serve(login=False) as client:
        browser = Browser(client)
        await browser.log_in(asked())
        forged = await browser.send(asked(), step="consent", guard="00", decision="allow")
        assert "Location" not in forged.headers
        headers = {"Cookie": browser.cookie, "Origin": "https://evil.example"}
        assert (await client.call("POST", asked(), data={"step": "consent"}, headers=headers)).status == 400


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 50}, {"code_verifier": ""}, {"redirect_uri": CALLBACK + "2"}]
)
async def test_a_code_needs_its_verifier_and_its_address(serve: Serve, changes: dict[str, Any]) -> None:
    async with serve(login=False) as client:
        answer = await exchange(client, await Browser(client).code(), **changes)
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_ends_the_login(serve: Serve) -> None:
    async with serve(login=False) as client:
        code = await Browser(client).code()
        tokens = (await exchange(client, code)).json
        assert (await exchange(client, code)).json["error"] == "invalid_grant"
        client.bearer = tokens["access_token"]
        assert (await client.get(HUBS)).status == 401
        assert (await refresh(client, tokens["refresh_token"])).status == 400


@pytest.mark.looptime
async def test_codes_and_refresh_tokens_expire(serve: Serve) -> None:
    async with serve(login=False, virtual=True) as client:
        late = await Browser(client).code()
        await asyncio.sleep(301)
        assert (await exchange(client, late)).json["error"] == "invalid_grant"
        tokens = (await exchange(client, await Browser(client).code())).json
        await asyncio.sleep(15 * 86400 - 1)
        second = (await refresh(client, tokens["refresh_token"])).json
        await asyncio.sleep(15 * 86400 + 1)
        assert (await refresh(client, second["refresh_token"])).json["error"] == "invalid_grant"


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("behaviour", "second", "survives"),
    [
        (Behaviour(), 400, False),
        (Behaviour(refresh_reuse="refuse"), 400, True),
        (Behaviour(refresh_grace=30), 200, True),
    ],
)
async def test_rotation_and_reuse(serve: Serve, behaviour: Behaviour, second: int, survives: bool) -> None:
    async with serve(login=False, virtual=True, behaviour=behaviour) as client:
        first = (await exchange(client, await Browser(client).code())).json["refresh_token"]
        newer = (await refresh(client, first)).json["refresh_token"]
        assert newer != first
        assert (await refresh(client, first)).status == second
        assert ((await refresh(client, newer)).status == 200) is survives
        if behaviour.refresh_grace:
            await asyncio.sleep(30)
            assert (await refresh(client, newer)).status == 400
        assert client.simulator.counts()["refresh_reuses"] == 1


async def test_scopes_of_a_refresh_only_shrink(serve: Serve) -> None:
    async with serve(login=False) as client:
        tokens = (await exchange(client, await Browser(client).code(scope="data:read data:write"))).json
        assert (await refresh(client, tokens["refresh_token"], scope="data:read account:read")).status == 400
        less = (await refresh(client, tokens["refresh_token"], scope="data:write")).json
        client.bearer = less["access_token"]
        assert (await client.get(HUBS)).status == 403


async def test_confidential_apps_need_their_secret(serve: Serve) -> None:
    async with serve(login=False) as client:
        mine = {"client_id": "simulator-client", "code_challenge": "", "code_challenge_method": ""}
        code = await Browser(client).code(**mine)
        form = {"client_id": "simulator-client", "code_verifier": ""}
        assert (await exchange(client, code, **form)).json["errorCode"] == "AUTH-008"
        tokens = await exchange(client, code, **form, client_secret="simulator-secret")
        assert tokens.status == 200
        assert (await refresh(client, tokens.json["refresh_token"])).status == 400  # another app's
        assert (await client.token(client_id="simulator-public", client_secret="")).status == 400


async def test_introspection_and_revocation(serve: Serve) -> None:
    async with serve(login=False) as client:
        tokens = (await exchange(client, await Browser(client).code())).json
        mine = {"client_id": "simulator-public"}
        about = {"token": tokens["access_token"], **mine}
        found = (await client.call("POST", "/authentication/v2/introspect", data=about)).json
        assert (found["active"], found["scope"], found["userid"]) == (True, "data:read", "BW9RM76WZBGL")
        other = {
            "token": tokens["access_token"],
            "client_id": "simulator-client",
            "client_secret": "simulator-secret",
        }
        assert (await client.call("POST", "/authentication/v2/introspect", data=other)).json == {"active": False}
        gone = {"token": tokens["refresh_token"], "token_type_hint": "refresh_token", **mine}
        assert (await client.call("POST", "/authentication/v2/revoke", data=gone)).status == 200
        assert (await client.call("POST", "/authentication/v2/introspect", data=about)).json == {"active": False}
        assert (await refresh(client, tokens["refresh_token"])).status == 400


async def test_every_token_is_signed_by_a_key_of_the_jwks(serve: Serve) -> None:
    async with serve(login=False) as client:
        tokens = (await exchange(client, await Browser(client).code(scope="openid data:read", nonce="n0nce"))).json
        keys = KeySet.import_key_set((await client.call("GET", "/authentication/v2/keys")).json)
        identity = jwt.decode(tokens["id_token"], keys).claims
        assert (identity["aud"], identity["nonce"], identity["sub"]) == ("simulator-public", "n0nce", "BW9RM76WZBGL")
        found = (await client.call("GET", "/.well-known/openid-configuration")).json
        assert found["jwks_uri"].endswith("/authentication/v2/keys")
        assert {"data:read", "data:write", "openid", "account:read"} <= set(found["scopes_supported"])
        for scope in found["scopes_supported"]:
            assert (await client.token(scope)).status == 200


MANAGE = "application:service_account:read application:service_account:write application:service_account_key:write"


async def account(client: Any) -> tuple[str, str, str]:
    await client.login(f"{MANAGE} application:service_account_key:read")
    body = {"name": "exports-bot", "firstName": "Exports", "lastName": "Bot"}
    made = (await client.api("POST", ACCOUNTS, json=body)).json
    assert made["email"] == "exports-bot@simulator-client.adskserviceaccount.autodesk.com"
    key = (await client.api("POST", f"{ACCOUNTS}/{made['serviceAccountId']}/keys")).json
    return made["serviceAccountId"], key["kid"], key["privateKey"]


def assertion(client: Any, identity: str, kid: str, pem: str, **changes: Any) -> dict[str, str]:
    claims = {
        "iss": "simulator-client",
        "sub": identity,
        "aud": "https://developer.api.autodesk.com/authentication/v2/token",
        "exp": int(client.simulator.clock()) + 300,
        "scope": ["data:read", "data:write"],
    } | changes
    text = jwt.encode({"alg": "RS256", "kid": kid}, claims, RSAKey.import_key(pem))
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": text}


async def test_an_assertion_brings_a_users_token(serve: Serve) -> None:
    async with serve(login=False) as client:
        form = assertion(client, *(await account(client)))
        answer = await client.token(**form)
        assert "refresh_token" not in answer.json
        client.bearer = answer.json["access_token"]
        assert (await client.get(HUBS)).status == 200
        assert (await client.get(ACCOUNTS)).status == 403
        assert (await client.token(**form, scope="account:read")).status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"aud": "https://elsewhere.example"},
        {"aud": "https://elsewhere.example/authentication/v2/token"},
        {"aud": "http://127.0.0.1:1/authentication/v2/token"},
        {"aud": ["https://developer.api.autodesk.com/authentication/v2/token", "https://elsewhere.example"]},
        {"aud": None},
        {"exp": 1},
        {"exp": 99_999_999_999},
        {"scope": "data:read"},
        {"sub": "SOMEBODY"},
    ],
)
async def test_wrong_assertions(serve: Serve, changes: dict[str, Any]) -> None:
    async with serve(login=False) as client:
        answer = await client.token(**assertion(client, *(await account(client)), **changes))
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("audience", ["{url}/authentication/v2/token", "{url}//authentication/v2/token", "{host}"])
async def test_an_assertion_may_name_the_simulators_own_token_address(serve: Serve, audience: str) -> None:
    async with serve(login=False) as client:
        url = client.simulator.url
        named = audience.format(url=url, host=url.replace("127.0.0.1", "localhost") + "/authentication/v2/token")
        form = assertion(client, *(await account(client)), aud=named)
        port = url.rpartition(":")[2]
        reached = f"http://localhost:{port}" if "localhost" in named else url
        headers = {"Host": reached.removeprefix("http://")}
        sent = {"client_id": "simulator-client", "client_secret": "simulator-secret", **form}
        assert (await client.call("POST", "/authentication/v2/token", data=sent, headers=headers)).status == 200


async def test_the_demo_world_has_a_confidential_web_app(serve: Serve) -> None:
    async with serve(login=False) as client:
        world = (await client.call("GET", "/simulator/world")).json
        callback = world["callbacks"]["simulator-web"][0]
        assert callback == "http://localhost:8080/api/auth/callback"
        browser = Browser(client)
        form = {"client_id": "simulator-web", "redirect_uri": callback}
        code = await browser.code(**form, code_challenge="", code_challenge_method="")
        refused = await exchange(client, code, **form, code_verifier="")
        assert refused.status == 400  # its secret is needed
        tokens = await exchange(client, code, **form, code_verifier="", client_secret="simulator-web-secret")
        assert tokens.json["refresh_token"]


async def test_an_assertion_of_another_key(serve: Serve) -> None:
    async with serve(login=False) as client:
        identity, kid, _ = await account(client)
        pem = RSAKey.generate_key(2048).as_pem(private=True).decode()
        assert (await client.token(**assertion(client, identity, kid, pem))).json["error"] == "invalid_grant"


async def test_disabled_accounts_and_keys(serve: Serve) -> None:
    async with serve(login=False) as client:
        identity, kid, pem = await account(client)
        for path in (f"{ACCOUNTS}/{identity}", f"{ACCOUNTS}/{identity}/keys/{kid}"):
            for status, expected in (("DISABLED", 400), ("ENABLED", 200)):
                assert (await client.api("PATCH", path, json={"status": status})).status in (200, 204)
                assert (await client.token(**assertion(client, identity, kid, pem))).status == expected
        keys = (await client.get(f"{ACCOUNTS}/{identity}/keys")).json["keys"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} \+0000 UTC", keys[0]["createdAt"])
        for path in (f"{ACCOUNTS}/{identity}/keys/{kid}", f"{ACCOUNTS}/{identity}"):
            assert (await client.api("DELETE", path)).status == 204
        assert (await client.get(f"{ACCOUNTS}/{identity}")).status == 404


async def test_limits_of_accounts_and_keys(serve: Serve) -> None:
    async with serve(login=False) as client:
        identity, _, _ = await account(client)
        statuses = [(await client.api("POST", f"{ACCOUNTS}/{identity}/keys")).status for _ in range(3)]
        assert statuses == [201, 201, 403]
        bad = {"name": "bad name!", "firstName": "A", "lastName": "B"}
        assert (await client.api("POST", ACCOUNTS, json=bad)).status == 400


async def test_a_users_token_sees_what_the_user_sees(serve: Serve) -> None:
    world = World.demo()
    async with serve(world, login=False) as client:
        browser = Browser(client)
        await browser.log_in(asked(), "tower@northlight.example")
        tokens = (await exchange(client, (await browser.decide(asked(), "allow"))["code"])).json
        client.bearer = tokens["access_token"]
        path = f"{HUBS}/{world.hubs[0].id}/projects"
        assert [each["attributes"]["name"] for each in (await client.get(path)).json["data"]] == ["Harbour Tower"]
