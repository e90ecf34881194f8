"""JSON:API documents in the words and the three link styles of Data Management."""

import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zlib import crc32

from .parts import DOCUMENT, Folder, Hub, Item, Project, Version
from .replies import Refusal, Reply, json_reply
from .urns import b64urn, derived_uuid

Resource = dict[str, Any]

_BIRTH = datetime(2024, 3, 4, 8, 15, 21, tzinfo=UTC)
_PEOPLE = (("BW9RM76WZBGL", "Ada Brandt"), ("QX4TM81KLPZA", "Jonas Weiler"), ("ZK7HV20CEWRN", "Mei Tanaka"))
_CONTENT_TYPE = "application/vnd.api+json"


def dm_reply(document: Any, status: int = 200) -> Reply:
    """An answer of Data Management."""
    return json_reply(status, document, {"Content-Type": _CONTENT_TYPE, "Vary": "Accept-Encoding"})


def dm_refusal(status: int, code: str, detail: str) -> Refusal:
    """An error document of Data Management."""
    error = {"id": str(uuid.uuid4()), "status": str(status), "code": code, "detail": detail}
    if status != 404:  # titles are not always there
        error["title"] = {400: "Bad Request", 403: "Forbidden"}.get(status, "Error")
    return Refusal(dm_reply({"jsonapi": {"version": "1.0"}, "errors": [error]}, status))


def document(data: Any, **more: Any) -> dict[str, Any]:
    """The outermost object."""
    return {"jsonapi": {"version": "1.0"}, **more, "data": data}


def resource_reply(resource: Resource, **more: Any) -> Reply:
    """A response with one resource."""
    return dm_reply(document(resource, links={"self": resource["links"]["self"]}, **more))


class Links:
    """Writes hrefs: relative, absolute with bare URNs, and half encoded, in a fixed rotation."""

    def __init__(self, base: str) -> None:
        self._base = base

    def href(self, *segments: str, query: str = "", turn: int = 0) -> dict[str, str]:
        """A link object; the same segments and turn give the same style."""
        path = "/".join(segments)
        style = (crc32(path.encode()) + turn) % 3
        if style == 0:
            text = "/" + "/".join([_quoted(segment, "") for segment in segments])
        elif style == 1 and "?" not in path:
            text = f"{self._base}/{path}"
        else:
            text = f"{self._base}/" + "/".join([_quoted(segment, ":=") for segment in segments])
        return {"href": f"{text}?{query}" if query else text}


@lru_cache(1 << 12)  # the same few segments are in every link of a page, and quoting takes most of its time
def _quoted(segment: str, safe: str) -> str:
    return quote(segment, safe=safe)


