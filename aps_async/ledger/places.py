"""The place of a ledger's files: one interface for the ledger's own folder and for a storage."""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Protocol, TypeVar

from aps_async.downloads.filenames import checked_relative, fitted, name_limit
from aps_async.downloads.sinks import part_name
from aps_async.downloads.storage import ReadableStorage, StorageBelow, discard_from
from aps_async.downloads.target_paths import source_error, target_error
from aps_async.errors import TargetError
from aps_async.filesystem import check_real_folders, move_below, open_own, remove_below, replacing
from aps_async.ledger.files import are_whole, is_whole, known_file, sha256
from aps_async.ledger.journal import KnownFile
from aps_async.text import folded
from aps_async.threads import in_thread

__all__ = ["FolderPlace", "Place", "StoragePlace"]
__dir__: object = __all__.copy

T = TypeVar("T")


class Place(Protocol):
    """The files of a ledger. Names have `/` between folders. All methods raise TargetError if they fail."""

    checks: int
    """How many files are compared at once."""

    def path(self, name: str) -> Path | None:
        """The path of a file; None in a storage."""
        ...

    def location(self, name: str) -> str:
        """The location of a file, to show to users."""
        ...

    def below(self, folder: str) -> "Place":
        """The place for a subfolder."""
        ...

    def fitted(self, stem: str) -> str:
        """Shortens the last part of a name, without suffix, to the length that names may have here."""
        ...

    async def is_there(self, name: str) -> bool:
        """Whether something has this name."""
        ...

    async def look(self, name: str) -> KnownFile | None:
        """Size and hash of a file; None if there is none."""
        ...

    async def is_whole(self, file: KnownFile, name: str) -> bool:
        """Whether a file is there and unchanged, under the given name."""
        ...

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """Whether all files are there and unchanged."""
        ...

    async def is_copy(self, name: str, target: str) -> bool:
        """Whether two files are equal because a move was begun, which in a storage is a copy first."""
        ...

    async def make_way(self, name: str, target: str) -> None:
        """Moves a file that is about to be replaced. In a storage, it is only copied."""
        ...

    async def move(self, name: str, target: str) -> None:
        """Renames a file without overwriting another; does nothing if the file is not there."""
        ...

    async def take_back(self, name: str, target: str) -> bool:
        """Undoes a move that may be incomplete; False if another file has the former name now."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        ...

    async def read(self, name: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a file; None if there is none."""
        ...

    async def write(self, name: str, content: Iterable[bytes]) -> None:
        """Writes a file in one step; the parts are produced in a thread."""
        ...

    async def fetch(self, name: str, file: Path) -> bool:
        """Copies a file to a path on this machine; False if it is not there."""
        ...


