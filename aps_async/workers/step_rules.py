"""When a worker repeats a step of an export: after a status call that found it running, and after an error."""

from collections.abc import Callable

from attrs import evolve

from aps_async.errors import DownloadError, NotFoundError
from aps_async.exports.kinds import row_of
from aps_async.exports.pollers import export_rules
from aps_async.models import ExportJob, ExportKind, ExportRef
from aps_async.policies import PollStatus
from aps_async.polling import PollRules
from aps_async.session import Session
from aps_async.transport.retry import may_start_again
from aps_async.workers import steps
from aps_async.workers.records import Entry

__all__ = ["FIRST_WAIT", "FORGOTTEN_AFTER", "TRIES", "is_forgotten", "step_rules"]
__dir__: object = __all__.copy

TRIES = 12
"""Consecutive steps with a transient error before an export becomes a dead letter: enough for an outage of an hour."""
FIRST_WAIT, _LONGEST_WAIT = 5.0, 900.0
"""Seconds before the first repetition after an error, and at most; doubled in between."""
FORGOTTEN_AFTER = 600.0
"""Seconds after its start, before which a job that is not found is taken for one that was never there."""


def is_forgotten(entry: Entry, problem: BaseException, scale: float) -> bool:
    """Whether the service no longer has the job of an export, as after days without any worker, or after a restore.

    Only of a job that is old enough: one that the service has never known would be started again and again.
    """
    return isinstance(problem, NotFoundError) and entry.age > FORGOTTEN_AFTER * scale


def step_rules(
    session: Session, entry: Entry, interval: Callable[[ExportKind], float], scale: float
) -> PollRules[ExportJob]:
    """The rules for an export whose steps are made one by one, by whichever worker holds it.

    Args:
        session: the worker's session.
        entry: the export; without a reference it is still to be started.
        interval: returns the seconds between two status calls of an export, given its kind.
        scale: seconds here for each second of the service; see `Worker`.
    """

    def not_yet(error: Exception, status: PollStatus[ExportJob]) -> bool:
        return entry.ref is not None and rules.not_yet(error, status)

    def policy(status: PollStatus[ExportJob]) -> float:
        if status.error is None or not_yet(status.error, status):
            return interval(entry.request.kind)
        return min(FIRST_WAIT * 2.0 ** (status.failures - 1), _LONGEST_WAIT) * scale

    def recovers(error: Exception, status: PollStatus[ExportJob]) -> bool:
        if status.failures >= TRIES:
            return False
        if entry.ref is None:
            return may_start_again(error, repeatable=row_of(entry.request.kind).start_endpoint.repeatable)
        return rules.may_recover(error, status) or (isinstance(error, DownloadError) and steps.may_recover(error))

    rules = export_rules(session, entry.ref or ExportRef(request=entry.request, export_id=""))
    return evolve(rules, policy=policy, not_yet=not_yet, may_recover=recovers)
