"""Servers that close just when connections arrive leave none of them open."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any

import looptime
import pytest
from aiohttp import web

from aps_async.auth.callback import Callback, listening
from aps_async.simulator import Simulator
from aps_async.workers.monitor import Monitor
from tests.support import RawListener, free_port, served

Serving = Callable[[], AbstractAsyncContextManager[int]]
TICKS = range(8)
SENT = {
    "nothing": b"",
    "half a request": b"GET /healthz HT",
    "a request": b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n",
}


@asynccontextmanager
async def simulator() -> AsyncIterator[int]:
    async with Simulator() as running:
        yield int(running.url.rpartition(":")[2])


@asynccontextmanager
async def callback() -> AsyncIterator[int]:
    port = free_port()
    async with listening(Callback.of(f"http://127.0.0.1:{port}/healthz"), bool):
        yield port


@asynccontextmanager
async def monitor() -> AsyncIterator[int]:
    no_database: Any = None  # the path that is asked for needs none
    async with Monitor(no_database, no_database, []).listening("127.0.0.1", 0) as port:
        yield port


@asynccontextmanager
async def one_handler() -> AsyncIterator[int]:
    async def large(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bytes(1 << 24))

    async with served(large) as url:
        yield int(url.rpartition(":")[2])


@asynccontextmanager
async def raw() -> AsyncIterator[int]:
    async def forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(1 << 24))
        await asyncio.Event().wait()

    listener = RawListener(forever)
    await listener.listen()
    yield listener.port
    await listener.end()


SERVERS: dict[str, Serving] = {
    "simulator": simulator,
    "callback": callback,
    "monitor": monitor,
    "one handler": one_handler,
    "raw": raw,
}


async def close_after(serving: Serving, ticks: int, sent: bytes, clients: ExitStack) -> None:
    """Connects without the server's knowledge, and closes it so many turns of the loop later."""
    async with serving() as port:
        for _ in range(5):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(sent)
        for _ in range(ticks):
            await asyncio.sleep(0)


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("name", SERVERS)
def test_no_connection_is_left(name: str, sent: str) -> None:
    gc.collect()
    gc.freeze()  # what other tests and imports have left need not be looked at each time
    for ticks in TICKS:
        with ExitStack() as clients, warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
                runner.run(close_after(SERVERS[name], ticks, SENT[sent], clients))
            del runner
            gc.collect()
            assert [str(each.message) for each in noticed] == [], f"after {ticks} turns"
