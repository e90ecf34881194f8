"""Compares listed sheets with the ledger of the folder: which are new, revised, renamed, to be refreshed or unchanged.

A *lineage* identifies a sheet through all of its versions; see `aps_async.ledger.keys`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from attrs import evolve, frozen

from aps_async.ids import version_number
from aps_async.ledger.keys import is_named, lineage_of, lineage_of_version, lineage_without_identity
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ExportKind, ExportOptions, ExportRequest, Sheet, SheetIdentity
from aps_async.resources.sheets import forms
from aps_async.sync.naming import NamePattern
from aps_async.sync.outcomes import SheetState
from aps_async.sync.sheets import ProjectSheet

__all__ = ["LedgerSheets", "Planned", "lineages_of", "plan", "version_name", "version_of"]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class Planned:
    """One listed sheet, the request that exports it, and the expected outcome."""

    sheet: ProjectSheet
    request: ExportRequest
    lineage: bytes
    state: SheetState
    """The state if nothing fails. UNCHANGED and RENAMED assume that the file is there and has not been changed."""
    known: KnownSheet | None = None
    keeps_name: bool = False
    """Whether the sheet has, or had, its file under the right name already."""
    previous: str | None = None
    reason: str | None = None
    is_too_old: bool = False
    """Whether the same export has to be made again, because it is older than `SyncOptions.refresh`."""
    named_at: float
    """When the service was last asked for its number and title, in seconds since the epoch."""

    @property
    def file_stem(self) -> str:
        """The name of its file without suffix, relative to the folder."""
        request = self.request
        return f"{request.subfolder}/{request.name}" if request.subfolder else request.name or ""

    @property
    def is_for_another_user(self) -> bool:
        """Whether its file is current, but was exported for another user."""
        known = self.known
        if known is None or known.request.user_id == self.request.user_id or not known.is_done:
            return False
        return self.state in (SheetState.UNCHANGED, SheetState.RENAMED)

    @property
    def is_renamed(self) -> bool:
        """Whether its file has another name than it should have now."""
        known = self.known
        return known is not None and known.source_id == self.sheet.id and not self.keeps_name


def lineages_of(sheet: Sheet) -> set[bytes]:
    """All lineages under which a ledger may have stored a sheet."""
    if sheet.identity is None:
        return {lineage_of_version(sheet.project_id, sheet.id)}
    return {lineage_without_identity(sheet.to_request()), *(lineage_of(form.to_request()) for form in forms(sheet))}


class LedgerSheets:
    """The sheets in the ledger, looked up by lineage, name or item."""

    def __init__(self, known: Iterable[KnownSheet]) -> None:
        self._by_lineage: dict[bytes, tuple[KnownSheet, ...]] = {}
        self._by_name: dict[str, list[KnownSheet]] = defaultdict(list)
        self._by_item: dict[str, Sheet] = {}
        for each in known:
            self._by_lineage[each.lineage] = (*self._by_lineage.get(each.lineage, ()), each)
            if each.request.identity is None and each.request.kind is ExportKind.SHEETS:
                # Written by an older version of this library, which identified ACC sheets by their file names.
                self._by_name[each.request.name or ""].append(each)
            if each.facts is not None and each.facts.item_id is not None:
                self._by_item.setdefault(each.facts.item_id, each.facts)

    def first(self, lineage: bytes) -> KnownSheet | None:
        """The first export of the sheet with this lineage."""
        return next(iter(self._by_lineage.get(lineage, ())), None)

    def item(self, item_id: str) -> Sheet | None:
        """BIM 360: the sheet of this item, as an earlier run listed it."""
        return self._by_item.get(item_id)

    def apart(self, sheet: Sheet, taken: dict[SheetIdentity | None, str]) -> Sheet:
        """Returns the sheet with the distinction under which the ledger has it; see `SheetIdentity.distinction`.

        Args:
            sheet: as listed.
            taken: the ids of the sheets listed before it, by their identities; this one is added.
        """
        if sheet.identity is None:
            return sheet
        free = [form for form in forms(sheet) if taken.get(form.identity) in (None, sheet.id)]
        known = [(form, self._by_lineage.get(lineage_of(form.to_request()), ())) for form in free]
        same = (form for form, found in known if any(each.source_id == sheet.id for each in found))
        named = (form for form, found in known if found and form.distinction)
        chosen = next(same, None) or next(named, free[0])
        taken[chosen.identity] = sheet.id
        return chosen

    def find(self, request: ExportRequest, lineage: bytes) -> KnownSheet | None:
        """The sheet's export in the folder: of this version with these options if there is one, else the latest."""
        found: Sequence[KnownSheet] = self._by_lineage.get(lineage, ())
        if not found and request.identity is not None and request.identity.collection_id is None:
            found = [each for each in self._by_name.get(request.name or "", ()) if each.request.kind is request.kind]
        same = [each for each in found if _is_same(each.request, request)]
        alike = [each for each in found if each.request.options == request.options]
        best = same or alike or found
        return best[-1] if best else None


