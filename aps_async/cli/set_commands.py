"""The commands that keep a folder in agreement with a project: `sync` and `register`."""

import re
from functools import partial
from typing import Annotated, Any

import typer

from aps_async.cli.options import (
    BATCH,
    DRY_RUN,
    JSON_LINES,
    MERGE,
    NO_REPORT,
    PROJECTS,
    SLOTS,
    STATE,
    SYNCED,
    TARGET,
    TIMEOUT,
    USER_ID,
    VERIFY,
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

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

_CURRENT = "Keep the folder current"


def a_duration(text: str) -> float:
    """Seconds from a duration such as `15m`, `12h`, `7d` or `2w`."""
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d+)?)\s*([mhdw])\s*", text.lower())
    if not found:
        raise typer.BadParameter(f"{text!r} is not a duration such as 15m, 12h, 7d or 2w")
    return float(found[1]) * _SECONDS[found[2]]


def an_interval(text: str) -> float:
    """Seconds between the rounds of `--watch`, at least a minute, which is as long as the quotas' windows."""
    seconds = a_duration(text)
    if seconds < _SECONDS["m"]:
        raise typer.BadParameter(f"{text!r} is less than a minute, the time that the quotas count")
    return seconds


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("sync")(sync)
    app.command("register")(show_register)


@with_page_options
def sync(
    out: TARGET,
    project: PROJECTS = None,
    every_project: Annotated[
        bool, typer.Option("--all", help="All projects that the app or user can see, each in its own subfolder.")
    ] = False,
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
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            rich_help_panel=_CURRENT,
            help="Move files of withdrawn sheets to superseded/; without it, they are reported.",
        ),
    ] = False,
    max_prune: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=_CURRENT,
            help="Sheets that --prune may move; a tenth of the set by default, at least 10.",
        ),
    ] = None,
    drop_superseded: Annotated[
        bool,
        typer.Option(
            "--drop-superseded",
            rich_help_panel=_CURRENT,
            help="Delete older versions instead of moving them to superseded/.",
        ),
    ] = False,
    refresh: Annotated[
        float | None,
        typer.Option(
            metavar="AGE",
            parser=a_duration,
            rich_help_panel=_CURRENT,
            help="Export again what is older, such as 7d: markups change without a new version.",
        ),
    ] = None,
    no_report: NO_REPORT = False,
    merge: MERGE = None,
    batch: BATCH = None,
    state: STATE = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", rich_help_panel=_CURRENT, help="Exit with 9 if a sheet is left out or withdrawn."),
    ] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="INTERVAL",
            parser=an_interval,
            rich_help_panel=_CURRENT,
            help="Sync again and again until Ctrl-C, such as every 15m; only changes are printed.",
        ),
    ] = None,
    verify: VERIFY = False,
    dry_run: DRY_RUN = False,
    options: Any = None,
    slots: SLOTS = None,
    timeout: TIMEOUT = None,
    user_id: USER_ID = None,
    json: JSON_LINES = False,
) -> Any:
    """Make a folder agree with a project's sheets: export what is new or revised, report what is withdrawn or left out.

    Files that are replaced are moved to superseded/ in the folder. register.csv and register.json list what is there,
    and report.html shows it.

    Several projects, a pattern and --all get a subfolder for each project (projects.json lists them), even where only
    one project fits. One that fails does not stop the others, and the exit code is that of the worst: 70, 7, 8, 3, 5,
    6, 4, 2, 1, 9, 0.
    """
    from aps_async.cli import forecasts, syncing, syncing_many, watching
    from aps_async.cli.addresses import place_in
    from aps_async.cli.exit_codes import UsageProblem
    from aps_async.cli.wanted import check_together, placed
    from aps_async.ids import is_web_address
    from aps_async.text import is_pattern

    check_together(sheets=sheet or (), files=False, collection=collection, assets=options.asset_markups)
    if max_prune is not None and not prune:
        raise UsageProblem("--max-prune needs --prune")
    named = many(project)
    if not named and not every_project:
        raise UsageProblem("give a PROJECT, or --all for all of them")
    if named and every_project:
        raise UsageProblem("PROJECT and --all cannot be given together")
    is_single = len(named) == 1 and (is_web_address(named[0]) or not is_pattern(named[0]))
    if merge is not None and not is_single:
        raise UsageProblem("--merge joins the sheets of one project: give one PROJECT, and no pattern")
    choices = syncing.SyncChoices(
        **place_in(
            named[0] if is_single else "", folder=folder, sheets=many(sheet), sheet_set=sheet_set, match=many(match)
        ),
        projects=() if is_single else named or ("*",),
        **placed(out, state),
        match=many(match),
        exclude=many(exclude),
        sheet_set=sheet_set,
        collection=collection,
        tag=many(tag),
        since=since,
        name=pattern_of(name, tree=tree),
        prune=prune,
        max_prune=max_prune,
        drop_superseded=drop_superseded,
        refresh=refresh,
        merge=merge,
        batch=batch,
        strict=strict,
        report=not no_report,
        verify=verify,
        options=options,
        slots=slots,
        timeout=timeout,
        user_id=user_id,
        as_json=json,
    )
    if dry_run:
        if watch is not None:
            raise UsageProblem("--dry-run and --watch cannot be given together")
        return partial(forecasts.sync if is_single else forecasts.sync_many, choices)
    work = syncing.sync if is_single else syncing_many.sync_many
    if watch is None:
        return partial(work, choices)
    return partial(watching.watch, partial(work, choices, syncing.Watched()), watch)


def show_register(
    directory: SYNCED,
    as_json: Annotated[bool, typer.Option("--json", help="register.json as it is.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="register.csv as it is.")] = False,
) -> Any:
    """List the sheets in a folder: version, state, file and when it was exported."""
    from aps_async.cli import registers
    from aps_async.cli.exit_codes import UsageProblem

    if as_json and csv:
        raise UsageProblem("--json and --csv cannot be given together: choose one")
    return partial(registers.show, directory, as_json=as_json, as_csv=csv)
