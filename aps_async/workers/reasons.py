"""Errors as rows: the type, the words, and what a caller can read off them; never more than they show."""

import json
from typing import Any

from aps_async import errors
from aps_async.errors import APSError, ExportError
from aps_async.models import ExportRef

_KEPT = ("status", "method", "path", "code", "detail", "request_id", "retry_after", "sent", "garbled")


def error_to_json(problem: BaseException) -> str:
    """An error as text for the books."""
    found = {name: getattr(problem, name, None) for name in _KEPT}
    known = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    notes: list[str] = getattr(problem, "__notes__", [])
    said = ". ".join((str(problem) or type(problem).__name__, *notes))
    return json.dumps({"type": _public(type(problem)), "message": said, **known}, separators=(",", ":"))


def error_from_json(text: str, ref: ExportRef | None = None) -> Exception:
    """The error that was written, as a type of our tree; one that is not of it becomes an `APSError`."""
    told: dict[str, Any] = json.loads(text)
    name, words = told.pop("type"), told.pop("message")
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, APSError)):
        return APSError(f"{name}: {words}")
    problem = kind.__new__(kind, words)
    blank: dict[str, Any] = dict.fromkeys(_KEPT[:7]) if issubclass(kind, errors.ResponseError) else {}
    problem.__dict__.update(blank | told)
    if issubclass(kind, errors.DownloadError):
        problem.__dict__.setdefault("path", None)
    if issubclass(kind, errors.DecodeError):
        problem.__dict__.setdefault("problems", ())
    if issubclass(kind, ExportError):
        problem.__dict__.update(ref=ref, job=None)
    return problem


def _public(kind: type[BaseException]) -> str:
    """The nearest type that `aps_async.errors` has; a private subclass means nothing to another process."""
    for base in kind.__mro__:
        if getattr(errors, base.__name__, None) is base:
            return str(base.__name__)
    return kind.__name__
