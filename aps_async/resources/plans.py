"""The sheets of a BIM 360 project: what is in the Plans folder and can be exported.

https://aps.autodesk.com/en/docs/bim360/v1/tutorials/document-management/export-pdf-from-docs-s3/
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial

from attrs import frozen

from aps_async.ahead import ReadAhead
from aps_async.arguments import check_awaited, check_functions
from aps_async.errors import NotAllowedError, NotExportableError, NotFoundError, NotFoundInProjectError
from aps_async.ids import bare_id, check_project, check_whole, decoded_urn, is_item_urn, is_version_urn, shown
from aps_async.lazy import regex
from aps_async.models import Folder, Item, ItemWarning, LeftOut, Project, Sheet, Version
from aps_async.resources.projects import (
    Entry,
    as_project,
    get_item,
    get_tip,
    get_version,
    list_top_folders,
    product_of,
)
from aps_async.resources.reading import FolderReader
from aps_async.resources.sheet_names import BATCH_LIMIT, with_names
from aps_async.resources.walking import Walk, descend, known_folder, newest
from aps_async.session import Session
from aps_async.threads import stopped

__all__ = [
    "READY",
    "KnownSheets",
    "OnLeftOut",
    "bim360_project",
    "get_sheet",
    "has_known_name",
    "is_deleted",
    "is_document",
    "list_sheets",
    "why_not",
]
__dir__: object = __all__.copy

READY = "PROCESSING_COMPLETE"
_BATCHES_AHEAD = 4
_MOST_WAIT = 1000
"""Sheets that wait for a full batch, if the names of most are known."""

_DOCUMENT = regex(r"(?i)bim360[:.]Document$")  # the reference also spells it with a dot
_FILE = regex(r"(?i):(File|C4RModel)$")
"""Uploaded files, which are beside the sheets. Items of unknown types are reported."""

_log = logging.getLogger(__name__)


OnLeftOut = Callable[[LeftOut], object]
"""Called with everything that a list finds and does not return."""
KnownSheets = Callable[[Sequence[str]], Awaitable[Mapping[str, Sheet]]]
"""Returns the sheets of an earlier list that have these ids, by id."""


async def list_sheets(
    session: Session,
    project: Project | str,
    *,
    folder: Folder | str | None = None,
    user_id: str | None = None,
    known: KnownSheets | None = None,
    on_left_out: OnLeftOut | None = None,
) -> AsyncGenerator[Sheet, None]:
    """The sheets that can be exported, in the service's order: of a folder, and then of the folders in it.

    Walks the Plans folder (the one whose uploads are split into sheets, whatever it is called) and everything below.
    Left out are uploaded files, hidden or deleted items and folders, older versions, and what the app or the user may
    not see; and, each reported to `on_left_out`, sheets that are still being processed or do not come from a PDF file,
    and subfolders that may not be listed. The walk costs one call per 200 entries of a folder, and one more per 50
    sheets for their numbers and titles. Several calls run at once, ahead of the loop; leaving the loop early needs
    `contextlib.aclosing` around it, which ends them. A folder of more than 200 entries is listed in parts, each
    followed by what is below it.

    Args:
        session: the session; scope `data:read`.
        project: a `Project`, its id or its name.
        folder: only this folder and what is below: a `Folder`, a path such as `Plans/Architecture` or `Architecture`
            (case does not matter), or a folder URN.
        user_id: the acting user of a two-legged call.
        known: called with the ids of each page: sheets of an earlier list that were not modified since keep their
            numbers and titles, and cost no call.
        on_left_out: called with each sheet and folder that is left out; None: sheets are logged at INFO, folders are
            warnings of the session.

    Raises:
        NotExportableError: the project is not a BIM 360 project; the message says what to use instead.
        NotFoundInProjectError: there is no such project or folder, or no Plans folder; the message lists those that
            exist.
        APSError: as `Session.request`.
    """
    check_awaited(known=known)
    check_functions(on_left_out=on_left_out)
    check_whole(project, folder)
    found = await bim360_project(session, project, user_id=user_id)
    starts = await _starts(session, found, folder, user_id)
    walk = _Walk(session, found, user_id, known, on_left_out or partial(_report, session, found))
    async with aclosing(walk.sheets(starts)) as sheets:
        async for sheet in sheets:
            yield sheet


async def get_sheet(session: Session, project: Project | str, sheet_id: str, *, user_id: str | None = None) -> Sheet:
    """One sheet by its version URN, or by its item URN for the newest version.

    Raises:
        NotExportableError: it exists but is an uploaded file, hidden, still being processed, or not in a BIM 360
            project; the message says what to use instead.
        NotFoundError: there is no such item or version.
        NotFoundInProjectError: this is not an item or version URN.
        APSError: as `Session.request`.
    """
    found = await bim360_project(session, project, user_id=user_id)
    check_project(sheet_id, found.id)
    urn = decoded_urn(sheet_id, "version", "item")
    if not is_item_urn(urn) and not is_version_urn(urn):
        raise NotFoundInProjectError(f"{shown(sheet_id)} is not a sheet: expected the item or version URN of one")
    version = await get_version(session, found.id, urn, user_id=user_id) if is_version_urn(urn) else None
    item_id = version.item_id if version else urn
    item = await get_item(session, found.id, item_id, user_id=user_id) if item_id else None
    if item is not None and item.hidden:
        raise NotExportableError(f"{item.name} ({urn}) is hidden or deleted; restore it, or export another sheet")
    if version is None:
        version = await get_tip(session, found.id, urn, user_id=user_id)
    if reason := why_not(version):
        raise NotExportableError(f"{version.name} ({version.urn}) {reason}")
    [sheet] = await with_names(session, [_sheet(bare_id(found.id), "", version.item_id or "", item, version)], user_id)
    return sheet


async def bim360_project(session: Session, project: Project | str, *, user_id: str | None = None) -> Project:
    """The project, if BIM 360's export works in it.

    Raises:
        NotExportableError: it is an ACC project, or of a kind we do not know.
        NotFoundInProjectError: there is no project of that id or name.
    """
    found = await as_project(session, project, user_id=user_id)
    if found.is_bim360:
        return found
    instead = "use the exports of ACC Sheets or ACC Files instead" if found.is_acc else "it has no Plans folder"
    raise NotExportableError(
        f"{found.name} ({found.id}) is a project of type {product_of(found)}, not BIM 360: {instead}"
    )


async def _starts(
    session: Session, project: Project, folder: Folder | str | None, user_id: str | None
) -> Sequence[Folder]:
    """The folders to walk: those that split uploads, or the one that was asked for."""
    folder = await known_folder(session, project, folder, user_id)
    if isinstance(folder, Folder):
        if folder.actions and not folder.is_plans:
            raise NotExportableError(
                f"the folder {folder.name!r} is not below a Plans folder; only sheets below one can be exported"
            )
        return (folder,)
    top = await list_top_folders(session, project, user_id=user_id)
    plans = [each for each in top if each.is_plans]
    if not plans:
        shown = ", ".join(each.name for each in top if not each.hidden) or "none"
        raise NotFoundInProjectError(
            f"{project.name} has no Plans folder that this app or user may see (top folders: {shown}). "
            "Only sheets below a Plans folder can be exported"
        )
    if folder is None:
        return plans
    return (await descend(session, project, plans, folder, user_id),)


@frozen
class _Walk:
    """Through folders and everything below them, in the service's order."""

    session: Session
    project: Project
    user_id: str | None
    known: KnownSheets | None
    leave_out: OnLeftOut

    async def sheets(self, starts: Sequence[Folder]) -> AsyncGenerator[Sheet, None]:
        """The sheets that can be exported."""
        asking: set[asyncio.Task[list[Sheet]]] = set()
        try:
            async with aclosing(ReadAhead(self._batches(starts, asking), limit=_BATCHES_AHEAD, size=1)) as batches:
                async for [batch] in batches:
                    for sheet in await batch:
                        yield sheet
                    asking.discard(batch)
        finally:
            await stopped(asking)

    async def _batches(
        self, starts: Sequence[Folder], asking: "set[asyncio.Task[list[Sheet]]]"
    ) -> AsyncGenerator["asyncio.Task[list[Sheet]]", None]:
        """Asks for numbers and titles, 50 at once; only the first sheets do not wait for others."""

        def ask() -> "asyncio.Task[list[Sheet]]":
            task = asyncio.create_task(with_names(self.session, waiting.copy(), self.user_id))
            asking.add(task)
            waiting.clear()
            return task

        waiting, nameless, is_first = list[Sheet](), 0, True
        try:
            async with aclosing(self._pages(starts)) as pages:
                async for page in pages:
                    for sheet in page:
                        waiting.append(sheet)
                        nameless += not sheet.number
                        if nameless == BATCH_LIMIT or len(waiting) == _MOST_WAIT:
                            yield ask()
                            is_first, nameless = False, 0
                    if waiting and (is_first or not nameless):
                        yield ask()
                        is_first, nameless = False, 0
        except Exception:
            if waiting:
                yield ask()
            raise
        if waiting:
            yield ask()

    async def _pages(self, starts: Sequence[Folder]) -> AsyncGenerator[list[Sheet], None]:
        walk = Walk(self.session, self.project)
        async with aclosing(FolderReader(self.session, self.project.id, user_id=self.user_id)) as reader:
            reader.expect(starts)
            ahead = [(each, reader.pages(each)) for each in reversed(starts)]
            while ahead:
                folder, pages = ahead.pop()
                try:
                    if (page := await anext(pages, None)) is None:
                        continue
                    yield await self._on_page(folder, page)
                except (NotAllowedError, NotFoundError) as problem:
                    if folder in starts:
                        raise
                    reason = f"could not be listed: {problem}"
                    self.leave_out(LeftOut(id=folder.id, name=folder.name, folder_path=folder.path, reason=reason))
                    continue
                ahead.append((folder, pages))
                below = walk.enters([entry for entry in page if isinstance(entry, Folder)])
                ahead.extend((each, reader.pages(each)) for each in reversed(below))

    async def _on_page(self, folder: Folder, page: Sequence[Entry]) -> list[Sheet]:
        entries = [entry for entry in page if not isinstance(entry, Folder)]
        found = [(entry[0], version) for entry in entries if (version := await self._exportable(folder, *entry))]
        known: Mapping[str, Sheet] = {}
        if self.known is not None and found:
            known = await self.known([each.urn for _, each in found])
        project_id = bare_id(self.project.id)
        return [
            _sheet(project_id, folder.path, item.id, item, version, known.get(version.urn)) for item, version in found
        ]

    async def _exportable(self, folder: Folder, item: Item, version: Version | None) -> Version | None:
        if item.hidden or _FILE.search(item.type):
            return None
        version = await newest(self.session, self.project, item, version, self.user_id)
        if version is None or (reason := why_not(version)) is None:
            return version
        if not is_deleted(version) and (is_document(item.type) or not _FILE.search(version.type)):
            self.leave_out(
                LeftOut(
                    id=item.id,
                    name=item.name,
                    folder_path=folder.path,
                    reason=reason,
                    version=version.number,
                    version_urn=version.urn,
                )
            )
        return None


