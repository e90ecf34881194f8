"""The protocol by which a session gets its tokens, and the one rule for renewing them."""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, Protocol, runtime_checkable

from attrs import define, field, frozen

from aps_async.errors import InputError, forget_frames
from aps_async.narrowing import as_object
from aps_async.transport.retry import is_undecided, may_recover

__all__ = [
    "AccessToken",
    "HasClientId",
    "HasTokenKind",
    "RenewingProvider",
    "Settles",
    "TokenClient",
    "TokenProvider",
    "renewal_time",
    "unverified_claims",
]
__dir__: object = __all__.copy


@frozen
class AccessToken:
    """A bearer token. `str()` and `repr()` do not show it."""

    value: str = field(repr=False)
    expires_at: float | None = None
    """Seconds since the epoch; None if unknown."""
    issued_at: float | None = None
    """When it was requested; together with the expiry this gives its lifetime."""

    def __str__(self) -> str:
        return "AccessToken(…)"

    @property
    def claims(self) -> Mapping[str, object]:
        """The claims of a JWT, not verified; empty for any other token."""
        return unverified_claims(self.value)


class TokenClient(Protocol):
    """What a provider uses to get a token: the session with its retries and quotas, but without a token."""

    def now(self) -> float:
        """Seconds since the epoch, by the session's clock."""
        ...

    @property
    def token_margin(self) -> float:
        """Seconds before its expiry at which a token is renewed."""
        ...

    @property
    def base_url(self) -> str:
        """The address of the service, without a trailing slash."""
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
        """POSTs a form without a bearer token and returns the JSON object of the response.

        `repeatable=False`: if the response is lost, the error is raised and the form is not sent again.
        `may_be_empty`: a response without a body is an empty object. `timeout`: seconds for all attempts.
        """
        ...


class TokenProvider(Protocol):
    """An object with the coroutine function `token`. Pass your own to use your web app's tokens.

    A session also uses what `HasClientId`, `HasTokenKind` and `Settles` describe, if the object has it.
    """

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """Returns a token that is valid now.

        `rejected` is a token that the service has just refused with 401: return another one. Called once before every
        request, from any number of tasks at once.

        Raises:
            AuthError: no token can be obtained.
        """
        ...


@runtime_checkable
class HasClientId(Protocol):
    """A provider that knows its app's client id. Without one, its calls have a quota of their own."""

    client_id: str | None
    """The app whose quota the calls use; None or empty if it is not known."""


@runtime_checkable
class HasTokenKind(Protocol):
    """A provider that knows whether its tokens belong to an app or a user; otherwise they count as a user's."""

    two_legged: bool | None
    """True for the app's own tokens, which allow `x-user-id`; False for a user's; None if it is not known."""


@runtime_checkable
class Settles(Protocol):
    """A provider with work that must be completed before a session closes."""

    async def settle(self) -> None:
        """Awaited by a session before it closes; what it raises is raised once the session is closed."""
        ...


@define(eq=False, repr=False)
class _Queue:
    """The calls that wait for a renewal in one event loop."""

    loop: asyncio.AbstractEventLoop
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    callers: int = 0
    """How many wait for the lock or hold it."""


class RenewingProvider(ABC):
    """Keeps a token and renews it once, however many callers ask at the same time."""

    def __init__(self) -> None:
        self._current: AccessToken | None = None
        self._renew_at = 0.0
        self._queue: _Queue | None = None
        self._attempts = 0
        self._failure: Exception | None = None

    @abstractmethod
    async def _renew(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        """Gets a token other than the rejected one."""

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
        """See `TokenProvider`."""
        if (current := self._usable(client, rejected)) is not None:
            return current
        seen, queue = self._attempts, self._queue_here()
        if queue.lock.locked() and (current := self._unexpired(client, rejected)) is not None:
            return current  # one caller renews it early: a token service that hangs must not delay the others
        queue.callers += 1
        try:
            # A lock, not a shared task: if the caller that renews is cancelled, the next one renews.
            async with queue.lock:
                if (current := self._usable(client, rejected)) is not None:
                    return current
                if self._failure is not None and self._attempts > seen and not _is_of_one_session(self._failure):
                    # The renewal that we waited for has failed; later callers try again. Each caller gets its own
                    # error, since tracebacks and notes are added to it.
                    raise _another(self._failure) from self._failure.__cause__
                return await self._renew_now(client, rejected)
        finally:
            queue.callers -= 1

    def _queue_here(self) -> "_Queue":
        """The running event loop's queue: a program may call `asyncio.run` for each task with the same provider."""
        loop = asyncio.get_running_loop()
        if self._queue is None or self._queue.loop is not loop:
            self._queue = _Queue(loop)
        return self._queue

    def _usable(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken | None:
        return None if client.now() >= self._renew_at else self._unexpired(client, rejected)

    def _unexpired(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken | None:
        current = self._current
        if current is None or (current.expires_at is not None and client.now() >= current.expires_at):
            return None
        return None if rejected is not None and rejected.value == current.value else current

    async def _renew_now(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        try:
            token = await self._renew(client, rejected)
        except Exception as problem:
            self._attempts += 1
            is_outage = may_recover(problem) or is_undecided(problem.__cause__ or problem)
            if is_outage and (current := self._unexpired(client, rejected)) is not None:
                self._renew_at = current.expires_at or self._renew_at  # later callers must not wait for it as well
                return current
            self._failure = problem
            forget_frames(problem)  # they contain the response with the tokens
            raise
        self._attempts += 1
        self._failure = None
        self._current = token
        self._renew_at = renewal_time(client, token)
        return token


def _is_of_one_session(problem: Exception) -> bool:
    """Whether a renewal failed because its session was closed meanwhile: the sessions of other callers may be open."""
    return isinstance(problem, InputError) or isinstance(problem.__cause__, InputError)


def _another(problem: Exception) -> Exception:
    try:
        return copy(problem)
    except TypeError:  # a store's error, with a constructor that copying does not know
        return problem


def renewal_time(client: TokenClient, token: AccessToken) -> float:
    """When to renew a token: the session's margin before its expiry, or at nine tenths of a short lifetime."""
    if token.expires_at is None:
        return float("inf")
    life = token.expires_at - (client.now() if token.issued_at is None else token.issued_at)
    return token.expires_at - min(client.token_margin, life / 10)


def unverified_claims(token: str) -> dict[str, object]:
    """A JWT's claims, not verified: the service does that, and here they only describe the token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return as_object(claims)
