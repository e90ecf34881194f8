"""The protocol that a session asks for tokens, and the one rule of renewing them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from aps_async.errors import APSError, forget_frames

__all__ = [
    "AccessToken",
    "HasClientId",
    "HasTokenKind",
    "RenewingProvider",
    "Settles",
    "TokenClient",
    "TokenProvider",
    "renewal_time",
]
__dir__: object = __all__.copy


@frozen
class AccessToken:
    """A bearer token. `str()` and `repr()` do not show it."""

    value: str = field(repr=False)
    expires_at: float | None = None
    """Seconds since the epoch; None when nobody said."""
    issued_at: float | None = None
    """When it was asked for; with the expiry this tells its whole life."""

    def __str__(self) -> str:
        return "AccessToken(…)"


class TokenClient(Protocol):
    """What a provider may use to get a token: the session, retries and quotas included, but no token."""

    def now(self) -> float:
        """Seconds since the epoch, by the session's clock."""
        ...

    @property
    def token_margin(self) -> float:
        """How long before its expiry a token is to be renewed, in seconds."""
        ...

    @property
    def base_url(self) -> str:
        """The address of the service, without a slash at its end."""
        ...

    async def post_form(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        repeatable: bool = True,
        may_be_empty: bool = False,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        """POSTs a form without a bearer token and gives the JSON object that came back.

        `repeatable=False`: after an answer that got lost, the error is raised and the form is not sent again.
        `may_be_empty`: an answer without a body is an empty object. `timeout`: seconds for all attempts.
        """
        ...


class TokenProvider(Protocol):
    """One coroutine function: pass your own object to use your web app's tokens.

    A session also uses what `HasClientId`, `HasTokenKind` and `Settles` describe, where the object has it.
    """

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """A token that is good now.

        `rejected` is one that the service has just answered 401 to: give another one. Called once before every
        request, from any number of tasks at once.

        Raises:
            AuthError: there is none to be had.
        """
        ...


@runtime_checkable
class HasClientId(Protocol):
    """A provider that knows its app. Without a client id, its calls have a quota of their own."""

    client_id: str | None
    """The app whose quota the calls draw on; None or empty if it is unknown."""


@runtime_checkable
class HasTokenKind(Protocol):
    """A provider that knows whose tokens it gives. Without it, they count as a user's."""

    two_legged: bool | None
    """True for the app's own tokens, which take an `x-user-id`; False for a user's; None if it is unknown."""


@runtime_checkable
class Settles(Protocol):
    """A provider with work that must not be cut short."""

    async def settle(self) -> None:
        """Awaited by a session before it closes."""
        ...


class RenewingProvider(ABC):
    """Keeps a token and renews it once, for however many callers ask at the same time."""

    def __init__(self) -> None:
        self._current: AccessToken | None = None
        self._renew_at = 0.0
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._attempts = 0
        self._failure: APSError | None = None

    @abstractmethod
    async def _renew(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        """Gets another token than the rejected one."""

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """See `TokenProvider`."""
        if (current := self._usable(client, rejected)) is not None:
            return current
        seen = self._attempts
        async with (
            self._lock_here()
        ):  # a lock, not a shared task: when the one who renews is cancelled, the next one does it
            if (current := self._usable(client, rejected)) is not None:
                return current
            if self._failure is not None and self._attempts > seen:
                # The renewal we have waited for; whoever comes later tries anew. Everybody gets an error of their own,
                # since tracebacks and notes are added to it.
                raise copy(self._failure) from self._failure.__cause__
            return await self._renew_now(client, rejected)

    def _lock_here(self) -> asyncio.Lock:
        """The running loop's: a worker may call `asyncio.run` for every task of its queue, with one provider."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        return self._lock[1]

    def _usable(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken | None:
        current = self._current
        if current is None or client.now() >= self._renew_at:
            return None
        return None if rejected is not None and rejected.value == current.value else current

    async def _renew_now(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        try:
            token = await self._renew(client, rejected)
        except APSError as problem:
            self._attempts += 1
            self._failure = problem
            forget_frames(problem)  # they hold the answer with the tokens
            raise
        self._attempts += 1
        self._failure = None
        self._current = token
        self._renew_at = renewal_time(client, token)
        return token


def renewal_time(client: TokenClient, token: AccessToken) -> float:
    """When a token is to be renewed: the session's margin before its expiry, or at nine tenths of a shorter life."""
    if token.expires_at is None:
        return float("inf")
    life = token.expires_at - (client.now() if token.issued_at is None else token.issued_at)
    return token.expires_at - min(client.token_margin, life / 10)
