"""Unreadable items in a list of the service: the command line names them, and exports all others."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aps_async.cli.choice import Choice
from aps_async.cli.export import ExportChoices, export
from aps_async.cli.listing import sheets
from aps_async.cli.output import turn_logging_on
from aps_async.errors import DecodeError
from tests.documents import lying_in
from tests.generated import PDF, PROJECT
from tests.support import served

SHEETS: list[Any] = [
    {"id": "s1", "number": "A-1"},
    {"number": "A-2 \x1b[31m"},
    {"id": "s3", "number": "A-3", "title": 7},
]


async def service(request: web.BaseRequest) -> web.StreamResponse:
    """One ACC project, of which one sheet has no id."""
    project = {
        "type": "projects",
        "id": f"b.{PROJECT}",
        "attributes": {"name": "P", "extension": {"data": {"projectType": "ACC"}}},
    }
    link = f"http://{request.host}/file?X-Amz-Signature=1"
    bodies = {
        "hubs": {"data": [{"type": "hubs", "id": "b.1"}]},
        PROJECT: {"data": project},
        "sheets": {"results": SHEETS, "pagination": {"totalResults": 3}},
        "exports": {"id": "1", "status": "successful", "result": {"output": {"signedUrl": link}}},
    }
    last = request.path.rpartition("/")[2].removeprefix("b.")
    return web.Response(body=PDF) if last == "file" else web.json_response(bodies[last])


@pytest.mark.parametrize("as_json", [False, True])
async def test_an_item_that_cannot_be_read_is_a_failure_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    async with served(service) as url:
        monkeypatch.setenv("APS_BASE_URL", url)
        monkeypatch.setenv("APS_ACCESS_TOKEN", "token")
        turn_logging_on(0)
        assert await export(ExportChoices(project=PROJECT, out=tmp_path, as_json=as_json)) == 1
        printed = capsys.readouterr()
        assert await sheets(PROJECT, Choice(), user_id=None, as_json=True) == 0
        listed = capsys.readouterr()
    assert [each for each in lying_in(tmp_path) if each.endswith(".pdf")] == ["A-1.pdf", "A-3.pdf"]
    assert "failed: A-2 \\x1b[31m: A-2" in printed.err
    assert "2 of 3 PDFs" in (printed.err if as_json else printed.out)
    if as_json:
        failed = [each for each in map(json.loads, printed.out.splitlines()) if not each["ok"]]
        assert [(each["name"], each["error"]["type"]) for each in failed] == [("A-2 \x1b[31m", "DecodeError")]
    assert [each["id"] for each in json.loads(listed.out)] == ["s1", "s3"]
    for words in ("A-2 \\x1b[31m was left out: required field missing", "s3 lacks a value: expected a text, got int"):
        assert f"warning: {words}" in printed.err
        assert f"warning: {words}" in listed.err


async def test_a_list_in_which_nothing_can_be_read_is_not_an_empty_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cli.test_unreadable_items.SHEETS", [1, "x", {"number": "A-2"}])
    async with served(service) as url:
        monkeypatch.setenv("APS_BASE_URL", url)
        monkeypatch.setenv("APS_ACCESS_TOKEN", "token")
        with pytest.raises(DecodeError, match="what the service lists there cannot be read"):
            await export(ExportChoices(project=PROJECT, out=tmp_path))
