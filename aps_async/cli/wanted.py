"""The choice of what to export, which `export` and `enqueue` share."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from aps_async.cli.choice import Choice
from aps_async.cli.completion import remember_projects
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.output import print_progress, print_status
from aps_async.cli.progress import busy
from aps_async.errors import InputError
from aps_async.exports.targets import state_folder
from aps_async.models import ExportOptions, ExportRequest, LeftOut, Project
from aps_async.resources import bim360, files
from aps_async.resources.projects import find_project
from aps_async.session import Session
from aps_async.sync.list_selected import list_selected
from aps_async.sync.naming import NamePattern, shared_names
from aps_async.sync.options import DEFAULT_PATTERN
from aps_async.sync.selection import Selected
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import count


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


def check_together(*, sheets: Sequence[str], files: bool, collection: str | None, assets: bool) -> None:
    """Refuses contradictory options before any call to the service.

    Raises:
        UsageProblem: two options contradict each other.
    """
    if files and sheets:
        raise UsageProblem("--files and --sheet cannot be given together: choose one")
    if files and collection is not None:
        raise UsageProblem("--files and --collection cannot be given together: collections contain sheets only")
    if files and assets:
        raise UsageProblem("--files and --asset-markups cannot be given together: only sheets have asset markups")


def placed(out: Path | str, state: Path | None) -> dict[str, Any]:
    """The choices `out` and `storage` for a target: the ledger of an object storage is in a folder of its own.

    Raises:
        UsageProblem: a folder is given a state folder.
    """
    if isinstance(out, str):
        return {"out": state or state_folder(out), "storage": out}
    if state is not None:
        raise UsageProblem("--state is for s3://, gs:// and az://: the ledger of a folder is kept in it")
    return {"out": out}


async def chosen_sheets(
    session: Session, project: Project, choice: Choice, *, allow_unmatched: bool = False
) -> Selected:
    """The sheets that options choose, with a line on what is worth knowing about the choice.

    Raises:
        APSError: as `list_selected`.
    """
    if pattern := choice.pattern:
        pattern.check(project)
    with busy("listing the sheets", session.contact):
        selected = await list_selected(session, project, choice.selection, allow_unmatched=allow_unmatched)
    print_selected(selected)
    return selected


def print_left_out(found: Iterable[LeftOut]) -> None:
    """What a list could not return."""
    for each in found:
        print_status(f"left out: {each}")


def print_selected(selected: Selected) -> None:
    """What is worth knowing about a selection."""
    for text, shared in selected.ambiguous.items():
        shown = "; ".join(f"{each.sheet.name} ({'/'.join(each.folders)})" for each in shared)
        print_status(f"{text!r} is the number of {len(shared)} sheets, and all of them are selected: {shown}")
    for unused in selected.unused:
        print_status(f"--exclude {unused!r} matches no sheet")
    if selected.not_selected:
        total = len(selected.chosen) + len(selected.not_selected)
        print_progress(f"{len(selected.chosen):,} of {count(total, 'sheet')} selected")


def print_shared_names(selected: Selected, pattern: NamePattern | None = None) -> None:
    """Which sheets share a name, where no run will report on their files; see `Remarks`."""
    for path, alike in shared_names(selected.chosen, pattern or DEFAULT_PATTERN).items():
        print_status(f"{len(alike)} sheets are called {path!r}, so that their files will be numbered")


def named_request(
    sheet: ProjectSheet, pattern: NamePattern | None, options: ExportOptions, user_id: str | None
) -> ExportRequest:
    """The request for a sheet, whose file is called as the pattern says, or else as the sheet is."""
    request = sheet.sheet.to_request(options, user_id=user_id)
    if pattern is None:
        return request
    folder, _, stem = pattern.path(sheet).rpartition("/")
    return evolve(request, name=stem, subfolder=folder or None)


def part_of(project: Project, folder: str | None, collection: str | None) -> str:
    """The project, or the chosen part of it, for messages."""
    parts = [repr(folder)] if folder else []
    if collection:
        parts.append(f"collection {collection!r}")
    return " of ".join([*parts, project.name])


async def project_called(session: Session, name: str) -> Project:
    """Finds a project, as `find_project` does."""
    with busy("looking for the project", session.contact):
        project = await find_project(session, name)
    remember_projects(session.base_url, [project.name])
    return project


async def exportable_project(session: Session, name: str, options: ExportOptions, user_id: str | None) -> Project:
    """Finds the project and checks that its exports support these options and this user.

    Raises:
        UsageProblem: the project is not in ACC, and an option is for ACC only.
        NotFoundInProjectError: there is no such project.
        InputError: ACC needs a user id with the app's own tokens.
        APSError: a call failed.
    """
    project = await project_called(session, name)
    if project.is_acc:
        session.check_user(files.SERVICE.start, user_id)
        return project
    try:
        bim360.check_options(options)
    except InputError as problem:
        raise UsageProblem(str(problem)) from None
    return project
