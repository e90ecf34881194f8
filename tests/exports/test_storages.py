"""Bulk exports that deliver to a storage instead of a folder."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async import DownloadError, InputError, Session, export_many
from aps_async.downloads.folder import Folder
from aps_async.exports.kinds import start_export
from aps_async.exports.wait import poll_export
from aps_async.ledger import Ledger
from aps_async.models import FailedExport, StoredExport
from aps_async.simulator import Behaviour, JobTime, World
from aps_async.workers.steps import deliver, poll_once, start
from tests.documents import entries_of
from tests.exports.test_bulk import requests_of
from tests.exports.test_bulk import run as run_into_folder
from tests.kinds import SCENES, world
from tests.storages import Bucket, InMemory, s3_server
from tests.support import service, session_for


async def run(session: Session, requests: Any, target: Any, **options: Any) -> list[StoredExport | FailedExport]:
    async with aclosing(export_many(session, requests, target, **options)) as outcomes:
        return [outcome async for outcome in outcomes]


def bodies(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket, and the variables for it."""
    with s3_server() as options:
        for name, value in options.items():
            monkeypatch.setenv(f"AWS_{name.upper()}", value)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        bucket = Bucket(options, "exports")
        yield bucket
        bucket.close()


async def test_sheets_reach_object_storage_as_they_reach_a_folder(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    async with service(World.single_folder(5), speed=60, behaviour=Behaviour(job_time=JobTime.fixed(5))) as simulator:
        requests = requests_of(simulator)
        async with session_for(simulator) as session, asyncio.timeout(30):
            await run_into_folder(session, requests, tmp_path / "folder")
            outcomes = await run(session, requests, "s3://exports/2026")
    wanted = bodies(tmp_path / "folder")
    assert len(wanted) == 5
    found = {key: await asyncio.to_thread(s3.read, key) for key in await asyncio.to_thread(s3.keys, "2026/")}
    assert found == {f"2026/{name}": body for name, body in wanted.items()}
    assert all(each.ok and each.path is None for each in outcomes)
    assert {f"{each.request.name}.pdf": each.size for each in outcomes} == {name: len(wanted[name]) for name in wanted}
    assert {each.locations for each in outcomes if each.ok} == {(f"s3://exports/2026/{name}",) for name in wanted}
    assert [each for each in (tmp_path / "temporary").rglob("*") if each.is_file()] == []


@pytest.mark.looptime
@pytest.mark.parametrize(("timeout", "words"), [(0, "its download took too long"), (60, "could not be stored in time")])
async def test_a_download_and_a_storage_that_take_too_long_are_told_apart(
    tmp_path: Path, timeout: float, words: str
) -> None:
    class Slow(Folder):
        async def put(self, path: Path, name: str) -> str:
            raise TimeoutError(f"{path.name} {name}")

    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        job = await start(session, requests_of(simulator)[0])
        while not job.status.is_final:
            await asyncio.sleep(10)
            job = await poll_once(session, job.ref)
        with pytest.raises(DownloadError, match=words):
            await deliver(session, job, Slow(tmp_path / "shared"), "A-101", timeout=timeout)


@pytest.mark.looptime
@pytest.mark.parametrize("kind", ["memory", "folder"])
async def test_any_storage_will_do(tmp_path: Path, kind: str) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    storage: Any = InMemory(staging) if kind == "memory" else Folder(tmp_path / "shared")
    async with service(World.single_folder(5)) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator)
        await run_into_folder(session, requests, tmp_path / "folder")
        outcomes = await run(session, requests, storage)
    assert all(each.ok for each in outcomes)
    wanted = bodies(tmp_path / "folder")
    if kind == "memory":
        assert storage.files == wanted
        assert {each.locations for each in outcomes if each.ok} == {(f"memory:{name}",) for name in wanted}
        assert list(staging.iterdir()) == []
    else:
        shared = tmp_path / "shared"
        assert [each.name for each in shared.iterdir() if each.is_dir()] == [".aps-async"]
        assert {each.name: each.read_bytes() for each in shared.iterdir() if each.is_file()} == wanted
        assert list((shared / ".aps-async").iterdir()) == []


