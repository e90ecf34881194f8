"""Names that differ only in case or in the encoding of accents, which some file systems take for one name."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aps_async.errors import TargetError
from aps_async.ledger.places import FolderPlace
from aps_async.simulator import World
from aps_async.sync.naming import NamePattern
from tests.support import service, session_for
from tests.sync.test_sync import QUICK, Site

pytestmark = pytest.mark.looptime
BY_TITLE = NamePattern("{title}")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A BIM 360 project with A-101 to A-103 in its Plans folder."""
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        yield Site(simulator, session, tmp_path)


def retitle(site: Site, **titles: str) -> None:
    """Gives A-101, A-102, ... other titles."""
    for number, title in titles.items():
        site.simulator.world.find_sheet(number.replace("_", "-")).title = title
    site.index()


RENAMES = {
    "case": ("Ground floor", "Ground Floor"),
    "accents": ("Pe\u0301age", "P\u00e9age"),
    "one name": ("Lobby", "Foyer"),
}


@pytest.mark.parametrize(("before", "after"), RENAMES.values(), ids=RENAMES)
@pytest.mark.parametrize("is_new", [True, False], ids=["a new sheet", "another sheet"])
async def test_a_renamed_sheet_keeps_its_name_to_itself(site: Site, before: str, after: str, is_new: bool) -> None:
    late = site.simulator.world.find_sheet("A-102")
    late.hidden = is_new
    retitle(site, A_101=before)
    await site.sync(pattern=BY_TITLE)
    retitle(site, A_101=after)
    await site.sync(pattern=BY_TITLE)
    late.hidden = False
    retitle(site, A_102=after)
    found = await site.sync(pattern=BY_TITLE)
    words = {each.number: each.in_words for each in found.values()}
    assert words == {
        "A-101": "unchanged",
        "A-102": "new" if is_new else "renamed: was A-102 - Plan 2",
        "A-103": "unchanged",
    }
    paths = [each.path for each in found.values()]
    assert len(set(paths)) == 3, "each has a file of its own"
    assert all(path is not None and path.is_file() for path in paths)
    assert not (site.folder / "superseded").exists(), "no sheet's file gives way to another sheet's"
    assert {each.state for each in (await site.sync(pattern=BY_TITLE, verify=True)).values()} == {"unchanged"}
    assert site.starts() == 3


async def test_a_file_is_renamed_in_case_only_where_case_is_ignored(tmp_path: Path) -> None:
    """Such a file system shows one file under both names, as a hard link does here."""
    place = FolderPlace(tmp_path)
    (tmp_path / "ground.pdf").write_bytes(b"one")
    os.link(tmp_path / "ground.pdf", tmp_path / "Ground.pdf")
    await place.move("ground.pdf", "Ground.pdf")
    assert (tmp_path / "Ground.pdf").read_bytes() == b"one"
    os.link(tmp_path / "Ground.pdf", tmp_path / "other.pdf")
    (tmp_path / "GROUND.pdf").write_bytes(b"two")
    for target in ("other.pdf", "GROUND.pdf"):
        with pytest.raises(TargetError):
            await place.move("Ground.pdf", target)
    assert (tmp_path / "GROUND.pdf").read_bytes() == b"two"
