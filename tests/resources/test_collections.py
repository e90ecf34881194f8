"""Sheets in collections: none is left out, one can be chosen, and nothing that is ambiguous is picked silently."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from aps_async import (
    ExportOptions,
    ExportRequest,
    InputError,
    Session,
    export_many,
    export_project,
    files,
    list_sheets,
    sheets,
)
from aps_async.errors import NotFoundInProjectError
from aps_async.exports.project import get_sheet, list_collections, project_requests
from aps_async.models import Collection, ExportKind, SheetIdentity
from aps_async.resources import acc
from aps_async.resources.projects import find_project
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.transport.converter import request_from_json, request_to_json
from tests.documents import lying_in, texts_of
from tests.support import service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

EAST, WEST, TWIN_1, TWIN_2 = (f"c0000000-0000-4000-8000-00000000000{n}" for n in range(1, 5))
ISSUED = "Issued"
WORLD: dict[str, Any] = {
    "users": [{"id": "ADA"}],
    "hubs": [
        {
            "projects": [
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "collections": [{"id": EAST, "name": "East"}, {"id": WEST, "name": "West"}],
                    "versionSets": [{"name": "Only East", "collection": "East"}],
                    "sheets": [
                        {"number": "A-101", "title": "Plan", "versionSet": ISSUED},
                        {"number": "A-101", "title": "Plan", "versionSet": ISSUED, "collection": "East"},
                        {"number": "A-101", "title": "Roof", "versionSet": ISSUED, "collection": "West"},
                        {"number": "A-102", "title": "Cellar", "versionSet": "Only East", "collection": "East"},
                        {"number": "a-102", "title": "Attic", "versionSet": ISSUED, "collection": "West"},
                    ],
                    "folders": [{"name": "Project Files", "items": [{"type": "file", "name": "F.pdf"}]}],
                },
                {
                    "name": "Twins",
                    "projectType": "ACC",
                    "collections": [{"id": TWIN_1, "name": "Twin"}, {"id": TWIN_2, "name": "twin"}],
                },
                {"name": "Clinic", "folders": [{"name": "Plans", "sheets": 1}]},
            ]
        }
    ],
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(5))) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator, user_id="ADA") as opened:
        yield opened


def asked_for(simulator: Simulator, endpoint: str) -> list[dict[str, str]]:
    return [dict(parse_qsl(urlsplit(seen.path).query)) for seen in simulator.log if seen.endpoint == endpoint]


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, ["Plan", "Plan", "Roof", "Cellar", "Attic"]),
        ({"collection": "East"}, ["Plan", "Cellar"]),
        ({"collection": " wEST "}, ["Roof", "Attic"]),
        ({"collection": WEST.upper()}, ["Roof", "Attic"]),
        ({"collection": "East", "folder": ISSUED}, ["Plan"]),
        ({"folder": "only east"}, ["Cellar"]),
    ],
)
async def test_every_sheet_or_those_of_one_collection(
    session: Session, chosen: dict[str, Any], wanted: list[str]
) -> None:
    found = [sheet async for sheet in list_sheets(session, "Tower", **chosen)]
    assert [sheet.title for sheet in found] == wanted
    requests = [each async for each in project_requests(session, "Tower", **chosen)]
    assert [request.source_ids[0] for request in requests] == [sheet.id for sheet in found]


async def test_a_sheet_says_its_collection(simulator: Simulator, session: Session) -> None:
    found = [sheet async for sheet in list_sheets(session, "Tower")]
    assert [sheet.collection for sheet in found[:3]] == [
        None, Collection(id=EAST, name="East"), Collection(id=WEST, name="West"),
    ]  # fmt: skip
    assert [sheet.to_request().identity for sheet in found[:2]] == [
        SheetIdentity(number="A-101"), SheetIdentity(number="A-101", collection_id=EAST),
    ]  # fmt: skip
    assert [query["collectionId"] for query in asked_for(simulator, "sheets_list")] == ["*"]
    tower = await find_project(session, "Tower")
    sets = [each async for each in sheets.list_version_sets(session, tower.id)]
    assert [(each.name, each.collection and each.collection.name) for each in sets] == [
        ("Only East", "East"), (ISSUED, None), (ISSUED, "East"), (ISSUED, "West"),
    ]  # fmt: skip
    assert [each.name async for each in sheets.list_version_sets(session, tower.id, collection="East")] == [
        "Only East", ISSUED,
    ]  # fmt: skip


async def test_collections_are_listed(session: Session) -> None:
    found = [each async for each in list_collections(session, "Tower")]
    assert found == [Collection(id=EAST, name="East"), Collection(id=WEST, name="West")]


@pytest.mark.parametrize(
    ("project", "chosen", "words"),
    [
        ("Tower", {"collection": "North"}, "no collection 'North'; the project has East, West"),
        ("Twins", {"collection": "TWIN"}, f"2 collections are named 'TWIN'; give the id of one: {TWIN_1}, {TWIN_2}"),
        ("Tower", {"folder": ISSUED}, r"3 version sets are named 'Issued'; .*\(ungrouped\).*\(collection 'East'\)"),
        ("Tower", {"folder": "Only East", "collection": "West"}, "no version set 'Only East'; the project has Issued"),
    ],
)
async def test_what_is_unknown_or_ambiguous(session: Session, project: str, chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(NotFoundInProjectError, match=words):
        [sheet async for sheet in list_sheets(session, project, **chosen)]


async def test_a_number_in_several_collections_is_not_picked(session: Session) -> None:
    with pytest.raises(NotFoundInProjectError, match="Tower has 3 sheets 'A-101'; give the id of one") as caught:
        await get_sheet(session, "Tower", "A-101")
    listed = [sheet async for sheet in list_sheets(session, "Tower")]
    assert all(sheet.id in str(caught.value) for sheet in listed[:3])
    assert "(ungrouped)" in str(caught.value)
    assert "(collection 'West')" in str(caught.value)
    assert (await get_sheet(session, "Tower", listed[1].id.upper())).id == listed[1].id
    assert (await get_sheet(session, "Tower", "a-101", collection="West")).title == "Roof"
    assert [(await get_sheet(session, "Tower", each)).title for each in ("A-102", "a-102")] == ["Cellar", "Attic"]


async def test_a_collection_of_what_has_none_is_refused(simulator: Simulator, session: Session) -> None:
    words = "Clinic is a BIM 360 project, and only ACC .* have collections"
    with pytest.raises(InputError, match=words):
        [each async for each in list_collections(session, "Clinic")]
    with pytest.raises(InputError, match=words):
        [each async for each in list_sheets(session, "Clinic", collection="East")]
    with pytest.raises(InputError, match=words):
        await get_sheet(session, "Clinic", "A-101", collection="East")
    with pytest.raises(InputError, match=words):
        [each async for each in project_requests(session, "Clinic", collection="East")]
    with pytest.raises(InputError, match="collections contain sheets only"):
        [each async for each in project_requests(session, "Tower", what="files", collection="East")]
    assert not asked_for(simulator, "collections")
    assert not asked_for(simulator, "folder_contents")


async def test_a_whole_project_and_one_collection_as_files(session: Session, tmp_path: Path) -> None:
    for folder, collection, count in (("all", None, 5), ("east", "East", 2)):
        run = export_project(session, "Tower", tmp_path / folder, collection=collection)
        async with aclosing(run) as outcomes:
            assert all([outcome.ok async for outcome in outcomes])
        assert len(lying_in(tmp_path / folder)) == count


# ------------------------------------------------------------- revisions


def tower(revision: int, order: int = 1) -> World:
    """Sheets of one number and title in no collection and in two, each with a page that says whose it is."""
    return World.from_json(
        {
            "users": [{"id": "ADA"}],
            "hubs": [{"projects": [{
                "name": "Tower", "id": "6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d", "projectType": "ACC",
                "collections": [{"id": EAST, "name": "East"}, {"id": WEST, "name": "West"}],
                "sheets": [
                    {"number": "A-101", "title": "Plan", "page": page, "collection": where,
                     "id": f"{page}000000{revision}-0000-4000-8000-000000000001"}
                    for page, where in ((1, ""), (2, "East"), (3, "West"))
                ][::order],
            }]}],
        }
    )  # fmt: skip


def pages(revision: int) -> bytes:
    from io import BytesIO

    from reportlab.pdfgen.canvas import Canvas

    target = BytesIO()
    canvas = Canvas(target, pagesize=(400, 300))
    for whose in ("ungrouped", "East", "West"):
        canvas.drawString(40, 200, f"{whose} in revision {revision}")
        canvas.showPage()
    canvas.save()
    return target.getvalue()


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("order", [1, -1])
async def test_after_a_revision_each_file_holds_its_own_sheet(tmp_path: Path, order: int, one_by_one: bool) -> None:
    for revision in (1, 2, 3):
        world = tower(revision, 1 if revision == 1 else order)
        behaviour = Behaviour(job_time=JobTime.fixed(5))
        async with (
            service(world, pdf=pages(revision), behaviour=behaviour) as simulator,
            session_for(simulator, user_id="ADA") as session,
        ):
            requests = project_requests(session, "Tower")
            wanted = requests if one_by_one else [each async for each in requests]
            async with aclosing(export_many(session, wanted, tmp_path, ledger=True)) as outcomes:
                assert all([outcome.ok async for outcome in outcomes])
        assert {name: [text.strip() for text in texts_of(tmp_path / name)] for name in lying_in(tmp_path)} == {
            "A-101 - Plan.pdf": [f"ungrouped in revision {revision}"],
            "A-101 - Plan (2).pdf": [f"East in revision {revision}"],
            "A-101 - Plan (3).pdf": [f"West in revision {revision}"],
        }


def test_the_identity_goes_through_json_and_older_texts_have_none() -> None:
    request = ExportRequest(
        kind=ExportKind.SHEETS,
        project_id="p",
        source_ids=("s",),
        identity=SheetIdentity(number="A", collection_id=EAST),
    )
    assert json.loads(request_to_json(request))["identity"] == {"number": "A", "collectionId": EAST}
    assert request_from_json(request_to_json(request)) == request
    assert request_from_json('{"kind":"acc-sheets","projectId":"p","subjects":["s"]}').identity is None


# --------------------------------------------------------- asset markups


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (ExportOptions(), None),
        (ExportOptions(issue_markups=True), None),
        (
            ExportOptions(asset_markups=True),
            {"includePublishedMarkups": True, "includeUnpublishedMarkups": False},
        ),
        (
            ExportOptions(unpublished_asset_markups=True),
            {"includePublishedMarkups": False, "includeUnpublishedMarkups": True},
        ),
    ],
)
async def test_asset_markups_are_sent_only_on_request(
    simulator: Simulator, session: Session, options: ExportOptions, sent: dict[str, bool] | None
) -> None:
    sheet = await get_sheet(session, "Tower", "A-102")
    await sheets.start_export(session, sheet.project_id, [sheet.id], options=options)
    [job] = simulator.acc_jobs.by_id.values()
    expected = sent or {"includePublishedMarkups": False, "includeUnpublishedMarkups": False}
    assert [job.options.published_assets, job.options.unpublished_assets] == list(expected.values())
    body = acc.body_options(options)
    assert body.get("assetMarkups") == sent


async def test_asset_markups_never_go_to_files(simulator: Simulator, session: Session) -> None:
    urn = simulator.world.hubs[0].projects[0].folders[0].items[0].tip.id
    options = ExportOptions(asset_markups=True)
    project = await find_project(session, "Tower")
    by_hand = ExportRequest(kind=ExportKind.FILES, project_id=project.id, source_ids=(urn,), options=options)
    words = "exports of ACC Files have no asset markups, only those of sheets do"
    with pytest.raises(InputError, match=words):
        await files.start_export(session, project.id, [urn], options=options)
    with pytest.raises(InputError, match=words):
        await files.start(session, by_hand)
    with pytest.raises(InputError, match=words):
        [each async for each in project_requests(session, "Tower", what="files", options=options)]
    assert not simulator.acc_jobs.by_id
    assert not asked_for(simulator, "folder_contents")
