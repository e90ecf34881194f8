"""A sync that is killed at any moment, and what the next one makes of it: nothing lost, nothing stale or unnamed."""

import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from aps_async.downloads.folder import Folder
from aps_async.simulator import World
from aps_async.simulator.pages import Pages
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.selection import Selection
from benchmarks.children import folder_in_memory
from tests.support import service, session_for
from tests.sync.moments import every_moment
from tests.sync.test_sync import QUICK, Site, hide, process, retitle

pytestmark = pytest.mark.looptime

IN_SET = {SheetState.NEW, SheetState.REVISED, SheetState.RENAMED, SheetState.REFRESHED, SheetState.UNCHANGED}
EDITED = b"%PDF-1.4 edited %%EOF"


@define(eq=False)
class MovingSite(Site):
    """A project with a folder, or a storage and the folder of its ledger, both in one folder that can be copied."""

    in_storage: bool = False

    @property
    def files_folder(self) -> Path:
        """Where the files are."""
        return self.folder / "files"

    async def sync(self, **how: Any) -> dict[str, SyncOutcome]:
        """All outcomes of one sync, by the numbers of the sheets."""
        project = self.simulator.world.hubs[0].projects[0]
        target = Folder(self.files_folder) if self.in_storage else self.files_folder
        state = self.folder / "state" if self.in_storage else None
        async with aclosing(sync_project(self.session, project.id, target, SyncOptions(**how), state=state)) as found:
            return {each.number: each async for each in found}

    def pdfs(self) -> dict[str, bytes]:
        """Every PDF but unfinished ones, by its name."""
        found = {each.relative_to(self.files_folder).as_posix(): each for each in self.files_folder.rglob("[!.]*.pdf")}
        return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}

    def of(self, source: str) -> bytes:
        """The bytes of an export."""
        version = self.simulator.world.versions[source]
        return bytes(self.simulator.state(Pages).content(version, markups=False, hyperlinks=False).head)

    def check(self, before: dict[str, bytes], found: dict[str, SyncOutcome]) -> None:
        """Nothing that was there is lost, every file is named, and every name has the right bytes."""
        now = self.pdfs()
        assert set(before.values()) <= set(now.values()), "lost"
        assert {name for name in now if not name.startswith("superseded/")} <= {each.file for each in found.values()}
        for each in found.values():
            assert each.file is None or each.file in now, f"{each.name} is not there: {each.in_words}"
            if each.state in IN_SET:
                assert now[each.file or ""] == self.of(each.id), f"{each.name} has other bytes: {each.in_words}"
        for row in json.loads((self.files_folder / "register.json").read_text())["sheets"]:
            if row.get("file") and now[row["file"]] != EDITED:
                assert hashlib.sha256(now[row["file"]]).hexdigest() == row["sha256"], row
                assert now[row["file"]] == self.of(row["fileSource"]), row


@frozen
class Change:
    """What happens to a project of six sheets, and to their files, before the sync that is killed."""

    happens: Callable[[MovingSite], object]
    how: dict[str, Any]


def revise(site: MovingSite) -> None:
    site.revise(site.simulator.world.find_sheet("A-101"))
    moved = site.simulator.world.find_sheet("A-102")
    moved.title = "Attic"
    site.revise(moved)


def edit(site: MovingSite) -> None:
    (site.files_folder / "A-103 - Plan 3.pdf").write_bytes(EDITED)
    site.revise(site.simulator.world.find_sheet("A-103"))


def withdraw(site: MovingSite) -> None:
    hide(site.simulator.world.find_sheet("A-101"))
    hide(site.simulator.world.find_sheet("A-102"))
    (site.files_folder / "A-102 - Plan 2.pdf").write_bytes(EDITED)


CHANGES = {
    "revised": Change(revise, {}),
    "revised and dropped": Change(revise, {"superseded": "drop"}),
    "edited": Change(edit, {}),
    "withdrawn": Change(withdraw, {"prune": True}),
    "renamed": Change(lambda site: retitle(site.simulator.world.find_sheet("A-101")), {}),
    "all renamed": Change(lambda _: None, {"pattern": NamePattern("{discipline}/{number}")}),
    "exported again": Change(lambda _: None, {"refresh": timedelta(0)}),
}


async def other_names(site: MovingSite) -> dict[str, SyncOutcome]:
    return await site.sync(pattern=NamePattern("Sheet {number}"))


async def only_one(site: MovingSite) -> dict[str, SyncOutcome]:
    return await site.sync(selection=Selection(sheet=("A-104",)))


async def all_processing(site: MovingSite) -> dict[str, SyncOutcome]:
    for item in site.simulator.world.items.values():
        site.revise(item)
        process(item)
    try:
        return await site.sync()
    finally:
        for item in site.simulator.world.items.values():
            item.versions.pop()
            item.process_state = "PROCESSING_COMPLETE"
        site.index()


async def pruned(site: MovingSite) -> dict[str, SyncOutcome]:
    return await site.sync(prune=True)


NEXT: list[Callable[[MovingSite], Awaitable[dict[str, SyncOutcome]]]] = [other_names, only_one, all_processing, pruned]


@pytest.mark.parametrize("in_storage", [False, True], ids=["folder", "storage"])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_run_that_is_killed_at_any_moment(change: str, in_storage: bool) -> None:
    with folder_in_memory() as folder:
        await killed_at_any_moment(CHANGES[change], Path(folder), in_storage=in_storage)


async def killed_at_any_moment(change: Change, folder: Path, *, in_storage: bool) -> None:
    """The changes, the sync of them, and each of the next ones after a kill at each moment."""
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        site = MovingSite(simulator, session, folder / "site", in_storage=in_storage)
        await site.sync()
        change.happens(site)
        site.index()
        before = {} if "superseded" in change.how else site.pdfs()
        with every_moment(site.folder, folder / "moments") as moments:
            await site.sync(**change.how)
        killed = moments.different()
        assert len(killed) > 2
        for copy in killed:
            for follow in NEXT:
                site.folder = folder / "next"
                shutil.copytree(copy, site.folder)
                try:
                    site.check(before, await follow(site))
                except BaseException as problem:
                    problem.add_note(f"killed at {copy.name} of {len(moments.taken)}, then {follow.__name__}")
                    raise
                shutil.rmtree(site.folder)
