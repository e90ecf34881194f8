"""The commands and their options. Each one parses its options and returns the coroutine function that does the work.

A command imports what it needs when it runs, so that `--help` does not import the whole library.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

import aps_async
from aps_async.cli import finding, guides, job_commands, set_commands
from aps_async.cli import worker_commands as fleetcommands
from aps_async.cli.arguments import in_front, usage_hint
from aps_async.cli.examples import add_examples
from aps_async.cli.exit_codes import EXIT_CODES, Interrupted, UsageProblem, exit_code, reason
from aps_async.cli.options import (
    BATCH,
    DIR,
    DRY_RUN,
    JSON_LINES,
    JSON_OBJECT,
    MERGE,
    NO_PARTIAL,
    NO_REPORT,
    ORDER,
    OUT,
    PDF,
    PROJECT,
    SHEETS,
    SLOTS,
    SPEED,
    STATE,
    TARGET,
    TIMEOUT,
    USER_ID,
    VERIFY,
    a_ledgers_folder,
    a_path,
    profile_option,
    with_page_options,
)
from aps_async.cli.output import LogFormat, print_result, print_status, printing, tolerate_any_text, turn_logging_on
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

NAME = "aps-async"
_ENVIRONMENT = (
    "APS_CLIENT_ID and APS_CLIENT_SECRET, or APS_ACCESS_TOKEN; APS_SERVICE_ACCOUNT_ID, APS_SERVICE_ACCOUNT_KEY_ID and "
    "APS_SERVICE_ACCOUNT_KEY_FILE (or APS_SERVICE_ACCOUNT_KEY); APS_PROFILE; APS_SCOPES; APS_CALLBACK_URL; "
    "APS_BASE_URL (by default Autodesk's); APS_USER_ID; APS_DATABASE_URL; APS_SPEED (a simulator's --speed); "
    "APS_NOTIFY_URL (a chat's https address that gets a summary); APS_STATE_DIR (for the ledgers of storages); "
    "HTTPS_PROXY; APS_CA_FILE (a PEM file of CA certificates to trust, for networks that re-sign TLS)"
)
_EPILOG = f"Environment: {_ENVIRONMENT}.\n\nPrecedence: {ORDER}.\n\nExit codes:\n" + "\n".join(
    f"{code}: {words}" for code, words in EXIT_CODES.items()
)

app: typer.Typer = typer.Typer(
    name=NAME,
    pretty_exceptions_enable=False,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: Sequence[str]) -> int:
    """Runs one command line and returns the exit code.

    Raises:
        ModuleNotFoundError: a package that the command imports is not installed.
    """
    with ExitStack() as stack:
        return _run(argv, stack)


def _run(argv: Sequence[str], stack: ExitStack) -> int:
    tolerate_any_text()
    debug = "--debug" in argv
    parser = get_command(app)
    work: Any = None
    try:
        # Not Typer's standalone mode, which has its own exit codes and draws frames around errors.
        work = parser.main(args=in_front(argv, parser), prog_name=NAME, standalone_mode=False, obj=stack)
        if not callable(work):
            return int(work or 0)
        from aps_async.cli.runtime import Work, run_to_the_end

        return run_to_the_end(cast("Work", work))
    except Interrupted as stop:
        print_status(f"{NAME}: stopped" + (f": {reason(stop.__cause__)}" if stop.__cause__ else ""))
        return stop.exit_code
    except KeyboardInterrupt:
        print_status(f"{NAME}: stopped")
        return 130
    except BrokenPipeError:
        # The reading end is closed; without this, Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as problem:  # every error becomes one line and an exit code
        if isinstance(problem, ImportError) and (work is None or problem.name == "backoff"):
            raise  # `main` reports what to install
        if debug:
            note_traceback(problem)
        print_status(f"{NAME}: error: {reason(problem)}", level="error")
        if hint := usage_hint(problem, argv, parser, NAME):
            print_status(hint)
        return exit_code(problem)


def note_traceback(problem: BaseException) -> None:
    """Prints the traceback without the values of variables, which may contain tokens."""
    from aps_async.links import redact_addresses

    for line in "".join(traceback.format_exception(problem)).splitlines():
        print_status(redact_addresses(line))


def _show_version(wanted: bool) -> None:
    if wanted:
        print_result(f"{NAME} {aps_async.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Report what is retried or left out; -vv: every call.")
    ] = 0,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,  # noqa: ARG001
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="The profile to use; see login and APS_PROFILE.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress: only what went wrong.")] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=a_path, help="Add progress, warnings and errors to this file, with times."),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="The lines of the log file: text, or JSON objects.")
    ] = LogFormat.TEXT,
    version: Annotated[  # noqa: ARG001 - its callback handles it
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Sheets, files and cost documents of Autodesk BIM 360, ACC (Forma), as verified files in a folder.

    Start with `aps-async demo`, which needs no account.
    """
    turn_logging_on(verbose)
    if context.obj is not None:
        context.obj.enter_context(printing(quiet=quiet, log_file=log_file, as_json=log_format is LogFormat.JSON))
    profile_option.set(profile)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", parser=a_path, help="The folder for the PDFs.")] = Path(
        "aps-async-demo"
    ),
    sheets: SHEETS = None,
    speed: SPEED = 20.0,
    pdf: PDF = None,
    keep_open: Annotated[bool, typer.Option("--keep-open", help="Keep the simulator running until Ctrl-C.")] = False,
) -> Any:
    """Export a plan set from a simulator on this machine: no account, no network."""
    from aps_async.cli import simulation

    world = simulation.WorldOptions(pdf=pdf, sheets=sheets)
    return partial(simulation.demo, world, out=out.absolute(), speed=speed, keep_open=keep_open)


