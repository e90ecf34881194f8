"""One run of `sync_project`: its list, what the folder knows, and what comes of both."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Literal

from attrs import define, evolve, field, frozen
from attrs.converters import optional

from aps_async.ahead import ReadAhead
from aps_async.errors import EmptyProjectError, InputError, MergeError, PruneLimitError
from aps_async.ledger import Ledger
from aps_async.ledger.keys import lineage_of
from aps_async.ledger.sheets import KnownSheet, SheetNote
from aps_async.models import ExportOptions, ExportOutcome, LeftOut, Project, Sheet, SheetIdentity, StoredExport
from aps_async.resources.sheets import forms
from aps_async.session import Session
from aps_async.sync.compare import Planned, plan
from aps_async.sync.joined import JoinedSet, SetSheet, checked_pdf, join_set
from aps_async.sync.listing import Listing
from aps_async.sync.naming import NamePattern
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.register import RegisterWriter
from aps_async.sync.results import exported, left_out, missed
from aps_async.sync.selection import Selected, Selection
from aps_async.sync.sheets import ProjectSheet
from aps_async.sync.withdrawn import Prover, Verdict

__all__ = ["DEFAULT_PATTERN", "PRUNE_LEAST", "PRUNE_SHARE", "SyncOptions", "SyncRun"]
__dir__: object = __all__.copy

DEFAULT_PATTERN = NamePattern("{number} - {title}")
PRUNE_SHARE = 10
"""One run moves at most the set divided by this, unless a larger number is allowed."""
PRUNE_LEAST = 10
"""So many sheets in any case."""
_AT_ONCE = 400  # outcomes that are kept in one transaction
_IN_SET = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)
_OUTSIDE = "outside the selection of this run"


def _pattern(value: NamePattern | str) -> NamePattern:
    return value if isinstance(value, NamePattern) else NamePattern(value)


@frozen(kw_only=True)
class SyncOptions:
    """How a folder is made to agree with a project.

    Raises:
        InputError: a value is of another kind than its field.
    """

    options: ExportOptions = field(factory=ExportOptions)
    """What goes onto the pages; nothing by default."""
    selection: Selection = field(factory=Selection)
    """Which sheets are wanted. Others that are in the folder are not looked at, and stay."""
    pattern: NamePattern = field(default=DEFAULT_PATTERN, converter=_pattern)
    """How files are named; a text will do. Another pattern than last time renames files and exports nothing."""
    superseded: Literal["keep", "drop"] = "keep"
    """What becomes of an older version's file: it is moved to the folder `superseded`, or removed."""
    prune: bool = False
    """Move the files of withdrawn sheets to `superseded`; otherwise they stay, and are reported by every run."""
    max_prune: int | None = None
    """Sheets that one run may move; by default a tenth of the set, and at least 10."""
    refresh: timedelta | None = None
    """Export again what was exported longer ago than this: markups change without a new version."""
    verify: bool = False
    """Read every file and compare its hash, and ask for every number and title; otherwise files whose size, times and
    inode are as they were are taken as unchanged, and numbers and titles as known for a day where nothing was modified.
    """
    user_id: str | None = None
    """The user that jobs run as; ACC requires one with two-legged tokens."""
    again: bool = False
    """Whether the ledger was opened to export everything again; for reports."""
    merge: Path | None = field(default=None, converter=optional(checked_pdf))
    """A PDF to join the sheets into, in the order of their numbers; see `JoinedSet`. Needs the extra `pdf`."""
    batch: int | None = None
    """ACC: sheets in one job, see `export_many`. By default each has a job of its own, and with `merge` the service
    makes one PDF of up to 1,000, which is split and joined here; 1: never."""

    def __attrs_post_init__(self) -> None:
        for name, value, kind, example in (
            ("options", self.options, ExportOptions, "ExportOptions(markups=True)"),
            ("selection", self.selection, Selection, "Selection(match='A-1*')"),
            ("refresh", self.refresh, timedelta | None, "timedelta(days=7)"),
        ):
            if not isinstance(value, kind):
                raise InputError(f"{name} must be a value such as {example}, not {value!r}")
        if self.superseded not in ("keep", "drop"):
            raise InputError(f"superseded must be 'keep' or 'drop', not {self.superseded!r}")


