"""Through the folders of a project: by a path of names, as people write it, and down every level."""

from collections.abc import Iterable, Sequence

from aps_async.errors import DecodeError, NotFoundInProjectError
from aps_async.models import Folder, Item, ItemWarning, Project, Version
from aps_async.resources.projects import get_tip, list_folder_contents
from aps_async.session import Session
from aps_async.text import named

__all__ = ["DEPTH_LIMIT", "Walk", "descend", "newest"]
__dir__: object = __all__.copy

DEPTH_LIMIT = 100
"""Levels of folders below the first; nobody nests that many, so they do not end."""


async def descend(session: Session, project: Project, top: Sequence[Folder], path: str, user_id: str | None) -> Folder:
    """The folder at a path of names from one of the top folders down; the first top folder may be left out.

    Raises:
        NotFoundInProjectError: there is none; the message lists what is there.
    """
    if not top:
        raise NotFoundInProjectError(f"{project.name} shows no folders to this app or user")
    names = [name.strip() for name in path.strip().strip("/").split("/")]
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
            shown = ", ".join(each.name for each in below) or "no folders"
            raise NotFoundInProjectError(f"there is no folder {name!r} in {at.path!r}; it holds {shown}")
        at = found[0]
    return at


class Walk:
    """Decides which folders a walk enters: none that is hidden, none twice, and none below `DEPTH_LIMIT` levels."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project
        self._entered: set[str] = set()

    def enters(self, folders: Iterable[Folder]) -> list[Folder]:
        """Those of the folders that are to be visited; the others are not, with a warning if that is unexpected."""
        found = []
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


def _names(folder: Folder) -> tuple[str]:
    return (folder.name,)
