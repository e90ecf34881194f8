"""The session: API calls with quota, token, retries and typed responses, and signed links, which need none of these."""

import asyncio
import json as json_text
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aps_async.auth import AccessToken, HasClientId, HasTokenKind, Settles, TokenProvider
from aps_async.auth.credentials import seconds_from
from aps_async.errors import APSError, DecodeError, InputError, TransportError, forget_frames
from aps_async.links import SignedUrl
from aps_async.models import ItemWarning
from aps_async.settings import Settings
from aps_async.transport.addresses import is_loopback
from aps_async.transport.connections import TlsTrust, open_api, open_links, request_options, tls_context
from aps_async.transport.converter import Unread, structure
from aps_async.transport.headers import bearer, checked_headers, header_value
from aps_async.transport.quotas import Endpoint, RateLimiter, RateLimiters, shared_quotas
from aps_async.transport.request import (
    PRODUCTION,
    Call,
    Query,
    acting_user,
    call_to,
    checked_base,
    checked_link_target,
    form_encoded,
)
from aps_async.transport.response import Answer, error_of, json_of, read_answer, retry_after, transport_error
from aps_async.transport.retry import call_deadline, is_transient, note_error, obeyed, retrying, was_not_sent

__all__ = ["SPEED_HEADER", "TOKENS", "USER_AGENT", "Session"]
__dir__: object = __all__.copy

T = TypeVar("T")

USER_AGENT = "aps-async"
SPEED_HEADER = "X-Simulator-Speed"
_WARNINGS = 1000
TOKENS = Endpoint("token", 500)

_FIRST_CONNECT = 2.0  # seconds for each of two attempts at a command's first connection
_MOST_PATHS = 10_000
_POLLS_AS_LONG = 3  # so that one or two that hang cost little, and a service that is slow still gets to answer
_NOT_OPEN = "the session is not open: use 'async with Session(...) as session', or 'await session.open()'"

_log = logging.getLogger("aps_async")


