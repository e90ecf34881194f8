"""The arguments and options that commands share."""

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

ORDER = "options, then environment variables, then the profile; a profile named by --profile comes before the variables"
profile_option: ContextVar[str | None] = ContextVar("profile_option", default=None)
"""What --profile says."""


def a_path(text: str) -> Path:
    """A path from the command line; addresses are refused, and empty ones, which `Path` takes for '.'."""
    from aps_async.downloads.sinks import local_path
    from aps_async.errors import InputError

    try:
        return local_path(text)
    except InputError as problem:
        raise typer.BadParameter(str(problem)) from None


PROJECT = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT",
        help="The project's id, with or without b., its name or how it begins, a pattern such as 'Tower*', or its web "
        "address.",
    ),
]
FOLDER = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Only this folder and what is below, such as Plans/Architecture; or a folder URN. For sheets of ACC: only "
        "this version set.",
    ),
]
COLLECTION = Annotated[
    str | None,
    typer.Option(
        metavar="NAME_OR_ID",
        help="For sheets of ACC: only this collection; all of them and ungrouped sheets without it.",
    ),
]
DIR = Annotated[Path, typer.Argument(metavar="DIR", parser=a_path, help="A folder that something was exported into.")]
OUT = Annotated[Path, typer.Option(metavar="DIR", parser=a_path, help="Where the files go; made when missing.")]
SLOTS = Annotated[int | None, typer.Option(min=1, help="Downloads at once; 8 when not given.")]
TIMEOUT = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0.001, help="How long one export may take; 600 when not given.")
]
MARKUPS = Annotated[bool, typer.Option("--markups", help="Put published markups on the pages.")]
ISSUE_MARKUPS = Annotated[bool, typer.Option("--issue-markups", help="ACC: those of issues too.")]
PHOTO_MARKUPS = Annotated[bool, typer.Option("--photo-markups", help="ACC: those of photos too.")]
ASSET_MARKUPS = Annotated[bool, typer.Option("--asset-markups", help="ACC sheets, not files: those of assets too.")]
UNPUBLISHED_MARKUPS = Annotated[
    bool, typer.Option("--unpublished-markups", help="ACC: also those that only the acting user sees.")
]
HYPERLINKS = Annotated[bool, typer.Option("--hyperlinks", help="Keep links (ACC: those of markups).")]
NO_PARTIAL = Annotated[
    bool, typer.Option("--no-partial", help="With --files: a ZIP that lacks some of them is a failure.")
]
JSON_OBJECT = Annotated[bool, typer.Option("--json", help="One JSON object.")]
JSON_ARRAY = Annotated[bool, typer.Option("--json", help="One JSON array.")]
JSON_LINES = Annotated[bool, typer.Option("--json", help="One JSON object per export and line, as it finishes.")]
USER_ID = Annotated[
    str | None,
    typer.Option(metavar="ID", envvar="APS_USER_ID", help="The Autodesk id of the user to act for (x-user-id)."),
]
SHEETS = Annotated[int | None, typer.Option(min=1, max=100_000, help="How many sheets to draw; 12 when not given.")]
SPEED = Annotated[float, typer.Option(min=0.01, max=10_000, help="How many times as fast as the real services.")]
PDF = Annotated[Path | None, typer.Option(metavar="FILE", help="Serve this PDF's pages as sheets, and not drawn ones.")]
