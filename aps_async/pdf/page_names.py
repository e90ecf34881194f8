"""Which page of a job's PDF is which sheet. Only what the PDF says of every page is proof, never that a text occurs.

Three things may say it: page labels, bookmarks, and the number in the title block. One of them has to name each sheet
of the job exactly once and each page exactly once, and nothing else may contradict it. Otherwise no page is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from aps_async.lazy import regex
from aps_async.pdf.destinations import named_places
from aps_async.pdf.objects import array, dictionary
from aps_async.pdf.title_blocks import is_telling, title_blocks_of
from aps_async.text import count, folded, spelling

__all__ = ["NamedPages", "find_pages", "same_number"]
__dir__: object = __all__.copy

_BOOKMARKS = 20_000
_AFTER_NUMBER = regex(r"(?:\s*[:\u2013\u2014]|\s+-)?\s+|\s*[:]\s*")
"""Separators between number and title in a bookmark."""


@frozen
class NamedPages:
    """What is known of a job's pages."""

    page_of: tuple[int, ...] = ()
    """For each sheet of the job, in its order, the index of its page; empty if they cannot be identified."""
    reason: str = ""
    """Why they cannot be."""


@frozen
class _Reading:
    """What one source says of pages, by their index: the sheet's place in the job."""

    source: str
    names: Mapping[int, int]
    is_contradictory: bool = False
    """Whether it names a sheet or a page twice."""
    may_prove: bool = True
    """Whether it is proof where it names everything; otherwise it can only contradict."""
    possible: Mapping[int, frozenset[int]] = field(factory=dict[int, frozenset[int]])
    """Of pages that it does not name: those that they may be."""

    def proves(self, sheets: int) -> bool:
        """Whether it names each sheet and each page exactly once."""
        return self.may_prove and sorted(self.names.values()) == list(range(sheets))

    def contradicts(self, names: Mapping[int, int]) -> bool:
        """Whether a page cannot be what it is called there."""
        return any(names[page] != sheet for page, sheet in self.names.items()) or any(
            names[page] not in sheets for page, sheets in self.possible.items()
        )


def same_number(number: str) -> str:
    """The form in which two numbers of sheets cannot be distinguished."""
    return folded(spelling(number))


def find_pages(pdf: Any, path: Path, numbers: Sequence[str]) -> NamedPages:
    """Finds the page of each sheet.

    Args:
        pdf: the open PDF of a job.
        path: where it is.
        numbers: of the sheets that the job was asked for.

    Raises:
        InputError: pypdfium2 is not installed.
    """
    sheets = {same_number(each): index for index, each in enumerate(numbers)}
    if len(pdf.pages) != len(numbers):
        counts = f"the PDF has {count(len(pdf.pages), 'page')}, and {count(len(numbers), 'sheet')} were requested"
        return NamedPages(reason=counts)
    if len(sheets) != len(numbers) or "" in sheets:
        return NamedPages(reason="two of its sheets have the same number, or one has none")
    readings = [_page_labels(pdf, sheets), _bookmarks(pdf, sheets), _title_blocks(path, numbers)]
    if odd := [each.source for each in readings if each.is_contradictory]:
        return NamedPages(reason=f"its {odd[0]} name a sheet or a page twice")
    proof = next((each for each in readings if each.proves(len(numbers))), None)
    if proof is None:
        return NamedPages(reason="neither labels nor bookmarks nor title blocks name each sheet once")
    for each in readings:
        if each.contradicts(proof.names):
            return NamedPages(reason=f"its {proof.source} and its {each.source} contradict each other")
    page_of = {sheet: page for page, sheet in proof.names.items()}
    return NamedPages(page_of=tuple(page_of[index] for index in range(len(numbers))))


def _named(text: str, sheets: Mapping[str, int]) -> set[int]:
    """The sheets that a label or a bookmark may mean: by the number alone, or with a title behind it."""
    wanted = same_number(text)
    heads = [wanted, *(wanted[: each.start()] for each in _AFTER_NUMBER.finditer(wanted))]
    return {sheets[each] for each in heads if each in sheets}


