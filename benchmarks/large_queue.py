"""A large queue in a real PostgreSQL: how long its statements take, and how much room it needs."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import asyncpg

from aps_async import bim360
from aps_async.workers import Database, RunStore, engine
from aps_async.workers.claims import Claims
from aps_async.workers.owners import Owner
from tests.postgres import Postgres

RETRIED = 25_000
_STORED = Path(__file__).parents[1] / "tests" / "stored" / "workers-1.sql"
_FAIL = """
UPDATE aps_export SET state = 'failed', finished = now(), error = '{"type":"NotAllowedError","message":"no access"}'
WHERE id IN (SELECT id FROM aps_export WHERE run = $1 AND state = 'waiting' ORDER BY id LIMIT $2) RETURNING id
"""
_ROWS = {"exports": "aps_export", "queue": "aps_pgqueuer", "log": "aps_pgqueuer_log"}


async def measured(server: Postgres, count: int, *, clients: int = 1, stored: bool = False) -> dict[str, float]:
    """Enqueues that many exports, one run for each client id, and measures what is done with them.

    Args:
        server: the server.
        count: exports.
        clients: client ids.
        stored: whether the tables are those of the first version, with its rows, and are upgraded.
    """
    url = await asyncio.to_thread(server.fresh_database, "stored" if stored else "large")
    if stored:
        connection = await asyncpg.connect(url)
        await connection.execute(_STORED.read_text("utf-8"))
        await connection.close()
    async with Database(url) as database:
        began = time.monotonic()
        store = await RunStore.opened(database)
        figures = {"upgrade": time.monotonic() - began}
        owners = [Owner(f"client-{number}") for number in range(clients)]
        began, cpu = time.monotonic(), time.process_time()
        runs = [await _enqueued(store, owner, count // clients) for owner in owners]
        figures |= {"seconds": time.monotonic() - began, "cpu": (time.process_time() - cpu) / count * 1e3}
        for name, table in _ROWS.items():
            size = await database.value("SELECT pg_total_relation_size($1::text::regclass)", table)
            figures[name] = size / count
        figures["size"] = await database.value("SELECT pg_database_size(current_database())") / 1e6
        began = time.monotonic()
        await store.runs()
        figures["status"] = time.monotonic() - began
        figures["next"] = sorted([await _next_four(database, owner) for owner in owners for _ in range(20)])[
            10 * clients
        ]
        return figures | await _control(store, runs)


async def _enqueued(store: RunStore, owner: Owner, count: int) -> int:
    urns = (f"urn:adsk.wipprod:fs.file:vf.{number:022d}?version=1" for number in range(count))
    requests = (
        bim360.make_request("5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18", urn, name=f"A-{number:06d} - Ground Floor Plan")
        for number, urn in enumerate(urns)
    )
    run = await store.enqueue(requests, f"large {owner.client_id}", owner=owner)
    assert run.waiting == count
    return run.id


async def _control(store: RunStore, runs: list[int]) -> dict[str, float]:
    failed = await store.database.fetch(_FAIL, runs[0], RETRIED)
    keys = [f"start:{row['id']}" for row in failed]
    await store.database.fetch("DELETE FROM aps_pgqueuer WHERE dedupe_key = ANY ($1)", keys)
    began = time.monotonic()
    assert await store.retry(runs[0], reason="NotAllowedError") == len(failed)
    retry = time.monotonic() - began
    began = time.monotonic()
    await store.cancel(runs[-1])
    return {"retry": retry, "cancel": time.monotonic() - began}


async def _next_four(database: Database, owner: Owner) -> float:
    """Milliseconds of the query by a worker with four free slots."""
    claims = Claims(database, uuid4(), engine.HEARTBEAT)
    began = time.monotonic()
    assert len(await claims.take([engine.entrypoint_of("start", owner)], 4)) == 4
    return (time.monotonic() - began) * 1e3
