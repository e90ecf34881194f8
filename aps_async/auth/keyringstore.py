"""A login in the system's keyring, for those who ask for it; a headless machine has none."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from aps_async.auth.filestore import FileStore, data_folder
from aps_async.auth.store import Login
from aps_async.errors import AuthError
from aps_async.extras import needed

_SERVICE = "aps-async"


class KeyringStore:
    """Keeps a login in the keyring under `aps-async` and the given name. Needs the extra `keyring`.

    Keyrings have no lock of their own, so processes take turns by a lock file, which holds nothing.

    Args:
        name: which login.
        lock_file: where the lock is; the platform's folder for data when not given.

    Raises:
        InputError: the extra `keyring` is missing.
    """

    def __init__(self, name: str = "default", *, lock_file: Path | str | None = None) -> None:
        self.name = name
        self._keyring = needed("keyring", "keyring", "a login in the keyring")
        place = Path(lock_file) if lock_file is not None else data_folder() / "logins" / f"{name}.keyring"
        self._turns = FileStore(place)

    def __repr__(self) -> str:
        return f"KeyringStore({self.name!r})"

    async def load(self) -> Login | None:
        """See `TokenStore`."""
        text = await self._ask(lambda: self._keyring.get_password(_SERVICE, self.name))
        return None if text is None else Login.from_json(text)

    async def save(self, login: Login) -> None:
        """See `TokenStore`."""
        text = login.to_json()
        await self._ask(lambda: self._keyring.set_password(_SERVICE, self.name, text))

    async def delete(self) -> None:
        """See `TokenStore`."""
        if await self.load() is not None:
            await self._ask(lambda: self._keyring.delete_password(_SERVICE, self.name))

    def lock(self) -> AbstractAsyncContextManager[None]:
        """See `TokenStore`."""
        return self._turns.lock()

    async def _ask(self, question: Callable[[], Any]) -> Any:
        errors: Any = needed("keyring.errors", "keyring", "a login in the keyring")
        try:
            return await asyncio.to_thread(question)
        except errors.NoKeyringError:
            words = "this machine has no keyring that could keep a login: use the file, which is the default"
        except errors.KeyringError as problem:
            words = f"the keyring refuses ({type(problem).__name__}): unlock it, or use the file, which is the default"
        raise AuthError(words)
