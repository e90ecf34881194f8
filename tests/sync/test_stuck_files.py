"""Files that cannot be moved: each is one named failure or warning, the rest goes on, and nothing is lost."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.errors import DiskFullError
from aps_async.filesystem import move_below
from aps_async.ids import bare_id
from aps_async.ledger import Ledger, places
from aps_async.ledger.file_rows import set_moves
from aps_async.sync.naming import NamePattern
from aps_async.sync.outcomes import SyncCounts
from tests.sync.test_sync import FIRST, Site, retitle, site

pytestmark = pytest.mark.looptime

__all__ = ["site"]

ROOF = NamePattern("{title}/{number}")
"""A-101 goes to the folder Roof, and the others to others."""


def a_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")


OBSTACLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "somebody's file": (lambda folder: a_file(folder / "Roof" / "A-101.pdf"), "another file has this name"),
    "a folder": (lambda folder: (folder / "Roof" / "A-101.pdf").mkdir(parents=True), "another file has this name"),
    "a file in place of the folder": (lambda folder: a_file(folder / "Roof"), "is in the place of"),
    "a link in place of the folder": (lambda folder: (folder / "Roof").symlink_to(folder.parent), "is in the place of"),
}


@pytest.mark.parametrize(("make", "words"), OBSTACLES.values(), ids=OBSTACLES)
async def test_a_file_that_cannot_be_renamed_is_one_failure(
    site: Site, make: Callable[[Path], object], words: str
) -> None:
    await site.sync()
    retitle(site.simulator.world.find_sheet("A-101"))
    site.index()
    make(site.folder)
    found = await site.sync(pattern=ROOF)
    failed = found.pop("A-101 - Roof")
    assert (failed.state, failed.ok, failed.file) == ("failed", False, FIRST[0])
    assert words in failed.in_words
    assert str(SyncCounts.of(found.values())) == "3 renamed"
    assert (site.folder / FIRST[0]).is_file()
    again = await site.sync()
    assert str(SyncCounts.of(again.values())) == "4 renamed"
    assert site.starts() == 4, "nothing was exported again"


async def test_a_busy_file_is_one_failure_and_a_full_disk_ends_the_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.sync()
    move = move_below
    number = errno.EACCES

    def busy(file: Path, folder: Path, parts: tuple[str, ...]) -> None:
        if "A-102" in file.name:
            raise OSError(number, os.strerror(number), str(file))
        move(file, folder, parts)

    monkeypatch.setattr(places, "move_below", busy)
    found = await site.words(pattern=NamePattern("{number}"))
    assert found.pop("A-102").startswith("failed: cannot write ")
    assert {each.partition(":")[0] for each in found.values()} == {"renamed"}
    number = errno.ENOSPC
    with pytest.raises(DiskFullError):
        await site.sync(pattern=NamePattern("{number}"))
    monkeypatch.setattr(places, "move_below", move)
    assert str(SyncCounts.of((await site.sync(pattern=NamePattern("{number}"))).values())) == "1 renamed, 3 unchanged"
    assert site.starts() == 4


PRUNED = "superseded/Roof/A-101.pdf"


async def half_moved(site: Site, target: str) -> None:
    """As a run leaves it that is killed after it has moved a file, and before it has recorded that."""
    retitle(site.simulator.world.find_sheet("A-101"))
    site.index()
    await site.sync(pattern=ROOF)
    project = bare_id(site.simulator.world.hubs[0].projects[0].id)
    async with Ledger(site.folder) as ledger:
        [known] = [each for each in await ledger.sheets.known(project) if each.name == "Roof/A-101"]
        if target == PRUNED:
            await ledger.sheets.withdraw(known)
            return
        moves = [(known.files[0].name, target)]
        await ledger._store.call(lambda db: set_moves(db, known.record, moves))
        await ledger.place.move(*moves[0])


async def test_a_withdrawn_file_that_cannot_be_moved_back_keeps_nobody_from_going_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await half_moved(site, PRUNED)
    body = (site.folder / PRUNED).read_bytes()
    a_file(site.folder / "Roof")  # the folder was empty, and is gone
    caplog.set_level(logging.WARNING)
    found = await site.words(pattern=ROOF)
    [warned] = [each.getMessage() for each in caplog.records if "cannot be moved back" in each.getMessage()]
    assert PRUNED in warned
    assert found.pop("A-101").startswith("failed: ")
    assert {each.partition(":")[0] for each in found.values()} == {"unchanged"}
    assert (site.folder / PRUNED).read_bytes() == body
    assert (site.folder / "Roof").read_bytes() == b"mine"
    (site.folder / "Roof").unlink()
    assert set((await site.words(pattern=ROOF)).values()) == {"unchanged"}
    assert (site.folder / "Roof" / "A-101.pdf").read_bytes() == body
    assert not (site.folder / PRUNED).exists()


async def test_a_renamed_file_that_cannot_be_moved_back_keeps_its_new_name(site: Site) -> None:
    await half_moved(site, "A-101 - Roof.pdf")
    body = (site.folder / "A-101 - Roof.pdf").read_bytes()
    a_file(site.folder / "Roof")
    assert {each.partition(":")[0] for each in (await site.words()).values()} == {"renamed"}
    assert set((await site.words()).values()) == {"unchanged"}
    assert (site.folder / "A-101 - Roof.pdf").read_bytes() == body
    assert site.starts() == 4
