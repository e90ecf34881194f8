"""The run of a command that delivers files: its choices, its tasks, its results as they come, and its end."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, aclosing, closing
from pathlib import Path
from typing import Any

from attrs import frozen

from aps_async.ahead import ReadAhead
from aps_async.cli.ending import failures_by_reason, next_command, print_failure, print_stopped
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import UsageProblem, reason
from aps_async.cli.notifying import notify
from aps_async.cli.output import print_conclusion, print_json, print_prose, print_status
from aps_async.cli.progress import View, shown
from aps_async.cli.reporting import leave_report
from aps_async.cli.results import Result, Run, as_json, file_name, show_joined, stopped_words, summary
from aps_async.downloads.folder import storage_for
from aps_async.downloads.storage import Storage
from aps_async.downloads.target_paths import check_future_folder, checked_future_path, checked_path, target_error
from aps_async.errors import DecodeError, DiskFullError, LedgerError
from aps_async.exports import targets
from aps_async.exports.bulk import export_many
from aps_async.exports.bulk_requests import Wanted
from aps_async.ledger import LEDGER_NAME, Ledger, refuse_if_in_use
from aps_async.models import (
    ExportJob,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    Sheet,
    StoredExport,
)
from aps_async.session import Session
from aps_async.sync.subfolders import PROJECTS_JSON, check_is_for_several
from aps_async.transport.converter import to_dict

OnOutcome = Callable[[ExportOutcome | StoredExport], Awaitable[None]]


@frozen(kw_only=True)
class RunChoices:
    """Options of every run into a folder."""

    project: str
    out: Path
    """The folder of the ledger, and of the files unless there is a storage."""
    storage: str | None = None
    """The address of an object storage that the files go to."""
    slots: int | None = None
    timeout: float | None = None
    user_id: str | None = None
    as_json: bool = False
    keep_older: bool = False
    again: bool = False
    verify: bool = False
    merge: Path | None = None
    """A PDF of the whole set."""

    @property
    def where(self) -> str:
        """Where the files go, to show to users."""
        return self.storage or str(self.out)

    @property
    def is_for_several(self) -> bool:
        """Whether the folder has a subfolder for each of several projects."""
        return False

    @property
    def state(self) -> Path | None:
        """The folder of a storage's ledger."""
        return self.out if self.storage else None

    @property
    def target(self) -> Path | Storage:
        """Where the files go."""
        return storage_for(self.storage) if self.storage else self.out


@frozen(kw_only=True)
class Task:
    """One thing to deliver: a request, or a job that is already running."""

    name: str
    id: str | None = None
    folder: str | None = None
    sheet: Sheet | None = None
    wanted: ExportRequest | ExportJob

    @property
    def key(self) -> ExportRequest | ExportRef:
        """Identifies its outcome: the reference of a running job, since several may have equal requests."""
        return self.wanted.ref if isinstance(self.wanted, ExportJob) else self.wanted


def check_places(out: Path, merge: Path | None = None) -> None:
    """Raises what would stop a run at its end: better known before minutes of listing.

    Raises:
        TargetError: files cannot be written there.
        FolderInUseError: another run works in the folder.
    """
    check_future_folder(out)
    try:
        refuse_if_in_use(out)
    except OSError as problem:
        raise target_error(out, problem) from None
    if merge is not None:
        (checked_future_path if merge.parent == out.absolute() else checked_path)(merge)  # the run makes `out`


def check_folder(choices: RunChoices) -> None:
    """Refuses the folder of several projects for one, and the other way round; also for a forecast.

    Raises:
        UsageProblem: the folder has a subfolder for each of several projects.
        LedgerError: the folder is that of a single project.
    """
    if choices.is_for_several:
        check_is_for_several(choices.out, choices.where)
    elif (choices.out / PROJECTS_JSON).exists():
        raise UsageProblem(f"{choices.where} has a subfolder for each project: choose one of them, or another --out")


async def check_target(choices: RunChoices) -> None:
    """Raises what would keep files from being written; names the folder of a storage's ledger.

    Raises:
        TargetError: the folder or the storage cannot be used.
        FolderInUseError: another run works in the folder.
        UsageProblem: the folder is that of several projects.
        LedgerError: the folder is that of one project.
    """
    check_folder(choices)
    check_places(choices.out, choices.merge)
    if choices.storage is not None:
        print_status(f"the ledger of {choices.storage} is kept in {choices.out}")
        await storage_for(choices.storage).check()


async def delivered(choices: RunChoices, run: Run, work: Callable[[Session], Awaitable[None]]) -> int:
    """Does the work with a session, and prints a summary at the end."""
    await check_target(choices)
    with closing(run):
        return await _delivered(choices, run, work)


