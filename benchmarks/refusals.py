"""Counts the 429s of one client, apart from those of others on the same client id."""

import asyncio
from collections.abc import Hashable

from aps_async.transport.quotas import Endpoint, LocalRateLimiter, Quotas


class _CountingPacer(LocalRateLimiter):
    def __init__(self, budget: int, window: float, *, backoff_base: float) -> None:
        super().__init__(budget, window, backoff_base=backoff_base)
        self.refusals: list[float] = []

    def refused(self, retry_after: float | None) -> None:
        self.refusals.append(asyncio.get_running_loop().time())
        super().refused(retry_after)


class CountingQuotas(Quotas):
    """Ordinary rate limiters that also record every 429."""

    def __init__(self) -> None:
        super().__init__()
        self._counting: dict[str, _CountingPacer] = {}

    def rate_limiter(
        self,
        owner: Hashable,  # noqa: ARG002 - there is only one
        endpoint: Endpoint,
        budget: int,
        window: float,
        backoff_base: float,
    ) -> LocalRateLimiter:
        """See `Quotas`."""
        if endpoint.name not in self._counting:
            self._counting[endpoint.name] = _CountingPacer(budget, window, backoff_base=backoff_base)
        return self._counting[endpoint.name]

    def most(self) -> int:
        """429s at the endpoint with the most."""
        return max(len(each.refusals) for each in self._counting.values())

    def most_in_a_window(self, window: float, *, after_the_first: bool = False) -> int:
        """The most 429s of one endpoint within any window; optionally only from one window after its first 429."""
        most = 0
        for each in self._counting.values():
            since = each.refusals[0] + window if after_the_first and each.refusals else 0.0
            counted = [at for at in each.refusals if at >= since]
            most = max([most, *(sum(at <= other < at + window for other in counted) for at in counted)])
        return most
