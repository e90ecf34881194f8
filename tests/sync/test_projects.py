"""Several projects, each in its own subfolder: which one is whose, and what becomes of the others when one fails."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from attrs import define, field

from aps_async import Session
from aps_async.errors import EmptyProjectError, FolderInUseError, InputError, LedgerError, NotFoundInProjectError
from aps_async.ledger.lock import FolderLock
from aps_async.ledger.places import FolderPlace
from aps_async.models import ExportOptions
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.simulator.parts import Project
from aps_async.sync.options import SyncOptions
from aps_async.sync.project import sync_project
from aps_async.sync.projects import ProjectSynced, SheetSynced, sync_projects
from aps_async.sync.subfolders import PROJECTS_JSON, read_subfolders
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


def plans(*numbers: str) -> list[object]:
    """The folders of a project with these sheets."""
    return [{"name": "Plans", "items": [{"number": each} for each in numbers]}]


WORLD = {
    "hubs": [
        {
            "name": "Northlight",
            "projects": [
                {"name": "Tower: East", "folders": plans("A-1", "A-2")},
                {"name": "Tower: West", "folders": plans("B-1")},
                {"name": "Annex", "forbidden": True, "folders": plans("C-1")},
                {"name": "Bare", "folders": plans()},
                {"name": "superseded", "folders": plans("D-1")},
            ],
        },
        {"name": "Southlight", "projects": [{"name": "TOWER: EAST", "folders": plans("A-1")}]},
    ]
}


@define
class Report:
    """What one run yielded."""

    sheets: list[SheetSynced] = field(factory=list[SheetSynced])
    done: dict[str, ProjectSynced] = field(factory=dict[str, ProjectSynced])


@define
class Account:
    """Projects, and a folder that they are synced into."""

    simulator: Simulator
    session: Session
    folder: Path

    async def sync(self, *projects: str, command: str | None = None) -> Report:
        """One run, to its end."""
        found = Report()
        async with aclosing(sync_projects(self.session, projects, self.folder, command=command)) as outcomes:
            async for each in outcomes:
                if isinstance(each, SheetSynced):
                    assert each.project.id not in found.done, "a project's end comes last"
                    found.sheets.append(each)
                else:
                    found.done[each.project.id.removeprefix("b.")] = each
        return found

    def project(self, number: int, hub: int = 0) -> Project:
        """A project of the world."""
        return self.simulator.world.hubs[hub].projects[number]

    def files(self) -> list[str]:
        """Every PDF below the folder."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.pdf"))


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    """Two hubs with six projects."""
    async with (
        service(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(1))) as simulator,
        session_for(simulator) as session,
    ):
        yield Account(simulator, session, tmp_path / "out")


ALL = [
    "TOWER_ EAST (2)/A-1 - Sheet A-1.pdf",
    "Tower_ East/A-1 - Sheet A-1.pdf",
    "Tower_ East/A-2 - Sheet A-2.pdf",
    "Tower_ West/B-1 - Sheet B-1.pdf",
    "superseded (2)/D-1 - Sheet D-1.pdf",
]


async def test_every_project_has_its_own_subfolder_and_keeps_it(account: Account) -> None:
    await account.sync("*")
    assert account.files() == ALL
    account.project(0).name, account.project(1).name = "Something else", "Tower: East"
    again = await account.sync("*")
    assert {str(each.outcome.state) for each in again.sheets} == {"unchanged"}
    assert account.files() == ALL
    assert {each.folder.name for each in again.done.values()} > {"Tower_ East", "Tower_ West", "TOWER_ EAST (2)"}


async def test_the_subfolders_are_found_again_without_projects_json(account: Account) -> None:
    await account.sync("*")
    (account.folder / PROJECTS_JSON).unlink()
    [named] = [each for each in account.simulator.world.hubs if each.name == "Southlight"]
    account.simulator.world.hubs.remove(named)
    account.simulator.world.hubs.insert(0, named)
    account.simulator.world.index()
    again = await account.sync("*")
    assert {str(each.outcome.state) for each in again.sheets} == {"unchanged"}
    assert account.files() == ALL


async def test_one_project_that_fails_does_not_stop_the_others(account: Account) -> None:
    found = await account.sync("Annex", "Tower: West", "Bare")
    failed, done, empty = (found.done[account.project(each).id.removeprefix("b.")] for each in (2, 1, 3))
    assert "403" in str(failed.error)
    assert (done.error, str(done.counts)) == (None, "1 new")
    assert (empty.error, str(empty.counts)) == (None, "")
    assert account.files() == ["Tower_ West/B-1 - Sheet B-1.pdf"]


