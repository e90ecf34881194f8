"""The commands that need no account: `demo` and `simulate`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from aps_async.cli.options import PDF, SHEETS, SPEED, a_path


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(demo)
    app.command()(simulate)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", parser=a_path, help="The folder for the PDFs.")] = Path(
        "aps-async-demo"
    ),
    sheets: SHEETS = None,
    speed: SPEED = 40.0,
    pdf: PDF = None,
    keep_open: Annotated[bool, typer.Option("--keep-open", help="Keep the simulator running until Ctrl-C.")] = False,
) -> Any:
    """Export a plan set from a simulator on this machine: no account, no network."""
    from aps_async.cli import simulation

    world = simulation.WorldOptions(pdf=pdf, sheets=sheets)
    return partial(simulation.demo, world, out=out.absolute(), speed=speed, keep_open=keep_open)


def simulate(
    pdf: PDF = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 0,
    speed: SPEED = 1.0,
    world: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=a_path, help="Hubs, projects, folders and sheets, as JSON.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=a_path, help="The faults to inject, as JSON.")
    ] = None,
    behaviour: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=a_path, help="Behaviour that the documentation leaves open, as JSON."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One behaviour switch, such as post_status=200. Repeatable."),
    ] = None,
    help_behaviour: Annotated[bool, typer.Option("--help-behaviour", help="List all switches and exit.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Vary job times and ids within the same world.")] = 0,
    sheets: SHEETS = None,
) -> Any:
    """Run a simulator of Autodesk's services on this machine until Ctrl-C, to try the other commands with."""
    from aps_async.cli import simulation

    if help_behaviour:
        return simulation.help_behaviour
    options = simulation.WorldOptions(pdf=pdf, world=world, sheets=sheets, seed=seed)
    switches = simulation.SwitchOptions(file=behaviour, settings=tuple(settings or ()))
    return partial(simulation.simulate, options, port=port, speed=speed, faults=faults, switches=switches)
