"""The sheet's number in the title block of a page; needs the extra `pdf`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from aps_async.extras import needed
from aps_async.text import folded, spelling

__all__ = ["check_installed", "numbers_in_title_blocks"]
__dir__: object = __all__.copy

_SHARE = 0.25
"""Of the page's width and height that the region takes: the lower right corner."""
_WIDER = 0.35
"""A text that the region's edge cuts is another one in this region: then neither counts."""
_APART = re.compile(r"[\s/,;|]+")
_EDGES = ".,:;()[]{}<>\"'*"
_telling = re.compile(r"(?=.*\d)(?=.*[^\W\d_]).{3,}")
"""Letters and digits: `1` is also a scale or a revision, and `A1` a size of paper."""
_pdfium = Lock()  # it cannot be used by two threads at once


def check_installed() -> None:
    """Checks that the text of PDFs can be read.

    Raises:
        InputError: the extra `pdf` is not installed.
    """
    needed("pypdfium2", "pdf", "splitting PDFs")


def numbers_in_title_blocks(path: Path, numbers: Sequence[str]) -> list[int | None]:
    """For each page the index of the one number whose text stands alone in a line of its title block.

    Text elsewhere on a page proves nothing, since sheets cite each other. So None for a page whose title block has
    none of the numbers, several, or one only within a longer line.

    Args:
        path: of the PDF.
        numbers: in the form of `same_number`, without repetition.

    Raises:
        InputError: pypdfium2 is not installed.
    """
    pdfium = needed("pypdfium2", "pdf", "splitting PDFs")
    known = {each: index for index, each in enumerate(numbers)}
    if not all(_telling.fullmatch(each) for each in numbers):
        return []
    with _pdfium:
        try:
            document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError:
            return []
        try:
            return [_number(pdfium, document, index, known) for index in range(len(document))]
        finally:
            document.close()


def _number(pdfium: Any, document: Any, index: int, known: Mapping[str, int]) -> int | None:
    try:
        page = document[index]
        text = page.get_textpage()
    except pdfium.PdfiumError:
        return None
    found = [text.get_text_bounded(*_corner(page, share)).splitlines() for share in (_SHARE, _WIDER)]
    text.close()
    page.close()
    mentioned, in_wider = (_mentioned(lines, known) for lines in found)
    if len(mentioned) != 1 or not mentioned <= in_wider:
        return None
    [number] = mentioned
    stands_alone = any(known.get(_plain(line)) == number for line in found[0])
    return number if stands_alone else None


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
