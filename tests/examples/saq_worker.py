"""The same steps under SAQ (https://saq-py.readthedocs.io), on PostgreSQL or Redis: two functions of a few lines.

A pending export is a job scheduled for later, and holds no worker. What goes through the queue is the text of
`request_to_json` and `ref_to_json`. For the quotas of many processes together, give the session
`aps_async.workers.SharedQuotas`.
"""

import time
from typing import Any

from saq import Queue, Worker

from aps_async import ExportRequest, ref_from_json, ref_to_json
from aps_async.transport.converter import request_from_json, request_to_json
from aps_async.workers import deliver, poll_interval, poll_once, start

OPTIONS: dict[str, Any] = {"retries": 8, "retry_delay": 5.0, "retry_backoff": True, "timeout": 900, "heartbeat": 0}


async def begin(context: Any, *, request: str) -> None:
    """Starts the job, and lets it be looked after."""
    job = await start(context["session"], request_from_json(request))
    await _look_later(context, ref_to_json(job.ref))


async def look(context: Any, *, ref: str) -> dict[str, Any] | None:
    """Asks once; if it is done, delivers it."""
    session, wanted = context["session"], ref_from_json(ref)
    job = await poll_once(session, wanted)
    if not job.status.is_final:
        await _look_later(context, ref)
        return None
    file = await deliver(session, job, context["storage"], wanted.request.name or wanted.export_id)
    return {"place": file.location, "size": file.size, "sha256": file.sha256}


async def _look_later(context: Any, ref: str) -> None:
    wait = poll_interval(context["session"], ref_from_json(ref).kind, context.get("pending", 100))
    await context["queue"].enqueue("look", ref=ref, scheduled=time.time() + wait, **OPTIONS)


async def enqueue(queue: Queue, request: ExportRequest) -> None:
    """One export."""
    await queue.enqueue("begin", request=request_to_json(request), **OPTIONS)


def worker(queue: Queue, session: Any, storage: Any, **options: Any) -> Worker[Any]:
    """A worker of SAQ's that knows both steps; the session is open, and outlives it."""

    async def startup(context: Any) -> None:
        context.update(queue=queue, session=session, storage=storage)

    return Worker(queue, functions=[begin, look], startup=startup, **options)
