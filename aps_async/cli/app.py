"""The command line: registers the commands of the other modules, runs one, and turns its errors into exit codes.

Each command parses its options and returns the coroutine function that does the work.

A command imports what it needs when it runs, so that `--help` does not import the whole library.
"""

import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

import aps_async
from aps_async.cli import (
    account_commands,
    export_commands,
    finding,
    guides,
    job_commands,
    set_commands,
    trial_commands,
    worker_commands,
)
from aps_async.cli.arguments import in_front, usage_hint
from aps_async.cli.completion import complete_profile
from aps_async.cli.examples import complete_help, with_help_pages
from aps_async.cli.exit_codes import EXIT_CODES, Interrupted, exit_code, reason, short_reason
from aps_async.cli.help_pages import HELP_OPTIONS
from aps_async.cli.options import ORDER, a_path
from aps_async.cli.output import (
    LogFormat,
    discard,
    print_prose,
    print_result,
    print_status,
    printing,
    tolerate_any_text,
    turn_logging_on,
)
from aps_async.cli.plain_values import read_plainly
from aps_async.cli.profile_choice import chosen_by, profile_option

NAME = "aps-async"
_STOPPED = 130
_CLOSED_PIPE = 141
"""As shells report a program that SIGPIPE ended."""
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
    context_settings={"help_option_names": HELP_OPTIONS},
)


def run(argv: Sequence[str]) -> int:
    """Runs one command line and returns the exit code.

    Raises:
        ModuleNotFoundError: a package that the command imports is not installed.
        RuntimeError: its cause is a KeyboardInterrupt, which came while a class was made.
    """
    with ExitStack() as stack:
        stack.callback(profile_option.reset, profile_option.set(None))
        stack.callback(chosen_by.reset, chosen_by.set("--profile"))
        return _run(argv, stack)


def _run(argv: Sequence[str], stack: ExitStack) -> int:
    tolerate_any_text()
    debug = "--debug" in argv
    parser = _parser()
    work: Any = None
    try:
        # Not Typer's standalone mode, which has its own exit codes and draws frames around errors.
        work = parser.main(args=in_front(argv, parser), prog_name=NAME, standalone_mode=False, obj=stack)
        if not callable(work):
            if work == _STOPPED:  # Typer has caught Ctrl-C, while it parsed options and a command was imported
                print_status(f"{NAME}: stopped")
            return int(work or 0)
        from aps_async.cli.runtime import Work, run_to_the_end

        return run_to_the_end(cast("Work", work))
    except SystemExit as done:  # Typer has answered a shell that asked for completions, or printed help
        return _CLOSED_PIPE if isinstance(done.__context__, BrokenPipeError) else int(done.code or 0)
    except Interrupted as stop:
        if not stop.is_reported:
            print_status(f"{NAME}: stopped" + (f": {reason(stop.__cause__)}" if stop.__cause__ else ""))
        return stop.exit_code
    except KeyboardInterrupt:
        print_status(f"{NAME}: stopped")
        return _STOPPED
    except BrokenPipeError:
        discard(sys.stdout)
        return _CLOSED_PIPE
    except Exception as problem:  # every error becomes one line and an exit code
        if _is_for_main(problem, is_parsed=work is not None):
            raise
        if debug:
            note_traceback(problem)
        print_prose(f"{NAME}: error: {reason(problem) if debug else short_reason(problem)}", level="error")
        if hint := usage_hint(problem, argv, parser, NAME):
            print_status(hint)
        return exit_code(problem)


@cache
def _parser() -> Any:
    """The commands, ready to parse arguments."""
    return read_plainly(with_help_pages(get_command(app)))


def _is_for_main(problem: Exception, *, is_parsed: bool) -> bool:
    """Whether `main` reports this: what has to be installed, and Ctrl-C as Python wraps it while a class is made."""
    if isinstance(problem, ImportError) and (not is_parsed or problem.name == "backoff"):
        return True
    return isinstance(problem, RuntimeError) and isinstance(problem.__cause__, KeyboardInterrupt)


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
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            autocompletion=complete_profile,
            help="The profile to use; see login and APS_PROFILE.",
        ),
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


trial_commands.register(app)
finding.register(app)
set_commands.register(app)
export_commands.register(app)
account_commands.register(app)
job_commands.register(app, {"sync": set_commands.sync, "export": export_commands.export})
worker_commands.register(app)
guides.register(app)
complete_help(app)
