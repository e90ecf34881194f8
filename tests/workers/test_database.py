"""Connections of one database, and what becomes of them."""

import asyncio
from typing import Any

import pytest

from aps_async.workers import Database
from aps_async.workers import database as module


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
