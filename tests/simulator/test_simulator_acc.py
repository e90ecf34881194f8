"""ACC: version sets, sheets, and exports of sheets and files."""

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pypdfium2
import pytest

from aps_async.simulator import Behaviour, JobPolls, JobTime, World
from aps_async.simulator.parts import Project
from tests.simulator.conftest import Answer, Client, Serve

ADA, TOWER = "BW9RM76WZBGL", "ZK7HV20CEWRN"
NOW = Behaviour(job_time=JobPolls(0))
ALL = {"includePublishedMarkups": True, "includeUnpublishedMarkups": True}
NONE = {"includePublishedMarkups": False, "includeUnpublishedMarkups": False}
SCOPES = "data:read data:write"


def project(client: Client) -> Project:
    return next(p for p in client.simulator.world.projects.values() if p.kind == "ACC")


def sheets_path(client: Client, tail: str = "exports") -> str:
    return f"/construction/sheets/v1/projects/b.{project(client).id}/{tail}"


def files_path(client: Client, tail: str = "exports") -> str:
    return f"/construction/files/v1/projects/{project(client).id}/{tail}"


def urn(client: Client, name: str) -> str:
    return next(
        item.tip.id
        for item in client.simulator.world.items.values()
        if item.name == name and item.folder.project is project(client)
    )


