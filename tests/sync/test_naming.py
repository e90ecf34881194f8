"""Names by pattern: safe, stable, and never two alike."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aps_async import InputError
from aps_async.downloads.filenames import checked_relative
from aps_async.models import Collection
from aps_async.sync.naming import TREE, NamePattern, shared_names
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import folded
from tests.sync.test_sheets import ACC, BIM360, BUILD, PLAN


def plan(at: int = 0, **changes: Any) -> ProjectSheet:
    sheet = evolve(PLAN, item_id=f"item {at}", version=3, revision=2, **changes)
    return ProjectSheet(sheet=evolve(sheet, changed_at=datetime(2024, 5, 1, tzinfo=UTC)), project=BIM360)


def build(**changes: Any) -> ProjectSheet:
    return ProjectSheet(sheet=evolve(BUILD, issuance_date="2024-03-15", **changes), project=ACC)


def name_of(pattern: str, sheet: ProjectSheet) -> str:
    return f"{NamePattern(pattern).path(sheet)}.pdf"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{number} - {title}", "A-101 - Ground.pdf"),
        ("{number}.pdf", "A-101.pdf"),
        ("{number}.PDF", "A-101.pdf"),
        ("{folder}/{number}", "Plans/Core/A-101.pdf"),
        (TREE, "Plans/Core/A-101 - Ground.pdf"),
        ("{project}/{discipline}/{number}", "Clinic/A/A-101.pdf"),
        ("{folder} {number}", "Plans_Core A-101.pdf"),
        ("{folder}", "Plans_Core.pdf"),
        ("{date} {number} v{version} rev {revision}", "2024-05-01 A-101 v3 rev 2.pdf"),
        ("{{{number}}}", "{A-101}.pdf"),
        ("Sheets/{number}", "Sheets/A-101.pdf"),
        ("superseded/{number}", "_superseded/A-101.pdf"),
        ("Register.csv/{number}", "_Register.csv/A-101.pdf"),
        ("register.json/{number}", "_register.json/A-101.pdf"),
        ("Report.HTML/{number}", "_Report.HTML/A-101.pdf"),
        ("plan.pdf/{number}", "plan_pdf/A-101.pdf"),
        ("con/{number}", "_con/A-101.pdf"),
    ],
)
def test_patterns(pattern: str, name: str) -> None:
    assert name_of(pattern, plan()) == name


@pytest.mark.parametrize(
    ("pattern", "changes", "name"),
    [
        ("{set}/{number}", {}, "Tender/A-101.pdf"),
        ("{folder}/{number}", {}, "East/Tender/A-101.pdf"),
        ("{folder}/{number}", {"collection": None}, "Tender/A-101.pdf"),
        ("{folder}/{number}", {"collection": None, "folder_path": ""}, "A-101.pdf"),
        ("{date} {number}", {}, "2024-03-15 A-101.pdf"),
        ("{number} - {title}", {"title": ""}, "A-101.pdf"),
        ("{number} - {title} - {set}", {"title": " "}, "A-101 - Tender.pdf"),
        ("{discipline} - {number}", {"number": "101"}, "101.pdf"),
        ("({discipline}) {number}", {"number": "101"}, "101.pdf"),
        ("{number} ({title})", {"title": ""}, "A-101.pdf"),
        ("{number} ({title}) {set}", {"title": ""}, "A-101 Tender.pdf"),
        ("{title}", {"title": ""}, "untitled.pdf"),
        ("{title}/{number}", {"title": ""}, "A-101.pdf"),
        ("{title}/{number}", {"title": "../../etc"}, "_.._etc/A-101.pdf"),
        ("{title}/{number}", {"title": ".."}, "untitled/A-101.pdf"),
        ("{set}/{number}", {"folder_path": "a/b"}, "a_b/A-101.pdf"),
        ("{set}/{number}", {"folder_path": "Superseded"}, "_Superseded/A-101.pdf"),
        ("{title}", {"title": "C:\\x|y?\x00\u202e"}, "C__x_y_.pdf"),
        ("{title}", {"title": "Ä" * 200}, "Ä" * 90 + ".pdf"),
    ],
)
def test_values(pattern: str, changes: dict[str, Any], name: str) -> None:
    assert name_of(pattern, build(**changes)) == name


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".pdf", "empty"),
        ("{nummer}", "no field {nummer}"),
        ("{}", "no field {}"),
        ("{0}", "no field {0}"),
        ("{number!r}", "no field {number!r}"),
        ("{number:>5}", "no field {number:>5}"),
        ("{number.x}", "no field {number.x}"),
        ("{number[0]}", "no field {number[0]}"),
        ("{number", "cannot be used"),
        ("number}", "cannot be used"),
        ("/{number}", "absolute"),
        ("~/{number}", "absolute"),
        ("C:/{number}", "':'"),
        ("{set}\\{number}", "use / to make folders"),
        ("../{number}", "contains '..'"),
        ("{set}/../{number}", "contains '..'"),
        ("{set}/ .. /{number}", "contains '..'"),
        ("./{number}", "contains '.'"),
        ("{set}//{number}", "beside a /"),
        ("{number}/", "beside a /"),
        ("{number}*", "'*'"),
        ("{number}\n", "not every system"),
    ],
)
def test_patterns_that_cannot_be_used_are_refused_at_once(pattern: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        NamePattern(pattern)
    assert words in str(caught.value)
    assert "Fields: {number}, {title}, {set}, {folder}, {discipline}, {version}, " in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "sheet", "refused"),
    [
        ("{set}/{number}", plan(), True),
        ("{set}/{number}", build(), False),
        ("{number} v{version}", build(), True),
        ("{revision}", build(), True),
        ("{number} v{version} {revision} {date}", plan(), False),
        (TREE, build(), False),
        (TREE, plan(), False),
    ],
)
def test_fields_that_a_kind_of_project_does_not_have_are_refused(
    pattern: str, sheet: ProjectSheet, refused: bool
) -> None:
    if not refused:
        NamePattern(pattern).check(sheet.project)
        return
    with pytest.raises(InputError, match="do not have: use"):
        NamePattern(pattern).check(sheet.project)


def test_sheets_of_one_name_are_found() -> None:
    sheets = [plan(0, number="A-1"), plan(1, number="a-1"), plan(2, number="B"), plan(3, number="A-1")]
    assert shared_names(sheets, NamePattern("{number}")) == {"A-1": (sheets[0], sheets[1], sheets[3])}
    assert shared_names(sheets[1:3], NamePattern("{number}")) == {}


TEXT = st.text(st.sampled_from("Aa\u00c4\u0308./\\ ()2-:\x00\u202ep"), max_size=6) | st.sampled_from(
    ["superseded", "x.pdf", "A (2)", "con", ".."]
)
SHEETS = st.lists(st.builds(
    lambda at, number, title, folder, collection: build(
        number=f"{number}", id=str(at), title=title, folder_path=folder,
        collection=Collection(id=f"{at}", name=collection)),
    st.integers(0, 5), TEXT, TEXT, TEXT, TEXT,
), max_size=8)  # fmt: skip
PATTERN = st.sampled_from(
    ["{number}", "{title}", "{number} - {title}", TREE, "{set}/{title}", "{title}/{folder}/{number}", "x", "{set}"]
).map(NamePattern)


@given(SHEETS, PATTERN)
def test_names_stay_in_the_folder(sheets: list[ProjectSheet], pattern: NamePattern) -> None:
    found = {f"{pattern.path(each)}.pdf" for each in sheets}
    for name in found:
        checked_relative(name)
    folders = {folded(name.rpartition("/")[0]) for name in found}
    assert folders.isdisjoint(map(folded, found)), "nothing is both a file and a folder"
