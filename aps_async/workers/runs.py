"""The store of runs: every run, every export, every outcome, and the steps from one state to the next.

    waiting --started--> running --delivered--> done
       \\                    \\---------------> failed      (the dead letters; `retry` queues them again)
        \\---------------------------------->  cancelled

Each step is one statement or one transaction that does nothing if it was already done, so a worker may repeat it after
any interruption, and two workers with the same export cannot both record an outcome.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Self

from aps_async.downloads.filenames import NameBook, safe_stem
from aps_async.errors import ExportError, InputError
from aps_async.exports.kinds import Export, ref_of
from aps_async.models import ExportRequest
from aps_async.transport.converter import request_to_json
from aps_async.workers import engine, schema
from aps_async.workers.database import Database
from aps_async.workers.records import (
    Entry,
    Record,
    RunStatus,
    entry_of,
    error_to_json,
    failed_files_to_json,
    record_of,
    status_of,
)
from aps_async.workers.steps import Delivered

__all__ = ["BATCH", "RunStore", "Wanted"]
__dir__: object = __all__.copy

Wanted = ExportRequest | Export
"""Anything that `export_many` accepts."""

BATCH = 2000
"""Exports enqueued in one transaction, about 1 MB."""

_ENTRY = """
SELECT e.id, e.request, e.state, e.name, e.export_id, e.tries, r.name AS folder, r.priority,
    extract(epoch FROM clock_timestamp() - e.started)::float8 AS age
FROM aps_export e JOIN aps_run r ON r.id = e.run WHERE e.id = $1
"""
_STARTED = """
UPDATE aps_export SET state = 'running', export_id = $2, started = clock_timestamp(), tries = 0
WHERE id = $1 AND state = 'waiting' RETURNING id
"""
_INSERT = """
INSERT INTO aps_export (run, name, kind, request, state, export_id, started)
SELECT $1, t.name, t.kind, t.request, CASE WHEN t.export_id IS NULL THEN 'waiting' ELSE 'running' END, t.export_id,
    CASE WHEN t.export_id IS NULL THEN NULL ELSE clock_timestamp() END
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS t (name, kind, request, export_id, at)
ORDER BY t.at ON CONFLICT (run, name) DO NOTHING RETURNING id, state
"""
_DONE = """
UPDATE aps_export SET state = 'done', place = $3, size = $4, sha256 = $5, lacks = $6, polls = $7,
    warnings = $8, finished = clock_timestamp()
WHERE id = $1 AND state = 'running' AND turns = $2 RETURNING id
"""
_FAILED = """
UPDATE aps_export SET state = 'failed', error = $2, polls = $3, export_id = coalesce(export_id, $4),
    finished = clock_timestamp()
WHERE id = $1 AND state IN ('waiting', 'running') RETURNING id
"""
_STATUS = """
SELECT r.id, r.name, r.priority, r.created, r.cancelled,
    count(*) FILTER (WHERE e.state = 'waiting') AS waiting, count(*) FILTER (WHERE e.state = 'running') AS running,
    count(*) FILTER (WHERE e.state = 'done') AS done, count(*) FILTER (WHERE e.state = 'failed') AS failed,
    count(*) FILTER (WHERE e.state = 'cancelled') AS dropped, coalesce(sum(e.size), 0)::bigint AS size,
    max(e.finished) AS last
FROM aps_run r LEFT JOIN aps_export e ON e.run = r.id
WHERE $1::bigint IS NULL OR r.id = $1 GROUP BY r.id ORDER BY r.id
"""
_RECORDS = """
SELECT e.*, extract(epoch FROM e.finished - e.started)::float8 AS seconds FROM aps_export e
WHERE e.run = coalesce($1, e.run) AND e.state = ANY ($2) AND e.id > $3 ORDER BY e.id LIMIT $4
"""
_RETRY = """
UPDATE aps_export SET finished = NULL, error = NULL, tries = 0, turns = turns + 1,
    state = CASE WHEN goes_on THEN 'running' ELSE 'waiting' END,
    started = CASE WHEN goes_on THEN clock_timestamp() END, export_id = CASE WHEN goes_on THEN export_id END
