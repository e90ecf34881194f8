"""Pages split from a PDF keep what they had: layers that are off, links, form fields, markups."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from aps_async.pdf.splitting import split_sheets
from tests.pdf.test_page_names import labels
from tests.sync.sheets import add_annotation, add_content, add_field, add_link, make_pdf, pages_linked_from, pictures_of
from tests.sync.test_layers_of_pdfs import SHEETS, many_pages


def split(path: Path, numbers: list[str]) -> list[Path]:
    targets = [path.with_name(f"{number}.pdf") for number in numbers]
    assert split_sheets(path, numbers, targets, Event()) is None
    return targets


@pytest.mark.parametrize("draw", SHEETS)
def test_layers_that_are_off_stay_off(tmp_path: Path, draw: Callable[[pikepdf.Pdf], None]) -> None:
    count = 4 if draw is many_pages else 2
    names = [f"S-{number}" for number in range(count)]

    def another(pdf: pikepdf.Pdf) -> None:
        if len(pdf.pages) < count:
            pdf.add_blank_page(page_size=(100, 100))

    path = make_pdf(tmp_path / "job.pdf", draw, another, labels(*names))
    before = pictures_of(path)
    for number, file in enumerate(split(path, names)):
        assert pictures_of(file) == [before[number]]


def test_links_markups_and_their_notes_come_along(tmp_path: Path) -> None:
    def draw(pdf: pikepdf.Pdf) -> None:
        own, other = (pdf.pages[index].obj for index in (0, 1))
        tree = Dictionary(Names=Array([String("detail"), Array([own, Name.Fit]), String("else"), Array([other])]))
        pdf.Root["/Names"] = Dictionary(Dests=pdf.make_indirect(tree))
        add_link(pdf, Dest=String("detail"))
        add_link(pdf, Dest=Array([own, Name.Fit]))
        add_link(pdf, A=Dictionary(S=Name.URI, URI=String("https://example.com/x")))
        markup = add_annotation(pdf, Subtype=Name.Square, C=Array([1, 0, 0]), Contents=String("check this"))
        note = add_annotation(pdf, Subtype=Name.Popup, Parent=markup)
        markup["/Popup"] = note
        add_content(pdf.pages[0], "0 1 0 rg 50 50 20 20 re f\n")

    path = make_pdf(tmp_path / "job.pdf", draw, labels("B-1", "A-1"), pages=2)
    before = pictures_of(path)
    other, own = split(path, ["A-1", "B-1"])
    assert [pictures_of(own), pictures_of(other)] == [before[:1], before[1:]]
    assert pages_linked_from(own) == [[0, 0, -1]]
    with pikepdf.open(own) as pdf:
        annotations = list(pdf.pages[0].obj.Annots)
        assert str(annotations[2].A.URI) == "https://example.com/x"
        assert annotations[3].Popup.objgen == annotations[4].objgen
        assert annotations[4].Parent.objgen == annotations[3].objgen
        assert len(pdf.Root.Names.Dests.Names) == 2


def test_form_fields_keep_their_values(tmp_path: Path) -> None:
    def draw(pdf: pikepdf.Pdf) -> None:
        add_field(pdf, "checked", "yes", "0 0 1")

    path = make_pdf(tmp_path / "job.pdf", draw, labels("B-1", "A-1"), pages=2)
    before = pictures_of(path)
    other, own = split(path, ["A-1", "B-1"])
    assert [pictures_of(own), pictures_of(other)] == [before[:1], before[1:]]
    with pikepdf.open(own) as pdf:
        [form_field] = pdf.Root.AcroForm.Fields
        assert (str(form_field.T), str(form_field.V)) == ("checked", "yes")
        assert [each.objgen for each in pdf.pages[0].obj.Annots] == [form_field.objgen]
    with pikepdf.open(other) as pdf:
        assert not pdf.acroform.fields


def test_a_sheet_holds_nothing_of_the_others(tmp_path: Path) -> None:
    """All pages share one dictionary of pictures, as some writers have it."""

    def draw(pdf: pikepdf.Pdf) -> None:
        shared = pdf.make_indirect(Dictionary(XObject=Dictionary()))
        for number, page in enumerate(pdf.pages):
            picture = pikepdf.Stream(pdf, b"0 0 10 10 re f" + bytes([number + 97]) * 100_000)
            picture.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 30, 30])})
            shared.XObject[f"/P{number}"] = picture
            page.obj["/Resources"] = shared
            add_content(page, f"/P{number} Do")

    path = make_pdf(tmp_path / "job.pdf", draw, labels("A-1", "A-2", "A-3"), pages=3, compress_streams=False)
    sizes = [file.stat().st_size for file in split(path, ["A-1", "A-2", "A-3"])]
    assert max(sizes) < 110_000 < min(sizes) + 15_000


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def locked(path: Path) -> None:
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="o", user="u"))


def owned(path: Path) -> None:
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="o", user=""))


@pytest.mark.parametrize(("change", "reason"), [(damaged, "damaged"), (locked, "password"), (owned, "password")])
def test_what_cannot_be_split_makes_no_file(tmp_path: Path, change: Callable[[Path], None], reason: str) -> None:
    path = make_pdf(tmp_path / "job.pdf", labels("A-1", "A-2"), pages=2)
    change(path)
    found = split_sheets(path, ["A-1", "A-2"], [tmp_path / "1.pdf", tmp_path / "2.pdf"], Event())
    assert found is not None
    assert reason in found
    assert [each.name for each in tmp_path.iterdir()] == ["job.pdf"]


def test_a_stop_makes_no_further_file(tmp_path: Path) -> None:
    path, stop = make_pdf(tmp_path / "job.pdf", labels("A-1", "A-2"), pages=2), Event()
    stop.set()
    assert split_sheets(path, ["A-1", "A-2"], [tmp_path / "1.pdf", tmp_path / "2.pdf"], stop) is None
    assert [each.name for each in tmp_path.iterdir()] == ["job.pdf"]
