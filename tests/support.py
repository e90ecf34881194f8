"""What the tests share: the simulator on loopback, and a session that talks to it, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import RawTestServer

from aps_async import Session, Settings, TwoLegged
from aps_async.simulator import Simulator, World

EPOCH = 1_800_000_000.0


def virtual_clock() -> float:
    """Wall time that goes with the event loop's own, so that expiries and waits agree under looptime."""
    return EPOCH + asyncio.get_running_loop().time()


@asynccontextmanager
async def service(world: World | None = None, **options: Any) -> AsyncIterator[Simulator]:
    """A simulator whose clock is the loop's."""
    async with Simulator(world, clock=virtual_clock, **options) as simulator:
        yield simulator


@asynccontextmanager
async def session_for(simulator: Simulator, settings: Settings | None = None, **options: Any) -> AsyncIterator[Session]:
    """A two-legged session on that simulator, with the same clock."""
    options.setdefault("tokens", TwoLegged(simulator.client_id, simulator.client_secret))
    async with Session(base_url=simulator.url, settings=settings, clock=virtual_clock, **options) as session:
        yield session


@asynccontextmanager
async def served(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server with this one handler, for what the simulator does not do; gives its address."""
    server = RawTestServer(handler, host="127.0.0.1")
    async with server:
        yield str(server.make_url("/")).rstrip("/")
