"""Which exports a worker makes dead letters, and that it goes on with the others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    ExportError,
    ExportFailedError,
    ExportRef,
    ExportTimeoutError,
    NotFoundError,
    Session,
    Settings,
    bim360,
)
from aps_async.simulator import Fault, World
from aps_async.transport.hooks import Attempt
from aps_async.workers import (
    Database,
    Folder,
    RunStore,
    Worker,
    step_rules,
    steps,
    worker,
)
from tests.support import service, session_for
from tests.workers.working import QUICK, SPEED, letters, requests_of, run_of, whole_files, work, working_session

WORLD = {
    "hubs": [
        {
            "name": "Northlight",
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {
                            "name": "Plans",
                            "items": [
                                {"number": "good"},
                                {"number": "bad", "fails": True},
                                {"number": "slow", "never": True},
                            ],
                        }
                    ],
                }
            ],
        }
    ]
}


async def test_what_fails_for_good_becomes_a_dead_letter_with_its_reason(database: Database, tmp_path: Path) -> None:
    async with service(World.from_json(WORLD), speed=SPEED, behaviour=QUICK) as simulator:
        project = simulator.world.hubs[0].projects[0].id
        ghost = bim360.make_request(project, "urn:adsk.wipprod:fs.file:vf.NoSuchSheetAnywhere0?version=1", name="ghost")
        await RunStore(database).enqueue([*requests_of(simulator), ghost], "Clinic")
        async with working_session(simulator, database, export_timeout=60) as session:
            await work(session, database, tmp_path)
            first = await letters(database)
            assert await RunStore(database).retry() == 3
            await work(session, database, tmp_path)  # the failed job is what the service answers to another start
    found = await letters(database)
    assert {name: str(each) for name, each in found.items()} == {name: str(each) for name, each in first.items()}
    assert {type(each.ref) for each in found.values() if isinstance(each, ExportError)} == {ExportRef}
    assert {name.split(" ")[0]: type(each) for name, each in found.items()} == {
        "bad": ExportFailedError,
        "slow": ExportTimeoutError,
        "ghost": NotFoundError,
    }
    assert len(whole_files(tmp_path)) == 1


async def test_what_stumbles_too_often_and_what_ends_its_workers_become_dead_letters(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_rules, "TRIES", 2)
    fault = Fault(endpoint="export_status", kind="status", status=500)
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
            found = await letters(database)
            assert [type(each).__name__ for each in found.values()] == ["ServerError", "ServerError"]
            simulator.clear_faults()
            await database.fetch("UPDATE aps_export SET turns = $1 WHERE id = 1", worker.TURNS)
            assert await RunStore(database).retry() == 2
            await database.fetch("UPDATE aps_export SET turns = $1 WHERE id = 1", worker.TURNS)
            await work(session, database, tmp_path)
    [problem] = (await letters(database)).values()
    assert f"started {worker.TURNS} times" in str(problem)
    assert len(whole_files(tmp_path)) == 1


async def test_a_fault_of_our_own_ends_one_export_and_not_the_worker(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled, poll = [], steps.poll_once

    async def odd(session: Session, ref: Any) -> Any:
        polled.append(ref.export_id)
        if ref.export_id == polled[0]:
            raise ZeroDivisionError("division by zero")
        return await poll(session, ref)

    monkeypatch.setattr(steps, "poll_once", odd)
    async with service(World.single_folder(4), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    [problem] = (await letters(database)).values()
    assert "ZeroDivisionError" in str(problem)
    assert len(whole_files(tmp_path)) == 3


@pytest.mark.parametrize("endpoint", [bim360.START.name, bim360.STATUS.name, "storage"])
async def test_a_hook_that_raises_no_exception_ends_the_worker(
    database: Database, tmp_path: Path, endpoint: str
) -> None:
    """As those of test runners do; a step that just disappeared would keep its slot and its row."""

    def ends(event: object) -> None:
        if isinstance(event, Attempt) and event.endpoint == endpoint:
            raise GeneratorExit

    async with service(World.single_folder(4), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with session_for(simulator, Settings().scaled(SPEED), hooks=[ends]) as session:
            with pytest.raises(GeneratorExit):
                async with asyncio.timeout(30):
                    await work(session, database, tmp_path)
        async with working_session(simulator, database) as session:  # the rows are free at once
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 4


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE aps_export SET name = '../../Letter' WHERE id = $1", "cannot be used as a file name"),
        ("UPDATE aps_export SET name = '/tmp/Letter' WHERE id = $1", "cannot be used as a file name"),
        ("UPDATE aps_export SET name = '..' || chr(92) || 'Letter' WHERE id = $1", "cannot be used as a file name"),
        ("UPDATE aps_export SET name = '' WHERE id = $1", "is empty"),
        ("UPDATE aps_run SET name = '..' WHERE $1 > 0", "begins or ends with a dot"),
        ("UPDATE aps_run SET name = '/' WHERE $1 > 0", "cannot be used as a file name"),
        ("UPDATE aps_run SET name = '.aps-async' WHERE $1 > 0", "cannot be used as a file name"),
        ("UPDATE aps_export SET request = '[' WHERE id = $1", "cannot be read"),
        ("UPDATE aps_export SET request = '7' WHERE id = $1", "cannot be read"),
        ("UPDATE aps_export SET request = repeat('[', 100000) WHERE id = $1", "cannot be read"),
    ],
)
async def test_a_row_that_cannot_be_read_becomes_a_dead_letter_and_does_not_end_the_worker(
    database: Database, tmp_path: Path, statement: str, words: str
) -> None:
    async with service(World.single_folder(3), speed=SPEED, behaviour=QUICK) as simulator:
        first = await run_of(simulator, database)
        async for each in _rows(database):
            await database.fetch(statement, each)
            break
        if "aps_run" in statement:  # all of the first run, none of another
            await run_of(simulator, database)
        (tmp_path / "files").mkdir()
        async with working_session(simulator, database) as session, asyncio.timeout(30):
            worker = Worker(session, database, Folder(tmp_path / "files"))
            await worker.run(until_done=True)
        bad = 3 if "aps_run" in statement else 1
        assert worker.unreadable == bad
        errors = [each.outcome.error async for each in RunStore(database).records(first.id, states=["failed"])]
        assert len(errors) == bad
        assert all(words in str(each) for each in errors)
        assert [path.name for path in tmp_path.iterdir()] == ["files"]
        assert len(whole_files(tmp_path / "files")) == (3 if "aps_run" in statement else 2)
        counts = simulator.counts()["endpoints"]
        assert counts["export_start"]["calls"] == (3 if "aps_run" in statement else 2), "nothing is spent on it"


async def _rows(database: Database) -> AsyncIterator[int]:
    for row in await database.fetch("SELECT id FROM aps_export ORDER BY id"):
        yield row["id"]


async def test_a_job_in_the_queue_that_names_no_export_is_dropped(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        for payload in (b"x", b"", b"-1", b"9" * 30, b"1.5"):
            await database.fetch(
                "INSERT INTO aps_pgqueuer (priority, status, entrypoint, payload) VALUES (9, 'queued', 'start', $1)",
                payload,
            )
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        assert await letters(database) == {}
        assert (await RunStore(database).run(run.id)).done == 2
    assert caplog.text.count("it is dropped") == 5


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(endpoint="signed_get", status=410), "410"),
        (Fault(endpoint="signed_get", kind="html"), "not a PDF but an HTML page"),
        (Fault(endpoint="signed_get", kind="truncate"), "gave up after"),
    ],
    ids=lambda each: each.kind if isinstance(each, Fault) else "",
)
async def test_a_result_that_can_never_be_downloaded_becomes_a_dead_letter(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, words: str
) -> None:
    """Between two attempts at its delivery, the service says each time that the job is done."""
    monkeypatch.setattr(step_rules, "TRIES", 4)
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database, max_download_attempts=2) as session:
            await work(session, database, tmp_path)
    found = await letters(database)
    assert len(found) == 2
    assert all(words in str(each) for each in found.values())
    assert whole_files(tmp_path) == []
