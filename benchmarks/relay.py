"""A TCP address in front of PostgreSQL's socket, as a network that can be cut: packets then vanish, and come later."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

_PIECE = 1 << 16


class Relay:
    """Passes bytes on in a thread of its own, while it is not cut.

    Args:
        url: the database's address, with the folder of its socket.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        [self._folder] = parse_qs(parts.query)["host"]
        self._name = parts.path
        self._user = parts.username or "postgres"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open = asyncio.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """The database's address through this network."""
        return f"postgresql://{self._user}@127.0.0.1:{self._port}{self._name}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """Lets nothing through, without closing a connection."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """Lets everything through again."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _listen(self) -> None:
        self._open.set()
        server = await asyncio.start_server(self._connection, "127.0.0.1")
        self._port = server.sockets[0].getsockname()[1]

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            socket = Path(self._folder) / ".s.PGSQL.5432"
            below, above = await asyncio.open_unix_connection(str(socket))
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass_on(reader, above), self._pass_on(below, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
        with suppress(OSError):
            writer.close()
