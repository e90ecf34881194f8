"""What a page of a folder may hold instead of what is documented: every sheet comes, or is named."""

from typing import Any

import pytest
from aiohttp import web

from aps_async import Project, Session, StaticToken, list_sheets
from aps_async.errors import DecodeError
from aps_async.models import LeftOut
from tests.support import served

pytestmark = pytest.mark.looptime

PROJECT = Project(id="b.5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18", name="P", hub_id="b.h", project_type="BIM360")
FOLDER = {
    "type": "folders",
    "id": "urn:adsk.wipprod:fs.folder:co.F",
    "attributes": {"name": "Plans", "extension": {"type": "folders:x", "data": {"actions": ["SPLIT"]}}},
}
ITEM, VERSION = "urn:adsk.wipprod:dm.lineage:{:022d}", "urn:adsk.wipprod:fs.file:vf.{:022d}?version=1"
DOCUMENT = "{}:autodesk.bim360:Document"


def item(number: int) -> dict[str, Any]:
    return {
        "type": "items",
        "id": ITEM.format(number),
        "attributes": {"displayName": f"A-{number}", "extension": {"type": DOCUMENT.format("items"), "data": {}}},
        "relationships": {"tip": {"data": {"type": "versions", "id": VERSION.format(number)}}},
    }


def version(number: int) -> dict[str, Any]:
    data = {"sourceFileName": "a.pdf", "processState": "PROCESSING_COMPLETE"}
    return {
        "type": "versions",
        "id": VERSION.format(number),
        "attributes": {
            "name": f"A-{number}",
            "versionNumber": 1,
            "extension": {"type": DOCUMENT.format("versions"), "data": data},
        },
    }


async def listed(page: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The names of the sheets of a page, and what is reported as left out."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "tip":
            return web.json_response({"data": version(int(request.path.split("/")[-2][-22:]))})
        found = {"topFolders": {"data": [FOLDER]}, "contents": page, "versions:batch-get": {"results": []}}
        return web.json_response(found[name])

    left_out = list[LeftOut]()
    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        names = [each.name async for each in list_sheets(session, PROJECT, on_left_out=left_out.append)]
    return names, [*map(str, left_out), *(str(each) for each in session.warnings if each.left_out)]


PLACES = (
    "data",
    "data attributes",
    "data attributes extension",
    "data attributes extension type",
    "data attributes displayName",
    "data relationships",
    "data relationships tip data",
    "data type",
    "data id",
    "included",
    "included attributes",
    "included attributes extension",
    "included attributes extension type",
    "included attributes extension data",
    "included attributes extension data sourceFileName",
    "included attributes versionNumber",
    "included id",
    "included type",
)
VALUES: tuple[object, ...] = (None, 5, "x", [], {}, True)


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("place", PLACES)
async def test_a_sheet_comes_or_is_named(place: str, value: object) -> None:
    page = {"data": [item(1), item(2), item(3)], "included": [version(1), version(2), version(3)]}
    first, *names = place.split()
    at: Any = page[first]
    steps: list[Any] = [1, *names]
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = value
    sheets, left_out = await listed(page)
    assert len(sheets) + len(left_out) >= 3
    assert len(set(sheets)) == len(sheets) >= 2


@pytest.mark.parametrize(
    ("kind", "extension_type", "left_out"),
    [
        ("item", "items:autodesk.bim360:File", 0),
        ("item", "items:autodesk.core:file", 0),
        ("item", "items:autodesk.bim360:C4RModel", 0),
        ("version", "versions:autodesk.core:Deleted", 0),
        ("version", "versions:autodesk.bim360:Sheet", 1),
        ("both", "x:autodesk.bim360:Sheet", 1),
        ("both", "", 1),
    ],
)
async def test_files_and_deleted_items_are_no_sheets_and_others_are_named(
    kind: str, extension_type: str, left_out: int
) -> None:
    one, its = item(1), version(1)
    for each in (one, its) if kind == "both" else (one,) if kind == "item" else (its,):
        each["attributes"]["extension"]["type"] = extension_type
    sheets, named = await listed({"data": [one], "included": [its]})
    assert (sheets, len(named)) == ([], left_out)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("item", "items:autodesk.bim360:document"),
        ("item", "items:autodesk.bim360.Document"),
        ("item", "items:autodesk.bim360:Sheet"),
        ("version", "VERSIONS:AUTODESK.BIM360:DOCUMENT"),
        ("sourceFileName", "A.PDF "),
        ("processState", "processing_complete"),
    ],
)
async def test_words_are_compared_as_people_read_them(place: str, value: str) -> None:
    one, its = item(1), version(1)
    if place in ("item", "version"):
        (one if place == "item" else its)["attributes"]["extension"]["type"] = value
    else:
        its["attributes"]["extension"]["data"][place] = value
    one["type"], its["type"] = "Items", "Versions"
    assert await listed({"data": [one], "included": [its]}) == (["A-1"], [])


@pytest.mark.parametrize("link", [5, True, {"href": 5}, {"href": ["/x"]}, [{"href": "/x"}], {"url": "/x"}])
async def test_a_next_link_that_cannot_be_read_ends_no_list(link: object) -> None:
    with pytest.raises(DecodeError, match="the link to the next page cannot be followed"):
        await listed({"data": [item(1)], "included": [version(1)], "links": {"next": link}})


@pytest.mark.parametrize("links", [{}, {"next": None}, {"next": ""}, {"next": {"href": None}}, {"next": {"href": ""}}])
async def test_without_a_next_link_a_list_ends(links: dict[str, object]) -> None:
    assert await listed({"data": [item(1)], "included": [version(1)], "links": links}) == (["A-1"], [])
