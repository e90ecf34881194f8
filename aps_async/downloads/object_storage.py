"""`ObjectStorage`: verified files in S3 and compatible storages, Google's or Azure's; needs the extra `s3`.

It uses obstore (Rust's object_store, with typed asyncio bindings and no dependencies of its own), whose `put` uploads
any size in parts, such that the object appears as a whole or not at all.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

from attrs import frozen

from aps_async.downloads.filenames import checked_relative
from aps_async.downloads.storage import ReadableStorage, StoredFile, is_object_storage
from aps_async.downloads.target_paths import source_error, target_error
from aps_async.errors import InputError, TargetError
from aps_async.extras import needed
from aps_async.filesystem import at_home
from aps_async.lazy import regex
from aps_async.links import redact, redact_addresses
from aps_async.threads import ended

_CHUNK = 1 << 20
_SHA256 = "sha256"
"""The name of the metadata with an object's digest. A copy keeps it; objects of other programs do not have it."""


@frozen
class _Cloud:
    """How obstore is given the credentials of a cloud."""

    prefix: str
    """The beginning of its variables, in lower case."""
    settings: tuple[str, ...]
    """Any of these is enough, as a variable or an option; those joined by `+` only together."""
    advice: str
    other_variables: tuple[str, ...] = ()


_CLOUDS = {
    "s3": _Cloud(
        "aws_",
        (
            "access_key_id+secret_access_key",
            "web_identity_token_file",
            "container_credentials_relative_uri",
            "container_credentials_full_uri",
            "skip_signature",
            "metadata_endpoint",
        ),
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or AWS_METADATA_ENDPOINT to use the role of this machine",
    ),
    "gs": _Cloud(
        "google_",
        ("service_account", "service_account_path", "service_account_key", "application_credentials"),
        "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or GOOGLE_SERVICE_ACCOUNT_KEY to its "
        "content; or GCE_METADATA_HOST to use the account of this machine",
        ("GCE_METADATA_HOST",),
    ),
    "az": _Cloud(
        "azure_",
        (
            "account_key",
            "access_key",
            "master_key",
            "account_master_key",
            "sas_key",
            "sas_token",
            "token",
            "bearer_token",
            "client_id+client_secret",
            "federated_token_file",
            "use_azure_cli",
            "use_emulator",
            "skip_signature",
            "msi_endpoint",
            "fabric_session_token",
        ),
        "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_TOKEN; or "
        "AZURE_MSI_ENDPOINT to use the identity of this machine",
    ),
}

_CLIENT = frozenset(
    "allow_http allow_invalid_certificates connect_timeout default_content_type http1_only http2_only "  # noqa: SIM905
    "http2_keep_alive_interval http2_keep_alive_timeout http2_keep_alive_while_idle http2_max_frame_size "
    "pool_idle_timeout pool_max_idle_per_host proxy_ca_certificate proxy_excludes proxy_url randomize_addresses "
    "read_timeout root_certificate timeout user_agent".split()
)
"""Settings of obstore's HTTP client, which has variables and options for them too."""
# obstore gives a whole request 30 s and repeats it for 3 minutes: on a slow line, larger files could never be stored.
_READING = {"timeout": "1day", "read_timeout": "30s"}
"""While an answer is read, only a pause ends it."""
_WRITING = {"timeout": "5min"}
"""Of what is sent, obstore does not see that it advances, and an object is copied without a sign of life."""
_REPEATED_FOR = timedelta(minutes=6)  # one request that hung is repeated
_PART = 10 << 20  # bytes; a smaller file is sent with one request
_PARTS_AT_ONCE = 4
"""Those of one file share the line, and each has its own time limit. obstore's default is 12."""
_LAST_MOMENTS = 15.0
"""Seconds for which a cancelled upload may go on where obstore cannot abort it, and would leave its parts behind: while
it is created, and at its end."""

_CODE = regex(r"<Code>(\w{1,60})</Code>")
"""An error code of S3 or Azure, such as `NoSuchBucket`."""
_CALL = regex(
    r"Error performing \w+ \S+ in [\d.]+\w+"
    r"(?:, after \d+ retries, max_retries: \d+, retry_timeout: \S+)?\s+-\s+"
    r"(?:Server returned (?:non-2xx status code|error response): )?"
)
"""obstore's description of a call that failed."""

__all__ = ["ObjectStorage"]
__dir__: object = __all__.copy


