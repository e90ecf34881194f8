"""Arguments and options that several commands share."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from aps_async.cli.completion import complete_project
from aps_async.cli.exit_codes import UsageProblem
from aps_async.filesystem import at_home

ORDER = "options, then environment variables, then the profile; a profile named by --profile comes before the variables"


@contextmanager
def bad_parameter() -> Generator[None, None, None]:
    """Reports an InputError of the block as one of the option's value."""
    from aps_async.errors import InputError

    try:
        yield
    except InputError as problem:
        raise typer.BadParameter(str(problem)) from None


def a_path(text: str) -> Path:
    """A path from the command line. Addresses are refused, and empty text, which `Path` would read as '.'."""
    from aps_async.downloads.target_paths import local_path

    with bad_parameter():
        return local_path(at_home(text))


def a_pdf(text: str) -> Path:
    """The absolute path of a PDF to write: a run may be resumed in another folder."""
    from aps_async.sync.joined import checked_pdf

    with bad_parameter():
        return checked_pdf(at_home(text))


def a_user_id(text: str) -> str | None:
    """A user's id; None if the variable has nothing but spaces, as if it were not set.

    Raises:
        UsageProblem: the option is empty.
    """
    if not text.strip() and text != os.environ.get("APS_USER_ID"):
        raise UsageProblem("--user-id is empty: give the Autodesk id of a user, or leave it out")
    return text.strip() or None


_THE_RUN = "The run"
_OUTPUT = "Output"
FILES = "Files of ACC instead of sheets"
PROJECT = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT",
        autocompletion=complete_project,
        help="The project's id, with or without b., its name or how it begins, a pattern such as 'Tower*', or its web "
        "address.",
    ),
]
PROJECTS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROJECT",
        autocompletion=complete_project,
        help="As for 'export', but a pattern such as 'Tower*' may fit several; several projects get a subfolder each.",
    ),
]
DRY_RUN = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Report what would change, and how many calls, minutes and bytes it takes; start nothing.",
        rich_help_panel=_THE_RUN,
    ),
]
VERIFY = Annotated[
    bool,
    typer.Option(
        "--verify", help="Compare the hashes of all files, not only size, times and inode.", rich_help_panel=_THE_RUN
    ),
]


def an_address(text: str) -> str | None:
    """The address of an object storage; None: the text is not one."""
    from aps_async.downloads.storage import is_object_storage

    if not is_object_storage(text):
        return None
    if not text.partition("://")[2].strip("/ "):
        raise typer.BadParameter(f"{text!r} names no bucket: write {text.partition(':')[0]}://bucket/prefix")
    return text.rstrip("/")


def a_target(text: str) -> Path | str:
    """A folder, or the address of an object storage."""
    return an_address(text) or a_path(text)


def a_ledgers_folder(text: str) -> Path:
    """The folder that a ledger is in: the target, or the state folder of an object storage."""
    from aps_async.exports.targets import state_folder

    if (address := an_address(text)) is not None:
        return state_folder(address)
    folder = a_path(text)
    if folder.is_file():
        raise typer.BadParameter(f"{text} is a file: give its folder")
    return folder


DIR = Annotated[
    Path,
    typer.Argument(metavar="DIR", parser=a_ledgers_folder, help="A folder, or an address, with an earlier export."),
]
SYNCED = Annotated[Any, typer.Argument(metavar="DIR", parser=a_target, help="A folder or an address with a sync.")]
TARGET = Annotated[
    Any,
    typer.Option(
        "--out",
        metavar="DIR",
        parser=a_target,
        help="The folder for the files, created if missing; or s3://bucket/prefix, gs://bucket/prefix, "
        "az://container/prefix.",
    ),
]
STATE = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        parser=a_path,
        rich_help_panel=_THE_RUN,
        help="With s3://, gs:// or az://: the folder for the ledger on this machine; default: below APS_STATE_DIR, or "
        "where the system keeps the state of programs.",
    ),
]
OUT = Annotated[Path, typer.Option(metavar="DIR", parser=a_path, help="The folder for the files; created if missing.")]
MERGE = Annotated[
    Path | None,
    typer.Option(
        "--merge",
        metavar="FILE.pdf",
        parser=a_pdf,
        help="Join the sheets into one PDF too, in the order of their numbers, with page labels and bookmarks.",
    ),
]
BATCH = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        metavar="N",
        rich_help_panel=_THE_RUN,
        help="ACC sheets: up to N in one job, split here into a file each where every page can be identified. By "
        "default a job each; with --merge one for up to 1,000.",
    ),
]
SLOTS = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Concurrent downloads; 8 by default.", rich_help_panel=_THE_RUN)
]
TIMEOUT = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.001,
        help="How long one export may take; by default 600, and 2,100 from ACC.",
        rich_help_panel=_THE_RUN,
    ),
]
NO_PARTIAL = Annotated[
    bool,
    typer.Option(
        "--no-partial", rich_help_panel=FILES, help="With --files: treat a ZIP with missing files as a failure."
    ),
]
NO_REPORT = Annotated[
    bool, typer.Option("--no-report", help="Do not write report.html into the folder.", rich_help_panel=_THE_RUN)
]
JSON_OBJECT = Annotated[bool, typer.Option("--json", help="One JSON object.", rich_help_panel=_OUTPUT)]
JSON_ARRAY = Annotated[bool, typer.Option("--json", help="One JSON array.", rich_help_panel=_OUTPUT)]
JSON_LINES = Annotated[
    bool, typer.Option("--json", help="One line of JSON for each export when it finishes.", rich_help_panel=_OUTPUT)
]
USER_ID = Annotated[
    str | None,
    typer.Option(
        "--user-id",
        metavar="ID",
        parser=a_user_id,
        envvar="APS_USER_ID",
        help="The Autodesk id of the user to act for (x-user-id).",
    ),
]
SHEETS = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=100_000, help="How many sheets to draw; 12 by default.")
]
SPEED = Annotated[
    float, typer.Option(metavar="FACTOR", min=0.01, max=10_000, help="How many times faster than the real services.")
]
PDF = Annotated[
    Path | None,
    typer.Option(metavar="FILE", parser=a_path, help="Serve this PDF's pages instead of drawn sheets."),
]

_PAGES: dict[str, tuple[str, str]] = {
    "markups": ("--markups", "Put published markups on the pages."),
    "issues": ("--issue-markups", "ACC: issue markups too."),
    "photos": ("--photo-markups", "ACC: photo markups too."),
    "assets": ("--asset-markups", "ACC sheets, not files: asset markups too."),
    "unpublished": ("--unpublished-markups", "ACC: unpublished markups too, which only the acting user sees."),
    "hyperlinks": ("--hyperlinks", "Keep links (ACC: links of markups)."),
}
"""What may go onto the pages: parameters of `wanted.export_options`, with the flag and the help of each."""


def _flag(name: str, words: str) -> Any:
    return Annotated[bool, typer.Option(name, help=words, rich_help_panel="Markups and links")]


def with_page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replaces a command's parameter `options` (an `ExportOptions`) by one flag for each of its choices."""

    @wraps(command)
    def run(**given: Any) -> Any:
        from aps_async.cli.wanted import export_options

        options = export_options(**{name: given.pop(name) for name in _PAGES})
        return command(**given, options=options)

    plain = signature(command)
    flags = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=_flag(*texts))
        for name, texts in _PAGES.items()
    ]
    parameters: list[Parameter] = []
    for each in plain.parameters.values():
        parameters += flags if each.name == "options" else [each]
    run.__signature__ = plain.replace(parameters=parameters)  # type: ignore[attr-defined] # inspect reads it
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
