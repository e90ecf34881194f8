"""Sheets whose names go round in a circle: each file gets the name of another one, without a number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aps_async.simulator import World
from aps_async.sync.naming import NamePattern
from tests.support import service, session_for
from tests.sync.test_sync import QUICK, Site

pytestmark = pytest.mark.looptime
BY_TITLE = NamePattern("{folder}/{title}")
FIRST = ("North", "South", "East", "West")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A BIM 360 project with A-101 to A-104 in its Plans folder."""
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        yield Site(simulator, session, tmp_path)


@pytest.mark.parametrize(
    ("titles", "numbered"),
    [
        (("South", "North", "East", "West"), set[str]()),
        (("South", "East", "North", "West"), set[str]()),
        (("South", "North", "West", "East"), set[str]()),
        (("SOUTH", "NORTH", "east", "West"), set[str]()),
        (("East", "North", "South", "North"), {"North (2)"}),
        (("North", "South", "East", "South"), {"South (2)"}),
    ],
    ids=["two swap", "three go round", "two pairs", "also in case", "with a real namesake", "no circle"],
)
@pytest.mark.parametrize("is_moved", [False, True], ids=["in place", "with their folder"])
async def test_no_file_keeps_a_number(site: Site, titles: tuple[str, ...], numbered: set[str], is_moved: bool) -> None:
    project = site.simulator.world.hubs[0].projects[0]
    sheets = dict(zip([f"A-{number}" for number in range(101, 105)], FIRST, strict=True))

    def retitle(names: tuple[str, ...]) -> None:
        for number, title in zip(sheets, names, strict=True):
            site.simulator.world.find_sheet(number).title = title
        site.index()

    retitle(FIRST)
    before = {each.number: each.path.read_bytes() for each in (await site.sync(pattern=BY_TITLE)).values() if each.path}
    retitle(titles)
    if is_moved:
        project.folders[0].name = project.folders[0].name.upper()
    for _ in range(2):
        found = await site.sync(pattern=BY_TITLE)
        assert {each.number: each.path.read_bytes() for each in found.values() if each.path} == before
        stems = {Path(file).stem for file in site.files()}
        assert stems == {*titles} | numbered
        assert {each.file for each in found.values()} == set(site.files())
    assert site.starts() == 4
