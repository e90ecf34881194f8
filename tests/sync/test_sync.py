"""A folder that agrees with its project: every sheet's state, and what becomes of files that give way."""

import asyncio
import csv
import errno
import hashlib
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from aps_async import Session, export_many
from aps_async.downloads.target_paths import target_error
from aps_async.errors import InputError, InterceptedError, NotFoundInProjectError, PruneLimitError
from aps_async.exports.project import project_requests
from aps_async.ids import bare_id
from aps_async.ledger import Ledger
from aps_async.ledger.places import FolderPlace
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.models import ExportOptions
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.simulator.parts import BuildSheet, Folder, Item, User, Version, VersionSet
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncCounts, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.selection import Selection
from tests.support import service, session_for

pytestmark = pytest.mark.looptime

QUICK = Behaviour(job_time=JobTime.fixed(1))
ADA = "BW9RM76WZBGL"


@define(eq=False)
class Site:
    """A project with a folder that is synced."""

    simulator: Simulator
    session: Session
    folder: Path
    user_id: str | None = None

    async def sync(self, **how: Any) -> dict[str, SyncOutcome]:
        """All outcomes of one sync, by the names of the sheets."""
        found: dict[str, SyncOutcome] = {}
        project = self.simulator.world.hubs[0].projects[0]
        options = SyncOptions(user_id=self.user_id, **how)
        async with aclosing(sync_project(self.session, project.id, self.folder, options)) as outcomes:
            async for each in outcomes:
                assert each.name not in found, "one outcome for each sheet"
                found[each.name] = each
        return found

    async def words(self, **how: Any) -> dict[str, str]:
        """What a sync reports, by the numbers of the sheets."""
        return {each.number or each.name: each.in_words for each in (await self.sync(**how)).values()}

    def files(self) -> list[str]:
        """Every PDF in the folder."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.pdf"))

    def index(self) -> None:
        """The world was changed."""
        self.simulator.world.index()

    def revise(self, item: Item) -> None:
        """A new version."""
        number = item.tip.number + 1
        item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={number}", number, item))
        self.index()

    def starts(self) -> int:
        """POSTs of exports so far."""
        return int(self.simulator.counts()["endpoints"].get("export_start", {}).get("calls", 0))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A BIM 360 project with A-101 to A-104 in its Plans folder."""
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        yield Site(simulator, session, tmp_path)


