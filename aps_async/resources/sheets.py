"""ACC Sheets: published sheets of ACC Build as one PDF.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/sheets-exports-POST/
"""

from collections.abc import AsyncGenerator, AsyncIterator, Container, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from attrs import evolve, frozen

from aps_async.errors import InputError, NotFoundInProjectError
from aps_async.ids import bare_id, decoded_urn, id_list, is_folder_urn, path_part, shown
from aps_async.models import (
    Collection,
    ExportJob,
    ExportKind,
    ExportOptions,
    ExportRef,
    ExportRequest,
    Sheet,
    SheetIdentity,
)
from aps_async.resources import acc
from aps_async.resources.jsonapi import HasId
from aps_async.resources.offsets import PAGE, OffsetPage, listed
from aps_async.resources.sheet_pages import CollectionPage, SetPage, SheetPage, VersionSet, sheet_of
from aps_async.session import Session
from aps_async.text import NameIndex, listing, named
from aps_async.transport.quotas import Endpoint
from aps_async.transport.request import Query
from aps_async.transport.retry import call_deadline

__all__ = [
    "ALL",
    "BATCH_GET",
    "BATCH_LIMIT",
    "COLLECTIONS",
    "LIST",
    "SERVICE",
    "VERSION_SETS",
    "SheetIndex",
    "SheetStatus",
    "VersionSet",
    "forms",
    "get_export",
    "get_sheets",
    "list_collections",
    "list_sheets",
    "list_version_sets",
    "make_requests",
    "start",
    "start_export",
]
__dir__: object = __all__.copy

SERVICE = acc.Service(
    name="sheets",
    start=Endpoint("sheets.export_start", 100, repeatable=False, token="user"),  # a repeat starts another job
    status=Endpoint("sheets.export_status", 100, token="user"),
    key="sheets",
    limit=1000,
    what="sheets",
    has_assets=True,
)
LIST = Endpoint("sheets.list", 100, large=True)
VERSION_SETS = Endpoint("sheets.version_sets", 100, large=True)
COLLECTIONS = Endpoint("sheets.collections", 100, large=True)
_PAGES_AHEAD = 4
ALL = "*"
"""The `collectionId` of all collections; without one the service returns ungrouped sheets only."""


class _Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)
Item = TypeVar("Item", bound=HasId)


