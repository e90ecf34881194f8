"""Measured code runs in processes of its own, so that neither the server nor the last round weighs on it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any


@contextmanager
def simulator(**options: Any) -> Iterator[dict[str, Any]]:
    """A simulator in its own process; gives its address and credentials."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serve", json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.stdin.close()  # it ends when nobody listens
        child.wait(timeout=30)
        child.stdout.close()


def run(module: str, **options: Any) -> dict[str, Any]:
    """Runs `python -m module` with options as JSON and gives the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(options)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: list[float], digits: int = 2) -> str:
    """Median with its least and greatest neighbour, as all tables show it."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
