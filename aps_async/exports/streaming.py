"""An export as the body of a web response: streamed while it downloads, and stopped when the client disconnects.

With FastAPI (or Starlette), `uvicorn mine:app`:

    from contextlib import asynccontextmanager

    from aps_async import Session, TwoLegged, bim360
    from aps_async.errors import ClientDisconnectedError
    from aps_async.exports.streaming import export_stream
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import StreamingResponse

    @asynccontextmanager
    async def lifespan(app):
        async with Session(TwoLegged.from_env()) as app.state.session:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/sheet")  # ?project=...&version=urn...
    async def sheet(project: str, version: str, request: Request):
        session = request.app.state.session
        job = await bim360.start_export(session, project, version)
        try:
            body = await export_stream(session, job, filename="A-101", receive=request.receive)
        except ClientDisconnectedError:
            return Response(status_code=499)  # the client is gone
        return StreamingResponse(body, headers=body.headers)

With aiohttp, which cancels a handler when its client disconnects if `handler_cancellation` is set:

    from contextlib import aclosing

    from aiohttp import web
    from aps_async import Session, TwoLegged, bim360
    from aps_async.exports.streaming import export_stream

    SESSION = web.AppKey("session", Session)

    async def with_session(app):
        async with Session(TwoLegged.from_env()) as app[SESSION]:
            yield

    async def sheet(request):
        session = request.app[SESSION]
        job = await bim360.start_export(session, request.query["project"], request.query["version"])
        async with aclosing(await export_stream(session, job, filename="A-101")) as body:
            response = web.StreamResponse(headers=body.headers)
            await response.prepare(request)
            async for chunk in body:
                await response.write(chunk)
            return response

    app = web.Application()
    app.cleanup_ctx.append(with_session)
    app.router.add_get("/sheet", sheet)

    if __name__ == "__main__":
        web.run_app(app, handler_cancellation=True)

Other errors (`APSError`) lead to a 500 unless you catch them too; nothing of the response has been sent at that point.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any
from urllib.parse import quote

from attrs import define, field

from aps_async.downloads.content import Expected
from aps_async.downloads.download import in_order
from aps_async.downloads.filenames import safe_stem, split_suffix
from aps_async.downloads.transfer import Transfer
from aps_async.errors import ClientDisconnectedError, InputError
from aps_async.exports.kinds import Export, ref_of, row_of
from aps_async.exports.outcomes import Delivery, report_began, report_outcome
from aps_async.exports.pollers import export_poller
from aps_async.exports.wait import Result, checked_job
from aps_async.models import ExportJob, ExportRef
from aps_async.policies import Policy
from aps_async.session import Session
from aps_async.threads import ended, stopped
from aps_async.transport.export_numbers import working_on

__all__ = ["ExportStream", "Receive", "export_stream"]
__dir__: object = __all__.copy

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""Returns the next message of an ASGI server."""
_CLOSED = "the stream was closed before its end"


class ExportStream:
    """The bytes of one export, and the headers for them in a web response. Made by `export_stream`.

    Iterate over it once: `async for chunk in body`. The last chunk is yielded only after the file is verified (length,
    type, end mark and, where the service gives one, hash), so that a client cannot take an incomplete file for a whole
    one: after an error, the response is too short. Of a ZIP, each entry is only checked in a download to a path.

    It may be closed by another task than the one that reads it, whose read then ends with a `ClientDisconnectedError`.
    """

    def __init__(
        self,
        job: ExportJob,
        filename: str,
        transfer: Transfer,
        body: AsyncGenerator[bytes, None],
        chunks: AsyncGenerator[bytes, None],
        outcome: "_Outcome",
    ) -> None:
        self.job: ExportJob = job
        self.filename: str = filename
        self.media_type: str = transfer.signature.media_type
        self.size: int | None = transfer.total
        """Bytes; None if the storage does not say."""
        self._body, self._chunks, self._outcome = body, chunks, outcome
        self._is_closed = self._is_at_end = False
        self._read: asyncio.Timeout | None = None
        self._has_read = asyncio.Event()

    @property
    def headers(self) -> dict[str, str]:
        """`Content-Type`, `Content-Disposition`, and `Content-Length` if the size is known."""
        plain = self.filename.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
        encoded = quote(self.filename, safe="")
        found = {
            "Content-Type": self.media_type,
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
            "X-Content-Type-Options": "nosniff",
        }
        return found if self.size is None else {**found, "Content-Length": str(self.size)}

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._is_closed and not self._is_at_end:  # a closed generator would end as at the end of a whole file
            raise ClientDisconnectedError(_CLOSED)
        if self._read is not None:
            raise InputError("another task is reading this stream: each has one reader")
        self._has_read.clear()
        self._read = read = asyncio.timeout(None)  # which `drop` uses to end the read
        try:
            async with read:
                return await anext(self._body)
        except StopAsyncIteration:
            self._is_at_end = True
            raise
        except TimeoutError:
            if not read.expired():
                raise
        finally:
            self._read = None
            self._has_read.set()
        raise ClientDisconnectedError(_CLOSED)

    async def aclose(self) -> None:
        """Closes the connection to the storage, at the end or before it; for `contextlib.aclosing`."""
        await self.drop(ClientDisconnectedError(_CLOSED))

    async def drop(self, reason: BaseException) -> None:
        """Does the same, and reports this reason to hooks and log if the stream has not ended yet."""
        self._is_closed = True
        if self._read is not None:
            self._outcome.report(reason)  # the read would report that it was cancelled
            if not self._read.expired():
                self._read.reschedule(asyncio.get_running_loop().time())
            await self._has_read.wait()
        try:
            await self._body.aclose()
        finally:
            await self._chunks.aclose()  # closing a generator that was never started runs none of its code
            self._outcome.report(reason)


