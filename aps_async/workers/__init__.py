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

The steps are plain coroutines (`aps_async.workers.steps`) and need neither PostgreSQL nor PgQueuer: `tests/examples/`
has them in an asyncio queue of one's own, and under another task queue.
"""

from aps_async.workers.book import Book
from aps_async.workers.database import Database
from aps_async.workers.pacing import SharedPacer, SharedQuotas
from aps_async.workers.steps import Delivered, deliver, passes, poll_interval, poll_once, start
from aps_async.workers.storage import Folder, Storage, storage_for
from aps_async.workers.values import Entry, Record, RunStatus
from aps_async.workers.worker import Worker

__all__ = [
    "Book",
    "Database",
    "Delivered",
    "Entry",
    "Folder",
    "Record",
    "RunStatus",
    "SharedPacer",
    "SharedQuotas",
    "Storage",
    "Worker",
    "deliver",
    "passes",
    "poll_interval",
    "poll_once",
    "start",
    "storage_for",
]
