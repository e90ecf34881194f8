"""Selects sheets of a project by number, pattern, folder, version set, collection, tag or date."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from attrs import evolve, field, fields_dict, frozen

from aps_async.errors import APSError, InputError, NotFoundInProjectError
from aps_async.ids import (
    bare_id,
    check_whole,
    checked_folder_path,
    decoded_urn,
    is_folder_urn,
    is_item_urn,
    is_version_urn,
)
from aps_async.models import LeftOut, Project
from aps_async.narrowing import is_really
from aps_async.resources.projects import product_of
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import NameIndex, abridged, did_you_mean, globbed, look, named

__all__ = ["NotSelected", "Rule", "Selected", "Selection", "decoded_text", "find_sheets", "select"]
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
        return self.anywhere == Selection()

    @property
    def anywhere(self) -> "Selection":
        """The same selection in the whole project, for a list that is restricted to its place already."""
        return evolve(self, folder=None, sheet_set=None, collection=None)

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
        for urn in map(decoded_text, self.sheet) if project.is_acc else ():
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
        raise NotFoundInProjectError(abridged(shown, len(unmatched), "; "))
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
        found = find_sheets(index, text)
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


def find_sheets(index: NameIndex[T], text: str) -> list[T]:
    """The sheets that a text names, as it is or as a URN. It is tried as it is first: a number may look like a URN."""
    return index.find(text) or index.find(decoded_text(text))


def decoded_text(text: str) -> str:
    """The plain form of a URN; any other text is unchanged."""
    try:
        return decoded_urn(text, "version", "item")
    except InputError:  # it is not a URN
        return text
