"""One response to a signed link: follows a temporary redirect, and reads what its headers and first bytes say."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import aiohttp

from aps_async.links import SignedUrl, redirect_target

__all__ = [
    "LinkResponse",
    "Opener",
    "RefusedError",
    "content_codings",
    "head_of",
    "strong_etag",
]
__dir__: object = __all__.copy

Opener = Callable[[SignedUrl, Mapping[str, str]], AbstractAsyncContextManager[aiohttp.ClientResponse]]
"""Opens a link with these headers, in place of `Session.open_link`."""

# https://www.iana.org/assignments/http-parameters: storage may return other values from an upload; they mean nothing.
_ENCODINGS = frozenset(
    "aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip x-compress x-gzip zstd".split()  # noqa: SIM905
)


class LinkResponse:
    """The response to a link; a temporary redirect is followed once, unless the caller opens the links (no base URL).

    A class, since `asynccontextmanager` would take longer than the checks of a small file. It keeps the response out of
    the local variables of the transfer, which lives longer: a response shows its whole URL.
    """

    __slots__ = ("_base_url", "_headers", "_link", "_open", "_opened", "response")

    def __init__(self, opener: Opener, link: SignedUrl, headers: Mapping[str, str], base_url: str | None) -> None:
        self._open, self._link, self._headers, self._base_url = opener, link, headers, base_url

    async def __aenter__(self) -> Self:
        self._opened = self._open(self._link, self._headers)
        self.response: aiohttp.ClientResponse = await self._opened.__aenter__()
        if self.response.status == 307 and self._base_url is not None:
            await self._follow(self.response.headers.get("Location", ""), self._base_url)
        return self

    async def _follow(self, location: str, base_url: str) -> None:
        await self._opened.__aexit__(None, None, None)
        try:
            target = redirect_target(self._link, location, base_url=base_url)
        except ValueError as problem:
            raise RefusedError(f"GET {self._link}: 307, and the redirect was not followed: {problem}", 1) from None
        self._opened = self._open(target, self._headers)
        self.response = await self._opened.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._opened.__aexit__(kind, problem, trace)


class RefusedError(Exception):
    """The link is refused. `renewals` limits the fresh links to try, if the cause is probably not expiry."""

    def __init__(self, words: str, renewals: int | None) -> None:
        super().__init__(words)
        self.renewals = renewals


async def head_of(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Up to `limit` bytes of a body. A single `read` would only return those of the first packet."""
    body = bytearray()
    while len(body) < limit and (piece := await response.content.read(limit - len(body))):
        body += piece
    return bytes(body)


def strong_etag(etag: str | None) -> str | None:
    """The ETag if it is a strong one (RFC 9110, 8.8.1), and can be sent back in a header."""
    etag = (etag or "").strip()
    return etag if etag and etag.isascii() and etag.isprintable() and not etag.startswith("W/") else None


def content_codings(response: aiohttp.ClientResponse) -> str:
    """The content codings of a response that change its bytes."""
    if "Content-Encoding" not in response.headers:
        return ""
    values = ",".join(response.headers.getall("Content-Encoding")).lower().split(",")
    return ", ".join(each for value in values if (each := value.strip()) in _ENCODINGS)
