"""Finds out whether sheets that are no longer listed were withdrawn, by asking the service about each of them."""

from collections.abc import Sequence

from attrs import define, field, frozen

from aps_async.errors import (
    APSError,
    DecodeError,
    InterceptedError,
    NotAllowedError,
    NotFoundError,
    ServerError,
    TransportError,
)
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import Project
from aps_async.resources import plans, sheets
from aps_async.resources.projects import get_folder, get_item, get_tip, get_version
from aps_async.session import Session
from aps_async.sync.outcomes import SheetState

__all__ = ["Prover", "Verdict"]
__dir__: object = __all__.copy

_LEVELS = 100
_NO_ANSWER = (InterceptedError, ServerError, DecodeError, TransportError)
_TROUBLES = 3
"""Sheets about which the service gives no usable answer, each after all retries, before it is asked about no more."""


@frozen
class Verdict:
    """What the service's response about one sheet means."""

    state: SheetState
    """WITHDRAWN, LEFT_OUT or NOT_LOOKED_AT."""
    reason: str


@define(eq=False)
class Prover:
    """Asks the service about sheets of one project.

    A sheet that is not found is withdrawn only if the same app and user have seen it before: another user may merely
    lack the permission to see it.
    """

    session: Session
    project: Project
    viewer: str
    user_id: str | None = None
    _folders: dict[str, Verdict | None] = field(factory=dict[str, "Verdict | None"], init=False)
    """The verdict that a folder implies for all sheets in it; None: no verdict."""
    _troubles: int = field(default=0, init=False)
    """Sheets about which the service gave no usable answer; see `_TROUBLES`."""

    async def verdicts(self, missing: Sequence[KnownSheet]) -> dict[int, Verdict]:
        """Returns a verdict for each sheet, by its record in the ledger.

        A sheet about which the service has no usable answer is not looked at. All else is done by then, and its file
        stays; the next run asks again.

        Raises:
            APSError: as `Session.request`, except 403, 404, 5xx, unreadable, intercepted and missing responses.
        """
        if self.project.is_acc:
            return await self._acc(missing)
        return {each.record: await self._bim360(each) for each in missing}

    def _trouble(self, problem: APSError) -> Verdict:
        is_cut_off = isinstance(problem, TransportError | InterceptedError)
        self._troubles += _TROUBLES if is_cut_off else 1
        return Verdict(SheetState.NOT_LOOKED_AT, f"the service gave no usable answer: {problem}")

    def _not_found(self, known: KnownSheet) -> Verdict:
        reason = "it is no longer there"
        if known.viewer and known.viewer != self.viewer:
            reason += f", but it was listed before by {known.viewer}"
            return Verdict(SheetState.NOT_LOOKED_AT, reason)
        return Verdict(SheetState.WITHDRAWN, reason)

    async def _bim360(self, known: KnownSheet) -> Verdict:
        session, project, user_id = self.session, self.project.id, self.user_id
        if self._troubles >= _TROUBLES:
            return Verdict(SheetState.NOT_LOOKED_AT, "the service gave no usable answers about other sheets")
        try:
            item_id = known.facts.item_id if known.facts else None
            if item_id is None:
                item_id = (await get_version(session, project, known.source_id, user_id=user_id)).item_id
            if item_id is None:
                return Verdict(SheetState.NOT_LOOKED_AT, "the service does not name its item")
            item = await get_item(session, project, item_id, user_id=user_id)
            if item.hidden:
                return Verdict(SheetState.WITHDRAWN, "it is hidden or deleted")
            if item.folder_id and (gone := await self._why_folder_is_gone(item.folder_id)):
                return gone
            tip = await get_tip(session, project, item_id, user_id=user_id)
        except NotFoundError:
            return self._not_found(known)
        except NotAllowedError as problem:
            return Verdict(SheetState.NOT_LOOKED_AT, f"the service refuses to show it ({problem.code or 'status 403'})")
        except _NO_ANSWER as problem:
            return self._trouble(problem)
        if plans.is_deleted(tip):
            return Verdict(SheetState.WITHDRAWN, "it is deleted")
        if reason := plans.why_not(tip):
            return Verdict(SheetState.LEFT_OUT, f"it {reason}")
        return Verdict(SheetState.NOT_LOOKED_AT, "it is there, but was not listed")

    async def _why_folder_is_gone(self, folder_id: str) -> Verdict | None:
        """Checks the folder: an item in a deleted folder is not marked, and it may have been moved out of Plans."""
        if folder_id not in self._folders:
            self._folders[folder_id] = await self._folder_verdict(folder_id)
        return self._folders[folder_id]

    async def _folder_verdict(self, folder_id: str) -> Verdict | None:
        folder = first = await get_folder(self.session, self.project.id, folder_id, user_id=self.user_id)
        for _ in range(_LEVELS):
            if folder.hidden:
                return Verdict(SheetState.WITHDRAWN, f"its folder {folder.name!r} is hidden or deleted")
            if folder.parent_id is None or folder.parent_id == self.project.root_folder_id:
                break
            try:
                folder = await get_folder(self.session, self.project.id, folder.parent_id, user_id=self.user_id)
            except (NotFoundError, NotAllowedError):  # above the top folder that the user may see
                break
        if first.actions and not first.is_plans:
            return Verdict(SheetState.LEFT_OUT, f"it was moved to {first.name!r}, which is not below a Plans folder")
        return None

    async def _acc(self, missing: Sequence[KnownSheet]) -> dict[int, Verdict]:
        try:
            ids = [each.source_id for each in missing]
            shown = await sheets.get_sheets(self.session, self.project.id, ids, user_id=self.user_id)
        except NotAllowedError as problem:
            reason = f"the service refuses to show sheets ({problem.code or 'status 403'})"
            return {each.record: Verdict(SheetState.NOT_LOOKED_AT, reason) for each in missing}
        except _NO_ANSWER as problem:
            return {each.record: self._trouble(problem) for each in missing}
        return {each.record: self._acc_verdict(each, shown.get(each.source_id)) for each in missing}

    def _acc_verdict(self, known: KnownSheet, found: sheets.SheetStatus | None) -> Verdict:
        if found is None:
            return self._not_found(known)
        if found.deleted:
            return Verdict(SheetState.WITHDRAWN, "it is deleted")
        if known.request.identity not in (None, *(form.identity for form in sheets.forms(found.sheet))):
            return Verdict(SheetState.WITHDRAWN, f"it is now {found.sheet.name}")
        if not found.is_current:
            return Verdict(SheetState.LEFT_OUT, "a later version set has it, which was not listed")
        return Verdict(SheetState.NOT_LOOKED_AT, "it is there, but was not listed")
