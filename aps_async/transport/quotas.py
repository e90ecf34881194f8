"""The published quotas, kept exactly: one rate limiter per client id and endpoint.

https://aps.autodesk.com/en/docs/bim360/v1/overview/rate-limits/bim360-rate-limits/

A rate limiter admits a whole budget at once, and then waits until its window has passed; spreading the calls evenly
would make a large run a tenth slower. A call holds its place until its response has arrived and for one window after
that, so that the service never counts more than the budget in any window, whenever its windows begin.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Generator, Hashable, Iterable
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Literal, Protocol, TypeVar
from weakref import WeakKeyDictionary

from attrs import frozen

from aps_async.errors import InputError

__all__ = [
    "Endpoint",
    "LocalRateLimiter",
    "Quotas",
    "RateLimiter",
    "RateLimiters",
    "TokenKind",
    "WaitQueue",
    "shared_quotas",
]
__dir__: object = __all__.copy

TokenKind = Literal["any", "user", "signed-in user", "app"]

_tickets = itertools.count()


@frozen
class Endpoint:
    """One row of the published table, and how a call to it may be repeated."""

    name: str
    budget: int
    """Calls per minute and client id."""
    repeatable: bool = True
    """Whether a call may be repeated although its response was lost. False: only if it certainly never arrived."""
    token: TokenKind = "any"
    """Which token it needs. `any`: a user's, or an app's (two-legged) with or without `x-user-id`. `user`: the same,
    but an app has to name the user in `x-user-id`. `signed-in user`: a user's only. `app`: an app's only."""
    large: bool = False
    """Whether the response may be large, such as a page of 200 items: its body may take `Settings.request_timeout`."""
    host: str | None = None
    """Its host, if that is not Autodesk's main host."""


class RateLimiter(Protocol):
    """The protocol of rate limiters, for one process (`LocalRateLimiter`) or for many (`SharedRateLimiter`)."""

    async def acquire(self, priority: int | None = None) -> None:
        """Waits for a place. Has to be followed by exactly one `release`."""
        ...

    def release(self, *, used: bool = True) -> None:
        """Ends a call."""
        ...

    def refused(self, retry_after: float | None) -> None:
        """Records a 429: all callers pause for `retry_after` seconds, or for a backoff of our own.

        None: the service sent no time that is obeyed, so the backoff grows up to a whole window. 0: it expects the next
        call at once, which is never made, but the backoff stays below a fifteenth of the window (4 s of a minute).
        """
        ...

    def accepted(self) -> None:
        """Records a response that was not a 429."""
        ...

    def sharing(self) -> AbstractContextManager[None]:
        """Counts one more export that is polled with this quota."""
        ...

    def fair_interval(self, sharers: int | None = None) -> float:
        """The shortest interval in seconds at which all sharers may poll without exceeding the quota."""
        ...


class RateLimiters(Protocol):
    """The protocol by which a session finds its rate limiters."""

    def rate_limiter(
        self, owner: Hashable, endpoint: Endpoint, budget: int, window: float, backoff_base: float
    ) -> RateLimiter:
        """Returns the one rate limiter for this owner and endpoint."""
        ...


P = TypeVar("P")


class WaitQueue(Generic[P]):
    """The base of rate limiters: a queue of waiting calls by priority, and the number of exports that share the quota.

    `P` is the type of what a waiting call gets when it is admitted.
    """

    def __init__(self, budget: int, window: float, backoff_base: float) -> None:
        if budget < 1:
            raise InputError(f"a quota of {budget} calls admits nothing; it must be 1 or more")
        self.budget: int = budget
        self.window = window
        self.sharers: int = 0
        """Exports of this process that are being polled with this quota."""
        self._backoff_base = backoff_base
        self._refusals = 0  # 429s in a row; those during one pause count once
        self._paused_until = 0.0
        self._queue: list[tuple[int, int, asyncio.Future[P]]] = []
        """Ordered by priority; calls of the same priority by arrival."""

    def agree_on(self, budget: int, published: int) -> None:
        """Takes the budget of another session into account: the lowest that is not the published one is used."""
        if budget != published and (budget < self.budget or self.budget == published):
            self.budget = budget

    @staticmethod
    def priority() -> int:
        """A number by the order of arrival. A call that is repeated keeps it, and so its turn."""
        return next(_tickets)

    @property
    def waiting(self) -> int:
        """The number of calls in the queue."""
        return len(self._queue)

    @contextmanager
    def sharing(self) -> Generator[None, None, None]:
        """Counts one more export that is polled with this quota, for `fair_interval`."""
        self.sharers += 1
        try:
            yield
        finally:
            self.sharers -= 1

    def fair_interval(self, sharers: int | None = None) -> float:
        """The shortest interval at which all sharers may ask without ever meeting the quota."""
        return (self.sharers if sharers is None else sharers) * self.window / self.budget

    def _line_up(self, priority: int) -> "asyncio.Future[P]":
        turn: asyncio.Future[P] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, self.priority(), turn))
        return turn

    def _step_out(self, turn: "asyncio.Future[P]") -> None:
        self._queue = [entry for entry in self._queue if entry[-1] is not turn]
        heapq.heapify(self._queue)

    def _next_in_line(self) -> "asyncio.Future[P] | None":
        """Removes the first call that is still waiting from the queue, and returns it."""
        while self._queue:
            turn = heapq.heappop(self._queue)[-1]
            if not turn.done():
                return turn
        return None

    def _pause_after(self, retry_after: float | None) -> float:
        """Counts a 429; returns the seconds for which it stops all calls."""
        now = asyncio.get_running_loop().time()
        if now >= self._paused_until:  # otherwise it belongs to calls that were sent before the pause
            self._refusals += 1
        longest = self.window if retry_after is None else self.window / 15
        pause = retry_after or min(longest, self._backoff_base * 2.0 ** min(max(self._refusals, 1) - 1, 16))
        self._paused_until = max(self._paused_until, now + pause)
        return pause


