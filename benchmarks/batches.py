"""ACC sheets in batches: what they save, and whether any page ever gets a wrong name, in histories of a project.

In a history the service shuffles, loses or doubles pages, names them in one way or another or not at all, also in the
order of the request whatever the pages are; numbers contain each other, jobs fail, sheets are revised and renumbered,
files are lost, and runs are killed at any moment. Whatever lies in the folder then is compared with its sheet: each
sheet's page says something that no other page does. All in virtual time; every history has a seed.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import looptime
import pypdfium2
from attrs import define, field

from aps_async import Session, TwoLegged
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import BuildSheet, VersionSet
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState
from aps_async.sync.project import sync_project
from benchmarks import children

EPOCH = 1_800_000_000.0
HISTORIES = 1_000
SHEETS = 1_000
BATCHES = (None, 50, 100, 125, 200, 1000)
_PART = 25
_USER = "BW9RM76WZBGL"
_PAGES = ("shuffled", "shuffled", "shuffled", "in order", "one missing", "one twice")
_NAMES = ("none", "labels", "bookmarks", "both", "as requested")
_STATES = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)


class WrongPageError(AssertionError):
    """A file shows another sheet than its name says."""


def clock() -> float:
    """Wall time that goes with the event loop's own."""
    return EPOCH + asyncio.get_running_loop().time()


@define(eq=False)
class History:
    """A project whose sheets are synced in batches, and the folder."""

    simulator: Simulator
    session: Session
    folder: Path
    dice: random.Random
    files: int = 0
    """That were compared with their sheets."""
    in_batches: int = 0
    """That came from a job for several sheets."""
    alone: int = 0
    """That were exported on their own, since their batch was not usable."""
    kills: int = 0
    log: list[str] = field(factory=list[str])

    @property
    def project(self) -> Any:
        return self.simulator.world.hubs[0].projects[0]

    def change(self) -> None:
        """Something happens between two runs."""
        sheet = self.dice.choice([each for each in self.project.sheets if not each.deleted])
        name = self.dice.choice(["revise", "revise", "renumber", "fail", "lose", "lose", "behave"])
        if name == "revise":
            self._add(sheet.number)
        elif name == "renumber":
            sheet.number = f"R-{self.dice.randrange(30)}"
        elif name == "fail":
            sheet.fails = not sheet.fails
        elif name == "lose":
            for path in self.dice.sample(self._files(), k=min(3, len(self._files()))):
                path.unlink()
        else:
            self.simulator.use_behaviour(_behaviour(self.dice))
        self.log.append(name)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.pdf"))

    def _add(self, number: str) -> None:
        sheets: list[BuildSheet] = self.project.sheets
        order = len(sheets)
        date = f"2030-{order:06d}"
        issued = VersionSet(f"00000000-0000-4000-8000-{order:012d}", f"Issue {order}", date)
        self.project.version_sets.append(issued)
        sheets.append(
            BuildSheet(
                id=f"10000000-0000-4000-8000-{order:012d}",
                number=number,
                title=f"Unique {order}",
                project=self.project,
                version_set=issued,
                order=order,
                page=0,
            )
        )
        self.simulator.world.index()

    async def sync(self) -> None:
        """A sync that is killed perhaps, and another one that is not; both are checked."""
        if self.dice.random() < 0.5:
            self.kills += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(self.dice.uniform(2, 40)):
                    await self._run()
            self.log.append("killed")
            self._check_names()
        await self._run()
        self.log.append("synced")
        self._check_names()

    async def _run(self) -> None:
        batch = self.dice.choice((2, 3, 5, 10, 50, 1000))
        how = SyncOptions(user_id=_USER, batch=batch)
        by_id = {sheet.id: sheet for sheet in self.project.sheets}
        async with aclosing(sync_project(self.session, self.project.id, self.folder, how)) as outcomes:
            found = [each async for each in outcomes]
        for each in found:  # not earlier: PDFium is not for two threads, and the run uses it
            if each.state not in _STATES or each.outcome is None or each.outcome.reused:
                continue
            if each.path is None or not shows(each.path, by_id[each.id].order):
                raise WrongPageError(f"{each.name}: {each.path} shows another sheet")
            self.files += 1
            self.in_batches += each.outcome.ref is None
            self.alone += any("exported on its own" in warning for warning in each.warnings)

    def _check_names(self) -> None:
        """Every file in the folder shows the sheet that has its title, whether a run reported it or was killed."""
        for path in self._files():
            order = int(path.stem.partition("Unique ")[2].partition(" ")[0])
            if not shows(path, order):
                raise WrongPageError(f"{path.name} shows another sheet")


