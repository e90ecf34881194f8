"""What is repeated, and how long it waits: the only place that knows backoff."""

import random
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from aps_async.errors import APSError, AuthError, DecodeError, ResponseError, TransportError
from aps_async.packages import BROKEN_BACKOFF, warn_of_two_backoffs
from aps_async.settings import Settings

try:
    import backoff
    from backoff import on_exception
except ImportError:
    raise ImportError(BROKEN_BACKOFF, name="backoff") from None
warn_of_two_backoffs(backoff.__file__)

A = TypeVar("A")
T = TypeVar("T")

WaitGenerator = Callable[[], Generator[float, Any, None]]
"""backoff's own form: called once per wait, it yields once to begin and then the seconds before each next try."""

# 500 is not in Autodesk's own SDKs' lists, but sporadic ones are known, and a GET is free to ask again.
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
NEVER_ARRIVED = frozenset({429, 503})  # refused at the gateway, before anything was started


def is_transient(problem: BaseException) -> bool:
    """Whether the same call may well succeed a moment later."""
    if isinstance(problem, ResponseError):
        return problem.status in TRANSIENT
    if isinstance(problem, DecodeError):
        return problem.garbled
    return isinstance(problem, TransportError)


def is_passing(problem: BaseException) -> bool:
    """The wider view of a wait that has minutes: also a 401 in the middle, or a token service that is down."""
    if isinstance(problem, AuthError):
        return isinstance(problem, ResponseError) or (problem.__cause__ is not None and is_transient(problem.__cause__))
    return is_transient(problem)


def never_arrived(problem: BaseException) -> bool:
    """Whether the call certainly had no effect, so that even a POST which starts something may be repeated."""
    if isinstance(problem, ResponseError):
        return problem.status in NEVER_ARRIVED
    return isinstance(problem, TransportError) and not problem.sent


def waits(settings: Settings, *, paced: bool = True) -> Generator[float, Any, None]:
    """Doubling waits with jitter on top, never below what the service asked for.

    `paced`: a pacer already holds every call to an endpoint that answered 429, this one with the oldest ticket.
    """
    problem = yield 0.0
    step = settings.retry_base
    while True:
        wait = step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        asked = getattr(problem, "retry_after", None)
        if paced and isinstance(problem, ResponseError) and problem.status == 429:
            wait = 0.0
        elif asked is not None:
            wait += asked
        problem = yield wait
        step = min(step * 2, settings.retry_max)


def retrying(
    target: Callable[[A], Coroutine[Any, Any, T]],
    settings: Settings,
    may_repeat: Callable[[BaseException], bool],
    on_retry: Callable[[Any], None],
) -> Callable[[A], Coroutine[Any, Any, T]]:
    """The same coroutine function, repeated while `may_repeat` holds and tries are left."""

    def gives_up(problem: Exception) -> bool:
        asked = getattr(problem, "retry_after", None)
        return not may_repeat(problem) or (asked is not None and asked > settings.retry_after_max)

    async def go_on(argument: A, failed: list[APSError]) -> T:
        if failed:
            raise failed.pop()
        return await target(argument)

    repeat = on_exception(
        lambda: waits(settings),
        APSError,
        max_tries=settings.tries,
        giveup=gives_up,
        jitter=None,  # backoff's own would make a wait shorter than Retry-After
        on_backoff=on_retry,
        logger=None,
    )(go_on)

    async def first_try(argument: A) -> T:
        """Nearly every call succeeds at once, and then owes backoff's bookkeeping nothing: a tenth of a poll's CPU."""
        try:
            return await target(argument)
        except APSError as problem:
            if gives_up(problem):
                raise
            failed = problem
        return await repeat(argument, [failed])

    return first_try
