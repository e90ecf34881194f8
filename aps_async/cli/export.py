"""The command `export`, and the run that other commands share with it."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from pathlib import Path
from typing import Any

from attrs import field, frozen

from aps_async.ahead import ReadAhead
from aps_async.cli.choice import Choice
from aps_async.cli.ending import failures_by_reason, next_command, print_failure
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import reason
from aps_async.cli.notifying import notify
from aps_async.cli.output import print_json, print_result, print_status
from aps_async.cli.progress import View, shown
from aps_async.cli.reporting import leave_report
from aps_async.cli.results import Result, Run, as_json, file_name, show_joined, stopped_words, summary
from aps_async.cli.wanted import chosen_sheets, exportable_project, named_request, part_of, print_listed
from aps_async.downloads.folder import storage_for
from aps_async.downloads.storage import Storage
from aps_async.errors import DecodeError, DiskFullError, LedgerError, MergeError, NotFoundInProjectError
from aps_async.exports import targets
from aps_async.exports.batches import batch_for
from aps_async.exports.bulk import export_many
from aps_async.exports.bulk_requests import Wanted
from aps_async.exports.project import project_requests
from aps_async.ledger import LEDGER_NAME, Ledger, refuse_if_in_use
from aps_async.models import (
    ExportJob,
    ExportOptions,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    Project,
    Sheet,
    StoredExport,
)
from aps_async.report.entries import Report
from aps_async.session import Session
from aps_async.sync.compare import Planned
from aps_async.sync.outcomes import SheetState
from aps_async.sync.run import DEFAULT_PATTERN, SyncOptions, SyncRun
from aps_async.sync.selection import Selected
from aps_async.sync.sheets import ProjectSheet
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

    @property
    def where(self) -> str:
        """Where the files go, to show to users."""
        return self.storage or str(self.out)

    @property
    def state(self) -> Path | None:
        """The folder of a storage's ledger."""
        return self.out if self.storage else None

    @property
    def target(self) -> Path | Storage:
        """Where the files go."""
        return storage_for(self.storage) if self.storage else self.out


@frozen(kw_only=True)
class ExportChoices(RunChoices, Choice):
    """Options of `export`."""

    files: bool = False
    unpack: bool = False
    allow_partial: bool = True
    report: bool = True
    merge: Path | None = None
    batch: int | None = None
    options: ExportOptions = field(factory=ExportOptions)

    def how(self) -> SyncOptions:
        """As the comparison with the folder takes it."""
        return SyncOptions(
            options=self.options,
            selection=self.selection,
            pattern=self.pattern or DEFAULT_PATTERN,
            user_id=self.user_id,
            again=self.again,
            merge=self.merge,
        )


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


async def export(choices: ExportChoices) -> int:
    """`aps-async export`."""
    run = Run(things="job", comes_as="result") if choices.files else Run()
    return await delivered(choices, run, lambda session: _export(session, choices, run))


async def delivered(choices: RunChoices, run: Run, work: Callable[[Session], Awaitable[None]]) -> int:
    """Does the work with a session, and prints a summary at the end."""
    refuse_if_in_use(choices.out)
    show_state(choices)
    try:
        async with open_session(choices.user_id) as session:
            await work(session)
            for missing in session.warnings:
                if missing.left_out:
                    run.total += 1
                    problem = DecodeError(str(missing))
                    keep(Result(name=missing.id or missing.call, id=missing.id, error=problem), choices, run)
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        print_status(stopped_words(run, choices.where))
        if run.total:
            print_status(next_command(choices.out, to="continue"))
        raise
    if run.report is not None:
        await leave_report(choices.out, run.report, choices.storage)
    for outcome in run.files:
        for lost in outcome.failed_files:
            words = ": ".join(part for part in (lost.reason, lost.detail) if part) or "no reason given"
            print_status(f"missing in {file_name(outcome)}: {lost.id}: {words}")
        for warning in outcome.warnings:
            print_status(f"warning: {file_name(outcome)}: {warning}")
    words = summary(run, choices.where)
    if choices.as_json:
        print_status(words)
    else:
        print_result(words)
    show_joined(run.joined, as_json=choices.as_json)
    show_failures([(each.short_name, each.error) for each in run.failures if each.error], choices.out)
    if run.unfinished is not None:
        print_status(f"error: {reason(run.unfinished)}")
    await notify(f"export from {choices.project}: {words}", ok=run.code == 0)
    return run.code


