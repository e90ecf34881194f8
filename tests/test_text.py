"""Text, JSON and lists as services really send them: odd parts cost only themselves, and everything is bounded."""

import gzip
import json
import logging
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aps_async import (
    APSError,
    DecodeError,
    ExportRequest,
    InputError,
    NotFoundError,
    Project,
    Session,
    Settings,
    StaticToken,
    cost,
    export_many,
    files,
    projects,
    ref_to_json,
    sheets,
)
from aps_async.cli.output import print_json, print_result, tolerate_any_text
from aps_async.models import ExportKind, ExportRef, ItemWarning
from aps_async.resources import plans
from aps_async.resources.bim360 import ExportAnswer
from aps_async.resources.jsonapi import PAGES, STALLED_PAGES, Document, NewItems, Page, Resource
from aps_async.resources.walking import DEPTH_LIMIT
from aps_async.text import did_you_mean, globbed, listing, look, named, nearest, well_formed, well_formed_values
from aps_async.transport import decoding
from aps_async.transport.converter import Unread, request_from_json, request_to_json, structure
from tests.generated import PDF
from tests.support import served

virtual_time = pytest.mark.looptime

# ------------------------------------------------------------ both JSON readers

READERS = {decoding.loads, decoding._loads}
REFUSED = ValueError
TEXTS: list[tuple[str | bytes, Any]] = [
    (b'{"a": 1}', {"a": 1}),
    ('{"a": 1}', {"a": 1}),
    (b"\xef\xbb\xbf[1]", [1]),
    ("\ufeff[1]", [1]),
    ("[1]".encode("utf-16"), [1]),
    ("[1]".encode("utf-16-le"), [1]),
    ("[1]".encode("utf-32"), [1]),
    ('["\U0001f600"]'.encode("utf-16"), ["\U0001f600"]),
    (b'"\\ud83d"', "\ufffd"),
    (b'"A-101 \\ud83d x"', "A-101 \ufffd x"),
    (b'"\\udc00\\ud83d"', "\ufffd\ufffd"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'{"\\ud83d": ["\\ude00"]}', {"\ufffd": ["\ufffd"]}),
    ('"\ud83d"', "\ufffd"),
    (b'"\xff"', "\ufffd"),
    (b'"\xf0\x9f\x98"', "\ufffd"),
    (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
    (b'"\\u0000"', "\x00"),
    (b'"a\tb\nc"', "a\tb\nc"),
    (b"NaN", None),
    (b"[Infinity, -Infinity, NaN]", [None, None, None]),
    (b"[1e999, -1e999, 1e-999]", [None, None, 0.0]),
    (b"[1.0, 2.2e9, -0, -0.0]", [1.0, 2.2e9, 0, -0.0]),
    (b"9223372036854775808", 2**63),
    (b"18446744073709551615", 2**64 - 1),
    (b"18446744073709551616", 2.0**64),
    (b"-9223372036854775808", -(2**63)),
    (b"-9223372036854775809", -(2.0**63)),
    (b"1" * 100, float("1" * 100)),
    (b"1" * 400, None),
    (b"1" * 5000, None),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b'{"a": {"b": 1}, "a": {"c": 2}}', {"a": {"c": 2}}),
    (b"[" * 150 + b"]" * 150, None),
    (b"[" * 300 + b"]" * 300, REFUSED),
    (b'{"a":' * 300 + b"1" + b"}" * 300, REFUSED),
    (b"[" * 1020 + b"]" * 1020, REFUSED),
    (b"[" * 200_000, REFUSED),
    (b"[" * 200_000 + b"]" * 200_000, REFUSED),
    (b"", REFUSED),
    (b" ", REFUSED),
    (b"\xef\xbb\xbf", REFUSED),
    (b"\xff", REFUSED),
    (b"\xff\xfe", REFUSED),
    (b"[1,]", REFUSED),
    (b"[1] [2]", REFUSED),
    (b"{'a': 1}", REFUSED),
    (b"+1", REFUSED),
    (b"01", REFUSED),
    (b"nan", REFUSED),
    (b"[1]\x00", REFUSED),
    (b'"abc', REFUSED),
    (b"<html>", REFUSED),
]


