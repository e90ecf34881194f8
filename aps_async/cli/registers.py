"""The command `register`."""

from pathlib import Path

from aps_async.cli.output import count, print_json, print_result, print_status, print_table
from aps_async.downloads.folder import storage_for
from aps_async.errors import LedgerError
from aps_async.ledger.places import FolderPlace, StoragePlace
from aps_async.sync import register
from aps_async.transport.converter import to_dict


async def show(target: Path | str, *, as_json: bool, as_csv: bool) -> int:
    """`aps-async register DIR`."""
    place = FolderPlace(target) if isinstance(target, Path) else StoragePlace(storage_for(target))
    found = await register.read_register(place)
    if found is None:
        raise LedgerError(f"{target} has no {register.REGISTER_JSON}: nothing was synced into it")
    if as_json:
        print_json(to_dict(found))
    elif as_csv:
        print_result(register.as_csv(found).rstrip("\r\n"))
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
        print_status(f"{found.project}: {count(len(rows), 'sheet')}, as of {found.written_at}")
    return 0
