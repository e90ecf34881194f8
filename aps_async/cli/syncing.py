"""The command `sync`: `sync_project` with progress, results and a report."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing, closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from aps_async.cli.choice import Choice
from aps_async.cli.delivering import RunChoices, check_target, show_failures, stored_choices
from aps_async.cli.ending import print_stopped, reasons, words_now
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import NOT_STRICT, SOME_FAILED, exit_code, reason
from aps_async.cli.notifying import notify
from aps_async.cli.output import local_time, print_conclusion, print_json, print_progress, print_status
from aps_async.cli.progress import View, shown
from aps_async.cli.remarks import Remarks
from aps_async.cli.reporting import leave_report
from aps_async.cli.results import STOPPED_AT_ONCE, error_as_json, show_joined
from aps_async.cli.wanted import exportable_project, print_selected
from aps_async.errors import DiskFullError, LedgerError, MergeError, PruneLimitError, RegisterError
from aps_async.ids import bare_id
from aps_async.ledger.moves import is_superseded
from aps_async.models import ExportOptions, Project
from aps_async.report.entries import Report
from aps_async.report.thumbnails import ThumbnailProcess
from aps_async.session import Session
from aps_async.sync.joined import JoinedSet
from aps_async.sync.options import DEFAULT_PATTERN, SyncOptions
from aps_async.sync.outcomes import SheetState, SyncCounts, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.selection import Selected
from aps_async.text import count, size

QUIET = (SheetState.UNCHANGED, SheetState.NEW, SheetState.NOT_LOOKED_AT)
"""States that get no line of their own on standard error: the progress shows what is fetched."""
DONE = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)
INCOMPLETE = (SheetState.LEFT_OUT, SheetState.WITHDRAWN)


@frozen(kw_only=True)
class SyncChoices(RunChoices, Choice):
    """Options of `sync`."""

    prune: bool = False
    max_prune: int | None = None
    drop_superseded: bool = False
    refresh: float | None = None
    """Seconds."""
    strict: bool = False
    report: bool = True
    batch: int | None = None
    options: ExportOptions = field(factory=ExportOptions)
    projects: tuple[str, ...] = ()
    """Several projects or patterns, each project in its own subfolder; empty: `project`, directly in the folder."""

    @property
    def is_for_several(self) -> bool:
        """Whether each project has a subfolder."""
        return bool(self.projects)

    def how(self) -> SyncOptions:
        """As the library takes it."""
        return SyncOptions(
            options=self.options,
            selection=self.selection,
            pattern=self.pattern or DEFAULT_PATTERN,
            superseded="drop" if self.drop_superseded else "keep",
            prune=self.prune,
            max_prune=self.max_prune,
            verify=self.verify,
            refresh=None if self.refresh is None else timedelta(seconds=self.refresh),
            user_id=self.user_id,
            merge=self.merge,
            batch=self.batch,
        )


@define
class SyncView:
    """What one command has found so far."""

    markups: bool = False
    """Whether the pages have markups, which change without a new version."""
    counts: Counter[SheetState] = field(factory=Counter[SheetState])
    received: int = 0
    total: int = 0
    failures: list[SyncOutcome] = field(factory=list[SyncOutcome])
    partial: int = 0
    """Files in which something is missing."""
    exported: set[date] = field(factory=set[date])
    """The days on which the files of today's set were exported."""
    report: Report | None = None
    remarks: Remarks = field(factory=Remarks)
    joined: JoinedSet | None = None
    began: float = field(factory=time.monotonic)

    def close(self) -> None:
        """Ends what works for the report."""
        if self.report is not None:
            self.report.close()

    def add(self, outcome: SyncOutcome) -> None:
        """Counts one outcome."""
        self.counts[outcome.state] += 1
        self.remarks.add(outcome)
        if self.report is not None:
            self.report.add(outcome, *reasons(outcome.error, outcome.name))
        if (delivered := outcome.outcome) is not None and delivered.ok:
            self.received += 0 if delivered.reused else delivered.size
            self.partial += bool(delivered.failed_files)
        if outcome.path is not None and outcome.exported_at is not None:
            self.exported.add(outcome.exported_at.astimezone().date())
        if outcome.error is not None:
            self.failures.append(outcome)

    def code(self, *, strict: bool) -> int:
        """The exit code."""
        codes = {exit_code(each.error) for each in self.failures if each.error is not None}
        if codes:
            return codes.pop() if len(codes) == 1 and len(self.failures) == self.total else SOME_FAILED
        if self.partial:
            return SOME_FAILED
        return NOT_STRICT if strict and any(self.counts[state] for state in INCOMPLETE) else 0


@define
class Watched:
    """What the rounds of `--watch` have printed, so that each one prints only what changed."""

    _last: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])

    def is_news(self, project: Project, outcome: SyncOutcome) -> bool:
        """Whether a sheet's state differs from what was printed of it; unchanged files are never news."""
        key = project.id, outcome.id or outcome.name
        if outcome.state in (SheetState.UNCHANGED, SheetState.NOT_LOOKED_AT) and not outcome.warnings:
            self._last.pop(key, None)
            return False
        before, self._last[key] = self._last.get(key), outcome.in_words
        return before != outcome.in_words


async def sync(choices: SyncChoices, watched: Watched | None = None) -> int:
    """`aps-async sync` of one project; `watched` is given in the rounds of `--watch`."""
    await check_target(choices)
    with closing(SyncView(markups=choices.options.markups)) as view:
        return await _synced(choices, view, watched)


