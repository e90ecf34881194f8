"""Walks the folders of a project: along a path of names, and through all levels."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from aps_async.errors import DecodeError, NotAllowedError, NotFoundError, NotFoundInProjectError
from aps_async.ids import checked_folder_path, decoded_urn, is_folder_urn
from aps_async.models import Folder, Item, ItemWarning, Project, Version
from aps_async.resources.projects import get_folder, get_tip, list_folder_contents, list_top_folders
from aps_async.resources.reading import DEPTH_LIMIT, FolderReader
from aps_async.session import Session
from aps_async.text import did_you_mean, named, nearest

__all__ = [
    "DEPTH_LIMIT",
    "Walk",
    "descend",
    "first_folders",
    "folder_path",
    "is_open",
    "known_folder",
    "newest",
    "walk",
]
__dir__: object = __all__.copy


async def descend(session: Session, project: Project, top: Sequence[Folder], path: str, user_id: str | None) -> Folder:
    """The folder at a path (see `checked_folder_path`) from a top folder down; the first top folder may be left out.

    Raises:
        NotFoundInProjectError: there is no such folder; the message lists the existing ones.
    """
    if not top:
        raise NotFoundInProjectError(f"{project.name} shows no folders to this app or user")
    names = path.split("/")
    at = top[0]
    if first := named(names[0], top, _names):
        at, names = first[0], names[1:]
    for name in names:
        below = [
            each async for each in list_folder_contents(session, project.id, at, user_id=user_id)
            if isinstance(each, Folder)
        ]  # fmt: skip
        found = named(name, below, _names)
        if not found:
            known = [each.name for each in below]
            instead = (
                did_you_mean(name, known) if nearest(name, known) else f"it contains {', '.join(known) or 'no folders'}"
            )
            raise NotFoundInProjectError(f"there is no folder {name!r} in {at.path!r}; {instead}")
        at = found[0]
    return at


async def folder_path(session: Session, project: Project, folder: Folder, user_id: str | None) -> str:
    """The path of a folder from the highest one that may be seen down, as `descend` takes it.

    Raises:
        APSError: as `get_folder`.
    """
    names = [folder.name]
    while len(names) <= DEPTH_LIMIT and folder.parent_id not in (None, project.root_folder_id):
        try:
            folder = await get_folder(session, project.id, folder.parent_id, user_id=user_id)
        except (NotFoundError, NotAllowedError):  # above the first folder that may be seen
            break
        names.append(folder.name)
    return "/".join(reversed(names))


class Walk:
    """Decides which folders a walk enters: none that is hidden, none twice, and none below `DEPTH_LIMIT` levels."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project
        self._entered: set[str] = set()

    def enters(self, folders: Iterable[Folder]) -> list[Folder]:
        """The folders to visit; others are skipped, with a warning if that is unexpected."""
        found: list[Folder] = []
        for folder in folders:
            if folder.hidden:
                continue
            if folder.id in self._entered:
                self._warn(folder, "it is listed twice, so that the folders may form a circle")
            elif folder.path.count("/") > DEPTH_LIMIT:
                self._warn(folder, f"it is more than {DEPTH_LIMIT} levels deep")
            else:
                self._entered.add(folder.id)
                found.append(folder)
        return found

    def _warn(self, folder: Folder, problem: str) -> None:
        call = f"folders of project {self._project.id}"
        self._session.warn(ItemWarning(call=call, id=folder.id, reason=problem, left_out=True))


async def newest(
    session: Session, project: Project, item: Item, version: Version | None, user_id: str | None
) -> Version | None:
    """An item's newest version, which a page of a folder names but need not include; None with a warning if unreadable.

    Raises:
        APSError: as `get_tip`.
    """
    if version is not None:
        return version
    try:
        return await get_tip(session, project.id, item.id, user_id=user_id)
    except DecodeError as problem:
        call = f"the newest version of {item.name}"
        session.warn(ItemWarning(call=call, id=item.id, reason=str(problem), left_out=True))
        return None


async def walk(
    session: Session, project: Project, *, folder: Folder | str | None = None, user_id: str | None = None
) -> AsyncGenerator[tuple[Folder, list[tuple[Item, Version | None]]], None]:
    """Every folder of a project with its items and their newest versions, from the top down, in the service's order.

    Left out are hidden items and folders, service folders, and (with a warning of the session) folders that may not be
    listed.

    Args:
        session: the session; scope `data:read`.
        project: of either kind.
        folder: only this folder and what is below: a `Folder`, a path from a top folder down, or a folder URN.
        user_id: the acting user of a two-legged call.

    Raises:
        InputError: a path names no folder.
        NotFoundInProjectError: there is no such folder; the message lists the existing ones.
        APSError: as `Session.request`.
    """
    ahead = await first_folders(session, project, folder, user_id)
    way = Walk(session, project)
    async with aclosing(FolderReader(session, project.id, user_id=user_id)) as reader:
        reader.expect(ahead)
        ahead.reverse()
        while ahead:
            at = ahead.pop()
            below, items = list[Folder](), list[tuple[Item, Version | None]]()
            try:
                async for page in reader.pages(at):
                    below += [entry for entry in page if isinstance(entry, Folder)]
                    items += [entry for entry in page if not isinstance(entry, Folder) and not entry[0].hidden]
            except NotAllowedError as problem:
                call = f"the contents of {at.path or at.name}"
                session.warn(ItemWarning(call=call, id=at.id, reason=str(problem), left_out=True))
                continue
            yield at, items
            ahead.extend(reversed(way.enters(below)))


async def first_folders(
    session: Session, project: Project, folder: Folder | str | None, user_id: str | None
) -> list[Folder]:
    """Where a walk begins: the folder that was asked for, or all top folders that are meant for people.

    Raises:
        NotFoundInProjectError: there is no such folder; the message lists the existing ones.
    """
    folder = await known_folder(session, project, folder, user_id)
    if isinstance(folder, Folder):
        return [folder]
    top = [each for each in await list_top_folders(session, project, user_id=user_id) if is_open(each)]
    return top if folder is None else [await descend(session, project, top, folder, user_id)]


async def known_folder(
    session: Session, project: Project, folder: Folder | str | None, user_id: str | None
) -> Folder | str | None:
    """The folder of a URN, which costs a call; or else what was given, a path as `checked_folder_path` returns it.

    Raises:
        InputError: a path names no folder.
        APSError: as `get_folder`.
    """
    if folder is None or isinstance(folder, Folder):
        return folder
    if is_folder_urn(decoded_urn(folder, "folder")):
        return await get_folder(session, project.id, folder, user_id=user_id)
    return checked_folder_path(folder)


def is_open(folder: Folder) -> bool:
    """Whether a folder is meant for people: service folders are listed beside the others."""
    return not folder.hidden and folder.folder_type != "CONTAINER_VIRTUAL" and folder.actions != ()


def _names(folder: Folder) -> tuple[str]:
    return (folder.name,)
