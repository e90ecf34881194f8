"""The command `status`, which reads a folder's ledger."""

import asyncio
import json
from pathlib import Path
from typing import Any

from attrs import asdict

from aps_async.cli.ending import next_command
from aps_async.cli.exit_codes import SOME_FAILED, shortened
from aps_async.cli.output import count, print_json, print_result, print_status, size
from aps_async.ledger import LedgerStatus, ledger_status
from aps_async.ledger.places import FolderPlace
from aps_async.sync.subfolders import read_subfolders


async def status(folder: Path, *, as_json: bool) -> int:
    """`aps-async status DIR`; of a folder with several projects, of each one's subfolder that is there."""
    several = await read_subfolders(FolderPlace(folder))
    if several is None:
        return await _status(folder, as_json=as_json)
    found = [folder / each.folder for each in several.projects]
    return max([await _status(each, as_json=as_json) for each in found if each.is_dir()], default=0)


async def _status(folder: Path, *, as_json: bool) -> int:
    found = await asyncio.to_thread(ledger_status, folder)
    if as_json:
        print_json(_as_json(found))
    else:
        _print_status(found)
    return 0 if found.is_complete else SOME_FAILED


def _print_status(found: LedgerStatus) -> None:
    total = found.done + found.failed + found.started + found.waiting
    print_result(f"{found.done:,} of {count(total, 'export')} done, {size(found.size)}: {_place(found)}")
    for number, what in (
        (found.failed, "failed"),
        (found.started, "started and not done"),
        (found.waiting, "not started"),
    ):
        if number:
            print_result(f"{number:,} {what}")
    if found.older:
        print_result(f"{count(found.older, 'other file')} of earlier runs")
    for name, problem in found.failures:
        print_status(f"failed: {name}: {shortened(' '.join(problem.split()))}")
    for name, lost in found.missing:
        print_status(f"missing in {name}: {lost}")
    for name, words in found.warnings:
        print_status(f"warning: {name}: {words}")
    when = f"started {found.began.astimezone():%Y-%m-%d %H:%M:%S}"
    if found.working is not None:
        print_result(f"running, {when}: {found.working}")
    elif found.ended is not None:
        print_result(f"{when}, ended {found.ended.astimezone():%Y-%m-%d %H:%M:%S}")
    else:
        print_result(f"{when}, stopped before it was complete")
    if not found.is_complete and found.working is None:
        print_result(next_command(found.folder, to="continue"))


def _place(found: LedgerStatus) -> Path | str:
    """Where the files are: the folder, or the storage that the last command named."""
    try:
        return json.loads(found.command or "{}").get("storage") or found.folder
    except (ValueError, AttributeError):
        return found.folder


def _as_json(found: LedgerStatus) -> dict[str, Any]:
    return {
        "folder": str(found.folder),
        "complete": found.is_complete,
        "working": found.working,
        "began": found.began.isoformat(),
        "ended": found.ended.isoformat() if found.ended else None,
        "done": found.done,
        "failed": found.failed,
        "started": found.started,
        "waiting": found.waiting,
        "bytes": found.size,
        "older": found.older,
        "failures": [{"name": name, "problem": problem} for name, problem in found.failures],
        "missing": [{"name": name, **asdict(lost)} for name, lost in found.missing],
        "warnings": [{"name": name, "warning": words} for name, words in found.warnings],
    }
