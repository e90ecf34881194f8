"""Lists the sheets of a project that a selection chooses."""

import asyncio
from collections.abc import Sequence

from attrs import evolve

from aps_async.errors import APSError, NotExportableError
from aps_async.exports.project import get_sheet, list_sheets
from aps_async.ids import is_item_urn, is_version_urn
from aps_async.models import LeftOut, Project, Sheet
from aps_async.resources.projects import as_project
from aps_async.resources.walking import folder_path, known_folder
from aps_async.session import Session
from aps_async.sync.selection import Selected, Selection, decoded_text, find_sheets, select
from aps_async.sync.sheets import ProjectSheet
from aps_async.text import NameIndex

__all__ = ["list_selected", "with_path"]
__dir__: object = __all__.copy


async def list_selected(
    session: Session,
    project: Project | str,
    selection: Selection,
    *,
    user_id: str | None = None,
    allow_unmatched: bool = False,
) -> Selected:
    """Lists a project's sheets and chooses among them.

    URNs in a BIM 360 project are looked up one by one, and may be those of older versions. Everything else needs a list
    of the project, or of the folder, version set or collection.

    Args:
        session: the session; scope `data:read`.
        project: a `Project`, its id or its name.
        selection: what to choose.
        user_id: the acting user of a two-legged call.
        allow_unmatched: return texts of `Selection.sheet` that match nothing as `Selected.unmatched`, without raising.

    Raises:
        InputError: the selection cannot be used with this kind of project, see `Selection.check`.
        NotFoundInProjectError: there is no such project, folder, version set, collection, tag, pattern or sheet; the
            message lists similar ones.
        APSError: as `list_sheets`.
    """
    selection.check_address(project)
    found = await as_project(session, project, user_id=user_id)
    selection.check(found)
    selection = await with_path(session, found, selection, user_id)
    urns = _urns(selection) if found.is_bim360 and selection.folder is None else {}
    looked_up = await asyncio.gather(*(_looked_up(session, found, urn, user_id) for urn in urns.values()))
    failed = {text: each for text, each in zip(urns, looked_up, strict=True) if isinstance(each, APSError)}
    sheets = {each.id: each for each in looked_up if isinstance(each, Sheet)}
    left_out: list[LeftOut] = []
    if set(selection.sheet) - set(urns) or selection.match or not urns:
        folder = selection.folder or selection.sheet_set
        listed = list_sheets(
            session,
            found,
            folder=folder,
            collection=selection.collection,
            user_id=user_id,
            on_left_out=left_out.append,
        )
        sheets |= {each.id: each async for each in listed}
    failed |= _not_exportable(selection, list(sheets.values()), left_out)
    if failed and not allow_unmatched:
        raise next(iter(failed.values()))
    remaining = tuple(text for text in selection.sheet if text not in failed)
    if failed and not remaining and not selection.match:
        return Selected(chosen=(), unmatched=failed, left_out=tuple(left_out))
    items = [ProjectSheet(sheet=each, project=found) for each in sheets.values()]
    selected = select(items, evolve(selection.anywhere, sheet=remaining), allow_unmatched=allow_unmatched)
    return evolve(selected, unmatched={**failed, **selected.unmatched}, left_out=tuple(left_out))


async def with_path(session: Session, project: Project, selection: Selection, user_id: str | None) -> Selection:
    """BIM 360: the selection with its folder by path instead of URN, since sheets do not know the URN of theirs.

    Raises:
        APSError: as `get_folder`.
    """
    folder = await known_folder(session, project, selection.folder, user_id) if project.is_bim360 else None
    if isinstance(folder, str):
        return evolve(selection, folder=folder)
    if folder is None or (folder.actions and not folder.is_plans):  # such a one is refused by the list
        return selection
    return evolve(selection, folder=await folder_path(session, project, folder, user_id))


def _urns(selection: Selection) -> dict[str, str]:
    """The texts that are URNs of items or versions, with the URNs in plain form."""
    decoded = {text: decoded_text(text) for text in selection.sheet}
    return {text: urn for text, urn in decoded.items() if is_item_urn(urn) or is_version_urn(urn)}


def _not_exportable(selection: Selection, sheets: Sequence[Sheet], left_out: Sequence[LeftOut]) -> dict[str, APSError]:
    """The texts that name only what cannot be exported, with the error for each."""
    exportable = NameIndex(sheets, lambda each: (each.number, each.id, each.item_id or each.id))
    others = NameIndex(left_out, lambda each: (each.name, each.id, each.version_urn or each.id))
    found = {text: find_sheets(others, text) for text in selection.sheet if not find_sheets(exportable, text)}
    return {text: NotExportableError(str(each[0])) for text, each in found.items() if each}


async def _looked_up(session: Session, project: Project, urn: str, user_id: str | None) -> Sheet | APSError:
    try:
        return await get_sheet(session, project, urn, user_id=user_id)
    except APSError as problem:
        return problem
