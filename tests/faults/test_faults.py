"""One export against a raw server that misbehaves: the right bytes or the named error, in time, and nothing left."""

import asyncio
import logging
import re
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aps_async import Session, Settings, TwoLegged, wait_for_export
from aps_async.errors import APSError
from aps_async.exports.kinds import start_export
from aps_async.transport.quotas import Quotas
from tests.certificates import company
from tests.faults import bodies, connections, headers, links, states, status
from tests.faults.scenarios import DEADLINE, Outcome, Scenario
from tests.faults.server import RawServer, raw_server
from tests.faults.services import SERVICES
from tests.support import virtual_clock

SCENARIOS = [each for group in (status, headers, bodies, connections, states, links) for each in group.SCENARIOS]
SETTINGS = Settings(response_limit=1 << 20)
pytestmark = pytest.mark.looptime


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({each.id for each in SCENARIOS}) == len(SCENARIOS) >= 150


def certificate(scenario: Scenario, folder: Path) -> tuple[Path | None, ssl.SSLContext | None]:
    """The CA file that the session is given, and the TLS context of the server."""
    if not scenario.tls:
        return None, None
    host = "other.example" if scenario.tls == "other host" else None
    file, context = company(folder, host=host, ended=scenario.tls == "expired")
    return None if scenario.tls == "unknown CA" else file, context


@asynccontextmanager
async def session_on(server: RawServer, scenario: Scenario, ca: Path | None) -> AsyncIterator[Session]:
    """A session on that server; its clock may be wrong, and its network may be missing."""
    options: dict[str, Any] = {"base_url": server.base, "settings": SETTINGS, "user_id": "U1", "quotas": Quotas()}
    jumps_at = asyncio.get_running_loop().time() + scenario.clock_jumps_at

    def clock() -> float:
        return virtual_clock() + scenario.clock_off * (asyncio.get_running_loop().time() >= jumps_at)

    options |= {"ssl": ca, "clock": clock, **scenario.session}
    async with AsyncExitStack() as stack:
        if scenario.network == "refused":
            await server.close()
        elif scenario.network == "unknown host":
            options |= connections.unknown_host()
            await stack.enter_async_context(options["http"])
        yield await stack.enter_async_context(Session(TwoLegged("app", "canary-secret"), **options))


def is_of_a_server(task: "asyncio.Task[Any]") -> bool:
    """Whether it is the raw server's own, or the event loop's for a TLS connection that the server has accepted."""
    return bool(re.search(r"RawServer|RawListener|_accept_connection", repr(task.get_coro())))


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


CASES = [
    pytest.param(kind, scenario, id=f"{kind}, {scenario.id}")
    for kind in SERVICES
    for scenario in (states.SCENARIOS if kind == "acc-sheets" else SCENARIOS)  # as ACC Files, but for its words
]


@pytest.mark.parametrize(("kind", "scenario"), CASES)
async def test_one_export(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, scenario: Scenario) -> None:
    caplog.set_level(logging.DEBUG)
    service, loop, folder = SERVICES[kind], asyncio.get_running_loop(), tmp_path / "out"
    folder.mkdir()
    before = asyncio.all_tasks()
    error: APSError | None = None
    ca, context = certificate(scenario, tmp_path)
    async with raw_server(service, scenario.does, tls=context) as server:
        began = loop.time()
        async with session_on(server, scenario, ca) as session:
            try:
                job = await start_export(session, service.request)
                await wait_for_export(session, job, folder / "x.pdf", timeout=DEADLINE)
            except APSError as caught:
                error = caught
            took = loop.time() - began
            assert {each for each in asyncio.all_tasks() - before if not is_of_a_server(each)} == set()
        assert await server.is_left()
    outcome = scenario.acc if scenario.acc and service.is_acc else scenario.ends
    check_outcome(outcome, error, took, folder)
    check_secrets(error, caplog.text)
    check_server(outcome, server, is_acc=service.is_acc)
