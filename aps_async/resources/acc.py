"""Common parts of the exports of ACC Files and ACC Sheets: body, response, limits and batches."""

from collections.abc import Sequence
from typing import Any

from attrs import evolve, field, frozen

from aps_async.errors import InputError
from aps_async.ids import path_part
from aps_async.links import SignedUrl, Source
from aps_async.models import ExportJob, ExportOptions, ExportRef, ExportRequest, ExportStatus, FailedFile
from aps_async.session import Session
from aps_async.transport.converter import ESSENTIAL, lenient, lenient_until_final
from aps_async.transport.quotas import Endpoint
from aps_async.transport.response import Receipt

__all__ = [
    "LINK_LIFETIME",
    "NAME_LIMIT",
    "STATES",
    "ExportAnswer",
    "Output",
    "Problem",
    "Result",
    "Service",
    "acting",
    "batches",
    "body_options",
    "check_options",
    "get_export",
    "job_of",
    "resolve",
    "start",
    "the_only",
]
__dir__: object = __all__.copy

STATES = {
    "processing": ExportStatus.RUNNING,
    "successful": ExportStatus.SUCCEEDED,
    "partialsuccess": ExportStatus.PARTIAL,
    "failed": ExportStatus.FAILED,
}
_NOT_NAMED = FailedFile(id="unknown", reason="the service calls the result partial and does not say what is missing")
LINK_LIFETIME = 3600.0
"""Seconds; a GET does not renew the link, only another job does."""
NAME_LIMIT = 255


@lenient
@frozen
class Problem:
    """`result.error`."""

    code: str | None = None
    """The corresponding HTTP status, as text."""
    title: str | None = None
    """Such as `ERR_WORKFLOW_TIMEOUT`."""
    detail: str | None = None


@lenient
@frozen
class Output:
    """`result.output`."""

    signed_url: str | None = field(default=None, repr=False, metadata=ESSENTIAL)
    failed_files: tuple[FailedFile, ...] = ()


@lenient
@frozen
class Result:
    """`result`; one sample has the output's fields directly in it."""

    output: Output | None = field(default=None, metadata=ESSENTIAL)
    error: Problem | None = None
    signed_url: str | None = field(default=None, repr=False, metadata=ESSENTIAL)
    failed_files: tuple[FailedFile, ...] = ()


@lenient_until_final(STATES)
@frozen
class ExportAnswer:
    """The body of the export calls."""

    id: str
    status: str
    """`processing`, `successful`, `partialSuccess` or `failed`."""
    result: Result | None = None


@frozen(kw_only=True)
class Service:
    """The differences between the two services."""

    name: str
    """The name in the address: `files` or `sheets`."""
    start: Endpoint
    status: Endpoint
    key: str
    """The field of the body with the ids to export."""
    limit: int
    """The maximum number of ids in one job."""
    what: str
    """The noun for messages."""
    has_assets: bool
    """Whether its exports support asset markups."""

    def path(self, project_id: str) -> str:
        """The exports of a project."""
        return f"/construction/{self.name}/v1/projects/{path_part(project_id)}/exports"


def check_options(options: ExportOptions, service: Service) -> None:
    """Checks that the service supports these options.

    Raises:
        InputError: asset markups for a service without them, or an output name that is too long.
    """
    if (options.asset_markups or options.unpublished_asset_markups) and not service.has_assets:
        raise InputError(
            f"exports of ACC {service.name.capitalize()} have no asset markups, only those of sheets do: "
            "leave asset_markups and unpublished_asset_markups out, or export sheets"
        )
    if options.output_name is not None and len(options.output_name) > NAME_LIMIT:
        raise InputError(f"the output name has {len(options.output_name)} characters; ACC allows {NAME_LIMIT}")


def body_options(options: ExportOptions) -> dict[str, Any]:
    """The options, always complete, since the service's own defaults put markups on the pages.

    Only `assetMarkups` is left out unless requested: its format is not confirmed, and a wrong guess must not turn every
    start into a 400.
    """
    groups = {
        "standardMarkups": (options.markups, options.unpublished_markups),
        "issueMarkups": (options.issue_markups, options.unpublished_issue_markups),
        "photoMarkups": (options.photo_markups, options.unpublished_photo_markups),
        "assetMarkups": (options.asset_markups, options.unpublished_asset_markups),
    }
    body: dict[str, Any] = {
        name: {"includePublishedMarkups": published, "includeUnpublishedMarkups": unpublished}
        for name, (published, unpublished) in groups.items()
        if name != "assetMarkups" or published or unpublished
    }
    body["standardMarkups"]["includeMarkupLinks"] = options.hyperlinks and any(groups["standardMarkups"])
    if options.output_name is not None:
        body["outputFileName"] = options.output_name
    return body


