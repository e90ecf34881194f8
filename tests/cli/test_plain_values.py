"""Plain values of options are read as Typer reads them, and without pydantic."""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from aps_async.cli.plain_values import read_plainly


class Word(StrEnum):
    A = "a"
    B = "b"


def a_doubled(text: str) -> str:
    if text == "wrong":
        raise ValueError("not this one")
    if text == "bad":
        raise typer.BadParameter("nor this one")
    return text * 2


def command(
    name: str,
    number: Annotated[int, typer.Option(min=1)] = 5,
    factor: float = 2.0,
    word: Word = Word.A,
    text: str | None = None,
    own: Annotated[str | None, typer.Option(parser=a_doubled)] = None,
    owns: Annotated[list[str] | None, typer.Option(parser=a_doubled)] = None,
    each: Annotated[list[str] | None, typer.Option()] = None,
    path: Path = Path("x"),
    flag: bool = False,
) -> None:
    pass


def other() -> None:
    pass


APP = typer.Typer()
APP.command(name="it")(command)
APP.command()(other)


def read(argv: list[str], plainly: bool) -> Any:
    group: Any = get_command(APP)
    parser = read_plainly(group) if plainly else group
    one = parser.commands["it"]
    with typer.Context(one) as context:
        try:
            one.parse_args(context, list(argv))
        except Exception as problem:  # noqa: BLE001 - any, to be compared
            return type(problem), str(problem)
        return {name: (type(value), str(value)) for name, value in context.params.items()}


@pytest.mark.parametrize(
    "argv",
    [
        ["n"],
        [],
        [""],
        ["n", "--number", "7", "--factor", "1e3", "--word", "b", "--text", "t", "--path", "p", "--flag"],
        ["n", "--number", "0"],
        ["n", "--number", "x"],
        ["n", "--factor", "nan"],
        ["n", "--word", "c"],
        ["n", "--text", ""],
        ["n", "--own", "ab"],
        ["n", "--own", "wrong"],
        ["n", "--own", "bad"],
        ["n", "--owns", "ab", "--owns", "c"],
        ["n", "--owns", "wrong"],
        ["n", "--each", "ab", "--each", ""],
        ["n", "m"],
        ["n", "--nothing"],
    ],
    ids=" ".join,
)
def test_values_are_those_of_typer(argv: list[str]) -> None:
    assert read(argv, plainly=True) == read(argv, plainly=False)


@pytest.mark.parametrize("argv", [["projects"], ["status", "nothing"], ["export", "P", "--out", "x"]])
def test_a_command_with_plain_values_does_not_import_pydantic(tmp_path: Path, argv: list[str]) -> None:
    code = f"import sys; from aps_async.cli import main; main({argv!r}); sys.exit('pydantic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
