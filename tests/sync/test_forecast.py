"""What a forecast says, next to the run right after it."""

import hashlib
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from aps_async import Session, export_many
from aps_async.errors import InputError
from aps_async.exports.project import project_requests
from aps_async.ledger import Ledger
from aps_async.models import ExportOptions
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.sync.forecast import forecast, forecast_exports
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.transport.converter import request_from_json
from tests.support import service, session_for
from tests.test_stored_data import old_folder

pytestmark = pytest.mark.looptime
ADA = "BW9RM76WZBGL"
NOT_CALLS = ("token", "signed_get")
ONE_POLL = 2.2 / 60
"""Minutes: when the last poll of a job finds its end is a matter of chance, and a run of 21 s does not even it out."""


@define
class Ran:
    outcomes: list[SyncOutcome]
    calls: int
    minutes: float


def calls(simulator: Simulator) -> int:
    return sum(each["calls"] for name, each in simulator.counts()["endpoints"].items() if name not in NOT_CALLS)


def content(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


async def run(session: Session, simulator: Simulator, folder: Path, how: SyncOptions) -> Ran:
    before, began = calls(simulator), session.now()
    async with aclosing(sync_project(session, simulator.world.hubs[0].projects[0].id, folder, how)) as outcomes:
        found = [each async for each in outcomes]
    return Ran(found, calls(simulator) - before, (session.now() - began) / 60)


def states(outcomes: Any) -> dict[str, str]:
    return {each.number or each.name: str(each.state) for each in outcomes}


def change(simulator: Simulator, kind: str, turn: str) -> None:
    """Revises three sheets, hides one and gives one another title."""
    world = simulator.world
    if kind == "acc":
        for number, listed in enumerate(world.hubs[0].projects[0].sheets[:3]):
            listed.number = f"R-{turn}-{number}"
        world.hubs[0].projects[0].sheets[4].deleted = True
        return
    sheets = list(world.sheets)
    for sheet in sheets[:3]:
        number = sheet.tip.number + 1
        sheet.versions.append(type(sheet.tip)(f"{sheet.tip.id.partition('?')[0]}?version={number}", number, sheet))
    sheets[4].hidden = True
    sheets[5].title = "Roof"
    world.index()


@pytest.mark.parametrize("kind", ["bim360", "acc"])
@pytest.mark.parametrize("job_time", [JobTime.fixed(20), JobTime()], ids=["alike", "spread"])
async def test_the_run_right_after_matches(tmp_path: Path, kind: str, job_time: JobTime) -> None:
    world = World.acc(0, 230) if kind == "acc" else World.single_folder(230)
    how = SyncOptions(user_id=ADA if kind == "acc" else None)
    folder = tmp_path / "out"
    async with service(world, behaviour=Behaviour(job_time=job_time)) as simulator, session_for(simulator) as session:
        project = simulator.world.hubs[0].projects[0].id
        for step in ("fresh", "changed", "changed again", "unchanged", "file lost"):
            if step.startswith("changed"):
                change(simulator, kind, step)
            if step == "file lost":
                for path in sorted(folder.glob("*.pdf"))[:4]:
                    path.unlink()
            before = content(folder)
            starts = simulator.counts()["endpoints"].get("export_start", {}).get("calls", 0)
            expected = await forecast(session, project, folder, how)
            assert content(folder) == before, "nothing was written"
            assert simulator.counts()["endpoints"].get("export_start", {}).get("calls", 0) == starts
            real = await run(session, simulator, folder, how)
            assert states(expected.outcomes) == states(real.outcomes)
            is_spread = job_time.p95 != job_time.median
            if is_spread and step.startswith("changed"):
                continue  # three draws prove nothing
            if not is_spread and (step == "fresh" or (step == "changed" and kind == "acc")):
                continue  # nobody knows yet how long jobs take: 230 that share 100 polls a minute do not show it
            assert expected.calls == pytest.approx(real.calls, rel=0.1), step
            rel = 0.2 if step == "fresh" else 0.1  # the last job's draw is a large part of three minutes
            exports = [each.outcome for each in real.outcomes if each.outcome and not each.outcome.reused]
            assert expected.minutes == pytest.approx(real.minutes, rel=rel, abs=ONE_POLL if exports else 0.02), step
            assert expected.work.starts + expected.work.waits == len(exports)
            assert expected.work.there == len(real.outcomes) - len(exports) - expected.counts[SheetState.WITHDRAWN]
            if step != "fresh" and kind == "bim360":
                assert expected.work.unknown == 0
                assert expected.work.size == pytest.approx(sum(each.size for each in exports), rel=0.1)


async def test_nothing_is_made_for_a_forecast(tmp_path: Path) -> None:
    async with service(World.single_folder(3)) as simulator, session_for(simulator) as session:
        found = await forecast(session, simulator.world.hubs[0].projects[0].id, tmp_path / "out")
        assert str(found.counts) == "3 new"
        assert found.work.unknown == 3
        assert list(tmp_path.iterdir()) == []


async def test_a_forecast_refuses_the_options_that_the_run_would_refuse(tmp_path: Path) -> None:
    how = SyncOptions(options=ExportOptions(issue_markups=True))
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match="only published markups and hyperlinks"):
            await forecast(session, simulator.world.hubs[0].projects[0].id, tmp_path / "out", how)


async def test_a_forecast_leaves_a_ledger_of_an_older_form_as_it_is(tmp_path: Path) -> None:
    rows = old_folder(tmp_path)
    before = content(tmp_path)
    async with service() as simulator, session_for(simulator) as session:
        requests = [request_from_json(request) for _, request in rows]
        work = await forecast_exports(session, tmp_path, requests)
        assert (work.there, work.starts, work.calls) == (12, 0, 0)
        again = await forecast_exports(session, tmp_path, requests, again=True)
        assert (again.there, again.starts, again.unknown) == (0, 12, 0)
        assert content(tmp_path) == before


async def test_the_exports_of_a_ledger_are_forecast_and_a_preview_takes_no_files(tmp_path: Path) -> None:
    behaviour = Behaviour(job_time=JobTime.fixed(20))
    async with service(World.single_folder(8), behaviour=behaviour) as simulator, session_for(simulator) as session:
        requests = [each async for each in project_requests(session, simulator.world.hubs[0].projects[0].id)]
        for some in (requests[:5], requests):
            work = await forecast_exports(session, tmp_path, some)
            before = calls(simulator)
            async with aclosing(export_many(session, some, tmp_path, ledger=True)) as outcomes:
                found = [each async for each in outcomes]
            assert (work.there, work.starts) == (sum(each.reused for each in found), len(found) - work.there)
            if some is requests:
                assert work.calls == pytest.approx(calls(simulator) - before, rel=0.1)
        with pytest.raises(InputError, match="preview"):
            async with aclosing(export_many(session, requests, tmp_path, ledger=Ledger(tmp_path, preview=True))) as no:
                await anext(no)
