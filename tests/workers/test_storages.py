"""Storages: a shared folder, and a real S3 server."""

import asyncio
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aps_async import InputError, Settings, bim360
from aps_async.downloads.object_storage import ObjectStorage
from aps_async.errors import TargetError
from aps_async.simulator import Behaviour, JobTime, World
from aps_async.workers import Database, Folder, RunStore, SharedQuotas, Worker, storage_for
from tests.storages import Bucket, s3_server
from tests.support import service, session_for


async def staged(storage: Any, body: bytes = b"%PDF-1.4 %%EOF") -> Path:
    path: Path = await storage.stage("one")
    path.write_bytes(body)
    return path


async def test_a_folder_takes_files_by_a_rename_and_shows_nothing_unfinished(tmp_path: Path) -> None:
    storage = storage_for(tmp_path / "plans")
    assert isinstance(storage, Folder)
    file = await staged(storage)
    assert [each.name for each in (tmp_path / "plans").iterdir()] == [".aps-async"]
    location = await storage.put(file, "Clinic/A-1.pdf")
    assert location == str(tmp_path / "plans" / "Clinic" / "A-1.pdf")
    assert Path(location).read_bytes() == b"%PDF-1.4 %%EOF"
    assert not file.exists()
    storage.discard(file)
    again = await staged(storage, b"%PDF-1.7 %%EOF")
    assert await storage.put(again, "Clinic/A-1.pdf") == location
    assert Path(location).read_bytes() == b"%PDF-1.7 %%EOF"
    dropped = await staged(storage)
    storage.discard(dropped)
    assert list((tmp_path / "plans" / ".aps-async").iterdir()) == []


async def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    location = Path(await storage.put(await staged(storage), "Clinic/A-1.pdf"))
    location.unlink()
    location.parent.rmdir()
    file = await staged(storage)
    assert await storage.put(file, "Clinic/A-1.pdf") == str(location)


async def test_what_dead_workers_left_goes_after_a_day(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    old, young = await staged(first), await first.stage("two")
    young.write_bytes(b"")
    os.utime(old, (time.time() - 90_000,) * 2)
    Folder(tmp_path)
    assert [each.name for each in (tmp_path / ".aps-async").iterdir()] == [young.name]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TargetError):
        storage_for(tmp_path / "file")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as options:
        yield options


@pytest.fixture
def read(s3: dict[str, str]) -> Iterator[Callable[[str], bytes]]:
    """What another client finds in the bucket."""
    bucket = Bucket(s3)
    yield bucket.read
    bucket.close()


async def test_objects_are_put_whole_under_their_prefix_and_replaced(
    s3: dict[str, str], read: Callable[[str], bytes]
) -> None:
    storage = ObjectStorage("s3://plans/2026", allow_http=True, **s3)
    small = await staged(storage)
    assert await storage.put(small, "Clinic/Ä 1.pdf") == "s3://plans/2026/Clinic/Ä 1.pdf"
    storage.discard(small)
    assert not small.exists()
    assert await asyncio.to_thread(read, "2026/Clinic/Ä 1.pdf") == b"%PDF-1.4 %%EOF"
    large = await staged(storage, os.urandom(12_000_000))  # in parts
    body = large.read_bytes()
    await storage.put(large, "Clinic/Ä 1.pdf")
    assert await asyncio.to_thread(read, "2026/Clinic/Ä 1.pdf") == body


async def test_what_object_storage_refuses_is_a_target_error_without_secrets(s3: dict[str, str]) -> None:
    storage = ObjectStorage("s3://no-such-bucket", allow_http=True, **s3)
    file = await staged(storage)
    with pytest.raises(TargetError, match=re.escape("cannot store s3://no-such-bucket/A-1.pdf")) as caught:
        await storage.put(file, "A-1.pdf")
    assert "canary" not in str(caught.value)
    assert file.exists()


def test_an_invalid_storage_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("gopher://plans", "memory://", "file:///plans", "http://plans", "s3:/plans", "", " "):
        with pytest.raises(InputError, match=r"not a path on this machine|must not be empty"):
            storage_for(address)
    with pytest.raises(InputError, match="cannot be used as a storage"):
        ObjectStorage("gopher://plans")
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(InputError, match=r"aps-async\[s3\]"):
        storage_for("s3://plans")


