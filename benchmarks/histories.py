"""Random histories of a project, synced into one folder after each few changes: is any file ever stale or missing
without being named?

A history adds, revises, renames, moves, hides, deletes and restores sheets, leaves versions in processing, edits and
deletes files, takes permissions away, changes the user, narrows the selection, changes the name pattern and stops runs
in the middle. After every whole sync the folder is compared with the project, byte for byte. Every history has a seed.
"""

import asyncio
import hashlib
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import looptime
from attrs import define, evolve, field

from aps_async import Session, Settings, TwoLegged
from aps_async.errors import PruneLimitError
from aps_async.ids import bare_id
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.pages import Pages
from aps_async.simulator.parts import BuildSheet, Folder, Item, User, Version, VersionSet
from aps_async.sync.naming import TREE, NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.selection import Selection
from benchmarks import children

EPOCH = 1_800_000_000.0
STEPS = 6
COUNT = 10_000
_PART = 50
USERS = ("U1AAAAAAAAAA", "U2BBBBBBBBBB")
PATTERNS = ("{number} - {title}", "{number}", TREE, "{discipline}/{number} {title}")
SAME = (SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED)


class WrongFolderError(AssertionError):
    """The folder and the project disagree, and the outcomes do not name it."""


class Model(Protocol):
    """A project that changes."""

    simulator: Simulator

    def change(self, dice: random.Random) -> str:
        """Changes something, and gives what."""

    def shown(self, user: str) -> dict[str, str]:
        """What a list shows this user and can be exported: ids with numbers."""

    def gone(self, known: str, number: str) -> bool:
        """Whether the sheet that this was exported from has been withdrawn."""

    def is_hidden(self, known: str) -> bool:
        """Whether the sheet is there, and shown as hidden or deleted."""

    def sees(self, known: str, user: str) -> bool:
        """Whether the user may see the sheet that this was exported from."""

    def is_content(self, outcome: SyncOutcome, content: bytes) -> bool:
        """Whether these are the bytes of an export of the sheet that is reported."""


@define(eq=False)
class Bim360:
    """A BIM 360 project of a few sheets in two folders below Plans."""

    simulator: Simulator
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        for name in ("Architecture", "Structure"):
            child = Folder(f"urn:adsk.wipprod:fs.folder:co.{name}", name, self.project, parent=self.plans)
            child.actions, child.visible_types = self.plans.actions, self.plans.visible_types
            self.plans.folders.append(child)
        self._index()

    @property
    def project(self) -> Any:
        return self.simulator.world.hubs[0].projects[0]

    @property
    def plans(self) -> Folder:
        found: Folder = self.project.folders[0]
        return found

    @property
    def folders(self) -> list[Folder]:
        return [self.plans, *self.plans.folders]

    @property
    def items(self) -> list[Item]:
        return [item for folder in self.folders for item in folder.items if item.kind == "Document"]

    def _index(self) -> None:
        self.simulator.world.index()

    def change(self, dice: random.Random) -> str:
        """One change."""
        items = self.items
        if not items:
            return self._add(dice)
        item = dice.choice(items)
        changes: dict[str, Callable[[], object]] = {
            "add": lambda: self._add(dice),
            "revise": lambda: self._revise(item),
            "process": lambda: self._set(item, process_state=dice.choice(["PROCESSING_COPY", "PROCESSING_COMPLETE"])),
            "retitle": lambda: self._set(item, title=f"Title {dice.randrange(9)}"),
            "move": lambda: self._move(item, dice.choice(self.folders)),
            "hide": lambda: self._set(item, hidden=True),
            "restore": self._restore,
            "remove": lambda: self._remove(item),
            "hide folder": lambda: self._hide_folder(dice),
            "deny": lambda: self._deny(dice),
        }
        name = dice.choice([*changes, "revise", "restore", "add"])
        changes[name]()
        self._index()
        return name

    def _add(self, dice: random.Random) -> str:
        folder = dice.choice(self.folders)
        template = self.simulator.world.sheets[0] if self.simulator.world.sheets else None
        self._count += 1
        key = f"new{self._count:019d}"
        item = Item(
            id=f"urn:adsk.wipprod:dm.lineage:{key}",
            kind="Document",
            name=f"{dice.choice('AS')}-{dice.randrange(900, 906)}",
            folder=folder,
            title=f"Title {dice.randrange(3)}",
            order=100 + self._count,
            source_file_name=template.source_file_name if template else "plans.pdf",
        )
        item.versions.append(Version(f"urn:adsk.wipprod:fs.file:vf.{key}?version=1", 1, item))
        folder.items.append(item)
        self._index()
        return "add"

    def _revise(self, item: Item) -> None:
        number = item.tip.number + 1
        item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={number}", number, item))

    def _set(self, item: Item, **values: Any) -> None:
        for name, value in values.items():
            setattr(item, name, value)

    def _move(self, item: Item, folder: Folder) -> None:
        item.folder.items.remove(item)
        folder.items.append(item)
        item.folder = folder

    def _restore(self) -> None:
        for item in self.items:
            item.hidden = False
            item.process_state = "PROCESSING_COMPLETE"
        for folder in self.folders:
            folder.hidden = False
        self._users({})

    def _remove(self, item: Item) -> None:
        item.folder.items.remove(item)

    def _hide_folder(self, dice: random.Random) -> None:
        dice.choice(self.plans.folders).hidden = True

    def _deny(self, dice: random.Random) -> None:
        self._users({dice.choice(USERS): dice.choice(self.plans.folders).id})

    def _users(self, denied: dict[str, str]) -> None:
        users = self.simulator.world.users
        for name in USERS:
            users[name] = User(name, denied_folders=frozenset({denied[name]} if name in denied else ()))

    def _sees(self, item: Item, user: str) -> bool:
        denied = self.simulator.world.users[user].denied_folders
        return not any(above.id in denied for above in item.folder.lineage())

    def _is_hidden(self, item: Item) -> bool:
        return item.hidden or any(folder.hidden for folder in item.folder.lineage())

    def shown(self, user: str) -> dict[str, str]:
        """See `Model`."""
        return {
            item.tip.id: item.name
            for item in self.items
            if self._sees(item, user) and not self._is_hidden(item) and item.process_state == "PROCESSING_COMPLETE"
        }

    def _of(self, known: str) -> Item | None:
        version = self.simulator.world.versions.get(known)
        return version.item if version and version.item in self.items else None

    def gone(self, known: str, number: str) -> bool:  # noqa: ARG002 - of ACC only
        """See `Model`."""
        item = self._of(known)
        return item is None or self._is_hidden(item)

    def is_hidden(self, known: str) -> bool:
        """See `Model`."""
        item = self._of(known)
        return item is not None and self._is_hidden(item)

    def sees(self, known: str, user: str) -> bool:
        """See `Model`."""
        item = self._of(known)
        return item is None or self._sees(item, user)

    def is_content(self, outcome: SyncOutcome, content: bytes) -> bool:
        """See `Model`."""
        version = self.simulator.world.versions[outcome.id]
        return content == self.simulator.state(Pages).content(version, markups=False, hyperlinks=False).head


