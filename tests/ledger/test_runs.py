"""A repeated run does what is missing, and nothing else."""

import asyncio
import errno
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Literal

import pytest

from aps_async import (
    ExportFailedError,
    ExportOutcome,
    ExportRequest,
    ExportTimeoutError,
    InputError,
    Settings,
    bim360,
    export_many,
    start_export,
)
from aps_async.downloads.folder import Folder
from aps_async.errors import FolderInUseError, NotAllowedError, TargetError
from aps_async.ledger import Ledger, ledger_status, places
from aps_async.models import StoredExport
from aps_async.simulator import Behaviour, Fault, JobTime, World
from tests import kinds
from tests.ledger.support import fetches, files_in, requests_of, run, starts
from tests.storages import ReadableInMemory
from tests.support import service, session_for

pytestmark = pytest.mark.looptime

QUICK = Behaviour(job_time=JobTime.fixed(5))


async def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    async with service(World.single_folder(20)) as simulator, session_for(simulator) as session:
        first = await run(session, requests_of(simulator), tmp_path)
        delivered, asked = files_in(tmp_path), simulator.counts()["endpoints"]
        again = await run(session, requests_of(simulator), tmp_path)
        assert simulator.counts()["endpoints"] == asked, "the second run asked nothing"
    assert all(outcome.ok and not outcome.reused for outcome in first)
    assert all(outcome.ok and outcome.reused for outcome in again)
    assert [(each.path, each.size, each.ref) for each in again] == [(each.path, each.size, each.ref) for each in first]
    assert len(delivered) == 20
    assert files_in(tmp_path) == delivered


async def test_changed_and_deleted_files_are_fetched_again_without_another_start(tmp_path: Path) -> None:
    async with service(World.single_folder(5)) as simulator, session_for(simulator) as session:
        await run(session, requests_of(simulator), tmp_path)
        delivered, asked = files_in(tmp_path), starts(simulator)
        deleted, longer, same_size, *_ = delivered
        (tmp_path / deleted).unlink()
        (tmp_path / longer).write_bytes(delivered[longer] + b"\n")
        body = bytearray(delivered[same_size])
        body[len(body) // 2] ^= 1
        (tmp_path / same_size).write_bytes(body)
        again = await run(session, requests_of(simulator), tmp_path)
        assert starts(simulator) == asked
        assert fetches(simulator) == 5 + 3
    assert files_in(tmp_path) == delivered
    assert sum(outcome.reused for outcome in again) == 2


async def test_what_was_started_is_waited_for_and_what_was_not_is_started(tmp_path: Path) -> None:
    behaviour = Behaviour(job_time=JobTime.fixed(30))
    async with service(World.single_folder(150), behaviour=behaviour) as simulator:
        async with session_for(simulator) as session:
            async with aclosing(export_many(session, requests_of(simulator), tmp_path, ledger=True)) as outcomes:
                async for outcome in outcomes:
                    assert outcome.ok
                    break  # the first hundred are started, the quota has no room for more
            begun = starts(simulator)
            status = ledger_status(tmp_path)
            assert begun == 100
            assert (status.started + status.done, status.waiting, status.ended) == (100, 50, None)
            assert status.done >= 1
        async with session_for(simulator) as session:
            again = await run(session, requests_of(simulator), tmp_path)
        assert starts(simulator) == 150
        # what was on its way at the break, in the other slots, is fetched again; what was verified is not
        assert 150 <= fetches(simulator) < 150 + Settings().max_concurrent_downloads
    assert all(outcome.ok for outcome in again)
    assert sum(outcome.reused for outcome in again) == status.done
    assert ledger_status(tmp_path).is_complete


async def test_a_start_whose_answer_was_cut_off_is_the_only_one_repeated(tmp_path: Path) -> None:
    lost = Fault(endpoint="export_start", kind="hang", nth=(3,), after_effect=True)
    async with service(World.single_folder(5), behaviour=QUICK, faults=[lost]) as simulator:
        async with session_for(simulator) as session:
            outcomes = export_many(session, requests_of(simulator), tmp_path, ledger=True)
            async with aclosing(outcomes):
                seen = [await anext(outcomes) for _ in range(4)]
            assert all(outcome.ok for outcome in seen)
        async with session_for(simulator) as session:
            again = await run(session, requests_of(simulator), tmp_path)
        assert all(outcome.ok for outcome in again)
        assert starts(simulator) == 6


async def test_a_killed_run_between_file_and_outcome_costs_no_second_download(tmp_path: Path) -> None:
    """`arriving` is on disk and the file has its name, but nobody has written down that it is done."""

    class Ending(Ledger):
        async def ended(self, record: object, outcome: ExportOutcome | StoredExport) -> tuple[str, ...]:
            assert record
            assert outcome.ok
            await asyncio.Event().wait()
            return ()

    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        async with aclosing(
            export_many(session, requests_of(simulator), tmp_path, ledger=Ending(tmp_path), max_concurrent_downloads=3)
        ) as outcomes:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await anext(outcomes)
        assert len(files_in(tmp_path)) == 3
        assert ledger_status(tmp_path).done == 0
        again = await run(session, requests_of(simulator), tmp_path)
        assert fetches(simulator) == 3
    assert all(outcome.ok and outcome.reused for outcome in again)
    assert ledger_status(tmp_path).done == 3


async def test_exit_codes_are_tried_again_each_in_its_way(tmp_path: Path) -> None:
    ways = [{"number": "A-1"}, {"number": "A-2", "fails": True}, {"number": "A-3", "never": True}]
    plan = {"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": ways}]}]}]}
    async with service(World.from_json(plan), behaviour=QUICK) as simulator, session_for(simulator) as session:
        first = await run(session, requests_of(simulator), tmp_path, timeout=60)
        assert [type(each.error) for each in first] == [type(None), ExportFailedError, ExportTimeoutError]
        status = ledger_status(tmp_path)
        assert (status.done, status.failed, status.is_complete) == (1, 2, False)
        assert [name for name, _ in status.failures] == ["A-2", "A-3"]
        assert "failed" in status.failures[0][1]
        begun = starts(simulator)
        again = await run(session, requests_of(simulator), tmp_path, timeout=60)
        assert starts(simulator) == begun + 1, "what failed starts anew; what was late is asked about"
    assert [each.reused for each in again] == [True, False, False]


