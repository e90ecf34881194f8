"""A plain aiohttp client against a running simulator."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import attrs
import pytest
from yarl import URL

from aps_async.simulator import Simulator, World

EPOCH = 1_750_000_000.25
TOKEN = "/authentication/v2/token"


@attrs.frozen
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a storage error."""
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


@attrs.define
class Client:
    simulator: Simulator
    http: aiohttp.ClientSession
    bearer: str = ""

    async def call(self, method: str, url: str, **options: Any) -> Answer:
        full = url if url.startswith("http") else f"{self.simulator.url}{url}"
        async with self.http.request(method, URL(full, encoded=True), allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def token(self, scope: str = "data:read", **form: str) -> Answer:
        values = {
            "grant_type": "client_credentials",
            "client_id": self.simulator.client_id,
            "client_secret": self.simulator.client_secret,
            "scope": scope,
            **form,
        }
        return await self.call("POST", TOKEN, data=values)

    async def login(self, scope: str = "data:read", **form: str) -> None:
        self.bearer = (await self.token(scope, **form)).json["access_token"]

    async def api(self, method: str, path: str, *, user: str = "", **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.bearer}", **options.pop("headers", {})}
        if user:
            headers["x-user-id"] = user
        return await self.call(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.api("GET", path, **options)

    def exports(self, sheet: str = "A-101") -> str:
        """Path of the exports of a sheet."""
        return exports_path(self.simulator.world.find_sheet(sheet).tip)

    async def start(self, sheet: str = "A-101", **body: Any) -> Answer:
        return await self.api("POST", self.exports(sheet), json=body)

    async def link(self, sheet: str = "A-101", **body: bool) -> str:
        """Start an export and poll it to its end without waiting in between; the signed link."""
        job = (await self.start(sheet, **body)).json
        while job["status"] == "committed":
            job = (await self.get(f"{self.exports(sheet)}/{job['id']}")).json
        return str(job["data"]["signedUrl"])


def exports_path(version: Any) -> str:
    project = version.item.folder.project
    return f"/bim360/docs/v1/projects/{project.id}/versions/{quote(version.id, safe='')}/exports"


Serve = Callable[..., AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def _serve(
    world: World | None = None, *, login: bool = True, virtual: bool = False, **options: Any
) -> AsyncIterator[Client]:
    if virtual:
        loop = asyncio.get_running_loop()
        options["clock"] = lambda: EPOCH + loop.time()
    async with Simulator(world, **options) as simulator, aiohttp.ClientSession() as http:
        client = Client(simulator, http)
        if login:
            await client.login()
        yield client


@pytest.fixture
def serve() -> Serve:
    """`async with serve(world, **options of Simulator) as client`; `virtual=True` for tests under looptime."""
    return _serve
