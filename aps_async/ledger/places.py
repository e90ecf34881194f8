"""Where the files of a ledger are: in its own folder, or in a storage that it is kept apart from."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Literal, Protocol

from aps_async.downloads.filenames import checked_relative, split_suffix
from aps_async.downloads.sinks import target_error
from aps_async.downloads.storage import ReadableStorage
from aps_async.errors import TargetError
from aps_async.filesystem import open_own, replacing
from aps_async.ledger import superseded as files
from aps_async.ledger.files import are_whole
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.rows import Former
from aps_async.threads import in_thread

__all__ = ["FolderPlace", "Place", "StoragePlace"]
__dir__: object = __all__.copy


class Place(Protocol):
    """The files of a ledger. Names have `/` between folders. All methods raise TargetError if they cannot do it."""

    checks: int
    """Files to be compared at once."""

    def path(self, name: str) -> Path | None:
        """Where a file is on this machine; None in a storage."""
        ...

    def location(self, name: str) -> str:
        """Where a file is, to show to users."""
        ...

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """Whether all files are there and unchanged."""
        ...

    async def make_way(self, name: str, known: Sequence[Former], *, keep: bool) -> str | None:
        """See `superseded.make_way`. In a storage, what gives way is copied, and replaced in one step later."""
        ...

    async def put_away(self, left: Sequence[Former], superseded: Literal["keep", "drop"] | None) -> None:
        """See `superseded.put_away`."""
        ...

    async def move_aside(self, name: str) -> str | None:
        """Moves a file to `superseded/`; gives its new name, None if it was not there."""
        ...

    async def rename(self, moves: Sequence[tuple[KnownFile, str]]) -> None:
        """See `superseded.rename`."""
        ...

    async def read(self, name: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a file; None if there is none."""
        ...

    async def write(self, name: str, content: bytes) -> None:
        """Writes a file in one step."""
        ...

    async def fetch(self, name: str, file: Path) -> bool:
        """Copies a file to a path outside; False if it is not there."""
        ...


class FolderPlace:
    """The ledger's own folder."""

    checks = 4  # hashed at once, in threads: more do not make a disk faster

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """See `Place`."""
        return self._folder / name

    def location(self, name: str) -> str:
        """See `Place`."""
        return str(self._folder / name)

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """See `Place`."""
        stop = Event()
        return await in_thread(are_whole, self._folder, known, stop, on_cancel=stop.set)

    async def make_way(self, name: str, known: Sequence[Former], *, keep: bool) -> str | None:
        """See `Place`."""
        try:
            return await in_thread(partial(files.make_way, self._folder, name, known, keep=keep))
        except OSError as problem:
            raise target_error(self._folder / name, problem) from problem

    async def put_away(self, left: Sequence[Former], superseded: Literal["keep", "drop"] | None) -> None:
        """See `Place`."""
        try:
            await in_thread(files.put_away, self._folder, left, superseded)
        except OSError as problem:
            raise target_error(self._folder, problem) from problem

    async def move_aside(self, name: str) -> str | None:
        """See `Place`."""
        try:
            return await in_thread(files.move_aside, self._folder, name)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise target_error(self._folder / name, problem) from problem

    async def rename(self, moves: Sequence[tuple[KnownFile, str]]) -> None:
        """See `Place`."""
        try:
            await in_thread(files.rename, self._folder, moves)
        except OSError as problem:
            raise target_error(self._folder / (moves[0][1] if moves else ""), problem) from problem

    async def read(self, name: str, limit: int) -> bytes | None:
        """See `Place`."""
        try:
            return await asyncio.to_thread(_read, self._folder / name, limit)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise target_error(self._folder / name, problem) from problem

    async def write(self, name: str, content: bytes) -> None:
        """See `Place`."""
        try:
            await in_thread(_write, self._folder / name, content)
        except OSError as problem:
            raise target_error(self._folder / name, problem) from problem

    async def fetch(self, name: str, file: Path) -> bool:
        """See `Place`."""
        content = await self.read(name, -1)
        if content is not None:
            await asyncio.to_thread(file.write_bytes, content)
        return content is not None