@define(eq=False)
class Acc:
    """An ACC project, whose revisions have ids of their own."""

    simulator: Simulator
    _count: int = 0

    @property
    def project(self) -> Any:
        return self.simulator.world.hubs[0].projects[0]

    def change(self, dice: random.Random) -> str:
        """One change."""
        sheets: list[BuildSheet] = self.project.sheets
        current = list(self._current().values())
        name = dice.choice(["add", "revise", "revise", "retitle", "renumber", "delete", "restore", "remove"])
        if name == "add" or not current:
            self._new(f"{dice.choice('AS')}-{dice.randrange(900, 906)}", f"Title {dice.randrange(3)}")
            return "add"
        sheet = dice.choice(current)
        if name == "revise":
            self._new(sheet.number, sheet.title)
        elif name == "retitle":
            sheet.title = f"Title {dice.randrange(9)}"
        elif name == "renumber":
            sheet.number = f"R-{dice.randrange(900, 906)}"
        elif name == "delete":
            sheet.deleted = True
        elif name == "remove":
            sheets.remove(sheet)
        else:
            for each in sheets:
                each.deleted = False
        self.simulator.world.index()
        return name

    def _new(self, number: str, title: str) -> None:
        self._count += 1
        serial, date = f"{self._count:012d}", f"2030-{self._count:06d}"
        issued = VersionSet(f"00000000-0000-4000-8000-{serial}", f"Issue {self._count}", date)
        self.project.version_sets.append(issued)
        self.project.sheets.append(
            BuildSheet(
                id=f"10000000-0000-4000-8000-{serial}",
                number=number,
                title=title,
                project=self.project,
                version_set=issued,
                order=self._count,
                page=0,
            )
        )
        self.simulator.world.index()

    def _current(self) -> dict[str, BuildSheet]:
        newest: dict[str, str] = {}
        live = [sheet for sheet in self.project.sheets if sheet.published and not sheet.deleted]
        for sheet in live:
            newest[sheet.number] = max(newest.get(sheet.number, ""), sheet.version_set.issuance_date)
        return {sheet.id: sheet for sheet in live if sheet.version_set.issuance_date >= newest[sheet.number]}

    def shown(self, user: str) -> dict[str, str]:  # noqa: ARG002 - all see all sheets
        """See `Model`."""
        return {sheet.id: sheet.number for sheet in self._current().values()}

    def gone(self, known: str, number: str) -> bool:
        """See `Model`."""
        found = next((sheet for sheet in self.project.sheets if sheet.id == known), None)
        return found is None or found.deleted or found.number != number or known not in self._current()

    def is_hidden(self, known: str) -> bool:
        """See `Model`."""
        return any(sheet.id == known and sheet.deleted for sheet in self.project.sheets)

    def sees(self, known: str, user: str) -> bool:  # noqa: ARG002 - all see all sheets
        """See `Model`."""
        return True

    def is_content(self, outcome: SyncOutcome, content: bytes) -> bool:
        """See `Model`: a page names the sheet that it was made of, as it was then; a title may change later."""
        return f"|{outcome.id}', number={outcome.number!r}".encode() in content


