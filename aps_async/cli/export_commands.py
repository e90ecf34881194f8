"""The commands that deliver files: `export`, `cost-documents`, `download`; and `status` and `resume`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from aps_async.cli import finding, worker_commands
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.options import (
    BATCH,
    DIR,
    DRY_RUN,
    FILES,
    JSON_LINES,
    JSON_OBJECT,
    MERGE,
    NO_PARTIAL,
    NO_REPORT,
    OUT,
    PROJECT,
    SLOTS,
    STATE,
    TARGET,
    TIMEOUT,
    USER_ID,
    VERIFY,
    a_ledgers_folder,
    a_path,
    with_page_options,
)
from aps_async.cli.selecting import (
    COLLECTION,
    EXCLUDE,
    FILE_NAME,
    FOLDER,
    MATCH,
    SET,
    SHEET,
    SINCE,
    TAG,
    TREE,
    many,
    pattern_of,
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(export)
    app.command("cost-documents")(cost_documents)
    app.command()(download)
    app.command()(status)
    app.command()(resume)


@with_page_options
def export(
    project: PROJECT,
    out: TARGET,
    sheet: SHEET = None,
    match: MATCH = None,
    exclude: EXCLUDE = None,
    folder: FOLDER = None,
    sheet_set: SET = None,
    collection: COLLECTION = None,
    tag: TAG = None,
    since: SINCE = None,
    name: FILE_NAME = None,
    tree: TREE = False,
    merge: MERGE = None,
    batch: BATCH = None,
    state: STATE = None,
    files: Annotated[
        bool,
        typer.Option("--files", rich_help_panel=FILES, help="ACC: PDF, DWG and RVT files as ZIPs, instead of sheets."),
    ] = False,
    unpack: Annotated[
        bool, typer.Option("--unpack", rich_help_panel=FILES, help="With --files: keep the PDFs instead of the ZIPs.")
    ] = False,
    no_partial: NO_PARTIAL = False,
    no_report: NO_REPORT = False,
    options: Any = None,
    slots: SLOTS = None,
    timeout: TIMEOUT = None,
    keep_older: Annotated[
        bool,
        typer.Option(
            "--keep-older", help="Keep a sheet's file when a newer version is exported.", rich_help_panel="The run"
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Export everything again, even unchanged files.", rich_help_panel="The run")
    ] = False,
    verify: VERIFY = False,
    dry_run: DRY_RUN = False,
    user_id: USER_ID = None,
    json: JSON_LINES = False,
) -> Any:
    """Export sheets as PDFs into a folder: those of the whole project, of one folder, or named ones. Or ACC files."""
    from aps_async.cli import export as exporting
    from aps_async.cli import forecasts
    from aps_async.cli.addresses import place_in
    from aps_async.cli.wanted import check_together, placed

    pattern = pattern_of(name, tree=tree)
    check_together(sheets=sheet or (), files=files, collection=collection, assets=options.asset_markups)
    if files and (match or exclude or sheet_set or tag or since or pattern or merge or batch):
        raise UsageProblem("--files goes with --folder only: the other options choose, name and join sheets")
    if (unpack or no_partial) and not files:
        raise UsageProblem("--unpack and --no-partial need --files: sheets are exported one by one")
    choices = exporting.ExportChoices(
        **place_in(
            project, folder=folder, sheets=many(sheet), sheet_set=sheet_set, match=many(match), takes_file=not files
        ),
        match=many(match),
        exclude=many(exclude),
        sheet_set=sheet_set,
        collection=collection,
        tag=many(tag),
        since=since,
        name=pattern,
        files=files,
        unpack=unpack,
        allow_partial=not no_partial,
        report=not no_report,
        options=options,
        merge=merge,
        batch=batch,
        **placed(out, state),
        slots=slots,
        timeout=timeout,
        user_id=user_id,
        as_json=json,
        keep_older=keep_older,
        again=again,
        verify=verify,
    )
    return partial(forecasts.export if dry_run else exporting.export, choices)


def cost_documents(
    project: PROJECT,
    out: OUT,
    association_type: finding.TYPE,
    association_id: Annotated[
        list[str], typer.Option("--id", metavar="UUID", help="Whose documents, as 'cost' lists them. Repeatable.")
    ],
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="ID", help="Make a new document for each id, from this document template."),
    ] = None,
    container: finding.CONTAINER = None,
    region: finding.REGION = None,
    slots: SLOTS = None,
    timeout: TIMEOUT = None,
    json: JSON_LINES = False,
) -> Any:
    """Download the Word documents that Cost Management generated for budgets, contracts and so on. Needs a login."""
    from aps_async.cli import fetching

    if template is not None and not template.strip():
        raise UsageProblem("--template is empty: give the id of a document template of Cost Management")
    choices = fetching.DocumentChoices(
        project=project,
        out=out,
        type=association_type,
        ids=tuple(dict.fromkeys(association_id)),
        container=container,
        region=region,
        template=template,
        slots=slots,
        timeout=timeout,
        as_json=json,
    )
    return partial(fetching.cost_documents, choices)


def download(
    urn: Annotated[
        str, typer.Argument(metavar="URN", help="A version, an item (its newest version) or a storage URN.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", parser=a_path, help="The file to write.")],
    project: Annotated[
        str | None,
        typer.Option(metavar="PROJECT", help="The project of a version or item URN."),
    ] = None,
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Download an uploaded file, or any other version that has its own storage, unchanged."""
    from aps_async.cli import fetching

    return partial(fetching.download, urn, out=out, project=project, user_id=user_id, as_json=json)


def status(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", parser=a_ledgers_folder, help="A folder with an earlier export.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The workers' database; the default without a DIR is APS_DATABASE_URL."),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only this workers' run, by number or name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; for workers' runs, one JSON array.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Workers' runs: show it again every 2 s, until all runs are over.")
    ] = False,
) -> Any:
    """Show the progress of the last export into a folder, even while it runs, or the status of workers' runs."""
    if folder is None:
        return worker_commands.status(database, run, as_json=json, watch=watch)
    if database is not None or run is not None or watch:
        raise UsageProblem("--database, --run and --watch cannot be combined with a DIR, which has its own ledger")
    from aps_async.cli.status import status as show

    return partial(show, folder, as_json=json)


def resume(
    folder: DIR,
    json: JSON_LINES = False,
) -> Any:
    """Continue the last export into a folder. Files that are there and unchanged are not downloaded again."""
    from aps_async.cli import resuming

    return partial(resuming.resume, folder, as_json=json)
