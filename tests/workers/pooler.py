"""A pooler as PgBouncer is one: it refuses unknown start parameters and states process ids of its own."""

import asyncio
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from attrs import define, field

KNOWN = {"user", "database", "client_encoding", "application_name"}
Backend = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message's type and content."""
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


def packed(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


@define
class Pooler:
    """Passes messages on. In transaction mode a client has a backend only until its transaction ends."""

    socket: str
    transactions: bool
    idle: list[Backend] = field(factory=list[Backend])
    opened: list[Backend] = field(factory=list[Backend])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            start = await self._start(reader)
            if unknown := set(start.split(b"\0")[0:-2:2]) - {name.encode() for name in KNOWN}:
                refusal = b"SFATAL\0C08P01\0Munsupported startup parameter: " + unknown.pop() + b"\0\0"
                writer.write(packed(b"E", refusal))
                return
            self.idle.insert(0, await self._connect(start, writer))  # the one used last is the next to be used
            await self._pass_on(reader, writer, start)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _start(self, reader: asyncio.StreamReader) -> bytes:
        size, version = struct.unpack("!II", await reader.readexactly(8))
        assert version == 0x30000
        return await reader.readexactly(size - 8)

    async def _connect(self, start: bytes, writer: asyncio.StreamWriter | None = None) -> Backend:
        backend = await asyncio.open_unix_connection(self.socket)
        self.opened.append(backend)
        backend[1].write(struct.pack("!II", len(start) + 8, 0x30000) + start)
        while True:
            kind, content = await message(backend[0])
            if kind == b"K":
                content = secrets.token_bytes(8)
            if writer is not None:
                writer.write(packed(kind, content))
            if kind == b"Z":
                return backend

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: bytes) -> None:
        free = asyncio.Event()
        free.set()
        answering: asyncio.Task[None] | None = None
        backend: Backend | None = None
        try:
            while (sent := await message(reader))[0] != b"X":
                if backend is None or (self.transactions and free.is_set()):
                    backend = self.idle.pop() if self.idle else await self._connect(start)
                    free.clear()
                    answering = asyncio.create_task(self._answer(backend, writer, free))
                backend[1].write(packed(*sent))
        finally:
            if answering is not None:
                answering.cancel()

    async def _answer(self, backend: Backend, writer: asyncio.StreamWriter, free: asyncio.Event) -> None:
        while True:
            kind, content = await message(backend[0])
            done = self.transactions and (kind, content) == (b"Z", b"I")
            if done:
                self.idle.append(backend)
                free.set()
            writer.write(packed(kind, content))
            if done:
                return


@asynccontextmanager
async def pooler(url: str, *, transactions: bool) -> AsyncIterator[str]:
    """The address of the same database through a pooler."""
    parts = urlsplit(url)
    between = Pooler(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432", transactions)
    async with await asyncio.start_server(between.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://{parts.username or 'postgres'}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        for _, writer in between.opened:
            writer.close()
