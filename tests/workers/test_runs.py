"""The store of runs: each step takes effect once however often it is repeated, and queries return the truth."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    APSError,
    DecodeError,
    ExportFailedError,
    ExportJob,
    ExportRef,
    ExportRequest,
    ExportStatus,
    ExportTimeoutError,
    InputError,
    NotFoundError,
    bim360,
)
from aps_async.errors import DatabaseError, TargetError
from aps_async.models import FailedFile
from aps_async.workers import Database, Delivered, RunStore, engine
from aps_async.workers.owners import Owner
from aps_async.workers.records import error_from_json, error_to_json
from tests.postgres import Postgres

WARNINGS = ("the file has no end marker", "'\U0001f4c4.pdf' is not a valid PDF")
FILE = Delivered(location="/plans/A-1.pdf", size=1234, sha256="ab" * 32, warnings=WARNINGS)


def requests(count: int, name: str = "A-1") -> list[ExportRequest]:
    return [
        bim360.make_request("project", f"urn:adsk.wipprod:fs.file:vf.x{n}?version=1", name=name) for n in range(count)
    ]


async def lane(database: Database, which: str) -> list[tuple[str, int]]:
    rows = await database.fetch(
        "SELECT payload, priority FROM aps_pgqueuer WHERE entrypoint = $1 AND status = 'queued' "
        "ORDER BY priority DESC, id",
        which,
    )
    return [(row["payload"].decode(), row["priority"]) for row in rows]


async def ids(database: Database, run: int) -> list[int]:
    return [row["id"] for row in await database.fetch("SELECT id FROM aps_export WHERE run = $1 ORDER BY id", run)]


async def test_a_run_is_enqueued_with_names_of_its_own_and_a_folder_of_its_own(database: Database) -> None:
    store = RunStore(database)
    first = await store.enqueue(requests(3), "Riverside: Clinic")
    second = await store.enqueue(requests(1), "Riverside: Clinic", priority=5)
    assert (first.name, first.total, first.waiting) == ("Riverside_ Clinic", 3, 3)
    assert second.name == "Riverside_ Clinic (2)"
    rows = await database.fetch("SELECT name FROM aps_export WHERE run = $1 ORDER BY id", first.id)
    assert [row["name"] for row in rows] == ["A-1", "A-1 (2)", "A-1 (3)"]
    [a, b, c], [d] = await ids(database, first.id), await ids(database, second.id)
    assert await lane(database, "start") == [(str(d), 5), (str(a), 0), (str(b), 0), (str(c), 0)]
    assert [each.name for each in await store.runs()] == [first.name, second.name]
    assert await store.run("Riverside_ Clinic") == first
    assert await store.run(str(second.id)) == second
    with pytest.raises(InputError, match="no run 'nowhere'"):
        await store.run("nowhere")


async def test_what_was_started_elsewhere_is_looked_after_and_not_started(database: Database) -> None:
    store = RunStore(database)
    [one, two] = requests(2)

    async def source() -> AsyncIterator[ExportRequest | ExportRef]:
        yield one
        yield ExportRef(request=two, export_id="from-elsewhere")

    run = await store.enqueue(source(), "mixed")
    [a, b] = await ids(database, run.id)
    assert (run.waiting, run.running) == (1, 1)
    assert await lane(database, "start") == [(str(a), 0)]
    assert await lane(database, "fetch") == [(str(b), 0)]
    entry = await store.entry(b)
    assert entry is not None
    assert entry.ref == ExportRef(request=two, export_id="from-elsewhere")
    assert await store.entry(b + 1) is None


async def test_what_a_source_raises_comes_through_and_what_came_before_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aps_async.workers.enqueueing.BATCH", 2)

    def source() -> Iterator[ExportRequest]:
        yield from requests(5)
        raise LookupError("the list ended badly")

    store = RunStore(database)
    with pytest.raises(LookupError):
        await store.enqueue(source(), "broken")
    assert (await store.run("broken")).total == 4


async def test_every_step_is_made_once(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(1), "one")
    [one] = await ids(database, run.id)
    entry = await store.entry(one)
    assert entry is not None
    await asyncio.gather(*(store.started(entry, f"job-{n}") for n in range(4)))
    assert len(await lane(database, "fetch")) == 1
    found = await store.entry(one)
    assert found is not None
    assert (found.state, found.ref is not None) == ("running", True)
    first, second = await store.delivery_attempt(one), await store.delivery_attempt(one)
    assert (first, second) == (1, 2)
    assert not await store.is_mine(one, 1)
    assert await store.is_mine(one, 2)
    assert not await store.delivered(one, 1, FILE, polls=3, failed_files=())  # the slower of two workers
    missing = (FailedFile(id="urn:x", reason="NOT_FOUND"),)
    done = await asyncio.gather(*(store.delivered(one, 2, FILE, polls=3, failed_files=missing) for _ in range(4)))
    assert sorted(done) == [False, False, False, True]
    assert not await store.failed(one, TargetError("too late"))
    assert await store.delivery_attempt(one) is None
    [record] = [each async for each in store.records(run.id)]
    assert (record.location, record.sha256, record.name) == (FILE.location, FILE.sha256, "A-1")
    outcome = record.outcome
    assert (outcome.ok, outcome.path, outcome.size, outcome.polls) == (True, Path(FILE.location), 1234, 3)
    assert (outcome.failed_files, outcome.ref) == (missing, found.ref)
    assert outcome.warnings == WARNINGS
    assert outcome.request == requests(1)[0]
    assert (await store.run(run.id)).is_over


@pytest.mark.parametrize("text", ["7", "[7]", "{}", "[", '"odd"'])
async def test_warnings_that_cannot_be_read_are_reported(database: Database, text: str) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(1), "one")
    await database.fetch("UPDATE aps_export SET state = 'done', warnings = $1", text)
    [record] = [each async for each in store.records(run.id)]
    assert isinstance(record.outcome.error, InputError)
    assert record.outcome.warnings == ()


async def test_a_cancelled_run_leaves_the_lanes_and_takes_no_more_outcomes(database: Database) -> None:
    store = RunStore(database)
    run, other = await store.enqueue(requests(4), "one"), await store.enqueue(requests(1), "other")
    [a, b, c, _] = await ids(database, run.id)
    for export in (a, b):
        entry = await store.entry(export)
        assert entry is not None
        await store.started(entry, "job")
    delivery_attempt = await store.delivery_attempt(a)
    assert delivery_attempt is not None
    assert await store.delivered(a, delivery_attempt, FILE, polls=1, failed_files=())
    delivery_attempt = await store.delivery_attempt(b)
    assert delivery_attempt is not None
    assert await store.cancel(run.id) == 3
    assert await store.cancel(run.id) == 0
    assert not await store.is_mine(b, delivery_attempt)
    assert not await store.delivered(b, delivery_attempt, FILE, polls=1, failed_files=())
    assert not await store.failed(c, TargetError("late"))
    after = await store.run(run.id)
    assert (after.done, after.dropped, after.total, after.is_over) == (1, 3, 4, True)
    assert after.cancelled is not None
    dropped = [each.outcome async for each in store.records(run.id, states=["cancelled"])]
    assert [(each.ok, each.path, str(each.error)) for each in dropped] == [
        (False, None, "the export is cancelled and has no file")
    ] * 3
    assert await lane(database, "fetch") == []
    assert await lane(database, "start") == [(str(each), 0) for each in await ids(database, other.id)]


async def test_dead_letters_have_a_reason_and_can_be_queued_again(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(3), "dead", priority=7)
    [never, gave_up, late] = await ids(database, run.id)
    for export in (gave_up, late):
        entry = await store.entry(export)
        assert entry is not None
        await store.started(entry, f"job-{export}")
    [request, *_] = requests(1)
    ref = ExportRef(request=request, export_id="job")
    job = ExportJob(ref=ref, status=ExportStatus.FAILED, raw_status="failed")
    await database.fetch("DELETE FROM aps_pgqueuer")
    assert await store.failed(
        never, NotFoundError("no such sheet", status=404, method="POST", path="/x", detail="gone")
    )
    assert await store.failed(gave_up, ExportFailedError("the service gave it up", ref=ref, job=job), polls=4)
    assert await store.failed(late, ExportTimeoutError("not done in 600 s", ref=ref))
    letters = {each.id: each async for each in store.records(run.id, states=["failed"])}
    problem = letters[never].outcome.error
    assert isinstance(problem, NotFoundError)
    assert (str(problem), problem.status, problem.detail, problem.retry_after) == ("no such sheet", 404, "gone", None)
    failure = letters[gave_up].outcome.error
    assert isinstance(failure, ExportFailedError)
    assert failure.ref.export_id == f"job-{gave_up}"
    assert letters[gave_up].outcome.polls == 4
    assert isinstance(letters[late].outcome.error, TimeoutError)
    assert await store.retry(run.id) == 3
    assert await store.retry(run.id) == 0
    assert await lane(database, "start") == [(str(never), 7), (str(gave_up), 7)]
    assert await lane(database, "fetch") == [(str(late), 7)]
    again = await store.entry(late)
    assert again is not None
    assert (again.export_id, again.tries) == (f"job-{late}", 0)
    assert again.age < 5


async def test_only_the_chosen_dead_letters_go_again(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(3), "dead")
    for export in await ids(database, run.id):
        await store.failed(export, APSError("no"))
    [one, *_] = await ids(database, run.id)
    assert await store.retry(exports=[one]) == 1
    assert (await store.run(run.id)).failed == 2


async def test_dead_letters_go_again_by_their_reason(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(4), "dead", priority=7, owner=Owner("app", "ada"))
    reasons = [NotFoundError("gone", status=404, method="GET", path="/x"), APSError('odd "50 %" Ä'), APSError("other")]
    exports = await ids(database, run.id)
    await database.fetch("DELETE FROM aps_pgqueuer")
    for export, problem in zip(exports, [*reasons, APSError("NotFoundError is only mentioned")], strict=True):
        await store.failed(export, problem)
    assert await store.retry(reason="nothing like that") == 0
    assert await store.retry(run.id, reason='ODD "50 %" Ä') == 1
    assert await store.retry(run.id, exports[2:], reason="NotFoundError") == 1
    assert await store.retry(run.id + 1) == 0
    assert await lane(database, "start app ada") == [(str(exports[1]), 7), (str(exports[3]), 7)]
    assert await store.retry() == 2
    assert (await store.run(run.id)).waiting == 4


async def test_a_run_with_a_key_is_enqueued_whole_and_once(database: Database) -> None:
    store = RunStore(database)

    def broken() -> Iterator[ExportRequest]:
        yield from requests(3)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.enqueue(broken(), "keyed", key="today")
    assert await store.runs() == []
    several = await asyncio.gather(*(store.enqueue(requests(3), "keyed", key="today") for _ in range(3)))
    again = await store.enqueue(requests(5), "other", key="today")
    other = await store.enqueue(requests(1), "keyed", key="tomorrow")
    assert {(each.id, each.name, each.total) for each in (*several, again)} == {(again.id, "keyed", 3)}
    assert (other.name, other.total) == ("keyed (2)", 1)
    assert len(await lane(database, "start")) == 4


async def test_a_priority_changes_also_what_is_queued_and_in_hand(database: Database) -> None:
    store = RunStore(database)
    run, other = await store.enqueue(requests(3), "one"), await store.enqueue(requests(1), "other")
    started, *_ = await ids(database, run.id)
    entry = await store.entry(started)
    assert entry is not None
    await store.started(entry, "job")
    await database.fetch("UPDATE aps_pgqueuer SET status = 'picked' WHERE dedupe_key = $1", f"fetch:{started}")
    await store.set_priority(run.id, 9)
    rows = await database.fetch("SELECT priority, count(*) AS count FROM aps_pgqueuer GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [(0, 1), (9, 3)]
    assert ((await store.run(run.id)).priority, (await store.run(other.id)).priority) == (9, 0)


async def test_records_come_in_pages_and_all_of_them(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(7), "paged")
    for export in await ids(database, run.id):
        await store.failed(export, APSError("no"))
    assert [each.id async for each in store.records(batch=3)] == await ids(database, run.id)
    assert [each.id async for each in store.records(run.id + 1)] == []


async def test_what_falls_out_of_a_lane_is_put_back(database: Database) -> None:
    store = RunStore(database)
    run = await store.enqueue(requests(4), "lost", priority=3)
    [a, b, c, d] = await ids(database, run.id)
    for export in (a, b):
        entry = await store.entry(export)
        assert entry is not None
        await store.started(entry, "job")
    await database.fetch("DELETE FROM aps_pgqueuer WHERE dedupe_key = $1", f"fetch:{a}")
    await database.fetch("UPDATE aps_pgqueuer SET status = 'failed' WHERE dedupe_key = $1", f"fetch:{b}")
    assert await engine.run_maintenance(database) == 2
    assert await lane(database, "fetch") == [(str(a), 3), (str(b), 3)]
    assert await engine.run_maintenance(database) == 0
    await database.fetch("DELETE FROM aps_pgqueuer WHERE entrypoint = 'start'")
    assert await engine.run_maintenance(database) == 2
    assert await lane(database, "start") == [(str(c), 3), (str(d), 3)]


async def test_old_rows_of_the_log_are_forgotten(database: Database) -> None:
    entry = """
    INSERT INTO aps_pgqueuer_log (job_id, status, priority, entrypoint, created) VALUES ($1, 'successful', 0, '', $2)
    """
    now = datetime.now(UTC)
    for number, age in enumerate((timedelta(hours=1), timedelta(0)), 1):
        await database.fetch(entry, number, now - age)
    await engine.run_maintenance(database)
    assert await database.value("SELECT count(*) FROM aps_pgqueuer_log") == 1


async def test_many_workers_may_make_the_tables_at_once(url: str) -> None:
    async def one() -> None:
        async with Database(url, patience=20.0) as opened:
            await RunStore.opened(opened)

    await asyncio.gather(*(one() for _ in range(5)))
    async with Database(url, patience=20.0) as opened:
        assert await opened.value("SELECT count(*) FROM aps_schema") == 1
        assert await RunStore(opened).runs() == []


async def test_tables_of_another_version_are_refused(database: Database) -> None:
    for version, word in ((2, "newer"), (0, "older")):
        await database.fetch("UPDATE aps_schema SET version = $1", version)
        with pytest.raises(DatabaseError, match=f"{word} version"):
            await RunStore.opened(database)


async def test_an_unreachable_database_is_reported_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://someone:canary-password@/plans?host={tmp_path}"
    with pytest.raises(DatabaseError) as caught:
        async with Database(url) as database:
            await RunStore.opened(database)
    assert "canary" not in repr(caught.value)
    assert "the database at" in str(caught.value)


async def test_an_outage_that_is_waited_out_is_reported_once(
    url: str, server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database(url, patience=None) as database, asyncio.timeout(60):
        await asyncio.to_thread(server.stop)
        try:
            several = asyncio.gather(*(database.value("SELECT 1") for _ in range(3)))
            while "is unavailable (" not in caplog.text:  # noqa: ASYNC110 - what is awaited is a line of a log
                await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(server.start)
        assert await several == [1, 1, 1]
    lines = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert [line.partition(f"the database at {database.shown} is ")[2].split()[0] for line in lines] == [
        "unavailable",
        "available",
    ]


async def test_patience_ends(url: str, server: Postgres) -> None:
    async with Database(url, patience=0.5) as database:
        await asyncio.to_thread(server.stop)
        try:
            with pytest.raises(DatabaseError):
                await database.fetch("SELECT 1")
        finally:
            await asyncio.to_thread(server.start)
        assert await database.value("SELECT 1") == 1


async def test_a_process_that_was_frozen_looks_once_more(url: str) -> None:
    """Stopped in the middle of a statement for longer than its patience: what it met is long over."""
    tries = 0

    async def frozen(connection: Any) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            time.sleep(0.5)  # noqa: ASYNC251 - as the whole process
            raise ConnectionResetError
        return int(await connection.fetchval("SELECT 1"))

    async with Database(url, patience=0.3) as database:
        assert await database.transaction(frozen) == 1
    assert tries == 2


def test_errors_come_back_as_what_they_were_and_unknown_ones_as_ours() -> None:
    broken = DecodeError("not as documented", problems=("a @ $",), garbled=True)
    back = error_from_json(error_to_json(broken))
    assert isinstance(back, DecodeError)
    assert (back.garbled, back.problems) == (True, ())
    noted = TargetError("cannot write", path=Path("/x"))
    noted.add_note("the disk is full")
    back = error_from_json(error_to_json(noted))
    assert isinstance(back, TargetError)
    assert (str(back), back.path) == ("cannot write. the disk is full", None)
    odd = error_from_json(error_to_json(ZeroDivisionError("division by zero")))
    assert type(odd) is APSError
    assert str(odd) == "ZeroDivisionError: division by zero"
    assert str(error_from_json(error_to_json(KeyError()))) == "KeyError: KeyError"
