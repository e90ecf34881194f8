"""The command `sync` with several projects, each in its own subfolder."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from functools import partial

from attrs import define, evolve, field

from aps_async.cli.delivering import check_target, stored_choices
from aps_async.cli.ending import print_stopped
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import NOT_STRICT, exit_code, reason, worst
from aps_async.cli.notifying import notify
from aps_async.cli.output import print_conclusion, print_json, print_status
from aps_async.cli.progress import shown
from aps_async.cli.reporting import leave_report
from aps_async.cli.results import error_as_json
from aps_async.cli.syncing import SyncChoices, SyncView, Watched, conclude, show, summary
from aps_async.errors import DiskFullError, LedgerError, PruneLimitError
from aps_async.ids import bare_id
from aps_async.models import Project
from aps_async.report.entries import Report
from aps_async.session import Session
from aps_async.sync.outcomes import SheetState, SyncCounts
from aps_async.sync.projects import ProjectSynced, SheetSynced, sync_projects
from aps_async.text import count, size

_SAME = (SheetState.UNCHANGED, SheetState.NOT_LOOKED_AT, SheetState.LEFT_OUT, SheetState.WITHDRAWN)
"""States in which a round of `--watch` has changed nothing."""


@define
class ManyView:
    """What one command has found so far."""

    current: SyncView = field(factory=SyncView)
    """Of the project that is being synced."""
    codes: list[int] = field(factory=list[int])
    """The exit code of each project."""
    counts: Counter[SheetState] = field(factory=Counter[SheetState])
    received: int = 0
    failed: int = 0
    """Projects that could not be synced to their end."""
    began: float = field(factory=time.monotonic)

    def next_project(self, done: ProjectSynced, *, strict: bool) -> None:
        """Adds a project's figures."""
        code = self.current.code(strict=strict)
        if isinstance(done.error, PruneLimitError):
            code = code or NOT_STRICT
        elif done.error is not None:
            code = exit_code(done.error)
        self.codes.append(code)
        self.failed += done.error is not None
        self.counts += self.current.counts
        self.received += self.current.received
        self.current = SyncView(markups=self.current.markups)

    def __str__(self) -> str:
        words = f"{count(len(self.codes), 'project')}" + (f" ({self.failed:,} failed)" if self.failed else "")
        seconds = time.monotonic() - self.began
        return f"{words}: {str(SyncCounts(self.counts)) or 'nothing to do'}; {size(self.received)} in {seconds:.1f} s"


async def sync_many(choices: SyncChoices, watched: Watched | None = None) -> int:
    """`aps-async sync` of several projects; `watched` is given in the rounds of `--watch`.

    The exit code is that of the project with the worst one, by `SEVERITY`.
    """
    await check_target(choices)
    view = ManyView(current=SyncView(markups=choices.options.markups))
    try:
        async with open_session(choices.user_id, patient=watched is not None) as session:
            await _sync_many(session, choices, view, watched)
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        if view.codes or view.current.total:
            print_stopped(f"stopped after {count(len(view.codes), 'project')}; no unfinished file is left", choices.out)
        raise
    conclude(f"{view}: {choices.where}", choices, watched)
    code = worst(view.codes)
    await notify(f"sync of {view}", ok=code == 0)
    return code


async def _sync_many(session: Session, choices: SyncChoices, found: ManyView, watched: Watched | None) -> None:
    def command_for(project: Project, location: str) -> str:
        storage = location if choices.storage else None
        return stored_choices("sync", evolve(choices, project=project.id, projects=(), storage=storage))

    with shown(session.contact, None, "", live=False if choices.as_json or watched else None) as view:

        def listed(total: int, *, complete: bool = False) -> None:
            found.current.total = total
            view.expect(total, complete=complete)

        run = sync_projects(
            session,
            choices.projects,
            choices.target,
            choices.how(),
            state=choices.state,
            command=stored_choices("sync", choices),
            project_command=command_for,
            max_concurrent_downloads=choices.slots,
            timeout=choices.timeout,
            on_progress=view.moved,
            on_listed=listed,
            on_total=partial(listed, complete=True),
        )
        async with aclosing(run) as outcomes:
            async for each in outcomes:
                if isinstance(each, SheetSynced):
                    if choices.report and found.current.report is None:
                        found.current.report = Report(project=each.project.name)
                    found.current.add(each.outcome)
                    show(each.outcome, each.project, view, choices, watched)
                else:
                    if found.current.report is not None:
                        storage = each.location if choices.storage else None
                        await leave_report(each.folder, found.current.report, storage, quiet=watched is not None)
                    _show_project(each, found.current, choices, watched)
                    found.next_project(each, strict=choices.strict)
                    view.begin()


def _show_project(done: ProjectSynced, view: SyncView, choices: SyncChoices, watched: Watched | None) -> None:
    if done.error is not None:
        words = reason(done.error)
        print_status(f"{done.project.name}: failed: {words}")
        if choices.as_json:
            which = {"project": done.project.name, "projectId": bare_id(done.project.id)}
            print_json({"ok": False, **which, "error": error_as_json(done.error)})
    if watched is None:
        view.remarks.show(project=done.project.name)
    is_quiet = watched is not None and not any(view.counts[state] for state in SheetState if state not in _SAME)
    if not is_quiet and not (done.error is not None and not view.counts):
        words = f"{done.project.name}: {summary(view, done.location)}"
        print_conclusion(words, as_json=choices.as_json)