def texts(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    return [document[i].get_textpage().get_text_range() for i in range(len(document))]


async def finish(client: Client, path: str, body: Any, user: str = ADA) -> Any:
    """Start an export, ask for its state, and give the whole answer."""
    start = await client.api("POST", path, user=user, json=body)
    assert start.status == 202, start.body
    assert start.json == {"id": start.json["id"], "status": "processing"}
    return (await client.get(f"{path}/{start.json['id']}", user=user)).json


async def result(client: Client, path: str, body: Any, user: str = ADA) -> Answer:
    answer = await client.call("GET", (await finish(client, path, body, user))["result"]["output"]["signedUrl"])
    assert answer.status == 200
    return answer


def file_world(*items: Any, **more: Any) -> World:
    folder = {"name": "Project Files", "items": [{"type": "file", **item} for item in items]}
    return World.from_json({"hubs": [{"projects": [{"projectType": "ACC", "folders": [folder], **more}]}]})


COLLECTION = "Building Services"
SAMPLE = {  # the documentation's sample: every field, with its type
    "id": str, "number": str, "versionSet": dict, "createdAt": str, "createdBy": str, "createdByName": str,
    "updatedAt": str, "updatedBy": str, "updatedByName": str, "title": str, "uploadFileName": str, "uploadId": str,
    "tags": list, "paperSize": list, "isCurrent": bool, "deleted": bool, "deletedAt": str, "deletedBy": str,
    "deletedByName": str, "viewable": dict, "collection": dict | None,
}  # fmt: skip


async def test_sheets_are_listed_by_filter(serve: Serve) -> None:
    async with serve(login=True) as client:
        [services] = (await client.get(sheets_path(client, "collections"))).json["results"]
        [tender, build] = (await client.get(sheets_path(client, "version-sets"))).json["results"]
        assert [one["name"] for one in (tender, build)] == ["Issued for Tender", "Issued for Construction"]
        assert tender["issuanceDate"] == "2024-02-12"
        ungrouped = [f"T-10{n}" for n in (1, 2, 3, 4)] + ["T-201", "T-202", "T-301", "S-101", "S-102", "S-201"]
        ungrouped += ["M-101", "E-101"]
        for query, wanted in (
            ("", ungrouped),
            ("collectionId=*", [*ungrouped, "V-101", "V-201"]),
            (f"collectionId={services['id']}", ["V-101", "V-201"]),
            (f"collectionId={uuid4()}", []),
            ("currentOnly=false", [*ungrouped, "T-101", "T-102", "T-103"]),
            (f"filter[versionSetId]={tender['id']}", ["T-101", "T-102", "T-103"]),
            (f"filter[versionSetId]={tender['id']}&currentOnly=true", []),
            ("filter[tags]=Lobby", ["T-101", "E-101"]),
            ("filter[tags]=Structure&filter[tags]=Core", ["T-301", "S-101", "S-102", "S-201"]),
            ("filter[tags]=Structure,Core", []),
            ("filter[tags]=Structure&filter%5Btags%5D=Core&withAllTags=true", ["S-101"]),
            ("filter[tags]=__UNTAGGED", []),
            ("filter[tags]=__UNTAGGED&collectionId=*", ["V-101", "V-201"]),
            ("filter[tags]=__UNTAGGED&filter[tags]=Facade&collectionId=*", ["T-201", "T-202", "V-101", "V-201"]),
            ("filter[tags]=__UNTAGGED&filter[tags]=Facade&collectionId=*&withAllTags=true", []),
            ("searchText=Elevation", ["T-201", "T-202"]),
            ("searchText=elevation", []),
            ("searchText=S-1", ["S-101", "S-102"]),
            ("isDeleted=true", ["T-902"]),
        ):
            answer = await client.get(sheets_path(client, f"sheets?{query}"))
            assert (answer.status, [sheet["number"] for sheet in answer.json["results"]]) == (200, wanted), query
        bad = ("limit=101", "limit=0", "offset=-1", "currentOnly=1", "fields=nothing", "fields=id,number")
        for query in (*bad, "collectionId=Services", "collectionId="):
            answer = await client.get(sheets_path(client, f"sheets?{query}"))
            assert (answer.status, answer.json["title"]) == (400, "ERR_BAD_INPUT"), query


async def test_a_sheet_has_every_field_of_the_sample(serve: Serve) -> None:
    async with serve(login=True) as client:
        query = "sheets?collectionId=*&currentOnly=false"
        found = (await client.get(sheets_path(client, query))).json["results"]
        found += (await client.get(sheets_path(client, f"{query}&isDeleted=true"))).json["results"]
        for one in found:
            assert list(one) == list(SAMPLE)
            assert all(isinstance(one[name], kind) for name, kind in SAMPLE.items()), one
            assert one["viewable"]["urn"].startswith("urn:adsk.bimdocs:seed:")
            assert one["paperSize"] == [1000, 600]
            assert bool(one["deletedAt"] and one["deletedBy"] and one["deletedByName"]) is one["deleted"]
        assert {one["collection"]["name"] if one["collection"] else None for one in found} == {None, COLLECTION}
        few = (await client.get(sheets_path(client, "sheets?fields=number&fields=isCurrent&limit=1"))).json["results"]
        assert few == [{"id": found[0]["id"], "number": "T-101", "isCurrent": True}]


async def test_the_newest_issue_of_a_number_is_current_in_each_collection(serve: Serve) -> None:
    sets = [{"name": "Old", "issuanceDate": "2024-01-01"}, {"name": "To come", "issuanceDate": "2999-01-01"}]
    sheets = [
        {"number": "1", "versionSet": "Old"},
        {"number": "1", "versionSet": "To come"},
        {"number": "1", "versionSet": "Old", "collection": "Annex"},
        {"number": "2", "versionSet": "Old"},
    ]
    async with serve(file_world(versionSets=sets, sheets=sheets)) as client:
        found = (await client.get(sheets_path(client, "sheets?collectionId=*"))).json["results"]
        assert [(each["number"], each["versionSet"]["name"]) for each in found] == [
            ("1", "To come"), ("1", "Old"), ("2", "Old"),
        ]  # fmt: skip


async def test_collections_and_the_version_sets_in_them(serve: Serve) -> None:
    async with serve(login=True) as client:
        page = (await client.get(sheets_path(client, "collections"))).json
        [one] = page["results"]
        assert one["name"] == COLLECTION
        assert page["pagination"] == {"limit": 200, "offset": 0, "previousUrl": "", "nextUrl": "", "totalResults": 1}
        assert (await client.get(sheets_path(client, f"collections/{one['id']}"))).json == one
        missing = await client.get(sheets_path(client, f"collections/{uuid4()}"))
        assert (missing.status, missing.json["title"]) == (404, "ERR_RESOURCE_NOT_EXIST")
        tender, build, services = "Issued for Tender", "Issued for Construction", "Issued for Coordination"
        for query, wanted in (
            ("", [tender, build]),
            ("collectionId=*", [tender, build, services]),
            (f"collectionId={one['id']}", [services]),
            ("collectionId=*&sort=issuanceDate%20desc", [services, build, tender]),
            ("collectionId=*&sort=name+asc", [build, services, tender]),
        ):
            answer = await client.get(sheets_path(client, f"version-sets?{query}"))
            assert [each["name"] for each in answer.json["results"]] == wanted, query
            assert answer.json["pagination"]["limit"] == 200
        for bad in ("sort=size", "sort=name%20up", "limit=201"):
            assert (await client.get(sheets_path(client, f"version-sets?{bad}"))).status == 400, bad


async def test_sheets_by_id_from_every_collection(serve: Serve) -> None:
    async with serve(login=True) as client:
        ids = [one.id for one in project(client).sheets if one.number in ("V-201", "T-901", "S-101")][::-1]
        path = sheets_path(client, "sheets:batch-get")
        answer = await client.api("POST", path, json={"ids": [*ids, str(uuid4())]})
        assert [one["number"] for one in answer.json["results"]] == ["V-201", "S-101"], "T-901 is not published"
        assert (await client.api("POST", path, json={"ids": []})).status == 400


async def test_pages_of_sheets_follow_absolute_and_relative_links(serve: Serve) -> None:
    async with serve(World.acc(sheets=230)) as client:
        url, styles, found = sheets_path(client, "sheets?currentOnly=true&filter%5Btags%5D="), [], []
        while url:
            page = (await client.get(url)).json
            found += [sheet["id"] for sheet in page["results"]]
            assert page["pagination"]["totalResults"] == 230
            url = page["pagination"]["nextUrl"]
            styles.append(url[:4])
        assert styles == ["http", "/con", ""]
        assert found == [sheet.id for sheet in project(client).sheets]
        page = (await client.get(sheets_path(client, "sheets?filter[tags]=__UNTAGGED&fields=id&fields=title"))).json
        second = (await client.get(page["pagination"]["nextUrl"])).json
        assert [list(each) for each in second["results"]] == [["id", "title"]] * 100
        assert (await client.get(second["pagination"]["previousUrl"])).json == page
        assert page["pagination"]["previousUrl"] == ""


async def test_sheets_become_one_pdf_in_the_asked_order(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        await client.login(SCOPES)
        sheets = [sheet for sheet in project(client).sheets if sheet.published and not sheet.deleted][:4][::-1]
        body = {"sheets": [sheet.id for sheet in sheets], "options": {"standardMarkups": NONE}}
        pdf = await result(client, sheets_path(client), body)
        assert pdf.headers["Content-Type"] == "application/pdf"
        pages = texts(pdf.body)
        assert len(pages) == 4
        for page, sheet in zip(pages, sheets, strict=True):
            assert sheet.number in page
            assert sheet.title in page
            assert "arkup" not in page
        again = await result(client, sheets_path(client), body)
        assert again.body == pdf.body
        assert len(client.simulator.acc_jobs.by_id) == 2  # every start is another job


async def test_every_option_shows_with_a_text_of_its_own(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        await client.login(SCOPES)
        sheet = project(client).sheets[0].id
        shown = {
            "Published markup:": {"standardMarkups": {**NONE, "includePublishedMarkups": True}},
            "Unpublished markup of Ada Brandt": {"standardMarkups": {**NONE, "includeUnpublishedMarkups": True}},
            "Markup link:": {"standardMarkups": {**ALL, "includeMarkupLinks": True}},
            "Published issue": {"issueMarkups": {"includePublishedMarkups": True}},
            "Unpublished issue of Ada Brandt": {"issueMarkups": {"includeUnpublishedMarkups": True}},
            "Published photo": {"photoMarkups": {"includePublishedMarkups": True}},
            "Unpublished photo of Ada Brandt": {"photoMarkups": {"includeUnpublishedMarkups": True}},
            "Published asset": {"assetMarkups": {"includePublishedMarkups": True}},
            "Unpublished asset of Ada Brandt": {"assetMarkups": {"includeUnpublishedMarkups": True}},
        }
        everything: dict[str, dict[str, bool]] = {}
        for options in shown.values():
            for group, flags in options.items():
                everything[group] = {**everything.get(group, {}), **{key: True for key, on in flags.items() if on}}
        everything["standardMarkups"] = {**ALL, "includeMarkupLinks": True}
        plain = texts((await result(client, sheets_path(client), {"sheets": [sheet]})).body)[0]
        assert [text for text in shown if text in plain] == list(shown)[:2]  # the documented defaults
        full = texts((await result(client, sheets_path(client), {"sheets": [sheet], "options": everything})).body)[0]
        assert all(text in full for text in shown)
        for text, options in shown.items():
            page = texts((await result(client, sheets_path(client), {"sheets": [sheet], "options": options})).body)[0]
            assert text in page
        forced = {"standardMarkups": {**NONE, "includeMarkupLinks": True}}
        page = texts((await result(client, sheets_path(client), {"sheets": [sheet], "options": forced})).body)[0]
        assert "Markup link" not in page  # no links without markups


async def test_what_is_unknown_in_a_start_is_ignored_with_a_warning(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    plain = {"standardMarkups": NONE}
    unknown = {"newMarkups": ALL, "issueMarkups": {**NONE, "includeAll": True}, "standardMarkups": NONE}
    async with serve(file_world({"name": "a.pdf"}, sheets=1), behaviour=NOW) as client:
        await client.login(SCOPES)
        for path, ids in (
            (files_path(client), {"fileVersions": [urn(client, "a.pdf")]}),
            (sheets_path(client), {"sheets": [project(client).sheets[0].id]}),
        ):
            user = next(iter(client.simulator.world.users.values())).id
            known = await result(client, path, {**ids, "options": plain}, user)
            caplog.clear()
            odd = await result(client, path, {**ids, "options": unknown, "jobName": "x"}, user)
            assert texts(odd.body) == texts(known.body)
            words = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
            assert {each.split("'")[1] for each in words} == {"jobName", "newMarkups", "includeAll"}
        caplog.clear()
        body = {"fileVersions": [urn(client, "a.pdf")], "options": {**plain, "assetMarkups": ALL}}
        assert "asset" not in texts((await result(client, files_path(client), body, user)).body)[0]
        assert "ignored 'assetMarkups'" in caplog.text, "only sheets have them"


async def test_a_given_pdf_is_what_the_sheets_are(serve: Serve, tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 300))
    for i in range(15):
        canvas.drawString(40, 200, f"given page {i + 1}")
        canvas.showPage()
    canvas.save()
    async with serve(pdf=buffer.getvalue(), behaviour=NOW) as client:
        await client.login(SCOPES)
        body = {"sheets": [project(client).sheets[i].id for i in (2, 0)]}
        pages = texts((await result(client, sheets_path(client), body)).body)
        assert ["given page 3" in pages[0], "given page 1" in pages[1]] == [True, True]
        assert "Published markup" in pages[0]


async def test_one_pdf_stays_a_pdf_and_several_files_become_a_zip(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        await client.login(SCOPES)
        one = {"fileVersions": [urn(client, "Facade_Package.pdf")], "options": {"outputFileName": "Façade A"}}
        pdf = await result(client, files_path(client), one)
        assert len(texts(pdf.body)) == 3
        assert pdf.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Fa%C3%A7ade%20A.pdf"
        names = ("Facade_Package.pdf", "Level_05.dwg", "Core.rvt")
        twins = [i.tip.id for i in client.simulator.world.items.values() if i.name == "T-01.pdf"]
        body = {"fileVersions": [*twins, *(urn(client, name) for name in names)], "options": {"outputFileName": "Set"}}
        archive = await result(client, files_path(client), body)
        assert archive.headers["Content-Type"] == "application/zip"
        assert archive.headers["Content-Disposition"] == 'attachment; filename="Set.zip"'
        with zipfile.ZipFile(io.BytesIO(archive.body)) as opened:
            assert opened.testzip() is None
            pdfs = ["T-01.pdf", "T-01 (2).pdf", "Facade_Package.pdf", "Level_05.pdf", "Core.pdf"]
            assert opened.namelist() == pdfs
            assert [len(texts(opened.read(name))) for name in pdfs] == [1, 1, 3, 1, 2]
        assert (await result(client, files_path(client), body)).body == archive.body
        single = await result(client, files_path(client), {"fileVersions": [urn(client, "Level_05.dwg")]})
        assert single.body.startswith(b"PK")


async def test_files_that_cannot_be_exported_are_named(serve: Serve) -> None:
    items = [
        {"name": "a.pdf"},
        {"name": "b.rvt", "noViews": True},
        {"name": "c.DWG", "unprocessed": True},
        {"name": "d.pdf", "fails": True},
    ]
    async with serve(file_world(*items), behaviour=NOW) as client:
        await client.login(SCOPES)
        path = files_path(client)
        good, views, raw, fails = [item.tip.id for item in client.simulator.world.items.values()]
        done = await finish(client, path, {"fileVersions": [good, views, raw]})
        assert done["status"] == "partialSuccess"
        failed = done["result"]["output"]["failedFiles"]
        assert [entry["id"] for entry in failed] == [views, raw]
        words = "This file does not contain any 2d pdf files or still under processing."
        assert {(entry["reason"], entry["detail"]) for entry in failed} == {("ERR_NO_PROCESSABLE_FILES", words)}
        archive = await client.call("GET", done["result"]["output"]["signedUrl"])
        assert zipfile.ZipFile(io.BytesIO(archive.body)).namelist() == ["a.pdf"]
        nothing = await finish(client, path, {"fileVersions": [views, raw]})
        assert nothing["status"] == "failed"
        assert nothing["result"]["error"]["title"] == "ERR_NO_PROCESSABLE_FILES"
        assert isinstance(nothing["result"]["error"]["code"], str)
        broken = await finish(client, path, {"fileVersions": [fails]})
        assert broken["result"]["error"]["title"] == "ERR_INTERNAL_SERVER_ERROR"


async def test_starts_that_are_refused(serve: Serve) -> None:
    items = [{"name": "a.pdf"}, {"name": "n.txt"}, {"name": "big.rvt", "size": 11 * 1024**3}]
    sheets = [{"number": "1"}, {"number": "2", "published": False}, {"number": "3", "deleted": True}]
    async with serve(file_world(*items, sheets=sheets)) as client:
        await client.login(SCOPES)
        pdf, text, big = [item.tip.id for item in client.simulator.world.items.values()]
        one, draft, gone = [sheet.id for sheet in project(client).sheets]
        files, page = files_path(client), sheets_path(client)
        longer = {"outputFileName": "x" * 256}
        for path, body, status, title in (
            (files, {"fileVersions": [big, pdf]}, 422, "ERR_FILES_TOO_LARGE"),
            (files, {"fileVersions": [text]}, 400, "ERR_BAD_INPUT"),
            (files, {"fileVersions": ["urn:nothing"]}, 404, "ERR_RESOURCE_NOT_EXIST"),
            (files, {"fileVersions": []}, 400, "ERR_BAD_INPUT"),
            (files, {"fileVersions": [pdf, pdf]}, 400, "ERR_BAD_INPUT"),
            (files, {"fileVersions": [f"u{i}" for i in range(201)]}, 400, "ERR_BAD_INPUT"),
            (files, {"fileVersions": [pdf], "options": {"photoMarkups": []}}, 400, "ERR_BAD_INPUT"),
            (files, {"fileVersions": [pdf], "options": {"issueMarkups": dict.fromkeys(ALL, 1)}}, 400, "ERR_BAD_INPUT"),
            (
                page,
                {"sheets": [one], "options": {"assetMarkups": {"includePublishedMarkups": 1}}},
                400,
                "ERR_BAD_INPUT",
            ),
            (page, {"sheets": [draft]}, 400, "ERR_BAD_INPUT"),
            (page, {"sheets": [gone]}, 404, "ERR_RESOURCE_NOT_EXIST"),
            (page, {"sheets": [str(i) for i in range(1001)]}, 400, "ERR_BAD_INPUT"),
            (page, {"sheets": [one], "options": longer}, 400, "ERR_BAD_INPUT"),
            (page, {"sheets": [one], "options": {"outputFileName": "a/b"}}, 400, "ERR_BAD_INPUT"),
        ):
            answer = await client.api("POST", path, user=ADA, json=body)
            assert (answer.status, answer.json["title"]) == (status, title), body
            assert answer.json["code"] == str(status)
            assert answer.json["detail"]
        assert (await client.api("POST", files, user=ADA, data="{}")).status == 400
        assert (await client.api("POST", files, user=ADA, json=[1])).status == 400


async def test_users_and_scopes(serve: Serve) -> None:
    async with serve() as client:
        body = {"sheets": [project(client).sheets[0].id]}
        start = await client.api("POST", sheets_path(client), user=ADA, json=body)
        assert start.status == 403  # data:read does not start anything here
        await client.login(SCOPES)
        nobody = await client.api("POST", sheets_path(client), json=body)
        assert (nobody.status, nobody.json["title"]) == (400, "ERR_BAD_INPUT")
        assert "user id is required" in nobody.json["detail"]
        stranger = await client.api("POST", sheets_path(client), user="NOBODY", json=body)
        assert (stranger.status, stranger.json["title"]) == (404, "ERR_RESOURCE_NOT_EXIST")
        start = await client.api("POST", sheets_path(client), user=ADA, json=body)
        job = f"{sheets_path(client)}/{start.json['id']}"
        assert (await client.get(job)).status == 400
        assert (await client.get(job, user=TOWER)).status == 403
        acc_id = client.simulator.world.users[ADA].acc_id
        assert (await client.get(job, user=acc_id)).status == 200
        client.bearer = client.simulator.user_token(ADA)
        assert (await client.get(job)).status == 200
        client.bearer = client.simulator.user_token(TOWER)
        assert (await client.get(job, user=ADA)).status == 403  # the header means nothing beside a user's token
        assert (await client.get(files_path(client, f"exports/{start.json['id']}"))).status == 404
        clinic = next(p for p in client.simulator.world.projects.values() if p.kind == "BIM360")
        client.bearer = client.simulator.user_token(ADA)
        path = f"/construction/files/v1/projects/{clinic.id}/exports"
        assert (await client.api("POST", path, json={})).status == 404
        assert (await client.api("POST", path.replace(clinic.id, "x"), json={})).status == 400
        assert [seen.headers.get("x-user-id") for seen in client.simulator.log][-4] == ADA


@pytest.mark.parametrize("status", [403, 404])
async def test_switches(serve: Serve, status: int) -> None:
    behaviour = Behaviour(
        job_time=JobPolls(2),
        acc_result_place="result",
        acc_initiator_status=status,
        acc_errors="list",
        not_acc_status=400,
        not_found_after_start=1,
    )
    async with serve(behaviour=behaviour) as client:
        await client.login(SCOPES)
        body = {"sheets": [project(client).sheets[0].id]}
        start = (await client.api("POST", sheets_path(client), user=ADA, json=body)).json
        job = f"{sheets_path(client)}/{start['id']}"
        assert [(await client.get(job, user=ADA)).status for _ in range(2)] == [404, 200]
        done = (await client.get(job, user=ADA)).json
        assert done["status"] == "successful"
        assert (await client.call("GET", done["result"]["signedUrl"])).status == 200
        other = await client.get(job, user=TOWER)
        assert other.status == status
        assert other.json["errors"][0]["title"] == {403: "ERR_NOT_ALLOWED", 404: "ERR_RESOURCE_NOT_EXIST"}[status]


@pytest.mark.looptime
async def test_an_hour_from_the_end_of_the_job_and_no_longer(serve: Serve) -> None:
    async with serve(virtual=True, behaviour=Behaviour(job_time=JobTime.fixed(60))) as client:
        await client.login(SCOPES)
        body = {"sheets": [project(client).sheets[0].id], "options": {"outputFileName": "Set"}}
        start = (await client.api("POST", sheets_path(client), user=ADA, json=body)).json
        job = f"{sheets_path(client)}/{start['id']}"
        await asyncio.sleep(59)
        assert (await client.get(job, user=ADA)).json == {"id": start["id"], "status": "processing"}
        await asyncio.sleep(1)
        url = (await client.get(job, user=ADA)).json["result"]["output"]["signedUrl"]
        query = parse_qs(urlsplit(url).query)
        assert {"AWSAccessKeyId", "Signature", "Expires", "response-content-disposition"} <= set(query)
        await asyncio.sleep(3500)
        await client.login(SCOPES)
        assert (await client.call("GET", url)).status == 200
        assert (await client.get(url)).status == 400  # not with a bearer
        assert (await client.call("GET", url.replace("filename", "filenamf"))).code == "SignatureDoesNotMatch"
        await asyncio.sleep(102)
        again = (await client.get(job, user=ADA)).json["result"]["output"]["signedUrl"]
        assert again == url
        late = await client.call("GET", url)
        assert (late.status, late.code) == (403, "AccessDenied")
        assert b"Request has expired" in late.body
        assert client.simulator.counts()["expired_urls_opened"] == 1


@pytest.mark.looptime
@pytest.mark.parametrize("item", [{}, {"never": True}])
async def test_a_workflow_is_given_up_after_half_an_hour(serve: Serve, item: Any) -> None:
    job_time = JobPolls(1) if item else JobTime.fixed(1900)
    world = file_world({"name": "a.pdf", **item})
    async with serve(world, virtual=True, speed=10, behaviour=Behaviour(job_time=job_time)) as client:
        await client.login(SCOPES)
        body = {"fileVersions": [urn(client, "a.pdf")]}
        start = (await client.api("POST", files_path(client), user=ADA, json=body)).json
        job = f"{files_path(client)}/{start['id']}"
        await asyncio.sleep(179)
        assert (await client.get(job, user=ADA)).json["status"] == "processing"
        await asyncio.sleep(1)
        done = (await client.get(job, user=ADA)).json
        assert done["status"] == "failed"
        assert done["result"]["error"]["title"] == "ERR_WORKFLOW_TIMEOUT"


@pytest.mark.looptime
async def test_published_budgets(serve: Serve) -> None:
    async with serve(World.acc(files=1, sheets=1), virtual=True, behaviour=NOW) as client:
        await client.login(SCOPES)
        bodies = {
            files_path(client): {"fileVersions": [urn(client, "F-0001.pdf")]},
            sheets_path(client): {"sheets": [project(client).sheets[0].id]},
        }
        for path, polls in ((files_path(client), 200), (sheets_path(client), 100)):
            starts = [await client.api("POST", path, user=ADA, json=bodies[path]) for _ in range(101)]
            assert [answer.status for answer in starts].count(202) == 100
            job = f"{path}/{starts[0].json['id']}"
            assert [(await client.get(job, user=ADA)).status for _ in range(polls + 1)].count(200) == polls
        for path in (sheets_path(client, "sheets"), sheets_path(client, "version-sets")):
            assert [(await client.get(path)).status for _ in range(101)].count(200) == 100
        counts = client.simulator.counts()
        assert counts["jobs_started"] == 200
        assert {job["kind"] for job in counts["jobs"].values()} == {"acc_files", "acc_sheets"}
        names = ("files_export_start", "files_export_status", "sheets_export_start", "sheets_export_status")
        assert all(counts["endpoints"][name]["429"] == 1 for name in (*names, "sheets_list", "version_sets"))


async def test_faults_reach_the_new_endpoints(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        await client.login(SCOPES)
        rules = [
            {"endpoint": "sheets_export_start", "status": 500, "after_effect": True, "times": 1},
            {"endpoint": "signed_get", "kind": "changed", "nth": [2]},
        ]
        assert (await client.call("POST", "/simulator/faults", json=rules)).status == 200
        body = {"sheets": [project(client).sheets[0].id]}
        assert (await client.api("POST", sheets_path(client), user=ADA, json=body)).status == 500
        assert len(client.simulator.acc_jobs.by_id) == 1
        url = (await finish(client, sheets_path(client), body))["result"]["output"]["signedUrl"]
        first, second = [await client.call("GET", url) for _ in range(2)]
        assert first.headers["ETag"] != second.headers["ETag"]
        assert "Rev 1.1" in texts(second.body)[0]
        part = await client.call("GET", url, headers={"Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, second.body[10:20])


@pytest.mark.parametrize("kind", ["traversal", "bad_crc", "bomb", "bomb_deflate"])
async def test_archives_nobody_should_trust(serve: Serve, kind: Any) -> None:
    async with serve(World.acc(files=3), behaviour=Behaviour(job_time=JobPolls(0), acc_zip=kind)) as client:
        await client.login(SCOPES)
        body = {"fileVersions": [item.tip.id for item in client.simulator.world.items.values()]}
        archive = await result(client, files_path(client), body)
        with zipfile.ZipFile(io.BytesIO(archive.body)) as opened:
            if kind == "traversal":
                assert opened.namelist() == ["F-0001.pdf", "F-0002.pdf", "F-0003.pdf", "../../x"]
                assert opened.testzip() is None
            elif kind == "bad_crc":
                assert opened.testzip() == "F-0003.pdf"
            else:
                least = 40_000 if kind == "bomb" else 1_300_000
                assert least < len(archive.body) < 1.1 * least
                expanded = sum(info.file_size for info in opened.infolist())
                assert expanded >= (10 << 30 if kind == "bomb" else 1200 << 20)
                with opened.open(opened.namelist()[-1]) as entry:  # it is really in there
                    assert entry.read(1 << 20) == bytes(1 << 20)


async def test_large_projects(serve: Serve) -> None:
    world = World.acc(files=450, sheets=2300)
    assert len(project_of(world).sheets) == len({sheet.number for sheet in project_of(world).sheets}) == 2300
    async with serve(world, behaviour=NOW) as client:
        await client.login(SCOPES)
        body = {"fileVersions": [item.tip.id for item in list(world.items.values())[:200]]}
        archive = await result(client, files_path(client), body)
        assert len(zipfile.ZipFile(io.BytesIO(archive.body)).namelist()) == 200
        pdf = await result(client, sheets_path(client), {"sheets": [s.id for s in project_of(world).sheets[:300]]})
        assert len(pypdfium2.PdfDocument(pdf.body)) == 300


def project_of(world: World) -> Project:
    return next(iter(world.projects.values()))
