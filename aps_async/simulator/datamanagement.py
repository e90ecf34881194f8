"""Hubs, projects, folders, items and versions."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from . import access
from .jsonapi import (
    Links,
    Resource,
    dm_refusal,
    dm_reply,
    document,
    folder_resource,
    hub_resource,
    item_resource,
    project_resource,
    version_resource,
)
from .routing import Call, Endpoint, Reply
from .urns import derived_uuid
from .world import Folder, Hub, Item, Project, Version

_T = TypeVar("_T")
_FILTER = re.compile(r"filter\[(?:attributes\.|meta\.)?([\w.]+)\](?:-(lt|le|eq|ge|gt|starts|ends|contains))?$")
_SEARCH_PAGE = 50
_SEARCH_LAST = 49
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda have, want: have == want,
    "lt": lambda have, want: have < want,
    "le": lambda have, want: have <= want,
    "ge": lambda have, want: have >= want,
    "gt": lambda have, want: have > want,
    "starts": lambda have, want: have.startswith(want),
    "ends": lambda have, want: have.endswith(want),
    "contains": lambda have, want: want in have,
}


def _links(call: Call) -> Links:
    return call.simulator.links


def _field(resource: Resource, name: str) -> Any:
    if name in ("type", "id"):
        return resource[name]
    value: Any = resource["attributes"]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _filtered(call: Call, resources: Sequence[Resource]) -> list[Resource]:
    """Those that pass every `filter[...]`; values of one filter are alternatives."""
    wanted = []
    for name, value in call.query.items():
        match = _FILTER.match(name)
        if match:
            wanted.append((match[1], _TESTS[match[2] or "eq"], value.split(",")))
        elif name.startswith("filter"):
            raise dm_refusal(400, "BAD_INPUT", f"The filter {name!r} is not valid.")
    return [
        resource
        for resource in resources
        if all(any(test(_text(_field(resource, field)), one) for one in values) for field, test, values in wanted)
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise dm_refusal(400, "BAD_INPUT", f"{name} must be a number from {least} to {most}, not {text!r}.")
    return int(text)


def _flag(call: Call, name: str) -> bool:
    text = call.query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise dm_refusal(400, "BAD_INPUT", f"{name} must be true or false, not {text!r}.")
    return text == "true"


def _page(call: Call, everything: Sequence[_T], *segments: str) -> tuple[Sequence[_T], dict[str, Any]]:
    """The asked for page, before any filter is applied, and the links that go with it."""
    most = call.simulator.behaviour.page_limit_max
    number = _number(call, "page[number]", 0, 0, 10**9)
    limit = _number(call, "page[limit]", most, 1, most)
    kept = [pair for pair in parse_qsl(call.raw_query, keep_blank_values=True) if not pair[0].startswith("page[")]

    def link(page: int) -> dict[str, str]:
        pairs = [*kept, ("page[number]", str(page)), ("page[limit]", str(limit))]
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
        return _links(call).href(*segments, query=query, turn=page)

    links = {"self": link(number), "first": link(0)}
    if number > 0:
        links["prev"] = link(number - 1)
    if (number + 1) * limit < len(everything):
        links["next"] = link(number + 1)
    return everything[number * limit : (number + 1) * limit], links


def _hub(call: Call) -> Hub:
    access.acting_user(call, dm_refusal)
    for hub in call.simulator.world.hubs:
        if hub.id == call.params["hub"]:
            return hub
    raise dm_refusal(404, "NOT_FOUND", "The hub does not exist.")


def _project(call: Call) -> Project:
    identity = call.params["project"]
    if not identity.startswith("b."):
        raise dm_refusal(400, "BAD_INPUT", "The project id must begin with 'b.'.")
    return access.find_project(call, identity[2:], dm_refusal)


def _folder(call: Call) -> Folder:
    project = _project(call)
    folder = call.simulator.world.folders.get(call.params["folder"])
    if folder is None or folder.project is not project:
        raise dm_refusal(404, "NOT_FOUND", "The folder does not exist.")
    if not access.may_see(call.user, folder):
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "You don't have permission to view this folder.")
    return folder


def _item(call: Call) -> Item:
    project = _project(call)
    item = call.simulator.world.items.get(call.params["item"])
    if item is None:
        raise dm_refusal(404, "NOT_FOUND", "The item does not exist.")
    access.check_item(call, item, project, dm_refusal)
    return item


def _version(call: Call) -> Version:
    project = _project(call)
    version = call.simulator.world.versions.get(call.params["version"])
    if version is None:
        raise dm_refusal(404, "NOT_FOUND", "The version does not exist.")
    access.check_item(call, version.item, project, dm_refusal)
    if version.item.document is not None and not call.simulator.behaviour.cost_folder_readable:
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "You don't have permission to view this document.")
    return version


async def hubs(call: Call) -> Reply:
    """The hubs the app was let into; parts of the account that failed stand in `meta.warnings`."""
    world, links = call.simulator.world, _links(call)
    provisioned = call.app is None or call.app.provisioned
    if provisioned:
        access.acting_user(call, dm_refusal)
    warnings = [
        {
            "Id": derived_uuid("warning", warning.region),
            "HttpStatusCode": "403",
            "ErrorCode": "BIM360DM_ERROR",
            "Title": warning.title,
            "Detail": warning.detail,
            "AboutLink": None,
            "Source": None,
            "meta": None,
        }
        for warning in world.warnings
    ]
    data = _filtered(call, [hub_resource(hub, links) for hub in world.hubs] if provisioned else [])
    more: dict[str, Any] = {"links": {"self": links.href("project", "v1", "hubs")}}
    if warnings:
        more["meta"] = {"warnings": warnings}
    return dm_reply(document(data, **more))


async def hub(call: Call) -> Reply:
    """One hub."""
    return dm_reply(document(hub_resource(_hub(call), _links(call))))


async def projects(call: Call) -> Reply:
    """The hub's projects the caller is a member of."""
    found = _hub(call)
    mine = [project for project in found.projects if access.is_member(call.user, project)]
    page, links = _page(call, mine, "project", "v1", "hubs", found.id, "projects")
    data = _filtered(call, [project_resource(project, _links(call)) for project in page])
    return dm_reply(document(data, links=links))


