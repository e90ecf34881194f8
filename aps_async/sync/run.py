"""One run of `sync_project`: its list, what the folder knows, and what comes of both."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from attrs import define, evolve, field, frozen
from attrs.converters import optional

from aps_async.ahead import ReadAhead
from aps_async.errors import EmptyProjectError, InputError, MergeError, NotFoundInProjectError, PruneLimitError
from aps_async.exports.project import list_sheets
from aps_async.ids import bare_id
from aps_async.ledger import Ledger
from aps_async.ledger.keys import lineage_of
from aps_async.ledger.places import Place
from aps_async.ledger.sheets import KnownSheet, SheetNote
from aps_async.models import ExportOptions, ExportOutcome, ItemWarning, LeftOut, Project, Sheet, StoredExport
from aps_async.resources.plans import has_known_name
from aps_async.session import Session
from aps_async.sync.compare import Folder, Planned, plan, version_name, version_of
from aps_async.sync.joined import JoinedSet, SetSheet, checked_pdf, join_set
from aps_async.sync.naming import NamePattern
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.register import register_of, write_register
from aps_async.sync.selection import Selected, Selection, select
from aps_async.sync.sheets import ProjectSheet
from aps_async.sync.withdrawn import Prover, Verdict

__all__ = ["DEFAULT_PATTERN", "PRUNE_LEAST", "PRUNE_SHARE", "SyncOptions", "SyncRun", "delivered_file", "outcome_of"]
__dir__: object = __all__.copy

DEFAULT_PATTERN = NamePattern("{number} - {title}")
PRUNE_SHARE, PRUNE_LEAST = 10, 10
"""At most a tenth of the set is moved by one run, and 10 sheets in any case, unless a larger number is allowed."""
_NOTES = 500  # kept in one transaction
_NAMES_FOR = 86400.0
"""Seconds after which numbers and titles are asked for again, though nothing seems to be modified."""
_IN_SET = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)
_OUTSIDE = "outside the selection of this run"


@frozen(kw_only=True)
class SyncOptions:
    """How a folder is made to agree with a project."""

    options: ExportOptions = field(factory=ExportOptions)
    """What goes onto the pages; nothing by default."""
    selection: Selection = field(factory=Selection)
    """Which sheets are wanted. Others that are in the folder are not looked at, and stay."""
    pattern: NamePattern = DEFAULT_PATTERN
    """How files are named. Another pattern than last time renames files and exports nothing."""
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
    planned: list[Planned] = field(factory=list[Planned], init=False)
    """The sheets that were listed and chosen."""
    is_listed: bool = field(default=False, init=False)
    """Whether the list has come to its end, so that `planned` and `selected` are complete."""
    _by_id: dict[tuple[str, ...], Planned] = field(factory=dict[tuple[str, ...], Planned], init=False)
    _listed: list[ProjectSheet] = field(factory=list[ProjectSheet], init=False)
    _left_out: list[LeftOut] = field(factory=list[LeftOut], init=False)
    _unreadable: list[ItemWarning] = field(factory=list[ItemWarning], init=False)
    _unlisted: list[str] = field(factory=list[str], init=False)
    """Paths of folders that could not be listed."""
    _known: list[KnownSheet] = field(factory=list[KnownSheet], init=False)
    _is_told: bool = field(default=False, init=False)
    _as_before: int = field(default=0, init=False)
    """Sheets of which the ledger knows after their export what it knew at the beginning."""
    _folder: Folder = field(factory=lambda: Folder(()), init=False)
    _warnings_before: int = field(default=0, init=False)
    _named_at: dict[str, float] = field(factory=dict[str, float], init=False)
    """By id: when the service was last asked for the number and title of a sheet."""
    _inside: set[int] = field(factory=set[int], init=False)
    """Records of sheets that are not listed and belong to the selection."""
    _moved: dict[int, KnownSheet] = field(factory=dict[int, KnownSheet], init=False)
    """By record: withdrawn sheets whose files this run has moved, as they are now."""
    _notes: list[SheetNote] = field(factory=list[SheetNote], init=False)
    _reported: list[SyncOutcome] = field(factory=list[SyncOutcome], init=False)
    _problem: Exception | None = field(default=None, init=False)

    @property
    def _project_id(self) -> str:
        return bare_id(self.project.id)

    @property
    def not_listed(self) -> tuple[LeftOut, ...]:
        """BIM 360: sheets and folders that the list has found so far and could not return."""
        return tuple(self._left_out)

    async def look(self, selected: Selected | None = None) -> None:
        """Lists the project unless that has been done, and compares it with the folder.

        Args:
            selected: what was listed and chosen; None: list it here.
        """
        async with aclosing(self.looking(selected)) as planned:
            async for _ in planned:
                pass

    async def looking(
        self, selected: Selected | None = None, listed: ReadAhead[Sheet] | None = None
    ) -> AsyncGenerator[list[Planned], None]:
        """Does the same as `look`, and yields what is planned for the sheets while the list goes on.

        A selection of some sheets takes the whole list, so that everything is yielded at its end.

        Args:
            selected: as `look`.
            listed: `list_sheets`, if that has begun.
        """
        if self.how.merge is not None:
            await self.ledger.reserve(self.how.merge)
        self._known = await self.ledger.sheets.known(self._project_id)
        self._folder = Folder(self._known)
        if selected is not None:
            self._take_over(selected)
        else:
            async with aclosing(self._listing(listed or ReadAhead(self.list_sheets()))) as batches:
                async for sheets in batches:
                    if self.how.selection.takes_all:
                        yield await self._plan(sheets)
            left_out = self.not_listed
            self.selected = evolve(self._choose(), left_out=left_out)
        done = {each.sheet.id for each in self.planned}
        ids = {each.id for each in self._listed} - done
        chosen = [each for each in self.selected.chosen if each.id in ids]
        if not (chosen or done or self._left_out or self._known):
            raise EmptyProjectError(f"{self.project.name} shows no sheets that can be exported")
        planned = await self._plan(chosen)
        self.is_listed = True
        yield planned

    def _take_over(self, selected: Selected) -> None:
        self._listed = [*selected.chosen, *(each.sheet for each in selected.not_selected)]
        self._left_out = list(selected.left_out)
        self._unlisted = [each.folder_path for each in self._left_out if each.is_folder]
        self._named_at = {each.id: self.session.now() for each in self._listed}
        with suppress(InputError, NotFoundInProjectError):  # ids of single sheets, which are not in a list
            self._choose()
        self.selected = selected

    async def _plan(self, sheets: Sequence[ProjectSheet]) -> list[Planned]:
        how = self.how
        found = plan(
            sheets,
            self._folder,
            pattern=how.pattern,
            options=how.options,
            user_id=how.user_id,
            refresh_before=datetime.now(UTC) - how.refresh if how.refresh is not None else None,
        )
        planned = [await self._with_user(each) for each in found]
        self.planned += planned
        await self.ledger.sheets.forget([each.known for each in planned if each.is_too_old and each.known])
        self._by_id |= {each.request.source_ids: each for each in planned}
        first_seen = [each for each in planned if each.known is None or each.known.facts is None]
        await self.ledger.sheets.note(self._project_id, [self._note(each, each.state) for each in first_seen])
        return planned

    async def list_sheets(self) -> AsyncGenerator[Sheet, None]:
        """Lists the project's sheets, as far as the selection restricts the list."""
        selection = self.how.selection
        self._warnings_before = len(self.session.warnings)
        listed = list_sheets(
            self.session,
            self.project,
            folder=selection.folder or selection.sheet_set,
            collection=selection.collection,
            user_id=self.how.user_id,
            known={each.facts.id: each.facts for each in self._recently_named() if each.facts is not None},
            on_left_out=self._left_out.append,
        )
        async with aclosing(listed):
            async for sheet in listed:
                yield sheet

    async def _listing(self, listed: ReadAhead[Sheet]) -> AsyncGenerator[list[ProjectSheet], None]:
        now, recent = self.session.now(), self._recently_named()
        names = {each.facts.id: each.facts for each in recent if each.facts is not None}
        named_at = {each.facts.id: each.named_at for each in recent if each.facts is not None}
        async with aclosing(listed):
            async for batch in listed:
                new = {each.id: each for each in batch if each.id not in self._named_at}
                self._named_at |= {
                    each.id: (has_known_name(each, names) and named_at.get(each.id)) or now for each in new.values()
                }
                # One that is as it was is kept in memory once.
                sheets = [
                    self._in_project(known if (known := names.get(each.id)) is not None and known == each else each)
                    for each in new.values()
                ]
                self._listed += sheets
                yield sheets
        self._unlisted = [each.folder_path for each in self._left_out if each.is_folder]
        self._unreadable = [each for each in self.session.warnings[self._warnings_before :] if each.left_out]

    def _recently_named(self) -> list[KnownSheet]:
        if self.how.verify:
            return []
        return [each for each in self._known if (each.named_at or 0.0) > self.session.now() - _NAMES_FOR]

    def _choose(self) -> Selected:
        """The sheets that are wanted. What else the folder or the list has is asked about in the same way."""
        listed = {each.id for each in self._listed}
        elsewhere = {each.record: each.facts for each in self._known if each.source_id not in listed and each.facts}
        places = Selection(
            folder=self.how.selection.folder,
            sheet_set=self.how.selection.sheet_set,
            collection=self.how.selection.collection,
        )
        in_place = self._selected([self._in_project(each) for each in elsewhere.values()], places)
        lost = {each.version_urn or "": self._in_project(self._sheet_of(each)) for each in self._sheets_left_out()}
        rest = evolve(self.how.selection, folder=None, sheet_set=None, collection=None)
        if not (self._listed or in_place or lost):
            return Selected(chosen=())
        selected = select([*self._listed, *in_place, *lost.values()], rest)
        chosen = {each.id for each in selected.chosen}
        self._left_out = [each for each in self._left_out if each.is_folder or each.version_urn in chosen]
        all_are_meant = self.how.selection == Selection()
        self._inside = {
            each.record
            for each in self._known
            if all_are_meant or (each.facts is not None and each.facts.id in chosen and each.record in elsewhere)
        }
        return selected

    def _selected(self, sheets: Sequence[ProjectSheet], selection: Selection) -> Sequence[ProjectSheet]:
        if selection == Selection():
            return sheets
        try:
            return select(sheets, selection).chosen if sheets else ()
        except (InputError, NotFoundInProjectError):  # none of them is there, or the place is known by its URN only
            return ()

    def _in_project(self, sheet: Sheet) -> ProjectSheet:
        return ProjectSheet(sheet=sheet, project=self.project)

    def _sheets_left_out(self) -> list[LeftOut]:
        return [each for each in self._left_out if not each.is_folder]

    def _sheet_of(self, found: LeftOut) -> Sheet:
        """What is known of a sheet that cannot be exported: its number is only known from an earlier version."""
        earlier = self._folder.item(found.id)
        return Sheet(
            project_id=self._project_id,
            id=found.version_urn or found.id,
            item_id=found.id,
            number=earlier.number if earlier else found.name,
            title=earlier.title if earlier else "",
            folder_path=found.folder_path,
            version=found.version,
        )

    async def _with_user(self, planned: Planned) -> Planned:
        """A file stays good when another user asks for it: the ledger finds it under the user that it was made for."""
        known = planned.known
        if known is None or planned.state not in (SheetState.UNCHANGED, SheetState.RENAMED):
            return planned
        if known.request.user_id == planned.request.user_id or not known.is_done:
            return planned
        if not await self.ledger.place.are_whole(known.files):
            return planned
        return evolve(planned, request=evolve(planned.request, user_id=known.request.user_id))

    def left_out(self) -> list[SyncOutcome]:
        """What the list shows and does not offer; once, when the list has ended."""
        if not self.is_listed or self._is_told:
            return []
        self._is_told = True
        found = [
            SyncOutcome(state=SheetState.LEFT_OUT, name=each.id or each.call, id=each.id or "", reason=str(each))
            for each in self._unreadable
        ]
        for each in self._left_out:
            known = None if each.is_folder else self._kept(each)
            sheet = self._sheet_of(each)
            reason = each.reason
            if known is not None and known.in_place:
                reason = f"version {each.version} {reason}; version {version_of(known)} kept"
            elif each.version is not None and not each.is_folder:
                reason = f"version {each.version} {reason}"
            found.append(
                SyncOutcome(
                    state=SheetState.LEFT_OUT,
                    name=each.name if each.is_folder else sheet.name,
                    number="" if each.is_folder else sheet.number,
                    title=sheet.title,
                    id=sheet.id,
                    version=version_name(sheet),
                    previous=version_of(known) if known else None,
                    folder=each.folder_path,
                    **_at(self.ledger.place, _file(known)),
                    reason=reason,
                    exported_at=known.exported_at if known and known.is_done else None,
                )
            )
            if known is not None:
                self._keep(known, SheetState.LEFT_OUT, reason)
        return found

    def _kept(self, found: LeftOut) -> KnownSheet | None:
        return self._folder.first(lineage_of(self._sheet_of(found).to_request()))

    def gives_name_now(self, planned: Planned) -> bool:
        """Whether a file can get its name before the list has ended: no file in the folder could come to need it."""
        return planned.keeps_name or not self._known

    async def rename(self) -> None:
        """Gives files the names that they should have now, those first whose new name nobody has."""
        waiting = [each for each in self.planned if each.is_renamed and each.known is not None]
        taken = {each.name for each in self._known}
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
        planned = self._by_id[outcome.request.source_ids]
        found = outcome_of(planned, outcome, self.ledger.place)
        if found.state is SheetState.REFRESHED and self.how.again:
            found = evolve(found, reason="everything was exported again")
        is_noted = self._is_noted(planned, found)
        self._as_before += outcome.reused and is_noted
        if outcome.error is None and not is_noted:
            self._notes.append(self._note(planned, found.state, found.reason))
            if len(self._notes) >= _NOTES:
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
            and known.named_at == self._named_at[sheet.id]
            and known.facts == sheet
        )

    async def _known_now(self) -> list[KnownSheet]:
        """What the ledger knows after the exports; thousands of sheets are not read again without need."""
        is_as_before = self._as_before == len(self.planned)
        return self._known if is_as_before else await self.ledger.sheets.known(self._project_id)

    async def missing(self) -> list[SyncOutcome]:
        """What became of the sheets that the folder has and this run has not exported."""
        await self._keep_notes()
        known = self._known = await self._known_now()
        folder = Folder(known)
        found_again = (folder.find(each.request, each.lineage) for each in self.planned)
        handled = {each.record for each in found_again if each is not None}
        handled |= {found.record for each in self._sheets_left_out() if (found := self._kept(each)) is not None}
        rest = [each for each in known if each.record not in handled]
        now = {each.id: lineage_of(each.sheet.to_request()) for each in self._listed} if rest else dict[str, bytes]()
        listed = set(now.values())
        planned = {each.lineage: each for each in reversed(self.planned)}
        reasons = {
            each.record: reason
            for each in rest
            if now.get(each.source_id, each.lineage) == each.lineage  # or it has another number now
            and (reason := self._why_not_asked(each, planned.get(each.lineage), is_listed=each.lineage in listed))
        }
        prover = Prover(self.session, self.project, self.viewer, self.how.user_id)
        verdicts = await prover.verdicts([each for each in rest if each.record not in reasons])
        verdicts |= {record: Verdict(SheetState.NOT_LOOKED_AT, reason) for record, reason in reasons.items()}
        self._moved = await self._prune([each for each in rest if _is_withdrawn(verdicts[each.record])], len(known))
        return [self._missed(self._moved.get(each.record, each), verdicts[each.record]) for each in rest]

    def _why_not_asked(self, known: KnownSheet, planned: Planned | None, *, is_listed: bool) -> str | None:
        """Why the service is not asked about a sheet that this run has not exported; None if it is."""
        if is_listed:
            if planned is None:
                return _OUTSIDE
            is_older = known.source_id != planned.sheet.id
            return "an older version, kept beside the newer one" if is_older else "exported with other options"
        if known.record not in self._inside:
            return _OUTSIDE
        path = known.facts.folder_path if known.facts else ""
        if any(path == each or path.startswith(f"{each}/") for each in self._unlisted):
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

    def _missed(self, known: KnownSheet, verdict: Verdict) -> SyncOutcome:
        moved = _file(known) if known.record in self._moved else None
        self._keep(known, verdict.state, verdict.reason, moved)
        facts = known.facts
        return SyncOutcome(
            state=verdict.state,
            name=known.title,
            number=facts.number if facts else "",
            title=facts.title if facts else "",
            id=known.source_id,
            version=version_of(known),
            folder=facts.folder_path if facts else "",
            **_at(self.ledger.place, _file(known)),
            reason=verdict.reason,
            exported_at=known.exported_at if known.is_done else None,
        )

    def reported(self, outcome: SyncOutcome) -> SyncOutcome:
        """Remembers an outcome for the register, without what makes it large."""
        self._reported.append(evolve(outcome, outcome=None, error=None))
        return outcome

    async def finish(self) -> JoinedSet | None:
        """Keeps what was found, writes the register, and joins the sheets if that is wanted.

        Raises:
            PruneLimitError: more was withdrawn than may be moved.
            MergeError: the sheets cannot be joined.
            TargetError: the register cannot be written.
        """
        await self._keep_notes()
        known = [self._moved.get(each.record, each) for each in self._known]
        register = register_of(self.project, self._reported, known, datetime.now(UTC))
        await write_register(self.ledger.place, register)
        await self.ledger.sheets.withdrawn(self._moved.values())
        joined = None
        try:
            if self.how.merge is not None:
                joined = await self._joined(self.how.merge)
        except MergeError as problem:
            if self._problem is None:
                raise
            self._problem.add_note(str(problem))
        if self._problem is not None:
            raise self._problem
        return joined

    async def _joined(self, target: Path) -> JoinedSet:
        chosen = [each for each in self._reported if each.state in _IN_SET]
        others = [each for each in self._reported if each.state not in _IN_SET and each.reason != _OUTSIDE]
        return await join_set(
            self.ledger,
            [SetSheet(each.file, each.number, each.title) for each in chosen if each.file],
            target,
            missing=[f"{each.name}: {each.in_words}" for each in others],
        )

    async def _keep_notes(self) -> None:
        notes, self._notes = self._notes, []
        if notes:
            await self.ledger.sheets.note(self._project_id, notes)

    def _note(self, planned: Planned, state: SheetState, reason: str | None = None) -> SheetNote:
        return SheetNote(
            lineage=planned.lineage,
            sheet=planned.sheet.sheet,
            viewer=self.viewer,
            state=str(state),
            reason=reason,
            named_at=self._named_at.get(planned.sheet.id),
        )

    def _keep(self, known: KnownSheet, state: SheetState, reason: str, moved: str | None = None) -> None:
        if known.facts is not None:
            self._notes.append(
                SheetNote(
                    lineage=known.lineage,
                    sheet=known.facts,
                    viewer=known.viewer,
                    state=str(state),
                    reason=reason,
                    moved=moved,
                    named_at=known.named_at,
                )
            )


