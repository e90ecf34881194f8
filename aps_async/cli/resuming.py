"""The command `resume`, which repeats what a folder's ledger says."""

import asyncio
import json
from pathlib import Path

from aps_async.cli.export import ExportChoices, export
from aps_async.cli.fetching import DocumentChoices, cost_documents
from aps_async.cli.syncing import SyncChoices, sync
from aps_async.cli.syncing_many import sync_many
from aps_async.errors import DecodeError, LedgerError
from aps_async.ledger import ledger_status
from aps_async.ledger.places import FolderPlace
from aps_async.sync.subfolders import read_subfolders
from aps_async.transport.converter import structure


async def resume(folder: Path, *, as_json: bool) -> int:
    """`aps-async resume DIR`: repeats the last command into the folder with the same options."""
    several = await read_subfolders(FolderPlace(folder))
    command = several.command if several else (await asyncio.to_thread(ledger_status, folder)).command
    choices = stored_command(command, folder, as_json=as_json)
    if isinstance(choices, SyncChoices):
        return await (sync_many(choices) if choices.projects else sync(choices))
    return await (export(choices) if isinstance(choices, ExportChoices) else cost_documents(choices))


def stored_command(
    command: str | None, folder: Path, *, as_json: bool
) -> ExportChoices | DocumentChoices | SyncChoices:
    """The options of the last command into the folder, to run it again.

    Raises:
        LedgerError: the ledger contains no command that this version can repeat.
    """
    try:
        plain = json.loads(command or "null")
        known = {"export": ExportChoices, "cost-documents": DocumentChoices, "sync": SyncChoices}
        choices = known[plain.pop("command")]
        return structure(plain | {"out": str(folder), "asJson": as_json}, choices, strict=True)
    except (ValueError, AttributeError, KeyError, TypeError, DecodeError):
        raise LedgerError(
            f"the ledger of {folder} contains no command that this version of aps-async can repeat: run the original "
            "command again"
        ) from None