FROM (
    SELECT id AS of, export_id IS NOT NULL AND error NOT LIKE '{"type":"ExportFailedError"%' AS goes_on
    FROM aps_export WHERE state = 'failed' AND run = coalesce($1, run) AND ($2::bigint[] IS NULL OR id = ANY ($2))
    ORDER BY id LIMIT 5000
) chosen WHERE id = of AND state = 'failed' RETURNING id, run, state
"""


class RunStore:
    """The runs in an open database.

    Use it as `store = await RunStore.opened(database)`, which creates missing tables.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    async def opened(cls, database: Database) -> Self:
        """The store, after creating missing tables.

        Raises:
            DatabaseError: the tables are of another version, or cannot be created.
            InputError: the extra `workers` is not installed.
        """
        engine.installed()

        async def make(connection: Any) -> None:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", schema.LOCK)
            await schema.install(connection)
            await engine.install(connection)

        await database.transaction(make)
        await database.bare(engine.upgrade)
        return cls(database)

    # ---------------------------------------------------------------- enqueueing

    async def enqueue(
        self, wanted: Iterable[Wanted] | AsyncIterable[Wanted], name: str, *, priority: int = 0
    ) -> RunStatus:
        """Creates a run of these exports. Workers begin at once, while more exports are still being enqueued.

        Args:
            wanted: requests, or references to exports that were started elsewhere.
            name: the name of the run and of its folder; a number is added if another run has that name.
            priority: runs with a higher priority go first.

        Raises:
            Exception: any error of iterating over `wanted`; exports before it stay enqueued.
        """
        run = await self._new_run(name, priority)
        names = NameBook()
        batch: list[tuple[str, Wanted]] = []
        async with aclosing(_each(wanted)) as each:
            async for one in each:
                request = _request_of(one)
                batch.append((names.take(request.name or request.source_ids[0], ""), one))
                if len(batch) == BATCH:
                    await self._add(run, priority, batch)
                    batch = []
        await self._add(run, priority, batch)
        found = await self.run(run)
        if found.total > BATCH:  # queries take fifty times as long while PostgreSQL assumes a small table
            await self.database.fetch("ANALYZE aps_export, aps_pgqueuer")
        return found

    async def _new_run(self, name: str, priority: int) -> int:
        stem, count = safe_stem(name), 1
        sql = "INSERT INTO aps_run (name, priority) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id"
        while True:
            found = await self.database.value(sql, stem if count == 1 else f"{stem} ({count})", priority)
            if found is not None:
                return int(found)
            count += 1

    async def _add(self, run: int, priority: int, batch: Sequence[tuple[str, Wanted]]) -> None:
        requests = [_request_of(one) for _, one in batch]
        ids = [None if isinstance(one, ExportRequest) else ref_of(one).export_id for _, one in batch]

        async def add(connection: Any) -> None:
            rows = await connection.fetch(
                _INSERT,
                run,
                [name for name, _ in batch],
                [str(request.kind) for request in requests],
                [request_to_json(request) for request in requests],
                ids,
            )
            lanes: tuple[tuple[engine.Lane, str], ...] = (("start", "waiting"), ("fetch", "running"))
            for lane, state in lanes:
                due = [row["id"] for row in rows if row["state"] == state]
                await engine.put(connection, lane, due, priority=priority)

        await self.database.transaction(add)

    # ---------------------------------------------------------------- a worker's steps

    async def entry(self, export: int) -> Entry | None:
        """One export as it is now; None if there is no such export.

        Raises:
            InputError: the export's row cannot be read.
        """
        row = await self.database.row(_ENTRY, export)
        if row is None:
            return None
        return entry_of(row)

    async def started(self, entry: Entry, export_id: str, delay: float) -> None:
        """Stores the job's id, and queues its first status call after `delay` seconds, in one transaction."""

        async def keep(connection: Any) -> None:
            if await connection.fetchval(_STARTED, entry.id, export_id) is not None:
                await engine.put(connection, "fetch", [entry.id], priority=entry.priority, delay=delay)

        await self.database.transaction(keep)

    async def delivery_attempt(self, export: int) -> int | None:
        """Takes the right to deliver from its previous holder; None if there is nothing to deliver any more."""
        sql = "UPDATE aps_export SET turns = turns + 1 WHERE id = $1 AND state = 'running' RETURNING turns"
        found: int | None = await self.database.value(sql, export)
        return found

    async def is_mine(self, export: int, delivery_attempt: int) -> bool:
        """Whether this attempt still holds the right to deliver."""
        sql = "SELECT EXISTS (SELECT FROM aps_export WHERE id = $1 AND state = 'running' AND turns = $2)"
        return bool(await self.database.value(sql, export, delivery_attempt))

    async def delivered(
        self, export: int, delivery_attempt: int, file: Delivered, *, polls: int, failed_files: Sequence[Any]
    ) -> bool:
        """Records the outcome; False if this attempt no longer holds the right to."""
        missing = failed_files_to_json(failed_files) if failed_files else None
        warnings = json.dumps(file.warnings) if file.warnings else None
        found = await self.database.value(
            _DONE, export, delivery_attempt, file.location, file.size, file.sha256, missing, polls, warnings
        )
        return found is not None

    async def failed(self, export: int, problem: BaseException, *, polls: int = 0) -> bool:
        """Makes the export a dead letter; False if it has already ended."""
        export_id = problem.ref.export_id if isinstance(problem, ExportError) else None
        return await self.database.value(_FAILED, export, error_to_json(problem), polls, export_id) is not None

    async def record_transient_failure(self, export: int) -> None:
        """Counts one more consecutive step that failed with a transient error."""
        await self.database.fetch("UPDATE aps_export SET tries = tries + 1 WHERE id = $1", export)

    async def recovered(self, export: int) -> None:
        """Resets that count."""
        await self.database.fetch("UPDATE aps_export SET tries = 0 WHERE id = $1", export)

    async def pending(self) -> dict[str, int]:
        """The number of running exports by kind."""
        rows = await self.database.fetch(
            "SELECT kind, count(*) AS count FROM aps_export WHERE state = 'running' GROUP BY kind"
        )
        return {row["kind"]: row["count"] for row in rows}

    # ---------------------------------------------------------------- status and control

    async def runs(self) -> list[RunStatus]:
        """All runs, oldest first."""
        return [status_of(row) for row in await self.database.fetch(_STATUS, None)]

    async def run(self, run: int | str) -> RunStatus:
        """One run by its number or name.

        Raises:
            InputError: there is no such run.
        """
        found = await self.database.value(
            "SELECT id FROM aps_run WHERE name = $1 OR id::text = $1 ORDER BY name = $1 DESC LIMIT 1", str(run)
        )
        if found is None:
            raise InputError(f"there is no run {run!r} in this database; 'aps-async status --database ...' lists them")
        [row] = await self.database.fetch(_STATUS, found)
        return status_of(row)

    async def records(
        self, run: int | None = None, *, states: Sequence[str] = ("done", "failed"), batch: int = 1000
    ) -> AsyncIterator[Record]:
        """The exports that have ended, with their outcomes; for the dead letters use `states=["failed"]`."""
        last = 0
        while rows := await self.database.fetch(_RECORDS, run, list(states), last, batch):
            for row in rows:
                yield record_of(row)
            last = rows[-1]["id"]

    async def cancel(self, run: int) -> int:
        """Cancels a run: no more starts or deliveries; finished files stay. Returns how many exports were dropped."""

        async def end(connection: Any) -> int:
            await connection.execute(
                "UPDATE aps_run SET cancelled = coalesce(cancelled, clock_timestamp()) WHERE id = $1", run
            )
            await engine.drop_run(connection, run)
            done = await connection.fetchval(
                "WITH ended AS (UPDATE aps_export SET state = 'cancelled', finished = clock_timestamp() "
                "WHERE run = $1 AND state IN ('waiting', 'running') RETURNING id) SELECT count(*) FROM ended",
                run,
            )
            return int(done)

        return await self.database.transaction(end)

    async def retry(self, run: int | None = None, exports: Sequence[int] | None = None) -> int:
        """Queues dead letters again, all of them by default. Returns how many.

        Exports that were started are polled again; those that failed at the service or were never accepted are started
        again.
        """

        async def again(connection: Any) -> int:
            rows = await connection.fetch(_RETRY, run, None if exports is None else list(exports))
            for row in rows:
                priority = await connection.fetchval("SELECT priority FROM aps_run WHERE id = $1", row["run"])
                lane: engine.Lane = "start" if row["state"] == "waiting" else "fetch"
                await engine.put(connection, lane, [row["id"]], priority=priority)
            return len(rows)

        total = 0
        while count := await self.database.transaction(again):
            total += count
        return total


def _request_of(wanted: Wanted) -> ExportRequest:
    return wanted if isinstance(wanted, ExportRequest) else ref_of(wanted).request


async def _each(wanted: Iterable[Wanted] | AsyncIterable[Wanted]) -> AsyncGenerator[Wanted, None]:
    if isinstance(wanted, AsyncIterable):
        async for one in wanted:
            yield one
    else:
        for one in wanted:
            yield one
