"""The options of the commands in `fleet.py`, which need the extra `workers`."""

from functools import partial
from typing import Annotated, Any

import typer

from aps_async.cli.failures import UsageProblem
from aps_async.cli.options import (
    ASSET_MARKUPS,
    COLLECTION,
    HYPERLINKS,
    ISSUE_MARKUPS,
    JSON_OBJECT,
    MARKUPS,
    NO_PARTIAL,
    PHOTO_MARKUPS,
    PROJECT,
    UNPUBLISHED_MARKUPS,
    a_path,
)

DATABASE = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="APS_DATABASE_URL", help="PostgreSQL, as postgresql://user@host/name."
    ),
]
RUN = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's number or name; all of them without.")]
USER_ID = Annotated[
    str | None, typer.Option(metavar="ID", envvar="APS_USER_ID", help="The Autodesk id of the user to act for.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(worker)
    app.command()(enqueue)
    app.command()(cancel)
    app.command("dead-letters")(dead_letters)


def worker(
    out: Annotated[str, typer.Option(metavar="DIR", help="A folder that all workers see, or s3://bucket/prefix.")],
    database: DATABASE = None,
    slots: Annotated[
        int | None, typer.Option(min=2, help="Exports asked about or downloaded at once; 8 when not given.")
    ] = None,
    until_done: Annotated[bool, typer.Option("--until-done", help="End when nothing is left to do.")] = False,
    user_id: USER_ID = None,
) -> Any:
    """Work off what is enqueued, together with any number of others; Ctrl-C hands over what is in hand."""
    from aps_async.cli import workers as fleet
    from aps_async.downloads.folder import is_object_storage

    location = out if is_object_storage(out) else str(a_path(out).absolute())
    url = fleet.database_url(database)
    return partial(fleet.worker, url, location, slots=slots, until_done=until_done, user_id=user_id)


def enqueue(
    project: PROJECT,
    database: DATABASE = None,
    folder: Annotated[
        str | None, typer.Option(metavar="PATH", help="Only this folder (or version set) and what is below.")
    ] = None,
    collection: COLLECTION = None,
    sheet: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="One sheet, as 'export' takes it; may be given again.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="ACC: files and not sheets, as ZIPs.")] = False,
    no_partial: NO_PARTIAL = False,
    markups: MARKUPS = False,
    issue_markups: ISSUE_MARKUPS = False,
    photo_markups: PHOTO_MARKUPS = False,
    asset_markups: ASSET_MARKUPS = False,
    unpublished_markups: UNPUBLISHED_MARKUPS = False,
    hyperlinks: HYPERLINKS = False,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's name and folder; the project's when not given.")
    ] = None,
    priority: Annotated[int, typer.Option(min=-1000, max=1000, help="A higher one goes first.")] = 0,
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Let the workers export a project's sheets: all of them, of one folder, or the named ones. Or ACC's files."""
    from aps_async.cli import workers as fleet
    from aps_async.cli.wanted import check_together, export_options

    check_together(sheets=sheet or (), files=files, collection=collection, assets=asset_markups)
    if no_partial and not files:
        raise UsageProblem("--no-partial goes with --files: sheets come one by one")
    choices = fleet.EnqueueChoices(
        database=fleet.database_url(database),
        project=project,
        folder=folder,
        collection=collection,
        sheets=tuple(dict.fromkeys(sheet or ())),
        files=files,
        allow_partial=not no_partial,
        options=export_options(
            markups=markups,
            issues=issue_markups,
            photos=photo_markups,
            assets=asset_markups,
            unpublished=unpublished_markups,
            hyperlinks=hyperlinks,
        ),
        run=run,
        priority=priority,
        user_id=user_id,
        as_json=json,
    )
    return partial(fleet.enqueue, choices)


def status(database: str | None, run: str | None, *, as_json: bool) -> Any:
    """The part of `status` that is about workers."""
    from aps_async.cli import workers as fleet

    return partial(fleet.status, fleet.database_url(database), run, as_json=as_json)


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's number or name.")], database: DATABASE = None
) -> Any:
    """End a run of workers: nothing more of it is started or delivered; the files that are done stay."""
    from aps_async.cli import workers as fleet

    return partial(fleet.cancel, fleet.database_url(database), run)


def dead_letters(
    run: RUN = None,
    database: DATABASE = None,
    retry: Annotated[bool, typer.Option("--retry", help="Send them on their way again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> Any:
    """List the exports that failed for good, and why."""
    from aps_async.cli import workers as fleet

    return partial(fleet.dead_letters, fleet.database_url(database), run, retry=retry, as_json=json)
