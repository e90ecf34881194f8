"""A login in a file: whole at every instant, for its owner's eyes only, shared by any number of processes."""

import asyncio
import glob
import logging
import os
import random
import secrets
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from aps_async.auth.extras import needed
from aps_async.auth.store import Login
from aps_async.errors import AuthError

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
    """Keeps a login in a file of mode 0600, in a folder that is made with mode 0700. Needs the extra `auth`.

    A change is written beside the file, forced to the disk and put in its place in one step, so that a crash or a
    power cut leaves the old login or the new one. Who changes it holds a lock file, which the system frees when its
    holder dies. Whoever waits for the lock lets the event loop run.

    Args:
        path: the file; `<name>.lock` beside it is the lock.
        patience: how many seconds to wait for the lock. The default outlasts a renewal at a slow service.
    """

    def __init__(self, path: Path | str, *, patience: float = 300.0) -> None:
        self.path = Path(path)
        self._patience = patience
        needed("filelock", "auth", "a stored login")

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
        lock = await self._locked()
        try:
            yield
        finally:
            lock.release()

    async def _locked(self) -> Any:
        filelock = needed("filelock", "auth", "a stored login")
        path = self.path.with_name(self.path.name + ".lock")
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        try:
            self._make_folder()
            lock = filelock.FileLock(path, mode=0o600, thread_local=False)
            while True:
                try:
                    lock.acquire(blocking=False)  # never blocks, so a cancelled waiter leaves no thread with the lock
                except filelock.Timeout:
                    if loop.time() >= until:
                        break
                else:
                    return lock
                await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, guards nothing
        except OSError as problem:
            raise AuthError(f"the login cannot be locked: {path}: {problem.strerror or problem}") from None
        raise AuthError(f"another program has held {path} for {self._patience:.0f} s; end it and try again")

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
        part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.part")
        try:
            self._make_folder()
            for left in self.path.parent.glob(
                f".{glob.escape(self.path.name)}.*.part"
            ):  # a crash's, for we hold the lock
                left.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.path)
            except BaseException:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            _sync_folder(self.path.parent)
        except OSError as problem:
            raise AuthError(f"the login cannot be stored: {self.path}: {problem.strerror or problem}") from None

    def _delete(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
            _sync_folder(self.path.parent)
        except FileNotFoundError:
            return
        except OSError as problem:
            raise AuthError(f"the login cannot be deleted: {self.path}: {problem.strerror or problem}") from None


async def _to_the_end(work: Callable[[], None]) -> None:
    """Does it in a thread; cancelled, it still waits: the lock must not be free while the thread writes."""
    under_way = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait([under_way])
        raise


def _sync_folder(folder: Path) -> None:
    """A renamed file has its new name for good only once the folder is on the disk; Windows needs no such thing."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
