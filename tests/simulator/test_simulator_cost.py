"""Cost Management: documents, their files, and what starts one."""

import asyncio
import io
import json
import zipfile
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import attrs
import pytest

from aps_async.simulator import Behaviour, JobPolls, JobTime, World, WorldError
from aps_async.simulator.parts import Project
from tests.simulator.conftest import Client, Serve

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
NOW = Behaviour(job_time=JobPolls(0))
FIELDS = [
    "id", "recipientId", "signedBy", "urn", "pdfUrn", "status", "jobId", "errorInfo", "associationId",
    "associationType", "createdAt", "updatedAt",
]  # fmt: skip


def project(client: Client, name: str = "Riverside Clinic") -> Project:
    return next(p for p in client.simulator.world.projects.values() if p.name == name)


def association(client: Client, text: str, name: str = "Riverside Clinic") -> Any:
    return next(one for one in project(client, name).cost.associations.values() if text in one.name)


def path(container: str, *ids: str, kind: str = "Budget", more: Any = "") -> str:
    return f"/cost/v1/containers/{container}/documents?associationId={','.join(ids)}&associationType={kind}{more}"


def as_user(client: Client, scopes: str = "data:read data:write") -> None:
    client.bearer = client.simulator.user_token(scopes=scopes)


def world(*documents: Any, **more: Any) -> World:
    cost = {"budgets": [{"name": "Concrete", "code": "03", "amount": 1000, "documents": list(documents)}], **more}
    return World.from_json({"hubs": [{"projects": [{"name": "Riverside Clinic", "cost": cost}]}]})


async def test_documents_of_several_budgets(serve: Serve) -> None:
    async with serve() as client:
        as_user(client)
        home = project(client)
        steel, concrete, none = (association(client, text) for text in ("Steel", "Concrete", "Sprinklers"))
        answer = await client.get(path(home.id, steel.id, none.id, concrete.id))
        assert answer.status == 200
        documents = answer.json
        assert isinstance(documents, list)
        assert [one["associationId"] for one in documents] == [steel.id, steel.id, concrete.id]
        for one in documents:
            assert list(one) == FIELDS
            assert one["status"] == "Completed"
            assert one["urn"].startswith("urn:adsk.wipprod:fs.file:vf.")
            assert one["pdfUrn"] is one["signedBy"] is None
            assert one["errorInfo"] == {  # as in the documented sample, although nothing has failed
                "code": "missingTemplate",
                "message": "Couldn't generate the document because the template is invalid.",
                "detail": "Got timeout for POST upload URL.",
            }
            assert one["createdAt"].endswith("Z")
            assert one["createdAt"][19] == "."
        assert (await client.get(path(home.id, none.id))).json == []
        assert (await client.get(path(home.id, "18d97ae0-9484-11e8-a7ec-7ddae203e404"))).json == []
        assert (await client.get(path(home.id, steel.id, kind="Contract"))).json == []
        deprecated = "&filter%5Blatest%5D=true&filter[signed]=true"
        assert (await client.get(path(home.id, concrete.id.upper(), more=deprecated))).json == documents[2:]


async def test_other_kinds_and_words(serve: Serve) -> None:
    async with serve() as client:
        as_user(client)
        home = project(client, "Harbour Tower")
        shell = association(client, "Shell", "Harbour Tower")
        documents = (await client.get(path(home.id, shell.id, kind="Contract"))).json
        assert [one["status"] for one in documents] == ["Signed", "Failed"]
        assert documents[0]["signedBy"]
        assert documents[1]["urn"] is None
        assert documents[1]["errorInfo"]["code"] == "missingTemplate"
        change = association(client, "Pile", "Harbour Tower")
        for kind in ("SCO", "FormInstance"):
            one = (await client.get(path(home.id, change.id, kind=kind))).json[0]
            assert (one["associationType"], one["status"]) == (kind, "Completed")
        glazing = association(client, "Glazing", "Harbour Tower")
        waiting = (await client.get(path(home.id, glazing.id))).json[0]
        assert waiting["status"] == "PendingSign"
        assert waiting["urn"]