def test_there_are_two_readers() -> None:
    pytest.importorskip("orjson")
    assert len(READERS) == 2


@pytest.mark.parametrize(("text", "value"), TEXTS, ids=lambda each: repr(each)[:40])
def test_both_readers_give_the_same(text: str | bytes, value: Any) -> None:
    for read in READERS:
        if value is REFUSED:
            with pytest.raises(ValueError):  # noqa: PT011 - each reader has its own words
                read(text)
            continue
        found = read(text)
        if isinstance(text, bytes) and text.startswith(b"[["):
            assert found  # deep, but not too deep
            continue
        assert repr(found) == repr(value)  # 1 and 1.0 are equal, but their types are not
        json.dumps(found, ensure_ascii=False).encode()


# ------------------------------------------------------ odd parts of responses

ID = "urn:adsk.wipprod:dm.lineage:abc"
ITEM: dict[str, Any] = {"type": "items", "id": ID}


def read(value: Any, into: Any) -> tuple[Any, list[Unread]]:
    unread: list[Unread] = []
    return structure(value, into, unread.append), unread


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"attributes": {"versionNumber": 1.0, "storageSize": 2.2e9}}, None),
        ({"attributes": {"createTime": "/Date(17)/"}}, None),
        ({"attributes": {"extension": None}, "relationships": None}, None),
        ({"relationships": {"tip": None, "item": [], "storage": {"data": None}}}, None),
        ({"relationships": {"tip": {"data": [{"id": 1}]}, "item": "x"}}, None),
        ({"attributes": {"versionNumber": 1.5}}, "expected a whole number, got float @ $.versionNumber"),
        ({"attributes": {"versionNumber": "1"}}, "expected a whole number, got str @ $.versionNumber"),
        ({"attributes": {"hidden": "no"}}, "expected true or false, got str @ $.hidden"),
        ({"attributes": {"name": {"en": "x"}}}, "expected a text, got dict @ $.name"),
        ({"attributes": {"extension": {"data": []}}}, "expected an object, got list @ $.data"),
        ({"attributes": []}, "expected an object, got list @ $.attributes"),
        ({"relationships": 7}, "expected an object, got int @ $.relationships"),
    ],
    ids=str,
)
def test_an_odd_value_costs_itself_and_not_its_item(item: dict[str, Any], problem: str | None) -> None:
    page, unread = read({"data": [ITEM, {**ITEM, **item}, ITEM]}, Page)
    assert [each.id for each in page.data] == [ID] * 3
    assert unread == ([] if problem is None else [Unread(problem, id=ID)])


@pytest.mark.parametrize(
    "item", [None, 7, "x", [], {}, {"id": 7, "type": "items"}, {"id": ID}, {"type": None, "id": ID}]
)
def test_an_unreadable_item_costs_itself_and_not_its_page(item: Any) -> None:
    page, unread = read({"data": [ITEM, item], "included": [item]}, Page)
    assert [each.id for each in page.data] == [ID]
    named_as = ID if isinstance(item, dict) and item.get("id") == ID else "item"
    assert len(unread) == 2
    assert all(each.left_out and str(each.id).startswith(named_as) and "@ $" in each.reason for each in unread)


def test_without_a_listener_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    page = structure({"data": [ITEM, None, {**ITEM, "attributes": {"name": 7}}]}, Page)
    assert len(page.data) == 2
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * 2
    assert "item 2 was left out: expected an object, got NoneType" in caplog.text
    assert f"{ID} lacks a value: expected a text, got int @ $.name" in caplog.text


