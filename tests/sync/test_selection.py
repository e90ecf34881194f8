"""Which sheets are chosen, in both kinds of project, and what is reported about the others."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aps_async import InputError, Session
from aps_async.errors import NotExportableError, NotFoundInProjectError
from aps_async.models import Collection
from aps_async.simulator import Simulator, World
from aps_async.sync.list_selected import list_selected
from aps_async.sync.selection import Selection, select
from aps_async.sync.sheets import ProjectSheet
from tests.support import service, session_for
from tests.sync.test_sheets import ACC, BIM360, BUILD, PLAN

pytestmark = pytest.mark.looptime(start=time.monotonic)

DAY = datetime(2024, 5, 1, tzinfo=UTC)
EAST, WEST = Collection(id="e", name="East"), Collection(id="w", name="West")


def plan(number: str, title: str = "", folder: str = "Plans", day: int | None = 0) -> ProjectSheet:
    sheet = evolve(
        PLAN, id=f"urn:adsk.wipprod:fs.file:vf.{number}{len(folder)}?version=1", item_id=f"item {number}{folder}",
        number=number, title=title, folder_path=folder, changed_at=None if day is None else DAY + timedelta(days=day),
    )  # fmt: skip
    return ProjectSheet(sheet=sheet, project=BIM360)


def build(number: str, issued: str, collection: Collection | None = None, *tags: str) -> ProjectSheet:
    sheet = evolve(BUILD, id=f"{number} {issued} {collection}", number=number, title="", folder_path=issued,
                   version_set_id=f"id of {issued}", collection=collection, tags=tags)  # fmt: skip
    return ProjectSheet(sheet=sheet, project=ACC)


PLANS = [
    plan("A-101", "Ground floor", "Plans/Architecture", 0),
    plan("A-102", "Roof", "Plans/Architecture/Details", 1),
    plan("a-102", "Old roof", "Plans/Old", 2),
    plan("A-210", "Sections", "Plans/Architecture", None),
    plan("S-101", "Steel", "Plans/Structure", 3),
    plan("Ä  1", "Umlaut", "Plans", 4),
    plan("S-101", "Concrete", "Plans", 5),
]
BUILDS = [
    build("A-101", "Tender", None, "core", "fire"),
    build("A-101", "Issued", EAST, "core"),
    build("A-102", "Issued", EAST),
    build("S-101", "Issued", WEST, "Fire"),
]


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        ({}, "A-101 A-102 a-102 A-210 S-101 Ä  1 S-101"),
        ({"sheet": "A-101"}, "A-101"),
        ({"sheet": ["a-101"]}, "A-101"),
        ({"sheet": ("A-102",)}, "A-102"),
        ({"sheet": ("a-102",)}, "a-102"),
        ({"sheet": ("A\u0308 1",)}, "Ä  1"),
        ({"sheet": ("S-101",)}, "S-101 S-101"),
        ({"sheet": ("item A-101Plans/Architecture", PLANS[4].id.replace(":", "%3A"))}, "A-101 S-101"),
        ({"sheet": ("S-101", "A-101")}, "A-101 S-101 S-101"),
        ({"match": ("A-1*",)}, "A-101 A-102"),
        ({"match": ("a-1*",)}, "a-102"),
        ({"match": ("s-*",)}, "S-101 S-101"),
        ({"match": ("A-1*", "?-210")}, "A-101 A-102 A-210"),
        ({"match": ("A-1*",), "sheet": ("S-101",)}, "A-101 A-102 S-101 S-101"),
        ({"match": ("A-1*",), "exclude": ("*2",)}, "A-101"),
        ({"exclude": ("A-*", "a-*")}, "S-101 Ä  1 S-101"),
        ({"exclude": ("Q-*",)}, "A-101 A-102 a-102 A-210 S-101 Ä  1 S-101"),
        ({"folder": "Plans/Architecture"}, "A-101 A-102 A-210"),
        ({"folder": "architecture/"}, "A-101 A-102 A-210"),
        ({"folder": "/Architecture / Details"}, "A-102"),
        ({"folder": "Plans"}, "A-101 A-102 a-102 A-210 S-101 Ä  1 S-101"),
        ({"folder": "Structure", "sheet": ("S-101",)}, "S-101"),
        ({"since": DAY + timedelta(days=3)}, "A-210 S-101 Ä  1 S-101"),
        ({"since": DAY + timedelta(days=3), "match": ("S*",), "folder": "Structure"}, "S-101"),
        ({"since": DAY + timedelta(days=99), "match": ("S*",)}, ""),
    ],
)
def test_sheets_of_bim_360(chosen: dict[str, Any], numbers: str) -> None:
    found = select(PLANS, Selection(**chosen))
    assert " ".join(each.number for each in found.chosen) == numbers
    assert len(found.chosen) + len(found.not_selected) == len(PLANS)
    assert all(each.reason for each in found.not_selected)


@pytest.mark.parametrize(
    ("chosen", "at"),
    [
        ({"sheet": ("A-101",)}, [0, 1]),
        ({"sheet_set": "Issued"}, [1, 2, 3]),
        ({"sheet_set": "id of Issued"}, [1, 2, 3]),
        ({"folder": "tender"}, [0]),
        ({"collection": "east"}, [1, 2]),
        ({"collection": "w"}, [3]),
        ({"collection": "East", "sheet_set": "Issued", "sheet": "A-101"}, [1]),
        ({"tag": ("core",)}, [0, 1]),
        ({"tag": ("fire",)}, [0]),
        ({"tag": ("FIRE",)}, [0, 3]),
        ({"tag": ("Fire", "core")}, [0, 1, 3]),
        ({"tag": "core", "collection": "East", "match": ("A*",), "exclude": ("*2",)}, [1]),
        ({"since": DAY}, [0, 1, 2, 3]),
    ],
)
def test_sheets_of_acc(chosen: dict[str, Any], at: list[int]) -> None:
    assert select(BUILDS, Selection(**chosen)).chosen == tuple(BUILDS[each] for each in at)


@pytest.mark.parametrize(
    "number",
    [
        "A[1]",
        "[A]-1",
        "(A-1)",
        "<A-1>",
        '"A-1"',
        "'1'",
        "A-1.",
        "A,1",
        "b.1",
        "urn:1",
        "dXJu1",
        "%41-1",
        "A-1*",
        "?",
        "A/1;",
    ],
)
def test_a_number_is_found_whatever_it_looks_like(number: str) -> None:
    odd = evolve(PLANS[0], sheet=evolve(PLANS[0].sheet, number=number, id="odd", item_id="odd item"))
    found = select([*PLANS, odd], Selection(sheet=number))
    assert [each.number for each in found.chosen] == [number]
    assert not found.ambiguous


@pytest.mark.parametrize(
    ("items", "chosen", "words"),
    [
        (PLANS, {"sheet": "A-10l"}, "'A-10l'; did you mean .*A-101 - Ground floor"),
        (PLANS, {"sheet": ["A-101", "Sectoins", "Q9"]}, "'Sectoins'; did you mean 'A-210 - Sections.*; .*'Q9'"),
        (PLANS, {"match": "B-*"}, "matches 'B-\\*'; there are"),
        (PLANS, {"folder": "Architektur"}, "folder 'Architektur'; did you mean 'Plans/Architecture'"),
        (BUILDS, {"sheet_set": "Isued"}, "version set 'Isued'; did you mean 'Issued'"),
        (BUILDS, {"collection": "Est"}, "collection 'Est'; "),
        (BUILDS, {"tag": "cor"}, "tag 'cor'; did you mean 'core'"),
    ],
)
def test_text_that_fits_nothing_is_answered_with_the_nearest(
    items: list[ProjectSheet], chosen: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotFoundInProjectError, match=words):
        select(items, Selection(**chosen))


@pytest.mark.parametrize(
    ("items", "chosen", "words"),
    [
        (PLANS, {"sheet_set": "Tender"}, "Clinic is a BIM 360 project, and only ACC .*: leave out a version set,"),
        (PLANS, {"collection": "East"}, "leave out a collection,"),
        (PLANS, {"tag": ("core", "fire")}, "leave out a tag,"),
        (PLANS, {"tag": "core", "sheet_set": "x", "collection": "y"}, "out a version set and a collection and a tag,"),
        (BUILDS, {"folder": "Tender", "sheet_set": "Tender"}, "only one of the two"),
        (PLANS, {"folder": "urn:adsk.wipprod:fs.folder:co.One"}, "give its path"),
    ],
)
def test_what_a_project_does_not_have_is_refused(items: list[ProjectSheet], chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        select(items, Selection(**chosen))


@pytest.mark.parametrize("name", ["sheet", "match", "exclude", "tag", "folder", "sheet_set", "collection"])
@pytest.mark.parametrize("text", ["", "  ", "\u200b"])
def test_empty_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name):
        Selection(**{name: text})  # type: ignore[arg-type]


def test_times_have_a_zone() -> None:
    with pytest.raises(InputError, match="has no time zone"):
        Selection(since=datetime(2024, 5, 1))  # noqa: DTZ001


def test_what_is_reported_besides() -> None:
    found = select(PLANS, Selection(sheet=("S-101", "Z-9", "A-101"), exclude=("Q*", "A-*")), allow_unmatched=True)
    assert found.chosen == (PLANS[4], PLANS[6])
    assert found.ambiguous == {"S-101": (PLANS[4], PLANS[6])}
    assert [str(each).startswith("no sheet has the number or id 'Z-9'") for each in found.unmatched.values()] == [True]
    assert found.unused == ("Q*",)
    reasons = {each.sheet.number: each.reason for each in found.not_selected}
    assert (reasons["A-101"], reasons["A-210"]) == ("excluded by 'A-*'", "not among the chosen numbers")


def test_many_wrong_numbers_take_no_time() -> None:
    items = [plan(f"A-{number}", "General arrangement") for number in range(5_000)]
    began = time.process_time()
    with pytest.raises(NotFoundInProjectError, match="and 1,990 more"):
        select(items, Selection(sheet=[f"B-{number}" for number in range(2_000)]))
    assert time.process_time() - began < 10


TEXT = st.text(st.sampled_from("Aa\u00e4\u0308 -1*?[]/.\u200b"), min_size=1, max_size=5)


@given(
    st.lists(st.tuples(TEXT, TEXT), max_size=8),
    st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=2), st.none() | TEXT,
)  # fmt: skip
def test_nothing_is_lost_or_chosen_twice(
    named: list[tuple[str, str]], sheet: list[str], match: list[str], exclude: list[str], folder: str | None
) -> None:
    items = [evolve(plan(number, "", folder_), sheet=evolve(plan(number).sheet, id=str(at), folder_path=folder_))
             for at, (number, folder_) in enumerate(named)]  # fmt: skip
    try:
        found = select(items, Selection(sheet=sheet, match=match, exclude=exclude, folder=folder))
    except InputError:
        return
    ids = [int(each.id) for each in found.chosen]
    assert ids == sorted(set(ids)), "in the order of the list"
    assert sorted([*ids, *(int(each.sheet.id) for each in found.not_selected)]) == list(range(len(items)))
    if not (sheet or match or exclude or folder):
        assert len(ids) == len(items)


# ------------------------------------------------------------ against the services

WORLD: dict[str, Any] = {
    "hubs": [
        {
            "projects": [
                {"name": "Clinic", "folders": [{"name": "Plans", "folders": [
                    {"name": "Core", "items": [{"number": "A-101", "versions": 2}, {"number": "A-102"}]},
                    {"name": "Rest", "items": [{"number": "A-101"}, {"number": "B-1", "hidden": True}]},
                    {"name": "New", "items": [{"number": "N-1", "processState": "PROCESSING"}]}]}]},
                {"name": "Tower", "projectType": "ACC", "sheets": [
                    {"number": "A-101", "versionSet": "Tender", "current": False, "tags": ["core"]},
                    {"number": "A-101", "versionSet": "Issued", "tags": ["core"]},
                    {"number": "A-102", "versionSet": "Issued", "collection": "East"}]},
            ]
        }
    ],
}  # fmt: skip


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(World.from_json(WORLD)) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator) as opened:
        yield opened


@pytest.mark.parametrize(
    ("project", "chosen", "names"),
    [
        ("Clinic", {}, ["Core/A-101", "Core/A-102", "Rest/A-101"]),
        ("Clinic", {"sheet": "A-101"}, ["Core/A-101", "Rest/A-101"]),
        ("Clinic", {"sheet": "A-101", "folder": "Core"}, ["Core/A-101"]),
        ("Clinic", {"folder": "plans/rest"}, ["Rest/A-101"]),
        ("Clinic", {"since": datetime(2100, 1, 1, tzinfo=UTC)}, []),
        ("Tower", {"sheet": "A-101"}, ["Issued/A-101"]),
        ("Tower", {"sheet_set": "Tender"}, ["Tender/A-101"]),
        ("Tower", {"collection": "East"}, ["Issued/A-102"]),
        ("Tower", {"tag": "CORE"}, ["Issued/A-101"]),
        ("Tower", {"tag": "core", "folder": "tender", "match": "A*"}, ["Tender/A-101"]),
    ],
)
async def test_both_kinds_of_project(session: Session, project: str, chosen: dict[str, Any], names: list[str]) -> None:
    found = await list_selected(session, project, Selection(**chosen))
    assert [f"{each.folders[-1]}/{each.number}" for each in found.chosen] == names


@pytest.mark.parametrize(
    ("project", "chosen", "words"),
    [
        ("Clinic", {"sheet": "A-103"}, "did you mean .*A-10"),
        ("Clinic", {"folder": "Cor"}, "no folder 'Cor'"),
        ("Clinic", {"collection": "East"}, "leave out a collection"),
        ("Tower", {"collection": "Est"}, "no collection 'Est'; the project has East"),
        ("Tower", {"sheet_set": "Isued"}, "no version set 'Isued'; the project has Issued"),
        ("Tower", {"tag": "roof"}, "no sheet has the tag 'roof'; there are: core"),
        ("Towr", {}, "did you mean Tower"),
    ],
)
async def test_what_there_is_not(session: Session, project: str, chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        await list_selected(session, project, Selection(**chosen))


async def test_urns_are_looked_up_without_a_list(session: Session, simulator: Simulator) -> None:
    everything = await list_selected(session, "Clinic", Selection())
    newest, *_ = everything.chosen
    older = newest.id.replace("version=2", "version=1")
    item = newest.sheet.item_id or ""
    before = simulator.counts()["endpoints"]["folder_contents"]["calls"]
    for text, version in ((item, 2), (older, 1), (older.replace("?", "%3F"), 1)):
        found = await list_selected(session, "Clinic", Selection(sheet=(text, text)))
        assert [each.sheet.version for each in found.chosen] == [version]
    assert simulator.counts()["endpoints"]["folder_contents"]["calls"] == before
    missing = older.replace("version=1", "version=7")
    found = await list_selected(session, "Clinic", Selection(sheet=(missing, "A-102", "Q")), allow_unmatched=True)
    assert ([each.number for each in found.chosen], sorted(found.unmatched)) == (["A-102"], sorted(["Q", missing]))
    found = await list_selected(session, "Clinic", Selection(sheet=(missing,)), allow_unmatched=True)
    assert (found.chosen, list(found.unmatched)) == ((), [missing])


async def test_what_the_list_leaves_out_is_reported(session: Session) -> None:
    found = await list_selected(session, "Clinic", Selection(folder="New"))
    assert [(each.name, "is still being processed" in each.reason) for each in found.left_out] == [("N-1", True)]
    with pytest.raises(NotExportableError, match="N-1 is still being processed"):
        await list_selected(session, "Clinic", Selection(sheet="n-1"))
    found = await list_selected(session, "Clinic", Selection(sheet=("N-1", "A-102")), allow_unmatched=True)
    assert ([each.number for each in found.chosen], list(found.unmatched)) == (["A-102"], ["N-1"])
