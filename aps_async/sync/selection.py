"""Selects sheets of a project by number, pattern, folder, version set, collection, tag or date."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from attrs import evolve, field, fields_dict, frozen

from aps_async.errors import APSError, InputError, NotExportableError, NotFoundInProjectError
from aps_async.exports.project import get_sheet, list_sheets
from aps_async.ids import (
    bare_id,
    check_whole,
    checked_folder_path,
    decoded_urn,
    is_folder_urn,
    is_item_urn,
    is_version_urn,
)
from aps_async.models import LeftOut, Project, Sheet
from aps_async.narrowing import is_really
from aps_async.resources.projects import as_project, product_of
from aps_async.resources.walking import folder_path, known_folder
from aps_async.session import Session
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import NameIndex, did_you_mean, globbed, look, named

__all__ = ["NotSelected", "Rule", "Selected", "Selection", "list_selected", "select", "with_path"]
__dir__: object = __all__.copy

T = TypeVar("T")

_SUGGESTIONS = 10
"""Maximum number of texts for which similar ones are suggested, which takes a tenth of a second each."""
_ACC_ONLY = {"sheet_set": "a version set", "collection": "a collection", "tag": "a tag"}


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@frozen(kw_only=True)
class Selection:
    """Which sheets to export; `Selection()` is all of them.

    `sheet` and `match` are alternatives: a sheet has to match one of all their texts. Every other field that is given
    restricts the choice further. Names are compared without case and the encoding of accents, unless two names differ
    in nothing else.

    Raises:
        InputError: a text is empty, or `since` has no time zone.
    """

    sheet: tuple[str, ...] = field(default=(), converter=_texts)
    """Numbers such as `A-101`, or ids (BIM 360: version or item URNs; ACC: UUIDs)."""
    match: tuple[str, ...] = field(default=(), converter=_texts)
    """Patterns of numbers, such as `A-1*` or `[AS]-10?`."""
    exclude: tuple[str, ...] = field(default=(), converter=_texts)
    """Patterns of numbers to leave out. A pattern that matches nothing is not an error, see `Selected.unused`."""
    folder: str | None = None
    """BIM 360: a folder and everything below it, by its URN or its path, with or without the Plans folder at the top.
    ACC: as `sheet_set`."""
    sheet_set: str | None = None
    """ACC: a version set, by name or id."""
    collection: str | None = None
    """ACC: a collection, by name or id."""
    tag: tuple[str, ...] = field(default=(), converter=_texts)
    """ACC: sheets with any of these tags."""
    since: datetime | None = None
    """Only sheets changed at or after this time (BIM 360: the version was created; ACC: the sheet was updated), and
    those without a time."""

    def __attrs_post_init__(self) -> None:
        for name in fields_dict(Selection):
            value: Any = getattr(self, name)
            texts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
            for text in texts:
                if isinstance(text, str) and not look(text):
                    raise InputError(f"the selection contains an empty text ({name}): leave it out or name something")
        if self.since is not None and not is_really(self.since, datetime):
            raise InputError(f"since must be a datetime with a time zone, not {self.since!r}")
        if self.since is not None and self.since.tzinfo is None:
            raise InputError(f"the time {self.since.isoformat()} has no time zone: add one, such as +00:00")

    @property
    def takes_all(self) -> bool:
        """Whether it selects everything in its folder, version set or collection, or in the whole project."""
        return evolve(self, folder=None, sheet_set=None, collection=None) == Selection()

    def check_address(self, project: Project | str) -> None:
        """Refuses the web address of a folder or file in place of the project, if nothing narrower is chosen.

        Raises:
            InputError: all of the project would be taken.
        """
        check_whole(project, self.folder, self.sheet_set, self.sheet)

    def check(self, project: Project) -> None:
        """Checks that this kind of project has what is selected.

        Raises:
            InputError: a version set, collection or tag is given for BIM 360; or both a folder and a version set, or
                the URN of a file, for ACC.
        """
        asked = [words for name, words in _ACC_ONLY.items() if getattr(self, name)]
        if asked and not project.is_acc:
            raise InputError(
                f"{project.name} is a {product_of(project)} project, and only ACC (Forma) projects have version sets, "
                f"collections and tags: leave out {' and '.join(asked)}, and choose by number, pattern, folder or date"
            )
        if self.folder is not None and self.sheet_set is not None:
            raise InputError("in an ACC project a folder of sheets is a version set: give only one of the two")
        for urn in map(_decoded, self.sheet) if project.is_acc else ():
            if is_version_urn(urn) or is_item_urn(urn):
                raise InputError(
                    f"{urn} is a file, and ACC (Forma) keeps sheets apart from files: choose a sheet by its number; "
                    f"'aps-async download {urn} --project {bare_id(project.id)}' fetches the file, and 'aps-async "
                    "export --files --folder' exports the files of its folder as PDFs"
                )


@frozen(kw_only=True)
class NotSelected:
    """A sheet that was listed but not selected."""

    sheet: ProjectSheet
    reason: str


@frozen(kw_only=True)
class Selected:
    """The result of a selection, in the order of the list."""

    chosen: tuple[ProjectSheet, ...]
    not_selected: tuple[NotSelected, ...] = ()
    """The other sheets that were listed; those of other folders, version sets and collections usually are not."""
    ambiguous: Mapping[str, tuple[ProjectSheet, ...]] = field(factory=dict[str, tuple[ProjectSheet, ...]])
    """Texts of `Selection.sheet` that match several sheets, with these sheets; all of them are chosen."""
    unmatched: Mapping[str, APSError] = field(factory=dict[str, APSError])
    """Texts of `Selection.sheet` that match no sheet, with the error for each, if `allow_unmatched` was given."""
    unused: tuple[str, ...] = ()
    """Patterns of `Selection.exclude` that match nothing."""
    left_out: tuple[LeftOut, ...] = ()
    """BIM 360: sheets and folders that were found and cannot be exported or listed, chosen or not."""


async def list_selected(
    session: Session,
    project: Project | str,
    selection: Selection,
    *,
    user_id: str | None = None,
    allow_unmatched: bool = False,
) -> Selected:
    """Lists a project's sheets and chooses among them.

    URNs in a BIM 360 project are looked up one by one, and may be those of older versions. Everything else needs a list
    of the project, or of the folder, version set or collection.

    Args:
        session: the session; scope `data:read`.
        project: a `Project`, its id or its name.
        selection: what to choose.
        user_id: the acting user of a two-legged call.
        allow_unmatched: return texts of `Selection.sheet` that match nothing as `Selected.unmatched`, without raising.

    Raises:
        InputError: the selection cannot be used with this kind of project, see `Selection.check`.
        NotFoundInProjectError: there is no such project, folder, version set, collection, tag, pattern or sheet; the
            message lists similar ones.
        APSError: as `list_sheets`.
    """
    selection.check_address(project)
    found = await as_project(session, project, user_id=user_id)
    selection.check(found)
    selection = await with_path(session, found, selection, user_id)
    urns = _urns(selection) if found.is_bim360 and selection.folder is None else {}
    looked_up = await asyncio.gather(*(_looked_up(session, found, urn, user_id) for urn in urns.values()))
    failed = {text: each for text, each in zip(urns, looked_up, strict=True) if isinstance(each, APSError)}
    sheets = {each.id: each for each in looked_up if isinstance(each, Sheet)}
    left_out: list[LeftOut] = []
    if set(selection.sheet) - set(urns) or selection.match or not urns:
        folder = selection.folder or selection.sheet_set
        listed = list_sheets(
            session,
            found,
            folder=folder,
            collection=selection.collection,
            user_id=user_id,
            on_left_out=left_out.append,
        )
        sheets |= {each.id: each async for each in listed}
    failed |= _not_exportable(selection, list(sheets.values()), left_out)
    if failed and not allow_unmatched:
        raise next(iter(failed.values()))
    remaining = tuple(text for text in selection.sheet if text not in failed)
    if failed and not remaining and not selection.match:
        return Selected(chosen=(), unmatched=failed, left_out=tuple(left_out))
    items = [ProjectSheet(sheet=each, project=found) for each in sheets.values()]
    # The list was restricted to these already.
    rest = evolve(selection, sheet=remaining, folder=None, sheet_set=None, collection=None)
    selected = select(items, rest, allow_unmatched=allow_unmatched)
    return evolve(selected, unmatched={**failed, **selected.unmatched}, left_out=tuple(left_out))


async def with_path(session: Session, project: Project, selection: Selection, user_id: str | None) -> Selection:
    """BIM 360: the selection with its folder by path instead of URN, since sheets do not know the URN of theirs.

    Raises:
        APSError: as `get_folder`.
    """
    folder = await known_folder(session, project, selection.folder, user_id) if project.is_bim360 else None
    if isinstance(folder, str):
        return evolve(selection, folder=folder)
    if folder is None or (folder.actions and not folder.is_plans):  # such a one is refused by the list
        return selection
    return evolve(selection, folder=await folder_path(session, project, folder, user_id))


def select(items: Iterable[ProjectSheet], selection: Selection, *, allow_unmatched: bool = False) -> Selected:
    """Chooses among sheets of one project, and keeps their order.

    Args:
        items: the sheets.
        selection: what to choose. A folder has to be given by its path, because sheets do not have its URN.
        allow_unmatched: as `list_selected`.

    Raises:
        InputError: the selection cannot be used with this kind of project, see `Selection.check`.
        NotFoundInProjectError: a text matches no sheet; the message lists similar ones.
    """
    known = list(items)
    for project in {each.project.id: each.project for each in known}.values():
        selection.check(project)
    named_ones, ambiguous, unmatched = _by_number(known, selection)
    if unmatched and not allow_unmatched:
        shown = [str(each) for each in unmatched.values()][:_SUGGESTIONS]
        more = [f"and {len(unmatched) - len(shown)} more"] if len(unmatched) > len(shown) else []
        raise NotFoundInProjectError("; ".join([*shown, *more]))
    excluded = {pattern: globbed(pattern, known, _number) for pattern in selection.exclude}
    rules = [
        *_named_rule(known, selection, named_ones),
        *_place_rules(known, selection),
        *_other_rules(known, selection),
    ]
    rules += [(f"excluded by {pattern!r}", _not_in(found)) for pattern, found in excluded.items() if found]
    chosen, rest = list[ProjectSheet](), list[NotSelected]()
    for each in known:
        reason = next((reason for reason, fits in rules if not fits(each)), None)
        if reason is None:
            chosen.append(each)
        else:
            rest.append(NotSelected(sheet=each, reason=reason))
    return Selected(
        chosen=tuple(chosen),
        not_selected=tuple(rest),
        ambiguous=ambiguous,
        unmatched=unmatched,
        unused=tuple(pattern for pattern, found in excluded.items() if not found),
    )


Rule = tuple[str, Callable[[ProjectSheet], bool]]
"""The reason for which a sheet is left out, and the condition for choosing it."""


def _by_number(
    known: Sequence[ProjectSheet], selection: Selection
) -> tuple[list[ProjectSheet], dict[str, tuple[ProjectSheet, ...]], dict[str, APSError]]:
    """The sheets of `Selection.sheet`, and the texts that match several sheets or none."""
    chosen, ambiguous, unmatched = list[ProjectSheet](), dict[str, tuple[ProjectSheet, ...]](), dict[str, APSError]()
    if not selection.sheet:  # without need, since an index takes more memory than the sheets
        return chosen, ambiguous, unmatched
    index = NameIndex(known, lambda each: (each.number, each.id, each.sheet.item_id or each.id))
    for text in selection.sheet:
        found = _find(index, text)
        chosen += found
        if len(found) > 1:
            ambiguous[text] = tuple(found)
        if not found:
            unmatched[text] = _no_sheet(text, known if len(unmatched) < _SUGGESTIONS else ())
    return chosen, ambiguous, unmatched


def _no_sheet(text: str, known: Sequence[ProjectSheet], what: str = "no sheet has the number or id") -> APSError:
    instead = f"; {did_you_mean(text, (each.sheet.name for each in known))}" if known else ""
    return NotFoundInProjectError(f"{what} {text!r}{instead}")


def _named_rule(
    known: Sequence[ProjectSheet], selection: Selection, named_ones: Iterable[ProjectSheet]
) -> Iterable[Rule]:
    if not selection.sheet and not selection.match:
        return
    chosen = {each.id for each in named_ones}
    for pattern in selection.match:
        found = globbed(pattern, known, _number)
        if not found:
            raise _no_sheet(pattern, known, "no sheet has a number that matches")
        chosen |= {each.id for each in found}
    yield "not among the chosen numbers", lambda each: each.id in chosen


def _place_rules(known: Sequence[ProjectSheet], selection: Selection) -> Iterable[Rule]:
    if (folder := selection.folder) is not None:
        if is_folder_urn(decoded_urn(folder, "folder")):
            raise InputError(f"sheets do not know the URN of their folder: give its path instead of {folder!r}")
        is_path = not any(each.project.is_acc for each in known)
        yield from _known_rule("folder", checked_folder_path(folder) if is_path else folder, known, _folder_names)
    if selection.sheet_set is not None:
        yield from _known_rule("version set", selection.sheet_set, known, _set_names)
    if selection.collection is not None:
        yield from _known_rule("collection", selection.collection, known, _collection_names)


def _known_rule(
    what: str, wanted: str, known: Sequence[ProjectSheet], names: Callable[[ProjectSheet], Sequence[str]]
) -> Iterable[Rule]:
    """A rule by name: without case and accents' encoding, unless one name is spelled exactly like the text."""
    found = {each.id for each in named(wanted, known, names)}
    if not found:
        instead = did_you_mean(wanted, (names(each)[0] for each in known if names(each)))
        raise NotFoundInProjectError(f"no sheet is in a {what} {wanted!r}; {instead}")
    yield f"not in the {what} {wanted!r}", lambda each: each.id in found


