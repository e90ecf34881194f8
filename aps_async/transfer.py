"""One link's way over however many connections it takes: resumed, renewed, and checked as the bytes pass.

https://aps.autodesk.com/blog/data-management-oss-object-storage-service-migrating-direct-s3-approach
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import field, frozen

from aps_async.answers import Answer, describe, error_of, transport_error, xml_error
from aps_async.archives import verify_archive
from aps_async.errors import APSError, DownloadError, IncompleteDownloadError, LinkExpiredError
from aps_async.links import CONTROL, SignedUrl
from aps_async.retry import TRANSIENT, waits
from aps_async.session import Session

RenewLink = Callable[[SignedUrl | None], Awaitable[SignedUrl]]
"""Brings a fresh link; it is told the one that was refused, or None when that one merely came of age."""
Opener = Callable[[SignedUrl, Mapping[str, str]], AbstractAsyncContextManager[aiohttp.ClientResponse]]
"""Opens a link with these headers: `Session.open_link`, or what stands in for it."""

_LINES = (aiohttp.ClientError, TimeoutError, OSError)  # how a connection fails
_BAD_BODIES = 3  # whole answers in a row that are not the file; a fourth would be no better
_log = logging.getLogger("aps_async")


@frozen
class Signature:
    """How files of a kind begin and end, and what else must hold."""

    name: str
    suffix: str
    head: bytes
    tail: bytes = b""
    tail_within: int = 1024
    """The tail is looked for in this many last bytes; PDF allows bytes after its end mark."""
    verify: Callable[[Path], None] | None = field(default=None, repr=False)
    """Reads the whole part file, in a thread, before it gets its final name."""


PDF = Signature("PDF", ".pdf", b"%PDF-", b"%%EOF")
ZIP = Signature("ZIP", ".zip", b"PK", b"PK\x05\x06", 65_557, verify_archive)
DOCX = Signature("DOCX", ".docx", b"PK\x03\x04", b"PK\x05\x06", 65_557, verify_archive)
ANY = Signature("file", "", b"")


@frozen(kw_only=True)
class Expected:
    """What is known of a file before it comes."""

    signatures: tuple[Signature, ...] = (PDF,)
    """The kinds it may be of, told apart by how they begin."""
    size: int | None = None
    """Bytes."""
    sha1: str | None = None
    """As hexadecimal digits."""


class Transfer:
    """The way of one link's bytes."""

    def __init__(
        self,
        session: Session,
        link: SignedUrl,
        renew: RenewLink | None,
        expected: Expected,
        opener: Opener | None = None,
    ) -> None:
        self._session = session
        self._settings = session.settings
        self._open = opener or session.open_link
        self._link = link
        self._renew = renew
        self._expected = expected
        self.received = 0
        self.total: int | None = None
        self.etag: str | None = None
        self._body = Body(expected)
        self._furthest = 0
        self._breaks = 0
        self._refusals = 0
        self._bad_bodies = 0
        self._patience: Generator[float, Any, None] | None = None

    @property
    def signature(self) -> Signature:
        """Of which kind the file turned out to be."""
        return self._body.signature

    async def pieces(self) -> AsyncGenerator[bytes | None, None]:
        """The file's bytes in order; None when they begin again from the first one."""
        given = False
        while True:
            if self._link.expires_within(self._settings.link_margin, self._session.now()):
                await self._replace_link(None)
            try:
                async with self._open(self._link, self._headers()) as response:
                    if not await self._accepts(response):
                        continue
                    if self.received:
                        piece = await response.content.readany()
                    else:
                        piece = await self._beginning(response)
                        if given:  # and now it is sure that this is the file
                            yield None
                        given = True
                        if not piece:
                            yield piece
                    while piece:
                        self._take(piece)
                        yield piece
                        piece = await response.content.readany()
                    self._body.verify(self.received, self.total)
                    return
            except (*_LINES, _Passing, _Refused, IncompleteDownloadError) as trouble:
                met: Exception = trouble
            await self._mend(met)  # only here, so that what the renewal raises is not taken for a fault of this link

    async def _mend(self, met: Exception) -> None:
        """Does what makes another try worth it, or raises."""
        if isinstance(met, _Refused):
            await self._replace_link(self._link, str(met))
            return
        if isinstance(met, IncompleteDownloadError):
            self._bad_bodies += 1
            if self._bad_bodies >= _BAD_BODIES:
                raise met
            self._forget()
            problem: APSError = met
        else:
            problem = met.problem if isinstance(met, _Passing) else transport_error(f"GET {self._link}", met)
        await self._wait_after(problem)

    def _headers(self) -> dict[str, str]:
        if self.received and self.etag is None:
            self._forget()  # nothing tells whether the rest would be of the same file
        if not self.received:
            return {}
        # If-Match and not If-Range, which no implementation of S3 that was tried looks at.
        return {"Range": f"bytes={self.received}-", "If-Match": self.etag or ""}

    async def _accepts(self, response: aiohttp.ClientResponse) -> bool:
        """Judges status and headers. False: ask again at once; `_Passing`: after a wait; `_Refused`: a fresh link."""
        status = response.status
        if status == 206 and self.received and self._continues(response):
            self._refusals = 0
            return True
        if status == 200:
            if self.received:  # the server ignored the range
                self._forget()
            self._note(response)
            return True
        answer = Answer(status, response.headers, await response.content.read(8192))
        words = f"GET {self._link}: {status} {xml_error(answer.body) or describe(answer.body)}"
        if status in (206, 412, 416) and self.received:  # not the part that is missing, or the file changed
            _log.info("%s; starting over", words)
            self._forget()
            return False
        if status == 403:
            raise _Refused(words)
        if status in TRANSIENT:
            raise _Passing(error_of("GET", str(self._link), answer, self._session.now()))
        raise DownloadError(words)

    def _continues(self, response: aiohttp.ClientResponse) -> bool:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != self.received:
            return False
        return self.total is None or found[3] in ("*", str(self.total))

    def _note(self, response: aiohttp.ClientResponse) -> None:
        if encoding := response.headers.get("Content-Encoding", "").lower().replace("identity", ""):
            raise DownloadError(f"GET {self._link}: the body is {encoding}-encoded although that was not asked for")
        self._refusals = 0
        self.etag = _strong(response.headers.get("ETag"))
        self.total = response.content_length
        wanted = self._expected.size
        if wanted is not None and self.total is not None and self.total != wanted:
            raise IncompleteDownloadError(f"GET {self._link}: the file has {self.total} bytes instead of {wanted}")

    async def _beginning(self, response: aiohttp.ClientResponse) -> bytes:
        """The body's first bytes, as many as show that it begins as the file must; fewer when it is shorter."""
        head = b""
        while len(head) < self._body.head_length or not head:
            chunk = await response.content.readany()
            if not chunk:
                break
            head += chunk
        if head or self._expected.size != 0:
            self._body.verify_head(head)
        return head

    def _take(self, piece: bytes) -> None:
        self._body.feed(piece)
        self.received += len(piece)
        if self.received > self._furthest:
            self._furthest = self.received
            self._breaks, self._patience = 0, None

    def _forget(self) -> None:
        self.received = 0
        self.total = self.etag = None
        self._body = Body(self._expected)

    async def _replace_link(self, refused: SignedUrl | None, words: str = "the URL is about to expire") -> None:
        self._refusals += refused is not None
        if self._renew is None or self._refusals > self._settings.link_renewals:
            raise LinkExpiredError(f"{words}; a fresh URL is needed: get the export again")
        if self._refusals > 1:
            await asyncio.sleep(self._next_wait(None))
        fresh = await self._renew(refused)
        # Just made: if it looks old all the same, then our clock is wrong and not the URL.
        self._link = SignedUrl(fresh.reveal()) if fresh.expires_within(0, self._session.now()) else fresh

    async def _wait_after(self, problem: APSError) -> None:
        self._breaks += 1
        if self._breaks >= self._settings.download_tries:
            raise IncompleteDownloadError(
                f"gave up after {self._breaks} breaks without a new byte, at {self.received} of "
                f"{self.total if self.total is not None else 'unknown'} bytes: {problem}"
            ) from problem
        wait = self._next_wait(problem)
        _log.info("%s; %d bytes stand, going on in %.1f s", problem, self.received, wait)
        await asyncio.sleep(wait)

    def _next_wait(self, problem: APSError | None) -> float:
        if self._patience is None:
            self._patience = waits(self._settings, paced=False)
            next(self._patience)
        return self._patience.send(problem)


