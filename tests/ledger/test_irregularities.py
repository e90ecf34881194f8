"""What a delivery lacks, or what is odd about it: the next run does not forget it."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve

from aps_async import ExportOutcome, ExportRef, ExportRequest, Session, StaticToken, export_many, files
from aps_async.downloads.folder import Folder
from aps_async.downloads.storage import ReadableStorage
from aps_async.errors import LedgerError
from aps_async.exports.wait import poll_export
from aps_async.ledger import LEDGER_NAME, Ledger, ledger_status
from aps_async.models import FailedExport, StoredExport
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import Item
from tests.ledger.support import fetches, files_in
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

NAMES = ("A.dwg", "B.dwg", "C.dwg")
WORLD = {
    "users": [{"id": "ADA", "name": "Ada"}],
    "hubs": [{"projects": [{"name": "Tower", "projectType": "ACC", "folders": [
        {"name": "Project Files", "items": [{"type": "file", "name": name} for name in NAMES]}]}]}],
}  # fmt: skip

Outcome = ExportOutcome | StoredExport
Wanted = ExportRequest | ExportRef


@pytest.fixture(params=["good", "deflate64"])
async def simulator(request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(job_time=JobTime.fixed(5), acc_zip=request.param)
    async with service(World.from_json(WORLD), behaviour=behaviour) as running:
        yield running


good = pytest.mark.parametrize("simulator", ["good"], indirect=True)
odd = pytest.mark.parametrize("simulator", ["deflate64"], indirect=True)


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator, user_id="ADA") as opened:
        yield opened


def lacking(simulator: Simulator, *names: str) -> None:
    """From now on, the service cannot export these files."""
    for name in NAMES:
        item_of(simulator, name).no_views = name in names


def item_of(simulator: Simulator, name: str) -> Item:
    [found] = [each for each in simulator.world.items.values() if each.name == name]
    return found


def request_of(simulator: Simulator) -> ExportRequest:
    urns = [item_of(simulator, name).tip.id for name in NAMES]
    [request] = files.make_requests(simulator.world.hubs[0].projects[0].id, urns, name="all", user_id="ADA")
    return request


def jobs(simulator: Simulator) -> int:
    return int(simulator.counts()["endpoints"]["files_export_start"]["calls"])


async def run(
    session: Session, wanted: Wanted, folder: Path, storage: ReadableStorage | None = None, **options: Any
) -> Outcome:
    how = {name: options.pop(name) for name in ("verify", "again") if name in options}
    ledger = Ledger(folder, storage=storage, **how)
    async with aclosing(export_many(session, [wanted], storage or folder, ledger=ledger, **options)) as outcomes:
        [outcome] = [each async for each in outcomes]
    return outcome


def lost(outcome: Outcome) -> list[str]:
    return [each.id for each in outcome.failed_files]


TARGETS: dict[str, Callable[[Path], ReadableStorage | None]] = {
    "folder": lambda _: None,
    "storage": lambda path: Folder(path / "storage"),
}
everywhere = pytest.mark.parametrize("target", TARGETS)
packed = pytest.mark.parametrize("unpack", [False, True], ids=["packed", "unpacked"])


@good
@everywhere
@packed
@pytest.mark.parametrize("how", [{}, {"verify": True}, {"again": True}], ids=["plain", "verify", "again"])
async def test_what_is_missing_is_tried_again_until_it_comes(
    simulator: Simulator, session: Session, tmp_path: Path, target: str, unpack: bool, how: dict[str, bool]
) -> None:
    storage, request = TARGETS[target](tmp_path), request_of(simulator)
    lacking(simulator, "B.dwg")
    for turn in (1, 2):
        outcome = await run(session, request, tmp_path / "out", storage, unpack=unpack, **how)
        assert (outcome.ok, outcome.reused, lost(outcome)) == (True, False, [item_of(simulator, "B.dwg").tip.id])
        assert jobs(simulator) == turn
        status = ledger_status(tmp_path / "out")
        assert [(name, each.id) for name, each in status.missing] == [("all", *lost(outcome))]
        assert not status.is_complete
    lacking(simulator)
    outcome = await run(session, request, tmp_path / "out", storage, unpack=unpack, **how)
    assert (outcome.ok, outcome.reused, lost(outcome)) == (True, False, [])
    assert (ledger_status(tmp_path / "out").missing, ledger_status(tmp_path / "out").is_complete) == ((), True)
    again = await run(session, request, tmp_path / "out", storage, unpack=unpack)
    assert (again.reused, lost(again)) == (True, [])
    assert again.path == outcome.path
    assert set(again.unpacked) == set(outcome.unpacked)


@good
@packed
async def test_a_job_that_cannot_be_started_again_is_reported_again(
    simulator: Simulator, session: Session, tmp_path: Path, unpack: bool
) -> None:
    lacking(simulator, "B.dwg")
    first = await run(session, request_of(simulator), tmp_path, unpack=unpack)
    assert first.ref is not None
    again = await run(session, first.ref, tmp_path, unpack=unpack)
    assert (again.reused, again.failed_files) == (True, first.failed_files)
    assert jobs(simulator) == 1


@good
@packed
async def test_a_run_that_was_killed_before_it_ended_forgets_nothing(
    simulator: Simulator, session: Session, tmp_path: Path, unpack: bool
) -> None:
    class Ending(Ledger):
        async def ended(self, record: object, outcome: Outcome) -> tuple[str, ...]:
            assert record
            assert outcome.ok
            await asyncio.Event().wait()
            return ()

    lacking(simulator, "B.dwg")
    outcomes = export_many(session, [request_of(simulator)], tmp_path, unpack=unpack, ledger=Ending(tmp_path))
    async with aclosing(outcomes):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await anext(outcomes)
    async with Ledger(tmp_path):
        pass  # which finds the file, and notes that it is there
    assert len(ledger_status(tmp_path).missing) == (not unpack)
    assert lost(await run(session, request_of(simulator), tmp_path, unpack=unpack))


@good
async def test_a_file_that_is_missing_the_second_time_stays(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    lacking(simulator, "B.dwg")
    await run(session, request_of(simulator), tmp_path, unpack=True)
    assert list(files_in(tmp_path)) == ["A.pdf", "C.pdf"]
    lacking(simulator, "C.dwg")
    outcome = await run(session, request_of(simulator), tmp_path, unpack=True)
    assert lost(outcome) == [item_of(simulator, "C.dwg").tip.id]
    assert list(files_in(tmp_path)) == ["A.pdf", "B.pdf", "C.pdf"]
    lacking(simulator)
    await run(session, request_of(simulator), tmp_path, unpack=True)
    assert list(files_in(tmp_path)) == ["A.pdf", "B.pdf", "C.pdf"]


@good
async def test_a_second_try_that_fails_leaves_what_the_first_brought(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    lacking(simulator, "B.dwg")
    await run(session, request_of(simulator), tmp_path, unpack=True)
    brought = files_in(tmp_path)
    lacking(simulator, *NAMES)
    outcome = await run(session, request_of(simulator), tmp_path, unpack=True)
    assert isinstance(outcome, FailedExport)
    assert (files_in(tmp_path), ledger_status(tmp_path).failed) == (brought, 1)


@odd
@everywhere
@packed
@pytest.mark.parametrize("how", [{}, {"verify": True}], ids=["plain", "verify"])
async def test_what_is_odd_about_a_file_is_reported_as_long_as_it_is_there(
    simulator: Simulator, session: Session, tmp_path: Path, target: str, unpack: bool, how: dict[str, bool]
) -> None:
    storage, request = TARGETS[target](tmp_path), request_of(simulator)
    first = await run(session, request, tmp_path / "out", storage, unpack=unpack, **how)
    assert any("Deflate64" in each for each in first.warnings)
    again = await run(session, request, tmp_path / "out", storage, unpack=unpack, **how)
    assert (again.reused, again.warnings) == (True, first.warnings)
    assert (again.path, set(again.unpacked)) == (first.path, set(first.unpacked))
    assert fetches(simulator) == 1
    status = ledger_status(tmp_path / "out")
    assert status.warnings == tuple(("all", each) for each in first.warnings)
    assert status.is_complete


@odd
async def test_what_happened_on_the_way_is_reported_once(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    """That a changed file was moved aside is no property of the file that came."""
    request = request_of(simulator)
    first = await run(session, request, tmp_path)
    (tmp_path / "all.zip").write_bytes(b"edited by a person")
    async with aclosing(
        export_many(session, [request], tmp_path, ledger=Ledger(tmp_path, superseded="keep"))
    ) as outcomes:
        [moved] = [each async for each in outcomes]
    assert any("superseded/all.zip" in each for each in moved.warnings)
    assert (await run(session, request, tmp_path)).warnings == first.warnings


@good
async def test_values_that_others_have_written_are_refused(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    first = await run(session, request_of(simulator), tmp_path)
    assert first.ref is not None
    for column in ("lacks", "warnings"):
        for value in ("[", "{}", "[1]", "1", 7, b"\xff"):
            plant = f"UPDATE exports SET run=(SELECT max(id) FROM runs), lacks=NULL, warnings=NULL, {column}=?"  # noqa: S608
            with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as ledger, ledger:
                ledger.execute(plant, (value,))
            with pytest.raises(LedgerError, match=r"cannot be (trusted|used).* [Mm]ove it away"):
                ledger_status(tmp_path)
            with pytest.raises(LedgerError, match=r"cannot be (trusted|used).* [Mm]ove it away"):
                await run(session, first.ref, tmp_path)


@good
async def test_a_ledger_from_before_knows_of_nothing_and_learns_it(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    lacking(simulator, "B.dwg")
    await run(session, request_of(simulator), tmp_path)
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as ledger, ledger:
        for column in ("lacks", "warnings"):
            ledger.execute(f"ALTER TABLE exports DROP COLUMN {column}")
        ledger.execute("PRAGMA user_version=4")
    assert (ledger_status(tmp_path).missing, ledger_status(tmp_path).warnings) == ((), ())
    assert (await run(session, request_of(simulator), tmp_path)).reused
    assert lost(await run(session, request_of(simulator), tmp_path, again=True))
    assert ledger_status(tmp_path).missing


@good
async def test_a_partial_result_that_names_nothing_still_lacks_something(simulator: Simulator) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        result = {"output": {"signedUrl": "https://127.0.0.1/all.zip"}}
        return web.json_response({"id": "1", "status": "partialSuccess", "result": result})

    async with served(answer) as url, Session(StaticToken("t"), base_url=url) as session:
        done = await poll_export(session, ExportRef(request=evolve(request_of(simulator), user_id=None), export_id="1"))
    assert [each.id for each in done.failed_files] == ["unknown"]
    assert "does not say what is missing" in str(done.failed_files[0])
