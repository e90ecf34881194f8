"""Exports by workers on many machines, over one PostgreSQL; needs the extra `workers`.

    async with Database(url) as database:                          # where the project is known
        book = await Book.opened(database)
        run = await book.enqueue(requests, "Riverside Clinic")

    async with Database(url, patience=None) as database:           # on every machine
        async with Session(tokens, quotas=SharedQuotas(database)) as session:
            await Worker(session, database, Folder("/mnt/plans")).run()

Requests, references and outcomes are those of `export_many`. Every step may be repeated, so a worker that dies loses
nothing: what it had in hand is taken over within 20 seconds. What can happen twice is a POST that was accepted just
before its worker died (BIM 360 answers it with the same job) and a download; the file is replaced in one step by an
equal one, and there is one row, and one outcome, for each export.

What a million sheets come to (`python -m benchmarks million` and `workers`, whose tables lie in `benchmarks/results`):

- Time: 100 starts a minute and client id make 10,000 minutes, 6.94 days, with any number of workers; the simulated run
  ends 6 minutes after the last start. Another client id beside it has a quota of its own, in the same database.
- Status calls: about 100 to 150 exports are pending at once and each is asked about every 6 to 9 s, 8.6 times until it
  is done: 860 of the 1,000 calls a minute. The interval grows with what is pending, so the quota is never met.
- Slots: 860 status calls of 0.3 s and 100 downloads of 3 s a minute are 558 slot-seconds, 9.3 slots; 3 workers with 8
  have 24. When downloads are slower than that, at most `Settings.max_pending_exports` (2,000) are started and not
  delivered, and starts wait: back-pressure, and no link that dies.
- CPU: 11.3 ms of the workers and 10.9 ms of PostgreSQL for an export with 6 polls, of which a run in one process
  spends 2 to 3.5 ms too: 3.1 and 3.0 hours, 2 % of a core each. An idle worker takes 3.4 ms a second.
- Database: 1.02 GB once enqueued, in 48 s (478 bytes for the export, 389 for its place in the queue, 144 of log). The
  queue's part goes as exports end, the log is kept for ten minutes, and an outcome adds some 200 bytes, so it stays
  near 1 GB. Quotas take at most as many rows as calls fit into a minute. What a worker asks the queue takes 3.6 ms with
  a million in it, and the status of all runs 0.25 s.
- Files: a folder for each run; a million files in one are too many for most file servers, so enqueue by project or by
  folder of the project, or deliver to object storage.

The steps are plain coroutines (`aps_async.workers.steps`) and need neither PostgreSQL nor PgQueuer: `tests/examples/`
has them in an asyncio queue of one's own, and under another task queue.
"""

from aps_async.downloads.folder import Folder, Storage, storage_for
from aps_async.workers.database import Database
from aps_async.workers.rate_limit import SharedQuotas, SharedRateLimiter
from aps_async.workers.records import Entry, Record, RunStatus
from aps_async.workers.runs import RunStore
from aps_async.workers.steps import Delivered, deliver, passes, poll_interval, poll_once, start
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
    "passes",
    "poll_interval",
    "poll_once",
    "start",
    "storage_for",
]
__dir__: object = __all__.copy
