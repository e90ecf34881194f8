"""ACC Sheets: collections, version sets, the lists of sheets, and exports of many sheets into one PDF.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/sheets-sheets-GET/

Without `collectionId`, sheets and version sets in a collection are left out, as documented; `*` brings all of them.
What the documentation leaves open are switches: `accswitches`.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from . import acc
from .jsonapi import timestamp
from .parts import BuildSheet, Collection, Project, VersionSet
from .replies import Reply, json_reply
from .requests import whole_number
from .routing import Call, Endpoint
from .urns import derived_uuid

_MOST = 1000
_PAGE = 100
_UNTAGGED = "__UNTAGGED"
_SORTABLE = {"name": "name", "issuanceDate": "issuance_date"}

T = TypeVar("T")
Grouped = TypeVar("Grouped", BuildSheet, VersionSet)


def _bad(call: Call, detail: str) -> Exception:
    return acc.refuse(call, 400, "ERR_BAD_INPUT", detail)


def _values(call: Call, name: str) -> list[str]:
    """All values of a parameter that may be given several times."""
    return [value for key, value in parse_qsl(call.raw_query, keep_blank_values=True) if key == name and value]


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name, str(default))
    number = whole_number(text, least, most)
    if number is None:
        raise _bad(call, f"{name} must be a number from {least} to {most}, not {text!r}.")
    return number


def _flag(call: Call, name: str, *, default: bool = False) -> bool:
    text = call.query.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise _bad(call, f"{name} must be true or false, not {text!r}.")
    return text == "true"


def _in_collection(call: Call, project: Project, everything: Sequence[Grouped]) -> list[Grouped]:
    """What `collectionId` asks for: without it only what is in no collection, with `*` everything."""
    wanted = call.query.get("collectionId")
    if wanted == "*":
        return list(everything)
    if wanted is not None:
        try:
            uuid.UUID(wanted)
        except ValueError:
            raise _bad(call, "collectionId must be a UUID or *.") from None
    identity, status = wanted.lower() if wanted else None, call.simulator.behaviour.acc_unknown_collection_status
    if identity and status != 200 and identity not in {one.id.lower() for one in project.collections}:
        raise acc.refuse(call, status, "ERR_RESOURCE_NOT_EXIST", "The collection does not exist.")
    return [one for one in everything if (one.collection.id.lower() if one.collection else None) == identity]


def _listed(call: Call, everything: Sequence[T], document: Callable[[T], Any], most: int) -> Reply:
    """A page of results."""
    written = call.simulator.behaviour.acc_page_links
    offset = _number(call, "offset", 0, 0, 10**9)
    limit = _number(call, "limit", most, 1, most)
    pairs = [pair for pair in parse_qsl(call.raw_query, keep_blank_values=True) if pair[0] not in ("offset", "limit")]

    def address(at: int) -> str:
        query = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in (*pairs, ("offset", str(at))))
        relative = written == "relative" or (written == "both" and (offset // limit) % 2)
        base = "" if relative else call.simulator.url
        return f"{base}{call.raw_path}?{query}&limit={limit}"

    pagination = {
        "limit": limit,
        "offset": offset,
        "previousUrl": address(max(0, offset - limit)) if offset else "",
        "nextUrl": address(offset + limit) if offset + limit < len(everything) else "",
        "totalResults": len(everything),
    }
    return json_reply(
        200, {"results": [document(one) for one in everything[offset : offset + limit]], "pagination": pagination}
    )


def _authors(identity: str) -> dict[str, str]:
    return {
        "createdAt": timestamp(identity),
        "createdBy": "BW9RM76WZBGL",
        "createdByName": "Ada Brandt",
        "updatedAt": timestamp(identity, 1),
        "updatedBy": "BW9RM76WZBGL",
        "updatedByName": "Ada Brandt",
    }


def _reference(collection: Collection | None) -> dict[str, str] | None:
    return {"id": collection.id, "name": collection.name} if collection else None


def _collection_document(collection: Collection) -> dict[str, Any]:
    """Its id and name, and the authors that sheets have."""
    return {"id": collection.id, "name": collection.name, **_authors(collection.id)}


def _set_document(version_set: VersionSet) -> dict[str, Any]:
    """Its id, name and date, and the authors that sheets have."""
    return {
        "id": version_set.id,
        "name": version_set.name,
        "issuanceDate": version_set.issuance_date,
        **_authors(version_set.id),
        "collection": _reference(version_set.collection),
    }


def _document(sheet: BuildSheet, *, is_current: bool) -> dict[str, Any]:
    """Every field of the documentation's sample."""
    version_set = sheet.version_set
    return {
        "id": sheet.id,
        "number": sheet.number,
        "versionSet": {
            "id": version_set.id,
            "name": version_set.name,
            "issuanceDate": version_set.issuance_date,
            "deleted": False,
        },
        **_authors(sheet.id),
        "title": sheet.title,
        "uploadFileName": sheet.upload_file_name,
        "uploadId": derived_uuid("upload", sheet.project.id, sheet.upload_file_name),
        "tags": list(sheet.tags),
        "paperSize": list(sheet.paper_size),
        "isCurrent": is_current,
        "deleted": sheet.deleted,
        "deletedAt": timestamp(sheet.id, 2) if sheet.deleted else "",
        "deletedBy": "BW9RM76WZBGL" if sheet.deleted else "",
        "deletedByName": "Ada Brandt" if sheet.deleted else "",
        "viewable": {
            "urn": f"urn:adsk.bimdocs:seed:{derived_uuid('viewable', sheet.id)}",
            "guid": derived_uuid("sheet guid", sheet.id),
        },
        "collection": _reference(sheet.collection),
    }


