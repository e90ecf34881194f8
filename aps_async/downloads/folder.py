"""`Folder`, a storage in a folder that processes share; and `storage_for`, which opens the storage for an address."""

import errno
import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from aps_async.downloads.filenames import checked_relative, fitted, name_limit, split_suffix
from aps_async.downloads.storage import ReadableStorage, StoredFile, is_object_storage
from aps_async.downloads.target_paths import local_path, made_folder, source_error, target_error
from aps_async.filesystem import move_below, open_own, refuse_link, remove_below
from aps_async.threads import in_thread

__all__ = ["Folder", "storage_for"]
__dir__: object = __all__.copy

T = TypeVar("T")

_CHUNK = 1 << 20
_STALE = 24 * 3600.0
_HIDDEN = ".aps-async"


class Folder(ReadableStorage):
    """A folder that all workers share, such as one on a file server.

    Files are downloaded to a hidden folder in it, and get their names by a rename, so that nothing unfinished is ever
    seen under a final name, and two workers with the same file leave one. What a dead worker leaves there is removed
    after a day.

    Raises:
        TargetError: it cannot be created or written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path: Path = made_folder(local_path(folder).absolute())
        self._staging = made_folder(self.path / _HIDDEN)
        if self._staging.is_symlink():  # `_sweep` would remove files behind the link
            raise target_error(self._staging, OSError(errno.ELOOP, ""))
        self._prefix = f"{socket.gethostname()}-{os.getpid()}-"
        _sweep(self._staging)

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return self._staging / (self._prefix + stem)

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        parts = self._parts(name)
        await self._in_thread(_move_in, file, self.path, parts, target=self.path.joinpath(*parts))
        return str(self.path.joinpath(*parts))

    async def copy(self, name: str, to: str) -> bool:
        """See `Storage`."""
        source, parts = self.path.joinpath(*self._parts(name)), self._parts(to)
        staged = await self.stage(f"copy-{secrets.token_hex(8)}")
        target = self.path.joinpath(*parts)
        return await self._in_thread(_copy_below, source, staged, self.path, parts, target=target)

    async def check(self) -> None:
        """See `Storage`."""
        staged = await self.stage(f"check-{secrets.token_hex(8)}")
        await self._in_thread(_check_writable, staged, target=staged)

    def location(self, name: str) -> str:
        """See `ReadableStorage`."""
        return str(self.path.joinpath(*self._parts(name)))

    async def find(self, name: str) -> StoredFile | None:
        """See `ReadableStorage`. Reads the file."""
        path = self.path.joinpath(*self._parts(name))
        return await self._in_thread(_found, path, target=path)

    async def fetch(self, name: str, file: Path) -> bool:
        """See `ReadableStorage`."""
        path = self.path.joinpath(*self._parts(name))
        return await self._in_thread(_copied, path, file, target=path)

    async def remove(self, name: str) -> None:
        """See `ReadableStorage`."""
        parts = self._parts(name)
        path = self.path.joinpath(*parts)
        await self._in_thread(remove_below, self.path, parts, target=path)

    def _parts(self, name: str) -> tuple[str, ...]:
        limit = name_limit(self.path)
        *folders, last = checked_relative(name)
        stem, suffix = split_suffix(last)
        return (*(fitted(each, limit) for each in folders), fitted(stem, limit) + suffix)

    @staticmethod
    async def _in_thread(work: Callable[..., T], *arguments: object, target: Path) -> T:
        try:
            return await in_thread(work, *arguments)
        except OSError as problem:
            raise target_error(target, problem) from problem


def _check_writable(staged: Path) -> None:
    staged.parent.mkdir(parents=True, exist_ok=True)
    text = staged.name.encode()
    try:
        staged.write_bytes(text)
        if staged.read_bytes() != text:
            raise OSError(errno.EIO, "what was written cannot be read back")
    finally:
        staged.unlink(missing_ok=True)


def _move_in(file: Path, folder: Path, parts: tuple[str, ...]) -> None:
    try:
        file.lstat()
    except OSError as problem:  # otherwise it would look as if the target's folder were missing
        raise source_error(file, problem) from problem
    move_below(file, folder, parts)


def _copy_below(source: Path, staged: Path, folder: Path, parts: tuple[str, ...]) -> bool:
    try:
        if not _copied(source, staged):
            return False
        shutil.copystat(source, staged, follow_symlinks=False)
        move_below(staged, folder, parts)
    finally:
        staged.unlink(missing_ok=True)
    return True


def _copied(source: Path, to: Path) -> bool:
    """Copies a file; False if there is none. The error names the side that failed.

    Raises:
        TargetError: the source cannot be read, or the copy cannot be written.
        OSError: the source is a link or not a file.
    """
    if not refuse_link(source):
        return False
    try:
        opened = open_own(source, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise source_error(source, problem) from problem
    with os.fdopen(opened, "rb") as file:
        try:
            with to.open("wb") as target:
                while chunk := _read(file, source):
                    target.write(chunk)
        except OSError as problem:
            raise target_error(to, problem) from problem
    return True


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as problem:
        raise source_error(path, problem) from problem


def _found(path: Path) -> StoredFile | None:
    if not refuse_link(path):
        return None
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return StoredFile(size=os.fstat(file.fileno()).st_size, sha256=digest.hexdigest())
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise source_error(path, problem) from problem


def _sweep(folder: Path) -> None:
    """Removes what dead workers have left there more than a day ago."""
    before = time.time() - _STALE
    for entry in folder.iterdir():
        with suppress(OSError):
            if entry.lstat().st_mtime < before:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def storage_for(location: str | os.PathLike[str]) -> ReadableStorage:
    """Opens a folder, or an object storage for `s3://`, `gs://` or `az://`, which needs the extra `s3`.

    Raises:
        InputError: the address is empty or has another scheme, or the extra is missing.
        TargetError: the folder cannot be used.
    """
    if isinstance(location, str) and is_object_storage(location):
        from aps_async.downloads.object_storage import ObjectStorage

        return ObjectStorage(location)
    return Folder(location)
