"""The command `export`, and the run that it shares with `demo`."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from aps_async.bulk import export_many
from aps_async.cli.environment import open_session
from aps_async.cli.failures import SOME_FAILED, exit_code, reason
from aps_async.cli.output import count, note, say, say_json, size
from aps_async.cli.progress import shown
from aps_async.convert import ref_to_json
from aps_async.doors import get_sheet, list_sheets
from aps_async.errors import APSError, NotFoundInProjectError
from aps_async.models import ExportOptions, ExportOutcome, Project, Sheet
from aps_async.resources.projects import find_project
from aps_async.session import Session


@frozen(kw_only=True)
class ExportChoices:
    """What was asked for."""

    project: str
    out: Path
    folder: str | None = None
    sheets: tuple[str, ...] = ()
    markups: bool = False
    hyperlinks: bool = False
    slots: int | None = None
    timeout: float | None = None
    user_id: str | None = None
    as_json: bool = False


@frozen(kw_only=True)
class Result:
    """What became of one sheet, be it that the export failed or that there was no such sheet."""

    name: str
    sheet: Sheet | None = None
    sheet_id: str
    outcome: ExportOutcome | None = None
    error: Exception | None = None


@define
class Run:
    """The results of one command so far."""

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
            return 0
        return codes.pop() if len(codes) == 1 and not self.files else SOME_FAILED


async def export(choices: ExportChoices) -> int:
    """`aps-async export`."""
    run = Run()
    try:
        async with open_session(choices.user_id) as session:
            await _export(session, choices, run)
    except asyncio.CancelledError:
        note(stopped_words(run, choices.out))
        raise
    for failed in run.failures:
        note(f"failed: {failed.name}: {reason(failed.error) if failed.error else ''}")
    words = summary(run, choices.out)
    if choices.as_json:
        note(words)
    else:
        say(words)
    return run.code


async def _export(session: Session, choices: ExportChoices, run: Run) -> None:
    project = await find_project(session, choices.project)
    if choices.sheets:
        looked_up = await asyncio.gather(*(_looked_up(session, project, each) for each in choices.sheets))
    else:
        looked_up = [sheet async for sheet in list_sheets(session, project, folder=choices.folder)]
        if not looked_up:
            where = f"{choices.folder!r} of {project.name}" if choices.folder else project.name
            raise NotFoundInProjectError(f"there is nothing to export in {where}: it holds no finished sheets of PDFs")
    # An item URN and the URN of its newest version are one sheet.
    sheets = {each.version_urn: each for each in looked_up if isinstance(each, Sheet)}
    for failed in looked_up:
        if isinstance(failed, Result):
            run.results.append(failed)
            if choices.as_json:
                say_json(as_json(failed))
    await export_sheets(session, list(sheets.values()), choices, run)


async def _looked_up(session: Session, project: Project, sheet_id: str) -> Sheet | Result:
    try:
        return await get_sheet(session, project, sheet_id)
    except APSError as problem:
        return Result(name=sheet_id, sheet_id=sheet_id, error=problem)


async def export_sheets(session: Session, sheets: Sequence[Sheet], choices: ExportChoices, run: Run) -> None:
    """Exports sheets, showing progress and keeping what became of each."""
    run.total = len(run.results) + len(sheets)
    if not sheets:
        return
    options = ExportOptions(markups=choices.markups, hyperlinks=choices.hyperlinks)
    by_request = {sheet.to_request(options, user_id=choices.user_id): sheet for sheet in sheets}
    lines_would_mix = choices.as_json and sys.stdout.isatty()
    with shown(len(by_request), live=False if lines_would_mix else None) as view:
        outcomes = export_many(
            session,
            by_request,
            choices.out,
            slots=choices.slots,
            timeout=choices.timeout,
            on_progress=view.moved,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                sheet = by_request[outcome.request]
                result = Result(
                    name=sheet.name, sheet=sheet, sheet_id=sheet.version_urn, outcome=outcome, error=outcome.error
                )
                run.results.append(result)
                view.finished(sheet.name, outcome.size, outcome.seconds, ok=outcome.ok)
                if choices.as_json:
                    say_json(as_json(result))


def as_json(result: Result) -> dict[str, Any]:
    """One line of `--json`."""
    outcome, sheet, error = result.outcome, result.sheet, result.error
    ref = outcome.ref if outcome else None
    return {
        "ok": error is None,
        "sheet": result.name,
        "folder": sheet.folder_path if sheet else None,
        "id": result.sheet_id,
        "path": str(outcome.path) if outcome and outcome.path else None,
        "bytes": outcome.size if outcome else 0,
        "seconds": round(outcome.seconds, 3) if outcome else 0.0,
        "polls": outcome.polls if outcome else 0,
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
    words = f"{done:,}{of} {'PDF' if run.total == 1 else 'PDFs'}, {size(run.received)}, in {seconds:.1f} s"
    return f"{words}: {out}" if done else words


def stopped_words(run: Run, out: Path) -> str:
    """What a run that was stopped has done."""
    if not run.total:
        return "stopped before the first export; nothing was written"
    where = f"in {out}" if run.files else "so no file was written"
    return f"stopped: {len(run.files):,} of {count(run.total, 'sheet')} done, {where}; nothing half written is left"
