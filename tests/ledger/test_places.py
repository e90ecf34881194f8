"""A ledger whose files are in a storage: the same run twice, newer versions, and what others have changed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from aps_async import InputError, Session, export_many
from aps_async.downloads.folder import Folder
from aps_async.downloads.object_storage import ObjectStorage
from aps_async.downloads.storage import ReadableStorage
from aps_async.errors import TargetError
from aps_async.exports.project import project_requests
from aps_async.exports.targets import ledger_for, state_folder
from aps_async.ledger import Ledger
from aps_async.ledger.file_rows import Former
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.moves import Moves
from aps_async.ledger.places import FolderPlace, Place, StoragePlace
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.ledger.store import Store
from aps_async.models import StoredExport
from aps_async.simulator import Simulator, World
from tests.storages import (
    Bucket,
    Google,
    InMemory,
    ReadableInMemory,
    azure_server,
    azurite_command,
    google_key,
    make_container,
    s3_server,
)
from tests.support import served, service, session_for
from tests.sync.test_sync import QUICK, Site

needs_azurite = pytest.mark.skipif(azurite_command() is None, reason="Azurite is not installed: npm install -g azurite")
KINDS = ["memory", "folder", "s3", "gs", pytest.param("az", marks=needs_azurite)]


@define
class Stored:
    """A storage, and how to see what is in it."""

    storage: ReadableStorage
    names: Callable[[], list[str]]

    async def read(self, name: str, at: Path) -> bytes:
        assert await self.storage.fetch(name, at)
        return at.read_bytes()

    async def put(self, name: str, body: bytes) -> None:
        file = await self.storage.stage("theirs")
        file.write_bytes(body)
        await self.storage.put(file, name)


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as options:
        yield options


@pytest.fixture(params=KINDS)
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stored]:
    """Each kind of storage, empty."""
    folder = tmp_path / "storage"
    folder.mkdir()
    if request.param == "memory":
        memory = ReadableInMemory(folder)
        yield Stored(memory, lambda: sorted(memory.files))
    elif request.param == "folder":
        yield Stored(
            Folder(folder),
            lambda: sorted(
                each.relative_to(folder).as_posix()
                for each in folder.rglob("*")
                if each.is_file() and ".aps-async" not in each.parts
            ),
        )
    elif request.param == "s3":
        options: dict[str, str] = request.getfixturevalue("s3")
        bucket = Bucket(options, f"bucket-{tmp_path.name.replace('_', '-').lower()[-40:]}")
        storage = ObjectStorage(f"s3://{bucket.name}/2026", allow_http=True, **options)
        yield Stored(storage, lambda: sorted(each.removeprefix("2026/") for each in bucket.keys()))  # noqa: SIM118 - its own method
        bucket.close()
    elif request.param == "gs":
        google = Google()
        async with served(google.serve) as address:
            storage = ObjectStorage("gs://plans/2026", allow_http=True, service_account_key=google_key(address))
            yield Stored(storage, lambda: sorted(each.removeprefix("/plans/2026/") for each in google.files))
    else:
        import obstore

        with azure_server() as options:
            await make_container("plans", options)
            config: Any = options
            reader = obstore.store.AzureStore("plans", config=config, client_options={"allow_http": True})
            yield Stored(
                ObjectStorage("az://plans/2026", allow_http=True, **options),
                lambda: sorted(each["path"].removeprefix("2026/") for batch in obstore.list(reader) for each in batch),
            )


def known(name: str, body: bytes) -> KnownFile:
    import hashlib

    return KnownFile(name, len(body), hashlib.sha256(body).hexdigest())


async def places(stored: Stored, folder: Path) -> list[tuple[Place, Any]]:
    """The storage's place and a folder's, both with the same files, and their names."""
    files = {"A.pdf": b"one", "sub/B.pdf": b"two", "C.pdf": b"changed"}
    for name, body in files.items():
        await stored.put(name, body)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)

    def names() -> list[str]:
        return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())

    return [(StoragePlace(stored.storage), stored.names), (FolderPlace(folder), names)]


@asynccontextmanager
async def moves_in(place: Place, folder: Path) -> AsyncIterator[Moves]:
    """Moves in a place, with a ledger in a folder."""
    folder.mkdir()
    store = Store(folder / LEDGER_NAME)
    await store.open()
    try:
        yield Moves(store, place, "keep")
    finally:
        await store.close()


LOCAL = {
    "no folder": ("gone/A.pdf", "its folder does not exist"),
    "a file above": ("file/A.pdf", "is a file, not a folder"),
    "a folder": ("folder", "it is a folder"),
    "a full disk": ("/dev/full", "the disk is full"),
}


@pytest.mark.parametrize("local", LOCAL)
async def test_what_this_machine_cannot_take_is_not_missing_in_the_storage(
    stored: Stored, tmp_path: Path, local: str
) -> None:
    if isinstance(stored.storage, ReadableInMemory):
        pytest.skip("it has no errors of its own")
    name, words = LOCAL[local]
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    await stored.put("A.pdf", b"a")
    with pytest.raises(TargetError, match=f"cannot write {tmp_path / name}: .*{words}") as raised:
        await stored.storage.fetch("A.pdf", tmp_path / name)
    assert raised.value.path == tmp_path / name
    assert not await stored.storage.fetch("B.pdf", tmp_path / name)
    here = FolderPlace(tmp_path / "storage")
    (tmp_path / "storage" / "A.pdf").write_bytes(b"a")
    for place in (StoragePlace(stored.storage), here):
        with pytest.raises(TargetError, match=f"cannot write {tmp_path / name}: .*{words}"):
            await place.fetch("A.pdf", tmp_path / name)


async def test_a_staging_folder_that_is_gone_does_not_make_files_look_missing(stored: Stored) -> None:
    """Programs that clean up temporary files remove it in long runs."""
    await stored.put("A.pdf", b"a")
    place = StoragePlace(stored.storage)
    folder = (await stored.storage.stage("x")).parent
    shutil.rmtree(folder) if not isinstance(stored.storage, Folder) else folder.rename(folder.with_name("moved"))
    if not isinstance(stored.storage, ReadableInMemory):  # it has no errors of its own
        with pytest.raises(TargetError, match=r"cannot write .*its folder does not exist"):
            await place.read("A.pdf", -1)
    with pytest.raises(TargetError, match=r"cannot write .*its folder does not exist"):
        await place.write("B.pdf", [b"b"])


async def test_a_staged_file_that_is_gone_is_named(stored: Stored) -> None:
    if isinstance(stored.storage, ReadableInMemory):
        pytest.skip("it has no errors of its own")
    staged = await stored.storage.stage("never-made")
    with pytest.raises(TargetError, match=f"cannot read {staged}: No such file or directory") as raised:
        await stored.storage.put(staged, "A.pdf")
    assert raised.value.path == staged


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
async def test_a_file_of_a_folder_that_cannot_be_read_is_named_as_such(tmp_path: Path) -> None:
    """Not as one that cannot be written."""
    storage = Folder(tmp_path / "storage")
    (tmp_path / "storage" / "A.pdf").write_bytes(b"a")
    (tmp_path / "storage" / "A.pdf").chmod(0)
    words = f"cannot read {tmp_path / 'storage' / 'A.pdf'}: Permission denied"
    for call in (
        storage.find("A.pdf"),
        storage.fetch("A.pdf", tmp_path / "A.pdf"),
        storage.copy("A.pdf", "B.pdf"),
        FolderPlace(tmp_path / "storage").read("A.pdf", -1),
    ):
        with pytest.raises(TargetError, match=words):
            await call


async def test_a_storage_does_with_files_what_a_folder_does(stored: Stored, tmp_path: Path) -> None:
    ours = [known("A.pdf", b"one"), known("sub/B.pdf", b"two"), known("C.pdf", b"three")]
    for number, (place, names) in enumerate(await places(stored, tmp_path / "folder")):
        assert await place.are_whole(ours[:2])
        assert not await place.are_whole(ours)
        assert not await place.are_whole([known("missing.pdf", b"")])
        await place.move("A.pdf", "sub/A2.pdf")
        await place.move("A.pdf", "sub/A2.pdf")
        with pytest.raises(TargetError, match="A2"):
            await place.move("C.pdf", "sub/A2.pdf")
        assert await place.look("sub/A2.pdf") == known("sub/A2.pdf", b"one")
        assert await place.look("A.pdf") is None
        left = [Former(known("sub/A2.pdf", b"one"), "version 1"), Former(ours[2], "version 1")]
        async with moves_in(place, tmp_path / f"state{number}") as moves:
            await moves.put_away(1, left)
            assert await moves.move_aside(1, "sub/B.pdf") == "superseded/sub/B.pdf"
            assert await moves.move_aside(1, "sub/B.pdf") is None
            gone = ["superseded/C.pdf", "superseded/sub/A2 (version 1).pdf", "superseded/sub/B.pdf"]
            assert await asyncio.to_thread(names) == gone
            for _ in range(2):
                await moves.take_back()
            assert await asyncio.to_thread(names) == ["sub/B.pdf", *gone[:2]]
        await place.write("register.json", [b"1" * 50, b"1" * 50])
        assert await place.read("register.json", 10) == b"1" * 10
        assert await place.read("other.json", 10) is None
        assert await place.fetch("superseded/C.pdf", tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == b"changed"
        assert place.location("a/b.pdf").endswith("a/b.pdf")


async def test_what_gives_way_in_a_storage_is_copied(stored: Stored, tmp_path: Path) -> None:
    place, ours = StoragePlace(stored.storage), Former(known("A.pdf", b"one"), "version 1")
    async with moves_in(place, tmp_path / "state") as moves:
        assert await moves.make_way(1, ["A.pdf"], [ours]) == ()
        await stored.put("A.pdf", b"one")
        assert await moves.make_way(1, ["A.pdf"], [ours]) == ()
        both = ["A.pdf", "superseded/A (version 1).pdf"]
        assert await asyncio.to_thread(stored.names) == both
        await moves.take_back()  # the run was stopped here
        assert await asyncio.to_thread(stored.names) == ["A.pdf"]
        assert await moves.make_way(1, ["A.pdf"], [evolve(ours, version=None)]) == ()
        assert await asyncio.to_thread(stored.names) == ["A.pdf"]
    async with moves_in(place, tmp_path / "another") as moves:
        await moves.make_way(1, ["A.pdf"], [ours])
        await stored.put("A.pdf", b"two")
        await moves.take_back()  # it has been replaced, and the older one is kept
        assert await asyncio.to_thread(stored.names) == both
        note = "the file that was there had been changed; it is now superseded/A.pdf"
        assert await moves.make_way(1, ["A.pdf"], [ours]) == (note,)
        await stored.put("A.pdf", b"six")  # as long as the one before
        assert await moves.make_way(1, ["A.pdf"], [ours]) == (note.replace("A.pdf", "A (2).pdf"),)


@asynccontextmanager
async def hurried(world: World) -> AsyncIterator[tuple[Simulator, Session]]:
    """A fast simulator and its session. Storages have threads of their own, so their tests cannot have virtual time."""
    async with service(world, speed=20.0, behaviour=QUICK) as simulator, session_for(simulator) as session:
        yield simulator, session


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A project with four sheets."""
    async with hurried(World.single_folder(4)) as (simulator, session):
        yield Site(simulator, session, tmp_path / "state")


