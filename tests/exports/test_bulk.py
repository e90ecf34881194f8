"""Many exports at once: every request one outcome, at the speed of the quota, whatever goes wrong on the way."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    ExportFailedError,
    ExportOutcome,
    ExportRequest,
    ExportTimeoutError,
    InputError,
    Session,
    Settings,
    bim360,
    export_many,
    list_sheets,
)
from aps_async.errors import TargetError
from aps_async.exports.bulk import BulkProgress
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


def requests_of(simulator: Simulator, count: int | None = None) -> list[ExportRequest]:
    project = simulator.world.hubs[0].projects[0]
    return [bim360.make_request(project.id, sheet.tip.id, name=sheet.name) for sheet in simulator.world.sheets[:count]]


async def run(session: Session, requests: Iterable[ExportRequest], folder: Path, **options: Any) -> list[ExportOutcome]:
    async with aclosing(export_many(session, requests, folder, **options)) as outcomes:
        return [outcome async for outcome in outcomes]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


EVERY_KIND = [
    *(Fault(kind="status", status=status, probability=0.02) for status in (408, 500, 502, 504)),
    Fault(kind="status", status=429, retry_after=3, probability=0.01),
    Fault(kind="status", status=429, probability=0.01),
    Fault(kind="status", status=503, retry_after=2, probability=0.01),
    Fault(kind="html", status=502, probability=0.01),
    Fault(endpoint="[!s]*", kind="html", probability=0.01),
    Fault(endpoint="[!s]*", kind="empty", probability=0.01),
    Fault(endpoint="[!s]*", kind="text", probability=0.01),
    Fault(endpoint="[!s]*", kind="broken_json", probability=0.01),
    Fault(kind="reset", probability=0.02),
    Fault(kind="reset_body", probability=0.02),
    Fault(kind="truncate", probability=0.02),
    Fault(kind="hang", probability=0.002),
    Fault(kind="slow", seconds=5, probability=0.01),
    Fault(endpoint="signed_get", kind="expired", probability=0.05),
    Fault(endpoint="signed_get", kind="s3_error_200", probability=0.02),
    Fault(endpoint="signed_get", kind="ignore_range", probability=0.02),
    Fault(endpoint="export_*", kind="revoke", every=97),
]


@pytest.mark.long
async def test_500_sheets_at_the_bound_and_500_through_faults(tmp_path: Path) -> None:
    clean, faulty = tmp_path / "clean", tmp_path / "faulty"
    async with service(World.single_folder(500)) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator, 500)
        assert len(requests) == 500
        began = now()
        outcomes = await run(session, requests, clean)
        took = now() - began
        told = simulator.counts()
        # 100 starts in the first instant and then 100 a window: the last one may go after four windows
        last = max(told["jobs"].values(), key=lambda job: job["started"])
        bound = 4 * 60 + (last["finishes"] - last["started"])
        slowest = max(job["finishes"] for job in told["jobs"].values()) - min(
            job["started"] for job in told["jobs"].values()
        )
        assert took <= 1.10 * max(bound, slowest)
    assert all(outcome.ok for outcome in outcomes)
    assert {outcome.request for outcome in outcomes} == set(requests)
    assert told["endpoints"]["export_start"]["429"] == 0
    assert told["endpoints"]["export_status"]["429"] == 0
    assert told["endpoints"]["export_start"]["most_in_a_window"] <= 100
    assert told["endpoints"]["export_status"]["most_in_a_window"] <= 1000
    assert told["expired_urls_opened"] == 0

    async with service(World.single_folder(500), faults=EVERY_KIND) as simulator, session_for(simulator) as session:
        outcomes = await run(session, requests_of(simulator, 500), faulty)
        told = simulator.counts()
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    counted = [told["endpoints"][name] for name in ("export_start", "export_status", "signed_get")]
    assert sum(each["faults"] for each in counted) >= 0.18 * sum(each["calls"] for each in counted)
    assert told["authorization_on_signed_link"] == 0
    assert digests(faulty) == digests(clean)


async def test_slow_downloads_let_no_url_die(tmp_path: Path) -> None:
    """Downloads as the bottleneck: 60 of 30 s over 3 slots, ten minutes, with URLs that live two."""
    slow = Fault(endpoint="signed_get", kind="slow", seconds=30)
    async with service(World.single_folder(60), faults=[slow]) as simulator, session_for(simulator) as session:
        began = now()
        outcomes = await run(session, requests_of(simulator, 60), tmp_path, max_concurrent_downloads=3)
        took = now() - began
        await asyncio.sleep(60)  # the simulator counts a call when it has sent the last of it
        told = simulator.counts()
    assert all(outcome.ok for outcome in outcomes)
    assert told["expired_urls_opened"] == 0
    assert told["endpoints"]["signed_get"]["calls"] == 60
    assert took <= 1.10 * 60 * 30 / 3


async def test_one_failure_stops_nothing(tmp_path: Path) -> None:
    world = World.from_json(
        {"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": [
            {"number": "A-1"}, {"number": "A-2", "fails": True}, {"number": "A-3", "never": True}, {"number": "A-4"},
        ]}]}]}]}
    )  # fmt: skip
    async with service(world) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator)
        broken = bim360.make_request(requests[0].project_id, "urn:adsk.wipprod:fs.file:vf.nowhere?version=1")
        outcomes = await run(session, [*requests[:2], broken, *requests[2:]], tmp_path, timeout=120)
    by_name = {outcome.request.name: outcome for outcome in outcomes}
    assert len(outcomes) == 5
    assert by_name["A-1"].ok
    assert by_name["A-4"].ok
    assert isinstance(by_name["A-2"].error, ExportFailedError)
    assert isinstance(by_name["A-3"].error, ExportTimeoutError)
    assert by_name["A-3"].ref is not None  # so the wait can go on later
    assert by_name[None].error is not None
    assert by_name[None].ref is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A-1.pdf", "A-4.pdf"]
    assert by_name["A-1"].size == (tmp_path / "A-1.pdf").stat().st_size
    assert by_name["A-1"].polls > 0
    assert by_name["A-1"].seconds > 0


async def test_names_are_safe_and_never_alike(tmp_path: Path) -> None:
    titles = ["../../etc/passwd", "Plan", "plan", "PLAN", "CON", "a/b\\c", "  ..  ", "Grundriß\u202egnp.exe"]
    async with service(World.single_folder(8)) as simulator, session_for(simulator) as session:
        requests = [
            bim360.make_request(each.project_id, each.source_ids[0], name=title)
            for each, title in zip(requests_of(simulator, 8), titles, strict=True)
        ]
        outcomes = await run(session, requests, tmp_path / "out")
    assert all(outcome.ok for outcome in outcomes)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len({name.casefold() for name in names}) == 8
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert "_CON.pdf" in names
    assert {"Plan.pdf", "plan (2).pdf", "PLAN (3).pdf"} <= set(names)


async def test_an_async_source_is_taken_as_the_run_goes(tmp_path: Path) -> None:
    async with service() as simulator, session_for(simulator) as session:
        sheets = (sheet.to_request() async for sheet in list_sheets(session, "Riverside Clinic"))
        outcomes = [outcome async for outcome in export_many(session, sheets, tmp_path)]
    assert len(outcomes) == 12
    assert all(outcome.ok for outcome in outcomes)
    assert any("A-101 - " in outcome.path.name for outcome in outcomes if outcome.path)


async def test_an_error_of_the_iterator_is_raised_at_the_end(tmp_path: Path) -> None:
    async with service(World.single_folder(3)) as simulator, session_for(simulator) as session:

        async def source() -> AsyncIterator[ExportRequest]:
            for request in requests_of(simulator, 2):
                yield request
            raise InputError("the list ends here")

        outcomes: list[ExportOutcome] = []

        async def take_all() -> None:
            async for outcome in export_many(session, source(), tmp_path):
                outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(InputError, match="ends here"):
            await take_all()
    assert [outcome.ok for outcome in outcomes] == [True, True]


async def test_what_ended_the_run_first_is_raised(tmp_path: Path) -> None:
    async with service(World.single_folder(2)) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator, 2)
        ended, told = asyncio.Event(), asyncio.Event()

        async def source() -> AsyncIterator[ExportRequest]:
            yield requests[0]
            await ended.wait()
            told.set()
            raise InputError("the list cannot be read either")

        def broken(at: BulkProgress) -> None:
            if at.done:
                ended.set()
                raise RuntimeError("the bar is broken")

        async def take_all() -> None:
            async with aclosing(export_many(session, source(), tmp_path, on_progress=broken)) as outcomes:
                async for _ in outcomes:
                    await told.wait()
                    await asyncio.sleep(1)  # virtual: until the run knows of both

        with pytest.raises(RuntimeError, match="the bar is broken"):
            await take_all()


async def test_leaving_the_loop_leaves_nothing(tmp_path: Path) -> None:
    slow = Fault(endpoint="signed_get", kind="slow", seconds=50, after_bytes=100)
    before = asyncio.all_tasks()
    async with service(World.single_folder(40)) as simulator:
        async with session_for(simulator) as session:
            async with aclosing(
                export_many(session, requests_of(simulator, 40), tmp_path, max_concurrent_downloads=4)
            ) as outcomes:
                done = 0
                async for outcome in outcomes:
                    assert outcome.ok
                    done += 1
                    if done == 1:
                        simulator.add_fault(slow)
                    if done == 3:
                        break
            rate_limiter: Any = session.rate_limiter(bim360.STATUS)
            assert rate_limiter.sharers == 0
            assert rate_limiter.waiting == 0
            mine = [task for task in asyncio.all_tasks() - before if "aps_async/exports/bulk" in repr(task.get_coro())]
            assert mine == []
        await asyncio.sleep(1)
        assert simulator.counts()["open_connections"] == 0
    assert all(path.suffix == ".pdf" for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) >= 3


async def test_progress_adds_up(tmp_path: Path) -> None:
    seen: list[BulkProgress] = []
    async with service(World.single_folder(5)) as simulator, session_for(simulator) as session:
        outcomes = await run(session, requests_of(simulator, 5), tmp_path, on_progress=seen.append)
    last = seen[-1]
    assert (last.starting, last.running, last.done, last.failed) == (0, 0, 5, 0)
    assert last.received == sum(outcome.size for outcome in outcomes)
    assert max(each.running for each in seen) > 0
    assert all(min(each.starting, each.running) >= 0 for each in seen)


async def test_a_callback_that_breaks_ends_the_run(tmp_path: Path) -> None:
    def broken(at: BulkProgress) -> None:
        if at.running:
            raise RuntimeError("the bar is broken")

    async with service(World.single_folder(5)) as simulator, session_for(simulator) as session:
        with pytest.raises(RuntimeError, match="the bar is broken"):
            await run(session, requests_of(simulator, 5), tmp_path, on_progress=broken)


async def test_a_bad_folder_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(TargetError):
            await run(session, requests_of(simulator, 1), tmp_path / "file")
        assert simulator.counts()["jobs_started"] == 0


async def test_nothing_asked_for_nothing_done(tmp_path: Path) -> None:
    async with service() as simulator, session_for(simulator) as session:
        assert await run(session, [], tmp_path) == []


async def test_other_traffic_on_the_client_id_costs_one_refusal_a_window(tmp_path: Path) -> None:
    """Somebody else spends half of every window: the pacer learns where it ends and does not run into it again."""
    behaviour = Behaviour(quota_overrides={"export_start": 50}, job_time=JobTime.fixed(5))
    async with (
        service(World.single_folder(150), behaviour=behaviour) as simulator,
        session_for(simulator, Settings(max_concurrent_starts=4)) as session,
    ):
        outcomes = await run(session, requests_of(simulator, 150), tmp_path)
        told = simulator.counts()["endpoints"]["export_start"]
    assert all(outcome.ok for outcome in outcomes)
    assert told["429"] <= 4 * 3  # at most the starts in flight, once a window


@pytest.mark.parametrize("ledger", [False, True])
async def test_long_names_fit_where_the_file_system_takes_143_bytes(
    ledger: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in encrypted home folders. The limit is enforced on what is opened, since few machines have such a folder."""
    real = os.open

    def limited(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if len(os.fsencode(os.path.basename(path))) > 143:  # noqa: PTH119
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", limited)
    monkeypatch.setattr(os, "pathconf", lambda *_: 143)
    titles = ["\u56fe" * 60, "\u56fe" * 59 + "\u7eb8", "A" * 180, "A" * 181, "A" * 132, "Plan"]
    async with service(World.single_folder(len(titles))) as simulator, session_for(simulator) as session:
        project = simulator.world.hubs[0].projects[0]
        requests = [
            bim360.make_request(project.id, sheet.tip.id, name=title)
            for sheet, title in zip(simulator.world.sheets, titles, strict=True)
        ]
        for reused in (False, ledger):
            outcomes = [each async for each in export_many(session, requests, tmp_path, ledger=ledger)]
            assert [str(each.error) for each in outcomes if not each.ok] == []
            assert all(each.reused == reused for each in outcomes)
            names = {each.request.name: each.path.name for each in outcomes if each.path}
            assert len(set(names.values())) == len(titles)
            assert all(len(name.encode()) <= 143 for name in names.values())
            assert names["Plan"] == "Plan.pdf"
            assert names["A" * 132] == "A" * 132 + ".pdf"
    assert {path.name for path in tmp_path.glob("[!.]*")} == set(names.values())


@pytest.mark.parametrize("ledger", [False, True])
async def test_a_folder_with_the_name_of_a_sheet(tmp_path: Path, ledger: bool) -> None:
    """Such as one for the underlays of `A-101.pdf`; only what has the whole name is in the way."""
    async with service(World.single_folder(2)) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator)
        (tmp_path / str(requests[0].name)).mkdir()
        (tmp_path / f"{requests[1].name}.pdf").mkdir()
        found = {each.request.name: each for each in await run(session, requests, tmp_path, ledger=ledger)}
        kept, refused = (found[each.name] for each in requests)
        assert kept.path == tmp_path / f"{requests[0].name}.pdf"
        assert isinstance(refused.error, TargetError)
        again = await run(session, requests[:1], tmp_path, ledger=ledger)
        assert [(each.path, each.reused) for each in again] == [(kept.path, ledger)]