@pytest.mark.looptime
async def test_what_the_storage_refuses_is_one_outcome(tmp_path: Path) -> None:
    async with service(World.single_folder(5)) as simulator, session_for(simulator) as session:
        requests = requests_of(simulator)
        storage = InMemory(tmp_path, f"{requests[2].name}.pdf")
        outcomes = await run(session, requests, storage)
    assert [(each.request, str(each.error)) for each in outcomes if not each.ok] == [
        (requests[2], f"{requests[2].name}.pdf is not wanted")
    ]
    assert len(storage.files) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.looptime
@pytest.mark.parametrize("unpack", [False, True])
async def test_an_archive_is_stored_whole_or_unpacked(tmp_path: Path, unpack: bool) -> None:
    staging, folder = tmp_path / "staging", tmp_path / "folder"
    staging.mkdir()
    storage = InMemory(staging)
    scene = SCENES["acc-files-zip"]
    async with service(world()) as simulator, scene.session(simulator) as session:
        request = scene.request(simulator, "good")
        await run_into_folder(session, [request], folder, unpack=unpack)
        # A job that was started before gives the same archive, to the byte.
        job = await start_export(session, request)
        [outcome] = await run(session, [job.ref], storage, unpack=unpack)
    assert outcome.ok
    assert outcome.unpacked == ()
    assert set(outcome.locations) == {f"memory:{name}" for name in storage.files}
    assert sorted(storage.files) == sorted(bodies(folder))
    if unpack:
        assert len(storage.files) > 1
        assert storage.files == bodies(folder)
    else:
        [name] = storage.files
        (tmp_path / name).write_bytes(storage.files[name])
        assert entries_of(tmp_path / name) == entries_of(folder / name)
    assert list(staging.iterdir()) == []


@pytest.mark.looptime
async def test_a_run_that_is_left_early_leaves_nothing_staged(tmp_path: Path) -> None:
    async with (
        service(World.single_folder(20)) as simulator,
        session_for(simulator) as session,
        aclosing(export_many(session, requests_of(simulator), InMemory(tmp_path))) as outcomes,
    ):
        async for _ in outcomes:
            break
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ftp://plans", "is not a path on this machine"),
        ("http://plans/2026", "is not a path on this machine"),
        ("gcs://plans", "is not a path on this machine"),
        (" s3://plans", "is not a path on this machine"),
        ("", "must not be empty"),
        ("s3://plans", "needs credentials"),
        (7, "and int is none of them"),
        (object(), "and object is none of them"),
    ],
)
async def test_another_target_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SKIP_SIGNATURE", "AWS_METADATA_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match=words):
            await run(session, requests_of(simulator), target)
        assert simulator.counts()["endpoints"].get("export_start", {"calls": 0})["calls"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["yes", "one's own"])
async def test_a_ledger_needs_more_than_a_storage(tmp_path: Path, kind: str) -> None:
    ledger = True if kind == "yes" else Ledger(tmp_path)
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match=r"a ledger needs a storage|is not for this storage"):
            await run(session, requests_of(simulator), InMemory(tmp_path), ledger=ledger)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("method", "returned", "words"),
    [
        ("put", None, r"put\(\) of Odd must return the location of .* as a text, not None"),
        ("put", Path("a.pdf"), r"put\(\) of Odd must return the location of .* as a text, not .*Path"),
        ("stage", None, r"stage\(\) of Odd must return a Path, not None"),
        ("stage", "a.pdf", r"stage\(\) of Odd must return a Path, not 'a.pdf'"),
    ],
)
async def test_what_a_storage_of_ones_own_must_return(
    tmp_path: Path, method: str, returned: object, words: str
) -> None:
    """A `put` without a `return` ended the whole run with a TypeError."""

    async def odd(*_: object) -> object:
        return returned

    storage = type("Odd", (InMemory,), {method: odd})(tmp_path)
    async with service(World.single_folder(2)) as simulator, session_for(simulator) as session:
        outcomes = await run(session, requests_of(simulator), storage)
        assert [type(each.error) for each in outcomes] == [InputError, InputError]
        for each in outcomes:
            assert re.search(words, str(each.error))
        job = await poll_export(session, await start_export(session, requests_of(simulator)[0]))
        with pytest.raises(InputError, match=words):
            await deliver(session, job, storage, "a")
    assert list(tmp_path.iterdir()) == []
