"""Joined PDFs: everything on a sheet comes out as it was, and what cannot be joined is named."""

import asyncio
import resource as limits
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, NameTree, String

from aps_async.errors import APSError, InputError, TargetError
from aps_async.sync.merge import MergedPdf, MergeSheet, discipline_of, merge_pdfs, merge_sheets
from tests.sync.sheets import (
    add_annotation,
    add_content,
    add_field,
    add_link,
    bookmarks_of,
    flattened,
    labels_of,
    make_pdf,
    pages_linked_from,
    pictures_of,
)


def merged(tmp_path: Path, *files: Path) -> MergedPdf:
    return merge_pdfs([MergeSheet(each, each.stem) for each in files], tmp_path / "set.pdf")


def test_sheets_come_in_order_with_labels_and_bookmarks_by_discipline(tmp_path: Path) -> None:
    sheets = [
        MergeSheet(make_pdf(tmp_path / "1.pdf"), "A-101", "Ground floor"),
        MergeSheet(make_pdf(tmp_path / "2.pdf", pages=2), "FP201", "Sprinklers"),
        MergeSheet(make_pdf(tmp_path / "3.pdf"), "a-102", "Gr\u00f6\u00dfe \U0001f600"),
        MergeSheet(make_pdf(tmp_path / "4.pdf"), "7", "Cover"),
        MergeSheet(make_pdf(tmp_path / "5.pdf"), "", "No number"),
        MergeSheet(make_pdf(tmp_path / "6.pdf"), "\u00c4-1", "A-1"),
        MergeSheet(tmp_path / "6.pdf", "Z"),
    ]
    done = merge_pdfs(sheets, tmp_path / "set.pdf")
    assert done == MergedPdf(path=tmp_path / "set.pdf", pages=8, size=done.path.stat().st_size)
    assert labels_of(done.path) == ["A-101", "FP201 p. 1", "FP201 p. 2", "a-102", "7", "No number", "\u00c4-1", "Z"]
    assert bookmarks_of(done.path) == [
        (0, "A", 0),
        (1, "A-101 - Ground floor", 0),
        (1, "a-102 - Gr\u00f6\u00dfe \U0001f600", 3),
        (0, "FP", 1),
        (1, "FP201 - Sprinklers", 1),
        (0, "7 - Cover", 4),
        (0, "No number", 5),
        (0, "\u00c4", 6),
        (1, "\u00c4-1 - A-1", 6),
        (0, "Z", 7),
        (1, "Z", 7),
    ]


def test_a_title_that_cannot_be_encoded_is_mended(tmp_path: Path) -> None:
    sheet = MergeSheet(make_pdf(tmp_path / "1.pdf"), "7", "cut \ud83d")
    with pikepdf.open(merge_pdfs([sheet], tmp_path / "set.pdf").path) as pdf, pdf.open_outline() as outline:
        assert [each.title for each in outline.root] == ["7 - cut \ufffd"]


@pytest.mark.parametrize(
    ("number", "discipline"),
    [
        ("A-101", "A"),
        ("fp201", "FP"),
        (" S1", "S"),
        ("101", ""),
        ("", ""),
        ("-A1", ""),
        ("_A", ""),
        ("\u00c4R1", "\u00c4R"),
    ],
)
def test_the_discipline_is_the_letters_in_front(number: str, discipline: str) -> None:
    assert discipline_of(number) == discipline


def tree(pdf: pikepdf.Pdf, **places: Any) -> None:
    pdf.Root["/Names"] = Dictionary(Dests=Dictionary(Names=Array([x for each in places.items() for x in each])))


def by_tree(pdf: pikepdf.Pdf) -> None:
    tree(pdf, detail=Array([pdf.pages[1].obj, Name.Fit]))
    add_link(pdf, Dest=String("detail"))


def by_action(pdf: pikepdf.Pdf) -> None:
    tree(pdf, detail=Dictionary(D=Array([pdf.pages[1].obj, Name.XYZ, 0, 50, None])))
    add_link(pdf, A=Dictionary(S=Name.GoTo, D=String("detail")))


def by_old_name(pdf: pikepdf.Pdf) -> None:
    pdf.Root["/Dests"] = Dictionary(detail=Array([pdf.pages[1].obj, Name.Fit]))
    add_link(pdf, Dest=Name.detail)


