"""How servers stop accepting connections."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress


async def stop_accepting(servers: Sequence[asyncio.Server]) -> None:
    """Closes servers when the connections that they have just accepted have their protocols.

    Of those that have none yet, asyncio would forget to close the sockets.
    """
    loop = asyncio.get_running_loop()
    try:
        for listening in (each for server in servers for each in server.sockets):
            with suppress(NotImplementedError):  # Windows
                loop.remove_reader(listening.fileno())
        for _ in range(2):  # a transport, then its protocol
            await asyncio.sleep(0)
    finally:
        for server in servers:
            server.close()