async def _delivered(choices: RunChoices, run: Run, work: Callable[[Session], Awaitable[None]]) -> int:
    try:
        async with open_session(choices.user_id) as session:
            await work(session)
            for missing in session.warnings:
                if missing.left_out:
                    run.total += 1
                    problem = DecodeError(str(missing))
                    keep(Result(name=missing.id or missing.call, id=missing.id, error=problem), choices, run)
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        print_stopped(stopped_words(run, choices.where), choices.out if run.total else None)
        raise
    for outcome in run.odd:
        for lost in outcome.failed_files:
            print_status(f"missing in {file_name(outcome)}: {lost}")
        for warning in outcome.warnings:
            print_status(f"warning: {file_name(outcome)}: {warning}")
    words = summary(run, choices.where)
    print_conclusion(words, as_json=choices.as_json)
    show_joined(run.joined, as_json=choices.as_json)
    if run.report is not None:
        await leave_report(choices.out, run.report, choices.storage)
    run.remarks.show()
    show_failures([(each.short_name, each.error) for each in run.failures if each.error], choices.out)
    if run.unfinished is not None:
        print_status(f"error: {reason(run.unfinished)}")
    await notify(f"export from {choices.project}: {words}", ok=run.code == 0)
    return run.code


def show_failures(failures: Sequence[tuple[str, Exception]], folder: Path) -> None:
    """Reports failures by their reasons, each of which was printed as it happened, and how to try them again."""
    for line in failures_by_reason(failures, explained=sys.stderr.isatty()):
        print_prose(line)
    if failures and os.path.lexists(folder / LEDGER_NAME):
        print_status(next_command(folder))


def ledger_for(command: str, choices: RunChoices) -> Ledger:
    """The folder's ledger, which also stores the command and its options for `resume`."""
    known: dict[str, Any] = {
        "keep_older": choices.keep_older,
        "again": choices.again,
        "verify": choices.verify,
        "command": stored_choices(command, choices),
    }
    return targets.ledger_for(choices.target, choices.state, **known)


def stored_choices(command: str, choices: RunChoices) -> str:
    """A command and its options, as the ledger stores them for `resume`."""
    plain = to_dict(choices)
    for of_this_call in ("out", "asJson", "again", "verify"):
        plain.pop(of_this_call, None)
    return json.dumps({"command": command, **plain})


def keep(result: Result, choices: RunChoices, run: Run) -> None:
    """Adds a result, and prints it with `--json`."""
    run.add(result)
    if result.error is not None:
        print_failure(result.name, result.error)
    if not run.is_compared or result.outcome is None:
        run.add_to_report(result.of_sheet)
    if choices.as_json:
        print_json(as_json(result))


async def export_tasks(
    session: Session,
    tasks: Sequence[Task],
    choices: RunChoices,
    run: Run,
    *,
    unpack: bool = False,
    ledger: Ledger | bool = False,
) -> None:
    """Exports everything, shows progress and keeps each result."""
    run.total = run.kept + len(tasks)
    if not tasks:
        return
    by_key = {task.key: task for task in tasks}
    with _shown(session, len(by_key), choices, run) as view:
        wanted = [task.wanted for task in by_key.values()]
        await _exported(session, wanted, by_key, view, choices, run, unpack=unpack, ledger=ledger)


async def export_listed(
    session: Session,
    parts: AsyncGenerator[list[Task], None],
    choices: RunChoices,
    run: Run,
    *,
    ledger: Ledger,
    batch: int | None,
    on_outcome: OnOutcome,
) -> None:
    """Does the same for tasks that are still being listed, each once, which continues beside the exports."""
    by_key: dict[ExportRequest | ExportRef, Task] = {}
    before = run.total = run.kept

    async def wanted() -> AsyncGenerator[ExportRequest | ExportJob, None]:
        async with aclosing(parts):
            async for part in parts:
                by_key.update((task.key, task) for task in part)
                run.total += len(part)
                view.expect(run.total - before, complete=False)
                for task in part:
                    yield task.wanted
        run.is_listed = True
        view.expect(run.total - before)

    run.is_listed = False
    with _shown(session, None, choices, run) as view:
        async with aclosing(ReadAhead(wanted())) as requests:
            await _exported(
                session,
                requests.items(),
                by_key,
                view,
                choices,
                run,
                ledger=ledger,
                batch=batch,
                on_outcome=on_outcome,
            )


def _shown(session: Session, total: int | None, choices: RunChoices, run: Run) -> AbstractContextManager[View]:
    lines_would_mix = choices.as_json and sys.stdout.isatty()
    return shown(session.contact, total, run.things, live=False if lines_would_mix else None)


async def _exported(
    session: Session,
    wanted: Iterable[Wanted] | AsyncIterable[Wanted],
    by_key: dict[ExportRequest | ExportRef, Task],
    view: View,
    choices: RunChoices,
    run: Run,
    *,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_outcome: OnOutcome | None = None,
) -> None:
    outcomes = export_many(
        session,
        wanted,
        ledger.storage if isinstance(ledger, Ledger) and ledger.storage else choices.out,
        max_concurrent_downloads=choices.slots,
        timeout=choices.timeout,
        unpack=unpack,
        ledger=ledger,
        batch=batch,
        on_progress=view.moved,
    )
    async with aclosing(outcomes):
        async for outcome in outcomes:
            ref = outcome.ref
            task = by_key.pop(ref if ref is not None and ref in by_key else outcome.request)
            view.finished(task.name, outcome.size, outcome.seconds, ok=outcome.ok, reused=outcome.reused)
            result = Result(
                name=task.name, id=task.id, folder=task.folder, sheet=task.sheet, outcome=outcome, error=outcome.error
            )
            keep(result, choices, run)
            if on_outcome is not None:
                await on_outcome(outcome)