async def test_a_worker_delivers_to_object_storage(
    s3: dict[str, str], read: Callable[[str], bytes], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    store, quotas = RunStore(database), SharedQuotas(database)
    behaviour = Behaviour(job_time=JobTime.fixed(5))
    async with service(World.single_folder(5), speed=60, behaviour=behaviour) as simulator:
        project = simulator.world.hubs[0].projects[0].id
        sheets = simulator.world.sheets
        await store.enqueue((bim360.make_request(project, each.tip.id, name=each.name) for each in sheets), "Clinic")
        async with session_for(simulator, Settings().scaled(60), quotas=quotas) as session, asyncio.timeout(20):
            await Worker(session, database, storage_for("s3://plans/run")).run(until_done=True)
    await quotas.close()
    records = [each async for each in store.records()]
    assert len(records) == 5
    for each in records:
        assert each.outcome.ok
        assert each.outcome.path is None
        assert each.location == f"s3://plans/run/Clinic/{each.name}.pdf"
        body = await asyncio.to_thread(read, f"run/Clinic/{each.name}.pdf")
        assert hashlib.sha256(body).hexdigest() == each.sha256


HOSTILE = [
    "../x.pdf",
    "/x.pdf",
    "Clinic/../../x.pdf",
    "Clinic\\..\\x.pdf",
    "",
    "Clinic/",
    "//x.pdf",
    "C:/x.pdf",
    "a\0.pdf",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_folder_takes_no_name_that_leads_out_of_it(tmp_path: Path, name: str) -> None:
    storage = Folder(tmp_path / "plans")
    file = await staged(storage)
    with pytest.raises(InputError, match="cannot be used as a file name"):
        await storage.put(file, name)
    assert [path.name for path in tmp_path.iterdir()] == ["plans"]
    assert [path.name for path in (tmp_path / "plans").iterdir()] == [".aps-async"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_object_storage_takes_no_key_that_leads_out_of_its_prefix(s3: dict[str, str], name: str) -> None:
    storage = ObjectStorage("s3://no-such-bucket/2026", allow_http=True, **s3)
    with pytest.raises(InputError, match="cannot be used as a file name"):
        await storage.put(await staged(storage), name)


@pytest.mark.parametrize("name", ["Clinic/x.pdf", "Clinic/Level 1/x.pdf"])
@pytest.mark.parametrize("at", ["Clinic", "Clinic/Level 1"])
async def test_a_link_among_the_folders_is_not_followed(tmp_path: Path, name: str, at: str) -> None:
    storage = Folder(tmp_path / "plans")
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tmp_path / "plans" / at
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    file = await staged(storage)
    if at in name:
        with pytest.raises(TargetError, match="a link"):
            await storage.put(file, name)
        assert file.exists()
    else:
        await storage.put(file, name)
    assert list(outside.iterdir()) == []


async def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    storage = Folder(tmp_path / "plans")
    (tmp_path / "letter").write_bytes(b"mine")
    (tmp_path / "plans" / "Clinic").mkdir()
    (tmp_path / "plans" / "Clinic" / "x.pdf").symlink_to(tmp_path / "letter")
    location = Path(await storage.put(await staged(storage), "Clinic/x.pdf"))
    assert not location.is_symlink()
    assert (tmp_path / "letter").read_bytes() == b"mine"


def test_a_link_in_the_place_of_the_hidden_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    old = tmp_path / "outside" / "old"
    old.write_bytes(b"")
    os.utime(old, (time.time() - 90_000,) * 2)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / ".aps-async").symlink_to(tmp_path / "outside")
    with pytest.raises(TargetError, match="a link"):
        Folder(tmp_path / "plans")
    assert old.exists()


async def test_a_folder_on_a_file_system_of_short_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pathconf", lambda *_: 143)
    storage = Folder(tmp_path)
    places = [
        Path(await storage.put(await staged(storage), f"{'R' * 180}/{'A' * 170}{number}.pdf")) for number in range(3)
    ]
    assert len(set(places)) == 3
    for location in places:
        assert location.suffix == ".pdf"
        assert max(len(part) for part in location.relative_to(tmp_path).parts) <= 143
    assert await storage.put(await staged(storage), f"{'R' * 180}/{'A' * 170}0.pdf") == str(places[0])