def test_a_value_without_which_a_response_says_something_else_is_an_error() -> None:
    for body in (
        {"id": "x", "status": "completed", "data": {"signedUrl": 7}},
        {"id": "x", "status": "completed", "data": []},
    ):
        with pytest.raises(DecodeError, match="expected"):
            read(body, ExportAnswer)
    found, unread = read(
        {"id": "x", "status": "completed", "data": {"signedUrl": "https://h/x", "resourceId": 7}}, ExportAnswer
    )
    assert found.data.signed_url == "https://h/x"
    assert [each.reason for each in unread] == ["expected a text, got int @ $.resourceId"]


def test_an_endless_row_of_unreadable_items_is_given_up() -> None:
    with pytest.raises(DecodeError, match="more than 1000 parts"):
        read({"data": [7] * 100_000}, Page)


def test_what_this_library_wrote_has_to_be_whole() -> None:
    with pytest.raises(InputError, match="expected true or false"):
        request_from_json('{"kind":"bim360","projectId":"p","subjects":["u"],"options":{"markups":"yes"}}')


def responding(*bodies: Any) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """One body for each request, the last one for all further ones."""
    left = list(bodies)

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(left.pop(0) if len(left) > 1 else left[0])

    return handler


async def test_a_listing_goes_on_and_the_session_names_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    good = [{"type": "projects", "id": f"b.{number}"} for number in range(3)]
    odd = {"type": "projects", "id": "b.9", "attributes": {"name": 7}}
    first = {"data": [*good[:2], {"id": "b.8"}], "links": {"next": {"href": "/project/v1/hubs/b.1/projects?page=2"}}}
    async with (
        served(responding(first, {"data": [odd, good[2]]})) as url,
        Session(StaticToken("x"), base_url=url) as session,
    ):
        found = [each.id async for each in projects.list_projects(session, "b.1")]
        assert found == ["b.0", "b.1", "b.9", "b.2"]
        call = "GET /project/v1/hubs/b.1/projects"
        assert session.warnings == (
            ItemWarning(call=call, id="b.8", reason="required field missing @ $.type", left_out=True),
            ItemWarning(call=call, id="b.9", reason="expected a text, got int @ $.name", left_out=False),
        )
    assert [each.getMessage() for each in caplog.records] == [str(each) for each in session.warnings]


@pytest.mark.parametrize("job_id", [0, -1, 7, 7.0, 7.5, 1e21, 2**63, 10**30, "", "7", None, [], {}, True])
async def test_a_cost_document_keeps_its_place_whatever_its_job_id_is(job_id: Any) -> None:
    body = [{"id": "d", "urn": "urn:x", "status": "Completed", "jobId": job_id}]
    async with served(responding(body)) as url, Session(StaticToken("x"), base_url=url) as session:
        [found] = await cost.list_documents(session, "p", association_type="Budget", association_ids="a")
        assert (found.id, found.urn) == ("d", "urn:x")
        readable = job_id is None or type(job_id) in (int, float, str)
        assert found.job_id == (pytest.approx(job_id) if type(job_id) in (int, float) else job_id if readable else None)
        assert len(session.warnings) == (not readable)


# ------------------------------------------------------------------ surrogates

CUT = "A-101 \ud83d"


@pytest.mark.parametrize("text", [CUT, "\udcff", "\ud83d\ude00", "x"])
def test_no_text_breaks_what_it_is_written_to(text: str, tmp_path: Path, capsysbinary: Any) -> None:
    well_formed(text).encode()
    assert str(APSError(text)) == well_formed(text)
    assert str(NotFoundError(text, status=404, method="GET", path="/")) == well_formed(text)
    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=(text,), name=text)
    for stored in (request_to_json(request), ref_to_json(ExportRef(request=request, export_id=text))):
        (tmp_path / "x.json").write_text(stored, "utf-8")
    assert request_from_json(request_to_json(request)).name == well_formed(text)
    tolerate_any_text()
    print_result(text)
    print_json({text: [text, (text,)]})
    printed = capsysbinary.readouterr().out.splitlines()
    assert json.loads(printed[-1]) == well_formed_values({text: [text, [text]]})


