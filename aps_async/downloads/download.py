"""`download` and `stream`: from signed links to a verified file, or to chunks for another program."""

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import cache
from typing import overload

from aps_async.arguments import check_awaited, check_functions
from aps_async.downloads.content import Expected
from aps_async.downloads.link_response import Opener
from aps_async.downloads.open_files import opened
from aps_async.downloads.sinks import PartFile
from aps_async.downloads.sources import as_source
from aps_async.downloads.transfer import Renew, Transfer
from aps_async.errors import DownloadError, IncompleteDownloadError
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, Progress, Received, Writable
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
    """Downloads a file from signed links, without holding it in memory, and verifies it.

    For a path, the bytes go to a part file in the same folder, which replaces the target only if length, signature and
    hash are right, and every entry of an archive. After a failure or cancellation the part file is removed. An open
    file is written to directly, and after a failure keeps what was written; entries of archives are not checked there.

    Args:
        session: the session.
        source: a signed link; or a `Source` with several links, one for each part, and what is known of the file.
        target: a path, or an open binary file (its `write` may be a coroutine function).
        renew: returns fresh links, called when one has expired or is about to.
        expected: the requirements for the file; any PDF by default.
        add_suffix: append `.pdf`, `.zip` and so on to a path, depending on the content.
        sha256: also compute the file's SHA-256 while it arrives.
        before_rename: awaited once the file is written and verified, before it is renamed; not for an open file.
        on_progress: called after each chunk.
        opener: opens the links in place of `Session.open_link`.

    Returns:
        Size, hashes and warnings; for a path, also the file's final path.

    Raises:
        LinkExpiredError: the link has expired, and so had every fresh one; or there is no `renew`.
        IncompleteDownloadError: the file is incomplete, or not the expected one.
        TargetError: the target cannot be written.
        DownloadError: the link is refused for another reason, such as a web filter; the message names it.
        InputError: `source`, or what `renew` returned, is neither a `Source` nor a `SignedUrl`.
        Exception: what `renew`, `before_rename`, `on_progress` or an open file's `write` raised.
    """
    check_awaited(renew=renew, before_rename=before_rename)
    check_functions(on_progress=on_progress, opener=opener)
    _keep_memory()
    sink = opened(target, add_suffix=add_suffix)
    transfer = Transfer(session, as_source(source), renew, expected, opener, sha256=sha256)
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
        size, etag, digits = transfer.received, transfer.file_etag, transfer.sha256
        if path is None:
            got = Received(size=size, etag=etag, sha256=digits, warnings=warnings)
        else:
            got = Downloaded(path=path, size=size, etag=etag, sha256=digits, warnings=warnings)
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
    """Downloads a file from signed links in chunks, for an upload or a web response: `async for chunk in stream(...)`.

    Lost connections are resumed; the reader does not notice. The checks at the end (length, `%%EOF`, hash) can only
    raise after the last chunk was yielded, so treat the result as unfinished until the loop ends. Warnings are logged.
    To leave the loop early, use `contextlib.aclosing`.

    Raises:
        IncompleteDownloadError: also if the file changed after a part of it was yielded.
        APSError: as `download`.
    """
    check_awaited(renew=renew)
    transfer = Transfer(session, as_source(source), renew, expected)
    async with aclosing(in_order(transfer)) as chunks:
        async for chunk in chunks:
            yield chunk


async def in_order(transfer: Transfer) -> AsyncGenerator[bytes, None]:
    """Yields each byte of a transfer once, for readers that cannot go back; see `stream`."""
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


@cache
def _keep_memory() -> None:
    """Makes glibc keep the memory of one read for the next, which halves the time for a small file.

    asyncio asks for 256 KiB at every read. glibc takes a block of that size from the kernel and gives it back, page by
    page, until it has seen a larger one freed (mallopt(3), M_MMAP_THRESHOLD). It keeps at most 8 MiB from then on.
    """
    bytearray(4 << 20)  # never touched, so it costs nothing