def by_large_tree(pdf: pikepdf.Pdf) -> None:
    names = NameTree.new(pdf)
    for number in range(300):
        names[f"n{number}"] = Array([pdf.pages[number % 2].obj, Name.Fit])
    pdf.Root["/Names"] = Dictionary(Dests=names.obj)
    assert "/Kids" in names.obj
    add_link(pdf, Dest=String("n299"))


def by_foreign_letters(pdf: pikepdf.Pdf) -> None:
    names = NameTree.new(pdf)
    names["\u0394\u03b5\u03c4"] = Array([pdf.pages[1].obj, Name.Fit])
    pdf.Root["/Names"] = Dictionary(Dests=names.obj)
    add_link(pdf, Dest=String("\u0394\u03b5\u03c4"))


def by_place(pdf: pikepdf.Pdf) -> None:
    add_link(pdf, Dest=Array([pdf.pages[1].obj, Name.Fit]))


def by_shared_action(pdf: pikepdf.Pdf) -> None:
    tree(pdf, detail=Array([pdf.pages[1].obj, Name.Fit]))
    action = pdf.make_indirect(Dictionary(S=Name.GoTo, D=String("detail")))
    add_link(pdf, A=action)
    add_link(pdf, A=action)


@pytest.mark.parametrize(
    "link", [by_tree, by_action, by_old_name, by_large_tree, by_foreign_letters, by_place, by_shared_action]
)
def test_a_link_leads_to_the_page_of_its_own_sheet(tmp_path: Path, link: Callable[[pikepdf.Pdf], None]) -> None:
    one, other = (make_pdf(tmp_path / name, link, pages=2) for name in ("1.pdf", "2.pdf"))
    [first, _] = pages_linked_from(one)
    assert set(first) == {1}
    done = merged(tmp_path, one, other)
    assert pages_linked_from(done.path) == [first, [], [3] * len(first), []]


def test_a_dead_link_does_not_come_to_life_in_another_sheet(tmp_path: Path) -> None:
    dead = make_pdf(tmp_path / "dead.pdf", lambda pdf: (add_link(pdf, Dest=String("detail")), None)[1])
    live = make_pdf(tmp_path / "live.pdf", by_tree, pages=2)
    assert pages_linked_from(merged(tmp_path, dead, live).path) == [[-1], [2], []]


def test_actions_that_follow_others_are_renamed_too(tmp_path: Path) -> None:
    def chain(pdf: pikepdf.Pdf) -> None:
        tree(pdf, detail=Array([pdf.pages[0].obj, Name.Fit]))
        last = pdf.make_indirect(Dictionary(S=Name.GoTo, D=String("detail")))
        last["/Next"] = last  # a circle must not hold it up
        named = Dictionary(S=Name.Named, N=Name.NextPage, Next=Array([last]))
        add_annotation(pdf, Subtype=Name.Widget, A=named, AA=Dictionary(D=Dictionary(S=Name.GoTo, D=String("detail"))))

    with pytest.warns(pikepdf.PageCopyWarning):  # a button outside of a form
        odd = make_pdf(tmp_path / "1.pdf", chain)
    done = merged(tmp_path, make_pdf(tmp_path / "0.pdf"), odd)
    with pikepdf.open(done.path) as pdf:
        annotation = pdf.pages[1].obj["/Annots"][0]
        assert str(annotation.A.Next[0].D) == str(annotation.AA.D.D) == "1:detail"
        assert [str(each) for each in pdf.Root.Names.Dests.Names][::2] == ["1:detail"]


def test_form_fields_with_one_name_keep_their_values(tmp_path: Path) -> None:
    one = make_pdf(tmp_path / "1.pdf", lambda pdf: add_field(pdf, "checked", "by Ann", "1 0 0"))
    other = make_pdf(tmp_path / "2.pdf", lambda pdf: add_field(pdf, "checked", "by Bob", "0 0 1"))
    plain = make_pdf(tmp_path / "3.pdf")
    done = merged(tmp_path, one, plain, other)
    with pikepdf.open(done.path) as pdf:
        fields = list(pdf.Root.AcroForm.Fields)
        assert [str(each.V) for each in fields] == ["by Ann", "by Bob"]
        assert len({str(each.T) for each in fields}) == 2
        assert [each.objgen for each in fields] == [pdf.pages[n].obj.Annots[0].objgen for n in (0, 2)]
    assert pictures_of(done.path) == flattened(map(pictures_of, (one, plain, other)))
    assert pictures_of(one) != pictures_of(plain)


