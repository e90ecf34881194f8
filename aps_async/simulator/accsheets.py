"""ACC Sheets: version sets, the list of sheets, and exports of many sheets into one PDF."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from . import acc
from .jsonapi import timestamp
from .parts import BuildSheet, VersionSet
from .replies import Reply, json_reply
from .routing import Call, Endpoint
from .urns import b64urn, derived_uuid

_MOST = 1000
_PAGE = 100


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise acc.refuse(call, 400, "ERR_BAD_INPUT", f"{name} must be a number from {least} to {most}, not {text!r}.")
    return int(text)


def _flag(call: Call, name: str) -> bool:
    text = call.query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise acc.refuse(call, 400, "ERR_BAD_INPUT", f"{name} must be true or false, not {text!r}.")
    return text == "true"


def _listed(call: Call, everything: Sequence[Any]) -> Reply:
    """A page of results; the address of the next one is absolute or relative, in turn."""
    offset = _number(call, "offset", 0, 0, 10**9)
    limit = _number(call, "limit", _PAGE, 1, _PAGE)
    pagination: dict[str, Any] = {"limit": limit, "offset": offset, "totalResults": len(everything)}
    following = offset + limit
    if following < len(everything):
        pairs = {**call.query, "offset": str(following), "limit": str(limit)}
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs.items())
        base = "" if (offset // limit) % 2 else call.simulator.url
        pagination["nextUrl"] = f"{base}{call.raw_path}?{query}"
    return json_reply(200, {"results": everything[offset:following], "pagination": pagination})


def _set_document(version_set: VersionSet) -> dict[str, Any]:
    return {"id": version_set.id, "name": version_set.name, "issuanceDate": version_set.issuance_date}


def _document(sheet: BuildSheet) -> dict[str, Any]:
    viewable = f"urn:adsk.wipprod:fs.file:vf.{sheet.id.replace('-', '')[:22]}?version=1"
    return {
        "id": sheet.id,
        "number": sheet.number,
        "title": sheet.title,
        "versionSet": _set_document(sheet.version_set),
        "createdAt": timestamp(sheet.id),
        "createdBy": "BW9RM76WZBGL",
        "createdByName": "Ada Brandt",
        "updatedAt": timestamp(sheet.id, 1),
        "updatedBy": "BW9RM76WZBGL",
        "updatedByName": "Ada Brandt",
        "uploadFileName": sheet.upload_file_name,
        "uploadId": derived_uuid("upload", sheet.project.id, sheet.upload_file_name),
        "tags": list(sheet.tags),
        "paperSize": ["36", "24", "in"],
        "isCurrent": sheet.current,
        "deleted": sheet.deleted,
        "viewable": {"urn": b64urn(viewable), "guid": derived_uuid("sheet guid", sheet.id)},
        "collection": {"id": _collection_id(sheet), "name": sheet.collection} if sheet.collection else None,
    }


def _collection_id(sheet: BuildSheet) -> str:
    return derived_uuid("collection", sheet.project.id, sheet.collection)


def _wanted(call: Call, sheet: BuildSheet) -> bool:
    query = call.query
    sets, tags = query.get("filter[versionSetId]", ""), query.get("filter[tags]", "")
    text = query.get("searchText", "").lower()
    if not sheet.published or sheet.deleted != _flag(call, "isDeleted"):
        return False
    if _flag(call, "currentOnly") and not sheet.current:
        return False
    if sets and sheet.version_set.id not in sets.split(","):
        return False
    if tags:
        asked = set(tags.split(","))
        if not (asked <= set(sheet.tags) if _flag(call, "withAllTags") else asked & set(sheet.tags)):
            return False
    if query.get("collectionId") and query["collectionId"] != (sheet.collection and _collection_id(sheet)):
        return False
    return not text or text in f"{sheet.number}\n{sheet.title}".lower()


async def version_sets(call: Call) -> Reply:
    """GET version-sets."""
    project = acc.find_project(call, needs_user=False)
    return _listed(call, [_set_document(one) for one in project.version_sets])


async def sheets_list(call: Call) -> Reply:
    """GET sheets."""
    project = acc.find_project(call, needs_user=False)
    documents = [_document(sheet) for sheet in project.sheets if _wanted(call, sheet)]
    fields = [name for name in call.query.get("fields", "").split(",") if name]
    if fields:
        unknown = [name for name in fields if documents and name not in documents[0]]
        if unknown:
            raise acc.refuse(call, 400, "ERR_BAD_INPUT", f"Unknown field {unknown[0]!r}.")
        documents = [{name: one[name] for name in ("id", *fields)} for one in documents]
    return _listed(call, documents)


async def export_start(call: Call) -> Reply:
    """POST .../exports."""
    project = acc.find_project(call, needs_user=True)
    body = await acc.read_body(call)
    options = acc.read_options(call, body)
    known = {sheet.id: sheet for sheet in project.sheets if not sheet.deleted}
    chosen = []
    for identity in acc.read_ids(call, body, "sheets", _MOST):
        sheet = known.get(identity.lower())
        if sheet is None:
            raise acc.refuse(call, 404, "ERR_RESOURCE_NOT_EXIST", f"The sheet {identity} does not exist.")
        if not sheet.published:
            raise acc.refuse(call, 400, "ERR_BAD_INPUT", f"The sheet {identity} is not published.")
        chosen.append(sheet)
    return await acc.started(call, acc.start(call, "sheets", project, tuple(chosen), options, ".pdf"))


async def export_status(call: Call) -> Reply:
    """GET .../exports/{export}."""
    return await acc.status(call, "sheets")


_PROJECT = "/construction/sheets/v1/projects/{project}"

ENDPOINTS = (
    Endpoint("version_sets", "GET", f"{_PROJECT}/version-sets", "data:read", 100, version_sets),
    Endpoint("sheets_list", "GET", f"{_PROJECT}/sheets", "data:read", 100, sheets_list),
    Endpoint("sheets_export_start", "POST", f"{_PROJECT}/exports", "data:write", 100, export_start),
    Endpoint("sheets_export_status", "GET", f"{_PROJECT}/exports/{{export}}", "data:read", 100, export_status),
)
