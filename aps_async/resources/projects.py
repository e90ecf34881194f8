"""Hubs, projects, folders, items and versions (Data Management).

https://aps.autodesk.com/en/docs/data/v2/reference/http/
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from aps_async.errors import InputError, NotAllowedError, NotFoundError, ResponseError
from aps_async.ids import UUID, bare_id, check_project, check_whole, decoded_urn, dm_id, is_web_address, path_part
from aps_async.ids import version_urn as checked_version_urn
from aps_async.models import Folder, Hub, Hubs, Item, ItemWarning, Project, ServiceWarning, Version
from aps_async.narrowing import as_list, is_object, is_really
from aps_async.resources.conversions import folder_of, item_of, project_of, version_of, warning_of
from aps_async.resources.jsonapi import Document, pages
from aps_async.resources.project_names import matching_projects, none_fits, several_fit
from aps_async.session import Session
from aps_async.transport.quotas import Endpoint

__all__ = [
    "CONTENTS",
    "FOLDER",
    "HUBS",
    "ITEM",
    "PROJECT",
    "PROJECTS",
    "TIP",
    "TOP_FOLDERS",
    "VERSION",
    "VERSIONS",
    "Entry",
    "as_project",
    "find_project",
    "find_project_id",
    "find_projects",
    "get_folder",
    "get_item",
    "get_project",
    "get_tip",
    "get_version",
    "list_folder_contents",
    "list_folder_pages",
    "list_hubs",
    "list_projects",
    "list_top_folders",
    "list_versions",
    "product_of",
]
__dir__: object = __all__.copy

HUBS = Endpoint("hubs", 50, large=True)
PROJECTS = Endpoint("projects", 50, large=True)
PROJECT = Endpoint("project", 50)
TOP_FOLDERS = Endpoint("top_folders", 300, large=True)
CONTENTS = Endpoint("folder_contents", 300, large=True)
FOLDER = Endpoint("folder", 300)
ITEM = Endpoint("item", 300)
TIP = Endpoint("item_tip", 50)
VERSIONS = Endpoint("item_versions", 800, large=True)
VERSION = Endpoint("version", 300)

Entry = Folder | tuple[Item, Version | None]
"""Of a folder: a subfolder, or an item with its newest version, if the service includes that."""


async def list_hubs(session: Session, *, user_id: str | None = None) -> Hubs:
    """The accounts that the app is added to (`GET project/v1/hubs`; scope `data:read`).

    A region that does not answer becomes a warning beside the hubs of the others. No hubs at all usually means that
    the app's client id is not in the account's Custom Integrations: the service leaves out such accounts.

    Raises:
        NotAllowedError: 403; the app is in no account.
        APSError: as `Session.request`.
    """
    hubs: list[Hub] = []
    warnings: list[ServiceWarning] = []
    async for page in pages(session, HUBS, "/project/v1/hubs", user_id=user_id):
        hubs += [
            Hub(
                id=found.id,
                name=found.attributes.name or found.id,
                region=found.attributes.region or "",
                extension_type=found.attributes.extension.type,
            )
            for found in page.data
        ]
        stated = page.meta.get("warnings")
        for each in as_list(stated) or ([stated] if stated else []):
            if is_object(each):
                warnings.append(warning_of(each))
            else:
                problem = f"meta.warnings has {str(each)[:200]!r}"
                session.warn(ItemWarning(call="GET /project/v1/hubs", id=None, reason=problem, left_out=True))
    return Hubs(tuple(hubs), tuple(warnings))


async def list_projects(session: Session, hub_id: str, *, user_id: str | None = None) -> AsyncIterator[Project]:
    """The projects of a hub, BIM 360 and ACC alike (`GET project/v1/hubs/:hub_id/projects`; scope `data:read`).

    200 a page, to the last. The service leaves out projects that the app or the user may not see, and does not say so.

    Raises:
        APSError: as `Session.request`.
    """
    hub = dm_id(hub_id, "hub")
    path = f"/project/v1/hubs/{path_part(hub)}/projects"
    async for page in pages(session, PROJECTS, path, query={"page[limit]": 200}, user_id=user_id):
        for found in page.data:
            try:
                project = project_of(found, hub)
            except InputError as problem:  # of this one's id
                session.warn(ItemWarning(call=f"GET {path}", id=found.id, reason=str(problem), left_out=True))
            else:
                yield project


async def get_project(session: Session, hub_id: str, project_id: str, *, user_id: str | None = None) -> Project:
    """One project (`GET project/v1/hubs/:hub_id/projects/:project_id`; scope `data:read`).

    Raises:
        NotFoundError: it is not in this hub.
        APSError: as `Session.request`.
    """
    hub = dm_id(hub_id, "hub")
    path = f"/project/v1/hubs/{path_part(hub)}/projects/{path_part(dm_id(project_id))}"
    document = await session.request(PROJECT, "GET", path, into=Document, user_id=user_id)
    return project_of(document.data, hub)


async def find_project(session: Session, project: str, *, user_id: str | None = None) -> Project:
    """A project by its id (with or without `b.`), web address, name, pattern or the beginning of its name, in any hub.

    Names and patterns are compared as `project_names.matching_projects` does; they must fit exactly one project.

    Raises:
        NotFoundInProjectError: no hub has it, or several projects fit; the message lists the nearest names, or why no
            projects are visible.
        NotAllowedError: it exists, but the app or the user may not see it.
        APSError: as `Session.request`.
    """
    if not is_really(project, str):
        raise InputError(f"a project is a Project, or its name, id or web address, not {type(project).__name__}")
    if is_web_address(project):
        project = bare_id(project)
    found = await list_hubs(session, user_id=user_id)
    refusal: NotAllowedError | None = None
    for hub in found.hubs if _may_be_id(project) else ():
        try:
            return await get_project(session, hub.id, project, user_id=user_id)
        except NotAllowedError as problem:  # services also mask "not in this hub" as 403, so look further first
            refusal = problem
        except (NotFoundError, InputError):  # a name is not an id
            continue
        except ResponseError as problem:
            if not problem.says(400):  # a name that has the form of an id
                raise
    known, refused = await _all_projects(session, found, user_id)
    matches = matching_projects(project, known)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise several_fit(project, matches)
    if refusal := refused or refusal:
        raise refusal
    raise none_fits(project, found, known)


async def as_project(session: Session, project: Project | str, *, user_id: str | None = None) -> Project:
    """The project itself, or the one that `find_project` finds.

    Raises:
        APSError: as `find_project`.
    """
    return project if isinstance(project, Project) else await find_project(session, project, user_id=user_id)


def product_of(project: Project) -> str:
    """The product that a project belongs to, for messages."""
    if project.is_bim360:
        return "BIM 360"
    return "ACC" if project.is_acc else project.project_type or "unknown"


def _may_be_id(text: str) -> bool:
    """Whether it is worth a call in every hub, which a name is not."""
    return text.strip().startswith(("a.", "b.")) or UUID.fullmatch(text.strip()) is not None


async def find_projects(session: Session, *wanted: str, user_id: str | None = None) -> tuple[Project, ...]:
    """All projects that the texts name, each once: ids, web addresses, names, patterns such as `Tower*`, or prefixes.

    Args:
        session: the session; scope `data:read`.
        wanted: as `find_project` takes them, but a pattern or prefix may fit any number of projects; `*` fits all.
        user_id: the acting user of a two-legged call.

    Raises:
        NotFoundInProjectError: one of the texts fits none; the message lists the nearest names.
        APSError: as `find_project`.
    """
    chosen: dict[str, Project] = {}
    hubs, known, refusal = Hubs(()), list[Project](), None
    for text in wanted:
        check_whole(text)
        if is_web_address(text) or UUID.fullmatch(text.strip().removeprefix("b.")):
            project = await find_project(session, text, user_id=user_id)
            chosen[project.id] = project
            continue
        if not hubs.hubs:
            hubs = await list_hubs(session, user_id=user_id)
            known, refusal = await _all_projects(session, hubs, user_id)
        matches = matching_projects(text, known)
        if not matches and refusal is not None:
            raise refusal
        if not matches:
            raise none_fits(text, hubs, known)
        chosen |= {each.id: each for each in matches}
    return tuple(chosen.values())


async def _all_projects(
    session: Session, found: Hubs, user_id: str | None
) -> tuple[list[Project], NotAllowedError | None]:
    """The projects of all hubs, and the refusal of a hub that does not show its own."""
    known, refusal = list[Project](), None
    for hub in found.hubs:
        try:
            known += [each async for each in list_projects(session, hub.id, user_id=user_id)]
        except NotAllowedError as problem:
            refusal = problem
    return known, refusal


async def find_project_id(session: Session, project: Project | str, *, user_id: str | None = None) -> str:
    """A project's id without `b.`: a UUID is taken as it is, and only a name costs calls.

    Raises:
        APSError: as `find_project`.
    """
    if isinstance(project, Project):
        return bare_id(project.id)
    if is_web_address(project) or UUID.fullmatch(project.strip().removeprefix("b.")):
        return bare_id(project)
    return bare_id((await find_project(session, project, user_id=user_id)).id)


async def list_top_folders(session: Session, project: Project, *, user_id: str | None = None) -> tuple[Folder, ...]:
    """The highest folders that the caller may see, service folders included (`GET …/topFolders`; scope `data:read`).

    The service leaves out deleted folders and those without permission; hidden service folders may be among the rest.

    Raises:
        APSError: as `Session.request`.
    """
    path = f"/project/v1/hubs/{path_part(project.hub_id)}/projects/{path_part(project.id)}/topFolders"
    found = pages(session, TOP_FOLDERS, path, user_id=user_id)
    return tuple([folder_of(each, "") async for page in found for each in page.data])


async def get_folder(session: Session, project_id: str, folder_id: str, *, user_id: str | None = None) -> Folder:
    """One folder (`GET data/v1/projects/:project_id/folders/:folder_id`; scope `data:read`)."""
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/folders/{_urn(project_id, folder_id, 'folder')}"
    return folder_of((await session.request(FOLDER, "GET", path, into=Document, user_id=user_id)).data, "")


async def list_folder_contents(
    session: Session, project_id: str, folder: Folder | str, *, hidden: bool = False, user_id: str | None = None
) -> AsyncGenerator[Entry, None]:
    """The content of a folder: folders, and items with their newest version (`GET …/folders/:folder_id/contents`).

    200 entries a page, to the last. The service leaves out hidden (deleted) items by default, and what the app or the
    user may not see. Only this folder is listed, not those below, and of each item only the newest version; resources
    that are neither folders nor items are left out here.

    Args:
        session: the session.
        project_id: with or without `b.`.
        folder: a `Folder`, whose path the subfolders then continue, or a folder URN.
        hidden: whether to list hidden items too, such as deleted ones.
        user_id: the acting user of a two-legged call.

    Raises:
        APSError: as `Session.request`.
    """
    async with aclosing(list_folder_pages(session, project_id, folder, hidden=hidden, user_id=user_id)) as found:
        async for page in found:
            for entry in page:
                yield entry


async def list_folder_pages(
    session: Session, project_id: str, folder: Folder | str, *, hidden: bool = False, user_id: str | None = None
) -> AsyncGenerator[list[Entry], None]:
    """Does the same as `list_folder_contents`, a page at a time."""
    parent = folder.path if isinstance(folder, Folder) else ""
    urn = folder.id if isinstance(folder, Folder) else folder
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/folders/{_urn(project_id, urn, 'folder')}/contents"
    query: dict[str, str | int | bool] = {"page[limit]": 200}
    if hidden:
        query["includeHidden"] = True
    async for page in pages(session, CONTENTS, path, query=query, user_id=user_id):
        versions = {found.id: version_of(found) for found in page.included if found.type.lower() == "versions"}
        entries = list[Entry]()
        for found in page.data:
            if found.type.lower() == "folders":
                entries.append(folder_of(found, parent))
            elif found.type.lower() == "items":
                item = item_of(found)
                entries.append((item, versions.get(item.tip_version_urn or "")))
            else:
                reason = f"it is neither a folder nor an item, but of type {found.type!r:.100}"
                session.warn(ItemWarning(call=f"GET {path}", id=found.id, reason=reason, left_out=True))
        yield entries


def _urn(project_id: str, value: str, kind: str) -> str:
    """A URN as a part of a path; from a web address only if that is of this project."""
    check_project(value, project_id)
    return path_part(decoded_urn(value, kind))


async def get_item(session: Session, project_id: str, item_id: str, *, user_id: str | None = None) -> Item:
    """One item (`GET data/v1/projects/:project_id/items/:item_id`; scope `data:read`)."""
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/items/{_urn(project_id, item_id, 'item')}"
    return item_of((await session.request(ITEM, "GET", path, into=Document, user_id=user_id)).data)


async def get_tip(session: Session, project_id: str, item_id: str, *, user_id: str | None = None) -> Version:
    """An item's newest version (`GET …/items/:item_id/tip`; scope `data:read`)."""
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/items/{_urn(project_id, item_id, 'item')}/tip"
    return version_of((await session.request(TIP, "GET", path, into=Document, user_id=user_id)).data)


async def list_versions(
    session: Session, project_id: str, item_id: str, *, user_id: str | None = None
) -> AsyncIterator[Version]:
    """An item's versions, newest first (`GET …/items/:item_id/versions`; scope `data:read`).

    Every page, and nothing is filtered: versions of type `versions:autodesk.core:Deleted`, which mark a deletion, are
    among them.

    Raises:
        APSError: as `Session.request`.
    """
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/items/{_urn(project_id, item_id, 'item')}/versions"
    async for page in pages(session, VERSIONS, path, user_id=user_id):
        for found in page.data:
            yield version_of(found)


async def get_version(session: Session, project_id: str, version_urn: str, *, user_id: str | None = None) -> Version:
    """One version (`GET data/v1/projects/:project_id/versions/:version_id`; scope `data:read`).

    Raises:
        InputError: this is not a version URN, nor a web address that contains one.
        APSError: as `Session.request`.
    """
    check_project(version_urn, project_id)
    path = f"/data/v1/projects/{path_part(dm_id(project_id))}/versions/{path_part(checked_version_urn(version_urn))}"
    return version_of((await session.request(VERSION, "GET", path, into=Document, user_id=user_id)).data)