class LocalRateLimiter(WaitQueue[None]):
    """Admits at most `budget` calls in any `window` seconds, in the order of their priorities.

    Every `acquire()` that returned has to be followed by exactly one `release()`. A waiting call that is cancelled
    leaves the queue. All times are the event loop's.
    """

    def __init__(self, budget: int, window: float, *, backoff_base: float = 0.5) -> None:
        super().__init__(budget, window, backoff_base)
        self._spent: deque[float] = deque()  # when the responses arrived
        self._in_flight = 0
        self._at_once = budget  # how many calls may be in progress at once; few after a 429
        self._resumes_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, priority: int | None = None) -> None:
        """Waits for a place."""
        if priority is None:
            priority = self.priority()
        loop = asyncio.get_running_loop()
        if not self._queue and self._admits(loop.time()):
            self._in_flight += 1
            return
        turn = self._line_up(priority)
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was admitted in the same moment
                self._in_flight -= 1
            else:
                self._step_out(turn)
            self._wake()
            raise

    def release(self, *, used: bool = True) -> None:
        """Ends a call. `used=False`: nothing was sent, so the service cannot have counted it."""
        self._in_flight -= 1
        if used:
            self._spent.append(asyncio.get_running_loop().time())
        if self._queue:
            self._wake()

    def count_earlier(self, ages: Iterable[float]) -> None:
        """Counts calls that another process made, each `ages` seconds ago.

        Ignored if this process has made calls itself, since it may have counted them then.
        """
        if self._spent or self._in_flight:
            return
        now = asyncio.get_running_loop().time()
        self._spent.extend(sorted(now - age for age in ages if age < self.window))

    def refused(self, retry_after: float | None) -> None:
        """Records a 429: all callers pause. `Retry-After` also shows when the service's window ends."""
        now = asyncio.get_running_loop().time()
        self._resumes_at = max(self._resumes_at, now + self._pause_after(retry_after))
        self._at_once = 1
        if retry_after:
            # A new window begins then, so earlier calls no longer count.
            self._spent.clear()
        self._wake()

    def accepted(self) -> None:
        """Records a response that was not a 429; ignored during a pause, when it proves nothing."""
        if asyncio.get_running_loop().time() < self._resumes_at:
            return
        self._refusals = 0
        if self._at_once < self.budget:
            self._at_once += 1
            self._wake()

    def admits_at(self, calls: int) -> float:
        """When the last of `calls` more calls can be sent, after those in the queue, if all are answered at once."""
        begins = max(asyncio.get_running_loop().time(), self._resumes_at)
        spent = [at + self.window for at in self._spent if at + self.window > begins]
        spent += [begins + self.window] * self._in_flight
        spent = spent[-self.budget :]  # there are more only if the budget was lowered since
        over = calls - (self.budget - len(spent)) - 1
        if over < 0:
            return begins
        windows, place = divmod(over, self.budget)
        first = spent[place] if place < len(spent) else begins + self.window
        return first + windows * self.window

    def _admits(self, now: float) -> bool:
        if now < self._resumes_at:
            return False
        while self._spent and self._spent[0] + self.window <= now:  # the same sum that the timer is set to
            self._spent.popleft()
        # After a 429, one call is tried, then two, then four, instead of all at once.
        return self._in_flight < self._at_once and self._in_flight + len(self._spent) < self.budget

    def _wake(self) -> None:
        """Admits every call that may be sent now, and sets the one timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queue:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue and self._admits(now):
            if (turn := self._next_in_line()) is not None:
                self._in_flight += 1
                turn.set_result(None)
        if self._queue:
            when = self._resumes_at
            if self._spent and self._in_flight + len(self._spent) >= self.budget:
                when = max(when, self._spent[0] + self.window)
            if when > now:  # otherwise only `release` can admit the next call
                self._timer = loop.call_at(when, self._wake)


class Quotas:
    """The rate limiters of one event loop, by owner of the quota and endpoint."""

    def __init__(self) -> None:
        self._rate_limiters: dict[Hashable, LocalRateLimiter] = {}

    def rate_limiter(
        self, owner: Hashable, endpoint: Endpoint, budget: int, window: float, backoff_base: float
    ) -> LocalRateLimiter:
        """Returns the one rate limiter for this owner and endpoint.

        The first call determines its window; `WaitQueue.agree_on` decides between budgets that differ.
        """
        key = (owner, endpoint.name)
        found = self._rate_limiters.get(key)
        if found is None:
            found = self._rate_limiters[key] = LocalRateLimiter(budget, window, backoff_base=backoff_base)
        found.agree_on(budget, endpoint.budget)
        return found


_shared: "WeakKeyDictionary[asyncio.AbstractEventLoop, Quotas]" = WeakKeyDictionary()


def shared_quotas() -> Quotas:
    """The quotas of the running event loop: sessions with the same client id share one budget, as at the service."""
    return _shared.setdefault(asyncio.get_running_loop(), Quotas())
