"""Names the files of sheets by patterns such as `{set}/{number} - {title}`."""

import string
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from attrs import field, frozen

from aps_async.downloads.filenames import safe_stem
from aps_async.errors import InputError
from aps_async.lazy import regex
from aps_async.models import Project
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import folded

__all__ = ["FIELDS", "RESERVED", "SUFFIX", "TREE", "NamePattern", "Piece", "shared_names"]
__dir__: object = __all__.copy

SUFFIX = ".pdf"
FIELDS: dict[str, Callable[[ProjectSheet], str]] = {
    "number": lambda sheet: sheet.number,
    "title": lambda sheet: sheet.title,
    "set": lambda sheet: sheet.set_name,
    "folder": lambda sheet: "/".join(sheet.folders),
    "discipline": lambda sheet: sheet.discipline,
    "version": lambda sheet: _number(sheet.sheet.version),
    "revision": lambda sheet: _number(sheet.sheet.revision),
    "date": lambda sheet: sheet.date.isoformat() if sheet.date else "",
    "project": lambda sheet: sheet.project.name,
}
"""The fields of a pattern. `folder` on its own between two `/` becomes all folders that the sheet is in."""
TREE = "{folder}/{number} - {title}"
"""The pattern that repeats the folders of the project; in ACC the collection, if any, and the version set."""
RESERVED = frozenset({"superseded", "register.csv", "register.json", "report.html"})
"""Names that folders of sheets do not get, because the target uses them itself."""

_ONLY_IN = {"set": "ACC", "version": "BIM 360", "revision": "BIM 360"}
_REFUSED = regex(r'[\\:*?"<>|\x00-\x1f\x7f]')

Piece = tuple[str, str | None]
"""A literal text and the field after it, as `string.Formatter` parses them."""


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


@frozen
class NamePattern:
    """How files are named after sheets, without suffix: `NamePattern("{set}/{number} - {title}")`.

    A `/` in the pattern makes a folder; one in a value does not. If a value is empty, the separator beside it is left
    out too. Values are made safe as file names; a `.pdf` at the end of the pattern is ignored.

    Raises:
        InputError: it is empty, absolute, contains `..`, an unknown field or characters that not every system allows in
            names; the message lists the fields.
    """

    text: str
    _parts: tuple[tuple[Piece, ...], ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        try:
            object.__setattr__(self, "_parts", _parsed(self.text))
        except ValueError as problem:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            message = f"the name pattern {self.text!r} cannot be used: {problem}. Fields: {known}; / makes folders"
            raise InputError(message) from None

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that the pattern uses."""
        return frozenset(name for part in self._parts for _, name in part if name)

    def check(self, project: Project) -> None:
        """Refuses fields that are empty for all sheets of this kind of project.

        Raises:
            InputError: the pattern has such a field.
        """
        kind = "ACC" if project.is_acc else "BIM 360"
        for name in sorted(self.fields):
            if _ONLY_IN.get(name, kind) != kind:
                instead = "{folder}, {version} or {date}" if kind == "BIM 360" else "{set} or {date}"
                raise InputError(
                    f"the name pattern {self.text!r} uses {{{name}}}, which sheets of {kind} projects such as "
                    f"{project.name} do not have: use {instead}"
                )

    def path(self, sheet: ProjectSheet) -> str:
        """The sheet's relative path without suffix, with `/` between folders. Several sheets may get the same path."""
        folders = list[str]()
        for part in self._parts[:-1]:
            if part == (("", "folder"),):
                folders += sheet.folders
            else:
                folders.append(_rendered(part, sheet))
        stems = [_folder_name(safe_stem(each)) for each in folders if each.strip()]
        if stems and folded(stems[0]) in RESERVED:
            stems[0] = f"_{stems[0]}"
        return "/".join((*stems, safe_stem(_rendered(self._parts[-1], sheet))))


def shared_names(items: Iterable[ProjectSheet], pattern: NamePattern) -> dict[str, tuple[ProjectSheet, ...]]:
    """The paths that the pattern gives to more than one sheet, with these sheets; their files are numbered."""
    found = defaultdict[str, list[ProjectSheet]](list)
    paths: dict[str, str] = {}
    for each in {each.key: each for each in items}.values():
        path = pattern.path(each)
        found[paths.setdefault(folded(path), path)].append(each)
    return {path: tuple(sheets) for path, sheets in found.items() if len(sheets) > 1}


def _folder_name(stem: str) -> str:
    """Makes sure that no folder has the name of a file."""
    return f"{stem[: -len(SUFFIX)]}_pdf" if folded(stem).endswith(SUFFIX) else stem


def _parsed(text: str) -> tuple[tuple[Piece, ...], ...]:
    """Parses the parts between the `/` of a pattern.

    Raises:
        ValueError: the pattern cannot be used; the message says why.
    """
    if text.casefold().endswith(SUFFIX):
        text = text[: -len(SUFFIX)]
    if not text.strip():
        raise ValueError("it is empty")
    parts: list[list[Piece]] = [[]]
    for literal, name, spec, conversion in string.Formatter().parse(text):
        if name is not None and (name not in FIELDS or spec or conversion):
            shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"there is no field {{{shown}}}")
        first, *others = literal.split("/")
        if first or not others:
            parts[-1].append((first, None if others else name))
        for at, other in enumerate(others, 1):
            parts.append([(other, name if at == len(others) else None)])
    for part in parts:
        _check_part(part, is_first=part is parts[0])
    return tuple(tuple(part) for part in parts)


def _check_part(part: Sequence[Piece], *, is_first: bool) -> None:
    literals = "".join(literal for literal, _ in part)
    if refused := _REFUSED.search(literals):
        hint = "use / to make folders" if refused[0] == "\\" else "not every system allows it in names"
        raise ValueError(f"it contains {refused[0]!r}; {hint}")
    if any(name for _, name in part):
        return
    name = literals.strip()
    if not name:
        raise ValueError("it is absolute" if is_first else "a name beside a / is empty")
    if is_first and name == "~":
        raise ValueError("it is absolute")
    if not name.strip(" ."):
        raise ValueError(f"it contains {name!r} as a name")


def _rendered(part: Sequence[Piece], sheet: ProjectSheet) -> str:
    """Fills in the values of a part, without the separator before an empty one; at the beginning, the one after it."""
    text, at_start, opened = "", False, False
    for literal, name in part:
        if at_start and not _says_something(literal):
            literal = ""
        elif opened:
            literal = literal.lstrip(")]")
        at_start = opened = False
        value = FIELDS[name](sheet).strip() if name else ""
        if name is None or value or _says_something(literal):
            text += literal + value
        else:
            at_start, opened = not text, literal.endswith(("(", "["))
    return text


def _says_something(literal: str) -> bool:
    return any(each.isalnum() for each in literal)