class Session:
    """Everything needed to talk to the services: tokens, quotas, retries and two HTTP sessions.

    One HTTP session is for the API; the other opens signed links and has no way to send `Authorization`.
    Use it as `async with Session(TwoLegged.from_env()) as session:` and share it between tasks. In a notebook,
    `session = await Session(TwoLegged.from_env()).open()` does the same until `await session.close()`.

    Args:
        tokens: where tokens come from.
        base_url: the API's address; `APS_BASE_URL` or Autodesk's production host when not given.
        settings: every number. When not given: the defaults, scaled by `APS_SPEED` if the base address is on this
            machine (any other address ignores it), or else by the speed that a simulator there names in its responses.
        http: your own aiohttp session for API calls; it is used and not closed. Signed links go through its connector
            too (its CA, resolver and connection limit), without its headers, cookies and auth.
        ssl: for networks that re-sign TLS: an `ssl.SSLContext`, or a file of CA certificates (PEM) to trust besides
            the system's. It applies to both HTTP sessions, and overrides the TLS settings of `http`.
        user_id: the default `x-user-id` of calls; only with two-legged tokens.
        proxy: an HTTP proxy for both sessions, such as `http://proxy.example:3128`.
        quotas: shared rate limiters, such as those of several machines (`aps_async.workers.SharedQuotas`); by default
            all sessions of one event loop share theirs.
        clock: returns seconds since the epoch, for expiries; waits use the event loop's clock.
        patient: for programs that may start before the network is up: an unknown host and an untrusted certificate are
            retried like any other fault. Otherwise they are retried once, until the first response has arrived.
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
        on_unreachable: Callable[[TransportError], object] | None = None,
    ) -> None:
        self.base_url: str = checked_base(base_url or os.environ.get("APS_BASE_URL") or PRODUCTION)
        # See `_learn_speed`.
        self.speed_is_known: bool = not is_loopback(URL(self.base_url, encoded=True).raw_host or "")
        self.settings: Settings = settings or (Settings() if self.speed_is_known else Settings.from_env())
        self.now = clock
        self.calls: int = 0
        """API calls that were sent so far, repeats included; without those for tokens, and without downloads."""
        self._tokens = tokens
        self._user_id = None if user_id is None else header_value("user_id", user_id)
        self._options = request_options(tls_context(ssl), proxy)
        self._quotas = quotas
        client_id = tokens.client_id if isinstance(tokens, HasClientId) else None
        self._two_legged = tokens.two_legged if isinstance(tokens, HasTokenKind) else False
        self._owner: tuple[Any, ...] = (self.base_url, client_id or id(tokens))
        self._api: aiohttp.ClientSession | None = http
        self._api_is_ours = http is None
        self._links: aiohttp.ClientSession | None = None
        self._rate_limiters: dict[str, RateLimiter] = {}
        self._warnings: dict[ItemWarning, None] = {}
        self._on_unreachable = on_unreachable
        self._reached = patient  # whether any response has arrived
        self._first_failures = 0
        self._timeouts: dict[str, int] = {}  # in a row, by path
        self._attempts = self._prepared_attempts()

    def _prepared_attempts(self) -> dict[bool, Callable[[Call], Coroutine[Any, Any, Any]]]:
        """The retried attempt, for calls that may be repeated (True) and for calls that must not be (False)."""
        again = {True: is_transient, False: was_not_sent}
        return {
            key: retrying(self._attempt, self.settings, partial(self._may_repeat, may), self._note_retry)
            for key, may in again.items()
        }

    def _learn_speed(self, headers: Mapping[str, str]) -> None:
        """Scales the settings to a simulator on this machine, which states its speed in every response.

        Settings that are already scaled stay as they are.
        """
        self.speed_is_known = True
        speed = seconds_from(headers.get(SPEED_HEADER))
        if speed is None or speed <= 0 or speed == 1 or self.settings.time_scale != 1.0:
            return
        self.settings = self.settings.scaled(speed)
        self._owner = (*self._owner, speed)  # other windows: other rate limiters
        self._rate_limiters.clear()
        self._attempts = self._prepared_attempts()

    async def open(self) -> Self:
        """Opens the session, as `async with` does; `close` ends it, and after that it can be opened again.

        Returns:
            The session itself.

        Raises:
            InputError: it is open already.
        """
        if self._links is not None:
            raise InputError("the session is open already: share it, or create another one")
        numbers = self.settings
        self._quotas = self._quotas or shared_quotas()
        self._rate_limiters = {}
        if self._api_is_ours:
            self._api = open_api(numbers)
        self._links = open_links(numbers, None if self._api_is_ours or self._api is None else self._api.connector)
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes what this session opened, once or more often; your own aiohttp session stays open."""
        if isinstance(self._tokens, Settles):
            await self._tokens.settle()
        self._rate_limiters.clear()
        links, self._links = self._links, None
        if links is not None:
            await links.close()
        if self._api_is_ours and self._api is not None:
            api, self._api = self._api, None
            await api.close()

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
        """A listener for `structure` that adds warnings about the response to `call`."""

        def keep(found: Unread) -> None:
            self.warn(ItemWarning(call=call, id=found.id, reason=found.reason, left_out=found.left_out))

        return keep

    @property
    def two_legged(self) -> bool:
        """Whether the tokens are the app's own, so that `x-user-id` may go with them."""
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
            await self._tokens.token(self)

    async def acting_as(self, user_id: str | None = None) -> str:
        """The app and the user that the service answers, as a text to store and compare; it holds no secret.

        Raises:
            AuthError: there is no token.
        """
        app = str(getattr(self._tokens, "client_id", None) or "an app")
        if self.two_legged:
            user = user_id or self._user_id
            return f"{app} for {user}" if user else app
        claims = (await self._tokens.token(self)).claims
        return f"{claims.get('client_id') or app} as {claims.get('userid') or claims.get('sub') or 'a user'}"

    def rate_limiter(self, endpoint: Endpoint) -> RateLimiter:
        """The rate limiter for this session's calls to an endpoint."""
        found = self._rate_limiters.get(endpoint.name)
        if found is None:
            if self._quotas is None or self._links is None:
                raise InputError(_NOT_OPEN)
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
            endpoint: gives the quota, and whether the call may be repeated.
            method: the HTTP method.
            path: the path after the host, already percent-encoded; or a whole `next` link, whose host is ignored.
            into: the type of the result; `type(None)` to ignore the body.
            query: query parameters, not yet encoded.
            json: the body.
            user_id: the `x-user-id`; None: the session's own.
            headers: additional headers.
            retry: False for one attempt only (a 401 still renews the token once).
            timeout: seconds for everything: the quota, the token and all attempts; None: no limit. One attempt has
                `Settings.call_timeout`, or `request_timeout` if `Endpoint.large` or not `Endpoint.repeatable`.
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
        sent: dict[str, str] = {hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: USER_AGENT}
        if headers:
            sent.update(checked_headers(headers))
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
            {
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
                "Content-Type": "application/x-www-form-urlencoded",
                **checked_headers(headers),
            },
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
        if not isinstance(answer, dict):
            raise DecodeError(f"POST {path}: expected a JSON object")
        return answer

    @asynccontextmanager
    async def open_link(
        self, link: SignedUrl, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Opens a signed link exactly as it is, without a token and without following redirects.

        Yields the response with any status, its body unread. Errors of aiohttp are not converted.

        Raises:
            InputError: the session is not open, a header is not allowed, or the link's address is not allowed.
        """
        if self._links is None or self._links.closed:
            raise InputError(_NOT_OPEN)
        sent: dict[str, str] = {hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: USER_AGENT}
        sent.update(checked_headers(headers))
        if headers and any(name.lower() == "authorization" for name in headers):
            raise InputError("a signed link carries its own authorization: storage responds with 400 to a second one")
        url = checked_link_target(link.reveal(), self.base_url)
        if cookie := link.reveal_cookie():
            sent["Cookie"] = header_value("the cookie of the signed link", cookie)
        async with asyncio.timeout(self._headers_timeout):
            response = await self._links.get(url, headers=sent, **self._options)
        async with response:
            yield response

    @property
    def _headers_timeout(self) -> float:
        """Seconds until a download's headers: aiohttp's own read timeout does not apply after a 1xx response."""
        return self.settings.connect_timeout + self.settings.read_timeout

    @asynccontextmanager
    async def open_with_token(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None, *, user_id: str | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Opens a file that the API itself serves. The token is sent to the API's host only.

        Yields the response with any status, its body unread; a 401 renews the token once. Errors of aiohttp are not
        converted.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **checked_headers(headers)}
        if user := self._acting_user(endpoint, user_id):
            sent["x-user-id"] = user
        call = call_to(self.base_url, endpoint, "GET", path, sent)
        response, token = await self._begin(call, None)
        if response.status == 401:
            response.release()
            response, _ = await self._begin(call, token)
        async with response:
            yield response

    async def _begin(self, call: Call, rejected: AccessToken | None) -> tuple[aiohttp.ClientResponse, AccessToken]:
        """Makes one call up to its headers, with no time limit for a large body."""
        rate_limiter, numbers = self.rate_limiter(call.endpoint), self.settings
        await rate_limiter.acquire(call.priority)
        try:
            token = await self._tokens.token(self, rejected)
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=numbers.connect_timeout, sock_read=numbers.read_timeout
            )
            async with asyncio.timeout(self._headers_timeout):
                response = await self._open(call, token, timeout)
            return response, token
        finally:
            rate_limiter.release(used=True)

    async def _attempt(self, call: Call) -> "tuple[Any, CIMultiDictProxy[str]]":
        try:
            return await self._once(call)
        except APSError as problem:
            note_error(problem)
            raise

    async def _once(self, call: Call) -> "tuple[Any, CIMultiDictProxy[str]]":
        answer, token = await self._exchange(call, None)
        if answer.status == 401 and token is not None:
            answer, _ = await self._exchange(call, token)
        if not 200 <= answer.status < 300:
            raise error_of(call.method, call.path, answer, self.now())
        if answer.status == 204 or (call.may_be_empty and not answer.body.strip()):
            return None, answer.headers
        return json_of(call.method, call.path, answer), answer.headers

    async def _exchange(self, call: Call, rejected: AccessToken | None) -> tuple[Answer, AccessToken | None]:
        """Makes one call when the quota allows it. The token is taken last, so that it cannot expire in the queue."""
        rate_limiter = self.rate_limiter(call.endpoint)
        self._http()  # before a token is asked for: it could not be had either
        await rate_limiter.acquire(call.priority)
        counts = False
        try:
            token = None
            if call.authorized:
                token = await self._tokens.token(self, rejected)
                self.calls += 1
            counts = True
            answer = await self._send(call, token)
            if answer.status == 429:
                named = retry_after(answer.headers, self.now())
                asked = obeyed(named, self.settings.retry_after_max)
                rate_limiter.refused(0.0 if named == 0 else asked)
                counts = asked is None  # otherwise it counts in the window that ends then
            else:
                rate_limiter.accepted()
            return answer, token
        except TransportError as problem:
            counts = problem.sent
            raise
        finally:
            rate_limiter.release(used=counts)

    async def _open(
        self, call: Call, token: AccessToken | None, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Sends one call: the only place where the token becomes a header, which no frame of ours keeps."""
        api = self._http()
        try:
            return await api.request(
                call.method,
                call.url,
                data=call.body,
                headers={**call.headers, hdrs.AUTHORIZATION: bearer(token)} if call.authorized else call.headers,
                timeout=timeout,
                **self._options,
            )
        except BaseException as problem:
            forget_frames(problem)  # those of the HTTP client contain the token
            if isinstance(problem, aiohttp.ClientResponseError):  # and so does this error
                problem.request_info = problem.request_info._replace(headers=CIMultiDictProxy(CIMultiDict()))
                problem.args = (problem.request_info, problem.history)
            raise

    def _http(self) -> aiohttp.ClientSession:
        if self._api is None or self._links is None:
            raise InputError(_NOT_OPEN)
        if self._api.closed:
            raise InputError("the aiohttp session of this session was closed: keep it open for as long as this one")
        return self._api

    async def _send(self, call: Call, token: AccessToken | None) -> Answer:
        try:
            async with asyncio.timeout(self._time_limit(call)):
                response = await self._open(call, token, self._connect_limits())
                answer = await read_answer(response, self.settings.response_limit, f"{call.method} {call.path}")
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            lost = transport_error(f"{call.method} {call.path}", problem)
            if isinstance(problem, TimeoutError) and len(self._timeouts) < _MOST_PATHS:
                self._timeouts[call.path] = self._timeouts.get(call.path, 0) + 1
        else:
            self._reached = True
            self._timeouts.pop(call.path, None)
            if not self.speed_is_known:
                self._learn_speed(answer.headers)
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("%s %s: %d, %d bytes", call.method, call.path, answer.status, len(answer.body))
            return answer
        raise lost  # outside the handler, since aiohttp's own message may contain the whole URL

    def _time_limit(self, call: Call) -> float:
        """Seconds for one attempt: twice as many after each that took longer, or after every third poll that did."""
        numbers = self.settings
        if call.endpoint.large or not call.repeatable:
            return numbers.request_timeout
        doublings = self._timeouts.get(call.path, 0) // (_POLLS_AS_LONG if call.endpoint.polled else 1)
        return min(numbers.call_timeout * 2.0**doublings, numbers.request_timeout)

    def _connect_limits(self) -> aiohttp.ClientTimeout:
        seconds = self.settings.connect_timeout
        if self._on_unreachable is not None and not self._reached:
            return aiohttp.ClientTimeout(total=None, connect=min(seconds, _FIRST_CONNECT))  # including the DNS lookup
        return aiohttp.ClientTimeout(total=None, sock_connect=seconds)

    def _may_repeat(self, may: Callable[[BaseException], bool], problem: BaseException) -> bool:
        """Whether `may` holds, and it is not the first connection that cannot be made; see `on_unreachable`."""
        obstacle = problem.obstacle if isinstance(problem, TransportError) and not self._reached else None
        if obstacle in ("certificate", "host") or (obstacle and self._on_unreachable is not None):
            self._first_failures += 1
            return may(problem) and self._first_failures == 1
        return may(problem)

    def _note_retry(self, details: Mapping[str, Any]) -> None:
        problem: Any = details.get("exception")
        if (
            self._on_unreachable is not None
            and isinstance(problem, TransportError)
            and problem.obstacle
            and not self._reached
        ):
            self._on_unreachable(problem)
        _log.info("attempt %d failed, next in %.1f s: %s", details["tries"], details["wait"], problem)
