"""Which page is which sheet: labels, bookmarks and title blocks are proof if they name each once, and text is not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, OutlineItem, String

from aps_async.pdf.page_names import find_pages
from tests.sync.sheets import add_content, make_pdf, resource

Draw = Callable[[pikepdf.Pdf], None]
NUMBERS = ("A-101", "A-10", "A-1")
SHUFFLED = (2, 0, 1)  # of each sheet


def labels(*texts: str, **more: Any) -> Draw:
    def draw(pdf: pikepdf.Pdf) -> None:
        rules = [[index, Dictionary(P=String(text), **more)] for index, text in enumerate(texts)]
        pdf.Root["/PageLabels"] = Dictionary(Nums=Array([each for rule in rules for each in rule]))

    return draw


def bookmarks(*texts: str, pages: Sequence[int] = (0, 1, 2)) -> Draw:
    def draw(pdf: pikepdf.Pdf) -> None:
        with pdf.open_outline() as outline:
            outline.root += [OutlineItem(text, page) for text, page in zip(texts, pages, strict=True)]

    return draw


def under_headings(pdf: pikepdf.Pdf) -> None:
    with pdf.open_outline() as outline:
        heading = OutlineItem("Architecture", 0)
        heading.children += [
            OutlineItem(text, page) for page, text in enumerate(("A-10: Roof", "A-1 - A-101", "a-101"))
        ]
        outline.root.append(heading)


def by_name(pdf: pikepdf.Pdf) -> None:
    """Bookmarks whose places are named, one of them by an action."""
    bookmarks("A-10", "A-1", "A-101")(pdf)
    places = [[String(name), Array([pdf.pages[page].obj, Name.Fit])] for page, name in enumerate("abc")]
    tree = Dictionary(Names=Array([each for place in places for each in place]))
    pdf.Root["/Names"] = Dictionary(Dests=pdf.make_indirect(tree))
    first = pdf.Root.Outlines.First
    for item, name in ((first, "a"), (first.Next, "b"), (first.Next.Next, "c")):
        del item["/Dest"]
        item["/A"] = Dictionary(S=Name.GoTo, D=String(name))
    del first["/A"]
    first["/Dest"] = String("a")


def endless(pdf: pikepdf.Pdf) -> None:
    bookmarks("A-10", "A-1", "A-101")(pdf)
    first = pdf.Root.Outlines.First
    first.Next.Next["/Next"] = first


def text_at(page: pikepdf.Page, x: int, y: int, text: str) -> None:
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    resource(page, "/Font", "/F1", font)
    add_content(page, f"BT /F1 3 Tf {x} {y} Td ({text}) Tj ET\n")


def blocks(*texts: str | tuple[str, ...], x: int = 80, y: int = 5) -> Draw:
    """One text, or several lines, in the lower right corner of each page."""

    def draw(pdf: pikepdf.Pdf) -> None:
        for page, lines in zip(pdf.pages, texts, strict=True):
            for row, line in enumerate((lines,) if isinstance(lines, str) else lines):
                text_at(page, x, y + 4 * row, line)

    return draw


def turned(degrees: int, x: int, y: int) -> Draw:
    def draw(pdf: pikepdf.Pdf) -> None:
        blocks("A-10", "A-1", "A-101", x=x, y=y)(pdf)
        for page in pdf.pages:
            page.rotate(degrees, relative=False)

    return draw


def cropped(pdf: pikepdf.Pdf) -> None:
    blocks("A-10", "A-1", "A-101", x=45, y=45)(pdf)
    for page in pdf.pages:
        page.obj["/CropBox"] = Array([0, 40, 60, 100])


def cites(pdf: pikepdf.Pdf) -> None:
    """Every page names other sheets, and never itself."""
    for page, (one, other) in zip(pdf.pages, (("A-101", "A-1"), ("A-10", "A-101"), ("A-1", "A-10")), strict=True):
        text_at(page, 20, 50, one)
        text_at(page, 20, 60, f"see {other}")


KNOWN = {
    "labels": [labels("A-10", "A-1", "A-101")],
    "labels with titles": [labels("A-10 - Roof", "A-1 Plan", "A-101: Plan")],
    "bookmarks": [bookmarks("A-10", "A-1", "A-101")],
    "bookmarks below headings": [under_headings],
    "bookmarks and others": [bookmarks("Cover", "A-10", "A-1", "A-101", pages=(0, 0, 1, 2))],
    "bookmarks to named places": [by_name],
    "an endless outline": [endless],
    "title blocks": [blocks("A-10", "A-1", "A-101")],
    "title blocks of several lines": [blocks(("A-10", "Rev 1"), ("A-1", "Rev 2", "Plan 101"), ("A-101", "1 : 100"))],
    "title blocks that say it twice": [blocks(("A-10", "Sheet A-10"), ("A-1", "A-1"), "A-101")],
    "turned by 90": [turned(90, 80, 80)],
    "turned by 180": [turned(180, 5, 80)],
    "turned by 270": [turned(270, 5, 5)],
    "a part of the page": [cropped],
    "all three": [
        labels("A-10", "A-1", "A-101"),
        bookmarks("A-10", "A-1", "A-101"),
        blocks("A-10", "A-1", "A-101"),
    ],
    "labels, and title blocks of which one says nothing": [
        labels("A-10", "A-1", "A-101"),
        blocks("A-10", "Plan", ("A-101", "A-1")),
    ],
}


def test_title_blocks_may_have_digits_only(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "job.pdf", blocks(("102", "1 : 100"), "100", ("101", "Rev 2")), pages=3)
    with pikepdf.open(path) as pdf:
        assert find_pages(pdf, path, ("101", "102", "1003")).page_of == ()
        assert find_pages(pdf, path, ("101", "102", "100")).reason != ""
    path = make_pdf(tmp_path / "job.pdf", blocks(("102", "1 : 50"), "100", ("101", "Rev 2")), pages=3)
    with pikepdf.open(path) as pdf:
        assert find_pages(pdf, path, ("101", "102", "100")).page_of == (2, 0, 1)


@pytest.mark.parametrize("draw", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("cited", [True, False])
def test_a_page_is_known_where_something_names_each_once(tmp_path: Path, draw: list[Draw], *, cited: bool) -> None:
    path = make_pdf(tmp_path / "job.pdf", *draw, *([cites] if cited else []), pages=3)
    with pikepdf.open(path) as pdf:
        found = find_pages(pdf, path, NUMBERS)
    assert (found.page_of, found.reason) == (SHUFFLED, "")


NOTHING = "neither labels"
UNKNOWN: dict[str, tuple[list[Draw], Sequence[str], str]] = {
    "nothing": ([], NUMBERS, NOTHING),
    "citations": ([cites], NUMBERS, NOTHING),
    "labels that count": ([labels("", "", "", S=Name.D)], ("1", "2", "3"), NOTHING),
    "labels that count on": ([labels("A-", "A-", "A-", S=Name.D)], ("A-1", "A-2", "A-3"), NOTHING),
    "written labels that count": ([labels("1", "2", "3")], ("3", "2", "1"), NOTHING),
    "written labels that count from 101": ([labels("101", "102", "103")], ("101", "103", "102"), NOTHING),
    "bookmarks that count": ([bookmarks("1", "2", "3")], ("3", "2", "1"), NOTHING),
    "a label for several pages": ([labels("A-10")], ("A-10", "A-1", "A-2"), "page labels name a sheet or a page twice"),
    "a label missing": ([labels("A-10", "A-1", "")], NUMBERS, NOTHING),
    "a label that is a part": ([labels("A-10", "A-1", "A-1011")], NUMBERS, NOTHING),
    "a sheet named twice": ([bookmarks("A-10", "A-1", "A-1 again")], NUMBERS, "bookmarks name a sheet or a page twice"),
    "a page named twice": ([bookmarks("A-10", "A-1", "A-101", pages=(0, 0, 2))], NUMBERS, "bookmarks name"),
    "two sheets of a number": ([labels("A-1", "a-1", "A-3")], ("A-1", "a-1", "A-3"), "the same number"),
    "a number too few": (
        [labels("A-10", "A-1", "A-101")],
        ("A-10", "A-1"),
        "the PDF has 3 pages, and 2 sheets were requested",
    ),
    "a number too many": (
        [labels("A-10", "A-1", "A-101")],
        (*NUMBERS, "A-2"),
        "the PDF has 3 pages, and 4 sheets were requested",
    ),
    "a number in two ways": ([labels("A-1 Plan", "A-2", "A-3")], ("A-1", "A-1 Plan", "A-2"), "page labels name"),
    "labels against bookmarks": (
        [labels("A-10", "A-1", "A-101"), bookmarks("A-1", "A-10", "A-101")],
        NUMBERS,
        "page labels and its bookmarks contradict",
    ),
    "labels against title blocks": (
        [labels("A-10", "A-1", "A-101"), blocks("A-10", "A-101", "A-1")],
        NUMBERS,
        "page labels and its title blocks contradict",
    ),
    "labels against one title block": (
        [labels("A-10", "A-1", "A-101"), blocks("Plan", "Plan", "A-10")],
        NUMBERS,
        "page labels and its title blocks contradict",
    ),
    "labels against a title block of digits": (
        [labels("2-", "1-", "3-"), blocks("1-", "3-", "2-")],
        ("1-", "2-", "3-"),
        "page labels and its title blocks contradict",
    ),
    "labels against doubled pages": (
        [labels("A-10", "A-1", "A-101"), blocks("A-10", "A-10", "A-101")],
        NUMBERS,
        "page labels and its title blocks contradict",
    ),
    "labels against title blocks with other numbers too": (
        [labels("A-10", "A-1", "A-101"), blocks("A-10 and A-1", "A-101 or A-10", "A-1")],
        NUMBERS,
        "page labels and its title blocks contradict",
    ),
    "labels against title blocks that lead to the next sheet": (
        [labels("A-1", "A-101", "A-10"), blocks(("A-10", "next: A-1"), ("A-1", "next: A-101"), ("A-101", "next A-10"))],
        NUMBERS,
        "page labels and its title blocks contradict",
    ),
    "labels against broken bookmarks": (
        [labels("A-10", "A-1", "A-101"), bookmarks("A-1", "A-1", "A-101")],
        NUMBERS,
        "bookmarks name a sheet or a page twice",
    ),
    "title blocks elsewhere": ([blocks("A-10", "A-1", "A-101", x=20)], NUMBERS, NOTHING),
    "title blocks of other sheets too": ([blocks(("A-10", "see A-1"), "A-1", "A-101")], NUMBERS, NOTHING),
    "title blocks with a list": ([blocks(("A-10", "A-1/A-101"), "A-1", "A-101")], NUMBERS, NOTHING),
    "title blocks that only cite": ([blocks("see A-10", "see A-1", "see A-101")], NUMBERS, NOTHING),
    "title blocks with a part": ([blocks("A-10", "A-1", "A-101.1")], NUMBERS, NOTHING),
    "title blocks of bare counts": ([blocks("1", "2", "3")], ("2", "1", "3"), NOTHING),
    "title blocks of digits and a scale": (
        [blocks(("102", "1 : 100"), ("100", "1 : 50"), ("101", "1 : 100"))],
        ("102", "100", "101"),
        NOTHING,
    ),
    "title blocks of paper sizes": ([blocks("A1", "A2", "A3")], ("A2", "A1", "A3"), NOTHING),
    "a longer number that the region cuts": (
        [blocks("XA-10", "XA-1", "XA-101", x=73)],
        NUMBERS,
        NOTHING,
    ),
}


@pytest.mark.parametrize(("draw", "numbers", "reason"), UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_else_is_proof(tmp_path: Path, draw: list[Draw], numbers: Sequence[str], reason: str) -> None:
    path = make_pdf(tmp_path / "job.pdf", *draw, pages=3)
    with pikepdf.open(path) as pdf:
        found = find_pages(pdf, path, numbers)
    assert found.page_of == ()
    assert reason in found.reason