def test_markups_and_what_is_drawn_look_the_same(tmp_path: Path) -> None:
    def mark(pdf: pikepdf.Pdf) -> None:
        look = pikepdf.Stream(pdf, b"0 0 1 rg 0 0 20 10 re f")
        look.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 20, 10])})
        note = add_annotation(pdf, Subtype=Name.Square, Contents=String("check this"), AP=Dictionary(N=look))
        note["/Popup"] = add_annotation(pdf, Subtype=Name.Popup, Parent=note, P=pdf.pages[0].obj)
        add_annotation(pdf, Subtype=Name.Text, Contents=String("done"), IRT=note)
        add_content(pdf.pages[0], "0 1 0 rg 50 50 10 10 re f")

    marked, plain = make_pdf(tmp_path / "1.pdf", mark), make_pdf(tmp_path / "2.pdf")
    done = merged(tmp_path, plain, marked)
    assert pictures_of(done.path) == flattened(map(pictures_of, (plain, marked)))
    with pikepdf.open(done.path) as pdf:
        note, popup, answer = pdf.pages[1].obj.Annots
        assert [str(note.Contents), str(answer.Contents)] == ["check this", "done"]
        assert popup.Parent.objgen == answer.IRT.objgen == note.objgen
        assert note.Popup.objgen == popup.objgen
        assert popup.P.objgen == pdf.pages[1].obj.objgen


def locked(path: Path) -> None:
    make_pdf(path, encryption=pikepdf.Encryption(user="secret", owner="owner"))


