"""Decides what is retried and after how long, and ends work at a deadline. The only module that uses backoff."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from attrs import define

from aps_async.errors import (
    APSError,
    AuthError,
    CallTimeoutError,
    DecodeError,
    InputError,
    InterceptedError,
    ResponseError,
    TransportError,
)
from aps_async.settings import Settings
from aps_async.transport.packages import BROKEN_BACKOFF, warn_of_two_backoffs

__all__ = [
    "NEVER_ARRIVED",
    "TRANSIENT",
    "call_deadline",
    "check_timeout",
    "interception",
    "is_transient",
    "is_undecided",
    "may_recover",
    "may_start_again",
    "note_error",
    "obeyed",
    "requested_wait",
    "retrying",
    "until",
    "waits",
    "was_not_sent",
]
__dir__: object = __all__.copy

try:
    import backoff
    from backoff import on_exception  # pyright: ignore[reportUnknownVariableType] # its types lack arguments
except ImportError:
    raise ImportError(BROKEN_BACKOFF, name="backoff") from None
warn_of_two_backoffs(backoff.__file__)

A = TypeVar("A")
T = TypeVar("T")

# Autodesk's own SDKs do not retry 500, but sporadic ones occur, and repeating a GET does no harm.
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST = 1e12  # seconds; beyond this, a float has no microseconds
NEVER_ARRIVED = frozenset({429, 503})  # refused by the gateway, before anything was started


def is_transient(problem: BaseException) -> bool:
    """Whether the same call may succeed a moment later: 408, 429, 5xx, a lost connection, a garbled body."""
    if isinstance(problem, ResponseError):
        return problem.status in TRANSIENT
    if isinstance(problem, DecodeError):
        return problem.garbled
    return isinstance(problem, TransportError)


def is_undecided(problem: BaseException) -> bool:
    """Whether the service has not refused the call: a transient error, or the page of a web filter or proxy."""
    return is_transient(problem) or isinstance(problem, InterceptedError)


def interception(problem: BaseException) -> InterceptedError | None:
    """The error of a web filter or proxy that answered in place of the service, or of the storage of a link."""
    return next((each for each in (problem, problem.__cause__) if isinstance(each, InterceptedError)), None)


def may_recover(problem: BaseException) -> bool:
    """Also tolerates errors that usually clear up within minutes: a 401, a token service outage."""
    if isinstance(problem, AuthError):
        return isinstance(problem, ResponseError) or (problem.__cause__ is not None and is_transient(problem.__cause__))
    return is_transient(problem)


def was_not_sent(problem: BaseException) -> bool:
    """Whether the call certainly had no effect, so that even a POST which starts something may be repeated."""
    if isinstance(problem, ResponseError):
        return problem.status in NEVER_ARRIVED
    return isinstance(problem, TransportError) and not problem.sent


def may_start_again(problem: BaseException, *, repeatable: bool) -> bool:
    """Whether a job may be started again after this error. If not `Endpoint.repeatable`, it must not have arrived."""
    if repeatable or isinstance(problem, AuthError):  # without a token nothing was started
        return may_recover(problem)
    return was_not_sent(problem)


def requested_wait(problem: BaseException | None, limit: float) -> float | None:
    """The one rule for `Retry-After`: a floor in seconds for the next wait, or None to use our own backoff alone.

    None if the service sent no time, a time in the past, 0, or more than `limit` (`Settings.retry_after_max`). So no
    value from a service or a proxy can make us retry without a pause, or stop retrying.
    """
    return obeyed(getattr(problem, "retry_after", None), limit)


def obeyed(seconds: float | None, limit: float) -> float | None:
    """`requested_wait` for a number of seconds."""
    return seconds if seconds is not None and 0 < seconds <= limit else None


def waits(settings: Settings, *, paced: bool = True) -> Generator[float, Any, None]:
    """Doubling waits with jitter on top, never below what the service asked for (see `requested_wait`).

    `paced`: no wait after a 429, since the rate limiter holds back all calls to that endpoint anyway.
    """
    problem = yield 0.0
    step = settings.backoff_base
    while True:
        wait = step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        if paced and isinstance(problem, ResponseError) and problem.status == 429:
            wait = 0.0
        else:
            wait += requested_wait(problem, settings.retry_after_max) or 0.0
        problem = yield wait
        step = min(step * 2, settings.backoff_max)


def retrying(
    target: Callable[[A], Coroutine[Any, Any, T]],
    settings: Settings,
    may_repeat: Callable[[BaseException], bool],
    on_retry: Callable[[Any], None],
) -> Callable[[A], Coroutine[Any, Any, T]]:
    """Returns the coroutine function with retries, while `may_repeat` allows and attempts are left.

    A `Retry-After` above `Settings.retry_after_max` raises the error at once, so that the caller can decide.
    """

    def gives_up(problem: Exception) -> bool:
        asked = getattr(problem, "retry_after", None)
        return not may_repeat(problem) or (asked is not None and asked > settings.retry_after_max)

    return on_exception(
        lambda: waits(settings),
        APSError,
        max_tries=settings.max_attempts,
        giveup=gives_up,
        jitter=None,  # backoff's own would make a wait shorter than Retry-After
        on_backoff=on_retry,
        logger=None,
    )(target)


@define(eq=False, repr=False)
class _LastError:
    error: Exception | None = None
    outer: "_LastError | None" = None


_last_error: "ContextVar[_LastError | None]" = ContextVar("aps_async_last_error", default=None)


def note_error(error: Exception) -> None:
    """Records an error before a wait, so that a deadline which ends the wait can report it."""
    scope = _last_error.get()
    while scope is not None:
        scope.error, scope = error, scope.outer


@asynccontextmanager
async def until(
    ends: float | None, timeout_error: Callable[[Exception | None], Exception]
) -> AsyncGenerator[None, None]:
    """Cancels the `async with` block at a time of the event loop's clock, and raises.

    Args:
        ends: the time; None: never.
        timeout_error: makes the error to raise from the last error in the block (`note_error`), which it is given.
    """
    last = _LastError(outer=_last_error.get())
    before = _last_error.set(last)
    scope = asyncio.timeout_at(ends)
    try:
        async with scope:
            await asyncio.sleep(0)  # lets a deadline in the past cancel even a block that never waits
            yield
    except TimeoutError:
        if not scope.expired():
            raise
    else:
        return
    finally:
        _last_error.reset(before)
    error = timeout_error(last.error)
    raise error from error.__cause__ or last.error


def check_timeout(timeout: object) -> None:
    """Checks that a timeout is usable: NaN would stop every timer of the event loop.

    Raises:
        InputError: it is not a number of seconds, is below 0, or too large for a clock.
    """
    if timeout is None or timeout == math.inf:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= _LONGEST:
        raise InputError(f"timeout must be a number of seconds, 0 or more, not {timeout!r:.100}")


def call_deadline(timeout: float | None, what: str) -> AbstractAsyncContextManager[None]:
    """Cancels calls after `timeout` seconds for quota, token and all attempts; raises `CallTimeoutError`."""

    def error(met: Exception | None) -> CallTimeoutError:
        return CallTimeoutError(f"{what} was not done in {timeout:g} s: {met or 'no response arrived'}", sent=True)

    check_timeout(timeout)
    return until(None if timeout is None else asyncio.get_running_loop().time() + timeout, error)
