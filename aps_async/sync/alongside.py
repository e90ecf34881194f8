"""Starts the exports of a sync while the project is still being listed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aps_async.models import ExportRequest
from aps_async.sync.compare import Planned
from aps_async.sync.run import SyncRun

__all__ = ["requests"]
__dir__: object = __all__.copy


async def requests(run: SyncRun, on_listed: Callable[[int], object]) -> AsyncGenerator[ExportRequest, None]:
    """Yields the requests of the sheets to export, each as soon as it is certain which name its file gets.

    Files in the folder that have to be renamed get their names first, and which these are is only known at the end of
    the list. So a sheet that needs a new name waits until then, unless the folder has no file that could be renamed.

    Args:
        run: a run whose `looking` has not been called yet.
        on_listed: called with the number of sheets that are listed and chosen so far, after each part of the list.
    """
    waiting: list[Planned] = []
    async with aclosing(run.looking()) as parts:
        async for planned in parts:
            on_listed(run.chosen)
            if run.is_listed:
                waiting += planned
                continue
            for each in planned:
                if run.gives_name_now(each):
                    yield each.request
                else:
                    waiting.append(each)
    await run.ledger.expect(run.chosen)
    await run.rename()
    for each in waiting:
        yield each.request
