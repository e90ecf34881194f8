"""A storage that agrees with its project; and a lost ledger, made again from the register."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from aps_async.errors import LedgerError
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.simulator import World
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from tests.ledger.test_places import Stored, hurried, s3, stored
from tests.sync.test_sync import ADA, Site

__all__ = ["s3", "stored"]


@define(eq=False)
class StoredSite(Site):
    """A project with a storage that is synced; the folder is the ledger's."""

    stored: Stored = field(kw_only=True)

    async def sync(self, **how: Any) -> dict[str, SyncOutcome]:
        """All outcomes of one sync, by the names of the sheets."""
        project = self.simulator.world.hubs[0].projects[0]
        options = SyncOptions(user_id=self.user_id, **how)
        run = sync_project(self.session, project.id, self.stored.storage, options, state=self.folder)
        async with aclosing(run) as outcomes:
            return {each.name: each async for each in outcomes}

    async def names(self) -> list[str]:
        """The PDFs in the storage."""
        return [each for each in await asyncio.to_thread(self.stored.names) if each.endswith(".pdf")]

    async def register(self) -> Any:
        """`register.json`."""
        return json.loads(await self.stored.read("register.json", self.folder.parent / "register.json"))

    async def write_register(self, register: Any) -> None:
        """Puts another one there."""
        await self.stored.put("register.json", json.dumps(register).encode())

    async def check_register(self) -> None:
        """Every file of the register is there, as it says."""
        for row in (await self.register())["sheets"]:
            if row.get("file"):
                body = await self.stored.read(row["file"], self.folder.parent / "checked.pdf")
                if "sha256" in row:
                    assert hashlib.sha256(body).hexdigest() == row["sha256"], row

    def lose_ledger(self) -> None:
        """The machine is another one."""
        shutil.rmtree(self.folder)


@pytest.fixture
async def site(tmp_path: Path, stored: Stored) -> AsyncIterator[StoredSite]:
    """A BIM 360 project with A-101 to A-104."""
    async with hurried(World.single_folder(4)) as (simulator, session):
        yield StoredSite(simulator, session, tmp_path / "state", stored=stored)


FIRST = ["A-101 - Plan 1.pdf", "A-102 - Plan 2.pdf", "A-103 - Plan 3.pdf", "A-104 - Plan 4.pdf"]


async def test_a_storage_goes_through_what_a_folder_does(site: StoredSite, tmp_path: Path) -> None:
    first = await site.sync()
    assert {each.state for each in first.values()} == {"new"}
    assert await site.names() == FIRST
    assert "register.csv" in await asyncio.to_thread(site.stored.names)
    assert {each.path for each in first.values()} == {None}
    assert first["A-101 - Plan 1"].file == FIRST[0]
    assert first["A-101 - Plan 1"].location == site.stored.storage.location(FIRST[0])
    assert min(each.name for each in site.folder.iterdir()) == ".aps-async.lock"

    assert {each.state for each in (await site.sync()).values()} == {"unchanged"}
    assert site.starts() == 4

    items = list(site.simulator.world.items.values())
    site.revise(items[0])
    items[1].hidden = True
    items[2].title = "Roof"
    await site.stored.put(FIRST[3], b"%PDF-1.4 edited %%EOF")
    site.index()
    found = await site.words(prune=True, merge=tmp_path / "set.pdf")
    assert found["A-101"] == "revised (1 -> 2)"
    assert found["A-102"].startswith("withdrawn: it is hidden")
    assert found["A-103"] == "renamed: was A-103 - Plan 3"
    assert found["A-104"].startswith("refreshed: its file had been changed")
    assert await site.names() == [
        "A-101 - Plan 1.pdf",
        "A-103 - Roof.pdf",
        "A-104 - Plan 4.pdf",
        "superseded/A-101 - Plan 1 (version 1).pdf",
        "superseded/A-102 - Plan 2.pdf",
        "superseded/A-104 - Plan 4.pdf",
    ]
    await site.check_register()
    assert (tmp_path / "set.pdf").read_bytes().startswith(b"%PDF")
    assert site.starts() == 5

    found = await site.words(pattern=NamePattern("Plans/{number}"))
    assert {each.partition(":")[0] for each in found.values()} == {"renamed"}
    assert [each for each in await site.names() if "superseded" not in each] == [
        "Plans/A-101.pdf",
        "Plans/A-103.pdf",
        "Plans/A-104.pdf",
    ]
    await site.check_register()
    assert site.starts() == 5