@pytest.fixture
async def acc_site(tmp_path: Path) -> AsyncIterator[Site]:
    """An ACC project with B-1001 to B-1003."""
    async with service(World.acc(0, 3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        yield Site(simulator, session, tmp_path, ADA)


FIRST = ["A-101 - Plan 1.pdf", "A-102 - Plan 2.pdf", "A-103 - Plan 3.pdf", "A-104 - Plan 4.pdf"]


async def test_everything_is_new_then_unchanged(site: Site) -> None:
    found = await site.sync()
    assert {each.state for each in found.values()} == {"new"}
    assert site.files() == FIRST
    again = await site.sync()
    assert str(SyncCounts.of(again.values())) == "4 unchanged"
    assert site.starts() == 4
    assert {each.exported_at for each in again.values()} != {None}


@pytest.mark.parametrize("revised", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [("Roof (2)", "Roof"), ("Roof", "Roof (2)"), ("Roof (2)", "Roof (3)"), ("(2)", ""), ("Roof (2) (3)", "Roof (2)")],
)
async def test_a_number_in_brackets_may_be_part_of_a_title(site: Site, before: str, after: str, revised: bool) -> None:
    item = site.simulator.world.find_sheet("A-101")
    for title in (before, after, before):
        item.title = title
        if revised:
            site.revise(item)
        site.index()
        await site.sync()
        name = f"A-101 - {title}" if title else "A-101"
        assert site.files()[0] == f"{name}.pdf"
        assert len([each for each in site.files() if each.startswith("A-101")]) == 1


async def test_a_number_that_tells_sheets_apart_stays(site: Site) -> None:
    one, two = site.simulator.world.find_sheet("A-101"), site.simulator.world.find_sheet("A-102")
    two.name, how = one.name, {"pattern": NamePattern("{number}")}
    site.index()
    await site.sync(**how)
    hide(one)
    site.index()
    await site.sync(prune=True, **how)
    site.revise(two)
    for _ in range(2):
        await site.sync(**how)
        assert [name for name in site.files() if name.startswith("A-101")] == ["A-101 (2).pdf"]


def hide(item: Item) -> None:
    item.hidden = True


def process(item: Item) -> None:
    item.process_state = "PROCESSING_COPY"


def retitle(item: Item) -> None:
    item.title = "Roof"


def remove(item: Item) -> None:
    item.folder.items.remove(item)


def hide_folder(item: Item) -> None:
    below = Folder("urn:adsk.wipprod:fs.folder:co.below", "Below", item.folder.project, parent=item.folder, hidden=True)
    below.actions = item.folder.actions
    item.folder.folders.append(below)
    item.folder.items.remove(item)
    below.items.append(item)
    item.folder = below


def move_into(item: Item, folder: Folder) -> None:
    item.folder.items.remove(item)
    folder.items.append(item)
    item.folder = folder


def hide_upper_folder(item: Item) -> None:
    hide_folder(item)
    deep = Folder("urn:adsk.wipprod:fs.folder:co.deep", "Deep", item.folder.project, parent=item.folder)
    deep.actions = item.folder.actions
    item.folder.folders.append(deep)
    item.folder.items.remove(item)
    deep.items.append(item)
    item.folder = deep


def move_away(item: Item) -> None:
    move_into(item, next(folder for folder in item.folder.project.folders if folder is not item.folder))


@pytest.mark.parametrize(
    ("change", "words", "file"),
    [
        (hide, "withdrawn: it is hidden or deleted", "A-101 - Plan 1.pdf"),
        (remove, "withdrawn: it is no longer there", "A-101 - Plan 1.pdf"),
        (hide_folder, "withdrawn: its folder 'Below' is hidden or deleted", "A-101 - Plan 1.pdf"),
        (hide_upper_folder, "withdrawn: its folder 'Below' is hidden or deleted", "A-101 - Plan 1.pdf"),
        (move_away, "left out: it was moved to 'Project Files', which is not below a Plans folder", FIRST[0]),
        (
            process,
            "left out: version 1 is still being processed (PROCESSING_COPY); try again when Docs shows it; "
            "version 1 kept",
            "A-101 - Plan 1.pdf",
        ),
        (retitle, "renamed: was A-101 - Plan 1", "A-101 - Roof.pdf"),
    ],
)
async def test_a_change_is_reported(site: Site, change: Callable[[Item], None], words: str, file: str) -> None:
    project = site.simulator.world.hubs[0].projects[0]
    if len(project.folders) == 1:
        other = Folder("urn:adsk.wipprod:fs.folder:co.files", "Project Files", project, actions=("CONVERT",))
        project.folders.append(other)
    site.index()
    await site.sync()
    change(site.simulator.world.find_sheet("A-101"))
    site.index()
    found = await site.words()
    assert found.pop("A-101") == words
    assert set(found.values()) == {"unchanged"}
    assert file in site.files()
    assert site.starts() == 4, "nothing was exported again"


async def test_only_files_of_withdrawn_sheets_are_moved(site: Site) -> None:
    project = site.simulator.world.hubs[0].projects[0]
    project.folders.append(Folder("urn:adsk.wipprod:fs.folder:co.files", "Files", project, actions=("CONVERT",)))
    site.index()
    await site.sync()
    move_away(site.simulator.world.find_sheet("A-101"))
    hide(site.simulator.world.find_sheet("A-102"))
    site.index()
    assert (await site.words(prune=True))["A-101"].startswith("left out")
    assert site.files() == [FIRST[0], *FIRST[2:], f"superseded/{FIRST[1]}"]


async def test_a_newer_version_replaces_the_older_one_which_is_kept(site: Site) -> None:
    await site.sync()
    sheet = site.simulator.world.find_sheet("A-101")
    first = (site.folder / FIRST[0]).read_bytes()
    site.revise(sheet)
    assert (await site.words())["A-101"] == "revised (1 -> 2)"
    assert (site.folder / FIRST[0]).read_bytes() != first
    assert (site.folder / "superseded" / "A-101 - Plan 1 (version 1).pdf").read_bytes() == first
    second = (site.folder / FIRST[0]).read_bytes()
    sheet.title = "Roof"
    site.revise(sheet)
    assert (await site.words())["A-101"] == "revised (2 -> 3)"
    assert (site.folder / "superseded" / "A-101 - Plan 1 (version 2).pdf").read_bytes() == second
    assert "A-101 - Roof.pdf" in site.files()
    assert FIRST[0] not in site.files()
    site.revise(sheet)
    await site.sync(superseded="drop")
    assert len(list((site.folder / "superseded").iterdir())) == 2


async def test_a_version_in_processing_keeps_the_older_file(site: Site) -> None:
    await site.sync()
    sheet = site.simulator.world.find_sheet("A-102")
    site.revise(sheet)
    process(sheet)
    site.index()
    found = (await site.sync())["A-102 - Plan 2"]
    assert found.state == "left out"
    assert found.reason is not None
    assert found.reason.startswith("version 2 is still being processed")
    assert found.reason.endswith("version 1 kept")
    assert found.path == site.folder / "A-102 - Plan 2.pdf"


@pytest.mark.parametrize("superseded", ["keep", "drop"])
async def test_a_changed_file_is_moved_and_never_overwritten(site: Site, superseded: str) -> None:
    await site.sync()
    mine = site.folder / FIRST[0]
    mine.write_bytes(b"my notes")
    (site.folder / FIRST[1]).unlink()
    found = await site.words(superseded=superseded)
    assert found["A-101"] == (
        "refreshed: its file had been changed; the file that was there had been changed; it is now "
        "superseded/A-101 - Plan 1.pdf"
    )
    assert found["A-102"] == "refreshed: its file was missing"
    mine.write_bytes(b"more notes")
    site.revise(site.simulator.world.find_sheet("A-101"))
    await site.sync(superseded=superseded)
    kept = {path.read_bytes() for path in (site.folder / "superseded").iterdir()}
    assert {b"my notes", b"more notes"} <= kept
    assert mine.read_bytes().startswith(b"%PDF")


async def test_withdrawn_files_are_moved_only_by_prune_and_come_back(site: Site) -> None:
    await site.sync()
    sheet = site.simulator.world.find_sheet("A-103")
    hide(sheet)
    site.index()
    for _ in range(2):
        assert (await site.words())["A-103"].startswith("withdrawn")
    assert site.files() == FIRST
    found = (await site.sync(prune=True))["A-103 - Plan 3"]
    assert found.path == site.folder / "superseded" / "A-103 - Plan 3.pdf"
    assert found.path.is_file()
    assert "A-103" not in await site.words(prune=True)
    sheet.hidden = False
    site.index()
    assert (await site.words())["A-103"] == "new"
    assert (site.folder / "A-103 - Plan 3.pdf").is_file()


@pytest.mark.parametrize("problem", [errno.EACCES, errno.EPERM, errno.EBUSY])
async def test_a_withdrawn_file_that_cannot_be_moved_ends_no_sync(
    site: Site, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    """Such as on Windows, while somebody has it open."""
    await site.sync()
    for number in ("A-102", "A-103"):
        hide(site.simulator.world.find_sheet(number))
    site.index()
    move = FolderPlace.move

    async def refused(place: FolderPlace, name: str, target: str) -> None:
        if name.startswith("A-102"):
            raise target_error(site.folder / name, OSError(problem, os.strerror(problem)))
        await move(place, name, target)

    monkeypatch.setattr(FolderPlace, "move", refused)
    for words in ("its file stays where it is until the next run: cannot write .*A-102", None):
        found = await site.sync(prune=True)
        stuck = found["A-102 - Plan 2"]
        assert stuck.state == "withdrawn"
        assert bool(stuck.warnings) == (words is not None)
        assert re.search(words or "", "".join(stuck.warnings))
        assert (site.folder / "superseded" / "A-103 - Plan 3.pdf").exists()
        assert json.loads((site.folder / "register.json").read_text())["sheets"]
        monkeypatch.undo()
    assert site.files() == [FIRST[0], FIRST[3], "superseded/A-102 - Plan 2.pdf", "superseded/A-103 - Plan 3.pdf"]


async def test_prune_stops_before_it_moves_too_many(tmp_path: Path) -> None:
    async with service(World.single_folder(30), behaviour=QUICK) as simulator, session_for(simulator) as session:
        site = Site(simulator, session, tmp_path)
        await site.sync()
        for sheet in simulator.world.sheets[:11]:
            hide(sheet)
        site.index()
        with pytest.raises(PruneLimitError, match=r"11 of 30 sheets are withdrawn, more than the 10") as refused:
            await site.sync(prune=True)
        assert (refused.value.withdrawn, refused.value.allowed) == (11, 10)
        assert len(site.files()) == 30
        register = json.loads((tmp_path / "register.json").read_text())
        assert sum(row["state"] == "withdrawn" for row in register["sheets"]) == 11
        with pytest.raises(PruneLimitError):
            await site.sync(prune=True, max_prune=5)
        await site.sync(prune=True, max_prune=11)
        assert sum(name.startswith("superseded/") for name in site.files()) == 11


async def test_a_tenth_of_a_large_set_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aps_async.sync.run.PRUNE_LEAST", 1)  # or the set would have to be large
    async with service(World.single_folder(20), behaviour=QUICK) as simulator, session_for(simulator) as session:
        site = Site(simulator, session, tmp_path)
        await site.sync()
        for sheet in simulator.world.sheets[:2]:
            hide(sheet)
        site.index()
        await site.sync(prune=True)
        assert sum(name.startswith("superseded/") for name in site.files()) == 2


async def test_what_a_selection_does_not_choose_is_not_looked_at(site: Site) -> None:
    await site.sync()
    for number in ("A-102", "A-104"):
        hide(site.simulator.world.find_sheet(number))
    site.index()
    outside = "not looked at: outside the selection of this run"
    assert await site.words(selection=Selection(match=("A-10[12]",)), prune=True) == {
        "A-101": "unchanged",
        "A-102": "withdrawn: it is hidden or deleted",
        "A-103": outside,
        "A-104": outside,
    }


@pytest.mark.parametrize("folder", ["Plans/Below", "urn:adsk.wipprod:fs.folder:co.below", "Plans/Below/Deep"])
async def test_what_is_withdrawn_from_a_folder_by_path_or_urn(site: Site, folder: str) -> None:
    for number in ("A-101", "A-102"):
        sheet = site.simulator.world.find_sheet(number)
        hide_upper_folder(sheet) if number == "A-101" else move_into(sheet, below(site))
    for each in (below(site), *below(site).folders):
        each.hidden = False
    site.index()
    await site.sync()
    hide(site.simulator.world.find_sheet("A-101"))
    site.index()
    outside = "not looked at: outside the selection of this run"
    found = await site.words(selection=Selection(folder=folder), prune=True)
    assert found.pop("A-102") == (outside if folder.endswith("Deep") else "unchanged")
    assert found == {"A-101": "withdrawn: it is hidden or deleted", "A-103": outside, "A-104": outside}


def below(site: Site) -> Folder:
    [folder] = site.simulator.world.find_sheet("A-103").folder.folders
    return folder


async def test_a_folder_that_could_not_be_listed_hides_nothing(site: Site) -> None:
    plans = site.simulator.world.find_sheet("A-101").folder
    for name, number in (("Below", "A-101"), ("Below 2", "A-102")):
        folder = Folder(f"urn:adsk.wipprod:fs.folder:co.{name[-1]}", name, plans.project, parent=plans)
        folder.actions = plans.actions
        plans.folders.append(folder)
        item = site.simulator.world.find_sheet(number)
        plans.items.remove(item)
        folder.items.append(item)
        item.folder = folder
    site.index()
    await site.sync()
    for number in ("A-101", "A-102"):
        hide(site.simulator.world.find_sheet(number))
    site.index()
    site.simulator.add_fault(Fault(endpoint="folder_contents", status=403, nth=(2,)))
    found = await site.words(prune=True)
    assert found["Below"].startswith("left out: could not be listed")
    assert found["A-101"] == "not looked at: its folder could not be listed"
    assert found["A-102"] == "withdrawn: it is hidden or deleted"
    assert FIRST[0] in site.files()


async def test_a_folder_that_may_not_be_seen_hides_nothing(site: Site) -> None:
    sheet = site.simulator.world.find_sheet("A-101")
    hide_folder(sheet)
    sheet.folder.hidden = False
    site.index()
    await site.sync()
    users = site.simulator.world.users
    users[ADA] = evolve(users[ADA], denied_folders=frozenset({"Below"}))
    site.user_id = ADA
    found = await site.words(prune=True)
    assert found["A-101"].startswith("not looked at: the service refuses to show it")
    assert FIRST[0] in site.files()


@pytest.mark.parametrize("kind", ["status", "text", "reset"])
async def test_a_sheet_about_which_the_service_has_no_answer_ends_no_run(site: Site, tmp_path: Path, kind: str) -> None:
    site.folder = tmp_path / "plans"
    await site.sync()
    for number in ("A-101", "A-102"):
        remove(site.simulator.world.find_sheet(number))
    site.index()
    fault = Fault(
        endpoint="item", kind=kind, status=500 if kind == "status" else None, times=None if kind == "reset" else 8
    )
    site.simulator.add_fault(fault)
    found = await site.words(prune=True, merge=tmp_path / "set.pdf")
    assert found.pop("A-101").startswith("not looked at: the service gave no usable answer: ")
    other = "not looked at: the service gave no usable answers about other sheets"
    assert found.pop("A-102") == (other if kind == "reset" else "withdrawn: it is no longer there")
    assert set(found.values()) == {"unchanged"}
    assert FIRST[0] in site.files()
    assert (tmp_path / "set.pdf").is_file()
    site.simulator.clear_faults()
    assert (await site.words(prune=True))["A-101"] == "withdrawn: it is no longer there"


@pytest.mark.parametrize("status", [403, 404, 451])
@pytest.mark.parametrize("endpoint", ["item", "item_tip", "folder"])
async def test_the_page_of_a_web_filter_withdraws_nothing(site: Site, endpoint: str, status: int) -> None:
    await site.sync()
    hide_folder(site.simulator.world.find_sheet("A-101"))
    site.simulator.world.find_sheet("A-101").folder.hidden = False
    remove(site.simulator.world.find_sheet("A-102"))
    site.index()
    site.simulator.add_fault(Fault(endpoint="folder_contents", nth=(2,), kind="html", status=status))
    site.simulator.add_fault(Fault(endpoint=endpoint, kind="html", status=status))
    with pytest.raises(InterceptedError):  # the folder itself
        await site.words(prune=True)
    site.simulator.clear_faults()
    site.simulator.add_fault(Fault(endpoint=endpoint, kind="html", status=status))
    found = await site.words(prune=True)
    if endpoint == "item":
        assert found["A-102"].startswith("not looked at: the service gave no usable answer: ")
        assert FIRST[1] in site.files()
    assert FIRST[0] in site.files()


async def test_a_service_without_answers_is_not_asked_about_every_sheet(site: Site) -> None:
    await site.sync()
    for item in list(site.simulator.world.sheets):
        remove(item)
    site.index()
    site.simulator.add_fault(Fault(endpoint="item", status=500))
    site.simulator.reset_counts()
    words = sorted(each.partition(" (")[0][:60] for each in (await site.words(prune=True)).values())
    assert words == [
        *["not looked at: the service gave no usable answer: GET /data/"] * 3,
        "not looked at: the service gave no usable answers about othe",
    ]
    assert site.simulator.counts()["endpoints"]["item"]["calls"] == 3 * site.session.settings.max_attempts
    assert site.files() == FIRST


async def test_acc_a_service_without_answers_ends_no_run(acc_site: Site) -> None:
    site = acc_site
    await site.sync()
    sheet = site.simulator.world.hubs[0].projects[0].sheets[0]
    sheet.deleted = True
    site.index()
    site.simulator.add_fault(Fault(endpoint="sheets_batch_get", status=500))
    found = await site.words(prune=True)
    assert found.pop("B-1001").startswith("not looked at: the service gave no usable answer: ")
    assert set(found.values()) == {"unchanged"}


async def test_another_user_proves_nothing_by_not_finding_a_sheet(site: Site) -> None:
    users = site.simulator.world.users
    users["OTHER1234567"] = User("OTHER1234567")
    site.user_id = ADA
    await site.sync()
    remove(site.simulator.world.find_sheet("A-101"))
    site.index()
    site.user_id = "OTHER1234567"
    found = await site.words()
    assert found.pop("A-101") == (
        "not looked at: it is no longer there, but it was listed before by simulator-client for BW9RM76WZBGL"
    )
    assert set(found.values()) == {"unchanged"}
    assert site.starts() == 4
    site.user_id = ADA
    assert (await site.words())["A-101"] == "withdrawn: it is no longer there"


async def test_a_new_pattern_renames_and_exports_nothing(site: Site) -> None:
    await site.sync()
    found = await site.sync(pattern=NamePattern("{discipline}/{number}"))
    assert {(each.state, each.reason) for each in found.values()} == {("renamed", f"was {name}") for name in FIRST}
    assert site.files() == [f"A/A-10{number}.pdf" for number in (1, 2, 3, 4)]
    await site.sync()
    assert site.files() == FIRST
    assert not (site.folder / "A").exists()
    assert site.starts() == 4


async def test_a_rename_overwrites_nothing(site: Site) -> None:
    await site.sync()
    retitle(site.simulator.world.find_sheet("A-101"))
    site.index()
    mine = site.folder / "A-101 - Roof.pdf"
    mine.write_bytes(b"my notes")
    found = await site.words()
    assert found.pop("A-101").endswith("Roof.pdf: another file has this name; move it away and run it again")
    assert set(found.values()) == {"unchanged"}
    assert mine.read_bytes() == b"my notes"
    assert (site.folder / FIRST[0]).is_file()
    mine.unlink()
    assert (await site.words())["A-101"] == "renamed: was A-101 - Plan 1"
    assert site.starts() == 4


async def test_names_that_swap_end_up_right(site: Site) -> None:
    site.simulator.world.find_sheet("A-101").title = "North"
    site.simulator.world.find_sheet("A-102").title = "South"
    site.index()
    by_title = NamePattern("{title}")
    await site.sync(pattern=by_title)
    north = (site.folder / "North.pdf").read_bytes()
    site.simulator.world.find_sheet("A-101").title = "South"
    site.simulator.world.find_sheet("A-102").title = "North"
    site.index()
    found = await site.sync(pattern=by_title)
    path = found["A-101 - South"].path
    assert path is not None
    assert path.read_bytes() == north
    found = await site.sync(pattern=by_title)
    assert site.starts() == 4


async def test_other_options_and_old_exports_are_exported_again(site: Site) -> None:
    await site.sync()
    found = await site.words(options=ExportOptions(markups=True))
    assert set(found.values()) == {"refreshed: exported with other options"}
    with sqlite3.connect(site.folder / LEDGER_NAME) as ledger:
        ledger.execute("UPDATE exports SET changed=changed-8*86400 WHERE name LIKE 'A-101%'")
    ledger.close()
    files = site.files()
    found = await site.words(options=ExportOptions(markups=True), refresh=timedelta(days=7))
    assert found.pop("A-101").endswith(" was too old")
    assert set(found.values()) == {"unchanged"}
    assert site.files() == files


async def test_a_failed_revision_keeps_the_older_file(site: Site) -> None:
    await site.sync()
    sheet = site.simulator.world.find_sheet("A-101")
    site.revise(sheet)
    sheet.fails = True
    site.index()
    for _ in range(2):
        found = (await site.sync())["A-101 - Plan 1"]
        assert found.state == "failed"
        assert found.path == site.folder / FIRST[0]
        assert found.path.is_file()
    sheet.fails = False
    site.index()
    assert (await site.words())["A-101"] == "revised (1 -> 2)"


async def test_a_run_that_was_stopped_goes_on(site: Site) -> None:
    await site.sync()
    for sheet in site.simulator.world.sheets:
        site.revise(sheet)
    project = site.simulator.world.hubs[0].projects[0]
    async with aclosing(sync_project(site.session, project.id, site.folder)) as outcomes:
        async for _ in outcomes:
            break
    assert Counter((await site.words()).values()) == {"revised (1 -> 2)": 4}, "whether their files had come or not"
    assert Counter((await site.words()).values()) == {"unchanged": 4}
    assert site.starts() == 8
    assert len(list((site.folder / "superseded").iterdir())) == 4


async def test_a_folder_of_export_is_taken_up(site: Site) -> None:
    project = site.simulator.world.hubs[0].projects[0]
    requests = project_requests(site.session, project.id)
    async with aclosing(export_many(site.session, requests, site.folder, ledger=True)) as outcomes:
        assert [each.ok async for each in outcomes] == [True] * 4
    hide(site.simulator.world.find_sheet("A-104"))
    site.index()
    found = await site.words()
    assert found.pop("A-104 - Plan 4") == "withdrawn: it is hidden or deleted"
    assert set(found.values()) == {"unchanged"}


async def test_of_two_exports_that_one_with_the_same_options_is_taken(site: Site) -> None:
    project = site.simulator.world.hubs[0].projects[0]
    with_markups = ExportOptions(markups=True)
    requests = [each async for each in project_requests(site.session, project.id)]
    requests += [evolve(each, options=with_markups) for each in requests]
    async with aclosing(export_many(site.session, requests, site.folder, ledger=True)) as outcomes:
        assert [each.ok async for each in outcomes] == [True] * 8
    for options in (ExportOptions(), with_markups):
        found = sync_project(site.session, project.id, site.folder, SyncOptions(options=options))
        words = Counter([each.in_words async for each in found])
        assert words == {"unchanged": 4, "not looked at: exported with other options": 4}
    assert site.starts() == 8


async def test_a_revision_that_was_exported_otherwise_is_reported_by_the_next_sync(site: Site) -> None:
    await site.sync()
    site.revise(site.simulator.world.find_sheet("A-101"))
    requests = project_requests(site.session, site.simulator.world.hubs[0].projects[0].id)
    async with aclosing(export_many(site.session, requests, site.folder, ledger=True)) as outcomes:
        assert [each.ok async for each in outcomes] == [True] * 4
    assert (await site.words())["A-101"] == "revised (1 -> 2)"
    assert (await site.words())["A-101"] == "unchanged"
    assert site.starts() == 5


async def test_the_register_lists_every_sheet(site: Site) -> None:
    site.simulator.world.find_sheet("A-102").title = '=HYPERLINK("http://x.example")'
    hide(site.simulator.world.find_sheet("A-104"))
    process(site.simulator.world.find_sheet("A-103"))
    site.index()
    await site.sync()
    register = json.loads((site.folder / "register.json").read_text())
    assert [row["number"] for row in register["sheets"]] == ["A-101", "A-102", "A-103"]
    first = register["sheets"][0]
    assert (first["file"], first["state"], first["version"]) == (FIRST[0], "new", "1")
    assert len(first["sha256"]) == 64
    assert first["size"] == (site.folder / FIRST[0]).stat().st_size
    assert "file" not in register["sheets"][2]
    with (site.folder / "register.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["A-101", "A-102", "A-103"]
    assert rows[1]["title"].startswith("'=")
    site.revise(site.simulator.world.find_sheet("A-101"))
    await site.sync()
    [again, *_] = json.loads((site.folder / "register.json").read_text())["sheets"]
    assert (again["state"], again["version"]) == ("revised", "2")
    assert again["sha256"] == hashlib.sha256((site.folder / FIRST[0]).read_bytes()).hexdigest() != first["sha256"]


def issue(site: Site, sheet: BuildSheet, name: str, **values: Any) -> BuildSheet:
    """The sheet in a later version set."""
    later = VersionSet(f"00000000-0000-4000-8000-{len(name):012d}", name, "2031-01-01", sheet.collection)
    site.simulator.world.hubs[0].projects[0].version_sets.append(later)
    new = BuildSheet(
        id=f"10000000-0000-4000-8000-{len(name):012d}",
        number=sheet.number,
        title=sheet.title,
        project=sheet.project,
        version_set=later,
        order=sheet.order,
        page=sheet.page,
        collection=sheet.collection,
    )
    for key, value in values.items():
        setattr(new, key, value)
    sheet.project.sheets.append(new)
    site.index()
    return new


async def test_acc_sheets_are_known_by_collection_and_number(acc_site: Site) -> None:
    site = acc_site
    assert set((await site.words()).values()) == {"new"}
    one, two, three = site.simulator.world.hubs[0].projects[0].sheets
    first = site.files()[0]
    issue(site, one, "Addendum 1")
    two.deleted = True
    three.number = "B-2003"
    site.index()
    found = await site.words()
    set_name = one.version_set.name
    assert found == {
        "B-1001": f"revised ({set_name} -> Addendum 1)",
        "B-1002": "withdrawn: it is deleted",
        "B-2003": "new",
        "B-1003": f"withdrawn: it is now B-2003 - {three.title}",
    }
    assert f"superseded/{first.removesuffix('.pdf')} ({set_name}).pdf" in site.files()
    two.deleted = False
    site.index()
    assert (await site.words())["B-1002"] == "unchanged"


async def test_an_acc_sheet_that_had_the_number_of_another_one_is_withdrawn_when_it_gets_its_own(
    acc_site: Site,
) -> None:
    site = acc_site
    one, two, _ = site.simulator.world.hubs[0].projects[0].sheets
    two.number = one.number
    site.index()
    await site.sync()
    one.number = "B-2001"
    site.index()
    project = site.simulator.world.hubs[0].projects[0]
    outcomes = sync_project(site.session, project.id, site.folder, SyncOptions(user_id=ADA))
    found = sorted([each.in_words async for each in outcomes if each.id == one.id])
    assert found == ["new", f"withdrawn: it is now B-2001 - {one.title}"]


async def acc_outcomes(site: Site, **how: Any) -> list[SyncOutcome]:
    """The outcomes of one sync of the site's ACC project."""
    project, options = site.simulator.world.hubs[0].projects[0], SyncOptions(user_id=ADA, **how)
    async with aclosing(sync_project(site.session, project.id, site.folder, options)) as outcomes:
        return [each async for each in outcomes]


@pytest.mark.parametrize("same_title", [False, True])
async def test_acc_sheets_that_share_a_number_are_kept_apart(acc_site: Site, same_title: bool) -> None:
    site = acc_site
    sheets = site.simulator.world.hubs[0].projects[0].sheets
    one, two, _ = sheets
    two.number, two.title = one.number, one.title if same_title else two.title
    site.index()

    async def states(**how: Any) -> dict[str, str]:
        return {each.id: str(each.state) for each in await acc_outcomes(site, **how)}

    assert set((await states()).values()) == {"new"}
    files = {name: (site.folder / name).read_bytes() for name in site.files()}
    assert len(set(files.values())) == 3
    sheets.reverse()  # whatever the order of the list
    site.index()
    for how in ({}, {"selection": Selection(sheet=two.id)}, {}):
        found = await states(**how)
        assert found.pop(two.id) == "unchanged"
        assert set(found.values()) <= {"unchanged", "not looked at"}
    assert {name: (site.folder / name).read_bytes() for name in site.files()} == files
    issue(site, one, "Addendum 1")
    issue(site, two, "Addendum 1b")
    assert Counter((await states()).values()) == {"revised": 2, "unchanged": 1}
    assert set((await states(prune=True)).values()) == {"unchanged"}
    older = {(site.folder / name).read_bytes() for name in site.files() if name.startswith("superseded/")}
    assert older == {content for name, content in files.items() if name.startswith(one.number)}
    assert sorted(files) == [name for name in site.files() if not name.startswith("superseded/")]


@pytest.mark.parametrize("deleted", [0, 1])
@pytest.mark.parametrize("same_title", [False, True])
@pytest.mark.parametrize("narrowed", [False, True])
async def test_one_of_two_acc_sheets_that_share_a_number_is_withdrawn(
    acc_site: Site, deleted: int, same_title: bool, narrowed: bool
) -> None:
    site = acc_site
    sheets = site.simulator.world.hubs[0].projects[0].sheets
    one, two, three = sheets
    two.number, two.title = one.number, one.title if same_title else two.title
    site.index()

    async def states(**how: Any) -> dict[str, str]:
        return {each.id: each.in_words for each in await acc_outcomes(site, **how)}

    await states()
    gone, stays = (one, two) if deleted == 0 else (two, one)
    gone.deleted = True
    site.index()
    if narrowed:  # neither of them is chosen, but one is listed
        found = await states(selection=Selection(sheet=three.id))
        assert found.pop(stays.id) == found.pop(gone.id) == "not looked at: outside the selection of this run"
    for _ in range(2):
        found = await states()
        assert found == {stays.id: "unchanged", three.id: "unchanged", gone.id: "withdrawn: it is deleted"}


@pytest.mark.parametrize("lost", [False, True])
async def test_a_sheet_that_was_renamed_and_fails_is_reported_with_the_file_that_is_there(
    site: Site, lost: bool
) -> None:
    await site.sync()
    item = site.simulator.world.find_sheet("A-101")
    item.title, item.fails = "Roof", True
    site.index()
    if lost:
        (site.folder / FIRST[0]).unlink()
    how: dict[str, Any] = {} if lost else {"options": ExportOptions(markups=True)}
    found = (await site.sync(**how))["A-101 - Roof"]
    assert found.state == "failed"
    assert (found.file, found.path) == (
        (None, None) if lost else ("A-101 - Roof.pdf", site.folder / "A-101 - Roof.pdf")
    )
    [row] = [
        each for each in json.loads((site.folder / "register.json").read_text())["sheets"] if each["number"] == "A-101"
    ]
    if lost:
        assert not row.keys() & {"file", "size", "sha256"}
    else:
        assert row["sha256"] == hashlib.sha256((site.folder / row["file"]).read_bytes()).hexdigest()


async def test_a_failed_revision_of_an_acc_sheet_keeps_the_older_file(acc_site: Site) -> None:
    site = acc_site
    await site.sync()
    sheet = site.simulator.world.hubs[0].projects[0].sheets[0]
    first, set_name = site.files()[0], sheet.version_set.name
    new = issue(site, sheet, "Addendum 1", fails=True)
    failed = next(each for each in (await site.sync()).values() if each.number == sheet.number)
    assert (failed.state, failed.path) == ("failed", site.folder / first)
    new.fails = False
    assert (await site.words())[sheet.number] == f"revised ({set_name} -> Addendum 1)"
    assert f"superseded/{first.removesuffix('.pdf')} ({set_name}).pdf" in site.files()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"selection": Selection(collection="x")}, "only ACC"),
        ({"pattern": NamePattern("{set}/{number}")}, "do not have"),
    ],
)
async def test_what_bim_360_does_not_have_is_refused(site: Site, how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        await site.sync(**how)
    assert site.starts() == 0


async def test_the_sheets_of_another_project_in_the_folder_are_named(tmp_path: Path) -> None:
    projects = [{"name": name, "folders": [{"name": "Plans", "items": [{"number": name}]}]} for name in ("A-1", "B-1")]
    world = World.from_json({"hubs": [{"name": "Northlight", "projects": projects}]})
    async with service(world, behaviour=QUICK) as simulator, session_for(simulator) as session:

        async def words(name: str, **how: Any) -> dict[str, str]:
            async with aclosing(sync_project(session, name, tmp_path, SyncOptions(**how))) as outcomes:
                return {each.number: each.in_words async for each in outcomes}

        assert await words("A-1") == {"A-1": "new"}
        other = "not looked at: it belongs to another project"
        simulator.world.find_sheet("A-1").hidden = True
        simulator.world.index()
        for state in ("new", "unchanged"):
            assert await words("B-1", prune=True) == {"A-1": other, "B-1": state}
        register = json.loads((tmp_path / "register.json").read_text())
        assert [(row["number"], row["state"]) for row in register["sheets"]] == [
            ("A-1", "not looked at"),
            ("B-1", "unchanged"),
        ]
        assert (await words("A-1"))["A-1"].startswith("withdrawn")
        for each in tmp_path.glob(f"{LEDGER_NAME}*"):
            each.unlink()
        assert (await words("A-1"))["A-1"].startswith("withdrawn")


async def test_a_project_and_a_folder_with_nothing_are_an_error(site: Site) -> None:
    for sheet in list(site.simulator.world.sheets):
        hide(sheet)
    site.index()
    with pytest.raises(NotFoundInProjectError, match="shows no sheets"):
        await site.sync()


class Waiting(FolderPlace):
    """A folder in which a rename goes on for a while after the file has its new name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.renamed, self.go_on = asyncio.Event(), asyncio.Event()

    async def move(self, name: str, target: str) -> None:
        await super().move(name, target)
        self.renamed.set()
        await self.go_on.wait()


async def test_a_cancelled_rename_is_in_the_ledger(site: Site) -> None:
    await site.sync()
    project = bare_id(site.simulator.world.hubs[0].projects[0].id)
    async with Ledger(site.folder) as ledger:
        ledger.moves.place = place = Waiting(site.folder)
        known = {each.name: each for each in await ledger.sheets.known(project)}
        task = asyncio.create_task(ledger.sheets.rename(known["A-101 - Plan 1"], "Other"))
        await place.renamed.wait()
        task.cancel()
        await asyncio.sleep(0)
        place.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        names = {each.name: [file.name for file in each.files] for each in await ledger.sheets.known(project)}
    assert names["Other"] == ["Other.pdf"]
    assert site.files() == ["A-102 - Plan 2.pdf", "A-103 - Plan 3.pdf", "A-104 - Plan 4.pdf", "Other.pdf"]
