"""The commands `projects`, `sheets` and `collections`."""

import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aps_async.cli.choice import Choice
from aps_async.cli.completion import remember_projects
from aps_async.cli.environment import open_session
from aps_async.cli.output import print_json, print_status, print_table
from aps_async.cli.progress import busy
from aps_async.cli.wanted import chosen_sheets, print_left_out, project_called
from aps_async.errors import InputError, NotAllowedError, NotFoundInProjectError
from aps_async.exports.project import list_collections
from aps_async.ids import bare_id
from aps_async.models import Folder, Hub, Item, Project, Version
from aps_async.resources.associations import list_associations
from aps_async.resources.cost import DOCUMENTS, list_documents
from aps_async.resources.plans import is_document
from aps_async.resources.projects import find_project, find_project_id, list_hubs, list_projects, product_of
from aps_async.resources.sheets import list_version_sets
from aps_async.resources.walking import walk
from aps_async.session import Session
from aps_async.text import count, size
from aps_async.transport.converter import to_dict

NO_HUB = (
    "no hub is visible: an account admin must add the app's client id under Custom Integrations in Account Admin "
    "(or the user does not belong to any account)"
)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def _listing(user_id: str | None) -> AsyncGenerator[Session, None]:
    """A session, with a display that something is going on."""
    async with open_session(user_id) as session:
        with busy("listing", session.contact):
            yield session


async def projects(*, user_id: str | None, as_json: bool) -> int:
    """`aps-async projects`."""
    async with _listing(user_id) as session:
        found = await list_hubs(session)
        for warning in found.warnings:  # every app lacks some region, so that it matters with -v, or without a hub
            (_log.info if found.hubs else _log.warning)("%s %s", warning.title, warning.detail)
        if not found.hubs:
            raise NotFoundInProjectError(NO_HUB)
        rows: list[tuple[Hub, Project]] = []
        refusal: NotAllowedError | None = None
        for hub in found.hubs:
            try:
                rows += [(hub, project) async for project in list_projects(session, hub.id)]
            except NotAllowedError as problem:  # a refusal by one account must not hide the others
                print_status(f"warning: hub {hub.name}: {problem}")
                refusal = problem
        if refusal is not None and not rows:
            raise refusal
    remember_projects(session.base_url, [project.name for _, project in rows], are_all=refusal is None)
    if as_json:
        print_json([_as_json(hub, project) for hub, project in rows])
    else:
        lines = [(project.project_type or "?", project.name, project.id, hub.name) for hub, project in rows]
        print_table(("TYPE", "PROJECT", "ID", "HUB"), lines, elastic=("HUB",))
        print_status(count(len(rows), "project"))
    return 0


def _as_json(hub: Hub, project: Project) -> dict[str, str]:
    return {
        "id": project.id,
        "name": project.name,
        "type": project.project_type,
        "hubId": hub.id,
        "hub": hub.name,
        "region": hub.region,
    }


async def sheets(project: str, choice: Choice, *, user_id: str | None, as_json: bool) -> int:
    """`aps-async sheets`."""
    async with open_session(user_id) as session:
        selected = await chosen_sheets(session, await project_called(session, project), choice)
    print_left_out(selected.left_out)
    found = [each.sheet for each in selected.chosen]
    if as_json:
        print_json(
            [
                {
                    "number": sheet.number,
                    "title": sheet.title,
                    "folder": sheet.folder_path,
                    "collection": to_dict(sheet.collection) if sheet.collection else None,
                    "tags": list(sheet.tags),
                    "version": sheet.version,
                    "revision": sheet.revision,
                    "changedAt": sheet.changed_at.isoformat() if sheet.changed_at else None,
                    "sourceFile": sheet.source_file_name,
                    "kind": str(sheet.kind),
                    "id": sheet.id,
                    "itemUrn": sheet.item_id,
                    "projectId": sheet.project_id,
                }
                for sheet in found
            ]
        )
        return 0
    heads: tuple[str, ...] = ("SHEET", "TITLE", "FOLDER", "ID")
    rows: list[tuple[str, ...]] = [(sheet.number, sheet.title, sheet.folder_path, sheet.id) for sheet in found]
    if any(sheet.collection for sheet in found):
        heads = (*heads[:3], "COLLECTION", "ID")
        names = [sheet.collection.name if sheet.collection else "" for sheet in found]
        rows = [(*row[:3], name, row[3]) for row, name in zip(rows, names, strict=True)]
    print_table(heads, rows, elastic=("SHEET", "TITLE", "FOLDER"))
    print_status(count(len(found), "sheet"))
    return 0


