"""A login in a file that is never half written, that only its owner can read, and that processes can share."""

import asyncio
import glob
import logging
import os
import random
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from aps_async.auth.store import Login
from aps_async.errors import AuthError
from aps_async.filesystem import open_own, part_of, replacing, sync_folder, try_lock
from aps_async.threads import in_thread
from aps_async.user_folders import user_folder

__all__ = ["FileStore", "data_folder"]
__dir__: object = __all__.copy

_PAUSE = 0.02  # seconds between two attempts to take the lock; a renewal takes a few hundred milliseconds
_log = logging.getLogger(__name__)


def data_folder() -> Path:
    """The platform's folder for the user's application data.

    Raises:
        InputError: the extra `auth` is not installed; or the user has no home.
    """
    return user_folder("data", "auth", "storing logins")


class FileStore:
    """Keeps a login in a file with mode 0600, in a folder that is created with mode 0700.

    A change is written to a temporary file, synced to the disk and renamed, so that a crash or a power cut leaves the
    old login or the new one. Changes happen under a lock file, which the system releases if its holder dies. Waiting
    for the lock does not block the event loop.

    Args:
        path: the file; its lock is `<name>.lock` in the same folder.
        patience: how many seconds to wait for the lock. The default outlasts a renewal at a slow service.
    """

    def __init__(self, path: Path | str, *, patience: float = 300.0) -> None:
        self.path: Path = Path(path)
        self._patience = patience

    @classmethod
    def for_profile(cls, profile: str = "default") -> "FileStore":
        """The store that the command line uses for a profile's login."""
        return cls(data_folder() / "logins" / f"{profile}.json")

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"

    async def load(self) -> Login | None:
        """See `TokenStore`."""
        return await in_thread(self._load)

    async def save(self, login: Login) -> None:
        """See `TokenStore`.

        Raises:
            AuthError: the file cannot be written.
        """
        await in_thread(self._save, login.to_json().encode())  # or the lock would be free while the thread writes

    async def delete(self) -> None:
        """See `TokenStore`."""
        await in_thread(self._delete)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """See `TokenStore`.

        Raises:
            AuthError: another program held the lock for longer than `patience`, or the folder cannot be written.
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
            os.close(file)  # which releases the lock

    async def _is_free(self, file: int, path: Path) -> bool:
        """Waits for the lock; False if `patience` is over. Polls: a blocked thread would outlive a cancelled caller."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        try:
            while not try_lock(file):
                if loop.time() >= until:
                    return False
                await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, not for security
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
                _log.warning("%s was readable by other users (mode %o); its mode is now 600", self.path, mode)
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
            for left in self.path.parent.glob(pattern):  # left by a crash, since we hold the lock
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
