"""The commands and their options. Each one parses, and gives the coroutine function that does the work.

A command imports what it needs when it runs, so that the help does not wait for the whole library.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

import aps_async
from aps_async.cli import worker_commands as fleetcommands
from aps_async.cli.failures import EXIT_CODES, Interrupted, UsageProblem, exit_code, reason
from aps_async.cli.options import (
    ASSET_MARKUPS,
    COLLECTION,
    DIR,
    FOLDER,
    HYPERLINKS,
    ISSUE_MARKUPS,
    JSON_ARRAY,
    JSON_LINES,
    JSON_OBJECT,
    MARKUPS,
    NO_PARTIAL,
    ORDER,
    OUT,
    PDF,
    PHOTO_MARKUPS,
    PROJECT,
    SHEETS,
    SLOTS,
    SPEED,
    TIMEOUT,
    UNPUBLISHED_MARKUPS,
    USER_ID,
    a_path,
    profile_option,
)
from aps_async.cli.output import print_result, print_status, tolerate_any_text, turn_logging_on

NAME = "aps-async"
_ENVIRONMENT = (
    "APS_CLIENT_ID and APS_CLIENT_SECRET, or APS_ACCESS_TOKEN; APS_SERVICE_ACCOUNT_ID, APS_SERVICE_ACCOUNT_KEY_ID and "
    "APS_SERVICE_ACCOUNT_KEY_FILE (or APS_SERVICE_ACCOUNT_KEY); APS_PROFILE; APS_SCOPES; APS_CALLBACK_URL; "
    "APS_BASE_URL (Autodesk's own when not set); APS_USER_ID; APS_DATABASE_URL; APS_SPEED (a simulator's --speed); "
    "HTTPS_PROXY; APS_CA_FILE (a PEM file of CA certificates to trust, for networks that re-sign TLS)"
)
_EPILOG = f"Environment: {_ENVIRONMENT}.\n\nWho counts: {ORDER}.\n\nExit codes:\n" + "\n".join(
    f"{code}: {words}" for code, words in EXIT_CODES.items()
)

app: typer.Typer = typer.Typer(name=NAME, add_completion=False, pretty_exceptions_enable=False, epilog=_EPILOG)


def run(argv: Sequence[str]) -> int:
    """Runs one command line and gives the exit code.

    Raises:
        ModuleNotFoundError: a package is missing that the command imports.
    """
    tolerate_any_text()
    debug = "--debug" in argv
    work: Any = None
    try:
        # Not typer's standalone mode: that has its own exit codes, and frames around errors.
        work = get_command(app).main(args=list(argv), prog_name=NAME, standalone_mode=False)
        if not callable(work):
            return int(work or 0)
        from aps_async.cli.runtime import Work, run_to_the_end

        return run_to_the_end(cast("Work", work))
    except Interrupted as stop:
        print_status(f"{NAME}: stopped")
        return stop.exit_code
    except KeyboardInterrupt:
        print_status(f"{NAME}: stopped")
        return 130
    except BrokenPipeError:
        # The reader went away; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as problem:  # whatever it is, it becomes one line and an exit code
        if isinstance(problem, ImportError) and (work is None or problem.name == "backoff"):
            raise  # `main` says what to install
        if debug:
            note_traceback(problem)
        print_status(f"{NAME}: error: {reason(problem)}")
        return exit_code(problem)


def note_traceback(problem: BaseException) -> None:
    """The traceback without values of variables: they may hold tokens."""
    for line in "".join(traceback.format_exception(problem)).splitlines():
        print_status(line)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_result(f"{NAME} {aps_async.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say what is repeated or left out; -vv: every call.")
    ] = 0,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,  # noqa: ARG001
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Whose login to use; see login and APS_PROFILE.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Sheets, files and cost documents out of Autodesk BIM 360 and ACC, as verified files in a folder.

    Start with `aps-async demo`, which needs no account.
    """
    turn_logging_on(verbose)
    profile_option.set(profile)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", parser=a_path, help="Where the PDFs go.")] = Path(
        "aps-async-demo"
    ),
    sheets: SHEETS = None,
    speed: SPEED = 20.0,
    pdf: PDF = None,
    keep_open: Annotated[bool, typer.Option("--keep-open", help="Let the simulator run on until Ctrl-C.")] = False,
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
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="What goes wrong and when, as JSON.")] = None,
    behaviour: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the documentation leaves open, as a JSON object.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One such switch, such as post_status=200. Repeatable."),
    ] = None,
    help_behaviour: Annotated[bool, typer.Option("--help-behaviour", help="List all these switches and exit.")] = False,
    seed: Annotated[int, typer.Option(help="Other job times and ids for the same world.")] = 0,
    sheets: SHEETS = None,
) -> Any:
    """Run Autodesk's services on this machine until Ctrl-C, to try the other commands against."""
    from aps_async.cli import simulation

    if help_behaviour:
        return simulation.help_behaviour
    options = simulation.WorldOptions(pdf=pdf, world=world, sheets=sheets, seed=seed)
    switches = simulation.SwitchOptions(file=behaviour, settings=tuple(settings or ()))
    return partial(simulation.simulate, options, port=port, speed=speed, faults=faults, switches=switches)


@app.command()
def projects(user_id: USER_ID = None, json: JSON_ARRAY = False) -> Any:
    """List the projects that the app (or the user) may see."""
    from aps_async.cli import listing

    return partial(listing.projects, user_id=user_id, as_json=json)


@app.command()
def sheets(
    project: PROJECT,
    folder: FOLDER = None,
    collection: COLLECTION = None,
    user_id: USER_ID = None,
    json: JSON_ARRAY = False,
) -> Any:
    """List a project's sheets that can be exported."""
    from aps_async.cli import listing

    return partial(listing.sheets, project, folder=folder, collection=collection, user_id=user_id, as_json=json)


