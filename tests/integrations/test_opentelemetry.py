"""Spans and metrics of exports, through the API's own classes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from opentelemetry import trace

from aps_async import ExportFailedError, ExportJob, Session, Settings, TwoLegged, export_many, wait_for_export
from aps_async.exports.streaming import export_stream
from aps_async.integrations.opentelemetry import OpenTelemetryHook
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from tests.exports.test_streaming import SIZE, WORLD, begin
from tests.integrations.telemetry import KeptSpan, Providers


@pytest.fixture
def providers() -> Providers:
    return Providers()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobPolls(2), quotas=False)) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator, providers: Providers) -> AsyncIterator[Session]:
    tokens = TwoLegged(simulator.client_id, simulator.client_secret)
    hook = OpenTelemetryHook(providers.traces(), providers.meters())
    settings = Settings().without_waiting()
    async with Session(tokens, base_url=simulator.url, settings=settings, hooks=[hook]) as opened:
        yield opened


def exports(providers: Providers) -> list[KeptSpan]:
    return [span for span in providers.tracer.spans if span.name == "aps.export"]


def requests(providers: Providers, endpoint: str) -> list[KeptSpan]:
    return [span for span in providers.tracer.spans if span.attributes.get("aps.endpoint") == endpoint]


async def test_an_export_is_one_span_with_its_requests_inside(
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path
) -> None:
    job = await begin(session, simulator)
    simulator.add_fault(Fault(endpoint="export_status", status=503, nth=(1,)))
    simulator.add_fault(Fault(endpoint="export_status", status=429, retry_after=0, nth=(2,)))
    with providers.tracer.start_as_current_span("mine") as mine:
        await wait_for_export(session, job, tmp_path / "a.pdf")
        assert trace.get_current_span() is mine
    [span] = exports(providers)
    assert (span.parent, span.failed, span.ended is not None) == (mine, False, True)
    assert span.attributes == {
        "aps.export.kind": str(job.ref.kind),
        "aps.export.id": job.ref.export_id,
        "aps.project.id": job.ref.project_id,
        "aps.export.size": SIZE,
    }
    polls = requests(providers, "bim360.export_status")
    assert [each.attributes["http.response.status_code"] for each in polls] == [503, 429, 200, 200]
    assert [each.attributes.get("error.type") for each in polls] == ["503", "429", None, None]
    [storage] = requests(providers, "storage")
    for each in (*polls, storage):
        assert (each.parent, each.kind, each.name) == (span, trace.SpanKind.CLIENT, "GET")
        assert each.start is not None
        assert each.ended is not None
        assert each.start <= each.ended
    [start] = requests(providers, "bim360.export_start")
    assert (start.parent, start.attributes["http.request.method"]) == (None, "POST")
    sums: Counter[str] = Counter()
    for name, value, _ in providers.values:
        sums[name] += value  # type: ignore[assignment]
    assert sums["aps.download.io"] == SIZE
    assert sums["aps.rate_limited"] == 1
    assert sums["aps.polls"] == 2
    assert sums["aps.wait.time"] > 0
    durations = [known for name, _, known in providers.values if name == "http.client.request.duration"]
    assert len(durations) == len([each for each in providers.tracer.spans if each.kind is trace.SpanKind.CLIENT])
    assert not any(
        "url.full" in known for known in durations
    )  # a label with so many values would be too much for a metric


async def test_a_failure_is_on_the_span_and_in_the_metric(
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path
) -> None:
    with pytest.raises(ExportFailedError):
        await wait_for_export(session, await begin(session, simulator, "fails"), tmp_path / "a.pdf")
    [span] = exports(providers)
    assert (span.failed, span.attributes["error.type"]) == (True, "ExportFailedError")
    [known] = [known for name, _, known in providers.values if name == "aps.export.duration"]
    assert known["error.type"] == "ExportFailedError"
    assert trace.get_current_span() is trace.INVALID_SPAN


async def in_single_waits(session: Session, jobs: list[ExportJob], folder: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for number, job in enumerate(jobs):
            group.create_task(wait_for_export(session, job, folder / f"{number}.pdf"))


async def in_a_bulk_run(session: Session, jobs: list[ExportJob], folder: Path) -> None:
    assert all([outcome.ok async for outcome in export_many(session, [job.ref for job in jobs], folder)])


async def in_web_responses(session: Session, jobs: list[ExportJob], _: Path) -> None:
    streams = [await export_stream(session, job) for job in jobs]
    bodies = [aiter(each) for each in streams]
    while bodies:  # in turn, in one task
        bodies = [each for each in bodies if await anext(each, b"")]


@pytest.mark.parametrize("way", [in_single_waits, in_a_bulk_run, in_web_responses])
async def test_exports_at_the_same_time_have_a_span_each(
    way: Callable[[Session, list[ExportJob], Path], Awaitable[None]],
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path,
) -> None:  # fmt: skip
    jobs = [await begin(session, simulator) for _ in range(4)]
    simulator.add_fault(Fault(endpoint="signed_get", kind="reset_body", nth=(1, 2, 3, 4), after_bytes=SIZE // 2))
    await way(session, jobs, tmp_path)
    spans = exports(providers)
    assert sorted(span.attributes["aps.export.id"] for span in spans) == sorted(job.ref.export_id for job in jobs)
    assert all((span.attributes["aps.export.size"], span.failed) == (SIZE, False) for span in spans)
    assert all(span.ended is not None for span in spans)
    for span in spans:
        inside = [each for each in providers.tracer.spans if each.parent is span]
        assert [each.attributes["http.response.status_code"] for each in inside][-2:] == [200, 206]
        polls = [each for each in inside if each.attributes["aps.endpoint"] == "bim360.export_status"]
        assert len(polls) >= 1
        assert all(span.attributes["aps.export.id"] in each.attributes["url.full"] for each in polls)
    children = [each for each in providers.tracer.spans if each.parent in spans]
    assert len(children) == len([*requests(providers, "bim360.export_status"), *requests(providers, "storage")])


async def test_a_bulk_run_starts_an_export_inside_its_span(
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path
) -> None:
    request = (await begin(session, simulator)).ref.request
    providers.tracer.spans.clear()
    assert [outcome.ok async for outcome in export_many(session, [request], tmp_path)] == [True]
    [span] = exports(providers)
    [start] = requests(providers, "bim360.export_start")
    assert start.parent is span
    assert span.attributes["aps.project.id"] == request.project_id


async def leave_a_bulk_run(session: Session, jobs: list[ExportJob], folder: Path) -> None:
    async with asyncio.timeout(0.2):
        await in_a_bulk_run(session, jobs, folder)


async def cancel_waits(session: Session, jobs: list[ExportJob], folder: Path) -> None:
    async with asyncio.timeout(0.2):
        await in_single_waits(session, jobs, folder)


async def drop_unread_streams(session: Session, jobs: list[ExportJob], _: Path) -> None:
    for job in jobs:
        await (await export_stream(session, job)).aclose()
    raise TimeoutError


@pytest.mark.parametrize(
    ("way", "name", "error"),
    [
        (leave_a_bulk_run, "never", "CancelledError"),
        (cancel_waits, "never", "CancelledError"),
        (drop_unread_streams, "large", "ClientDisconnectedError"),
    ],
)
async def test_no_span_stays_open(
    way: Callable[[Session, list[ExportJob], Path], Awaitable[None]], name: str, error: str,
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path,
) -> None:  # fmt: skip
    jobs = [await begin(session, simulator, name) for _ in range(3)]
    with pytest.raises(TimeoutError):
        await way(session, jobs, tmp_path)
    assert [span.attributes["error.type"] for span in exports(providers)] == [error] * 3
    assert all(span.ended is not None for span in exports(providers))


async def test_nothing_secret_is_in_spans_and_metrics(
    session: Session, simulator: Simulator, providers: Providers, tmp_path: Path
) -> None:
    await wait_for_export(session, await begin(session, simulator), tmp_path / "a.pdf")
    text = repr([span.attributes for span in providers.tracer.spans]) + repr(providers.values)
    token = await TwoLegged(simulator.client_id, simulator.client_secret).token(session)
    assert token.value not in text
    for secret in (simulator.client_secret, "Signature", "X-Amz", "Bearer", "?"):
        assert secret not in text
