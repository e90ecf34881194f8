"""For all tests."""

import asyncio
import gc
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.bytecode import write_bytecode
from tests.virtual_time import stand_still_for_threads

asyncio.set_event_loop(None)  # else pytest-asyncio asks for one between two tests, and never closes it

# Without their bytecode, each of the hundreds of processes that the tests start would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Whoever imports aiohttp reads all certificates of the system, for 0.04 s. Tests need none, object storages need one.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))


def _write_to_memory() -> None:
    """Temporary files lie in memory where Linux has room and lets programs run there: on a disk, all takes longer."""
    memory = Path("/dev/shm")  # noqa: S108 - others make folders of their own in it
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK):
        found = os.statvfs(memory)
        if found.f_bavail * found.f_frsize > 4 << 30 and not found.f_flag & os.ST_NOEXEC:
            os.environ["TMPDIR"] = str(memory)
            tempfile.tempdir = None  # TMPDIR is read again


_write_to_memory()
stand_still_for_threads()


def pytest_configure(config: pytest.Config) -> None:
    """Before pytest-xdist begins its processes."""
    if config.getoption("numprocesses", None):
        write_bytecode(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Virtual time passes once nothing has come in ten turns of the loop: on loopback, bytes are there at once."""
    if item.get_closest_marker("looptime"):
        item.add_marker(pytest.mark.looptime(noop_cycles=10))  # by default, 42


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests that pytest-xdist first gives a process, it runs the longest first: the rest is shared out later."""
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    share = -(-len(items) // processes) or 1
    shares = [items[at : at + share] for at in range(0, len(items), share)]
    items[:] = [item for each in shares for item in sorted(each, key=lambda item: not item.get_closest_marker("long"))]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests stay to the end: the garbage collector need not look at them, nor so often."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # and what little is garbage: to look for it takes half a second
        gc.set_threshold(5_000, 20, 10)
        gc.enable()
