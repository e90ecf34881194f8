"""Lists and exports a whole project, with the same functions for BIM 360 and ACC: which one it is, is looked up."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Literal, overload

from aps_async.arguments import check_awaited, check_functions, check_not_async
from aps_async.downloads.storage import Storage
from aps_async.errors import InputError, NotExportableError
from aps_async.exports.batches import batch_for
from aps_async.exports.bulk import BulkProgress, export_many
from aps_async.ids import bare_id, check_whole
from aps_async.ledger import Ledger
from aps_async.models import (
    Collection,
    ExportOptions,
    ExportOutcome,
    ExportRequest,
    Folder,
    Project,
    Sheet,
    StoredExport,
    StoredOutcome,
)
from aps_async.policies import Policy
from aps_async.resources import acc, bim360, files, plans, sheets
from aps_async.resources.projects import as_project, product_of
from aps_async.session import Session

__all__ = ["export_project", "get_sheet", "list_collections", "list_sheets", "project_requests"]
__dir__: object = __all__.copy


async def list_collections(
    session: Session, project: Project | str, *, user_id: str | None = None
) -> AsyncIterator[Collection]:
    """The collections of an ACC project's sheets; see `sheets.list_collections`.

    Raises:
        InputError: the project is in BIM 360, which has folders instead of collections.
        APSError: as `list_sheets`.
    """
    found = await as_project(session, project, user_id=user_id)
    _check_collections(found)
    async for collection in sheets.list_collections(session, found.id, user_id=user_id):
        yield collection


async def list_sheets(
    session: Session,
    project: Project | str,
    *,
    folder: Folder | str | None = None,
    collection: str | None = None,
    user_id: str | None = None,
    known: plans.KnownSheets | None = None,
    on_left_out: plans.OnLeftOut | None = None,
) -> AsyncGenerator[Sheet, None]:
    """The sheets of a project that can be exported: from the Plans folder (BIM 360) or the Sheets tool (ACC).

    For what is left out see `plans.list_sheets` (BIM 360) and `sheets.list_sheets` (ACC). Several calls run at once,
    ahead of the loop. To leave the loop early, put `contextlib.aclosing` around it, which ends them.

    Args:
        session: the session; scope `data:read`.
        project: a `Project`, its id or its name.
        folder: BIM 360: only this folder and its subfolders: a `Folder`, a path such as `Plans/Architecture`, or a
            URN. ACC: only this version set, by name or id.
        collection: ACC: only this collection, by name or id; by default all collections and ungrouped sheets.
        user_id: the acting user of a two-legged call.
        known: BIM 360: called with the ids on each page, returns those sheets as an earlier list had them. Numbers and
            titles are taken from there where nothing was modified since.
        on_left_out: BIM 360: called with each sheet and folder that is left out; see `plans.list_sheets`.

    Raises:
        InputError: `collection` is given for a BIM 360 project, which has none, or a `Folder` for an ACC project.
        NotExportableError: the project is in neither BIM 360 nor ACC.
        NotFoundInProjectError: there is no such project, folder or collection, or several of that name, or no Plans
            folder; the message lists the existing ones.
        APSError: as `Session.request`.
    """
    check_awaited(known=known)
    check_functions(on_left_out=on_left_out)
    check_whole(project, folder)
    found = await as_project(session, project, user_id=user_id)
    if collection is not None:
        _check_collections(found)
    if found.is_acc:
        if isinstance(folder, Folder):
            raise InputError(f"{found.name} is an ACC (Forma) project: its sheets are in version sets, not in folders")
        listed = sheets.list_sheets(session, found.id, version_set=folder, collection=collection, user_id=user_id)
    else:
        listed = plans.list_sheets(session, found, folder=folder, user_id=user_id, known=known, on_left_out=on_left_out)
    async with aclosing(listed):
        async for sheet in listed:
            yield sheet


async def get_sheet(
    session: Session,
    project: Project | str,
    sheet_id: str,
    *,
    collection: str | None = None,
    user_id: str | None = None,
) -> Sheet:
    """One sheet: by version or item URN (BIM 360), by UUID or number (ACC).

    Raises:
        InputError: `collection` is given for a BIM 360 project, which has none.
        NotExportableError: BIM 360: it exists, but is an uploaded file, hidden, or still being processed.
        NotFoundInProjectError: ACC: there is no such sheet, or its number occurs in several collections; the message
            lists them.
        NotFoundError: BIM 360: there is no such item or version.
        APSError: as `list_sheets`.
    """
    found = await as_project(session, project, user_id=user_id)
    if collection is not None:
        _check_collections(found)
    if not found.is_acc:
        return await plans.get_sheet(session, found, sheet_id, user_id=user_id)
    # Not by `sheets:batch-get`, which takes ids only, no numbers.
    listed = [each async for each in sheets.list_sheets(session, found.id, collection=collection, user_id=user_id)]
    return sheets.SheetIndex(found.name, listed).find(sheet_id)


async def project_requests(
    session: Session,
    project: Project | str,
    *,
    what: Literal["sheets", "files"] = "sheets",
    folder: Folder | str | None = None,
    collection: str | None = None,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    allow_partial: bool = True,
) -> AsyncGenerator[ExportRequest, None]:
    """Yields requests for all sheets of a project, one PDF each; or for all files of an ACC project, 200 in a ZIP.

    Args:
        session: the session.
        project: a `Project`, its id or its name.
        what: `sheets`, or `files` for the PDF, DWG and RVT files of an ACC project.
        folder: only this folder; see `list_sheets` and `files.list_files`.
        collection: sheets of an ACC project: only this collection; see `list_sheets`.
        options: what goes onto the pages; nothing by default.
        user_id: the acting user; ACC requires one with two-legged tokens.
        allow_partial: whether a ZIP with missing files is accepted.

    Raises:
        NotExportableError: `what` is `files` for a BIM 360 project; its files need no export: download them.
        InputError: the user is missing for an ACC project with a two-legged token; `collection` is given for files or
            for a BIM 360 project; or the service does not have one of the options (asset markups are not for files,
            and BIM 360 has published markups and hyperlinks only). Raised before anything is listed.
        APSError: as `list_sheets`.
    """
    if what not in ("sheets", "files"):
        raise InputError(f"what must be 'sheets' or 'files', not {what!r}")
    check_whole(project, folder)
    found = await as_project(session, project, user_id=user_id)
    if found.is_acc:
        session.check_user(files.SERVICE.start, user_id)
    if what == "sheets":
        if found.is_bim360:
            bim360.check_options(options or ExportOptions())
        listed = list_sheets(session, found, folder=folder, collection=collection, user_id=user_id)
        async with aclosing(listed):
            async for sheet in listed:
                yield sheet.to_request(options, user_id=user_id)
        return
    if not found.is_acc:
        raise NotExportableError(
            f"{found.name} is a BIM 360 project: its files are downloaded as they are (download_urn()); "
            "what is exported there are sheets"
        )
    if collection is not None:
        raise InputError("collections contain sheets only: choose files by folder, or export sheets")
    acc.check_options(options or ExportOptions(), files.SERVICE)
    urns = [version.urn async for _, version in files.list_files(session, found, folder=folder, user_id=user_id)]
    if not urns:
        return
    for request in files.make_requests(
        bare_id(found.id),
        urns,
        options=options,
        user_id=user_id,
        name=f"{found.name} files",
        allow_partial=allow_partial,
    ):
        yield request


@overload
def export_project(
    session: Session,
    project: Project | str,
    folder: str | os.PathLike[str],
    *,
    what: Literal["sheets", "files"] = "sheets",
    source_folder: Folder | str | None = None,
    collection: str | None = None,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    allow_partial: bool = True,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[ExportOutcome, None]: ...


@overload
def export_project(
    session: Session,
    project: Project | str,
    folder: Storage,
    *,
    what: Literal["sheets", "files"] = "sheets",
    source_folder: Folder | str | None = None,
    collection: str | None = None,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    allow_partial: bool = True,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[StoredOutcome, None]: ...


async def export_project(
    session: Session,
    project: Project | str,
    folder: str | os.PathLike[str] | Storage,
    *,
    what: Literal["sheets", "files"] = "sheets",
    source_folder: Folder | str | None = None,
    collection: str | None = None,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    allow_partial: bool = True,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    unpack: bool = False,
    ledger: Ledger | bool = False,
    batch: int | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
) -> AsyncGenerator[ExportOutcome | StoredExport, None]:
    """Exports all sheets or files of a project into a folder or a storage.

    Arguments: see `project_requests` and `export_many`.

    Raises:
        APSError: as both of them; an export that fails is an outcome instead.
    """
    check_not_async(policy=policy)
    check_functions(on_progress=on_progress)
    check_whole(project, source_folder)
    found = await as_project(session, project, user_id=user_id)
    requests = project_requests(
        session,
        found,
        what=what,
        folder=source_folder,
        collection=collection,
        options=options,
        user_id=user_id,
        allow_partial=allow_partial,
    )
    run: AsyncGenerator[ExportOutcome | StoredExport, None] = export_many(
        session,
        requests,
        folder,
        max_concurrent_downloads=max_concurrent_downloads,
        timeout=timeout,
        policy=policy,
        unpack=unpack,
        ledger=ledger,
        batch=batch_for(found, batch),
        on_progress=on_progress,
    )
    async with aclosing(run) as outcomes:
        async for outcome in outcomes:
            yield outcome


def _check_collections(project: Project) -> None:
    if not project.is_acc:
        raise InputError(
            f"{project.name} is a {product_of(project)} project, and only ACC (Forma) projects have collections: "
            "leave the collection out, or choose a folder"
        )
