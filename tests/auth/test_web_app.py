"""The example of a web app: users sign in concurrently, and each sees only their own projects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from aps_async import AuthError, Session
from aps_async.auth import AccessToken, AppCredentials, MemoryStore, ThreeLegged, TokenClient
from aps_async.resources.projects import list_hubs
from aps_async.simulator import Simulator
from tests.auth.support import ADA, PUBLIC, agree, login_of, world_with
from tests.auth.web_app import make
from tests.support import free_port


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[str]:
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    async with Simulator(world_with(redirect_uri)) as simulator:
        app = AppCredentials(simulator.client_id, simulator.client_secret)
        async with TestServer(make(app, simulator.url, redirect_uri, folder), port=port):
            yield f"http://127.0.0.1:{port}"


def browser() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def sign_in(http: aiohttp.ClientSession, address: str, email: str) -> str:
    async with http.get(f"{address}/login", allow_redirects=False) as begun:
        redirected = await agree(begun.headers["Location"], email=email)
    async with http.get(redirected) as answer:
        assert answer.status == 200
        await answer.read()
    return redirected


async def projects(http: aiohttp.ClientSession, address: str) -> list[str]:
    async with http.get(f"{address}/") as answer:
        return list(await answer.json())


async def test_each_visitor_sees_their_own_projects(tmp_path: Path) -> None:
    async with site(tmp_path) as address, browser() as ada, browser() as tower, browser() as stranger:
        await asyncio.gather(sign_in(ada, address, ADA), sign_in(tower, address, "tower@northlight.example"))
        assert "Riverside Clinic" in await projects(ada, address)
        assert await projects(tower, address) == ["Harbour Tower"]
        async with stranger.get(f"{address}/", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/login"
        assert len(list(tmp_path.glob("*.json"))) == 2


async def test_a_callback_of_another_browser_or_a_second_time_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as address, browser() as ada, browser() as thief:
        redirected = await sign_in(ada, address, ADA)
        async with ada.get(redirected) as answer:
            assert answer.status == 400
        async with thief.get(f"{address}/login", allow_redirects=False) as begun:
            assert begun.status == 302
        async with thief.get(redirected) as answer:
            assert (answer.status, "does not belong" in await answer.text()) == (403, True)


async def test_a_provider_of_ones_own_hands_in_the_users_token() -> None:
    """For an app that has its users' tokens already: one coroutine is all it takes."""

    class Handed:
        def __init__(self, user: str) -> None:
            self.user = user

        async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
            if rejected is not None:
                raise AuthError(f"{self.user} has to sign in again")
            return AccessToken(kept[self.user])

    callback = "http://127.0.0.1:8765/callback"
    async with Simulator(world_with(callback)) as simulator:
        kept = {}
        tokens = ThreeLegged(PUBLIC, store=MemoryStore())
        async with Session(tokens, base_url=simulator.url) as session:
            kept["ada"] = (await login_of(session, tokens)).access_token
        async with Session(Handed("ada"), base_url=simulator.url) as session:
            assert (await list_hubs(session)).hubs
            simulator.tokens.revoke_all()
            with pytest.raises(AuthError, match="ada has to sign in again"):
                await list_hubs(session)