@define(eq=False)
class SyncRun:
    """One call of `sync_project`, in the order of its methods."""

    session: Session
    project: Project
    ledger: Ledger
    how: SyncOptions
    viewer: str = field(kw_only=True)
    selected: Selected = field(default=Selected(chosen=()), init=False)
    """What the selection has chosen, for reports."""
    chosen: int = field(default=0, init=False)
    """Sheets that were listed and chosen so far."""
    is_listed: bool = field(default=False, init=False)
    """Whether the list has come to its end, so that `chosen` and `selected` are complete."""
    _listing: Listing = field(init=False)
    _open: dict[tuple[str, ...], Planned] = field(factory=dict[tuple[str, ...], Planned], init=False)
    """By their source ids: the sheets that have no outcome yet."""
    _renamed: list[Planned] = field(factory=list[Planned], init=False)
    _is_told: bool = field(default=False, init=False)
    _is_any_known: bool = field(default=False, init=False)
    """Whether the folder had any sheet at the beginning."""
    _taken: dict[SheetIdentity | None, str] = field(factory=dict[SheetIdentity | None, str], init=False)
    _moved: dict[int, KnownSheet] = field(factory=dict[int, KnownSheet], init=False)
    """By record: withdrawn sheets whose files this run has moved, as they are now."""
    _notes: list[SheetNote] = field(factory=list[SheetNote], init=False)
    _changed: list[tuple[bytes, SyncOutcome]] = field(factory=list[tuple[bytes, SyncOutcome]], init=False)
    """With their lineages: outcomes whose files the ledger has to be asked about for the register."""
    _register: RegisterWriter = field(init=False)
    _in_set: list[SetSheet] = field(factory=list[SetSheet], init=False)
    _not_in_set: list[str] = field(factory=list[str], init=False)
    _problem: Exception | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        how = self.how
        self._listing = Listing(self.session, self.project, self.ledger, how.selection, how.user_id, how.verify)
        self._register = RegisterWriter(self.project)

    @property
    def not_listed(self) -> tuple[LeftOut, ...]:
        """BIM 360: sheets and folders that the list has found so far and could not return."""
        return tuple(self._listing.left_out)

    def keep_selected(self) -> None:
        """Has `selected` hold the sheets also if all of them are chosen; otherwise there may be too many to keep."""
        self._listing.keep_all()

    def list_sheets(self) -> AsyncGenerator[Sheet, None]:
        """Lists the project's sheets, as far as the selection restricts the list."""
        return self._listing.sheets()

    async def looking(
        self, selected: Selected | None = None, listed: ReadAhead[Sheet] | None = None
    ) -> AsyncGenerator[list[Planned], None]:
        """Lists the project unless that has been done, compares it with the folder, and yields what is planned.

        Parts of a list of all sheets come while that goes on. A selection of some takes the whole list, so that
        everything is yielded at its end.

        Args:
            selected: what was listed and chosen; None: list it here.
            listed: `list_sheets`, if that has begun.
        """
        if self.how.merge is not None:
            await self.ledger.reserve(self.how.merge)
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
            raise EmptyProjectError(f"{self.project.name} shows no sheets that can be exported")
        planned = await self._plan(rest)
        self.is_listed = True
        yield planned

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
        """A file stays good when another user asks for it: the ledger finds it under the user that it was made for."""
        known = planned.known
        if known is None or not await self.ledger.place.are_whole(known.files):
            return planned
        return evolve(planned, request=evolve(planned.request, user_id=known.request.user_id))

    def left_out(self) -> list[SyncOutcome]:
        """What the list shows and does not offer; once, when the list has ended."""
        if not self.is_listed or self._is_told:
            return []
        self._is_told = True
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
        """Whether a file can get its name before the list has ended: no file in the folder could come to need it."""
        return planned.keeps_name or not self._is_any_known

    async def rename(self) -> None:
        """Gives files the names that they should have now, those first whose new name nobody has."""
        waiting, self._renamed = self._renamed, []
        taken = await self.ledger.sheets.names() if waiting else set[str]()
        while waiting:
            free = [each for each in waiting if each.file_stem not in taken] or waiting[:1]
            for each in free:
                known = each.known
                assert known is not None  # noqa: S101 - for the type checker
                name = await self.ledger.sheets.rename(known, each.file_stem)
                taken = (taken - {known.name}) | {name}
            done = {id(each) for each in free}
            waiting = [each for each in waiting if id(each) not in done]

    async def exported(self, outcome: ExportOutcome | StoredExport) -> SyncOutcome:
        """What came of one export."""
        planned = self._open.pop(outcome.request.source_ids)
        found = exported(planned, outcome, self.ledger.place)
        if found.state is SheetState.REFRESHED and self.how.again:
            found = evolve(found, reason="everything was exported again")
        if outcome.error is None and not self._is_noted(planned, found):
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
        """Whether the ledger has it like this already."""
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
        """What became of the sheets that the folder has and this run has not exported."""
        await self._keep_notes()
        listing, book = self._listing, self.ledger.sheets
        kept = {found.record for each in listing.sheets_left_out() if (found := listing.kept(each)) is not None}
        rest = [each for each in await book.not_asked_for(self._listing.project_id) if each.record not in kept]
        others = kept | {each.record for each in rest}
        same = await book.of_lineages(self._listing.project_id, {each.lineage for each in rest})
        asked = {
            each.lineage: each.source_id for each in chain.from_iterable(same.values()) if each.record not in others
        }
        now = {each.id: each.sheet for each in listing.listed} if rest else dict[str, Sheet]()
        listed = listing.lineages() if rest else set[bytes]()
        reasons = {
            each.record: reason
            for each in rest
            if not _has_another_number(each, now.get(each.source_id))
            and (reason := self._why_not_asked(each, asked.get(each.lineage), is_listed=each.lineage in listed))
        }
        prover = Prover(self.session, self.project, self.viewer, self.how.user_id)
        verdicts = await prover.verdicts([each for each in rest if each.record not in reasons])
        verdicts |= {record: Verdict(SheetState.NOT_LOOKED_AT, reason) for record, reason in reasons.items()}
        withdrawn = [each for each in rest if _is_withdrawn(verdicts[each.record])]
        self._moved = await self._prune(withdrawn, self.chosen + len(others))
        outcomes: list[SyncOutcome] = []
        for each in rest:
            moved = self._moved.get(each.record)
            outcome = missed(moved or each, verdicts[each.record], self.ledger.place)
            outcomes.append(outcome)
            self._report(outcome, moved or each)
            self._keep(each, outcome, outcome.file if moved else None)
        return outcomes

    def _why_not_asked(self, known: KnownSheet, asked: str | None, *, is_listed: bool) -> str | None:
        """Why the service is not asked about a sheet that this run has not exported; None if it is.

        Args:
            known: the sheet.
            asked: the id of the version that this run has exported instead.
            is_listed: whether any version is listed.
        """
        if is_listed:
            if asked is None:
                return _OUTSIDE
            is_older = known.source_id != asked
            return "an older version, kept beside the newer one" if is_older else "exported with other options"
        if not self._listing.is_inside(known):
            return _OUTSIDE
        path = known.facts.folder_path if known.facts else ""
        if any(path == each or path.startswith(f"{each}/") for each in self._listing.unlisted):
            return "its folder could not be listed"
        return None

    async def _prune(self, withdrawn: Sequence[KnownSheet], total: int) -> dict[int, KnownSheet]:
        """Moves the files of withdrawn sheets, if that is wanted and they are few enough; gives them with those."""
        if not self.how.prune or not withdrawn:
            return {}
        allowed = max(PRUNE_LEAST, total // PRUNE_SHARE) if self.how.max_prune is None else self.how.max_prune
        if len(withdrawn) > allowed:
            self._problem = PruneLimitError(
                f"{len(withdrawn)} of {total} sheets are withdrawn, more than the {allowed} that one run moves: "
                f"nothing was moved. If they are to go, allow that many (max_prune={len(withdrawn)})",
                withdrawn=len(withdrawn),
                allowed=allowed,
            )
            return {}
        return {each.record: await self.ledger.sheets.withdraw(each) for each in withdrawn}

    def _report(self, outcome: SyncOutcome, *known: KnownSheet | None) -> None:
        """Remembers an outcome for the register and the set, with what the ledger knows of its file."""
        self._register.add(outcome, *known)
        if self.how.merge is None:
            return
        if outcome.state not in _IN_SET:
            if outcome.reason != _OUTSIDE:
                self._not_in_set.append(f"{outcome.name}: {outcome.in_words}")
        elif outcome.file:
            self._in_set.append(SetSheet(outcome.file, outcome.number, outcome.title))

    async def finish(self) -> JoinedSet | None:
        """Keeps what was found, writes the register, and joins the sheets if that is wanted.

        Raises:
            PruneLimitError: more was withdrawn than may be moved.
            MergeError: the sheets cannot be joined.
            TargetError: the register cannot be written.
        """
        await self._keep_notes()
        await self._register.write(self.ledger.place, datetime.now(UTC))
        await self.ledger.sheets.withdrawn(self._moved.values())
        joined = None
        try:
            if self.how.merge is not None:
                joined = await join_set(self.ledger, self._in_set, self.how.merge, missing=self._not_in_set)
        except MergeError as problem:
            if self._problem is None:
                raise
            self._problem.add_note(str(problem))
        if self._problem is not None:
            raise self._problem
        return joined

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
        if known.facts is not None:
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


def _has_another_number(known: KnownSheet, listed: Sheet | None) -> bool:
    return listed is not None and all(lineage_of(form.to_request()) != known.lineage for form in forms(listed))


def _is_withdrawn(verdict: Verdict) -> bool:
    return verdict.state is SheetState.WITHDRAWN
