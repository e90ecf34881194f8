"""What the tests of signing in share: people who sign in without a browser, and the command line beside them."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from aps_async.auth import AuthorizationRequest, Login, ThreeLegged
from aps_async.auth.provider import TokenClient
from aps_async.simulator import Simulator, World
from tests.cli.support import clean_environment

ADA = "ada@northlight.example"
PUBLIC = "simulator-public"


def world_with(callback: str, sheets: int = 1) -> World:
    """A world whose apps know this callback address."""
    world = World.demo(sheets)
    world.apps = {name: attrs.evolve(app, redirect_uris=(callback,)) for name, app in world.apps.items()}
    return world


async def agree(url: str, decision: str = "allow", email: str = ADA) -> str:
    """Signs in on the simulator's pages and decides; the address that the browser is sent to, not opened."""
    form = {"step": "login", "email": email, "password": "simulator"}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        http.post(url, data=form) as answer,
    ):
        guard = re.search(r'name="guard" value="(\w+)"', await answer.text())
        assert guard is not None
        form = {"step": "consent", "guard": guard[1], "decision": decision}
        async with http.post(str(answer.url), data=form, allow_redirects=False) as sent:
            assert sent.status == 302
            return sent.headers["Location"]


async def login_of(
    client: TokenClient, tokens: ThreeLegged, *, email: str = ADA, scopes: tuple[str, ...] = ("data:read",)
) -> Login:
    """A login in the store of `tokens`, by the whole flow."""
    callback = "http://127.0.0.1:8765/callback"
    request = AuthorizationRequest.new(tokens.app, redirect_uri=callback, scopes=scopes)
    redirected = await agree(request.url(client.base_url), email=email)
    login = await request.finish(client, tokens.app, redirected)
    await tokens.keep(login)
    return login


@attrs.define
class Command:
    """A running `aps-async`."""

    process: asyncio.subprocess.Process
    err: str = ""

    async def address(self) -> str:
        """The address of the sign-in page that it prints."""
        assert self.process.stderr is not None
        while True:
            line = (await self.process.stderr.readline()).decode()
            assert line, self.err
            self.err += line
            if found := re.search(r"http://\S+/authorize\?\S+", line):
                return found[0]

    async def ended(self, text: str = "") -> tuple[int, str, str]:
        """Exit code, standard output and standard error; `text` goes to its standard input first."""
        out, err = await self.process.communicate(text.encode() or None)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), self.err + err.decode()


@attrs.define
class Terminal:
    """Runs commands as a person would, in a home of its own."""

    simulator: Simulator
    home: Path
    variables: dict[str, str] = attrs.field(factory=dict[str, str])

    @property
    def logins(self) -> Path:
        return self.home / "data" / "aps-async" / "logins"

    @asynccontextmanager
    async def start(self, *argv: str, **variables: str) -> AsyncIterator[Command]:
        env: dict[str, Any] = {
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "APS_BASE_URL": self.simulator.url,
            "APS_CLIENT_ID": PUBLIC,
            "BROWSER": "true",
            **self.variables,
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-m",
            "aps_async",
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment({name: value for name, value in env.items() if value}),
        )
        try:
            yield Command(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def run(self, *argv: str, text: str = "", **variables: str) -> tuple[int, str, str]:
        async with self.start(*argv, **variables) as command:
            return await command.ended(text)


def stored_files(folder: Path) -> dict[str, str]:
    """Names and modes of what is in a folder."""
    return {each.name: f"{each.stat().st_mode & 0o777:o}" for each in folder.iterdir()}
