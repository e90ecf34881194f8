"""Where verified files go besides a plain folder: one small protocol, which anybody can implement."""

from pathlib import Path
from typing import Protocol

__all__ = ["Storage"]
__dir__: object = __all__.copy


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
