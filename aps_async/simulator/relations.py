"""What leads from one folder, item or version to others: parents, references and links."""

from typing import Any

from . import access
from .datamanagement import PROJECT, filtered, find_folder, find_item, find_version, links_of, root_folder
from .jsonapi import (
    Resource,
    dm_refusal,
    dm_reply,
    document,
    folder_resource,
    item_resource,
    resource_reply,
    version_resource,
)
from .parts import Folder, Version
from .replies import Reply
from .routing import Call, Endpoint

_DERIVED = "derived:autodesk.bim360:FileToDocument"
_SCHEMA = "https://developer.api.autodesk.com/schema/v1/versions/derived%3Aautodesk.bim360%3AFileToDocument-1.0"


async def folder_parent(call: Call) -> Reply:
    """The folder above a folder; the root folder has none."""
    found = find_folder(call)
    if found.id == found.project.root:
        raise dm_refusal(404, "NOT_FOUND", "The root folder has no parent.")
    return _folder_reply(call, found.parent or root_folder(found.project))


async def item_parent(call: Call) -> Reply:
    """The folder of an item."""
    return _folder_reply(call, find_item(call).folder)


def _folder_reply(call: Call, folder: Folder) -> Reply:
    if not access.may_see(call.user, folder):
        raise dm_refusal(403, "ERR_NOT_ALLOWED", "You don't have permission to view this folder.")
    return resource_reply(folder_resource(folder, links_of(call)))


async def version_item(call: Call) -> Reply:
    """The item of a version, its tip included."""
    item, links = find_version(call).item, links_of(call)
    return resource_reply(item_resource(item, links), included=[version_resource(item.tip, links)])


def _ends(version: Version) -> list[tuple[Version, Version, Version]]:
    """Source, result and the other one of both, for every sheet that was split from a file."""
    item = version.item
    if item.source is not None:
        return [(item.source.tip, version, item.source.tip)]
    return [(version, other.tip, other.tip) for other in item.folder.items if other.source is item]


def _references(version: Version) -> list[Resource]:
    return [
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
                "extension": {"type": _DERIVED, "version": "1.0", "schema": {"href": _SCHEMA}, "data": {}},
            },
        }
        for start, end, other in _ends(version)
    ]


def _relationship_refs(call: Call, version: Version | None) -> Reply:
    # The published description of `links` in this response fits no object, so there are none.
    if version is None:
        return dm_reply(document([]))
    kept = filtered(call, _references(version))
    others = [call.simulator.world.versions[reference["id"]] for reference in kept]
    return dm_reply(document(kept, included=[version_resource(other, links_of(call)) for other in others]))


def _refs(call: Call, version: Version | None, here: dict[str, str]) -> Reply:
    others = [other for _, _, other in _ends(version)] if version is not None else []
    data = filtered(call, [version_resource(other, links_of(call)) for other in others])
    return dm_reply(document(data, links={"self": here}))


def _here(call: Call, kind: str, *rest: str) -> dict[str, str]:
    name = kind.removesuffix("s")
    return links_of(call).href("data", "v1", "projects", call.params["project"], kind, call.params[name], *rest)


async def folder_refs(call: Call) -> Reply:
    """What a folder refers to: nothing, as sheets refer to files only."""
    find_folder(call)
    return _refs(call, None, _here(call, "folders", "refs"))


async def folder_relationship_refs(call: Call) -> Reply:
    """The same as references."""
    find_folder(call)
    return _relationship_refs(call, None)


async def item_refs(call: Call) -> Reply:
    """The versions that the tip of an item refers to."""
    return _refs(call, find_item(call).tip, _here(call, "items", "refs"))


async def item_relationship_refs(call: Call) -> Reply:
    """The same as references."""
    return _relationship_refs(call, find_item(call).tip)


async def version_related(call: Call) -> Reply:
    """The versions that a version refers to: the file of a sheet, or the sheets of a file."""
    return _refs(call, find_version(call), _here(call, "versions", "refs"))


async def version_refs(call: Call) -> Reply:
    """The same as references, which say what was derived from what."""
    return _relationship_refs(call, find_version(call))


def _no_links(call: Call, kind: str) -> Reply:
    return dm_reply(document([], links={"self": _here(call, kind, "relationships", "links")}))


async def folder_links(call: Call) -> Reply:
    """Links to resources elsewhere, of which no folder has any."""
    find_folder(call)
    return _no_links(call, "folders")


async def item_links(call: Call) -> Reply:
    """Links to resources elsewhere, of which no item has any."""
    find_item(call)
    return _no_links(call, "items")


async def version_links(call: Call) -> Reply:
    """Links to resources elsewhere, of which no version has any."""
    find_version(call)
    return _no_links(call, "versions")


async def download_formats(call: Call) -> Reply:
    """The formats a version can be converted to: none, for what BIM 360 and ACC keep."""
    version = find_version(call)
    data: dict[str, Any] = {"type": "downloadFormats", "id": version.id, "attributes": {"formats": []}}
    return dm_reply(document(data, links={"self": _here(call, "versions", "downloadFormats")}))


async def downloads(call: Call) -> Reply:
    """The conversions of a version that were made: none."""
    find_version(call)
    return dm_reply(document([], links={"self": _here(call, "versions", "downloads")}))


_FOLDER = f"{PROJECT}/folders/{{folder}}"
_ITEM = f"{PROJECT}/items/{{item}}"
_VERSION = f"{PROJECT}/versions/{{version}}"

ENDPOINTS = tuple(
    Endpoint(handler.__name__, "GET", path, "data:read", quota, handler)
    for path, quota, handler in (
        (f"{_FOLDER}/parent", 50, folder_parent),
        (f"{_FOLDER}/refs", 50, folder_refs),
        (f"{_FOLDER}/relationships/refs", 50, folder_relationship_refs),
        (f"{_FOLDER}/relationships/links", 50, folder_links),
        (f"{_ITEM}/parent", 50, item_parent),
        (f"{_ITEM}/refs", 300, item_refs),
        (f"{_ITEM}/relationships/refs", 50, item_relationship_refs),
        (f"{_ITEM}/relationships/links", 50, item_links),
        (f"{_VERSION}/item", 50, version_item),
        (f"{_VERSION}/refs", 50, version_related),
        (f"{_VERSION}/relationships/refs", 50, version_refs),
        (f"{_VERSION}/relationships/links", 50, version_links),
        (f"{_VERSION}/downloadFormats", 50, download_formats),
        (f"{_VERSION}/downloads", 50, downloads),
    )
)
