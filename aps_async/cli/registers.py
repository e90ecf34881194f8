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
    for each in several.projects:
        below = place.below(each.folder)
        if await below.is_there(register.REGISTER_JSON):
            await _show(below, place.location(each.folder), as_json=as_json, as_csv=False)
        else:
            print_status(f"{each.project}: no register: no sheet of it has been synced yet")
    return 0


async def _show(place: Place, target: Path | str, *, as_json: bool, as_csv: bool) -> int:
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
                (row.exported_at or "")[:10],
                row.file or "",
            )
            for row in found.sheets
        ]
        print_table(("SHEET", "TITLE", "VERSION", "STATE", "EXPORTED", "FILE"), rows)
        print_status(f"{found.project}: {count(len(rows), 'sheet')}, as of {_local(found.written_at)}")
    return 0


def _local(written: str) -> str:
    """A time of the register in local time; unchanged if it is not a time."""
    try:
        return local_time(datetime.fromisoformat(written))
    except ValueError:
        return written
