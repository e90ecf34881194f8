"""One deadline for every call under way, with one timer for all of them."""

import asyncio
from types import TracebackType


class Deadlines:
    """A block of code that may take so many seconds, in as many tasks as there are: `with deadlines: ...`.

    The same as `asyncio.timeout(seconds)`, which sets and cancels a timer for each block; that is a twentieth of a
    poll's CPU. All blocks here may take equally long, so the oldest is the next to end, and one timer does for all.
    A task is in one block at a time.

    Raises:
        TimeoutError: (at the end of the block) it took longer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Task[object], tuple[float, int]] = {}  # the oldest first: its end, see __exit__
        self._expired: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None or task in self._running:
            raise RuntimeError("a deadline needs a task, and ends one block of it")
        self._running[task] = loop.time() + self.seconds, task.cancelling()
        if self._timer is None:
            self._watch()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        if self._running.pop(task, None) is not None:
            return
        before = self._expired.pop(task)
        if task.uncancel() <= before and kind is asyncio.CancelledError:
            # Otherwise somebody else cancels the task too, and that goes first.
            raise TimeoutError from problem

    def close(self) -> None:
        """Takes the timer back. Blocks that are still running have no deadline any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        """Ends what is over, and sleeps until the next may be: nothing is set back when a block ends in time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            task = next(iter(self._running))
            ends, cancelling = self._running[task]
            if ends > now:
                self._timer = loop.call_at(ends, self._watch)
                return
            del self._running[task]
            self._expired[task] = cancelling
            task.cancel()
        self._timer = None
