"""Published budgets per client id and endpoint, enforced."""

import math
from collections import deque

import attrs

from .behaviour import Behaviour


@attrs.define
class _Counter:
    window: int = -1
    used: int = 0
    times: deque[float] = attrs.field(factory=deque[float])
    """When each call of the last window was accepted."""


class Quotas:
    """Counts accepted calls; refuses those over the budget."""

    def __init__(self, behaviour: Behaviour, speed: float, start: float) -> None:
        self._speed, self._start = speed, start
        self._counters: dict[tuple[str, str], _Counter] = {}
        self.most: dict[str, int] = {}
        """Most calls of an endpoint that were accepted in any stretch of a window's length, by one client."""
        self.use(behaviour, start)

    def use(self, behaviour: Behaviour, start: float | None = None) -> None:
        """Count by these switches from now on; `start` is the loop time at which windows begin."""
        self._start = self._start if start is None else start
        self._behaviour = behaviour
        self._length = behaviour.quota_seconds / self._speed
        self._origin = self._start + behaviour.quota_phase / self._speed

    def take(self, client_id: str, endpoint: str, budget: int | None, now: float) -> float | None:
        """Take a place for a call; seconds until there is one when the budget is used up."""
        budget = self._behaviour.quota_overrides.get(endpoint, budget)
        counter = self._counters.get((client_id, endpoint))
        if counter is None:
            counter = self._counters[client_id, endpoint] = _Counter()
        while counter.times and counter.times[0] <= now - self._length:
            counter.times.popleft()
        if budget is not None and self._behaviour.quotas:
            wait = self._wait(counter, budget, now)
            if wait is not None:
                if self._behaviour.quota_counts_refused:
                    counter.used += 1
                    counter.times.append(now)
                return wait
        counter.used += 1
        counter.times.append(now)
        if len(counter.times) > self.most.get(endpoint, 0):
            self.most[endpoint] = len(counter.times)
        return None

    def _wait(self, counter: _Counter, budget: int, now: float) -> float | None:
        if self._behaviour.quota_window == "rolling":
            if len(counter.times) < budget:
                return None
            return counter.times[0] + self._length - now if counter.times else self._length
        window = math.floor((now - self._origin) / self._length)
        if window != counter.window:
            counter.window, counter.used = window, 0
        if counter.used < budget:
            return None
        return self._origin + (window + 1) * self._length - now
