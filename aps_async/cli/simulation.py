"""The commands `demo` and `simulate`, which need the extra `simulator`."""

import asyncio
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from aps_async.auth import TwoLegged
from aps_async.auth.loopback import CALLBACK
from aps_async.cli.delivering import check_places, export_tasks, show_failures
from aps_async.cli.ending import print_stopped
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.export import ExportChoices, sheet_tasks
from aps_async.cli.output import clean, print_result, program
from aps_async.cli.reporting import leave_report
from aps_async.cli.results import Run, stopped_words
from aps_async.errors import InputError
from aps_async.extras import missing
from aps_async.report.entries import Report
from aps_async.session import Session
from aps_async.settings import Settings
from aps_async.sync.list_selected import list_selected
from aps_async.sync.selection import Selection
from aps_async.text import count, size

if TYPE_CHECKING:
    from types import ModuleType

    from aps_async.simulator import Behaviour, Simulator, World

_SHEETS = 12


@frozen(kw_only=True)
class WorldOptions:
    """Options for what the simulator serves."""

    pdf: Path | None = None
    world: Path | None = None
    sheets: int | None = None
    seed: int = 0


@frozen(kw_only=True)
class SwitchOptions:
    """Behaviour that the documentation leaves open: a JSON file, and `NAME=VALUE` settings that override it."""

    file: Path | None = None
    settings: tuple[str, ...] = ()


async def demo(options: WorldOptions, *, out: Path, speed: float, keep_open: bool) -> int:
    """`aps-async demo`."""
    check_places(out)
    async with _simulator(options, speed=speed) as simulator:
        project = _project(simulator.world)
        run = Run(report=Report(project=project.name))
        choices = ExportChoices(project=project.id, out=out)
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        print_result(
            f"A simulator of Autodesk's services is running on this machine, {speed:g} times as fast as the real ones."
        )
        async with Session(tokens, base_url=simulator.url, settings=Settings().scaled(speed)) as session:
            try:
                selected = await list_selected(session, choices.project, Selection())
                await export_tasks(session, sheet_tasks(selected.chosen, choices), choices, run)
            except asyncio.CancelledError:
                print_stopped(stopped_words(run, out), None)
                raise
        print_result(f"{count(run.done, 'PDF')}, {size(run.received)}, are in {out}")
        show_failures([(each.short_name, each.error) for each in run.failures if each.error], out)
        if run.report is not None:
            await leave_report(out, run.report)
        print_result()
        if keep_open:
            _print_address(simulator)
            await asyncio.Event().wait()
        print_result("To do the same in two terminals:")
        print_result(f"  {program()} simulate --speed 20        (prints the lines to copy into the other terminal)")
        print_result(f"  {program()} export {shlex.quote(project.name)} --out plans --markups")
        print_result(f"To use your own PDF as the plan set:  {program()} demo --pdf FILE")
        return run.code


async def help_behaviour() -> int:
    """`aps-async simulate --help-behaviour`."""
    for line in _package().behaviour_help().splitlines():
        print_result(line)
    return 0


async def simulate(
    options: WorldOptions, *, port: int, speed: float, faults: Path | None, switches: SwitchOptions
) -> int:
    """`aps-async simulate`."""
    async with _simulator(options, port=port, speed=speed, faults=faults, switches=switches) as simulator:
        _print_address(simulator)
        print_result("Press Ctrl-C to stop.")
        await asyncio.Event().wait()
    return 0


def _package() -> "ModuleType":
    """The simulator's package, whose dependencies may be missing."""
    try:
        import aps_async.simulator as package
    except ModuleNotFoundError as problem:
        raise UsageProblem(missing(problem, "simulator", "the simulator")) from None
    return package


