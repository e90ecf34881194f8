"""Rebuilds a lost ledger from the register beside the files, which is checked, since anybody may have written it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from attrs import fields

from aps_async.downloads.filenames import stem_of
from aps_async.errors import InputError, LedgerError
from aps_async.ids import bare_id, is_version_urn, version_number
from aps_async.lazy import regex
from aps_async.ledger import Ledger
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.keys import lineage_of
from aps_async.ledger.moves import is_superseded
from aps_async.ledger.schema import MOVE_AWAY
from aps_async.ledger.sheets import FoundSheet, SheetNote
from aps_async.models import Collection, ExportKind, ExportOptions, Project, Sheet, SheetIdentity
from aps_async.sync.compare import LedgerSheets
from aps_async.sync.listing import OTHER_PROJECT
from aps_async.sync.outcomes import SheetState
from aps_async.sync.register import REGISTER_JSON, Register, RegisterRow, read_register
from aps_async.text import folded

__all__ = ["rebuild"]
__dir__: object = __all__.copy

_VIEWER = "a run whose ledger was lost"
_SHA256 = regex(r"[0-9a-f]{64}")
_UUID = regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STATES = frozenset(map(str, SheetState))
_OPTIONS = frozenset(each.name for each in fields(ExportOptions) if each.default is False)


async def rebuild(ledger: Ledger, project: Project) -> int:
    """Fills an empty ledger from the register beside its files, and returns the number of sheets.

    Before files are used, they are compared with the register, as with any ledger. Which user has seen a sheet is not
    known then, so a sheet that is no longer found does not count as withdrawn.

    Raises:
        LedgerError: the register contains something that no run writes.
    """
    if not await ledger.sheets.is_empty():
        return 0
    register = await read_register(
        ledger.place, remedy=f"the ledger is lost, and would be rebuilt from it; {MOVE_AWAY}"
    )
    if register is None or register.project_id != bare_id(project.id):
        return 0
    found = list(_found(register, project, ledger.place.location(REGISTER_JSON)))
    # A source belongs to the sheet that has it now.
    found.sort(key=lambda each: each.note.state == SheetState.WITHDRAWN)
    await ledger.sheets.adopt(register.project_id, found)
    return len(found)


def _found(register: Register, project: Project, path: str) -> Iterator[FoundSheet]:
    seen: set[object] = set()
    taken: dict[SheetIdentity | None, str] = {}
    for number, row in enumerate(register.sheets, 1):
        if row.file is None or is_superseded(row.file) or row.reason == OTHER_PROJECT:
            continue
        try:
            found = _sheet(row, project, taken)
            _check_new(seen, folded(found.name))
            # ACC: a sheet keeps its id if its number changes, and is then withdrawn under the former one.
            _check_new(seen, (row.file_source, found.request.identity, frozenset(row.options)))
        except (InputError, ValueError) as problem:
            raise LedgerError(
                f"{path} cannot be used to rebuild the lost ledger (sheet {number}: {problem}): {MOVE_AWAY}"
            ) from None
        yield found


def _check_new(seen: set[object], value: object) -> None:
    if value in seen:
        raise InputError("its file or its source is in the list twice")
    seen.add(value)


def _sheet(row: RegisterRow, project: Project, taken: dict[SheetIdentity | None, str]) -> FoundSheet:
    """Reads one row of the register.

    Raises:
        InputError: it contains something that no run writes.
    """
    source, size, digest = row.file_source or "", row.size, row.sha256 or ""
    is_source = _UUID.fullmatch(source) if project.is_acc else is_version_urn(source) and version_number(source)
    if not is_source:
        raise InputError(f"{source[:200]!r} is not the id of a sheet")
    if not (row.file or "").lower().endswith(".pdf"):
        raise InputError(f"{row.file!r} is not a PDF")
    if size is None or not 0 < size < 1 << 50 or not _SHA256.fullmatch(digest):
        raise InputError(f"{row.file!r} has no valid size and SHA-256")
    if row.state not in _STATES:
        raise InputError(f"{row.state[:200]!r} is not a state")
    if not _OPTIONS.issuperset(row.options) or len(set(row.options)) != len(row.options):
        raise InputError(f"{row.options!r} are not options")
    if row.collection_id is not None and not _UUID.fullmatch(row.collection_id):
        raise InputError(f"{row.collection_id[:200]!r} is not the id of a collection")
    exported_at = datetime.fromisoformat(row.exported_at or "")
    if exported_at.tzinfo is None or not 2000 <= exported_at.year < 2100:
        raise InputError(f"{row.exported_at!r} is not the time of an export")
    sheet = Sheet(
        kind=ExportKind.SHEETS if project.is_acc else ExportKind.BIM360,
        project_id=bare_id(project.id),
        id=source,
        number=row.number,
        title=row.title,
        folder_path=(row.set or "") if project.is_acc else row.folder,
        version=None if project.is_acc else version_number(source),
        collection=Collection(id=row.collection_id, name=row.collection or "") if row.collection_id else None,
    )
    sheet = LedgerSheets(()).apart(sheet, taken)
    options: dict[str, Any] = dict.fromkeys(row.options, True)
    request = sheet.to_request(ExportOptions(**options))
    return FoundSheet(
        name=stem_of(row.file or ""),
        request=request,
        file=KnownFile(row.file or "", size, digest),
        exported_at=exported_at.astimezone(UTC),
        note=SheetNote(lineage=lineage_of(request), sheet=sheet, viewer=_VIEWER, state=row.state, reason=row.reason),
    )
