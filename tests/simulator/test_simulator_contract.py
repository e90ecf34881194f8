"""Every response of the simulator and every request of the client is as the documentation has it."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from reportlab.pdfgen.canvas import Canvas

from aps_async import Session, TwoLegged, bim360, export_project, list_sheets, projects
from aps_async import cost as costs
from aps_async import files as acc_files
from aps_async import sheets as acc_sheets
from aps_async.auth import StaticToken
from aps_async.exports.uploads import download_urn
from aps_async.resources.projects import find_project
from aps_async.resources.service_accounts import (
    create_service_account,
    create_service_account_key,
    delete_service_account,
    list_service_account_keys,
    set_service_account_enabled,
)
from aps_async.resources.users import get_user_info
from aps_async.simulator import Behaviour, Exchange, JobPolls, Simulator, World, services
from tests.simulator import tour
from tests.simulator.conftest import Serve
from tests.simulator.contract import CONTRACT
from tests.simulator.schema import Schema, arr, closed, enum, null_or, obj, problems, text
from tests.simulator.shapes import PARAMS
from tests.support import virtual_clock

ODD: dict[str, Any] = {
    "users": [{"id": "ADA", "email": "ada@example.com"}],
    "hubs": [
        {
            "region": "EMEA",
            "projects": [
                {
                    "name": "Old",
                    "folders": [
                        {
                            "name": "Plans",
                            "items": [
                                {"type": "file", "name": "p.pdf", "versions": 2, "chunked": True},
                                {"number": "A-1", "source": "p.pdf", "fails": True, "versions": 3},
                                {"number": "A-2", "source": "p.pdf", "never": True},
                                {"number": "A-3", "source": "p.pdf", "titleless": True},
                                {"number": "A-4", "processState": "SPLITTING"},
                                {"number": "A-5", "deleted": True, "hidden": True},
                            ],
                        },
                        {"name": "Empty", "folders": [{"name": "Deeper"}]},
                    ],
                    "cost": {
                        "budgets": [{"documents": [{"status": "Pending"}, {"status": "Failed"}, {"status": "Signed"}]}],
                        "payments": [{"documents": 1}],
                    },
                },
                {
                    "name": "New",
                    "projectType": "ACC",
                    "versionSets": [{"name": "One", "issuanceDate": "2024-01-01"}],
                    "sheets": [
                        {"number": "S-1", "versionSet": "One", "collection": "C", "tags": ["a"]},
                        {"number": "S-2", "versionSet": "One", "fails": True},
                        {"number": "S-3", "versionSet": "One", "deleted": True},
                    ],
                    "folders": [
                        {
                            "name": "Project Files",
                            "items": [
                                {"type": "file", "name": "a.pdf"},
                                {"type": "file", "name": "b.rvt", "noViews": True},
                                {"type": "file", "name": "c.dwg", "unprocessed": True},
                                {"type": "file", "name": "d.pdf", "fails": True},
                                {"type": "file", "name": "e.docx"},
                            ],
                        }
                    ],
                },
            ],
        }
    ],
}


def pdf_of(pages: int) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(pages):
        canvas.drawString(100, 100, f"page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


WORLDS = {
    "demo": lambda: World.demo(3),
    "single_folder": lambda: World.single_folder(2),
    "acc": lambda: World.acc(3, 3),
    "with_pdf": lambda: World.with_pdf(pdf_of(2)),
    "odd": lambda: World.from_json(ODD),
}
QUICK = {"quotas": False, "job_time": JobPolls(2)}
BEHAVIOURS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "otherwise": {
        "post_status": 200,
        "link_present": False,
        "source_version_first": False,
        "repeat_gives_same_job": False,
        "acc_result_place": "result",
        "cost_single_object": True,
        "cost_upper_case_ids": True,
        "cost_error_info_on_completed": False,
        "oss_status": "chunked",
        "hidden_service_folders": False,
        "missing_scope": "json",
    },
    "bare": {"signed_url_present": False, "oss_status": "fallback", "oss_cdn": True, "unauthorized": "empty"},
}


# ---------------------------------------------------------------- one exchange against the contract


def faults_of(exchange: Exchange) -> Iterator[str]:
    """What of an exchange is not as the contract says."""
    if exchange.endpoint == "unknown" or exchange.endpoint not in CONTRACT:
        yield "is not in the contract"
        return
    yield from response_faults(exchange)
    if exchange.status < 400:  # what was refused may have been wrong
        yield from request_faults(exchange)


def response_faults(exchange: Exchange) -> Iterator[str]:
    contract, headers = CONTRACT[exchange.endpoint], exchange.response_headers
    if exchange.status < 400 and "x-request-id" not in headers:  # the gateway refuses without one
        yield "has no X-Request-ID"
    if exchange.status in contract.ok:
        schema = contract.ok[exchange.status]
        if schema is not None:
            yield from json_faults(exchange, schema)
    elif exchange.status < 400:
        yield f"status {exchange.status} is not documented"
    elif not exchange.response_body:
        if "x-ads-troubleshooting" not in headers:
            yield "an error without body and without explanation"
    elif headers.get("content-type") != "text/plain":
        yield from json_faults(exchange, contract.errors)


def json_faults(exchange: Exchange, schema: Schema) -> Iterator[str]:
    kind = exchange.response_headers.get("content-type", "").partition(";")[0]
    if kind not in ("application/json", "application/vnd.api+json"):
        yield f"Content-Type {kind!r} instead of JSON"
        return
    yield from problems(json.loads(exchange.response_body), schema, "response")


def request_faults(exchange: Exchange) -> Iterator[str]:
    contract, headers = CONTRACT[exchange.endpoint], exchange.request_headers
    for name, value in exchange.params.items():
        yield from problems(value, PARAMS[name], f"path.{name}")
    if exchange.endpoint.startswith("export_") and exchange.params["project"].startswith("b."):
        yield "path.project: has a prefix"
    pairs = parse_qsl(exchange.query, keep_blank_values=True)
    for name, value in pairs:
        schema = contract.query.get(name) or contract.query.get(f"{name.partition('[')[0]}[")
        yield from [f"query: unknown {name}"] if schema is None else problems(value, schema, f"query.{name}")
    for name in contract.required:
        if name not in dict(pairs):
            yield f"query: lacks {name}"
    if "x-user-id" in headers and not contract.user_header:
        yield "sends x-user-id"
    if contract.bearer and not headers.get("authorization", "").startswith("Bearer "):
        yield "sends no bearer token"
    if not contract.bearer and headers.get("authorization", "").startswith("Bearer "):
        yield "sends a bearer token"
    yield from body_faults(exchange)


def body_faults(exchange: Exchange) -> Iterator[str]:
    contract, kind = CONTRACT[exchange.endpoint], exchange.request_headers.get("content-type", "").partition(";")[0]
    if contract.form is not None and exchange.method == "POST":
        if kind != "application/x-www-form-urlencoded":
            yield f"Content-Type {kind!r} instead of a form"
        yield from problems(dict(parse_qsl(exchange.request_body.decode())), contract.form, "form")
    elif contract.body is not None:
        if kind != "application/json":
            yield f"Content-Type {kind!r} instead of JSON"
        yield from problems(json.loads(exchange.request_body), contract.body, "request")
    elif exchange.request_body:
        yield "sends a body"


def report(exchanges: list[Exchange]) -> list[str]:
    """The different faults, with how often each occurred."""
    found = Counter(f"{one.endpoint} {one.status}: {fault}" for one in exchanges for fault in faults_of(one))
    return [f"{count} x {words}" for words, count in found.items()]


# ---------------------------------------------------------------- the simulator's responses


def test_every_endpoint_has_a_contract() -> None:
    assert {endpoint.name for endpoint in services.ENDPOINTS} == set(CONTRACT)


@pytest.mark.parametrize("behaviour", list(BEHAVIOURS))
@pytest.mark.parametrize("world", list(WORLDS))
async def test_every_response_in_every_world(serve: Serve, world: str, behaviour: str) -> None:
    seen: list[Exchange] = []
    switches = Behaviour(**{**QUICK, **BEHAVIOURS[behaviour]})
    async with serve(WORLDS[world](), login=False, behaviour=switches, on_exchange=seen.append) as client:
        await tour.everything(client)
    assert report(seen) == []
    if (world, behaviour) == ("demo", "as documented"):
        answered = {one.endpoint for one in seen if one.status < 400}
        assert set(CONTRACT) - answered == {"oss_get"}, "endpoints that never succeeded"
    if behaviour == "bare" and world != "single_folder":
        assert "oss_get" in {one.endpoint for one in seen if one.status < 400}


# ---------------------------------------------------------------- the client's requests


async def client_calls(simulator: Simulator, folder: Any) -> None:
    """What the library does, from sign-in to files on disk."""
    app = TwoLegged(simulator.client_id, simulator.client_secret)
    async with Session(app, base_url=simulator.url, clock=virtual_clock) as session:
        for hub in (await projects.list_hubs(session)).hubs:
            [one async for one in projects.list_projects(session, hub.id)]
        clinic = await find_project(session, "Riverside Clinic")
        sheets = [sheet async for sheet in list_sheets(session, clinic)]
        await bim360.start_export(session, clinic.id, sheets[0].id, markups=True)
        assert all([outcome.ok async for outcome in export_project(session, "Riverside Clinic", folder / "bim360")])
        for top in await projects.list_top_folders(session, clinic):
            [one async for one in projects.list_folder_contents(session, clinic.id, top.id)]
            await projects.get_folder(session, clinic.id, top.id)
        for item in list(simulator.world.items.values())[:3]:
            await projects.get_item(session, clinic.id, item.id)
            await projects.get_tip(session, clinic.id, item.id)
            [one async for one in projects.list_versions(session, clinic.id, item.id)]
    manager = TwoLegged(simulator.client_id, simulator.client_secret, scopes=tour.MANAGE.split())
    async with Session(manager, base_url=simulator.url, clock=virtual_clock) as session:
        account = await create_service_account(session, "exports-bot", first_name="Exports", last_name="Bot")
        await create_service_account_key(session, account.id)
        [one async for one in list_service_account_keys(session, account.id)]
        await set_service_account_enabled(session, account.id, enabled=False)
        await delete_service_account(session, account.id)
    token = StaticToken(simulator.user_token(scopes=tour.ALL))
    async with Session(token, base_url=simulator.url, clock=virtual_clock) as session:
        await get_user_info(session)
        assert all([outcome.ok async for outcome in export_project(session, "Harbour Tower", folder / "acc")])
        tower = await find_project(session, "Harbour Tower")
        versions = [version.urn async for _, version in acc_files.list_files(session, tower)]
        await acc_files.start_export(session, tower.id, versions[:2])
        [one async for one in acc_sheets.list_version_sets(session, tower.id)]
        listed = [one async for one in acc_sheets.list_sheets(session, tower.id)]
        assert listed
        source = next(item for item in simulator.world.items.values() if item.name == "Brief.docx")
        await download_urn(session, source.tip.id, folder / "brief.docx", project=source.folder.project.id)
        for project in simulator.world.projects.values():
            for one in project.cost.associations.values():
                await costs.list_documents(
                    session, project.id, association_type=one.kind, association_ids=[one.id], region="US"
                )


@pytest.mark.looptime
async def test_every_request_of_the_client(tmp_path: Path) -> None:
    seen: list[Exchange] = []
    switches = Behaviour(quotas=False, job_time=JobPolls(0))
    async with Simulator(World.demo(3), behaviour=switches, on_exchange=seen.append, clock=virtual_clock) as simulator:
        await client_calls(simulator, tmp_path)
    assert report(seen) == []
    assert [one for one in seen if one.status >= 400] == []
    asked = {one.endpoint for one in seen}
    assert {"hubs", "folder_contents", "export_start", "export_status", "cost_documents", "signeds3download"} <= asked
    assert {
        "sheets_export_start",
        "files_export_start",
        "sheets_list",
        "version_sets",
        "userinfo",
        "batch_get",
    } <= asked


# ---------------------------------------------------------------- the validator itself


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        ({"a": 1}, obj({"a": {"type": "integer"}}), True),
        ({"a": True}, obj({"a": {"type": "integer"}}), False),
        ({"a": 1.5}, obj({"a": {"type": "number"}}), True),
        ({}, obj({"a": {}}), False),
        ({"b": 1}, closed({}), False),
        ({"b": 1}, obj({}), True),
        ([1, "x"], arr({"type": "integer"}), False),
        ([], arr({}, 1), False),
        ([1, 1], {**arr({}), "uniqueItems": True}, False),
        ("b", enum("a", "b"), True),
        ("c", enum("a", "b"), False),
        (None, null_or(text("x")), True),
        ("y", null_or(text("x")), False),
        (5, {"minimum": 6}, False),
    ],
)
def test_the_validator(value: Any, schema: Schema, fits: bool) -> None:
    assert (not list(problems(value, schema))) is fits


def test_a_schema_word_that_the_validator_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not know"):
        list(problems({}, {"typ": "object"}))