class ObjectStorage(ReadableStorage):
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    Credentials, region and endpoint come from the variables `AWS_*`, `GOOGLE_*` or `AZURE_*`, or from `options`. Files
    are verified on this machine's disk before they are uploaded.

    Args:
        url: the bucket or container, and the prefix of all names.
        allow_http: allow an endpoint without encryption, for a server on this machine; as `AWS_ALLOW_HTTP` does.
        options: obstore's configuration, also that of its HTTP client, such as `endpoint="http://127.0.0.1:9000"` or
            `timeout="10min"`, which replaces our own limits.

    Raises:
        InputError: the address cannot be used, there are no credentials for it, or obstore is not installed.
    """

    def __init__(self, url: str, *, allow_http: bool = False, **options: str) -> None:
        self._url = url.rstrip("/")
        scheme = url.partition("://")[0].lower()
        if scheme not in _CLOUDS:
            raise InputError(f"{redact_addresses(url)} cannot be used as a storage: it is not s3://, gs:// or az://")
        is_object_storage(url)
        make = needed("obstore.store", "s3", "object storage").from_url
        settings = _settings(scheme, options)
        _check_credentials(self._url, scheme, settings)
        # Given any setting of its HTTP client, obstore ignores the variables of the others; among the other options, it
        # panics at one.
        client = {name: value for name, value in settings if name in _CLIENT}
        config = {name: value for name, value in options.items() if _plain(scheme, name) not in _CLIENT}
        if allow_http:
            client["allow_http"] = "true"
        repeated = {"retry_timeout": _REPEATED_FOR}
        try:
            self._store = make(self._url, config=config or None, client_options=_READING | client)
            self._writing = make(
                self._url, config=config or None, client_options=_WRITING | client, retry_config=repeated
            )
        except Exception as problem:  # noqa: BLE001 - its errors have no root of their own
            raise InputError(f"{self._url} cannot be used as a storage: {_explained(problem)}") from None
        self._staging = Path(tempfile.mkdtemp(prefix="aps-async-"))
        weakref.finalize(self, shutil.rmtree, self._staging, ignore_errors=True)

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return self._staging / stem

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        name = "/".join(checked_relative(name))
        location = f"{self._url}/{name}"
        try:
            await self._upload(file, name)
        except TargetError:  # the file on this machine
            raise
        except Exception as problem:  # noqa: BLE001 - the same
            raise TargetError(f"cannot store {location}: {_explained(problem)}", path=file) from None
        return location

    async def _upload(self, file: Path, name: str) -> None:
        import obstore

        # Not put_async: if cancelled, it leaves the uploaded parts behind, which cost money until they are removed.
        locally = partial(_locally, file, source_error)
        with await locally(file.open, "rb") as opened:
            digest = await locally(hashlib.file_digest, opened, "sha256")
            opened.seek(0)
            metadata = {_SHA256: digest.hexdigest()}
            uploading: Any = obstore.open_writer_async(
                self._writing, name, attributes=metadata, buffer_size=_PART, max_concurrency=_PARTS_AT_ONCE
            )
            async with AsyncExitStack() as stack:
                writer = await stack.enter_async_context(uploading)  # its exit aborts the upload after an error
                while chunk := await locally(opened.read, _CHUNK):
                    await _written(writer.write(chunk), is_safe=opened.tell() > _PART + _CHUNK)
                stack.pop_all()
                await _written(writer.close(), is_safe=opened.tell() < _PART)

    async def copy(self, name: str, to: str) -> bool:
        """See `Storage`."""
        import obstore

        name, to = "/".join(checked_relative(name)), "/".join(checked_relative(to))
        try:
            await obstore.copy_async(self._writing, name, to)
        except FileNotFoundError:
            return False
        except Exception as problem:  # noqa: BLE001 - the same
            where = f"{self._url}/{name} to {self._url}/{to}"
            raise TargetError(f"cannot copy {where}: {_explained(problem)}") from None
        return True

    async def check(self) -> None:
        """See `Storage`."""
        import obstore

        name = f".aps-async/check-{secrets.token_hex(8)}"
        try:
            await obstore.put_async(self._store, name, name.encode())
            try:
                found = await (await obstore.get_async(self._store, name)).bytes_async()
            finally:
                await obstore.delete_async(self._store, name)
        except Exception as problem:  # noqa: BLE001 - the same
            raise TargetError(f"cannot write to and read from {self._url}: {_explained(problem)}") from None
        if bytes(found) != name.encode():
            raise TargetError(f"cannot use {self._url}: what was written cannot be read back")

    def location(self, name: str) -> str:
        """See `ReadableStorage`."""
        return f"{self._url}/{'/'.join(checked_relative(name))}"

    async def find(self, name: str) -> StoredFile | None:
        """See `ReadableStorage`. The digest is metadata that `put` writes."""
        import obstore

        location = self.location(name)
        try:
            found = await obstore.get_async(self._store, "/".join(checked_relative(name)), options={"head": True})
        except FileNotFoundError:
            return None
        except Exception as problem:  # noqa: BLE001 - the same
            raise TargetError(f"cannot look at {location}: {_explained(problem)}") from None
        return StoredFile(size=found.meta["size"], sha256=found.attributes.get(_SHA256))

    async def fetch(self, name: str, file: Path) -> bool:
        """See `ReadableStorage`."""
        import obstore

        location, locally = self.location(name), partial(_locally, file, target_error)
        try:
            found = await obstore.get_async(self._store, "/".join(checked_relative(name)))
            opened = await locally(open, file, "wb", 0)  # unbuffered: closing it has nothing left to write
            with opened:
                async for chunk in found.stream(_CHUNK):
                    await locally(_write_all, opened, bytes(chunk))
        except TargetError:  # the file on this machine
            raise
        except FileNotFoundError:
            return False
        except Exception as problem:  # noqa: BLE001 - the same
            raise TargetError(f"cannot read {location}: {_explained(problem)}") from None
        return True

    async def remove(self, name: str) -> None:
        """See `ReadableStorage`."""
        import obstore

        location = self.location(name)
        try:
            await obstore.delete_async(self._store, "/".join(checked_relative(name)))
        except FileNotFoundError:
            return
        except Exception as problem:  # noqa: BLE001 - the same
            raise TargetError(f"cannot remove {location}: {_explained(problem)}") from None


async def _locally(
    file: Path, error: Callable[[Path, OSError], TargetError], work: Callable[..., Any], *arguments: object
) -> Any:
    """Works on a file of this machine in a thread: its FileNotFoundError says nothing about the storage."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as problem:
        raise error(file, problem) from problem


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _explained(problem: BaseException) -> str:
    """The response of a storage without the call, whose address may be very long and is named elsewhere."""
    text = str(problem).strip() or type(problem).__name__
    code = _CODE.search(text)
    line = _CALL.sub("", text.splitlines()[0].partition("<?xml")[0])[:300].rstrip(" :")
    return redact(f"{line} ({code[1]})" if code else line)