@define(eq=False)
class History:
    """One folder, and what must be in it."""

    model: Model
    folder: Path
    dice: random.Random
    user: str = USERS[0]
    pattern: str = PATTERNS[0]
    narrowed: bool = False
    edits: set[bytes] = field(factory=set[bytes])
    """Digests of what the user wrote into files and has not deleted."""
    had: set[bytes] = field(factory=set[bytes])
    """Digests of what was there after the last sync and the user has not deleted."""
    log: list[str] = field(factory=list[str])
    syncs: int = 0

    def act(self) -> None:
        """Something that happens between two syncs."""
        name = self.dice.choice(["model"] * 6 + ["edit", "delete", "user", "select", "pattern"])
        if name == "model":
            name = self.model.change(self.dice)
        elif name in ("edit", "delete"):
            self._touch(name)
        elif name == "user":
            self.user = self.dice.choice(USERS)
        elif name == "select":
            self.narrowed = not self.narrowed
        else:
            self.pattern = self.dice.choice(PATTERNS)
        self.log.append(name)

    def _touch(self, how: str) -> None:
        files = self._files()
        if not files:
            return
        path = self.dice.choice(files)
        self.edits.discard(_digest(path.read_bytes()))
        self.had.discard(_digest(path.read_bytes()))
        if how == "delete":
            path.unlink()
        else:
            text = f"%PDF-1.7 mine {self.dice.random()} %%EOF".encode()
            path.write_bytes(text)
            self.edits.add(_digest(text))

    def _files(self) -> list[Path]:
        return sorted(
            path
            for path in self.folder.rglob("*.pdf")
            if path.relative_to(self.folder).parts[0] != "superseded" and not path.name.startswith(".")
        )

    async def sync(self, session: Session) -> None:
        """One sync, perhaps stopped in the middle; a whole one is checked."""
        self.syncs += 1
        stop_after = self.dice.randrange(4) if self.dice.random() < 0.2 else None
        chosen = Selection(match=("A-*",)) if self.narrowed else Selection()
        shown = self.model.shown(self.user)
        if self.narrowed and not any(number.startswith("A-") for number in shown.values()):
            chosen, self.narrowed = Selection(), False
        how = SyncOptions(
            selection=chosen, pattern=NamePattern(self.pattern), prune=self.dice.random() < 0.3, user_id=self.user
        )
        self.log.append(f"sync{' prune' if how.prune else ''}{' stopped' if stop_after is not None else ''}")
        found: list[SyncOutcome] = []
        project = self.model.simulator.world.hubs[0].projects[0]
        try:
            async with aclosing(sync_project(session, bare_id(project.id), self.folder, how)) as outcomes:
                async for each in outcomes:
                    found.append(each)
                    if stop_after is not None and len(found) > stop_after:
                        return
        except PruneLimitError:
            pass
        except Exception as problem:
            if "no sheets" in str(problem):
                return
            raise
        self._check(found, shown, chosen)

    def _check(self, found: list[SyncOutcome], shown: dict[str, str], chosen: Selection) -> None:
        wanted = {id_ for id_, number in shown.items() if not chosen.match or number.startswith("A-")}
        if twice := [key for key, count in Counter((each.id, each.number) for each in found).items() if count > 1]:
            raise WrongFolderError(f"reported twice: {twice}")
        by_id = {each.id: each for each in found if each.state is not SheetState.WITHDRAWN}
        if failed := [each for each in found if each.state is SheetState.FAILED]:
            raise WrongFolderError(f"failed without a fault: {failed[0].reason}")
        if missing := [id_ for id_ in wanted if id_ not in by_id or by_id[id_].state not in SAME]:
            words = [by_id[each].in_words for each in missing if each in by_id]
            raise WrongFolderError(f"not exported: {missing} {words}")
        named = {each.path for each in found if each.path is not None}
        if unnamed := [path for path in self._files() if path not in named]:
            raise WrongFolderError(f"in the folder and not reported: {unnamed}")
        for each in found:
            self._check_one(each, wanted)
            is_known = each.state in (SheetState.NOT_LOOKED_AT, SheetState.LEFT_OUT) and each.path is not None
            if is_known and not chosen.match and self.model.is_hidden(each.id) and self.model.sees(each.id, self.user):
                raise WrongFolderError(f"{each.name} is hidden, and reported as {each.in_words}")
        kept = {_digest(path.read_bytes()) for path in self.folder.rglob("*.pdf")}
        if lost := (self.edits | self.had) - kept:
            raise WrongFolderError(f"{len(lost)} files that were there, edited or of older versions, were lost")
        self.had = kept

    def _check_one(self, outcome: SyncOutcome, wanted: set[str]) -> None:
        if outcome.state in SAME:
            if outcome.id not in wanted:
                raise WrongFolderError(f"{outcome.name} is reported as {outcome.state}, and the list does not show it")
            if outcome.path is None or not outcome.path.is_file():
                raise WrongFolderError(f"{outcome.name} is {outcome.state} and has no file")
            if not self.model.is_content(outcome, outcome.path.read_bytes()):
                raise WrongFolderError(f"{outcome.name} has another version's bytes")
        elif outcome.state is SheetState.WITHDRAWN and not self.model.gone(outcome.id, outcome.number):
            raise WrongFolderError(f"{outcome.name} is reported as withdrawn ({outcome.reason}), and exists")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def history(seed: int, kind: str, folder: Path, steps: int = STEPS) -> History:
    """One history.

    Raises:
        WrongFolderError: a file was stale or missing and not named; a note has what happened before.
    """

    def clock() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    dice = random.Random(f"{kind} {seed}")
    world = World.acc(0, 4) if kind == "acc" else World.single_folder(4)
    for name in USERS:
        world.users[name] = User(name)
    behaviour = Behaviour(job_time=JobTime.fixed(1))
    settings = evolve(Settings(), budgets={})
    async with Simulator(world, clock=clock, behaviour=behaviour) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url, settings=settings, clock=clock) as session:
            model: Model = Acc(simulator) if kind == "acc" else Bim360(simulator)
            simulator.state(Pages).is_plain = True
            run = History(model, folder, dice)
            try:
                for _ in range(steps):
                    for _ in range(dice.randrange(4)):
                        run.act()
                    await run.sync(session)
            except BaseException as problem:
                problem.add_note(f"{kind} seed {seed}: {', '.join(run.log)}")
                raise
    return run


