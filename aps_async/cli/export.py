"""The command `export`, and the run that it shares with `demo`."""

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from aps_async.cli.environment import open_session
from aps_async.cli.failures import SOME_FAILED, exit_code, reason
from aps_async.cli.output import count, print_json, print_result, print_status, size
from aps_async.cli.progress import shown
from aps_async.cli.wanted import exportable_project, part_of
from aps_async.errors import APSError, DecodeError, DiskFullError, LedgerError, NotFoundInProjectError
from aps_async.exports.bulk import export_many
from aps_async.exports.project import get_sheet, list_sheets, project_requests
from aps_async.ledger import Ledger, refuse_if_in_use
from aps_async.models import ExportJob, ExportOptions, ExportOutcome, ExportRef, ExportRequest, Project, Sheet
from aps_async.resources.sheets import SheetIndex
from aps_async.session import Session
from aps_async.transport.converter import ref_to_json, to_dict


@frozen(kw_only=True)
class RunChoices:
    """What every run into a folder takes."""

    project: str
    out: Path
    slots: int | None = None
    timeout: float | None = None
    user_id: str | None = None
    as_json: bool = False
    keep_older: bool = False
    again: bool = False


@frozen(kw_only=True)
class ExportChoices(RunChoices):
    """What was asked for."""

    folder: str | None = None
    collection: str | None = None
    sheets: tuple[str, ...] = ()
    files: bool = False
    unpack: bool = False
    allow_partial: bool = True
    options: ExportOptions = field(factory=ExportOptions)


@frozen(kw_only=True)
class Task:
    """One thing to bring: a request, or a job that runs already."""

    name: str
    id: str | None = None
    folder: str | None = None
    wanted: ExportRequest | ExportJob

    @property
    def key(self) -> ExportRequest | ExportRef:
        """What its outcome is known by: jobs that run already may come of equal requests."""
        return self.wanted.ref if isinstance(self.wanted, ExportJob) else self.wanted


@frozen(kw_only=True)
class Result:
    """What became of one thing, be it that the export failed or that there was no such thing."""

    name: str
    id: str | None = None
    folder: str | None = None
    outcome: ExportOutcome | None = None
    error: Exception | None = None


