"""The same steps under SAQ (https://saq-py.readthedocs.io), on PostgreSQL: two functions of a few lines.

    python tests/examples/saq_worker.py postgresql://plans@database/plans plans     # on every machine

A pending export is a job scheduled for later, and holds no worker. What goes through the queue is the text of
`request_to_json` and `ref_to_json`. All processes share the published quotas, which needs the extra `workers`.

If a worker is killed, the others repeat its jobs once their heartbeats are old: every step is safe to repeat.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

from saq import Queue, Worker
from saq.queue.postgres import PostgresQueue

from aps_async import ExportRequest, Session, TwoLegged, ref_from_json, ref_to_json
from aps_async.transport.converter import request_from_json, request_to_json
from aps_async.workers import (
    Database,
    RunStore,
    SharedQuotas,
    deliver,
    may_recover,
    poll_interval,
    poll_once,
    start,
    storage_for,
)

HEARTBEAT = 10
OPTIONS: dict[str, Any] = {
    "retries": 12,
    "retry_delay": 5.0,
    "retry_backoff": 900.0,
    "timeout": 0,
    "heartbeat": HEARTBEAT,
}
TIMERS: Any = {"schedule": 1, "sweep": 5}
Step = Callable[..., Awaitable[Any]]


class PlansQueue(PostgresQueue):
    """A killed worker does not answer, so SAQ waits for each of its jobs only briefly before it repeats it."""

    async def sweep(self, lock: int = 60, abort: float = 0.5) -> list[str]:
        """See the base class."""
        return await super().sweep(lock, abort)


def step(function: Step) -> Step:
    """A step with a heartbeat, which is tried again only if its error may recover."""

    @wraps(function)
    async def run(context: Any, **words: str) -> Any:
        job = context["job"]
        beating = asyncio.create_task(_beat(job))
        try:
            return await function(context, **words)
        except Exception as problem:
            if not may_recover(problem):
                job.retries = 0
            raise
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    return run


async def _beat(job: Any) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT / 3)
        with suppress(Exception):  # the database may be away; the next one counts
            await job.update()


@step
async def begin(context: Any, *, request: str) -> None:
    """Starts the export, and schedules its first status call."""
    job = await start(context["session"], request_from_json(request))
    await _look_later(context, ref_to_json(job.ref))


@step
async def look(context: Any, *, ref: str) -> dict[str, Any] | None:
    """Makes one status call; if the export is done, delivers it."""
    session, wanted = context["session"], ref_from_json(ref)
    job = await poll_once(session, wanted)
    if not job.status.is_final:
        await _look_later(context, ref)
        return None
    file = await deliver(session, job, context["storage"], wanted.request.name or wanted.export_id)
    return {"place": file.location, "size": file.size, "sha256": file.sha256}


async def _look_later(context: Any, ref: str) -> None:
    """A step that is repeated schedules nothing twice: the key is that of this step, and one more."""
    wait = poll_interval(context["session"], ref_from_json(ref).kind, context.get("pending", 100))
    key, _, turn = context["job"].key.rpartition("/")
    key = f"{key or context['job'].key}/{int(turn) + 1 if key else 1}"
    await context["queue"].enqueue("look", key=key, ref=ref, scheduled=time.time() + wait, **OPTIONS)


async def enqueue(queue: Queue, request: ExportRequest) -> None:
    """One export."""
    await queue.enqueue("begin", request=request_to_json(request), **OPTIONS)


def worker(queue: Queue, session: Session, storage: Any, **options: Any) -> Worker[Any]:
    """A worker of SAQ's that knows both steps; the session is open, and outlives it."""

    async def startup(context: Any) -> None:
        context.update(queue=queue, session=session, storage=storage)

    functions = [("begin", begin), ("look", look)]
    return Worker(queue, functions=functions, startup=startup, **{"timers": TIMERS, **options})


@asynccontextmanager
async def sharing_session(url: str) -> AsyncIterator[Session]:
    """A session whose quotas are those of every process with this database."""
    async with Database(url, patience=None) as database:
        await RunStore.opened(database)  # creates the tables of the quotas
        quotas = SharedQuotas(database)
        async with Session(TwoLegged.from_env(), quotas=quotas) as session:
            yield session
        await quotas.close()


async def main(url: str, folder: str) -> None:
    """Works until it is stopped."""
    queue = PlansQueue.from_url(url, name="plans")
    await queue.connect()
    async with sharing_session(url) as session:
        await worker(queue, session, storage_for(folder), concurrency=8).start()
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