def halved(path: Path) -> None:
    whole = make_pdf(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def pageless(path: Path) -> None:
    make_pdf(path, pages=0)


@pytest.mark.parametrize("run", ["merge_pdfs", "merge_sheets"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (locked, "cannot be opened without a password: save"),
        (halved, "is not a whole PDF"),
        (lambda path: path.write_text("<html>Sign in</html>"), "is not a whole PDF"),
        (lambda path: path.write_bytes(b""), "is not a whole PDF"),
        (pageless, "has no page"),
        (Path.exists, "cannot be read"),
        (Path.mkdir, "cannot be read"),
    ],
)
async def test_a_sheet_that_cannot_be_joined_is_named(
    tmp_path: Path, run: str, spoil: Callable[[Path], object], words: str
) -> None:
    good = MergeSheet(make_pdf(tmp_path / "good.pdf"), "A-1")
    spoil(tmp_path / "bad.pdf")
    target = tmp_path / "set.pdf"
    target.write_bytes(b"as it was")
    before = sorted(tmp_path.iterdir())
    sheets = [good, MergeSheet(tmp_path / "bad.pdf", "A-2")]
    with pytest.raises(InputError, match=words) as caught:
        _ = merge_pdfs(sheets, target) if run == "merge_pdfs" else await merge_sheets(sheets, target)
    assert "'A-2'" in str(caught.value)
    assert "bad.pdf" in str(caught.value)
    assert target.read_bytes() == b"as it was"
    assert sorted(tmp_path.iterdir()) == before


def owned(path: Path) -> Path:
    return make_pdf(
        path, encryption=pikepdf.Encryption(user="", owner="owner", allow=pikepdf.Permissions(extract=False))
    )


def without_startxref(path: Path) -> Path:
    data = make_pdf(path).read_bytes()
    path.write_bytes(data.replace(b"startxref", b"startxxxx"))
    return path


def attached(path: Path) -> Path:
    return make_pdf(path, lambda pdf: pdf.attachments.__setitem__("notes.txt", b"notes"))


def signed(path: Path) -> Path:
    def sign(pdf: pikepdf.Pdf) -> None:
        pdf.Root["/AcroForm"] = Dictionary(Fields=Array(), SigFlags=3)

    return make_pdf(path, sign)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (owned, "it was protected with an owner password"),
        (without_startxref, "it is damaged and was repaired"),
        (attached, "1 attachment left out"),
        (signed, "it is signed"),
    ],
)
def test_what_a_sheet_loses_is_a_warning(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    done = merged(tmp_path, make_pdf(tmp_path / "good.pdf"), make(tmp_path / "odd.pdf"))
    assert done.pages == 2
    assert done.warnings
    assert all(each.startswith("sheet 'odd': ") for each in done.warnings)
    assert words in done.warnings[0]
    with pikepdf.open(done.path) as pdf:
        assert not pdf.is_encrypted


@pytest.mark.parametrize(
    ("target", "error"),
    [("missing/set.pdf", TargetError), ("", TargetError), ("s3://bucket/set.pdf", InputError)],
)
@pytest.mark.parametrize("sheets", [0, 1])
async def test_a_target_that_cannot_be_written(tmp_path: Path, target: str, error: type[APSError], sheets: int) -> None:
    given = [MergeSheet(make_pdf(tmp_path / "1.pdf"), "1")][:sheets]
    where = target if "://" in target else tmp_path / target
    with pytest.raises(error):
        merge_pdfs(given, where)
    with pytest.raises(error):
        await merge_sheets(given, where)


def test_no_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sheet to join"):
        merge_pdfs([], tmp_path / "set.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
@pytest.mark.parametrize("run", ["merge_pdfs", "merge_sheets"])
async def test_a_full_disk_leaves_the_old_file(tmp_path: Path, run: str) -> None:
    def fill(pdf: pikepdf.Pdf) -> None:
        add_content(pdf.pages[0], "0 0 m " * 50_000)

    sheets = [MergeSheet(make_pdf(tmp_path / "1.pdf", fill, compress_streams=False), "1")]
    target = tmp_path / "set.pdf"
    target.write_bytes(b"as it was")
    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TargetError, match="larger than the file system or a limit allows"):
            _ = merge_pdfs(sheets, target) if run == "merge_pdfs" else await merge_sheets(sheets, target)
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, before)
    assert target.read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_merge_beside_the_event_loop_gives_the_same(tmp_path: Path) -> None:
    sheets = [
        MergeSheet(make_pdf(tmp_path / "1.pdf", by_tree, pages=2), "A-1", "Plan"),
        MergeSheet(owned(tmp_path / "2.pdf"), "A-2"),
    ]
    here = merge_pdfs(sheets, tmp_path / "here.pdf")
    beside = await merge_sheets(sheets, str(tmp_path / "beside.pdf"))
    assert (beside.pages, beside.size, beside.warnings) == (here.pages, here.size, here.warnings)
    assert bookmarks_of(beside.path) == bookmarks_of(here.path)
    assert pages_linked_from(beside.path) == pages_linked_from(here.path)


async def test_the_target_may_be_one_of_the_sheets(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "1.pdf", pages=2)
    for count in (4, 8):
        assert (await merge_sheets([MergeSheet(path, "1"), MergeSheet(path, "2")], path)).pages == count


async def test_a_cancelled_merge_leaves_nothing(tmp_path: Path) -> None:
    sheets = [MergeSheet(make_pdf(tmp_path / "1.pdf"), "1")]
    (tmp_path / "set.pdf").write_bytes(b"as it was")
    task = asyncio.ensure_future(merge_sheets(sheets, tmp_path / "set.pdf"))
    await asyncio.sleep(0)
    assert len(list(tmp_path.glob("*.part"))) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(each.name for each in tmp_path.iterdir()) == ["1.pdf", "set.pdf"]
    assert (tmp_path / "set.pdf").read_bytes() == b"as it was"


async def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(dying := tmp_path / "python"))
    dying.write_text("#!/bin/sh\nprintf killed >&2\nexit 137\n")
    dying.chmod(0o755)
    with pytest.raises(TargetError, match="ended with 137: killed"):
        await merge_sheets([MergeSheet(make_pdf(tmp_path / "1.pdf"), "1")], tmp_path / "set.pdf")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["1.pdf", "python"]


def test_without_pikepdf_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = MergeSheet(make_pdf(tmp_path / "1.pdf"), "1")
    monkeypatch.setitem(sys.modules, "pikepdf", None)
    with pytest.raises(InputError, match=r"joining PDFs needs pikepdf.*aps-async\[pdf\]"):
        merge_pdfs([sheet], tmp_path / "set.pdf")