async def test_a_job_that_the_service_has_forgotten_is_started_again(tmp_path: Path) -> None:
    async with service(World.single_folder(2), behaviour=QUICK) as simulator, session_for(simulator) as session:
        delivered = await run(session, requests_of(simulator), tmp_path)
        one = delivered[0].path
        assert one is not None
        body = one.read_bytes()
        one.unlink()
        simulator.add_fault(Fault(endpoint="export_status", kind="status", status=404, times=6))
        again = await run(session, requests_of(simulator), tmp_path)
        assert starts(simulator) == 3
    assert [each.reused for each in again] == [False, True]
    assert one.read_bytes() == body


async def test_a_forgotten_job_that_cannot_be_started_again_is_not_named(tmp_path: Path) -> None:
    async with service(World.single_folder(1), behaviour=QUICK) as simulator, session_for(simulator) as session:
        [delivered] = await run(session, requests_of(simulator), tmp_path)
        assert delivered.path is not None
        delivered.path.unlink()
        simulator.add_fault(Fault(endpoint="export_status", status=404))
        simulator.add_fault(Fault(endpoint="export_start", status=403))
        [outcome] = await run(session, requests_of(simulator), tmp_path)
    assert isinstance(outcome.error, NotAllowedError)
    assert (outcome.ref, outcome.polls) == (None, 0)


async def test_a_forgotten_job_waits_for_its_start_without_a_download_slot(tmp_path: Path) -> None:
    settings = Settings(budgets={"bim360.export_start": 2}, max_concurrent_starts=1)
    async with (
        service(World.single_folder(3), behaviour=Behaviour(job_time=JobTime.fixed(40))) as simulator,
        session_for(simulator, settings) as session,
    ):
        one, two, new = requests_of(simulator)
        simulator.add_fault(Fault(endpoint="export_status", status=403))
        failed, _ = await run(session, [one, two], tmp_path)
        simulator.clear_faults()
        assert failed.ref is not None
        del simulator.jobs.by_id[failed.ref.export_id]
        started = export_many(session, [one, two, new], tmp_path, ledger=True, max_concurrent_downloads=1)
        async with aclosing(started) as outcomes:
            first = await anext(outcomes)
            assert (first.request, first.ok, starts(simulator)) == (two, True, 2), "the quota lets nobody start yet"
            assert [each.ok async for each in outcomes] == [True, True]


