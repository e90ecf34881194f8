"""Several pages at once: the same sheets in the same order, nothing left behind, memory bounded by the loop's pace."""

import asyncio
import random
from contextlib import aclosing
from typing import Any

import pytest

from aps_async import Session
from aps_async.errors import ServerError
from aps_async.exports.project import list_sheets
from aps_async.models import LeftOut
from aps_async.resources.reading import AHEAD, AT_ONCE
from aps_async.simulator import Fault, Simulator, World
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


def tree(dice: random.Random, depth: int, name: str) -> dict[str, Any]:
    items = [{"number": f"{name}-{n}"} for n in range(dice.choice([0, 1, 3, 7, 260]) if depth < 3 else 3)]
    below = [tree(dice, depth - 1, f"{name}.{n}") for n in range(dice.randint(0, 4))] if depth else []
    return {"name": name, "items": items, "folders": below}


def project(plans: dict[str, Any]) -> World:
    return World.from_json({"hubs": [{"projects": [{"name": "Clinic", "folders": [{**plans, "name": "Plans"}]}]}]})


def random_world(seed: int) -> World:
    return project(tree(random.Random(seed), 4, "P"))  # noqa: S311 - a test's dice


def flat_world(folders: int) -> World:
    return project({"folders": [{"name": f"F{n:03}", "items": [{"number": f"{n}"}]} for n in range(folders)]})


def in_order(simulator: Simulator) -> list[str]:
    def below(folder: Any) -> list[str]:
        entries, found = [*folder.folders, *folder.items], list[str]()
        for at in range(0, len(entries), 200):
            page = entries[at : at + 200]
            found += [each.tip.id for each in page if each in wanted]
            found += [each for child in page if child in folder.folders for each in below(child)]
        return found

    wanted = list(simulator.world.sheets)
    [plans] = [each for each in simulator.world.hubs[0].projects[0].folders if each.name == "Plans"]
    return below(plans)


def calls(simulator: Simulator, endpoint: str) -> dict[str, int]:
    found: dict[str, int] = simulator.counts()["endpoints"][endpoint]
    return found


def of_the_list(tasks: "set[asyncio.Task[Any]]") -> list[str]:
    names = [repr(each.get_coro()) for each in tasks]
    return [each for each in names if "list" in each or "ReadAhead" in each or "_with_names" in each]


async def listed(session: Session) -> list[str]:
    return [sheet.id async for sheet in list_sheets(session, "Clinic")]


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_is_that_of_one_page_after_another(seed: int) -> None:
    faults = [Fault(endpoint="folder_contents", kind="slow", seconds=3, probability=0.3)] if seed % 2 else []
    async with service(random_world(seed), faults=faults) as simulator, session_for(simulator) as session:
        found = await listed(session)
        assert found == in_order(simulator)
        assert calls(simulator, "batch_get")["calls"] <= len(found) // 50 + 2
        assert calls(simulator, "folder_contents")["429"] == 0


async def test_several_folders_are_read_at_once() -> None:
    faults = [Fault(endpoint=each, kind="slow", seconds=0.4) for each in ("folder_contents", "batch_get")]
    async with service(flat_world(250), faults=faults) as simulator, session_for(simulator) as session:
        began = asyncio.get_running_loop().time()
        assert len(await listed(session)) == 250
        assert asyncio.get_running_loop().time() - began < 25
        assert calls(simulator, "folder_contents")["calls"] == 252  # the first folder has two pages


async def test_the_first_sheet_does_not_wait_for_the_pages_of_a_folder_above() -> None:
    faults = [Fault(endpoint=each, kind="slow", seconds=0.4) for each in ("folder_contents", "batch_get")]
    async with service(flat_world(1000), faults=faults) as simulator, session_for(simulator) as session:
        began = asyncio.get_running_loop().time()
        async with aclosing(list_sheets(session, "Clinic")) as sheets:
            await anext(sheets)
        assert asyncio.get_running_loop().time() - began < 2


async def test_leaving_early_leaves_no_call_behind() -> None:
    async with service(random_world(1)) as simulator, session_for(simulator) as session:
        before = asyncio.all_tasks()
        async with aclosing(list_sheets(session, "Clinic")) as sheets:
            async for _ in sheets:
                break
        await asyncio.sleep(0.1)
        assert not of_the_list(asyncio.all_tasks() - before)


@pytest.mark.parametrize("after", [0.0, 0.001, 0.01, 0.05, 0.2, 1.0, 5.0])
async def test_cancelled_at_any_moment(after: float) -> None:
    faults = [Fault(endpoint="folder_contents", kind="slow", seconds=2)]
    async with service(random_world(1), faults=faults) as simulator, session_for(simulator) as session:
        before = asyncio.all_tasks()
        task = asyncio.create_task(listed(session))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)
        assert not of_the_list(asyncio.all_tasks() - before)


async def test_an_error_comes_in_its_place_after_all_that_lies_before_it() -> None:
    async with service(random_world(1)) as simulator, session_for(simulator) as session:
        whole = in_order(simulator)
        simulator.add_fault(Fault(endpoint="folder_contents", kind="status", status=501, nth=(9,)))
        seen: list[str] = []
        with pytest.raises(ServerError):  # noqa: PT012 - what came before the error counts
            async for sheet in list_sheets(session, "Clinic"):
                seen.append(sheet.id)  # noqa: PERF401
        assert seen
        assert seen == whole[: len(seen)]


async def test_a_subfolder_that_may_not_be_listed_is_reported_and_the_rest_goes_on() -> None:
    async with service(flat_world(40)) as simulator, session_for(simulator) as session:
        simulator.add_fault(Fault(endpoint="folder_contents", kind="status", status=403, nth=(9,)))
        left_out: list[LeftOut] = []
        found = [each.id async for each in list_sheets(session, "Clinic", on_left_out=left_out.append)]
        [folder] = left_out
        assert folder.is_folder
        assert found == [each for each in in_order(simulator) if each in found]
        assert len(found) == 39


async def read_by_a_slow_loop(world: World) -> int:
    async with (
        service(world) as simulator,
        session_for(simulator) as session,
        aclosing(list_sheets(session, "Clinic")) as sheets,
    ):
        await anext(sheets)
        await asyncio.sleep(30)
        return calls(simulator, "folder_contents")["calls"]


async def test_a_slow_loop_bounds_what_is_read_ahead() -> None:
    read = await read_by_a_slow_loop(flat_world(700))
    assert AT_ONCE <= read <= 6 * 50 + AHEAD + AT_ONCE  # six batches of names, and the pages behind them


async def test_one_large_folder_is_not_read_whole_for_a_slow_loop() -> None:
    world = project({"items": [{"number": f"A-{n}"} for n in range(12_000)]})
    assert await read_by_a_slow_loop(world) <= AHEAD + 4
