"""How an export ended: one line in the log and one event for the hooks, for every way to wait for it."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define

from aps_async.models import ExportRef, ExportRequest
from aps_async.session import Session
from aps_async.transport.hooks import ExportBegan, ExportEnded, emit

__all__ = ["Delivery", "report_outcome", "reported"]
__dir__: object = __all__.copy

_log = logging.getLogger(__name__)


@define
class Delivery:
    """What is known of an export once its bytes have arrived."""

    size: int | None = None
    location: str | None = None


def report_outcome(
    session: Session,
    request: ExportRequest,
    ref: ExportRef | None,
    seconds: float,
    *,
    delivery: Delivery | None = None,
    error: BaseException | None = None,
) -> None:
    """Logs the outcome of one export in one line, and emits `ExportEnded`."""
    name = ref or f"{request.kind} export of project {request.project_id}"
    found = delivery or Delivery()
    if error is None:
        size = "" if found.size is None else f", {found.size} bytes"
        place = "" if found.location is None else f" to {found.location}"
        _log.info("%s: delivered%s%s, after %.1f s", name, place, size, seconds)
    else:
        _log.info("%s: failed after %.1f s: %s: %s", name, seconds, type(error).__name__, error)
    if session.hooks:
        kind = str(request.kind)
        what = None if error is None else type(error).__name__
        emit(session.hooks, ExportEnded(ref=ref, kind=kind, seconds=seconds, size=found.size, error=what))


@contextmanager
def reported(session: Session, ref: ExportRef) -> Iterator[Delivery]:
    """Reports how the block ends; the block fills in the delivery. For blocks that run in one task."""
    loop = asyncio.get_running_loop()
    began, delivery = loop.time(), Delivery()
    if session.hooks:
        emit(session.hooks, ExportBegan(ref=ref))
    try:
        yield delivery
    except BaseException as error:
        report_outcome(session, ref.request, ref, loop.time() - began, error=error)
        raise
    report_outcome(session, ref.request, ref, loop.time() - began, delivery=delivery)