async def test_names_stay_as_they_were(tmp_path: Path) -> None:
    async with service(World.single_folder(4), behaviour=QUICK) as simulator, session_for(simulator) as session:
        project = requests_of(simulator)[0].project_id
        alike = [bim360.make_request(project, each.tip.id, name="Plan") for each in simulator.world.sheets]
        first = {each.request: each.path for each in await run(session, alike, tmp_path)}
        assert sorted(path.name for path in first.values() if path) == [
            "Plan (2).pdf", "Plan (3).pdf", "Plan (4).pdf", "Plan.pdf",
        ]  # fmt: skip
        for path in first.values():
            assert path is not None
            path.unlink()
        again = {each.request: each.path for each in await run(session, alike[::-1], tmp_path)}
        assert again == first
        renamed = [bim360.make_request(project, each.tip.id, name="Other") for each in simulator.world.sheets]
        assert {each.path for each in await run(session, renamed, tmp_path)} == set(first.values())


async def test_the_same_request_twice_makes_two_files_each_time(tmp_path: Path) -> None:
    async with service(World.single_folder(1), behaviour=QUICK) as simulator, session_for(simulator) as session:
        twice = requests_of(simulator) * 2
        for reused in (False, True):
            outcomes = await run(session, twice, tmp_path)
            assert [each.reused for each in outcomes] == [reused, reused]
            assert len(files_in(tmp_path)) == 2


def two_versions(first: str = "Ground", second: str = "Ground") -> World:
    versions = [f"urn:adsk.wipprod:fs.file:vf.abcdefghijklmnopqrstuv?version={number}" for number in (1, 2)]
    item = {"number": "A-1", "title": first, "versions": versions}
    return World.from_json({"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": [item]}]}]}]})


@pytest.mark.parametrize("keep_older", [False, True])
async def test_a_newer_version_replaces_the_older_or_is_kept_beside_it(tmp_path: Path, keep_older: bool) -> None:
    async with service(two_versions(), behaviour=QUICK) as simulator, session_for(simulator) as session:
        project = simulator.world.hubs[0].projects[0].id
        [sheet] = simulator.world.sheets
        old, new = (bim360.make_request(project, each.id, name="A-1 - Ground") for each in sheet.versions)
        await run(session, [old], tmp_path)
        before = files_in(tmp_path)
        [outcome] = await run(session, [new], tmp_path, Ledger(tmp_path, keep_older=keep_older))
        after = files_in(tmp_path)
        assert not outcome.reused
        [again] = await run(session, [new], tmp_path, Ledger(tmp_path, keep_older=keep_older))
        assert again.reused
    if keep_older:
        assert list(after) == ["A-1 - Ground (version 2).pdf", "A-1 - Ground.pdf"]
        assert after["A-1 - Ground.pdf"] == before["A-1 - Ground.pdf"]
    else:
        assert list(after) == ["A-1 - Ground.pdf"]
    assert outcome.path is not None
    assert after[outcome.path.name] != before["A-1 - Ground.pdf"], "the simulator prints the version on the page"


@pytest.mark.parametrize("touched", [False, True])
async def test_a_newer_version_with_another_title_leaves_no_older_file_but_one_that_was_changed(
    tmp_path: Path, touched: bool
) -> None:
    async with service(two_versions(), behaviour=QUICK) as simulator, session_for(simulator) as session:
        project = simulator.world.hubs[0].projects[0].id
        [sheet] = simulator.world.sheets
        first, second = sheet.versions
        await run(session, [bim360.make_request(project, first.id, name="Ground")], tmp_path)
        if touched:
            (tmp_path / "Ground.pdf").write_bytes(b"notes of mine")
        await run(session, [bim360.make_request(project, second.id, name="Ground floor")], tmp_path)
        assert list(files_in(tmp_path)) == (["Ground floor.pdf", "Ground.pdf"] if touched else ["Ground floor.pdf"])
        [back] = await run(session, [bim360.make_request(project, first.id, name="Ground")], tmp_path)
        assert back.ok
        assert starts(simulator) == 2, "the older version's job is still known"
    assert list(files_in(tmp_path)) == ["Ground.pdf"]


