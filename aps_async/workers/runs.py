"""The store of runs: every run, every export, every outcome, and the steps from one state to the next.

    waiting --started--> running --delivered--> done        (`forgotten` goes back from running to waiting)
       \\                    \\---------------> failed      (the dead letters; `retry` queues them again)
        \\---------------------------------->  cancelled

Each step is one statement or one transaction that does nothing if it was already done, so a worker may repeat it after
any interruption, and two workers with the same export cannot both record an outcome.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any, Self

from aps_async.arguments import check_kind
from aps_async.downloads.filenames import safe_stem
from aps_async.errors import ExportError, InputError
from aps_async.exports.bulk_requests import Wanted
from aps_async.text import did_you_mean
from aps_async.workers import engine, presence, schema
from aps_async.workers.checks import check_number, check_run, check_text
from aps_async.workers.database import Database
from aps_async.workers.enqueueing import NewRun, enqueue
from aps_async.workers.owners import Owner
from aps_async.workers.records import (
    Entry,
    Record,
    RunStatus,
    entry_of,
    error_patterns,
    error_to_json,
    failed_files_to_json,
    record_of,
    status_of,
)
from aps_async.workers.steps import Delivered

__all__ = ["RunStore"]
__dir__: object = __all__.copy

_NAMES = 1000
"""The number of runs, the latest, among whose names similar ones are looked for."""
_ENTRIES = """
SELECT e.id, e.request, e.state, e.name, e.export_id, e.tries, e.refusals, r.name AS folder, r.priority,
    r.client_id, r.user_id,
    extract(epoch FROM clock_timestamp() - e.started)::float8 AS age
FROM aps_export e JOIN aps_run r ON r.id = e.run WHERE e.id = ANY ($1)
"""
_STARTED = """
UPDATE aps_export SET state = 'running', export_id = $3, started = clock_timestamp(), tries = 0, refusals = 0,
    refused_by = '{}'
WHERE id = $2 AND state = 'waiting' RETURNING id
"""
_FORGOTTEN = """
UPDATE aps_export SET state = 'waiting', export_id = NULL, started = NULL, tries = 0, refusals = 0, refused_by = '{}'
WHERE id = $2 AND state = 'running' AND export_id = $3 RETURNING id
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
_REFUSED = """
UPDATE aps_export SET refusals = refusals + 1, refused_by = array_append(array_remove(refused_by, $2), $2) WHERE id = $1
"""
_OTHERS = """
SELECT EXISTS (
    SELECT FROM aps_export e JOIN aps_run r ON r.id = e.run JOIN aps_worker w
        ON r.client_id IS NULL OR (r.client_id, coalesce(r.user_id, '')) = (w.client_id, coalesce(w.user_id, ''))
    WHERE e.id = $1 AND w.id <> $2 AND w.id <> ALL (e.refused_by)
        AND w.heartbeat > clock_timestamp() - make_interval(secs => $3)
)
"""
_STATUS = """
SELECT r.id, r.name, r.priority, r.created, r.cancelled,
    count(*) FILTER (WHERE e.state = 'waiting') AS waiting, count(*) FILTER (WHERE e.state = 'running') AS running,
    count(*) FILTER (WHERE e.state = 'done') AS done, count(*) FILTER (WHERE e.state = 'failed') AS failed,
    count(*) FILTER (WHERE e.state = 'done' AND e.lacks IS NOT NULL) AS partial,
    count(*) FILTER (WHERE e.state = 'cancelled') AS dropped, coalesce(sum(e.size), 0)::bigint AS size,
    max(e.finished) AS last, to_jsonb(r) ->> 'client_id' AS client_id, to_jsonb(r) ->> 'user_id' AS user_id
FROM aps_run r LEFT JOIN aps_export e ON e.run = r.id
WHERE $1::bigint IS NULL OR r.id = $1 GROUP BY r.id ORDER BY r.id
"""
_RECORDS = """
SELECT e.*, extract(epoch FROM e.finished - e.started)::float8 AS seconds FROM aps_export e
WHERE e.run = coalesce($1, e.run) AND e.state = ANY ($2) AND e.id > $3 ORDER BY e.id LIMIT $4
"""
_RETRY = """
UPDATE aps_export SET finished = NULL, error = NULL, tries = 0, refusals = 0, refused_by = '{}', turns = 0,
    state = CASE WHEN goes_on THEN 'running' ELSE 'waiting' END,
    started = CASE WHEN goes_on THEN clock_timestamp() END, export_id = CASE WHEN goes_on THEN export_id END
FROM (
    SELECT e.id AS of, export_id IS NOT NULL AND error NOT LIKE '{"type":"ExportFailedError"%'
        AND error NOT LIKE '{"type":"NotFoundError"%' AS goes_on,
        r.priority, r.client_id, r.user_id
    FROM aps_export e JOIN aps_run r ON r.id = e.run
    WHERE e.state = 'failed' AND e.run = coalesce($1, e.run) AND ($2::bigint[] IS NULL OR e.id = ANY ($2))
        AND ($3::text IS NULL OR starts_with(e.error, $3) OR strpos(lower(e.error), $4) > 0)
    ORDER BY e.id LIMIT 25000 FOR UPDATE OF e
) chosen WHERE id = of RETURNING id, state, priority, client_id, user_id
"""
_IS_DONE = """
SELECT NOT EXISTS (
    SELECT FROM aps_export e JOIN aps_run r ON r.id = e.run WHERE e.state IN ('waiting', 'running')
        AND (r.client_id IS NULL OR (r.client_id, coalesce(r.user_id, '')) = ($1, $2))
)
"""


