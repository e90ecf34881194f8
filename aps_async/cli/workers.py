"""The commands for workers on several machines: `worker` and `enqueue`."""

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from aps_async.cli.clients import clients_of, open_sessions
from aps_async.cli.databases import PATIENCE
from aps_async.cli.ending import is_stop_reported
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import SOME_FAILED, reason
from aps_async.cli.output import print_json, print_result, print_status
from aps_async.cli.run_commands import run_as_json
from aps_async.cli.wanted import exportable_project, part_of, print_left_out, print_selected, print_shared_names
from aps_async.errors import APSError, NotFoundInProjectError
from aps_async.exports.project import project_requests
from aps_async.models import ExportOptions, ExportRequest, FailedFile, Project
from aps_async.session import Session
from aps_async.sync.list_selected import list_selected
from aps_async.sync.selection import Selection
from aps_async.text import count, size
from aps_async.workers import (
    Database,
    Delivered,
    Entry,
    RunStore,
    SharedQuotas,
    Worker,
    storage_for,
)
from aps_async.workers.monitor import Monitor
from aps_async.workers.owners import Owner

WORKER_PATIENCE = 15.0  # it may start while the database does


@frozen(kw_only=True)
class WorkerChoices:
    """Options of `worker`."""

    database: str
    out: str
    slots: int | None = None
    until_done: bool = False
    user_id: str | None = None
    clients: Path | None = None
    metrics: tuple[str, int] | None = None


@frozen(kw_only=True)
class EnqueueChoices:
    """Options of `enqueue`."""

    database: str
    project: str
    folder: str | None = None
    collection: str | None = None
    sheets: tuple[str, ...] = ()
    files: bool = False
    allow_partial: bool = True
    options: ExportOptions
    run: str | None = None
    key: str | None = None
    priority: int = 0
    user_id: str | None = None
    as_json: bool = False


@asynccontextmanager
async def _store(url: str) -> AsyncGenerator[RunStore, None]:
    async with Database(url, patience=PATIENCE) as database:
        yield await RunStore.opened(database)


@define
class _Deliveries:
    """Prints each outcome of a worker as a line, and keeps what the end needs of them."""

    sizes: list[int] = field(factory=list[int])
    missing: list[FailedFile] = field(factory=list[FailedFile])

    def report(self, entry: Entry, file: Delivered | None, problem: BaseException | None) -> None:
        """Prints that one export was delivered or has failed."""
        if file is not None:
            self.sizes.append(file.size)
            fields = {"location": file.location, "size": file.size, "sha256": file.sha256}
            _show(entry, size(file.size), "info", {"event": "delivered", **fields})
            self.missing.extend(file.failed_files)
            for lost in file.failed_files:
                _show(entry, f"missing: {lost}", "warning", {"event": "missing", **asdict(lost)})
            for words in file.warnings:
                _show(entry, f"warning: {words}", "warning", {"event": "warning", "warning": words})
        elif problem is not None:
            fields = {"error": type(problem).__name__, "reason": reason(problem)}
            _show(entry, f"failed: {reason(problem)}", "error", {"event": "failed", **fields})


def _show(entry: Entry, words: str, level: str, fields: dict[str, Any]) -> None:
    known = {"export": entry.id, "run": entry.folder, "name": entry.name}
    print_status(f"{entry.folder}: {entry.name}: {words}", level=level, **known | fields)


async def worker(choices: WorkerChoices) -> int:
    """`aps-async worker`."""
    clients = None if choices.clients is None else clients_of(choices.clients)  # before anything is made or waited for
    storage = storage_for(choices.out)
    delivered = _Deliveries()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(choices.database, patience=WORKER_PATIENCE))
        store = await RunStore.opened(database)
        database.patience = None  # the database is reachable; from now on, wait out any outage
        quotas = SharedQuotas(database)
        stack.push_async_callback(quotas.close)
        sessions = open_sessions(clients, choices.user_id, os.environ, quotas)
        workers: list[Worker] = []
        for session in sessions:
            await stack.enter_async_context(session)
            await session.check_token()
            slots = choices.slots
            workers.append(
                Worker(session, database, storage, max_concurrent_downloads=slots, on_outcome=delivered.report)
            )
        print_status(f"processing the queue at {database.shown}, files go to {choices.out}; press Ctrl-C to stop")
        if choices.metrics is not None:
            port = await stack.enter_async_context(Monitor(database, quotas, workers).listening(*choices.metrics))
            print_status(f"metrics and health are at http://{choices.metrics[0]}:{port}/metrics, /healthz and /readyz")
        stack.callback(_summarize, workers, quotas, time.monotonic(), delivered.sizes)
        await _run_all(workers, until_done=choices.until_done)
        if not any((delivered.sizes, *(each.failed + each.unreadable for each in workers))):
            await _show_what_others_do(store, workers)
    return SOME_FAILED if delivered.missing or any(each.failed or each.unreadable for each in workers) else 0


