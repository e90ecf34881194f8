"""Where workers put verified files: one small protocol, and the shared folder that needs nothing else."""

import asyncio
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from aps_async.targets import made_folder, target_error

_STALE = 24 * 3600.0
_HIDDEN = ".aps-async"


class Storage(Protocol):
    """Takes verified files. Implementations are used by one worker's event loop, for many files at once."""

    async def stage(self, stem: str) -> Path:
        """A path of this worker's own, to download to and verify at; nobody else looks there."""
        ...

    async def put(self, file: Path, name: str) -> str:
        """Puts a staged file under `name` (with `/` between folders), replacing what is there in one step. It may move
        the file. Gives the place that users are told.

        Raises:
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
        self.path = made_folder(Path(folder).absolute())
        self._staging = made_folder(self.path / _HIDDEN)
        self._prefix = f"{socket.gethostname()}-{os.getpid()}-"
        self._made: set[Path] = set()
        _sweep(self._staging)

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return self._staging / (self._prefix + stem)

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        target = self.path / name
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._move, file, target)
        except OSError as problem:
            self._made.discard(target.parent)
            raise target_error(target, problem) from problem
        return str(target)

    def _move(self, file: Path, target: Path) -> None:
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        file.replace(target)
        if os.name == "posix":  # the name itself must outlive a power cut: the outcome is recorded right after this
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self, file: Path) -> None:
        """See `Storage`."""
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Removes what workers that are long dead have left."""
    before = time.time() - _STALE
    for entry in folder.iterdir():
        with suppress(OSError):
            if entry.stat().st_mtime < before:
                entry.unlink()


def storage_for(place: str | os.PathLike[str]) -> Storage:
    """A folder; or for `s3://bucket/prefix` (also `gs://`, `az://`) an object storage, which needs the extra `s3`.

    Raises:
        InputError: the address is none, or the extra is missing.
        TargetError: the folder cannot be used.
    """
    if isinstance(place, str) and "://" in place:
        from aps_async.workers.objects import ObjectStorage

        return ObjectStorage(place)
    return Folder(place)
