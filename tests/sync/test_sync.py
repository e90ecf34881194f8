"""A folder that agrees with its project: every sheet's state, and what becomes of files that give way."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async import Session
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import Item, Version
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.run import SyncOptions
from tests.support import service, session_for

QUICK = Behaviour(job_time=JobTime.fixed(0.5))


async def sync(session: Session, simulator: Simulator, folder: Path, **how: Any) -> dict[str, SyncOutcome]:
    project = simulator.world.hubs[0].projects[0]
    found: dict[str, SyncOutcome] = {}
    async with aclosing(sync_project(session, project.id, folder, SyncOptions(**how))) as outcomes:
        async for each in outcomes:
            assert each.name not in found
            found[each.name] = each
    return found


def states(found: dict[str, SyncOutcome]) -> dict[str, str]:
    return {name: str(each.state) for name, each in sorted(found.items())}


def revise(simulator: Simulator, item: Item) -> None:
    number = item.tip.number + 1
    item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={number}", number, item))
    simulator.world.index()


def test_x() -> None: ...


async def test_states(tmp_path: Path) -> None:
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        found = await sync(session, simulator, tmp_path)
        print(found)
        assert set(states(found).values()) == {"new"}
        found = await sync(session, simulator, tmp_path)
        assert set(states(found).values()) == {"unchanged"}
        one, two, three, four = simulator.world.sheets
        revise(simulator, one)
        two.hidden = True
        three.process_state = "PROCESSING_COPY"
        four.title = "Renamed"
        simulator.world.index()
        found = await sync(session, simulator, tmp_path)
        for each in found.values(): print(each.name, each.in_words, each.path)
        print(sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")))
        found = await sync(session, simulator, tmp_path, prune=True)
        for each in found.values(): print(each.name, each.in_words, each.path)
        print(sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")))
        two.hidden = False
        three.process_state = "PROCESSING_COMPLETE"
        simulator.world.index()
        found = await sync(session, simulator, tmp_path, prune=True)
        for each in found.values(): print(each.name, each.in_words, each.path)
        print(sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")))