async def test_a_name_cut_inside_an_emoji_costs_no_run_with_a_ledger(tmp_path: Path) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/file":
            return web.Response(body=PDF)
        link = f"http://{request.host}/file?X-Amz-Signature=1"
        return web.json_response({"id": "1", "status": "completed", "data": {"signedUrl": link}})

    requests = [
        ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=(f"urn:{number}",), name=CUT)
        for number in (1, 2)
    ]
    async with served(handler) as url, Session(StaticToken("x"), base_url=url) as session:
        outcomes = [each async for each in export_many(session, requests, tmp_path, ledger=True)]
        again = [each async for each in export_many(session, requests, tmp_path, ledger=True)]
    assert all(each.ok for each in [*outcomes, *again])
    assert all(each.reused for each in again)


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_bytes_that_are_not_utf_8_in_headers_and_reasons(status: int) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        body = b'{"data": []}' if status == 200 else b"x"
        transport.write(
            b"HTTP/1.1 %d \xff\r\nx-request-id: \xff\xfe\r\nx-ads-troubleshooting: \xff\r\nSet-Cookie: \xff=1\r\n"
            b"Retry-After: \xff\r\nContent-Type: text/plain\xff\r\nContent-Length: %d\r\n\r\n"
            % (status, len(body))
            + body
        )
        transport.close()
        return web.Response()

    async with (
        served(handler) as url,
        Session(StaticToken("x"), base_url=url, settings=Settings(max_attempts=1)) as session,
    ):
        if status == 200:
            assert (await projects.list_hubs(session)).hubs == ()
            return
        with pytest.raises(APSError) as caught:
            await projects.list_hubs(session)
        str(caught.value).encode()
        json.dumps(caught.value.request_id, ensure_ascii=False).encode()  # type: ignore[attr-defined]


# ----------------------------------------------------------------------- names

SAME = [
    ("Klinik Z\u00fcrich", "Klinik Zu\u0308rich"),
    ("Tower A", "Tower\u00a0A"),
    ("Tower A", "tower  a "),
    ("Tower A", "Tower\u202fA"),
    ("Tower A", "Tower\u3000A"),
    ("Tower A", "\u200bTower\u00ad A\ufeff"),
    ("\u00c9cole", "e\u0301COLE"),
    ("Stra\u00dfe", "STRASSE"),
    ("\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
    ("A\tB", "a b"),
]


@pytest.mark.parametrize(("typed", "stored"), SAME)
def test_names_that_look_the_same_are_the_same(typed: str, stored: str) -> None:
    assert look(typed) == look(stored)
    assert named(typed, ["other", stored], lambda each: (each,)) == [stored]


@pytest.mark.parametrize(
    ("typed", "stored"), [("Tower A", "TowerA"), ("A", "\u00c4"), ("A-1", "A-10"), ("", " "), ("", "")]
)
def test_names_that_look_different_are_different(typed: str, stored: str) -> None:
    assert named(typed, [stored], lambda each: (each,)) == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("plans", ["plans"]),
        ("PLANS", ["PLANS", "PLANS"]),
        (" plans", ["plans"]),
        ("pLans", ["PLANS", "plans", "PLANS"]),
        ("Z\u00fcrich", ["Zu\u0308rich"]),
        ("z\u00fcrich", ["Zu\u0308rich"]),
        ("nothing", []),
    ],
)
def test_case_counts_only_where_names_differ_in_nothing_else(typed: str, found: list[str]) -> None:
    assert named(typed, ["PLANS", "plans", "Zu\u0308rich", "PLANS"], lambda each: (each,)) == found


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("A-1*", ["A-101", "A-102"]),
        ("a-1*", ["a-1"]),
        ("b-?", ["B-1"]),
        ("A-10[13]", ["A-101"]),
        ("A-10[!1]", ["A-102"]),
        ("*  x", ["A  x"]),
        ("\u00c4?", ["A\u03081"]),
        ("?1", ["A\u03081"]),
        ("A-101", ["A-101"]),
        ("A-1", ["a-1"]),
        ("A-", []),
        ("", []),
    ],
)
def test_patterns(pattern: str, found: list[str]) -> None:
    names = ["A-101", "A-102", "a-1", "B-1", "A  x", "A\u03081"]
    assert globbed(pattern, names, str) == found


