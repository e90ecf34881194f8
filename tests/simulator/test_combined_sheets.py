"""One PDF of several ACC sheets: its pages, what names them, what they cite, and how long it takes."""

import asyncio
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from aps_async import wait_for_export
from aps_async.resources import sheets
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.support import service, session_for
from tests.sync.sheets import bookmarks_of, labels_of, make_pdf

pytestmark = pytest.mark.looptime

USER = "BW9RM76WZBGL"


async def combined(simulator: Simulator, target: Path) -> list[str]:
    """Exports all sheets of the project into one PDF; returns their numbers as they were asked for."""
    project: Any = simulator.world.hubs[0].projects[0]
    async with session_for(simulator) as session:
        job = await sheets.start_export(session, project.id, [each.id for each in project.sheets], user_id=USER)
        await wait_for_export(session, job, target)
    return [each.number for each in project.sheets]


def pages_of(path: Path) -> list[list[str]]:
    """The lines of each page."""
    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded().splitlines() for page in document]


def own_numbers(path: Path, numbers: list[str]) -> list[str]:
    """The number of each page, found by its place in the project, which only its own page says."""
    places = {f"Sheet {at + 1} of {len(numbers)}": number for at, number in enumerate(numbers)}
    return [next(places[line] for line in lines if line in places) for lines in pages_of(path)]


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("names", ["none", "labels", "bookmarks", "both"])
async def test_names_go_with_the_pages(tmp_path: Path, names: Any, *, given: bool) -> None:
    behaviour = Behaviour(acc_sheet_names=names, acc_sheet_pages="shuffled", job_time=JobTime.fixed(1))
    pdf = make_pdf(tmp_path / "given.pdf", pages=9).read_bytes() if given else None
    async with service(World.acc(0, 9), behaviour=behaviour, pdf=pdf) as simulator:
        for at, sheet in enumerate(simulator.world.hubs[0].projects[0].sheets if given else ()):
            sheet.page = at
        numbers = await combined(simulator, tmp_path / "out.pdf")
    labels, marks = labels_of(tmp_path / "out.pdf"), bookmarks_of(tmp_path / "out.pdf")
    if names in ("labels", "both"):
        assert sorted(labels) == sorted(numbers)
        assert labels != numbers
        assert given or labels == own_numbers(tmp_path / "out.pdf", numbers)
    if names in ("bookmarks", "both"):
        assert [page for _, _, page in marks] == list(range(9))
        assert given or [text.partition(" - ")[0] for _, text, _ in marks] == own_numbers(tmp_path / "out.pdf", numbers)
    else:
        assert marks == []


async def test_labels_may_lie(tmp_path: Path) -> None:
    behaviour = Behaviour(acc_sheet_names="as requested", acc_sheet_pages="shuffled", job_time=JobTime.fixed(1))
    async with service(World.acc(0, 9), behaviour=behaviour) as simulator:
        numbers = await combined(simulator, tmp_path / "out.pdf")
    assert labels_of(tmp_path / "out.pdf") == numbers != own_numbers(tmp_path / "out.pdf", numbers)


@pytest.mark.parametrize(("pages", "count", "different"), [
    ("in order", 9, 9), ("shuffled", 9, 9), ("one missing", 8, 8), ("one twice", 9, 8),
])  # fmt: skip
async def test_pages_may_be_lost_or_doubled(tmp_path: Path, pages: Any, count: int, different: int) -> None:
    behaviour = Behaviour(acc_sheet_pages=pages, job_time=JobTime.fixed(1))
    async with service(World.acc(0, 9), behaviour=behaviour) as simulator:
        numbers = await combined(simulator, tmp_path / "out.pdf")
    found = own_numbers(tmp_path / "out.pdf", numbers)
    assert (len(found), len(set(found))) == (count, different)
    assert (found == numbers) is (pages == "in order")


async def test_every_page_cites_others(tmp_path: Path) -> None:
    async with service(World.acc(0, 9), behaviour=Behaviour(job_time=JobTime.fixed(1))) as simulator:
        numbers = await combined(simulator, tmp_path / "out.pdf")
    for own, lines in zip(own_numbers(tmp_path / "out.pdf", numbers), pages_of(tmp_path / "out.pdf"), strict=True):
        others = {number for number in numbers if number != own and any(number in line.split() for line in lines)}
        assert len(others) == 2, "in the round references"
        assert {number for number in numbers if any(line.endswith(f"See {number}.") for line in lines)} == others


async def test_a_job_takes_longer_the_more_sheets_it_has(tmp_path: Path) -> None:
    behaviour = Behaviour(acc_sheet_time=10, job_time=JobTime.fixed(1))
    async with service(World.acc(0, 9), behaviour=behaviour) as simulator:
        began = asyncio.get_running_loop().time()
        await combined(simulator, tmp_path / "out.pdf")
        assert 81 <= asyncio.get_running_loop().time() - began < 85
