"""ACC Sheets: published sheets of ACC Build as one PDF.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/sheets-exports-POST/
"""

from collections.abc import AsyncIterator, Sequence

from attrs import frozen

from aps_async.convert import lenient
from aps_async.errors import NotFoundInProjectError
from aps_async.ids import bare_id, path_part
from aps_async.models import ExportJob, ExportKind, ExportOptions, ExportRef, ExportRequest, Sheet
from aps_async.paging import NewItems
from aps_async.quotas import Endpoint
from aps_async.resources import acc
from aps_async.session import Session
from aps_async.text import named

SERVICE = acc.Service(
    name="sheets",
    start=Endpoint("sheets.export_start", 100, repeatable=False, acts_for="user"),  # a repeat starts another job
    status=Endpoint("sheets.export_status", 100, acts_for="user"),
    key="sheets",
    limit=1000,
    what="sheets",
)
LIST = Endpoint("sheets.list", 100)
VERSION_SETS = Endpoint("sheets.version_sets", 100)
PAGE = 100


@lenient
@frozen
class VersionSet:
    """An issue of sheets, by the date they were issued."""

    id: str
    name: str = ""
    issuance_date: str | None = None


@lenient
@frozen
class _Found:
    id: str
    number: str | None = None
    title: str | None = None
    version_set: VersionSet | None = None
    upload_file_name: str | None = None
    is_current: bool | None = None
    deleted: bool | None = None


@frozen
class _Pagination:
    total_results: int | None = None


@frozen
class _Sheets:
    results: tuple[_Found, ...]
    pagination: _Pagination | None = None


@frozen
class _Sets:
    results: tuple[VersionSet, ...]
    pagination: _Pagination | None = None


def export_requests(
    project_id: str,
    sheet_ids: Sequence[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
) -> list[ExportRequest]:
    """Requests for any number of sheets: one job, and one PDF, for every 1,000 of them.

    For one PDF per sheet make one request per sheet, as `Sheet.to_request` does.

    Raises:
        InputError: there are none.
    """
    request = ExportRequest(
        kind=ExportKind.SHEETS,
        project_id=bare_id(project_id),
        subjects=tuple(bare_id(each, "sheet") for each in sheet_ids),
        options=options or ExportOptions(),
        user_id=user_id,
        name=name,
    )
    return acc.batches(request, SERVICE.limit)


async def start_export(
    session: Session,
    project_id: str,
    sheet_ids: Sequence[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
) -> ExportJob:
    """Starts the export of up to 1,000 sheets into one PDF (`POST construction/sheets/v1/…/exports`; 100 a minute).

    Every call starts another job, so it is repeated only when it certainly never arrived. Scope `data:write`.

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        sheet_ids: UUIDs of published sheets, in the order of the pages.
        options: what goes onto the pages; nothing by default.
        user_id: who the job runs as; demanded with two-legged tokens, and only that user may read the job.
        name: a name for the file, for `export_many`.

    Raises:
        InputError: too many sheets, a name that is too long, or no user.
        APSError: as `Session.request`.
    """
    requests = export_requests(project_id, sheet_ids, options=options, user_id=user_id, name=name)
    return await start(session, acc.the_only(requests, SERVICE))


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Starts what a request describes; see `start_export`."""
    return await acc.start(session, request, SERVICE)


async def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> ExportJob:
    """Asks once how an export stands (`GET …/exports/:exportId`; scope `data:read`; 100 a minute).

    Raises:
        NotFoundError: no such job, or another user's.
        APSError: as `Session.request`.
    """
    return await acc.get_export(session, ref, SERVICE, retry=retry)


async def list_version_sets(
    session: Session, project_id: str, *, user_id: str | None = None
) -> AsyncIterator[VersionSet]:
    """The version sets of a project (`GET …/version-sets`; scope `data:read`)."""
    path = f"{_base(project_id)}/version-sets"
    offset, new = 0, NewItems(path)
    while True:
        page = await session.request(
            VERSION_SETS,
            "GET",
            path,
            into=_Sets,
            query={"offset": offset, "limit": PAGE},
            user_id=user_id,
        )
        for found in new.of_page(page.results):
            yield found
        offset += len(page.results) or PAGE  # past a page of which nothing can be read
        if _is_last(page, offset):
            return


async def list_sheets(
    session: Session,
    project_id: str,
    *,
    version_set: str | None = None,
    current_only: bool = True,
    user_id: str | None = None,
) -> AsyncIterator[Sheet]:
    """The published sheets of an ACC project (`GET …/sheets`; scope `data:read`; 100 a page).

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        version_set: only this one, by name (case does not matter) or id.
        current_only: leave out what a later version set replaced; with a version set named, its own sheets all come.
        user_id: the acting user of a two-legged call.

    Raises:
        NotFoundInProjectError: no such version set; the message lists what there is.
        APSError: as `Session.request`.
    """
    query: dict[str, str | int | bool] = {"currentOnly": current_only and version_set is None, "limit": PAGE}
    if version_set is not None:
        query["filter[versionSetId]"] = await _version_set(session, project_id, version_set, user_id)
    path = f"{_base(project_id)}/sheets"
    offset, new = 0, NewItems(path)
    while True:
        query["offset"] = offset
        page = await session.request(LIST, "GET", path, into=_Sheets, query=query, user_id=user_id)
        for found in new.of_page(page.results):
            if not found.deleted:
                yield _sheet(project_id, found)
        offset += len(page.results) or PAGE
        # Offsets and not nextUrl: the two say the same, and an offset cannot lead to another host.
        if _is_last(page, offset):
            return


def _is_last(page: "_Sheets | _Sets", offset: int) -> bool:
    total = page.pagination.total_results if page.pagination else None
    return offset >= total if total is not None else len(page.results) < PAGE


async def _version_set(session: Session, project_id: str, wanted: str, user_id: str | None) -> str:
    known = [each async for each in list_version_sets(session, project_id, user_id=user_id)]
    if matches := named(wanted, known, lambda each: (each.id, each.name)):
        return matches[0].id
    shown = ", ".join(each.name for each in known) or "none"
    raise NotFoundInProjectError(f"there is no version set {wanted!r}; the project has {shown}")


def _sheet(project_id: str, found: _Found) -> Sheet:
    return Sheet(
        kind=ExportKind.SHEETS,
        project_id=bare_id(project_id),
        id=found.id,
        number=found.number or found.title or found.id,
        title=found.title or "",
        folder_path=found.version_set.name if found.version_set else "",
        source_file_name=found.upload_file_name,
    )


def _base(project_id: str) -> str:
    return f"/construction/sheets/v1/projects/{path_part(bare_id(project_id))}"
