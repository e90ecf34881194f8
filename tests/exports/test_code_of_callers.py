"""Objects of the caller (token providers, hooks, storages) that fail while they clean up, or raise a CancelledError."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from aps_async import AuthError, ExportRequest, Session, StaticToken, TwoLegged, bim360, export_many
from aps_async.auth import AccessToken
from aps_async.errors import APSError, TargetError
from aps_async.exports.kinds import ref_of
from aps_async.ledger import Ledger
from aps_async.models import ExportJob
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.sync.project import sync_project
from aps_async.workers import deliver
from tests.storages import InMemory, ReadableInMemory
from tests.support import service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

QUICK = Behaviour(job_time=JobTime.fixed(1))
STRAY = asyncio.CancelledError()
RAISED: list[BaseException] = [RuntimeError("it is stuck"), STRAY]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(World.single_folder(3), behaviour=QUICK) as running:
        yield running


def requests_of(simulator: Simulator) -> list[ExportRequest]:
    project = simulator.world.hubs[0].projects[0]
    return [
        bim360.make_request(project.id, each.tip.id, name=f"A-{number}")
        for number, each in enumerate(simulator.world.sheets, 101)
    ]


async def run(session: Session, simulator: Simulator, target: Any, **options: Any) -> dict[str, Exception | None]:
    """The error of each export; None of those that worked."""
    async with aclosing(export_many(session, requests_of(simulator), target, **options)) as outcomes:
        return {str(each.request.name): each.error async for each in outcomes}


async def started(session: Session, request: ExportRequest) -> ExportJob:
    """Its finished job."""
    ref = await bim360.start_export(session, request.project_id, request.source_ids[0])
    await asyncio.sleep(5)
    return await bim360.get_export(session, ref_of(ref))


WORKED = {"A-101": None, "A-102": None, "A-103": None}


class Stuck(ReadableInMemory):
    """A storage that cannot remove what it has staged."""

    problem: BaseException

    def discard(self, file: Path) -> None:  # noqa: ARG002 - the protocol's
        raise self.problem


@pytest.mark.parametrize("problem", RAISED, ids=["error", "cancelled"])
async def test_a_storage_that_cannot_discard_has_stored_the_file(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, problem: BaseException
) -> None:
    storage = Stuck(tmp_path)
    storage.problem = problem
    async with session_for(simulator) as session:
        assert await run(session, simulator, storage) == WORKED
        assert len(storage.files) == 3
        assert caplog.text.count("Stuck.discard() could not remove") == 3
        [request, *_] = requests_of(simulator)
        job = await started(session, request)
        assert (await deliver(session, job, storage, "one")).location == "memory:one.pdf"
        async with Ledger(tmp_path / "state", storage=storage) as ledger:
            assert await run(session, simulator, storage, ledger=ledger) == WORKED
        project = simulator.world.hubs[0].projects[0].id
        synced = [each async for each in sync_project(session, project, storage, state=tmp_path / "synced")]
        assert {each.error for each in synced} == {None}


@define(eq=False)
class Provider:
    """A token provider that raises once, when it has given `after` tokens."""

    tokens: TwoLegged
    after: int
    given: int = 0

    async def token(self, client: Any, rejected: AccessToken | None = None) -> AccessToken:
        self.given += 1
        if self.given == self.after + 1:
            stray = asyncio.get_running_loop().create_future()
            stray.cancel()
            await stray
        return await self.tokens.token(client, rejected)


@pytest.mark.parametrize("after", range(6))
async def test_a_provider_that_was_cancelled_inside_is_one_failure_at_most(
    simulator: Simulator, tmp_path: Path, after: int
) -> None:
    provider = Provider(TwoLegged(simulator.client_id, simulator.client_secret), after)
    async with session_for(simulator, tokens=provider) as session:
        found = await run(session, simulator, tmp_path)
    assert provider.given > after
    failed = [each for each in found.values() if each is not None]
    assert set(found) == set(WORKED)
    assert len(failed) == 1
    assert isinstance(failed[0], AuthError)
    assert "Provider.token() was cancelled, and not the call" in str(failed[0])


async def one_call(session: Session, simulator: Simulator) -> object:
    return await started(session, requests_of(simulator)[0])


async def a_check(session: Session, simulator: Simulator) -> object:
    await session.check_token()
    return None


async def who_acts(session: Session, simulator: Simulator) -> object:
    return await session.acting_as()


@pytest.mark.parametrize("asks", [one_call, a_check, who_acts])
async def test_a_provider_that_was_cancelled_inside_does_not_look_like_a_cancelled_caller(
    simulator: Simulator, asks: Callable[[Session, Simulator], Awaitable[object]]
) -> None:
    provider = Provider(TwoLegged(simulator.client_id, simulator.client_secret), 0)
    async with session_for(simulator, tokens=provider) as session:
        with pytest.raises(AuthError, match="was cancelled, and not the call"):
            await asks(session, simulator)


@pytest.mark.parametrize("problem", RAISED, ids=["error", "cancelled"])
async def test_a_hook_that_raises_is_logged(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, problem: BaseException
) -> None:
    def hook(event: object) -> None:
        raise problem

    async with session_for(simulator, hooks=[hook]) as session:
        assert await run(session, simulator, tmp_path) == WORKED
    assert "a hook failed with" in caplog.text


class Cancelled(InMemory):
    """A storage of which one method is cancelled inside, for the first export that calls it."""

    method = ""

    async def _maybe(self, method: str) -> None:
        if method == self.method:
            self.method = ""
            raise asyncio.CancelledError

    async def stage(self, stem: str) -> Path:
        await self._maybe("stage")
        return await super().stage(stem)

    async def put(self, file: Path, name: str) -> str:
        await self._maybe("put")
        return await super().put(file, name)


@pytest.mark.parametrize(("method", "kind"), [("stage", APSError), ("put", TargetError)])
async def test_a_storage_that_was_cancelled_inside_is_one_failure(
    simulator: Simulator, tmp_path: Path, method: str, kind: type[Exception]
) -> None:
    storage = Cancelled(tmp_path)
    storage.method = method
    async with session_for(simulator) as session:
        found = await run(session, simulator, storage)
    [failed] = [each for each in found.values() if each is not None]
    assert type(failed) is kind
    assert "was cancelled, and not the export" in str(failed)
    assert len(storage.files) == 2


async def test_progress_that_was_cancelled_inside_ends_the_run_with_an_error(
    simulator: Simulator, tmp_path: Path
) -> None:
    def on_progress(_: object) -> None:
        raise asyncio.CancelledError

    async with session_for(simulator) as session:
        with pytest.raises(APSError, match="was cancelled"):
            await run(session, simulator, tmp_path, on_progress=on_progress)


@pytest.mark.parametrize("at", [0.0, 0.5, 1.5, 3.0])
async def test_a_run_that_is_really_cancelled_is_cancelled(simulator: Simulator, tmp_path: Path, at: float) -> None:
    class Slow(StaticToken):
        async def token(self, client: Any, rejected: AccessToken | None = None) -> AccessToken:
            await asyncio.sleep(1)
            return await super().token(client, rejected)

    tokens = Slow(simulator.user_token(None))
    async with session_for(simulator, tokens=tokens) as session:
        task = asyncio.create_task(run(session, simulator, tmp_path))
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class Unsettled(StaticToken):
    async def settle(self) -> None:
        raise RuntimeError("the store is gone")


async def test_the_error_of_a_block_is_not_lost_to_that_of_closing(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Session(Unsettled("x"), base_url=simulator.url):
            raise KeyError("mine")
    assert "the store is gone" in caplog.text
    with pytest.raises(RuntimeError, match="the store is gone"):
        async with Session(Unsettled("x"), base_url=simulator.url):
            pass
