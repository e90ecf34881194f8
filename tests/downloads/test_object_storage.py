"""Object storages: nothing without credentials, whole objects only, and the older version kept."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
import pytest
from aiohttp import web

from aps_async import InputError
from aps_async.downloads.folder import Folder, storage_for
from aps_async.downloads.object_storage import ObjectStorage
from aps_async.downloads.storage import Storage, is_object_storage
from aps_async.errors import TargetError
from aps_async.exports.targets import target_for
from tests.storages import Bucket, InMemory, azure_server, azurite_command, google_key, make_container, s3_server
from tests.support import served

VARIABLES = ("AWS_", "GOOGLE_", "AZURE_", "GCE_")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No credentials of whoever runs this."""
    for name in [each for each in os.environ if each.startswith(VARIABLES)]:
        monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE", "APPDATA"):
        monkeypatch.setenv(name, str(folder))
    return folder


async def staged(storage: Storage, body: bytes) -> Path:
    path = await storage.stage(os.urandom(4).hex())
    path.write_bytes(body)
    return path


@pytest.mark.parametrize(
    ("address", "variables", "advice"),
    [
        ("s3://plans/2026", {}, "AWS_ACCESS_KEY_ID"),
        ("S3://plans", {"AWS_ACCESS_KEY_ID": "only half"}, "AWS_ACCESS_KEY_ID"),
        ("s3://plans", {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": " "}, "AWS_SECRET_ACCESS_KEY"),
        ("s3://plans", {"AWS_SKIP_SIGNATURE": "false", "AWS_REGION": "eu-west-1"}, "AWS_METADATA_ENDPOINT"),
        ("gs://plans", {}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs://plans", {"GOOGLE_SKIP_SIGNATURE": "true"}, "GCE_METADATA_HOST"),  # obstore asks all the same
        ("az://plans", {"AZURE_STORAGE_ACCOUNT_NAME": "office"}, "AZURE_STORAGE_ACCOUNT_KEY"),
        ("az://plans", {"AZURE_CLIENT_ID": "id", "AZURE_STORAGE_ACCOUNT_NAME": "office"}, "AZURE_MSI_ENDPOINT"),
    ],
)
def test_without_credentials_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, address: str, variables: dict[str, str], advice: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"needs credentials, and there are none: .*{advice}"):
        storage_for(address)


@pytest.mark.parametrize(
    ("address", "variables"),
    [
        ("s3://plans", {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}),
        ("s3://plans", {"AWS_SKIP_SIGNATURE": "true"}),
        ("s3://plans", {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:1"}),
        ("s3://plans", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials"}),
        ("gs://plans", {"GOOGLE_SERVICE_ACCOUNT_KEY": google_key("http://127.0.0.1:1")}),
        ("az://plans", {"AZURE_STORAGE_ACCOUNT_NAME": "office", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}),
        ("az://plans", {"AZURE_STORAGE_ACCOUNT_NAME": "office", "AZURE_STORAGE_SAS_TOKEN": "sv=2026&sig=x"}),
    ],
)
def test_with_credentials_there_is_a_storage(
    monkeypatch: pytest.MonkeyPatch, address: str, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert isinstance(storage_for(address), ObjectStorage)


@pytest.mark.parametrize(
    "address", ["http://plans", "file:///plans", "memory://", "s3a://plans", "abfs://plans", "plans"]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(InputError, match="it is not s3://, gs:// or az://"):
        ObjectStorage(address)


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:canary@plans/x",
        "S3://canary@plans",
        "s3://plans:9000/x",
        "az://plans/x?sv=1&sig=canary",
        "gs://plans#canary",
        "s3://plans/a#1",
        "s3://u:can/ary@plans",
    ],
)
def test_an_address_has_no_credentials(address: str) -> None:
    makes: list[Callable[[str], object]] = [ObjectStorage, storage_for, target_for, is_object_storage]
    for make in makes:
        with pytest.raises(InputError, match="without user, port") as caught:
            make(address)
        assert "canary" not in str(caught.value) or "#" in address


@pytest.mark.parametrize(
    "address",
    ["s3://plans/a//b", "s3://plans//a", "gs://plans/./a", "az://plans/a/../b", "S3://plans/..", "s3://p/a/ /b"],
)
def test_a_prefix_is_where_it_says(address: str) -> None:
    makes: list[Callable[[str], object]] = [ObjectStorage, storage_for, target_for, is_object_storage]
    for make in makes:
        with pytest.raises(InputError, match="of its prefix"):
            make(address)


@pytest.mark.parametrize("address", ["s3://plans/a@b/c:d", "gs://plans", "az://plans/x y/", "s3://plans/a..b/.c//"])
def test_other_characters_of_a_prefix_are_kept(address: str) -> None:
    assert is_object_storage(address)


async def check_replaced(storage: Storage) -> None:
    assert not await storage.copy("Clinic/A-1.pdf", "superseded/never.pdf")
    first = await storage.replace(await staged(storage, b"version 1"), "Clinic/A-1.pdf", "superseded/A-1 (none).pdf")
    second = await storage.replace(await staged(storage, b"version 2"), "Clinic/A-1.pdf", "superseded/A-1 (1).pdf")
    assert first == second
    await storage.replace(await staged(storage, b"version 3"), "Clinic/A-1.pdf", "superseded/A-1 (1).pdf")


REPLACED = {"Clinic/A-1.pdf": b"version 3", "superseded/A-1 (1).pdf": b"version 2"}


async def test_a_folder_keeps_the_older_version(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    await check_replaced(storage)
    found = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert {each.relative_to(tmp_path).as_posix(): each.read_bytes() for each in found} == REPLACED


async def test_a_folder_copies_no_link_and_nothing_from_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"canary")
    storage = Folder(tmp_path / "plans")
    (tmp_path / "plans" / "A-1.pdf").symlink_to(tmp_path / "secret")
    with pytest.raises(TargetError):
        await storage.copy("A-1.pdf", "superseded/A-1.pdf")
    for name, to in (("../secret", "a"), ("A-1.pdf", "../a"), ("A-1.pdf", "/a"), ("", "a")):
        with pytest.raises(InputError):
            await storage.copy(name, to)
    assert [each.name for each in (tmp_path / "plans").iterdir() if each.is_file()] == ["A-1.pdf"]


async def test_a_storage_of_ones_own_keeps_it_too(tmp_path: Path) -> None:
    storage = InMemory(tmp_path)
    await check_replaced(storage)
    assert storage.files == REPLACED


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as options:
        yield options


CLOUDS: dict[str, dict[str, str]] = {
    "s3": {"access_key_id": "id", "secret_access_key": "secret"},
    "gs": {"service_account_key": google_key("http://127.0.0.1:1")},
    "az": {"account_name": "office", "account_key": "a2V5"},
}


@pytest.mark.parametrize(("scheme", "prefix"), [("s3", "AWS"), ("gs", "GOOGLE"), ("az", "AZURE")])
@pytest.mark.parametrize(
    ("variables", "options", "reading", "writing"),
    [
        ({}, {}, {"timeout": "1day", "read_timeout": "30s"}, {"timeout": "5min"}),
        ({"TIMEOUT": "9min"}, {}, {"timeout": "9min", "read_timeout": "30s"}, {"timeout": "9min"}),
        ({"TIMEOUT": "9min"}, {"timeout": "8min"}, {"timeout": "8min", "read_timeout": "30s"}, {"timeout": "8min"}),
        (
            {"ALLOW_HTTP": "true", "CONNECT_TIMEOUT": "1min"},
            {},
            {"timeout": "1day", "read_timeout": "30s", "allow_http": "true", "connect_timeout": "1min"},
            {"timeout": "5min", "allow_http": "true", "connect_timeout": "1min"},
        ),
    ],
)
def test_no_request_with_a_file_is_limited_to_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    prefix: str,
    variables: dict[str, str],
    options: dict[str, str],
    reading: dict[str, str],
    writing: dict[str, str],
) -> None:
    """As obstore does: at 200 kB/s, a file of 8 MB was sent again and again until it was given up."""
    for name, value in variables.items():
        monkeypatch.setenv(f"{prefix}_{name}", value)
    storage: Any = ObjectStorage(f"{scheme}://plans", allow_http=False, **CLOUDS[scheme], **options)
    assert storage._store.client_options == reading
    assert storage._writing.client_options == writing


async def test_variables_of_the_http_client_are_heeded(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    bucket = Bucket(s3, "heeded")
    storage = ObjectStorage("s3://heeded", allow_http=False, **s3)
    await storage.check()
    assert await storage.put(await staged(storage, b"x"), "a.pdf") == "s3://heeded/a.pdf"
    assert await asyncio.to_thread(bucket.keys) == ["a.pdf"]
    bucket.close()


async def test_s3_keeps_the_older_version(s3: dict[str, str]) -> None:
    bucket = Bucket(s3, "replaced")
    await check_replaced(ObjectStorage("s3://replaced/2026", allow_http=True, **s3))
    keys = await asyncio.to_thread(bucket.keys)
    assert {key.removeprefix("2026/"): await asyncio.to_thread(bucket.read, key) for key in keys} == REPLACED
    bucket.close()


async def test_a_cancelled_upload_leaves_nothing_at_the_service(s3: dict[str, str]) -> None:
    bucket = Bucket(s3, "cancelled")
    storage = ObjectStorage("s3://cancelled", allow_http=True, **s3)
    upload = asyncio.ensure_future(storage.put(await staged(storage, os.urandom(40_000_000)), "large.pdf"))
    for _ in range(1000):
        if await asyncio.to_thread(bucket.unfinished_uploads):
            break
    else:
        pytest.fail("the upload went in one piece")
    assert not upload.done()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    for _ in range(600):
        if not await asyncio.to_thread(bucket.unfinished_uploads):
            break
        await asyncio.sleep(0.1)
    assert await asyncio.to_thread(bucket.unfinished_uploads) == 0
    assert await asyncio.to_thread(bucket.keys) == []
    bucket.close()


class HeldUploads:
    """A service that speaks the little of S3 that an upload needs, and does not answer one request until it may."""

    def __init__(self, held: str) -> None:
        self.asked: list[str] = []
        self.is_held, self.may_answer = asyncio.Event(), asyncio.Event()
        self._held = held

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        part = request.query.get("partNumber")
        what = f"PUT part {part}" if part else f"{request.method} {'&'.join(request.query.keys())}".strip()
        async for _ in request.content.iter_any():
            pass
        self.asked.append(what)
        if what == self._held:
            self.is_held.set()
            await self.may_answer.wait()
        if what == "POST uploads":
            return web.Response(
                text="<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            )
        if what == "POST uploadId":
            return web.Response(text='<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>')
        return web.Response(status=204 if request.method == "DELETE" else 200, headers={"ETag": '"1"'})


def uploads_to(address: str) -> ObjectStorage:
    keys = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    return ObjectStorage("s3://cancelled", allow_http=True, endpoint=address, **keys)


@pytest.mark.parametrize(
    ("held", "size", "last"),
    [
        pytest.param("POST uploads", 12_000_000, "DELETE uploadId", id="while it is created"),
        pytest.param("PUT part 1", 80_000_000, "DELETE uploadId", id="while it is read"),
        pytest.param("PUT part 2", 12_000_000, "POST uploadId", id="while its last part arrives"),
        pytest.param("POST uploadId", 12_000_000, "POST uploadId", id="while it is completed"),
        pytest.param("PUT", 1000, "PUT", id="in one piece"),
    ],
)
async def test_an_upload_that_is_cancelled_is_aborted_or_completed(held: str, size: int, last: str) -> None:
    service = HeldUploads(held)
    async with served(service.serve) as address:
        storage = uploads_to(address)
        upload = asyncio.ensure_future(storage.put(await staged(storage, bytes(size)), "large.pdf"))
        await service.is_held.wait()
        upload.cancel()
        await asyncio.sleep(0)
        service.may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await upload
    ends = ("DELETE uploadId", "POST uploadId", "PUT")
    assert [each for each in service.asked if each in ends] == [last]


@pytest.mark.parametrize("held", ["POST uploads", "PUT part 1", "PUT part 2", "POST uploadId"])
async def test_a_service_that_does_not_answer_holds_no_cancelled_upload(
    held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aps_async.downloads.object_storage._LAST_MOMENTS", 0.0)
    service = HeldUploads(held)
    async with served(service.serve) as address:
        storage = uploads_to(address)
        upload = asyncio.ensure_future(storage.put(await staged(storage, bytes(12_000_000)), "large.pdf"))
        await service.is_held.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        service.may_answer.set()


async def test_google_is_asked_as_its_manual_says() -> None:
    """There is no server to try it on, so these are the requests."""
    asked: list[tuple[str, str, str, bytes]] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        source = request.headers.get("x-goog-copy-source", "")
        asked.append((request.method, unquote(request.raw_path), unquote(source), await request.read()))
        if source and len(asked) == 1:
            return web.Response(status=404)
        return web.Response(headers={"ETag": '"one"'})

    async with served(serve) as address:
        key = google_key(address)
        storage = ObjectStorage("gs://plans/2026", allow_http=True, service_account_key=key)
        await storage.replace(await staged(storage, b"version 1"), "A-1.pdf", "superseded/A-1.pdf")
        location = await storage.replace(await staged(storage, b"version 2"), "A-1.pdf", "superseded/A-1.pdf")
    assert location == "gs://plans/2026/A-1.pdf"
    assert asked == [
        ("PUT", "/plans/2026/superseded/A-1.pdf", "plans/2026/A-1.pdf", b""),
        ("PUT", "/plans/2026/A-1.pdf", "", b"version 1"),
        ("PUT", "/plans/2026/superseded/A-1.pdf", "plans/2026/A-1.pdf", b""),
        ("PUT", "/plans/2026/A-1.pdf", "", b"version 2"),
    ]


async def test_what_google_refuses_is_a_target_error() -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")

    async with served(refuse) as address:
        key = google_key(address)
        storage = ObjectStorage("gs://plans", allow_http=True, service_account_key=key)
        with pytest.raises(TargetError, match=re.escape("cannot store gs://plans/A-1.pdf")):
            await storage.put(await staged(storage, b"version 1"), "A-1.pdf")
        with pytest.raises(TargetError, match=re.escape("cannot copy gs://plans/A-1.pdf to gs://plans/old.pdf")):
            await storage.copy("A-1.pdf", "old.pdf")


@pytest.mark.skipif(azurite_command() is None, reason="Azurite is not installed: npm install --global azurite")
async def test_azure_keeps_the_older_version_and_takes_large_files() -> None:
    with azure_server() as options:
        config: Any = options
        reader: Any = obstore.store.AzureStore("plans", config=config, client_options={"allow_http": True})
        storage = ObjectStorage("az://plans/2026", allow_http=True, **options)
        with pytest.raises(TargetError, match=re.escape("cannot store az://plans/2026/A-1.pdf")):
            await storage.put(await staged(storage, b"no container yet"), "A-1.pdf")
        await make_container("plans", options)
        await check_replaced(storage)
        large = os.urandom(25_000_000)
        assert await storage.put(await staged(storage, large), "large.pdf") == "az://plans/2026/large.pdf"
        found = {each["path"]: b"" for batch in obstore.list(reader) for each in batch}
        for name in found:
            found[name] = bytes(await (await obstore.get_async(reader, name)).bytes_async())
    assert found == {f"2026/{name}": body for name, body in {**REPLACED, "large.pdf": large}.items()}