class RunStore:
    """The runs in an open database.

    Use it as `store = await RunStore.opened(database)`, which creates missing tables.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    async def existing(cls, database: Database) -> Self | None:
        """Opens the store for a program that only reads: no table is created or changed. None if there are no tables.

        Raises:
            DatabaseError: the tables are of another version, or cannot be read.
        """
        check_kind("database", database, Database)
        return cls(database) if await database.bare(schema.is_installed) else None

    @classmethod
    async def opened(cls, database: Database) -> Self:
        """Opens the store, and creates missing tables.

        Raises:
            DatabaseError: the tables are of another version, or cannot be created.
            InputError: the extra `workers` is not installed.
        """
        check_kind("database", database, Database)
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
        self,
        wanted: Iterable[Wanted] | AsyncIterable[Wanted],
        name: str,
        *,
        priority: int = 0,
        owner: Owner | None = None,
        key: str | None = None,
    ) -> RunStatus:
        """Creates a run of these exports. Workers begin at once, while more exports are still being enqueued.

        Args:
            wanted: requests, or references to exports that were started elsewhere.
            name: the name of the run and of its folder; a number is added if another run has that name.
            priority: runs with a higher priority go first.
            owner: whose workers may take the run, such as `await owner_of(session)`; None: all workers.
            key: a text that identifies this run, which makes it safe to repeat the call after any error: all exports
                are read first and enqueued in one transaction, and if a run with this key exists, that is returned
                unchanged.

        Raises:
            InputError: an argument is of another type, or the database cannot hold it; no run is created.
            Exception: any error of iterating over `wanted`. Without a key, exports before it stay enqueued.
        """
        check_run(wanted, name, priority, owner, key)
        return await self.run(await enqueue(self.database, wanted, NewRun(safe_stem(name), priority, owner, key)))

    async def find_key(self, key: str) -> RunStatus | None:
        """The run that was enqueued under this key; None if there is none yet."""
        check_text("key", key)
        found = await self.database.value("SELECT id FROM aps_run WHERE key = $1", key)
        return None if found is None else await self.run(found)

    # ---------------------------------------------------------------- a worker's steps

    async def rows(self, exports: Sequence[int]) -> dict[int, Any]:
        """The current rows of these exports, for `entry_of`."""
        return {row["id"]: row for row in await self.database.fetch(_ENTRIES, list(exports))}

    async def entry(self, export: int) -> Entry | None:
        """The current state of one export; None if there is no such export.

        Raises:
            InputError: the export's row cannot be read.
        """
        found = await self.rows([export])
        return entry_of(found[export]) if found else None

    async def started(self, entry: Entry, export_id: str) -> bool:
        """Stores the job's id, and moves the export to the other lane, in one statement.

        Returns whether the export's row in the queue has moved; it has not if this was done before.
        """
        return await engine.move_if(self.database, _STARTED, (entry.id, export_id), entry.owner)

    async def forgotten(self, entry: Entry, export_id: str) -> bool:
        """Makes an export wait for another start, as the service no longer has its job; False if others were faster."""
        return await engine.move_if(self.database, _FORGOTTEN, (entry.id, export_id), entry.owner, to="start")

    async def delivery_attempt(self, export: int) -> int | None:
        """Begins a delivery attempt, which ends the right of earlier ones; None if there is nothing left to deliver."""
        sql = "UPDATE aps_export SET turns = turns + 1 WHERE id = $1 AND state = 'running' RETURNING turns"
        found: int | None = await self.database.value(sql, export)
        return found

    async def delivery_ended(self, export: int, delivery_attempt: int) -> None:
        """Ends an attempt that failed while its worker is alive, so that it does not count towards `TURNS`."""
        sql = "UPDATE aps_export SET turns = turns - 1 WHERE id = $1 AND state = 'running' AND turns = $2"
        await self.database.fetch(sql, export, delivery_attempt)

    async def is_mine(self, export: int, delivery_attempt: int) -> bool:
        """Whether this attempt still holds the right to deliver."""
        sql = "SELECT EXISTS (SELECT FROM aps_export WHERE id = $1 AND state = 'running' AND turns = $2)"
        return bool(await self.database.value(sql, export, delivery_attempt))

    async def delivered(
        self, export: int, delivery_attempt: int, file: Delivered, *, polls: int, failed_files: Sequence[Any]
    ) -> bool:
        """Records the outcome and removes the export from the queue; False if another attempt has the right to."""
        missing = failed_files_to_json(failed_files) if failed_files else None
        warnings = json.dumps(file.warnings) if file.warnings else None
        values = (export, delivery_attempt, file.location, file.size, file.sha256, missing, polls, warnings)
        return await engine.remove_if(self.database, _DONE, values)

    async def failed(self, export: int, problem: BaseException, *, polls: int = 0) -> bool:
        """Makes the export a dead letter and removes it from the queue; False if it has already ended."""
        export_id = problem.ref.export_id if isinstance(problem, ExportError) else None
        return await engine.remove_if(self.database, _FAILED, (export, error_to_json(problem), polls, export_id))

    async def record_transient_failure(self, export: int) -> None:
        """Counts one more consecutive step that failed with a transient error."""
        await self.database.fetch("UPDATE aps_export SET tries = tries + 1 WHERE id = $1", export)

    async def record_refusal(self, export: int, worker: str) -> None:
        """Counts one more consecutive step that the service refused."""
        await self.database.fetch(_REFUSED, export, worker)

    async def has_other_worker(self, export: int, worker: str) -> bool:
        """Whether another live worker may take the export and has not been refused yet."""
        return bool(await self.database.value(_OTHERS, export, worker, presence.SILENT))

    async def recovered(self, export: int) -> None:
        """Resets both counts."""
        sql = "UPDATE aps_export SET tries = 0, refusals = 0, refused_by = '{}' WHERE id = $1"
        await self.database.fetch(sql, export)

    async def pending(self) -> dict[str, int]:
        """The number of running exports by kind."""
        rows = await self.database.fetch(
            "SELECT kind, count(*) AS count FROM aps_export WHERE state = 'running' GROUP BY kind"
        )
        return {row["kind"]: row["count"] for row in rows}

    async def is_done(self, owner: Owner | None) -> bool:
        """Whether all exports that a worker with this owner may take have ended."""
        values = (owner.client_id, owner.user_id) if owner else ("", "")
        return bool(await self.database.value(_IS_DONE, *values))

    # ---------------------------------------------------------------- status and control

    async def runs(self) -> list[RunStatus]:
        """All runs, oldest first."""
        return [status_of(row) for row in await self.database.fetch(_STATUS, None)]

    async def run(self, run: int | str) -> RunStatus:
        """One run by its number or name.

        Raises:
            InputError: there is no such run; the message lists similar names.
        """
        check_text("run", str(run))
        found = await self.database.value(
            "SELECT id FROM aps_run WHERE name = $1 OR id::text = $1 ORDER BY name = $1 DESC LIMIT 1", str(run)
        )
        if found is None:
            names = await self.database.fetch("SELECT name FROM aps_run ORDER BY id DESC LIMIT $1", _NAMES)
            words = (
                f"there is no run {run!r} in this database; {did_you_mean(str(run), (row['name'] for row in names))}"
            )
            raise InputError(words)
        [row] = await self.database.fetch(_STATUS, found)
        return status_of(row)

    async def records(
        self, run: int | None = None, *, states: Sequence[str] = ("done", "failed"), batch: int = 1000
    ) -> AsyncIterator[Record]:
        """The exports that have ended, with their outcomes; `states=["failed"]` for the dead letters only."""
        if run is not None:
            check_number("run", run)
        last = 0
        while rows := await self.database.fetch(_RECORDS, run, list(states), last, batch):
            for row in rows:
                yield record_of(row)
            last = rows[-1]["id"]

    async def cancel(self, run: int) -> int:
        """Cancels a run: no more starts or deliveries; finished files stay. Returns how many exports were dropped."""
        check_number("run", run)

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

    async def set_priority(self, run: int, priority: int) -> None:
        """Changes a run's priority, including that of its exports in the queue."""
        check_number("run", run)
        check_number("priority", priority, bits=32)

        async def change(connection: Any) -> None:
            await connection.execute("UPDATE aps_run SET priority = $2 WHERE id = $1", run, priority)
            await engine.set_run_priority(connection, run, priority)

        await self.database.transaction(change)

    async def retry(
        self, run: int | None = None, exports: Sequence[int] | None = None, *, reason: str | None = None
    ) -> int:
        """Puts dead letters back into the queue, all of them by default. Returns their number.

        Exports that were started are polled again; those that failed at the service, are not found there, or were never
        accepted are started again.

        Args:
            run: only those of this run.
            exports: only these.
            reason: only those whose error is of this type, such as `NotAllowedError`, or contains this text.
        """
        if run is not None:
            check_number("run", run)
        for each in exports or ():
            check_number("the id of an export", each)
        kind, text = (None, None) if reason is None else error_patterns(reason)
        chosen = None if exports is None else list(exports)

        again = partial(engine.put_from, statement=_RETRY, values=(run, chosen, kind, text))
        total = 0
        while count := await self.database.transaction(again):
            total += count
        return total
