"""Where verified files go besides a plain folder: one small protocol, which anybody can implement."""

import re
from pathlib import Path
from typing import Protocol

from attrs import frozen

from aps_async.errors import InputError
from aps_async.links import redact_addresses

__all__ = ["ReadableStorage", "Storage", "StorageBelow", "StoredFile", "is_object_storage"]
__dir__: object = __all__.copy

_BUCKET = re.compile(r"(s3|gs|az)://", re.IGNORECASE)
_MORE = re.compile(r"[?#]|//[^/]*[@:]")
"""What obstore drops or takes for something else."""


def is_object_storage(location: str) -> bool:
    """Whether this is an address in an object storage.

    Raises:
        InputError: it is one with a user, port, query or fragment.
    """
    found = _BUCKET.match(location)
    if found and _MORE.search(location, found.end() - 2):
        raise InputError(
            f"{redact_addresses(location)} cannot be used as a storage: the address is the bucket or container and a "
            "prefix, without user, port, ? and #; credentials come from variables such as AWS_ACCESS_KEY_ID"
        )
    return bool(found)


class Storage(Protocol):
    """Takes verified files. One event loop uses it, for many files at once.

    Every name has `/` between folders. A class that derives from this one gets `replace`; others write it themselves.
    """

    async def stage(self, stem: str) -> Path:
        """A path of this process's own, where a file, or a folder with files, is made and verified before it is put."""
        ...

    async def put(self, file: Path, name: str) -> str:
        """Puts a staged file under `name`, replacing what is there in one step; it may move the file.

        Returns:
            The location to show to users.

        Raises:
            InputError: the name could lead out of the storage.
            TargetError: it cannot be put there now.
        """
        ...

    async def copy(self, name: str, to: str) -> bool:
        """Copies what is stored under `name`, replacing what is at `to` in one step; False if there is nothing.

        Raises:
            InputError: a name could lead out of the storage.
            TargetError: it cannot be copied now.
        """
        ...

    async def replace(self, file: Path, name: str, superseded: str) -> str:
        """Puts a staged file under `name` after a copy of the older one there, if any, was put under `superseded`.

        Returns:
            The location to show to users.

        Raises:
            InputError: as `put`.
            TargetError: as `put`; the older one is then still in its place.
        """
        await self.copy(name, superseded)
        return await self.put(file, name)

    async def check(self) -> None:
        """Writes a small file, reads it back and removes it, to find out whether files can be stored now.

        Raises:
            TargetError: that failed.
        """
        ...

    def discard(self, file: Path) -> None:
        """Forgets what was staged, if it is still there."""
        ...


@frozen(kw_only=True)
class StoredFile:
    """What a storage knows of a file without reading it."""

    size: int
    """Bytes."""
    sha256: str | None = None
    """Hexadecimal, as it was when the file was put; None if the file has to be read to know it."""


class ReadableStorage(Storage, Protocol):
    """A storage that also gives back and removes what it holds: a ledger, and so a sync, needs one.

    All of these raise InputError for a name that could lead out of the storage, and TargetError for trouble with it.
    """

    def location(self, name: str) -> str:
        """The location of a file, to show to users."""
        ...

    async def find(self, name: str) -> StoredFile | None:
        """What is known of a file; None if there is none."""
        ...

    async def fetch(self, name: str, file: Path) -> bool:
        """Copies a stored file to a path on this machine; False if there is none."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a file, if there is one."""
        ...


class StorageBelow(ReadableStorage):
    """A part of a storage: everything whose name begins with a folder.

    Args:
        storage: the whole.
        folder: the folder, with `/` between several.
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