async def test_other_options_replace_the_file_and_both_together_make_two(tmp_path: Path) -> None:
    async with service(World.single_folder(1), behaviour=QUICK) as simulator, session_for(simulator) as session:
        [plain], [marked] = requests_of(simulator), requests_of(simulator, markups=True)
        await run(session, [plain], tmp_path)
        before = files_in(tmp_path)
        await run(session, [marked], tmp_path)
        after = files_in(tmp_path)
        assert list(after) == list(before)
        assert after != before
        both = await run(session, [marked, plain], tmp_path)
        assert [each.reused for each in both] == [True, False]
        assert len(files_in(tmp_path)) == 2
        assert all(each.reused for each in await run(session, [plain, marked], tmp_path))


async def test_everything_is_exported_anew_when_that_is_asked_for(tmp_path: Path) -> None:
    """Markups change without a new version. A run of this kind that was stopped goes on like any other."""
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator, markups=True)
        await run(session, requests, tmp_path)
        before = files_in(tmp_path)
        anew = export_many(session, requests, tmp_path, ledger=Ledger(tmp_path, again=True), max_concurrent_downloads=1)
        async with aclosing(anew) as outcomes:
            first = await anext(outcomes)
            assert not first.reused
        assert starts(simulator) == 6
        after = await run(session, requests, tmp_path)
        assert any(each.reused for each in after)
        assert starts(simulator) == 6
        async with Ledger(tmp_path, again=True) as ledger:
            for reused in (False, True):
                outcomes_of_all = await run(session, requests, tmp_path, ledger)
                assert [each.reused for each in outcomes_of_all] == [reused] * 3
    assert files_in(tmp_path).keys() == before.keys()


async def test_references_from_elsewhere_are_kept_too(tmp_path: Path) -> None:
    async with service(World.single_folder(2), behaviour=QUICK) as simulator, session_for(simulator) as session:
        refs = [(await start_export(session, each)).ref for each in requests_of(simulator)]
        for reused in (False, True):
            outcomes = [each async for each in export_many(session, refs, tmp_path, ledger=True)]
            assert [each.reused for each in outcomes] == [reused, reused]
        assert (starts(simulator), fetches(simulator)) == (2, 2)


async def test_an_archive_that_was_unpacked_keeps_its_names(tmp_path: Path) -> None:
    async with service(kinds.world(), behaviour=QUICK) as simulator:
        scene = kinds.SCENES["acc-files-zip"]
        request = scene.request(simulator, "good")
        async with scene.session(simulator) as session:
            [first] = await run(session, [request], tmp_path, unpack=True)
            delivered = files_in(tmp_path)
            assert len(delivered) == 2
            [again] = await run(session, [request], tmp_path, unpack=True)
            assert again.reused
            assert set(again.unpacked) == set(first.unpacked)
            next(iter(first.unpacked)).unlink()
            [third] = await run(session, [request], tmp_path, unpack=True)
            assert not third.reused
            assert simulator.counts()["endpoints"]["files_export_start"]["calls"] == 1
    assert files_in(tmp_path).keys() == delivered.keys()


async def test_an_archive_kept_packed_is_unpacked_by_a_later_run_that_asks_for_it(tmp_path: Path) -> None:
    async with service(kinds.world(), behaviour=QUICK) as simulator:
        scene = kinds.SCENES["acc-files-zip"]
        request = scene.request(simulator, "good")
        async with scene.session(simulator) as session:
            await run(session, [request], tmp_path)
            assert [Path(name).suffix for name in files_in(tmp_path)] == [".zip"]
            [outcome] = await run(session, [request], tmp_path, unpack=True)
            assert outcome.reused
            assert [Path(name).suffix for name in files_in(tmp_path)] == [".pdf", ".pdf"]
            [again] = await run(session, [request], tmp_path, unpack=True)
            assert again.reused
        assert fetches(simulator) == 1


