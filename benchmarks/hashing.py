"""What a SHA-256 of its own costs a download of 1 GiB: time, CPU and memory, over links of several speeds."""

import asyncio
import hashlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from aps_async import Session, SignedUrl, StaticToken, download
from aps_async.downloads import digests
from benchmarks.charts import bars
from benchmarks.children import child, figure, folder_in_memory, run, spread
from benchmarks.memory import resident_mib

SIZE = 1 << 30
LINKS = {"1 Gbit/s": 125e6, "2.5 Gbit/s": 312.5e6, "as fast as this machine": 0.0}
"""Bytes a second; 0: no limit."""
WAYS = {"without": "no hash", "thread": "SHA-256 in a thread (ours)", "loop": "SHA-256 in the event loop"}


def _serve(file: str) -> None:
    """Sends the file to every client, by the kernel, so that the server takes little of the CPU."""
    server = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": server.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=_answer_all, args=(server, file), daemon=True).start()
    sys.stdin.read()


def _answer_all(server: socket.socket, file: str) -> None:
    while True:
        connection, _ = server.accept()
        with connection, Path(file).open("rb") as body:
            asked = connection.recv(1 << 16).split()[1]
            size = os.fstat(body.fileno()).st_size
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            _send(connection, body.fileno(), size, float(asked[1:]))


def _send(connection: socket.socket, file: int, size: int, rate: float) -> None:
    began, sent = time.perf_counter(), 0
    while sent < size:
        sent += os.sendfile(connection.fileno(), file, sent, min(1 << 17, size - sent))
        if rate and (early := sent / rate - (time.perf_counter() - began)) > 0:
            time.sleep(early)


async def _client(port: int, out: str, way: str, rate: float) -> dict[str, float]:
    if way == "loop":
        digests._SMALL = 1 << 62
    async with Session(StaticToken("none"), base_url=f"http://127.0.0.1:{port}") as session:
        idle = resident_mib("VmRSS")
        began, cpu = time.perf_counter(), time.process_time()
        link = SignedUrl(f"http://127.0.0.1:{port}/{rate}")
        got = await download(session, link, Path(out) / "large.pdf", sha256=way != "without")
        results = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    assert got.size == SIZE
    if got.sha256 is not None:
        with got.path.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == got.sha256
    got.path.unlink()
    return {**results, "grown": resident_mib("VmHWM") - idle}


def _bare_seconds() -> dict[str, float]:
    """How long the hash alone takes."""
    piece, hashed = bytes(1 << 18), hashlib.sha256()
    began = time.perf_counter()
    for _ in range(SIZE >> 18):
        hashed.update(piece)
    return {"wall": time.perf_counter() - began}


def _write_large(path: Path) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        file.writelines(block for _ in range((SIZE >> 20) - 1))
        file.write(block[: SIZE - 6 - file.tell()] + b"%%EOF\n")


def measure(rounds: int) -> str:
    """A table: each link with and without the hash, in turns."""
    rows, chart = [], {}
    alone = [run("benchmarks.hashing", way="bare")["wall"] for _ in range(rounds)]
    with folder_in_memory() as memory:
        _write_large(Path(memory) / "source")
        with child("benchmarks.hashing", way="serve", file=f"{memory}/source") as server:
            for link, rate in LINKS.items():
                found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
                for _ in range(rounds):
                    for way, results in found.items():
                        results.append(run("benchmarks.hashing", way=way, port=server["port"], out=memory, rate=rate))
                for way, results in found.items():
                    over = [one["wall"] / other["wall"] for one, other in zip(results, found["without"], strict=True)]
                    cells = [
                        spread([one["wall"] for one in results]),
                        "" if way == "without" else figure(f"x without, {way}, {link}", over),
                        spread([one["cpu"] for one in results]),
                        figure(f"MiB over idle, {way}, {link}", [one["grown"] for one in results], 1),
                    ]
                    rows.append(f"| {link} | {WAYS[way]} | " + " | ".join(cells) + " |")
                    if way == "thread":
                        chart[link] = sorted(over)[len(over) // 2]
    return "\n".join(
        [
            "One file of 1 GiB, verified, into memory. `x without` compares with the same round's download without a",
            f"hash. The hash alone takes {spread(alone)} s here: over a link that is faster than that, no download",
            "with a hash can be as fast as one without. Goal: 1.1, and no more memory.",
            "",
            bars("hashing", "Time of a download with SHA-256, as a multiple of one without", chart, goal=1.1),
            "",
            "| link | | s | x without | CPU s | memory over idle, MiB |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _main(options: dict[str, Any]) -> None:
    way = options["way"]
    if way == "serve":
        _serve(options["file"])
    else:
        results = _bare_seconds() if way == "bare" else asyncio.run(_client(**options))
        sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
