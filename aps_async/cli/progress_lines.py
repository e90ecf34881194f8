"""The progress of a run as plain lines, and the words for its figures."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from aps_async.cli.output import clock, print_progress
from aps_async.exports.progress import BulkProgress
from aps_async.text import count, size


class Lines:
    """One line for each export, and for each pause of the quota."""

    def __init__(self, total: int | None, things: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._things = things
        self._ended = 0
        self._complete = total is not None
        self._clock = clock
        self._quiet_until = 0.0

    def moved(self, at: BulkProgress) -> None:
        """One line for each pause of the quota."""
        now = self._clock()
        if at.next_start is None or now < self._quiet_until:
            return
        wait = (at.next_start - datetime.now(UTC)).total_seconds()
        if wait >= 1:
            self._quiet_until = now + wait + 1
            print_progress(", ".join([*quota_words(at), *words_left(at)]))

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        self._ended += 1
        if ok:
            of = f"[{self._ended}/{shown_total(self._total, complete=self._complete)}]"
            print_progress(f"{of} {name}: {size(bytes_)}, {'already there' if reused else f'{seconds:.1f} s'}")

    def begin(self) -> None:
        self._total, self._ended, self._complete = None, 0, False

    def expect(self, total: int, *, complete: bool = True) -> None:
        self._total, self._complete = total, complete
        if complete and self._things:
            print_progress(f"exporting {count(total, self._things)}")

    def passed(self) -> None:
        self._ended += 1


def quota_words(at: BulkProgress) -> list[str]:
    """What waits for the quota and until when."""
    if at.next_start is None:
        return []
    to_start = at.waiting if at.total is None else max(at.waiting, at.total - at.ended - at.running)
    seconds = max(0.0, (at.next_start - datetime.now(UTC)).total_seconds())
    return [
        f"waiting for the quota until {at.next_start.astimezone():%H:%M:%S} ({clock(seconds)})",
        f"{to_start:,} to start",
    ]


def words_left(at: BulkProgress) -> list[str]:
    """How long it will take, if that is known."""
    seconds = at.seconds_left
    return [] if seconds is None or not at.total or at.ended >= at.total else [f"about {clock(seconds)} left"]


def shown_total(total: int | None, *, complete: bool) -> str:
    """The total, with a plus sign while the list is not complete."""
    if total is None:
        return "?"
    return str(total) if complete else f"{total}+"
