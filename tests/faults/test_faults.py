"""One export against a raw server that misbehaves: the right bytes or the named error, in time, and nothing left."""

import asyncio
import logging
import re
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aps_async import Session, Settings, TwoLegged, wait_for_export
from aps_async.errors import APSError
from aps_async.exports.kinds import start_export
from aps_async.transport.quotas import Quotas
from tests.faults import headers, status
from tests.faults.scenarios import DEADLINE, Outcome, Scenario
from tests.faults.server import RawServer, raw_server
from tests.faults.services import SERVICES
from tests.support import virtual_clock

SCENARIOS = [*status.SCENARIOS, *headers.SCENARIOS]
SETTINGS = Settings(response_limit=1 << 20)
pytestmark = pytest.mark.looptime


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({each.id for each in SCENARIOS}) == len(SCENARIOS) >= 150


@asynccontextmanager
async def session_on(server: RawServer, scenario: Scenario) -> AsyncIterator[Session]:
    options = {"settings": SETTINGS, "user_id": "U1", "quotas": Quotas(), **scenario.session}

    def clock() -> float:
        return virtual_clock() + scenario.clock_off

    async with Session(TwoLegged("app", "canary-secret"), base_url=server.base, clock=clock, **options) as session:
        yield session


def check_outcome(outcome: Outcome, error: APSError | None, took: float, folder: Path) -> None:
    if outcome.error is None:
        if error is not None:
            raise error
        assert {each.name: each.read_bytes() for each in folder.iterdir()} == {"x.pdf": outcome.file}
    else:
        assert type(error) is outcome.error, error
        assert re.search(outcome.words, str(error)), error
        assert list(folder.iterdir()) == []
        assert "last error" not in str(error) or error.__cause__ is not None
    assert outcome.after <= took <= outcome.within


def check_secrets(error: APSError | None, log: str) -> None:
    shown = log if error is None else "".join([log, repr(error), *traceback.format_exception(error)])
    assert "canary" not in shown


def check_server(outcome: Outcome, server: RawServer, *, is_acc: bool) -> None:
    assert server.wrong == []
    assert not is_acc or server.started <= outcome.jobs
    made = {**server.requests, "connections": server.connections}
    assert {step: made.get(step, 0) for step, most in outcome.most.items() if made.get(step, 0) > most} == {}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
async def test_one_export(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, scenario: Scenario) -> None:
    caplog.set_level(logging.DEBUG)
    service, loop, folder = SERVICES[kind], asyncio.get_running_loop(), tmp_path / "out"
    folder.mkdir()
    before = asyncio.all_tasks()
    error: APSError | None = None
    async with raw_server(service, scenario.does) as server:
        began = loop.time()
        async with session_on(server, scenario) as session:
            try:
                job = await start_export(session, service.request)
                await wait_for_export(session, job, folder / "x.pdf", timeout=DEADLINE)
            except APSError as caught:
                error = caught
            took = loop.time() - began
            ours = {each for each in asyncio.all_tasks() - before if "RawServer" not in repr(each.get_coro())}
            assert ours == set()
        assert await server.is_left()
    outcome = scenario.acc if scenario.acc and service.is_acc else scenario.ends
    check_outcome(outcome, error, took, folder)
    check_secrets(error, caplog.text)
    check_server(outcome, server, is_acc=service.is_acc)
