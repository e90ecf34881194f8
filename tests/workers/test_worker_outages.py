"""A database that is read-only for a while is waited for; one without its tables ends the worker with our own error."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aps_async.errors import DatabaseError
from aps_async.simulator import World
from aps_async.workers import Database, RunStore, database, engine
from tests.postgres import Postgres
from tests.support import service
from tests.workers.working import QUICK, SPEED, run_of, under_way, whole_files, work, working_session, working_through

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"


def _name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


async def test_a_failover_during_which_nothing_can_be_written_is_waited_out_and_reported_once(
    url: str, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "HEARTBEAT", 3.0)
    monkeypatch.setattr(database, "_LONGEST_PAUSE", 1.0)
    name = _name_of(url)

    async def make(setting: str) -> None:
        await asyncio.to_thread(server.query, f"ALTER DATABASE {name} {setting}")

    async with working_through(url, tmp_path) as working:
        await make("SET default_transaction_read_only = on")
        await asyncio.to_thread(server.query, _CUT, name)
        while not any("is unavailable" in each for each in caplog.messages) and not working.done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await make("RESET default_transaction_read_only")  # the worker replaces its connections, which stay read-only
    told = [each for each in caplog.messages if each.startswith("the database at")]
    assert [each.rpartition("; ")[2].rpartition(" is ")[2] for each in told] == ["trying again", "available again"]


GONE = [
    "DROP TABLE aps_export CASCADE",
    "DROP TABLE aps_pgqueuer CASCADE",
    "DROP TABLE aps_quota",
    "ALTER TABLE aps_pgqueuer DROP COLUMN heartbeat",
    "DROP DATABASE {name} WITH (FORCE)",
]


@pytest.mark.parametrize("statement", GONE)
async def test_tables_that_are_gone_end_the_worker_with_one_of_our_errors(
    url: str, server: Postgres, tmp_path: Path, statement: str
) -> None:
    name = _name_of(url)
    where = server.url if "DATABASE" in statement else url
    async with (
        Database(url, patience=None) as opened,
        service(World.single_folder(60), speed=SPEED, behaviour=QUICK) as simulator,
    ):
        await RunStore.opened(opened)
        await run_of(simulator, opened)
        async with working_session(simulator, opened, budgets={"bim360.export_start": 10}) as session:
            working = asyncio.create_task(work(session, opened, tmp_path))
            await under_way(simulator)

            def do() -> None:
                server.query(statement.format(name=name), url=where)

            await asyncio.to_thread(do)
            with pytest.raises(DatabaseError, match="the database at"):
                await working
    whole_files(tmp_path)
