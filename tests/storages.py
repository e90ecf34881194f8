"""Servers that speak the languages of object storages, on loopback; and a storage of one's own."""

import hmac
import json
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
import boto3
from aiohttp import web

from aps_async.downloads.storage import StoredFile

ACCOUNT, KEY = "devstoreaccount1", "Y2FuYXJ5LWtleQ=="


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """moto: S3 over HTTP, in a thread; gives the options for it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "canary-secret",
    }
    server.stop()


class Bucket:
    """What another client finds in a bucket of moto's."""

    def __init__(self, options: dict[str, str], name: str = "plans") -> None:
        self.name = name
        self.client = boto3.client(
            "s3",
            endpoint_url=options["endpoint"],
            region_name=options["region"],
            aws_access_key_id="reader",
            aws_secret_access_key="secret",
        )
        self.client.create_bucket(Bucket=name)
        self._read: dict[str, tuple[str, bytes]] = {}

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def contents(self) -> dict[str, bytes]:
        """All that is in it, if that is less than a thousand files.

        What has the ETag of the last time is not read again: it is a digest of the content.
        """
        found = self.client.list_objects_v2(Bucket=self.name)
        assert not found["IsTruncated"]
        there = {str(each["Key"]): str(each["ETag"]) for each in found.get("Contents", [])}
        for key, etag in there.items():
            if self._read.get(key, ("",))[0] != etag:
                self._read[key] = (etag, self.read(key))
        return {key: self._read[key][1] for key in there}

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [str(each["Key"]) for each in found.get("Contents", [])]

    def unfinished_uploads(self) -> int:
        return len(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []))

    def close(self) -> None:
        self.client.close()


def azurite_command() -> str | None:
    """Azure's own emulator, if it is installed (`npm install --global azurite`)."""
    return shutil.which("azurite-blob")


@contextmanager
def azure_server() -> Iterator[dict[str, str]]:
    """Azurite's blob service; gives the options for it."""
    command = azurite_command()
    assert command is not None
    options = ["--blobPort", "0", "--blobHost", "127.0.0.1"]
    server = subprocess.Popen(  # noqa: S603 - found on the path by name
        [command, *options, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"],
        env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": str(Path(shutil.which("node") or command).parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        lines = iter(server.stdout.readline, "")
        address = next(line.rpartition(" ")[2].strip() for line in lines if "successfully listens on" in line)
        yield {"account_name": ACCOUNT, "account_key": KEY, "endpoint": f"{address}/{ACCOUNT}"}
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


async def make_container(name: str, options: dict[str, str]) -> None:
    """Makes a container, which the storage does not do itself."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    resource = f"/{ACCOUNT}{urlsplit(options['endpoint']).path}/{name}\nrestype:container"
    lines = ["PUT", *[""] * 11, *(f"{key}:{value}" for key, value in headers.items()), resource]
    digest = hmac.digest(b64decode(options["account_key"]), "\n".join(lines).encode(), "sha256")
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{b64encode(digest).decode()}"
    url = f"{options['endpoint']}/{name}?restype=container"
    async with (
        aiohttp.ClientSession() as http,
        http.put(url, headers=headers, skip_auto_headers=["Content-Type"]) as response,
    ):
        assert response.status == 201, await response.text()


class Google:
    """Objects as Google's XML interface gives and takes them, of what the storage uses; there is no emulator for it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request: `PUT`, `GET`, `HEAD` and `DELETE` of an object, and a copy."""
        name, source = unquote(request.path), unquote(request.headers.get("x-goog-copy-source", ""))
        self.asked.append(f"{request.method} {name}" + (f" from {source}" if source else ""))
        body = await request.read()
        if request.method == "PUT" and source:
            source = f"/{source.lstrip('/')}"
            if source not in self.files:
                return web.Response(status=404)
            self.files[name], self.metadata[name] = self.files[source], self.metadata[source]
            return web.Response(headers={"ETag": '"copy"'})
        if request.method == "PUT":
            self.files[name] = body
            self.metadata[name] = {key: value for key, value in request.headers.items() if "-meta-" in key.lower()}
            return web.Response(headers={"ETag": '"one"'})
        if name not in self.files:
            return web.Response(status=404)
        if request.method == "DELETE":
            del self.files[name]
            return web.Response(status=204)
        headers = {"ETag": '"one"', "Last-Modified": formatdate(0, usegmt=True), **self.metadata[name]}
        return web.Response(body=self.files[name], headers=headers)


def google_key(address: str) -> str:
    """A service account of a server on this machine, which takes no login."""
    nothing = {"private_key": "", "private_key_id": "", "client_email": ""}
    return json.dumps({"disable_oauth": True, "gcs_base_url": address, **nothing})


class InMemory:
    """The smallest storage: no more than the protocol asks of it."""

    def __init__(self, folder: Path, *refused: str) -> None:
        self.files: dict[str, bytes] = {}
        self.folder = folder
        self.refused = refused

    async def stage(self, stem: str) -> Path:
        return self.folder / stem

    async def put(self, file: Path, name: str) -> str:
        if name in self.refused:
            raise RuntimeError(f"{name} is not wanted")
        self.files[name] = file.read_bytes()
        return f"memory:{name}"

    async def copy(self, name: str, to: str) -> bool:
        if name not in self.files:
            return False
        self.files[to] = self.files[name]
        return True

    async def replace(self, file: Path, name: str, superseded: str) -> str:
        await self.copy(name, superseded)
        return await self.put(file, name)

    async def check(self) -> None:
        """It can always store."""

    def discard(self, file: Path) -> None:
        file.unlink(missing_ok=True)


class ReadableInMemory(InMemory):
    """The smallest storage that a ledger can do with; it knows no digests."""

    def location(self, name: str) -> str:
        return f"memory:{name}"

    async def find(self, name: str) -> StoredFile | None:
        return StoredFile(size=len(self.files[name])) if name in self.files else None

    async def fetch(self, name: str, file: Path) -> bool:
        if name in self.files:
            file.write_bytes(self.files[name])
        return name in self.files

    async def remove(self, name: str) -> None:
        self.files.pop(name, None)
