"""A user's login, and the protocol of the stores that keep it.

A refresh token works once: using it returns the next one and invalidates it. So a login has one store, and every
renewal holds that store's lock from reading the old token until the new one is durably saved.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from attrs import asdict, evolve, field, fields, frozen

from aps_async.auth.provider import AccessToken
from aps_async.errors import AuthError

__all__ = ["Login", "MemoryStore", "TokenStore"]
__dir__: object = __all__.copy

_FORMAT = 1


@frozen(kw_only=True)
class Login:
    """The result of a user's consent, which a store keeps. `str()` and `repr()` show no token.

    It contains tokens: treat the result of `to_json()` like a password.
    """

    client_id: str
    service: str
    """The base address of the service that issued the tokens. They are sent to no other."""
    scopes: tuple[str, ...]
    refresh_token: str | None = field(repr=False)
    """The refresh token that has not been used; None if it is known to be invalid."""
    access_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    signed_in_at: float
    user_id: str | None = None
    """The user's Autodesk id, if the token contains it."""
    renewals: int = 0
    renewing: bool = False
    """Whether the refresh token was sent and the response is not stored yet. If no renewal is in progress any more, the
    response is lost, and the refresh token is probably spent."""

    @property
    def token(self) -> AccessToken:
        """The access token."""
        return AccessToken(self.access_token, self.expires_at, self.issued_at)

    def to_json(self) -> str:
        """The whole login as JSON, tokens included."""
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Login":
        """Reads what `to_json` wrote.

        Raises:
            AuthError: the text is not a login, or was written by another version.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") != _FORMAT:
                raise AuthError("the stored login is of another version of aps-async; log in again: aps-async login")
            known = {part.name for part in fields(cls)}
            login = cls(**{name: value for name, value in values.items() if name in known})
            if _is_sound(login):
                return evolve(login, scopes=tuple(login.scopes))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass  # the parser's message may quote the text
        raise AuthError("the stored login cannot be read; log in again: aps-async login")


def _is_sound(login: Any) -> bool:
    """Whether every field of a login that was read has the right type."""
    texts = (login.client_id, login.service, login.access_token, *login.scopes)
    optional = (login.refresh_token, login.user_id)
    moments = (login.issued_at, login.expires_at, login.signed_in_at)
    return (
        isinstance(login.scopes, list)
        and all(isinstance(each, str) for each in texts)
        and all(each is None or isinstance(each, str) for each in optional)
        and all(_is_moment(each) for each in moments)
        and type(login.renewals) is int
        and type(login.renewing) is bool
    )


def _is_moment(value: object) -> bool:
    """Whether it is a usable time: seconds since the epoch, up to the year 9999."""
    return type(value) in (int, float) and 0 <= value < 253_402_300_800  # type: ignore[operator]


class TokenStore(Protocol):
    """Stores one login. Implement it to keep your users' logins in your database: one store per user."""

    async def load(self) -> Login | None:
        """The login that was saved last, by any process; None if there is none.

        Raises:
            AuthError: the stored login cannot be read.
        """
        ...

    async def save(self, login: Login) -> None:
        """Saves the login durably. At every instant, the store contains the old login or the new one."""
        ...

    async def delete(self) -> None:
        """Deletes the login."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """The lock for changes, exclusive among all tasks and processes that share the store.

        It must be released if its holder dies, and must not block the event loop.
        """
        ...


class MemoryStore:
    """Keeps a login in memory: for tests, and for logins that should end with the process."""

    def __init__(self, login: Login | None = None) -> None:
        self._login = login
        self._lock = asyncio.Lock()

    async def load(self) -> Login | None:
        """See `TokenStore`."""
        return self._login

    async def save(self, login: Login) -> None:
        """See `TokenStore`."""
        self._login = login

    async def delete(self) -> None:
        """See `TokenStore`."""
        self._login = None

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """See `TokenStore`."""
        async with self._lock:
            yield
