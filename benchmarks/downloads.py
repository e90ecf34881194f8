"""Downloads from nginx against curl, aria2c, wget2 and a bare aiohttp loop: one of 1 GiB, and 2,000 of 200 KB."""

import asyncio
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from yarl import URL

from aps_async import Session, SignedUrl, StaticToken, download
from benchmarks.charts import bars
from benchmarks.children import RAW, figure, instructions, run, spread
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
    """With all features: length, signature, part file, sync, atomic rename."""
    async with Session(StaticToken("none"), base_url=base) as session:

        async def one(name: str) -> None:
            await download(session, SignedUrl(f"{base}/{name}"), out / name)

        await _gathered(names, at_once, one)


async def bare(base: str, out: Path, names: list[str], at_once: int) -> None:
    """The best loop that we could write without any check, directly into the final file."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    ) as http:

        async def one(name: str) -> None:
            response = await http.get(URL(f"{base}/{name}", encoded=True), allow_redirects=False)
            file = os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            while chunk := await response.content.readany():
                os.write(file, chunk)
            os.close(file)

        await _gathered(names, at_once, one)


async def kept(base: str, out: Path, names: list[str], at_once: int) -> None:
    """The same with our allocator setting, see `aps_async.downloads.download`."""
    bytearray(4 << 20)
    await bare(base, out, names, at_once)


async def verified(base: str, out: Path, names: list[str], at_once: int) -> None:
    """The least that does what a verified file needs: a new part file, its length and both ends, a sync, a rename."""
    bytearray(4 << 20)
    loop = asyncio.get_running_loop()
    unsynced: list[tuple[int, asyncio.Future[None]]] = []

    def sync() -> None:
        files = [*unsynced]
        unsynced.clear()

        def work() -> None:
            for file, _ in files:
                os.fsync(file)

        def report(_: object) -> None:
            for _, synced in files:
                synced.set_result(None)

        loop.run_in_executor(None, work).add_done_callback(report)

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
        auto_decompress=False,
    ) as http:

        async def one(name: str) -> None:
            final = out / name
            part = f"{final}.{secrets.token_hex(4)}.part"
            async with asyncio.timeout(40):
                response = await http.get(URL(f"{base}/{name}", encoded=True), allow_redirects=False)
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            size, chunk, end = 0, await response.content.readany(), b""
            is_whole = response.status == 200 and b"%PDF-" in chunk[:1024]
            while chunk:
                os.write(file, chunk)
                size, end = size + len(chunk), (end + chunk[-1024:])[-1024:]
                chunk = await response.content.readany()
            if not unsynced:
                loop.call_soon(sync)
            synced: asyncio.Future[None] = loop.create_future()
            unsynced.append((file, synced))
            await synced
            written = os.fstat(file)
            os.close(file)
            is_ours = os.lstat(part).st_ino == written.st_ino
            if not (is_whole and is_ours and size == response.content_length and end.rfind(b"%%EOF") >= 0):
                raise AssertionError(f"{name} is not whole")
            os.replace(part, final)  # noqa: PTH105 - without a Path, as all of this

        await _gathered(names, at_once, one)


CLIENTS = {
    "ours": ours,
    "ours, uvloop": ours,
    "bare": bare,
    "bare, memory kept": kept,
    "bare, verified": verified,
}


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
    if who.startswith("aria2c"):
        how = "prealloc" if who.endswith("as it comes") else "none"
        options = ["-q", "-x1", f"-j{at_once}", f"--file-allocation={how}", f"--ca-certificate={ca}"]
        return ["aria2c", *options, "-d", out, "-i", listed]
    if who == "wget2":
        return ["wget2", "-q", f"--max-threads={at_once}", f"--ca-certificate={ca}", "-P", out, "-i", listed]
    measured = {"who": who, "base": base, "out": out, "large": large, "at_once": at_once}
    return [sys.executable, "-m", "benchmarks.downloads", json.dumps(measured)]


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
    measured: dict[str, float] = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": measured.get("wall", wall), "cpu": measured.get("cpu", cpu)}


Speeds = dict[str, list[float]]
"""Our speed as a multiple of another client's, one value for each round, by files and client; also the `_CPU`."""
_CPU = "CPU over bare, memory kept"
_LEAST = "CPU of the least verified loop over bare, memory kept"


