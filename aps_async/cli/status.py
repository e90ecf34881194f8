"""The command `status`, which reads a folder's ledger."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from attrs import asdict

from aps_async.cli.ending import next_command
from aps_async.cli.exit_codes import SOME_FAILED, exit_code, reason, shortened, worst
from aps_async.cli.output import local_time, print_json, print_result, print_status
from aps_async.errors import LedgerError
from aps_async.ledger import LEDGER_NAME, LedgerStatus, ledger_status
from aps_async.ledger.places import FolderPlace
from aps_async.sync.subfolders import Subfolder, read_subfolders
from aps_async.text import count, size


async def status(folder: Path, *, as_json: bool) -> int:
    """`aps-async status DIR`; of a folder with several projects, of each one's subfolder that is there."""
    several = await read_subfolders(FolderPlace(folder))
    if several is None:
        return await _status(folder, as_json=as_json)
    return worst([await _status_of(each, folder, as_json=as_json) for each in several.projects])


async def _status_of(project: Subfolder, folder: Path, *, as_json: bool) -> int:
    """The status of one of several projects; one that was never begun, or whose ledger is damaged, hides no other."""
    place = folder / project.folder
    try:
        if await asyncio.to_thread(os.path.lexists, place / LEDGER_NAME):
            return await _status(place, as_json=as_json)
        problem, code = f"nothing has been exported to {place} yet", SOME_FAILED
    except LedgerError as error:
        problem, code = reason(error), exit_code(error)
    if as_json:
        print_json({"folder": str(place), "complete": False, **_NOTHING, "problem": problem})
    else:
        print_result(f"{project.project}: {problem}")
        if code == SOME_FAILED:
            print_result(next_command(folder, to="continue"))
    return code


async def _status(folder: Path, *, as_json: bool) -> int:
    found = await asyncio.to_thread(ledger_status, folder)
    if as_json:
        print_json(_as_json(found))
    else:
        _print_status(found)
    return 0 if found.is_complete else SOME_FAILED


_NOTHING = {
    **dict.fromkeys(("working", "began", "ended")),
    **dict.fromkeys(("done", "failed", "started", "waiting", "bytes", "older"), 0),
    **dict[str, Any].fromkeys(("failures", "missing", "warnings"), ()),
}
"""What `--json` has of a project without a ledger that can be read."""


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
    when = f"started {local_time(found.began)}"
    if found.working is not None:
        print_result(f"running, {when}: {found.working}")
    elif found.ended is not None:
        print_result(f"{when}, ended {local_time(found.ended)}")
    else:
        print_result(f"{when}, stopped before {'it was complete' if total or found.older else 'its first export'}")
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
