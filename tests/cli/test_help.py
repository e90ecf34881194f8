"""The help of every command: grouped, with an example that works, and in plain words."""

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.main import get_command

from aps_async import Settings
from aps_async.cli.app import app
from aps_async.cli.examples import GROUPS
from aps_async.cli.help_pages import HELP_OPTIONS, help_page
from aps_async.exports.batches import LARGEST
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


WIDTHS = (20, 40, 80, 200)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_page_has_every_word_and_fits(cli: Cli, name: str, width: int) -> None:
    group: Any = get_command(app)
    command = group.commands[name] if name else group
    shown = cli(*name.split(), "--help", env={"COLUMNS": str(width)}).out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert {len(line) for line in lines if line.startswith(("╭", "│", "╰"))} == {width}
    bare = re.sub(r"[\s│]", "", shown)
    texts = [command.help, command.epilog, *(each.help for each in command.params)]
    texts += [each.help.partition("\n\n")[0] for each in getattr(command, "commands", {}).values()]
    names = [word for each in command.params if each.param_type_name == "option" for word in each.opts]
    for text in (*filter(None, texts), *names):
        assert re.sub(r"\s", "", text.replace(r"\[", "[")) in bare


@pytest.mark.parametrize(
    ("environment", "is_terminal", "is_coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_terminal: bool, is_coloured: bool
) -> None:
    for variable in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "stdout", Terminal(is_terminal))
    command = get_command(app).commands["export"]  # type: ignore[attr-defined] # a group
    with typer.Context(command, help_option_names=HELP_OPTIONS) as context:
        page = help_page(command, context)
    assert ("\x1b[1;36m--out\x1b[0m" in page) == is_coloured
    assert ("\x1b" in page) == is_coloured
    assert "+- Options -" in page, "an encoding without the characters of frames"


class Terminal(io.TextIOWrapper):
    """An output in ASCII."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="ascii")
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def test_no_command_draws_its_help_with_rich() -> None:
    code = "import sys; from aps_async.cli import main; main(['sync', '-h']); sys.exit('rich.console' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603


NUMBERS = Settings()
DEFAULTS = {
    ("export", "timeout"): (NUMBERS.export_timeout, NUMBERS.acc_export_timeout),
    ("cost-documents", "timeout"): (NUMBERS.export_timeout,),
    ("export", "slots"): (NUMBERS.max_concurrent_downloads,),
    ("worker", "slots"): (NUMBERS.max_concurrent_downloads,),
    ("sync", "batch"): (LARGEST,),
}


@pytest.mark.parametrize(("where", "numbers"), DEFAULTS.items(), ids=map(" ".join, DEFAULTS))
def test_the_help_names_the_defaults_that_apply(where: tuple[str, str], numbers: tuple[float, ...]) -> None:
    command, name = where
    parser: Any = get_command(app)
    [option] = [each for each in parser.commands[command].params if each.name == name]
    found = [float(each.replace(",", "")) for each in re.findall(r"\b\d[\d,]*\b", option.help)]
    assert set(numbers) <= set(found), option.help
