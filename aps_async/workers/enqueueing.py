"""Enqueues a run: stores its exports and their rows in the queue, in batches or in one transaction."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from attrs import frozen

from aps_async.downloads.filenames import NameBook
from aps_async.exports.bulk_requests import Wanted, request_of
from aps_async.exports.kinds import ref_of
from aps_async.models import ExportRequest
from aps_async.transport.converter import request_to_json
from aps_async.workers import engine
from aps_async.workers.database import Database
from aps_async.workers.owners import Owner

__all__ = ["BATCH", "NewRun", "enqueue"]
__dir__: object = __all__.copy

BATCH = 2000
"""Exports enqueued in one transaction, about 1 MB."""
_INSERT_RUN = """
INSERT INTO aps_run (name, priority, client_id, user_id, key) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING id
"""
_INSERT = """
INSERT INTO aps_export (run, name, kind, request, state, export_id, started)
SELECT $1, t.name, t.kind, t.request, CASE WHEN t.export_id IS NULL THEN 'waiting' ELSE 'running' END, t.export_id,
    CASE WHEN t.export_id IS NULL THEN NULL ELSE clock_timestamp() END
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS t (name, kind, request, export_id, at)
ORDER BY t.at ON CONFLICT (run, name) DO NOTHING
RETURNING id, state, $6::int AS priority, $7::text AS client_id, $8::text AS user_id
"""


@frozen
class NewRun:
    """A run to create."""

    stem: str
    priority: int
    owner: Owner | None
    key: str | None

    @property
    def client_id(self) -> str | None:
        """The owner's."""
        return self.owner.client_id if self.owner else None

    @property
    def user_id(self) -> str | None:
        """The owner's."""
        return self.owner.user_id if self.owner else None


async def enqueue(database: Database, wanted: Iterable[Wanted] | AsyncIterable[Wanted], new: NewRun) -> int:
    """Creates a run; returns its number. See `RunStore.enqueue`."""
    if new.key is None:
        run, count = await _enqueue_in_batches(database, new, wanted)
    else:
        names = NameBook()
        async with aclosing(_each(wanted)) as each:
            everything = [(_name_of(one, names), one) async for one in each]
        run, count = await database.transaction(partial(_enqueue_once, new=new, everything=everything)), len(everything)
    if count > BATCH:  # queries take fifty times as long while PostgreSQL assumes a small table
        await database.fetch("ANALYZE aps_export, aps_pgqueuer")
    return run


async def _enqueue_in_batches(
    database: Database, new: NewRun, wanted: Iterable[Wanted] | AsyncIterable[Wanted]
) -> tuple[int, int]:
    run, _ = await database.bare(partial(_insert_run, new=new))
    names, count = NameBook(), 0
    batch: list[tuple[str, Wanted]] = []
    async with aclosing(_each(wanted)) as each:
        async for one in each:
            batch.append((_name_of(one, names), one))
            count += 1
            if len(batch) == BATCH:
                await database.transaction(partial(_insert_exports, run=run, new=new, batch=batch))
                batch = []
    await database.transaction(partial(_insert_exports, run=run, new=new, batch=batch))
    return run, count


async def _enqueue_once(connection: Any, new: NewRun, everything: Sequence[tuple[str, Wanted]]) -> int:
    run, is_new = await _insert_run(connection, new)
    if is_new:
        for first in range(0, len(everything), BATCH):
            await _insert_exports(connection, run, new, everything[first : first + BATCH])
    return run


async def _insert_run(connection: Any, new: NewRun) -> tuple[int, bool]:
    """Returns the run's number, and whether it is new: a run with the same key may exist already."""
    for count in itertools.count(1):
        found = await connection.fetchval("SELECT id FROM aps_run WHERE key = $1", new.key)
        if found is not None:
            return int(found), False
        name = new.stem if count == 1 else f"{new.stem} ({count})"
        found = await connection.fetchval(_INSERT_RUN, name, new.priority, new.client_id, new.user_id, new.key)
        if found is not None:
            return int(found), True
    raise AssertionError


async def _insert_exports(connection: Any, run: int, new: NewRun, batch: Sequence[tuple[str, Wanted]]) -> None:
    requests = [request_of(one) for _, one in batch]
    values = (
        run,
        [name for name, _ in batch],
        [str(request.kind) for request in requests],
        [request_to_json(request) for request in requests],
        [None if isinstance(one, ExportRequest) else ref_of(one).export_id for _, one in batch],
        new.priority,
        new.client_id,
        new.user_id,
    )
    await engine.put_from(connection, _INSERT, values)


def _name_of(wanted: Wanted, names: NameBook) -> str:
    request = request_of(wanted)
    return names.take(request.name or request.source_ids[0], "")


async def _each(wanted: Iterable[Wanted] | AsyncIterable[Wanted]) -> AsyncGenerator[Wanted, None]:
    if isinstance(wanted, AsyncIterable):
        async for one in wanted:
            yield one
    else:
        for one in wanted:
            yield one
