"""What exports deliver, looked at with another PDF library."""

import io
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from attrs import evolve
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import Fit
from reportlab.pdfgen.canvas import Canvas

from aps_async.simulator import Behaviour, JobPolls, World, WorldError
from aps_async.simulator.marks import Mark
from aps_async.simulator.pages import Cache, Content, Naming, Pages, Painting
from aps_async.simulator.strokes import SheetInfo
from tests.simulator.conftest import Serve

NOW = Behaviour(job_time=JobPolls(0))


def opened(pdf: bytes) -> tuple[Any, Any, str]:
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    page = document[0]
    return document, page, page.get_textpage().get_text_range()


def links(pdf: bytes) -> list[str]:
    page = PdfReader(io.BytesIO(pdf)).pages[0]
    notes = [reference.get_object() for reference in page.get("/Annots", ())]
    return [str(note["/A"].get("/URI")) for note in notes if note["/Subtype"] == "/Link"]


def redness(page: Any) -> int:
    """Number of clearly red pixels of a rendering."""
    bitmap = page.render(scale=0.25).to_pil().convert("RGB")
    return sum(count for count, (r, g, b) in bitmap.getcolors(1 << 24) if r > 150 and g < 90 and b < 90)


def given_pdf(pages: int = 3) -> bytes:
    """A PDF with different page sizes, a rotated page, a link to the web and one to another page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    for i in range(pages):
        canvas.setPageSize((600 + 100 * i, 400))
        canvas.drawString(50, 300, f"Content of page {i + 1}")
        canvas.linkURL("https://example.com/", (50, 50, 90, 90))
        canvas.showPage()
    canvas.save()
    writer = PdfWriter(clone_from=PdfReader(buffer))
    writer.add_annotation(0, Link(rect=(100, 50, 150, 90), target_page_index=2, fit=Fit("/Fit")))
    writer.pages[1].rotate(90)
    result = io.BytesIO()
    writer.write(result)
    return result.getvalue()


async def test_a_delivered_sheet_carries_its_own_text(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        for name in ("A-101", "S-101", "M-101", "E-101", "P-101"):
            sheet = client.simulator.world.find_sheet(name)
            body = (await client.call("GET", await client.link(name))).body
            _, page, text = opened(body)
            assert name in text
            assert sheet.title in text
            assert "Riverside Clinic" in text
            assert page.get_size() == (2592, 1728)
            assert links(body) == []
            if name == "A-101":  # other disciplines draw red pipes and the like themselves
                assert redness(page) < 20


async def test_markups_and_hyperlinks_only_when_asked_for(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        plain = (await client.call("GET", await client.link())).body
        marked = (await client.call("GET", await client.link(includeMarkups=True))).body
        linked = (await client.call("GET", await client.link(includeHyperlinks=True))).body
        assert "RFI-" not in opened(plain)[2]
        assert "RFI-" in opened(marked)[2]
        assert redness(opened(marked)[1]) > redness(opened(plain)[1]) + 300
        assert links(marked) == []
        assert len(links(linked)) == 2
        assert all(uri.startswith("https://docs.b360.autodesk.com/projects/") for uri in links(linked))
        assert "RFI-" not in opened(linked)[2]


def test_bytes_are_the_same_every_time_and_differ_between_sheets() -> None:
    first, second = (Pages(World.demo(), None, 0) for _ in range(2))
    made = []
    for one, other in zip(World.demo().sheets, World.demo().sheets, strict=True):
        for markups in (False, True):
            content = first.content(one.tip, markups=markups, hyperlinks=markups)
            assert content.head == second.content(other.tip, markups=markups, hyperlinks=markups).head
            made.append(content.head)
    assert len(set(made)) == len(made)


def test_versions_and_unusual_titles() -> None:
    items = [{"number": "Ä-1 ☃", "title": "Grundriß (EG) 平面", "versions": 2}]
    world = World.from_json({"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": items}]}]}]})
    pages = Pages(world, None, 0)
    old, new = (pages.content(v, markups=False, hyperlinks=False).head for v in world.sheets[0].versions)
    assert "Rev 1" in opened(old)[2]
    assert "Rev 2" in opened(new)[2]
    assert "Grundriß (EG) ??" in opened(new)[2]


async def test_a_given_pdf_is_split_into_its_pages(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "Clinic set.pdf"
    file.write_bytes(given_pdf())
    async with serve(pdf=file, behaviour=NOW) as client:
        sheets = client.simulator.world.sheets
        assert [sheet.name for sheet in sheets] == ["P-001", "P-002", "P-003"]
        assert sheets[0].source_file_name == "Clinic set.pdf"
        for i, sheet in enumerate(sheets):
            body = (await client.call("GET", await client.link(sheet.name))).body
            _, page, text = opened(body)
            assert text.strip() == f"Content of page {i + 1}"
            assert links(body) == []
            assert page.get_size() == ((400, 700) if i == 1 else (600 + 100 * i, 400))
            again = Pages(client.simulator.world, file.read_bytes(), 0)
            assert again.content(sheet.tip, markups=False, hyperlinks=False).head == body
        marked = (
            await client.call("GET", await client.link("P-002", includeMarkups=True, includeHyperlinks=True))
        ).body
        _, page, text = opened(marked)
        assert "Content of page 2" in text
        assert "RFI-" in text
        assert redness(page) > 50
        found = links(marked)
        assert found.count("https://example.com/") == 1
        assert sum(uri.startswith("https://docs.b360.autodesk.com/") for uri in found) == 2


def test_pages_do_not_bring_the_whole_document_along() -> None:
    world = World.with_pdf(given_pdf(30))
    pages = Pages(world, world.pdf, 0)
    content = pages.content(world.sheets[0].tip, markups=True, hyperlinks=True)
    assert content.head.count(b"/Type /Page\n") + content.head.count(b"/Type/Page\n") <= 2
    assert content.size < 6000


def test_replaced_files_look_different() -> None:
    world = World.with_pdf(given_pdf())
    pages = Pages(world, world.pdf, 0)
    version = world.sheets[0].tip
    texts = [opened(pages.content(version, markups=False, hyperlinks=False, revision=n).head)[2] for n in (0, 1, 2)]
    assert len(set(texts)) == 3


@pytest.mark.parametrize("data", [b"", b"not a pdf", b"%PDF-1.4\n%%EOF\n"])
def test_bad_pdfs(data: bytes) -> None:
    with pytest.raises(WorldError, match="pdf"):
        World.with_pdf(data)


def test_missing_pdf(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot be read"):
        World.with_pdf(tmp_path / "none.pdf")


def test_padding_needs_room() -> None:
    with pytest.raises(WorldError, match="too small"):
        Content.of(given_pdf(), 100)


def test_cache_is_bounded_by_weight() -> None:
    cache: Cache[str] = Cache(10)
    for i in range(8):
        cache.put(i, str(i), 3)
    assert [cache.get(i) for i in range(8)] == [None] * 5 + ["5", "6", "7"]
    cache.put(5, "five", 9)
    assert (cache.get(5), cache.get(7)) == ("five", None)


SHEET = Painting(SheetInfo(key="1", number="A-1", title="Plan", project="P"))
MARK = Mark("box", "#d3121d", "a note")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(([SHEET, SHEET], "Set", (), Naming()), id="pages"),
        pytest.param(([evolve(SHEET, info=evolve(SHEET.info, revision=1))], "Set", (), Naming()), id="revision"),
        pytest.param(([SHEET], "Other", (), Naming()), id="title"),
        pytest.param(([SHEET], "Set", (MARK,), Naming()), id="marks"),
        pytest.param(([SHEET], "Set", (), Naming(labels=("A-1",))), id="labels"),
        pytest.param(([SHEET], "Set", (), Naming(bookmarks=("A-1",))), id="bookmarks"),
    ],
)
def test_what_is_bound_once_is_kept_for_the_same_pages_only(other: tuple[Any, ...]) -> None:
    def bound(*how: Any) -> bytes:
        binding = Pages(World.demo(1), None, 0).bind(*how)
        while True:
            try:
                next(binding)
            except StopIteration as end:
                return bytes(end.value)

    first = bound([SHEET], "Set", (), Naming())
    assert bound(*other) != first
    assert bound([SHEET], "Set", (), Naming()) == first
