"""The options of the commands in `workers.py`, which need the extra `workers`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.options import (
    FILES,
    JSON_OBJECT,
    NO_PARTIAL,
    PROJECT,
    USER_ID,
    a_path,
    a_target,
    with_page_options,
)
from aps_async.cli.selecting import COLLECTION, FOLDER, SHEET, many

DATABASE = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="APS_DATABASE_URL", help="PostgreSQL, as postgresql://user@host/name."
    ),
]
RUN = Annotated[str | None, typer.Argument(metavar="RUN", help="A run's number or name; by default all runs.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.command()(worker)
    app.command()(enqueue)
    app.command()(cancel)
    app.command()(priority)
    app.command("dead-letters")(dead_letters)


def _log_json(wanted: bool) -> None:
    from aps_async.cli.output import write_status_as_json

    if wanted:
        write_status_as_json()


def worker(
    out: Annotated[
        Any,
        typer.Option(
            metavar="DIR", parser=a_target, help="A folder that all workers can reach, or s3://bucket/prefix."
        ),
    ],
    database: DATABASE = None,
    slots: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="Exports polled or downloaded at once; 8 by default.")
    ] = None,
    until_done: Annotated[bool, typer.Option("--until-done", help="Exit when nothing is left to do.")] = False,
    user_id: USER_ID = None,
    clients: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=a_path,
            help="A TOML file that names several client ids: for each a profile, or the variables with id and secret.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve /metrics for Prometheus, /healthz and /readyz there."),
    ] = None,
    log_json: Annotated[  # noqa: ARG001 - its callback has used it
        bool,
        typer.Option(
            "--log-json",
            callback=_log_json,
            is_eager=True,  # so that a wrong option is reported as JSON, too
            help="Write every line on standard error as a JSON object.",
        ),
    ] = False,
) -> Any:
    """Process the queue, together with any number of other workers. On Ctrl-C, others take over at once."""
    from aps_async.cli import databases, workers

    location = out if isinstance(out, str) else str(out.absolute())
    choices = workers.WorkerChoices(
        database=databases.database_url(database),
        out=location,
        slots=slots,
        until_done=until_done,
        user_id=user_id,
        clients=clients,
        metrics=_address(metrics) if metrics else None,
    )
    return partial(workers.worker, choices)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    if host and port.isascii() and port.isdigit() and int(port) < 1 << 16:
        return host.removeprefix("[").removesuffix("]"), int(port)
    raise UsageProblem(f"--metrics {text!r} is not a valid address: write HOST:PORT, such as 127.0.0.1:9464")


@with_page_options
def enqueue(
    project: PROJECT,
    database: DATABASE = None,
    folder: FOLDER = None,
    collection: COLLECTION = None,
    sheet: SHEET = None,
    files: Annotated[
        bool, typer.Option("--files", rich_help_panel=FILES, help="ACC: files as ZIPs, instead of sheets.")
    ] = False,
    no_partial: NO_PARTIAL = False,
    options: Any = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of the run and its folder; by default the project's."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="A name of your own: repeating the command with it enqueues nothing twice."),
    ] = None,
    priority: Annotated[
        int, typer.Option(metavar="N", min=-1000, max=1000, help="Runs with a higher priority go first.")
    ] = 0,
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Queue a project's sheets for the workers: all of them, those of one folder, or named ones. Or ACC files."""
    from aps_async.cli import databases, workers
    from aps_async.cli.addresses import place_in
    from aps_async.cli.wanted import check_together

    check_together(sheets=sheet or (), files=files, collection=collection, assets=options.asset_markups)
    if no_partial and not files:
        raise UsageProblem("--no-partial needs --files: sheets are exported one by one")
    choices = workers.EnqueueChoices(
        database=databases.database_url(database),
        **place_in(project, folder=folder, sheets=many(sheet), takes_file=not files),
        collection=collection,
        files=files,
        allow_partial=not no_partial,
        options=options,
        run=run,
        key=key,
        priority=priority,
        user_id=user_id,
        as_json=json,
    )
    return partial(workers.enqueue, choices)


def status(database: str | None, run: str | None, *, as_json: bool, watch: bool) -> Any:
    """`status --database`."""
    from aps_async.cli import databases, run_commands

    return partial(run_commands.status, databases.database_url(database), run, as_json=as_json, watch=watch)


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's number or name.")], database: DATABASE = None
) -> Any:
    """Cancel a run: nothing more of it is started or delivered; finished files stay."""
    from aps_async.cli import databases, run_commands

    return partial(run_commands.cancel, databases.database_url(database), run)


def priority(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's number or name.")],
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", min=-1000, max=1000, help="Write -- before a negative one.")
    ],
    database: DATABASE = None,
) -> Any:
    """Change the priority of a run that is under way: runs with a higher priority go first."""
    from aps_async.cli import databases, run_commands

    return partial(run_commands.priority, databases.database_url(database), run, number)


def dead_letters(
    run: RUN = None,
    database: DATABASE = None,
    retry: Annotated[bool, typer.Option("--retry", help="Queue them again.")] = False,
    export: Annotated[
        list[int] | None, typer.Option("--id", metavar="ID", help="With --retry: only this one. Repeatable.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --retry: only those with this ERROR, or this text in their REASON."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> Any:
    """List the exports that failed permanently, with their reasons."""
    from aps_async.cli import databases, run_commands

    choices = run_commands.DeadLetterChoices(
        database=databases.database_url(database),
        run=run,
        exports=tuple(dict.fromkeys(export or ())),
        reason=reason,
        retry=retry,
        as_json=json,
    )
    return partial(run_commands.dead_letters, choices)
