"""Tables that a newer version upgrades while workers run, and tables of the first version."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from aps_async.errors import DatabaseError
from aps_async.simulator import World
from aps_async.workers import Database, RunStore, presence, schema
from tests.support import service
from tests.workers.working import QUICK, SPEED, run_of, whole_files, work, working_session

COUNT = 40
STORED = Path(__file__).parents[1] / "stored" / "workers-1.sql"


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(presence, "BEAT", 0.1)
    return schema.VERSION + 1


def upgrade(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """From here on, everything that is opened is of the next version."""
    monkeypatch.setattr(schema, "VERSION", version)
    monkeypatch.setitem(schema.MIGRATIONS, version, "ALTER TABLE aps_run ADD COLUMN note text NOT NULL DEFAULT ''")


async def test_an_older_worker_stops_with_a_message_and_newer_ones_deliver_everything(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_version: int
) -> None:
    async with service(World.single_folder(COUNT), speed=SPEED, behaviour=QUICK) as simulator:
        run = await run_of(simulator, database)
        async with (
            working_session(simulator, database, budgets={"bim360.export_start": 5}) as older,  # so that it is not done
            working_session(simulator, database) as newer,
        ):
            working = asyncio.create_task(work(older, database, tmp_path))
            while not (await RunStore(database).run(run.id)).done:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            upgrade(monkeypatch, next_version)
            async with Database(database.url, patience=20.0) as other:
                await work(newer, other, tmp_path)
            with pytest.raises(DatabaseError, match=r"are of a newer version of aps-async \(2; this one needs 1\)"):
                await working
        now = await RunStore(database).run(run.id)
        assert (now.done, now.failed, now.waiting, now.running) == (COUNT, 0, 0, 0)
        assert simulator.counts()["endpoints"]["export_start"]["calls"] <= COUNT + 8  # what the older one had in hand
    assert len(whole_files(tmp_path)) == COUNT
    assert await database.value("SELECT max(version) FROM aps_schema") == next_version
    assert await database.value("SELECT count(*) FROM aps_run WHERE note = ''") == 1


async def test_tables_of_the_first_version_are_upgraded_once_by_many(
    url: str, monkeypatch: pytest.MonkeyPatch, next_version: int
) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(STORED.read_text("utf-8"))
    await connection.close()
    upgrade(monkeypatch, next_version)
    async with Database(url, patience=20.0) as database:
        with pytest.raises(DatabaseError, match=r"an older version .* upgrades them"):
            await RunStore.existing(database)
        stores = await asyncio.gather(*(RunStore.opened(database) for _ in range(4)))
        [run] = await stores[0].runs()
        assert (run.done, run.failed, run.running, run.waiting) == (1, 1, 1, 2)
        assert await database.value("SELECT array_agg(version) FROM aps_schema") == [next_version]


async def test_an_upgrade_that_fails_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, next_version: int
) -> None:
    upgrade(monkeypatch, next_version)
    broken = "ALTER TABLE aps_run ADD COLUMN note text; ALTER TABLE aps_nowhere ADD COLUMN note text"
    monkeypatch.setitem(schema.MIGRATIONS, next_version, broken)
    with pytest.raises(DatabaseError, match="aps_nowhere"):
        await RunStore.opened(database)
    monkeypatch.undo()
    await RunStore.opened(database)
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'aps_run'::regclass AND attname = 'note'"
    assert await database.value(columns) == 0


async def test_a_statement_that_the_upgraded_tables_refuse_ends_a_worker_with_a_hint(
    database: Database, tmp_path: Path
) -> None:
    async with service(World.single_folder(3), speed=SPEED, behaviour=QUICK) as simulator:
        await run_of(simulator, database)
        await database.fetch("ALTER TABLE aps_export RENAME COLUMN tries TO attempts")
        async with working_session(simulator, database) as session:
            with pytest.raises(DatabaseError, match="install it here too"):
                await work(session, database, tmp_path)
        states = await database.fetch("SELECT DISTINCT state FROM aps_export")
    assert [row["state"] for row in states] == ["waiting"]


async def test_places_in_a_quota_of_the_first_tables_count_until_they_end_or_are_given_back(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(STORED.read_text("utf-8"))
    await connection.execute("""
        SET search_path = public;
        INSERT INTO aps_quota (owner, endpoint) VALUES ('app', 'probe'), ('app', 'another');
        INSERT INTO aps_place (quota, id, under_way_until, counts_until) VALUES
            (1, 7, 'infinity', 'infinity'), (1, 8, 'infinity', 'infinity'), (1, 5, '-infinity', 'infinity'),
            (1, 6, '-infinity', '-infinity')
    """)
    await connection.close()
    take = "SELECT places FROM aps_take('app', $1, 10, 60, 120, 9, $2, $3, '{}', NULL, false, false)"
    async with Database(url) as database:
        await RunStore.opened(database)
        assert await database.value(take, "another", [], []) == [*range(1, 10)]
        assert await database.value(take, "probe", [7], [70.0]) == [*range(9, 17)]  # 5 and 8 count
        assert await database.value(take, "probe", [7], [0.0]) == []  # given back already
