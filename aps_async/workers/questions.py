"""Status calls of a worker: one that takes long goes on without holding a slot, and its late answer is kept."""

import asyncio
from functools import partial

from attrs import frozen

from aps_async.models import ExportJob, ExportRef
from aps_async.session import Session
from aps_async.threads import stopped
from aps_async.workers import steps

__all__ = ["Question", "Questions"]
__dir__: object = __all__.copy

_ANSWER_LIFETIME = 60.0  # seconds of the service: half of a signed link's


@frozen(eq=False)
class Question:
    """A question about one export that is under way, or answered late."""

    task: "asyncio.Task[ExportJob]"
    asked: float
    """When, by the event loop's clock."""


class Questions:
    """The questions of one worker, by the number of the export.

    Args:
        session: the worker's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: dict[int, Question] = {}

    async def ask(self, export: int, ref: ExportRef) -> Question:
        """A question about an export, new or from before, after waiting for its answer for one interval at most."""
        question = self._asked.get(export)
        if question is None:
            task = asyncio.create_task(steps.poll_once(self._session, ref))
            question = self._asked[export] = Question(task, asyncio.get_running_loop().time())
            await asyncio.wait({task}, timeout=self._session.settings.poll_interval)
            if not task.done():
                task.add_done_callback(partial(self._answered, export))
        if question.task.done():
            self._asked.pop(export, None)
        return question

    async def close(self) -> None:
        """Ends all of them."""
        tasks = [question.task for question in self._asked.values()]
        self._asked.clear()
        await stopped(tasks)

    def _answered(self, export: int, task: "asyncio.Task[ExportJob]") -> None:
        """Keeps a late answer for a while: another worker may have taken the export over."""
        if not task.cancelled():
            task.exception()  # or asyncio would report that it was never retrieved
        lifetime = _ANSWER_LIFETIME / self._session.settings.time_scale
        asyncio.get_running_loop().call_later(lifetime, self._forget, export, task)

    def _forget(self, export: int, task: "asyncio.Task[ExportJob]") -> None:
        if export in self._asked and self._asked[export].task is task:
            del self._asked[export]
