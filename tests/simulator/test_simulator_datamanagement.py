"""Hubs to versions, as JSON:API."""

import re
from typing import Any
from urllib.parse import quote

from aps_async.simulator import Behaviour, World
from aps_async.simulator.parts import Folder, Project
from tests.simulator.conftest import Client, Serve


def q(urn: str) -> str:
    return quote(urn, safe="")


def project_of(client: Client, name: str = "Riverside Clinic") -> Project:
    return next(p for p in client.simulator.world.projects.values() if p.name == name)


def folder_of(client: Client, path: str) -> Folder:
    return next(f for f in client.simulator.world.folders.values() if f.path == path)


def contents_path(folder: Folder) -> str:
    return f"/data/v1/projects/b.{folder.project.id}/folders/{q(folder.id)}/contents"


async def test_from_hubs_to_versions(serve: Serve) -> None:
    async with serve() as client:
        hubs = await client.get("/project/v1/hubs")
        assert hubs.headers["Content-Type"] == "application/vnd.api+json"
        assert hubs.headers["X-Request-ID"]
        assert hubs.json["jsonapi"] == {"version": "1.0"}
        assert hubs.json["meta"]["warnings"][0]["ErrorCode"] == "BIM360DM_ERROR"
        hub = hubs.json["data"][0]["id"]
        assert (await client.get(f"/project/v1/hubs/{hub}")).json["data"]["attributes"]["region"] == "US"
        projects = (await client.get(f"/project/v1/hubs/{hub}/projects")).json["data"]
        kinds = {p["attributes"]["name"]: p["attributes"]["extension"]["data"]["projectType"] for p in projects}
        assert kinds["Riverside Clinic"] == "BIM360"
        assert kinds["Harbour Tower"] == "ACC"
        clinic = projects[0]["id"]
        assert clinic.startswith("b.")
        assert (await client.get(f"/project/v1/hubs/{hub}/projects/{clinic}")).json["data"]["id"] == clinic
        tops = (await client.get(f"/project/v1/hubs/{hub}/projects/{clinic}/topFolders")).json["data"]
        actions = {top["attributes"]["name"]: top["attributes"]["extension"]["data"].get("actions") for top in tops}
        assert actions["Plans"] == ["SPLIT"]
        assert actions["Project Files"] == ["CONVERT"]
        assert actions[f"COST Root Folder {clinic[2:]}"] is None
        plans = tops[0]["id"]
        assert (await client.get(f"/data/v1/projects/{clinic}/folders/{q(plans)}")).json["data"]["id"] == plans


async def test_contents_include_the_tips_of_items(serve: Serve) -> None:
    async with serve() as client:
        body = (await client.get(contents_path(folder_of(client, "Plans/Architecture")))).json
        kinds = [item["attributes"]["extension"]["type"] for item in body["data"]]
        assert kinds[0] == "items:autodesk.bim360:File"
        assert kinds[1:] == ["items:autodesk.bim360:Document"] * 5
        tips = {version["id"]: version for version in body["included"]}
        for item in body["data"]:
            tip = tips[item["relationships"]["tip"]["data"]["id"]]
            assert ("storage" in tip["relationships"]) == item["attributes"]["extension"]["type"].endswith(":File")
        sheet = body["included"][1]["attributes"]
        assert sheet["name"] == "A-101"
        assert sheet["extension"]["data"]["processState"] == "PROCESSING_COMPLETE"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", sheet["createTime"])


async def walk(client: Client, path: str) -> tuple[list[Any], list[str]]:
    """All resources over all pages, and the data of each page."""
    pages, links = [], []
    while path:
        answer = await client.get(path)
        assert answer.status == 200
        pages.append(answer.json["data"])
        path = answer.json["links"].get("next", {}).get("href")
        links.append(path)
    return pages, links[:-1]


async def test_paging_comes_before_filtering(serve: Serve) -> None:
    items = [{"type": "file", "name": f"f{i}.txt"} for i in range(6)] + [{"number": f"A-{i}"} for i in range(3)]
    world = World.from_json({"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": items}]}]}]})
    async with serve(world) as client:
        path = contents_path(folder_of(client, "Plans"))
        wanted = f"{path}?filter%5Bextension.type%5D=items:autodesk.bim360:Document&page%5Blimit%5D=2"
        pages, _ = await walk(client, wanted)
        assert [len(page) for page in pages] == [0, 0, 0, 2, 1]
        assert (await client.get(f"{path}?filter[type]=folders")).json["data"] == []
        assert len((await client.get(f"{path}?filter[displayName]-starts=A-,f0")).json["data"]) == 4


async def test_links_come_in_three_styles_and_all_can_be_followed(serve: Serve) -> None:
    async with serve(World.single_folder(40)) as client:
        pages, links = await walk(client, f"{contents_path(folder_of(client, 'Plans'))}?page%5Blimit%5D=5")
        assert len({item["id"] for page in pages for item in page}) == 40
        styles = {(link.startswith("/"), "urn:" in link) for link in links}
        assert styles == {(True, False), (False, True)}
        item = pages[0][0]
        hrefs = [one["links"]["self"]["href"] for one in (item, *(p[0] for p in pages[1:]))]
        for href in hrefs:
            assert (await client.get(href)).status == 200
        tips = [f"/data/v1/projects/b.{project_of(client).id}/items/{q(page[0]['id'])}/tip" for page in pages]
        versions = [(await client.get(tip)).json["data"] for tip in tips]
        selfs = [version["links"]["self"]["href"] for version in versions]
        assert any("%3Fversion=1" in href for href in selfs)
        assert [(await client.get(href)).status for href in selfs] == [200] * len(selfs)


