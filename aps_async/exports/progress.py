"""The progress of a bulk run, with what it waits for and when it is expected to end."""

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
    """The progress of a bulk run. The first four add up to what was taken from `requests` so far."""

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
    """Exports of the whole run; None while `requests` goes on and nobody has counted them."""
    waiting: int = 0
    """Of `starting`: those that wait for the quota."""
    downloading: int = 0
    """Of `running`: downloads under way."""
    queued: int = 0
    """Of `running`: those whose turn to be asked about or downloaded has come, while every slot is taken."""
    next_start: datetime | None = None
    """When the quota lets the next export start; None: none waits for it, or the quota is shared between machines."""
    expected_end: datetime | None = None
    """When the last export is expected to be delivered, at the quota and at this run's pace; None: not known yet."""
    trouble: Trouble | None = None
    """Calls fail and are repeated, and since when; None: the service answers."""

    @property
    def ended(self) -> int:
        """Exports that are done or failed."""
        return self.done + self.failed

    @property
    def seconds_left(self) -> float | None:
        """Seconds until `expected_end`, from now; None: not known yet."""
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
        """An export was delivered, whose job was started then; None: not by this run."""
        self._ends.append(at)
        if started_at is not None:
            self._durations.append(at - started_at)

    def end(self, left: int, starts: float, limiter: RateLimiter | None, *, slots_taken: bool) -> float | None:
        """When the last export is expected to be delivered; None: nothing is known.

        Args:
            left: exports that have not ended.
            starts: of these, calls to start a job that are still to be made.
            limiter: that of the starts.
            slots_taken: whether the downloads hold up the run.
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
        """Seconds for so many exports at the rate of the last ones."""
        if len(self._ends) < 2:
            return 0.0
        return left * (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)


def wall_clock(at: float | None) -> datetime | None:
    """The date and time of a moment of the event loop's clock."""
    if at is None:
        return None
    return datetime.now(UTC) + timedelta(seconds=at - asyncio.get_running_loop().time())


@define(eq=False)
class Counts:
    """What a bulk run counts, and the progress that follows from it."""

    starting: int = 0
    """Calls that start a job, each for one export or several."""
    done: int = 0
    failed: int = 0
    received: int = 0
    downloading: int = 0
    already_there: int = 0
    """Of `done`: files of an earlier run."""
    pace: Pace = field(factory=Pace)
    limiter: RateLimiter | None = None
    """That of the latest start."""

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
            taken: exports that were taken from the requests so far.
            unfinished: of these, those that have not ended.
            running: of these, those with a job at the service.
            queued: of these, those that wait for a slot.
            exports_a_start: exports that one start is for.
            slots: downloads that may run at once.
            trouble: of the calls to the service.
        """
        limiter = self.limiter if isinstance(self.limiter, LocalRateLimiter) else None
        waiting = min(self.starting, limiter.waiting) if limiter is not None else 0
        end = None
        if total is not None:
            # Of those to come, so many as of those before are expected to be there already.
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
