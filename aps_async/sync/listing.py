"""Lists a project's sheets for a sync, with numbers and titles from the ledger where they are recent; then selects."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import chain

from attrs import define, evolve, field

from aps_async.ahead import ReadAhead
from aps_async.errors import InputError, NotFoundInProjectError
from aps_async.exports.project import list_sheets
from aps_async.ids import bare_id
from aps_async.ledger import Ledger
from aps_async.ledger.keys import lineage_of, lineage_of_version
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ItemWarning, LeftOut, Project, Sheet, SheetIdentity
from aps_async.resources.plans import has_known_name
from aps_async.resources.sheets import forms
from aps_async.session import Session
from aps_async.sync.compare import LedgerSheets, lineages_of
from aps_async.sync.list_selected import with_path
from aps_async.sync.selection import Selected, Selection, select
from aps_async.sync.sheets import ProjectSheet

__all__ = ["OTHER_PROJECT", "OUTSIDE", "Listing"]
__dir__: object = __all__.copy

OUTSIDE = "outside the selection of this run"
OTHER_PROJECT = "it belongs to another project"
_NAMES_FOR = 86400.0
"""Seconds after which numbers and titles are requested again, even if nothing was modified."""


@define(eq=False)
class Listing:
    """The listed sheets of a project, and what the ledger has of them."""

    session: Session
    project: Project
    ledger: Ledger
    selection: Selection
    user_id: str | None
    verify: bool
    """Request every number and title again."""
    project_id: str = field(init=False)
    """Without the `b.` prefix."""
    ids: set[str] = field(factory=set[str], init=False)
    """The ids of the sheets that were listed."""
    listed: list[ProjectSheet] = field(factory=list[ProjectSheet], init=False)
    """The sheets that were listed, if more than their ids is needed at the end of the list; see `keep_all`."""
    left_out: list[LeftOut] = field(factory=list[LeftOut], init=False)
    """BIM 360: sheets and folders that were found so far and cannot be exported or listed."""
    unreadable: list[ItemWarning] = field(factory=list[ItemWarning], init=False)
    unlisted: list[str] = field(factory=list[str], init=False)
    """Paths of folders that could not be listed."""
    _keeps: bool = field(init=False)
    _near: dict[bytes, list[KnownSheet]] = field(factory=dict[bytes, list[KnownSheet]], init=False)
    """The ledger's sheets for those that are listed but not compared yet, by lineage."""
    _instead: LedgerSheets = field(factory=lambda: LedgerSheets(()), init=False)
    """The ledger's sheets for those that were left out."""
    _inside: set[int] | None = field(default=None, init=False)
    """Records of unlisted sheets that belong to the selection; None: all do."""
    _warnings_before: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.project_id = bare_id(self.project.id)
        self._keeps = self.project.is_acc or not self.selection.takes_all

    def keep_all(self) -> None:
        """Keeps all sheets in memory, so that `choose` can return them even if the selection is everything."""
        self._keeps = True

    async def take_over(self, selected: Selected) -> None:
        """Uses a list that was made and selected before."""
        self.listed = [*selected.chosen, *(each.sheet for each in selected.not_selected)]
        self.ids = {each.id for each in self.listed}
        self.left_out = list(selected.left_out)
        self.unlisted = [each.folder_path for each in self.left_out if each.is_folder]
        self.verify = True  # all numbers and titles were just requested
        self.selection = await with_path(self.session, self.project, self.selection, self.user_id)
        with suppress(InputError, NotFoundInProjectError):  # ids of single sheets, which were not listed
            await self.choose()

    async def sheets(self) -> AsyncGenerator[Sheet, None]:
        """Lists the project's sheets, as far as the selection restricts the list."""
        selection = self.selection = await with_path(self.session, self.project, self.selection, self.user_id)
        self._warnings_before = len(self.session.warnings)
        listed = list_sheets(
            self.session,
            self.project,
            folder=selection.folder or selection.sheet_set,
            collection=selection.collection,
            user_id=self.user_id,
            known=None if self.verify else self._recently_named,
            on_left_out=self.left_out.append,
        )
        async with aclosing(listed):
            async for sheet in listed:
                yield sheet

    async def batches(self, listed: ReadAhead[Sheet]) -> AsyncGenerator[list[ProjectSheet], None]:
        """Reads the sheets of `sheets` in batches, each sheet once."""
        async with aclosing(listed):
            async for batch in listed:
                new = {each.id: each for each in batch if each.id not in self.ids}
                self.ids.update(new)
                sheets = [self._in_project(each) for each in new.values()]
                if self._keeps:
                    self.listed += sheets
                yield sheets
        self.unlisted = [each.folder_path for each in self.left_out if each.is_folder]
        self.unreadable = [each for each in self.session.warnings[self._warnings_before :] if each.left_out]

    async def _recently_named(self, ids: Sequence[str]) -> dict[str, Sheet]:
        """BIM 360: the ledger's sheets with these ids whose numbers and titles are recent enough."""
        if not self.ledger.is_open:  # the first export lists the project before it creates the folder
            return {}
        lineages = [lineage_of_version(self.project_id, each) for each in ids]
        found = await self.ledger.sheets.of_lineages(self.project_id, lineages)
        self._near |= found
        near = chain.from_iterable(found.values())
        return {each.facts.id: each.facts for each in near if each.facts is not None and self._is_recent(each)}

    async def known_of(self, sheets: Sequence[ProjectSheet]) -> LedgerSheets:
        """What the ledger has of listed sheets; to be called once for each."""
        lineages = {lineage for each in sheets for lineage in lineages_of(each.sheet)}
        found = {each: self._near.pop(each) for each in lineages if each in self._near}
        found |= await self.ledger.sheets.of_lineages(self.project_id, lineages - found.keys())
        return LedgerSheets(chain.from_iterable(found.values()))

    def named_at(self, sheet: Sheet, known: KnownSheet | None) -> float:
        """When the service was last asked for a sheet's number and title, in seconds since the epoch."""
        if known is None or known.facts is None or known.named_at is None or not self._is_recent(known):
            return self.session.now()
        is_named = known.facts.id == sheet.id and has_known_name(sheet.modified_at, known.facts)
        return known.named_at if is_named else self.session.now()

    def _is_recent(self, known: KnownSheet) -> bool:
        # By `abs`, because the clock of an earlier run may have been ahead.
        return not self.verify and abs(self.session.now() - (known.named_at or 0.0)) < _NAMES_FOR

    async def choose(self) -> Selected:
        """Applies the selection to the listed sheets, and to those that were left out or are only in the ledger."""
        lost = self.sheets_left_out()
        lineages = [lineage_of_version(self.project_id, each.version_urn or each.id) for each in lost]
        instead = await self.ledger.sheets.of_lineages(self.project_id, lineages)
        self._instead = LedgerSheets(chain.from_iterable(instead.values()))
        if self.selection == Selection():
            return Selected(chosen=tuple(self.listed))
        known = await self.ledger.sheets.known(self.project_id, but=self.ids)
        elsewhere = {each.record: each.facts for each in known if each.facts}
        places = Selection(
            folder=self.selection.folder,
            sheet_set=self.selection.sheet_set,
            collection=self.selection.collection,
        )
        in_place = self._selected([self._in_project(each) for each in elsewhere.values()], places)
        missed = [self._in_project(self.sheet_of(each)) for each in lost]
        self._inside = set()
        if not (self.listed or in_place or missed):
            return Selected(chosen=())
        selected = select([*self.listed, *in_place, *missed], self.selection.anywhere)
        chosen = {each.id for each in selected.chosen}
        self.left_out = [each for each in self.left_out if each.is_folder or each.version_urn in chosen]
        self._inside = {record for record, facts in elsewhere.items() if facts.id in chosen}
        return selected

    def is_inside(self, known: KnownSheet) -> bool:
        """Whether an unlisted sheet belongs to the selection."""
        return self._inside is None or known.record in self._inside

    def lineages(self, rest: Sequence[KnownSheet], taken: Mapping[SheetIdentity | None, str]) -> set[bytes]:
        """The lineages of all sheets that were listed; see `not_exported`.

        ACC: of several sheets with one number, each has its own: that under which the ledger has it.
        """
        if not self.project.is_acc:
            return {lineage_of_version(self.project_id, each) for each in self.ids}
        planned = {sheet_id: identity for identity, sheet_id in taken.items()}
        folder, others = LedgerSheets(rest), dict(taken)
        found = set[bytes]()
        for sheet in (each.sheet for each in self.listed):
            if (identity := planned.get(sheet.id)) is not None:
                form = evolve(sheet, distinction=identity.distinction)
            else:
                form = folder.apart(sheet, others)
            found.add(lineage_of(form.to_request()))
        return found

    def _selected(self, sheets: Sequence[ProjectSheet], selection: Selection) -> Sequence[ProjectSheet]:
        if selection == Selection():
            return sheets
        try:
            return select(sheets, selection).chosen if sheets else ()
        except (InputError, NotFoundInProjectError):  # none of them is there
            return ()

    def _in_project(self, sheet: Sheet) -> ProjectSheet:
        return ProjectSheet(sheet=sheet, project=self.project)

    def sheets_left_out(self) -> list[LeftOut]:
        """What was left out, without the folders."""
        return [each for each in self.left_out if not each.is_folder]

    def sheet_of(self, found: LeftOut) -> Sheet:
        """A `Sheet` for one that cannot be exported; its number and title are those of an earlier version, if known."""
        earlier = self._instead.item(found.id)
        return Sheet(
            project_id=self.project_id,
            id=found.version_urn or found.id,
            item_id=found.id,
            number=earlier.number if earlier else found.name,
            title=earlier.title if earlier else "",
            folder_path=found.folder_path,
            version=found.version,
        )

    def kept(self, found: LeftOut) -> KnownSheet | None:
        """The ledger's sheet for one that cannot be exported now."""
        return self._instead.first(lineage_of(self.sheet_of(found).to_request()))

    async def not_exported(
        self, taken: Mapping[SheetIdentity | None, str]
    ) -> tuple[list[KnownSheet], dict[int, str], int]:
        """Finds the sheets that the ledger has and this run has not exported, at the end of the list.

        Args:
            taken: the ids of the sheets that this run exports, by their identities.

        Returns:
            These sheets without those that were left out, and with files of other projects; by their records, why the
            service need not be asked about some of them; and the number of this project's, with those left out.
        """
        book = self.ledger.sheets
        kept = {found.record for each in self.sheets_left_out() if (found := self.kept(each)) is not None}
        left = await book.not_asked_for()
        foreign = [each for each in left if self.is_of_another_project(each) and each.in_place]
        rest = [each for each in left if not (each.record in kept or self.is_of_another_project(each))]
        if not left:
            return [], {}, len(kept)
        others = kept | {each.record for each in rest}
        same = await book.of_lineages(self.project_id, {each.lineage for each in rest})
        exported = {
            each.lineage: each.source_id for each in chain.from_iterable(same.values()) if each.record not in others
        }
        now, lineages = {each.id: each.sheet for each in self.listed}, self.lineages(rest, taken)
        reasons = {
            each.record: reason
            for each in rest
            if not _has_another_number(each, now.get(each.source_id))
            and (reason := self._why_not_asked(each, exported.get(each.lineage), is_listed=each.lineage in lineages))
        }
        reasons |= {each.record: OTHER_PROJECT for each in foreign}
        return [*rest, *foreign], reasons, len(others)

    def is_of_another_project(self, known: KnownSheet) -> bool:
        """Whether a sheet in the folder belongs to another project, which was exported into it before."""
        return known.request.project_id != self.project_id

    def _why_not_asked(self, known: KnownSheet, exported: str | None, *, is_listed: bool) -> str | None:
        """Why the service need not be asked about a sheet that this run has not exported; None if it has to be.

        Args:
            known: the sheet.
            exported: the id of the version that this run has exported instead.
            is_listed: whether any version is listed.
        """
        if is_listed:
            if exported is None:
                return OUTSIDE
            is_older = known.source_id != exported
            return "an older version, kept beside the newer one" if is_older else "exported with other options"
        if not self.is_inside(known):
            return OUTSIDE
        path = known.facts.folder_path if known.facts else ""
        if any(path == each or path.startswith(f"{each}/") for each in self.unlisted):
            return "its folder could not be listed"
        return None


def _has_another_number(known: KnownSheet, listed: Sheet | None) -> bool:
    return listed is not None and all(lineage_of(form.to_request()) != known.lineage for form in forms(listed))