def _file(known: KnownSheet | None) -> str | None:
    return known.in_place[0].name if known and known.in_place else None


def _at(place: Place, file: str | None) -> dict[str, Any]:
    """Where a file is, as an outcome has it."""
    if file is None:
        return {}
    path = place.path(file)
    return {"file": file, "path": path, "location": place.location(file) if path is None else str(path)}


def delivered_file(outcome: ExportOutcome | StoredExport, place: Place) -> str | None:
    """The name of an export's file in the folder or storage; None if it failed."""
    if isinstance(outcome, StoredExport):
        return outcome.names[0]
    folder = place.path("")
    return "/".join(outcome.path.parts[len(folder.parts) :]) if outcome.path and folder else None


def outcome_of(planned: Planned, outcome: ExportOutcome | StoredExport, place: Place) -> SyncOutcome:
    """What an export's outcome means for the sheet."""
    known, sheet = planned.known, planned.sheet.sheet
    state, reason, file = planned.state, planned.reason, delivered_file(outcome, place)
    exported_at: datetime | None = known.exported_at if known and outcome.reused else datetime.now(UTC)
    if outcome.error is not None:
        state, reason = SheetState.FAILED, " ".join(str(outcome.error).split())
        file = _file(known)
        exported_at = known.exported_at if known and file else None
    elif state is SheetState.NEW and known is None and outcome.reused:
        state = SheetState.UNCHANGED  # an older ledger knew it by other means
    elif state in (SheetState.UNCHANGED, SheetState.RENAMED) and not outcome.reused:
        lost = "its file was missing or had been changed"
        state, reason = SheetState.REFRESHED, f"{lost}; {reason}" if reason else lost
    return SyncOutcome(
        state=state,
        name=sheet.name,
        number=sheet.number,
        title=sheet.title,
        id=sheet.id,
        version=version_name(sheet),
        previous=planned.previous if state is SheetState.REVISED else None,
        folder=sheet.folder_path,
        **_at(place, file),
        reason=reason,
        exported_at=exported_at,
        warnings=outcome.warnings,
        outcome=outcome,
        error=outcome.error,
    )


def _is_withdrawn(verdict: Verdict) -> bool:
    return verdict.state is SheetState.WITHDRAWN
