"""Runs measured code in separate processes, so that neither the server nor an earlier round affects it."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

RAW: list[dict[str, Any]] = []
"""The output of every child process, for the file of raw figures."""
FIGURES: dict[str, list[float]] = {}
"""The ratios and sizes that are compared with a later run, by name: one value for each round."""


def simulator(**options: Any) -> AbstractContextManager[dict[str, Any]]:
    """A simulator in its own process; yields its address and credentials."""
    return child("benchmarks.serve", **options)


@contextmanager
def child(module: str, **options: Any) -> Iterator[dict[str, Any]]:
    """A server in its own process; yields the JSON that it prints when it is ready."""
    server = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())
    finally:
        server.stdin.close()  # which ends it
        server.wait(timeout=30)
        server.stdout.close()


def run(module: str, **options: Any) -> dict[str, Any]:
    """Runs `python -m module` with options as JSON and returns the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(options)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    kept = {
        name: value for name, value in options.items() if name not in ("at", "url", "base", "out")
    }  # specific to this run
    RAW.append({"module": module, "options": kept, "told": found})
    return found


def run_all(module: str, options: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for many, two at a time: only for runs in virtual time, which a busy machine does not affect."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda one: run(module, **one), options))


def instructions(module: str, calls: tuple[int, int], **options: Any) -> float | None:
    """Instructions of `python -m module` a call, without the kernel: reproducible to 1 % even on a busy machine.

    The module is run with few and with many `calls`, and the difference counts, so that its start does not. None where
    there is no `perf`, or no counter.
    """
    few, many = (
        instructions_of([sys.executable, "-m", module, json.dumps({**options, "calls": count})]) for count in calls
    )
    if few is None or many is None:
        return None
    return (many - few) / (calls[1] - calls[0])


def instructions_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int | None:
    """Instructions of a whole command, as counted by `perf`; None if it cannot count them."""
    if shutil.which("perf") is None:
        return None
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "instructions:u", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"^(\d+),", done.stderr, re.MULTILINE)
    return int(found[1]) if found else None


def folder_in_memory() -> "tempfile.TemporaryDirectory[str]":
    """A folder in memory, for runs at a multiple of the services' speed, which are too fast for a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return tempfile.TemporaryDirectory(prefix="aps-async-bench-", dir=memory if memory.is_dir() else None)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median with least and greatest, as in all tables; `~` if they are too far apart to be reliable."""
    noisy = " ~" if min(values) > 0 and max(values) > 1.5 * min(values) else ""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f}){noisy}"


def figure(name: str, values: Sequence[float], digits: int = 2) -> str:
    """The same; the values are also kept for a comparison with another run."""
    FIGURES[name] = list(values)
    return spread(values, digits)