def show_failures(failures: Sequence[tuple[str, Exception]], folder: Path) -> None:
    """Reports failures by their reasons, each of which was printed as it happened, and how to try them again."""
    for line in failures_by_reason(failures, explained=sys.stderr.isatty()):
        print_status(line)
    if failures and (folder / LEDGER_NAME).exists():
        print_status(next_command(folder))


def show_state(choices: RunChoices) -> None:
    """Names the folder of a storage's ledger."""
    if choices.storage is not None:
        print_status(f"the ledger of {choices.storage} is kept in {choices.out}")


async def chosen_tasks(session: Session, project: Project, choices: ExportChoices, run: Run) -> list[Task]:
    """What is to be exported; what was not found is in the run's results."""
    if choices.files:
        return await _file_tasks(session, project, choices)
    return sheet_tasks((await _selected(session, project, choices, run)).chosen, choices)


async def _export(session: Session, choices: ExportChoices, run: Run) -> None:
    ledger = ledger_for("export", choices)
    project = await exportable_project(session, choices.project, choices.options, choices.user_id)
    if choices.files:
        tasks = await _file_tasks(session, project, choices)
        await export_tasks(session, tasks, choices, run, unpack=choices.unpack, ledger=ledger)
        return
    batch = batch_for(project, choices.batch, one_pdf=choices.merge is not None)
    compared = SyncRun(session, project, ledger, choices.how(), viewer=await session.acting_as(choices.user_id))
    if choices.report:
        run.report = Report(project=project.name)
    selected = None if choices.selection.takes_all else await _selected(session, project, choices, run)
    if selected is not None and not selected.chosen:
        run.total = len(run.results)
        run.report = None
        return
    listed = ReadAhead(compared.list_sheets()) if selected is None else None
    async with aclosing(listed) if listed is not None else nullcontext():
        if listed is not None:
            await _check_begun(listed, compared, choices)
        run.is_compared = True
        async with ledger:
            await _export_sheets(compared, compared.looking(selected, listed), choices, run, batch)


async def _check_begun(listed: ReadAhead[Sheet], compared: SyncRun, choices: ExportChoices) -> None:
    """Raises what keeps a list from beginning, or that it is empty, before anything is written."""
    choices.selection.check(compared.project)
    if choices.pattern is not None:
        choices.pattern.check(compared.project)
    if not await listed.ready():
        print_listed(Selected(chosen=(), left_out=compared.not_listed), choices.pattern)
        raise _nothing(compared.project, choices)


async def _export_sheets(
    compared: SyncRun,
    planned: AsyncGenerator[list[Planned], None],
    choices: ExportChoices,
    run: Run,
    batch: int | None,
) -> None:
    """Exports sheets while they are listed, and reports on them and on what is missing."""

    async def tasks() -> AsyncGenerator[list[Task], None]:
        async with aclosing(planned) as parts:
            async for part in parts:
                yield sheet_tasks([each.sheet for each in part], choices)
        await compared.ledger.expect(len(compared.planned))
        if choices.selection.takes_all:
            print_listed(compared.selected, choices.pattern)
        for left_out in compared.left_out():
            run.add_to_report(compared.reported(left_out))

    async def reported(outcome: ExportOutcome | StoredExport) -> None:
        run.add_to_report(compared.reported(await compared.exported(outcome)))

    await export_listed(
        compared.session, tasks(), choices, run, ledger=compared.ledger, batch=batch, on_outcome=reported
    )
    for missing in await compared.missing():
        run.add_to_report(compared.reported(missing))
        if missing.state is SheetState.WITHDRAWN:
            print_status(f"{missing.state}: {missing.name}: {missing.reason}; its file is still in the folder")
    try:
        run.joined = await compared.finish()
    except MergeError as problem:
        run.unfinished = problem