def make_requests(
    project_id: str,
    sheet_ids: str | Iterable[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
    identity: SheetIdentity | None = None,
) -> list[ExportRequest]:
    """Requests for any number of sheets: one job, and one PDF, for every 1,000 of them.

    For one PDF per sheet make one request per sheet, as `Sheet.to_request` does; a request made here for a single sheet
    needs `identity`, so that a ledger can distinguish its revisions from other sheets of the same name.

    Raises:
        InputError: there are none.
    """
    request = ExportRequest(
        kind=ExportKind.SHEETS,
        project_id=bare_id(project_id),
        source_ids=tuple(bare_id(each, "sheet") for each in id_list(sheet_ids)),
        options=options or ExportOptions(),
        user_id=user_id,
        name=name,
        identity=identity,
    )
    return acc.batches(request, SERVICE)


async def start_export(
    session: Session,
    project_id: str,
    sheet_ids: str | Iterable[str],
    *,
    options: ExportOptions | None = None,
    user_id: str | None = None,
    name: str | None = None,
    timeout: float | None = None,
) -> ExportJob:
    """Starts the export of up to 1,000 sheets into one PDF (`POST construction/sheets/v1/…/exports`; 100 a minute).

    Every call starts another job, so it is repeated only when it certainly never arrived. Scope `data:write`.

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        sheet_ids: UUIDs of published sheets, in the order of the pages, as a list or in one text with commas between.
        options: what goes onto the pages; nothing by default.
        user_id: the user that the job runs as; required with two-legged tokens, and only that user may read the job.
        name: a name for the file, for `export_many`.
        timeout: seconds for everything: the quota, the token and all attempts; None: no limit.

    Raises:
        CallTimeoutError: `timeout` is over; the job may still have been started.
        InputError: there are too many sheets, an id is not valid, the name is too long, or the user is missing.
        APSError: as `Session.request`.
    """
    async with call_deadline(timeout, "the start of an export"):
        requests = make_requests(project_id, sheet_ids, options=options, user_id=user_id, name=name)
        return await start(session, acc.the_only(requests, SERVICE))


async def start(session: Session, request: ExportRequest) -> ExportJob:
    """Starts the job of a request; see `start_export`."""
    return await acc.start(session, request, SERVICE)


async def get_export(session: Session, ref: ExportRef, *, retry: bool = True) -> ExportJob:
    """Asks once for the status of an export (`GET …/exports/:exportId`; scope `data:read`; 100 a minute).

    Raises:
        NotFoundError: there is no such job, or it is another user's.
        APSError: as `Session.request`.
    """
    return await acc.get_export(session, ref, SERVICE, retry=retry)


async def list_collections(
    session: Session, project_id: str, *, user_id: str | None = None
) -> AsyncIterator[Collection]:
    """The collections of an ACC project (`GET …/collections`; scope `data:read`; 100 a page).

    Nothing is known to be left out. Ungrouped sheets belong to no collection, so a project may list none and still have
    sheets.

    Raises:
        APSError: as `Session.request`.
    """
    path = f"{_base(project_id)}/collections"
    async for found in _paged(session, COLLECTIONS, path, CollectionPage, {}, user_id):
        yield found


async def list_version_sets(
    session: Session, project_id: str, *, collection: str | None = None, user_id: str | None = None
) -> AsyncIterator[VersionSet]:
    """The version sets of an ACC project (`GET …/version-sets`; scope `data:read`; 100 a page).

    Asks for all collections, since the service's default leaves out those in a collection. Whether it leaves out
    deleted version sets is not documented.

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        collection: only those of this collection, by name (case does not matter) or id; all by default, ungrouped ones
            included.
        user_id: the acting user of a two-legged call.

    Raises:
        NotFoundInProjectError: there is no such collection, or several of that name; the message lists them.
        APSError: as `Session.request`.
    """
    collection_id = await _collection_id(session, project_id, collection, user_id)
    async for found in _version_sets(session, project_id, collection_id, user_id):
        yield found


async def list_sheets(
    session: Session,
    project_id: str,
    *,
    version_set: str | None = None,
    collection: str | None = None,
    current_only: bool = True,
    user_id: str | None = None,
) -> AsyncGenerator[Sheet, None]:
    """The published sheets of an ACC project (`GET …/sheets`; scope `data:read`; 100 a page).

    Asks for all collections, since the service's default leaves out every sheet in a collection. Left out are
    unpublished and deleted sheets, and unless asked for, sheets that a later version set replaced. Several pages are
    read at once; leaving the loop early needs `contextlib.aclosing` around it, which ends the calls.

    Args:
        session: the session.
        project_id: an ACC project, with or without `b.`.
        version_set: only this one, by name (case does not matter) or id.
        collection: only this one, by name (case does not matter) or id; all by default, ungrouped sheets included.
        current_only: leave out what a later version set replaced; with `version_set`, all of its sheets are listed.
        user_id: the acting user of a two-legged call.

    Raises:
        InputError: the version set is the URN of a folder, which contains files.
        NotFoundInProjectError: there is no such version set or collection, or several of that name, such as version
            sets in two collections; the message lists them.
        APSError: as `Session.request`.
    """
    collection_id = await _collection_id(session, project_id, collection, user_id)
    query: dict[str, str | int | bool] = {
        "collectionId": collection_id,
        "currentOnly": current_only and version_set is None,
    }
    if version_set is not None:
        if _is_folder(version_set):
            raise InputError(
                f"{shown(version_set)} is a folder of files, and ACC (Forma) keeps sheets in version sets: leave it "
                "out for all sheets, name a version set, or export the folder's files instead"
            )
        known = [each async for each in _version_sets(session, project_id, collection_id, user_id)]
        query["filter[versionSetId]"] = _named(version_set, known, "version set").id
    seen: set[SheetIdentity | None] = set()
    async with aclosing(_paged(session, LIST, f"{_base(project_id)}/sheets", SheetPage, query, user_id)) as listed:
        async for found in listed:
            if not found.deleted:
                sheet = sheet_of(project_id, found)
                if found.is_current is not False:  # or it is an older revision of another
                    sheet = _distinct(sheet, seen)
                    seen.add(sheet.identity)
                yield sheet


def _is_folder(text: str) -> bool:
    try:
        return is_folder_urn(decoded_urn(text, "folder"))
    except InputError:  # a name
        return False


def _distinct(sheet: Sheet, taken: Container[SheetIdentity | None]) -> Sheet:
    """The sheet with an identity of its own, though others have its number, and perhaps its title."""
    return next((form for form in forms(sheet) if form.identity not in taken), sheet)


def forms(sheet: Sheet) -> list[Sheet]:
    """The sheet with all identities that it may have; see `SheetIdentity.distinction`."""
    return [evolve(sheet, distinction=text) for text in (None, sheet.title or sheet.id, sheet.id)]


BATCH_GET = Endpoint("sheets.batch_get", 100, large=True)
BATCH_LIMIT = 200
"""Ids in one call. Unconfirmed: the reference names no limit; this is the largest page of the service's lists."""


@frozen
class SheetStatus:
    """What the service shows of a sheet that was asked for by its id, deleted ones included."""

    sheet: Sheet
    is_current: bool
    """False: a later version set has a sheet of this number."""
    deleted: bool


async def get_sheets(
    session: Session, project_id: str, sheet_ids: Sequence[str], *, user_id: str | None = None
) -> dict[str, SheetStatus]:
    """Sheets by their ids (`POST …/sheets:batch-get`; scope `data:read`; 200 a call).

    Returns:
        What is known of each, by id. Ids that do not exist, or may not be seen, are missing.

    Raises:
        APSError: as `Session.request`.
    """
    found: dict[str, SheetStatus] = {}
    ids = list(dict.fromkeys(bare_id(each, "sheet") for each in sheet_ids))
    for start in range(0, len(ids), BATCH_LIMIT):
        page = await session.request(
            BATCH_GET,
            "POST",
            f"{_base(project_id)}/sheets:batch-get",
            into=SheetPage,
            json={"ids": ids[start : start + BATCH_LIMIT]},
            user_id=user_id,
        )
        for each in page.results:
            status = SheetStatus(sheet_of(project_id, each), each.is_current is not False, bool(each.deleted))
            found[each.id] = status
    return found


class SheetIndex:
    """Finds sheets of one list by id or number."""

    def __init__(self, where: str, listed: Iterable[Sheet]) -> None:
        self._where = where
        self._known = NameIndex(listed, lambda sheet: (sheet.id, sheet.number))

    def find(self, wanted: str) -> Sheet:
        """The sheet with this id or number; see `NameIndex`.

        Raises:
            NotFoundInProjectError: there is none, or there are several, such as one number in two collections.
        """
        found = self._known.find(wanted)
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFoundInProjectError(f"{self._where} has no published sheet {wanted!r}")
        shown = ", ".join(f"{each.id} ({_place(each.collection)})" for each in found)
        raise NotFoundInProjectError(
            f"{self._where} has {len(found)} sheets {wanted!r}; give the id of one, or choose a collection: {shown}"
        )


def _paged(
    session: Session, endpoint: Endpoint, path: str, into: type[OffsetPage[Item]], query: Query, user_id: str | None
) -> AsyncGenerator[Item, None]:
    async def read(offset: int) -> OffsetPage[Item]:
        page_query = {**query, "limit": PAGE, "offset": offset}
        return await session.request(endpoint, "GET", path, into=into, query=page_query, user_id=user_id)

    return listed(session, path, read, ahead=_PAGES_AHEAD)


def _version_sets(
    session: Session, project_id: str, collection_id: str, user_id: str | None
) -> AsyncIterator[VersionSet]:
    path = f"{_base(project_id)}/version-sets"
    return _paged(session, VERSION_SETS, path, SetPage, {"collectionId": collection_id}, user_id)


async def _collection_id(session: Session, project_id: str, wanted: str | None, user_id: str | None) -> str:
    if wanted is None:
        return ALL
    known = [each async for each in list_collections(session, project_id, user_id=user_id)]
    return _named(wanted, known, "collection").id


def _named(wanted: str, known: Sequence[Named], what: str) -> Named:
    """The one with this id or name.

    Raises:
        NotFoundInProjectError: there is none, or there are several.
    """
    found = named(wanted, known, lambda each: (each.id,)) or named(wanted, known, lambda each: (each.name,))
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(f"{each.id}{_note(each)}" for each in found)
        raise NotFoundInProjectError(f"{len(found)} {what}s are named {wanted!r}; give the id of one: {ids}")
    names = [each.name for each in known]
    raise NotFoundInProjectError(f"there is no {what} {wanted!r}; the project has {listing(wanted, names)}")


def _note(found: _Named) -> str:
    return f" ({_place(found.collection)})" if isinstance(found, VersionSet) else ""


def _place(collection: Collection | None) -> str:
    return f"collection {collection.name!r}" if collection else "ungrouped"


def _base(project_id: str) -> str:
    return f"/construction/sheets/v1/projects/{path_part(bare_id(project_id))}"
