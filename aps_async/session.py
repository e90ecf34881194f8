"""The one place where bytes move: API calls with quota, token, retries and typed answers; signed links without."""

import json as json_text
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDictProxy
from yarl import URL

from aps_async.answers import Answer, error_of, json_of, read_answer, retry_after, transport_error
from aps_async.auth import AccessToken, TokenProvider
from aps_async.calls import PRODUCTION, Call, Query, acting_user, call_to, checked_base
from aps_async.convert import Unread, structure
from aps_async.deadlines import Deadlines
from aps_async.errors import DecodeError, DownloadError, InputError, TransportError
from aps_async.links import SignedUrl, checked_address
from aps_async.models import ItemWarning
from aps_async.quotas import Endpoint, Pace, Paces, shared_quotas
from aps_async.retry import is_transient, never_arrived, retrying
from aps_async.settings import Settings

T = TypeVar("T")

USER_AGENT = "aps-async"
_WARNINGS = 1000
TOKENS = Endpoint("token", 500)

_NOT_OPEN = "the session is not open: use it as 'async with Session(...) as session'"

_log = logging.getLogger("aps_async")


class Session:
    """Everything needed to talk to the services: tokens, quotas, retries and two HTTP sessions.

    One HTTP session is for the API; the other opens signed links and has no way to send `Authorization`.
    Use it as `async with Session(TwoLegged.from_env()) as session:` and share it between tasks.

    Args:
        tokens: where tokens come from.
        base_url: the API's address; `APS_BASE_URL` or Autodesk's production host when not given.
        settings: every number.
        http: your own aiohttp session for API calls; it is used and not closed.
        user_id: the `x-user-id` of calls that name no other; only with two-legged tokens.
        proxy: an HTTP proxy for both sessions, such as `http://proxy.example:3128`.
        quotas: pacers to share, such as those of many machines (`aps_async.workers.SharedQuotas`); by default all
            sessions of one event loop share theirs.
        clock: seconds since the epoch, for expiries; waits go by the event loop's clock.
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
        quotas: Paces | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.base_url = checked_base(base_url or os.environ.get("APS_BASE_URL") or PRODUCTION)
        self.settings = settings or Settings()
        self.now = clock
        self._tokens = tokens
        self._user_id = user_id
        self._proxy = proxy
        self._quotas = quotas
        self._owner = (self.base_url, getattr(tokens, "client_id", None) or id(tokens))
        self._api: aiohttp.ClientSession | None = http
        self._api_is_ours = http is None
        self._links: aiohttp.ClientSession | None = None
        self._pacers: dict[str, Pace] = {}
        self._warnings: dict[ItemWarning, None] = {}
        # A silence inside an answer is bounded by its total, and pages are small.
        self._deadlines: Deadlines
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_timeout)
        again = {True: is_transient, False: never_arrived}
        self._attempts = {
            key: retrying(self._attempt, self.settings, may, self._note_retry) for key, may in again.items()
        }

    async def __aenter__(self) -> Self:
        numbers = self.settings
        self._quotas = self._quotas or shared_quotas()
        self._deadlines = Deadlines(numbers.request_timeout)  # of this loop, as all that follows
        self._pacers = {}
        _keep_memory()
        if self._api_is_ours:
            self._api = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=numbers.connections),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        self._links = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=numbers.connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the length and the hash are of the bytes as stored
            trust_env=False,  # with it, an entry in ~/.netrc would become an Authorization header
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=numbers.connect_timeout, sock_read=numbers.read_timeout
            ),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes what this session opened; a handed-in aiohttp session stays open."""
        if (settle := getattr(self._tokens, "settle", None)) is not None:
            await settle()
        self._pacers.clear()
        links, self._links = self._links, None
        if links is not None:
            self._deadlines.close()
            await links.close()
        if self._api_is_ours and self._api is not None:
            api, self._api = self._api, None
            await api.close()

    @property
    def warnings(self) -> tuple[ItemWarning, ...]:
        """What could not be read in the lists so far, each once, in order; at most the first 1,000.

        An item that a service returns without its id, for example, is left out of a list, and the list goes on. Each
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
        """A listener for `structure` that makes warnings about the response to `call`."""

        def keep(found: Unread) -> None:
            self.warn(ItemWarning(call=call, id=found.id, problem=found.problem, left_out=found.left_out))

        return keep

    @property
    def two_legged(self) -> bool:
        """Whether the tokens are the app's own, so that `x-user-id` may go with them."""
        return bool(getattr(self._tokens, "two_legged", False))

    @property
    def user_id(self) -> str | None:
        """The `x-user-id` of calls that name no other."""
        return self._user_id

    @property
    def token_margin(self) -> float:
        """See `TokenClient`."""
        return self.settings.token_margin

    async def check_token(self) -> None:
        """Makes sure that there is a token to be had.

        Raises:
            AuthError: there is none.
        """
        await self._tokens.token(self)

    def pacer(self, endpoint: Endpoint) -> Pace:
        """The pacer that calls of this session to this endpoint go through."""
        found = self._pacers.get(endpoint.name)
        if found is None:
            if self._quotas is None or self._links is None:
                raise InputError(_NOT_OPEN)
            numbers = self.settings
            budget = numbers.budgets.get(endpoint.name, endpoint.budget)
            found = self._quotas.pacer(self._owner, endpoint, budget, numbers.quota_window, numbers.retry_base)
            self._pacers[endpoint.name] = found
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
        on_headers: Callable[["CIMultiDictProxy[str]"], object] | None = None,
    ) -> T:
        """One API call: waits for the quota, makes the token last, repeats what may be repeated, gives a typed value.

        Args:
            endpoint: whose quota it draws on, and whether it may be repeated.
            method: the HTTP method.
            path: from the host on, already percent-encoded; or a whole `next` link, of which the host is ignored.
            into: the type of the answer; `type(None)` when whatever it says does not matter.
            query: parameters, encoded here.
            json: the body.
            user_id: the `x-user-id`; the session's own when None.
            headers: further headers.
            retry: False for one attempt only (a 401 still renews the token once).
            on_headers: is given the headers of the good answer.

        Raises:
            AuthError: there is no token, or a fresh one is refused.
            TransportError: no whole answer came, in all tries.
            ResponseError: the service said no; see its subclasses.
            DecodeError: the answer is not as documented.
            InputError: `user_id` where the call or the token does not take one, or none where it needs one (see
                `Endpoint.acts_for`); or the session is not open.
        """
        sent: dict[str, str] = {hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: USER_AGENT}
        if headers:
            sent.update(headers)
        if user := self._acting_user(endpoint, user_id):
            sent["x-user-id"] = user
        body = None
        if json is not None:
            body = json_text.dumps(json).encode()
            sent[hdrs.CONTENT_TYPE] = "application/json"
        may_be_empty = into is type(None)
        call = call_to(self.base_url, endpoint, method, path, sent, query=query, body=body, may_be_empty=may_be_empty)
        attempt = self._attempts[endpoint.repeatable] if retry else self._attempt
        said, answered = await attempt(call)
        if on_headers is not None:
            on_headers(answered)
        try:
            return structure(said, into, self.on_unread(f"{method} {call.path}"))
        except DecodeError as problem:
            raise DecodeError(f"{method} {call.path}: {problem}", problems=problem.problems) from None

    def check_user(self, endpoint: Endpoint, user_id: str | None = None) -> None:
        """Raises what `request` would about user and token, so that a long run need not begin in vain.

        Raises:
            AuthError: the call takes another kind of token.
            InputError: `user_id` is missing, or does not go with the token.
        """
        self._acting_user(endpoint, user_id)

    def _acting_user(self, endpoint: Endpoint, user_id: str | None) -> str | None:
        return acting_user(endpoint, getattr(self._tokens, "two_legged", False), user_id, self._user_id)

    async def post_form(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        repeatable: bool = True,
        may_be_empty: bool = False,
    ) -> Mapping[str, Any]:
        """POSTs a form without a token: for token providers; see `TokenClient`."""
        sent = {
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        }
        body = urlencode(form).encode()
        call = call_to(
            self.base_url, TOKENS, "POST", path, sent, body=body, authorized=False, may_be_empty=may_be_empty
        )
        answer, _ = await self._attempts[repeatable](call)
        if answer is None:
            return {}
        if not isinstance(answer, dict):
            raise DecodeError(f"POST {path}: expected a JSON object")
        return answer

    def open_link(
        self, link: SignedUrl, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Opens a signed link: byte for byte, without a token, without following redirects.

        Gives the response whatever its status; the body has not been read. aiohttp's own errors come through.
        """
        if self._links is None:
            raise InputError(_NOT_OPEN)
        sent: dict[str, str] = {hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: USER_AGENT}
        if headers:
            sent.update(headers)
        if cookie := link.reveal_cookie():
            sent["Cookie"] = cookie
        if headers and any(name.lower() == "authorization" for name in headers):
            raise InputError("a signed link carries its own authorization: storage answers 400 to a second one")
        raw = link.reveal()
        if self.base_url.startswith("https:") and not raw.startswith("https:"):
            raise DownloadError(f"the signed link {link} is not encrypted; it was not opened")
        try:
            checked_address(raw)
            url = URL(raw, encoded=True)  # yarl would rewrite %2F and %3D, and break the signature
        except ValueError as problem:
            raise DownloadError(f"the signed link {link} cannot be opened: {problem}") from None
        return self._links.get(url, headers=sent, allow_redirects=False, proxy=self._proxy)

    @asynccontextmanager
    async def open_with_token(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None, *, user_id: str | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Opens a file that the API itself serves, through the API's own HTTP session: the token goes to our host only.

        Yields the response whatever its status, unread; a 401 renews the token once. aiohttp's errors come through.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **(headers or {})}
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
        """One call up to its headers, with all the time that a large body may take."""
        pacer, numbers = self.pacer(call.endpoint), self.settings
        await pacer.acquire(call.ticket)
        try:
            token = await self._tokens.token(self, rejected)
            if self._api is None or self._api.closed:
                raise InputError("the session is closed")
            response = await self._api.get(
                call.url,
                headers={**call.headers, "Authorization": f"Bearer {token.value}"},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=numbers.connect_timeout, sock_read=numbers.read_timeout
                ),
                allow_redirects=False,
                proxy=self._proxy,
            )
            return response, token
        finally:
            pacer.release(used=True)

    async def _attempt(self, call: Call) -> "tuple[Any, CIMultiDictProxy[str]]":
        answer, token = await self._exchange(call, None)
        if answer.status == 401 and token is not None:
            answer, _ = await self._exchange(call, token)
        if not 200 <= answer.status < 300:
            raise error_of(call.method, call.path, answer, self.now())
        if answer.status == 204 or (call.may_be_empty and not answer.body.strip()):
            return None, answer.headers
        return json_of(call.method, call.path, answer), answer.headers

    async def _exchange(self, call: Call, rejected: AccessToken | None) -> tuple[Answer, AccessToken | None]:
        """One call in its place in the quota; the token is made last, so that it cannot expire in the queue."""
        pacer = self.pacer(call.endpoint)
        if self._api is None or self._api.closed:  # before a token is asked for: it could not be had either
            raise InputError("the aiohttp session that was handed in is closed")
        await pacer.acquire(call.ticket)
        counts = False
        try:
            token = None
            if call.authorized:
                token = await self._tokens.token(self, rejected)
                call.headers[hdrs.AUTHORIZATION] = f"Bearer {token.value}"
            counts = True
            answer = await self._send(call)
            if answer.status == 429:
                asked = retry_after(answer.headers, self.now())
                pacer.refused(asked if asked is None else min(asked, self.settings.retry_after_max))
                counts = asked is None  # otherwise it belongs to the window that ends there
            else:
                pacer.accepted()
            return answer, token
        except TransportError as problem:
            counts = problem.sent
            raise
        finally:
            pacer.release(used=counts)

    async def _send(self, call: Call) -> Answer:
        if self._api is None or self._api.closed:
            raise InputError("the session is closed")
        try:
            with self._deadlines:
                response = await self._api.request(
                    call.method,
                    call.url,
                    data=call.body,
                    headers=call.headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    proxy=self._proxy,
                )
                answer = await read_answer(response, self.settings.response_limit, f"{call.method} {call.path}")
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            lost = transport_error(f"{call.method} {call.path}", problem)
        else:
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("%s %s: %d, %d bytes", call.method, call.path, answer.status, len(answer.body))
            return answer
        raise lost  # outside of the handler: aiohttp's own message may hold the whole URL

    def _note_retry(self, details: Mapping[str, Any]) -> None:
        _log.info("try %d failed, next in %.1f s: %s", details["tries"], details["wait"], details.get("exception"))


def _keep_memory() -> None:
    """Lets glibc keep the memory of one read for the next: half of the time of a small file's download.

    asyncio asks for 256 KiB at every read. glibc takes a block of that size from the kernel and gives it back, page by
    page, until it has seen a larger one freed (mallopt(3), M_MMAP_THRESHOLD). It keeps at most 8 MiB from then on.
    """
    bytearray(4 << 20)  # never touched, so it costs nothing
