"""The commands for what workers do: `status --database`, `cancel`, `priority`, `dead-letters`."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from attrs import frozen

from aps_async.cli.databases import PATIENCE
from aps_async.cli.exit_codes import UsageProblem, reason
from aps_async.cli.output import print_json, print_result, print_status, print_table
from aps_async.errors import InputError
from aps_async.text import count, size
from aps_async.workers import Database, RunStatus, RunStore
from aps_async.workers.presence import WorkerStatus, list_workers, waits_for

_HEADINGS = ("RUN", "NAME", "STATE", "PENDING", "RUNNING", "DONE", "FAILED", "CANCELLED", "SIZE")
_WATCH_SECONDS = 2.0
_CLEAR = "\x1b[2J\x1b[H"


@frozen(kw_only=True)
class DeadLetterChoices:
    """Options of `dead-letters`."""

    database: str
    run: str | None = None
    exports: tuple[int, ...] = ()
    reason: str | None = None
    retry: bool = False
    as_json: bool = False


@asynccontextmanager
async def _existing_store(url: str) -> AsyncGenerator[RunStore, None]:
    """The store of a database that has runs; only the tables of an older version are changed, and none are created."""
    async with Database(url, patience=PATIENCE) as database:
        if await RunStore.existing(database) is None:
            raise InputError(f"there are no runs in the database at {database.shown}; 'aps-async enqueue' creates one")
        yield await RunStore.opened(database)


async def status(url: str, run: str | None, *, as_json: bool, watch: bool = False) -> int:
    """`aps-async status --database URL`. It changes nothing in the database."""
    async with Database(url, patience=PATIENCE) as database:
        while True:
            runs, workers = await _read(database, run)
            if watch and sys.stdout.isatty() and not as_json:
                sys.stdout.write(_CLEAR)
            _show(runs, workers, as_json=as_json)
            if not watch or all(each.is_over for each in runs):
                return 0
            await asyncio.sleep(_WATCH_SECONDS)


async def _read(database: Database, run: str | None) -> tuple[list[RunStatus], list[WorkerStatus]]:
    store = await RunStore.existing(database)
    if store is None:
        if run:
            raise InputError(f"there is no run {run!r}: there are no runs in the database at {database.shown}")
        return [], []
    return [await store.run(run)] if run else await store.runs(), await list_workers(database)


def _show(runs: Sequence[RunStatus], workers: Sequence[WorkerStatus], *, as_json: bool) -> None:
    if as_json:
        print_json([run_as_json(each) | {"waits_for": list(waits_for(each, workers))} for each in runs])
        return
    print_table(_HEADINGS, [_row(each) for each in runs], elastic=("NAME",))
    for each in runs:
        if each.partial:
            print_status(f"run {each.id}, {each.name!r}: something is missing in {count(each.partial, 'file')}")
        for line in waits_for(each, workers):
            print_status(f"run {each.id}, {each.name!r}, waits: {line}")
    alive = sum(each.is_alive for each in workers)
    print_status(count(len(runs), "run") + (f", {count(alive, 'worker')}" if alive else ""))


def run_as_json(run: RunStatus) -> dict[str, Any]:
    """A run as `enqueue --json` and `status --json` show it."""
    return {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "client_id": run.client_id,
        "user_id": run.user_id or None,
        "priority": run.priority,
        "created": run.created.isoformat(),
        "total": run.total,
        "pending": run.waiting,
        "running": run.running,
        "done": run.done,
        "partial": run.partial,
        "failed": run.failed,
        "cancelled": run.dropped,
        "bytes": run.size,
        "last": run.last.isoformat() if run.last else None,
    }


async def cancel(url: str, run: str) -> int:
    """`aps-async cancel`."""
    async with _existing_store(url) as store:
        found = await store.run(run)
        dropped = await store.cancel(found.id)
        after = await store.run(found.id)
    print_result(f"run {found.id}, {found.name!r}: {count(dropped, 'export')} cancelled, {after.done:,} were done")
    return 0


async def priority(url: str, run: str, number: int) -> int:
    """`aps-async priority`."""
    async with _existing_store(url) as store:
        found = await store.run(run)
        await store.set_priority(found.id, number)
    print_result(f"run {found.id}, {found.name!r}: the priority is now {number}")
    return 0


async def dead_letters(choices: DeadLetterChoices) -> int:
    """`aps-async dead-letters`."""
    if not choices.retry and (choices.exports or choices.reason):
        raise UsageProblem("--id and --reason choose what --retry queues again: add --retry")
    async with _existing_store(choices.database) as store:
        number = (await store.run(choices.run)).id if choices.run else None
        if choices.retry:
            again = await store.retry(number, choices.exports or None, reason=choices.reason)
            if not again and (choices.exports or choices.reason):
                raise InputError("no dead letter has that id or reason: 'aps-async dead-letters' lists them")
            print_result(f"{count(again, 'export')} queued again")
            return 0
        return await _list_dead_letters(store, number, as_json=choices.as_json)


async def _list_dead_letters(store: RunStore, run: int | None, *, as_json: bool) -> int:
    names = {each.id: each.name for each in await store.runs()}
    rows: list[tuple[str, ...]] = []
    async for record in store.records(run, states=["failed"]):
        problem = record.outcome.error
        why = reason(problem) if problem else ""
        kind = type(problem).__name__
        if as_json:
            print_json({"id": record.id, "run": record.run, "name": record.name, "error": kind, "reason": why})
        rows.append((str(record.id), names.get(record.run, ""), record.name, kind, why))
    if not as_json:
        print_table(("ID", "RUN", "NAME", "ERROR", "REASON"), rows, elastic=("NAME",))
        print_status(count(len(rows), "dead letter"))
    return 0


def _row(run: RunStatus) -> tuple[str, ...]:
    numbers = (run.waiting, run.running, run.done, run.failed, run.dropped)
    return (str(run.id), run.name, run.state, *(f"{each:,}" for each in numbers), size(run.size))
