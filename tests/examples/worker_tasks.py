"""Exports in worker tasks of one's own: a queue of sheets, eight workers, one session.

    python tests/examples/worker_tasks.py "Riverside Clinic" plans

`export_many` does the same with less, and goes on where it was (`ledger=True`). This is for an application that has a
queue already, and other things in it.
"""

import asyncio
import sys
from pathlib import Path

from aps_async import APSError, Session, TwoLegged, list_sheets, start_export, wait_for_export
from aps_async.downloads.filenames import NameBook
from aps_async.models import Sheet

WORKERS = 8


async def worker(session: Session, sheets: "asyncio.Queue[Sheet]", folder: Path, names: NameBook) -> None:
    """Takes one sheet after the other. A failure ends neither the worker nor the others."""
    while True:
        sheet = await sheets.get()
        try:
            job = await start_export(session, sheet.to_request(markups=True))
            path = await wait_for_export(session, job, folder / names.take(sheet.name))
        except APSError as problem:
            print(f"{sheet.name}: {problem}", file=sys.stderr)
        else:
            print(path)
        finally:
            sheets.task_done()


async def main(project: str, folder: Path) -> None:
    """Feeds the queue, waits until it is empty, and sends the workers home."""
    folder.mkdir(parents=True, exist_ok=True)
    queue: asyncio.Queue[Sheet] = asyncio.Queue(maxsize=100)
    names = NameBook()
    async with Session(TwoLegged.from_env()) as session, asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(worker(session, queue, folder, names)) for _ in range(WORKERS)]
        async for sheet in list_sheets(session, project):
            await queue.put(sheet)
        await queue.join()
        for each in workers:
            each.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
