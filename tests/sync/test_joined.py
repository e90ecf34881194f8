"""One PDF of a synced set: its order, what is not in it, and when it is written."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from aps_async.errors import InputError, MergeError, PruneLimitError, RegisterError, TargetError
from aps_async.ledger import LEDGER_NAME, Ledger
from aps_async.sync.joined import JoinedSet, SetSheet, checked_pdf, in_sheet_order, join_set
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.project import sync_project
from tests.sync.sheets import bookmarks_of, labels_of
from tests.sync.test_merge import attached
from tests.sync.test_sync import Site, site

pytestmark = pytest.mark.looptime

__all__ = ["site"]


async def joined(site: Site, file: Path, *, each: Callable[[], object] = bool, **how: Any) -> JoinedSet:
    """A sync with the set as one PDF; `each` is called with every outcome."""
    project = site.simulator.world.hubs[0].projects[0]
    found: list[JoinedSet] = []
    run = sync_project(site.session, project.id, site.folder, SyncOptions(merge=file, **how), on_joined=found.append)
    async for _ in run:
        each()
    [only] = found
    return only


async def test_what_a_sheet_lost_is_reported_as_long_as_the_set_is_the_same(tmp_path: Path) -> None:
    attached(tmp_path / "odd.pdf")

    async def join(number: str = "A-1") -> JoinedSet:
        async with Ledger(tmp_path) as ledger:
            return await join_set(ledger, [SetSheet("odd.pdf", number)], tmp_path / "set.pdf")

    first = await join()
    assert "1 attachment left out" in first.warnings[0]
    again = await join()
    assert (again.merged, again.warnings) == (None, first.warnings)
    other = await join("A-2")
    assert other.merged is not None
    assert other.warnings[0] == first.warnings[0].replace("A-1", "A-2")
    (tmp_path / LEDGER_NAME).unlink()
    lost = await join("A-2")
    assert (lost.merged is not None, lost.warnings) == (True, other.warnings), "nobody knew what was odd about it"


def test_sheets_come_in_the_order_of_their_numbers() -> None:
    numbers = ["A-10", "a-2", "M-1", "A-1.10", "A-1.9", "", "7", "10", "A-1"]
    ordered = in_sheet_order([SetSheet(f"{each}.pdf", each) for each in numbers])
    assert [each.number for each in ordered] == ["", "7", "10", "A-1", "A-1.9", "A-1.10", "a-2", "A-10", "M-1"]


async def test_the_set_is_written_when_something_changed(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "set.pdf"
    items = list(site.simulator.world.items.values())
    items[0].name = "A-1000"
    site.index()
    first = await joined(site, file)
    assert (first.merged and first.merged.pages, first.sheets, first.missing) == (4, 4, ())
    assert labels_of(file) == ["A-102", "A-103", "A-104", "A-1000"]
    assert bookmarks_of(file)[1] == (1, "A-102 - Plan 2", 0)

    before = file.stat()
    again = await joined(site, file)
    assert (again.merged, again.sheets, file.stat().st_mtime_ns) == (None, 4, before.st_mtime_ns)
    assert again.in_words == f"{file}: 4 sheets, up to date"

    changes: list[Callable[[], object]] = [
        lambda: site.revise(items[1]),
        lambda: setattr(items[1], "title", "Roof"),
        file.unlink,
    ]
    for change in changes:
        change()
        site.index()
        changed = await joined(site, file)
        assert changed.merged is not None
    assert bookmarks_of(file)[1] == (1, "A-102 - Roof", 0)

    file.write_bytes(file.read_bytes()[:-200])
    assert (await joined(site, file)).merged is not None
    with pikepdf.open(file, attempt_recovery=False) as pdf:
        assert len(pdf.pages) == 4


async def test_what_is_withdrawn_or_left_out_is_named_and_not_in_it(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "set.pdf"
    await joined(site, file)
    items = list(site.simulator.world.items.values())
    items[0].hidden = True
    site.revise(items[1])
    items[1].process_state = "PROCESSING_COPY"
    site.index()
    found = await joined(site, file)
    assert labels_of(file) == ["A-103", "A-104"]
    assert sorted(each[:40] for each in found.missing) == [
        "A-101 - Plan 1: withdrawn: it is hidden ",
        "A-102 - Plan 2: left out: version 2 is s",
    ]
    assert "2 sheets are not in it" in found.in_words
    assert len(site.files()) == 5  # four sheets, and the set


@pytest.mark.parametrize("folder", ["", "sub"])
async def test_a_set_in_the_folder_is_not_a_sheet(site: Site, folder: str) -> None:
    item = next(iter(site.simulator.world.items.values()))
    item.title = "SET"
    site.index()
    file = site.folder / folder / "set.pdf"
    file.parent.mkdir(exist_ok=True)
    pattern = NamePattern(f"{folder}/{{title}}" if folder else "{title}")
    first = await joined(site, file, pattern=pattern)
    assert first.merged is not None
    assert labels_of(file) == ["A-101", "A-102", "A-103", "A-104"]
    prefix = f"{folder}/" if folder else ""
    assert f"{prefix}SET (2).pdf" in site.files()
    assert (await joined(site, file, pattern=pattern)).merged is None
    assert len(site.files()) == 5


@pytest.mark.parametrize("name", ["a-101 - plan 1.pdf", "superseded/x.pdf", "Superseded/a/x.PDF"])
async def test_a_set_never_takes_the_place_of_a_sheet(site: Site, name: str) -> None:
    await site.sync()
    before = site.files()
    with pytest.raises(InputError, match="choose another"):
        await joined(site, site.folder / name)
    assert site.files() == before


@pytest.mark.parametrize("name", ["set", "set.pdf.zip", "s3://plans/set.pdf"])
def test_a_set_is_a_pdf_on_this_machine(name: str) -> None:
    with pytest.raises(InputError, match=r"ends in \.pdf|not a path"):
        SyncOptions(merge=name)


async def test_a_merge_that_fails_undoes_nothing(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "set.pdf"
    with pytest.raises(TargetError, match="its folder does not exist"):
        await joined(site, file)
    assert site.files() == [], "known before the first export"
    file.parent.mkdir()
    with pytest.raises(MergeError, match=r"set.pdf was not written, all else is done: .*missing"):
        await joined(site, file, each=lambda: shutil.rmtree(file.parent, ignore_errors=True))
    assert len(site.files()) == 4
    assert (site.folder / "register.json").is_file()
    file.parent.mkdir()
    file.write_bytes(b"what was there")
    for item in list(site.simulator.world.items.values()):
        item.hidden = True
    site.index()
    with pytest.raises(PruneLimitError, match="nothing was moved") as caught:
        await joined(site, file, prune=True, max_prune=1)
    assert "there is no sheet to join" in caught.value.__notes__[0]
    assert (
        "all else is done; what is there is of an earlier run: there is no sheet to join" in caught.value.__notes__[0]
    )
    assert file.read_bytes() == b"what was there"


@pytest.mark.parametrize("names", [("register.csv",), ("register.json",), ("register.csv", "register.json")])
async def test_a_register_that_cannot_be_written_is_reported_when_all_else_is_done(
    site: Site, tmp_path: Path, names: tuple[str, ...]
) -> None:
    await site.sync()
    for name in names:
        (site.folder / name).unlink()
        (site.folder / name).mkdir()
    gone = next(each for each in site.simulator.world.items.values() if each.kind == "Document")
    gone.hidden = True
    site.index()
    with pytest.raises(
        RegisterError, match=r"^all else is done: .*it is a folder.*close it; then run it again$"
    ) as caught:
        await joined(site, tmp_path / "set.pdf", prune=True)
    assert [name for name in ("register.csv", "register.json") if name in str(caught.value)] == sorted(names)
    assert len([name for name in site.files() if name.startswith("superseded/")]) == 1
    assert len(bookmarks_of(tmp_path / "set.pdf")) >= 3
    others = {"register.csv", "register.json"} - set(names)
    assert all(gone.name in (site.folder / name).read_text("utf-8-sig") for name in others)
    for name in names:
        (site.folder / name).rmdir()
    again = {"withdrawn: it is hidden or deleted"} if "register.json" in names else set[str]()
    assert set((await site.words(prune=True)).values()) == {"unchanged"} | again
    assert set((await site.words()).values()) == {"unchanged"}


def test_a_missing_package_is_known_before_the_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pikepdf", None)
    with pytest.raises(InputError, match=r"needs pikepdf, which is not installed: pip install 'aps-async\[pdf\]'"):
        checked_pdf("set.pdf")
