"""A login in a file: whole at every instant, for its owner's eyes only, shared by any number of processes."""

import asyncio
import glob
import logging
import os
import random
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aps_async.auth.store import Login
from aps_async.errors import AuthError
from aps_async.extras import needed
from aps_async.filesystem import open_own, part_of, replacing, sync_folder, try_lock

__all__ = ["FileStore", "data_folder"]
__dir__: object = __all__.copy

_PAUSE = 0.02  # between two looks at a lock that somebody holds; a renewal takes a few hundred milliseconds
_log = logging.getLogger("aps_async")


def data_folder() -> Path:
    """Where this platform keeps the data of programs for one user.

    Raises:
        InputError: the extra `auth` is missing.
    """
    platformdirs = needed("platformdirs", "auth", "the place for stored logins")
    return Path(platformdirs.user_data_path("aps-async", appauthor=False))


class FileStore:
    """Keeps a login in a file of mode 0600, in a folder that is made with mode 0700.

    A change is written beside the file, forced to the disk and put in its place in one step, so that a crash or a
    power cut leaves the old login or the new one. Who changes it holds a lock file, which the system frees when its
    holder dies. Whoever waits for the lock lets the event loop run.

    Args:
        path: the file; `<name>.lock` beside it is the lock.
        patience: how many seconds to wait for the lock. The default outlasts a renewal at a slow service.
    """

    def __init__(self, path: Path | str, *, patience: float = 300.0) -> None:
        self.path: Path = Path(path)
        self._patience = patience

    @classmethod
    def for_profile(cls, profile: str = "default") -> "FileStore":
        """The file that the command line keeps a profile's login in."""
        return cls(data_folder() / "logins" / f"{profile}.json")

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"

    async def load(self) -> Login | None:
        """See `TokenStore`."""
        return await asyncio.to_thread(self._load)

    async def save(self, login: Login) -> None:
        """See `TokenStore`.

        Raises:
            AuthError: the file cannot be written.
        """
        await _to_the_end(partial(self._save, login.to_json().encode()))

    async def delete(self) -> None:
        """See `TokenStore`."""
        await _to_the_end(self._delete)

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """See `TokenStore`.

        Raises:
            AuthError: somebody has held it for longer than our patience, or the folder cannot be written.
        """
        path = self.path.with_name(self.path.name + ".lock")
        try:
            self._make_folder()
            file = open_own(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise _not_locked(path, problem) from None
        try:
            if not await self._is_free(file, path):
                raise AuthError(f"another program has held {path} for {self._patience:.0f} s; end it and try again")
            yield
        finally:
            os.close(file)  # which unlocks

    async def _is_free(self, file: int, path: Path) -> bool:
        """Waits for the lock. Never blocks, so that a cancelled waiter leaves no thread with the lock."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        try:
            while not try_lock(file):
                if loop.time() >= until:
                    return False
                await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, guards nothing
        except OSError as problem:
            raise _not_locked(path, problem) from None
        return True

    def _make_folder(self) -> None:
        if not self.path.parent.is_dir():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _load(self) -> Login | None:
        try:
            text = self.path.read_bytes()
            if sys.platform != "win32" and (mode := stat.S_IMODE(self.path.stat().st_mode)) & 0o077:
                _log.warning("%s could be read by others (mode %o); it is closed to them now", self.path, mode)
                self.path.chmod(0o600)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise AuthError(f"the stored login cannot be read: {self.path}: {problem.strerror or problem}") from None
        return Login.from_json(text)

    def _save(self, data: bytes) -> None:
        try:
            self._make_folder()
            pattern = part_of(self.path.with_name(glob.escape(self.path.name)), "*").name
            for left in self.path.parent.glob(pattern):  # a crash's, for we hold the lock
                left.unlink(missing_ok=True)
            with replacing(self.path, 0o600) as file:
                file.write(data)
        except OSError as problem:
            raise AuthError(f"the login cannot be stored: {self.path}: {problem.strerror or problem}") from None

    def _delete(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)
        except FileNotFoundError:
            return
        except OSError as problem:
            raise AuthError(f"the login cannot be deleted: {self.path}: {problem.strerror or problem}") from None


def _not_locked(path: Path, problem: OSError) -> AuthError:
    return AuthError(f"the login cannot be locked: {path}: {problem.strerror or problem}")


async def _to_the_end(work: Callable[[], None]) -> None:
    """Does it in a thread; cancelled, it still waits: the lock must not be free while the thread writes."""
    under_way = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait([under_way])
        raise