async def test_two_runs_at_once_in_one_folder(tmp_path: Path) -> None:
    async with service(World.single_folder(2), behaviour=QUICK) as simulator, session_for(simulator) as session:
        async with aclosing(export_many(session, requests_of(simulator), tmp_path, ledger=True)) as outcomes:
            await anext(outcomes)
            with pytest.raises(FolderInUseError, match=r"another run \(process \d+ on .+ since .+\) works in"):
                await run(session, requests_of(simulator), tmp_path)
            assert ledger_status(tmp_path).working is not None
        assert ledger_status(tmp_path).working is None
        assert all(each.ok for each in await run(session, requests_of(simulator), tmp_path))


async def test_a_ledger_is_for_one_folder_and_can_serve_several_runs(tmp_path: Path) -> None:
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match="use one folder"):
            await run(session, requests_of(simulator), tmp_path / "other", Ledger(tmp_path))
        async with Ledger(tmp_path, command="again") as ledger:
            await run(session, requests_of(simulator, 1), tmp_path, ledger)
            outcomes = await run(session, requests_of(simulator, 3), tmp_path, ledger)
            assert ledger.is_open
    assert [each.reused for each in outcomes] == [True, False, False]
    status = ledger_status(tmp_path)
    assert (status.done, status.older, status.command) == (3, 0, "again")
    assert status.size == sum(len(body) for body in files_in(tmp_path).values())


async def test_many_starts_at_once_and_a_source_that_is_taken_one_by_one(tmp_path: Path) -> None:
    async with service(World.single_folder(12), behaviour=QUICK) as simulator:
        async with session_for(simulator, Settings(max_pending_exports=3)) as session:
            taken: list[int] = []

            def source() -> Iterator[ExportRequest]:
                for number, each in enumerate(requests_of(simulator)):
                    taken.append(number)
                    yield each

            outcomes = export_many(session, source(), tmp_path, ledger=True)
            async with aclosing(outcomes):
                await anext(outcomes)
                assert len(taken) <= 5, "only what there is room for"
            again = await run(session, source(), tmp_path)
        assert starts(simulator) == 12
    assert all(each.ok for each in again)


async def test_what_the_ledger_holds_of_a_file_is_what_the_file_holds(tmp_path: Path) -> None:
    async with service(World.single_folder(2), behaviour=QUICK) as simulator, session_for(simulator) as session:
        await run(session, requests_of(simulator), tmp_path)
    with sqlite3.connect(tmp_path / ".aps-async.sqlite") as ledger:
        rows = ledger.execute("SELECT name, size, sha256 FROM files").fetchall()
    ledger.close()
    assert {name: (size, digest) for name, size, digest in rows} == {
        name: (len(body), hashlib.sha256(body).digest()) for name, body in files_in(tmp_path).items()
    }


def remove(file: Path) -> None:
    file.unlink()


def edit(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"% a note\n")


def edit_in_place(file: Path) -> None:
    """With the same size: only the hash shows it."""
    file.write_bytes(file.read_bytes().replace(b"%PDF-1.4", b"%PDF-1.5"))


