"""The commands that list."""

from aps_async.cli.environment import open_session
from aps_async.cli.output import count, print_json, print_status, print_table
from aps_async.cli.selecting import Choice
from aps_async.cli.wanted import chosen_sheets
from aps_async.errors import NotAllowedError, NotFoundInProjectError
from aps_async.exports.project import list_collections
from aps_async.models import Hub, Project
from aps_async.resources.projects import find_project, list_hubs, list_projects
from aps_async.transport.converter import to_dict

NO_HUB = (
    "no hub is visible: an account admin must add the app's client id under Custom Integrations in Account Admin "
    "(or the user is in no account)"
)


async def projects(*, user_id: str | None, as_json: bool) -> int:
    """`aps-async projects`."""
    async with open_session(user_id) as session:
        found = await list_hubs(session)
        for warning in found.warnings:
            print_status(f"warning: {warning.title} {warning.detail}".rstrip())
        if not found.hubs:
            raise NotFoundInProjectError(NO_HUB)
        rows: list[tuple[Hub, Project]] = []
        for hub in found.hubs:
            try:
                rows += [(hub, project) async for project in list_projects(session, hub.id)]
            except NotAllowedError as problem:  # one account's refusal hides no other account
                print_status(f"warning: hub {hub.name}: {problem}")
    if as_json:
        print_json([_as_json(hub, project) for hub, project in rows])
    else:
        lines = [(project.project_type or "?", project.name, project.id, hub.name) for hub, project in rows]
        print_table(("TYPE", "PROJECT", "ID", "HUB"), lines)
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
        selected = await chosen_sheets(session, await find_project(session, project), choice)
    if selected.unmatched:
        raise next(iter(selected.unmatched.values()))
    found = [each.sheet for each in selected.chosen]
    if as_json:
        print_json(
            [
                {
                    "number": sheet.number,
                    "title": sheet.title,
                    "folder": sheet.folder_path,
                    "collection": to_dict(sheet.collection) if sheet.collection else None,
                    "version": sheet.version,
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
    print_table(heads, rows)
    print_status(count(len(found), "sheet"))
    return 0


async def collections(project: str, *, user_id: str | None, as_json: bool) -> int:
    """`aps-async collections`."""
    async with open_session(user_id) as session:
        found = [each async for each in list_collections(session, project)]
    if as_json:
        print_json([to_dict(each) for each in found])
    else:
        print_table(("COLLECTION", "ID"), [(each.name, each.id) for each in found])
        print_status(count(len(found), "collection"))
    return 0