def _hub_project(call: Call) -> Project:
    found, wanted = _hub(call), _project(call)
    if wanted.hub is not found:
        raise dm_refusal(404, "NOT_FOUND", "The project does not exist in this hub.")
    return wanted


async def project(call: Call) -> Reply:
    """One project."""
    return dm_reply(document(project_resource(_hub_project(call), _links(call))))


async def top_folders(call: Call) -> Reply:
    """The highest folders the caller may see, hidden service folders among them."""
    found = _hub_project(call)
    no_deleted, files_only = _flag(call, "excludeDeleted"), _flag(call, "projectFilesOnly")
    hidden_too = call.simulator.behaviour.hidden_service_folders
    data = [
        folder_resource(folder, _links(call))
        for folder in found.folders
        if access.may_see(call.user, folder)
        and not (no_deleted and folder.deleted)
        and not (files_only and "CONVERT" not in folder.actions)
        and (hidden_too or not folder.hidden)
    ]
    here = _links(call).href("project", "v1", "hubs", found.hub.id, "projects", f"b.{found.id}", "topFolders")
    return dm_reply(document(data, links={"self": here}))


async def folder(call: Call) -> Reply:
    """One folder."""
    return dm_reply(document(folder_resource(_folder(call), _links(call))))


async def folder_contents(call: Call) -> Reply:
    """Subfolders and items, paged before they are filtered; the items' tips are included."""
    found, links = _folder(call), _links(call)
    world = call.simulator.world
    key = (world.revision, call.endpoint.name, call.params["folder"], call.raw_query, call.user and call.user.id)
    cached = call.simulator.documents.get(key)
    if cached is not None:
        return Reply(200, dict(cached.headers), cached.body)
    children: list[Folder | Item] = [child for child in found.folders if access.may_see(call.user, child)]
    children += found.items
    here = ("data", "v1", "projects", f"b.{found.project.id}", "folders", found.id, "contents")
    page, page_links = _page(call, children, *here)
    hidden_too = _flag(call, "includeHidden")
    resources = [
        folder_resource(child, links) if isinstance(child, Folder) else item_resource(child, links)
        for child in page
        if hidden_too or not (child.hidden or child.deleted)
    ]
    data = _filtered(call, resources)
    tips = [world.items[resource["id"]].tip for resource in data if resource["type"] == "items"]
    included = [version_resource(tip, links) for tip in tips]
    reply = dm_reply(document(data, links=page_links, **({"included": included} if included else {})))
    call.simulator.documents.put(key, reply)
    return Reply(200, dict(reply.headers), reply.body)