async def test_the_docx_opens_and_lies_in_the_hidden_folder(serve: Serve) -> None:
    async with serve() as client:
        as_user(client)
        home, concrete = project(client), association(client, "Concrete")
        urn = (await client.get(path(home.id, concrete.id))).json[0]["urn"]
        version = (await client.get(f"/data/v1/projects/b.{home.id}/versions/{quote(urn, safe='')}")).json["data"]
        assert version["attributes"]["extension"]["type"] == "versions:autodesk.bim360:File"
        assert version["attributes"]["fileType"] == "docx"
        storage = version["relationships"]["storage"]["data"]["id"]
        bucket, _, key = storage.removeprefix("urn:adsk.objects:os.object:").partition("/")
        signed = (await client.get(f"/oss/v2/buckets/{bucket}/objects/{key}/signeds3download")).json
        docx = (await client.call("GET", signed["url"])).body
        assert len(docx) == signed["size"] == version["attributes"]["storageSize"]
        with zipfile.ZipFile(io.BytesIO(docx)) as archive:
            assert archive.testzip() is None
            assert archive.namelist()[0] == "[Content_Types].xml"
            parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}  # noqa: S314 - it is ours
        assert {"_rels/.rels", "word/document.xml", "word/styles.xml", "word/_rels/document.xml.rels"} <= set(parts)
        named = {name for override in parts["[Content_Types].xml"] if (name := override.get("PartName"))}
        assert {name.lstrip("/") for name in named} <= set(parts)
        rows = [
            ["".join(text.text or "" for text in cell.iter(f"{WORD}t")) for cell in row.iter(f"{WORD}tc")]
            for row in parts["word/document.xml"].iter(f"{WORD}tr")
        ]
        assert rows[0] == ["Code", "Description", "Quantity", "Unit price", "Amount"]
        assert rows[-1][-1] == "418,000.00"
        assert sum(round(100 * float(row[-1].replace(",", ""))) for row in rows[1:-1]) == 41_800_000
        styles = {style.get(f"{WORD}styleId") for style in parts["word/styles.xml"].iter(f"{WORD}style")}
        used = {style.get(f"{WORD}val") for style in parts["word/document.xml"].iter(f"{WORD}pStyle")}
        assert used <= styles
        folder = client.simulator.world.versions[urn].item.folder
        assert (folder.name, folder.hidden) == (f"COST Root Folder {home.id}", True)


async def test_what_is_refused(serve: Serve) -> None:
    async with serve() as client:
        home, concrete = project(client), association(client, "Concrete")
        alone = await client.get(path(home.id, concrete.id), user="BW9RM76WZBGL")
        assert alone.status == 403  # x-user-id does not replace a login
        assert alone.json["status"] == 403
        as_user(client, "data:read")
        for url, field in (
            (path(home.id), "associationId"),
            (path(home.id, "x"), "associationId"),
            (path(home.id, concrete.id, kind="Wall"), "associationType"),
            (f"/cost/v1/containers/{home.id}/documents?associationId={concrete.id}", "associationType"),
            (path(home.id, concrete.id, more="&filter[latest]=maybe"), "filter[latest]"),
            (path(f"b.{home.id}", concrete.id), "containerId"),
        ):
            answer = await client.get(url)
            assert answer.status == answer.json["status"] == 400
            assert {"title", "message", "detail"} <= set(answer.json)
            assert answer.json["errors"][0]["field"] == field
        missing = await client.get(path("18d97ae0-9484-11e8-a7ec-7ddae203e404", concrete.id))
        assert (missing.status, missing.json["status"]) == (404, 404)
        client.bearer = client.simulator.user_token("ZK7HV20CEWRN")
        assert (await client.get(path(home.id, concrete.id))).status == 403


async def test_containers(serve: Serve) -> None:
    cases: Any = (("both", 200, 200), ("project", 200, 404), ("container", 404, 200))
    for ids, project_id, container in cases:
        async with serve(behaviour=Behaviour(cost_container_ids=ids)) as client:
            as_user(client)
            home, concrete = project(client), association(client, "Concrete")
            assert home.id != home.cost.container
            assert (await client.get(path(home.id, concrete.id))).status == project_id
            assert (await client.get(path(home.cost.container, concrete.id))).status == container
            tower = project(client, "Harbour Tower")
            assert (await client.get(path(tower.id, concrete.id))).status == 200
            shown = await client.get(f"/project/v1/hubs/{home.hub.id}/projects/b.{home.id}")
            assert shown.json["data"]["relationships"]["cost"]["data"]["id"] == home.cost.container
            assert tower.cost.container == tower.id