async def test_a_lost_ledger_is_made_again(site: StoredSite) -> None:
    items = list(site.simulator.world.items.values())
    await site.sync()
    site.revise(items[1])
    items[1].process_state = "PROCESSING_COPY"
    site.index()
    before = await site.words()
    site.lose_ledger()
    items[2].deleted = items[2].hidden = True
    site.index()
    found = await site.words()
    assert site.starts() == 4, "nothing is exported again"
    assert found["A-101"] == "unchanged"
    assert found["A-102"] == before["A-102"]
    assert "version 1 kept" in found["A-102"]
    assert found["A-103"].startswith("withdrawn: it is hidden")

    site.lose_ledger()
    site.revise(items[0])
    items[1].process_state = "PROCESSING_COMPLETE" if False else site.simulator.world.items[items[3].id].process_state
    del site.simulator.world.items[items[3].id]
    items[3].folder.items.remove(items[3])
    site.index()
    found = await site.words(prune=True)
    assert found["A-101"] == "revised (1 -> 2)"
    assert found["A-102"] == "revised (1 -> 2)"
    assert found["A-103"].startswith("withdrawn")
    assert found["A-104"].startswith(
        "not looked at: it is no longer there, but it was listed before by a run whose ledger was lost"
    )
    assert await site.names() == [
        "A-101 - Plan 1.pdf",
        "A-102 - Plan 2.pdf",
        "A-104 - Plan 4.pdf",
        "superseded/A-101 - Plan 1 (version 1).pdf",
        "superseded/A-102 - Plan 2 (version 1).pdf",
        "superseded/A-103 - Plan 3.pdf",
    ]
    await site.check_register()


@pytest.mark.parametrize("stored", ["memory"], indirect=True)
@pytest.mark.parametrize("shared", [False, True])
async def test_an_acc_ledger_is_made_again(tmp_path: Path, stored: Stored, shared: bool) -> None:
    world = World.acc(0, 3)
    if shared:  # one number for two sheets
        world.hubs[0].projects[0].sheets[1].number = "B-1001"
    async with hurried(world) as (simulator, session):
        site = StoredSite(simulator, session, tmp_path / "state", ADA, stored=stored)
        first = await site.sync()
        starts = simulator.counts()["endpoints"]
        site.lose_ledger()
        again = await site.sync()
        assert {each.state for each in again.values()} == {"unchanged"}
        assert {each.file for each in again.values()} == {each.file for each in first.values()}
        names = [name for name in starts if "start" in name]
        assert {name: simulator.counts()["endpoints"][name]["calls"] for name in names} == {
            name: starts[name]["calls"] for name in names
        }


async def test_a_folders_lost_ledger_is_made_again(tmp_path: Path) -> None:
    async with hurried(World.single_folder(4)) as (simulator, session):
        site = Site(simulator, session, tmp_path)
        await site.sync()
        for each in tmp_path.glob(f"{LEDGER_NAME}*"):
            each.unlink()
        (tmp_path / FIRST[0]).write_bytes(b"%PDF-1.4 edited %%EOF")
        found = await site.words()
        assert found.pop("A-101").startswith("refreshed")
        assert set(found.values()) == {"unchanged"}
        assert site.files() == [*FIRST, f"superseded/{FIRST[0]}"]


