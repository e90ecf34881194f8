"""Few open files allowed: runs use fewer connections then, and what still fails says so."""

import os
import resource
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aps_async import Session, Settings, StaticToken
from aps_async.cli.exit_codes import reason
from aps_async.descriptors import TOO_MANY_ADVICE, connection_limit, raise_limit
from aps_async.downloads.sinks import PartFile
from aps_async.errors import TargetError, TransportError
from aps_async.ledger import Ledger
from aps_async.ledger.schema import explained
from aps_async.transport.quotas import Endpoint
from tests.cli.support import COMMAND, clean_environment, simulation

OPEN = Path("/proc/self/fd")
HERE = Endpoint("test", 100, token="any")


@contextmanager
def at_most(files: int) -> Iterator[None]:
    """This process may have only so many files open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def no_more() -> Iterator[None]:
    """This process may open nothing more."""
    with at_most(max(int(each.name) for each in OPEN.iterdir()) + 1):
        taken: list[int] = []
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            yield
        finally:
            for each in taken:
                os.close(each)


@pytest.mark.parametrize(
    ("allowed", "wanted", "got"),
    [
        (resource.RLIM_INFINITY, 100, 100),
        (1024, 100, 100),
        (1024, 1000, 328),
        (256, 100, 72),
        (256, 10, 10),
        (64, 100, 8),
        (45, 100, 2),
        (20, 100, 2),
        (20, 1, 1),
    ],
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, allowed: int, wanted: int, got: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert connection_limit(wanted) == got


def test_a_command_allows_itself_what_the_system_allows() -> None:
    with at_most(200):
        raise_limit()
        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now == (10_240 if most == resource.RLIM_INFINITY else min(most, 10_240))


def test_what_is_allowed_already_is_not_lowered() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(before[0], before[1])


@pytest.mark.parametrize("limit", ["-n 48", "-Sn 24"])
def test_a_run_delivers_everything_although_few_files_may_be_open(tmp_path: Path, limit: str) -> None:
    words = ["export", "Riverside Clinic", "--out", str(tmp_path), "--slots", "30", "--no-report"]
    with simulation("--sheets", "60", "--speed", "60") as running:
        done = subprocess.run(  # noqa: S603
            ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", *COMMAND, *words],  # noqa: S607
            env=clean_environment(running.env), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len([*tmp_path.glob("*.pdf")]) == 60


async def connect(folder: Path) -> None:
    """A call to the API over a new connection."""
    async with Session(StaticToken("t"), base_url="http://127.0.0.1:9", settings=Settings(max_attempts=1)) as session:
        with no_more():
            await session.request(HERE, "GET", "/list", into=dict[str, object])


async def write(folder: Path) -> None:
    """The first bytes of a download."""
    with no_more():
        await PartFile(folder / "a.pdf").write(0, b"%PDF")


async def open_ledger(folder: Path) -> None:
    """The ledger of a folder."""
    with no_more():
        async with Ledger(folder):
            pass


def sqlite_error(code: int) -> sqlite3.OperationalError:
    """An error of SQLite with this code."""
    found = sqlite3.OperationalError("unable to open database file")
    found.sqlite_errorcode = code
    return found


async def read_ledger(folder: Path) -> None:
    """SQLite, which does not say why it cannot open a file."""
    with no_more():
        raise explained(folder, sqlite_error(sqlite3.SQLITE_CANTOPEN))


async def open_anything(folder: Path) -> None:
    """What no code of ours converts."""
    with no_more():
        os.close(os.open(folder, os.O_RDONLY))


PLACES: dict[Callable[[Path], Awaitable[None]], type[Exception]] = {
    connect: TransportError,
    write: TargetError,
    open_ledger: TargetError,
    read_ledger: TargetError,
    open_anything: OSError,
}


@pytest.mark.skipif(not OPEN.exists(), reason="the system does not list a process's open files there")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_the_message_says_that_too_many_files_are_open(
    tmp_path: Path, place: Callable[[Path], Awaitable[None]]
) -> None:
    with pytest.raises(PLACES[place]) as caught:
        await place(tmp_path)
    assert TOO_MANY_ADVICE in reason(caught.value)
    assert "Check the address" not in reason(caught.value)
