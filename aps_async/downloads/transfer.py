"""Reads a file from its signed links: resumes after lost connections, renews expired links, and checks the bytes.

https://aps.autodesk.com/blog/data-management-oss-object-storage-service-migrating-direct-s3-approach
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

import aiohttp
from attrs import evolve

from aps_async.downloads.content import ContentCheck, Expected, Signature
from aps_async.downloads.link_response import LinkResponse, Opener, RefusedError, content_codings, head_of, strong_etag
from aps_async.downloads.sources import as_source
from aps_async.errors import (
    APSError,
    DownloadError,
    IncompleteDownloadError,
    InterceptedError,
    LinkExpiredError,
    TransportError,
    forget_frames,
)
from aps_async.lazy import regex
from aps_async.links import SignedUrl, Source
from aps_async.session import Session
from aps_async.transport import hooks
from aps_async.transport.response import Answer, describe, error_of, transport_error, xml_error
from aps_async.transport.retry import TRANSIENT, note_error, waits

__all__ = ["Renew", "Transfer"]
__dir__: object = __all__.copy

Renew = Callable[[SignedUrl | None], Awaitable[Source | SignedUrl]]
"""Returns fresh links, as a source or one link. Its argument is the link that was refused, or None if the link is only
about to expire."""

_CONNECTION_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
_REFUSED_ATTEMPTS = 2  # if a proxy does not allow the storage's host, or its certificate is not trusted
_BAD_BODIES = 3  # complete responses in a row that are not the file, after which the download fails
# A size has no more than 18 digits, and int() refuses thousands of them.
_CONTENT_RANGE = regex(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
# The temporary credentials that signed the link have ended; with status 400.
_EXPIRED_CODES = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestExpired")
# Autodesk asks for retries after every 5xx of storage. These do not change.
_FINAL = frozenset({501, 505, 511})
_log = logging.getLogger(__name__)


class Transfer:
    """Reads one file, part after part; usually it has one part, with one link.

    After a lost connection, a part is resumed with `Range` and `If-Match`, and only under the same strong ETag; without
    one it starts over, and its bytes are yielded again from the part's first one. If a link has expired or is about to,
    in the middle of a part too, fresh links are requested (`renew`), and the part is resumed with its new link.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        renew: Renew | None,
        expected: Expected,
        opener: Opener | None = None,
        *,
        sha256: bool = False,
    ) -> None:
        self.warnings: tuple[str, ...] = ()
        """Irregularities of the file, known at its end."""
        self._session = session
        self._settings = session.settings
        self._open = opener or session.open_link
        self._base_url = session.base_url if opener is None else None
        self._renew = renew
        self._expected = expected
        self._wants_sha256 = sha256
        self._furthest = 0
        self._breaks = 0
        self._refusals = 0
        self._bad_bodies = 0
        self._waits: Generator[float, Any, None] | None = None
        self._begin(source)

    def _begin(self, source: Source) -> None:
        known = self._expected
        size = source.size if known.size is None else known.size
        self._source = source
        sha1 = known.sha1 or source.sha1
        if (size, sha1) != (known.size, known.sha1):
            known = evolve(known, size=size, sha1=sha1)
        self._check = ContentCheck(known, sha256=self._wants_sha256)
        self._has_several = len(source.parts) > 1
        self._begin_part(0)

    def _begin_part(self, index: int) -> None:
        self._index = index
        self._start = self._check.received
        self._part_total: int | None = None
        self._ends_unmarked = True
        if 0 < index < len(self._source.parts):  # at the first part, the check is new
            self._check.mark()
        if index < len(self._source.parts):
            self._link = self._source.parts[index].link
            self._link_is_fresh = False
            self.etag: str | None = None

    @property
    def signature(self) -> Signature:
        """The type of the file, known after its first bytes."""
        return self._check.signature

    @property
    def received(self) -> int:
        """Bytes received so far, in order from the first."""
        return self._check.received

    @property
    def total(self) -> int | None:
        """Size of the whole file in bytes; None while that is unknown."""
        return self._source.size if self._has_several or self._source.size is not None else self._part_total

    @property
    def _whole(self) -> int | None:
        """Size of the whole file in bytes, as far as it is known or expected."""
        return self._check.size if self.total is None else self.total

    @property
    def file_etag(self) -> str | None:
        """ETag of the whole file: None if it came in several parts, each of which has its own."""
        return None if self._has_several else self.etag

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the whole file, at its end, as hexadecimal digits; None if it was not requested."""
        return self._check.sha256

    @property
    def _at(self) -> int:
        """Bytes received of the current part."""
        return self._check.received - self._start

    @property
    def _part_size(self) -> int | None:
        """Size of the current part in bytes; None while that is unknown."""
        known = self._source.parts[self._index].size if self._has_several else self._check.size
        return self._part_total if known is None else known

    async def pieces(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yields the file's bytes, each piece with its position in the file.

        If a position is below the end of the previous piece, the bytes from there on are sent again. An empty file
        yields one empty piece.
        """
        while self._index < len(self._source.parts):
            if not self._link_is_fresh and self._expires():
                await self._replace_link(None)
                continue
            self._link_is_fresh = False
            problem: Exception | None = None
            begun: int | None = None
            try:
                async with LinkResponse(self._open, self._link, self._range_headers(), self._base_url) as opened:
                    if not await self._accepts(opened.response):
                        continue
                    begun, content = self._at, opened.response.content
                    piece = await (content.readany() if begun else self._first_piece(content))
                    while piece:
                        yield self._take(piece)
                        if self._check.digests.is_behind:
                            await self._check.digests.catch_up()
                        piece = await content.readany()
            except _CONNECTION_ERRORS as caught:
                problem = transport_error(f"GET {self._link}", caught)
            except (_TransientError, RefusedError, DownloadError) as caught:
                forget_frames(caught)  # whose local variables show the URL
                problem = caught
            is_whole = isinstance(problem, TransportError) and self._at == self._part_size
            if begun is not None and (problem is None or is_whole):
                await self._check.digests.settle()
                problem = self._end_of_response(begun)
            if problem is not None:  # outside of `try`, which would take an error of the renewal for one of this link
                await self._recover(problem)
        if self._has_several:
            self.warnings = self._check.verify(None)
        if not self.received:
            yield 0, b""

    def _expires(self) -> bool:
        return self._link.expires_within(self._settings.link_margin, self._session.now())

    def _end_of_response(self, begun: int) -> Exception | None:
        """Continues with the next part or the rest of this one; returns an error if the response was not usable."""
        size = self._part_size
        if begun and size is not None and self._at < size:  # a 206 may be shorter than requested
            short = IncompleteDownloadError(f"GET {self._link}: a partial response without a byte")
            return None if self._at > begun else _TransientError(short)
        try:
            if self._has_several:
                if size is not None and self._at != size:
                    raise IncompleteDownloadError(f"{self._at} bytes arrived instead of {size}")  # noqa: TRY301
            else:
                self.warnings = self._check.verify(self._part_total, ends_unmarked=self._ends_unmarked)
        except IncompleteDownloadError as problem:
            return problem
        self._bad_bodies = 0
        self._begin_part(self._index + 1)
        return None

    async def _recover(self, problem: Exception) -> None:
        """Prepares another attempt by waiting, renewing the link or starting over; or raises."""
        if isinstance(problem, RefusedError):
            await self._replace_link(problem)
            return
        if isinstance(problem, IncompleteDownloadError):
            self._bad_bodies += 1
            if self._bad_bodies >= _BAD_BODIES:
                raise problem
            self._forget()
            await self._wait_after(problem)
        elif isinstance(problem, _TransientError):
            await self._wait_after(problem.reason)
        elif isinstance(problem, TransportError):
            await self._wait_after(problem)
        else:
            raise problem

    def _range_headers(self) -> dict[str, str]:
        if self._at and self.etag is None:
            self._forget()  # the rest might be that of another file
        if not self._at:
            return {}
        # If-Match, and not If-Range, which every implementation of S3 that was tried ignores.
        return {"Range": f"bytes={self._at}-", "If-Match": self.etag or ""}

    async def _accepts(self, response: aiohttp.ClientResponse) -> bool:
        """Checks status and headers. False: send the request again at once, from the part's first byte."""
        status = response.status
        if status == 206 and self._at and self._continues(response):
            self._refusals = 0
            return True
        if status == 200:
            if self._at:  # the server ignored the range
                self._forget()
            self._note(response)
            return True
        answer = Answer(status, response.headers, await head_of(response, 8192))
        words = f"GET {self._link}: {status} {xml_error(answer.body) or describe(answer.body)}"
        if status in (206, 412, 416) and self._at:  # not the missing part, or the file changed
            _log.info("%s; starting over", words)
            self._forget()
            return False
        if status in TRANSIENT or (500 <= status < 600 and status not in _FINAL):
            is_storage = self._base_url is not None
            raise _TransientError(error_of("GET", str(self._link), answer, self._session.now(), is_storage=is_storage))
        raise self._refusal(answer, words)

    def _refusal(self, answer: Answer, words: str) -> Exception:
        """The error for a status that would be the same after a retry with this link."""
        refusal = error_of("GET", str(self._link), answer, self._session.now(), is_storage=True)
        if isinstance(refusal, InterceptedError):
            problem = DownloadError(str(refusal))
            problem.__cause__ = refusal
            may_be_expired = answer.status in (307, 401, 403, 404)
            return RefusedError(str(problem), 1, problem) if may_be_expired else problem
        code = (xml_error(answer.body) or "").partition(":")[0]
        if answer.status in (401, 403):
            return RefusedError(words, 1 if code == "SignatureDoesNotMatch" else None)
        if answer.status == 400 and code in _EXPIRED_CODES:
            return RefusedError(words, None)
        if answer.status in (307, 404):
            return RefusedError(words, 1)
        return DownloadError(words)

    def _continues(self, response: aiohttp.ClientResponse) -> bool:
        """Whether a 206 continues the same file at the right byte."""
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if not found or int(found[1]) != self._at or strong_etag(response.headers.get("ETag")) != self.etag:
            return False
        if found[3] != "*":
            if self._part_total not in (None, int(found[3])):
                return False
            self._part_total = int(found[3])
        return not content_codings(response)

    def _note(self, response: aiohttp.ClientResponse) -> None:
        if encodings := content_codings(response):
            raise DownloadError(f"GET {self._link}: the body is {encodings}-encoded although that was not requested")
        self._refusals = 0
        self.etag = strong_etag(response.headers.get("ETag"))
        self._part_total = response.content_length
        self._ends_unmarked = "Transfer-Encoding" not in response.headers
        wanted = self._part_size
        if self._part_total is not None and self._part_total != wanted:
            what = f"part {self._index + 1} of the file" if self._has_several else "the file"
            raise IncompleteDownloadError(f"GET {self._link}: {what} has {self._part_total} bytes instead of {wanted}")

    async def _first_piece(self, content: aiohttp.StreamReader) -> bytes:
        """Reads the body's first bytes, until they show whether it has an expected type."""
        head = b""
        while True:
            chunk = await content.readany()
            head += chunk
            if self._has_several or self._check.recognize(head, complete=not chunk):
                return head

    def _take(self, piece: bytes) -> tuple[int, bytes]:
        position = self.received
        self._check.feed(piece)
        if self._session.hooks:
            hooks.emit(self._session.hooks, hooks.BytesReceived(size=len(piece)))
        if self.received > self._furthest:
            self._furthest = self.received
            self._breaks, self._waits = 0, None
        return position, piece

    def _forget(self) -> None:
        """Starts the current part over."""
        self._check.rewind()
        self._part_total = self.etag = None

    async def _replace_link(self, refused: "RefusedError | None") -> None:
        words = str(refused) if refused else "the URL is about to expire"
        limit = refused.renewals if refused and refused.renewals else self._settings.link_renewals
        if refused:
            self._refusals += 1
            note_error(DownloadError(words))  # for a deadline that ends the renewal
        if self._renew is None or self._refusals > limit:
            if refused and refused.renewals:
                raise refused.final or DownloadError(words)
            raise LinkExpiredError(f"{words}; a fresh URL is needed: get the export again")
        if self._refusals > 1:
            await self._sleep(self._next_wait(None))
        try:
            source = as_source(await self._renew(self._link if refused else None), "renew must return")
        except APSError as problem:
            if refused:
                problem.add_note(f"The last link was refused: {words}")
            raise
        if [part.size for part in source.parts] == [part.size for part in self._source.parts]:
            self._source = source
            self._link = source.parts[self._index].link
        else:
            _log.info("the fresh links cut the file differently; starting over")
            self._begin(source)
        # A link that has just arrived is valid, whatever our clock says. This only holds for the next request.
        self._link_is_fresh = True

    async def _wait_after(self, problem: APSError) -> None:
        self._breaks += 1
        note_error(problem)
        is_refused = isinstance(problem, TransportError) and problem.obstacle in ("certificate", "proxy")
        if self._breaks >= (_REFUSED_ATTEMPTS if is_refused else self._settings.max_download_attempts):
            raise IncompleteDownloadError(
                f"gave up after {self._breaks} interruptions without a new byte, at {self.received} of "
                f"{'unknown' if (total := self._whole) is None else total} bytes: {problem}"
            ) from problem
        wait = self._next_wait(problem)
        _log.info("%s; keeping %d bytes, continuing in %.1f s", problem, self._at, wait)
        await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        if self._session.hooks:
            hooks.emit(self._session.hooks, hooks.Waited(reason="download", seconds=seconds, what="a download"))
        await asyncio.sleep(seconds)

    def _next_wait(self, problem: APSError | None) -> float:
        if self._waits is None:
            self._waits = waits(self._settings, paced=False)
            next(self._waits)
        return self._waits.send(problem)


class _TransientError(Exception):
    """Carries a transient error out of the response's context, so that no connection is held while waiting."""

    def __init__(self, reason: APSError) -> None:
        super().__init__(str(reason))
        self.reason = reason
