"""The options of the commands in `fleet.py`, which need the extra `workers`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from aps_async.cli import fleet
from aps_async.cli.failures import UsageProblem

DATABASE = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="APS_DATABASE_URL", help="PostgreSQL, as postgresql://user@host/name."
    ),
]
RUN = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's number or name; all of them without.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="As JSON.")]
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
    place = out if "://" in out else str(Path(out).absolute())
    return partial(
        fleet.worker, fleet.database_url(database), place, slots=slots, until_done=until_done, user_id=user_id
    )


def enqueue(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id or its exact name.")],
    database: DATABASE = None,
    what: Annotated[str, typer.Option(metavar="WHAT", help="sheets, or files of an ACC project.")] = "sheets",
    folder: Annotated[
        str | None, typer.Option(metavar="PATH", help="Only this folder (or version set) and what is below.")
    ] = None,
    sheet: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="One sheet, as 'export' takes it; may be given again.")
    ] = None,
    markups: Annotated[bool, typer.Option("--markups", help="Put published markups on the pages.")] = False,
    hyperlinks: Annotated[bool, typer.Option("--hyperlinks", help="Keep links.")] = False,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's name and folder; the project's when not given.")
    ] = None,
    priority: Annotated[int, typer.Option(min=-1000, max=1000, help="A higher one goes first.")] = 0,
    user_id: USER_ID = None,
    json: AS_JSON = False,
) -> Any:
    """Let the workers export sheets or files of a project."""
    if what not in ("sheets", "files"):
        raise UsageProblem("--what is 'sheets' or 'files'")
    if sheet and (folder is not None or what == "files"):
        raise UsageProblem("--sheet goes with neither --folder nor --what files")
    choices = fleet.EnqueueChoices(
        database=fleet.database_url(database),
        project=project,
        what=what,
        folder=folder,
        sheets=tuple(dict.fromkeys(sheet or ())),
        markups=markups,
        hyperlinks=hyperlinks,
        run=run,
        priority=priority,
        user_id=user_id,
        as_json=json,
    )
    return partial(fleet.enqueue, choices)


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's number or name.")], database: DATABASE = None
) -> Any:
    """End a run: nothing more of it is started or delivered; the files that are done stay."""
    return partial(fleet.cancel, fleet.database_url(database), run)


def dead_letters(
    run: RUN = None,
    database: DATABASE = None,
    retry: Annotated[bool, typer.Option("--retry", help="Send them on their way again.")] = False,
    json: AS_JSON = False,
) -> Any:
    """List the exports that failed for good, and why."""
    return partial(fleet.dead_letters, fleet.database_url(database), run, retry=retry, as_json=json)