async def _synced(choices: SyncChoices, view: SyncView, watched: Watched | None) -> int:
    unfinished = None
    try:
        async with open_session(choices.user_id, patient=watched is not None) as session:
            await _sync(session, choices, view, watched)
    except (PruneLimitError, RegisterError, MergeError) as problem:
        unfinished = problem
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        done = sum(view.counts[state] for state in DONE)
        words = f"stopped: {done:,} of {count(view.total, 'sheet')} done; no unfinished file is left"
        words = words if view.total else STOPPED_AT_ONCE
        print_stopped(words, choices.out if view.total else None)
        raise
    words = summary(view, choices.where)
    code = view.code(strict=choices.strict)
    if unfinished is not None:
        code = code or exit_code(unfinished)
    conclude(words, choices, watched)
    show_joined(view.joined, as_json=choices.as_json)
    if view.report is not None:
        await leave_report(choices.out, view.report, choices.storage, quiet=watched is not None)
    if watched is None:
        view.remarks.show()
        show_failures([(each.number or each.name, each.error) for each in view.failures if each.error], choices.out)
    if unfinished is not None:
        print_status(f"error: {reason(unfinished)}")
    await notify(f"sync of {choices.project}: {words}", ok=code == 0)
    return code


def conclude(words: str, choices: SyncChoices, watched: Watched | None) -> None:
    """Prints a summary; of a round with its time."""
    text = words if watched is None else f"{local_time(datetime.now(UTC))} {words}"
    print_conclusion(text, as_json=choices.as_json)


async def _sync(session: Session, choices: SyncChoices, found: SyncView, watched: Watched | None) -> None:
    project = await exportable_project(session, choices.project, choices.options, choices.user_id)
    if choices.report:
        found.report = Report(project=project.name, drawing=ThumbnailProcess(choices.out))
    # The number of sheets is only known after the list, when the display has begun.
    with shown(session.contact, None, "", live=False if choices.as_json or watched else None) as view:

        def listed(total: int, *, complete: bool = False) -> None:
            found.total = total
            view.expect(total, complete=complete)

        def selected(chosen: Selected) -> None:
            print_selected(chosen)

        def joined(done: JoinedSet) -> None:
            found.joined = done

        run = sync_project(
            session,
            project,
            choices.target,
            choices.how(),
            state=choices.state,
            command=stored_choices("sync", choices),
            max_concurrent_downloads=choices.slots,
            timeout=choices.timeout,
            on_progress=view.moved,
            on_listed=listed,
            on_total=partial(listed, complete=True),
            on_selected=None if choices.selection.takes_all else selected,  # of all sheets there is nothing to print
            on_joined=joined,
        )
        async with aclosing(run) as outcomes:
            async for outcome in outcomes:
                found.add(outcome)
                show(outcome, project, view, choices, watched)


def show(
    outcome: SyncOutcome, project: Project, view: View, choices: SyncChoices, watched: Watched | None = None
) -> None:
    """Prints what is worth knowing of one sheet, and moves the progress."""
    is_news = watched is None or watched.is_news(project, outcome)
    if choices.as_json and is_news:
        print_json(as_json(outcome, project))
    exported = outcome.outcome
    if exported is not None and not exported.reused:
        view.finished(outcome.name, exported.size, exported.seconds, ok=exported.ok)
    elif exported is not None:
        view.passed()
    if is_news and (outcome.state not in QUIET or outcome.warnings):
        words = words_now(outcome.error, outcome.name) if outcome.error is not None else None
        name = f"{project.name}: {outcome.name}" if choices.projects else outcome.name
        found = _with_state(outcome.state, words) if words else f"{outcome.in_words}{where_its_file_is(outcome)}"
        (print_status if is_trouble(outcome) else print_progress)(f"{name}: {found}")


def is_trouble(outcome: SyncOutcome) -> bool:
    """Whether `--quiet` shows a sheet, too: something went wrong with it, or it is not, or no longer, what it was."""
    return outcome.state in (*INCOMPLETE, SheetState.FAILED) or bool(outcome.warnings)


def _with_state(state: SheetState, words: str) -> str:
    """`failed: not allowed (403)`, and `failed at the service`."""
    return words if words.startswith(f"{state} ") else f"{state}: {words}"


def where_its_file_is(outcome: SyncOutcome) -> str:
    """What to add to the reason why a sheet is withdrawn."""
    if outcome.state is not SheetState.WITHDRAWN or outcome.file is None:
        return ""
    return f"; its file is now {outcome.file}" if is_superseded(outcome.file) else "; its file is still in the folder"


def as_json(outcome: SyncOutcome, project: Project) -> dict[str, Any]:
    """One line of `--json`: the fields of the register, and what the run did."""
    exported = outcome.outcome
    return {
        "project": project.name,
        "projectId": bare_id(project.id),
        "ok": outcome.ok,
        "state": str(outcome.state),
        "number": outcome.number,
        "title": outcome.title,
        "name": outcome.name,
        "version": outcome.version,
        "previous": outcome.previous,
        "folder": outcome.folder,
        "source": outcome.id,
        "path": outcome.location,
        "reason": outcome.reason,
        "warnings": list(outcome.warnings),
        "exportedAt": outcome.exported_at.isoformat(timespec="seconds") if outcome.exported_at else None,
        "bytes": exported.size if exported else 0,
        "seconds": round(exported.seconds, 3) if exported else 0.0,
        "error": None if outcome.error is None else error_as_json(outcome.error),
    }


def summary(view: SyncView, out: Path | str) -> str:
    """The last line of a finished sync."""
    words = str(SyncCounts(view.counts)) or "nothing to do"
    if view.markups and view.exported:
        words += f"; markups as of {' to '.join(map(str, sorted({min(view.exported), max(view.exported)})))}"
    seconds = time.monotonic() - view.began
    return f"{words}; {size(view.received)} in {seconds:.1f} s: {out}"
