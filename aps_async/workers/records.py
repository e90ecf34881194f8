"""Rows of the books as values."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aps_async.convert import request_from_json, structure
from aps_async.errors import APSError, InputError
from aps_async.models import ExportKind, ExportOutcome, ExportRef, ExportRequest, FailedFile
from aps_async.names import checked_name
from aps_async.workers.reasons import error_from_json
from aps_async.workers.values import Entry, Record, RunStatus

_UNREADABLE = (APSError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What a row raises whose text another program has written."""


def entry_of(row: Any) -> Entry:
    """A row of the query for one export.

    Raises:
        InputError: it cannot be read, or its names could lead out of the place where files go.
    """
    values: dict[str, Any] = dict(row)
    try:
        checked_name(values["folder"])
        checked_name(values["name"])
        request = request_from_json(values["request"])
    except _UNREADABLE as problem:
        raise InputError(f"export {values['id']} in the database cannot be read: {problem}") from problem
    return Entry(**values | {"request": request, "age": values["age"] or 0.0})


def status_of(row: Any) -> RunStatus:
    """A row of the status query."""
    return RunStatus(**dict(row))


def failed_files_to_json(files: Sequence[FailedFile]) -> str:
    """What a partial result lacks."""
    return json.dumps([{"id": each.id, "reason": each.reason, "detail": each.detail} for each in files])


def record_of(row: Any) -> Record:
    """A row of `aps_export` whose export has ended; the outcome is the one that `export_many` would give.

    If the row cannot be read, its outcome says so, with a request that has only a name.
    """
    try:
        return _record_of(row)
    except _UNREADABLE as problem:
        error = InputError(f"export {row['id']} in the database cannot be read: {problem}")
        request = ExportRequest(kind=ExportKind.BIM360, project_id="", subjects=(), name=row["name"])
        return Record(
            id=row["id"],
            run=row["run"],
            name=row["name"],
            outcome=ExportOutcome(request=request, ref=None, error=error),
            finished=row["finished"],
            tries=row["tries"],
        )


def _record_of(row: Any) -> Record:
    request = request_from_json(row["request"])
    ref = ExportRef(request=request, export_id=row["export_id"]) if row["export_id"] else None
    place: str | None = row["place"]
    outcome = ExportOutcome(
        request=request,
        ref=ref,
        path=Path(place) if place and "://" not in place else None,
        failed_files=structure(json.loads(row["lacks"]), tuple[FailedFile, ...], strict=True) if row["lacks"] else (),
        size=row["size"] or 0,
        seconds=row["seconds"] or 0.0,
        polls=row["polls"],
        error=error_from_json(row["error"], ref) if row["error"] else None,
    )
    return Record(
        id=row["id"],
        run=row["run"],
        name=row["name"],
        outcome=outcome,
        place=place,
        sha256=row["sha256"],
        finished=row["finished"],
        tries=row["tries"],
    )