def plan(
    sheets: Sequence[ProjectSheet],
    folder: LedgerSheets,
    *,
    pattern: NamePattern,
    options: ExportOptions,
    named_at: Callable[[Sheet, KnownSheet | None], float],
    taken: dict[SheetIdentity | None, str],
    user_id: str | None = None,
    refresh_before: datetime | None = None,
) -> list[Planned]:
    """Compares listed sheets with the ledger, and says what to do with each.

    Args:
        sheets: as listed.
        folder: what the ledger has of these sheets.
        pattern: how files are named.
        options: what goes onto the pages.
        named_at: returns when the service was last asked for a sheet's number and title, in seconds since the epoch.
        taken: see `LedgerSheets.apart`; with the sheets of earlier parts of the list.
        user_id: the user that jobs run as.
        refresh_before: sheets that were exported before this time are exported again.
    """
    forms = ((each, folder.apart(each.sheet, taken)) for each in sheets)
    apart = (each if form is each.sheet else evolve(each, sheet=form) for each, form in forms)
    return [_planned(each, folder, pattern, options, named_at, user_id, refresh_before) for each in apart]


def _planned(
    sheet: ProjectSheet,
    folder: LedgerSheets,
    pattern: NamePattern,
    options: ExportOptions,
    named_at: Callable[[Sheet, KnownSheet | None], float],
    user_id: str | None,
    refresh_before: datetime | None,
) -> Planned:
    path = pattern.path(sheet)
    subfolder, _, stem = path.rpartition("/")
    plain = sheet.sheet.to_request(options, user_id=user_id)
    lineage = lineage_of(plain)
    known = folder.find(plain, lineage)
    request = plain if plain.name == stem and not subfolder else evolve(plain, name=stem, subfolder=subfolder or None)
    found = Planned(
        sheet=sheet,
        request=request,
        lineage=lineage,
        state=SheetState.UNCHANGED,
        known=known,
        keeps_name=known is not None and _keeps_name(known, sheet, path, pattern),
        named_at=named_at(sheet.sheet, known),
    )
    if known is None:
        return evolve(found, state=SheetState.NEW)
    if known.source_id != sheet.id:
        return evolve(found, state=SheetState.REVISED, previous=version_of(known))
    if known.previous is not None and known.previous != sheet.id:  # an earlier run stopped before it replaced the file
        return evolve(found, state=SheetState.REVISED, previous=_version_from(known, known.previous))
    if not known.files or not known.is_done:
        return evolve(found, state=SheetState.NEW)
    if known.facts is not None and known.facts.id != sheet.id:  # the run that replaced it stopped before noting that
        return evolve(found, state=SheetState.REVISED, previous=version_name(known.facts))
    if known.request.options != options:
        return evolve(found, state=SheetState.REFRESHED, reason="exported with other options")
    if refresh_before is not None and known.exported_at < refresh_before:
        reason = f"the export of {known.exported_at.astimezone():%Y-%m-%d} was too old"
        return evolve(found, state=SheetState.REFRESHED, reason=reason, is_too_old=True)
    if found.is_renamed or (known.facts is not None and _title(known.facts) != _title(sheet.sheet)):
        before = known.facts.name if known.facts and known.facts.name != sheet.sheet.name else known.files[0].name
        return evolve(found, state=SheetState.RENAMED, reason=f"was {before}")
    return found


def _keeps_name(known: KnownSheet, sheet: ProjectSheet, path: str, pattern: NamePattern) -> bool:
    """Whether the file of a sheet has the name that the pattern gives, perhaps with a number."""
    if known.name == path or known.facts is None:
        return is_named(known.name, path)
    return is_named(known.name, path, pattern.path(evolve(sheet, sheet=known.facts)))


def version_of(known: KnownSheet) -> str | None:
    """The version of the file in the folder, as reports show it."""
    older = None if known.files else known.previous
    return _version_from(known, older or known.source_id)


def _version_from(known: KnownSheet, source_id: str) -> str | None:
    """The version of the sheet with this id, as reports show it."""
    if (number := _version_in(source_id)) is not None:
        return number
    return version_name(known.facts) if known.facts and known.facts.id == source_id else None


def version_name(sheet: Sheet) -> str | None:
    """BIM 360: the number of the version. ACC, where versions have no numbers: the version set."""
    return str(sheet.version) if sheet.version is not None else _version_in(sheet.id) or sheet.folder_path or None


def _version_in(source_id: str) -> str | None:
    number = version_number(source_id)
    return None if number is None else str(number)


def _title(sheet: Sheet) -> tuple[str, str]:
    return sheet.number, sheet.title


def _is_same(known: ExportRequest, wanted: ExportRequest) -> bool:
    return known.source_ids == wanted.source_ids and known.options == wanted.options
