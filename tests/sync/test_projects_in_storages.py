"""Several projects in one storage, each below a prefix of its own, with a ledger each."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from attrs import define, field

from aps_async.errors import InputError, LedgerError
from aps_async.simulator import World
from aps_async.sync.project import sync_project
from aps_async.sync.projects import SheetSynced, sync_projects
from aps_async.sync.subfolders import PROJECTS_JSON
from tests.ledger.test_places import Stored, hurried, s3, stored
from tests.sync.test_projects import ALL, WORLD, Account

__all__ = ["s3", "stored"]


@define
class StoredAccount(Account):
    """The same projects, with a storage that they are synced into; the folder has the ledgers."""

    stored: Stored = field(kw_only=True)

    async def states(self, *projects: str) -> list[str]:
        """The states of all sheets after one run."""
        found: list[str] = []
        run = sync_projects(self.session, projects, self.stored.storage, state=self.folder)
        async with aclosing(run) as outcomes:
            async for each in outcomes:
                if isinstance(each, SheetSynced):
                    assert each.outcome.location == f"{each.location}/{each.outcome.file}"
                    found.append(str(each.outcome.state))
                assert each.location == self.stored.storage.location(each.folder.name)
        return found

    async def names(self) -> list[str]:
        """What the storage holds."""
        return await asyncio.to_thread(self.stored.names)

    async def pdfs(self) -> list[str]:
        """The PDFs in it."""
        return [each for each in await self.names() if each.endswith(".pdf")]


@pytest.fixture
async def account(tmp_path: Path, stored: Stored) -> AsyncIterator[StoredAccount]:
    """Two hubs with six projects."""
    async with hurried(World.from_json(WORLD)) as (simulator, session):
        yield StoredAccount(simulator, session, tmp_path / "state", stored=stored)


async def test_every_project_has_its_own_prefix_and_ledger_and_keeps_them(account: StoredAccount) -> None:
    assert await account.states("*") == ["new"] * 5
    assert await account.pdfs() == ALL
    names = await account.names()
    assert {PROJECTS_JSON, "Tower_ East/register.json", "superseded (2)/register.csv"} < set(names)
    ledgers = account.folder.rglob(".aps-async.sqlite")
    assert {each.parent.name for each in ledgers} > {each.partition("/")[0] for each in ALL}
    account.project(0).name, account.project(1).name = "Something else", "Tower: East"
    assert await account.states("*") == ["unchanged"] * 5
    assert await account.pdfs() == ALL


@pytest.mark.parametrize("loses_list", [False, True])
async def test_lost_ledgers_are_made_again(account: StoredAccount, loses_list: bool) -> None:
    await account.states("*")
    await asyncio.to_thread(shutil.rmtree, account.folder)
    if loses_list:
        await account.stored.storage.remove(PROJECTS_JSON)
    else:
        account.project(1).name = "Something else"
    assert await account.states("*") == ["unchanged"] * 5
    assert await account.pdfs() == ALL


@pytest.mark.parametrize("stored", ["memory"], indirect=True)
async def test_what_cannot_be_a_target_of_several_is_refused(account: StoredAccount, tmp_path: Path) -> None:
    async with aclosing(
        sync_project(account.session, "Tower: West", account.stored.storage, state=account.folder)
    ) as outcomes:
        [each async for each in outcomes]
    with pytest.raises(LedgerError, match="choose another folder"):
        await account.states("*")
    with pytest.raises(InputError, match="a state folder is for storages"):
        async for _ in sync_projects(account.session, ["*"], tmp_path, state=account.folder):
            pass