async def test_switches(serve: Serve) -> None:
    behaviour = Behaviour(
        cost_two_legged_status=401,
        cost_single_object=True,
        cost_upper_case_ids=True,
        cost_error_info_on_completed=True,
        cost_folder_readable=False,
    )
    async with serve(behaviour=behaviour) as client:
        home, concrete = project(client), association(client, "Concrete")
        assert (await client.get(path(home.id, concrete.id))).status == 401
        as_user(client)
        one = (await client.get(path(home.id, concrete.id))).json
        assert isinstance(one, dict)
        assert one["associationId"] == concrete.id.upper() != concrete.id
        assert one["status"] == "Completed"
        assert set(one["errorInfo"]) == {"code", "message", "detail"}
        steel = association(client, "Steel")
        assert len((await client.get(path(home.id, steel.id))).json) == 2
        version = f"/data/v1/projects/b.{home.id}/versions/{quote(one['urn'], safe='')}"
        assert (await client.get(version)).status == 403


@pytest.mark.looptime
@pytest.mark.parametrize("ends", ["Completed", "Failed", "PendingSign", "Signed"])
async def test_states_over_time(serve: Serve, ends: str) -> None:
    tree = world({"status": "Pending", "ends": ends})
    async with serve(tree, virtual=True, behaviour=Behaviour(job_time=JobTime.fixed(90))) as client:
        as_user(client)
        url = path(project(client).id, association(client, "Concrete").id)

        async def look() -> Any:
            return (await client.get(url)).json[0]

        assert (await look())["status"] == "Pending"
        await asyncio.sleep(45)
        started = await look()
        assert (started["status"], started["urn"]) == ("Started", None)
        await asyncio.sleep(45)
        done = await look()
        assert done["status"] == ends
        assert (done["urn"] is None) == (ends == "Failed")
        assert done["updatedAt"] == "2025-06-15T15:08:10.250Z"
        if done["urn"]:
            version = f"/data/v1/projects/b.{project(client).id}/versions/{quote(done['urn'], safe='')}"
            assert (await client.get(version)).status == 200
        await asyncio.sleep(10)
        assert await look() == done
        job = client.simulator.counts()["jobs"][done["id"]]
        assert (job["kind"], job["polls"]) == ("cost", 4)


async def test_never_and_running_from_the_start(serve: Serve) -> None:
    tree = world({"status": "Started", "never": True}, {"status": "Pending", "template": "Other"})
    async with serve(tree, behaviour=Behaviour(job_time=JobPolls(3))) as client:
        as_user(client)
        url = path(project(client).id, association(client, "Concrete").id)
        words = [[one["status"] for one in (await client.get(url)).json] for _ in range(4)]
        assert [never for never, _ in words] == ["Started"] * 4
        assert [other for _, other in words] == ["Started", "Started", "Completed", "Completed"]


def attachment(client: Client, **more: Any) -> dict[str, Any]:
    concrete = association(client, "Concrete")
    body = {"type": "Document", "name": "New", "associationId": concrete.id, "associationType": "Budget"}
    return {**body, "templateId": next(iter(project(client).cost.templates)), **more}


async def test_an_attachment_with_a_template_starts_a_document(serve: Serve) -> None:
    shared = world({})
    for _ in range(2):  # a world may be served twice
        async with serve(shared, behaviour=Behaviour(job_time=JobPolls(4))) as client:
            as_user(client)
            home, concrete = project(client), association(client, "Concrete")
            before = (await client.get(path(home.id, concrete.id))).json
            posting = f"/cost/v1/containers/{home.id}/attachments"
            answer = await client.api("POST", posting, json=attachment(client))
            assert answer.status == 201
            assert (answer.json["status"], answer.json["type"]) == ("Pending", "Document")
            assert answer.json["urn"] is answer.json["pdfUrn"] is None
            words = []
            for _ in range(4):
                (document,) = (await client.get(path(home.id, concrete.id))).json  # the latest of this template
                words.append(document["status"])
            assert words == ["Pending", "Started", "Started", "Completed"]
            assert document["id"] == answer.json["id"] != before[0]["id"]
            assert document["urn"] not in (None, before[0]["urn"])
            assert document["recipientId"] == "BW9RM76WZBGL"
            version = f"/data/v1/projects/b.{home.id}/versions/{quote(document['urn'], safe='')}"
            assert (await client.get(version)).status == 200
            assert client.simulator.counts()["jobs_started"] == 1


