"""The published quotas for all workers together, kept in PostgreSQL.

Before a call is sent, a place for it is reserved in the database. One statement reserves places for all callers that
are waiting, and a few more for those that will soon follow. A place counts until one window after the response, so the
service never sees more calls than the budget in any window, whenever its windows begin. The places of a worker that
dies count until their lease and one window have passed. A worker that was suspended while it held a place discards it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import cast

from attrs import frozen

from aps_async.errors import APSError
from aps_async.threads import stopped
from aps_async.transport.quotas import Endpoint, WaitQueue
from aps_async.workers.database import Database

__all__ = ["LEASE", "SharedQuotas", "SharedRateLimiter"]
__dir__: object = __all__.copy

LEASE = 120.0
"""Seconds that a call may take: more than `Settings.request_timeout`, so that no call outlives its lease."""
_MOST_AT_ONCE = 200
_AHEAD = 50  # one process reserves at most one in this many places of a budget ahead
_LULL = 2.0  # seconds for which returned places may wait for the next statement
_TAKE = "SELECT places, wait, refused FROM aps_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"

_log = logging.getLogger(__name__)


@frozen
class _Place:
    id: int
    asked: float
    """When it was requested, by this process's clock, which is before its lease begins."""


class SharedRateLimiter(WaitQueue[_Place]):
    """One endpoint's quota, shared by all workers of the database; the same contract as `LocalRateLimiter`."""

    def __init__(self, database: Database, owner: str, endpoint: str, budget: int, window: float, base: float) -> None:
        super().__init__(budget, window, base)
        self._database = database
        self._key = (owner, endpoint)
        self._held: deque[_Place] = deque()
        self._spare: deque[_Place] = deque()
        self._granted = 0  # since the last statement: about as many will be needed until the next one
        self._spent: list[tuple[int, float]] = []  # id, and when its response came
        self._unused: list[int] = []
        self._pause: tuple[float, float, bool] | None = None  # until when, recorded when, whether a new window begins
        self._accepted = False
        self._is_exhausted = False
        """Whether the last statement reserved fewer places than were wanted."""
        self.rate_limited: int = 0
        """The number of 429s that this process has met."""
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def acquire(self, priority: int | None = None) -> None:
        """Waits for a place."""
        loop = asyncio.get_running_loop()
        priority = self.priority() if priority is None else priority
        while True:
            if self._spare and not self._queue:
                place = self._spare.popleft()
            else:
                place = await self._turn(priority)
            self._granted += 1
            if loop.time() - place.asked < LEASE / 4:
                self._held.append(place)
                return
            _log.info("%s: a place was granted too late to be used; this process was suspended", self._key[1])
            self._unused.append(place.id)

    async def _turn(self, priority: int) -> _Place:
        turn = self._line_up(priority)
        self._wake(urgent=not self._is_exhausted)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was granted in the same moment
                self._unused.append(turn.result().id)
                self._wake()
            else:
                self._step_out(turn)
            raise

    def release(self, *, used: bool = True) -> None:
        """Returns the place of a call. `used=False`: nothing was sent, so the service cannot have counted it."""
        place = self._held.popleft()
        if used:
            self._spent.append((place.id, asyncio.get_running_loop().time()))
        else:
            self._unused.append(place.id)
            self._changed.set()
        self._wake(urgent=False)

    def refused(self, retry_after: float | None) -> None:
        """Records a 429: every worker pauses. `Retry-After` also shows when the service's window ends."""
        self.rate_limited += 1
        now = asyncio.get_running_loop().time()
        pause = self._pause_after(retry_after)
        if self._pause is None or now + pause > self._pause[0]:
            self._pause = (now + pause, now, bool(retry_after))
        self._give_back()
        self._wake()

    def accepted(self) -> None:
        """Records a response that was not a 429."""
        if self._refusals:
            self._refusals, self._accepted = 0, True
            self._wake()

    async def close(self) -> None:
        """Returns the places that this process holds, if the database is available."""
        if self._task is not None:
            await stopped([self._task])
        self._give_back()
        if self._spent or self._unused:
            with suppress(APSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._exchange(0)

    def _give_back(self, keep: int = 0) -> None:
        while len(self._spare) > keep:
            self._unused.append(self._spare.pop().id)

    def _wake(self, *, urgent: bool = True) -> None:
        if urgent:
            self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve_or_fail())

    async def _serve_or_fail(self) -> None:
        try:
            await self._serve()
        except Exception as problem:  # noqa: BLE001 - all waiting callers must get the error
            queue, self._queue = self._queue, []
            for *_, coming in queue:
                if not coming.done():
                    coming.set_exception(problem)
            if not queue:
                _log.warning("%s: the shared quota cannot be updated: %s", self._key[1], problem)

    async def _serve(self) -> None:
        """Returns and reserves places for all callers in this process until none is waiting."""
        lull = min(_LULL, self.window / 5)
        while True:
            if not self._queue and not self._has_news:
                if not self._spent and not self._spare:
                    return
                self._is_exhausted = False
                await self._sleep(lull)
            ahead, self._granted = min(self._granted, self.budget // _AHEAD), 0
            if self._pause is None:
                self._give_back(ahead)
            wait = await self._exchange(min(len(self._queue) + ahead - len(self._spare), _MOST_AT_ONCE))
            if self._queue and self._is_exhausted and not self._has_news:
                # PostgreSQL does not report places that others return, so check from time to time.
                await self._sleep(max(0.005, min(wait, self.window / 12)))

    @property
    def _has_news(self) -> bool:
        """Whether the database should hear of something at once."""
        return bool(self._unused) or self._pause is not None or self._accepted

    async def _sleep(self, seconds: float) -> None:
        """Waits for callers, unless no place is free for them, and for news."""
        self._changed.clear()  # set by callers that have got their places since
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _exchange(self, wanted: int) -> float:
        """Returns and reserves places with one statement. The result is the seconds until more may be free."""
        loop = asyncio.get_running_loop()
        spent, unused, pause, accepted = self._spent, self._unused, self._pause, self._accepted
        self._spent, self._unused, self._pause, self._accepted = [], [], None, False
        try:
            asked = loop.time()
            row = await self._database.row(
                _TAKE,
                *self._key,
                self.budget,
                self.window,
                LEASE,
                wanted,
                [place for place, _ in spent],
                [asked - ended for _, ended in spent],
                unused,
                None if pause is None else max(0.0, pause[0] - asked),
                pause is not None and pause[2],
                accepted,
            )
        except BaseException:
            self._spent, self._unused = spent + self._spent, unused + self._unused
            self._pause, self._accepted = self._pause or pause, self._accepted or accepted
            raise
        self._refusals = row["refused"]
        self._is_exhausted = len(row["places"]) < wanted
        for place in row["places"]:
            if (turn := self._next_in_line()) is not None:
                turn.set_result(_Place(place, asked))
            else:
                self._spare.append(_Place(place, asked))
        if self._refusals or self._pause is not None:
            self._give_back()
        return float(row["wait"])


class SharedQuotas:
    """The quotas of all sessions, in all processes, that use the same database.

    `Session(tokens, quotas=SharedQuotas(database))`. Budgets and the window are the session's own, so all of them
    should have the same settings.

    Args:
        database: an open database that has the tables.
        owner: the name of the quota's owner; by default the tokens' client id. Workers whose tokens have no client id
            share one quota.
    """

    def __init__(self, database: Database, owner: str | None = None) -> None:
        self._database = database
        self._owner = owner
        self._rate_limiters: dict[tuple[str, str], SharedRateLimiter] = {}

    def rate_limiter(
        self, owner: Hashable, endpoint: Endpoint, budget: int, window: float, backoff_base: float
    ) -> SharedRateLimiter:
        """Returns the one rate limiter for this owner and endpoint; see `Quotas.rate_limiter`."""
        # Without a client id, the owner is an id(), which means nothing in another process.
        parts = cast("tuple[object, ...]", owner) if isinstance(owner, tuple) else (owner,)
        whose = self._owner or " ".join(part for part in parts if isinstance(part, str))
        found = self._rate_limiters.get((whose, endpoint.name))
        if found is None:
            found = SharedRateLimiter(self._database, whose, endpoint.name, budget, window, backoff_base)
            self._rate_limiters[whose, endpoint.name] = found
        found.agree_on(budget, endpoint.budget)
        return found

    @property
    def rate_limiters(self) -> Mapping[tuple[str, str], SharedRateLimiter]:
        """The rate limiters of this process, by owner and endpoint."""
        return self._rate_limiters

    async def close(self) -> None:
        """Returns every place that this process holds."""
        await asyncio.gather(*(rate_limiter.close() for rate_limiter in self._rate_limiters.values()))