def _other_rules(known: Sequence[ProjectSheet], selection: Selection) -> Iterable[Rule]:
    if selection.tag:
        tags = dict.fromkeys(tag for each in known for tag in each.sheet.tags)
        wanted = set[str]()
        for text in selection.tag:
            if not (found := named(text, tags, lambda tag: (tag,))):
                instead = did_you_mean(text, tags) if tags else "none of these sheets has a tag"
                raise NotFoundInProjectError(f"no sheet has the tag {text!r}; {instead}")
            wanted.update(found)
        yield f"not tagged {' or '.join(map(repr, selection.tag))}", lambda each: not wanted.isdisjoint(each.sheet.tags)
    if (since := selection.since) is not None:
        reason = f"not changed since {since.isoformat()}"
        yield reason, lambda each: each.changed_at is None or each.changed_at >= since


def _not_in(sheets: Iterable[ProjectSheet]) -> Callable[[ProjectSheet], bool]:
    ids = {each.id for each in sheets}
    return lambda each: each.id not in ids


def _number(sheet: ProjectSheet) -> str:
    return sheet.number


def _folder_names(sheet: ProjectSheet) -> Sequence[str]:
    """The paths of all folders that contain the sheet, each with and without the top folder."""
    if sheet.project.is_acc:
        return _set_names(sheet)
    names = sheet.folders
    ways = [names[:end] for end in range(len(names), 0, -1)] + [names[1:end] for end in range(len(names), 1, -1)]
    return ["/".join(each) for each in ways]


