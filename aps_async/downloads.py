"""From signed links to a verified file: streaming, and never half under its final name."""

import hashlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from attrs import evolve, frozen

from aps_async.errors import DownloadError, IncompleteDownloadError
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, Progress
from aps_async.session import Session
from aps_async.targets import Writable, opened
from aps_async.transfer import ANY, Body, Expected, Opener, Transfer

T = TypeVar("T")
Renew = Callable[[SignedUrl | None], Awaitable[Source]]
"""Brings fresh links; it is told the one that was refused, or None when that one merely came of age."""

OnWhole = Callable[[Downloaded], Awaitable[object]]
"""Awaited when all has come and been written, with what the result is going to be, before the file gets its final
name; what it raises keeps it from that."""


async def download(
    session: Session,
    source: Source | SignedUrl,
    target: str | os.PathLike[str] | Writable,
    *,
    renew: Renew | None = None,
    expected: Expected = Expected(),
    add_suffix: bool = False,
    sha256: bool = False,
    on_whole: OnWhole | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    opener: Opener | None = None,
) -> Downloaded:
    """Brings what signed links open to a file, streaming, and verifies it.

    A path gets a part file in the same folder, which replaces what was there only when length, signature and hash are
    right, and every entry of an archive; after any failure or cancellation the part file is gone. An open file is
    written to as the bytes come, and on failure keeps what was written; archives in it are not looked into.

    Args:
        session: the session.
        source: a signed link, or several with what is known of the file; none is opened when it is about to expire.
        target: a path, or an open binary file (its `write` may be a coroutine function).
        renew: brings fresh links when one dies.
        expected: what the file must be; any PDF by default.
        add_suffix: put `.pdf`, `.zip` and so on behind the path, as the content turns out.
        sha256: also compute the file's SHA-256, as the bytes pass.
        on_whole: awaited before the file gets its final name.
        on_progress: called with every chunk.
        opener: opens the links in place of `Session.open_link`.

    Raises:
        LinkExpiredError: the link is refused (403), and so were its successors.
        IncompleteDownloadError: what comes is not the whole, right file.
        TargetError: the target cannot take it.
        APSError: what `renew` raises.
    """
    sink = opened(target)
    fetch = _Fetch(session, source, renew, expected, opener, sha256=sha256)
    try:
        async with aclosing(fetch.pieces()) as pieces:
            async for piece in pieces:
                if isinstance(piece, _Rewind):
                    await sink.restart(piece.at)
                    continue
                await sink.write(piece)
                if on_progress is not None:
                    on_progress(Progress(received=fetch.received, total=fetch.total))
        kind = fetch.signature
        suffix = kind.suffix if add_suffix else None
        got = Downloaded(path=sink.final(suffix), size=fetch.received, etag=fetch.etag, sha256=fetch.sha256)
        if on_whole is not None:
            await on_whole(got)
        await sink.finish(kind.verify, suffix)
    except DownloadError as problem:
        problem.path = problem.path or sink.path
        raise
    finally:
        sink.discard()
    return got


async def stream(
    session: Session, source: Source | SignedUrl, *, renew: Renew | None = None, expected: Expected = Expected()
) -> AsyncGenerator[bytes, None]:
    """The same as chunks, for an upload or a web response: `async for chunk in stream(...)`.

    Breaks are resumed unseen. The checks of the end (length, `%%EOF`, hash) can only raise after the last chunk was
    given out, so treat what you have as unfinished until the loop ends. Close it (`contextlib.aclosing`) when you
    leave the loop early.

    Raises:
        IncompleteDownloadError: also when the file changed after a part of it was given out.
        APSError: as `download`.
    """
    fetch = _Fetch(session, source, renew, expected)
    given = skip = 0
    etag: str | None = None
    async with aclosing(fetch.pieces()) as pieces:
        async for piece in pieces:
            if isinstance(piece, _Rewind):
                if etag is None or fetch.etag != etag:
                    raise IncompleteDownloadError("the file changed after a part of it was given out; stream it again")
                skip = given - piece.at
                continue
            etag = fetch.etag
            fresh = piece[skip:]
            skip -= len(piece) - len(fresh)
            given += len(fresh)
            if fresh:
                yield fresh


