"""Permissions: which user may see which project, folder and document."""

from collections.abc import Callable

from .parts import Folder, Item, Project, User
from .replies import Refusal
from .routing import Call

ErrorMaker = Callable[[int, str, str], Refusal]
"""Makes a service family's refusal from status, code and detail."""


def acting_user(call: Call, refuse: ErrorMaker, *, acc_ids: bool = False) -> User | None:
    """The user of the token; of a two-legged one the user named by `x-user-id`, if any."""
    name = call.request.headers.get("x-user-id")
    if call.app is not None and not call.app.provisioned:
        raise refuse(403, "ERR_NOT_ALLOWED", "The app is not added to the account's custom integrations.")
    if call.token is not None and call.token.user is not None:
        call.user = call.token.user
        return call.user
    if not name:
        if call.simulator.behaviour.require_user_id:
            raise refuse(403, "ERR_NOT_ALLOWED", "The header x-user-id is required with a two-legged token.")
        return None
    world = call.simulator.world
    user = call.user = world.find_user(name) if acc_ids else world.users.get(name)
    if user is None:
        status = call.simulator.behaviour.unknown_user_status
        raise refuse(status, "ERR_NOT_ALLOWED", "The user given by x-user-id is not a member of this account.")
    return user


def is_member(user: User | None, project: Project) -> bool:
    """Whether the user belongs to the project."""
    return (
        user is None
        or user.projects is None
        or not user.projects.isdisjoint((project.id, f"b.{project.id}", project.name))
    )


def may_see(user: User | None, folder: Folder) -> bool:
    """Whether the user sees this folder."""
    if user is None or not user.denied_folders:
        return True
    return not any(above.id in user.denied_folders or above.name in user.denied_folders for above in folder.lineage())


def find_project(call: Call, identity: str, refuse: ErrorMaker, *, acc_ids: bool = False) -> Project:
    """The project with this bare id, if the caller may work in it; ACC's services know users by their ACC id too."""
    user = acting_user(call, refuse, acc_ids=acc_ids)
    project = call.simulator.world.projects.get(identity)
    if project is None:
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The project does not exist.")
    if project.forbidden or not is_member(user, project):
        raise refuse(403, "ERR_NOT_ALLOWED", "You don't have permission to access this project.")
    return project


def is_forgotten(call: Call, started: float) -> bool:
    """Whether a job that was started at this loop time is too old to be known."""
    simulator = call.simulator
    life = simulator.behaviour.jobs_forgotten_after / simulator.speed
    return bool(life) and simulator.now() >= started + life


def check_item(call: Call, item: Item, project: Project, refuse: ErrorMaker) -> None:
    """Refuse an item of another project or one the user may not see."""
    if item.folder.project is not project:
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The document does not exist in this project.")
    if not may_see(call.user, item.folder):
        raise refuse(403, "ERR_NOT_ALLOWED", "You don't have permission to view this document.")
