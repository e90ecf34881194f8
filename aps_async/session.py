"""`Session`: makes API calls with quota, token, retries and typed responses; opens signed links without these.

`request` passes a call through the modules of `aps_async.transport`: `request` (URL, headers, acting user), `quotas`,
the token provider, `connections`, `response`, and with `retry` around these; the result goes to `converter`.
"""

import asyncio
import json as json_text
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDictProxy

from aps_async.arguments import check_functions
from aps_async.auth.provider import AccessToken, HasClientId, HasTokenKind, Settles, TokenProvider
from aps_async.errors import APSError, AuthError, DecodeError, InputError, TransportError
from aps_async.links import SignedUrl
from aps_async.models import ItemWarning
from aps_async.narrowing import is_object, is_really
from aps_async.settings import Settings
from aps_async.threads import ended, of_caller
from aps_async.transport import hooks
from aps_async.transport.connections import NOT_OPEN, Connections, TlsTrust
from aps_async.transport.converter import Unread, structure
from aps_async.transport.first_contact import FirstContact
from aps_async.transport.headers import USER_AGENT, checked_headers, header_value
from aps_async.transport.hooks import Hook
from aps_async.transport.quotas import Endpoint, RateLimiter, RateLimiters, shared_quotas
from aps_async.transport.request import PRODUCTION, Call, Query, acting_user, call_to, checked_base, form_encoded
from aps_async.transport.response import Answer, retry_after, value_of
from aps_async.transport.retry import call_deadline, note_error, obeyed
from aps_async.transport.speed import SimulatorSpeed

__all__ = ["TOKENS", "Session"]
__dir__: object = __all__.copy

T = TypeVar("T")
R = TypeVar("R", Answer, aiohttp.ClientResponse)

_WARNINGS = 1000
TOKENS = Endpoint("token", 500)
_FOR_JSON: dict[str, str] = {hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: USER_AGENT}
_NOTICEABLE = 0.001  # seconds in the queue of a quota from which on `Waited` is emitted

_log = logging.getLogger(__name__)


