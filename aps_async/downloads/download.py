"""From signed links to a verified file: streaming, with nothing unfinished under the final name."""

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import cache
from typing import overload

from aps_async.downloads.content import Expected
from aps_async.downloads.open_files import opened
from aps_async.downloads.sinks import PartFile, Writable
from aps_async.downloads.transfer import Opener, Renew, Transfer
from aps_async.errors import DownloadError, IncompleteDownloadError
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, Progress, Received
from aps_async.session import Session

__all__ = ["BeforeRename", "download", "in_order", "stream"]
__dir__: object = __all__.copy

BeforeRename = Callable[[Downloaded], Awaitable[object]]
"""Awaited once a file is written and verified, before it is renamed. An exception prevents the rename."""

_log = logging.getLogger(__name__)


@overload
async def download(
    session: Session,
    source: Source | SignedUrl,
    target: str | os.PathLike[str] | PartFile,
    *,
    renew: Renew | None = None,
    expected: Expected = Expected(),
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    opener: Opener | None = None,
) -> Downloaded: ...


@overload
async def download(
    session: Session,
    source: Source | SignedUrl,
    target: Writable,
    *,
    renew: Renew | None = None,
    expected: Expected = Expected(),
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    opener: Opener | None = None,
) -> Received: ...


async def download(
    session: Session,
    source: Source | SignedUrl,
    target: str | os.PathLike[str] | Writable | PartFile,
    *,
    renew: Renew | None = None,
    expected: Expected = Expected(),
    add_suffix: bool = False,
    sha256: bool = False,
    before_rename: BeforeRename | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    opener: Opener | None = None,
) -> Downloaded | Received:
    """Downloads what signed links open into a file, without holding it in memory, and verifies it.

    A path gets a part file in the same folder, which replaces what was there only when length, signature and hash are
    right, and every entry of an archive; after any failure or cancellation the part file is gone. An open file is
    written to as the bytes come, and on failure keeps what was written; archives in it are not checked inside.

    Args:
        session: the session.
        source: a signed link, or several with what is known of the file; none is opened when it is about to expire.
        target: a path, or an open binary file (its `write` may be a coroutine function).
        renew: returns fresh links when one dies.
        expected: what the file must be; any PDF by default.
        add_suffix: append `.pdf`, `.zip` and so on to a path, depending on the content.
        sha256: also compute the file's SHA-256, as the bytes pass.
        before_rename: awaited once the file is written and verified, before it is renamed; an open file is not.
        on_progress: called with every chunk.
        opener: opens the links in place of `Session.open_link`.

    Returns:
        Size, hashes and warnings; for a path, also the file's final path.

    Raises:
        LinkExpiredError: the link is refused as expired, and so were its successors.
        IncompleteDownloadError: what comes is not the whole, right file.
        TargetError: the target cannot take it.
        DownloadError: the link is refused for another reason, such as a web filter; the message names it.
        APSError: what `renew` raises.
    """
    _keep_memory()
    sink = opened(target)
    transfer = Transfer(session, _as_source(source), renew, expected, opener, sha256=sha256)
    try:
        async with aclosing(transfer.pieces()) as pieces:
            async for at, piece in pieces:
                await sink.write(at, piece)
                if on_progress is not None:
                    on_progress(Progress(received=transfer.received, total=transfer.total))
        kind = transfer.signature
        suffix = kind.suffix if add_suffix else None
        warnings = transfer.warnings + await sink.complete(kind.verify)
        path = sink.final(suffix)
        got = Received(size=transfer.received, etag=transfer.etag, sha256=transfer.sha256, warnings=warnings)
        if path is not None:
            got = Downloaded(path=path, size=got.size, etag=got.etag, sha256=got.sha256, warnings=got.warnings)
            if before_rename is not None:
                await before_rename(got)
        sink.rename(suffix)
    except DownloadError as problem:
        problem.path = problem.path or sink.path
        raise
    finally:
        sink.discard()
    return got


async def stream(
    session: Session, source: Source | SignedUrl, *, renew: Renew | None = None, expected: Expected = Expected()
) -> AsyncGenerator[bytes, None]:
    """Downloads what signed links open in chunks, for an upload or a web response: `async for chunk in stream(...)`.

    Breaks are resumed without a trace. The checks at the end (length, `%%EOF`, hash) can only raise after the last
    chunk was yielded, so treat what you have as unfinished until the loop ends. Warnings are logged. Close it
    (`contextlib.aclosing`) when you leave the loop early.

    Raises:
        IncompleteDownloadError: also when the file changed after a part of it was yielded.
        APSError: as `download`.
    """
    transfer = Transfer(session, _as_source(source), renew, expected)
    async with aclosing(in_order(transfer)) as chunks:
        async for chunk in chunks:
            yield chunk


async def in_order(transfer: Transfer) -> AsyncGenerator[bytes, None]:
    """A transfer's bytes for a reader that cannot go back, each once; see `stream`."""
    _keep_memory()
    given = end = 0
    etag: str | None = None
    async with aclosing(transfer.pieces()) as pieces:
        async for at, piece in pieces:
            if at != end and (etag is None or transfer.etag != etag):
                raise IncompleteDownloadError("the file changed after a part of it was given out; stream it again")
            end, etag = at + len(piece), transfer.etag
            fresh = piece[max(0, given - at) :]
            given += len(fresh)
            if fresh:
                yield fresh
    for warning in transfer.warnings:
        _log.warning("%s", warning)


def _as_source(source: Source | SignedUrl) -> Source:
    return source if isinstance(source, Source) else Source.of(source)


@cache
def _keep_memory() -> None:
    """Makes glibc keep the memory of one read for the next: half of the time of a small file's download.

    asyncio asks for 256 KiB at every read. glibc takes a block of that size from the kernel and gives it back, page by
    page, until it has seen a larger one freed (mallopt(3), M_MMAP_THRESHOLD). It keeps at most 8 MiB from then on.
    """
    bytearray(4 << 20)  # never touched, so it costs nothing
