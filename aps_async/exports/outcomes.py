"""Reports how an export ended, for every way to wait for it: one line in the log and one hook event."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from attrs import define

from aps_async.models import ExportRef, ExportRequest
from aps_async.session import Session
from aps_async.transport import hooks
from aps_async.transport.export_numbers import next_number, working_on

__all__ = ["Delivery", "report_began", "report_ended", "report_outcome", "reported"]
__dir__: object = __all__.copy

_log = logging.getLogger(__name__)


@define
class Delivery:
    """What is known of an export once it is delivered."""

    size: int | None = None
    location: str | None = None
    reused: bool = False
    """Whether the file is that of an earlier run."""


def report_began(session: Session, request: ExportRequest, ref: ExportRef | None) -> int | None:
    """Emits `ExportBegan`; returns the number for `working_on` and `report_outcome`, None without hooks."""
    if not session.hooks:
        return None
    number = next_number()
    hooks.emit(session.hooks, hooks.ExportBegan(export_number=number, ref=ref, kind=str(request.kind)))
    return number


def report_outcome(
    session: Session,
    request: ExportRequest,
    ref: ExportRef | None,
    seconds: float,
    *,
    number: int | None,
    delivery: Delivery | None = None,
    error: BaseException | None = None,
) -> None:
    """Logs the outcome of one export in one line, and emits `ExportEnded`."""
    which = ref or f"{request.kind} export of project {request.project_id}"
    name = f"{request.name!r}: {which}" if request.name else which  # a title may have line breaks
    found = delivery or Delivery()
    if error is None and found.reused:
        _log.info("%s: already there, %s bytes: %s", name, found.size, found.location)
    elif error is None:
        size = "" if found.size is None else f", {found.size} bytes"
        place = "" if found.location is None else f" to {found.location}"
        _log.info("%s: delivered%s%s, after %.1f s", name, place, size, seconds)
    else:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        _log.info("%s: failed after %.1f s: %s", name, seconds, reason)
    report_ended(session, request, ref, seconds, number=number, size=found.size, error=error)


def report_ended(
    session: Session,
    request: ExportRequest,
    ref: ExportRef | None,
    seconds: float,
    *,
    number: int | None,
    size: int | None = None,
    error: BaseException | None = None,
) -> None:
    """Emits `ExportEnded`, without a line in the log."""
    if not session.hooks:
        return
    what = None if error is None else type(error).__name__
    kind = str(request.kind)
    hooks.emit(
        session.hooks,
        hooks.ExportEnded(export_number=number, ref=ref, kind=kind, seconds=seconds, size=size, error=what),
    )


@contextmanager
def reported(session: Session, ref: ExportRef) -> Generator[Delivery, None, None]:
    """Reports the outcome of a `with` block, which fills in the delivery. All of the block has to run in one task."""
    loop = asyncio.get_running_loop()
    began, delivery = loop.time(), Delivery()
    number = report_began(session, ref.request, ref)
    try:
        with working_on(number):
            yield delivery
    except BaseException as error:
        report_outcome(session, ref.request, ref, loop.time() - began, number=number, error=error)
        raise
    report_outcome(session, ref.request, ref, loop.time() - began, number=number, delivery=delivery)
