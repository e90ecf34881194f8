"""The slots of a lane, which limit its concurrent steps, and the exports that wait without one until they are due."""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from attrs import define, field

__all__ = ["Slots", "Turn", "due_together"]
__dir__: object = __all__.copy

_TICKS = 4  # in each wait, at least
_LONGEST_TICK = 0.25  # seconds
_LONGEST_LINE = 1.0  # seconds after which an export that is due and gets no slot here is left to other workers


def due_together(now: float, delay: float) -> float:
    """When an export is due that is to wait this long: at about that time, at the same moment as others.

    Waking up costs a process more than the status call that it wakes up for: of eight calls that are made at once, each
    takes a third of the CPU time of a single one. So waits end at the nearest tick. Ticks are powers of two, so those
    of longer waits are ticks of shorter ones too.
    """
    if delay <= 0.0:
        return now
    tick = 2.0 ** math.floor(math.log2(min(delay / _TICKS, _LONGEST_TICK)))
    return round((now + delay) / tick) * tick


@define(eq=False)
class Turn:
    """One export that waits until it is due, and then for a slot."""

    due: float
    """When it is due, by the event loop's clock."""
    decided: "asyncio.Future[bool]" = field(factory=lambda: asyncio.get_running_loop().create_future())
    """Becomes True with a slot, False without."""

    @property
    def has_slot(self) -> bool:
        """Whether it was granted a slot."""
        return self.decided.done() and not self.decided.cancelled() and self.decided.result()

    def decline(self) -> None:
        """Ends the wait without a slot, unless it has ended."""
        if not self.decided.done():
            self.decided.set_result(False)


class Slots:
    """The slots of one lane.

    Args:
        number: the number of slots.
        pace: seconds for which a free slot waits for others while more exports are due than there are slots.
    """

    def __init__(self, number: int, pace: float = 0.0) -> None:
        self.number = number
        self.wake: Callable[[float], object] = lambda _: None
        """Called with the seconds after which to look again for exports that got no slot."""
        self.has_backlog: bool = False
        """Whether more exports may be due than there are slots."""
        self._pace = pace
        self._taken = 0
        self._line: deque[Turn] = deque()

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self.number - self._taken

    def take(self, count: int) -> None:
        """Takes this many slots."""
        self._taken += count

    def give_back(self, count: int) -> None:
        """Returns slots: first to exports that this worker keeps and that are due, then to rows of the queue."""
        self._taken -= count
        while self._line and self.free > 0:
            self._grant(self._line.popleft())
        if self.has_backlog and self.free > 0:
            self.has_backlog = False
            self.wake(self._pace)

    def request(self, turn: Turn, longest_pause: float) -> None:
        """Grants a slot to a turn that is due, now or when one is free.

        Not if it is `longest_pause` late: this process was suspended then, and another worker may have the export.
        """
        loop = asyncio.get_running_loop()
        if loop.time() > turn.due + longest_pause:
            turn.decline()
        elif self.free > 0:
            self._grant(turn)
        else:
            self._line.append(turn)
            loop.call_later(_LONGEST_LINE, turn.decline)

    def _grant(self, turn: Turn) -> None:
        if not turn.decided.done():
            self._taken += 1
            turn.decided.set_result(True)