def _writer(
    call: Call, project: Project
) -> tuple[Callable[[BuildSheet], bool], Callable[[BuildSheet], dict[str, Any]]]:
    """Whether a sheet is current, and its document.

    Of the sheets with one number the one with the newest issuance date is current, dates to come included.
    """
    apart = call.simulator.behaviour.acc_current_within == "collection"
    newest: dict[tuple[Collection | None, str], str] = {}
    for sheet in project.sheets:
        if sheet.published and not sheet.deleted:
            key = (sheet.collection if apart else None, sheet.number)
            newest[key] = max(newest.get(key, ""), sheet.version_set.issuance_date)

    def is_current(sheet: BuildSheet) -> bool:
        issued = sheet.version_set.issuance_date
        return sheet.current and issued >= newest.get((sheet.collection if apart else None, sheet.number), "")

    return is_current, lambda sheet: _document(sheet, is_current=is_current(sheet))


def _is_wanted(call: Call) -> Callable[[BuildSheet], bool]:
    """The filters that look at one sheet alone."""
    version_set = call.query.get("filter[versionSetId]", "").lower()
    tags, all_tags = set(_values(call, "filter[tags]")), _flag(call, "withAllTags")
    text, deleted = call.query.get("searchText", ""), _flag(call, "isDeleted")

    def wanted(sheet: BuildSheet) -> bool:
        if not sheet.published or sheet.deleted != deleted:
            return False
        if version_set and sheet.version_set.id.lower() != version_set:
            return False
        has = set(sheet.tags) or {_UNTAGGED}
        if tags and not (tags <= has if all_tags else tags & has):
            return False
        return text in sheet.number or text in sheet.title

    return wanted


async def collections(call: Call) -> Reply:
    """GET collections."""
    project = acc.find_project(call, needs_user=False)
    return _listed(call, project.collections, _collection_document, call.simulator.behaviour.acc_sets_max)


async def collection(call: Call) -> Reply:
    """GET collections/{collection}."""
    project = acc.find_project(call, needs_user=False)
    for one in project.collections:
        if one.id.lower() == call.params["collection"].lower():
            return json_reply(200, _collection_document(one))
    raise acc.refuse(call, 404, "ERR_RESOURCE_NOT_EXIST", "The collection does not exist.")


async def version_sets(call: Call) -> Reply:
    """GET version-sets; without `sort` in the order of the world."""
    project = acc.find_project(call, needs_user=False)
    found = _in_collection(call, project, project.version_sets)
    for rule in reversed([part for value in _values(call, "sort") for part in value.split(",")]):
        name, _, order = rule.strip().partition(" ")
        if name not in _SORTABLE or order not in ("", "asc", "desc"):
            raise _bad(call, f"sort must be one of {', '.join(_SORTABLE)} with asc or desc, not {rule!r}.")
        found.sort(key=lambda one, by=_SORTABLE[name]: str(getattr(one, by)), reverse=order == "desc")  # type: ignore[misc]
    return _listed(call, found, _set_document, call.simulator.behaviour.acc_sets_max)