class Session:
    """Makes calls to the services: with tokens, quotas, retries, and two HTTP sessions.

    One HTTP session is for the API; the other opens signed links and has no way to send `Authorization`.
    Share one between tasks. A whole script:

        import asyncio
        from aps_async import Session, TwoLegged, export_project

        async def main():
            async with Session(TwoLegged.from_env()) as session:
                print([outcome.ok async for outcome in export_project(session, "Riverside Clinic", "plans")])

        asyncio.run(main())

    In a notebook, `session = await Session(TwoLegged.from_env()).open()` does the same until `await session.close()`.

    Args:
        tokens: the token provider.
        base_url: the API's address; None: `APS_BASE_URL`, or else Autodesk's production host.
        settings: all numbers, such as timeouts. None: the defaults; for a base address on this machine, scaled by
            `APS_SPEED`, or else by the speed that a simulator states in its responses.
        http: your own aiohttp session for API calls, which is not closed. Signed links use its connector too (its CA,
            resolver and connection limit), without its headers, cookies and auth.
        ssl: for networks that re-sign TLS: an `ssl.SSLContext`, or a file of CA certificates (PEM) to trust besides
            the system's. It applies to both HTTP sessions, and overrides the TLS settings of `http`.
        user_id: the default `x-user-id` of calls; only with two-legged tokens.
        proxy: an HTTP proxy for both sessions, such as `http://proxy.example:3128`.
        quotas: shared rate limiters, such as those of several machines (`aps_async.workers.SharedQuotas`); by default
            all sessions of one event loop share theirs.
        clock: returns seconds since the epoch, for expiries; waits use the event loop's clock.
        patient: for programs that may start before the network is up: an unknown host and an untrusted certificate are
            retried like any other error. Otherwise they are retried once, until the first response has arrived.
        hooks: called with events of the session; see `aps_async.transport.hooks`.
        on_unreachable: for interactive commands: a first connection that is refused or not made within 2 s is also
            retried only once. Called with the first error, before the second attempt.
    """

    def __init__(
        self,
        tokens: TokenProvider,
        *,
        base_url: str | None = None,
        settings: Settings | None = None,
        http: aiohttp.ClientSession | None = None,
        user_id: str | None = None,
        proxy: str | None = None,
        ssl: TlsTrust = None,
        quotas: RateLimiters | None = None,
        clock: Callable[[], float] = time.time,
        patient: bool = False,
        hooks: Iterable[Hook] = (),
        on_unreachable: Callable[[TransportError], object] | None = None,
    ) -> None:
        variable = os.environ.get("APS_BASE_URL", "").strip()
        self.base_url_place: str = "base_url" if base_url else "APS_BASE_URL" if variable else ""
        """Where the base address was set, as errors name it: a program that reads it from elsewhere says so here."""
        self.base_url: str = checked_base(base_url or variable or PRODUCTION, self.base_url_place)
        self._speed = SimulatorSpeed(self.base_url)
        self.settings: Settings = settings or (Settings() if self._speed.is_known else Settings.from_env())
        self.now = clock
        if isinstance(tokens, type) or not callable(getattr(tokens, "token", None)):
            given = f"the class {tokens.__name__}" if isinstance(tokens, type) else type(tokens).__name__
            raise InputError(f"tokens must be a token provider such as TwoLegged.from_env(), not {given}")
        if settings is not None and not is_really(settings, Settings):
            raise InputError(f"settings must be Settings(...), not {type(settings).__name__}")
        self.hooks: tuple[Hook, ...] = () if callable(hooks) else tuple(hooks)
        if callable(hooks) or not all(map(callable, self.hooks)):
            raise InputError("hooks must be a list of functions or other callables, such as hooks=[watch]")
        check_functions(clock=clock, on_unreachable=on_unreachable)
        for hook in self.hooks:
            check_functions(**{"each of hooks": hook})
        self.calls: int = 0
        """The number of API calls sent so far, retries included; without those for tokens, and without downloads."""
        self._tokens = tokens
        self._user_id = None if user_id is None else header_value("user_id", user_id)
        self.contact: FirstContact = FirstContact(patient=patient, on_unreachable=on_unreachable, hooks=self.hooks)
        """`contact.trouble` is set while calls fail and are retried."""
        self._connections = Connections(http, ssl, proxy, self.contact, self.hooks)
        self._quotas = quotas
        client_id = tokens.client_id if isinstance(tokens, HasClientId) else None
        self._two_legged = tokens.two_legged if isinstance(tokens, HasTokenKind) else False
        self._owner: tuple[Any, ...] = (self.base_url, client_id or id(tokens))
        self._rate_limiters: dict[str, RateLimiter] = {}
        self._warnings: dict[ItemWarning, None] = {}
        self._attempts = self.contact.retried(self._attempt, self.settings)

    def _learn_speed(self, headers: Mapping[str, str]) -> None:
        if scaled := self._speed.learn(headers, self.settings):
            self.settings = scaled
            self._owner = (*self._owner, scaled.time_scale)  # its quota windows have another length
            self._rate_limiters.clear()
            self._attempts = self.contact.retried(self._attempt, self.settings)

    async def open(self) -> Self:
        """Opens the session, as `async with` does; `close` ends it, and after that it can be opened again.

        Returns:
            The session itself.

        Raises:
            InputError: it is open already.
        """
        if self._connections.is_open:
            raise InputError("the session is open already: share it, or create another one")
        self._quotas = self._quotas or shared_quotas()
        self._connections.open(self.settings)
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, _kind: object = None, problem: BaseException | None = None, *_: object) -> None:
        try:
            await self.close()
        except Exception as failed:
            if problem is None:
                raise
            _log.error("the token provider could not be closed: %r", failed)  # the block's own error says more

    async def close(self) -> None:
        """Closes what this session has opened; your own aiohttp session stays open. May be called again.

        If the token provider's `settle` raises, everything is closed all the same.
        """
        await ended(self._close())  # even if cancelled, otherwise connections would stay open

    async def _close(self) -> None:
        try:
            if isinstance(self._tokens, Settles):
                await self._tokens.settle()
        finally:
            self._rate_limiters.clear()
            await self._connections.close()

    @property
    def warnings(self) -> tuple[ItemWarning, ...]:
        """Warnings about unreadable items in lists so far, each once, in order; at most the first 1,000.

        For example, an item that a service returns without its id is left out of the list, which then continues. Each
        is also logged as a warning.
        """
        return tuple(self._warnings)

    def warn(self, warning: ItemWarning) -> None:
        """Logs a warning and keeps it in `warnings`, unless it is there already."""
        if warning not in self._warnings:
            _log.warning("%s", warning)
            if len(self._warnings) < _WARNINGS:
                self._warnings[warning] = None

    def on_unread(self, call: str) -> Callable[[Unread], None]:
        """Returns a listener for `structure` that adds warnings about the response to `call`."""

        def keep(found: Unread) -> None:
            self.warn(ItemWarning(call=call, id=found.id, reason=found.reason, left_out=found.left_out))

        return keep

    @property
    def speed_is_known(self) -> bool:
        """Whether `settings` are final; a simulator on this machine states its speed in the first response."""
        return self._speed.is_known

    @property
    def two_legged(self) -> bool:
        """Whether the tokens are those of the app itself, which may be used with `x-user-id`."""
        return bool(self._two_legged)

    @property
    def user_id(self) -> str | None:
        """The default `x-user-id` of calls."""
        return self._user_id

    @property
    def token_margin(self) -> float:
        """See `TokenClient`."""
        return self.settings.token_margin

    async def check_token(self, *, timeout: float | None = None) -> None:
        """Checks that a token can be obtained.

        Args:
            timeout: seconds for all attempts; None: no limit.

        Raises:
            AuthError: no token can be obtained.
            CallTimeoutError: `timeout` is over.
        """
        async with call_deadline(timeout, "the token"):
            await self._token()

    async def acting_as(self, user_id: str | None = None) -> str:
        """The app and the user of this session's calls, as a text to store and compare. It contains no secret.

        Raises:
            AuthError: there is no token.
        """
        app, user = await self.credentials(user_id)
        app = app or "an app"
        if self.two_legged:
            return f"{app} for {user}" if user else app
        return f"{app} as {user or 'a user'}"

    async def credentials(self, user_id: str | None = None) -> tuple[str, str]:
        """The client id and the user id of this session's calls; empty if there is none, or it is not known.

        Args:
            user_id: the acting user of a two-legged call; None: the session's own.

        Raises:
            AuthError: there is no token.
        """
        app = str(getattr(self._tokens, "client_id", None) or "")
        if self.two_legged:
            return app, user_id or self._user_id or ""
        claims = (await self._token()).claims
        return str(claims.get("client_id") or app), str(claims.get("userid") or claims.get("sub") or "")

    def rate_limiter(self, endpoint: Endpoint) -> RateLimiter:
        """The rate limiter for this session's calls to an endpoint."""
        found = self._rate_limiters.get(endpoint.name)
        if found is None:
            if self._quotas is None or not self._connections.is_open:
                raise InputError(NOT_OPEN)
            numbers = self.settings
            budget = numbers.budgets.get(endpoint.name, endpoint.budget)
            found = self._quotas.rate_limiter(self._owner, endpoint, budget, numbers.quota_window, numbers.backoff_base)
            self._rate_limiters[endpoint.name] = found
        return found

    async def request(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        *,
        into: type[T],
        query: Query | None = None,
        json: Any = None,
        user_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
        timeout: float | None = None,
        on_headers: Callable[["CIMultiDictProxy[str]"], object] | None = None,
    ) -> T:
        """Makes one API call: waits for the quota, gets a token, retries transient errors, and returns a typed value.

        Args:
            endpoint: determines the quota, and whether the call may be repeated.
            method: the HTTP method.
            path: the path after the host, already percent-encoded; or a whole `next` link, whose host is ignored.
            into: the type of the result; `type(None)` to ignore the body.
            query: query parameters, not yet encoded.
            json: the body.
            user_id: the `x-user-id`; None: the session's own.
            headers: additional headers.
            retry: False for one attempt only (a 401 still renews the token once).
            timeout: seconds for everything: the quota, the token and all attempts; None: no limit. One attempt has
                `Settings.call_timeout`, or `request_timeout` if not `Endpoint.repeatable`, or for the body if
                `Endpoint.large`.
            on_headers: called with the headers of a successful response.

        Raises:
            AuthError: no token can be obtained, or a renewed one was refused.
            TransportError: no attempt received a complete response.
            CallTimeoutError: `timeout` is over.
            ResponseError: the service returned an error status; see its subclasses.
            DecodeError: the response is not as documented.
            InputError: `user_id` is given although the call or the token does not allow it, or is missing although they
                require it (see `Endpoint.token`); or the session is not open.
        """
        if on_headers is not None:
            check_functions(on_headers=on_headers)
        sent: dict[str, str] = {**_FOR_JSON, **checked_headers(headers)}
        if user := self._acting_user(endpoint, user_id):
            sent["x-user-id"] = user
        body = None
        if json is not None:
            body = json_text.dumps(json).encode()
            sent[hdrs.CONTENT_TYPE] = "application/json"
        may_be_empty = into is type(None)
        call = call_to(self.base_url, endpoint, method, path, sent, query=query, body=body, may_be_empty=may_be_empty)
        attempt = self._attempts[endpoint.repeatable] if retry else self._attempt
        if timeout is None:
            said, answered = await attempt(call)
        else:
            async with call_deadline(timeout, f"{method} {call.path}"):
                said, answered = await attempt(call)
        if on_headers is not None:
            on_headers(answered)
        try:
            return structure(said, into, self.on_unread(f"{method} {call.path}"))
        except DecodeError as problem:
            raise DecodeError(f"{method} {call.path}: {problem}", problems=problem.problems) from None

    def check_user(self, endpoint: Endpoint, user_id: str | None = None) -> None:
        """Checks user and token as `request` would, so that a long run can fail before it starts.

        Raises:
            AuthError: the call needs another kind of token.
            InputError: `user_id` is missing, or cannot be used with the token.
        """
        self._acting_user(endpoint, user_id)

    def _acting_user(self, endpoint: Endpoint, user_id: str | None) -> str | None:
        return acting_user(endpoint, self._two_legged, user_id, self._user_id)

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
        """POSTs a form without a token: for token providers; see `TokenClient`."""
        call = call_to(
            self.base_url,
            TOKENS,
            "POST",
            path,
            {**_FOR_JSON, hdrs.CONTENT_TYPE: "application/x-www-form-urlencoded", **checked_headers(headers)},
            body=form_encoded(form).encode(),
            authorized=False,
            may_be_empty=may_be_empty,
            repeatable=repeatable,
        )
        del form, headers  # they contain secrets, and this frame lives as long as the call
        async with call_deadline(timeout, f"POST {path}"):
            answer, _ = await self._attempts[repeatable](call)
        if answer is None:
            return {}
        if not is_object(answer):
            raise DecodeError(f"POST {path}: expected a JSON object")
        return answer

    def open_link(
        self, link: SignedUrl, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Opens a signed link exactly as it is, without a token and without following redirects.

        Yields the response with any status, its body unread. Errors of aiohttp are not converted.

        Raises:
            InputError: the session is not open, a header is not allowed, or the link's address is not allowed.
        """
        return self._connections.open_link(link, headers, self.base_url, self.settings)

    @asynccontextmanager
    async def open_with_token(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None, *, user_id: str | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Opens a file that the API itself serves. The token is sent to the API's host only.

        Yields the response with any status, its body unread; a 401 renews the token once, and after a 429 all calls to
        the endpoint pause. Errors of aiohttp are not converted.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **checked_headers(headers)}
        if user := self._acting_user(endpoint, user_id):
            sent["x-user-id"] = user
        call = call_to(self.base_url, endpoint, "GET", path, sent)
        response, token = await self._exchange(call, None, self._open)
        if response.status == 401:
            response.release()
            response, _ = await self._exchange(call, token, self._open)
        async with response:
            yield response

    async def _token(self, rejected: AccessToken | None = None) -> AccessToken:
        name = type(self._tokens).__name__
        return await of_caller(
            self._tokens.token(self, rejected),
            lambda: AuthError(f"no token: {name}.token() was cancelled, and not the call that needs it"),
        )

    async def _attempt(self, call: Call) -> "tuple[Any, CIMultiDictProxy[str]]":
        try:
            return await self._once(call)
        except APSError as problem:
            note_error(problem)
            self.contact.failed(problem)
            raise

    async def _once(self, call: Call) -> "tuple[Any, CIMultiDictProxy[str]]":
        answer, token = await self._exchange(call, None, self._send)
        if answer.status == 401 and token is not None:
            answer, _ = await self._exchange(call, token, self._send)
        return value_of(call, answer, self.now()), answer.headers

    async def _send(self, call: Call, token: AccessToken | None) -> Answer:
        self.calls += call.authorized
        answer = await self._connections.send(call, token, self.settings, self.base_url_place)
        self._learn_speed(answer.headers)
        return answer

    async def _open(self, call: Call, token: AccessToken | None) -> aiohttp.ClientResponse:
        return await self._connections.begin(call, token, self.settings)

    async def _exchange(
        self,
        call: Call,
        rejected: AccessToken | None,
        send: Callable[[Call, AccessToken | None], Awaitable[R]],
    ) -> tuple[R, AccessToken | None]:
        """Sends one call when the quota allows it. The token comes last, so that it cannot expire in the queue."""
        rate_limiter = self.rate_limiter(call.endpoint)
        self._connections.api()  # raises if the session is not open, before a token is requested
        await self._acquire(rate_limiter, call)
        counts = False
        try:
            token = await self._token(rejected) if call.authorized else None
            counts = True
            answer = await send(call, token)
            counts = self._heed(rate_limiter, call, answer.status, answer.headers)
            return answer, token
        except TransportError as problem:
            counts = problem.sent
            raise
        finally:
            rate_limiter.release(used=counts)

    def _heed(self, rate_limiter: RateLimiter, call: Call, status: int, headers: Mapping[str, str]) -> bool:
        """Reports a response to the rate limiter; returns whether its call counts in the present window."""
        if status != 429:
            rate_limiter.accepted()
            return True
        named = retry_after(headers, self.now())
        asked = obeyed(named, self.settings.retry_after_max)
        rate_limiter.refused(0.0 if named == 0 else asked)
        if self.hooks:
            hooks.emit(self.hooks, hooks.RateLimited(endpoint=call.endpoint.name, retry_after=named))
        return asked is None  # otherwise it belongs to the window that ends then

    async def _acquire(self, rate_limiter: RateLimiter, call: Call) -> None:
        if not self.hooks:
            await rate_limiter.acquire(call.priority)
            return
        began = asyncio.get_running_loop().time()
        await rate_limiter.acquire(call.priority)
        seconds = asyncio.get_running_loop().time() - began
        if seconds >= _NOTICEABLE:
            hooks.emit(self.hooks, hooks.Waited(reason="quota", seconds=seconds, what=call.endpoint.name))
