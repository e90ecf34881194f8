"""Status calls of a worker. If one takes long, it continues without a slot, and its late response is kept."""

import asyncio
from functools import partial

from attrs import frozen

from aps_async.models import ExportJob, ExportRef
from aps_async.session import Session
from aps_async.threads import stopped
from aps_async.workers import steps

__all__ = ["Question", "Questions"]
__dir__: object = __all__.copy

_ANSWER_LIFETIME = 60.0  # seconds of the service: half the lifetime of a signed link


@frozen(eq=False)
class Question:
    """A status call that is in progress, or whose response came late."""

    task: "asyncio.Task[ExportJob]"
    asked: float
    """When the call was made, by the event loop's clock."""


class Questions:
    """The status calls of one worker, by the number of the export.

    Args:
        session: the worker's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: dict[int, Question] = {}

    async def ask(self, export: int, ref: ExportRef) -> Question:
        """Makes a status call, or takes the one in progress, and waits for up to one poll interval for its response."""
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
        """Cancels all calls in progress."""
        tasks = [question.task for question in self._asked.values()]
        self._asked.clear()
        await stopped(tasks)

    def _answered(self, export: int, task: "asyncio.Task[ExportJob]") -> None:
        """Keeps a late response for a while only, since another worker may have taken the export over."""
        if not task.cancelled():
            task.exception()  # otherwise asyncio logs that it was never retrieved
        lifetime = _ANSWER_LIFETIME / self._session.settings.time_scale
        asyncio.get_running_loop().call_later(lifetime, self._forget, export, task)

    def _forget(self, export: int, task: "asyncio.Task[ExportJob]") -> None:
        if export in self._asked and self._asked[export].task is task:
            del self._asked[export]
