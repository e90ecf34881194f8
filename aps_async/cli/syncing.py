"""The command `sync`."""

import asyncio
import shlex
import time
from collections import Counter
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from aps_async.cli.environment import open_session
from aps_async.cli.export import RunChoices, error_as_json, show_joined, show_state, stored_choices
from aps_async.cli.failures import NOT_STRICT, SOME_FAILED, exit_code, reason
from aps_async.cli.output import count, print_json, print_result, print_status, size
from aps_async.cli.progress import View, shown
from aps_async.cli.selecting import Choice
from aps_async.cli.wanted import exportable_project
from aps_async.errors import DiskFullError, LedgerError, MergeError, PruneLimitError
from aps_async.ledger import refuse_if_in_use
from aps_async.models import ExportOptions
from aps_async.session import Session
from aps_async.sync.joined import JoinedSet
from aps_async.sync.outcomes import SheetState, SyncCounts, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.run import DEFAULT_PATTERN, SyncOptions

QUIET = (SheetState.UNCHANGED, SheetState.NEW, SheetState.NOT_LOOKED_AT)
"""States that get no line of their own on standard error: the progress shows what is fetched."""
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
    merge: Path | None = None
    options: ExportOptions = field(factory=ExportOptions)

    def how(self) -> SyncOptions:
        """As the library takes it."""
        return SyncOptions(
            options=self.options,
            selection=self.selection,
            pattern=self.pattern or DEFAULT_PATTERN,
            superseded="drop" if self.drop_superseded else "keep",
            prune=self.prune,
            max_prune=self.max_prune,
            refresh=None if self.refresh is None else timedelta(seconds=self.refresh),
            user_id=self.user_id,
            merge=self.merge,
        )


@define
class SyncView:
    """What one command has found so far."""

    counts: Counter[SheetState] = field(factory=Counter[SheetState])
    received: int = 0
    total: int = 0
    failures: list[SyncOutcome] = field(factory=list[SyncOutcome])
    joined: JoinedSet | None = None
    began: float = field(factory=time.monotonic)

    def add(self, outcome: SyncOutcome) -> None:
        """Counts one outcome."""
        self.counts[outcome.state] += 1
        if outcome.outcome is not None and outcome.outcome.ok and not outcome.outcome.reused:
            self.received += outcome.outcome.size
        if outcome.error is not None:
            self.failures.append(outcome)

    def code(self, *, strict: bool) -> int:
        """The exit code."""
        codes = {exit_code(each.error) for each in self.failures if each.error is not None}
        if codes:
            return codes.pop() if len(codes) == 1 and len(self.failures) == self.total else SOME_FAILED
        return NOT_STRICT if strict and any(self.counts[state] for state in INCOMPLETE) else 0


async def sync(choices: SyncChoices) -> int:
    """`aps-async sync`."""
    refuse_if_in_use(choices.out)
    show_state(choices)
    view, unfinished = SyncView(), None
    try:
        async with open_session(choices.user_id) as session:
            await _sync(session, choices, view)
    except (PruneLimitError, MergeError) as problem:
        unfinished = problem
    except (asyncio.CancelledError, DiskFullError, LedgerError):
        done = sum(view.counts.values())
        print_status(f"stopped: {done:,} of {count(view.total, 'sheet')} done; no unfinished file is left")
        if view.total:
            print_status(f"to continue: aps-async resume {shlex.quote(str(choices.out))}")
        raise
    words = summary(view, choices)
    if choices.as_json:
        print_status(words)
    else:
        print_result(words)
    show_joined(view.joined, as_json=choices.as_json)
    if unfinished is not None:
        print_status(f"error: {reason(unfinished).replace('(max_prune=', '(--max-prune ')}")
        return view.code(strict=choices.strict) or exit_code(unfinished)
    return view.code(strict=choices.strict)


async def _sync(session: Session, choices: SyncChoices, found: SyncView) -> None:
    project = await exportable_project(session, choices.project, choices.options, choices.user_id)
    # The number of sheets is only known after the list, when the display has begun.
    with shown(None, live=False if choices.as_json else None) as view:

        def listed(total: int) -> None:
            found.total = total
            view.expect(total)

        def joined(done: JoinedSet) -> None:
            found.joined = done

        run = sync_project(
            session,
            project,
            choices.target,
            choices.how(),
            state=choices.out if choices.storage else None,
            command=stored_choices("sync", choices),
            max_concurrent_downloads=choices.slots,
            timeout=choices.timeout,
            on_progress=view.moved,
            on_total=listed,
            on_joined=joined,
        )
        async with aclosing(run) as outcomes:
            async for outcome in outcomes:
                found.add(outcome)
                _show(outcome, view, choices)


def _show(outcome: SyncOutcome, view: View, choices: SyncChoices) -> None:
    if choices.as_json:
        print_json(as_json(outcome))
    exported = outcome.outcome
    if exported is not None and not exported.reused:
        view.finished(outcome.name, exported.size, exported.seconds, ok=exported.ok)
    elif exported is not None:
        view.passed()
    if outcome.state not in QUIET or outcome.warnings:
        words = reason(outcome.error) if outcome.error is not None else None
        print_status(f"{outcome.name}: {f'{outcome.state}: {words}' if words else outcome.in_words}")


def as_json(outcome: SyncOutcome) -> dict[str, Any]:
    """One line of `--json`: the fields of the register, and what the run did."""
    exported = outcome.outcome
    return {
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


def summary(view: SyncView, choices: SyncChoices) -> str:
    """The last line of a finished sync."""
    words = str(SyncCounts(view.counts)) or "nothing to do"
    seconds = time.monotonic() - view.began
    return f"{words}; {size(view.received)} in {seconds:.1f} s: {choices.where}"
