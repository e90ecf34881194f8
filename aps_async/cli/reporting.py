"""`report.html` at the end of a run."""

import asyncio
from pathlib import Path

from aps_async.cli.exit_codes import reason
from aps_async.cli.output import print_progress, print_status
from aps_async.downloads.folder import storage_for
from aps_async.errors import TargetError
from aps_async.ledger.places import StoragePlace
from aps_async.report.entries import Report
from aps_async.report.page import write_report


async def leave_report(folder: Path, report: Report, storage: str | None = None, *, quiet: bool = False) -> None:
    """Writes the report, to a storage too, and shows where it is.

    What was exported stays good without it, so a failure is a warning. `quiet`: a round of many, which shows no path.
    """
    if not await asyncio.to_thread(folder.is_dir):  # nothing was exported into it
        return
    try:
        path = await write_report(folder, report)
        shown = str(path)
        if storage is not None:
            place = StoragePlace(storage_for(storage))
            await place.write(path.name, [await asyncio.to_thread(path.read_bytes)])
            shown = place.location(path.name)
    except TargetError as problem:
        print_status(f"warning: the report was not written: {reason(problem)}")
    else:
        if not quiet:
            print_progress(f"report: {shown}")
