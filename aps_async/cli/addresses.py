"""The web address of a folder or file, given as the project of a command: that folder or file is meant."""

from collections.abc import Sequence
from typing import Any

from aps_async.cli.exit_codes import UsageProblem
from aps_async.ids import address_part, bare_id


def place_in(
    project: str,
    *,
    folder: str | None = None,
    sheets: Sequence[str] = (),
    sheet_set: str | None = None,
    match: Sequence[str] = (),
    takes_file: bool = True,
) -> dict[str, Any]:
    """The choices `project`, `folder` and `sheets`, narrowed to what a web address shows.

    Args:
        project: as the command was given it.
        folder: `--folder`.
        sheets: `--sheet`.
        sheet_set: `--set`.
        match: `--match`.
        takes_file: whether the command can take a single sheet.

    Raises:
        UsageProblem: the address is of a folder or file, and options choose something else.
        InputError: the address is of something else, or contradicts itself.
    """
    part = address_part(project)
    if part is None:
        return {"project": project, "folder": folder, "sheets": tuple(sheets)}
    kind, urn = part
    instead = f"give its id, {bare_id(project)}, for the project"
    if kind == "file" and not takes_file:
        raise UsageProblem(f"the address is of a file, {urn}, and this command takes folders: {instead}, or a folder's")
    given: dict[str, object] = {"--folder": folder, "--set": sheet_set}
    if kind == "file":
        given |= {"--sheet": sheets, "--match": match}
    for option, value in given.items():
        if value:
            raise UsageProblem(f"the address is of a {kind}, and {option} chooses something else: {instead}")
    if kind == "folder":
        return {"project": bare_id(project), "folder": urn, "sheets": tuple(sheets)}
    return {"project": bare_id(project), "folder": None, "sheets": (urn,)}