@pytest.mark.parametrize(
    ("typed", "first"),
    [("A-10l", "A-102"), ("ground", "Ground floor plan"), ("a-102", "A-102"), ("Rof", "Roof"), ("zzzzzz", None)],
)
def test_the_nearest_names(typed: str, first: str | None) -> None:
    found = nearest(typed, ["A-101", "A-102", "Ground floor plan", "Roof", *(f"X{n:04}" for n in range(500))])
    assert (found[0] if found else None) == first
    assert len(found) <= 5


def test_a_list_of_names_shows_the_nearest_or_the_first() -> None:
    many = [f"Project {n:03}" for n in range(100)]
    assert listing("Projekt 042", many).startswith("Project 042, ")
    assert listing("zzz", many).endswith("Project 009 and 90 more")
    assert listing("zzz", ["A", "B"]) == "A, B"
    assert listing("zzz", []) == "none"
    assert did_you_mean("Grund", ["Ground", "Roof"]) == "did you mean 'Ground'?"
    assert did_you_mean("zzz", ["A", "B"]) == "there are: A, B"
    assert did_you_mean("zzz", []) == "there are none"


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_response_is_bounded_after_decompression(status: int, encoding: str) -> None:
    plain = b'{"data": "' + b" " * (64 << 20)
    pack: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}
    body = pack[encoding](plain)
    requests = 0

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal requests
        requests += 1
        response = web.StreamResponse(status=status, headers={"Content-Encoding": encoding})
        await response.prepare(request)
        with suppress(ConnectionError):
            for at in range(0, len(body), 1 << 16):
                await response.write(body[at : at + (1 << 16)])
        return response

    limits = Settings(response_limit=1 << 20)
    async with served(handler) as url, Session(StaticToken("x"), base_url=url, settings=limits) as session:
        tracemalloc.start()
        with pytest.raises(DecodeError, match=r"longer than 1,048,576 bytes \(Settings.response_limit\)"):
            await projects.list_hubs(session)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 << 20
    assert requests == 1  # a repeat would bring the same


def test_a_response_of_64_mib_is_read_by_default() -> None:
    assert Settings().response_limit == 64 << 20


@virtual_time
@pytest.mark.parametrize("data", [[], [{"type": "projects", "id": "b.1"}]])
async def test_a_list_whose_pages_bring_nothing_new_ends(data: list[Any]) -> None:
    pages = 0

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal pages
        pages += 1
        return web.json_response({"data": data, "links": {"next": {"href": f"/x?page={pages}"}}})

    async with served(handler) as url, Session(StaticToken("x"), base_url=url) as session:
        with pytest.raises(DecodeError, match="the list does not end: 100 pages brought nothing new"):
            _ = [each async for each in projects.list_projects(session, "b.1")]
    assert pages == STALLED_PAGES + bool(data)


def test_a_list_that_always_brings_something_new_ends_too() -> None:
    items = NewItems("/x")
    for number in range(PAGES - 1):
        item = Resource("t", str(number))
        assert items.of_page([item, item]) == [item]
    with pytest.raises(DecodeError, match="more than 10,000 pages"):
        items.of_page([Resource("t", "one more")])


@virtual_time
async def test_offsets_that_the_service_ignores_end() -> None:
    body = {"results": [{"id": "s1"}, {"id": "s2"}], "pagination": {"totalResults": 10**9}}
    async with served(responding(body)) as url, Session(StaticToken("x"), base_url=url) as session:
        for listed in (sheets.list_sheets(session, "p"), sheets.list_version_sets(session, "p")):
            found = []
            with pytest.raises(DecodeError, match="brought nothing new"):  # noqa: PT012 - and what came before it
                async for each in listed:
                    found.append(each.id)  # noqa: PERF401
            assert found == ["s1", "s2"]


