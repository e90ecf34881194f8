"""Downloads from nginx against curl, aria2c, wget2 and a bare aiohttp loop: one of 1 GiB, and 2,000 of 200 KB."""

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from yarl import URL

from aps_async import Expected, Session, SignedUrl, StaticToken, download
from benchmarks.children import run, spread
from benchmarks.memory import resident_mib
from benchmarks.nginx import COUNT, LARGE, Served, nginx


def _names(large: bool) -> list[str]:
    return ["large.pdf"] if large else [f"{number}.pdf" for number in range(COUNT)]


async def _gathered(names: list[str], at_once: int, one: Any) -> None:
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await one(name)

    await asyncio.gather(*(worker() for _ in range(at_once)))


async def ours(base: str, out: Path, names: list[str], at_once: int) -> None:
    """With everything on: length, signature, part file, atomic rename."""
    async with Session(StaticToken("none"), base_url=base) as session:

        async def one(name: str) -> None:
            await download(session, SignedUrl(f"{base}/{name}"), out / name, expected=Expected())

        await _gathered(names, at_once, one)


async def bare(base: str, out: Path, names: list[str], at_once: int) -> None:
    """The best loop without any check: straight into the final file."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as http:

        async def one(name: str) -> None:
            async with http.get(URL(f"{base}/{name}", encoded=True)) as response:
                with (out / name).open("wb", buffering=0) as file:
                    async for chunk in response.content.iter_any():
                        file.write(chunk)

        await _gathered(names, at_once, one)


def _command(who: str, base: str, served: Served, large: bool, at_once: int) -> list[str]:
    ca = str(served.certificate)
    out = str(served.out)
    if who == "curl" and large:
        return ["curl", "-s", "--cacert", ca, "-o", f"{out}/large.pdf", f"{base}/large.pdf"]
    if who == "curl":
        many = ["--parallel", "--parallel-max", str(at_once), "--parallel-immediate", "--remote-name-all"]
        return ["curl", "-s", "--cacert", ca, *many, "--output-dir", out, f"{base}/[0-{COUNT - 1}].pdf"]
    listed = str(served.folder / "list")
    Path(listed).write_text("\n".join(f"{base}/{name}" for name in _names(large)))
    if who == "aria2c":
        options = ["-q", "-x1", f"-j{at_once}", "--file-allocation=none", f"--ca-certificate={ca}"]
        return ["aria2c", *options, "-d", out, "-i", listed]
    if who == "wget2":
        return ["wget2", "-q", f"--max-threads={at_once}", f"--ca-certificate={ca}", "-P", out, "-i", listed]
    told = {"who": who, "base": base, "out": out, "large": large, "at_once": at_once}
    return [sys.executable, "-m", "benchmarks.downloads", json.dumps(told)]


def _once(who: str, base: str, served: Served, large: bool, at_once: int) -> dict[str, float]:
    command = _command(who, base, served, large, at_once)
    environment = {**os.environ, "SSL_CERT_FILE": str(served.certificate)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    done = subprocess.run(
        [*pinned, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    got = list(served.out.glob("*.pdf"))
    wanted = LARGE if large else COUNT * 200_000
    assert sum(path.stat().st_size for path in got) == wanted, (who, len(got))
    shutil.rmtree(served.out)
    served.out.mkdir()
    told: dict[str, float] = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall": told.get("wall", wall),
        "cpu": told.get("cpu", cpu),
        **{k: v for k, v in told.items() if k == "lag"},
    }


def _compared(rounds: int, base: str, served: Served, large: bool, at_once: int, peers: tuple[str, ...]) -> list[str]:
    found: dict[str, list[dict[str, float]]] = {who: [] for who in peers}
    for _ in range(rounds):
        for who in peers:
            found[who].append(_once(who, base, served, large, at_once))
    curl = median(row["wall"] for row in found["curl"])
    what = "1 GiB" if large else f"{COUNT} x 200 KB, {at_once} at once"
    tls = "TLS" if base.startswith("https") else "plain"
    return [
        f"| {what} | {tls} | {who} | {spread([curl / row['wall'] for row in rows])} "
        f"| {spread([row['wall'] for row in rows])} | {spread([row['cpu'] for row in rows])} |"
        for who, rows in found.items()
    ]


async def _four(base: str, out: Path) -> dict[str, float]:
    """The event loop's lag, and memory, while four large files arrive at once."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before - 0.001)

    async with Session(StaticToken("none"), base_url=base) as session:
        await download(session, SignedUrl(f"{base}/small.pdf"), out / "small.pdf")
        idle = resident_mib("VmRSS")
        watching = asyncio.create_task(watch())
        links = [SignedUrl(f"{base}/large.pdf") for _ in range(4)]
        await asyncio.gather(*(download(session, link, out / f"{n}.pdf") for n, link in enumerate(links)))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    for path in out.glob("*.pdf"):
        path.unlink()
    lags.sort()
    return {"lag99": lags[int(len(lags) * 0.99)] * 1e3, "most": lags[-1] * 1e3, "grown": resident_mib("VmHWM") - idle}


def _lag(rounds: int, served: Served) -> list[str]:
    told = []
    for _ in range(rounds):
        options = {"who": "four", "base": served.plain, "out": str(served.out)}
        told.append(run("benchmarks.downloads", **options))
    cells = [spread([row[name] for row in told], 1) for name in ("lag99", "most", "grown")]
    return [
        "",
        "Four files of 1 GiB at once, plain, written in the event loop:",
        "",
        "| p99 lag of the loop, ms (goal: 20) | most, ms | memory over idle, MiB (goal: 32) |",
        "|---|---|---|",
        "| " + " | ".join(cells) + " |",
    ]


def measure(rounds: int) -> str:
    """A table: speed as a multiple of curl's, in turns."""
    rows: list[str] = []
    with nginx() as served:
        lag = _lag(min(rounds, 3), served)
        for base in (served.plain, served.tls):
            rows += _compared(rounds, base, served, True, 1, ("curl", "bare", "ours", "aria2c"))
            for at_once in (16, 64):
                rows += _compared(rounds, base, served, False, at_once, ("curl", "bare", "ours", "aria2c", "wget2"))
    return "\n".join(
        [
            "`ours` verifies length and signature, writes a part file, syncs and renames it; `bare` is an aiohttp loop",
            "without any of that. Python's start is not counted, the other tools' is. Client and nginx have a core",
            "each; files lie in memory.",
            "",
            "| | | | x curl (speed) | wall s | CPU s |",
            "|---|---|---|---|---|---|",
            *rows,
            *lag,
        ]
    )


async def _timed(options: dict[str, Any]) -> dict[str, float]:
    if options["who"] == "four":
        return await _four(options["base"], Path(options["out"]))
    began, cpu = time.perf_counter(), time.process_time()
    names = _names(options["large"])
    await {"ours": ours, "bare": bare}[options["who"]](options["base"], Path(options["out"]), names, options["at_once"])
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_timed(json.loads(sys.argv[1])))))
