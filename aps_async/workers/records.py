"""Converts database rows to values: exports to work on, runs with their counts, outcomes."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from aps_async import errors
from aps_async.downloads.filenames import checked_name
from aps_async.errors import APSError, ExportError, InputError
from aps_async.models import (
    DeliveredExport,
    ExportKind,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    FailedExport,
    FailedFile,
    StoredExport,
)
from aps_async.reprs import short_repr
from aps_async.transport.converter import request_from_json, structure
from aps_async.workers.owners import Owner, owner_of_row

__all__ = [
    "Entry",
    "Record",
    "RunStatus",
    "State",
    "entry_of",
    "error_from_json",
    "error_patterns",
    "error_to_json",
    "failed_files_to_json",
    "record_of",
    "status_of",
]
__dir__: object = __all__.copy

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@frozen(kw_only=True)
class Entry:
    """One export as a worker reads it from the database."""

    id: int
    request: ExportRequest
    state: State
    folder: str
    """The run's folder, below the storage."""
    name: str
    """The file's name without suffix."""
    priority: int = 0
    export_id: str | None = None
    age: float = 0.0
    """Seconds since it was started, by the database's clock."""
    tries: int = 0
    """Consecutive steps that failed with a transient error."""
    refusals: int = 0
    """Consecutive steps that the service refused with 401 or 403."""
    owner: Owner | None = None
    """The owner whose workers may take it; None: all may."""

    __repr__ = short_repr

    @property
    def ref(self) -> ExportRef | None:
        """The reference for status calls; None until the export is started."""
        return ExportRef(request=self.request, export_id=self.export_id) if self.export_id else None


@frozen(kw_only=True)
class RunStatus:
    """The status of a run."""

    id: int
    name: str
    priority: int
    created: datetime
    cancelled: datetime | None = None
    waiting: int = 0
    """Exports that are not started yet."""
    running: int = 0
    done: int = 0
    partial: int = 0
    """Of `done`: those whose file lacks some of what was asked for; see `StoredExport.failed_files`."""
    failed: int = 0
    dropped: int = 0
    """Exports that were cancelled before they were done."""
    size: int = 0
    """Bytes delivered."""
    last: datetime | None = None
    """When the last export ended."""

    client_id: str | None = None
    """Only workers with this client id and user take it; None: all workers."""
    user_id: str | None = None

    __repr__ = short_repr

    @property
    def owner(self) -> Owner | None:
        """The owner whose workers may take it; None: all may."""
        return Owner(self.client_id, self.user_id or "") if self.client_id else None

    @property
    def total(self) -> int:
        """All exports of the run."""
        return self.waiting + self.running + self.done + self.failed + self.dropped

    @property
    def state(self) -> Literal["pending", "running", "done", "failed", "cancelled"]:
        """The run's state in one word; `failed` means that it is over and has dead letters."""
        if self.cancelled:
            return "cancelled"
        if self.is_over:
            return "failed" if self.failed else "done"
        return "running" if self.running or self.done or self.failed else "pending"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not self.waiting and not self.running


@frozen(kw_only=True)
class Record:
    """An export that has ended."""

    id: int
    run: int
    name: str
    outcome: ExportOutcome | StoredExport
    location: str | None = None
    """Where the file is: a path, or an address in object storage."""
    sha256: str | None = None
    finished: datetime | None = None
    tries: int = 0

    __repr__ = short_repr


_KEPT = ("status", "method", "path", "code", "detail", "request_id", "retry_after", "sent", "garbled")


def error_to_json(problem: BaseException) -> str:
    """An error as JSON for the database."""
    found = {name: getattr(problem, name, None) for name in _KEPT}
    known = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    notes: list[str] = getattr(problem, "__notes__", [])
    message = ". ".join((str(problem) or type(problem).__name__, *notes))
    return json.dumps({"type": _public(type(problem)), "message": message, **known}, separators=(",", ":"))


def error_patterns(reason: str) -> tuple[str, str]:
    """Search patterns for stored errors.

    Returns how the JSON begins if `reason` is the type of an error, and what it contains, in lower case, if `reason` is
    part of its text.
    """
    return json.dumps({"type": reason}, separators=(",", ":"))[:-1], json.dumps(reason)[1:-1].lower()


