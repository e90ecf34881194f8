"""Cost Management: documents generated from templates.

https://aps.autodesk.com/en/docs/bim360/v1/reference/http/cost-documents-GET/
"""

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from attrs import frozen

from aps_async.errors import DecodeError, ExportError, InputError, NotFoundError, NotFoundInProjectError
from aps_async.ids import bare_id, id_list, path_part
from aps_async.links import SignedUrl, Source
from aps_async.models import CostSource, ExportJob, ExportKind, ExportRef, ExportRequest, ExportStatus, Project
from aps_async.narrowing import is_list
from aps_async.resources import storage
from aps_async.session import Session
from aps_async.transport.converter import lenient, structure
from aps_async.transport.quotas import Endpoint

__all__ = [
    "ASSOCIATION_TYPES",
    "ATTACHMENTS",
    "DOCUMENTS",
    "STATES",
    "CostDocument",
    "ErrorInfo",
    "find_container",
    "get_export",
    "list_documents",
    "list_exports",
    "make_request",
    "resolve",
    "start",
]
__dir__: object = __all__.copy

# https://aps.autodesk.com/en/docs/acc/v1/overview/rate-limits/cost-rate-limits/
DOCUMENTS = Endpoint("cost.documents", 30, token="signed-in user")
ATTACHMENTS = Endpoint(
    "cost.attachments", 50, repeatable=False, token="signed-in user"
)  # a repeat creates another document

# The order of the states is not documented. A document that waits for a signature already has its file.
STATES = {
    "pending": ExportStatus.RUNNING,
    "started": ExportStatus.RUNNING,
    "completed": ExportStatus.SUCCEEDED,
    "failed": ExportStatus.FAILED,
    "pendingsign": ExportStatus.SUCCEEDED,
    "signed": ExportStatus.SUCCEEDED,
}
ASSOCIATION_TYPES = (
    "Budget", "Contract", "CostItem", "FormInstance", "Payment", "BudgetPayment", "Expense", "OCO", "SCO",
)  # fmt: skip
"""The types that the reference lists for the query; others are sent unchanged."""
_QUERY_LIMIT = 1760
"""Characters of joined ids per call, encoded as in the URL (a comma takes three): with host, path and filters, the
URL stays below the 2,000 that every server and proxy lets pass."""


@lenient
@frozen
class ErrorInfo:
    """Why a document could not be generated; it may also be present on one that was."""

    code: str | None = None
    message: str | None = None
    detail: str | None = None


@lenient
@frozen
class CostDocument:
    """One generated document, with every field of the reference."""

    id: str
    recipient_id: str | None = None
    """Autodesk id of the recipient."""
    signed_by: str | None = None
    urn: str | None = None
    """Version URN of the .docx in Docs; missing until there is one."""
    pdf_urn: str | None = None
    status: str = ""
    """`Pending`, `Started`, `Completed`, `Failed`, `PendingSign` or `Signed`; other words are kept."""
    job_id: int | float | str | None = None
    """Whatever number or text the service has."""
    error_info: ErrorInfo | None = None
    """Does not mean a failure by itself: the reference shows it on a completed document."""
    association_id: str | None = None
    """In upper or lower case; compare case-insensitively."""
    association_type: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def export_status(self) -> ExportStatus:
        """The meaning of the status; an unknown word counts as RUNNING."""
        return ExportStatus.read(self.status, STATES)


@lenient
@frozen
class _Attachment:
    id: str
    status: str | None = None
    urn: str | None = None


