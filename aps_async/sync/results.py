"""Makes the outcome of a sheet that was exported, left out of the list, or missing from it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aps_async.downloads.filenames import stem_of
from aps_async.ledger.keys import is_named, title_of
from aps_async.ledger.places import Place
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ExportOutcome, LeftOut, Sheet, StoredExport
from aps_async.sync.compare import Planned, version_name, version_of
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.withdrawn import Verdict

__all__ = ["exported", "left_out", "missed"]
__dir__: object = __all__.copy


_LOST = {
    "missing": "its file was missing",
    "changed": "its file had been changed",
    None: "its file could not be used again",
}


def _file_of(known: KnownSheet | None) -> str | None:
    """The name of a sheet's file in the folder or storage; None if there is none."""
    return known.in_place[0].name if known and known.in_place else None


def _where(place: Place, file: str | None, path: Path | None = None) -> dict[str, Any]:
    """The fields of an outcome that say where its file is."""
    if file is None:
        return {}
    path = path or place.path(file)
    return {"file": file, "path": path, "location": place.location(file) if path is None else str(path)}


def _delivered_file(outcome: ExportOutcome | StoredExport, place: Place) -> str | None:
    """The name of an export's file in the folder or storage; None if it failed."""
    if isinstance(outcome, StoredExport):
        return outcome.names[0]
    folder = place.path("")
    return "/".join(outcome.path.parts[len(folder.parts) :]) if outcome.path and folder else None


def _is_numbered(file: str, outcome: ExportOutcome | StoredExport) -> bool:
    """Whether a file has a number in its name that its sheet's own name has not."""
    if ")." not in file:  # nearly all, and what follows would take its time for 50,000
        return False
    stem, title = stem_of(file), title_of(outcome.request)
    return stem != title and is_named(stem, title)


def exported(planned: Planned, outcome: ExportOutcome | StoredExport, place: Place) -> SyncOutcome:
    """The outcome of a sheet that was exported."""
    known, sheet = planned.known, planned.sheet.sheet
    state, reason, file = planned.state, planned.reason, _delivered_file(outcome, place)
    exported_at: datetime | None = known.exported_at if known and outcome.reused else datetime.now(UTC)
    if outcome.error is not None:
        state, reason = SheetState.FAILED, " ".join(str(outcome.error).split())
        file = _file_of(known)
        exported_at = known.exported_at if known and file else None
    elif state is SheetState.NEW and known is None and outcome.reused:
        state = SheetState.UNCHANGED  # an older ledger identified it in another way
    elif state in (SheetState.UNCHANGED, SheetState.RENAMED) and not outcome.reused:
        lost = _LOST[outcome.lost]
        state, reason = SheetState.REFRESHED, f"{lost}; {reason}" if reason else lost
    return SyncOutcome(
        state=state,
        name=sheet.name,
        number=sheet.number,
        title=sheet.title,
        id=sheet.id,
        version=version_name(sheet),
        previous=planned.previous if state is SheetState.REVISED else None,
        folder=sheet.folder_path,
        **_where(place, file, outcome.path if outcome.ok else None),
        reason=reason,
        exported_at=exported_at,
        is_numbered=file is not None and outcome.ok and _is_numbered(file, outcome),
        warnings=(*outcome.warnings, *(f"missing: {each}" for each in outcome.failed_files if outcome.ok)),
        outcome=outcome,
        error=outcome.error,
    )


def left_out(found: LeftOut, sheet: Sheet, known: KnownSheet | None, place: Place) -> SyncOutcome:
    """The outcome of a sheet or folder that is listed, but cannot be exported."""
    reason = found.reason
    if known is not None and known.in_place:
        reason = f"version {found.version} {reason}; version {version_of(known)} kept"
    elif found.version is not None and not found.is_folder:
        reason = f"version {found.version} {reason}"
    return SyncOutcome(
        state=SheetState.LEFT_OUT,
        name=found.name if found.is_folder else sheet.name,
        number="" if found.is_folder else sheet.number,
        title=sheet.title,
        id=sheet.id,
        version=version_name(sheet),
        previous=version_of(known) if known else None,
        folder=found.folder_path,
        **_where(place, _file_of(known)),
        reason=reason,
        exported_at=known.exported_at if known and known.is_done else None,
    )


def missed(known: KnownSheet, verdict: Verdict, place: Place) -> SyncOutcome:
    """The outcome of a sheet that the folder has and this run has not exported."""
    facts = known.facts
    return SyncOutcome(
        state=verdict.state,
        name=known.title,
        number=facts.number if facts else "",
        title=facts.title if facts else "",
        id=known.source_id,
        version=version_of(known),
        folder=facts.folder_path if facts else "",
        **_where(place, _file_of(known)),
        reason=verdict.reason,
        exported_at=known.exported_at if known.is_done else None,
    )
