"""The names of unpacked files, which threads ask a ledger for."""

import asyncio
from pathlib import Path

from aps_async import ExportRequest
from aps_async.ledger import Ledger
from aps_async.models import ExportKind


async def test_threads_never_get_equal_names_for_one_archive(tmp_path: Path) -> None:
    archive = ExportRequest(kind=ExportKind.FILES, project_id="p", source_ids=("urn:a", "urn:b"), name="all")
    async with Ledger(tmp_path) as ledger:
        await ledger.begin(1)
        [record] = await ledger.enter([(archive, None)])
        names = ledger.names(record)
        given = await asyncio.gather(*(asyncio.to_thread(names.take, "Plan") for _ in range(40)))
        assert len(set(given)) == len(given)
        again = ledger.names(record)
        assert set(given) == {await asyncio.to_thread(again.take, "Plan") for _ in given}
