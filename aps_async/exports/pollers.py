"""The polling rules of exports, shared by single waits, bulk runs and workers: deadline, early 404s, final states."""

import asyncio
import logging
from collections.abc import Callable

from attrs import evolve

from aps_async.errors import APSError, ExportTimeoutError, NotFoundError
from aps_async.exports.kinds import Export, get_export, ref_of, row_of
from aps_async.models import ExportJob, ExportRef, ExportStatus
from aps_async.policies import Policy, PollPolicy, PollStatus, WaitPolicy
from aps_async.polling import Poller, PollRules, may_recover
from aps_async.session import Session
from aps_async.transport import hooks
from aps_async.transport.quotas import RateLimiter
from aps_async.transport.retry import check_timeout

__all__ = [
    "ENDING_WORDS",
    "EndingWords",
    "effective_timeout",
    "export_poller",
    "export_rules",
    "export_timeout_error",
]
__dir__: object = __all__.copy

ENDING_WORDS = frozenset({"aborted", "canceled", "cancelled", "expired", "timeout", "error", "rejected"})
"""Undocumented statuses that can only mean that a job has ended. Any other unknown word counts as running."""
_ENDING_POLLS = 5


_log = logging.getLogger(__name__)


class EndingWords:
    """Watches one export for a status in `ENDING_WORDS`, which counts as a failure only if it is repeated."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._word, self._polls, self._since = "", 0, 0.0

    def judge(self, job: ExportJob) -> ExportJob:
        """Returns the job; FAILED after five such words in a row, or `Settings.ending_word_grace` seconds of them."""
        word, now = job.raw_status.strip().lower(), asyncio.get_running_loop().time()
        if word not in ENDING_WORDS or job.status.is_final:
            self._word = ""
            return job
        if word != self._word:
            _log.warning("%s: the status %r is not documented; asking again", job.ref, job.raw_status)
            self._word, self._polls, self._since = word, 0, now
        self._polls += 1
        if self._polls < _ENDING_POLLS and now - self._since < self._session.settings.ending_word_grace:
            return job
        problem = f"an undocumented status, {self._polls} times in a row"
        return evolve(job, status=ExportStatus.FAILED, reason=job.reason or problem)


def effective_timeout(session: Session, export: Export, timeout: float | None) -> float:
    """The timeout of a wait in seconds: the caller's, or that of the settings for this kind of export."""
    check_timeout(timeout)
    if timeout is not None:
        return timeout
    numbers = session.settings
    return row_of(ref_of(export).kind).default_timeout(numbers)


def export_rules(
    session: Session,
    export: Export,
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    learned: Callable[[PollPolicy], WaitPolicy] | None = None,
) -> PollRules[ExportJob]:
    """The rules for polling one export; single waits, bulk runs and workers all use them.

    Args:
        session: for its settings.
        export: what to wait for.
        timeout: seconds; None: by `effective_timeout`.
        policy: when to poll; None: a `PollPolicy` with the session's settings.
        learned: returns what replaces that `PollPolicy`, since earlier jobs have shown more.
    """
    ref, numbers = ref_of(export), session.settings
    limit = effective_timeout(session, export, timeout)

    def not_yet(error: Exception, status: PollStatus[ExportJob]) -> bool:
        """Not every server of a service knows a job that was just started: its first 404s are not failures."""
        return isinstance(error, NotFoundError) and status.polls == 0 and status.age < numbers.not_found_grace

    def recovers(error: Exception, status: PollStatus[ExportJob]) -> bool:
        """Also tolerates a single 404 after the first answer, from a server that does not know the job yet."""
        if isinstance(error, NotFoundError):
            return status.polls > 0 and status.failed(NotFoundError) == 1
        return may_recover(error, status)

    default = PollPolicy(interval=numbers.poll_interval, jitter=numbers.poll_jitter)
    return PollRules(
        is_final=lambda job: job.status.is_final,
        policy=policy or (default if learned is None else learned(default)),
        timeout=limit,
        may_recover=recovers,
        not_yet=not_yet,
        max_retry_after=numbers.retry_after_max,
        timeout_error=lambda status: export_timeout_error(ref, limit, status.answer, status.error),
    )


def export_timeout_error(
    ref: ExportRef, limit: float, job: ExportJob | None, error: Exception | None
) -> ExportTimeoutError:
    """The error for a deadline that passed, with the last answer or error."""
    if job is not None and job.status.is_final:
        words = f"{ref} was done ({job.raw_status!r}), but not downloaded in {limit:g} s"
    elif job is not None:
        words = f"{ref} was not done in {limit:g} s (the last answer was {job.raw_status!r})"
    else:
        words = f"{ref} was not done in {limit:g} s (there was no answer)"
    met = f"; the last error was: {error}" if error is not None else ""
    timeout_error = ExportTimeoutError(f"{words}{met}. It may still finish: wait again with its ref", ref=ref, job=job)
    timeout_error.__cause__ = error
    return timeout_error


def export_poller(
    session: Session,
    export: Export,
    *,
    timeout: float | None = None,
    policy: Policy | None = None,
    learned: Callable[[PollPolicy], WaitPolicy] | None = None,
) -> Poller[ExportJob]:
    """Returns a poller for one export. Until it is closed, it counts among those that share the status quota."""
    ref, words, settings = ref_of(export), EndingWords(session), session.settings
    loop = asyncio.get_running_loop()
    idle_since: float | None = None

    def rules() -> PollRules[ExportJob]:
        return export_rules(session, export, timeout=timeout, policy=policy, learned=learned)

    def quota() -> RateLimiter:
        return session.rate_limiter(row_of(ref.kind).status)

    async def ask() -> ExportJob:
        nonlocal settings, idle_since
        if session.hooks and idle_since is not None:
            hooks.emit(session.hooks, hooks.Waited(reason="poll", seconds=loop.time() - idle_since, what=str(ref)))
        try:
            job = words.judge(await get_export(session, ref, retry=False))
            if session.hooks:
                hooks.emit(session.hooks, hooks.Polled(ref=ref, status=job.status, raw_status=job.raw_status))
            return job
        except APSError as error:
            error.add_note(f"while waiting for {ref}")
            raise
        finally:
            idle_since = loop.time()
            if session.settings is not settings:  # the first response stated the speed of a simulator
                settings = session.settings
                poller.use(rules(), quota())

    state = words.judge(export) if isinstance(export, ExportJob) else None
    if state is not None and not state.status.is_final and not session.speed_is_known:
        state = None  # nor is the interval known yet: poll now
    poller = Poller(ask, rules(), state=state, quota=quota())
    return poller
