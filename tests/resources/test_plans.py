"""The sheets of a BIM 360 project: all that can be exported, nothing else, under their own numbers and titles."""

import base64
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from aps_async import InputError, NotAllowedError, NotFoundError, Session, Settings, list_sheets
from aps_async.errors import InterceptedError, NotExportableError, NotFoundInProjectError, ServerError
from aps_async.exports.project import get_sheet
from aps_async.models import ExportKind, Folder, Sheet
from aps_async.resources import plans
from aps_async.resources.projects import find_project, list_folder_contents, list_top_folders
from aps_async.simulator import Fault, Simulator, World
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def account(world: World | None = None, *faults: Fault) -> AsyncIterator[tuple[Simulator, Session]]:
    async with (
        service(world or World.demo(12), faults=faults) as simulator,
        session_for(simulator, Settings(max_attempts=2)) as session,
    ):
        yield simulator, session


def project_with(*folders: dict[str, Any], **more: Any) -> World:
    return World.from_json({"hubs": [{"projects": [{"name": "Clinic", "folders": list(folders), **more}]}]})


async def listed(session: Session, project: Any = "Clinic", **options: Any) -> list[Sheet]:
    return [sheet async for sheet in list_sheets(session, project, **options)]


TREE = {
    "name": "Plans",
    "items": [{"number": "G-1", "title": "Cover"}],
    "folders": [
        {
            "name": "Architecture",
            "items": [{"number": "A-1"}, {"number": "A-2"}],
            "folders": [{"name": "Details", "items": [{"number": "D-1"}]}],
        },
        {"name": "Structure", "items": [{"number": "S-1"}]},
        {"name": "Empty"},
    ],
}


async def test_every_exportable_sheet_of_the_demo_account_and_nothing_else() -> None:
    async with account(World.demo(150)) as (simulator, session):
        found = await listed(session, "Riverside Clinic")
        wanted = {item.tip.id: item for item in simulator.world.sheets}
        assert len(found) == len(wanted) == 150
        for sheet in found:
            item = wanted.pop(sheet.version_urn)
            assert (sheet.number, sheet.title) == (item.name, item.title)
            assert (sheet.item_id, sheet.folder_path) == (item.id, item.folder.path)
            assert (sheet.version, sheet.source_file_name) == (item.tip.number, item.source_file_name)
            assert (sheet.kind, sheet.project_id) == (ExportKind.BIM360, item.folder.project.id)
            assert sheet.name == f"{item.name} - {item.title}"
        assert wanted == {}


async def test_a_walk_costs_a_call_per_folder_and_one_per_fifty_sheets() -> None:
    async with account(project_with({"name": "Plans", "items": [{"number": f"A-{n}"} for n in range(120)]})) as (
        s,
        session,
    ):
        assert [sheet.number for sheet in await listed(session)] == [f"A-{n}" for n in range(120)]
        calls = {name: tally["calls"] for name, tally in s.counts()["endpoints"].items()}
        assert calls["folder_contents"] == 1
        assert calls["batch_get"] == 3
        assert "item_tip" not in calls


async def test_folders_come_in_the_services_order_parents_first() -> None:
    async with account(project_with(TREE)) as (_, session):
        assert [(sheet.folder_path, sheet.number) for sheet in await listed(session)] == [
            ("Plans", "G-1"),
            ("Plans/Architecture", "A-1"),
            ("Plans/Architecture", "A-2"),
            ("Plans/Architecture/Details", "D-1"),
            ("Plans/Structure", "S-1"),
        ]


@pytest.mark.parametrize("name", ["Pläne", "Plans", "図面", "For Construction"])
async def test_the_plans_folder_is_known_by_what_it_does_not_by_its_name(name: str) -> None:
    decoy = {"name": "Plans" if name != "Plans" else "Pläne", "actions": ["CONVERT"], "items": [{"number": "no"}]}
    real = {"name": name, "actions": ["CONVERT", "SPLIT"], "items": [{"number": "yes"}]}
    async with account(project_with(decoy, real)) as (_, session):
        assert [(sheet.number, sheet.folder_path) for sheet in await listed(session)] == [("yes", name)]


ODD = [
    {"type": "file", "name": "plans.pdf"},
    {"number": "good"},
    {"number": "capitals", "sourceFileName": "PLANS.PDF"},
    {"number": "hidden", "hidden": True},
    {"number": "deleted", "deleted": True, "hidden": True},
    {"number": "processing", "processState": "PROCESSING"},
    {"number": "aborted", "processState": "PROCESSING_ABORTED"},
    {"number": "drawn from a model", "sourceFileName": "model.dwg"},
    {"type": "file", "name": "model.rvt"},
]