def _reading(source: str, said: Sequence[tuple[int | None, str]], sheets: Mapping[str, int]) -> _Reading:
    """What texts about pages say; of those that mention no sheet, nothing."""
    names: dict[int, int] = {}
    texts: dict[int, str] = {}
    contradictory = False
    for page, text in said:
        meant = _named(text, sheets)
        if not meant:
            continue
        [sheet, *others] = meant
        if others or page is None or page in names or sheet in names.values():
            contradictory = True
            continue
        names[page], texts[page] = sheet, text.strip()
    if _only_count(texts):
        return _Reading(source, {})
    return _Reading(source, names, is_contradictory=contradictory)


def _only_count(texts: Mapping[int, str]) -> bool:
    """Whether these are what counting the pages gives as well, and so say nothing about sheets."""
    if not texts or not all(each.isdecimal() for each in texts.values()):
        return False
    return len({int(text) - page for page, text in texts.items()}) == 1


def _page_labels(pdf: Any, sheets: Mapping[str, int]) -> _Reading:
    """Labels that are written out; those that a viewer makes by counting name no sheet."""
    rules = _label_rules(pdf)
    starts = sorted(rules)
    said: list[tuple[int | None, str]] = []
    for at, start in enumerate(starts):
        label = rules[start]
        if "/S" not in label:
            end = starts[at + 1] if at + 1 < len(starts) else len(pdf.pages)
            said += [(page, str(label.get("/P", ""))) for page in range(start, min(end, len(pdf.pages)))]
    return _reading("page labels", said, sheets)


def _label_rules(pdf: Any) -> dict[int, Any]:
    from pikepdf import Dictionary, NumberTree

    tree = pdf.Root.get("/PageLabels")
    if not isinstance(tree, Dictionary):
        return {}
    try:
        found = dict(NumberTree(tree).items())
    except (ValueError, RuntimeError, TypeError):  # damaged
        return {}
    return {int(page): each for page, each in found.items() if isinstance(each, Dictionary) and int(page) >= 0}


def _bookmarks(pdf: Any, sheets: Mapping[str, int]) -> _Reading:
    page_at = {page.objgen: index for index, page in enumerate(pdf.pages)}
    places = dict(named_places(pdf))
    said = [(_page_of(each, page_at, places), str(each.get("/Title", ""))) for each in _outline(pdf)]
    return _reading("bookmarks", said, sheets)


def _outline(pdf: Any) -> Iterator[Any]:
    """Every bookmark, at any depth; a damaged tree may run in circles."""
    from pikepdf import Dictionary

    seen = set[Any]()
    ahead = [dictionary(pdf.Root, "/Outlines").get("/First")]
    while ahead and len(seen) < _BOOKMARKS:
        item = ahead.pop()
        if not isinstance(item, Dictionary) or item.objgen in seen:
            continue
        seen.add(item.objgen)
        yield item
        ahead += [item.get("/Next"), item.get("/First")]


def _page_of(item: Any, page_at: Mapping[Any, int], places: Mapping[str, Any]) -> int | None:
    """The index of the page that a bookmark leads to."""
    from pikepdf import Array, Dictionary, Name, String

    target = item.get("/Dest")
    if target is None and (action := dictionary(item, "/A")).get("/S") == "/GoTo":
        target = action.get("/D")
    if isinstance(target, (Name, String)):
        target = places.get(str(target))
    if isinstance(target, Dictionary):
        target = array(target, "/D")
    if not isinstance(target, Array) or not len(target) or not isinstance(target[0], Dictionary):
        return None
    return page_at.get(target[0].objgen)


def _title_blocks(path: Path, numbers: Sequence[str]) -> _Reading:
    """The only number in every title block is proof. Where there are others, one of them has to be the page's own."""
    known = [same_number(each) for each in numbers]
    found = title_blocks_of(path, known)
    return _Reading(
        "title blocks",
        {page: block.number for page, block in enumerate(found) if block.number is not None},
        may_prove=all(map(is_telling, known)),
        possible={page: block.possible for page, block in enumerate(found) if block.possible},
    )