async def exported(session: Session, site: Site, stored: Stored, ledger: Ledger) -> list[StoredExport]:
    """All outcomes of one run, each with a file."""
    project = site.simulator.world.hubs[0].projects[0]
    run = export_many(session, project_requests(session, project.id), stored.storage, ledger=ledger)
    async with aclosing(run) as outcomes:
        found = [each async for each in outcomes]
    assert all(isinstance(each, StoredExport) for each in found), found
    return [each for each in found if isinstance(each, StoredExport)]


async def test_a_run_into_a_storage_is_not_repeated(site: Site, stored: Stored, tmp_path: Path) -> None:
    def ledger() -> Ledger:
        return ledger_for(stored.storage, tmp_path / "state")

    first = await exported(site.session, site, stored, ledger())
    assert not any(each.reused for each in first)
    names = await asyncio.to_thread(stored.names)
    assert sorted(each.names[0] for each in first) == names
    again = await exported(site.session, site, stored, ledger())
    assert all(each.reused for each in again)
    assert {each.locations for each in again} == {each.locations for each in first}
    assert site.starts() == 4

    item = next(iter(site.simulator.world.items.values()))
    before = await stored.read(names[0], tmp_path / "before")
    site.revise(item)
    await stored.put(names[1], b"%PDF-1.4 theirs")
    await stored.storage.remove(names[2])
    third = await exported(site.session, site, stored, ledger())
    assert [each.names[0] for each in third if not each.reused] != []
    assert sorted(each.reused for each in third) == [False, False, False, True]
    [warning] = [each.warnings for each in third if each.warnings]
    assert warning == (f"the file that was there had been changed; it is now superseded/{names[1]}",)
    older = f"superseded/{names[0].removesuffix('.pdf')} (version 1).pdf"
    assert await asyncio.to_thread(stored.names) == sorted([*names, older, f"superseded/{names[1]}"])
    assert await stored.read(older, tmp_path / "after") == before
    assert await stored.read(names[0], tmp_path / "after") != before
    assert all(each.reused for each in await exported(site.session, site, stored, ledger()))


async def test_a_ledger_needs_a_storage_that_can_be_read(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"InMemory does not have all of location, find, fetch, remove, copy"):
        ledger_for(InMemory(tmp_path))
    with pytest.raises(InputError, match="a state folder is for storages only"):
        ledger_for(tmp_path, tmp_path / "state")
    storage, other = ReadableInMemory(tmp_path), ReadableInMemory(tmp_path)
    targets: list[Any] = [other, tmp_path]
    for target in targets:
        with pytest.raises(InputError, match="this ledger is "):
            async for _ in export_many(site.session, [], target, ledger=ledger_for(storage, tmp_path)):
                pass


def test_every_address_has_its_own_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APS_STATE_DIR", str(tmp_path))
    assert state_folder("S3://plans/2026/") == state_folder("s3://plans/2026")
    addresses = ["s3://plans/2026", "s3://plans/2026/a", "gs://plans/2026", "s3://plans-2026", "s3://Plans/2026"]
    found = {state_folder(each) for each in addresses}
    assert len(found) == len(addresses)
    assert {each.parent for each in found} == {tmp_path}
    assert state_folder("s3://plans/2026").name.startswith("s3-plans-2026-")
    monkeypatch.delenv("APS_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_folder("s3://plans").is_absolute()
