"""BIM 360 Docs: one sheet of a Plans folder as a PDF.

https://aps.autodesk.com/en/docs/bim360/v1/reference/http/document-management-projects-project_id-versions-version_id-exports-POST/
"""

import logging
from collections.abc import Sequence

from attrs import field, frozen

from aps_async.errors import (
    APSError,
    DecodeError,
    InputError,
    NotExportableError,
    ResponseError,
)
from aps_async.ids import bare_id, check_project, decoded_urn, is_item_urn, path_part, region_of, version_urn
from aps_async.links import SignedUrl, Source
from aps_async.models import Derivative, ExportJob, ExportKind, ExportOptions, ExportRef, ExportRequest, ExportStatus
from aps_async.session import Session
from aps_async.transport.converter import ESSENTIAL, lenient, lenient_until_final
from aps_async.transport.quotas import Endpoint
from aps_async.transport.response import Receipt
from aps_async.transport.retry import call_deadline

__all__ = [
    "START",
    "STATES",
    "STATUS",
    "ExportAnswer",
    "ExportResult",
    "check_options",
    "get_export",
    "make_request",
    "resolve",
    "start",
    "start_export",
]
__dir__: object = __all__.copy

# https://aps.autodesk.com/en/docs/bim360/v1/overview/rate-limits/bim360-rate-limits/
START = Endpoint("bim360.export_start", 100)  # a repeat answers with the same job, so it is harmless
STATUS = Endpoint("bim360.export_status", 1000)

STATES = {
    "committed": ExportStatus.RUNNING,
    "completed": ExportStatus.SUCCEEDED,
    "failed": ExportStatus.FAILED,
}


_log = logging.getLogger(__name__)


@lenient
@frozen
class ExportResult:
    """The location of a finished export (`data` of the response). Every field may be missing."""

    version_urn: str | None = None
    """The URN of the file as first uploaded, URL-safe base64 without padding."""
    resource_id: str | None = None
    """The derivative URN of the page, raw, although the reference calls it encoded."""
    link: str | None = None
    """Deprecated: the old download address; it needs a bearer token."""
    signed_url: str | None = field(default=None, repr=False, metadata=ESSENTIAL)
    """Opens the PDF without a token for about two minutes."""


@lenient_until_final(STATES)
@frozen
class ExportAnswer:
    """The body of both export calls."""

    id: str
    status: str
    """`committed`, `completed` or `failed`."""
    data: ExportResult | None = None


def check_options(options: ExportOptions) -> None:
    """Checks that BIM 360 has these options: the service knows two, and would not report that it lacks the others.

    Raises:
        InputError: there are others than published markups and hyperlinks.
    """
    if options != ExportOptions(markups=options.markups, hyperlinks=options.hyperlinks):
        raise InputError("in BIM 360 only published markups and hyperlinks are supported: leave the other options out")


def make_request(
    project_id: str,
    version_id: str,
    *,
    markups: bool = False,
    hyperlinks: bool = False,
    user_id: str | None = None,
    name: str | None = None,
) -> ExportRequest:
    """The request for one sheet, its ids in any form: `b.` or not, URN raw, percent-encoded or base64.

    Raises:
        InputError: an id is not valid, or is an item or a version without its number.
    """
    check_project(version_id, project_id)
    return ExportRequest(
        kind=ExportKind.BIM360,
        project_id=bare_id(project_id),
        source_ids=(version_urn(version_id),),
        options=ExportOptions(markups=markups, hyperlinks=hyperlinks),
        user_id=user_id,
        name=name,
    )


