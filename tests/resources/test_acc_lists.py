"""Lists of an ACC project: version sets, sheets, files."""

import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from aps_async import Project, Session, StaticToken, files, sheets
from aps_async.errors import NotFoundInProjectError
from aps_async.models import ExportKind, Folder
from aps_async.resources.projects import find_project, get_folder
from aps_async.simulator import Fault, Simulator, World
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

TENDER, BUILD = "Issued for Tender", "Issued for Construction"
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "versionSets": [{"name": TENDER}, {"name": BUILD}, {"name": "Empty"}],
                    "sheets": [
                        *({"number": f"T-{n:03d}", "title": f"Plan {n}", "versionSet": BUILD} for n in range(250)),
                        {"number": "T-000", "title": "Plan 0", "versionSet": TENDER, "current": False},
                        {"number": "T-001", "title": "Plan 1", "versionSet": TENDER, "current": False},
                        {"number": "X-1", "published": False},
                        {"number": "X-2", "deleted": True},
                    ],
                    "folders": [
                        {
                            "name": "Project Files",
                            "items": [
                                {"type": "file", "name": "A.pdf", "versions": 2},
                                {"type": "file", "name": "B.DWG"},
                                {"type": "file", "name": "C.rvt"},
                                {"type": "file", "name": "Notes.docx"},
                                {"type": "file", "name": "Gone.pdf", "deleted": True},
                                {"type": "file", "name": "Hidden.pdf", "hidden": True},
                            ],
                            "folders": [{"name": "Core", "items": [{"type": "file", "name": "D.pdf"}]}],
                        },
                        {"name": "Service", "folderType": "CONTAINER_VIRTUAL",
                         "items": [{"type": "file", "name": "S.pdf"}]},
                    ],
                },
                {"name": "Bare", "projectType": "ACC"},
            ]
        }
    ]
}  # fmt: skip


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(World.from_json(WORLD)) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator) as opened:
        yield opened


@pytest.fixture
async def tower(session: Session) -> Project:
    return await find_project(session, "Tower")


async def test_sheets_come_over_all_offsets(simulator: Simulator, session: Session, tower: Project) -> None:
    found = [sheet async for sheet in sheets.list_sheets(session, tower.id)]
    assert [sheet.number for sheet in found] == [f"T-{n:03d}" for n in range(250)], "no replaced or unpublished one"
    known = {each.number: each for each in simulator.world.hubs[0].projects[0].sheets if each.current}
    assert [sheet.id for sheet in found] == [known[sheet.number].id for sheet in found]
    asked = [seen.path.partition("?")[2] for seen in simulator.log if seen.endpoint == "sheets_list"]
    assert [path.rpartition("offset=")[2] for path in asked] == ["0", "100", "200"]
    first = found[7]
    assert (first.kind, first.title, first.folder_path) == (ExportKind.SHEETS, "Plan 7", BUILD)
    assert first.name == "T-007 - Plan 7"
    assert first.project_id == tower.id.removeprefix("b.")
    assert first.source_file_name == f"{BUILD}.pdf"


async def test_what_a_later_set_replaced_comes_when_asked_for(session: Session, tower: Project) -> None:
    found = [sheet async for sheet in sheets.list_sheets(session, tower.id, current_only=False)]
    assert len(found) == 252


@pytest.mark.parametrize("spelling", [TENDER, "issued for TENDER ", "id"])
async def test_one_version_set(spelling: str, session: Session, tower: Project) -> None:
    known = {each.name: each async for each in sheets.list_version_sets(session, tower.id)}
    assert list(known) == [TENDER, BUILD, "Empty"]
    wanted = known[TENDER].id if spelling == "id" else spelling
    found = [sheet async for sheet in sheets.list_sheets(session, tower.id, version_set=wanted)]
    assert [(sheet.number, sheet.folder_path) for sheet in found] == [("T-000", TENDER), ("T-001", TENDER)]


async def test_an_unknown_version_set_is_an_error_that_lists_the_known_ones(session: Session, tower: Project) -> None:
    with pytest.raises(NotFoundInProjectError, match=f"'Nope'; the project has {TENDER}, {BUILD}, Empty"):
        [sheet async for sheet in sheets.list_sheets(session, tower.id, version_set="Nope")]
    assert [sheet async for sheet in sheets.list_sheets(session, tower.id, version_set="Empty")] == []
    bare = await find_project(session, "Bare")
    with pytest.raises(NotFoundInProjectError, match="the project has none"):
        [sheet async for sheet in sheets.list_sheets(session, bare.id, version_set="Nope")]
    assert [sheet async for sheet in sheets.list_sheets(session, bare.id)] == []


async def test_a_fault_between_two_pages_loses_nothing(simulator: Simulator, session: Session, tower: Project) -> None:
    simulator.add_fault(Fault(endpoint="sheets_list", kind="broken_json", nth=(2,)))
    simulator.add_fault(Fault(endpoint="sheets_list", kind="status", status=503, nth=(4,)))
    found = [sheet async for sheet in sheets.list_sheets(session, tower.id)]
    assert len({sheet.id for sheet in found}) == len(found) == 250


async def test_files_that_can_be_exported_with_their_newest_version(session: Session, tower: Project) -> None:
    found = [(item.name, version.number) async for item, version in files.list_files(session, tower)]
    assert found == [("A.pdf", 2), ("B.DWG", 1), ("C.rvt", 1), ("D.pdf", 1)]


@pytest.mark.parametrize("form", ["Project Files/Core", "core", "urn", "folder"])
async def test_files_of_one_folder(form: str, simulator: Simulator, session: Session, tower: Project) -> None:
    urn = simulator.world.hubs[0].projects[0].folders[0].folders[0].id
    folder: Folder | str = urn if form == "urn" else form
    if form == "folder":
        folder = await get_folder(session, tower.id, urn)
    assert [item.name async for item, _ in files.list_files(session, tower, folder=folder)] == ["D.pdf"]


VERSION, ITEM = "urn:adsk.wipprod:fs.file:vf.A?version=1", "urn:adsk.wipprod:dm.lineage:A"
FOLDER = "urn:adsk.wipprod:fs.folder:co.F"


async def test_a_file_whose_newest_version_the_page_lacks_is_not_left_out() -> None:
    version = {
        "type": "versions",
        "id": VERSION,
        "attributes": {"name": "A.pdf", "extension": {"type": "v"}},
    }
    item = {
        "type": "items",
        "id": ITEM,
        "attributes": {"displayName": "A.pdf", "extension": {"type": "i"}},
    }
    item["relationships"] = {"tip": {"data": {"type": "versions", "id": VERSION}}}
    folder = {
        "type": "folders",
        "id": FOLDER,
        "attributes": {"name": "F", "extension": {"type": "f"}},
    }

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        last = request.path.rpartition("/")[2]
        return web.json_response({"data": {"tip": version, "contents": [item]}.get(last, folder)})

    project = Project(id="b.p", name="P", hub_id="b.h", project_type="ACC")
    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        found = [(i.id, v.urn) async for i, v in files.list_files(session, project, folder=FOLDER)]
    assert found == [(ITEM, VERSION)]


async def test_files_of_a_folder_that_is_not_there(session: Session, tower: Project) -> None:
    with pytest.raises(NotFoundInProjectError, match="no folder 'Nope' in 'Project Files'; it contains Core"):
        [item async for item, _ in files.list_files(session, tower, folder="Project Files/Nope")]
