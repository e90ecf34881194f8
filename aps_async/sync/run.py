"""One run of `sync_project` or of the command `export`: lists the project, plans the exports, and keeps the results.

The exports themselves are made by `export_many`, which its callers feed with what `SyncRun.looking` yields.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from attrs import define, evolve, field

from aps_async.ahead import ReadAhead
from aps_async.downloads.target_paths import checked_path
from aps_async.errors import (
    APSError,
    EmptyProjectError,
    MergeError,
    NotFoundInProjectError,
    PruneLimitError,
    RegisterError,
    TargetError,
)
from aps_async.ledger import Ledger
from aps_async.ledger.sheets import KnownSheet, SheetNote
from aps_async.models import ExportOutcome, LeftOut, Project, Sheet, SheetIdentity, StoredExport
from aps_async.session import Session
from aps_async.sync.compare import Planned, plan
from aps_async.sync.joined import JoinedSet, SetSheet, join_set
from aps_async.sync.listing import OTHER_PROJECT, OUTSIDE, Listing
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.register import RegisterWriter
from aps_async.sync.renaming import rename_files
from aps_async.sync.results import exported, left_out, missed
from aps_async.sync.selection import Selected
from aps_async.sync.sheets import ProjectSheet
from aps_async.sync.withdrawn import Prover, Verdict
from aps_async.threads import in_thread

__all__ = ["PRUNE_LEAST", "PRUNE_SHARE", "SyncOptions", "SyncRun"]
__dir__: object = __all__.copy

PRUNE_SHARE = 10
"""One run moves at most one in this many sheets of the set, unless `SyncOptions.max_prune` allows more."""
PRUNE_LEAST = 10
"""A run may always move this many sheets."""
_AT_ONCE = 400  # outcomes that are written in one transaction
_IN_SET = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)


@define(eq=False)
class SyncRun:
    """One run. Its methods are in the order in which they are called."""

    session: Session
    project: Project
    ledger: Ledger
    how: SyncOptions
    viewer: str = field(kw_only=True)
    selected: Selected = field(default=Selected(chosen=()), init=False)
    """What the selection chose, complete once `is_listed`; see `keep_selected`."""
    chosen: int = field(default=0, init=False)
    """The number of sheets that were listed and chosen so far."""
    is_listed: bool = field(default=False, init=False)
    """Whether the list is complete, and with it `chosen` and `selected`."""
    _listing: Listing = field(init=False)
    _open: dict[tuple[str, ...], Planned] = field(factory=dict[tuple[str, ...], Planned], init=False)
    """The sheets that have no outcome yet, by their source ids."""
    _renamed: list[Planned] = field(factory=list[Planned], init=False)
    _not_renamed: dict[bytes, TargetError] = field(factory=dict[bytes, TargetError], init=False)
    """The errors of files that could not be renamed, by lineage."""
    _has_reported_left_out: bool = field(default=False, init=False)
    _is_any_known: bool = field(default=False, init=False)
    """Whether the folder had any sheets at the beginning."""
    _taken: dict[SheetIdentity | None, str] = field(factory=dict[SheetIdentity | None, str], init=False)
    _moved: dict[int, KnownSheet] = field(factory=dict[int, KnownSheet], init=False)
    """Withdrawn sheets whose files this run has moved, as they are now, by record."""
    _stuck: dict[int, str] = field(factory=dict[int, str], init=False)
    """Warnings about withdrawn sheets whose files could not be moved, by record."""
    _notes: list[SheetNote] = field(factory=list[SheetNote], init=False)
    _changed: list[tuple[bytes, SyncOutcome]] = field(factory=list[tuple[bytes, SyncOutcome]], init=False)
    """Outcomes, with their lineages, whose files have yet to be looked up in the ledger for the register."""
    _register: RegisterWriter = field(init=False)
    _in_set: list[SetSheet] = field(factory=list[SetSheet], init=False)
    _not_in_set: list[str] = field(factory=list[str], init=False)
    _problem: APSError | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        how = self.how
        self._listing = Listing(self.session, self.project, self.ledger, how.selection, how.user_id, how.verify)
        self._register = RegisterWriter(self.project)

    @property
    def not_listed(self) -> tuple[LeftOut, ...]:
        """BIM 360: sheets and folders that were found so far and cannot be exported or listed."""
        return tuple(self._listing.left_out)

    def keep_selected(self) -> None:
        """Keeps all sheets in `selected` even if everything is chosen; by default they are not, to save memory."""
        self._listing.keep_all()

    def list_sheets(self) -> AsyncGenerator[Sheet, None]:
        """Lists the project's sheets, as far as the selection restricts the list."""
        return self._listing.sheets()

    async def looking(
        self, selected: Selected | None = None, listed: ReadAhead[Sheet] | None = None
    ) -> AsyncGenerator[list[Planned], None]:
        """Lists the project, compares it with the folder, and yields what is planned, part by part.

        If everything is selected, parts are yielded while the project is being listed. Any other selection needs the
        complete list first, so that everything is yielded at the end.

        Args:
            selected: what was listed and chosen before; None: the project is listed now.
            listed: `list_sheets`, if it has been started before.
        """
        if self.how.merge is not None:
            await self.ledger.reserve(self.how.merge)
            await in_thread(checked_path, self.how.merge)  # rather now than after all exports
        self._is_any_known = await self.ledger.sheets.is_any_known(self._listing.project_id)
        if selected is not None:
            await self._listing.take_over(selected)
            self.selected = selected
        else:
            async with aclosing(self._listing.batches(listed or ReadAhead(self.list_sheets()))) as batches:
                async for sheets in batches:
                    if self.how.selection.takes_all:
                        yield await self._plan(sheets)
            left_out = self.not_listed
            self.selected = evolve(await self._listing.choose(), left_out=left_out)
        rest = [] if self.chosen else [each for each in self.selected.chosen if each.id in self._listing.ids]
        if not (self.chosen or rest or self._listing.left_out or self._is_any_known):
            await self.ledger.begin(0)
            await self.ledger.complete(0)
            self._check_selected()
        planned = await self._plan(rest)
        self.is_listed = True
        yield planned

    def _check_selected(self) -> None:
        """Explains why there is nothing to do, unless it is that nothing has changed since a date.

        Raises:
            EmptyProjectError: there are no sheets.
            NotFoundInProjectError: there are some, and none of them is selected.
        """
        name, others = self.project.name, len(self.selected.not_selected)
        if not others:
            raise EmptyProjectError(f"{name} shows no sheets that can be exported")
        if self.how.selection.since is None:
            raise NotFoundInProjectError(f"none of the {others:,} sheets of {name} is selected")

    async def _plan(self, sheets: Sequence[ProjectSheet]) -> list[Planned]:
        how = self.how
        found = plan(
            sheets,
            await self._listing.known_of(sheets),
            pattern=how.pattern,
            options=how.options,
            named_at=self._listing.named_at,
            taken=self._taken,
            user_id=how.user_id,
            refresh_before=datetime.now(UTC) - how.refresh if how.refresh is not None else None,
        )
        planned = [await self._with_user(each) if each.is_for_another_user else each for each in found]
        self.chosen += len(planned)
        self._renamed += [each for each in planned if each.is_renamed]
        await self.ledger.sheets.forget([each.known for each in planned if each.is_too_old and each.known])
        self._open |= {each.request.source_ids: each for each in planned}
        first_seen = [each for each in planned if each.known is None or each.known.facts is None]
        await self.ledger.sheets.note(self._listing.project_id, [self._note(each, each.state) for each in first_seen])
        return planned

    async def _with_user(self, planned: Planned) -> Planned:
        """Keeps the user that a file was exported for, if it is there and unchanged; the ledger finds it by that."""
        known = planned.known
        if known is None or not await self.ledger.place.are_whole(known.files):
            return planned
        return evolve(planned, request=evolve(planned.request, user_id=known.request.user_id))

    def left_out(self) -> list[SyncOutcome]:
        """The outcomes of what was listed and cannot be exported; once, when the list is complete."""
        if not self.is_listed or self._has_reported_left_out:
            return []
        self._has_reported_left_out = True
        found: list[SyncOutcome] = []
        for unread in self._listing.unreadable:
            name, reason = unread.id or unread.call, str(unread)
            found.append(SyncOutcome(state=SheetState.LEFT_OUT, name=name, id=unread.id or "", reason=reason))
            self._report(found[-1])
        for each in self._listing.left_out:
            known = None if each.is_folder else self._listing.kept(each)
            found.append(left_out(each, self._listing.sheet_of(each), known, self.ledger.place))
            self._report(found[-1], known)
            if known is not None:
                self._keep(known, found[-1])
        return found

    def gives_name_now(self, planned: Planned) -> bool:
        """Whether a file can be named before the list is complete: no renamed file could need its name."""
        return planned.keeps_name or not self._is_any_known

    async def rename(self) -> None:
        """Renames files to the names that they should have now; see `rename_files`.

        Raises:
            DiskFullError: the disk is full.
        """
        waiting, self._renamed = self._renamed, []
        renamed, failed = await rename_files(self.ledger.sheets, waiting)
        self._not_renamed |= failed
        self._open |= {each.request.source_ids: each for each in renamed}

    async def exported(self, outcome: ExportOutcome | StoredExport) -> SyncOutcome:
        """Records the outcome of one export, and returns that of its sheet."""
        planned = self._open.pop(outcome.request.source_ids)
        found = exported(planned, outcome, self.ledger.place)
        if found.state is SheetState.REFRESHED and self.how.again:
            found = evolve(found, reason="everything was exported again")
        if found.error is not None and found.file and not await self.ledger.place.is_there(found.file):
            found = evolve(found, file=None, path=None, location=None, exported_at=None)
        problem = self._not_renamed.pop(planned.lineage, None)
        if problem is not None and found.error is None:
            found = evolve(found, state=SheetState.FAILED, reason=" ".join(str(problem).split()), error=problem)
        if found.error is None and not self._is_noted(planned, found):
            self._notes.append(self._note(planned, found.state, found.reason))
        known = planned.known
        if outcome.reused and known is not None and any(each.name == found.file for each in known.in_place):
            self._report(found, known)
        else:
            self._changed.append((planned.lineage, found))
        if len(self._notes) >= _AT_ONCE or len(self._changed) >= _AT_ONCE:
            await self._keep_notes()
        return found

    def _is_noted(self, planned: Planned, found: SyncOutcome) -> bool:
        """Whether the ledger has the same state already."""
        known, sheet = planned.known, planned.sheet.sheet
        return (
            known is not None
            and found.reason is None
            and known.lineage == planned.lineage
            and known.state == found.state
            and known.viewer == self.viewer
            and known.named_at == planned.named_at
            and known.facts == sheet
        )

    async def missing(self) -> list[SyncOutcome]:
        """The outcomes of the sheets that the folder has and this run has not exported; moves withdrawn ones."""
        await self._keep_notes()
        rest, reasons, others = await self._listing.not_exported(self._taken)
        prover = Prover(self.session, self.project, self.viewer, self.how.user_id)
        verdicts = await prover.verdicts([each for each in rest if each.record not in reasons])
        verdicts |= {record: Verdict(SheetState.NOT_LOOKED_AT, reason) for record, reason in reasons.items()}
        withdrawn = [each for each in rest if _is_withdrawn(verdicts[each.record])]
        self._moved = await self._prune(withdrawn, self.chosen + others)
        outcomes: list[SyncOutcome] = []
        for each in rest:
            moved = self._moved.get(each.record)
            outcome = missed(moved or each, verdicts[each.record], self.ledger.place)
            if note := self._stuck.get(each.record):
                outcome = evolve(outcome, warnings=(*outcome.warnings, note))
            outcomes.append(outcome)
            self._report(outcome, moved or each)
            self._keep(each, outcome, outcome.file if moved else None)
        return outcomes

    async def _prune(self, withdrawn: Sequence[KnownSheet], total: int) -> dict[int, KnownSheet]:
        """Moves the files of withdrawn sheets if `SyncOptions` allows it; returns these sheets by record."""
        if not self.how.prune or not withdrawn:
            return {}
        allowed = max(PRUNE_LEAST, total // PRUNE_SHARE) if self.how.max_prune is None else self.how.max_prune
        if len(withdrawn) > allowed:
            self._problem = PruneLimitError(
                f"{len(withdrawn)} of {total} sheets are withdrawn, more than the {allowed} that one run moves: "
                f"nothing was moved. To move them, allow that many (max_prune={len(withdrawn)})",
                withdrawn=len(withdrawn),
                allowed=allowed,
            )
            return {}
        moved: dict[int, KnownSheet] = {}
        for each in withdrawn:
            try:
                moved[each.record] = await self.ledger.sheets.withdraw(each)
            except TargetError as problem:  # it may be open in another program
                self._stuck[each.record] = f"its file stays where it is until the next run: {problem}"
        return moved

    def _report(self, outcome: SyncOutcome, *known: KnownSheet | None) -> None:
        """Adds an outcome to the register and to the joined PDF."""
        self._register.add(outcome, *known)
        if self.how.merge is None:
            return
        if outcome.state not in _IN_SET:
            if outcome.reason not in (OUTSIDE, OTHER_PROJECT):
                self._not_in_set.append(f"{outcome.name}: {outcome.in_words}")
        elif outcome.file:
            self._in_set.append(SetSheet(outcome.file, outcome.number, outcome.title))

    async def finish(self) -> JoinedSet | None:
        """Writes the ledger's notes and the register, and joins the sheets for `SyncOptions.merge`.

        Of several errors the first is raised, with the others as notes.

        Raises:
            PruneLimitError: more sheets are withdrawn than may be moved.
            RegisterError: the register cannot be written.
            MergeError: the sheets cannot be joined.
        """
        await self._keep_notes()
        try:
            self._put_off(await self._register.write(self.ledger.place, datetime.now(UTC)))
            await self.ledger.sheets.withdrawn(self._moved.values())
        except RegisterError as problem:  # what no register has shown is moved back, and reported again
            self._put_off(problem)
        joined = None
        try:
            if self.how.merge is not None:
                joined = await join_set(self.ledger, self._in_set, self.how.merge, missing=self._not_in_set)
        except MergeError as problem:
            self._put_off(problem)
        if self._problem is not None:
            raise self._problem
        return joined

    def _put_off(self, problem: APSError | None) -> None:
        """Keeps an error until the end of the run; of several, the first is raised, with the others as notes."""
        if self._problem is None:
            self._problem = problem
        elif problem is not None:
            self._problem.add_note(str(problem))

    async def _keep_notes(self) -> None:
        notes, self._notes = self._notes, []
        await self.ledger.sheets.note(self._listing.project_id, notes)
        changed, self._changed = self._changed, []
        lineages = {lineage for lineage, _ in changed}
        known = await self.ledger.sheets.of_lineages(self._listing.project_id, lineages)
        for lineage, outcome in changed:
            self._report(outcome, *known[lineage])

    def _note(self, planned: Planned, state: SheetState, reason: str | None = None) -> SheetNote:
        return SheetNote(
            lineage=planned.lineage,
            sheet=planned.sheet.sheet,
            viewer=self.viewer,
            state=str(state),
            reason=reason,
            named_at=planned.named_at,
        )

    def _keep(self, known: KnownSheet, outcome: SyncOutcome, moved: str | None = None) -> None:
        if known.facts is not None and not self._listing.is_of_another_project(known):
            self._notes.append(
                SheetNote(
                    lineage=known.lineage,
                    sheet=known.facts,
                    viewer=known.viewer,
                    state=str(outcome.state),
                    reason=outcome.reason,
                    moved=moved,
                    named_at=known.named_at,
                )
            )


def _is_withdrawn(verdict: Verdict) -> bool:
    return verdict.state is SheetState.WITHDRAWN
