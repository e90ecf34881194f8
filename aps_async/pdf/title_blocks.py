"""The sheet's number in the title block of a page; needs the extra `pdf`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import frozen

from aps_async.extras import needed
from aps_async.lazy import regex
from aps_async.text import folded, spelling

__all__ = ["TitleBlock", "check_installed", "is_telling", "title_blocks_of"]
__dir__: object = __all__.copy

_SHARE = 0.25
"""Of the page's width and height that the region takes: the lower right corner."""
_WIDER = 0.35
"""A text that the region's edge cuts is another one in this region: then neither counts."""
_APART = regex(r"[\s/,;|]+")
_EDGES = ".,:;()[]{}<>\"'*"
_TELLING = regex(r"(?=.*\d).{3,}")
_pdfium = Lock()  # it cannot be used by two threads at once


def check_installed() -> None:
    """Checks that the text of PDFs can be read.

    Raises:
        InputError: the extra `pdf` is not installed.
    """
    needed("pypdfium2", "pdf", "splitting PDFs")


def is_telling(number: str) -> bool:
    """Whether a text alone in a line is a number of a sheet: `1` is also one of a page, and `A1` a size of paper."""
    return _TELLING.fullmatch(number) is not None


@frozen
class TitleBlock:
    """Which of the job's sheet numbers are in the title block of a page, as indexes of the job's numbers."""

    number: int | None = None
    """The only number that is alone in a line."""
    possible: frozenset[int] = frozenset()
    """The numbers that are alone in a line, or else all that occur; empty if there are none."""


def title_blocks_of(path: Path, numbers: Sequence[str]) -> list[TitleBlock]:
    """The title block of each page; none if the PDF cannot be read.

    Text elsewhere on a page proves nothing, since sheets cite each other.

    Args:
        path: of the PDF.
        numbers: in the form of `same_number`, without repetition.

    Raises:
        InputError: pypdfium2 is not installed.
    """
    pdfium = needed("pypdfium2", "pdf", "splitting PDFs")
    known = {each: index for index, each in enumerate(numbers)}
    with _pdfium:
        try:
            document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError:
            return []
        try:
            return [_title_block(pdfium, document, index, known) for index in range(len(document))]
        finally:
            document.close()


def _title_block(pdfium: Any, document: Any, index: int, known: Mapping[str, int]) -> TitleBlock:
    try:
        page = document[index]
        text = page.get_textpage()
    except pdfium.PdfiumError:
        return TitleBlock()
    found = [text.get_text_bounded(*_corner(page, share)).splitlines() for share in (_SHARE, _WIDER)]
    text.close()
    page.close()
    mentioned, in_wider = (_mentioned(lines, known) for lines in found)
    mentioned &= in_wider
    alone = mentioned & {known[each] for line in found[0] if (each := _plain(line)) in known}
    is_certain = len(mentioned) == len(alone) == 1
    return TitleBlock(min(alone) if is_certain else None, frozenset(alone or mentioned))


def _corner(page: Any, share: float) -> tuple[float, float, float, float]:
    """The lower right corner as it is seen, in the page's own coordinates: left, bottom, right, top."""
    left, bottom, right, top = page.get_bbox()
    rotation = page.get_rotation()
    wide, high = (right - left) * share, (top - bottom) * share
    at_left, at_top = rotation in (180, 270), rotation in (90, 180)
    return (
        left if at_left else right - wide,
        top - high if at_top else bottom,
        left + wide if at_left else right,
        top if at_top else bottom + high,
    )


def _mentioned(lines: Sequence[str], known: Mapping[str, int]) -> set[int]:
    """All numbers that occur as words, or as several words next to each other."""
    most = max((len(each.split()) for each in known), default=1)
    found = set[int]()
    for line in lines:
        words = _plain(line).split()
        spans = [" ".join(words[at : at + count]) for count in range(1, most + 1) for at in range(len(words))]
        parts = [*spans, *(part for each in words for part in _APART.split(each))]
        found |= {known[each] for part in parts if (each := part.strip(_EDGES)) in known or (each := part) in known}
    return found


def _plain(line: str) -> str:
    return folded(spelling(line))