async def test_unreadable_sheets_shift_no_page() -> None:
    """One item of a page is left out, and a whole page: all others come, each once."""
    sent: list[dict[str, object]] = [{"id": str(number)} for number in range(250)]
    sent[5] = sent[149] = {"number": "no id"}
    sent[100:140] = [{"id": 7}] * 40

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        offset = int(request.query["offset"])
        return web.json_response({"results": sent[offset : offset + 100], "pagination": {"totalResults": 250}})

    async with served(handler) as url, Session(StaticToken("x"), base_url=url) as session:
        found = [each.id async for each in sheets.list_sheets(session, "p")]
        assert found == [each["id"] for each in sent if isinstance(each.get("id"), str)]
        assert {each.id for each in session.warnings if each.left_out} >= {"no id"}


def folder(urn: str, name: str) -> dict[str, Any]:
    return {"type": "folders", "id": urn, "attributes": {"name": name, "extension": {"data": {"actions": ["SPLIT"]}}}}


@virtual_time
@pytest.mark.parametrize("endless", [False, True], ids=["circle", "ever deeper"])
@pytest.mark.parametrize("kind", ["BIM360", "ACC"])
async def test_folders_without_an_end_are_walked_to_one(kind: str, endless: bool) -> None:
    entered: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/topFolders"):
            return web.json_response({"data": [folder("urn:0", "Plans")]})
        entered.append(request.path.split("/")[-2])
        inner = f"urn:{len(entered)}" if endless else "urn:1"
        return web.json_response({"data": [folder(inner, "Inner")]})

    project = Project(id="b.p", name="P", hub_id="b.h", project_type=kind)
    async with served(handler) as url, Session(StaticToken("x"), base_url=url) as session:
        listed: Any = plans.list_sheets if kind == "BIM360" else files.list_files
        assert [each async for each in listed(session, project)] == []
        [warning] = session.warnings
    assert entered == [f"urn:{number}" for number in range(DEPTH_LIMIT + 1 if endless else 2)]
    assert warning.left_out
    assert ("levels deep" if endless else "circle") in warning.reason


def test_documents_of_one_item_are_lenient_too() -> None:
    found, unread = read({"data": {**ITEM, "attributes": {"storageSize": "9"}}}, Document)
    assert found.data.id == ID
    assert [(each.id, each.left_out) for each in unread] == [(None, False)]


async def test_a_project_and_a_file_with_an_odd_id_cost_themselves_only() -> None:
    listed = [{"type": "projects", "id": each} for each in ("b.1", "b./x", "", "b.2")]
    async with served(responding({"data": listed})) as url, Session(StaticToken("x"), base_url=url) as session:
        assert [each.id async for each in projects.list_projects(session, "b.h")] == ["b.1", "b.2"]
        assert [each.id for each in session.warnings] == ["b./x", ""]

    versions = ["urn:adsk.wipprod:fs.file:vf.a?version=1", "urn:odd", "urn:adsk.wipprod:fs.file:vf.b?version=2"]
    page = {
        "data": [
            {
                "type": "items",
                "id": f"i{number}",
                "attributes": {"displayName": "x.pdf"},
                "relationships": {"tip": {"data": {"id": urn}}},
            }
            for number, urn in enumerate(versions)
        ],
        "included": [{"type": "versions", "id": urn} for urn in versions],
    }
    project = Project(id="b.p", name="P", hub_id="b.h", project_type="ACC")
    top = {"data": [folder("urn:0", "Files")]}
    async with served(responding(top, page)) as url, Session(StaticToken("x"), base_url=url) as session:
        found = [version.urn async for _, version in files.list_files(session, project)]
        assert found == [versions[0], versions[2]]
        assert [each.id for each in session.warnings] == ["i1"]
