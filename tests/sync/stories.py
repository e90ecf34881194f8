"""A project that is synced each week into a folder, into S3 and into one PDF, which must agree."""

import csv
import hashlib
import io
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

from attrs import define

from aps_async import Session
from aps_async.downloads.object_storage import ObjectStorage
from aps_async.simulator import Behaviour, JobTime, Simulator
from aps_async.sync.joined import JoinedSet
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncOutcome
from aps_async.sync.project import sync_project
from tests.storages import Bucket

__all__ = ["UNHURRIED", "Story", "key"]
UNHURRIED = Behaviour(job_time=JobTime.fixed(1), jobs_forgotten_after=0, acc_url_life=1e6)
"""At this speed an hour takes seconds: the folder's jobs would be forgotten, or the links to their files expired, when
those of the storage are still good, so that one is exported again, as the project is now, and the other is not."""
_TIMEOUT = 60.0
"""Seconds for one export: of the usual time, little is left at the speed of the story."""


def key(sheet: SyncOutcome) -> str:
    """What a story calls a sheet."""
    return sheet.number or sheet.name


@define(eq=False)
class Story:
    """The project, its folder, its bucket and its PDF."""

    simulator: Simulator
    session: Session
    folder: Path
    pdf: Path
    storage: ObjectStorage
    bucket: Bucket
    how: dict[str, Any]
    """Options of every sync."""

    async def sync(self, target: Any, **how: Any) -> tuple[list[SyncOutcome], list[JoinedSet]]:
        """One sync, and what became of the PDF."""
        project = self.simulator.world.hubs[0].projects[0]
        found, joined = list[SyncOutcome](), list[JoinedSet]()
        state = self.folder.parent / "state" if target is self.storage else None
        options = SyncOptions(prune=True, **self.how, **how)
        run = sync_project(
            self.session, project.id, target, options, state=state, timeout=_TIMEOUT, on_joined=joined.append
        )
        async with aclosing(run) as outcomes:
            async for each in outcomes:
                found.append(each)
        return found, joined

    async def week(self) -> dict[str, str]:
        """Syncs everything; the three must agree. What differs from unchanged, by number."""
        found, [joined] = await self.sync(self.folder, merge=self.pdf)
        stored, _ = await self.sync(self.storage)
        changes = {key(each): each.in_words for each in found if each.state != "unchanged"}
        assert len({(each.id, each.number) for each in found}) == len(found), "one outcome for each sheet"
        in_storage = {key(each): each.in_words for each in stored if each.state != "unchanged"}
        in_folder = {number: words for number, words in changes.items() if not words.startswith("refreshed")}
        differing = set(in_storage.items()) ^ set(in_folder.items())
        assert not differing, differing
        assert joined.sheets + len(joined.missing) == len(found)
        self.check_registers(found)
        return changes

    def check_registers(self, found: list[SyncOutcome]) -> None:
        """The registers name every sheet as the sync did, with a file that is as they say."""
        for read in (lambda name: (self.folder / name).read_bytes(), self.bucket.contents().__getitem__):
            register = json.loads(read("register.json"))
            rows = register["sheets"]
            assert len(rows) == len(found)
            lines = list(csv.DictReader(io.StringIO(read("register.csv").decode("utf-8-sig"))))
            assert [line["file"] for line in lines] == [row.get("file") or "" for row in rows]
            for row in rows:
                if row.get("file"):
                    content = read(row["file"])
                    assert (hashlib.sha256(content).hexdigest(), len(content)) == (row["sha256"], row["size"]), row
                    assert row["fileSource"]
                    assert row["exportedAt"]
                if row["state"] == "withdrawn":
                    assert row["file"].startswith("superseded/")
        assert [row["state"] for row in register["sheets"]].count("left out") == sum(
            each.state == "left out" for each in found
        )

    def there(self) -> dict[str, bytes]:
        """Every PDF in the folder, those that gave way included."""
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in self.folder.rglob("*.pdf")}
