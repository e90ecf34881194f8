"""What the tests share: the simulator on loopback, and a session that talks to it, in virtual time."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from aps_async import Session, Settings, TwoLegged
from aps_async.simulator import Simulator, World
from aps_async.threads import stopped
from aps_async.transport.listening import serving, stop_listening

EPOCH = 1_800_000_000.0


def virtual_clock() -> float:
    """Wall time that goes with the event loop's own, so that expiries and waits agree under looptime."""
    return EPOCH + asyncio.get_running_loop().time()


def free_port() -> int:
    """A port that nothing uses, below those that systems give to others: one of them may be taken before it is used."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


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
    async with serving(web.Server(handler), "127.0.0.1", 0, patience=0.01) as port:
        yield f"http://127.0.0.1:{port}"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


class RawListener:
    """A TCP port on loopback whose connections a test serves byte by byte."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._listening: asyncio.Server | None = None
        self._served: set[asyncio.Task[Any]] = set()

    async def listen(self, port: int = 0, **options: Any) -> int:
        """Starts, or starts again; gives the port."""
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", port, **options)
        return self.port

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._listening is not None
        return int(self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Takes no more connections."""
        if self._listening is not None and self._listening.is_serving():
            await stop_listening(self._listening)

    async def end(self) -> None:
        """Drops every connection: also one that was accepted at the last moment, which nobody else would close."""
        await self.close()
        await asyncio.sleep(0)  # for `_connected` to begin
        await stopped(self._served)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            self._served.discard(task)