def error_from_json(text: str, ref: ExportRef | None = None) -> Exception:
    """Restores an error with its type; one that is not in `aps_async.errors` becomes an `APSError`."""
    stored: dict[str, Any] = json.loads(text)
    name, words = stored.pop("type"), stored.pop("message")
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, APSError)):
        return APSError(f"{name}: {words}")
    problem = kind.__new__(kind, words)
    defaults: dict[str, Any] = dict.fromkeys(_KEPT[:7]) if issubclass(kind, errors.ResponseError) else {}
    problem.__dict__.update(defaults | stored)
    if issubclass(kind, errors.DownloadError):
        problem.__dict__.setdefault("path", None)
    if issubclass(kind, errors.DecodeError):
        problem.__dict__.setdefault("problems", ())
    if issubclass(kind, ExportError):
        problem.__dict__.update(ref=ref, job=None)
    return problem


def _public(kind: type[BaseException]) -> str:
    """The nearest base class in `aps_async.errors`: another process may not have a private subclass."""
    for base in kind.__mro__:
        if getattr(errors, base.__name__, None) is base:
            return str(base.__name__)
    return kind.__name__


_UNREADABLE = (APSError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""Errors while reading a row, if another program has written it."""


def entry_of(row: Any) -> Entry:
    """Converts a row of the query for one export.

    Raises:
        InputError: the row cannot be read, or its names could lead outside the storage.
    """
    values: dict[str, Any] = dict(row)
    try:
        checked_name(values["folder"])
        checked_name(values["name"])
        request = request_from_json(values["request"])
    except _UNREADABLE as problem:
        raise InputError(f"export {values['id']} in the database cannot be read: {problem}") from problem
    owner = owner_of_row(values)
    del values["client_id"], values["user_id"]
    values.update(request=request, age=values["age"] or 0.0, owner=owner)
    return Entry(**values)


def status_of(row: Any) -> RunStatus:
    """Converts a row of the status query."""
    return RunStatus(**dict(row))


def failed_files_to_json(files: Sequence[FailedFile]) -> str:
    """Converts the missing files of a partial result to JSON."""
    return json.dumps([{"id": each.id, "reason": each.reason, "detail": each.detail} for each in files])


def record_of(row: Any) -> Record:
    """Converts a row of `aps_export` whose export has ended; its outcome is what `export_many` would yield.

    If the row cannot be read, its outcome is an `InputError`, with a request that has only a name.
    """
    try:
        return _record_of(row)
    except _UNREADABLE as problem:
        error = InputError(f"export {row['id']} in the database cannot be read: {problem}")
        request = ExportRequest(kind=ExportKind.BIM360, project_id="", source_ids=(), name=row["name"])
        return Record(
            id=row["id"],
            run=row["run"],
            name=row["name"],
            outcome=FailedExport(request=request, error=error),
            finished=row["finished"],
            tries=row["tries"],
        )


def _record_of(row: Any) -> Record:
    request = request_from_json(row["request"])
    ref = ExportRef(request=request, export_id=row["export_id"]) if row["export_id"] else None
    location: str | None = row["place"]
    known: dict[str, Any] = {
        "request": request,
        "ref": ref,
        "failed_files": structure(json.loads(row["lacks"] or "[]"), tuple[FailedFile, ...], strict=True),
        "seconds": row["seconds"] or 0.0,
        "polls": row["polls"],
    }
    warnings = structure(json.loads(row["warnings"] or "[]"), tuple[str, ...], strict=True)
    outcome: ExportOutcome | StoredExport
    if row["error"]:
        outcome = FailedExport(**known, error=error_from_json(row["error"], ref))
    elif location is None:
        outcome = FailedExport(**known, error=APSError(f"the export is {row['state']} and has no file"))
    elif "://" in location:
        outcome = StoredExport(**known, size=row["size"] or 0, locations=(location,), warnings=warnings)
    else:
        outcome = DeliveredExport(**known, path=Path(location), size=row["size"] or 0, warnings=warnings)
    return Record(
        id=row["id"],
        run=row["run"],
        name=row["name"],
        outcome=outcome,
        location=location,
        sha256=row["sha256"],
        finished=row["finished"],
        tries=row["tries"],
    )
