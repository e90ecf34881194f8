"""Connections of one database, and what becomes of them."""

import asyncio
from typing import Any

import asyncpg
import pytest

from aps_async.errors import InputError
from aps_async.workers import Database
from aps_async.workers import database as module
from aps_async.workers.database import check_address


@pytest.mark.parametrize("ends", ["cancelled", "refused"])
async def test_a_connection_that_cannot_be_prepared_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    begun, connections = asyncio.Event(), list[Any]()

    async def limit_idle(connection: Any) -> None:
        connections.append(connection)
        begun.set()
        if ends == "refused":
            raise OSError("the connection broke")
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "_limit_idle", limit_idle)
    opening = asyncio.create_task(database.unpooled())
    await begun.wait()
    opening.cancel()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await opening
    assert [each.is_closed() for each in connections] == [True]


UNREADABLE = [
    "postgresql://aps:hun/ter@127.0.0.1/aps",
    "postgresql://aps:77/hunter@127.0.0.1/aps",
    "postgresql://aps:hun#ter@127.0.0.1/aps",
    "postgresql://aps:77#hunter@127.0.0.1/aps",
    "postgresql://aps:hun?ter@127.0.0.1/aps",
    "postgresql://aps:77?hunter@127.0.0.1/aps",
    "postgresql://aps:h@x/hunter@127.0.0.1/aps",
    "postgresql://aps:hun[ter@127.0.0.1/aps",
    "postgresql://aps:hunter@127.0.0.1:543x/aps",
    "postgresql://aps:hunter@127.0.0.1:99999/aps",
    "postgresql://aps:hunter@127.0.0.1:5432,127.0.0.2:x/aps",
    "postgresql://aps:hunter@[::1/aps",
    "postgresql://aps:hunter@db..example/aps",
    "postgresql://aps:hunter@127.0.0.1/aps?sslmode=hope",
    "mysql://aps:hunter@127.0.0.1/aps",
    "hunter@127.0.0.1",
]


@pytest.mark.parametrize("address", UNREADABLE)
async def test_an_address_that_cannot_be_read_is_refused_without_showing_it(address: str) -> None:
    database = Database(address, patience=60.0)
    with pytest.raises(InputError, match="database's address") as caught:
        async with asyncio.timeout(5), database:
            pass
    shown = f"{caught.value}{database.shown}"
    assert not any(each in shown for each in ("hun", "ter@", "77"))


READABLE = {
    "postgresql://aps:p%2Fw%23%3F@db:5433/aps": "db:5433/aps",
    "postgres://aps@db/aps?user=aps@tenant&sslmode=require": "db/aps",
    "postgresql://aps:p@w@db/aps": "db/aps",
    "postgresql:///aps?host=/run/postgresql": "local socket/aps",
    "postgresql://[::1]:5433/aps": "::1:5433/aps",
    "postgresql://one:5432,two:5433/aps": "one:5432,two:5433/aps",
}


@pytest.mark.parametrize("address", READABLE)
def test_an_address_is_shown_without_user_and_password(address: str) -> None:
    check_address(address)
    assert Database(address).shown == READABLE[address]


async def until_warned(caplog: pytest.LogCaptureFixture) -> None:
    while "is unavailable (" not in caplog.text:  # noqa: ASYNC110 - what is awaited is a line of a log
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("slow", ["a statement that only reads", "an attempt from before"])
async def test_an_outage_for_writes_is_over_once_and_when_something_is_written(
    url: str, caplog: pytest.LogCaptureFixture, slow: str
) -> None:
    """Whatever else is under way meanwhile: a lost connection that is replaced, or one that is still read-only."""
    is_over, go_on, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()
    attempts = 0

    async def write(connection: Any) -> None:
        if not is_over.is_set():
            raise asyncpg.ReadOnlySQLTransactionError("read-only")

    async def read(connection: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionResetError
        begun.set()
        await go_on.wait()

    async def write_late(connection: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 4:  # after pauses that are reported
            begun.set()
            await go_on.wait()
        if attempts <= 4:
            raise asyncpg.ReadOnlySQLTransactionError("read-only")

    async with Database(url, patience=None) as database, asyncio.timeout(60):
        other = asyncio.create_task(database.bare(read if slow.startswith("a statement") else write_late))
        writing = asyncio.create_task(database.bare(write))
        await begun.wait()
        await until_warned(caplog)
        if slow.startswith("a statement"):
            go_on.set()
            await other
            assert "available again" not in caplog.text
        is_over.set()
        await writing
        go_on.set()
        await other
    reports = [each for each in caplog.messages if each.startswith("the database at")]
    assert [each.rpartition(" ")[2] for each in reports] == ["again", "again"]
    assert ["trying" in each for each in reports] == [True, False]
