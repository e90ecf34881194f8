"""`--watch`: rounds never overlap, survive errors, and print only what changed. The waiting is injected."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.syncing import SyncChoices, Watched, sync
from aps_async.cli.syncing_many import sync_many
from aps_async.cli.watching import watch
from aps_async.errors import AuthError, NotFoundInProjectError, TransportError
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import Item, Version
from tests.cli.support import Simulation, clean_environment, start

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


@define
class Time:
    """A clock that only moves when somebody waits or works."""

    now: float = 1000.0
    waited: list[float] = field(factory=list)
    last: int = 5

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        if len(self.waited) == self.last:
            raise asyncio.CancelledError
        self.now += seconds

    def clock(self) -> float:
        return self.now


async def test_a_round_begins_an_interval_after_the_one_before_or_once_that_has_ended() -> None:
    time, lasting, running = Time(), iter((10.0, 900.0, 2000.0, 0.0, 1.0)), 0

    async def work() -> int:
        nonlocal running
        running += 1
        assert running == 1
        time.now += next(lasting)
        running -= 1
        return 0

    with pytest.raises(asyncio.CancelledError):
        await watch(work, 900, sleep=time.sleep, clock=time.clock)
    assert time.waited == [890, 0, 0, 900, 899]


@pytest.mark.parametrize("problem", [TransportError("no network", sent=False), ValueError("odd"), OSError("no disk")])
async def test_a_round_that_fails_is_reported_and_the_next_goes_on(
    problem: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    time, rounds = Time(), 0

    async def work() -> int:
        nonlocal rounds
        rounds += 1
        if rounds % 2:
            raise problem
        return 0

    with pytest.raises(asyncio.CancelledError):
        await watch(work, 900, sleep=time.sleep, clock=time.clock)
    assert (rounds, time.waited) == (5, [900] * 5)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(STAMP.match(line) and str(problem) in line and "The next one begins at" in line for line in lines)


@pytest.mark.parametrize(
    "problem", [UsageProblem("two options"), AuthError("no credentials"), NotFoundInProjectError("no such project")]
)
async def test_what_only_the_user_can_mend_ends_it_in_the_first_round_only(problem: Exception) -> None:
    time, rounds = Time(), 0

    async def work(first_failure: int) -> int:
        nonlocal rounds
        rounds += 1
        if rounds >= first_failure:
            raise problem
        return 0

    with pytest.raises(type(problem)):
        await watch(partial(work, 1), 900, sleep=time.sleep, clock=time.clock)
    assert rounds == 1
    with pytest.raises(asyncio.CancelledError):
        await watch(partial(work, 3), 900, sleep=time.sleep, clock=time.clock)


PLANS = [{"name": "Plans", "items": [{"number": each} for each in ("A-1", "A-2", "A-3")]}]
WORLD = {"hubs": [{"projects": [{"name": "Tower", "folders": PLANS}, {"name": "Annex", "folders": PLANS}]}]}


@asynccontextmanager
async def simulated(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """A simulator on this loop, and the environment for commands to find it."""
    fast = Behaviour(job_time=JobTime.fixed(1))
    async with Simulator(World.from_json(world), behaviour=fast, speed=60) as running:
        env = {"APS_BASE_URL": running.url, "APS_CLIENT_ID": running.client_id, "APS_SPEED": "60"}
        for name, value in clean_environment(env | {"APS_CLIENT_SECRET": running.client_secret}).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """With two projects."""
    async with simulated(WORLD, monkeypatch) as running:
        yield running


@define
class Rounds:
    """What happens in between, and what each round printed."""

    capsys: pytest.CaptureFixture[str]
    changes: Iterator[Callable[[], Any]]
    printed: list[tuple[list[str], list[str]]] = field(factory=list)

    async def sleep(self, _: float) -> None:
        out, err = self.capsys.readouterr()
        self.printed.append((out.splitlines(), err.splitlines()))
        change = next(self.changes, None)
        if change is None:
            raise asyncio.CancelledError
        change()


async def watched(
    work: Callable[..., Any], choices: SyncChoices, capsys: pytest.CaptureFixture[str], *changes: Callable[[], Any]
) -> list[tuple[list[str], list[str]]]:
    """What the rounds print: one, and one after each change."""
    rounds = Rounds(capsys, iter(changes))
    with pytest.raises(asyncio.CancelledError):
        await watch(partial(work, choices, Watched()), 900, sleep=rounds.sleep)
    return rounds.printed


def items_of(simulator: Simulator, project: int) -> list[Item]:
    """The sheets of a project's folder."""
    return simulator.world.hubs[0].projects[project].folders[0].items


