"""The same cases for every kind of export: a verified file or one clear error, and no partial file."""

import asyncio
import functools
import io
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import backoff
import pytest

from aps_async import (
    AuthError,
    DecodeError,
    ExportError,
    ExportFailedError,
    ExportStatus,
    ExportTimeoutError,
    LinkExpiredError,
    NotAllowedError,
    NotFoundError,
    Session,
    Settings,
    TransportError,
    ref_from_json,
    ref_to_json,
    start_export,
    wait_for_export,
)
from aps_async.errors import IncompleteDownloadError, ServerError, TargetError
from aps_async.exports.kinds import row_of
from aps_async.exports.streaming import export_stream
from aps_async.exports.wait import checked_job, export_states, poll_export
from aps_async.models import ExportJob, ExportKind, ExportRef, ExportRequest, FailedFile
from aps_async.policies import PollPolicy
from aps_async.simulator import Fault, Simulator
from tests.kinds import SCENES, Scene, is_whole, twenty_seconds, world
from tests.support import service

# fixtures run in real time: virtual time begins where that stands, so that the simulator's start is not in the future
pytestmark = pytest.mark.looptime(start=time.monotonic)


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    return SCENES[request.param]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(world(), behaviour=twenty_seconds(token_life=86_400)) as running:
        yield running


@pytest.fixture
async def session(scene: Scene, simulator: Simulator) -> AsyncIterator[Session]:
    async with scene.session(simulator) as opened:
        yield opened


STATUS_ENDPOINTS = [kind.status for kind in map(row_of, ExportKind)]


def now() -> float:
    return asyncio.get_running_loop().time()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def calls(simulator: Simulator, endpoint: str) -> int:
    return int(simulator.counts()["endpoints"].get(endpoint, {"calls": 0})["calls"])


# ---------------------------------------------------------------- the ways a job can go


