"""Where workers put verified files: one small protocol, and the shared folder that needs nothing else."""

import asyncio
import errno
import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from aps_async.downloads.filenames import checked_relative, fitted, name_limit, split_suffix
from aps_async.downloads.sinks import local_path, made_folder, target_error
from aps_async.filesystem import move_below

__all__ = ["Folder", "Storage", "is_object_storage", "storage_for"]
__dir__: object = __all__.copy

_STALE = 24 * 3600.0
_HIDDEN = ".aps-async"
_BUCKET = re.compile(r"(s3|gs|az)://", re.IGNORECASE)


class Storage(Protocol):
    """Takes verified files. Implementations are used by one worker's event loop, for many files at once."""

    async def stage(self, stem: str) -> Path:
        """A path of this worker's own, to download to and verify at; no other worker uses it."""
        ...

    async def put(self, file: Path, name: str) -> str:
        """Puts a staged file under `name` (with `/` between folders), replacing what is there in one step. It may move
        the file. Returns the location to show to users.

        Raises:
            InputError: the name could lead out of the storage, see `names.checked_relative`.
            TargetError: it cannot be put there now.
        """
        ...

    def discard(self, file: Path) -> None:
        """Forgets a staged file, if it is still there."""
        ...


class Folder:
    """A folder that all workers and their users see, such as one on a file server.

    Files are downloaded to a hidden folder in it and take their name by a rename, so that nothing unfinished is ever
    seen under a final name, and two workers with the same file leave one. What dead workers left there is removed after
    a day.

    Raises:
        TargetError: it cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path: Path = made_folder(local_path(folder).absolute())
        self._staging = made_folder(self.path / _HIDDEN)
        if self._staging.is_symlink():  # old files behind it would be removed
            raise target_error(self._staging, OSError(errno.ELOOP, ""))
        self._prefix = f"{socket.gethostname()}-{os.getpid()}-"
        _sweep(self._staging)

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return self._staging / (self._prefix + stem)

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        limit = name_limit(self.path)
        *folders, last = checked_relative(name)
        stem, suffix = split_suffix(last)
        parts = (*(fitted(each, limit) for each in folders), fitted(stem, limit) + suffix)
        target = self.path.joinpath(*parts)
        try:
            await asyncio.get_running_loop().run_in_executor(None, move_below, file, self.path, parts)
        except OSError as problem:
            raise target_error(target, problem) from problem
        return str(target)

    def discard(self, file: Path) -> None:
        """See `Storage`."""
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Removes what workers that are long dead have left."""
    before = time.time() - _STALE
    for entry in folder.iterdir():
        with suppress(OSError):
            if entry.lstat().st_mtime < before:
                entry.unlink()


def is_object_storage(location: str) -> bool:
    """Whether this is an address in an object storage that workers deliver to."""
    return bool(_BUCKET.match(location))


def storage_for(location: str | os.PathLike[str]) -> Storage:
    """A folder; or for `s3://bucket/prefix` (also `gs://`, `az://`) an object storage, which needs the extra `s3`.

    Raises:
        InputError: the address is empty or of another kind, or the extra is missing.
        TargetError: the folder cannot be used.
    """
    if isinstance(location, str) and is_object_storage(location):
        from aps_async.downloads.object_storage import ObjectStorage

        return ObjectStorage(location)
    return Folder(location)