async def folder_search(call: Call) -> Reply:
    """Tip versions in the folder and below; filters act on the versions."""
    found, links = _folder(call), _links(call)
    if call.simulator.behaviour.search_needs_user and call.user is None:
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "A search needs a user.")
    if "page[limit]" in call.query:
        raise dm_refusal(400, "BAD_INPUT", "page[limit] is not supported by search.")
    number = _number(call, "page[number]", 0, 0, _SEARCH_LAST)
    everything = _filtered(call, [version_resource(item.tip, links) for item in _below(call, found)])
    page = everything[number * _SEARCH_PAGE : (number + 1) * _SEARCH_PAGE]
    here = ("data", "v1", "projects", f"b.{found.project.id}", "folders", found.id, "search")
    page_links = {"self": links.href(*here)}
    if (number + 1) * _SEARCH_PAGE < len(everything) and number < _SEARCH_LAST:
        kept = [pair for pair in parse_qsl(call.raw_query) if not pair[0].startswith("page[")]
        pairs = [*kept, ("page[number]", str(number + 1))]
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
        page_links["next"] = links.href(*here, query=query, turn=number)
    items = [item_resource(call.simulator.world.versions[one["id"]].item, links) for one in page]
    pages = -(-len(everything) // _SEARCH_PAGE)
    return dm_reply(document(page, links=page_links, included=items, meta={"approximateNumberOfPages": pages}))


def _below(call: Call, folder: Folder) -> list[Item]:
    found = [item for item in folder.items if not (item.hidden or item.deleted)]
    for child in folder.folders:
        if access.may_see(call.user, child) and not child.hidden:
            found += _below(call, child)
    return found


async def item(call: Call) -> Reply:
    """One item, its tip included."""
    found = _item(call)
    data = item_resource(found, _links(call))
    if _flag(call, "includePathInProject"):
        data["attributes"]["pathInProject"] = f"/{found.folder.path}"
    return dm_reply(document(data, included=[version_resource(found.tip, _links(call))]))


async def item_tip(call: Call) -> Reply:
    """The newest version."""
    return dm_reply(document(version_resource(_item(call).tip, _links(call))))


async def item_versions(call: Call) -> Reply:
    """All versions, newest first."""
    found = _item(call)
    here = ("data", "v1", "projects", f"b.{found.folder.project.id}", "items", found.id, "versions")
    page, links = _page(call, found.versions[::-1], *here)
    data = _filtered(call, [version_resource(version, _links(call)) for version in page])
    return dm_reply(document(data, links=links))


async def version(call: Call) -> Reply:
    """One version."""
    return dm_reply(document(version_resource(_version(call), _links(call))))


async def version_refs(call: Call) -> Reply:
    """Which file a sheet was split from, or which sheets came out of a file."""
    found = _version(call)
    source = found.item.source
    ends = [(source.tip, found, source.tip)] if source is not None else []
    if source is None:
        sheets = (other.tip for other in found.item.folder.items if other.source is found.item)
        ends = [(found, sheet, sheet) for sheet in sheets]
    data = [
        {
            "type": "versions",
            "id": other.id,
            "meta": {
                "refType": "derived",
                "direction": "from" if other is start else "to",
                "fromId": start.id,
                "fromType": "versions",
                "toId": end.id,
                "toType": "versions",
                "extension": {"type": "derived:autodesk.bim360:FileToDocument", "version": "1.0"},
            },
        }
        for start, end, other in ends
    ]
    return dm_reply(document(data, included=[version_resource(other, _links(call)) for _, _, other in ends]))


_HUB = "/project/v1/hubs/{hub}"
_PROJECT = "/data/v1/projects/{project}"

ENDPOINTS = tuple(
    Endpoint(handler.__name__, "GET", path, "data:read", quota, handler)
    for path, quota, handler in (
        ("/project/v1/hubs", 50, hubs),
        (_HUB, 50, hub),
        (f"{_HUB}/projects", 50, projects),
        (f"{_HUB}/projects/{{project}}", 50, project),
        (f"{_HUB}/projects/{{project}}/topFolders", 300, top_folders),
        (f"{_PROJECT}/folders/{{folder}}", 300, folder),
        (f"{_PROJECT}/folders/{{folder}}/contents", 300, folder_contents),
        (f"{_PROJECT}/folders/{{folder}}/search", 300, folder_search),
        (f"{_PROJECT}/items/{{item}}", 300, item),
        (f"{_PROJECT}/items/{{item}}/tip", 50, item_tip),
        (f"{_PROJECT}/items/{{item}}/versions", 800, item_versions),
        (f"{_PROJECT}/versions/{{version}}", 300, version),
        (f"{_PROJECT}/versions/{{version}}/relationships/refs", 50, version_refs),
    )
)
