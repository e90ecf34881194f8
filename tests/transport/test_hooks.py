"""Events of a session: which, in what order, with what in them; and what happens without hooks."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import evolve

from aps_async import (
    ExportFailedError,
    ExportStatus,
    InputError,
    Session,
    Settings,
    StaticToken,
    TwoLegged,
    export_many,
    wait_for_export,
)
from aps_async.exports.progress import BulkProgress
from aps_async.exports.streaming import export_stream
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from aps_async.transport import hooks
from aps_async.transport.first_contact import Trouble
from aps_async.transport.hooks import (
    Attempt,
    BytesReceived,
    Event,
    ExportBegan,
    ExportEnded,
    Hook,
    Polled,
    RateLimited,
    Waited,
)
from tests.exports.test_streaming import SIZE, WORLD, begin

E = TypeVar("E")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobPolls(2), quotas=False)) as running:
        yield running


@asynccontextmanager
async def session_with(simulator: Simulator, *hooked: Hook, **settings: object) -> AsyncIterator[Session]:
    tokens = TwoLegged(simulator.client_id, simulator.client_secret)
    numbers = Settings(**settings) if settings else Settings().without_waiting()  # type: ignore[arg-type]
    async with Session(tokens, base_url=simulator.url, settings=numbers, hooks=hooked) as opened:
        yield opened


def of(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def test_an_export_from_its_start_to_its_file(simulator: Simulator, tmp_path: Path) -> None:
    events: list[Event] = []
    simulator.add_fault(Fault(endpoint="export_status", status=429, retry_after=0, nth=(1,)))
    simulator.add_fault(Fault(endpoint="signed_get", kind="reset_body", nth=(1,), after_bytes=SIZE // 2))
    async with session_with(simulator, events.append) as session:
        job = await begin(session, simulator)
        await wait_for_export(session, job, tmp_path / "a.pdf")
    calls = [(each.endpoint, each.method, each.status) for each in of(events, Attempt)]
    assert calls == [
        ("token", "POST", 200),
        ("bim360.export_start", "POST", 202),
        ("bim360.export_status", "GET", 429),
        ("bim360.export_status", "GET", 200),
        ("bim360.export_status", "GET", 200),
        ("storage", "GET", 200),
        ("storage", "GET", 206),
    ]
    assert all(each.seconds >= 0 and (each.size > 0) == (each.endpoint != "storage") for each in of(events, Attempt))
    assert of(events, RateLimited) == [RateLimited(endpoint="bim360.export_status", retry_after=0)]
    assert [each.status for each in of(events, Polled)] == [ExportStatus.RUNNING, ExportStatus.SUCCEEDED]
    assert {each.reason for each in of(events, Waited)} >= {"poll", "download"}
    assert sum(each.size for each in of(events, BytesReceived)) == SIZE
    assert of(events, ExportBegan) == [ExportBegan(ref=job.ref, kind=str(job.ref.kind))]
    [ended] = of(events, ExportEnded)
    assert (ended.ref, ended.kind, ended.size, ended.error) == (job.ref, str(job.ref.kind), SIZE, None)
    assert events[-1] is ended
    began = events.index(of(events, ExportBegan)[0])
    assert {each.export_number for each in events[:began]} == {None}
    assert len({each.export_number for each in events[began:]} - {None}) == 1
    assert all(each.export_number for each in events[began:])
    text = repr(events)
    for secret in (simulator.client_secret, "Signature", "X-Amz", "Bearer"):
        assert secret not in text
    assert not any("?" in each.url for each in of(events, Attempt))


async def test_the_wait_for_the_quota_and_before_a_retry(simulator: Simulator) -> None:
    events: list[Event] = []
    simulator.add_fault(Fault(endpoint="export_start", status=503, nth=(1,)))
    numbers = {"backoff_base": 0.01, "quota_window": 0.2, "budgets": {"bim360.export_start": 1}}
    async with session_with(simulator, events.append, **numbers) as session:
        await begin(session, simulator)
    [quota] = [each for each in of(events, Waited) if each.reason == "quota"]
    assert quota.what == "bim360.export_start"
    assert 0.1 < quota.seconds < 1
    [retry] = [each for each in of(events, Waited) if each.reason == "retry"]
    assert 0 < retry.seconds <= 0.01


async def test_trouble_lasts_until_the_service_answers(simulator: Simulator) -> None:
    found: list[Trouble | None] = []
    simulator.add_fault(Fault(endpoint="export_start", status=503, nth=(1, 2)))
    simulator.add_fault(Fault(endpoint="export_start", status=429, nth=(4,)))
    async with session_with(simulator, backoff_base=0.01) as session:
        stop = session.contact.listen(lambda: found.append(session.contact.trouble))
        await begin(session, simulator)
        await begin(session, simulator)
        stop()
    first, *_, last = found
    assert first is not None
    assert (str(first.error).partition("503")[1], first.next_attempt) == ("503", None)
    assert [each.next_attempt is not None for each in found if each] == [False, True, False, True]
    assert {each.since for each in found if each} == {first.since}
    assert last is None, "an answer, and 429 is one"
    assert session.contact.trouble is None


async def test_a_bulk_run_reports_trouble_at_once(simulator: Simulator, tmp_path: Path) -> None:
    seen: list[BulkProgress] = []
    simulator.add_fault(Fault(endpoint="export_status", kind="reset", nth=(1, 2)))
    async with session_with(simulator) as session:
        job = await begin(session, simulator)
        async for _ in export_many(session, [job.ref.request], tmp_path, on_progress=seen.append):
            pass
    ways = [each.trouble is not None for each in seen]
    assert True in ways
    assert not ways[-1]


async def test_an_attempt_that_brings_no_response(simulator: Simulator) -> None:
    events: list[Event] = []
    simulator.add_fault(Fault(endpoint="export_start", kind="reset", nth=(1,)))
    async with session_with(simulator, events.append) as session:
        await begin(session, simulator)
    broken = [each for each in of(events, Attempt) if each.status is None]
    assert [(each.endpoint, each.error) for each in broken] == [("bim360.export_start", "TransportError")]


async def _waited(session: Session, simulator: Simulator, name: str, folder: Path) -> None:
    await wait_for_export(session, await begin(session, simulator, name), folder / "a.pdf")


async def _streamed(session: Session, simulator: Simulator, name: str, _: Path) -> None:
    async for _chunk in await export_stream(session, await begin(session, simulator, name)):
        pass


async def _in_bulk(session: Session, simulator: Simulator, name: str, folder: Path) -> None:
    job = await begin(session, simulator, name)
    async for outcome in export_many(session, [job.ref.request], folder):
        if outcome.error is not None:
            raise outcome.error


WAYS = [_waited, _streamed, _in_bulk]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "words"), [("large", f"{SIZE} bytes"), ("fails", "ExportFailedError")])
async def test_every_export_has_one_line_and_one_outcome(
    way: Callable[..., object], name: str, words: str,
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    events: list[Event] = []
    caplog.set_level(logging.INFO, "aps_async")
    async with session_with(simulator, events.append) as session:
        try:
            await way(session, simulator, name, tmp_path)  # type: ignore[misc]
        except ExportFailedError:
            assert name == "fails"
    lines = [record for record in caplog.records if record.name == "aps_async.exports.outcomes"]
    assert [(line.levelname, words in line.getMessage()) for line in lines] == [("INFO", True)]
    assert [each.error for each in of(events, ExportEnded)] == [None if name == "large" else "ExportFailedError"]


async def test_a_file_of_an_earlier_run_is_not_called_delivered_again(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aps_async.exports.outcomes")
    async with session_with(simulator) as session:
        job = await begin(session, simulator)
        for _ in range(2):
            async for outcome in export_many(session, [job.ref.request], tmp_path, ledger=True):
                assert outcome.ok
    first, second = (record.getMessage() for record in caplog.records)
    assert (": delivered to " in first, f": already there, {SIZE} bytes: {tmp_path}" in second) == (True, True)


async def test_the_line_names_the_sheet(simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aps_async.exports.outcomes")
    async with session_with(simulator) as session:
        job = await begin(session, simulator, "fails")
        async for _ in export_many(session, [evolve(job.ref.request, name="A-101\nforged line")], tmp_path):
            pass
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [r"'A-101\nforged line'"]


async def test_a_stream_that_is_closed_early_and_a_wait_that_is_cancelled(simulator: Simulator, tmp_path: Path) -> None:
    events: list[Event] = []
    async with session_with(simulator, events.append) as session:
        body = await export_stream(session, await begin(session, simulator))
        await anext(aiter(body))
        await body.aclose()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await _waited(session, simulator, "never", tmp_path)
    assert [each.error for each in of(events, ExportEnded)] == ["ClientDisconnectedError", "CancelledError"]


async def test_a_hook_that_fails_ends_nothing(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("mine")

    events: list[Event] = []
    async with session_with(simulator, broken, events.append) as session:
        await _waited(session, simulator, "large", tmp_path)
    assert of(events, ExportEnded)[0].error is None
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert {record.name for record in errors} == {hooks.__name__}
    assert len(events) > 10
    assert [(record.getMessage(), bool(record.exc_info)) for record in errors] == [
        ("a hook failed with Attempt", True),
        (f"a hook has failed 10 times, now with {type(events[9]).__name__}: RuntimeError('mine')", False),
    ], "the log is not filled"


@pytest.mark.parametrize("hooks", [print, ["x"], [None]], ids=["one function", "a text", "nothing"])
def test_what_cannot_be_hooks_is_refused_at_once(hooks: Any) -> None:
    with pytest.raises(InputError, match=r"hooks must be a list .* such as hooks=\[watch\]"):
        Session(StaticToken("x"), hooks=hooks)


async def test_without_hooks_no_event_is_made(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object, **__: object) -> None:
        raise AssertionError("an event was made")

    for kind in (Attempt, BytesReceived, ExportBegan, ExportEnded, Polled, RateLimited, Waited):
        monkeypatch.setattr(kind, "__init__", made)
    simulator.add_fault(Fault(endpoint="export_status", status=429, retry_after=0, nth=(1,)))
    async with session_with(simulator) as session:
        await _waited(session, simulator, "large", tmp_path)
        await _in_bulk(session, simulator, "large", tmp_path)


def test_each_module_has_its_own_logger() -> None:
    package = Path(hooks.__file__).parents[1]
    others = [
        f"{path.relative_to(package)}: {name}"
        for path in package.rglob("*.py")
        if "cli" not in path.parts  # which configures all of them
        for name in re.findall(r"getLogger\((.*)\)", path.read_text("utf-8"))
        if name != "__name__"
    ]
    assert others == []
