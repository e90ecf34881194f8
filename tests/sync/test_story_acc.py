"""Four weeks of ACC Sheets: collections, version sets, and a changed number, which is withdrawn and new."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from aps_async.downloads.object_storage import ObjectStorage
from aps_async.simulator import World
from aps_async.simulator.parts import BuildSheet, VersionSet
from tests.ledger.test_places import s3
from tests.storages import Bucket
from tests.support import service, session_for
from tests.sync.sheets import labels_of
from tests.sync.stories import UNHURRIED, Story

__all__ = ["s3"]
SHEETS: list[dict[str, str]] = [
    *({"number": f"B-{number}", "title": "Plan", "versionSet": "Issued"} for number in range(10, 30)),
    *(
        {"number": f"E-{number}", "title": "Plan", "versionSet": "East", "collection": "East"}
        for number in range(10, 20)
    ),
]
PROJECT = {
    "name": "Tower",
    "projectType": "ACC",
    "collections": [{"id": "c0000000-0000-4000-8000-000000000001", "name": "East"}],
    "sheets": SHEETS,
}
WORLD = {"users": [{"id": "ADA"}], "hubs": [{"projects": [PROJECT]}]}


@define(eq=False)
class AccStory(Story):
    """One of an ACC project."""

    @property
    def project(self) -> Any:
        """The project in the simulator."""
        return self.simulator.world.hubs[0].projects[0]

    def sheet(self, number: str) -> BuildSheet:
        """The latest revision of a sheet."""
        found: BuildSheet = [each for each in self.project.sheets if each.number == number][-1]
        return found

    def issue(self, name: str, *numbers: str) -> None:
        """A later version set with a revision of each."""
        serial = len(self.project.version_sets)
        first = self.sheet(numbers[0])
        issued = VersionSet(f"00000000-0000-4000-8000-{serial:012d}", name, f"203{serial}-01-01", first.collection)
        self.project.version_sets.append(issued)
        for number in numbers:
            old = self.sheet(number)
            self.project.sheets.append(
                BuildSheet(
                    id=f"10000000-0000-4000-8000-{len(self.project.sheets):012d}",
                    number=number,
                    title=old.title,
                    project=self.project,
                    version_set=issued,
                    order=old.order,
                    page=old.page,
                    collection=old.collection,
                )
            )
        self.simulator.world.index()


@pytest.fixture
async def story(tmp_path: Path, s3: dict[str, str]) -> AsyncIterator[AccStory]:
    """20 ungrouped sheets, and 10 in a collection."""
    bucket = Bucket(s3, "story-acc")
    storage = ObjectStorage("s3://story-acc", allow_http=True, **s3)
    how = {"user_id": "ADA", "batch": 1}  # a job for each sheet: pages of one PDF depend on what else is in it
    async with (
        service(World.from_json(WORLD), behaviour=UNHURRIED, speed=300) as simulator,
        session_for(simulator) as session,
    ):
        yield AccStory(simulator, session, tmp_path / "plans", tmp_path / "set.pdf", storage, bucket, how)
    bucket.close()


async def test_four_weeks_of_acc(story: AccStory) -> None:
    assert list((await story.week()).values()) == ["new"] * 30

    # The second: an addendum in one place and one in a collection, a deleted sheet, and another title.
    story.issue("Addendum 1", "B-10", "B-11", "B-12")
    story.issue("Addendum East", "E-10")
    story.sheet("B-20").deleted = True
    story.sheet("E-15").title = "Roof"
    story.simulator.world.index()
    second = await story.week()
    assert second == {
        **dict.fromkeys(("B-10", "B-11", "B-12"), "revised (Issued -> Addendum 1)"),
        "E-10": "revised (East -> Addendum East)",
        "B-20": "withdrawn: it is deleted",
        "E-15": "renamed: was E-15 - Plan",
    }

    # The third: another number is another sheet. A number that is in use in a collection stays with its sheet there.
    story.sheet("B-21").number = "C-21"
    story.sheet("B-22").number = "E-16"
    story.simulator.world.index()
    in_east = (story.folder / "E-16 - Plan.pdf").read_bytes()
    third = await story.week()
    assert third == {
        "C-21": "new",
        "B-21": "withdrawn: it is now C-21 - Plan",
        "E-16": "new",
        "B-22": "withdrawn: it is now E-16 - Plan",
    }
    assert (story.folder / "E-16 - Plan.pdf").read_bytes() == in_east
    assert (story.folder / "E-16 - Plan (2).pdf").is_file()

    # The fourth: revised once more, and a sheet comes back.
    story.issue("Addendum 2", "B-12", "C-21")
    story.sheet("B-20").deleted = False
    story.simulator.world.index()
    fourth = await story.week()
    assert fourth == {
        "B-20": "new",
        "B-12": "revised (Addendum 1 -> Addendum 2)",
        "C-21": "revised (Issued -> Addendum 2)",
    }

    there = story.there()
    now = {name: body for name, body in there.items() if not name.startswith("superseded/")}
    older = [name.removeprefix("superseded/") for name in there if name not in now]
    assert sorted(older) == [
        "B-10 - Plan (Issued).pdf",
        "B-11 - Plan (Issued).pdf",
        "B-12 - Plan (Addendum 1).pdf",
        "B-12 - Plan (Issued).pdf",
        "B-20 - Plan.pdf",
        "B-21 - Plan.pdf",
        "B-22 - Plan.pdf",
        "C-21 - Plan (Issued).pdf",
        "E-10 - Plan (East).pdf",
    ]
    stored = {each for each in story.bucket.keys() if each.endswith(".pdf")}  # noqa: SIM118 - its own method
    assert stored == set(there)
    in_bucket = await asyncio.to_thread(story.bucket.contents)
    differing = [name for name, body in there.items() if in_bucket[name] != body]
    assert differing == []
    assert labels_of(story.pdf) == sorted(each.partition(" ")[0] for each in now)

    shown = {(each.number, each.collection): each for each in story.project.sheets if not each.deleted}
    assert sorted(name.removesuffix(".pdf").removesuffix(" (2)") for name in now) == sorted(
        f"{each.number} - {each.title}" for each in shown.values()
    )