@pytest.mark.parametrize("renumbered", [1, 2, 3])
@pytest.mark.parametrize("prune", [False, True])
async def test_an_acc_sheet_that_was_renumbered_is_in_a_ledger_that_is_made_again(
    tmp_path: Path, renumbered: int, prune: bool
) -> None:
    """It keeps its id, so that the register has one source several times."""
    async with hurried(World.acc(0, 3)) as (simulator, session):
        site = Site(simulator, session, tmp_path, ADA)
        await site.sync()
        sheet = simulator.world.hubs[0].projects[0].sheets[0]
        for number in range(renumbered):
            sheet.number = f"A-90{number}"
            site.index()
            before = await site.words(prune=prune)

        def starts() -> list[int]:
            return [each["calls"] for name, each in simulator.counts()["endpoints"].items() if "start" in name]

        files, started = site.files(), starts()
        for each in tmp_path.glob(f"{LEDGER_NAME}*"):
            each.unlink()
        found = await site.words(prune=prune)
        withdrawn = {number for number, words in before.items() if words.startswith("withdrawn") and not prune}
        assert found.keys() == {"A-90" + str(renumbered - 1), "B-1002", "B-1003", *withdrawn}
        assert {number for number, words in found.items() if words != "unchanged"} == withdrawn
        assert site.files() == files
        assert starts() == started


DIGEST = "0" * 64
HOSTILE: list[dict[str, Any]] = [
    {"file": "../../etc/passwd.pdf"},
    {"file": "/etc/passwd.pdf"},
    {"file": "C:/x.pdf"},
    {"file": "a/../b.pdf"},
    {"file": "a\0.pdf"},
    {"file": ""},
    {"file": 7},
    {"file": "register.json"},
    {"file": ".aps-async.sqlite"},
    {"file": "A-102 - Plan 2.pdf"},
    {"file": "a-102 - PLAN 2.pdf"},
    {"fileSource": None},
    {"fileSource": "urn:adsk.wipprod:dm.lineage:AAAAAAAAAAAAAAAAAAAAAA"},
    {"fileSource": "https://example.com/?version=1"},
    {"fileSource": "SECOND"},
    {"size": None},
    {"size": -1},
    {"size": 1 << 60},
    {"size": "12"},
    {"sha256": None},
    {"sha256": DIGEST[:-1]},
    {"sha256": "g" * 64},
    {"state": "owned"},
    {"options": ["output_name"]},
    {"options": ["__class__"]},
    {"options": ["markups", "markups"]},
    {"collectionId": "x' OR 1=1"},
    {"exportedAt": None},
    {"exportedAt": "yesterday"},
    {"exportedAt": "2026-01-01T00:00:00"},
    {"exportedAt": "0001-01-01T00:00:00+00:00"},
]


@pytest.fixture
async def one_site(tmp_path: Path) -> AsyncIterator[Callable[[Stored], StoredSite]]:
    """As `site`, for a storage that the test chooses."""
    async with hurried(World.single_folder(4)) as (simulator, session):
        yield lambda stored: StoredSite(simulator, session, tmp_path / "state", stored=stored)


@pytest.mark.parametrize("stored", ["memory"], indirect=True)
async def test_a_registers_rows_are_not_trusted(one_site: Callable[[Stored], StoredSite], stored: Stored) -> None:
    site = one_site(stored)
    await site.sync()
    good = await site.register()
    second = good["sheets"][1]["fileSource"]
    before, starts = await asyncio.to_thread(stored.names), site.starts()
    for change in HOSTILE:
        site.lose_ledger()
        row = {**good["sheets"][0], **{name: second if value == "SECOND" else value for name, value in change.items()}}
        await site.write_register({**good, "sheets": [row, *good["sheets"][1:]]})
        with pytest.raises(LedgerError, match=r"register\.json") as caught:
            await site.sync()
        assert "run" in str(caught.value), change
        assert (await asyncio.to_thread(stored.names), site.starts()) == (before, starts), change
    for content in (
        b"",
        b"[",
        b"[]",
        b'{"form": 9}',
        b"[" * 100_000,
        b"\xff",
        json.dumps({**good, "form": 2}).encode(),
    ):
        site.lose_ledger()
        await stored.put("register.json", content)
        with pytest.raises(LedgerError, match=r"register\.json"):
            await site.sync()
    site.lose_ledger()
    await site.write_register({**good, "projectId": "another"})
    found = await site.sync()
    assert {each.state for each in found.values()} == {SheetState.NEW}
    assert len([each for each in await site.names() if each.startswith("superseded/")]) == 4