async def start_export(
    session: Session,
    project_id: str,
    version_id: str,
    *,
    markups: bool = False,
    hyperlinks: bool = False,
    user_id: str | None = None,
    name: str | None = None,
    timeout: float | None = None,
) -> ExportJob:
    """Starts the export of one sheet (`POST …/versions/:version_id/exports`; scope `data:read`; 100 a minute).

    A second start of the same version is harmless: the service returns the existing job, and the job that
    is returned may already be complete and have its link. Pass it to `wait_for_export`.

    Args:
        session: the session.
        project_id: a BIM 360 project, with or without `b.`.
        version_id: a sheet's version URN, or its item URN for the newest version; raw, percent-encoded or base64.
        markups: put published markups on the page.
        hyperlinks: keep links, to the web and to other documents.
        user_id: run as this user (`x-user-id`, two-legged tokens only), with permission to view the sheet.
        name: a name for the file, for `export_many`.
        timeout: seconds for everything: the quota, the token and all attempts; None: no limit.

    Raises:
        CallTimeoutError: `timeout` is over; the job may still have been started.
        InputError: an id is not valid.
        NotExportableError: the version is a source file, or the project is of another kind.
        NotAllowedError: the app is not in the account, a scope is missing, or the user may not view the sheet.
        NotFoundError: there is no such project or sheet.
        APSError: as `Session.request`.
    """
    async with call_deadline(timeout, "the start of an export"):
        if is_item_urn(decoded_urn(version_id)):
            from aps_async.resources.projects import get_tip

            version_id = (await get_tip(session, project_id, version_id, user_id=user_id)).urn
        request = make_request(
            project_id, version_id, markups=markups, hyperlinks=hyperlinks, user_id=user_id, name=name
        )
        return await start(session, request)


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Starts the job of a request; see `start_export`.

    Raises:
        InputError: see `check_options`.
        APSError: as `start_export`.
    """
    options = request.options
    check_options(options)
    receipt = Receipt(session.now)
    try:
        answer = await session.request(
            START,
            "POST",
            _path(request),
            into=ExportAnswer,
            json={"includeMarkups": options.markups, "includeHyperlinks": options.hyperlinks},
            user_id=request.user_id,
            on_headers=receipt.note,
        )
    except ResponseError as problem:
        if problem.says(400, 403, 404, 409, 422):
            await _explain(session, request)
            problem.add_note(_ADVICE)
        raise
    return _job(session, ExportRef(request=request, export_id=answer.id), answer, receipt)


async def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> ExportJob:
    """Asks once for the status of an export (`GET …/exports/:export_id`; scope `data:read`; 1,000 a minute).

    A complete job contains a signed URL that is valid for two minutes; another call returns a new one.

    Raises:
        NotFoundError: there is no such job; right after the start it may just not be visible yet.
        APSError: as `Session.request`.
    """
    path = f"{_path(ref.request)}/{path_part(ref.export_id)}"
    receipt = Receipt(session.now)
    answer = await session.request(
        STATUS, "GET", path, into=ExportAnswer, user_id=ref.user_id, retry=retry, on_headers=receipt.note
    )
    return _job(session, ref, answer, receipt)


async def resolve(session: Session, job: ExportJob, refused: Sequence[SignedUrl]) -> Source | None:
    """The job's link while it is valid; a derivative if there is no link, or if two new ones were refused."""
    link = job.link
    if (link is None or len(refused) > 1) and job.derivative is not None:
        from aps_async.resources import derivatives

        try:  # not documented for exports, so its failure is not final
            region = region_of(job.derivative.urn)
            return await derivatives.get_source(session, job.derivative, region=region, user_id=job.ref.user_id)
        except (
            ResponseError,
            DecodeError,
            InputError,
        ) as problem:
            _log.info("%s: the derivative is not available either: %s", job.ref, problem)
    if link is None or link in refused or link.expires_within(session.settings.link_margin, session.now()):
        return None
    return Source.of(link)


_ADVICE = (
    "BIM 360 exports sheets only: version URNs that list_sheets() yields, from a Plans folder of a BIM 360 project. "
    "In an ACC project, use the exports of ACC Sheets or ACC Files instead."
)


def _path(request: ExportRequest) -> str:
    version = path_part(request.source_ids[0])
    return f"/bim360/docs/v1/projects/{path_part(request.project_id)}/versions/{version}/exports"


def _job(session: Session, ref: ExportRef, answer: ExportAnswer, receipt: Receipt) -> ExportJob:
    status = ExportStatus.read(answer.status, STATES)
    link = None
    if status.is_final and answer.data is not None and answer.data.signed_url:
        link = receipt.link(answer.data.signed_url, f"{ref}: data.signedUrl", session.settings.link_lifetime)
    derivative = None
    if answer.data is not None and answer.data.version_urn and answer.data.resource_id:
        derivative = Derivative(urn=answer.data.version_urn, derivative_urn=answer.data.resource_id)
    return ExportJob(
        ref=ref,
        status=status,
        raw_status=answer.status,
        link=link,
        derivative=derivative,
        deprecated_link=answer.data.link if answer.data else None,
    )


async def _explain(session: Session, request: ExportRequest) -> None:
    """Looks up why a start was refused: one call, only after an error."""
    from aps_async.resources.projects import get_version

    urn = request.source_ids[0]
    try:
        version = await get_version(session, request.project_id, urn, user_id=request.user_id)
    except APSError:
        return  # then the service's own refusal is raised
    if not version.type.replace(".", ":").endswith("bim360:Document"):  # the reference also spells it with a dot
        raise NotExportableError(
            f"{version.name} ({urn}) is an uploaded file ({version.type}), not a sheet: export the sheets that were "
            "split from it (list_sheets() yields them), or download the file itself"
        )