async def _file_tasks(session: Session, project: Project, choices: ExportChoices) -> list[Task]:
    requests = project_requests(
        session,
        project,
        what="files",
        folder=choices.folder,
        options=choices.options,
        user_id=choices.user_id,
        allow_partial=choices.allow_partial,
    )
    tasks = [Task(name=each.name or project.name, folder=choices.folder, wanted=each) async for each in requests]
    if not tasks:
        where = part_of(project, choices.folder, None)
        raise NotFoundInProjectError(f"there is nothing to export in {where}: it contains no PDF, DWG or RVT files")
    return tasks


async def _selected(session: Session, project: Project, choices: ExportChoices, run: Run) -> Selected:
    selected = await chosen_sheets(session, project, choices, allow_unmatched=True)
    for text, problem in selected.unmatched.items():
        keep(Result(name=text, id=text, error=problem), choices, run)
    if not selected.chosen and not selected.unmatched:
        if not selected.not_selected:
            raise _nothing(project, choices)
        if choices.since is None:
            where = part_of(project, choices.folder or choices.sheet_set, choices.collection)
            raise NotFoundInProjectError(f"none of the {len(selected.not_selected):,} sheets in {where} is selected")
    return selected


def _nothing(project: Project, choices: ExportChoices) -> NotFoundInProjectError:
    where = part_of(project, choices.folder or choices.sheet_set, choices.collection)
    what = "finished sheets of PDFs" if project.is_bim360 else "published sheets"
    return NotFoundInProjectError(f"there is nothing to export in {where}: it holds no {what}")


def sheet_tasks(sheets: Iterable[ProjectSheet], choices: ExportChoices) -> list[Task]:
    """One PDF for each sheet."""
    pattern = choices.pattern
    return [
        Task(
            name=each.sheet.name,
            id=each.id,
            folder=each.sheet.folder_path,
            sheet=each.sheet,
            wanted=named_request(each, pattern, choices.options, choices.user_id),
        )
        for each in sheets
    ]


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
    run.results.append(result)
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
    run.total = len(run.results) + len(tasks)
    if not tasks:
        return
    by_key = {task.key: task for task in tasks}
    with _shown(len(by_key), choices, run) as view:
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
    """Does the same for tasks that are still being listed, which goes on beside the exports."""
    by_key: dict[ExportRequest | ExportRef, Task] = {}
    before = len(run.results)

    async def wanted() -> AsyncGenerator[ExportRequest | ExportJob, None]:
        async with aclosing(parts):
            async for part in parts:
                new = {task.key: task for task in part if task.key not in by_key}
                by_key.update(new)
                run.total = before + len(by_key)
                view.expect(len(by_key), complete=False)
                for task in new.values():
                    yield task.wanted
        run.is_listed = True
        view.expect(len(by_key))

    run.is_listed = False
    with _shown(None, choices, run) as view:
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


def _shown(total: int | None, choices: RunChoices, run: Run) -> AbstractContextManager[View]:
    lines_would_mix = choices.as_json and sys.stdout.isatty()
    return shown(total, run.things, live=False if lines_would_mix else None)


async def _exported(
    session: Session,
    wanted: Iterable[Wanted] | AsyncIterable[Wanted],
    by_key: Mapping[ExportRequest | ExportRef, Task],
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
            task = by_key[ref if ref is not None and ref in by_key else outcome.request]
            view.finished(task.name, outcome.size, outcome.seconds, ok=outcome.ok, reused=outcome.reused)
            result = Result(
                name=task.name, id=task.id, folder=task.folder, sheet=task.sheet, outcome=outcome, error=outcome.error
            )
            keep(result, choices, run)
            if on_outcome is not None:
                await on_outcome(outcome)