class FolderPlace:
    """The ledger's own folder."""

    checks = 4  # more threads that hash do not make a disk faster

    def __init__(self, folder: Path, tag: str = "") -> None:
        self._folder = folder
        self.tag = tag
        """That of the ledger, once it is open; see `remove_parts`."""

    def path(self, name: str) -> Path:
        """See `Place`."""
        return self._folder / name

    def location(self, name: str) -> str:
        """See `Place`."""
        return str(self._folder / name)

    def below(self, folder: str) -> "FolderPlace":
        """See `Place`."""
        return FolderPlace(self._folder / folder, self.tag)

    def fitted(self, stem: str) -> str:
        """See `Place`."""
        return fitted(stem, name_limit(self._folder))

    async def is_there(self, name: str) -> bool:
        """See `Place`."""
        return await asyncio.to_thread(os.path.lexists, self._folder / name)

    async def look(self, name: str) -> KnownFile | None:
        """See `Place`. None for a link, too."""
        stop = Event()
        with suppress(OSError):
            return await in_thread(known_file, self._folder, self._folder / name, stop, on_cancel=stop.set)
        return None

    async def is_whole(self, file: KnownFile, name: str) -> bool:
        """See `Place`."""
        return await in_thread(is_whole, self._folder, file, name)

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """See `Place`."""
        stop = Event()
        return await in_thread(are_whole, self._folder, known, stop, on_cancel=stop.set)

    async def is_copy(self, name: str, target: str) -> bool:  # noqa: ARG002 - the protocol's
        """See `Place`."""
        return False

    async def make_way(self, name: str, target: str) -> None:
        """See `Place`."""
        await self.move(name, target)

    async def move(self, name: str, target: str) -> None:
        """See `Place`."""
        await self._in_thread(target, _move, self._folder, name, target)

    async def take_back(self, name: str, target: str) -> bool:
        """See `Place`."""
        return await self._in_thread(name, _take_back, self._folder, name, target)

    async def remove(self, name: str) -> None:
        """See `Place`."""
        await self._in_thread(name, remove_below, self._folder, checked_relative(name))

    async def read(self, name: str, limit: int) -> bytes | None:
        """See `Place`."""
        try:
            return await asyncio.to_thread(_read, self._folder / name, limit)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise source_error(self._folder / name, problem) from problem

    async def write(self, name: str, content: Iterable[bytes]) -> None:
        """See `Place`."""
        await self._in_thread(name, _write, self._folder / name, content, self.tag)

    async def fetch(self, name: str, file: Path) -> bool:
        """See `Place`."""
        content = await self.read(name, -1)
        if content is not None:
            await _locally(file, Path.write_bytes, content)
        return content is not None

    async def _in_thread(self, name: str, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await in_thread(work, *arguments)
        except OSError as problem:
            raise target_error(self._folder / name, problem) from problem


class StoragePlace:
    """A storage, in which files cannot be moved, only copied and removed.

    A file counts as unchanged if its size and the SHA-256 in its metadata are those in the ledger. A file without such
    metadata is read.
    """

    checks = 32

    def __init__(self, storage: ReadableStorage) -> None:
        self._storage = storage

    def path(self, name: str) -> None:
        """See `Place`."""

    def location(self, name: str) -> str:
        """See `Place`."""
        return self._storage.location(name)

    def below(self, folder: str) -> "StoragePlace":
        """See `Place`."""
        return StoragePlace(StorageBelow(self._storage, folder))

    def fitted(self, stem: str) -> str:
        """See `Place`."""
        return stem

    async def is_there(self, name: str) -> bool:
        """See `Place`."""
        return await self._storage.find(name) is not None

    async def look(self, name: str) -> KnownFile | None:
        """See `Place`."""
        found = await self._storage.find(name)
        digits = None if found is None else found.sha256 or await self._sha256(name)
        return None if found is None or digits is None else KnownFile(name, found.size, digits)

    async def is_whole(self, file: KnownFile, name: str) -> bool:
        """See `Place`."""
        found = await self._storage.find(name)
        if found is None or found.size != file.size:
            return False
        return (found.sha256 or await self._sha256(name)) == file.sha256

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """See `Place`."""
        for each in known:
            if not await self.is_whole(each, each.name):
                return False
        return True

    async def is_copy(self, name: str, target: str) -> bool:
        """See `Place`."""
        source, found = await self._storage.find(name), await self._storage.find(target)
        if source is None or source != found:
            return False
        return source.sha256 is not None or await self._sha256(name) == await self._sha256(target)

    async def make_way(self, name: str, target: str) -> None:
        """See `Place`."""
        await self._storage.copy(name, target)

    async def move(self, name: str, target: str) -> None:
        """See `Place`."""
        if not await self.is_there(name):
            return
        if await self.is_there(target) and not await self.is_copy(name, target):
            raise TargetError(f"cannot rename {self.location(name)}: something else is at {target}")
        await self._storage.copy(name, target)
        await self._storage.remove(name)

    async def take_back(self, name: str, target: str) -> bool:
        """See `Place`."""
        if not await self.is_there(name):
            await self._storage.copy(target, name)
        elif await self.is_there(target) and not await self.is_copy(name, target):
            return False
        await self._storage.remove(target)
        return True

    async def remove(self, name: str) -> None:
        """See `Place`."""
        await self._storage.remove(name)

    async def read(self, name: str, limit: int) -> bytes | None:
        """See `Place`."""
        async with self._staged() as staged:
            return await _locally(staged, _read, limit) if await self._storage.fetch(name, staged) else None

    async def write(self, name: str, content: Iterable[bytes]) -> None:
        """See `Place`."""
        async with self._staged() as staged:
            await _locally(staged, _write_parts, content)
            await self._storage.put(staged, name)

    async def fetch(self, name: str, file: Path) -> bool:
        """See `Place`."""
        return await self._storage.fetch("/".join(checked_relative(name)), file)

    async def _sha256(self, name: str) -> str | None:
        async with self._staged() as staged:
            return await _locally(staged, sha256) if await self._storage.fetch(name, staged) else None

    @asynccontextmanager
    async def _staged(self) -> AsyncGenerator[Path, None]:
        staged = await self._storage.stage(f"ledger-{secrets.token_hex(8)}")
        try:
            yield staged
        finally:
            discard_from(self._storage, staged)


async def _locally(file: Path, work: Callable[..., T], *arguments: object) -> T:
    """Works on a copy that is on this machine: its errors are not those of the storage."""
    try:
        return await asyncio.to_thread(work, file, *arguments)
    except OSError as problem:
        raise target_error(file, problem) from problem


def _move(folder: Path, name: str, target: str) -> None:
    if not os.path.lexists(folder / name):
        return
    if os.path.lexists(folder / target) and not _are_one(folder, name, target):
        raise OSError(errno.EEXIST, "exists", str(folder / target))
    *above, _ = checked_relative(name)
    check_real_folders(folder, above)
    move_below(folder / name, folder, checked_relative(target))
    _remove_empty(folder, above)


def _are_one(folder: Path, name: str, target: str) -> bool:
    """Whether both are names of one file, as where the file system ignores case or the encoding of accents."""
    return folded(name) == folded(target) and os.path.samestat(os.lstat(folder / name), os.lstat(folder / target))


def _take_back(folder: Path, name: str, target: str) -> bool:
    if os.path.lexists(folder / name):
        return not os.path.lexists(folder / target)
    _move(folder, target, name)
    return True


def _remove_empty(folder: Path, parts: Sequence[str]) -> None:
    """Removes folders that a move has emptied."""
    for end in range(len(parts), 0, -1):
        try:
            folder.joinpath(*parts[:end]).rmdir()
        except OSError:
            return


def _read(path: Path, limit: int) -> bytes:
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return file.read(limit)


def _write(path: Path, content: Iterable[bytes], tag: str) -> None:
    with replacing(path, part=Path(part_name(path, tag))) as file:
        file.writelines(content)


def _write_parts(path: Path, content: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(content)