@app.command()
def simulate(
    pdf: PDF = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 0,
    speed: SPEED = 1.0,
    world: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hubs, projects, folders and sheets, as JSON.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="The faults to inject, as JSON.")] = None,
    behaviour: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Behaviour that the documentation leaves open, as JSON."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One behaviour switch, such as post_status=200. Repeatable."),
    ] = None,
    help_behaviour: Annotated[bool, typer.Option("--help-behaviour", help="List all switches and exit.")] = False,
    seed: Annotated[int, typer.Option(help="Vary job times and ids within the same world.")] = 0,
    sheets: SHEETS = None,
) -> Any:
    """Run a simulator of Autodesk's services on this machine until Ctrl-C, to try the other commands with."""
    from aps_async.cli import simulation

    if help_behaviour:
        return simulation.help_behaviour
    options = simulation.WorldOptions(pdf=pdf, world=world, sheets=sheets, seed=seed)
    switches = simulation.SwitchOptions(file=behaviour, settings=tuple(settings or ()))
    return partial(simulation.simulate, options, port=port, speed=speed, faults=faults, switches=switches)


finding.register(app)
set_commands.register(app)


@app.command()
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
        bool, typer.Option("--files", help="ACC: PDF, DWG and RVT files as ZIPs, instead of sheets.")
    ] = False,
    unpack: Annotated[bool, typer.Option("--unpack", help="With --files: keep the PDFs instead of the ZIPs.")] = False,
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
    from aps_async.cli.wanted import check_together, placed

    pattern = pattern_of(name, tree=tree)
    check_together(sheets=sheet or (), files=files, collection=collection, assets=options.asset_markups)
    if files and (match or exclude or sheet_set or tag or since or pattern or merge or batch):
        raise UsageProblem("--files goes with --folder only: the other options choose, name and join sheets")
    if (unpack or no_partial) and not files:
        raise UsageProblem("--unpack and --no-partial need --files: sheets are exported one by one")
    choices = exporting.ExportChoices(
        project=project,
        sheets=many(sheet),
        match=many(match),
        exclude=many(exclude),
        folder=folder,
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


job_commands.register(app, {"sync": set_commands.sync, "export": export})


@app.command("cost-documents")
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


@app.command()
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


@app.command()
def status(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", parser=a_ledgers_folder, help="A folder with an earlier export.")
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
        return fleetcommands.status(database, run, as_json=json, watch=watch)
    if database is not None or run is not None or watch:
        raise UsageProblem("--database, --run and --watch cannot be combined with a DIR, which has its own ledger")
    from aps_async.cli import ledgers

    return partial(ledgers.status, folder, as_json=json)


@app.command()
def resume(
    folder: DIR,
    json: JSON_LINES = False,
) -> Any:
    """Continue the last export into a folder. Files that are there and unchanged are not downloaded again."""
    from aps_async.cli import ledgers

    return partial(ledgers.resume, folder, as_json=json)


@app.command()
def login(
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The app to sign in to; its id is not secret.")
    ] = None,
    callback: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback address registered for the app; by default http://127.0.0.1:8765/callback.",
        ),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="A scope of the tokens, such as data:read. Repeatable.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, to be opened in a browser on any device.")
    ] = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep the login in the system's keyring.")] = False,
    another_user: Annotated[
        bool, typer.Option("--another-user", help="Show the sign-in form even if the browser is already signed in.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How long to wait for you to sign in.")
    ] = 300.0,
) -> Any:
    """Sign in as a user, in the browser. Needs an app's client id, and no secret if the app is a public client."""
    from aps_async.cli import login as signing_in

    choices = signing_in.LoginChoices(
        client_id=client_id,
        callback=callback,
        scopes=tuple(scope or ()),
        browser=not no_browser,
        keyring=keyring,
        another_user=another_user,
        timeout=timeout,
    )
    return partial(signing_in.login, choices)


@app.command()
def logout(
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the login without revoking it at the service.")
    ] = False,
) -> Any:
    """Revoke the login at the service and delete it from this machine."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.logout, forget=forget)


@app.command()
def whoami(user_id: USER_ID = None, json: JSON_OBJECT = False) -> Any:
    """Show which user or app the other commands act as, where that is configured, its scopes and expiry."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.whoami, user_id=user_id, as_json=json)


@app.command()
def doctor(
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=a_path, help="The folder to check write access to.")
    ] = Path(),
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Check network, proxy, certificate, clock, credentials, scopes, hubs and write access; no secret is shown."""
    from aps_async.cli import doctor as examination

    return partial(examination.doctor, user_id=user_id, folder=out.absolute(), as_json=json)


fleetcommands.register(app)
guides.register(app)
add_examples(app)