def timestamp(key: str, days: int = 0) -> str:
    """A moment that belongs to `key`, with the seven fractional digits the service writes."""
    offset = crc32(key.encode())
    moment = _BIRTH + timedelta(days=days + offset % 200, seconds=offset % 36_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{offset % 10_000_000 if offset % 3 == 0 else 0:07d}Z"


def _people(key: str) -> dict[str, str]:
    user, name = _PEOPLE[crc32(key.encode()) % len(_PEOPLE)]
    return {"createUserId": user, "createUserName": name, "lastModifiedUserId": user, "lastModifiedUserName": name}


def _extension(kind: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = f"https://developer.api.autodesk.com/schema/v1/versions/{_quoted(kind, '')}-1.0"
    return {"type": kind, "version": "1.0", "schema": {"href": schema}, "data": data or {}}


def _references(links: Links, here: tuple[str, ...]) -> dict[str, Any]:
    """The relationships that folders, items and versions have in common."""
    return {
        "refs": {
            "links": {
                "self": links.href(*here, "relationships", "refs"),
                "related": links.href(*here, "refs"),
            }
        },
        "links": {"links": {"self": links.href(*here, "relationships", "links")}},
    }


def hub_resource(hub: Hub, links: Links) -> Resource:
    """A hub; its extension type is the same for BIM 360 and ACC accounts."""
    return {
        "type": "hubs",
        "id": hub.id,
        "attributes": {"name": hub.name, "region": hub.region, "extension": _extension("hubs:autodesk.bim360:Account")},
        "links": {"self": links.href("project", "v1", "hubs", hub.id)},
        "relationships": {"projects": {"links": {"related": links.href("project", "v1", "hubs", hub.id, "projects")}}},
    }


def project_resource(project: Project, links: Links) -> Resource:
    """A project with the container ids of its other services."""
    hub, dm_id, acc = project.hub, f"b.{project.id}", project.kind == "ACC"
    cost = project.cost.container
    host = "acc.autodesk.com/build" if acc else "docs.b360.autodesk.com/projects"
    here = ("project", "v1", "hubs", hub.id, "projects", dm_id)
    return {
        "type": "projects",
        "id": dm_id,
        "attributes": {
            "name": project.name,
            "scopes": [f"b360project.{project.id}", f"O2tenant.{crc32(hub.id.encode()) % 10**8}"],
            "extension": _extension("projects:autodesk.bim360:Project", {"projectType": project.kind}),
        },
        "links": {"self": links.href(*here), "webView": {"href": f"https://{host}/{project.id}"}},
        "relationships": {
            "hub": {"data": {"type": "hubs", "id": hub.id}, "links": {"related": links.href(*here, "hub")}},
            "rootFolder": {
                "data": {"type": "folders", "id": project.root},
                "meta": {"link": links.href("data", "v1", "projects", dm_id, "folders", project.root)},
            },
            "topFolders": {"links": {"related": links.href(*here, "topFolders")}},
            "cost": {
                "data": {"type": "costContainerId", "id": cost},
                "meta": {"link": {"href": f"https://developer.api.autodesk.com/cost/v1/containers/{cost}/budgets"}},
            },
        },
    }


def folder_resource(folder: Folder, links: Links) -> Resource:
    """A folder; `actions` and `visibleTypes` are left out where there are none."""
    here = ("data", "v1", "projects", f"b.{folder.project.id}", "folders", folder.id)
    data: dict[str, Any] = {
        "allowedTypes": [*folder.visible_types, "folders:autodesk.bim360:Folder"],
        "isRoot": folder.id == folder.project.root,
        "folderType": folder.folder_type,
        "namingStandardIds": [],
    }
    if folder.actions:
        data["actions"] = list(folder.actions)
    if folder.visible_types:
        data["visibleTypes"] = list(folder.visible_types)
    parent: dict[str, Any] = {"links": {"related": links.href(*here, "parent")}}
    if folder.id != folder.project.root:
        parent["data"] = {"type": "folders", "id": folder.parent.id if folder.parent else folder.project.root}
    return {
        "type": "folders",
        "id": folder.id,
        "attributes": {
            "name": folder.name,
            "displayName": folder.name,
            "createTime": timestamp(folder.id),
            "lastModifiedTime": timestamp(folder.id, 60),
            "lastModifiedTimeRollup": timestamp(folder.id, 90),
            **_people(folder.id),
            "objectCount": len(folder.items) + len(folder.folders),
            "hidden": folder.hidden,
            "extension": _extension("folders:autodesk.bim360:Folder", data),
        },
        "links": {"self": links.href(*here)},
        "relationships": {
            "parent": parent,
            "contents": {"links": {"related": links.href(*here, "contents")}},
            **_references(links, here),
        },
    }


def _modified(item: Item) -> str:
    names = "" if item.hides_renames else f"{item.name} {item.title}"
    return timestamp(item.id, len(item.versions) + 300 + crc32(names.encode("utf-8", "surrogatepass")) % 1000)


def item_resource(item: Item, links: Links) -> Resource:
    """An item, with its newest version by name only."""
    here = ("data", "v1", "projects", f"b.{item.folder.project.id}", "items", item.id)
    return {
        "type": "items",
        "id": item.id,
        "attributes": {
            "displayName": item.name,
            "createTime": timestamp(item.id),
            "lastModifiedTime": _modified(item),
            **_people(item.id),
            "hidden": item.hidden,
            "reserved": False,
            "extension": _extension(f"items:autodesk.bim360:{item.kind}", {"sourceFileName": item.source_file_name}),
        },
        "links": {"self": links.href(*here)},
        "relationships": {
            "tip": {
                "data": {"type": "versions", "id": item.tip.id},
                "links": {"related": links.href(*here, "tip")},
            },
            "versions": {"links": {"related": links.href(*here, "versions")}},
            "parent": {
                "data": {"type": "folders", "id": item.folder.id},
                "links": {"related": links.href(*here, "parent")},
            },
            **_references(links, here),
        },
    }


def _version_data(version: Version) -> dict[str, Any]:
    item = version.item
    if item.kind != DOCUMENT:
        return {
            "processState": item.process_state,
            "extractionState": "SUCCESS",
            "splittingState": "NOT_SPLIT",
            "reviewState": "NOT_IN_REVIEW",
            "conformingStatus": "NONE",
            "sourceFileName": item.source_file_name,
        }
    return {
        "processState": item.process_state,
        "viewableId": derived_uuid("viewable", item.id),
        "viewableGuid": derived_uuid("guid", item.id),
        "viewableName": item.name,
        "viewableOrder": item.order,
        "sourceFileName": item.source_file_name,
    }


def version_resource(version: Version, links: Links) -> Resource:
    """A version; a sheet has no storage, a file has."""
    item = version.item
    here = ("data", "v1", "projects", f"b.{item.folder.project.id}", "versions", version.id)
    deleted = item.deleted and version is item.tip
    kind = "versions:autodesk.core:Deleted" if deleted else f"versions:autodesk.bim360:{item.kind}"
    attributes: dict[str, Any] = {
        "name": item.name,
        "displayName": item.name,
        "createTime": timestamp(version.id),
        "lastModifiedTime": timestamp(version.id, 1),
        **_people(version.id),
        "versionNumber": version.number,
        "extension": _extension(kind, {} if deleted else _version_data(version)),
    }
    relationships: Resource = {
        "item": {"data": {"type": "items", "id": item.id}, "links": {"related": links.href(*here, "item")}},
        **_references(links, here),
        "downloadFormats": {"links": {"related": links.href(*here, "downloadFormats")}},
        "derivatives": {"data": {"type": "derivatives", "id": b64urn(version.id)}},
    }
    if version.storage and not deleted:
        attributes |= {"fileType": item.name.rpartition(".")[2].lower(), "storageSize": item.size}
        bucket, _, key = version.storage.removeprefix("urn:adsk.objects:os.object:").partition("/")
        href = f"/oss/v2/buckets/{bucket}/objects/{key}?scopes=b360project.{item.folder.project.id}"
        relationships["storage"] = {
            "data": {"type": "objects", "id": version.storage},
            "meta": {"link": {"href": href}},
        }
    return {
        "type": "versions",
        "id": version.id,
        "attributes": attributes,
        "links": {"self": links.href(*here)},
        "relationships": relationships,
    }