class StoragePlace:
    """A storage, in which nothing can be moved: files are copied and removed.

    A file is unchanged if its size and the SHA-256 in its metadata are those that the ledger knows. One without such
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

    async def are_whole(self, known: Sequence[KnownFile]) -> bool:
        """See `Place`."""
        for each in known:
            if not await self._is_whole(each, each.name):
                return False
        return True

    async def _is_whole(self, file: KnownFile, name: str) -> bool:
        found = await self._storage.find(name)
        if found is None or found.size != file.size:
            return False
        return (found.sha256 or await self._sha256(name)) == file.sha256

    async def _sha256(self, name: str) -> str | None:
        async with self._staged() as staged:
            return await asyncio.to_thread(_sha256, staged) if await self._storage.fetch(name, staged) else None

    @asynccontextmanager
    async def _staged(self) -> AsyncGenerator[Path, None]:
        staged = await self._storage.stage(f"ledger-{secrets.token_hex(8)}")
        try:
            yield staged
        finally:
            self._storage.discard(staged)

    async def make_way(self, name: str, known: Sequence[Former], *, keep: bool) -> str | None:
        """See `Place`."""
        if await self._storage.find(name) is None:
            return None
        for each in known:
            if await self._is_whole(each.file, name):
                if keep and each.version is not None:
                    await self._copy_aside(name, each.version)
                return None
        return f"the file that was there had been changed; it is now {await self._copy_aside(name)}"

    async def _copy_aside(self, name: str, label: str | None = None) -> str | None:
        """Copies a file to `superseded/`, unless just that copy is there already: from a run that was stopped."""
        source = await self._storage.find(name)
        if source is None:
            return None
        stem, suffix = split_suffix(name)
        stem, count = f"{files.SUPERSEDED}/{stem}" + (f" ({label})" if label else ""), 1
        while True:
            new = f"{stem}{suffix}" if count == 1 else f"{stem} ({count}){suffix}"
            found = await self._storage.find(new)
            if found is None:
                return new if await self._storage.copy(name, new) else None
            if found == source and (found.sha256 or await self._sha256(new) == await self._sha256(name)):
                return new
            count += 1

    async def put_away(self, left: Sequence[Former], superseded: Literal["keep", "drop"] | None) -> None:
        """See `Place`."""
        for each in left:
            name = each.file.name
            if not await self._is_whole(each.file, name):
                if superseded is not None:
                    await self.move_aside(name)
                continue
            if superseded == "keep" and each.version is not None:
                await self._copy_aside(name, each.version)
            await self._storage.remove(name)

    async def move_aside(self, name: str) -> str | None:
        """See `Place`."""
        moved = await self._copy_aside(name)
        if moved is not None:
            await self._storage.remove(name)
        return moved

    async def rename(self, moves: Sequence[tuple[KnownFile, str]]) -> None:
        """See `Place`. A copy under the new name, from a run that was stopped, stays."""
        for file, new in moves:
            if await self._storage.find(new) is None:
                await self._storage.copy(file.name, new)
            elif not await self._is_whole(file, new):
                raise TargetError(f"cannot rename {self.location(file.name)}: something else is at {new}")
            await self._storage.remove(file.name)

    async def read(self, name: str, limit: int) -> bytes | None:
        """See `Place`."""
        async with self._staged() as staged:
            return await asyncio.to_thread(_read, staged, limit) if await self._storage.fetch(name, staged) else None

    async def write(self, name: str, content: bytes) -> None:
        """See `Place`."""
        async with self._staged() as staged:
            await asyncio.to_thread(staged.write_bytes, content)
            await self._storage.put(staged, name)

    async def fetch(self, name: str, file: Path) -> bool:
        """See `Place`."""
        return await self._storage.fetch("/".join(checked_relative(name)), file)


def _read(path: Path, limit: int) -> bytes:
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return file.read(limit)


def _write(path: Path, content: bytes) -> None:
    with replacing(path, 0o666) as file:
        file.write(content)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