async def list_documents(
    session: Session,
    container_id: str,
    *,
    association_type: str,
    association_ids: str | Iterable[str],
    region: str | None = None,
    latest: bool | None = None,
    signed: bool | None = None,
    retry: bool = True,
) -> tuple[CostDocument, ...]:
    """The documents generated for budgets, contracts and so on (`GET …/documents`; scope `data:read`; 30 a minute).

    Needs a user's token: three-legged or a service account's. Ids are joined, and split over several calls if there
    are many. The list has no pages. The service returns the latest documents only, whatever `latest` is. An id
    without a document, or with one that the user may not see, is not an error; nothing is listed for it.

    Args:
        session: the session.
        container_id: the project's id, with or without `b.`; for older BIM 360 projects see `find_container`.
        association_type: the type of the ids: one of `ASSOCIATION_TYPES`. In the tutorials it is `FormInstance` for
            the document of a change order.
        association_ids: UUIDs of the budgets, contracts and so on, as a list or, as in the reference, in one text
            separated by commas.
        region: `US`, `EMEA` and so on; saves the service a lookup.
        latest: deprecated by Autodesk: only the latest document is ever returned.
        signed: deprecated by Autodesk.
        retry: False for one attempt per call.

    Raises:
        InputError: there are no ids or no type, or the token is two-legged.
        APSError: as `Session.request`.
    """
    given = [bare_id(each, "association") for each in id_list(association_ids)]
    # The service ignores case, so that two spellings of one id would return its documents twice.
    ids = list({each.lower(): each for each in given}.values())
    if not ids or not association_type:
        raise InputError("Cost documents need an association type and at least one association id")
    query: dict[str, str | int | bool] = {"associationType": association_type}
    for name, value in (("latest", latest), ("signed", signed)):
        if value is not None:
            message = f"Autodesk has deprecated filter[{name}] of Cost documents; leave {name} out"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            query[f"filter[{name}]"] = value
    found: list[CostDocument] = []
    path = f"/cost/v1/containers/{path_part(bare_id(container_id, 'container'))}/documents"
    for some in _joined(ids):
        answer = await session.request(
            DOCUMENTS,
            "GET",
            path,
            into=cast("type[Any]", Any),  # a list, or a single document
            query={**query, "associationId": some},
            headers={"region": region} if region else None,
            retry=retry,
        )
        found += _documents(session, f"GET {path}", answer)
    return tuple(found)


def _documents(session: Session, call: str, answer: object) -> tuple[CostDocument, ...]:
    """The list of a response, or the single document that the tutorial shows. Anything else is not an empty list."""
    try:
        if is_list(answer):
            return structure(answer, tuple[CostDocument, ...], session.on_unread(call))
        return (structure(answer, CostDocument, session.on_unread(call)),)
    except DecodeError as problem:
        raise DecodeError(f"{call}: {problem}", problems=problem.problems) from None


def find_container(project: Project) -> str:
    """The container id that an older BIM 360 project may still need: its `relationships.cost`.

    The documentation requires the project id since 2026; use this if that is refused.

    Raises:
        NotFoundInProjectError: the project has none.
    """
    if project.cost_container_id is None:
        raise NotFoundInProjectError(f"{project.name} has no cost container; use the project id {bare_id(project.id)}")
    return project.cost_container_id


async def list_exports(
    session: Session,
    project_id: str,
    *,
    association_type: str,
    association_ids: str | Iterable[str],
    container_id: str | None = None,
    region: str | None = None,
) -> list[ExportJob]:
    """All documents of many associations as jobs, for `wait_for_export` and `export_many`: one call per 45 ids or so.

    Args:
        session: the session; a user's token.
        project_id: the project of the files, with or without `b.`.
        association_type: the type of the ids.
        association_ids: UUIDs of the budgets, contracts and so on.
        container_id: the container, if its id differs from the project's.
        region: `US`, `EMEA` and so on.

    Raises:
        APSError: as `list_documents`.
    """
    container = bare_id(container_id or project_id, "container")
    documents = await list_documents(
        session, container, association_type=association_type, association_ids=association_ids, region=region
    )
    source = CostSource(container_id=container, association_type=association_type, region=region)
    return [_job(_request(project_id, document, source), document) for document in documents]


