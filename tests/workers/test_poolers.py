"""PostgreSQL behind a pooler: session mode works, and transaction mode is refused with one clear error."""

import asyncio

import pytest

from aps_async.errors import DatabaseError
from aps_async.workers import Database, RunStore
from tests.workers.pooler import pooler


async def use(database: Database) -> None:
    """Statements on all connections, a transaction, a listener, and the limit of idle transactions throughout."""
    await RunStore.opened(database)
    for _ in range(10):
        found = await asyncio.gather(*(database.value("SELECT $1::int + 1", number) for number in range(6)))
        assert found == [1, 2, 3, 4, 5, 6]
        assert await database.value("SHOW idle_in_transaction_session_timeout") == "15s"
    assert await database.transaction(lambda connection: connection.fetchval("SELECT 7")) == 7
    ears = await database.unpooled()
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    await ears.add_listener("here", lambda _, __, ___, payload: heard.set_result(payload))
    assert await ears.fetchval("SHOW idle_in_transaction_session_timeout") == "15s"
    await database.value("SELECT pg_notify('here', 'news')")
    async with asyncio.timeout(10):
        assert await heard == "news"
    await ears.close()


async def test_without_a_pooler(url: str) -> None:
    async with Database(url, patience=3.0) as database:
        await use(database)


async def test_session_mode_works(url: str) -> None:
    async with pooler(url, transactions=False) as pooled, Database(pooled, patience=3.0) as database:
        await use(database)


async def test_transaction_mode_is_refused_in_one_sentence(url: str) -> None:
    async with pooler(url, transactions=True) as pooled:
        with pytest.raises(DatabaseError, match=r"in transaction mode.*use the pooler's session mode") as caught:
            async with Database(pooled, patience=3.0):
                pass
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