async def _written(work: Awaitable[object], *, is_safe: bool) -> None:
    """Waits for a step of an upload; if cancelled, for some seconds more, unless a cancellation here `is_safe`."""
    if is_safe:
        await work
        return
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    await ended(task, on_cancel=lambda: loop.call_later(_LAST_MOMENTS, task.cancel))


def _settings(scheme: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables of a cloud and then the options, by names in lower case and without the cloud's prefix."""
    variables = ((name, value) for name, value in os.environ.items() if name.lower().startswith(_CLOUDS[scheme].prefix))
    return [(_plain(scheme, name), str(value)) for name, value in (*variables, *options.items())]


def _plain(scheme: str, name: str) -> str:
    return name.lower().removeprefix(_CLOUDS[scheme].prefix)


def _check_credentials(url: str, scheme: str, settings: Iterable[tuple[str, str]]) -> None:
    """Refuses a storage without credentials: obstore would try the cloud's metadata address for minutes."""
    cloud = _CLOUDS[scheme]
    usable = {
        name.removeprefix("storage_")
        for name, value in settings
        if value.strip().lower() not in ("", "0", "false", "no", "off")
    }
    if any(usable.issuperset(each.split("+")) for each in cloud.settings):
        return
    if any(map(os.environ.get, cloud.other_variables)):
        return
    if scheme == "gs" and _gcloud_login().is_file():
        return
    raise InputError(f"{url} needs credentials, and there are none: {cloud.advice}")


def _gcloud_login() -> Path:
    """The file in which `gcloud auth application-default login` stores credentials."""
    above = Path(os.environ.get("APPDATA", "")) if os.name == "nt" else Path(at_home("~/.config"))
    return above / "gcloud" / "application_default_credentials.json"
