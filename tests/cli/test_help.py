"""The help of every command: grouped, with an example that works, and in plain words."""

import re
import shlex
from collections.abc import Callable

import pytest
import typer
from typer.main import get_command

from aps_async.cli.app import app
from aps_async.cli.examples import GROUPS
from tests.cli.support import Ran

Cli = Callable[..., Ran]
COMMANDS = sorted(str(each.name or getattr(each.callback, "__name__", "")) for each in app.registered_commands)


def test_every_command_is_in_a_group(cli: Cli) -> None:
    assert sorted(name for each in GROUPS.values() for name in each) == COMMANDS
    shown = cli("--help").out
    places = [shown.index(f"─ {group} ─") for group in GROUPS]
    assert places == sorted(places)
    assert "─ Commands ─" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command(cli: Cli, name: str) -> None:
    ran = cli(name, "-h")
    assert ran.code == 0
    assert ran.out == cli(name, "--help").out
    assert "Example: aps-async" in " ".join(ran.out.split())
    assert re.findall(r"<[a-z]+\b.*?>", ran.out.replace("<text|json>", "")) == [], "no type of Python"
    assert "[[" not in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_parsed(name: str) -> None:
    [example] = [examples[name] for examples in GROUPS.values() if name in examples]
    command = get_command(app).commands[name]  # type: ignore[attr-defined] # a group
    with typer.Context(command) as context:
        command.parse_args(context, shlex.split(example)[1:])
        assert context.params


@pytest.mark.parametrize(
    ("argv", "same"),
    [
        ("projects -V", "-V"),
        ("export Riverside --version", "--version"),
        ("help", "--help"),
        ("help export", "export --help"),
        ("-v help sync", "sync -h"),
        ("whoami -qvV", "-V"),
    ],
)
def test_what_is_asked_about_the_program_may_be_anywhere(cli: Cli, argv: str, same: str) -> None:
    ran = cli(*argv.split())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == cli(*same.split()).out
