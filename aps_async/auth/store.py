"""What a login is, and the protocol of the places that keep it.

A refresh token works once: using it brings the next one and kills it. So a login has one place, and everybody who
renews it holds that place's lock from the reading of the old token until the new one is kept for good.
"""

import asyncio
import json
from collections.abc import AsyncIterator
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
    """Everything that one consent of a user brought. `str()` and `repr()` show no token.

    It is what a store keeps. Tokens are in there: treat `to_json()` as you would a password.
    """

    client_id: str
    service: str
    """The base address that the tokens are good for. They are sent to no other."""
    scopes: tuple[str, ...]
    refresh_token: str | None = field(repr=False)
    """The one that has not been used; None when it is known to be dead."""
    access_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    signed_in_at: float
    user_id: str | None = None
    """The user's Autodesk id, where the token tells."""
    renewals: int = 0
    renewing: bool = False
    """Whether the refresh token has been sent off and the answer not been kept yet. When nobody is at it any more,
    the answer is lost, and the refresh token probably spent."""

    @property
    def token(self) -> AccessToken:
        """The access token."""
        return AccessToken(self.access_token, self.expires_at, self.issued_at)

    def to_json(self) -> str:
        """The whole login as text, tokens included."""
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Login":
        """Reads what `to_json` wrote.

        Raises:
            AuthError: it is something else, or of a newer version.
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
            pass  # the parser's words may quote the text
        raise AuthError("the stored login cannot be read; log in again: aps-async login")


def _is_sound(login: Login) -> bool:
    """Whether every field of a login that was read is of its kind."""
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
    """Whether it is a time that can be reckoned with and shown: seconds since the epoch, up to the year 9999."""
    return type(value) in (int, float) and 0 <= value < 253_402_300_800  # type: ignore[operator]


class TokenStore(Protocol):
    """A place for one login. Write your own to keep your users' logins in your database: one store per user."""

    async def load(self) -> Login | None:
        """The login, as it was kept last by anybody; None when there is none.

        Raises:
            AuthError: something is there that cannot be read.
        """
        ...

    async def save(self, login: Login) -> None:
        """Keeps the login; durable when it returns, and the old one or the new one at every instant."""
        ...

    async def delete(self) -> None:
        """Forgets the login."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Held around every change, by one at a time among all tasks and processes that share the place.

        It must be free again when its holder dies, and must not block the event loop.
        """
        ...


class MemoryStore:
    """Keeps a login in this process only: for tests, and for logins that shall end with it."""

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
    async def lock(self) -> AsyncIterator[None]:
        """See `TokenStore`."""
        async with self._lock:
            yield