async def test_what_cannot_be_exported_is_left_out_and_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aps_async")
    async with account(project_with({"name": "Plans", "items": ODD})) as (_, session):
        assert [sheet.number for sheet in await listed(session)] == ["good", "capitals"]
    for name, why in [("processing", "PROCESSING"), ("drawn from a model", "model.dwg")]:
        assert any(f"left out: {name}" in line and why in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("folder", "numbers"),
    [
        ("Plans", ["G-1", "A-1", "A-2", "D-1", "S-1"]),
        ("Plans/Architecture", ["A-1", "A-2", "D-1"]),
        ("Architecture", ["A-1", "A-2", "D-1"]),
        ("/plans/ARCHITECTURE/", ["A-1", "A-2", "D-1"]),
        ("Plans / Architecture / Details", ["D-1"]),
        ("Architecture/Details", ["D-1"]),
        ("Plans/Empty", []),
    ],
)
async def test_only_one_folder_and_what_is_below_it(folder: str, numbers: list[str]) -> None:
    async with account(project_with(TREE)) as (_, session):
        assert [sheet.number for sheet in await listed(session, folder=folder)] == numbers


@pytest.mark.parametrize("form", [str, lambda urn: quote(urn, safe="")], ids=["raw", "encoded"])
async def test_a_folder_by_its_urn(form: Callable[[str], str]) -> None:
    async with account(project_with(TREE)) as (simulator, session):
        folder = simulator.world.hubs[0].projects[0].folders[0].folders[0]
        assert [sheet.number for sheet in await listed(session, folder=form(folder.id))] == ["A-1", "A-2", "D-1"]


async def test_a_folder_that_was_listed_costs_no_call_and_keeps_its_path() -> None:
    async with account(project_with(TREE)) as (simulator, session):
        project = await find_project(session, "Clinic")
        [top] = await list_top_folders(session, project)
        entries = [each async for each in list_folder_contents(session, project.id, top)]
        folder = next(each for each in entries if isinstance(each, Folder) and each.name == "Architecture")
        simulator.reset_counts()
        found = await listed(session, project, folder=folder)
        assert [(each.number, each.folder_path) for each in found] == [
            ("A-1", "Plans/Architecture"),
            ("A-2", "Plans/Architecture"),
            ("D-1", "Plans/Architecture/Details"),
        ]
        called = {name: each["calls"] for name, each in simulator.counts()["endpoints"].items() if each["calls"]}
        assert called == {"folder_contents": 2, "batch_get": 2}


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("Plans/Landscape", r"no folder 'Landscape' in 'Plans'; it contains Architecture, Structure, Empty"),
        ("Landscape", r"no folder 'Landscape' in 'Plans'; it contains Architecture, Structure, Empty"),
        ("Architecture/Roof", r"no folder 'Roof' in 'Plans/Architecture'; it contains Details"),
        ("Plans/Structure/Roof", r"no folder 'Roof' in 'Plans/Structure'; it contains no folders"),
    ],
)
async def test_a_folder_that_is_not_there_lists_what_is(folder: str, says: str) -> None:
    async with account(project_with(TREE)) as (_, session):
        with pytest.raises(NotFoundInProjectError, match=says):
            await listed(session, folder=folder)


async def test_an_unknown_folder_urn_is_not_found() -> None:
    async with account(project_with(TREE)) as (_, session):
        with pytest.raises(NotFoundError, match="folder does not exist"):
            await listed(session, folder="urn:adsk.wipprod:fs.folder:co.nowhere")


async def test_a_folder_outside_of_plans_says_that_nothing_there_can_be_exported() -> None:
    files = {"name": "Project Files", "items": [{"number": "copied here"}]}
    async with account(project_with(TREE, files)) as (simulator, session):
        outside = simulator.world.hubs[0].projects[0].folders[1]
        with pytest.raises(NotExportableError, match=r"'Project Files'.*Plans"):
            await listed(session, folder=outside.id)
        project = await find_project(session, "Clinic")
        [folder] = [each for each in await list_top_folders(session, project) if not each.is_plans]
        with pytest.raises(NotExportableError, match=r"'Project Files'.*Plans"):
            await listed(session, project, folder=folder)


async def test_a_project_without_plans_says_what_it_has_without_the_hidden_ones() -> None:
    async with account() as (_, session):
        with pytest.raises(NotFoundInProjectError, match=r"no Plans folder.*\(top folders: Project Files\)"):
            await listed(session, "Old Mill Survey")


async def test_a_project_without_any_folder() -> None:
    async with account(project_with()) as (_, session):
        with pytest.raises(NotFoundInProjectError, match=r"top folders: none"):
            await listed(session)


@pytest.mark.parametrize(
    ("kind", "says"), [("ACC", "ACC Sheets or ACC Files"), ("Fusion", "type Fusion"), ("", "type")]
)
async def test_a_project_of_another_kind_says_what_to_use(kind: str, says: str) -> None:
    async with account(project_with(TREE, projectType=kind or "unknown")) as (_, session):
        with pytest.raises(NotExportableError, match=says):
            [sheet async for sheet in plans.list_sheets(session, "Clinic")]


async def test_a_project_that_one_may_not_see() -> None:
    async with account() as (simulator, session):
        closed = next(each for each in simulator.world.hubs[0].projects if each.forbidden)
        with pytest.raises(NotAllowedError, match="permission"):
            await listed(session, closed.id)


