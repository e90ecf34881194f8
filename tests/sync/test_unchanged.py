"""A repeated run: what it takes as unchanged, and what it never does."""

import asyncio
import math
import os
import shutil
import sqlite3
from contextlib import aclosing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import evolve

from aps_async import Session, TwoLegged, export_many
from aps_async.exports.project import project_requests
from aps_async.ledger import Ledger, files
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.transport.quotas import LocalRateLimiter, Quotas
from tests.support import service, session_for

QUICK = Behaviour(job_time=JobTime.fixed(1))
DAY = 86400.0

pytestmark = pytest.mark.looptime


async def synced(session: Session, simulator: Simulator, folder: Path, **how: Any) -> dict[str, SyncOutcome]:
    project = simulator.world.hubs[0].projects[0]
    async with aclosing(sync_project(session, project.id, folder, SyncOptions(**how))) as outcomes:
        return {each.number: each async for each in outcomes}


def calls(simulator: Simulator, *endpoints: str) -> int:
    counts = simulator.counts()["endpoints"]
    return sum(counts.get(name, {}).get("calls", 0) for name in endpoints or counts)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    found: list[str] = []
    original = files.sha256

    def noted(path: Path, *rest: Any) -> str:
        found.append(path.name)
        return original(path, *rest)

    monkeypatch.setattr(files, "sha256", noted)
    return found


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"%PDF", b"%PdF"))


def rewrite_and_keep_the_time(path: Path) -> None:
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    rewrite(other)
    other.replace(path)


def link(path: Path) -> None:
    moved = path.with_suffix(".moved")
    path.rename(moved)
    path.symlink_to(moved)


@pytest.mark.parametrize("change", [rewrite, rewrite_and_keep_the_time, replace, link, Path.unlink])
async def test_a_change_of_the_same_size_shows_even_at_once(tmp_path: Path, change: Any) -> None:
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        found = await synced(session, simulator, tmp_path)
        path = found["A-102"].path
        assert path is not None
        right = path.read_bytes()
        for _ in range(3):
            change(path)
            again = await synced(session, simulator, tmp_path)
            assert {number: str(each.state) for number, each in again.items()} == {
                "A-101": "unchanged",
                "A-102": "refreshed",
                "A-103": "unchanged",
            }
            assert path.read_bytes() == right


async def test_unchanged_files_are_not_read_and_cost_one_call_a_page(tmp_path: Path, hashed: list[str]) -> None:
    async with service(World.single_folder(230), behaviour=QUICK) as simulator, session_for(simulator) as session:
        await synced(session, simulator, tmp_path)
        for verify, names in ((False, 0), (True, 5), (False, 0)):
            hashed.clear()
            before = calls(simulator), calls(simulator, "batch_get"), calls(simulator, "export_start")
            found = await synced(session, simulator, tmp_path, verify=verify)
            assert {str(each.state) for each in found.values()} == {"unchanged"}
            assert len(hashed) == (230 if verify else 0)
            assert calls(simulator, "batch_get") - before[1] == names
            assert calls(simulator) - before[0] <= 2 + names + 10
            assert calls(simulator, "export_start") == before[2]


async def test_a_copied_folder_costs_hashes_and_no_export(tmp_path: Path, hashed: list[str]) -> None:
    async with service(World.single_folder(5), behaviour=QUICK) as simulator, session_for(simulator) as session:
        await synced(session, simulator, tmp_path / "first")
        shutil.copytree(tmp_path / "first", tmp_path / "second")
        starts = calls(simulator, "export_start")
        found = await synced(session, simulator, tmp_path / "second")
        assert {str(each.state) for each in found.values()} == {"unchanged"}
        assert len(hashed) == 5
        assert calls(simulator, "export_start") == starts


def test_a_stamp_is_only_kept_of_a_file_that_has_rested(tmp_path: Path) -> None:
    path = tmp_path / "sheet.pdf"
    path.write_bytes(b"new")
    known = files.known_file(tmp_path, path, Event())
    [fresh] = files.read_again(tmp_path, [known], Event()) or ()
    assert fresh.stamp is None
    assert not files.are_unchanged(tmp_path, [fresh])
    assert files.stamp_of(path, 3, path.stat().st_mtime) is None
    assert files.stamp_of(path, 3, path.stat().st_mtime + 2) is not None
    assert files.stamp_of(path, 4, path.stat().st_mtime + 2) is None


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_new_title_shows_at_the_latest_after_a_day(tmp_path: Path, hidden: bool) -> None:
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        sheet = simulator.world.find_sheet("A-102")
        sheet.hides_renames = hidden
        await synced(session, simulator, tmp_path)
        sheet.title = "Roof"
        simulator.world.index()
        states = [(await synced(session, simulator, tmp_path))["A-102"].state]
        await asyncio.sleep(DAY / 2)
        states.append((await synced(session, simulator, tmp_path))["A-102"].state)
        await asyncio.sleep(DAY / 2)
        states.append((await synced(session, simulator, tmp_path))["A-102"].state)
        assert [str(each) for each in states] == (
            ["unchanged", "unchanged", "renamed"] if hidden else ["renamed", "unchanged", "unchanged"]
        )


