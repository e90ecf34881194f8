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
    resource_reply,
    version_resource,
)
from .narrowing import is_object
from .pages import Cache
from .parts import Folder, Hub, Item, Project, Version
from .replies import Reply
from .requests import whole_number
from .routing import Call, Endpoint
from .urns import derived_uuid

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


class Documents(Cache[Reply]):
    """Pages of folder contents that were made before."""


def links_of(call: Call) -> Links:
    """What writes the hrefs of this simulator."""
    return Links(call.simulator.url)


def _field(resource: Resource, name: str) -> Any:
    if name in ("type", "id"):
        return resource[name]
    value: Any = resource.get("attributes") or resource["meta"]
    for part in name.split("."):
        value = value.get(part) if is_object(value) else None
    return value


def filtered(call: Call, resources: Sequence[Resource]) -> list[Resource]:
    """Those that pass every `filter[...]`; values of one filter are alternatives."""
    if not call.simulator.behaviour.raw_brackets and set(call.raw_query) & set("[]"):
        raise dm_refusal(400, "BAD_INPUT", "Brackets in the query must be percent-encoded.")
    wanted: dict[tuple[str, str], list[str]] = {}  # generated SDKs repeat a name for each of its values
    for name, value in parse_qsl(call.raw_query, keep_blank_values=True):
        match = _FILTER.match(name)
        if match:
            wanted.setdefault((match[1], match[2] or "eq"), []).extend(value.split(","))
        elif name.startswith("filter"):
            raise dm_refusal(400, "BAD_INPUT", f"The filter {name!r} is not valid.")
    return [
        resource
        for resource in resources
        if all(
            any(_TESTS[test](_text(_field(resource, field)), one) for one in values)
            for (field, test), values in wanted.items()
        )
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name, str(default))
    number = whole_number(text, least, most)
    if number is None:
        raise dm_refusal(400, "BAD_INPUT", f"{name} must be a number from {least} to {most}, not {text!r}.")
    return number


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
        return links_of(call).href(*segments, query=query, turn=page)

    links = {"self": link(number), "first": link(0)}
    if number > 0:
        links["prev"] = link(number - 1)
    if (number + 1) * limit < len(everything):
        links["next"] = link(number + 1)
    return everything[number * limit : (number + 1) * limit], links


def find_hub(call: Call) -> Hub:
    """The hub that the path names, if the caller may see it."""
    access.acting_user(call, dm_refusal)
    identity = call.params["hub"]
    if identity[:2].lower() == "b.":  # a UUID; those of other hubs are base64
        identity = identity.lower()
    for hub in call.simulator.world.hubs:
        if hub.id in (identity, call.params["hub"]):
            return hub
    raise dm_refusal(404, "NOT_FOUND", "The hub does not exist.")


def find_project(call: Call) -> Project:
    """The project that the path names, if the caller may see it."""
    identity = call.params["project"].lower()
    if not identity.startswith("b.") and call.simulator.behaviour.dm_prefix_required:
        raise dm_refusal(400, "BAD_INPUT", "The project id must begin with 'b.'.")
    return access.find_project(call, identity.removeprefix("b."), dm_refusal)


def root_folder(project: Project) -> Folder:
    """The folder above the top folders, which nothing else shows."""
    return Folder(project.root, f"{project.id}-root-folder", project, folders=project.folders, hidden=True)


def find_folder(call: Call) -> Folder:
    """The folder that the path names, if the caller may see it."""
    project = find_project(call)
    folder = call.simulator.world.folders.get(call.params["folder"])
    if folder is None and call.params["folder"] == project.root:
        return root_folder(project)
    if folder is None or folder.project is not project:
        raise dm_refusal(404, "NOT_FOUND", "The folder does not exist.")
    if not access.may_see(call.user, folder):
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "You don't have permission to view this folder.")
    return folder


def find_item(call: Call) -> Item:
    """The item that the path names, if the caller may see it."""
    project = find_project(call)
    item = call.simulator.world.items.get(call.params["item"])
    if item is None:
        raise dm_refusal(404, "NOT_FOUND", "The item does not exist.")
    access.check_item(call, item, project, dm_refusal)
    return item


def _is_late(call: Call, version: Version) -> bool:
    """Whether this is the file of a Cost document that has only just been finished."""
    document, simulator = version.item.document, call.simulator
    if document is None or document.ended_at is None:
        return False
    return simulator.clock() < document.ended_at + simulator.behaviour.cost_file_delay / simulator.speed


def find_version(call: Call) -> Version:
    """The version that the path names, if the caller may see it."""
    project = find_project(call)
    version = call.simulator.world.versions.get(call.params["version"])
    if version is None or _is_late(call, version):
        raise dm_refusal(404, "NOT_FOUND", "The version does not exist.")
    access.check_item(call, version.item, project, dm_refusal)
    if version.item.document is not None and not call.simulator.behaviour.cost_folder_readable:
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "You don't have permission to view this document.")
    return version


async def hubs(call: Call) -> Reply:
    """The hubs the app was let into; regions that failed are listed in `meta.warnings`."""
    world, links = call.simulator.world, links_of(call)
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
    data = filtered(call, [hub_resource(hub, links) for hub in world.hubs] if provisioned else [])
    more: dict[str, Any] = {"links": {"self": links.href("project", "v1", "hubs")}}
    if warnings:
        more["meta"] = {"warnings": warnings}
    return dm_reply(document(data, **more))


