"""The steps that a lane may have at once, and exports that a worker keeps without a slot until they are due."""

import asyncio
from collections import deque
from collections.abc import Callable

from attrs import define, field

__all__ = ["Slots", "Turn"]
__dir__: object = __all__.copy

_LONGEST_LINE = 1.0  # seconds after which other workers may have what is due and gets no slot here


@define(eq=False)
class Turn:
    """One export that waits until it is due, and then for a slot."""

    due: float
    """When, by the event loop's clock."""
    decided: "asyncio.Future[bool]" = field(factory=lambda: asyncio.get_running_loop().create_future())
    """Whether it has a slot."""

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
        number: how many there are.
        pace: seconds for which a free slot waits for others while more exports are due than there are slots.
    """

    def __init__(self, number: int, pace: float = 0.0) -> None:
        self.number = number
        self.wake: Callable[[float], object] = lambda _: None
        """Called with the seconds after which to look for the exports that found no slot."""
        self.has_backlog: bool = False
        """Whether more exports may be due than there are slots."""
        self._pace = pace
        self._taken = 0
        self._line: deque[Turn] = deque()

    @property
    def free(self) -> int:
        """How many are free."""
        return self.number - self._taken

    def take(self, count: int) -> None:
        """Takes so many."""
        self._taken += count

    def give_back(self, count: int) -> None:
        """Gives so many back: first to exports that are kept and due, then to the queue's."""
        self._taken -= count
        while self._line and self.free > 0:
            self._grant(self._line.popleft())
        if self.has_backlog and self.free > 0:
            self.has_backlog = False
            self.wake(self._pace)

    def request(self, turn: Turn, longest_pause: float) -> None:
        """Grants a turn that is due a slot now, or when one is free; not if it is `longest_pause` late, as this process
        was suspended and another worker may have the export."""
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
