"""One deadline for every call under way, with one timer for all of them."""

import asyncio
from types import TracebackType


class Deadlines:
    """Blocks of code that may each take so many seconds: `with deadlines.one(): ...`.

    The same as `asyncio.timeout(seconds)`, which sets and cancels a timer for each block; that is a twentieth of a
    poll's CPU. All blocks here may take equally long, so the oldest is the next to end, and one timer does for all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running: dict[Deadline, None] = {}
        """The oldest first."""
        self.timer: asyncio.TimerHandle | None = None

    def one(self) -> "Deadline":
        """One block's deadline, from where the block is entered.

        Raises:
            TimeoutError: (at the end of the block) it took longer.
        """
        return Deadline(self)

    def close(self) -> None:
        """Takes the timer back. Blocks that are still running have no deadline any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def watch(self) -> None:
        """Ends what is over, and sleeps until the next may be: nothing is set back when a block ends in time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self.running:
            oldest = next(iter(self.running))
            if oldest.ends > now:
                self.timer = loop.call_at(oldest.ends, self.watch)
                return
            del self.running[oldest]
            oldest.expire()
        self.timer = None


class Deadline:
    """The deadline of one block."""

    __slots__ = ("_all", "_cancelling", "_expired", "_task", "ends")

    def __init__(self, deadlines: Deadlines) -> None:
        self._all = deadlines
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel")
        self._task = task
        self._cancelling = task.cancelling()
        self.ends = task.get_loop().time() + self._all.seconds
        self._all.running[self] = None
        if self._all.timer is None:
            self._all.watch()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._expired:
            del self._all.running[self]
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Otherwise somebody else cancels the task too, and that goes first.
            raise TimeoutError from problem

    def expire(self) -> None:
        """For `Deadlines` alone: ends the block."""
        self._expired = True
        self._task.cancel()
