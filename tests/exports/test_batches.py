"""Batches: one job for many ACC sheets, split into their files only where every page is known."""

import asyncio
import sys
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from aps_async import ExportRequest, InputError, Session, Settings, export_many
from aps_async.exports.targets import ledger_for
from aps_async.ledger import Ledger
from aps_async.models import DeliveredExport, ExportOptions
from aps_async.resources import sheets
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import BuildSheet
from tests.storages import ReadableInMemory
from tests.support import service, session_for

pytestmark = pytest.mark.looptime

USER = "BW9RM76WZBGL"
QUICK = JobTime.fixed(20)


def project_of(simulator: Simulator) -> Any:
    return simulator.world.hubs[0].projects[0]


def sheets_of(simulator: Simulator) -> list[BuildSheet]:
    return list(project_of(simulator).sheets)


async def requests_of(session: Session, simulator: Simulator, **more: Any) -> list[ExportRequest]:
    listed = sheets.list_sheets(session, project_of(simulator).id)
    return [sheet.to_request(user_id=USER, **more) async for sheet in listed]


async def run(session: Session, requests: Any, folder: Any, **options: Any) -> list[Any]:
    async with aclosing(export_many(session, requests, folder, **options)) as outcomes:
        return [outcome async for outcome in outcomes]


def shown_on(path: Path) -> set[str]:
    """The lines of the only page of a PDF."""
    with pypdfium2.PdfDocument(path) as document:
        [page] = document
        return set(page.get_textpage().get_text_bounded().splitlines())


def is_right(path: Path, sheet: BuildSheet) -> bool:
    """Whether a file shows this sheet, by what no other sheet's page says."""
    lines = shown_on(path)
    return f"Sheet {sheet.order + 1} of {len(sheet.project.sheets)}" in lines and sheet.number in lines


def check(outcomes: list[Any], simulator: Simulator) -> None:
    by_id = {sheet.id: sheet for sheet in sheets_of(simulator)}
    assert len(outcomes) == len(by_id)
    for each in outcomes:
        assert isinstance(each, DeliveredExport), each.error
        assert is_right(each.path, by_id[each.request.source_ids[0]])


def starts(simulator: Simulator) -> int:
    return len(simulator.acc_jobs.by_id)


PROVEN = ("none", "labels", "bookmarks", "both")
BROKEN = [("one missing", name) for name in PROVEN] + [("one twice", name) for name in PROVEN]


@pytest.mark.parametrize("pages", ["in order", "shuffled"])
@pytest.mark.parametrize("names", PROVEN)
async def test_every_sheet_gets_its_own_page(tmp_path: Path, names: Any, pages: Any) -> None:
    behaviour = Behaviour(acc_sheet_names=names, acc_sheet_pages=pages, job_time=QUICK)
    async with service(World.acc(0, 25), behaviour=behaviour) as simulator, session_for(simulator) as session:
        outcomes = await run(session, await requests_of(session, simulator), tmp_path, batch=10)
        check(outcomes, simulator)
        assert starts(simulator) == 3
        assert {each.warnings for each in outcomes} == {()}
        assert {each.ref for each in outcomes} == {None}, "nobody can wait for a sheet by a job for several"
        assert sorted(len(job.inputs) for job in simulator.acc_jobs.by_id.values()) == [5, 10, 10]
        assert len(list(tmp_path.iterdir())) == 25


@pytest.mark.parametrize(("pages", "names"), [*BROKEN, ("shuffled", "as requested")])
async def test_what_cannot_be_identified_is_exported_on_its_own(tmp_path: Path, names: Any, pages: Any) -> None:
    behaviour = Behaviour(acc_sheet_names=names, acc_sheet_pages=pages, job_time=QUICK)
    async with service(World.acc(0, 12), behaviour=behaviour) as simulator, session_for(simulator) as session:
        outcomes = await run(session, await requests_of(session, simulator), tmp_path, batch=6)
        check(outcomes, simulator)
        assert starts(simulator) == 2 + 12
        for each in outcomes:
            [warning] = each.warnings
            assert warning.startswith("exported on its own: its batch of 6 was not usable: ")
        assert len(list(tmp_path.iterdir())) == 12


async def test_a_batch_that_fails_harms_no_other_sheet(tmp_path: Path) -> None:
    async with service(World.acc(0, 10), behaviour=Behaviour(job_time=QUICK)) as simulator:
        sheets_of(simulator)[3].fails = True
        async with session_for(simulator) as session:
            outcomes = await run(session, await requests_of(session, simulator), tmp_path, batch=5)
    failed = [each for each in outcomes if not each.ok]
    assert [each.request.source_ids[0] for each in failed] == [sheets_of(simulator)[3].id]
    alone = [each for each in outcomes if each.ok and each.warnings]
    assert len(alone) == 4
    assert "it failed" in alone[0].warnings[0]


async def test_sheets_of_one_number_are_never_in_one_job(tmp_path: Path) -> None:
    async with service(World.acc(0, 6), behaviour=Behaviour(job_time=QUICK)) as simulator:
        sheets_of(simulator)[4].number = sheets_of(simulator)[0].number.lower()
        async with session_for(simulator) as session:
            requests = await requests_of(session, simulator)
            check(await run(session, requests, tmp_path, batch=6), simulator)
        assert starts(simulator) == 2