def _with_sheets_tool(project: Project, what: str) -> Project:
    """The project, if it may have what only ACC projects have.

    Raises:
        InputError: it is not in ACC.
    """
    if not project.is_acc:
        raise InputError(
            f"only ACC (Forma) projects have {what}, and {project.name} is a {product_of(project)} project: "
            "'aps-async files' lists its folders"
        )
    return project


async def collections(project: str, *, user_id: str | None, as_json: bool) -> int:
    """`aps-async collections`."""
    async with _listing(user_id) as session:
        known = _with_sheets_tool(await find_project(session, project), "collections")
        found = [each async for each in list_collections(session, known)]
    if as_json:
        print_json([to_dict(each) for each in found])
    else:
        print_table(("COLLECTION", "ID"), [(each.name, each.id) for each in found])
        print_status(count(len(found), "collection"))
    return 0


async def sets(project: str, *, collection: str | None, user_id: str | None, as_json: bool) -> int:
    """`aps-async sets`."""
    async with _listing(user_id) as session:
        known = _with_sheets_tool(await find_project(session, project), "version sets")
        listed = list_version_sets(session, known.id, collection=collection)
        found = [each async for each in listed]
    if as_json:
        print_json(
            [
                {
                    "name": each.name,
                    "id": each.id,
                    "issued": each.issuance_date,
                    "collection": to_dict(each.collection) if each.collection else None,
                }
                for each in found
            ]
        )
        return 0
    rows = [
        (each.name, (each.issuance_date or "")[:10], each.collection.name if each.collection else "", each.id)
        for each in found
    ]
    print_table(("VERSION SET", "ISSUED", "COLLECTION", "ID"), rows, elastic=("COLLECTION",))
    print_status(count(len(found), "version set"))
    return 0


async def files(project: str, *, folder: str | None, user_id: str | None, as_json: bool) -> int:
    """`aps-async files`."""
    rows: list[dict[str, Any]] = []
    async with _listing(user_id) as session:
        known = await find_project(session, project)
        async for at, items in walk(session, known, folder=folder):
            rows.append({"type": "folder", "path": at.path or at.name, "urn": at.id})
            rows += [_file(at, item, version) for item, version in items if not is_document(item.type)]
    if as_json:
        print_json(rows)
        return 0
    lines = [
        (
            row["path"] + ("/" if row["type"] == "folder" else ""),
            size(row["bytes"]) if row.get("bytes") else "",
            row["urn"],
        )
        for row in rows
    ]
    print_table(("FOLDER OR FILE", "SIZE", "URN"), lines)
    folders = sum(row["type"] == "folder" for row in rows)
    print_status(f"{count(folders, 'folder')}, {count(len(rows) - folders, 'file')}")
    return 0


def _file(folder: Folder, item: Item, version: Version | None) -> dict[str, Any]:
    return {
        "type": "file",
        "path": f"{folder.path or folder.name}/{item.name}",
        "urn": version.urn if version else item.id,
        "itemUrn": item.id,
        "version": version.number if version else None,
        "bytes": version.size if version else None,
        "changedAt": version.created_at.isoformat() if version and version.created_at else None,
    }


async def cost(project: str, *, kind: str, container: str | None, region: str | None, as_json: bool) -> int:
    """`aps-async cost`."""
    async with _listing(None) as session:
        session.check_user(DOCUMENTS)
        where = bare_id(container or await find_project_id(session, project), "container")
        found = [each async for each in list_associations(session, where, kind, region=region)]
        ids = [each.id for each in found]
        documents = (
            await list_documents(session, where, association_type=kind, association_ids=ids, region=region)
            if ids
            else ()
        )
    counts = Counter((each.association_id or "").lower() for each in documents)
    if as_json:
        print_json(
            [
                {
                    "type": kind,
                    "code": each.code or each.number,
                    "name": each.name,
                    "id": each.id,
                    "documents": counts[each.id.lower()],
                }
                for each in found
            ]
        )
        return 0
    rows = [(each.code or each.number or "", each.name or "", str(counts[each.id.lower()]), each.id) for each in found]
    print_table(("CODE", "NAME", "DOCUMENTS", "ID"), rows, elastic=("NAME",))
    print_status(f"{len(found):,} of type {kind}, {count(len(documents), 'document')}")
    return 0