def _simulator(
    options: WorldOptions,
    *,
    speed: float,
    port: int = 0,
    faults: Path | None = None,
    switches: SwitchOptions | None = None,
) -> "_Listening":
    """The simulator for these options, not yet listening."""
    if options.sheets is not None and (options.pdf or options.world):
        raise UsageProblem("--sheets applies to drawn plan sets only; a PDF or a world has its own sheets")
    _package()
    from aps_async.simulator import BehaviourError, FaultError, Simulator, World, WorldError, load_faults

    try:
        if options.world is not None:
            world = World.load(options.world)
        elif options.pdf is not None:
            world = World.with_pdf(options.pdf, seed=options.seed)
        else:
            world = World.demo(options.sheets or _SHEETS, seed=options.seed)
        if not world.projects:
            raise InputError("this world contains no project")
        found = load_faults(faults) if faults else []
        behaviour = _behaviour(world, switches or SwitchOptions())
        simulator = Simulator(
            world, port=port, speed=speed, seed=options.seed, faults=found, behaviour=behaviour, pdf=options.pdf
        )
    except WorldError as problem:
        file = {"pdf": options.pdf, "world": options.world}.get(problem.place)
        raise InputError(f"{file}: {problem.problem}" if file else str(problem)) from None
    except FaultError as problem:
        raise InputError(str(problem)) from None
    except BehaviourError as problem:
        raise InputError(f"{problem} (`aps-async simulate --help-behaviour` lists the switches)") from None
    return _Listening(simulator, port)


def _behaviour(world: "World", switches: SwitchOptions) -> "Behaviour":
    """The behaviour: the world's switches, overridden by the file, then by single settings."""
    from aps_async.simulator import Behaviour, BehaviourError, load_behaviour, parse_setting

    behaviour = world.behaviour
    if switches.file is not None:
        behaviour = load_behaviour(switches.file, behaviour)
    try:
        return Behaviour.from_json(dict(map(parse_setting, switches.settings)), behaviour)
    except BehaviourError as problem:
        raise BehaviourError(f"--set: {problem}") from None


@frozen
class _Listening:
    """Starts the simulator, or reports that the port is taken."""

    simulator: "Simulator"
    port: int

    async def __aenter__(self) -> "Simulator":
        try:
            return await self.simulator.__aenter__()
        except OSError as problem:
            raise InputError(
                f"cannot listen on port {self.port}: {problem.strerror or problem}; choose another with --port, or 0"
            ) from None

    async def __aexit__(self, *problem: object) -> None:
        await self.simulator.close()


def _project(world: "World") -> Any:
    """The project to show: the first one with sheets, otherwise the first one."""
    sheets = world.sheets
    return sheets[0].folder.project if sheets else next(iter(world.projects.values()))


def _print_address(simulator: "Simulator") -> None:
    project = _project(simulator.world)
    within = sum(sheet.folder.project is project for sheet in simulator.world.sheets)
    lines = {
        "APS_BASE_URL": simulator.url,
        "APS_CLIENT_ID": simulator.client_id,
        "APS_CLIENT_SECRET": simulator.client_secret,
    }
    if simulator.speed != 1:
        lines["APS_SPEED"] = f"{simulator.speed:g}"
    print_result(f"Autodesk's services, simulated, at {simulator.url}. In another terminal:")
    print_result()
    windows = os.name == "nt"
    for name, value in lines.items():
        print_result(f"$env:{name} = '{value}'" if windows else f"export {name}={shlex.quote(clean(value))}")
    if os.environ.get("APS_ACCESS_TOKEN"):
        print_result("Remove-Item Env:APS_ACCESS_TOKEN" if windows else "unset APS_ACCESS_TOKEN")
    print_result(f"{program()} export {shlex.quote(clean(project.name))} --out plans")
    print_result()
    print_result(f"Project: {project.name}, id {project.id}, {count(within, 'sheet')}")
    world = simulator.world
    public = next((app.client_id for app in world.apps.values() if app.public and CALLBACK in app.redirect_uris), None)
    person = next((user.email for user in world.users.values() if user.email), None)
    if public and person:
        print_result(f"To sign in as a user, such as {person}: {program()} login --client-id {public}")
    web = next((app for app in world.apps.values() if not app.public and CALLBACK not in app.redirect_uris), None)
    if web and web.redirect_uris:
        print_result(
            f"For a web server: client id {web.client_id}, secret {web.client_secret}, callback {web.redirect_uris[0]}"
        )
    print_result(
        f"To inspect it: {simulator.url}/simulator/counts, /simulator/log, /simulator/world, /simulator/faults"
    )
    print_result("To change undocumented behaviour, POST an object of switches to /simulator/behaviour.")
    print_result("To inject faults, POST a list of them to /simulator/faults; DELETE removes them.")
    print_result("POST /simulator/reset clears log and counters; POST /simulator/revoke revokes all tokens.")
