"""A proxy in front of the simulator, as a child process: a share of all responses comes to harm on the way."""

import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import define, field, frozen

from benchmarks.faulty_responses import Fault, Header, Request, Response, fault_of

COUNTS = "/chaos/counts"
_GONE = (ConnectionError, asyncio.IncompleteReadError)
_LINE_LIMIT = 1 << 20


_FRAMING = ("content-length", "transfer-encoding")


@frozen
class _Head:
    first: str
    lines: list[Header]

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case; the last one of several."""
        return {name.lower(): value for name, value in self.lines}

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", 0))


async def _read_head(reader: asyncio.StreamReader) -> _Head:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return _Head(first, [(name.strip(), value.strip()) for name, _, value in pairs])


@define
class FaultyProxy:
    """Two listening ports, one for the API and one for the storage."""

    seed: int
    share: float
    upstream: dict[str, int]
    """The simulator's ports: `api` and `storage`."""
    ports: dict[str, int] = field(factory=dict)
    requests: int = 0
    faults: Counter[str] = field(factory=Counter)
    _calls: Counter[tuple[str, str]] = field(factory=Counter)

    async def start(self) -> None:
        for name in self.upstream:
            listening = await asyncio.start_server(
                partial(self._connection, name),
                "127.0.0.1",
                limit=_LINE_LIMIT,
                backlog=1024,
            )
            self.ports[name] = listening.sockets[0].getsockname()[1]

    async def _connection(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above: asyncio.StreamWriter | None = None
        with suppress(*_GONE):
            below, above = await asyncio.open_connection("127.0.0.1", self.upstream[name], limit=_LINE_LIMIT)
            while await self._exchange(name, (reader, writer), (below, above)):
                pass
        for each in (writer, above):
            if each is not None:
                each.close()

    async def _exchange(self, name: str, client: tuple[Any, Any], service: tuple[Any, Any]) -> bool:
        """One request and its response. False: the connection is over."""
        head = await _read_head(client[0])
        body = await client[0].readexactly(head.length)
        method, target, _ = head.first.split(" ")
        request = Request(method, target.partition("?")[0], head.headers, name == "storage")
        if request.path == COUNTS:
            counts = json.dumps({"requests": self.requests, "faults": self.faults}).encode()
            return await self._deliver(Response(200, [], counts), client, random.Random(0))
        fault, dice = self._draw(request)
        response = Response(0, [], b"")
        if fault is None or not fault.instead:
            response = await self._forwarded(head, body, service)
        if fault is not None:
            response = fault.change(response, dice)
        return await self._deliver(response, client, dice)

    def _draw(self, request: Request) -> tuple[Fault | None, random.Random]:
        key = (request.method, request.path)
        self._calls[key] += 1
        self.requests += 1
        fault, dice = fault_of(self.seed, self.share, request, self._calls[key])
        if fault is not None:
            self.faults[fault.name] += 1
        return fault, dice

    async def _forwarded(self, head: _Head, body: bytes, service: tuple[Any, Any]) -> Response:
        reader, writer = service
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.lines)
        writer.write(f"{head.first}\r\n{lines}\r\n".encode("latin-1") + body)
        said = await _read_head(reader)
        body = await self._body(reader, said)
        for name, port in self.upstream.items():
            body = body.replace(f"127.0.0.1:{port}".encode(), f"127.0.0.1:{self.ports[name]}".encode())
        headers = [each for each in said.lines if each[0].lower() not in _FRAMING]
        return Response(int(said.first.split(" ")[1]), headers, body)

    async def _body(self, reader: asyncio.StreamReader, said: _Head) -> bytes:
        if said.headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(said.length)
        pieces = []
        while size := int(await reader.readline(), 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(pieces)

    async def _deliver(self, response: Response, client: tuple[Any, Any], dice: random.Random) -> bool:
        reader, writer = client
        raw = response.to_bytes(dice) if response.keep else b""
        raw = raw[: int(len(raw) * response.keep)]
        if response.pause:
            half = len(raw) // 2
            writer.write(raw[:half])
            await asyncio.sleep(response.pause)
            raw = raw[half:]
        writer.write(raw)
        await writer.drain()
        if response.end == "stall":
            with suppress(TimeoutError):
                async with asyncio.timeout(response.silence):
                    await reader.read()  # until the client closes
        if response.end in ("reset", "stall"):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        return not response.end


async def serve(options: dict[str, Any]) -> None:
    proxy = FaultyProxy(options["seed"], options["share"], options["upstream"])
    await proxy.start()
    ready = {name: f"http://127.0.0.1:{port}" for name, port in proxy.ports.items()}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
