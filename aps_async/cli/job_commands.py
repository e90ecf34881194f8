"""The command `run`: jobs that `aps-async.toml` names."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from attrs import evolve
from typer.main import get_command

from aps_async.cli.completion import complete_job
from aps_async.cli.options import DRY_RUN, a_path
from aps_async.cli.profile_choice import choose, profile_option


def register(app: typer.Typer, commands: dict[str, Callable[..., Any]]) -> None:
    """Adds the command, which runs these commands of the app."""

    @app.command("run")
    def run(
        name: Annotated[
            str | None, typer.Argument(metavar="JOB", autocompletion=complete_job, help="A job of the file.")
        ] = None,
        file: Annotated[
            Path,
            typer.Option(
                metavar="FILE", parser=a_path, help="The file with the jobs. Paths in it are relative to its folder."
            ),
        ] = Path("aps-async.toml"),
        show: Annotated[bool, typer.Option("--list", help="List the jobs, once all are checked.")] = False,
        dry_run: DRY_RUN = False,
        schedule_help: Annotated[
            bool,
            typer.Option("--schedule-help", help="Print recipes for cron, systemd and the Windows Task Scheduler."),
        ] = False,
    ) -> Any:
        r"""Run a job: a table \[jobs.NAME] in aps-async.toml, whose keys are options of sync (or of its command)."""
        from aps_async.cli.exit_codes import UsageProblem

        if sum((name is not None, show, schedule_help)) != 1:
            raise UsageProblem("give either a JOB, --list or --schedule-help")
        if dry_run and name is None:
            raise UsageProblem("--dry-run needs a JOB")
        if schedule_help:
            return partial(_print_recipes, file)
        if name is None:
            return partial(_list, app, commands, file)
        return _work(app, commands, file, name, dry_run=dry_run)


def _work(app: typer.Typer, commands: dict[str, Callable[..., Any]], file: Path, name: str, *, dry_run: bool) -> Any:
    from aps_async.cli.jobs import find_job

    job = find_job(file, name)
    if dry_run:
        job = evolve(job, values={**job.values, "dry-run": True})
    work = _parsed(app, commands, job)
    if job.profile is not None and profile_option.get() is None:  # --profile on the command line comes first
        choose(job.profile, f"profile in {job.label}")
    return work


def _parsed(app: typer.Typer, commands: dict[str, Callable[..., Any]], job: Any) -> Any:
    """The job's work, as the command itself parses its options.

    Raises:
        UsageProblem: an option is not valid; the message names file, job and key.
    """
    from aps_async.cli.exit_codes import UsageProblem, exit_code, reason
    from aps_async.cli.jobs import arguments

    line = arguments(job, commands)
    command: Any = get_command(app)
    try:
        return command.commands[job.command].main(args=line, prog_name=job.command, standalone_mode=False)
    except Exception as problem:
        if exit_code(problem) != UsageProblem.exit_code:
            raise
        raise UsageProblem(f"{job.label}: {reason(problem)}", command=job.command) from None


async def _list(app: typer.Typer, commands: dict[str, Callable[..., Any]], file: Path) -> int:
    from aps_async.cli.jobs import arguments, read_jobs
    from aps_async.cli.output import print_status, print_table
    from aps_async.text import count

    jobs = read_jobs(file)
    for each in jobs.values():
        _parsed(app, commands, each)
    rows: list[tuple[str, ...]] = []
    for each in jobs.values():
        options, _, projects = _halves(arguments(each, commands))
        rows.append((each.name, each.command, each.profile or "", shlex.join(projects), shlex.join(options)))
    print_table(("JOB", "COMMAND", "PROFILE", "PROJECTS", "OPTIONS"), rows, elastic=("PROJECTS",))
    print_status(count(len(jobs), "job"))
    return 0


def _halves(line: list[str]) -> tuple[list[str], str, list[str]]:
    at = line.index("--")
    return line[:at], "--", line[at + 1 :]


async def _print_recipes(file: Path) -> int:
    from aps_async.cli.output import print_result
    from aps_async.cli.schedules import recipes

    for line in recipes(file).splitlines():
        print_result(line)
    return 0
