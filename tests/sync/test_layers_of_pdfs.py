"""Layers that are off in a sheet are off in the joined PDF: rendered before and after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from aps_async.sync.merge import MergeSheet, merge_pdfs
from tests.sync.sheets import (
    add_annotation,
    add_content,
    flattened,
    layer,
    make_pdf,
    on_layer,
    pictures_of,
    resource,
)


def table(pdf: pikepdf.Pdf, groups: list[Any], **default: Any) -> None:
    pdf.Root["/OCProperties"] = Dictionary(OCGs=Array(groups), D=Dictionary(**default))


def two(pdf: pikepdf.Pdf) -> list[Any]:
    """Two layers with a square each."""
    groups = [layer(pdf, "walls"), layer(pdf, "notes")]
    for index, each in enumerate(groups):
        on_layer(pdf.pages[0], each, 10 + 30 * index)
    return groups


def off(pdf: pikepdf.Pdf) -> None:
    groups = two(pdf)
    table(pdf, groups, OFF=Array(groups[1:]))


def base_off(pdf: pikepdf.Pdf) -> None:
    groups = two(pdf)
    table(pdf, groups, BaseState=Name.OFF, ON=Array(groups[:1]))


def all_on(pdf: pikepdf.Pdf) -> None:
    table(pdf, two(pdf))


def unlisted(pdf: pikepdf.Pdf) -> None:
    groups = two(pdf)
    table(pdf, groups[:1], OFF=Array(groups))


def another_intent(pdf: pikepdf.Pdf) -> None:
    groups = [layer(pdf, "walls", Intent=Name.Design), layer(pdf, "notes", Intent=Array([Name.View, Name.Design]))]
    for index, each in enumerate(groups):
        on_layer(pdf.pages[0], each, 10 + 30 * index)
    table(pdf, groups, OFF=Array(groups))


def usage_for_view(pdf: pikepdf.Pdf) -> None:
    groups = [layer(pdf, "x", Usage=Dictionary(View=Dictionary(ViewState=Name.OFF))), layer(pdf, "y")]
    for index, each in enumerate(groups):
        on_layer(pdf.pages[0], each, 10 + 30 * index)
    applied = Dictionary(Event=Name.View, Category=Array([Name.View]), OCGs=Array(groups))
    table(pdf, groups, AS=Array([applied]))


def membership(pdf: pikepdf.Pdf) -> None:
    groups = [layer(pdf, "walls"), layer(pdf, "notes")]
    member = pdf.make_indirect(Dictionary(Type=Name.OCMD, OCGs=Array(groups), P=Name.AllOn))
    on_layer(pdf.pages[0], member, 10)
    either = pdf.make_indirect(Dictionary(Type=Name.OCMD, OCGs=Array(groups), P=Name.AnyOn))
    on_layer(pdf.pages[0], either, 40)
    table(pdf, groups, OFF=Array(groups[1:]))


def expression(pdf: pikepdf.Pdf) -> None:
    group = layer(pdf, "walls")
    member = Dictionary(Type=Name.OCMD, VE=Array([Name.Not, group]))
    on_layer(pdf.pages[0], member, 10)
    table(pdf, [group], OFF=Array([group]))


def form(pdf: pikepdf.Pdf, group: Any, **more: Any) -> Any:
    drawn = pikepdf.Stream(pdf, b"/Inner BDC 0 0 1 rg 0 0 30 30 re f EMC")
    if not more:
        drawn = pikepdf.Stream(pdf, b"/OC /Inner BDC 0 0 1 rg 0 0 30 30 re f EMC")
        drawn["/Resources"] = Dictionary(Properties=Dictionary(Inner=group))
    drawn.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 30, 30]), **more})
    return pdf.make_indirect(drawn)


def inside_a_form(pdf: pikepdf.Pdf) -> None:
    group = layer(pdf, "deep")
    resource(pdf.pages[0], "/XObject", "/Fm", form(pdf, group))
    add_content(pdf.pages[0], "q 1 0 0 1 40 40 cm /Fm Do Q")
    table(pdf, [group], OFF=Array([group]))


def a_form_itself(pdf: pikepdf.Pdf) -> None:
    group = layer(pdf, "form")
    resource(pdf.pages[0], "/XObject", "/Fm", form(pdf, group, **{"/OC": group}))
    add_content(pdf.pages[0], "q 1 0 0 1 40 40 cm /Fm Do Q")
    table(pdf, [group], OFF=Array([group]))


def an_annotation(pdf: pikepdf.Pdf) -> None:
    group = layer(pdf, "stamps")
    drawn = pikepdf.Stream(pdf, b"0 0 1 rg 0 0 20 10 re f")
    drawn.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 20, 10])})
    add_annotation(pdf, Subtype=Name.Stamp, AP=Dictionary(N=drawn), OC=group)
    table(pdf, [group], OFF=Array([group]))


def inherited(pdf: pikepdf.Pdf) -> None:
    """Resources of the page tree, which every page below has."""
    groups = two(pdf)
    page = pdf.pages[0].obj
    pdf.Root.Pages["/Resources"] = pdf.make_indirect(page["/Resources"])
    del page["/Resources"]
    table(pdf, groups, OFF=Array(groups[:1]))


def many_pages(pdf: pikepdf.Pdf) -> None:
    shared = layer(pdf, "grid")
    groups = [shared]
    for number in range(3):
        pdf.add_blank_page(page_size=(100, 100))
        groups.append(layer(pdf, f"page {number}"))
        on_layer(pdf.pages[-1], shared, 10)
        on_layer(pdf.pages[-1], groups[-1], 40)
    table(pdf, groups, OFF=Array([shared, groups[2]]))


SHEETS: list[Callable[[pikepdf.Pdf], None]] = [
    off,
    base_off,
    all_on,
    unlisted,
    another_intent,
    usage_for_view,
    membership,
    expression,
    inside_a_form,
    a_form_itself,
    an_annotation,
    inherited,
    many_pages,
]
HIDES = [each for each in SHEETS if each not in (all_on, unlisted, an_annotation)]


def joined(tmp_path: Path, *files: Path) -> Path:
    done = merge_pdfs([MergeSheet(each, each.stem) for each in files], tmp_path / "set.pdf")
    assert done.warnings == ()
    return done.path


@pytest.mark.parametrize("draw", SHEETS)
def test_a_sheet_looks_the_same_before_and_after(tmp_path: Path, draw: Callable[[pikepdf.Pdf], None]) -> None:
    sheet, plain = make_pdf(tmp_path / "1.pdf", draw), make_pdf(tmp_path / "2.pdf", all_on)
    assert pictures_of(joined(tmp_path, plain, sheet)) == flattened(map(pictures_of, (plain, sheet)))


@pytest.mark.parametrize("draw", HIDES)
def test_these_sheets_do_hide_something(tmp_path: Path, draw: Callable[[pikepdf.Pdf], None]) -> None:
    """Else the test above could not fail."""
    sheet = make_pdf(tmp_path / "1.pdf", draw)
    with pikepdf.open(sheet) as pdf:
        del pdf.Root["/OCProperties"]
        for each in pdf.objects:
            if isinstance(each, Dictionary) and each.get("/Type") == "/OCG":
                each["/Usage"] = Dictionary()
        pdf.save(tmp_path / "bare.pdf")
    assert pictures_of(sheet) != pictures_of(tmp_path / "bare.pdf")


def test_an_annotation_stays_on_its_layer(tmp_path: Path) -> None:
    """Read, as pdfium shows annotations whatever their layer."""
    with pikepdf.open(joined(tmp_path, make_pdf(tmp_path / "1.pdf", an_annotation))) as pdf:
        [group] = pdf.Root.OCProperties.D.OFF
        assert pdf.pages[0].obj.Annots[0].OC.objgen == group.objgen


def test_all_of_them_together(tmp_path: Path) -> None:
    """Every sheet uses the same names for its layers."""
    sheets = [make_pdf(tmp_path / f"{number}.pdf", draw) for number, draw in enumerate(SHEETS)]
    assert pictures_of(joined(tmp_path, *sheets)) == flattened(map(pictures_of, sheets))


def test_a_sheet_twice_and_a_joined_pdf_joined_again(tmp_path: Path) -> None:
    sheet, other = make_pdf(tmp_path / "1.pdf", off), make_pdf(tmp_path / "2.pdf", base_off)
    once = joined(tmp_path, sheet, other, sheet).rename(tmp_path / "once.pdf")
    again = joined(tmp_path, other, once)
    assert pictures_of(again) == flattened(map(pictures_of, (other, sheet, other, sheet)))


def test_order_groups_locks_and_uses_stay(tmp_path: Path) -> None:
    def draw(pdf: pikepdf.Pdf) -> None:
        groups = two(pdf)
        gone = layer(pdf, "on no page")
        applied = Dictionary(Event=Name.Print, Category=Array([Name.Print]), OCGs=Array([groups[0], gone]))
        table(
            pdf,
            [*groups, gone],
            Order=Array([groups[0], Array([String("drawn"), groups[1], Array([gone])]), gone]),
            RBGroups=Array([Array(groups), Array([gone])]),
            Locked=Array([groups[1], gone]),
            AS=Array([applied]),
        )

    files = [make_pdf(tmp_path / f"A-{number}.pdf", draw) for number in (1, 2)]
    with pikepdf.open(joined(tmp_path, *files)) as pdf:
        properties = pdf.Root.OCProperties
        first, second, third, fourth = (each.objgen for each in properties.OCGs)
        order = [[str(name), own.objgen, [str(text), inner.objgen]] for name, own, (text, inner) in properties.D.Order]
        assert order == [["A-1", first, ["drawn", second]], ["A-2", third, ["drawn", fourth]]]
        radios = [[each.objgen for each in group] for group in properties.D.RBGroups]
        assert radios == [[first, second], [third, fourth]]
        assert [each.objgen for each in properties.D.Locked] == [second, fourth]
        uses = [(str(use.Event), [str(each) for each in use.Category]) for use in properties.D.AS]
        assert uses == [("/Print", ["/Print"])] * 2
        assert [[each.objgen for each in use.OCGs] for use in properties.D.AS] == [[first], [third]]


def test_views_besides_the_default_one_are_a_warning(tmp_path: Path) -> None:
    def draw(pdf: pikepdf.Pdf) -> None:
        off(pdf)
        pdf.Root.OCProperties["/Configs"] = Array([Dictionary(Name=String("for the site"))])

    sheet = MergeSheet(make_pdf(tmp_path / "1.pdf", draw), "A-1")
    done = merge_pdfs([sheet], tmp_path / "set.pdf")
    assert done.warnings == ("sheet 'A-1': only the default view of its layers was kept",)


@pytest.mark.parametrize("spoilt", [5, Array([1, "x"]), Dictionary(), String("x")])
@pytest.mark.parametrize("key", ["/OCGs", "/D", "/OFF", "/ON", "/Order", "/RBGroups", "/AS", "/Intent", "/Locked"])
def test_a_damaged_table_breaks_nothing(tmp_path: Path, key: str, spoilt: Any) -> None:
    def draw(pdf: pikepdf.Pdf) -> None:
        off(pdf)
        holder = pdf.Root.OCProperties if key in ("/OCGs", "/D") else pdf.Root.OCProperties.D
        holder[key] = spoilt

    sheet = make_pdf(tmp_path / "1.pdf", draw)
    assert pictures_of(joined(tmp_path, sheet)) == pictures_of(sheet)


def test_without_layers_there_is_no_table(tmp_path: Path) -> None:
    with pikepdf.open(joined(tmp_path, make_pdf(tmp_path / "1.pdf"))) as pdf:
        assert "/OCProperties" not in pdf.Root