def _request(project_id: str, document: CostDocument, source: CostSource) -> ExportRequest:
    association = (document.association_id or document.id).lower()
    return ExportRequest(
        kind=ExportKind.COST,
        project_id=bare_id(project_id),
        source_ids=(association,),
        name=f"{document.association_type or source.association_type} {association}",
        cost=source,
    )


def make_request(
    project_id: str,
    *,
    association_type: str,
    association_id: str,
    template_id: str,
    container_id: str | None = None,
    region: str | None = None,
    name: str | None = None,
) -> ExportRequest:
    """The request for a new document from a template."""
    return ExportRequest(
        kind=ExportKind.COST,
        project_id=bare_id(project_id),
        source_ids=(bare_id(association_id, "association"),),
        name=name or f"{association_type} {association_id.lower()}",
        cost=CostSource(
            container_id=bare_id(container_id or project_id, "container"),
            association_type=association_type,
            template_id=template_id,
            region=region,
        ),
    )


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Creates a document from a template (`POST …/attachments` with type `Document`; scope `data:write`; 50 a minute).

    Every call creates another document, so it is repeated only if it certainly never arrived.

    Raises:
        InputError: the request has no template, or the token is two-legged.
        APSError: as `Session.request`.
    """
    source = _source(request)
    if source.template_id is None:
        raise InputError("a new Cost document needs a template: give template_id, or wait for one that exists")
    answer = await session.request(
        ATTACHMENTS,
        "POST",
        f"/cost/v1/containers/{path_part(source.container_id)}/attachments",
        into=_Attachment,
        json={
            "type": "Document",
            "name": request.name or "document",
            "associationId": request.source_ids[0],
            "associationType": source.association_type,
            "templateId": source.template_id,
        },
        headers={"region": source.region} if source.region else None,
    )
    document = CostDocument(id=answer.id, urn=answer.urn, status=answer.status or "Pending")
    return _job(request, document)


async def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> ExportJob:
    """Asks once for the status of a document: there is no call for one, so its association's are listed.

    Raises:
        NotFoundError: the association does not have this document (any more, or not yet).
        APSError: as `list_documents`.
    """
    source = _source(ref.request)
    documents = await list_documents(
        session,
        source.container_id,
        association_type=source.association_type,
        association_ids=ref.request.source_ids,
        region=source.region,
        retry=retry,
    )
    for document in documents:
        if document.id.lower() == ref.export_id.lower():
            return _job(ref.request, document)
    raise NotFoundError(
        f"{ref} is not among the {len(documents)} documents of {ref.request.source_ids[0]}",
        status=404,
        method="GET",
        path="documents",
    )


async def resolve(session: Session, job: ExportJob, refused: Sequence[SignedUrl]) -> Source | None:  # noqa: ARG001
    """Links to the .docx: version, storage, signed download. Every call returns new ones."""
    if job.version_urn is None:
        raise ExportError(f"{job.ref} is {job.raw_status!r}, but has no file", ref=job.ref, job=job)
    urn = await storage.find_storage(session, job.ref.project_id, job.version_urn)
    return await storage.get_source(session, urn)


def _job(request: ExportRequest, document: CostDocument) -> ExportJob:
    info = document.error_info
    words = [part for part in (info.code, info.message, info.detail) if part] if info else []
    return ExportJob(
        ref=ExportRef(request=request, export_id=document.id),
        status=document.export_status,
        raw_status=document.status,
        reason=": ".join(words) or None,
        version_urn=document.urn,
    )


def _source(request: ExportRequest) -> CostSource:
    if request.cost is None:
        raise InputError("this request of kind 'cost' has no container; create it with cost.make_request()")
    return request.cost


def _joined(ids: Sequence[str]) -> Iterable[str]:
    """Comma-separated ids, split so that each URL stays short enough."""
    piece = ""
    for each in ids:
        if piece and len(quote(f"{piece},{each}", safe="")) > _QUERY_LIMIT:
            yield piece
            piece = ""
        piece = f"{piece},{each}" if piece else each
    yield piece