async def export_stream(
    session: Session,
    export: Export,
    *,
    filename: str | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    receive: Receive | None = None,
) -> ExportStream:
    """Waits for an export and opens its result, to be passed on in a web response. Nothing is written to disk.

        body = await export_stream(session, ref, filename="A-101", receive=request.receive)
        return StreamingResponse(body, headers=body.headers)

    The docstring of `aps_async.exports.streaming` has complete programs for FastAPI and aiohttp. Lost connections are
    resumed, and an expired link is renewed. Errors up to the first byte are raised here, while the response can still
    have another status; later ones are raised by the iteration.

    Args:
        session: the session, which has to stay open until the response is complete.
        export: a reference, from any process, or a job, running or finished.
        filename: the name for the client to save the file under, without its suffix, which depends on the content;
            None: the job's id.
        timeout: seconds until the first byte; None: `Settings.export_timeout` (10 minutes; 35 for ACC). The body has no
            limit.
        policy: when to make the next status call; see `Policy`.
        receive: of an ASGI server, such as `request.receive` in FastAPI and Starlette. Until the first byte it is
            watched for a client that disconnects; after that the framework notices by itself, and stops the iteration.

    Raises:
        ClientDisconnectedError: the client disconnected. Nothing is left running here, but the service continues with
            the job.
        ExportFailedError: the job failed, or its result is partial and `ExportRequest.allow_partial` is False.
        ExportTimeoutError: the deadline passed first.
        DownloadError: the result could not be downloaded.
        APSError: an error that is not transient.
    """
    outcome = _Outcome(session, ref_of(export))
    opening = _opened(session, export, filename, timeout, policy, outcome)
    try:
        return await (opening if receive is None else _while_connected(opening, receive))
    except BaseException as error:
        outcome.report(error)
        raise


@define
class _Outcome:
    """Reports the outcome of a stream once, although several parts of it may notice its end."""

    session: Session
    ref: ExportRef
    number: int | None = field(init=False)
    _began: float = field(init=False)
    _reported: bool = False

    def __attrs_post_init__(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self.number = report_began(self.session, self.ref.request, self.ref)

    def report(self, error: BaseException | None, size: int | None = None) -> None:
        if self._reported:
            return
        self._reported = True
        if isinstance(error, GeneratorExit):
            error = ClientDisconnectedError(_CLOSED)
        seconds, delivery = asyncio.get_running_loop().time() - self._began, Delivery(size=size)
        request, ref = self.ref.request, self.ref
        report_outcome(self.session, request, ref, seconds, number=self.number, delivery=delivery, error=error)


async def _opened(
    session: Session,
    export: Export,
    filename: str | None,
    timeout: float | None,
    policy: Policy | None,
    outcome: _Outcome,
) -> ExportStream:
    """Opens the stream and reads its first chunk, which shows the type and the size of the file."""
    poller = export_poller(session, export, timeout=timeout, policy=policy)
    with working_on(outcome.number):
        job = checked_job(await poller.result())
        async with poller.until_deadline():
            result = Result(session, job)
            expected = Expected(signatures=row_of(job.ref.kind).signatures)
            transfer = Transfer(session, await result.source(), result.source, expected)
            chunks = in_order(transfer)
            try:
                first = await anext(chunks, b"")
            except BaseException:
                await chunks.aclose()
                raise
    suffix = transfer.signature.suffix
    stem = safe_stem(job.ref.export_id if filename is None else filename)
    name = stem if split_suffix(stem)[1].lower() == suffix else stem + suffix
    return ExportStream(job, name, transfer, _body(first, chunks, outcome), chunks, outcome)


async def _body(first: bytes, chunks: AsyncGenerator[bytes, None], outcome: _Outcome) -> AsyncGenerator[bytes, None]:
    held, size = first, len(first)
    try:
        while chunk := await _next(chunks, outcome.number):
            yield held
            held = chunk
            size += len(chunk)
        if held:
            yield held
    except BaseException as error:
        outcome.report(error)
        raise
    else:
        outcome.report(None, size)
    finally:
        await chunks.aclose()


async def _next(chunks: AsyncGenerator[bytes, None], number: int | None) -> bytes:
    """The next chunk; empty at the end. Marked for each step, since a generator runs in the context of its reader."""
    with working_on(number):
        return await anext(chunks, b"")


async def _while_connected(opening: Coroutine[Any, Any, ExportStream], receive: Receive) -> ExportStream:
    """Awaits the stream, and ends that if the client disconnects. A stream that is not returned is closed."""
    task, leaving = asyncio.ensure_future(opening), asyncio.ensure_future(_disconnected(receive))
    try:
        try:
            await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                leaving.result()  # raises the error of `receive`, if there is one
                raise ClientDisconnectedError("the client disconnected before the export was ready")
        finally:
            await stopped([task, leaving])
        return task.result()
    except BaseException as error:
        if task.done() and not task.cancelled() and task.exception() is None:  # it was ready in the same moment
            await ended(task.result().drop(error))
        raise


async def _disconnected(receive: Receive) -> None:
    """Waits until the client disconnects. Starlette's `is_disconnected` misses that behind a middleware."""
    while (await receive())["type"] != "http.disconnect":
        pass
