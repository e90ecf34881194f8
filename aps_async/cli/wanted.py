"""The choice of what to export, which `export` and `enqueue` share."""

from collections.abc import Sequence

from aps_async.cli.failures import UsageProblem
from aps_async.models import ExportOptions, Project
from aps_async.resources import files
from aps_async.resources.projects import find_project
from aps_async.session import Session


def export_options(
    *, markups: bool, issues: bool, photos: bool, assets: bool, unpublished: bool, hyperlinks: bool
) -> ExportOptions:
    """The options for the pages; `unpublished` applies to every requested kind of markup."""
    return ExportOptions(
        markups=markups,
        hyperlinks=hyperlinks,
        unpublished_markups=unpublished,
        issue_markups=issues,
        unpublished_issue_markups=issues and unpublished,
        photo_markups=photos,
        unpublished_photo_markups=photos and unpublished,
        asset_markups=assets,
        unpublished_asset_markups=assets and unpublished,
    )


def check_together(
    *, folder: str | None, sheets: Sequence[str], files: bool, collection: str | None, assets: bool
) -> None:
    """Refuses contradictory options before any call to the service.

    Raises:
        UsageProblem: two options contradict each other.
    """
    if folder is not None and sheets:
        raise UsageProblem("--folder and --sheet cannot be given together: choose one")
    if files and sheets:
        raise UsageProblem("--files and --sheet cannot be given together: choose one")
    if files and collection is not None:
        raise UsageProblem("--files and --collection cannot be given together: collections contain sheets only")
    if files and assets:
        raise UsageProblem("--files and --asset-markups cannot be given together: only sheets have asset markups")


def part_of(project: Project, folder: str | None, collection: str | None) -> str:
    """The project, or the chosen part of it, for messages."""
    parts = [repr(folder)] if folder else []
    if collection:
        parts.append(f"collection {collection!r}")
    return " of ".join([*parts, project.name])


async def exportable_project(session: Session, name: str, options: ExportOptions, user_id: str | None) -> Project:
    """Finds the project and checks that its exports support these options and this user.

    Raises:
        UsageProblem: the project is not in ACC, and BIM 360 would silently ignore an option that only ACC supports.
        NotFoundInProjectError: there is no such project.
        InputError: ACC needs a user id with the app's own tokens.
        APSError: a call failed.
    """
    project = await find_project(session, name)
    if project.is_acc:
        session.check_user(files.SERVICE.start, user_id)
    elif options != ExportOptions(markups=options.markups, hyperlinks=options.hyperlinks):
        raise UsageProblem(f"{project.name} is not an ACC project: only published markups and hyperlinks are supported")
    return project
