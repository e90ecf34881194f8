"""The options that choose sheets and name their files, shared by all commands that take them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from aps_async.cli.options import bad_parameter

CHOOSE = "Choose sheets"
NAMES = "Name files"


def a_time(text: str) -> str:
    """A date or time from the command line, in ISO form with its time zone; without one it is local."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone().isoformat()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{text!r} is not a date such as 2024-05-31 or 2024-05-31T18:00") from None


def a_pattern(text: str) -> str:
    """A name pattern from the command line, checked at once."""
    from aps_async.sync.naming import NamePattern

    with bad_parameter():
        return NamePattern(text).text


def a_cost_type(text: str) -> str:
    """The published word for a type of Cost Management."""
    from aps_async.resources.associations import published_type

    with bad_parameter():
        return published_type(text)


SHEET = Annotated[
    list[str] | None,
    typer.Option(
        "--sheet",
        metavar="NUMBER",
        rich_help_panel=CHOOSE,
        help="A sheet by its number or id (BIM 360: version or item URN). Repeatable.",
    ),
]
MATCH = Annotated[
    list[str] | None,
    typer.Option(
        "--match", metavar="PATTERN", rich_help_panel=CHOOSE, help="Also sheets by number, such as 'A-1*'. Repeatable."
    ),
]
EXCLUDE = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", rich_help_panel=CHOOSE, help="But none of these numbers. Repeatable."),
]
FOLDER = Annotated[
    str | None,
    typer.Option(
        "--folder",
        metavar="PATH",
        rich_help_panel=CHOOSE,
        help="Only this folder and what is below, such as Plans/Architecture; or a folder URN. For sheets of ACC: only "
        "this version set.",
    ),
]
SET = Annotated[
    str | None,
    typer.Option(
        "--set", metavar="NAME_OR_ID", rich_help_panel=CHOOSE, help="ACC: only this version set, all of its sheets."
    ),
]
COLLECTION = Annotated[
    str | None,
    typer.Option(
        "--collection",
        metavar="NAME_OR_ID",
        rich_help_panel=CHOOSE,
        help="ACC: only this collection; all of them and ungrouped sheets without it.",
    ),
]
TAG = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", rich_help_panel=CHOOSE, help="ACC: only sheets with this tag. Repeatable."),
]
SINCE = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE",
        parser=a_time,
        rich_help_panel=CHOOSE,
        help="Only sheets that changed since then, such as 2024-05-31 (local time).",
    ),
]
FILE_NAME = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="PATTERN",
        parser=a_pattern,
        rich_help_panel=NAMES,
        help="Such as '{number} - {title}'. Fields: number, title, folder, discipline, date, project; BIM 360 also: "
        "version, revision; ACC also: set. A / makes folders.",
    ),
]
TREE = Annotated[
    bool,
    typer.Option("--tree", rich_help_panel=NAMES, help="The source's folders: --name '{folder}/{number} - {title}'."),
]


def pattern_of(name: str | None, *, tree: bool) -> str | None:
    """The pattern that `--name` and `--tree` ask for.

    Raises:
        UsageProblem: both are given.
    """
    from aps_async.cli.exit_codes import UsageProblem
    from aps_async.sync.naming import TREE as OF_FOLDERS

    if tree and name is not None:
        raise UsageProblem("--tree and --name cannot be given together: --tree is --name '{folder}/{number} - {title}'")
    return OF_FOLDERS if tree else name


def many(values: Sequence[str] | None) -> tuple[str, ...]:
    """The values of a repeatable option, each once."""
    return tuple(dict.fromkeys(values or ()))