class _Passing(Exception):  # noqa: N818 - a signal, not an error
    """Carries a passing problem out of the response's context, so that no connection is held while waiting."""

    def __init__(self, problem: APSError) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Refused(Exception):  # noqa: N818 - a signal, not an error
    """The link is not accepted."""


class Body:
    """What has to be true of the bytes, checked as they pass; keeps the last of them and no more."""

    def __init__(self, expected: Expected) -> None:
        self.signature = expected.signatures[0]
        self._expected = expected
        self._keep = max([signature.tail_within for signature in expected.signatures])
        self._head = self._tail = b""
        self._hash = hashlib.sha1(usedforsecurity=False) if expected.sha1 else None
        self.mark()
        self.head_length = max([len(signature.head) for signature in expected.signatures])
        """How many bytes have to be seen before the kind is known."""

    def verify_head(self, head: bytes) -> None:
        """Raises unless the body begins as one of the kinds does."""
        for signature in self._expected.signatures:
            if head.startswith(signature.head) and (head or not signature.head):
                self.signature = signature
                return
        kinds = " or ".join(signature.name for signature in self._expected.signatures)
        raise IncompleteDownloadError(f"what came is no {kinds} but {describe(head)}")

    def feed(self, piece: bytes) -> None:
        """Takes note of the next bytes."""
        if len(self._head) < self.head_length:
            self._head += piece[: self.head_length - len(self._head)]
        self._tail = piece[-self._keep :] if len(piece) >= self._keep else (self._tail + piece)[-self._keep :]
        if self._hash is not None:
            self._hash.update(piece)

    def mark(self) -> None:
        """Remembers how it stands here, for `rewind`."""
        self._marked = (self._head, self._tail, self._hash.copy() if self._hash else None)

    def rewind(self) -> None:
        """Forgets what came since the mark."""
        self._head, self._tail, marked = self._marked
        self._hash = marked.copy() if marked else None

    def verify(self, received: int, total: int | None) -> None:
        """Raises unless the whole body is right."""
        size = self._expected.size if self._expected.size is not None else total
        if size is not None and received != size:
            raise IncompleteDownloadError(f"{received} bytes came instead of {size}")
        self.verify_head(self._head)
        if self.signature.tail not in self._tail[-self.signature.tail_within :]:
            raise IncompleteDownloadError(f"the {self.signature.name} is cut off: its end mark is missing")
        if self._hash is not None and self._hash.hexdigest() != (self._expected.sha1 or "").lower():
            raise IncompleteDownloadError("the file's sha1 differs from the one that storage gives")


def _strong(etag: str | None) -> str | None:
    """Only a strong ETag promises the same bytes; one that no request may hold cannot be sent back."""
    if etag is None or etag.startswith("W/") or not etag.isascii() or CONTROL.search(etag):
        return None
    return etag
