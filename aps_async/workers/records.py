"""Rows of the books as values."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aps_async.convert import request_from_json, structure
from aps_async.models import ExportOutcome, ExportRef, FailedFile
from aps_async.workers.reasons import error_from_json
from aps_async.workers.values import Entry, Record, RunStatus


def entry_of(row: Any) -> Entry:
    """A row of the query for one export."""
    values: dict[str, Any] = dict(row)
    return Entry(**values | {"request": request_from_json(values["request"]), "age": values["age"] or 0.0})


def status_of(row: Any) -> RunStatus:
    """A row of the status query."""
    return RunStatus(**dict(row))


def failed_files_to_json(files: Sequence[FailedFile]) -> str:
    """What a partial result lacks."""
    return json.dumps([{"id": each.id, "reason": each.reason, "detail": each.detail} for each in files])


def record_of(row: Any) -> Record:
    """A row of `aps_export` whose export has come to its end; the outcome is the one that `export_many` would give."""
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
