"""Policies: when to ask again, from what is known of a job. backoff's wait generators are policies too."""

import inspect
import math
import random
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

from attrs import frozen

from aps_async.errors import InputError

__all__ = ["Policy", "PollPolicy", "PollStatus", "WaitGenerator", "WaitPolicy", "as_callable", "seconds_of"]
__dir__: object = __all__.copy

T = TypeVar("T")


@frozen(kw_only=True)
class PollStatus(Generic[T]):
    """What is known of one job after a question; policies and rules judge by nothing else."""

    answer: T | None = None
    """The last of `polls` answers; questions that failed since have not changed it."""
    polls: int = 0
    error: Exception | None = None
    """Why the last question brought no answer; None when it did."""
    failed_with: tuple[type[Exception], ...] = ()
    """The errors of the questions since the last answer, by type."""
    age: float = 0.0
    """Seconds since the wait, or the job, began."""
    fair_interval: float = 0.0
    """Seconds that the quota allows between two questions, shared fairly."""

    @property
    def failures(self) -> int:
        """Questions in a row that brought no answer."""
        return len(self.failed_with)

    def failed(self, kind: type[Exception]) -> int:
        """Those of them that met this error."""
        return sum(issubclass(each, kind) for each in self.failed_with)


WaitGenerator = Callable[[], Generator[float, Any, None]]
"""backoff's own form: called once per wait, it yields once to begin and then the seconds before each next try."""

WaitPolicy = Callable[[PollStatus[Any]], float]
Policy = WaitPolicy | WaitGenerator
"""When to ask again: a callable from what is known to seconds, such as `PollPolicy`; or a wait generator of backoff,
such as `backoff.expo` or `functools.partial(backoff.expo, max_value=15)` (not in a lambda)."""


@frozen(kw_only=True)
class PollPolicy:
    """Asks every `interval` seconds, up to a share `jitter` later; less often on a shared quota and after errors."""

    interval: float = 2.0
    jitter: float = 0.1

    def __call__(self, status: PollStatus[Any]) -> float:
        spread = random.uniform(1.0, 1.0 + self.jitter)  # noqa: S311 - spreads load
        return max(self.interval, status.fair_interval) * spread * 2.0 ** min(status.failures, 4)


def seconds_of(policy: Policy, status: PollStatus[Any]) -> float:
    """A policy's wait, checked.

    Raises:
        InputError: the policy raised, or returned something else than seconds.
    """
    try:
        seconds: Any = policy(status)  # type: ignore[call-arg]  # generators were made callable before
    except Exception as error:
        raise InputError(f"the poll policy failed: {type(error).__name__}: {error}") from error
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise InputError(f"a poll policy must return a number of seconds, at least 0, not {seconds!r}")
    return seconds


def _stepping(policy: WaitGenerator) -> Callable[[Any], float]:
    """A wait generator as a function from what is sent into it to seconds; when it ends, its last wait stays."""
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
    """Any policy as a callable; a wait generator begins anew for every job, and its waits grow after errors."""
    if not inspect.isgeneratorfunction(policy):
        return cast("WaitPolicy", policy)
    step = _stepping(policy)
    return lambda status: step(status.error or status.answer) * 2.0 ** min(status.failures, 4)
