"""Sheets of both kinds of project, as a selection and a name see them."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from attrs import evolve

from aps_async import Session
from aps_async.exports.project import list_sheets
from aps_async.models import Collection, ExportKind, Project, Sheet
from aps_async.resources.projects import find_project
from aps_async.simulator import World
from aps_async.sync.sheets import ProjectSheet
from tests.support import service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

WORLD: dict[str, Any] = {
    "hubs": [
        {
            "projects": [
                {"name": "Clinic", "folders": [{"name": "Plans", "folders": [
                    {"name": "Core", "items": [{"number": "A-101", "title": "Ground", "versions": 2}]}]}]},
                {"name": "Tower", "projectType": "ACC",
                 "versionSets": [{"name": "Tender", "collection": "East", "issuanceDate": "2024-03-15"}],
                 "sheets": [{"number": "A-101", "title": "Ground", "versionSet": "Tender", "collection": "East",
                             "tags": ["core", "fire"]},
                            {"number": "S1", "title": "Steel", "versionSet": "Later"}]},
            ]
        }
    ],
}  # fmt: skip
PLAN = Sheet(project_id="p", id="urn:adsk.wipprod:fs.file:vf.One?version=2", item_id="urn:adsk.wipprod:dm.lineage:One",
             number="A-101", title="Ground", folder_path="Plans/Core")  # fmt: skip
BUILD = Sheet(kind=ExportKind.SHEETS, project_id="p", id="7", number="A-101", title="Ground", folder_path="Tender",
              collection=Collection(id="c", name="East"))  # fmt: skip
BIM360 = Project(id="b.p", name="Clinic", hub_id="b.h", project_type="BIM360")
ACC = evolve(BIM360, project_type="ACC")


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with service(World.from_json(WORLD)) as simulator, session_for(simulator) as opened:
        yield opened


async def of(session: Session, name: str) -> list[ProjectSheet]:
    project = await find_project(session, name)
    return [ProjectSheet(sheet=each, project=project) async for each in list_sheets(session, project)]


async def test_a_sheet_of_bim_360(session: Session) -> None:
    [found] = await of(session, "Clinic")
    assert (found.number, found.title, found.folders, found.set_name) == ("A-101", "Ground", ("Plans", "Core"), "")
    assert (found.sheet.version, found.sheet.revision, found.sheet.tags, found.discipline) == (2, 2, (), "A")
    assert found.changed_at is not None
    assert found.date == found.changed_at.date()
    assert found.sheet.item_id is not None
    assert found.sheet.item_id in found.key


async def test_a_sheet_of_acc(session: Session) -> None:
    found, other = await of(session, "Tower")
    assert (found.number, found.title, found.folders, found.set_name) == (
        "A-101", "Ground", ("East", "Tender"), "Tender")  # fmt: skip
    assert (found.sheet.version, found.sheet.revision, found.sheet.tags) == (None, None, ("core", "fire"))
    assert (found.date, other.folders, other.discipline) == (date(2024, 3, 15), ("Later",), "S")
    assert found.changed_at is not None
    assert found.sheet.version_set_id


@pytest.mark.parametrize(
    ("project", "changed", "same"),
    [
        (BIM360, evolve(PLAN, number="A-102"), True),
        (BIM360, evolve(PLAN, title="Roof", folder_path="Plans"), True),
        (BIM360, evolve(PLAN, id=PLAN.id.replace("=2", "=3"), version=3), True),
        (BIM360, evolve(PLAN, item_id="urn:adsk.wipprod:dm.lineage:Two"), False),
        (BIM360, evolve(PLAN, project_id="q"), False),
        (ACC, evolve(BUILD, id="8", title="Roof", folder_path="Later"), True),
        (ACC, evolve(BUILD, collection=Collection(id="c", name="West")), True),
        (ACC, evolve(BUILD, number="A-102"), False),
        (ACC, evolve(BUILD, collection=None), False),
        (ACC, evolve(BUILD, collection=Collection(id="d", name="East")), False),
        (ACC, evolve(BUILD, project_id="q"), False),
    ],
)
def test_the_key_is_what_a_sheet_is(project: Project, changed: Sheet, same: bool) -> None:
    first = PLAN if project.is_bim360 else BUILD
    keys = [ProjectSheet(sheet=each, project=project).key for each in (first, changed)]
    assert (keys[0] == keys[1]) is same


def test_versions_of_a_sheet_whose_item_is_unknown_have_one_key() -> None:
    versions = [evolve(PLAN, item_id=None, id=PLAN.id.replace("=2", f"={n}")) for n in (1, 2)]
    assert len({ProjectSheet(sheet=each, project=BIM360).key for each in versions}) == 1


@pytest.mark.parametrize(
    ("number", "discipline"),
    [
        ("A-101", "A"),
        (" AR101", "AR"),
        ("ÄÖ.1", "ÄÖ"),
        ("01-A", ""),
        ("", ""),
        ("_A", ""),
        ("A_1", "A"),
        ("A\u0308x", "Äx"),
    ],
)
def test_the_discipline_is_the_letters_in_front(number: str, discipline: str) -> None:
    assert ProjectSheet(sheet=evolve(PLAN, number=number), project=BIM360).discipline == discipline


@pytest.mark.parametrize(
    ("issued", "changed", "expected"),
    [
        ("2024-03-15T07:00:00.000Z", None, date(2024, 3, 15)),
        ("2024-13-15", datetime(2024, 5, 1, 23, 30, tzinfo=UTC), date(2024, 5, 1)),
        ("soon", datetime(2024, 5, 1, 23, 30), date(2024, 5, 1)),  # noqa: DTZ001 - as a service without zones says it
        (None, None, None),
    ],
)
def test_the_date(issued: str | None, changed: datetime | None, expected: date | None) -> None:
    sheet = evolve(BUILD, issuance_date=issued, changed_at=changed)
    assert ProjectSheet(sheet=sheet, project=ACC).date == expected
