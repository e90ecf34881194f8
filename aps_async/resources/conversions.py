"""Converts JSON:API resources of Data Management to projects, folders, items and versions."""

from typing import Any

from aps_async.ids import dm_id
from aps_async.models import Folder, Item, Project, ServiceWarning, Version
from aps_async.narrowing import as_list
from aps_async.resources.jsonapi import Resource

__all__ = ["folder_of", "item_of", "project_of", "version_of", "warning_of"]
__dir__: object = __all__.copy


def project_of(found: Resource, hub_id: str) -> Project:
    """A project of a hub."""
    return Project(
        id=dm_id(found.id),
        name=found.attributes.name or found.id,
        hub_id=hub_id,
        project_type=found.text("projectType") or "",
        root_folder_id=found.related("rootFolder"),
        cost_container_id=found.related("cost"),
    )


def folder_of(found: Resource, parent: str) -> Folder:
    """A folder; `parent` is the path above it."""
    name = found.attributes.name or found.attributes.display_name or found.id
    return Folder(
        id=found.id,
        name=name,
        hidden=bool(found.attributes.hidden),
        actions=_words(found.data.get("actions")),
        visible_types=_words(found.data.get("visibleTypes")),
        folder_type=found.text("folderType"),
        parent_id=found.related("parent"),
        path=f"{parent}/{name}" if parent else name,
    )


def item_of(found: Resource) -> Item:
    """An item."""
    return Item(
        id=found.id,
        name=found.attributes.display_name or found.attributes.name or found.id,
        type=found.attributes.extension.type,
        hidden=bool(found.attributes.hidden),
        source_file_name=found.text("sourceFileName"),
        tip_version_urn=found.related("tip"),
        folder_id=found.related("parent"),
        modified_at=found.attributes.last_modified_time,
    )


def version_of(found: Resource) -> Version:
    """A version of an item."""
    return Version(
        urn=found.id,
        name=found.attributes.name or found.attributes.display_name or found.id,
        type=found.attributes.extension.type,
        number=found.attributes.version_number,
        item_id=found.related("item"),
        source_file_name=found.text("sourceFileName"),
        process_state=found.text("processState"),
        created_at=found.attributes.create_time,
        modified_at=found.attributes.last_modified_time,
        storage_urn=found.related("storage"),
        size=found.attributes.storage_size,
    )


def _words(value: Any) -> tuple[str, ...]:
    """A list of texts; older folders have one text, or nothing."""
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in as_list(value) if isinstance(each, str))


def warning_of(found: dict[str, Any]) -> ServiceWarning:
    """A warning in the `meta` of a response."""
    return ServiceWarning(
        title=str(found.get("Title") or ""),
        status=str(found.get("HttpStatusCode") or ""),
        detail=str(found.get("Detail") or ""),
    )