def _compared(
    rounds: int, base: str, served: Served, large: bool, at_once: int, peers: tuple[str, ...], speeds: Speeds
) -> list[str]:
    """The rows of the table; extends `speeds`."""
    found: dict[str, list[dict[str, float]]] = {who: [] for who in peers}
    for _ in range(rounds):
        for who in peers:
            found[who].append(_once(who, base, served, large, at_once))
    what = "1 GiB" if large else f"{COUNT} x 200 KB, {at_once} at once"
    tls = "TLS" if base.startswith("https") else "plain"
    RAW.append({"what": what, "over": tls, "found": found})
    rows = []
    for who, row in found.items():
        over_curl = [curl["wall"] / own["wall"] for curl, own in zip(found["curl"], row, strict=True)]
        walls, cpus = [each["wall"] for each in row], [each["cpu"] for each in row]
        cell = spread(over_curl) if who == "curl" else figure(f"{what}, {tls}: {who} x curl", over_curl)
        rows.append(f"| {what} | {tls} | {who} | {cell} | {spread(walls)} | {spread(cpus)} |")
    if not large:
        for name, who in ((_CPU, "ours"), (_LEAST, "bare, verified")):
            pairs = zip(found["bare, memory kept"], found[who], strict=True)
            spent = speeds[f"{what}, {tls}, {name}"] = [own["cpu"] / bare["cpu"] for bare, own in pairs]
            figure(f"{what}, {tls}, {name}", spent)
    for against in ("curl", "bare", "aria2c"):
        ratios = [peer["wall"] / own["wall"] for peer, own in zip(found[against], found["ours"], strict=True)]
        name = f"{what}, {tls}, x {against}"
        speeds[name] = ratios
        if against != "curl":
            figure(f"ours: {name}", ratios)
    return rows


class Threaded:
    """An open file that is written to in a thread, chunk by chunk: the other way to keep the loop free."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)

    async def write(self, data: bytes) -> int:
        return await asyncio.to_thread(self.file.write, data)


async def _four(base: str, out: Path, how: str) -> dict[str, float]:
    """The event loop's lag, time and memory, while four large files arrive at once."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before - 0.001)

    def target(number: int) -> Path | Threaded:
        path = out / f"{number}.pdf"
        return Threaded(path) if how == "threads" else path

    async with Session(StaticToken("none"), base_url=base) as session:
        await download(session, SignedUrl(f"{base}/small.pdf"), out / "small.pdf")
        idle = resident_mib("VmRSS")
        watching = asyncio.create_task(watch())
        began = time.perf_counter()
        await asyncio.gather(*(download(session, SignedUrl(f"{base}/large.pdf"), target(n)) for n in range(4)))
        wall = time.perf_counter() - began
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    for path in out.glob("*.pdf"):
        path.unlink()
    lags.sort()
    return {
        "lag99": lags[int(len(lags) * 0.99)] * 1e3,
        "most": lags[-1] * 1e3,
        "grown": resident_mib("VmHWM") - idle,
        "wall": wall,
    }


def _lag(rounds: int, served: Served) -> list[str]:
    rows = []
    words = {
        "loop": "in the event loop (ours), into memory",
        "threads": "in a thread, each chunk, into memory",
        "disk": "in the event loop (ours), to this machine's disk",
    }
    found: dict[str, list[dict[str, float]]] = {how: [] for how in words}
    for _ in range(rounds):
        for how in words:
            with tempfile.TemporaryDirectory() as disk:
                out = disk if how == "disk" else str(served.out)
                options = {"who": "four", "base": served.plain, "out": out, "how": how}
                found[how].append(run("benchmarks.downloads", **options))
    for how, measured in found.items():
        kept = {"lag99": f"lag p99 ms, {how}", "grown": f"MiB over idle, {how}"}
        cells = [
            figure(kept[name], [row[name] for row in measured], 1)
            if name in kept
            else spread([row[name] for row in measured])
            for name in ("lag99", "most", "grown", "wall")
        ]
        rows.append(f"| {words[how]} | " + " | ".join(cells) + " |")
    return [
        "",
        "## Four files of 1 GiB at once, plain",
        "",
        "| written | p99 lag of the loop, ms (goal: 20) | most, ms | memory over idle, MiB (goal: 32) | wall s |",
        "|---|---|---|---|---|",
        *rows,
    ]


