"""A login in the system's keyring, on request only: headless machines have no keyring."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from attrs import evolve

from aps_async.auth.background import in_daemon_thread
from aps_async.auth.filestore import FileStore, data_folder
from aps_async.auth.store import Login
from aps_async.errors import AuthError
from aps_async.extras import needed

__all__ = ["KeyringStore"]
__dir__: object = __all__.copy

_SERVICE = "aps-async"
_WINDOWS_LIMIT = 1280  # characters; CRED_MAX_CREDENTIAL_BLOB_SIZE is 2,560 bytes of UTF-16


class KeyringStore:
    """Keeps a login in the keyring under `aps-async` and the given name. Needs the extra `keyring`.

    Keyrings have no lock, so processes take turns with an empty lock file.

    Windows stores at most 1,280 characters. If the whole login is too long for the keyring, the keyring stores what a
    renewal needs, and only this object keeps the access token; another process then renews the login before its first
    call.

    Args:
        name: the name of the login.
        lock_file: the path of the lock file; by default in the platform's folder for application data.

    Raises:
        InputError: the extra `keyring` is not installed.
    """

    def __init__(self, name: str = "default", *, lock_file: Path | str | None = None) -> None:
        self.name = name
        self._keyring = needed("keyring", "keyring", "a login in the keyring")
        place = Path(lock_file) if lock_file is not None else data_folder() / "logins" / f"{name}.keyring"
        self._turns = FileStore(place)
        self._whole: Login | None = None

    def __repr__(self) -> str:
        return f"KeyringStore({self.name!r})"

    async def load(self) -> Login | None:
        """See `TokenStore`."""
        text = await self._ask(lambda: self._keyring.get_password(_SERVICE, self.name))
        login = None if text is None else Login.from_json(text)
        whole = self._whole
        return whole if whole is not None and login == _without_access_token(whole) else login

    async def save(self, login: Login) -> None:
        """See `TokenStore`.

        Raises:
            AuthError: the keyring refuses it.
        """
        text = login.to_json()
        try:
            await self._keep(text)
        except AuthError:
            if len(text) <= _WINDOWS_LIMIT:
                raise
        else:
            return
        self._whole = login
        text = _without_access_token(login).to_json()
        try:
            await self._keep(text)
        except AuthError as problem:
            problem.add_note(
                f"Without its access token the login has {len(text):,} characters; Windows keeps at most "
                f"{_WINDOWS_LIMIT:,}"
            )
            raise

    async def _keep(self, text: str) -> None:
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
            return await in_daemon_thread(question)
        except errors.NoKeyringError:
            words = "this machine has no usable keyring: use the file, which is the default"
        except Exception as problem:  # noqa: BLE001 - KeyringError, or anything that the system's library raises
            words = f"the keyring refuses ({type(problem).__name__}): unlock it, or use the file, which is the default"
        raise AuthError(words)


def _without_access_token(login: Login) -> Login:
    """The part of a login that a renewal needs. It counts as expired, so the empty access token is never sent."""
    return evolve(login, access_token="", expires_at=login.issued_at)