async def test_a_user_gets_what_that_user_may_see() -> None:
    async with account(World.demo(24)) as (_, session):
        everything = await listed(session, "Riverside Clinic", user_id="BW9RM76WZBGL")
        some = await listed(session, "Riverside Clinic", user_id="QX4TM81KLPZA")
        assert {sheet.folder_path for sheet in everything} - {sheet.folder_path for sheet in some} == {
            "Plans/Architecture"
        }


# ------------------------------------------------------- numbers and titles


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_without_batch_get_the_names_serve_instead(status: int) -> None:
    async with account(project_with(TREE), Fault(endpoint="batch_get", status=status)) as (_, session):
        found = await listed(session)
        assert [(sheet.number, sheet.title) for sheet in found][:3] == [("G-1", ""), ("A-1", ""), ("A-2", "")]
        assert found[0].name == "G-1"


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_web_filters_page_does_not_take_the_numbers_away(status: int) -> None:
    async with account(project_with(TREE), Fault(endpoint="batch_get", kind="html", status=status)) as (_, session):
        with pytest.raises(InterceptedError, match="web filter"):
            await listed(session)


async def test_a_batch_get_that_stays_broken_is_an_error_and_not_a_silent_loss() -> None:
    async with account(project_with(TREE), Fault(endpoint="batch_get", status=500)) as (_, session):
        with pytest.raises(ServerError):
            await listed(session)


async def test_a_sheet_without_title_has_its_name() -> None:
    items = [
        {"number": "A-1", "titleless": True},
        {"number": "A-2", "title": "A-2"},
        {"number": "A-3", "title": "Roof"},
    ]
    async with account(project_with({"name": "Plans", "items": items})) as (_, session):
        assert [sheet.name for sheet in await listed(session)] == ["A-1", "A-2", "A-3 - Roof"]


# ------------------------------------------------------------------ one sheet

FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "encoded": lambda urn: quote(urn, safe=""),
    "encoded twice": lambda urn: quote(quote(urn, safe=""), safe=""),
    "half encoded": lambda urn: quote(urn, safe=":="),
    "base64": lambda urn: base64.urlsafe_b64encode(urn.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("what", ["item", "version"])
async def test_one_sheet_by_its_ids_in_every_form(form: Callable[[str], str], what: str) -> None:
    async with account(
        project_with({"name": "Plans", "items": [{"number": "A-1", "title": "Roof", "versions": 2}]})
    ) as (
        simulator,
        session,
    ):
        item = simulator.world.sheets[0]
        sheet = await get_sheet(session, "Clinic", form(item.id if what == "item" else item.tip.id))
        assert (sheet.version_urn, sheet.item_id, sheet.name) == (item.tip.id, item.id, "A-1 - Roof")
        older = await get_sheet(session, "Clinic", form(item.versions[0].id))
        assert (older.version_urn, older.version) == (item.versions[0].id, 1)
        assert older.to_request(markups=True, user_id="U").source_ids == (item.versions[0].id,)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("plans.pdf", "uploaded file"),
        ("hidden", "hidden or deleted"),
        ("deleted", "hidden or deleted"),
        ("processing", "still being processed"),
        ("drawn from a model", "only sheets of PDF files"),
    ],
)
async def test_a_thing_that_cannot_be_exported_says_what_to_use_instead(number: str, says: str) -> None:
    async with account(project_with({"name": "Plans", "items": ODD})) as (simulator, session):
        item = next(each for each in simulator.world.items.values() if each.name == number)
        with pytest.raises(NotExportableError, match=says):
            await get_sheet(session, "Clinic", item.id)


@pytest.mark.parametrize("number", ["hidden", "deleted"])
async def test_the_version_of_a_hidden_sheet_says_so_too(number: str) -> None:
    async with account(project_with({"name": "Plans", "items": ODD})) as (simulator, session):
        item = next(each for each in simulator.world.items.values() if each.name == number)
        with pytest.raises(NotExportableError, match="hidden or deleted"):
            await get_sheet(session, "Clinic", item.tip.id)


@pytest.mark.parametrize("wrong", ["A-101", "urn:adsk.wipprod:fs.file:vf.ABC", "urn:adsk.wipprod:fs.folder:co.X", ""])
async def test_what_is_no_sheet_id_says_what_one_looks_like(wrong: str) -> None:
    async with account(project_with(TREE)) as (_, session):
        with pytest.raises(InputError, match="item or version URN"):
            await get_sheet(session, "Clinic", wrong)


@pytest.mark.parametrize(
    "urn", ["urn:adsk.wipprod:dm.lineage:nowhere", "urn:adsk.wipprod:fs.file:vf.nowhere?version=1"]
)
async def test_a_sheet_that_does_not_exist(urn: str) -> None:
    async with account(project_with(TREE)) as (_, session):
        with pytest.raises(NotFoundError, match="does not exist"):
            await get_sheet(session, "Clinic", urn)