def _set_names(sheet: ProjectSheet) -> Sequence[str]:
    return [each for each in (sheet.set_name, sheet.sheet.version_set_id) if each]


def _collection_names(sheet: ProjectSheet) -> Sequence[str]:
    collection = sheet.sheet.collection
    return [collection.name, collection.id] if collection else []


def _urns(selection: Selection) -> dict[str, str]:
    """The texts that are URNs of items or versions, with the URNs in plain form."""
    decoded = {text: _decoded(text) for text in selection.sheet}
    return {text: urn for text, urn in decoded.items() if is_item_urn(urn) or is_version_urn(urn)}


def _find(index: NameIndex[T], text: str) -> list[T]:
    """The sheets that a text names, as it is or as a URN. It is tried as it is first: a number may look like a URN."""
    return index.find(text) or index.find(_decoded(text))


def _decoded(text: str) -> str:
    try:
        return decoded_urn(text, "version", "item")
    except InputError:  # it is not a URN
        return text


def _not_exportable(selection: Selection, sheets: Sequence[Sheet], left_out: Sequence[LeftOut]) -> dict[str, APSError]:
    """The texts that name only what cannot be exported, with the error for each."""
    exportable = NameIndex(sheets, lambda each: (each.number, each.id, each.item_id or each.id))
    others = NameIndex(left_out, lambda each: (each.name, each.id, each.version_urn or each.id))
    found = {text: _find(others, text) for text in selection.sheet if not _find(exportable, text)}
    return {text: NotExportableError(str(each[0])) for text, each in found.items() if each}


async def _looked_up(session: Session, project: Project, urn: str, user_id: str | None) -> Sheet | APSError:
    try:
        return await get_sheet(session, project, urn, user_id=user_id)
    except APSError as problem:
        return problem
