"""The command `register`."""

from datetime import datetime
from pathlib import Path

from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.output import local_time, print_json, print_result, print_status, print_table
from aps_async.downloads.folder import storage_for
from aps_async.errors import LedgerError
from aps_async.ledger.places import FolderPlace, Place, StoragePlace
from aps_async.sync import register
from aps_async.sync.subfolders import read_subfolders
from aps_async.text import count
from aps_async.transport.converter import to_dict


async def show(folder: Path | str, *, as_json: bool, as_csv: bool) -> int:
    """`aps-async register DIR`; of a folder with several projects, of each one's subfolder that has one."""
    place = StoragePlace(storage_for(folder)) if isinstance(folder, str) else FolderPlace(folder)
    several = await read_subfolders(place)
    if several is None:
        return await _show(place, folder, as_json=as_json, as_csv=as_csv)
    if as_csv:
        raise UsageProblem(f"{folder} has a register.csv in the subfolder of each project: name one subfolder")
    is_first = True
    for each in several.projects:
        below = place.below(each.folder)
        if await below.is_there(register.REGISTER_JSON):
            if not (as_json or is_first):
                print_result()
            is_first = False
            await _show(below, place.location(each.folder), as_json=as_json, as_csv=False, among=True)
        else:
            print_status(f"{each.project}: no register: no sheet of it has been synced yet")
    return 0


async def _show(place: Place, target: Path | str, *, as_json: bool, as_csv: bool, among: bool = False) -> int:
    """Prints one register; `among` those of several projects, its table begins with the project's name."""
    found = await register.read_register(place)
    if found is None:
        raise LedgerError(f"{target} has no {register.REGISTER_JSON}: 'export' and 'sync' write it, for sheets")
    if as_json:
        print_json(to_dict(found))
    elif as_csv:
        for line in register.as_csv(found.sheets):
            print_result(line.removesuffix("\r\n"))
    else:
        rows = [
            (
                row.number or row.name,
                row.title,
                row.version or "",
                row.state,
                _local(row.exported_at or "", with_time=False),
                row.file or "",
            )
            for row in found.sheets
        ]
        if among:
            print_result(found.project)
        print_table(
            ("SHEET", "TITLE", "VERSION", "STATE", "EXPORTED", "FILE"), rows, elastic=("SHEET", "TITLE", "FILE")
        )
        print_status(f"{found.project}: {count(len(rows), 'sheet')}, as of {_local(found.written_at)}")
    return 0


def _local(written: str, *, with_time: bool = True) -> str:
    """A time of the register in local time, or its date; unchanged if it is not a time."""
    try:
        found = local_time(datetime.fromisoformat(written))
    except (ValueError, OverflowError):  # a year that no time zone has
        return written
    return found if with_time else found.partition(" ")[0]