def batches(request: ExportRequest, service: Service) -> list[ExportRequest]:
    """Splits the request by the service's limit, and numbers the names of the parts.

    Raises:
        InputError: there are no ids, or the service does not support the options.
    """
    check_options(request.options, service)
    ids, limit = request.source_ids, service.limit
    if not ids:
        raise InputError("nothing to export: the list is empty")
    cuts = [ids[at : at + limit] for at in range(0, len(ids), limit)]
    if len(cuts) == 1:
        return [request]
    return [
        evolve(
            request,
            source_ids=cut,
            name=f"{request.name} ({number} of {len(cuts)})" if request.name else None,
            options=_numbered(request.options, number),
        )
        for number, cut in enumerate(cuts, 1)
    ]


def acting(session: Session, request: ExportRequest) -> ExportRequest:
    """The request with the user that it runs as: only that user may read the job, so the reference has to name them."""
    return evolve(request, user_id=request.user_id or session.user_id)


def the_only(requests: Sequence[ExportRequest], service: "Service") -> ExportRequest:
    """The only request, if it fits into one job.

    Raises:
        InputError: it needs several jobs.
    """
    if len(requests) > 1:
        raise _too_many(sum(len(each.source_ids) for each in requests), service)
    return requests[0]


async def start(session: Session, request: ExportRequest, service: "Service") -> ExportJob:
    """Starts the job of a request."""
    if not 1 <= len(request.source_ids) <= service.limit:
        raise _too_many(len(request.source_ids), service)
    check_options(request.options, service)
    request = acting(session, request)
    receipt = Receipt(session.now)
    answer = await session.request(
        service.start,
        "POST",
        service.path(request.project_id),
        into=ExportAnswer,
        json={service.key: list(request.source_ids), "options": body_options(request.options)},
        user_id=request.user_id,
        on_headers=receipt.note,
    )
    return job_of(session, ExportRef(request=request, export_id=answer.id), answer, receipt)


def _too_many(count: int, service: "Service") -> InputError:
    return InputError(
        f"one ACC export takes 1 to {service.limit} {service.what}, not {count}; make_requests() splits more"
    )


async def get_export(session: Session, ref: ExportRef, service: "Service", *, retry: bool) -> ExportJob:
    """Asks once for the status of an export."""
    path = f"{service.path(ref.project_id)}/{path_part(ref.export_id)}"
    receipt = Receipt(session.now)
    answer = await session.request(
        service.status, "GET", path, into=ExportAnswer, user_id=ref.user_id, retry=retry, on_headers=receipt.note
    )
    return job_of(session, ref, answer, receipt)


def job_of(session: Session, ref: ExportRef, answer: ExportAnswer, receipt: Receipt) -> ExportJob:
    """Converts a response to a job."""
    result = answer.result or Result()
    output = result.output or Output()
    raw = output.signed_url or result.signed_url  # the schema has one, a sample the other
    link = None
    status = ExportStatus.read(answer.status, STATES)
    if raw and status.is_final:
        link = receipt.link(raw, f"{ref}: signedUrl", LINK_LIFETIME / session.settings.time_scale)
    error = result.error
    failed_files = output.failed_files or result.failed_files
    return ExportJob(
        ref=ref,
        status=status,
        raw_status=answer.status,
        link=link,
        reason=": ".join(part for part in (error.title, error.detail) if part) or None if error else None,
        failed_files=failed_files or ((_NOT_NAMED,) if status is ExportStatus.PARTIAL else ()),
    )


async def resolve(session: Session, job: ExportJob, refused: Sequence[SignedUrl]) -> Source | None:
    """The job's link while it is valid; None if only another job can provide a new one."""
    if job.link is None or job.link in refused:
        return None
    if job.link.expires_within(session.settings.link_margin, session.now()):
        return None
    return Source.of(job.link)


def _numbered(options: ExportOptions, number: int) -> ExportOptions:
    if options.output_name is None:
        return options
    return evolve(options, output_name=f"{options.output_name} ({number})")
