"""For all tests."""

import asyncio
import gc
import os
import sys

asyncio.set_event_loop(None)  # else pytest-asyncio asks for one between two tests, and never closes it

# Without their bytecode, each of the hundreds of processes that the tests start would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