def play(seed: int, kind: str = "bim360", steps: int = STEPS) -> History:
    """One history in virtual time, in a folder of its own."""
    loop = looptime.new_event_loop()
    try:
        with children.folder_in_memory() as folder:
            return loop.run_until_complete(history(seed, kind, Path(folder), steps))
    finally:
        loop.close()


def measure(rounds: int, count: int = COUNT, kinds: Sequence[str] = ("bim360", "acc")) -> str:
    """Plays `count` histories, half of each kind of project, `rounds` / 7 of them, over the cores of this machine."""
    count = max(len(kinds), count * rounds // 7)
    each = count // len(kinds)
    parts = [
        {"kind": kind, "first": first, "count": min(_PART, each - first), "steps": STEPS}
        for kind in kinds
        for first in range(0, each, _PART)
    ]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(lambda options: children.run("benchmarks.histories", **options), parts))
    lines = [
        f"{each * len(kinds):,} histories of {STEPS} syncs each, seeds 0 to {each - 1:,} of each kind of project.",
        "",
        "| project | histories | syncs | stale, missing or lost and not named |",
        "|---|---|---|---|",
    ]
    for kind in kinds:
        own = [result for options, result in zip(parts, found, strict=True) if options["kind"] == kind]
        wrong = [words for result in own for words in result["wrong"]]
        lines.append(f"| {kind} | {each:,} | {sum(result['syncs'] for result in own):,} | {len(wrong)} |")
        lines += [f"| | | | {words} |" for words in wrong[:10]]
    return "\n".join(lines)


def main() -> None:
    """A part of the histories, in a process of its own."""
    options = json.loads(sys.argv[1])
    syncs, wrong = 0, list[str]()
    for seed in range(options["first"], options["first"] + options["count"]):
        try:
            syncs += play(seed, options["kind"], options["steps"]).syncs
        except Exception as problem:  # noqa: BLE001 - any other error is a fault too, and must not end the rest
            kind = "" if isinstance(problem, WrongFolderError) else f"{type(problem).__name__}: "
            wrong.append(f"seed {seed}: {kind}{problem}")
    sys.stdout.write(json.dumps({"syncs": syncs, "wrong": wrong}) + "\n")


if __name__ == "__main__":
    main()
