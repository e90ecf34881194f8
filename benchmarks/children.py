"""Measured code runs in processes of its own, so that neither the server nor the last round weighs on it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import median
from typing import Any

RAW: list[dict[str, Any]] = []
"""What every child told, for the file of raw figures."""


def simulator(**options: Any) -> AbstractContextManager[dict[str, Any]]:
    """A simulator in its own process; gives its address and credentials."""
    return child("benchmarks.serve", **options)


@contextmanager
def child(module: str, **options: Any) -> Iterator[dict[str, Any]]:
    """A server in its own process; gives the JSON that it prints when it is ready."""
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
        server.stdin.close()  # it ends when nobody listens
        server.wait(timeout=30)
        server.stdout.close()


def run(module: str, **options: Any) -> dict[str, Any]:
    """Runs `python -m module` with options as JSON and gives the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(options)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    RAW.append({"module": module, "options": {k: v for k, v in options.items() if k != "at"}, "told": found})
    return found


def spread(values: list[float], digits: int = 2) -> str:
    """Median with the least and the greatest, as all tables show it; `~` where they are too far apart to trust."""
    noisy = " ~" if min(values) > 0 and max(values) > 1.5 * min(values) else ""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f}){noisy}"