@pytest.mark.parametrize("named", ["soon", b"\0", 1e300, math.inf, -1e300, None, 9e9])
async def test_a_time_that_cannot_be_is_not_believed(tmp_path: Path, named: object) -> None:
    """A clock was ahead, or somebody has written to the ledger."""
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        sheet = simulator.world.find_sheet("A-102")
        sheet.hides_renames = True
        await synced(session, simulator, tmp_path)
        sheet.title = "Roof"
        simulator.world.index()
        with sqlite3.connect(tmp_path / LEDGER_NAME) as ledger:
            ledger.execute("UPDATE sheets SET named=?", (named,))
        ledger.close()
        assert (await synced(session, simulator, tmp_path))["A-102"].state == "renamed"


async def test_a_new_title_shows_at_once_when_everything_is_verified(tmp_path: Path) -> None:
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        sheet = simulator.world.find_sheet("A-102")
        sheet.hides_renames = True
        await synced(session, simulator, tmp_path)
        sheet.title = "Roof"
        simulator.world.index()
        assert (await synced(session, simulator, tmp_path))["A-102"].state == "unchanged"
        assert (await synced(session, simulator, tmp_path, verify=True))["A-102"].state == "renamed"


@pytest.mark.parametrize("stop_after", [30, 110])
async def test_a_run_that_follows_a_stopped_one_meets_no_429(tmp_path: Path, stop_after: int) -> None:
    """Another process follows, which has counted nothing itself."""
    behaviour = evolve(QUICK, job_time=JobTime.fixed(5))
    async with service(World.single_folder(150), behaviour=behaviour) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        project = simulator.world.hubs[0].projects[0].id
        for number in range(3):
            async with session_for(simulator, tokens=tokens, quotas=Quotas()) as session:
                requests = [each async for each in project_requests(session, project)]
                count = 0
                async with aclosing(export_many(session, requests, tmp_path, ledger=True)) as outcomes:
                    async for outcome in outcomes:
                        assert outcome.ok
                        count += not outcome.reused
                        if count >= stop_after and number < 2:
                            break
        assert calls(simulator, "export_start") <= 150 + 2 * 32
        refused = [call for call in simulator.log if call.endpoint == "export_start" and call.status == 429]
        assert refused == []


async def test_only_a_rate_limiter_that_made_no_calls_counts_those_of_others() -> None:
    fresh, used = LocalRateLimiter(3, 60), LocalRateLimiter(3, 60)
    await used.acquire()
    used.release()
    loop = asyncio.get_running_loop()
    for limiter, waits in ((fresh, 10.0), (used, 0.0)):
        limiter.count_earlier([10.0, 50.0, 70.0])
        began = loop.time()
        for _ in range(2):
            await limiter.acquire()
        assert loop.time() - began == pytest.approx(waits)


async def test_the_ledger_gives_the_starts_of_the_last_minute_and_of_a_run_that_was_killed(tmp_path: Path) -> None:
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        requests = [each async for each in project_requests(session, simulator.world.hubs[0].projects[0].id)]
        async with aclosing(export_many(session, requests[:3], tmp_path, ledger=True)) as outcomes:
            assert [each.ok async for each in outcomes] == [True] * 3
    async with Ledger(tmp_path) as ledger:
        await ledger.begin(4)
        assert [len(each) for each in (await ledger.recent_starts(60, 32)).values()] == [3]
        await ledger.enter([(each, None) for each in requests])
    async with Ledger(tmp_path) as ledger:  # the fourth was entered, and may have been started
        await ledger.begin(4)
        assert [len(each) for each in (await ledger.recent_starts(60, 32)).values()] == [4]
        assert [len(each) for each in (await ledger.recent_starts(60, 0)).values()] == [3]


@pytest.mark.parametrize(
    ("ahead", "counted"), [(-61.0, 0), (-30.0, 3), (0.0, 3), (30.0, 3), (3600.0, 0), (365 * 86400.0, 0)]
)
async def test_starts_of_a_clock_that_was_wrong_do_not_count(tmp_path: Path, ahead: float, counted: int) -> None:
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        requests = [each async for each in project_requests(session, simulator.world.hubs[0].projects[0].id)]
        async with aclosing(export_many(session, requests, tmp_path, ledger=True)) as outcomes:
            assert [each.ok async for each in outcomes] == [True] * 3
    async with Ledger(tmp_path) as ledger:
        await ledger._store.call(lambda db: db.execute("UPDATE exports SET started=started+?", (ahead,)) and None)
        await ledger.begin(3)
        assert sum(map(len, (await ledger.recent_starts(60, 32)).values())) == counted
