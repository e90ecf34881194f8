"""From a path of folder names, as people write it, to the folder."""

from collections.abc import Sequence

from aps_async.errors import NotFoundInProjectError
from aps_async.models import Folder, Project
from aps_async.names import as_typed
from aps_async.resources.projects import list_folder_contents
from aps_async.session import Session


async def descend(session: Session, project: Project, top: Sequence[Folder], path: str, user_id: str | None) -> Folder:
    """The folder at a path of names from one of the top folders down; the first top folder may be left out.

    Raises:
        NotFoundInProjectError: there is none; the message lists what is there.
    """
    if not top:
        raise NotFoundInProjectError(f"{project.name} shows no folders to this app or user")
    names = [name.strip() for name in path.strip().strip("/").split("/")]
    at = next((each for each in top if as_typed(each.name) == as_typed(names[0])), None)
    if at is not None:
        names = names[1:]
    else:
        at = top[0]
    for name in names:
        below = [
            each async for each in list_folder_contents(session, project.id, at, user_id=user_id)
            if isinstance(each, Folder)
        ]  # fmt: skip
        found = next((each for each in below if as_typed(each.name) == as_typed(name)), None)
        if found is None:
            shown = ", ".join(each.name for each in below) or "no folders"
            raise NotFoundInProjectError(f"there is no folder {name!r} in {at.path!r}; it holds {shown}")
        at = found
    return at