async def test_only_single_sheets_with_the_same_options_go_together(tmp_path: Path) -> None:
    async with service(World.acc(0, 6), behaviour=Behaviour(job_time=QUICK)) as simulator:
        async with session_for(simulator) as session:
            requests = await requests_of(session, simulator)
            marked = await requests_of(session, simulator, options=ExportOptions(markups=True))
            first = [each.id for each in sheets_of(simulator)[:2]]
            [two] = sheets.make_requests(project_of(simulator).id, first, user_id=USER, name="two")
            job = await sheets.start_export(session, two.project_id, requests[5].source_ids, user_id=USER)
            wanted = [*requests[:2], *marked[2:4], two, requests[4], job]
            outcomes = await run(session, wanted, tmp_path, batch=10)
        assert [each.ok for each in outcomes] == [True] * 7
        assert starts(simulator) == 1 + 3  # the job; the plain ones, those with markups, the two in one PDF


@pytest.mark.parametrize("room", [1, 3, 7])
@pytest.mark.parametrize("at_once", [1, 32])
async def test_a_batch_that_cannot_get_fuller_does_not_wait(tmp_path: Path, room: int, at_once: int) -> None:
    settings = Settings(max_pending_exports=room, max_concurrent_starts=at_once)
    behaviour = Behaviour(job_time=QUICK, acc_sheet_names="labels", acc_sheet_pages="one twice")
    async with service(World.acc(0, 10), behaviour=behaviour) as simulator, session_for(simulator, settings) as session:
        check(await run(session, await requests_of(session, simulator), tmp_path, batch=5), simulator)


async def test_with_a_ledger_only_what_is_missing_is_exported_again(tmp_path: Path) -> None:
    async with service(World.acc(0, 20), behaviour=Behaviour(job_time=QUICK)) as simulator:
        async with session_for(simulator) as session:
            requests = await requests_of(session, simulator)
            first = await run(session, requests, tmp_path, batch=10, ledger=True)
            check(first, simulator)
            assert starts(simulator) == 2
            for each in first[:5]:
                each.path.unlink()
            second = await run(session, requests, tmp_path, batch=10, ledger=True)
            check(second, simulator)
        assert starts(simulator) == 3
        assert sum(each.reused for each in second) == 15
        assert {each.path for each in first} == {each.path for each in second}


@pytest.mark.parametrize("seconds", [5, 25, 1000])
@pytest.mark.parametrize("after", [1, 4, 9, 15])
async def test_a_run_that_is_stopped_leaves_no_part_and_goes_on(tmp_path: Path, seconds: float, after: int) -> None:
    behaviour = Behaviour(job_time=QUICK, acc_sheet_pages="shuffled")
    async with service(World.acc(0, 20), behaviour=behaviour) as simulator, session_for(simulator) as session:
        requests = await requests_of(session, simulator)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async with aclosing(export_many(session, requests, tmp_path, batch=10, ledger=True)) as outcomes:
                    async for _ in outcomes:
                        after -= 1
                        if not after:
                            break
        assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".part")] == []
        check(await run(session, requests, tmp_path, batch=5, ledger=True), simulator)


async def test_parts_of_a_killed_run_are_removed_by_the_next(tmp_path: Path) -> None:
    async with Ledger(tmp_path) as ledger:
        (tmp_path / f".batch-{ledger.tag}01234567.part").write_bytes(b"left")
    async with Ledger(tmp_path):
        assert not list(tmp_path.glob("*.part"))


async def test_a_storage_gets_the_files_too(tmp_path: Path) -> None:
    storage: Any = ReadableInMemory(tmp_path)
    async with service(World.acc(0, 10), behaviour=Behaviour(job_time=QUICK)) as simulator:
        async with session_for(simulator) as session:
            requests = await requests_of(session, simulator)
            ledger = ledger_for(storage, tmp_path / "state")
            outcomes = await run(session, requests, storage, batch=5, ledger=ledger)
        assert starts(simulator) == 2
        by_id = {sheet.id: sheet for sheet in sheets_of(simulator)}
        for each in outcomes:
            fetched = tmp_path / "fetched.pdf"
            assert await storage.fetch(each.names[0], fetched)
            assert is_right(fetched, by_id[each.request.source_ids[0]])


@pytest.mark.parametrize("batch", [0, -1, 1001])
async def test_a_batch_that_no_job_takes_is_refused(tmp_path: Path, batch: int) -> None:
    async with service(World.acc(0, 1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match="1 to 1,000 sheets"):
            await run(session, [], tmp_path, batch=batch)


async def test_batches_of_one_are_jobs_as_without(tmp_path: Path) -> None:
    async with service(World.acc(0, 3), behaviour=Behaviour(job_time=QUICK)) as simulator:
        async with session_for(simulator) as session:
            check(await run(session, await requests_of(session, simulator), tmp_path, batch=1), simulator)
        assert starts(simulator) == 3


@pytest.mark.parametrize("package", ["pikepdf", "pypdfium2"])
async def test_without_the_extra_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    async with service(World.acc(0, 1)) as simulator, session_for(simulator) as session:
        requests = await requests_of(session, simulator)
        with pytest.raises(InputError, match=r"aps-async\[pdf\]"):
            await run(session, requests, tmp_path, batch=2)
        assert starts(simulator) == 0
