"""The table of services: one row for each kind of export, with all that waiting and downloading need to know of it."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from aps_async.errors import InputError
from aps_async.links import SignedUrl, Source
from aps_async.models import ExportJob, ExportKind, ExportRef, ExportRequest
from aps_async.narrowing import is_really
from aps_async.session import Session
from aps_async.settings import Settings
from aps_async.transport.quotas import Endpoint
from aps_async.transport.retry import call_deadline

if TYPE_CHECKING:
    from aps_async.downloads.content import Signature

__all__ = ["Export", "Kind", "get_export", "ref_of", "row_of", "start_export"]
__dir__: object = __all__.copy


class _Get(Protocol):
    def __call__(self, session: Session, ref: ExportRef, *, retry: bool = True) -> Coroutine[Any, Any, ExportJob]: ...


@frozen(kw_only=True)
class Kind:
    """One row: what waiting and downloading need to know about a service."""

    start: Callable[[Session, ExportRequest], Awaitable[ExportJob]]
    get: _Get
    resolve: Callable[[Session, ExportJob, Sequence[SignedUrl]], Awaitable[Source | None]]
    """Returns the links to a finished job's result except those that were refused; None if no valid link is left."""
    status: Endpoint
    """The endpoint of status calls, with their quota."""
    start_endpoint: Endpoint
    """The endpoint of starts, with their quota, and whether a start whose response was lost may be repeated."""
    signatures: "tuple[Signature, ...]"
    """The types of file that it may make."""
    status_call_refreshes_link: bool = False
    """Whether another status call returns a fresh link; otherwise only another start does."""
    default_timeout: Callable[[Settings], float] = attrgetter("export_timeout")
    """Returns the setting that holds for this kind if the caller gives no timeout, in seconds."""


def _bim360() -> Kind:
    from aps_async.downloads.content import PDF
    from aps_async.resources import bim360

    return Kind(
        start=bim360.start,
        start_endpoint=bim360.START,
        get=bim360.get_export,
        resolve=bim360.resolve,
        status=bim360.STATUS,
        signatures=(PDF,),
        status_call_refreshes_link=True,
    )


def _files() -> Kind:
    from aps_async.downloads.content import PDF, ZIP
    from aps_async.resources import acc, files

    return Kind(
        start=files.start,
        start_endpoint=files.SERVICE.start,
        get=files.get_export,
        resolve=acc.resolve,
        status=files.SERVICE.status,
        signatures=(PDF, ZIP),
        default_timeout=attrgetter("acc_export_timeout"),
    )


def _sheets() -> Kind:
    from aps_async.downloads.content import PDF
    from aps_async.resources import acc, sheets

    return Kind(
        start=sheets.start,
        start_endpoint=sheets.SERVICE.start,
        get=sheets.get_export,
        resolve=acc.resolve,
        status=sheets.SERVICE.status,
        signatures=(PDF,),
        default_timeout=attrgetter("acc_export_timeout"),
    )


def _cost() -> Kind:
    from aps_async.downloads.content import DOCX
    from aps_async.resources import cost

    return Kind(
        start=cost.start,
        start_endpoint=cost.ATTACHMENTS,
        get=cost.get_export,
        resolve=cost.resolve,
        status=cost.DOCUMENTS,
        signatures=(DOCX,),
    )


_ROWS = {
    ExportKind.BIM360: _bim360,
    ExportKind.FILES: _files,
    ExportKind.SHEETS: _sheets,
    ExportKind.COST: _cost,
}


@cache
def row_of(kind: ExportKind) -> Kind:
    """The row of a kind. The module of its service is imported at the first use."""
    return _ROWS[kind]()


Export = ExportRef | ExportJob
"""What can be waited for: a reference, or a job from `start_export`, which saves the first status call."""


def ref_of(export: Export) -> ExportRef:
    """The reference of either.

    Raises:
        InputError: it is neither.
    """
    if isinstance(export, ExportJob):
        return export.ref
    if is_really(export, ExportRef):
        return export
    advice = ": make a request of it with its to_request()" if hasattr(export, "to_request") else ""
    raise InputError(
        f"what is exported is an ExportRequest, an ExportJob or an ExportRef, and not {type(export).__name__}{advice}"
    )


def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> Coroutine[Any, Any, ExportJob]:
    """Makes one status call for an export of any kind: `await get_export(session, ref)`.

    Raises:
        APSError: as `Session.request`.
    """
    return row_of(ref.kind).get(session, ref, retry=retry)


async def start_export(session: Session, request: ExportRequest, *, timeout: float | None = None) -> ExportJob:
    """Starts the job for a request of any kind.

    Args:
        session: the session.
        request: what to start.
        timeout: seconds for everything: the quota, the token and all attempts; None: no limit.

    Raises:
        CallTimeoutError: `timeout` is over. ACC or Cost may have started the job nevertheless.
        APSError: as the `start_export` of its service.
    """
    async with call_deadline(timeout, f"the start of {', '.join(request.source_ids[:3])}"):
        return await row_of(request.kind).start(session, request)
