"""Runs small HTTP servers on this machine, which leave no connection open when they stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

__all__ = ["serving", "stop_listening"]
__dir__: object = __all__.copy


@asynccontextmanager
async def serving(
    server: web.Server, host: str, port: int, *, patience: float, **options: Any
) -> AsyncGenerator[int, None]:
    """Listens on an address; yields the port, which the system chooses if 0 is given.

    Args:
        server: the handler of connections.
        host: the address.
        port: its port.
        patience: seconds, more than 0, for responses in progress at the end; then every connection is dropped.
        options: for the event loop's `create_server`.

    Raises:
        OSError: the address cannot be used.
    """
    listening = await asyncio.get_running_loop().create_server(server, host, port, **options)
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        try:
            await stop_listening(listening)
        finally:
            left = [each.transport for each in server.connections]
            await server.shutdown(patience)
            for transport in left:
                if transport is not None:
                    transport.abort()  # since `close` would wait for a client that does not read
            await asyncio.sleep(0)


async def stop_listening(listening: asyncio.Server) -> None:
    """Closes a server once the connections that it has just accepted have their protocols.

    asyncio would not close the sockets of connections without one.
    """
    loop = asyncio.get_running_loop()
    try:
        for each in listening.sockets:
            with suppress(NotImplementedError):  # Windows
                loop.remove_reader(each.fileno())
        for _ in range(2):  # a transport, then its protocol
            await asyncio.sleep(0)
    finally:
        listening.close()
