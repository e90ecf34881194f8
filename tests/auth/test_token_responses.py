"""Token responses and stored logins of any shape are understood, or are one error that shows no secret."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aps_async import AuthError, InputError, Session, Settings, StaticToken, TwoLegged
from aps_async.auth import FileStore, MemoryStore, ThreeLegged
from aps_async.auth.credentials import DEFAULT_LIFE, LONGEST_LIFE, read_token
from aps_async.auth.provider import unverified_claims
from aps_async.cli.login import _moment
from aps_async.cli.profiles import Profile, read
from aps_async.transport.quotas import Endpoint
from tests.auth.test_stores import some_login
from tests.support import served, virtual_clock

ABSENT = object()
LIVES: dict[str, tuple[Any, float]] = {
    "a number": (1800, 1800),
    "a float": (1800.5, 1800.5),
    "text": ("1800", 1800),
    "text with spaces": (" 1800 ", 1800),
    "a float as text": ("1800.0", 1800),
    "very short": (5, 5),
    "absent": (ABSENT, DEFAULT_LIFE),
    "null": (None, DEFAULT_LIFE),
    "zero": (0, DEFAULT_LIFE),
    "zero as text": ("0", DEFAULT_LIFE),
    "negative": (-3600, DEFAULT_LIFE),
    "words": ("an hour", DEFAULT_LIFE),
    "empty": ("", DEFAULT_LIFE),
    "true": (True, DEFAULT_LIFE),
    "a list": ([3600], DEFAULT_LIFE),
    "an object": ({"seconds": 3600}, DEFAULT_LIFE),
    "400 digits": (int("9" * 400), DEFAULT_LIFE),
    "400 digits as text": ("9" * 400, DEFAULT_LIFE),
    "infinite": ("inf", DEFAULT_LIFE),
    "no number": ("nan", DEFAULT_LIFE),
    "infinite by size": (float("1e999"), DEFAULT_LIFE),
    "centuries": (10**12, LONGEST_LIFE),
}
# The JSON readers do not agree on these two, which read_token has to bear all the same.
READABLE = sorted(LIVES.keys() - {"400 digits", "infinite by size"})
HERE = Endpoint("test", 100, token="any")


@pytest.mark.parametrize("name", LIVES)
def test_the_life_of_a_token(name: str) -> None:
    stated, seconds = LIVES[name]
    answer = {"access_token": "t\r\n"} | ({} if stated is ABSENT else {"expires_in": stated})
    token = read_token(answer, 1000.0)
    assert (token.value, token.expires_at, token.issued_at) == ("t", 1000.0 + seconds, 1000.0)


@pytest.mark.looptime
@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("kind", ["app", "user"])
async def test_no_life_makes_a_token_request_of_every_call(name: str, kind: str) -> None:
    stated, _ = LIVES[name]
    requests = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal requests
        if not request.path.endswith("/token"):
            return web.json_response({})
        requests += 1
        said = {"access_token": "t", "refresh_token": f"r{requests}"}
        return web.json_response(said | ({} if stated is ABSENT else {"expires_in": stated}))

    async with served(answer) as url:
        app = TwoLegged("app", "s")
        expired = some_login(service=url, scopes=["data:read"])
        user = ThreeLegged("app", store=MemoryStore(expired))
        tokens = app if kind == "app" else user
        async with Session(tokens, base_url=url, clock=virtual_clock, settings=Settings(max_attempts=1)) as session:
            for _ in range(4):
                await session.request(HERE, "GET", "/x", into=dict[str, Any])
    assert requests == 1


def token_with(payload: bytes) -> str:
    return f"x.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.y"


NESTED = b"[" * 200_000
CLAIMS = {
    "nested": NESTED,
    "closed": NESTED + b"]" * 200_000,
    "an object in objects": b'{"a":' * 100_000,
    "another token": token_with(b'{"userid": "U"}').encode(),
    "not UTF-8": b"\xff\xfe",
    "a number": b"1e999",
    "a number of 5,000 digits": b"9" * 5000,
    "a list": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_token_s_claims_are_never_an_error(name: str) -> None:
    token = token_with(CLAIMS[name])
    assert unverified_claims(token) == {}
    assert (StaticToken(token).client_id, StaticToken(token).two_legged) == ("", None)


def test_claims_of_another_kind_label_nothing() -> None:
    deep: Any = "U"
    for _ in range(400):
        deep = [deep]
    token = StaticToken(token_with(json.dumps({"client_id": deep, "userid": 7}).encode()))
    assert token.client_id == ""


@pytest.mark.parametrize("seconds", [1e300, float("inf"), float("nan"), -1e300, 10**18])
def test_a_moment_that_is_none_is_not_shown(seconds: float) -> None:
    assert _moment(seconds) == ""


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(some_login().to_json()) | values).encode()


LOGINS = {
    "nested": NESTED,
    "nested in a field": b'{"format": 1, "scopes": ' + NESTED,
    "empty": b"",
    "NULs of a power cut": bytes(500),
    "not UTF-8": b"\xff\xfe\xfd",
    "a list": b"[]",
    "null": b"null",
    "a huge number": changed().replace(b"2.0", b"1" * 400),
    "more digits than Python reads": changed().replace(b"2.0", b"1" * 5000),
    "infinite": changed().replace(b"2.0", b"1e999"),
    "not a number": changed().replace(b"2.0", b"NaN"),
    "a moment of no calendar": changed(expires_at=1e15),
    "scopes that are a number": changed(scopes=7),
    "scopes that are text": changed(scopes="data:read"),
    "a scope that is none": changed(scopes=[["data:read"]]),
    "a refresh token that is none": changed(refresh_token=["canary"]),
    "an access token that is none": changed(access_token=None),
    "a user that is none": changed(user_id={}),
    "renewals that are text": changed(renewals="1"),
    "a mark that is text": changed(renewing="no"),
    "a moment that is true": changed(issued_at=True),
}


@pytest.mark.parametrize("name", LOGINS)
async def test_a_login_file_of_any_content_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "login.json").write_bytes(LOGINS[name])
    with pytest.raises(AuthError, match=r"log in again: aps-async login") as caught:
        await FileStore(tmp_path / "login.json").load()
    assert "canary" not in str(caught.value)


def test_a_nested_profile_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aps_async.cli.profiles.folder", lambda: tmp_path)
    (tmp_path / f"{Profile('deep').name}.toml").write_bytes(b"client_id = " + NESTED)
    with pytest.raises(InputError, match="cannot be read"):
        read("deep")
