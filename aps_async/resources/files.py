"""ACC Files: PDF, DWG and RVT files as PDF, one file or a ZIP of many.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/document-management-projects-project_id-exports-POST/
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from aps_async.ids import bare_id, check_project, id_list, is_version_urn, version_urn
from aps_async.models import (
    ExportJob,
    ExportKind,
    ExportOptions,
    ExportRef,
    ExportRequest,
    Folder,
    Item,
    ItemWarning,
    Project,
    Version,
)
from aps_async.resources import acc
from aps_async.resources.reading import FolderReader
from aps_async.resources.walking import Walk, first_folders, newest
from aps_async.session import Session
from aps_async.transport.quotas import Endpoint
from aps_async.transport.retry import call_deadline

__all__ = ["EXTENSIONS", "SERVICE", "get_export", "list_files", "make_requests", "start", "start_export"]
__dir__: object = __all__.copy

SERVICE = acc.Service(
    name="files",
    start=Endpoint("files.export_start", 100, repeatable=False, token="user"),  # a repeat starts another job
    status=Endpoint("files.export_status", 200, token="user"),
    key="fileVersions",
    limit=200,
    what="files",
    has_assets=False,
)
EXTENSIONS = (".pdf", ".dwg", ".rvt")


def make_requests(
    project_id: str,
    version_ids: str | Iterable[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
    allow_partial: bool = True,
) -> list[ExportRequest]:
    """Requests for any number of files: one job for every 200 of them.

    The result is a PDF for a single PDF, and a ZIP for several files or for a DWG or RVT.

    Raises:
        InputError: an id is not valid, or there are no ids.
    """
    ids = id_list(version_ids)
    for each in ids:
        check_project(each, project_id)
    request = ExportRequest(
        kind=ExportKind.FILES,
        project_id=bare_id(project_id),
        source_ids=tuple(version_urn(each) for each in ids),
        options=options or ExportOptions(),
        user_id=user_id,
        name=name,
        allow_partial=allow_partial,
    )
    return acc.batches(request, SERVICE)


async def start_export(
    session: Session,
    project_id: str,
    version_ids: str | Iterable[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
    allow_partial: bool = True,
    timeout: float | None = None,
) -> ExportJob:
    """Starts one export of up to 200 files (`POST construction/files/v1/…/exports`; scope `data:write`; 100 a minute).

    Every call starts another job, so it is repeated only if it certainly never arrived. The files need download
    permission; DWG files uploaded before May 2023 and Revit before 2022 cannot be exported.

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        version_ids: version URNs of PDF, DWG or RVT files, in any form, as a list or in one text with commas between.
        options: what goes onto the pages; nothing by default.
        user_id: the user that the job runs as; required with two-legged tokens, and only that user may read the job.
        name: a name for the file, for `export_many`.
        allow_partial: whether a result with missing files is accepted.
        timeout: seconds for everything: the quota, the token and all attempts; None: no limit.

    Raises:
        CallTimeoutError: `timeout` is over; the job may still have been started.
        InputError: there are too many files, an id is not valid, the name is too long, or the user is missing.
        ResponseError: 422 if all files together exceed 10 GB.
        APSError: as `Session.request`.
    """
    async with call_deadline(timeout, "the start of an export"):
        requests = make_requests(
            project_id, version_ids, options=options, user_id=user_id, name=name, allow_partial=allow_partial
        )
        return await start(session, acc.the_only(requests, SERVICE))


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Starts the job of a request; see `start_export`."""
    return await acc.start(session, request, SERVICE)


async def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> ExportJob:
    """Asks once for the status of an export (`GET …/exports/:exportId`; scope `data:read`; 200 a minute).

    Raises:
        NotFoundError: there is no such job, or it is another user's.
        APSError: as `Session.request`.
    """
    return await acc.get_export(session, ref, SERVICE, retry=retry)


async def list_files(
    session: Session, project: Project, *, folder: Folder | str | None = None, user_id: str | None = None
) -> AsyncGenerator[tuple[Item, Version], None]:
    """The files of a project that ACC can export, with their newest versions, folder by folder.

    Left out are files other than PDF, DWG and RVT, hidden or deleted files and folders, service folders, older
    versions, and everything that the app or the user may not see.

    Args:
        session: the session.
        project: an ACC project.
        folder: only this folder and its subfolders: a `Folder`, a path from a top folder down, or a folder URN.
        user_id: the acting user of a two-legged call.

    Raises:
        NotFoundInProjectError: there is no such folder; the message lists the existing ones.
        APSError: as `Session.request`.
    """
    ahead = await first_folders(session, project, folder, user_id)
    walk = Walk(session, project)
    async with aclosing(FolderReader(session, project.id, user_id=user_id, by_level=True)) as reader:
        reader.expect(ahead)
        while ahead:
            at = ahead.pop(0)
            async for page in reader.pages(at):
                ahead += walk.enters([entry for entry in page if isinstance(entry, Folder)])
                for entry in page:
                    if isinstance(entry, Folder) or not _is_wanted(entry[0]):
                        continue
                    if (version := await _newest(session, project, at, *entry, user_id)) is not None:
                        yield entry[0], version


def _is_wanted(item: Item) -> bool:
    return not item.hidden and item.name.lower().endswith(EXTENSIONS)


async def _newest(
    session: Session, project: Project, folder: Folder, item: Item, version: Version | None, user_id: str | None
) -> Version | None:
    found = await newest(session, project, item, version, user_id)
    if found is None or is_version_urn(found.urn):
        return found
    problem = f"its newest version has the id {found.urn!r}"
    session.warn(ItemWarning(call=f"the files in {folder.path}", id=item.id, reason=problem, left_out=True))
    return None