@define
class Run:
    """The results of one command so far."""

    things: str = "sheet"
    """What is exported."""
    comes_as: str = "PDF"
    """What comes of each."""
    total: int = 0
    results: list[Result] = field(factory=list)
    began: float = field(factory=time.monotonic)

    @property
    def failures(self) -> list[Result]:
        """Those without a file."""
        return [each for each in self.results if each.error is not None]

    @property
    def files(self) -> list[ExportOutcome]:
        """Those with one."""
        return [each.outcome for each in self.results if each.outcome is not None and each.error is None]

    @property
    def received(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    @property
    def code(self) -> int:
        """0; or the one reason for which nothing at all came; or that some failed."""
        codes = {exit_code(each.error) for each in self.results if each.error is not None}
        if not codes:
            return SOME_FAILED if any(each.failed_files for each in self.files) else 0
        return codes.pop() if len(codes) == 1 and not self.files else SOME_FAILED


async def export(choices: ExportChoices) -> int:
    """`aps-async export`."""
    run = Run(things="job", comes_as="result") if choices.files else Run()
    return await delivered(choices, run, lambda session: _export(session, choices, run))


async def delivered(choices: RunChoices, run: Run, work: Callable[[Session], Awaitable[None]]) -> int:
    """Does the work with a session, and tells at the end what became of it."""
    refuse_if_in_use(choices.out)
    try:
        async with open_session(choices.user_id) as session:
            await work(session)
            for missing in session.warnings:
                if missing.left_out:
                    run.total += 1
                    problem = DecodeError(str(missing))
                    keep(Result(name=missing.id or missing.call, id=missing.id, error=problem), choices, run)
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        print_status(stopped_words(run, choices.out))
        if run.total:
            print_status(f"to go on: aps-async resume {shlex.quote(str(choices.out))}")
        raise
    for failed in run.failures:
        print_status(f"failed: {failed.name}: {reason(failed.error) if failed.error else ''}")
    for outcome in run.files:
        for lost in outcome.failed_files:
            words = ": ".join(part for part in (lost.reason, lost.detail) if part) or "no reason given"
            print_status(f"missing in {outcome.path.name if outcome.path else ''}: {lost.id}: {words}")
        for warning in outcome.warnings:
            print_status(f"warning: {outcome.path.name if outcome.path else ''}: {warning}")
    words = summary(run, choices.out)
    if choices.as_json:
        print_status(words)
    else:
        print_result(words)
    return run.code


async def _export(session: Session, choices: ExportChoices, run: Run) -> None:
    project = await exportable_project(session, choices.project, choices.options, choices.user_id)
    tasks = await _tasks(session, project, choices, run)
    await export_tasks(session, tasks, choices, run, unpack=choices.unpack, ledger=ledger_for("export", choices))


async def _tasks(session: Session, project: Project, choices: ExportChoices, run: Run) -> list[Task]:
    if choices.sheets:
        looked_up = await _named(session, project, choices.sheets, choices.collection)
        for failed in looked_up:
            if isinstance(failed, Result):
                keep(failed, choices, run)
        # An item URN and the URN of its newest version are one sheet.
        return sheet_tasks({each.id: each for each in looked_up if isinstance(each, Sheet)}.values(), choices)
    if choices.files:
        requests = project_requests(
            session,
            project,
            what="files",
            folder=choices.folder,
            options=choices.options,
            user_id=choices.user_id,
            allow_partial=choices.allow_partial,
        )
        what = "PDF, DWG or RVT files"
        tasks = [Task(name=each.name or project.name, folder=choices.folder, wanted=each) async for each in requests]
    else:
        what = "finished sheets of PDFs" if project.is_bim360 else "published sheets"
        listed = list_sheets(session, project, folder=choices.folder, collection=choices.collection)
        found = [sheet async for sheet in listed]
        tasks = sheet_tasks(found, choices)
    if not tasks:
        where = part_of(project, choices.folder, choices.collection)
        raise NotFoundInProjectError(f"there is nothing to export in {where}: it holds no {what}")
    return tasks


async def _named(
    session: Session, project: Project, ids: Sequence[str], collection: str | None
) -> Sequence[Sheet | Result]:
    if not project.is_acc and collection is None:
        return await asyncio.gather(*(_looked_up(session, project, each) for each in ids))
    # There is no call that finds a sheet by its number, and one list serves all.
    index = SheetIndex(project.name, [each async for each in list_sheets(session, project, collection=collection)])
    return [_found(index, each) for each in ids]


def _found(index: SheetIndex, sheet_id: str) -> Sheet | Result:
    try:
        return index.find(sheet_id)
    except NotFoundInProjectError as problem:
        return Result(name=sheet_id, id=sheet_id, error=problem)


async def _looked_up(session: Session, project: Project, sheet_id: str) -> Sheet | Result:
    try:
        return await get_sheet(session, project, sheet_id)
    except APSError as problem:
        return Result(name=sheet_id, id=sheet_id, error=problem)


def sheet_tasks(sheets: Iterable[Sheet], choices: ExportChoices) -> list[Task]:
    """One PDF for each sheet."""
    return [
        Task(
            name=sheet.name,
            id=sheet.id,
            folder=sheet.folder_path,
            wanted=sheet.to_request(choices.options, user_id=choices.user_id),
        )
        for sheet in sheets
    ]


def ledger_for(command: str, choices: RunChoices) -> Ledger:
    """The folder's ledger, which also remembers what to do again; `resume` reads it."""
    plain = to_dict(choices)
    for of_this_call in ("out", "asJson", "again"):
        plain.pop(of_this_call, None)
    to_do_again = json.dumps({"command": command, **plain})
    return Ledger(choices.out, keep_older=choices.keep_older, again=choices.again, command=to_do_again)


def keep(result: Result, choices: RunChoices, run: Run) -> None:
    """Notes what became of one thing."""
    run.results.append(result)
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
    """Exports everything, showing progress and keeping what became of each."""
    run.total = len(run.results) + len(tasks)
    if not tasks:
        return
    by_key = {task.key: task for task in tasks}
    lines_would_mix = choices.as_json and sys.stdout.isatty()
    with shown(len(by_key), run.things, live=False if lines_would_mix else None) as view:
        outcomes = export_many(
            session,
            [task.wanted for task in by_key.values()],
            choices.out,
            max_concurrent_downloads=choices.slots,
            timeout=choices.timeout,
            unpack=unpack,
            ledger=ledger,
            on_progress=view.moved,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                task = by_key[outcome.ref if outcome.ref in by_key else outcome.request]
                view.finished(task.name, outcome.size, outcome.seconds, ok=outcome.ok, reused=outcome.reused)
                result = Result(name=task.name, id=task.id, folder=task.folder, outcome=outcome, error=outcome.error)
                keep(result, choices, run)


def as_json(result: Result) -> dict[str, Any]:
    """One line of `--json`."""
    outcome, error = result.outcome, result.error
    ref = outcome.ref if outcome else None
    return {
        "ok": error is None,
        "kind": str(outcome.request.kind) if outcome else None,
        "name": result.name,
        "folder": result.folder,
        "id": result.id,
        "path": str(outcome.path) if outcome and outcome.path else None,
        "unpacked": [str(path) for path in outcome.unpacked] if outcome else [],
        "missing": [asdict(each) for each in outcome.failed_files] if outcome else [],
        "warnings": list(outcome.warnings) if outcome else [],
        "bytes": outcome.size if outcome else 0,
        "seconds": round(outcome.seconds, 3) if outcome else 0.0,
        "polls": outcome.polls if outcome else 0,
        "reused": outcome.reused if outcome else False,
        "ref": json.loads(ref_to_json(ref)) if ref else None,
        "error": None
        if error is None
        else {"type": type(error).__name__, "message": reason(error), "exitCode": exit_code(error)},
    }


def summary(run: Run, out: Path) -> str:
    """The last line of a run that came to its end."""
    done = len(run.files)
    of = f" of {run.total:,}" if run.failures else ""
    seconds = time.monotonic() - run.began
    words = f"{done:,}{of} {run.comes_as}{'' if run.total == 1 else 's'}"
    if entries := sum(len(each.unpacked) - (each.path in each.unpacked) for each in run.files):
        words += f", unpacked to {count(entries, 'file')}"
    if reused := sum(each.reused for each in run.files):
        words += f" ({reused:,} there already)"
    if odd := sum(bool(each.warnings) for each in run.files):
        words += f" ({odd:,} with warnings)"
    words += f", {size(run.received)}, in {seconds:.1f} s"
    return f"{words}: {out}" if done else words


def stopped_words(run: Run, out: Path) -> str:
    """What a run that was stopped has done."""
    if not run.total:
        return "stopped before the first export; nothing was written"
    where = f"in {out}" if run.files else "so no file was written"
    return f"stopped: {len(run.files):,} of {count(run.total, run.things)} done, {where}; nothing half written is left"
