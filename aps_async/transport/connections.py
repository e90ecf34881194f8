"""The two HTTP sessions of a session, and one attempt at a call or a signed link over them."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import hdrs

from aps_async.descriptors import connection_limit
from aps_async.errors import InputError
from aps_async.filesystem import at_home
from aps_async.links import SignedUrl
from aps_async.narrowing import is_really
from aps_async.settings import Settings
from aps_async.transport.first_contact import FirstContact
from aps_async.transport.headers import USER_AGENT, bearer, checked_headers, header_value
from aps_async.transport.hooks import Hook, attempted
from aps_async.transport.request import Call, checked_link_target
from aps_async.transport.response import Answer, forget_secrets, read_answer, transport_error
from aps_async.transport.time_limits import TimeLimits, headers_timeout

__all__ = [
    "HEADER_LIMIT",
    "NOT_OPEN",
    "Connections",
    "TlsTrust",
    "open_api",
    "open_links",
    "request_options",
    "tls_context",
]
__dir__: object = __all__.copy

_OTHER_AUTH = (
    "the aiohttp session adds an Authorization of its own, which cannot go with the token: leave out its auth=; and if "
    "it comes from ~/.netrc, give proxy= to Session instead of trust_env=True"
)
NOT_OPEN = "the session is not open: use 'async with Session(...) as session', or 'await session.open()'"
_OTHER_LOOP = "the session was opened in another event loop: open one in each, as each 'asyncio.run' makes a loop"

_log = logging.getLogger(__name__)

HEADER_LIMIT = 64 * 1024
"""Bytes of one header line. Cookies and policies of corporate proxies exceed aiohttp's default of 8,190."""

TlsTrust = ssl.SSLContext | Path | str | None
"""Trusted certificates: a context, a file with CA certificates (PEM), or None for those of the system."""


def tls_context(trust: object) -> ssl.SSLContext | None:
    """The TLS context to use; None for aiohttp's default.

    Raises:
        InputError: the CA file cannot be read, or contains no certificate.
    """
    if trust is None or isinstance(trust, ssl.SSLContext):
        return trust
    if not isinstance(trust, Path | str):
        raise InputError(
            "ssl takes an ssl.SSLContext or the path of a CA file (PEM); certificate checks cannot be turned off"
        )
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # CAs of corporate proxies often lack what it requires
    try:
        context.load_verify_locations(at_home(trust))
    except (OSError, ValueError) as problem:
        is_other = isinstance(problem, ssl.SSLError)  # which is an OSError too
        words = "it contains no PEM certificate" if is_other else getattr(problem, "strerror", None) or problem
        raise InputError(f"the CA file {trust} cannot be used: {words}; give a file of PEM certificates") from None
    return context


def request_options(context: ssl.SSLContext | None, proxy: str | None) -> dict[str, Any]:
    """The options of every request, also over a caller's own aiohttp session."""
    options: dict[str, Any] = {
        "allow_redirects": False,
        "raise_for_status": False,
        "proxy": proxy,
        "max_line_size": HEADER_LIMIT,
        "max_field_size": HEADER_LIMIT,
    }
    return options if context is None else {**options, "ssl": context}