@app.command()
def collections(project: PROJECT, user_id: USER_ID = None, json: JSON_ARRAY = False) -> Any:
    """List the collections of an ACC project's sheets."""
    from aps_async.cli import listing

    return partial(listing.collections, project, user_id=user_id, as_json=json)


@app.command()
def export(
    project: PROJECT,
    out: OUT,
    folder: FOLDER = None,
    collection: COLLECTION = None,
    sheet: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="One sheet by its version or item URN (ACC: id or number); may be given again."
        ),
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="ACC: PDF, DWG and RVT files and not sheets, as ZIPs.")
    ] = False,
    unpack: Annotated[bool, typer.Option("--unpack", help="With --files: the PDFs and not the ZIPs.")] = False,
    no_partial: NO_PARTIAL = False,
    markups: MARKUPS = False,
    issue_markups: ISSUE_MARKUPS = False,
    photo_markups: PHOTO_MARKUPS = False,
    asset_markups: ASSET_MARKUPS = False,
    unpublished_markups: UNPUBLISHED_MARKUPS = False,
    hyperlinks: HYPERLINKS = False,
    slots: SLOTS = None,
    timeout: TIMEOUT = None,
    keep_older: Annotated[
        bool, typer.Option("--keep-older", help="Keep a sheet's file beside that of its newer version.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Export everything anew, also what is there already.")] = False,
    user_id: USER_ID = None,
    json: JSON_LINES = False,
) -> Any:
    """Export sheets as PDFs into a folder: all of the project, of one folder, or the named ones. Or ACC's files."""
    from aps_async.cli import export as exporting
    from aps_async.cli.wanted import check_together, export_options

    check_together(folder=folder, sheets=sheet or (), files=files, collection=collection, assets=asset_markups)
    if (unpack or no_partial) and not files:
        raise UsageProblem("--unpack and --no-partial go with --files: sheets come one by one")
    choices = exporting.ExportChoices(
        project=project,
        folder=folder,
        collection=collection,
        sheets=tuple(dict.fromkeys(sheet or ())),
        files=files,
        unpack=unpack,
        allow_partial=not no_partial,
        options=export_options(
            markups=markups,
            issues=issue_markups,
            photos=photo_markups,
            assets=asset_markups,
            unpublished=unpublished_markups,
            hyperlinks=hyperlinks,
        ),
        out=out,
        slots=slots,
        timeout=timeout,
        user_id=user_id,
        as_json=json,
        keep_older=keep_older,
        again=again,
    )
    return partial(exporting.export, choices)


@app.command("cost-documents")
def cost_documents(
    project: PROJECT,
    out: OUT,
    association_type: Annotated[
        str, typer.Option("--type", metavar="WORD", help="What the ids are: Budget, Contract, FormInstance and so on.")
    ],
    association_id: Annotated[
        list[str], typer.Option("--id", metavar="UUID", help="Whose documents; may be given again.")
    ],
    container: Annotated[
        str | None, typer.Option(metavar="ID", help="The cost container, where it is not the project's id.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="US, EMEA and so on: saves the service a look-up.")
    ] = None,
    slots: SLOTS = None,
    timeout: TIMEOUT = None,
    json: JSON_LINES = False,
) -> Any:
    """Bring the Word documents that Cost Management generated for budgets, contracts and so on. Needs a login."""
    from aps_async.cli import fetching

    choices = fetching.DocumentChoices(
        project=project,
        out=out,
        type=association_type,
        ids=tuple(dict.fromkeys(association_id)),
        container=container,
        region=region,
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
    out: Annotated[Path, typer.Option(metavar="FILE", parser=a_path, help="Where the file goes.")],
    project: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Where a version or item lies; a storage URN needs none.")
    ] = None,
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Download an uploaded file, or anything else with storage of its own, as it is."""
    from aps_async.cli import fetching

    return partial(fetching.download, urn, out=out, project=project, user_id=user_id, as_json=json)


@app.command()
def status(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", parser=a_path, help="A folder that something was exported into.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The database of workers; APS_DATABASE_URL without it, and without a DIR."),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only this run of workers, by number or name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; of workers' runs one JSON array.")] = False,
) -> Any:
    """Tell how far the last export into a folder has come, also while it runs; or how the runs of workers stand."""
    if folder is None:
        return fleetcommands.status(database, run, as_json=json)
    if database is not None or run is not None:
        raise UsageProblem("a DIR has its own ledger: --database and --run go without it")
    from aps_async.cli import ledgers

    return partial(ledgers.status, folder, as_json=json)


@app.command()
def resume(
    folder: DIR,
    json: JSON_LINES = False,
) -> Any:
    """Go on with the last export into a folder: what is there and unchanged is not fetched again."""
    from aps_async.cli import ledgers

    return partial(ledgers.resume, folder, as_json=json)


@app.command()
def login(
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The app to sign in to; its id is no secret.")
    ] = None,
    callback: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The callback address registered for the app; http://127.0.0.1:8765/callback."
        ),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="What for, such as data:read; may be given again.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address for another device's browser.")
    ] = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep the login in the system's keyring.")] = False,
    another_user: Annotated[
        bool, typer.Option("--another-user", help="Have the browser ask who you are, even if it knows.")
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
        bool, typer.Option("--forget", help="Only delete the login, without telling the service.")
    ] = False,
) -> Any:
    """Revoke the login at the service and delete it from this machine."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.logout, forget=forget)


@app.command()
def whoami(user_id: USER_ID = None, json: JSON_OBJECT = False) -> Any:
    """Tell who the other commands act as, according to what, with which scopes and until when."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.whoami, user_id=user_id, as_json=json)


fleetcommands.register(app)
