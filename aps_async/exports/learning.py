"""Polls that learn from how long earlier jobs took."""

import random
from bisect import bisect_right
from collections import deque
from typing import Any

from attrs import define, evolve, field, frozen

from aps_async.policies import PollPolicy, PollStatus

__all__ = ["Durations", "LearningPolicy"]
__dir__: object = __all__.copy

_LATEST = 200
_ENOUGH = 20
_DONE = 0.25
"""The share of jobs that a poll should find done: fewer would be wasted polls, more would be noticed late."""
_ALMOST_ALL = 0.95
_ALIKE = 2.8
"""Jobs are alike if almost all took at most so many times as long as the first quarter."""


@define(eq=False)
class Durations:
    """How long the latest jobs took, and what that means for the next one."""

    share: float = field(default=1.0, init=False)
    """The part of its duration for which a job is polled, on average."""
    _latest: deque[float] = field(factory=lambda: deque[float](maxlen=_LATEST), init=False)
    _sorted: list[float] = field(factory=list[float], init=False)
    """Empty if too few are known, or if they differ too much."""

    def learn(self, earliest: float, latest: float) -> None:
        """Adds a job that took between `earliest` and `latest` seconds.

        That range is wide for one that was done at its first poll. Any single value in it, such as its middle, would
        soon be taken for the duration of most jobs.
        """
        self._latest.append(random.uniform(earliest, latest))  # noqa: S311 - guards nothing
        took = sorted(self._latest)
        early, late = (took[int(len(took) * share)] for share in (_DONE, _ALMOST_ALL))
        self._sorted = took if len(took) >= _ENOUGH and 0.0 < late <= _ALIKE * early else []
        self.share = 1.0 - early * len(took) / sum(took) if self._sorted else 1.0

    def next_poll(self, age: float) -> float:
        """The age at which `_DONE` of the jobs that take longer than `age` are done; 0.0 if that is not known."""
        longer = self._sorted[bisect_right(self._sorted, age) :]
        return longer[int(len(longer) * _DONE)] if longer else 0.0


@frozen
class LearningPolicy:
    """Polls like `polls`, but waits until enough of the earlier jobs would be done, if these took about as long.

    What a job does not use of its share of the quota until then shortens its waits afterwards.
    """

    polls: PollPolicy
    durations: Durations

    def __call__(self, status: PollStatus[Any]) -> float:
        age = self.durations.next_poll(status.age)
        if age == 0.0:
            return self.polls(status)
        wait = self.polls(evolve(status, fair_interval=status.fair_interval * self.durations.share))
        return max(wait, age - status.age)
