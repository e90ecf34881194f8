"""Hashes in a thread: the same as at once, whatever the pieces, breaks and cancellations."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from aps_async.downloads.digests import Digests

MIB = 1 << 20


class Executor(ThreadPoolExecutor):
    """A real one that counts, and that waits while it is held."""

    def __init__(self) -> None:
        super().__init__(1)
        self.calls = 0

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.calls += 1
        return super().submit(work, *args, **kwargs)


@pytest.fixture
async def executor() -> Executor:
    found = Executor()
    asyncio.get_running_loop().set_default_executor(found)
    return found


def hold(executor: Executor) -> asyncio.Event:
    """Keeps its thread busy until the event is set."""
    loop, released = asyncio.get_running_loop(), asyncio.Event()
    executor.submit(lambda: asyncio.run_coroutine_threadsafe(released.wait(), loop).result())
    return released


async def feed(digests: Digests, body: bytes, size: int) -> None:
    for at in range(0, len(body), size):
        digests.update(body[at : at + size])
        if digests.is_behind:
            await digests.catch_up()


@pytest.mark.parametrize("size", [1_000, 65_536, 262_144, 3 * MIB])
@pytest.mark.parametrize("total", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 9 * MIB + 7])
async def test_they_are_those_of_the_bytes(total: int, size: int) -> None:
    body = hashlib.shake_128(b"seed").digest(total)
    digests = Digests("sha1", "sha256")
    await feed(digests, body, size)
    await digests.settle()
    assert digests.hexdigest("sha1") == hashlib.sha1(body).hexdigest()  # noqa: S324 - what storage gives
    assert digests.hexdigest("sha256") == hashlib.sha256(body).hexdigest()
    assert digests.hexdigest("md5") is None


async def test_a_copy_goes_on_from_where_it_was_made(executor: Executor) -> None:
    first, wrong, right = (hashlib.shake_128(bytes([seed])).digest(5 * MIB) for seed in range(3))
    digests = Digests("sha256")
    await feed(digests, first, 65_536)
    await digests.settle()
    again = digests.copy()
    await feed(digests, wrong, 65_536)  # and left behind with a batch under way
    await feed(again, right, 65_536)
    await again.settle()
    assert again.hexdigest("sha256") == hashlib.sha256(first + right).hexdigest()
    assert executor.calls


async def test_a_small_file_needs_no_thread(executor: Executor) -> None:
    digests = Digests("sha256")
    await feed(digests, bytes(MIB), 65_536)
    await digests.settle()
    nothing = Digests()
    await feed(nothing, bytes(9 * MIB), 65_536)
    await nothing.settle()
    assert executor.calls == 0


async def test_what_waits_for_the_thread_is_bounded(executor: Executor) -> None:
    released = hold(executor)
    digests = Digests("sha256")
    fed = 0
    while not digests.is_behind:
        digests.update(bytes(65_536))
        fed += 65_536
    assert fed <= 4 * MIB
    behind = asyncio.ensure_future(digests.catch_up())
    await asyncio.sleep(0)
    assert not behind.done()
    released.set()
    await behind
    assert not digests.is_behind
    await digests.settle()
    assert digests.hexdigest("sha256") == hashlib.sha256(bytes(fed)).hexdigest()


@pytest.mark.parametrize("wait", [Digests.catch_up, Digests.settle])
async def test_a_cancelled_wait_loses_no_bytes(executor: Executor, wait: Callable[[Digests], Any]) -> None:
    released = hold(executor)
    digests = Digests("sha256")
    fed = 0
    while not digests.is_behind:
        digests.update(bytes(65_536))
        fed += 65_536
    waiting = asyncio.ensure_future(wait(digests))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    released.set()
    await digests.settle()
    assert digests.hexdigest("sha256") == hashlib.sha256(bytes(fed)).hexdigest()


async def test_an_error_in_the_thread_is_raised(executor: Executor) -> None:
    digests = Digests("sha256")
    digests.update(bytes(MIB))
    digests.update("no bytes" * MIB)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await digests.settle()
