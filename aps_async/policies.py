"""Polling policies: when to ask about a job again. backoff's wait generators can be used as policies too."""

import inspect
import math
import random
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar, cast

from attrs import frozen

from aps_async.arguments import check_not_async
from aps_async.errors import InputError

__all__ = [
    "Policy",
    "PollPolicy",
    "PollStatus",
    "WaitGenerator",
    "WaitPolicy",
    "as_callable",
    "seconds_of",
]
__dir__: object = __all__.copy

T = TypeVar("T")


@frozen(kw_only=True)
class PollStatus(Generic[T]):
    """What is known of one job after a poll: the input of policies and rules."""

    answer: T | None = None
    """The last of `polls` answers; polls that failed since have not changed it."""
    polls: int = 0
    error: Exception | None = None
    """Why the last poll failed; None if it did not."""
    failed_with: tuple[type[Exception], ...] = ()
    """The types of the errors since the last answer."""
    age: float = 0.0
    """Seconds since the wait began; for workers, since the job was started."""
    fair_interval: float = 0.0
    """Seconds between two polls of this job if all jobs that share the quota poll equally often."""

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer, which may be None: the thing that was asked about may be gone, for example."""
        return self.polls > 0 or self.answer is not None

    @property
    def failures(self) -> int:
        """The number of polls that failed since the last answer."""
        return len(self.failed_with)

    def failed(self, kind: type[Exception]) -> int:
        """How many of them failed with this type of error."""
        return sum(issubclass(each, kind) for each in self.failed_with)


WaitGenerator = Callable[[], Generator[float, Any, None]]
"""backoff's own form: called once per job, it yields once to begin and then the seconds before each next poll."""

WaitPolicy = Callable[[PollStatus[Any]], float]
Policy = WaitPolicy | WaitGenerator
"""When to ask again: a callable from a `PollStatus` to seconds, such as `PollPolicy`; or a wait generator of backoff,
such as `backoff.expo` or `functools.partial(backoff.expo, max_value=15)` (not in a lambda)."""


@frozen(kw_only=True)
class PollPolicy:
    """Asks every `interval` seconds, less often if many jobs share the quota; each failure in a row doubles the wait.

    A random part of up to `jitter` (0.1: 10 %) is added to each wait.
    """

    interval: float = 2.0
    jitter: float = 0.1

    def __call__(self, status: PollStatus[Any]) -> float:
        spread = random.uniform(1.0, 1.0 + self.jitter)  # noqa: S311 - spreads load, guards nothing
        return max(self.interval, status.fair_interval) * spread * 2.0 ** min(status.failures, 4)


def seconds_of(policy: Policy, status: PollStatus[Any]) -> float:
    """The wait that a policy returns, checked. A wait generator is run from its beginning up to this poll's wait.

    Raises:
        InputError: the policy raised, or did not return a number of seconds.
    """
    wait = partial(_replayed, policy) if inspect.isgeneratorfunction(policy) else cast("WaitPolicy", policy)
    try:
        seconds: Any = wait(status)
    except Exception as error:
        raise InputError(f"the poll policy failed: {type(error).__name__}: {error}") from error
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise InputError(f"a poll policy must return a number of seconds, at least 0, not {seconds!r}")
    return seconds


def _replayed(policy: WaitGenerator, status: PollStatus[Any]) -> float:
    """The wait after this poll. Nothing is kept between two calls, so the waits before it are taken again."""
    wait = as_callable(policy)
    for _ in range(1, status.polls + status.failures):
        wait(status)
    return wait(status)


def _stepping(policy: WaitGenerator) -> Callable[[Any], float]:
    """Turns a wait generator into a function that sends a value into it; when it ends, its last wait is repeated."""
    generator, last = policy(), 2.0

    def step(sent: Any) -> float:
        nonlocal last
        if inspect.getgeneratorstate(generator) == inspect.GEN_CREATED:
            next(generator, None)  # backoff's generators begin with an empty yield
        with suppress(StopIteration):
            last = generator.send(sent)
        return last

    return step


def as_callable(policy: Policy) -> WaitPolicy:
    """Turns any policy into a callable. A wait generator is started for every job, and its waits grow after errors."""
    check_not_async(policy=policy)
    if not inspect.isgeneratorfunction(policy):
        return cast("WaitPolicy", policy)
    step = _stepping(policy)
    return lambda status: step(status.error or status.answer) * 2.0 ** min(status.failures, 4)
