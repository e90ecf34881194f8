"""Reports a worker's exports to the session's hooks and in the log."""

import asyncio
from contextlib import AbstractContextManager

from attrs import define

from aps_async.exports.outcomes import Delivery, report_began, report_outcome
from aps_async.models import ExportRef
from aps_async.session import Session
from aps_async.transport.export_numbers import working_on
from aps_async.transport.hooks import ExportHandedOver, emit
from aps_async.workers.records import Entry
from aps_async.workers.steps import Delivered

__all__ = ["Reports"]
__dir__: object = __all__.copy

_FORGOTTEN = 3600.0  # seconds of the service: longer than any export takes


@define
class _Begun:
    number: int
    ref: ExportRef | None
    kind: str
    touched: float


class Reports:
    """The exports of this worker as its hooks see them: each begins and ends once, although its steps are separate.

    Without hooks it keeps nothing.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun: dict[int, _Begun] = {}

    def working_on(self, entry: Entry) -> AbstractContextManager[None]:
        """Attributes the events in a `with` block to this export, which begins with its first step."""
        if not self._session.hooks:
            return working_on(None)
        now = asyncio.get_running_loop().time()
        begun = self._begun.get(entry.id)
        if begun is None:
            number = report_began(self._session, entry.request, entry.ref)
            assert number is not None  # noqa: S101 - for the type checker: there are hooks
            begun = self._begun[entry.id] = _Begun(number, entry.ref, str(entry.request.kind), now)
        begun.ref, begun.touched = entry.ref, now
        return working_on(begun.number)

    def ended(self, entry: Entry, file: Delivered | None, problem: BaseException | None) -> None:
        """Reports that an export was delivered or became a dead letter."""
        begun = self._begun.pop(entry.id, None)
        delivery = None if file is None else Delivery(size=file.size, location=file.location)
        number = None if begun is None else begun.number
        report_outcome(
            self._session, entry.request, entry.ref, entry.age, number=number, delivery=delivery, error=problem
        )

    def handed_over(self, export: int) -> None:
        """Reports that another worker continues with an export, or that its run was cancelled."""
        begun = self._begun.pop(export, None)
        if begun is not None:
            emit(self._session.hooks, ExportHandedOver(export_number=begun.number, ref=begun.ref, kind=begun.kind))

    def hand_over(self, *, all_of_them: bool = False) -> None:
        """Reports exports as handed over that this worker has not seen for an hour, or all of them."""
        oldest = asyncio.get_running_loop().time() - _FORGOTTEN / self._session.settings.time_scale
        for export in [each for each, begun in self._begun.items() if all_of_them or begun.touched < oldest]:
            self.handed_over(export)
