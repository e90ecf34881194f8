"""The files that ACC exports deliver: one combined PDF of sheets, one PDF, or a ZIP of PDFs."""

import asyncio
import random
from collections.abc import Callable, Generator

from .accjobs import AccJob
from .archives import make_zip
from .marks import LINK, marks_of
from .pages import Content, Naming, Pages, Painting
from .parts import BuildSheet, Version
from .routing import Services
from .strokes import SheetInfo

Building = Generator[None, None, Content]


class Results:
    """Makes and keeps them; pages are drawn one at a step, so that a large job does not stop everything else."""

    def __init__(self, simulator: Services) -> None:
        self._simulator = simulator

    def maker(self, job: AccJob) -> Callable[[int], Content]:
        """What the storage calls to get the bytes."""

        def make(revision: int) -> Content:
            found = self._kept(job, revision)
            if found is None:
                found = self._keep(job, revision, _run(self._build(job, revision)))
            return found

        return make

    async def prepare(self, job: AccJob) -> None:
        """Make the result before anybody opens the link."""
        if self._kept(job, 0) is not None:
            return
        building = self._build(job, 0)
        while True:
            try:
                next(building)
            except StopIteration as end:
                self._keep(job, 0, end.value)
                return
            await asyncio.sleep(0)

    def _kept(self, job: AccJob, revision: int) -> Content | None:
        return self._simulator.state(Pages).cache.get((job.id, revision))

    def _keep(self, job: AccJob, revision: int, content: Content) -> Content:
        self._simulator.state(Pages).cache.put((job.id, revision), content, len(content.head))
        return content

    def _build(self, job: AccJob, revision: int) -> Building:
        pages, title = self._simulator.state(Pages), job.options.output_name or job.project.name
        marks = marks_of(job.options, job.user.name or job.user.id)
        sheets = [one for one in job.inputs if isinstance(one, BuildSheet)]
        if sheets:
            shown = self._shown(sheets, job)
            naming = self._naming(sheets, shown)
            pdf = yield from pages.bind([self._sheet(one, revision) for one in shown], title, marks, naming)
            return Content.of(pdf)
        entries: list[tuple[str, bytes]] = []
        taken: set[str] = set()
        versions = [one for one in job.inputs if isinstance(one, Version)]
        for version in versions:
            name = version.item.name
            if self._simulator.behaviour.acc_zip_names == "stem":
                name = name.rpartition(".")[0]
            pdf = yield from pages.bind(pages.file_paintings(version, revision), name, marks)
            if job.path.endswith(".pdf"):
                return Content.of(pdf, version.item.padded_to)
            entries.append((_free_name(name, taken), pdf))
        return Content.of(make_zip(entries, self._simulator.behaviour.acc_zip))

    def _shown(self, sheets: list[BuildSheet], job: AccJob) -> list[BuildSheet]:
        """The sheets as their pages come."""
        pages, dice = list(sheets), random.Random(f"{self._simulator.seed}|{job.id}")  # noqa: S311 - a simulation's
        how = self._simulator.behaviour.acc_sheet_pages
        if how == "in order" or len(pages) < 2:
            return pages
        dice.shuffle(pages)
        if how == "one missing":
            pages.pop()
        elif how == "one twice":
            pages[0] = pages[-1]
            dice.shuffle(pages)
        return pages

    def _naming(self, sheets: list[BuildSheet], shown: list[BuildSheet]) -> Naming:
        how = self._simulator.behaviour.acc_sheet_names
        numbers = tuple(one.number for one in (sheets if how == "as requested" else shown))
        titled = tuple(f"{one.number} - {one.title}" if one.title else one.number for one in shown)
        return Naming(
            labels=numbers[: len(shown)] if how in ("labels", "both", "as requested") else (),
            bookmarks=titled if how in ("bookmarks", "both") else (),
        )

    def _sheet(self, sheet: BuildSheet, revision: int) -> Painting:
        info = SheetInfo(
            key=f"{self._simulator.seed}|{sheet.id}",
            number=sheet.number,
            title=sheet.title,
            project=sheet.project.name,
            index=sheet.order,
            total=len(sheet.project.sheets),
            revision=revision,
            references=_cited(sheet),
        )
        return Painting(info, sheet.page)


def _cited(sheet: BuildSheet) -> tuple[tuple[str, str], ...]:
    """Other sheets that this one refers to: text on its page that is not its own number."""
    sheets = sheet.project.sheets
    found = [sheets[(sheet.order + step) % len(sheets)] for step in (1, 2)]
    return tuple((one.number, f"{LINK}?sheet={one.id}") for one in found if one is not sheet)


def _run(building: Building) -> Content:
    while True:
        try:
            next(building)
        except StopIteration as end:
            found: Content = end.value
            return found


def _free_name(name: str, taken: set[str]) -> str:
    """`name.pdf`, numbered when something else in the archive is called so, whatever the case."""
    stem, number = name.replace("/", "_").replace("\\", "_"), 1
    found = f"{stem}.pdf"
    while found.lower() in taken:
        number += 1
        found = f"{stem} ({number}).pdf"
    taken.add(found.lower())
    return found
