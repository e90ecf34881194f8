"""The command `export`: compares the sheets with the folder, and exports those that are new or have changed."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, aclosing

from attrs import field, frozen

from aps_async.ahead import ReadAhead
from aps_async.cli.choice import Choice
from aps_async.cli.delivering import RunChoices, Task, delivered, export_listed, export_tasks, keep, ledger_for
from aps_async.cli.output import print_status
from aps_async.cli.progress import busy
from aps_async.cli.results import Result, Run
from aps_async.cli.syncing import where_its_file_is
from aps_async.cli.wanted import (
    chosen_sheets,
    exportable_project,
    named_request,
    part_of,
    print_left_out,
    print_shared_names,
)
from aps_async.errors import APSError, DecodeError, MergeError, NotFoundInProjectError, RegisterError
from aps_async.exports.batches import batch_for
from aps_async.exports.project import project_requests
from aps_async.ledger import LEDGER_NAME
from aps_async.models import (
    ExportOptions,
    ExportOutcome,
    Project,
    Sheet,
    StoredExport,
)
from aps_async.report.entries import Report
from aps_async.report.thumbnails import ThumbnailProcess
from aps_async.session import Session
from aps_async.sync.compare import Planned
from aps_async.sync.options import DEFAULT_PATTERN, SyncOptions
from aps_async.sync.outcomes import SheetState
from aps_async.sync.run import SyncRun
from aps_async.sync.selection import Selected
from aps_async.sync.sheets import ProjectSheet


@frozen(kw_only=True)
class ExportChoices(RunChoices, Choice):
    """Options of `export`."""

    files: bool = False
    unpack: bool = False
    allow_partial: bool = True
    report: bool = True
    batch: int | None = None
    options: ExportOptions = field(factory=ExportOptions)

    def how(self) -> SyncOptions:
        """As the comparison with the folder takes it."""
        return SyncOptions(
            options=self.options,
            selection=self.selection,
            pattern=self.pattern or DEFAULT_PATTERN,
            user_id=self.user_id,
            verify=self.verify,
            again=self.again,
            merge=self.merge,
        )


async def export(choices: ExportChoices) -> int:
    """`aps-async export`."""
    run = Run(things="job", comes_as="result") if choices.files else Run()
    return await delivered(choices, run, lambda session: _export(session, choices, run))


async def chosen_tasks(session: Session, project: Project, choices: ExportChoices, run: Run) -> list[Task]:
    """What is to be exported; what was not found is in the run's results."""
    if choices.files:
        return await _file_tasks(session, project, choices)
    selected = await _selected(session, project, choices, run)
    if selected.chosen:
        print_left_out(selected.left_out)
    print_shared_names(selected, choices.pattern)
    return sheet_tasks(selected.chosen, choices)


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
        run.report = Report(project=project.name, drawing=ThumbnailProcess(choices.out))
    selected = None if choices.selection.takes_all else await _selected(session, project, choices, run)
    if selected is not None and not selected.chosen:
        run.total = run.kept
        run.report = None
        return
    async with AsyncExitStack() as stack:
        if (choices.out / LEDGER_NAME).exists():  # which knows numbers and titles
            await stack.enter_async_context(ledger)
        listed = None
        if selected is None:
            listed = await stack.enter_async_context(aclosing(ReadAhead(compared.list_sheets())))
            await _check_begun(listed, compared, choices)
        if not ledger.is_open:
            await stack.enter_async_context(ledger)
        run.is_compared = True
        await _export_sheets(compared, compared.looking(selected, listed), choices, run, batch)


async def _check_begun(listed: ReadAhead[Sheet], compared: SyncRun, choices: ExportChoices) -> None:
    """Raises what keeps a list from beginning, or that it is empty, before anything is written."""
    choices.selection.check(compared.project)
    if choices.pattern is not None:
        choices.pattern.check(compared.project)
    with busy("listing the sheets", compared.session.contact):
        is_any = await listed.ready()
    if not is_any:
        print_left_out(compared.not_listed)
        raise _nothing(compared.session, compared.project, choices)


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
        await compared.ledger.expect(compared.chosen)
        print_left_out(compared.not_listed)
        for left_out in compared.left_out():
            run.others[left_out.state] += 1
            run.add_to_report(left_out)

    async def reported(outcome: ExportOutcome | StoredExport) -> None:
        run.add_to_report(await compared.exported(outcome))

    await export_listed(
        compared.session, tasks(), choices, run, ledger=compared.ledger, batch=batch, on_outcome=reported
    )
    for missing in await compared.missing():
        run.add_to_report(missing)
        if missing.state is SheetState.WITHDRAWN:
            run.others[missing.state] += 1
            print_status(f"{missing.state}: {missing.name}: {missing.reason}{where_its_file_is(missing)}")
    try:
        run.joined = await compared.finish()
    except (RegisterError, MergeError) as problem:
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
    if not selected.chosen:
        print_left_out(selected.left_out)
    if not selected.chosen and not selected.unmatched:
        if not selected.not_selected:
            raise _nothing(session, project, choices)
        if choices.since is None:
            where = part_of(project, choices.folder or choices.sheet_set, choices.collection)
            raise NotFoundInProjectError(f"none of the {len(selected.not_selected):,} sheets in {where} is selected")
    return selected


def _nothing(session: Session, project: Project, choices: ExportChoices) -> APSError:
    where = part_of(project, choices.folder or choices.sheet_set, choices.collection)
    if any(each.left_out for each in session.warnings):
        return DecodeError(f"there is nothing to export in {where}: what the service lists there cannot be read")
    what = "finished sheets of PDFs" if project.is_bim360 else "published sheets"
    return NotFoundInProjectError(f"there is nothing to export in {where}: it contains no {what}")


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
