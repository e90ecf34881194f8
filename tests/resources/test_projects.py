"""Hubs, projects, folders, items and versions, as Data Management gives them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from aps_async import DecodeError, InputError, NotAllowedError, NotFoundError, Project, Session, StaticToken, projects
from aps_async.errors import NotFoundInProjectError
from aps_async.models import Folder, ServiceWarning
from aps_async.resources.projects import find_project, find_projects
from aps_async.simulator import Behaviour, Fault, Simulator, World
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def account(world: World | None = None, **options: Any) -> AsyncIterator[tuple[Simulator, Session]]:
    async with service(world or World.demo(12), **options) as simulator, session_for(simulator) as session:
        yield simulator, session


def world_of(*projects: dict[str, Any], **more: Any) -> World:
    return World.from_json({"hubs": [{"name": "Northlight", "projects": list(projects)}], **more})


# -------------------------------------------------------------- hubs, projects


async def test_every_list_follows_its_pages_through_empty_ones() -> None:
    def resource(kind: str, number: int) -> dict[str, Any]:
        return {
            "type": kind,
            "id": f"{kind}-{number}",
            "attributes": {"name": f"{number}", "extension": {"type": kind}},
        }

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        kind = {"hubs": "hubs", "projects": "projects", "topFolders": "folders", "contents": "folders"}.get(
            request.path.rpartition("/")[2], "versions"
        )
        at = int(request.query.get("page[number]", "0"))
        document: dict[str, Any] = {"data": [] if at == 1 else [resource(kind, at)], "meta": {}}
        if at < 2:
            document["links"] = {"next": {"href": f"{request.path}?page%5Bnumber%5D={at + 1}"}}
        return web.json_response(document)

    project = Project(id="b.p", name="P", hub_id="b.h", project_type="BIM360")
    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        assert [each.id for each in (await projects.list_hubs(session)).hubs] == ["hubs-0", "hubs-2"]
        assert len([each async for each in projects.list_projects(session, "b.h")]) == 2
        assert [each.id for each in await projects.list_top_folders(session, project)] == ["folders-0", "folders-2"]
        assert len([each async for each in projects.list_folder_contents(session, "b.p", "urn:f")]) == 2
        assert len([each async for each in projects.list_versions(session, "b.p", "urn:i")]) == 2


async def test_hubs_come_with_the_warnings_about_those_that_did_not() -> None:
    async with account() as (simulator, session):
        found = await projects.list_hubs(session)
        [hub] = found.hubs
        assert (hub.id, hub.name, hub.region) == (simulator.world.hubs[0].id, "Northlight Architects", "US")
        assert hub.extension_type == "hubs:autodesk.bim360:Account"
        assert found.warnings == (
            ServiceWarning(
                title="Unable to get hubs from BIM360DM APAC.",
                status="403",
                detail="You don't have permission to access this API",
            ),
        )


@pytest.mark.parametrize(
    "meta", [{}, None, {"warnings": None}, {"warnings": []}, {"warnings": "odd"}, {"warnings": [7]}]
)
async def test_warnings_of_another_shape_break_nothing(meta: object) -> None:
    async def hubs(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"data": [{"type": "hubs", "id": "b.1", "new": 1}], "meta": meta})

    async with served(hubs) as url, Session(StaticToken("x"), base_url=url) as session:
        found = await projects.list_hubs(session)
    assert [hub.id for hub in found.hubs] == ["b.1"]
    assert found.warnings == ()


async def test_projects_of_both_kinds() -> None:
    async with account() as (simulator, session):
        hub = simulator.world.hubs[0]
        found = [each async for each in projects.list_projects(session, hub.id)]
        assert [each.name for each in found] == [each.name for each in hub.projects]
        kinds = {each.name: (each.project_type, each.is_bim360) for each in found}
        assert kinds["Riverside Clinic"] == ("BIM360", True)
        assert kinds["Harbour Tower"] == ("ACC", False)
        for each in found:
            assert each.id.startswith("b.")
            assert each.hub_id == hub.id
            assert each.root_folder_id
            assert each.cost_container_id
        assert await projects.get_project(session, hub.id, found[0].id) == found[0]
        assert await projects.get_project(session, hub.id.removeprefix("b."), found[0].id[2:]) == found[0]


async def test_a_long_list_of_projects_is_followed_to_its_end() -> None:
    world = world_of(*({"name": f"Project {number}"} for number in range(45)))
    async with account(world, behaviour=Behaviour(page_limit_max=200)) as (simulator, session):

        async def limited() -> list[Project]:
            return [each async for each in projects.list_projects(session, simulator.world.hubs[0].id)]

        assert [each.name for each in await limited()] == [f"Project {number}" for number in range(45)]


@pytest.mark.parametrize("form", ["{}", "b.{}", " b.{} "])
async def test_a_project_is_found_by_its_id_in_any_form_in_one_call(form: str) -> None:
    async with account() as (simulator, session):
        wanted = simulator.world.hubs[0].projects[0]
        found = await find_project(session, form.format(wanted.id))
        assert (found.id, found.name) == (f"b.{wanted.id}", wanted.name)
        assert [seen.endpoint for seen in simulator.log] == ["token", "hubs", "project"]


@pytest.mark.parametrize("name", ["Riverside Clinic", "riverside clinic", "  RIVERSIDE CLINIC "])
async def test_a_project_is_found_by_its_name(name: str) -> None:
    async with account() as (simulator, session):
        assert (await find_project(session, name)).id == f"b.{simulator.world.hubs[0].projects[0].id}"


async def test_a_project_is_found_in_whichever_hub_it_lies() -> None:
    world = World.from_json({"hubs": [{"name": "One"}, {"name": "Two", "projects": [{"name": "Clinic"}]}]})
    async with account(world) as (simulator, session):
        found = await find_project(session, simulator.world.hubs[1].projects[0].id)
        assert found.hub_id == simulator.world.hubs[1].id
        assert await find_project(session, "Clinic") == found


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_name_of_one_word_is_a_name_whatever_the_service_says_of_it_as_an_id(status: int) -> None:
    """`Tower` has the form of an id, and services do not agree on what to say of one that cannot exist."""
    fault = Fault(endpoint="project", status=status)
    async with account(world_of({"name": "Tower"}), faults=[fault]) as (_, session):
        assert (await find_project(session, "Tower")).name == "Tower"


async def test_one_hub_that_is_closed_does_not_hide_the_others() -> None:
    world = World.from_json({"hubs": [{"name": "One"}, {"name": "Two", "projects": [{"name": "The Clinic"}]}]})
    async with account(world, faults=[Fault(endpoint="projects", status=403, nth=(1,))]) as (_, session):
        assert (await find_project(session, "The Clinic")).name == "The Clinic"


async def test_an_unknown_project_lists_what_there_is() -> None:
    async with account() as (simulator, session):
        with pytest.raises(NotFoundInProjectError, match="no project 'Lakeside'") as caught:
            await find_project(session, "Lakeside")
        for each in simulator.world.hubs[0].projects:
            assert f"{each.name} ({each.id})" in str(caught.value)
        assert isinstance(caught.value, InputError)


async def test_of_many_projects_the_first_ten_are_listed() -> None:
    async with account(world_of(*({"name": f"P {number}"} for number in range(25)))) as (_, session):
        with pytest.raises(NotFoundInProjectError, match=r"P 9 .* and 15 more$"):
            await find_project(session, "Lakeside Clinic")


async def test_two_projects_of_one_name_are_listed_with_their_ids() -> None:
    async with account(world_of({"name": "Clinic"}, {"name": "clinic"})) as (simulator, session):
        with pytest.raises(NotFoundInProjectError, match="2 projects are named 'CLINIC'") as caught:
            await find_project(session, "CLINIC")
        assert (await find_project(session, "clinic")).name == "clinic"
        assert all(f"b.{each.id}" in str(caught.value) for each in simulator.world.hubs[0].projects)


NAMES = ("Riverside", "Riverside Annex", "Tower 1", "Tower 2", "Klinik Z\u00fcrich", "Lab [A]")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("Riverside", ["Riverside"]),
        ("riverside", ["Riverside"]),
        ("Riverside A", ["Riverside Annex"]),
        ("river", ["Riverside", "Riverside Annex"]),
        ("Tower", ["Tower 1", "Tower 2"]),
        ("Tower*", ["Tower 1", "Tower 2"]),
        ("*er*", ["Riverside", "Riverside Annex", "Tower 1", "Tower 2"]),
        ("tower ?", ["Tower 1", "Tower 2"]),
        ("Tower [1]", ["Tower 1"]),
        ("Lab [A]", ["Lab [A]"]),
        ("klinik zu\u0308", ["Klinik Z\u00fcrich"]),
        ("*", list(NAMES)),
    ],
)
async def test_projects_by_name_pattern_and_beginning(wanted: str, names: list[str]) -> None:
    async with account(world_of(*({"name": each} for each in NAMES))) as (_, session):
        assert [each.name for each in await find_projects(session, wanted)] == names
        if len(names) == 1:
            assert [(await find_project(session, wanted)).name] == names
        else:
            with pytest.raises(NotFoundInProjectError, match=f"matches {len(names)} projects") as caught:
                await find_project(session, wanted)
            assert all(each in str(caught.value) for each in names)


async def test_several_texts_give_each_project_once() -> None:
    async with account(world_of(*({"name": each} for each in NAMES))) as (_, session):
        tower = await find_project(session, "Tower 2")
        address = f"https://acc.autodesk.com/docs/files/projects/{tower.id[2:]}"
        found = await find_projects(session, "Tower 2", "Tower*", tower.id, address, "Lab")
        assert [each.name for each in found] == ["Tower 2", "Tower 1", "Lab [A]"]
        assert await find_projects(session) == ()


@pytest.mark.parametrize("wanted", ["Riversid Anex", "anex", "Towr 2", "Tower X*"])
async def test_a_wrong_name_is_answered_with_the_nearest_of_all(wanted: str) -> None:
    others = [{"name": f"Filler {number}"} for number in range(20)]
    async with account(world_of(*others, *({"name": each} for each in NAMES))) as (_, session):
        near = "Riverside Annex" if "nex" in wanted else "Tower 2"
        for find in (find_project, find_projects):
            with pytest.raises(NotFoundInProjectError, match=f"did you mean .*{near}"):
                await find(session, wanted)


async def test_a_project_that_one_may_not_see_is_a_matter_of_permission() -> None:
    async with account() as (simulator, session):
        closed = next(each for each in simulator.world.hubs[0].projects if each.forbidden)
        with pytest.raises(NotAllowedError, match=r"permission.*Custom Integrations"):
            await find_project(session, closed.id)


async def test_without_any_hub_the_remedy_is_named() -> None:
    world = World.from_json(
        {"apps": [{"id": "app", "secret": "s", "provisioned": False}], "hubs": [{}], "warnings": [{"region": "EMEA"}]}
    )
    async with account(world) as (_, session):
        with pytest.raises(NotFoundInProjectError, match=r"ACC \(Forma\).*Custom Integrations.*BIM360DM EMEA"):
            await find_project(session, "Clinic One")


async def test_a_hub_without_projects_is_named() -> None:
    async with account(world_of()) as (_, session):
        with pytest.raises(NotFoundInProjectError, match="hub 'Northlight' shows no projects"):
            await find_project(session, "Clinic One")


async def test_a_user_sees_their_own_projects_only() -> None:
    async with account() as (_, session):
        assert (await find_project(session, "Harbour Tower", user_id="ZK7HV20CEWRN")).name == "Harbour Tower"
        with pytest.raises(NotFoundInProjectError, match="Harbour Tower") as caught:
            await find_project(session, "Riverside Clinic", user_id="ZK7HV20CEWRN")
        assert "Riverside" not in str(caught.value).partition(":")[2]


# ----------------------------------------------------------- folders and items

PLANS = {
    "name": "Plans",
    "items": [
        *({"number": f"A-{number}", "versions": 1 + number % 3} for number in range(450)),
        {"number": "X", "hidden": True},
    ],
    "folders": [{"name": "Details", "items": [{"number": "D-1"}]}],
}


async def test_contents_are_followed_over_all_pages_and_link_styles() -> None:
    async with account(world_of({"name": "Clinic", "folders": [PLANS]})) as (simulator, session):
        project = simulator.world.hubs[0].projects[0]
        plans = Folder(id=project.folders[0].id, name="Plans", path="Plans")
        found = [each async for each in projects.list_folder_contents(session, project.id, plans)]
        folders = [each for each in found if isinstance(each, Folder)]
        pairs = [each for each in found if not isinstance(each, Folder)]
        assert [(each.name, each.path) for each in folders] == [("Details", "Plans/Details")]
        assert [item.name for item, _ in pairs] == [f"A-{number}" for number in range(450)]
        for number, (item, version) in enumerate(pairs):
            assert version is not None
            assert version.urn == item.tip_version_urn == project.folders[0].items[number].tip.id
            assert version.number == 1 + number % 3
            assert version.item_id == item.id
            assert version.created_at is not None
            assert version.created_at.tzinfo == UTC
        assert simulator.counts()["endpoints"]["folder_contents"]["calls"] == 3
        hidden = [each async for each in projects.list_folder_contents(session, project.id, plans.id, hidden=True)]
        assert len(hidden) == len(found) + 1


async def test_empty_pages_are_gone_through() -> None:
    """The service makes its pages before it filters them."""
    ways = [{"number": f"H-{number}", "hidden": True} for number in range(410)]
    world = world_of({"folders": [{"name": "Plans", "items": [{"number": "first"}, *ways, {"number": "last"}]}]})
    async with account(world) as (simulator, session):
        project = simulator.world.hubs[0].projects[0]
        found = [each async for each in projects.list_folder_contents(session, project.id, project.folders[0].id)]
        assert [item.name for item, _ in found if not isinstance(item, str)] == ["first", "last"]  # type: ignore[misc]
        assert simulator.counts()["endpoints"]["folder_contents"]["calls"] == 3


STYLES = [
    "/data/v1/projects/b.P/folders/urn%3Aadsk.wipprod%3Afs.folder%3Aco.X/contents?page%5Bnumber%5D={}",
    "https://developer.api.autodesk.com/data/v1/projects/b.P/folders/urn:adsk.wipprod:fs.folder:co.X/contents?page[number]={}",
    "{base}/data/v1/projects/b.P/folders/urn:adsk.wipprod:fs.folder:co.X/contents?page%5Bnumber%5D={}",
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("bare", [False, True])
async def test_next_links_of_every_style_lead_on_and_never_away(style: str, bare: bool) -> None:
    paths = list[str]()

    async def contents(request: web.BaseRequest) -> web.StreamResponse:
        paths.append(request.raw_path)
        assert request.headers["Authorization"] == "Bearer x"
        number = len(paths)
        href = style.replace("{base}", f"http://{request.host}").format(number)
        more = {"links": {"next": href if bare else {"href": href}}} if number < 4 else {"links": {"next": None}}
        return web.json_response({"data": [{"type": "folders", "id": f"f{number}"}] if number % 2 else [], **more})

    async with served(contents) as url, Session(StaticToken("x"), base_url=url) as session:
        folder = "urn:adsk.wipprod:fs.folder:co.X"
        found = [each async for each in projects.list_folder_contents(session, "P", folder)]
    assert [each.id for each in found if isinstance(each, Folder)] == ["f1", "f3"]
    tails = [style.rpartition("/data/")[2].format(number) for number in range(1, 4)]
    assert [path.rpartition("/data/")[2] for path in paths[1:]] == tails


async def test_next_links_that_go_round_in_a_circle_end_with_an_error() -> None:
    async def contents(request: web.BaseRequest) -> web.StreamResponse:
        turn = {"/a": "/b", "/b": "/a"}.get(request.path, "/a")
        return web.json_response({"data": [], "links": {"next": {"href": turn}}})

    async with served(contents) as url, Session(StaticToken("x"), base_url=url) as session:
        with pytest.raises(DecodeError, match="circle"):
            [each async for each in projects.list_projects(session, "b.H")]


async def test_top_folders_include_the_hidden_ones_of_services() -> None:
    async with account() as (_, session):
        project = await find_project(session, "Riverside Clinic")
        folders = await projects.list_top_folders(session, project)
        plans = [each for each in folders if each.is_plans]
        assert [each.name for each in plans] == ["Plans"]
        assert plans[0].visible_types == ("items:autodesk.bim360:Document",)
        service_folder = next(each for each in folders if each.name.startswith("COST Root Folder"))
        assert service_folder.hidden
        assert service_folder.folder_type == "CONTAINER_VIRTUAL"
        assert service_folder.actions == ()


async def test_single_things_are_asked_for_by_ids_in_any_form() -> None:
    async with account(world_of({"folders": [PLANS]})) as (simulator, session):
        project = simulator.world.hubs[0].projects[0]
        folder, item = project.folders[0], project.folders[0].items[2]
        for form in (str, lambda urn: quote(urn, safe="")):
            assert (await projects.get_folder(session, project.id, form(folder.id))).name == "Plans"
            found = await projects.get_item(session, f"b.{project.id}", form(item.id))
            assert (found.id, found.name, found.tip_version_urn) == (item.id, "A-2", item.tip.id)
            assert (await projects.get_tip(session, project.id, form(item.id))).urn == item.tip.id
            assert (await projects.get_version(session, project.id, form(item.tip.id))).number == 3
            versions = [each async for each in projects.list_versions(session, project.id, form(item.id))]
            assert [each.number for each in versions] == [3, 2, 1]


async def test_an_uploaded_file_knows_its_storage_and_a_sheet_has_none() -> None:
    world = world_of({"folders": [{"name": "Plans", "sheets": 1}]})
    async with account(world) as (simulator, session):
        project = simulator.world.hubs[0].projects[0]
        file, sheet = project.folders[0].items
        stored = await projects.get_tip(session, project.id, file.id)
        assert stored.type == "versions:autodesk.bim360:File"
        assert stored.storage_urn
        assert stored.storage_urn.startswith("urn:adsk.objects:os.object:wip.dm.prod/")
        assert stored.size == 220515
        drawn = await projects.get_tip(session, project.id, sheet.id)
        assert (drawn.type, drawn.storage_urn) == ("versions:autodesk.bim360:Document", None)
        assert drawn.source_file_name == "Plans.pdf"
        assert drawn.process_state == "PROCESSING_COMPLETE"


async def test_what_is_not_there_is_not_found() -> None:
    async with account() as (simulator, session):
        project = simulator.world.hubs[0].projects[0].id
        for call in (
            projects.get_item(session, project, "urn:adsk.wipprod:dm.lineage:nowhere"),
            projects.get_version(session, project, "urn:adsk.wipprod:fs.file:vf.nowhere?version=1"),
            projects.get_folder(session, project, "urn:adsk.wipprod:fs.folder:co.nowhere"),
            projects.get_item(session, "11111111-2222-3333-4444-555555555555", "urn:adsk.wipprod:dm.lineage:x"),
        ):
            with pytest.raises(NotFoundError, match="does not exist"):
                await call
