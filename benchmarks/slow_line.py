"""A proxy with latency in front of the simulator, as a child process: every request arrives later, in its order."""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await reader.read(1 << 18):
            loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)


async def serve(port: int, delay: float) -> None:
    """Forwards connections to a port of this machine until standard input closes."""
    lines: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection("127.0.0.1", port)
        for way in (_one_way(reader, below, delay), _one_way(above, writer, 0)):
            task = asyncio.create_task(way)
            lines.add(task)
            task.add_done_callback(lines.discard)

    async with await asyncio.start_server(connected, "127.0.0.1", backlog=1024) as server:
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    asyncio.run(serve(options["port"], options["delay"]))