async def test_attachments_that_are_not_documents_or_wrong(serve: Serve) -> None:
    async with serve(world({}), behaviour=NOW) as client:
        as_user(client)
        home, concrete = project(client), association(client, "Concrete")
        posting = f"/cost/v1/containers/{home.id}/attachments"
        reference = attachment(client, type="Reference", urn="urn:x")
        made = await client.api("POST", posting, json=reference)
        assert (made.status, made.json["urn"], made.json["status"]) == (201, "urn:x", None)
        assert len((await client.get(path(home.id, concrete.id))).json) == 1
        for change, field in (
            ({"name": ""}, "name"),
            ({"type": "Wish"}, "type"),
            ({"templateId": None}, "templateId"),
            ({"associationType": "Wall"}, "associationType"),
        ):
            answer = await client.api("POST", posting, json=attachment(client, **change))
            assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)
        assert (await client.api("POST", posting, data="[")).status == 400
        lost = attachment(client, associationId="18d97ae0-9484-11e8-a7ec-7ddae203e404")
        assert (await client.api("POST", posting, json=lost)).status == 404
        unknown = await client.api("POST", posting, json=attachment(client, templateId="nothing"))
        failed = next(d for d in (await client.get(path(home.id, concrete.id))).json if d["id"] == unknown.json["id"])
        assert (failed["status"], failed["errorInfo"]["code"]) == ("Failed", "missingTemplate")
        as_user(client, "data:read")
        assert (await client.api("POST", posting, json=attachment(client))).status == 403


@pytest.mark.looptime
async def test_published_budgets(serve: Serve) -> None:
    async with serve(world({}), virtual=True, behaviour=NOW) as client:
        as_user(client)
        home, concrete = project(client), association(client, "Concrete")
        url = path(home.id, concrete.id)
        assert [(await client.get(url)).status for _ in range(31)].count(200) == 30
        posting = f"/cost/v1/containers/{home.id}/attachments"
        answers = [await client.api("POST", posting, json=attachment(client)) for _ in range(51)]
        assert [answer.status for answer in answers].count(201) == 50


async def test_user_tokens_over_http(serve: Serve) -> None:
    async with serve() as client:
        home, concrete = project(client), association(client, "Concrete")
        answer = await client.call("POST", "/simulator/user-token", json={"scopes": "data:read"})
        client.bearer = answer.json["access_token"]
        assert (await client.get(path(home.id, concrete.id))).status == 200
        assert (await client.call("POST", "/simulator/user-token")).status == 200
        tower = await client.call("POST", "/simulator/user-token", json={"user": "ZK7HV20CEWRN"})
        client.bearer = tower.json["access_token"]
        assert (await client.get(path(home.id, concrete.id))).status == 403
        assert (await client.call("POST", "/simulator/user-token", json={"user": "?"})).status == 400
        assert (await client.call("POST", "/simulator/user-token", data="[]")).status == 400
        shown = (await client.call("GET", "/simulator/world")).json
        assert shown["defaultUser"] == "BW9RM76WZBGL"
        cost = shown["hubs"][0]["projects"][0]["cost"]
        assert {one["type"] for one in cost["associations"]} == {"Budget", "Contract", "SCO"}
        assert json.dumps(shown).count("Issued for Tender") > 1


def test_bad_worlds() -> None:
    for document, message in (
        ({"budgets": [{"documents": [{"status": "Done"}]}]}, r"documents\[0\].status: must be one of"),
        ({"budgets": [{"id": "a"}], "contracts": [{"id": "A"}]}, "has the id 'A', which something else has too"),
        ({"budget": []}, "unknown key 'budget'"),
        ([], "cost: must be an object, not a list"),
    ):
        with pytest.raises(WorldError, match=message):
            World.from_json({"hubs": [{"projects": [{"cost": document}]}]})


def test_behaviour_can_be_changed_while_it_runs() -> None:
    assert attrs.evolve(NOW, cost_single_object=True).cost_single_object


@pytest.mark.parametrize(
    ("region", "routes", "status"),
    [
        ("US", False, 200),
        ("EMEA", False, 200),
        ("EMEA", True, 404),
        ("US", True, 200),
        ("MARS", False, 400),
        ("us", False, 400),
    ],
)
async def test_the_region_header_is_read(serve: Serve, region: str, routes: bool, status: int) -> None:
    async with serve(behaviour=Behaviour(cost_region_routes=routes)) as client:
        as_user(client)
        steel = association(client, "Steel")
        answer = await client.get(path(project(client).id, steel.id), headers={"region": region})
        assert answer.status == status


async def test_a_switch_makes_every_call_a_conflict(serve: Serve) -> None:
    async with serve(behaviour=Behaviour(cost_conflict=True)) as client:
        as_user(client)
        answer = await client.get(path(project(client).id, association(client, "Steel").id))
        assert (answer.status, answer.json["status"], answer.json["title"]) == (409, 409, "Conflict")
