"""Exports in an asyncio queue of one's own: a TaskGroup of workers, and nothing but the standard library beside ours.

A pending export is a timer, and holds no worker; it comes back to the queue when it is worth another question, so that
the answer with the signed link is followed by its download at once. Nothing survives the process: for that there are
`export_many(..., ledger=True)` on one machine and `aps_async.workers.Worker` on many.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable

from aps_async import APSError, ExportRef, ExportRequest, Session
from aps_async.workers import Delivered, Storage, deliver, may_recover, poll_interval, poll_once, start

Step = ExportRequest | ExportRef
"""What to start, or what to look after."""
Ended = tuple[ExportRequest, Delivered | Exception]
TRIES = 5


class Workers:
    """Tasks that take steps from a queue, and put what follows from them back."""

    def __init__(self, session: Session, storage: Storage) -> None:
        self.session = session
        self.storage = storage
        self.todo: asyncio.Queue[tuple[Step, int]] = asyncio.Queue()
        self.ended: asyncio.Queue[Ended] = asyncio.Queue()
        self.pending = 0

    async def work(self) -> None:
        """One task: step after step, until it is cancelled."""
        while True:
            step, tries = await self.todo.get()
            try:
                await self.do(step)
            except APSError as problem:
                if may_recover(problem) and tries < TRIES:
                    self.later(5.0 * 2**tries, step, tries + 1)
                else:
                    request = step if isinstance(step, ExportRequest) else step.request
                    self.ended.put_nowait((request, problem))

    async def do(self, step: Step) -> None:
        """Starts, or asks once; what is done is delivered, what is not comes back later."""
        if isinstance(step, ExportRequest):
            job = await start(self.session, step)
        else:
            job = await poll_once(self.session, step)
        request = job.ref.request
        if not job.status.is_final:
            self.later(poll_interval(self.session, request.kind, self.pending), job.ref, 0)
            return
        file = await deliver(self.session, job, self.storage, request.name or job.ref.export_id)
        self.ended.put_nowait((request, file))

    def later(self, seconds: float, step: Step, tries: int) -> None:
        """A timer, and no task that waits."""
        asyncio.get_running_loop().call_later(seconds, self.todo.put_nowait, (step, tries))


async def export_all(
    session: Session, requests: Iterable[ExportRequest], storage: Storage, workers: int = 8
) -> AsyncGenerator[Ended, None]:
    """Every request with its file or its error, as they come."""
    crew = Workers(session, storage)
    for request in requests:
        crew.todo.put_nowait((request, 0))
        crew.pending += 1
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(crew.work()) for _ in range(workers)]
        try:
            while crew.pending:
                yield await crew.ended.get()
                crew.pending -= 1
        finally:
            for task in tasks:
                task.cancel()
