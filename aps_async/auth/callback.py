"""The server on this machine that the sign-in page redirects the browser to. It accepts exactly one request."""

import asyncio
import base64
import errno
import hashlib
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from urllib.parse import urlsplit

from aiohttp import web
from attrs import define, field, frozen

from aps_async.errors import InputError
from aps_async.transport.connections import HEADER_LIMIT
from aps_async.transport.listening import serving

__all__ = ["Callback", "Listener", "Page", "listening"]
__dir__: object = __all__.copy

_HOST = "127.0.0.1"
# Browsers resolve localhost to both addresses, and try the second one first.
_ADDRESSES = {_HOST: (_HOST,), "localhost": (_HOST, "::1")}
# Errors on a machine without IPv6; None if asyncio finds no address to bind.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, socket.EAI_ADDRFAMILY, socket.EAI_NONAME, None}
_LONGEST_TARGET = 8190
_PLAIN = {"Server": "aps-async", "X-Content-Type-Options": "nosniff"}
_log = logging.getLogger(__name__)
# aiohttp logs the bytes of requests that it cannot parse. They may contain the code, or cookies of other programs.
_silent = logging.Logger("aps_async.callback")  # noqa: LOG001 - deliberately outside the hierarchy
_silent.disabled = True


@frozen
class Page:
    """The page that the browser shows at the end."""

    title: str
    text: str
    good: bool = True


@frozen
class Callback:
    """Where to listen, parsed from a redirect address."""

    port: int
    netloc: str
    path: str
    addresses: tuple[str, ...] = (_HOST,)

    @classmethod
    def of(cls, redirect_uri: str) -> "Callback":
        """Parses a redirect address.

        Raises:
            InputError: the address does not point to this machine, or has no port.
        """
        try:
            parts = urlsplit(redirect_uri)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme != "http" or parts.hostname not in _ADDRESSES or not port or parts.query:
            raise InputError(
                f"the callback address {redirect_uri!r} must be http://{_HOST}:<port>/<path> (or localhost), exactly "
                "as registered for the app; for any other address use --no-browser"
            )
        return cls(port, parts.netloc, parts.path or "/", _ADDRESSES[parts.hostname])


@define
class Listener:
    """A running callback server."""

    callback: Callback
    _is_ours: Callable[[str], bool]
    _arrived: "asyncio.Future[str]" = field(init=False)
    _page: "asyncio.Future[Page]" = field(init=False)
    _shown: asyncio.Event = field(init=False, factory=asyncio.Event)
    refused: int = field(init=False, default=0)
    """The number of requests that were not the expected redirect."""

    def __attrs_post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._arrived, self._page = loop.create_future(), loop.create_future()

    async def redirected(self) -> str:
        """Waits for the expected redirect and returns its whole address."""
        return await asyncio.shield(self._arrived)

    async def show(self, page: Page, *, patience: float = 5.0) -> None:
        """Sends the page to the browser, and waits until it has received it or disconnected."""
        if not self._page.done():
            self._page.set_result(page)
        try:
            async with asyncio.timeout(patience):
                await self._shown.wait()
        except TimeoutError:
            return

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handles one request. A refusal never says what was wrong, which would help an attacker."""
        status, redirected = self._judge(request)
        if status:
            self.refused += 1
            _log.info("the callback server refused a request (%d)", status)
            refusal = web.Response(status=status, headers=_PLAIN)
            refusal.force_close()
            return refusal
        self._arrived.set_result(redirected)
        try:
            page = await asyncio.shield(self._page)
            response = _rendered(page)
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
        finally:
            self._shown.set()
        return response

    def _judge(self, request: web.BaseRequest) -> tuple[int, str]:
        """The status to refuse with, or 0 and the redirected address. Accepts only a redirected browser's request."""
        sent = request.headers
        path, _, query = request.raw_path.partition("?")
        if request.method != "GET" or path != self.callback.path:
            return 404, ""
        # A page from elsewhere would reach us under another host name (DNS rebinding).
        if sent.getall("Host", []) != [self.callback.netloc]:
            return 400, ""
        # Browsers mark requests by scripts, images and forms of other pages, and also mark navigation by a user.
        asked_by_a_page = "Origin" in sent or sent.get("Sec-Fetch-Mode", "navigate") != "navigate"
        if asked_by_a_page or sent.get("Sec-Fetch-Dest", "document") != "document":
            return 400, ""
        redirected = f"http://{self.callback.netloc}{path}?{query}"
        if len(redirected) > _LONGEST_TARGET or request.body_exists or not self._is_ours(redirected):
            return 400, ""
        return (404, "") if self._arrived.done() else (0, redirected)


@asynccontextmanager
async def listening(callback: Callback, is_ours: Callable[[str], bool]) -> AsyncGenerator[Listener, None]:
    """Runs the callback server, on loopback addresses only.

    Raises:
        InputError: the port is already in use on one of them.
    """
    listener = Listener(callback, is_ours)
    server = web.Server(
        listener.handle,
        access_log=None,  # an access log would contain the code
        logger=_silent,
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,  # cookies for localhost are shared by programs on all ports
    )
    async with AsyncExitStack() as stack:
        for address in callback.addresses:
            await _listen(stack, server, address, callback.port)
        yield listener


async def _listen(stack: AsyncExitStack, server: web.Server, address: str, port: int) -> None:
    """Listens on one address, unless it is IPv6's and the machine has none."""
    try:
        await stack.enter_async_context(serving(server, address, port, patience=0.5))
    except OSError as problem:
        if address != _HOST and problem.errno in _NO_SUCH_ADDRESS:
            return
        shown = f"[{address}]" if ":" in address else address
        raise InputError(
            f"cannot listen on {shown}:{port} ({problem.strerror or problem}): end the program that uses this port, "
            "register another callback address for the app and give it with --callback, or use --no-browser"
        ) from None


_STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:17px/1.55 system-ui,sans-serif;
 background:#f3f5f7;color:#17212b}
main{box-sizing:border-box;width:min(30rem,92vw);padding:2.5rem;text-align:center;background:#fff;border-radius:16px;
 box-shadow:0 10px 40px #17212b1c}
svg{width:64px;height:64px}
h1{margin:1rem 0 .5rem;font-size:1.5rem}
p{margin:.5rem 0;overflow-wrap:anywhere}
small{color:#5a6875}
@media(prefers-color-scheme:dark){body{background:#12181e;color:#e8edf2}main{background:#1c252e;box-shadow:none}
 small{color:#9fb0bf}}
"""
_SCRIPT = "history.replaceState(null,'','/')"  # the code is spent, but does not belong in the browser's history
_GOOD = '<circle cx="32" cy="32" r="30" fill="#1a7f4b"/><path d="M19 33l9 9 17-19" stroke="#fff" {}/>'
_BAD = '<circle cx="32" cy="32" r="30" fill="#b3261e"/><path d="M22 22l20 20M42 22L22 42" stroke="#fff" {}/>'
_LINE = 'stroke-width="5" fill="none" stroke-linecap="round" stroke-linejoin="round"'


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _rendered(page: Page) -> web.Response:
    mark = (_GOOD if page.good else _BAD).format(_LINE)
    body = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(page.title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>"
        f'<svg viewBox="0 0 64 64" aria-hidden="true">{mark}</svg><h1>{escape(page.title)}</h1>'
        f"<p>{escape(page.text)}</p><p><small>You can close this tab.</small></p></main>"
        f"<script>{_SCRIPT}</script></body></html>"
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(_STYLE)}'; script-src 'sha256-{_digest(_SCRIPT)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        **_PLAIN,
    }
    return web.Response(headers=headers, body=body.encode())