async def test_a_project_without_sheets_is_a_failure_where_it_is_the_only_one(account: Account) -> None:
    with pytest.raises(EmptyProjectError, match="Bare shows no sheets"):
        async with aclosing(sync_project(account.session, "Bare", account.folder, SyncOptions())) as outcomes:
            [each async for each in outcomes]


async def test_a_pattern_that_fits_one_project_still_makes_a_subfolder(account: Account) -> None:
    await account.sync("*: West")
    assert account.files() == ["Tower_ West/B-1 - Sheet B-1.pdf"]


async def test_a_name_that_fits_nothing_ends_it_before_anything_is_done(account: Account) -> None:
    with pytest.raises(NotFoundInProjectError, match=r"Towr.*did you mean"):
        await account.sync("Tower: West", "Towr: West")
    assert not account.folder.exists()


async def test_each_project_is_synced_once(account: Account) -> None:
    found = await account.sync("Tower: West", "*: West", account.project(1).id)
    assert [each.outcome.number for each in found.sheets] == ["B-1"]


async def test_the_command_is_kept(account: Account) -> None:
    await account.sync("Tower: West", command="what was asked for")
    found = await read_subfolders(FolderPlace(account.folder))
    assert found is not None
    assert found.command == "what was asked for"
    assert [(each.project, each.folder) for each in found.projects] == [("Tower: West", "Tower_ West")]


async def test_two_runs_do_not_meet(account: Account) -> None:
    account.folder.mkdir()
    lock = FolderLock(account.folder).acquire()
    try:
        with pytest.raises(FolderInUseError, match="another run"):
            await account.sync("*")
    finally:
        lock.release()
    assert (await account.sync("Tower: West")).sheets


async def test_the_folder_of_one_project_is_refused(account: Account) -> None:
    async with aclosing(sync_project(account.session, "Tower: West", account.folder)) as outcomes:
        [each async for each in outcomes]
    with pytest.raises(LedgerError, match="choose another folder"):
        await account.sync("*")


ENTRY = {"projectId": "6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5", "project": "Tower", "folder": "Tower"}


def entries(*projects: object) -> str:
    return json.dumps({"form": 1, "projects": projects})


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "nothing",
        "\udcff",
        json.dumps({"form": 2, "projects": [ENTRY]}),
        json.dumps({"projects": [ENTRY]}),
        json.dumps({"form": 1, "projects": 1}),
        entries({**ENTRY, "folder": "../elsewhere"}),
        entries({**ENTRY, "folder": "/elsewhere"}),
        entries({**ENTRY, "folder": ""}),
        entries({**ENTRY, "folder": "SUPERSEDED"}),
        entries(ENTRY, {**ENTRY, "projectId": "another", "folder": "TOWER"}),
        entries(ENTRY, {**ENTRY, "folder": "Other"}),
    ],
)
async def test_a_projects_json_from_elsewhere_is_checked(account: Account, content: str) -> None:
    account.folder.mkdir()
    (account.folder / PROJECTS_JSON).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LedgerError, match=r"projects\.json"):
        await account.sync("*")
    assert account.files() == []


async def test_a_link_in_place_of_projects_json_is_refused(account: Account, tmp_path: Path) -> None:
    account.folder.mkdir()
    (tmp_path / "elsewhere.json").write_text(json.dumps({"form": 1, "projects": []}))
    (account.folder / PROJECTS_JSON).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(LedgerError, match="cannot be read"):
        await account.sync("*")


async def test_a_run_that_was_stopped_goes_on(account: Account) -> None:
    async with aclosing(sync_projects(account.session, ["*"], account.folder)) as outcomes:
        async for each in outcomes:
            assert isinstance(each, SheetSynced)
            break
    found = await account.sync("*")
    assert account.files() == ALL
    assert sum(str(each.outcome.state) == "unchanged" for each in found.sheets) >= 1


async def test_options_that_a_project_does_not_know_are_refused_for_it(account: Account) -> None:
    how = SyncOptions(options=ExportOptions(markups=True, issue_markups=True))
    async with aclosing(sync_projects(account.session, ["Tower: West"], account.folder, how)) as outcomes:
        [done] = [each async for each in outcomes]
    assert isinstance(done, ProjectSynced)
    assert isinstance(done.error, InputError)
    assert "only published markups and hyperlinks" in str(done.error)
    assert account.files() == []


async def test_one_pdf_of_several_projects_is_refused_before_anything_is_asked(account: Account) -> None:
    how = SyncOptions(merge=account.folder / "set.pdf")
    async with aclosing(sync_projects(account.session, ["*"], account.folder, how)) as outcomes:
        with pytest.raises(InputError, match="each project would replace it: sync the projects one by one"):
            await anext(outcomes)
    assert (account.simulator.counts()["endpoints"], account.folder.exists()) == ({}, False)