async def sheets_list(call: Call) -> Reply:
    """GET sheets."""
    project = acc.find_project(call, needs_user=False)
    is_current, document = _writer(call, project)
    with_id = call.simulator.behaviour.acc_fields_with_id
    found = list(filter(_is_wanted(call), _in_collection(call, project, project.sheets)))
    if _flag(call, "currentOnly", default="filter[versionSetId]" not in call.query):
        found = [sheet for sheet in found if is_current(sheet)]
    fields = _values(call, "fields")
    known = document(project.sheets[0]) if project.sheets else {}
    if unknown := [name for name in fields if known and name not in known]:
        raise _bad(call, f"Unknown field {unknown[0]!r}.")

    def chosen(sheet: BuildSheet) -> Mapping[str, Any]:
        full = document(sheet)
        return {name: full[name] for name in (*(["id"] if with_id else []), *fields)} if fields else full

    return _listed(call, found, chosen, _PAGE)


async def sheets_batch(call: Call) -> Reply:
    """POST sheets:batch-get, in every collection."""
    behaviour = call.simulator.behaviour
    project = acc.find_project(call, needs_user=False)
    ids = acc.read_ids(call, await acc.read_body(call), "ids", behaviour.acc_batch_max)
    known = {sheet.id: sheet for sheet in project.sheets if sheet.published}
    _, document = _writer(call, project)
    status = behaviour.acc_batch_unknown_status
    if status != 200 and any(each.lower() not in known for each in ids):
        raise acc.refuse(call, status, "ERR_RESOURCE_NOT_EXIST", "One of the sheets does not exist.")
    found = [known[each.lower()] for each in ids if each.lower() in known]
    return json_reply(200, {"results": [document(sheet) for sheet in found]})


async def export_start(call: Call) -> Reply:
    """POST .../exports."""
    project = acc.find_project(call, needs_user=True)
    body = await acc.read_body(call)
    options = acc.read_options(call, body, assets=True)
    known, behaviour = {sheet.id: sheet for sheet in project.sheets}, call.simulator.behaviour
    chosen: list[BuildSheet] = []
    for identity in acc.read_ids(call, body, "sheets", _MOST):
        sheet = known.get(identity.lower())
        if sheet is None:
            raise acc.refuse(call, 404, "ERR_RESOURCE_NOT_EXIST", f"The sheet {identity} does not exist.")
        if sheet.deleted:
            status = behaviour.acc_deleted_sheet_status
            raise acc.refuse(call, status, "ERR_RESOURCE_NOT_EXIST", f"The sheet {identity} is deleted.")
        if not sheet.published:
            status = behaviour.acc_unpublished_status
            raise acc.refuse(call, status, "ERR_BAD_INPUT", f"The sheet {identity} is not published.")
        chosen.append(sheet)
    return await acc.started(call, acc.start(call, "sheets", project, tuple(chosen), options, ".pdf"))


async def export_status(call: Call) -> Reply:
    """GET .../exports/{export}."""
    return await acc.status(call, "sheets")


_PROJECT = "/construction/sheets/v1/projects/{project}"

ENDPOINTS = (
    Endpoint("collections", "GET", f"{_PROJECT}/collections", "data:read", 100, collections),
    Endpoint("collection", "GET", f"{_PROJECT}/collections/{{collection}}", "data:read", 100, collection),
    Endpoint("version_sets", "GET", f"{_PROJECT}/version-sets", "data:read", 100, version_sets),
    Endpoint("sheets_list", "GET", f"{_PROJECT}/sheets", "data:read", 100, sheets_list),
    Endpoint("sheets_batch_get", "POST", f"{_PROJECT}/sheets:batch-get", "data:read", 100, sheets_batch),
    Endpoint("sheets_export_start", "POST", f"{_PROJECT}/exports", "data:write", 100, export_start),
    Endpoint("sheets_export_status", "GET", f"{_PROJECT}/exports/{{export}}", "data:read", 100, export_status),
)