@pytest.mark.parametrize("in_storage", [False, True], ids=["folder", "storage"])
@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(("change", "lost"), [(remove, "missing"), (edit, "changed"), (edit_in_place, "changed")])
async def test_an_outcome_says_why_a_file_was_not_used_again(
    tmp_path: Path, change: Callable[[Path], None], lost: str, verify: bool, in_storage: bool
) -> None:
    files = tmp_path / ("stored" if in_storage else "out")
    async with service(World.single_folder(2), behaviour=QUICK) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator)

        async def again() -> list[tuple[bool, str | None]]:
            storage = Folder(files) if in_storage else None
            ledger = Ledger(tmp_path / "out", storage=storage, verify=verify)
            async with aclosing(export_many(session, requests, storage or files, ledger=ledger)) as outcomes:
                found = {each.request.name: each async for each in outcomes}
            return [(found[each.name].reused, found[each.name].lost) for each in requests]

        assert await again() == [(False, None), (False, None)]
        change(next(files.glob(f"{requests[1].name}*")))
        assert await again() == [(True, None), (False, lost)]
        assert await again() == [(True, None), (True, None)]


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("after", [0.0, 0.5, 4.0])
async def test_two_runs_at_once_cannot_have_the_same_ledger(tmp_path: Path, after: float, is_open: bool) -> None:
    """They took requests of the other for their own, and exported each twice, under two names."""
    async with service(World.single_folder(3), behaviour=QUICK) as simulator, session_for(simulator) as session:
        requests, ledger = requests_of(simulator), Ledger(tmp_path)

        async def second() -> list[ExportOutcome]:
            await asyncio.sleep(after)
            return await run(session, requests, tmp_path, ledger=ledger)

        async with ledger if is_open else nullcontext():
            first, refused = await asyncio.gather(
                run(session, requests, tmp_path, ledger=ledger), second(), return_exceptions=True
            )
            assert isinstance(refused, FolderInUseError), refused
            assert "another run (with the same ledger) works in" in str(refused)
            assert isinstance(first, list)
            assert all(each.ok for each in first)
            if is_open:  # one after the other is allowed, also after a run that was left early
                async with aclosing(export_many(session, requests, tmp_path, ledger=ledger)) as outcomes:
                    await anext(outcomes)
                assert [each.reused for each in await run(session, requests, tmp_path, ledger=ledger)] == [True] * 3
        assert len(files_in(tmp_path)) == 3
        status = ledger_status(tmp_path)
        assert (status.done, status.older) == (3, 0)


class Guarded(ReadableInMemory):
    """A storage whose account may not delete."""

    may_delete = False

    async def remove(self, name: str) -> None:
        if not self.may_delete:
            raise TargetError(f"cannot remove {name}: AccessDenied")
        await super().remove(name)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("superseded", [None, "keep", "drop"])
@pytest.mark.parametrize("in_storage", [False, True])
async def test_a_replaced_file_that_cannot_be_removed_ends_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_storage: bool,
    superseded: Literal["keep", "drop"] | None,
    back: bool,
) -> None:
    """Such as on Windows, while somebody has it open. Not even the next run could begin then."""
    storage = Guarded(tmp_path / "staged") if in_storage else None
    (tmp_path / "staged").mkdir()
    out = tmp_path / "out"

    def refused(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def there() -> list[str]:
        return sorted(storage.files) if storage else sorted(p.relative_to(out).as_posix() for p in out.rglob("*.pdf"))

    async with service(two_versions(), behaviour=QUICK) as simulator, session_for(simulator) as session:
        project = simulator.world.hubs[0].projects[0].id
        [sheet] = simulator.world.sheets

        async def export(version: int, name: str) -> ExportOutcome:
            ledger = Ledger(out, superseded=superseded, storage=storage)
            request = bim360.make_request(project, sheet.versions[version].id, name=name)
            [outcome] = await run(session, [request], storage or out, ledger)  # type: ignore[arg-type]
            assert outcome.ok, outcome.error
            return outcome

        await export(0, "Ground")
        for each in ("remove_below", "_move"):
            monkeypatch.setattr(places, each, refused)
        outcome = await export(1, "Ground floor")
        assert len(outcome.warnings) == 1
        assert "could not be put away; the next run tries again: cannot " in outcome.warnings[0]
        assert {"Ground.pdf", "Ground floor.pdf"} <= set(there())
        again = await export(1, "Ground floor")
        assert (again.reused, again.warnings) == (True, ())
        if back:  # its name is not free yet
            assert (await export(0, "Ground")).ok
        monkeypatch.undo()
        Guarded.may_delete = True
        try:
            await export(*((0, "Ground") if back else (1, "Ground floor")))
        finally:
            Guarded.may_delete = False
        present = [each for each in there() if not each.startswith("superseded/")]
        assert present == (["Ground (2).pdf"] if back else ["Ground floor.pdf"])
        assert len(there()) == len(present) or superseded == "keep" or in_storage