async def test_hidden_items_only_on_request(serve: Serve) -> None:
    async with serve() as client:
        path = contents_path(folder_of(client, "Plans"))
        names = [item["attributes"]["displayName"] for item in (await client.get(path)).json["data"]]
        assert "X-901" not in names
        assert "X-903" in names
        more = (await client.get(f"{path}?includeHidden=true")).json
        assert {"X-901", "X-902"} <= {item["attributes"]["displayName"] for item in more["data"]}
        kinds = {
            version["attributes"]["name"]: version["attributes"]["extension"]["type"] for version in more["included"]
        }
        assert kinds["X-902"] == "versions:autodesk.core:Deleted"


async def test_items_versions_and_refs(serve: Serve) -> None:
    async with serve(World.demo(60)) as client:
        item = next(item for item in client.simulator.world.sheets if len(item.versions) == 2)
        root = f"/data/v1/projects/b.{item.folder.project.id}"
        one = (await client.get(f"{root}/items/{q(item.id)}?includePathInProject=true")).json
        assert one["data"]["attributes"]["pathInProject"] == "/Plans/Architecture"
        assert one["included"][0]["id"] == item.tip.id
        assert (await client.get(f"{root}/items/{q(item.id)}/tip")).json["data"]["id"] == item.tip.id
        versions = (await client.get(f"{root}/items/{q(item.id)}/versions")).json["data"]
        assert [version["attributes"]["versionNumber"] for version in versions] == [2, 1]
        path = f"{root}/items/{q(item.id)}/versions?filter[versionNumber]=1"
        assert len((await client.get(path)).json["data"]) == 1
        refs = (await client.get(f"{root}/versions/{q(item.tip.id)}/relationships/refs")).json
        assert item.source is not None
        assert refs["data"][0]["id"] == item.source.tip.id
        assert refs["data"][0]["meta"]["extension"]["type"] == "derived:autodesk.bim360:FileToDocument"
        assert refs["included"][0]["relationships"]["storage"]["data"]["id"].startswith("urn:adsk.objects:os.object:")


async def test_a_version_id_that_is_not_encoded_hits_another_endpoint(serve: Serve) -> None:
    async with serve() as client:
        version = client.simulator.world.find_sheet("A-101").tip
        root = f"/data/v1/projects/b.{version.item.folder.project.id}/versions"
        assert (await client.get(f"{root}/{q(version.id)}")).status == 200
        assert (await client.get(f"{root}/{quote(version.id, safe=':=')}")).status == 200
        assert (await client.get(f"{root}/{version.id}")).status == 404
        assert (await client.get(f"{root}/{q(q(version.id))}")).status == 404


async def test_errors_and_permissions(serve: Serve) -> None:
    async with serve() as client:
        world = client.simulator.world
        clinic, tower, annex = (
            project_of(client, n) for n in ("Riverside Clinic", "Harbour Tower", "Confidential Annex")
        )
        plans, hub = folder_of(client, "Plans/Architecture"), world.hubs[0].id
        missing = await client.get(f"/data/v1/projects/b.{clinic.id}/folders/urn%3Ax")
        assert missing.status == 404
        assert missing.json["errors"][0]["status"] == "404"
        assert (await client.get(contents_path(plans).replace("b.", "", 1))).status == 400
        assert (await client.get(contents_path(plans).replace(clinic.id, tower.id))).status == 404
        assert (await client.get(f"/project/v1/hubs/{hub}/projects/b.{annex.id}/topFolders")).status == 403
        assert (await client.get("/project/v1/hubs/b.nothing/projects")).status == 404
        for bad in (
            "page[limit]=0",
            "page[limit]=201",
            "page[number]=-1",
            "page[limit]=x",
            "filter[x]-zz=1",
            "includeHidden=2",
        ):
            assert (await client.get(f"{contents_path(plans)}?{bad}")).status == 400, bad
        assert (await client.get(contents_path(plans), user="NOBODY")).status == 403
        assert (await client.get(contents_path(plans), user="BW9RM76WZBGL")).status == 200
        assert (await client.get(contents_path(plans), user="QX4TM81KLPZA")).status == 403
        tower_only = await client.get(f"/project/v1/hubs/{hub}/projects", user="ZK7HV20CEWRN")
        assert [p["attributes"]["name"] for p in tower_only.json["data"]] == ["Harbour Tower"]
        assert (await client.get("/nothing/here")).json["errorCode"] == "ERR-404"
        assert (await client.api("POST", "/project/v1/hubs")).status == 405
    async with serve(behaviour=Behaviour(require_user_id=True)) as client:
        assert (await client.get("/project/v1/hubs")).status == 403


async def test_search_is_recursive_and_pages_by_itself(serve: Serve) -> None:
    async with serve(World.demo(120)) as client:
        folder = folder_of(client, "Plans")
        path = contents_path(folder).replace("/contents", "/search")
        pages, _ = await walk(client, f"{path}?filter%5Bextension.type%5D=versions:autodesk.bim360:Document")
        names = [version["attributes"]["name"] for page in pages for version in page]
        assert len(names) == 121  # the one still being processed is found as well
        assert (await client.get(f"{path}?page[limit]=5")).status == 400
        assert (await client.get(f"{path}?page[number]=50")).status == 400