def revise(simulator: Simulator, item: Item) -> None:
    number = item.tip.number + 1
    item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={number}", number, item))
    simulator.world.index()


def hide(simulator: Simulator, item: Item) -> None:
    item.hidden = True
    simulator.world.index()


def summaries(printed: Sequence[tuple[list[str], list[str]]]) -> list[str]:
    """The last line of each round, without times."""
    assert all(STAMP.match(out[-1]) for out, _ in printed)
    return [STAMP.sub("", out[-1]).partition(";")[0] for out, _ in printed]


async def test_only_what_changed_is_printed(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = items_of(simulator, 0)
    printed = await watched(
        sync,
        SyncChoices(project="Tower", out=tmp_path),
        capsys,
        lambda: None,
        lambda: revise(simulator, first),
        lambda: hide(simulator, second),
        lambda: None,
    )
    assert summaries(printed) == [
        "3 new",
        "3 unchanged",
        "1 revised, 2 unchanged",
        "2 unchanged, 1 withdrawn",
        "2 unchanged, 1 withdrawn",
    ]
    assert [len(out) for out, _ in printed] == [1] * 5
    errors = [[line.partition(":")[0] for line in err] for _, err in printed]
    assert errors[1] == errors[4] == []
    assert errors[2] == ["[3/3] A-1 - Sheet A-1", "A-1 - Sheet A-1"]
    assert errors[3] == ["A-2 - Sheet A-2"]
    assert len(errors[0]) == 3


async def test_several_projects_and_one_more_later(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annex = simulator.world.hubs[0].projects.pop()
    simulator.world.index()

    def add() -> None:
        simulator.world.hubs[0].projects.append(annex)
        simulator.world.index()

    printed = await watched(
        sync_many,
        SyncChoices(project="", projects=("*",), out=tmp_path),
        capsys,
        lambda: None,
        add,
        lambda: revise(simulator, items_of(simulator, 0)[0]),
    )
    assert summaries(printed) == [
        "1 project: 3 new",
        "1 project: 3 unchanged",
        "2 projects: 3 new, 3 unchanged",
        "2 projects: 1 revised, 5 unchanged",
    ]
    assert [[line.partition(":")[0] for line in out[:-1]] for out, _ in printed] == [
        ["Tower"],
        [],
        ["Annex"],
        ["Tower"],
    ]


async def test_unchanged_sheets_in_many_folders_cost_a_call_for_each_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page lists 200 sheets, so that 59 in each of 170 folders cost as many calls as one does."""
    folders = [{"name": f"F {number}", "items": [{"number": f"S-{number}"}]} for number in range(170)]
    world = {"hubs": [{"projects": [{"name": "Large", "folders": [{"name": "Plans", "folders": folders}]}]}]}
    async with simulated(world, monkeypatch) as large:
        first = 0

        def note() -> None:
            nonlocal first
            first = len(large.log)

        printed = await watched(sync, SyncChoices(project="Large", out=tmp_path), capsys, note)
    log = list(large.log)
    before, after = log[:first], log[first:]
    assert summaries(printed) == ["170 new", "170 unchanged"]
    assert len({seen.path for seen in before if seen.endpoint == "export_start"}) == 170
    assert "export_start" not in {seen.endpoint for seen in after}
    # On a busy machine a call is repeated, so each counts once; the paths of batch-gets are all the same.
    assert len([seen for seen in after if seen.endpoint == "batch_get"]) <= 170
    assert 170 < len({seen.path for seen in after}) <= 200


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("projects", [("Riverside",), ("Rivers*",)])
def test_a_signal_ends_it_while_it_waits(
    service: Simulation, tmp_path: Path, projects: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    argv = ("sync", *projects, "--sheet", "A-101", "--out", str(tmp_path), "--watch", "15m", "--no-report")
    with start(*argv, env=service.env) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if STAMP.match(line):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.splitlines()[-1]) == (code, "", "aps-async: stopped")
    assert len(list(tmp_path.rglob("*.pdf"))) == 1


def test_a_service_that_is_down_ends_no_watch(service: Simulation, tmp_path: Path) -> None:
    argv = ("sync", "Riverside", "--out", str(tmp_path), "--watch", "15m")
    with start(*argv, env=service.env | {"APS_BASE_URL": "http://127.0.0.1:9"}) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if STAMP.match(line):
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143
    assert "this round failed: " in lines[-1]
