"""The protocol that a session asks for tokens, and the one rule of renewing them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from aps_async.errors import APSError


@frozen
class AccessToken:
    """A bearer token. `str()` and `repr()` do not show it."""

    value: str = field(repr=False)
    expires_at: float | None = None
    """Seconds since the epoch; None when nobody said."""

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

    async def post_form(
        self, path: str, form: Mapping[str, str], *, headers: Mapping[str, str], repeatable: bool = True
    ) -> Mapping[str, Any]:
        """POSTs a form without a bearer token and gives the JSON object that came back."""
        ...


class TokenProvider(Protocol):
    """One coroutine: hand in your own to use your web app's tokens.

    Two attributes are read when they are there: `client_id` (whose quota the calls draw on; providers without one
    get a quota of their own) and `two_legged` (whether `x-user-id` may be sent; False when absent).
    """

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """A token that is good now.

        `rejected` is one that the service has just answered 401 to: give another one. Called once before every
        request, from any number of tasks at once.

        Raises:
            AuthError: there is none to be had.
        """
        ...


class RenewingProvider(ABC):
    """Keeps a token and renews it once, for however many callers ask at the same time."""

    def __init__(self) -> None:
        self._current: AccessToken | None = None
        self._renew_at = 0.0
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._failure: APSError | None = None

    @abstractmethod
    async def _renew(self, client: TokenClient) -> AccessToken:
        """Gets a new token from the service."""

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """See `TokenProvider`."""
        if (current := self._usable(client, rejected)) is not None:
            return current
        seen = self._attempts
        async with self._lock:  # a lock, not a shared task: when the one who renews is cancelled, the next one does it
            if (current := self._usable(client, rejected)) is not None:
                return current
            if self._failure is not None and self._attempts > seen:
                raise self._failure  # the renewal we have waited for; whoever comes later tries anew
            return await self._renew_now(client)

    def _usable(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken | None:
        current = self._current
        if current is None or client.now() >= self._renew_at:
            return None
        return None if rejected is not None and rejected.value == current.value else current

    async def _renew_now(self, client: TokenClient) -> AccessToken:
        try:
            token = await self._renew(client)
        except APSError as problem:
            self._attempts += 1
            self._failure = problem
            raise
        self._attempts += 1
        self._failure = None
        self._current = token
        life = (token.expires_at or float("inf")) - client.now()
        self._renew_at = client.now() + life - min(client.token_margin, life / 10)
        return token
