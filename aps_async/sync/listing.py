"""The list of a project's sheets as a sync reads it, and which of them its selection chooses."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

from attrs import define, evolve, field

from aps_async.ahead import ReadAhead
from aps_async.errors import InputError, NotFoundInProjectError
from aps_async.exports.project import list_sheets
from aps_async.ids import bare_id
from aps_async.ledger.keys import lineage_of
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ItemWarning, LeftOut, Project, Sheet
from aps_async.resources.plans import has_known_name
from aps_async.session import Session
from aps_async.sync.compare import Folder
from aps_async.sync.selection import Selected, Selection, select
from aps_async.sync.sheets import ProjectSheet

__all__ = ["Listing"]
__dir__: object = __all__.copy

_NAMES_FOR = 86400.0
"""Seconds after which numbers and titles are asked for again, though nothing seems to be modified."""


@define(eq=False)
class Listing:
    """What a project shows, and what the folder knows of it."""

    session: Session
    project: Project
    selection: Selection
    user_id: str | None
    verify: bool
    """Ask for every number and title."""
    folder: Folder = field(factory=lambda: Folder(()), init=False)
    listed: list[ProjectSheet] = field(factory=list[ProjectSheet], init=False)
    left_out: list[LeftOut] = field(factory=list[LeftOut], init=False)
    """BIM 360: sheets and folders that the list has found so far and could not return."""
    unreadable: list[ItemWarning] = field(factory=list[ItemWarning], init=False)
    unlisted: list[str] = field(factory=list[str], init=False)
    """Paths of folders that could not be listed."""
    named_at: dict[str, float] = field(factory=dict[str, float], init=False)
    """By id: when the service was last asked for the number and title of a sheet."""
    inside: set[int] = field(factory=set[int], init=False)
    """Records of sheets that are not listed and belong to the selection."""
    _warnings_before: int = field(default=0, init=False)

    def take_over(self, selected: Selected) -> None:
        """Uses what was listed and chosen before."""
        self.listed = [*selected.chosen, *(each.sheet for each in selected.not_selected)]
        self.left_out = list(selected.left_out)
        self.unlisted = [each.folder_path for each in self.left_out if each.is_folder]
        self.named_at = {each.id: self.session.now() for each in self.listed}
        with suppress(InputError, NotFoundInProjectError):  # ids of single sheets, which are not in a list
            self.choose()

    async def sheets(self) -> AsyncGenerator[Sheet, None]:
        """Lists the project's sheets, as far as the selection restricts the list."""
        selection = self.selection
        self._warnings_before = len(self.session.warnings)
        listed = list_sheets(
            self.session,
            self.project,
            folder=selection.folder or selection.sheet_set,
            collection=selection.collection,
            user_id=self.user_id,
            known={each.facts.id: each.facts for each in self._recently_named() if each.facts is not None},
            on_left_out=self.left_out.append,
        )
        async with aclosing(listed):
            async for sheet in listed:
                yield sheet

    async def batches(self, listed: ReadAhead[Sheet]) -> AsyncGenerator[list[ProjectSheet], None]:
        """Reads the list that `sheets` gives."""
        now, recent = self.session.now(), self._recently_named()
        names = {each.facts.id: each.facts for each in recent if each.facts is not None}
        named_at = {each.facts.id: each.named_at for each in recent if each.facts is not None}
        async with aclosing(listed):
            async for batch in listed:
                new = {each.id: each for each in batch if each.id not in self.named_at}
                self.named_at |= {
                    each.id: (has_known_name(each, names) and named_at.get(each.id)) or now for each in new.values()
                }
                # One that is as it was is kept in memory once.
                sheets = [
                    self._in_project(known if (known := names.get(each.id)) == each else each) for each in new.values()
                ]
                self.listed += sheets
                yield sheets
        self.unlisted = [each.folder_path for each in self.left_out if each.is_folder]
        self.unreadable = [each for each in self.session.warnings[self._warnings_before :] if each.left_out]

    def _recently_named(self) -> list[KnownSheet]:
        if self.verify:
            return []
        now = self.session.now()  # a clock that went wrong may have been ahead
        return [each for each in self.folder.known if abs(now - (each.named_at or 0.0)) < _NAMES_FOR]

    def choose(self) -> Selected:
        """The sheets that are wanted. What else the folder or the list has is asked about in the same way."""
        listed, known = {each.id for each in self.listed}, self.folder.known
        elsewhere = {each.record: each.facts for each in known if each.source_id not in listed and each.facts}
        places = Selection(
            folder=self.selection.folder,
            sheet_set=self.selection.sheet_set,
            collection=self.selection.collection,
        )
        in_place = self._selected([self._in_project(each) for each in elsewhere.values()], places)
        lost = {each.version_urn or "": self._in_project(self.sheet_of(each)) for each in self.sheets_left_out()}
        rest = evolve(self.selection, folder=None, sheet_set=None, collection=None)
        if not (self.listed or in_place or lost):
            return Selected(chosen=())
        selected = select([*self.listed, *in_place, *lost.values()], rest)
        chosen = {each.id for each in selected.chosen}
        self.left_out = [each for each in self.left_out if each.is_folder or each.version_urn in chosen]
        all_are_meant = self.selection == Selection()
        self.inside = {
            each.record
            for each in known
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

    def sheets_left_out(self) -> list[LeftOut]:
        """The sheets among what was left out."""
        return [each for each in self.left_out if not each.is_folder]

    def sheet_of(self, found: LeftOut) -> Sheet:
        """What is known of a sheet that cannot be exported: its number is only known from an earlier version."""
        earlier = self.folder.item(found.id)
        return Sheet(
            project_id=bare_id(self.project.id),
            id=found.version_urn or found.id,
            item_id=found.id,
            number=earlier.number if earlier else found.name,
            title=earlier.title if earlier else "",
            folder_path=found.folder_path,
            version=found.version,
        )

    def kept(self, found: LeftOut) -> KnownSheet | None:
        """What the folder has of a sheet that cannot be exported now."""
        return self.folder.first(lineage_of(self.sheet_of(found).to_request()))