async def hub(call: Call) -> Reply:
    """One hub."""
    return resource_reply(hub_resource(find_hub(call), links_of(call)))


async def projects(call: Call) -> Reply:
    """The hub's projects the caller is a member of."""
    found = find_hub(call)
    mine = [project for project in found.projects if access.is_member(call.user, project)]
    page, links = _page(call, mine, "project", "v1", "hubs", found.id, "projects")
    data = filtered(call, [project_resource(project, links_of(call)) for project in page])
    return dm_reply(document(data, links=links))


def find_hub_project(call: Call) -> Project:
    """The project of the path, which must be one of the hub."""
    found, wanted = find_hub(call), find_project(call)
    if wanted.hub is not found:
        raise dm_refusal(404, "NOT_FOUND", "The project does not exist in this hub.")
    return wanted


async def project(call: Call) -> Reply:
    """One project."""
    return resource_reply(project_resource(find_hub_project(call), links_of(call)))


async def project_hub(call: Call) -> Reply:
    """The hub of a project."""
    return resource_reply(hub_resource(find_hub_project(call).hub, links_of(call)))


async def top_folders(call: Call) -> Reply:
    """The highest folders the caller may see, hidden service folders among them."""
    found = find_hub_project(call)
    no_deleted, files_only = _flag(call, "excludeDeleted"), _flag(call, "projectFilesOnly")
    hidden_too = call.simulator.behaviour.hidden_service_folders
    data = [
        folder_resource(folder, links_of(call))
        for folder in found.folders
        if access.may_see(call.user, folder)
        and not (no_deleted and folder.deleted)
        and not (files_only and "CONVERT" not in folder.actions)
        and (hidden_too or not folder.hidden)
    ]
    here = links_of(call).href("project", "v1", "hubs", found.hub.id, "projects", f"b.{found.id}", "topFolders")
    return dm_reply(document(data, links={"self": here}))


async def folder(call: Call) -> Reply:
    """One folder."""
    return resource_reply(folder_resource(find_folder(call), links_of(call)))


async def folder_contents(call: Call) -> Reply:
    """Subfolders and items, paged before they are filtered; the items' tips are included."""
    found, links = find_folder(call), links_of(call)
    world = call.simulator.world
    key = (world.revision, call.endpoint.name, call.params["folder"], call.raw_query, call.user and call.user.id)
    cached = call.simulator.state(Documents).get(key)
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
    data = filtered(call, resources)
    tips = [world.items[resource["id"]].tip for resource in data if resource["type"] == "items"]
    included = [version_resource(tip, links) for tip in tips]
    reply = dm_reply(document(data, links=page_links, **({"included": included} if included else {})))
    call.simulator.state(Documents).put(key, reply)
    return Reply(200, dict(reply.headers), reply.body)


async def folder_search(call: Call) -> Reply:
    """Tip versions in the folder and below; filters act on the versions."""
    found, links = find_folder(call), links_of(call)
    if call.simulator.behaviour.search_needs_user and call.user is None:
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "A search needs a user.")
    if "page[limit]" in call.query:
        raise dm_refusal(400, "BAD_INPUT", "page[limit] is not supported by search.")
    number = _number(call, "page[number]", 0, 0, _SEARCH_LAST)
    everything = filtered(call, [version_resource(item.tip, links) for item in _below(call, found)])
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
    found = find_item(call)
    data = item_resource(found, links_of(call))
    if _flag(call, "includePathInProject"):
        data["attributes"]["pathInProject"] = f"/{found.folder.path}"
    return resource_reply(data, included=[version_resource(found.tip, links_of(call))])


async def item_tip(call: Call) -> Reply:
    """The newest version."""
    # The published description of this one response allows no `links.self`.
    return dm_reply(document(version_resource(find_item(call).tip, links_of(call))))


async def item_versions(call: Call) -> Reply:
    """All versions, newest first."""
    found = find_item(call)
    here = ("data", "v1", "projects", f"b.{found.folder.project.id}", "items", found.id, "versions")
    page, links = _page(call, found.versions[::-1], *here)
    data = filtered(call, [version_resource(version, links_of(call)) for version in page])
    return dm_reply(document(data, links=links))


async def version(call: Call) -> Reply:
    """One version."""
    return resource_reply(version_resource(find_version(call), links_of(call)))


_HUB = "/project/v1/hubs/{hub}"
PROJECT = "/data/v1/projects/{project}"

ENDPOINTS = tuple(
    Endpoint(handler.__name__, "GET", path, "data:read", quota, handler)
    for path, quota, handler in (
        ("/project/v1/hubs", 50, hubs),
        (_HUB, 50, hub),
        (f"{_HUB}/projects", 50, projects),
        (f"{_HUB}/projects/{{project}}", 50, project),
        (f"{_HUB}/projects/{{project}}/hub", 50, project_hub),
        (f"{_HUB}/projects/{{project}}/topFolders", 300, top_folders),
        (f"{PROJECT}/folders/{{folder}}", 300, folder),
        (f"{PROJECT}/folders/{{folder}}/contents", 300, folder_contents),
        (f"{PROJECT}/folders/{{folder}}/search", 300, folder_search),
        (f"{PROJECT}/items/{{item}}", 300, item),
        (f"{PROJECT}/items/{{item}}/tip", 50, item_tip),
        (f"{PROJECT}/items/{{item}}/versions", 800, item_versions),
        (f"{PROJECT}/versions/{{version}}", 300, version),
    )
)
