"""Four weeks of a project of 300 sheets, synced each week into a folder, into S3 and into one PDF."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pypdfium2
import pytest
from attrs import define

from aps_async.downloads.object_storage import ObjectStorage
from aps_async.settings import Settings
from aps_async.simulator import World
from aps_async.simulator.pages import Pages
from aps_async.simulator.parts import Folder, Item, Version
from tests.ledger.test_places import s3
from tests.storages import Bucket
from tests.support import service, session_for
from tests.sync.sheets import labels_of
from tests.sync.stories import UNHURRIED, Story

__all__ = ["s3"]
COUNT = 300
PATIENT = Settings(export_timeout=60_000)  # 200 s of the clock, which a loaded machine may need


@define(eq=False)
class Bim360Story(Story):
    """One of a BIM 360 project."""

    @property
    def items(self) -> dict[str, Item]:
        """The sheets by their numbers."""
        return {item.name: item for item in self.simulator.world.items.values() if item.kind == "Document"}

    def revise(self, *numbers: str) -> None:
        """A new version of each."""
        for number in numbers:
            item = self.items[number]
            version = item.tip.number + 1
            item.versions.append(Version(f"{item.tip.id.partition('?')[0]}?version={version}", version, item))
        self.simulator.world.index()

    def move(self, to: str, *numbers: str) -> None:
        """Into a folder below Plans, which is made."""
        root = self.items[numbers[0]].folder
        child = Folder(f"urn:adsk.wipprod:fs.folder:co.{to}", to, root.project, parent=root)
        child.actions, child.visible_types = root.actions, root.visible_types
        root.folders.append(child)
        for number in numbers:
            item = self.items[number]
            root.items.remove(item)
            child.items.append(item)
            item.folder = child
        self.simulator.world.index()

    def content(self, version: Version) -> bytes:
        """What an export of this version brings."""
        return bytes(self.simulator.state(Pages).content(version, markups=False, hyperlinks=False).head)


@pytest.fixture
async def project(tmp_path: Path, s3: dict[str, str]) -> AsyncIterator[Bim360Story]:
    """300 sheets, A-101 to A-403 without A-200, A-300 and A-400; a minute takes a fifth of a second."""
    bucket = Bucket(s3, "story")
    storage = ObjectStorage("s3://story", allow_http=True, **s3)
    async with (
        service(World.single_folder(COUNT), behaviour=UNHURRIED, speed=300) as simulator,
        session_for(simulator, PATIENT) as session,
    ):
        yield Bim360Story(simulator, session, tmp_path / "plans", tmp_path / "set.pdf", storage, bucket, {})
    bucket.close()


def numbers(first: int, last: int) -> Iterator[str]:
    yield from (f"A-{number}" for number in range(first, last + 1))


@pytest.mark.long
async def test_four_weeks(project: Bim360Story) -> None:
    # The first week: one sheet is still being processed.
    project.items["A-403"].process_state = "PROCESSING_COPY"
    project.simulator.world.index()
    first = await project.week()
    words = Counter(each.partition(":")[0] for each in first.values())
    assert words == {"new": COUNT - 1, "left out": 1}
    assert first["A-403"].startswith("left out: version 1 is still being processed")

    # The second: it is done, ten are revised, one of which is still being processed, and two are withdrawn.
    project.items["A-403"].process_state = "PROCESSING_COMPLETE"
    project.revise(*numbers(110, 119))
    project.items["A-119"].process_state = "PROCESSING_COPY"
    project.items["A-201"].hidden = project.items["A-202"].hidden = True
    project.simulator.world.index()
    second = await project.week()
    assert second.pop("A-403") == "new"
    assert "version 1 kept" in second.pop("A-119")
    assert all(second.pop(each).startswith("withdrawn: it is hidden or deleted") for each in ("A-201", "A-202"))
    assert second == dict.fromkeys(numbers(110, 118), "revised (1 -> 2)")

    # The third: another title, a set of its own, and a file that somebody edits.
    project.items["A-119"].process_state = "PROCESSING_COMPLETE"
    project.items["A-150"].title = "Roof"
    project.move("Structure", *numbers(301, 305))
    [edited] = project.folder.glob("A-160 *.pdf")
    mine = edited.read_bytes() + b"% a note\n"
    edited.write_bytes(mine)
    third = await project.week()
    assert third.pop("A-119") == "revised (1 -> 2)"
    assert third.pop("A-150").startswith("renamed: was A-150 - ")
    assert third.pop("A-160").startswith("refreshed: its file had been changed; the file that was there")
    assert third == {}, "another folder changes no file, unless the names say so"

    # The fourth: revised once more, one withdrawn sheet comes back, and one goes.
    project.revise(*numbers(115, 124))
    project.items["A-201"].hidden = False
    gone = project.items["A-399"]
    gone.folder.items.remove(gone)
    project.simulator.world.index()
    fourth = await project.week()
    assert fourth.pop("A-399").startswith("withdrawn")
    assert fourth.pop("A-201") in ("new", "refreshed: its file was missing"), fourth
    assert fourth == {
        **dict.fromkeys(numbers(115, 119), "revised (2 -> 3)"),
        **dict.fromkeys(numbers(120, 124), "revised (1 -> 2)"),
    }

    shown = {number: item for number, item in project.items.items() if not item.hidden}
    assert len(shown) == COUNT - 2
    now = {f"{number} - {item.title}.pdf": project.content(item.tip) for number, item in shown.items()}
    there = project.there()
    assert {name: body for name, body in there.items() if not name.startswith("superseded/")} == now
    stored = await asyncio.to_thread(project.bucket.contents)
    assert {each for each in stored if each.endswith(".pdf")} == set(there) - {"superseded/A-160 - Plan 60.pdf"}
    assert {name: stored[name] for name in now} == now
    older = {name: body for name, body in there.items() if name.startswith("superseded/")}
    assert mine in older.values()
    assert len(older) == 9 + 1 + 2 + 1 + 5 + 5 + 1, sorted(older)
    assert labels_of(project.pdf) == sorted(shown)
    with pypdfium2.PdfDocument(project.pdf) as document:
        assert len(document) == len(shown)