def shows(path: Path, order: int) -> bool:
    """Whether a file is the one page of this sheet: its place in the project is on its page only."""
    with pypdfium2.PdfDocument(path) as document:
        if len(document) != 1:
            return False
        page = document[0]
        lines = page.get_textpage().get_text_bounded().splitlines()
    return any(line.startswith(f"Sheet {order + 1} of ") for line in lines)


def _behaviour(dice: random.Random) -> Behaviour:
    return Behaviour(
        job_time=JobTime(median=5, p95=20),
        acc_sheet_pages=dice.choice(_PAGES),  # type: ignore[arg-type]
        acc_sheet_names=dice.choice(_NAMES),  # type: ignore[arg-type]
    )


def _numbers(dice: random.Random, count: int) -> list[str]:
    """Numbers of which many begin like others, some are bare digits, and some are the same."""
    pool = [f"{letter}-{number}" for letter in "AB" for number in (1, 10, 11, 100, 101, 102, 1011, 110)]
    pool += ["1", "2", "3", "10", "A1", "A-1.1", "A-1 B", "XA-1", "a-101"]
    return dice.sample(pool, k=min(count, len(pool)))


async def history(seed: int, folder: Path, steps: int) -> History:
    """One history.

    Raises:
        WrongPageError: a page got a wrong name; a note has what happened before.
    """
    dice = random.Random(f"batches {seed}")
    sheets = [{"number": each, "title": f"Unique {at}"} for at, each in enumerate(_numbers(dice, dice.randint(3, 25)))]
    project = {"name": "Tower", "projectType": "ACC", "sheets": sheets}
    world = World.from_json({"seed": seed, "hubs": [{"name": "Hub", "projects": [project]}]})
    async with Simulator(world, clock=clock, behaviour=_behaviour(dice)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url, clock=clock) as session:
            run = History(simulator, session, folder, dice)
            try:
                for _ in range(steps):
                    await run.sync()
                    for _ in range(dice.randrange(1, 5)):
                        run.change()
            except BaseException as problem:
                problem.add_note(f"seed {seed}: {', '.join(run.log)}")
                raise
    return run


def play(seed: int, steps: int = 3) -> History:
    """One history in virtual time, in a folder of its own."""
    loop = looptime.new_event_loop()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return loop.run_until_complete(history(seed, Path(folder), steps))
    finally:
        loop.close()


async def _bulk(sheets: int, batch: int | None, seed: int, folder: Path) -> dict[str, float]:
    """A first sync of so many sheets; the service shuffles the pages and names them by their title blocks only."""
    behaviour = Behaviour(acc_sheet_pages="shuffled", job_time=JobTime.fixed(20))
    async with Simulator(World.acc(0, sheets, seed=seed), clock=clock, behaviour=behaviour, seed=seed) as simulator:
        project = simulator.world.hubs[0].projects[0]
        orders = {sheet.id: sheet.order for sheet in project.sheets}
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url, clock=clock) as session:
            began = asyncio.get_running_loop().time()
            how = SyncOptions(user_id=_USER, batch=batch)
            async with aclosing(sync_project(session, project.id, folder, how)) as outcomes:
                found = [each async for each in outcomes]
            wrong = sum(each.path is None or not shows(each.path, orders[each.id]) for each in found)
            return {
                "seconds": asyncio.get_running_loop().time() - began,
                "calls": session.calls,
                "jobs": simulator.counts()["jobs_started"],
                "wrong": wrong,
                "sheets": len(found),
            }


