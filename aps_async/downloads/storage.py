"""The protocols of storages, which are targets beside plain folders: `Storage`, and `ReadableStorage` for ledgers."""

import asyncio
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from attrs import frozen

from aps_async.errors import InputError, TargetError
from aps_async.lazy import regex
from aps_async.links import redact_addresses
from aps_async.narrowing import is_really
from aps_async.threads import of_caller

_log = logging.getLogger(__name__)

__all__ = [
    "ReadableStorage",
    "Storage",
    "StorageBelow",
    "StoredFile",
    "discard_from",
    "is_object_storage",
    "put_into",
    "staged_in",
]
__dir__: object = __all__.copy

_BUCKET = regex(r"(s3|gs|az)://", re.IGNORECASE)
_MORE = regex(r"[?#]|//[^/]*[@:]")
"""Parts of an address that obstore ignores or misunderstands."""
_UNNAMED = ("", ".", "..")


def is_object_storage(location: str) -> bool:
    """Whether this is an address in an object storage.

    Raises:
        InputError: it is, but has a user, port, query or fragment, or names in its prefix that are empty, `.` or `..`:
            obstore would store the files elsewhere than this address says.
    """
    found = _BUCKET.match(location)
    if found and _MORE.search(location, found.end() - 2):
        raise InputError(
            f"{redact_addresses(location)} cannot be used as a storage: the address is the bucket or container and a "
            "prefix, without user, port, ? and #; credentials come from variables such as AWS_ACCESS_KEY_ID"
        )
    prefix = location[found.end() :].rstrip("/").partition("/")[2] if found else ""
    if prefix and any(name.strip() in _UNNAMED for name in prefix.split("/")):
        raise InputError(
            f"{redact_addresses(location)} cannot be used as a storage: there is an empty name, '.' or '..' between "
            "two slashes of its prefix"
        )
    return bool(found)


class Storage(Protocol):
    """Stores verified files. One event loop uses it, for many files at once.

    Names have `/` between folders. Classes that derive from this one inherit `replace` and `discard`; others have to
    implement them.
    """

    async def stage(self, stem: str) -> Path:
        """Returns a path for this process alone, where a file or a folder is made and verified before `put`."""
        ...

    async def put(self, file: Path, name: str) -> str:
        """Puts a staged file under `name`, replacing what is there in one step; it may move the file.

        Returns:
            The location to show to users.

        Raises:
            InputError: the name could lead outside the storage.
            TargetError: the file cannot be stored now.
        """
        ...

    async def copy(self, name: str, to: str) -> bool:
        """Copies the file `name` to `to`, replacing what is there in one step; False if there is no file `name`.

        Raises:
            InputError: a name could lead outside the storage.
            TargetError: the file cannot be copied now.
        """
        ...

    async def replace(self, file: Path, name: str, superseded: str) -> str:
        """Puts a staged file under `name`, after copying the file that is there, if any, to `superseded`.

        Returns:
            The location to show to users.

        Raises:
            InputError: as `put`.
            TargetError: as `put`; the older file is then still in its place.
        """
        await self.copy(name, superseded)
        return await self.put(file, name)

    async def check(self) -> None:
        """Writes a small file, reads it back and removes it, to find out whether files can be stored now.

        Raises:
            TargetError: files cannot be stored now.
        """
        ...

    def discard(self, file: Path) -> None:
        """Removes what was staged, if it is still there."""
        with suppress(OSError):
            file.unlink(missing_ok=True)


@frozen(kw_only=True)
class StoredFile:
    """What a storage reports about a file."""

    size: int
    """Bytes."""
    sha256: str | None = None
    """Hexadecimal digits, as of `put`; None if the storage does not record it, so that the file has to be read."""


class ReadableStorage(Storage, Protocol):
    """A storage from which files can also be read and removed, which ledgers and syncs need.

    All methods raise InputError if a name could lead outside the storage, and TargetError if the storage fails.
    """

    def location(self, name: str) -> str:
        """The location of a file, to show to users."""
        ...

    async def find(self, name: str) -> StoredFile | None:
        """Returns size and hash of a file; None if there is none."""
        ...

    async def fetch(self, name: str, file: Path) -> bool:
        """Copies a stored file to a path on this machine; False if there is none."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a file, if there is one."""
        ...


class StorageBelow(ReadableStorage):
    """A subfolder of a storage, as a storage of its own.

    Args:
        storage: the whole storage.
        folder: the subfolder, with `/` between several.
    """

    def __init__(self, storage: ReadableStorage, folder: str) -> None:
        self._storage = storage
        self._folder = folder

    def _in_whole(self, name: str) -> str:
        return f"{self._folder}/{name}"

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return await self._storage.stage(stem)

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        return await self._storage.put(file, self._in_whole(name))

    async def copy(self, name: str, to: str) -> bool:
        """See `Storage`."""
        return await self._storage.copy(self._in_whole(name), self._in_whole(to))

    async def check(self) -> None:
        """See `Storage`."""
        await self._storage.check()

    def discard(self, file: Path) -> None:
        """See `Storage`."""
        self._storage.discard(file)

    def location(self, name: str) -> str:
        """See `ReadableStorage`."""
        return self._storage.location(self._in_whole(name))

    async def find(self, name: str) -> StoredFile | None:
        """See `ReadableStorage`."""
        return await self._storage.find(self._in_whole(name))

    async def fetch(self, name: str, file: Path) -> bool:
        """See `ReadableStorage`."""
        return await self._storage.fetch(self._in_whole(name), file)

    async def remove(self, name: str) -> None:
        """See `ReadableStorage`."""
        await self._storage.remove(self._in_whole(name))


def discard_from(storage: Storage, file: Path) -> None:
    """Discards what was staged. If that fails, the file may be stored all the same, so the error is only logged."""
    try:
        storage.discard(file)
    except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - the caller's own code may raise anything
        _log.warning("%s.discard() could not remove %s: %r", type(storage).__name__, file, problem)


async def staged_in(storage: Storage, stem: str) -> Path:
    """The path that a storage, which may be the caller's own, gives for a new file or folder.

    Raises:
        InputError: it is not a `Path`.
    """
    path = await storage.stage(stem)
    if not is_really(path, Path):
        raise InputError(f"stage() of {type(storage).__name__} must return a Path, not {path!r:.100}")
    return path


async def put_into(storage: Storage, file: Path, name: str) -> str:
    """Puts a file into a storage, which may be the caller's own; returns its location.

    Raises:
        InputError: the storage returned something else than a text; it may have stored the file.
        TargetError: the file cannot be stored now.
    """
    kind = type(storage).__name__
    location = await of_caller(
        storage.put(file, name),
        lambda: TargetError(f"cannot store {name}: {kind}.put() was cancelled, and not the export"),
    )
    if not is_really(location, str):
        raise InputError(f"put() of {kind} must return the location of {name} as a text, not {location!r:.100}")
    return location