async def _show_what_others_do(store: RunStore, workers: Sequence[Worker]) -> None:
    """Why there was nothing to do although exports are pending: these are for other credentials."""
    waiting = Counter[str]()
    for run in await store.runs():
        if run.waiting and run.owner is not None and run.owner not in [each.owner for each in workers]:
            waiting[str(run.owner)] += run.waiting
    for owner, number in waiting.items():
        print_status(f"not done here: {count(number, 'export')} that only a worker with {owner} takes")


def _summarize(workers: Sequence[Worker], quotas: SharedQuotas, began: float, sizes: Sequence[int]) -> None:
    failed = sum(each.failed + each.unreadable for each in workers)
    refused = sum(each.rate_limited for each in quotas.rate_limiters.values())
    seconds = time.monotonic() - began
    print_status(
        f"this worker has delivered {count(len(sizes), 'file')}, {size(sum(sizes))}, in "
        f"{seconds:.0f} s; {failed:,} failed; 429s: {refused:,}",
        event="summary",
        delivered=len(sizes),
        bytes=sum(sizes),
        seconds=round(seconds, 3),
        failed=failed,
        rate_limited=refused,
    )
    is_stop_reported.set(True)


async def _run_all(workers: Sequence[Worker], *, until_done: bool) -> None:
    """Runs one worker for each client id.

    If one has to stop, the others continue, and its error is raised at the end.
    """

    async def run(one: Worker) -> None:
        try:
            await one.run(until_done=until_done)
        except APSError as problem:
            if len(workers) > 1:
                print_status(f"one worker of {len(workers)} has stopped: {reason(problem)}", level="error")
            raise

    for ended in await asyncio.gather(*map(run, workers), return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended


async def enqueue(choices: EnqueueChoices) -> int:
    """`aps-async enqueue`."""
    async with _store(choices.database) as store:
        if choices.key and (known := await store.find_key(choices.key)) is not None:
            words = f"run {known.id}, {known.name!r}, has the key {choices.key!r}, with {count(known.total, 'export')}"
            print_json(run_as_json(known)) if choices.as_json else print_result(f"{words}: nothing more was enqueued")
            return 0
        quotas = SharedQuotas(store.database)
        try:
            async with open_session(choices.user_id, quotas=quotas) as session:
                project = await exportable_project(session, choices.project, choices.options, choices.user_id)
                requests = await _requests(session, project, choices)
                client_id, user_id = await session.credentials(choices.user_id)
        finally:
            await quotas.close()
        if not requests:
            where = part_of(project, choices.folder, choices.collection)
            raise NotFoundInProjectError(f"there is nothing to export in {where}")
        run = await store.enqueue(
            requests,
            choices.run or project.name,
            priority=choices.priority,
            owner=Owner(client_id, user_id) if client_id else None,
            key=choices.key or secrets.token_hex(16),
        )
    if choices.as_json:
        print_json(run_as_json(run))
    else:
        print_result(f"run {run.id}, {run.name!r}: {count(run.total, 'export')} enqueued")
    return 0


async def _requests(session: Session, project: Project, choices: EnqueueChoices) -> list[ExportRequest]:
    """What is to be exported, with lines on what is worth knowing about the choice."""
    if not choices.files:
        chosen = Selection(sheet=choices.sheets, folder=choices.folder, collection=choices.collection)
        selected = await list_selected(session, project, chosen)
        print_selected(selected)
        if not choices.sheets:  # those that were named are there
            print_left_out(selected.left_out)
        print_shared_names(selected)
        return [each.sheet.to_request(choices.options, user_id=choices.user_id) for each in selected.chosen]
    found = project_requests(
        session,
        project,
        what="files",
        folder=choices.folder,
        collection=choices.collection,
        options=choices.options,
        user_id=choices.user_id,
        allow_partial=choices.allow_partial,
    )
    return [each async for each in found]
