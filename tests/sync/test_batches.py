"""A sync of ACC sheets in batches, and one PDF of a set by one job."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async import InputError
from aps_async.simulator import Behaviour, JobTime, World
from aps_async.sync.forecast import forecast
from aps_async.sync.joined import JoinedSet
from aps_async.sync.options import SyncOptions
from aps_async.sync.project import sync_project
from tests.exports.test_batches import USER, is_right, project_of, sheets_of, starts
from tests.support import service, session_for
from tests.sync.sheets import bookmarks_of, labels_of, pictures_of

pytestmark = pytest.mark.looptime

QUICK = JobTime.fixed(20)


async def synced(session: Any, project: Any, folder: Path, **how: Any) -> list[Any]:
    run = sync_project(session, project, folder, SyncOptions(user_id=USER, **how))
    async with aclosing(run) as outcomes:
        return [each async for each in outcomes]


async def test_a_sync_takes_batches_and_exports_only_what_is_revised(tmp_path: Path) -> None:
    behaviour = Behaviour(job_time=QUICK, acc_sheet_pages="shuffled")
    async with service(World.acc(0, 12), behaviour=behaviour) as simulator, session_for(simulator) as session:
        project = project_of(simulator)
        expected = await forecast(session, project.id, tmp_path, SyncOptions(user_id=USER, batch=5))
        before = session.calls
        found = await synced(session, project.id, tmp_path, batch=5)
        assert {str(each.state) for each in found} == {"new"}
        assert starts(simulator) == 3
        assert session.calls - before == pytest.approx(expected.calls, rel=0.35)
        by_number = {sheet.number: sheet for sheet in sheets_of(simulator)}
        assert all(is_right(each.path, by_number[each.number]) for each in found)
        found[0].path.unlink()
        again = await synced(session, project.id, tmp_path, batch=5)
        assert [str(each.state) for each in again if each.state != "unchanged"] == ["refreshed"]
        assert starts(simulator) == 4


@pytest.mark.parametrize(("batch", "jobs"), [(None, 1), (1, 12), (6, 2)])
async def test_one_pdf_of_a_set_is_made_by_one_job(tmp_path: Path, batch: int | None, jobs: int) -> None:
    behaviour = Behaviour(job_time=QUICK, acc_sheet_names="bookmarks", acc_sheet_pages="shuffled")
    async with service(World.acc(0, 12), behaviour=behaviour) as simulator, session_for(simulator) as session:
        merged = tmp_path / "set.pdf"
        found = await synced(session, project_of(simulator).id, tmp_path / "sheets", merge=merged, batch=batch)
        assert starts(simulator) == jobs
        numbers = sorted(sheet.number for sheet in sheets_of(simulator))
        assert labels_of(merged) == numbers
        titles = {each.number: each.name for each in found}
        assert [text for _, text, _ in bookmarks_of(merged) if text in titles.values()] == [titles[n] for n in numbers]
        files = {each.number: each.path for each in found}
        assert pictures_of(merged) == [pictures_of(files[number])[0] for number in numbers]


async def test_the_set_is_whole_where_pages_cannot_be_identified(tmp_path: Path) -> None:
    behaviour = Behaviour(job_time=QUICK, acc_sheet_pages="one twice")
    async with service(World.acc(0, 6), behaviour=behaviour) as simulator, session_for(simulator) as session:
        joined: list[JoinedSet] = []
        how = SyncOptions(user_id=USER, merge=tmp_path / "set.pdf")
        run = sync_project(session, project_of(simulator).id, tmp_path / "sheets", how, on_joined=joined.append)
        async with aclosing(run) as outcomes:
            found = [each async for each in outcomes]
        assert [each.sheets for each in joined] == [6]
        assert all("exported on its own" in each.in_words for each in found)
        assert starts(simulator) == 7


@pytest.mark.parametrize(("world", "batch", "words"), [
    (World.single_folder(1), 5, "not an ACC project"),
    (World.acc(0, 1), 1001, "1 to 1,000 sheets"),
])  # fmt: skip
async def test_batches_that_cannot_be_are_refused(tmp_path: Path, world: World, batch: int, words: str) -> None:
    async with service(world) as simulator, session_for(simulator) as session:
        for run in (synced, _forecast):
            with pytest.raises(InputError, match=words):
                await run(session, project_of(simulator).id, tmp_path, batch=batch)


async def _forecast(session: Any, project: Any, folder: Path, **how: Any) -> Any:
    return await forecast(session, project, folder, SyncOptions(user_id=USER, **how))