def _report(session: Session, project: Project, found: LeftOut) -> None:
    if found.is_folder:
        call = f"folders of project {project.id}"
        session.warn(ItemWarning(call=call, id=found.id, reason=str(found), left_out=True))
    else:
        _log.info("left out: %s %s", found.name, found.reason)


def is_deleted(version: Version) -> bool:
    """Whether this version marks the deletion of its item."""
    return version.type.endswith(":Deleted")


def is_document(extension_type: str) -> bool:
    """Whether the type of an item or version is that of a sheet, and not of an uploaded file."""
    return _DOCUMENT.search(extension_type) is not None


def why_not(version: Version) -> str | None:
    """What keeps a version from being exported, and what to use instead; None if nothing does."""
    if is_deleted(version):
        return "is deleted; export an earlier version, or restore it"
    if not is_document(version.type) and not _FILE.search(version.type):
        return f"is of the unknown type {version.type!r:.100}" if version.type else "has no type"
    if not is_document(version.type):
        return "is an uploaded file, not a sheet: export the sheets split from it, or download the file itself"
    if not (version.source_file_name or "").strip().lower().endswith(".pdf"):
        return f"comes from {version.source_file_name or 'an unknown file'}; only sheets of PDF files can be exported"
    if version.process_state is not None and version.process_state.upper() != READY:
        return f"is still being processed ({version.process_state}); try again when Docs shows it"
    return None


def has_known_name(modified_at: datetime | None, earlier: Sheet) -> bool:
    """Whether a version still has the number and title of an earlier list: it was not modified since."""
    return modified_at is not None and modified_at == earlier.modified_at


def _sheet(
    project_id: str, folder_path: str, item_id: str, item: Item | None, version: Version, earlier: Sheet | None = None
) -> Sheet:
    """A sheet as Data Management knows it: without number, title and revision, unless an earlier list has them."""
    times = [each.modified_at for each in (item, version) if each is not None and each.modified_at is not None]
    modified_at = max(times, default=None)
    named = earlier if earlier is not None and has_known_name(modified_at, earlier) else None
    return Sheet(
        project_id=project_id,
        id=version.urn,
        item_id=item_id,
        number=named.number if named else "",
        title=named.title if named else version.name,
        revision=named.revision if named else None,
        folder_path=folder_path,
        version=version.number,
        source_file_name=version.source_file_name,
        changed_at=version.created_at,
        modified_at=modified_at,
    )
