"""A worker with the simulator: everything is delivered, in order, despite faults, outages and other workers."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    AuthError,
    ExportError,
    ExportFailedError,
    ExportRef,
    ExportRequest,
    ExportTimeoutError,
    NotAllowedError,
    NotFoundError,
    Session,
    Settings,
    StaticToken,
    TransportError,
    TwoLegged,
    bim360,
)
from aps_async.auth import AccessToken, TokenClient
from aps_async.errors import TargetError
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.workers import (
    Database,
    Entry,
    Folder,
    RunStatus,
    RunStore,
    SharedQuotas,
    Worker,
    engine,
    presence,
    steps,
    worker,
)
from aps_async.workers.owners import Owner, owner_of
from aps_async.workers.presence import list_workers
from tests.postgres import Postgres
from tests.support import service, session_for

SPEED = 60.0
QUICK = Behaviour(job_time=JobTime.fixed(5))


def requests_of(simulator: Simulator) -> list[ExportRequest]:
    project = simulator.world.hubs[0].projects[0]
    return [bim360.make_request(project.id, sheet.tip.id, name=sheet.name) for sheet in simulator.world.sheets]


@asynccontextmanager
async def working_session(simulator: Simulator, database: Database, **changes: Any) -> AsyncIterator[Session]:
    quotas = SharedQuotas(database)
    settings = Settings(**changes).scaled(SPEED)
    async with session_for(simulator, settings, quotas=quotas) as session:
        yield session
    await quotas.close()


async def work(session: Session, database: Database, folder: Path, seconds: float = 30.0, **options: Any) -> None:
    """Until everything is done."""
    async with asyncio.timeout(seconds):
        await Worker(session, database, Folder(folder), **options).run(until_done=True)


async def letters(database: Database) -> dict[str, Exception | None]:
    return {each.name: each.outcome.error async for each in RunStore(database).records(states=["failed"])}


def whole_files(folder: Path) -> list[str]:
    for left in (folder / ".aps-async").iterdir():
        raise AssertionError(left)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pdf"))


async def run_of(simulator: Simulator, database: Database, **options: Any) -> RunStatus:
    return await RunStore(database).enqueue(requests_of(simulator), "Clinic", **options)


async def test_everything_is_delivered_verified_and_recorded(database: Database, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def tell(entry: Entry, file: Any, problem: Any) -> None:
        assert problem is None
        told.append((entry.name, file.size))

    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path, on_outcome=tell)
        counts = simulator.counts()
    assert (await RunStore(database).run(run.id)).done == 30
    records = [each async for each in RunStore(database).records(run.id)]
    assert sorted(told) == sorted((each.name, each.outcome.size) for each in records)
    for each in records:
        assert each.outcome.path is not None
        body = each.outcome.path.read_bytes()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (each.outcome.size, each.sha256)
        assert each.outcome.path == tmp_path / "Clinic" / f"{each.name}.pdf"
        assert each.outcome.polls >= 1
    assert len(whole_files(tmp_path)) == 30
    assert counts["endpoints"]["export_start"]["calls"] == 30
    assert counts["expired_urls_opened"] == 0
    assert await database.value("SELECT count(*) FROM aps_pgqueuer") == 0


async def test_faults_of_every_kind_cost_time_and_nothing_else(database: Database, tmp_path: Path) -> None:
    faults = [
        *(Fault(kind="status", status=status, probability=0.04) for status in (500, 502, 504)),
        Fault(kind="status", status=503, retry_after=2, probability=0.02),
        Fault(kind="html", status=502, probability=0.02),
        Fault(kind="reset", probability=0.03),
        Fault(kind="reset_body", probability=0.02),
        Fault(kind="truncate", probability=0.02),
        Fault(endpoint="signed_get", kind="expired", probability=0.1),
    ]
    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK, faults=faults) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        assert sum(each["faults"] for each in simulator.counts()["endpoints"].values()) > 10
    assert len(whole_files(tmp_path)) == 30
    assert await letters(database) == {}


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


async def test_a_run_with_a_higher_priority_goes_first(database: Database, tmp_path: Path) -> None:
    order: list[str] = []
    async with service(World.single_folder(24), speed=SPEED, behaviour=QUICK) as simulator:
        requests = requests_of(simulator)
        await RunStore(database).enqueue(requests[:16], "usual")
        await RunStore(database).enqueue(requests[16:], "urgent", priority=10)
        async with working_session(simulator, database, budgets={"bim360.export_start": 100}) as session:
            await work(session, database, tmp_path, on_outcome=lambda entry, *_: order.append(entry.folder))
        started = [seen.path for seen in simulator.log if seen.endpoint == "export_start"]
    assert len(order) == 24
    urgent = {request.source_ids[0].rpartition("vf.")[2].split("?")[0] for request in requests[16:]}
    last = max(at for at, path in enumerate(started) if any(each in path for each in urgent))
    assert last < 8 + worker.STARTS  # those under way at once may overtake each other


async def test_pending_exports_hold_no_slot(database: Database, tmp_path: Path) -> None:
    """40 jobs of 60 s with 2 slots: one after the other in slots would take 1,200 s of the service."""
    behaviour = Behaviour(job_time=JobTime.fixed(60))
    async with service(World.single_folder(40), speed=SPEED, behaviour=behaviour) as simulator:
        await run_of(simulator, database)
        began = asyncio.get_running_loop().time()
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path, max_concurrent_downloads=2)
        took = (asyncio.get_running_loop().time() - began) * SPEED
        assert simulator.counts()["expired_urls_opened"] == 0
    assert len(whole_files(tmp_path)) == 40
    assert took < 1200


async def test_a_hung_poll_holds_no_slot_and_its_late_answer_counts(database: Database, tmp_path: Path) -> None:
    """Both slots meet polls that take 8 s here; the other exports do not wait for them."""
    hang = Fault(endpoint="export_status", kind="hang", nth=(1, 2, 3), seconds=8.0 * SPEED)
    ended: list[float] = []
    async with service(World.single_folder(9), speed=SPEED, behaviour=QUICK, faults=[hang]) as simulator:
        await run_of(simulator, database)
        async with working_session(
            simulator, database, call_timeout=60 * SPEED, request_timeout=60 * SPEED, poll_interval=6
        ) as session:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await work(
                session,
                database,
                tmp_path,
                max_concurrent_downloads=2,
                on_outcome=lambda *_: ended.append(loop.time() - began),
            )
        polls = simulator.counts()["endpoints"]["export_status"]["calls"]
    assert len(whole_files(tmp_path)) == 9
    assert ended[5] < 8.0 <= ended[6]
    records = [each async for each in RunStore(database).records()]
    assert polls <= sum(each.outcome.polls for each in records)  # none was asked again for want of patience


async def test_a_poll_that_never_ends_costs_little(database: Database, tmp_path: Path) -> None:
    """Its slot for one interval, and its export for the time limit of a call, after which it is asked about at once."""
    hang = Fault(endpoint="export_status", kind="hang", nth=(1,))
    speed, behaviour = 10.0, Behaviour(job_time=JobTime.fixed(0))
    async with service(World.single_folder(1), speed=speed, behaviour=behaviour, faults=[hang]) as simulator:
        await run_of(simulator, database)
        async with session_for(simulator, Settings(poll_jitter=0).scaled(speed)) as session:
            one = Worker(session, database, Folder(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            await one.start(export)
            delays = []
            while (delay := await one.fetch(export)) is not None:
                assert isinstance(delay, float)
                delays.append(delay)
                await asyncio.sleep(delay)
    *during, after = delays
    assert set(during) == {0.2}
    assert len(during) <= 5
    assert after == 0
    assert len(whole_files(tmp_path)) == 1


async def test_nothing_is_started_while_too_much_is_pending(database: Database, tmp_path: Path) -> None:
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, sum((await RunStore(database).pending()).values()))
            await asyncio.sleep(0.02)

    async with service(World.single_folder(40), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        watching = asyncio.create_task(watch())
        async with working_session(simulator, database, max_pending_exports=5) as session:
            await work(session, database, tmp_path)
        watching.cancel()
    assert len(whole_files(tmp_path)) == 40
    assert most <= 5 + worker.STARTS  # what was in hand when it was counted goes on


async def test_a_cancelled_run_stops_and_a_download_under_way_is_not_put(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(6), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        store = RunStore(database)
        async with working_session(simulator, database) as session:

            class Slow(Folder):
                async def stage(self, stem: str) -> Path:
                    await store.cancel(run.id)
                    return await super().stage(stem)

            async with asyncio.timeout(20):
                await Worker(session, database, Slow(tmp_path)).run(until_done=True)
    after = await store.run(run.id)
    assert (after.done, after.dropped) == (0, 6)
    assert whole_files(tmp_path) == []


async def under_way(simulator: Simulator) -> None:
    """Waits until some exports have begun, whatever the machine is busy with; the quota keeps the others back."""
    while simulator.counts()["endpoints"].get("export_start", {"calls": 0})["calls"] < 3:  # noqa: ASYNC110 - it counts, it does not signal
        await asyncio.sleep(0.02)


async def test_a_worker_that_stops_hands_over_at_once_and_another_ends_the_run(
    database: Database, url: str, tmp_path: Path
) -> None:
    async with service(World.single_folder(30), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        stop = asyncio.Event()
        async with working_session(simulator, database, budgets={"bim360.export_start": 5}) as session:
            first = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
            await under_way(simulator)
            stop.set()
            async with asyncio.timeout(20):
                await first
        assert await database.value("SELECT count(*) FROM aps_pgqueuer WHERE status <> 'queued'") == 0
        before = len(whole_files(tmp_path))
        assert before < 30
        async with Database(url, patience=None) as other, working_session(simulator, other) as session:
            await work(session, other, tmp_path)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] <= 30 + worker.STARTS
    assert len(whole_files(tmp_path)) == 30


async def test_a_worker_that_is_cancelled_does_the_same(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(20), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database, budgets={"bim360.export_start": 10}) as session:
            first = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run())
            await under_way(simulator)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        assert await database.value("SELECT count(*) FROM aps_pgqueuer WHERE status <> 'queued'") == 0
        whole_files(tmp_path)


async def test_the_database_restarts_in_the_middle_and_everything_comes(
    url: str, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HEARTBEAT", 3.0)
    async with (
        Database(url, patience=None) as database,
        service(World.single_folder(60), speed=SPEED, behaviour=QUICK) as simulator,
    ):
        await RunStore.opened(database)
        run = await run_of(simulator, database)
        async with working_session(simulator, database, budgets={"bim360.export_start": 30}) as session:
            working = asyncio.create_task(work(session, database, tmp_path))
            await under_way(simulator)
            await asyncio.to_thread(server.restart)
            await working
        assert (await RunStore(database).run(run.id)).done == 60
    assert len(whole_files(tmp_path)) == 60


async def test_a_worker_without_a_token_ends_and_leaves_the_exports_to_others(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(3), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        quotas, wrong = SharedQuotas(database), TwoLegged(simulator.client_id, "wrong")
        async with session_for(simulator, Settings().scaled(SPEED), tokens=wrong, quotas=quotas) as session:
            with pytest.raises(AuthError):
                await work(session, database, tmp_path)
        await quotas.close()
        assert (await RunStore(database).run(run.id)).waiting == 3
        await database.fetch("UPDATE aps_pgqueuer SET execute_after = now()")
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 3


async def test_a_worker_whose_token_is_refused_while_the_token_service_goes_away_stays(
    database: Database, tmp_path: Path
) -> None:
    class Tokens(StaticToken):
        def __init__(self, token: str) -> None:
            super().__init__(token)
            self.problems: list[Exception] = [AuthError("refused"), TransportError("no answer in time", sent=True)]

        async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
            if self.problems:
                raise self.problems.pop(0)
            return await super().token(client, rejected)

    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        tokens, quotas = Tokens(simulator.user_token()), SharedQuotas(database)
        async with session_for(simulator, Settings().scaled(SPEED), tokens=tokens, quotas=quotas) as session:
            await work(session, database, tmp_path)
        await quotas.close()
    assert tokens.problems == []
    assert len(whole_files(tmp_path)) == 1


async def test_a_full_disk_is_waited_out(database: Database, tmp_path: Path) -> None:
    full = [True, True, True]

    class Full(Folder):
        async def put(self, file: Path, name: str) -> str:
            if full:
                full.pop()
                raise TargetError("cannot write: the disk is full", path=file)
            return await super().put(file, name)

    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session, asyncio.timeout(20):
            await Worker(session, database, Full(tmp_path)).run(until_done=True)
    assert full == []
    assert len(whole_files(tmp_path)) == 2
    assert await letters(database) == {}


async def test_what_stumbles_too_often_and_what_ends_its_workers_become_dead_letters(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TRIES", 2)
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


async def fetched(one: Worker, export: int) -> None:
    """Calls the step again, as the lane does, until it has ended."""
    while (delay := await one.fetch(export)) is not None:
        assert isinstance(delay, float)
        await asyncio.sleep(delay)


async def test_steps_that_are_repeated_do_nothing_more(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            one = Worker(session, database, Folder(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            assert await one.fetch(export) is None  # not started yet
            assert isinstance(await one.start(export), engine.Moved)
            assert await one.start(export) is None
            assert await one.start(export + 1) is None
            await fetched(one, export)
            assert await one.fetch(export) is None
        told = simulator.counts()["endpoints"]
    assert (told["export_start"]["calls"], told["signed_get"]["calls"]) == (1, 1)
    assert len(whole_files(tmp_path)) == 1


async def test_a_frozen_workers_delivery_is_not_put_after_another_took_its_turn(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            faster = Worker(session, database, Folder(tmp_path))

            class Frozen(Folder):
                async def stage(self, stem: str) -> Path:
                    await fetched(faster, export)
                    return await super().stage(stem)

            slower = Worker(session, database, Frozen(tmp_path))
            [export] = [row["id"] for row in await database.fetch("SELECT id FROM aps_export")]
            await slower.start(export)
            await fetched(slower, export)
    [file] = [tmp_path / each for each in whole_files(tmp_path)]
    [record] = [each async for each in RunStore(database).records()]
    assert record.finished is not None
    assert file.stat().st_mtime <= record.finished.timestamp()
    assert await database.value("SELECT turns FROM aps_export") == 2


async def test_a_lane_that_is_idle_asks_little(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "IDLE", 0.5)
    asked = 0
    fetch = database.pool.fetch

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(pool, name)

        async def fetch(self, *words: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            return await fetch(*words, **options)

    pool = database._pool
    async with (
        service(World.single_folder(1), speed=SPEED) as simulator,
        working_session(simulator, database) as session,
    ):
        database._pool = Counting()
        stop = asyncio.Event()
        working = asyncio.create_task(Worker(session, database, Folder(tmp_path)).run(stop=stop))
        await asyncio.sleep(1.0)
        before = asked
        await asyncio.sleep(2.0)
        stop.set()
        await working
        database._pool = pool
    assert asked - before <= 2 * 5  # two lanes, five looks


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


REFUSED = Fault(endpoint="export_start", kind="status", status=403)


async def test_a_worker_without_access_stops_and_its_exports_wait_for_another(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(40), speed=SPEED, behaviour=QUICK, faults=[REFUSED]) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            with pytest.raises(AuthError, match=f"refused for {worker.REFUSED_IN_A_ROW} exports in a row"):
                await work(session, database, tmp_path)
            now = await RunStore(database).run(run.id)
            assert (now.waiting, now.failed) == (40, 0)
            simulator.clear_faults()
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 40


async def test_a_single_export_that_is_refused_becomes_a_dead_letter(database: Database, tmp_path: Path) -> None:
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK, faults=[REFUSED]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        calls = simulator.counts()["endpoints"]["export_start"]["calls"]
    assert {type(each) for each in (await letters(database)).values()} == {NotAllowedError}
    assert calls == 2 * worker.REFUSALS


async def test_one_worker_without_access_makes_no_dead_letter_of_the_last_exports(
    database: Database, tmp_path: Path
) -> None:
    """Fewer exports than make a worker stop: they wait for the other one, which is busy at first."""
    no_status = Fault(endpoint="export_status", kind="status", status=403, every=1)
    async with (
        service(World.single_folder(2), speed=SPEED, behaviour=QUICK) as simulator,
        service(World.single_folder(2), speed=SPEED, behaviour=QUICK, faults=[REFUSED, no_status]) as forbidding,
        working_session(simulator, database) as good,
        working_session(forbidding, database) as bad,
    ):
        run = await run_of(simulator, database)
        busy = presence.Presence(database, await owner_of(good), lambda: None)
        await busy._beat()
        refusing = asyncio.create_task(work(bad, database, tmp_path, 90.0))
        while forbidding.counts()["endpoints"].get("export_start", {"calls": 0})["calls"] < 2 * worker.REFUSALS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        now = await RunStore(database).run(run.id)
        assert (now.waiting, now.failed) == (2, 0)
        await work(good, database, tmp_path, 90.0)
        await refusing
        assert await letters(database) == {}
        assert (await RunStore(database).run(run.id)).done == 2


async def test_a_run_is_taken_only_with_its_own_credentials(database: Database, tmp_path: Path) -> None:
    """Also if an older version, which knows of no owners, has put an export back into the common lane."""
    async with service(World.single_folder(6), speed=SPEED, behaviour=QUICK) as simulator:
        requests, store = requests_of(simulator), RunStore(database)
        mine = await store.enqueue(requests[:2], "mine", owner=Owner(simulator.client_id))
        other = await store.enqueue(requests[2:4], "other", owner=Owner("another-app"))
        user = await store.enqueue(requests[4:5], "user", owner=Owner(simulator.client_id, "ada"))
        await store.enqueue(requests[5:], "anyone")
        await database.fetch("UPDATE aps_pgqueuer SET entrypoint = 'start' WHERE id % 2 = 0")
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        assert {(each.name, each.waiting) for each in await store.runs()} == {
            ("mine", 0), ("other", 2), ("user", 1), ("anyone", 0)
        }  # fmt: skip
        assert (mine.owner, other.owner) == (Owner(simulator.client_id), Owner("another-app"))
        lanes = await database.fetch("SELECT DISTINCT entrypoint FROM aps_pgqueuer ORDER BY 1")
        assert [row[0] for row in lanes] == ["start another-app", f"start {simulator.client_id} ada"]
        assert user.waiting == 1


class Dead(Folder):
    """A target that is down for a while: nothing can be written, and nobody knows why."""

    down = False
    checks = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.has_file, self.checked_often = asyncio.Event(), asyncio.Event()

    async def put(self, file: Path, name: str) -> str:
        self.has_file.set()
        if self.down:
            raise TargetError("the target does not respond", path=file)
        return await super().put(file, name)

    async def check(self) -> None:
        self.checks += 1
        if self.checks == 6:
            self.checked_often.set()
        if self.down:
            raise TargetError("the target does not respond")
        await super().check()


async def test_while_the_target_is_down_deliveries_wait_and_nothing_is_downloaded_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = Dead(tmp_path)
    async with service(World.single_folder(20), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session, asyncio.timeout(30):
            working = asyncio.create_task(Worker(session, database, target).run(until_done=True))
            await target.has_file.wait()
            target.down = True
            await target.checked_often.wait()
            [seen] = await list_workers(database)
            while seen.waits_for is None:  # the heartbeat that says so may still be on its way
                await asyncio.sleep(0.02)
                [seen] = await list_workers(database)
            assert seen.is_alive
            assert seen.waits_for == "deliveries wait for the target: the target does not respond"
            target.down = False
            await working
        downloads = simulator.counts()["endpoints"]["signed_get"]["calls"]
    assert downloads == 20
    assert len(whole_files(tmp_path)) == 20
    assert await letters(database) == {}
    assert caplog.text.count("files cannot be stored") == caplog.text.count("files can be stored again") == 1
    assert await list_workers(database) == []
    assert await database.value("SELECT max(turns) FROM aps_export") == 1


async def test_a_target_that_is_down_at_the_start_ends_the_worker(database: Database, tmp_path: Path) -> None:
    target = Dead(tmp_path)
    target.down = True
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            with pytest.raises(TargetError, match="does not respond"):
                await Worker(session, database, target).run(until_done=True)
        assert "export_start" not in simulator.counts()["endpoints"]
    assert (await RunStore(database).run(run.id)).waiting == 1


async def test_a_delivery_that_fails_in_a_living_worker_is_no_sign_of_its_death(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURNS", 2)
    fault = Fault(endpoint="signed_get", kind="status", status=500, times=30)
    async with service(World.single_folder(1), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 1