def bulk(sheets: int, batch: int | None, seed: int) -> dict[str, float]:
    """The same, in virtual time."""
    loop, began = looptime.new_event_loop(), time.process_time()
    try:
        with children.folder_in_memory() as folder:
            found = loop.run_until_complete(_bulk(sheets, batch, seed, Path(folder)))
    finally:
        loop.close()
    return {**found, "cpu": time.process_time() - began}


def measure(rounds: int, count: int = HISTORIES, sheets: int = SHEETS, batches: Sequence[int | None] = BATCHES) -> str:
    """What batches of several sizes cost, and `rounds` / 7 of `count` histories, over the cores of this machine."""
    seeds = range(min(rounds, 2))
    options = [{"sheets": sheets, "batch": batch, "seed": seed} for batch in batches for seed in seeds]
    runs = children.run_all("benchmarks.batches", options)
    by_batch = {
        batch: [run for chosen, run in zip(options, runs, strict=True) if chosen["batch"] == batch] for batch in batches
    }
    return f"{_speed(sheets, by_batch)}\n\n{_histories(max(1, count * rounds // 7))}"


def _speed(sheets: int, by_batch: dict[int | None, list[dict[str, Any]]]) -> str:
    alone = sum(run["seconds"] for run in by_batch[None]) / len(by_batch[None])
    lines = [
        f"A first sync of {sheets:,} sheets of an ACC project into an empty folder, in virtual time: a job takes 20 s,",
        "and 0.25 s more for each further sheet, which is the simulator's own guess; pages are shuffled, and named by",
        "their title blocks only. Calls are all API calls, the list and polls included, without token and",
        "downloads; CPU seconds are those of the tool and of the simulator, which draws the pages. Goal: 60 calls, and",
        "a fifth of the time.",
        "",
        "| sheets in a job | jobs | calls | seconds | of the time one by one | CPU s | wrong pages |",
        "|---|---|---|---|---|---|---|",
    ]
    for batch, runs in by_batch.items():
        name = "one by one" if batch is None else f"up to {batch:,}"
        seconds = [run["seconds"] for run in runs]
        lines.append(
            f"| {name} | {children.spread([run['jobs'] for run in runs], 0)} "
            f"| {children.figure(f'calls {name}', [run['calls'] for run in runs], 0)} "
            f"| {children.figure(f'seconds {name}', seconds, 0)} "
            f"| {sum(seconds) / len(seconds) / alone:.2f} "
            f"| {children.spread([run['cpu'] for run in runs], 1)} | {sum(run['wrong'] for run in runs)} |"
        )
    return "\n".join(lines)


def _histories(count: int) -> str:
    parts = [{"first": first, "count": min(_PART, count - first)} for first in range(0, count, _PART)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(lambda options: children.run("benchmarks.batches", **options), parts))
    total = Counter[str]()
    for part in found:
        total.update({name: part[name] for name in ("files", "in_batches", "alone", "kills")})
    wrong = [words for part in found for words in part["wrong"]]
    return "\n".join([
        f"{count:,} histories of three syncs, seeds 0 to {count - 1:,}, with {total['kills']:,} killed runs.",
        "",
        "| files compared with their sheets | split from a batch | on their own after it | under a wrong name |",
        "|---|---|---|---|",
        f"| {total['files']:,} | {total['in_batches']:,} | {total['alone']:,} | {len(wrong)} |",
        *(f"| | | | {words} |" for words in wrong[:10]),
    ])  # fmt: skip


def main() -> None:
    """A part of the measurement, in a process of its own."""
    options = json.loads(sys.argv[1])
    if "sheets" in options:
        sys.stdout.write(json.dumps(bulk(**options)) + "\n")
        return
    total, wrong = Counter[str](), list[str]()
    for seed in range(options["first"], options["first"] + options["count"]):
        try:
            run = play(seed)
            total.update(files=run.files, in_batches=run.in_batches, alone=run.alone, kills=run.kills)
        except WrongPageError as problem:
            wrong.append(f"seed {seed}: {problem}")
    names = ("files", "in_batches", "alone", "kills")
    sys.stdout.write(json.dumps({**{name: total[name] for name in names}, "wrong": wrong}) + "\n")


if __name__ == "__main__":
    main()
