"""The progress of a bulk run: counts, what it is waiting for, and when it is expected to end."""

import asyncio
import math
from collections import deque
from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from aps_async.transport.first_contact import Trouble
from aps_async.transport.quotas import LocalRateLimiter, RateLimiter

__all__ = ["BulkProgress", "Counts", "Pace", "wall_clock"]
__dir__: object = __all__.copy

_RECENT = 50  # exports that the estimate is made from


@frozen(kw_only=True)
class BulkProgress:
    """The progress of a bulk run. The first four fields add up to the requests that were read so far."""

    starting: int
    """Without a job at the service yet: compared with the folder first, waiting for others of their batch or for the
    quota, or being started."""
    running: int
    """With a job at the service, until the file is delivered."""
    done: int
    failed: int
    received: int
    """Bytes, of finished and running downloads."""
    total: int | None = None
    """Exports of the whole run; None while `requests` is still being read and has no length."""
    waiting: int = 0
    """Those of `starting` that wait for the quota."""
    downloading: int = 0
    """Those of `running` that are being downloaded."""
    queued: int = 0
    """Those of `running` that are due for a status call or a download, while all slots are busy."""
    next_start: datetime | None = None
    """When the quota allows the next start; None: no export waits for it, or the quota is shared between machines."""
    expected_end: datetime | None = None
    """When the last export is expected to be delivered, given the quota and this run's rate; None: not known yet."""
    trouble: Trouble | None = None
    """Set while calls fail and are retried, with the time since when; None: the service responds."""

    @property
    def ended(self) -> int:
        """Exports that are done or failed."""
        return self.done + self.failed

    @property
    def seconds_left(self) -> float | None:
        """Seconds from now until `expected_end`; None: not known yet."""
        return None if self.expected_end is None else max(0.0, (self.expected_end - datetime.now(UTC)).total_seconds())


@define
class Pace:
    """How fast a run goes. All times are the event loop's."""

    _durations: deque[float] = field(factory=lambda: deque[float](maxlen=_RECENT))
    _ends: deque[float] = field(factory=lambda: deque[float](maxlen=_RECENT))
    _last_start: float | None = None

    def started(self, at: float) -> None:
        """An export was started."""
        self._last_start = at

    def delivered(self, at: float, started_at: float | None) -> None:
        """An export was delivered. `started_at`: when this run started its job; None if an earlier one did."""
        self._ends.append(at)
        if started_at is not None:
            self._durations.append(at - started_at)

    def end(self, left: int, starts: float, limiter: RateLimiter | None, *, slots_taken: bool) -> float | None:
        """When the last export is expected to be delivered; None: nothing is known.

        Args:
            left: exports that have not ended.
            starts: of these, starts that are still to be made.
            limiter: the rate limiter of the starts.
            slots_taken: whether all download slots are busy, so that downloads are the bottleneck.
        """
        now = asyncio.get_running_loop().time()
        if not left:
            return now
        calls = math.ceil(starts)
        if calls and not isinstance(limiter, LocalRateLimiter):
            return None
        if not self._durations and not (calls and limiter is not None):
            return None
        last = limiter.admits_at(calls) if calls and isinstance(limiter, LocalRateLimiter) else self._last_start or now
        typical = sum(self._durations) / len(self._durations) if self._durations else 0.0
        return max(now, last + typical, now + self._downloads(left) if slots_taken else now)

    def _downloads(self, left: int) -> float:
        """Seconds that this many exports take at the rate of the most recent ones."""
        if len(self._ends) < 2:
            return 0.0
        return left * (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)


def wall_clock(at: float | None) -> datetime | None:
    """Converts a time of the event loop's clock to date and time."""
    if at is None:
        return None
    return datetime.now(UTC) + timedelta(seconds=at - asyncio.get_running_loop().time())


@define(eq=False)
class Counts:
    """The counters of a bulk run, and the progress that follows from them."""

    starting: int = 0
    """Calls that start a job, each for one export or several."""
    done: int = 0
    failed: int = 0
    received: int = 0
    downloading: int = 0
    already_there: int = 0
    """Those of `done` whose files are from an earlier run."""
    pace: Pace = field(factory=Pace)
    limiter: RateLimiter | None = None
    """The rate limiter of the latest start."""

    def progress(
        self,
        *,
        total: int | None,
        taken: int,
        unfinished: int,
        running: int,
        queued: int,
        exports_a_start: int,
        slots: int,
        trouble: Trouble | None,
    ) -> BulkProgress:
        """The progress at this moment.

        Args:
            total: exports of the whole run, if known.
            taken: requests that were read so far.
            unfinished: of these, those that have not ended.
            running: of these, those with a job at the service.
            queued: of these, those that wait for a slot.
            exports_a_start: exports that share one start.
            slots: downloads that may run at once.
            trouble: set while calls to the service fail.
        """
        limiter = self.limiter if isinstance(self.limiter, LocalRateLimiter) else None
        waiting = min(self.starting, limiter.waiting) if limiter is not None else 0
        end = None
        if total is not None:
            # Assumes that the share of files that are there already stays the same.
            share = 1 - self.already_there / max(1, self.done + self.failed)
            starts = self.starting + max(0, total - taken) * share / exports_a_start
            left = max(total, taken) - self.done - self.failed
            end = self.pace.end(left, starts, self.limiter, slots_taken=self.downloading >= slots)
        return BulkProgress(
            starting=unfinished - running,
            running=running,
            done=self.done,
            failed=self.failed,
            received=self.received,
            total=total,
            waiting=waiting,
            downloading=self.downloading,
            queued=queued,
            next_start=wall_clock(limiter.admits_at(1)) if waiting and limiter is not None else None,
            expected_end=wall_clock(end),
            trouble=trouble,
        )