@frozen
class _Rewind:
    """What follows begins at this byte again."""

    at: int = 0


class _SourceChanged(Exception):  # noqa: N818 - a signal, not an error
    """The fresh links cut the file differently than the old ones."""

    def __init__(self, source: Source) -> None:
        super().__init__("storage merged the upload meanwhile")
        self.source = source


class _Fetch:
    """A file's way over its one link, or its several."""

    def __init__(
        self,
        session: Session,
        source: Source | SignedUrl,
        renew: Renew | None,
        expected: Expected,
        opener: Opener | None = None,
        *,
        sha256: bool = False,
    ) -> None:
        self.signature = expected.signatures[0]
        self._session = session
        self._source = source if isinstance(source, Source) else Source.of(source)
        self._renew = renew
        self._expected = expected
        self._opener = opener
        self._before = 0  # bytes of the parts that are done
        self._total: int | None = None
        self._etag: str | None = None
        self._transfer: Transfer | None = None
        self._wants_hash = sha256
        self._begin()

    def _begin(self) -> None:
        source, known = self._source, self._expected
        if source.size is not None or source.sha1 is not None:
            known = evolve(known, size=_first(known.size, source.size), sha1=_first(known.sha1, source.sha1))
        self._known = known
        self._before, self._transfer = 0, None
        self._hash = hashlib.sha256() if self._wants_hash else None
        self._marked_hash = self._hash and self._hash.copy()
        # One part alone is checked by its transfer, which can still start over; several as a whole.
        self._whole = Body(known) if len(source.parts) > 1 else None

    @property
    def sha256(self) -> str | None:
        """Of the bytes in order, as hexadecimal digits; None when nobody wants it."""
        return self._hash.hexdigest() if self._hash else None

    @property
    def received(self) -> int:
        """Bytes in order, from the first."""
        return self._before + (self._transfer.received if self._transfer else 0)

    @property
    def total(self) -> int | None:
        """Bytes that there will be."""
        if self._source.size is not None or self._whole is not None:
            return self._source.size
        return self._transfer.total if self._transfer else self._total

    @property
    def etag(self) -> str | None:
        """Of the part that is coming, or came last."""
        return self._transfer.etag if self._transfer else self._etag

    async def pieces(self) -> AsyncGenerator[bytes | _Rewind, None]:
        """The file's bytes, and where they begin again."""
        while True:
            try:
                for index in range(len(self._source.parts)):
                    transfer = self._transfer = self._part(index)
                    async with aclosing(transfer.pieces()) as pieces:
                        async for piece in pieces:
                            if piece is None:
                                self._rewind()
                                yield _Rewind(self._before)
                            else:
                                self._feed(piece)
                                yield piece
                    self._end_part(transfer)
            except _SourceChanged as changed:
                self._source = changed.source
                self._begin()
                yield _Rewind()
            else:
                if self._whole is not None:
                    self._whole.verify(self.received, None)
                    self.signature = self._whole.signature
                return

    def _part(self, index: int) -> Transfer:
        async def renewed(refused: SignedUrl | None) -> SignedUrl:
            assert self._renew is not None  # noqa: S101 - for the type checker
            fresh = await self._renew(refused)
            if len(fresh.parts) != len(self._source.parts):
                raise _SourceChanged(fresh)
            return fresh.parts[index].link

        part = self._source.parts[index]
        expected = self._known if self._whole is None else Expected(signatures=(ANY,), size=part.size)
        return Transfer(self._session, part.link, renewed if self._renew else None, expected, self._opener)

    def _feed(self, piece: bytes) -> None:
        if self._whole is not None:
            self._whole.feed(piece)
        if self._hash:
            self._hash.update(piece)

    def _rewind(self) -> None:
        """Forgets what came of the part that is coming."""
        if self._whole is not None:
            self._whole.rewind()
        self._hash = self._marked_hash and self._marked_hash.copy()

    def _end_part(self, transfer: Transfer) -> None:
        self._before += transfer.received
        self._total, self._etag, self.signature = transfer.total, transfer.etag, transfer.signature
        self._transfer = None
        if self._whole is not None:
            self._whole.mark()
        self._marked_hash = self._hash and self._hash.copy()


def _first(one: T | None, other: T | None) -> T | None:
    return other if one is None else one
