"""A worker without a token or without access, and runs with owners."""

import asyncio
from pathlib import Path

import pytest

from aps_async import (
    AuthError,
    DownloadError,
    NotAllowedError,
    Settings,
    StaticToken,
    TransportError,
    TwoLegged,
)
from aps_async.auth import AccessToken, TokenClient
from aps_async.errors import InterceptedError
from aps_async.simulator import Fault, World
from aps_async.workers import (
    Database,
    RunStore,
    SharedQuotas,
    presence,
    worker,
)
from aps_async.workers.owners import Owner, owner_of
from tests.support import service, session_for
from tests.workers.working import QUICK, SPEED, letters, requests_of, run_of, whole_files, work, working_session


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


REFUSED = Fault(endpoint="export_start", kind="status", status=403)
FILTERS = [
    Fault(endpoint="export_start", kind="html", status=404),
    Fault(endpoint="signed_get", kind="html", status=403),
    Fault(endpoint="signed_get", kind="html", status=451),
]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [(REFUSED, "its token the scopes"), *((each, "reach the services") for each in FILTERS)],
    ids=lambda each: f"{each.endpoint} {each.status}" if isinstance(each, Fault) else "",
)
async def test_a_worker_without_access_stops_and_its_exports_wait_for_another(
    database: Database, tmp_path: Path, fault: Fault, advice: str
) -> None:
    async with service(World.single_folder(40), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        run = await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            words = f"refused for {worker.REFUSED_IN_A_ROW} exports in a row.*{advice}"
            with pytest.raises(AuthError, match=words):
                await work(session, database, tmp_path)
            now = await RunStore(database).run(run.id)
            assert (now.waiting, now.failed) == (40 if fault.endpoint == "export_start" else now.waiting, 0)
            simulator.clear_faults()
            await work(session, database, tmp_path)
    assert len(whole_files(tmp_path)) == 40


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [(REFUSED, NotAllowedError, 1), (FILTERS[0], InterceptedError, 1), (FILTERS[1], DownloadError, 2)],
    ids=lambda each: f"{each.endpoint} {each.status}" if isinstance(each, Fault) else "",
)
async def test_a_single_export_that_is_refused_becomes_a_dead_letter(
    database: Database, tmp_path: Path, fault: Fault, kind: type[Exception], calls: int
) -> None:
    async with service(World.single_folder(2), speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        await run_of(simulator, database)
        async with working_session(simulator, database) as session:
            await work(session, database, tmp_path)
        made = simulator.counts()["endpoints"][fault.endpoint]["calls"]
    assert {type(each) for each in (await letters(database)).values()} == {kind}
    assert made == 2 * worker.REFUSALS * calls  # a refused link is renewed once


@pytest.mark.long
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