async def test_done(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await scene.begin(session, simulator, "good")
    assert job.status is ExportStatus.RUNNING
    words: list[str] = []
    bytes_seen: list[int] = []
    target = tmp_path / "A-101.pdf"
    began = now()
    got = await wait_for_export(
        session,
        job,
        target,
        on_status=lambda each: words.append(each.raw_status),
        on_progress=lambda at: bytes_seen.append(at.received),
    )
    assert got == target
    assert is_whole(target)
    assert 20 <= now() - began <= 23  # noticed within an interval
    assert len(words) <= 13
    assert words[-1] != words[0]
    assert bytes_seen[-1] == target.stat().st_size
    assert leftovers(tmp_path) == ["A-101.pdf"]
    assert simulator.counts()["expired_urls_opened"] == 0
    assert simulator.counts()["authorization_on_signed_link"] == 0


async def test_fails(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await scene.begin(session, simulator, "fails")
    with pytest.raises(ExportFailedError, match=r"(?i)failed") as caught:
        await wait_for_export(session, job, tmp_path / "x.pdf")
    assert caught.value.ref == job.ref
    assert caught.value.job is not None
    assert caught.value.job.status is ExportStatus.FAILED
    assert leftovers(tmp_path) == []


async def test_never_ends(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await scene.begin(session, simulator, "never")
    began = now()
    with pytest.raises(ExportTimeoutError, match="wait again with its ref") as caught:
        await wait_for_export(session, job, tmp_path / "x.pdf", timeout=90)
    assert now() - began == pytest.approx(90, abs=0.01)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.ref == job.ref
    assert caught.value.job is not None
    assert caught.value.job.status is ExportStatus.RUNNING
    assert leftovers(tmp_path) == []


async def test_without_a_timeout_a_wait_outlasts_the_services_own_limit(
    scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    """ACC gives a job up after 30 minutes and says why; nothing is documented for the others, so we do after ten."""
    job = await scene.begin(session, simulator, "never")
    began = now()
    with pytest.raises(ExportError) as caught:
        await wait_for_export(session, job, tmp_path / "x.pdf")
    if job.ref.kind in (ExportKind.FILES, ExportKind.SHEETS):
        assert isinstance(caught.value, ExportFailedError)
        assert "ERR_WORKFLOW_TIMEOUT" in str(caught.value)
        assert now() - began == pytest.approx(1800, abs=5)
    else:
        assert isinstance(caught.value, ExportTimeoutError)
        assert now() - began == pytest.approx(600, abs=0.1)


async def test_states_end_with_the_final_one(scene: Scene, simulator: Simulator, session: Session) -> None:
    for which, last in (("good", ExportStatus.SUCCEEDED), ("fails", ExportStatus.FAILED)):
        job = await scene.begin(session, simulator, which)
        seen = [each.status async for each in export_states(session, job)]
        assert seen[-1] is last
        assert set(seen[:-1]) <= {ExportStatus.RUNNING}


async def test_what_is_already_done_needs_no_poll(scene: Scene, tmp_path: Path) -> None:
    async with service(world(), behaviour=twenty_seconds()) as simulator, scene.session(simulator) as session:
        job = await poll_export(session, await scene.begin(session, simulator, "good"))
        before = calls(simulator, scene.status)
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert calls(simulator, scene.status) == before


# ---------------------------------------------------------------- faults in the middle

PASSING = {
    "429 with Retry-After": Fault(kind="status", status=429, retry_after=7, nth=(2, 3)),
    "429 without": Fault(kind="status", status=429, nth=(1, 2)),
    "500": Fault(kind="status", status=500, nth=(1, 3)),
    "503 with a date": Fault(kind="status", status=503, retry_after="date+9", nth=(2,)),
    "502 html": Fault(kind="html", status=502, nth=(2,)),
    "200 html": Fault(kind="html", nth=(2,)),
    "empty": Fault(kind="empty", nth=(1,)),
    "broken json": Fault(kind="broken_json", nth=(3,)),
    "reset": Fault(kind="reset", nth=(1, 2)),
    "reset in the body": Fault(kind="reset_body", nth=(1, 3)),
    "cut body": Fault(kind="truncate", nth=(2,)),
    "no answer": Fault(kind="hang", nth=(1,)),
    "401": Fault(kind="revoke", nth=(2, 5)),
    "down for two minutes": Fault(kind="status", status=503, times=12),
}


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_passes_is_waited_out(
    name: str, scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    if name == "401" and scene.signed_in:
        return  # the token was handed in; nobody can renew it
    job = await scene.begin(session, simulator, "good")
    fault = PASSING[name]
    simulator.add_fault(_at(fault, scene.status))
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert is_whole(tmp_path / "x.pdf")
    assert simulator.counts()["endpoints"][scene.status]["faults"] >= 1
    asked = {"429 with Retry-After": 7, "503 with a date": 9}.get(name)
    if asked:  # nobody came back before the time that the service asked for
        times = [seen.time for seen in simulator.log if seen.endpoint == scene.status]
        faulty = [seen.time for seen in simulator.log if seen.endpoint == scene.status and seen.fault]
        for when in faulty:
            assert min(each for each in [*times, 1e12] if each > when) - when >= asked - 1.001


def _at(fault: Fault, endpoint: str) -> Fault:
    return Fault.from_json({**fault.to_json(), "endpoint": endpoint})


NEVER_ARRIVED = ("429 with Retry-After", "429 without", "503 with a date", "down for two minutes")


@pytest.mark.parametrize("name", [name for name in PASSING if name != "401"])
async def test_a_start_that_meets_it_is_repeated_where_that_is_harmless(
    name: str, scene: Scene, simulator: Simulator, session: Session
) -> None:
    simulator.add_fault(_at(Fault.from_json({**PASSING[name].to_json(), "nth": None, "times": 2}), scene.start))
    request = scene.request(simulator, "good")
    if scene.repeatable or name in NEVER_ARRIVED:
        assert (await start_export(session, request)).ref.export_id
        assert calls(simulator, scene.start) == 3
    else:  # a second job would cost money and time, so the caller decides
        with pytest.raises((TransportError, ServerError, DecodeError)):
            await start_export(session, request)
        assert calls(simulator, scene.start) <= 1  # a call that never gets its answer is not counted


async def test_401_that_stays_ends_the_start(scene: Scene, simulator: Simulator, session: Session) -> None:
    simulator.add_fault(Fault(endpoint=scene.start, kind="status", status=401))
    with pytest.raises(AuthError):
        await start_export(session, scene.request(simulator, "good"))
    assert calls(simulator, scene.start) == (1 if scene.signed_in else 2)  # a token that was handed in has no successor


async def test_403_while_waiting_is_final(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await scene.begin(session, simulator, "good")
    simulator.add_fault(Fault(endpoint=scene.status, kind="status", status=403))
    with pytest.raises(NotAllowedError) as caught:
        await wait_for_export(session, job, tmp_path / "x.pdf")
    assert any(job.ref.export_id in note for note in caught.value.__notes__)


async def test_404_right_after_the_start_passes(scene: Scene, tmp_path: Path) -> None:
    behaviour = twenty_seconds(not_found_after_start=3)
    async with service(world(), behaviour=behaviour) as simulator, scene.session(simulator) as session:
        job = await scene.begin(session, simulator, "good")
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert is_whole(tmp_path / "x.pdf")


async def test_404_later_is_final(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await scene.begin(session, simulator, "good")
    simulator.add_fault(Fault(endpoint=scene.status, kind="status", status=404))
    began = now()
    with pytest.raises(NotFoundError):
        await wait_for_export(session, job, tmp_path / "x.pdf")
    assert 10 <= now() - began < 60


# ---------------------------------------------------------------- the download after the wait


@pytest.mark.parametrize("kind", ["reset_body", "truncate", "reset", "expired", "s3_error_200", "slow", "hang"])
async def test_a_broken_download_is_mended(
    kind: str, scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await scene.begin(session, simulator, scene.large)
    await wait_for_export(session, job, tmp_path / "undisturbed")
    simulator.add_fault(Fault(endpoint=scene.storage, kind=kind, nth=(1, 2)))
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes() == (tmp_path / "undisturbed").read_bytes()
    assert is_whole(tmp_path / "x.pdf")
    assert leftovers(tmp_path) == ["undisturbed", "x.pdf"]


async def test_a_url_that_died_in_a_queue_is_never_opened(
    scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await poll_export(session, await scene.begin(session, simulator, "good"))
    await asyncio.sleep(3601)
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert is_whole(tmp_path / "x.pdf")
    assert simulator.counts()["expired_urls_opened"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=404, nth=(1,)),
        Fault(kind="status", status=429, retry_after=10**9, nth=(1, 2)),
        Fault(kind="status", status=503, retry_after=301, nth=(1,)),
        Fault(kind="html", nth=(1,)),
    ],
    ids=["404", "429 in 30 years", "503 in 301 s", "200 html"],
)
async def test_what_a_poll_waits_out_does_not_end_the_renewal_of_a_url(
    fault: Fault, scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await poll_export(session, await scene.begin(session, simulator, "good"))
    await asyncio.sleep(3601)
    simulator.add_fault(_at(fault, scene.status))
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert is_whole(tmp_path / "x.pdf")


async def test_urls_that_are_always_refused(
    scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await scene.begin(session, simulator, "good")
    simulator.add_fault(Fault(endpoint="[sc]*_get", kind="expired"))  # cdn_get is where the older way leads
    with pytest.raises(LinkExpiredError, match="403"):
        await wait_for_export(session, job, tmp_path / "x.pdf")
    opened = calls(simulator, scene.storage) + calls(simulator, "cdn_get")
    assert opened == Settings().link_renewals + 1
    assert leftovers(tmp_path) == []


async def test_a_body_that_is_never_the_file(
    scene: Scene, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await scene.begin(session, simulator, "good")
    simulator.add_fault(Fault(endpoint=scene.storage, kind="s3_error_200"))
    (tmp_path / "x.pdf").write_bytes(b"the old one")
    with pytest.raises(IncompleteDownloadError, match=r"not a [A-Z ]+(or ZIP )?but an XML error|bytes instead"):
        await wait_for_export(session, job, tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes() == b"the old one"
    assert leftovers(tmp_path) == ["x.pdf"]


async def test_a_bad_target_is_said_before_the_wait(scene: Scene, simulator: Simulator, session: Session) -> None:
    job = await scene.begin(session, simulator, "good")
    before = calls(simulator, scene.status)
    with pytest.raises(TargetError, match="create it first"):
        await wait_for_export(session, job, "/nowhere/at/all/x.pdf")
    assert calls(simulator, scene.status) == before


async def test_open_files_and_chunks(scene: Scene, simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await poll_export(session, await scene.begin(session, simulator, scene.large))
    file = io.BytesIO()
    await wait_for_export(session, job, file)
    async with aclosing(await export_stream(session, job)) as chunks:
        streamed = b"".join([chunk async for chunk in chunks])
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert streamed == file.getvalue() == (tmp_path / "x.pdf").read_bytes()


# ---------------------------------------------------------------- cancelled, continued, shared


@pytest.mark.parametrize("after", [0.0, 1.0, 5.0, 19.9, 20.5, 22.5, 30.0])
async def test_cancel_leaves_nothing(after: float, scene: Scene, simulator: Simulator, tmp_path: Path) -> None:
    simulator.add_fault(Fault(endpoint=scene.storage, kind="slow", seconds=60))
    before = asyncio.all_tasks()
    async with scene.session(simulator) as session:
        job = await scene.begin(session, simulator, scene.large)
        waiting = asyncio.create_task(wait_for_export(session, job, tmp_path / "x.pdf"))
        await asyncio.sleep(after)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert leftovers(tmp_path) == []
        assert {task for task in asyncio.all_tasks() - before if "aps_async" in repr(task.get_coro())} == set()
        # a later wait with the same ref is none the worse for it
        simulator.clear_faults()
        await wait_for_export(session, job.ref, tmp_path / "x.pdf")
    await asyncio.sleep(1)
    assert simulator.counts()["open_connections"] == 0


async def test_continued_in_another_process(scene: Scene, simulator: Simulator, tmp_path: Path) -> None:
    async with scene.session(simulator) as first:
        text = ref_to_json((await scene.begin(first, simulator, "good")).ref)
    ref = ref_from_json(text)
    starts = calls(simulator, scene.start)
    async with scene.session(simulator) as second:
        await wait_for_export(second, ref, tmp_path / "x.pdf")
    assert is_whole(tmp_path / "x.pdf")
    assert calls(simulator, scene.start) == starts


async def test_many_waits_share_the_status_quota(scene: Scene, tmp_path: Path) -> None:
    behaviour = twenty_seconds(quota_overrides={scene.status: 60})
    settings = Settings(budgets={endpoint.name: 60 for endpoint in STATUS_ENDPOINTS})
    async with service(world(), behaviour=behaviour) as simulator, scene.session(simulator, settings) as session:
        job = await scene.begin(session, simulator, "good")
        await asyncio.gather(*(wait_for_export(session, job, tmp_path / f"{n}.pdf") for n in range(40)))
        told = simulator.counts()["endpoints"][scene.status]
        assert told["429"] == 0
        assert told["most_in_a_window"] <= 60
    assert len(leftovers(tmp_path)) == 40


@pytest.mark.parametrize(
    ("policy", "polls"),
    [
        (PollPolicy(interval=5, jitter=0), 4),
        (functools.partial(backoff.constant, 10), 2),
        (functools.partial(backoff.expo, max_value=8), 5),  # 1, 3, 7, 15, 23 s
        (functools.partial(backoff.constant, [1, 3]), 8),  # the last wait stays: 1, 4, 7 ... 22
    ],
    ids=["policy", "constant", "expo", "finite"],
)
async def test_policies(policy: object, polls: int, scene: Scene, simulator: Simulator, session: Session) -> None:
    job = await scene.begin(session, simulator, "good")
    before = calls(simulator, scene.status)
    await poll_export(session, job, policy=policy)  # type: ignore[arg-type]
    assert calls(simulator, scene.status) - before == polls


@pytest.mark.parametrize(
    ("count", "ends"),
    [(1, "f0 (gone)"), (20, "f19 (gone)"), (21, "f19 (gone) and 1 more"), (1000, "f19 (gone) and 980 more")],
)
def test_an_error_names_the_first_missing_files_and_counts_the_rest(count: int, ends: str) -> None:
    names = tuple(f"f{n}" for n in range(count))
    request = ExportRequest(kind=ExportKind.FILES, project_id="p", source_ids=names, allow_partial=False)
    lost = tuple(FailedFile(id=f"f{n}", reason="gone") for n in range(count))
    job = ExportJob(
        ref=ExportRef(request=request, export_id="j"),
        status=ExportStatus.PARTIAL,
        raw_status="partialSuccess",
        failed_files=lost,
    )
    with pytest.raises(ExportFailedError) as caught:
        checked_job(job)
    assert str(caught.value).endswith(ends)
    assert caught.value.job is job
