"""Exports that begin while the list goes on: names as if it had been complete, totals that are never guessed."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async.errors import EmptyProjectError, NotFoundInProjectError, ServerError
from aps_async.ledger import ledger_status
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.simulator.parts import Version
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.selection import Selected, Selection
from tests.support import service, session_for

pytestmark = pytest.mark.looptime

SLOW = [Fault(endpoint=each, kind="slow", seconds=0.4) for each in ("folder_contents", "batch_get", "export_start")]
FOLDERS = 60


def world(folders: int = FOLDERS, each: int = 3) -> World:
    below = [
        {"name": f"F{n:03}", "items": [{"number": f"A-{n:03}{k}", "title": "Plan"} for k in range(each)]}
        for n in range(folders)
    ]
    plans = {"name": "Plans", "folders": below}
    return World.from_json({"hubs": [{"projects": [{"name": "Clinic", "folders": [plans]}]}]})


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(world(), behaviour=Behaviour(job_time=JobTime.fixed(20)), faults=SLOW) as found:
        yield found


class Notes:
    """What a sync reports as it goes on."""

    def __init__(self) -> None:
        self.listed: list[int] = []
        self.totals: list[int] = []
        self.selected: list[Selected] = []

    async def sync(self, simulator: Simulator, folder: Path, **how: Any) -> list[SyncOutcome]:
        async with session_for(simulator) as session:
            run = sync_project(
                session,
                "Clinic",
                folder,
                SyncOptions(**how),
                on_listed=self.listed.append,
                on_total=self.totals.append,
                on_selected=self.selected.append,
            )
            async with aclosing(run) as outcomes:
                return [each async for each in outcomes]


def started(simulator: Simulator) -> list[float]:
    return sorted(job["started"] for job in simulator.counts()["jobs"].values())


async def test_the_first_start_does_not_wait_for_the_list(simulator: Simulator, tmp_path: Path) -> None:
    notes = Notes()
    began = simulator.clock()
    found = await notes.sync(simulator, tmp_path)
    assert {each.state for each in found} == {"new"}
    assert len(list(tmp_path.rglob("*.pdf"))) == 3 * FOLDERS
    assert started(simulator)[0] - began < 3  # the list takes five seconds
    assert notes.totals == [3 * FOLDERS]
    assert notes.listed == sorted(notes.listed)
    assert notes.listed[0] == 3
    assert notes.listed[-1] == 3 * FOLDERS
    [selected] = notes.selected
    assert len(selected.chosen) == 3 * FOLDERS


async def test_the_list_does_not_wait_for_the_starts(simulator: Simulator, tmp_path: Path) -> None:
    began, at_total = simulator.clock(), list[float]()
    async with session_for(simulator) as session:
        run = sync_project(session, "Clinic", tmp_path, on_total=lambda _: at_total.append(simulator.clock() - began))
        async with aclosing(run) as outcomes:
            async for _ in outcomes:
                break
        assert at_total[0] < 10
        status = ledger_status(tmp_path)
        assert status is not None
        assert status.waiting + status.started + status.done == 3 * FOLDERS


async def test_a_selection_of_some_takes_the_whole_list(simulator: Simulator, tmp_path: Path) -> None:
    found = await Notes().sync(simulator, tmp_path, selection=Selection(match="A-0[0-5]*"))
    assert len(found) == 3 * FOLDERS
    with pytest.raises(NotFoundInProjectError):
        await Notes().sync(simulator, tmp_path / "other", selection=Selection(match=("A-0*", "X*")))
    assert not list((tmp_path / "other").glob("*.pdf"))


async def test_a_list_that_fails_ends_the_run_after_what_was_begun(tmp_path: Path) -> None:
    broken = Fault(endpoint="folder_contents", kind="status", status=501, nth=(30,))
    async with service(world(40), faults=[broken]) as simulator:
        with pytest.raises(ServerError):
            await Notes().sync(simulator, tmp_path)
        done = len(list(tmp_path.glob("*.pdf")))
        assert 0 < done < 120
        states = [str(each.state) for each in await Notes().sync(simulator, tmp_path)]
        assert states.count("unchanged") == done
        assert len(states) == 120


async def test_an_empty_project_is_an_error_before_anything(tmp_path: Path) -> None:
    async with service(world(0)) as simulator:
        with pytest.raises(EmptyProjectError):
            await Notes().sync(simulator, tmp_path)


NAMES = {
    "a name that a renamed file gives back": ("Roof", {"A": "Roof.pdf", "B": "Cellar.pdf"}),
    "a name that a renamed file needs": ("Cellar", {"A": "Cellar (2).pdf", "B": "Cellar.pdf"}),
    "a name of its own": ("Attic", {"A": "Attic.pdf", "B": "Cellar.pdf"}),
}
"""The title of a new sheet that is listed before B, whose title changes from Roof to Cellar; and their files."""


@pytest.mark.parametrize(("title", "files"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("selection", [Selection(), Selection(match="*")], ids=["begun early", "whole list"])
async def test_names_are_those_of_a_complete_list(
    title: str, files: dict[str, str], selection: Selection, tmp_path: Path
) -> None:
    plans = {"name": "Plans", "items": [{"number": "A", "title": title}, {"number": "B", "title": "Roof"}]}
    made = World.from_json({"hubs": [{"projects": [{"name": "Clinic", "folders": [plans]}]}]})
    by_title = NamePattern("{title}")
    async with service(made) as simulator:
        new, old = simulator.world.find_sheet("A"), simulator.world.find_sheet("B")
        new.hidden = True
        await Notes().sync(simulator, tmp_path, pattern=by_title)
        new.hidden, old.title = False, "Cellar"
        simulator.world.index()
        found = await Notes().sync(simulator, tmp_path, pattern=by_title, selection=selection, verify=True)
        assert {each.number: each.file for each in found} == files
        assert sorted(path.name for path in tmp_path.glob("*.pdf")) == sorted(files.values())


async def test_revised_sheets_of_a_known_folder_do_not_wait_for_the_list(simulator: Simulator, tmp_path: Path) -> None:
    await Notes().sync(simulator, tmp_path)
    item = simulator.world.find_sheet("A-0000")
    item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version=2", 2, item))
    simulator.world.index()
    began = simulator.clock()
    found = await Notes().sync(simulator, tmp_path)
    assert [each.number for each in found if each.state == "revised"] == ["A-0000"]
    assert started(simulator)[-1] - began < 3
