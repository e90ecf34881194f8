"""A login ends at its timeout and at the first signal, whatever browser, terminal or keyring are waiting for."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aps_async import AuthError
from aps_async.auth import KeyringStore, open_browser
from aps_async.auth.background import in_daemon_thread
from aps_async.simulator import Simulator
from tests.auth.support import Terminal, world_with
from tests.support import free_port


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    async with Simulator(world_with(callback)) as simulator:
        yield Terminal(simulator, tmp_path, {"APS_CALLBACK_URL": callback})


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Path]:
    """A browser that stays in the foreground for a minute, unless the test is over before."""
    number = tmp_path / "pid"
    program = tmp_path / "browser"
    program.write_text(
        f"#!/bin/sh\necho $$ > {number}.new && mv {number}.new {number}\nexec sleep 60 >/dev/null 2>&1\n"
    )
    program.chmod(0o755)
    yield program
    if number.exists():
        os.kill(int(number.read_text()), signal.SIGKILL)


async def is_open(browser: Path) -> None:
    async with asyncio.timeout(20):
        while not browser.with_name("pid").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_the_first_signal_ends_it_although_the_browser_goes_on(
    terminal: Terminal, browser: Path, number: signal.Signals, code: int
) -> None:
    async with terminal.start("login", BROWSER=str(browser)) as command:
        await is_open(browser)
        command.process.send_signal(number)
        async with asyncio.timeout(10):
            ended, _, err = await command.ended()
    assert (ended, err.splitlines()[-1]) == (code, "aps-async: stopped")


@pytest.mark.parametrize("options", [(), ("--no-browser",)])
async def test_it_ends_at_its_time(terminal: Terminal, browser: Path, options: tuple[str, ...]) -> None:
    async with terminal.start("login", "--timeout", "1", *options, BROWSER=str(browser)) as command:
        async with asyncio.timeout(20):
            await command.process.wait()  # its standard input stays open, as a terminal's does
        ended, _, err = await command.ended()
    assert ended == 3
    assert "no sign-in within 1 s" in err


def slow_keyring(pressed: list[str]) -> object:
    class Locked:
        """It asks somebody who has left."""

        def get_password(self, *_: str) -> None:
            pressed.append("get")
            time.sleep(30)

        set_password = get_password

    return Locked()


def test_a_keyring_that_waits_for_its_owner_holds_nothing_up(tmp_path: Path) -> None:
    pressed: list[str] = []
    store = KeyringStore("work", lock_file=tmp_path / "work")
    store._keyring = slow_keyring(pressed)

    async def give_up() -> None:
        async with asyncio.timeout(0.1):
            await store.load()

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert pressed == ["get"]
    assert time.monotonic() - began < 10


async def test_what_the_thread_returns_or_raises_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise AuthError("no")

    assert await in_daemon_thread(lambda: 7) == 7
    with pytest.raises(AuthError, match="no"):
        await in_daemon_thread(fails)
    monkeypatch.setenv("BROWSER", "true")
    await open_browser("http://127.0.0.1:9/")
