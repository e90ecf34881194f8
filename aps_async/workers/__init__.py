"""Exports by workers on several machines that share one PostgreSQL, which holds the queue and the rate limits.

Needs the extra `workers`.

    async with Database(url) as database:                          # on one machine
        store = await RunStore.opened(database)
        run = await store.enqueue(requests, "Riverside Clinic")

    async with Database(url, patience=None) as database:           # on every machine
        async with Session(tokens, quotas=SharedQuotas(database)) as session:
            await Worker(session, database, Folder("/mnt/plans")).run()

Requests, references and outcomes are those of `export_many`. Every step can be repeated, so nothing is lost if a worker
dies: others take over its exports within 15 seconds. Two things can happen twice: a POST that was accepted just before
its worker died (BIM 360 returns the same job), and a download; the file is then replaced in one step by an equal one.
There is one row, and one outcome, for each export.

What a million sheets take (`python -m benchmarks million` and `workers`; their tables are in `benchmarks/results`):

- Time: at 100 starts a minute for one client id, 10,000 minutes (6.94 days), with any number of workers; the simulated
  run ends 6 minutes after the last start. A second client id has its own quota, in the same database.
- Status calls: about 100 to 150 exports are pending at once, and each is polled every 6 to 9 s, 8.6 times until it is
  done: 860 of the 1,000 calls a minute. The interval grows with the number of pending exports, so the quota is never
  reached.
- Slots: 860 status calls of 0.3 s and 100 downloads of 3 s a minute are 558 slot-seconds, 9.3 slots; 3 workers with 8
  have 24. If downloads are slower, at most `Settings.max_pending_exports` (2,000) are started and not delivered,
  and further starts wait: back-pressure, so that no link expires.
- CPU: about 8 ms in workers and 4 ms in PostgreSQL for an export with 7 polls (a run in one process spends 2
  to 3.5 ms): 2.2 and 1.1 hours, 1 % of a core each. An idle worker uses 0.5 ms a second.
- Database: 0.9 GB after enqueueing, which takes 48 s on a quiet machine (498 bytes for the export, 398 for its row in
  the queue). Rows of the queue are deleted as exports end, PgQueuer's log is kept for ten minutes, and an outcome adds
  about 200 bytes, so the size stays near 1 GB. Quotas have at most as many rows as a minute has calls. With a million
  rows, a worker's query of the queue takes 3.6 ms, and the status of all runs 0.25 s.
- Connections: 4 for each process, and 1 to 3 for a command while it runs.
- Files: one folder for each run. A million files in one folder are too many for most file servers, so enqueue one run
  for each project or folder, or deliver to object storage.

The steps are plain coroutines (`aps_async.workers.steps`) and need neither PostgreSQL nor PgQueuer: `tests/examples/`
uses them with an asyncio queue, and with another task queue.
"""

from typing import TYPE_CHECKING

from aps_async.lazy import importer

if TYPE_CHECKING:
    from aps_async.downloads.folder import Folder, storage_for
    from aps_async.downloads.storage import Storage
    from aps_async.workers.database import Database
    from aps_async.workers.rate_limit import SharedQuotas, SharedRateLimiter
    from aps_async.workers.records import Entry, Record, RunStatus
    from aps_async.workers.runs import RunStore
    from aps_async.workers.steps import Delivered, deliver, may_recover, poll_interval, poll_once, start
    from aps_async.workers.worker import Worker

__all__ = [
    "Database",
    "Delivered",
    "Entry",
    "Folder",
    "Record",
    "RunStatus",
    "RunStore",
    "SharedQuotas",
    "SharedRateLimiter",
    "Storage",
    "Worker",
    "deliver",
    "may_recover",
    "poll_interval",
    "poll_once",
    "start",
    "storage_for",
]
__dir__: object = __all__.copy

_HOMES = {
    "aps_async.downloads.folder": "Folder storage_for",
    "aps_async.downloads.storage": "Storage",
    "aps_async.workers.database": "Database",
    "aps_async.workers.rate_limit": "SharedQuotas SharedRateLimiter",
    "aps_async.workers.records": "Entry Record RunStatus",
    "aps_async.workers.runs": "RunStore",
    "aps_async.workers.steps": "Delivered deliver may_recover poll_interval poll_once start",
    "aps_async.workers.worker": "Worker",
}
if not TYPE_CHECKING:  # which would accept any name
    __getattr__ = importer(__name__, _HOMES)
