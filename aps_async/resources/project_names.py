"""Projects by name or pattern, and what a message says of a text that names none, or more than one."""

from collections.abc import Sequence

from aps_async.errors import NotFoundInProjectError
from aps_async.ids import bare_id
from aps_async.models import Hubs, Project
from aps_async.text import abridged, globbed, is_pattern, look, named, nearest

__all__ = ["matching_projects", "none_fits", "several_fit"]
__dir__: object = __all__.copy


def matching_projects(wanted: str, known: Sequence[Project]) -> list[Project]:
    """The projects of a name; without any, those that match a pattern (`Tower*`); and then those that begin like it.

    Case and spaces only count where names differ in nothing else; see `aps_async.text`.
    """
    if found := named(wanted, known, lambda each: (each.name,)):
        return found
    if is_pattern(wanted):
        return globbed(wanted, known, lambda each: each.name)
    seen = look(wanted)
    return [each for each in known if seen and look(each.name).startswith(seen)]


def several_fit(wanted: str, matches: Sequence[Project]) -> NotFoundInProjectError:
    """The error where one project is wanted; it names those that fit."""
    if all(look(each.name) == look(wanted) for each in matches):
        ids = ", ".join(each.id for each in matches)
        return NotFoundInProjectError(f"{len(matches)} projects are named {wanted!r}; give the id of one: {ids}")
    return NotFoundInProjectError(
        f"{wanted!r} matches {len(matches)} projects; give the name or id of one: {_shown(matches)}"
    )


def none_fits(wanted: str, hubs: Hubs, known: Sequence[Project]) -> NotFoundInProjectError:
    """The error where a text names no project; it says what there is, or why nothing is visible."""
    return NotFoundInProjectError(f"no project {wanted!r}: {_what_there_is(wanted, hubs, known)}")


def _what_there_is(wanted: str, hubs: Hubs, known: Sequence[Project]) -> str:
    if known:
        names = nearest(wanted, (each.name for each in known))
        near = [each for name in names for each in known if each.name == name]
        rest = [each for each in known if each.name not in names]
        if not near:
            return f"there are {_shown(known)}"
        others = f" There are also {_shown(rest)}" if rest and len(known) <= 10 else ""
        return f"did you mean {_shown(near)}?{others}"
    if hubs.hubs:
        return f"the hub {hubs.hubs[0].name!r} shows no projects to this app or user"
    warned = "; ".join(warning.title for warning in hubs.warnings)
    return (
        "no hub of BIM 360 or ACC (Forma) is visible. An account admin must add the app's client id under Custom "
        "Integrations" + (f" (the service warns: {warned})" if warned else "")
    )


def _shown(projects: Sequence[Project]) -> str:
    return abridged([f"{each.name} ({bare_id(each.id)})" for each in projects[:10]], len(projects))