PEERS = ("curl", "bare", "bare, memory kept", "bare, verified", "ours", "ours, uvloop", "aria2c")


def measure(rounds: int) -> str:
    """Tables: speed as a multiple of other clients', measured in turns, and the lag of the event loop."""
    rows: list[str] = []
    speeds: Speeds = {}
    with nginx() as served:
        lag = [*_instructions(served), *_lag(rounds, served)]
        for base in (served.plain, served.tls):
            rows += _compared(rounds, base, served, True, 1, PEERS, speeds)
            for at_once in (16, 64):
                peers = (*PEERS, "aria2c, as it comes", "wget2")
                rows += _compared(rounds, base, served, False, at_once, peers, speeds)
    small, large = f"{COUNT} x 200 KB", "1 GiB"
    goals = {
        ("x curl", large): "0.95, 0.9 with TLS",
        ("x aria2c", small): "1.3",
        ("x bare", small): "0.95",
        (_CPU, small): "at most 1.3",
        (_LEAST, small): "",
    }
    reached = [
        f"| {name} | {spread(ratios)} | {goal} |"
        for name, ratios in speeds.items()
        for (end, start), goal in goals.items()
        if name.endswith(end) and name.startswith(start)
    ]
    chart = {name: median(ratios) for name, ratios in speeds.items() if not name.endswith((_CPU, _LEAST))}
    return "\n".join(
        [
            "`ours` verifies length and signature, writes a part file, syncs and renames it. `bare` is the best",
            "aiohttp loop that we could write without any of that, on asyncio; `memory kept`: with our glibc setting;",
            "`verified`: the least loop that checks length and both ends, writes a part file, syncs and renames it.",
            "`aria2c` runs with `--file-allocation=none`, its fastest setting here. Python's start-up is not counted,",
            "that of the other tools is. Client and nginx have a core each; files are in memory.",
            "",
            bars("downloads", "Our speed as a multiple of others'", chart, goal=1.0, word="as fast:"),
            "",
            "| our speed, and CPU | | goal |",
            "|---|---|---|",
            *reached,
            "",
            *REASONS,
            "",
            "| | | | x curl (speed) | wall s | CPU s |",
            "|---|---|---|---|---|---|",
            *rows,
            *lag,
        ]
    )


REASONS = [
    "Goals that are missed, and why: a TLS connection of asyncio is Python code around OpenSSL, so the bare loop is",
    "as far behind curl as ours. Small files: the least loop that verifies them takes 1.2 times the bare loop's CPU;",
    "the rest of our work is 0.1 ms of Python a file, spread over many small steps (the checks of target and link,",
    "resumption, the renewal of links, signatures of several types, warnings, limits of time). `curl --parallel` does",
    "everything in C; the bare loop runs about 300,000 instructions of Python a file.",
]


def _instructions(served: Served) -> list[str]:
    """Instructions for a small file, without the kernel."""
    counted = [
        instructions(
            "benchmarks.downloads",
            (500, COUNT),
            who=who,
            base=served.plain,
            out=str(served.out),
            large=False,
            at_once=16,
        )
        for who in ("bare, memory kept", "ours")
    ]
    if counted[0] is None or counted[1] is None:
        return []
    ratio = figure("instructions a small file, ours over bare", [counted[1] / counted[0]])
    return [
        "",
        f"Thousands of instructions a small file, 16 at once, the kernel's left out: {counted[0] / 1e3:.0f} (bare), "
        f"{counted[1] / 1e3:.0f} (ours), {ratio.partition(' ')[0]} times as many.",
    ]


async def _timed(options: dict[str, Any]) -> dict[str, float]:
    if options["who"] == "four":
        return await _four(options["base"], Path(options["out"]), options["how"])
    began, cpu = time.perf_counter(), time.process_time()
    names = _names(options["large"])[: options.get("calls", COUNT)]
    await CLIENTS[options["who"]](options["base"], Path(options["out"]), names, options["at_once"])
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def _main(options: dict[str, Any]) -> dict[str, float]:
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if options["who"].endswith("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_timed(options))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(json.loads(sys.argv[1]))))