def open_api(settings: Settings) -> aiohttp.ClientSession:
    """The HTTP session for API calls."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connection_limit(settings.connections)),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def open_links(settings: Settings, shared: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """The HTTP session for signed links, which has no way to send `Authorization` or a cookie of its own.

    Args:
        settings: the limits.
        shared: the connector of a caller's own session. Its CA, resolver and sockets are used, and left open.
    """
    return aiohttp.ClientSession(
        connector=shared or aiohttp.TCPConnector(limit=connection_limit(settings.connections)),
        connector_owner=shared is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # length and hash are those of the bytes as stored
        trust_env=False,  # otherwise an entry in ~/.netrc would become an Authorization header
        timeout=aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        ),
    )


class Connections:
    """The two HTTP sessions: one for the API, one for signed links.

    Args:
        http: the caller's own aiohttp session for API calls, which stays open; None: one of ours.
        trust: see `tls_context`.
        proxy: the address of an HTTP proxy for both.
        first_contact: is informed of every response, and limits the connections before the first.
        hooks: called with every attempt.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession | None,
        trust: TlsTrust,
        proxy: str | None,
        first_contact: FirstContact,
        hooks: tuple[Hook, ...] = (),
    ) -> None:
        if http is not None and not is_really(http, aiohttp.ClientSession):
            raise InputError(f"http must be an aiohttp.ClientSession, not {type(http).__name__}")
        self._hooks = hooks
        self._api: aiohttp.ClientSession | None = http
        unpacks = http is None or http.auto_decompress
        self._own_headers: dict[str, str] = {} if unpacks else {hdrs.ACCEPT_ENCODING: "identity"}
        self._api_is_ours = http is None
        self._links: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._options = request_options(tls_context(trust), proxy)
        self._first_contact = first_contact
        self._time_limits = TimeLimits()

    @property
    def is_open(self) -> bool:
        """Whether the HTTP sessions are open."""
        return self._links is not None

    def open(self, settings: Settings) -> None:
        """Opens both HTTP sessions."""
        self._loop = asyncio.get_running_loop()
        if self._api_is_ours:
            self._api = open_api(settings)
        self._links = open_links(settings, None if self._api_is_ours or self._api is None else self._api.connector)

    async def close(self) -> None:
        """Closes what `open` opened."""
        links, self._links = self._links, None
        try:
            if links is not None:
                await links.close()
        finally:
            if self._api_is_ours and self._api is not None:
                api, self._api = self._api, None
                await api.close()

    def api(self) -> aiohttp.ClientSession:
        """The HTTP session for API calls.

        Raises:
            InputError: it is not open, or was opened in another event loop.
        """
        self._opened()
        if self._api is None:
            raise InputError(NOT_OPEN)
        return self._api

    def _opened(self) -> aiohttp.ClientSession:
        """The HTTP session for signed links."""
        if self._links is not None and self._api is not None and self._api.closed:
            raise InputError("the aiohttp session of this session was closed: keep it open for as long as this one")
        if self._links is None or self._links.closed:
            raise InputError(NOT_OPEN)
        if self._loop is not asyncio.get_running_loop():
            raise InputError(_OTHER_LOOP)
        return self._links

    async def send(self, call: Call, token: Any, settings: Settings, address_place: str = "") -> Answer:
        """Makes one attempt at a call; returns the complete response, whatever its status.

        Raises:
            TransportError: no complete response arrived in time; it names where the address of the service was set.
        """
        if not self._hooks:
            return await self._answered(call, token, settings, address_place)
        with attempted(self._hooks, call.endpoint.name, call.method, call.url) as attempt:
            answer = await self._answered(call, token, settings, address_place)
            attempt.status, attempt.size = answer.status, len(answer.body)
        return answer

    async def _answered(self, call: Call, token: Any, settings: Settings, address_place: str) -> Answer:
        try:
            until_headers, altogether = self._time_limits.attempt(call, settings)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(began + until_headers) as limit:
                response = await self._begin(call, token, self._first_contact.connect_limits(settings.connect_timeout))
                if altogether != until_headers:
                    limit.reschedule(began + altogether)
                answer = await read_answer(response, settings.response_limit, f"{call.method} {call.path}")
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            lost = transport_error(f"{call.method} {call.path}", problem, address_place)
            if isinstance(problem, TimeoutError):
                self._time_limits.timed_out(call)
        else:
            self._first_contact.made(answer.status)
            self._time_limits.answered(call)
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("%s %s: %d, %d bytes", call.method, call.path, answer.status, len(answer.body))
            return answer
        raise lost  # outside of `except`, since aiohttp's own error may contain the whole URL

    async def begin(self, call: Call, token: Any, settings: Settings) -> aiohttp.ClientResponse:
        """Makes one call up to its headers, without a time limit for the body. Errors of aiohttp are not converted."""
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )
        with attempted(self._hooks, call.endpoint.name, "GET", call.url) as attempt:
            async with asyncio.timeout(headers_timeout(settings)):
                response = await self._begin(call, token, limits)
            attempt.status = response.status
        return response

    async def _begin(self, call: Call, token: Any, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Sends a call. Only here the token becomes a header, so that no other frame of ours contains it."""
        api = self.api()
        try:
            return await api.request(
                call.method,
                call.url,
                data=call.body,
                headers=self._own_headers
                | (call.headers | {hdrs.AUTHORIZATION: bearer(token)} if call.authorized else call.headers),
                timeout=timeout,
                **self._options,
            )
        except BaseException as problem:
            forget_secrets(problem)  # frames of the HTTP client contain the token
            if type(problem) is ValueError:  # what aiohttp refuses; for addresses it has errors of its own
                raise InputError(_OTHER_AUTH) from None
            raise

    def open_link(
        self, link: SignedUrl, headers: Mapping[str, str] | None, base_url: str, settings: Settings
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """See `Session.open_link`."""
        return _Opened(partial(self._begin_link, link, headers, base_url, settings))

    async def _begin_link(
        self, link: SignedUrl, headers: Mapping[str, str] | None, base_url: str, settings: Settings
    ) -> aiohttp.ClientResponse:
        self._opened()
        checked = _link_headers(headers)
        if not self._hooks:
            return await self._get(link, checked, base_url, settings)
        with attempted(self._hooks, "storage", "GET", checked_link_target(link.reveal(), base_url)) as attempt:
            response = await self._get(link, checked, base_url, settings)
            attempt.status = response.status
        return response

    async def _get(
        self, link: SignedUrl, headers: dict[str, str], base_url: str, settings: Settings
    ) -> aiohttp.ClientResponse:
        """Opens a link. Its URL and cookie are not in variables, which would hold them until the response."""
        async with asyncio.timeout(headers_timeout(settings)):
            return await self._opened().get(
                checked_link_target(link.reveal(), base_url), headers=headers | _cookie_of(link), **self._options
            )


def _link_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    sent: dict[str, str] = {hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: USER_AGENT}
    if headers:
        sent.update(checked_headers(headers))
        if any(name.lower() == "authorization" for name in headers):
            raise InputError("a signed link carries its own authorization: storage responds with 400 to a second one")
    return sent


def _cookie_of(link: SignedUrl) -> dict[str, str]:
    cookie = link.reveal_cookie()
    return {hdrs.COOKIE: header_value("the cookie of the signed link", cookie)} if cookie else {}


class _Opened(AbstractAsyncContextManager[aiohttp.ClientResponse]):
    """A response, closed at the end. For a small file, `asynccontextmanager` would take longer than its checks."""

    __slots__ = ("_begin", "_response")

    def __init__(self, begin: Callable[[], Awaitable[aiohttp.ClientResponse]]) -> None:
        self._begin = begin

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            self._response = await self._begin()
        except BaseException as problem:
            forget_secrets(problem)  # the whole URL and the cookie
            raise
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._response.closed:  # as it is after its last byte; aiohttp would close it once more
            await self._response.__aexit__(kind, problem, trace)
