"""From an answer to bytes on the wire, spoiled where a fault says so."""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import NoReturn

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from . import storage
from .faults import DATE, Fault
from .gateway import unauthorized
from .record import Record
from .replies import Reply, json_reply
from .routing import Call, Services

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
SPEED_HEADER = "X-Simulator-Speed"
"""Carried by every response, so that a client can scale its waits."""
_PIECES = 20
_SMALL = 1 << 20
_HTML = (
    b"<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    b"<body><h1>The service is temporarily unavailable.</h1></body></html>"
)


def substitute(call: Call, fault: Fault) -> Reply:
    """The answer of a fault that speaks in the service's place."""
    if fault.kind == "expired":
        return storage.expired(call)
    if fault.kind == "s3_error_200":
        return storage.xml_error(call, 200, "InternalError", "We encountered an internal error. Please try again.")
    if fault.kind == "revoke":
        return unauthorized(call)
    if fault.kind == "html":
        return Reply(fault.status or 200, {"Content-Type": "text/html; charset=utf-8", "Server": "nginx"}, _HTML)
    if fault.kind == "text":
        return Reply(fault.status or 200, {"Content-Type": "text/plain", "Server": "nginx"}, b"upstream connect error")
    if fault.kind == "empty":
        return Reply(fault.status or 200, {"Server": "nginx"})
    return _status(call, fault)


def _status(call: Call, fault: Fault) -> Reply:
    status = fault.status or 503
    if call.endpoint.name in ("signed_get", "cdn_get"):
        code = "SlowDown" if status == 503 else "InternalError" if status >= 500 else "AccessDenied"
        reply = storage.xml_error(call, status, code, "Please reduce your request rate." if status == 503 else code)
    else:
        text = "Quota limit exceeded." if status == 429 else f"A fault of the simulator: {status}."
        reply = json_reply(status, {"developerMessage": text}, {"Server": "Apigee Router"})
    if fault.retry_after is not None:
        after = str(fault.retry_after)
        if after.startswith(DATE):
            reply.headers["Date"] = formatdate(call.simulator.clock(), usegmt=True)
            after = formatdate(call.simulator.clock() + float(after.removeprefix(DATE)), usegmt=True)
        reply.headers["Retry-After"] = after
    return reply


def cut_json(reply: Reply) -> Reply:
    """The same answer with its body cut in the middle, and a length that fits the rest."""
    body = b"".join(reply.pieces())
    return Reply(reply.status, reply.headers, body[: max(1, len(body) // 2)], cookies=reply.cookies)


class _Brief(logging.Filter):
    """Reports a request that is not valid HTTP in one line: it is the client's fault, and no error of the simulator."""

    def filter(self, record: logging.LogRecord) -> bool:
        problem = record.exc_info[1] if record.exc_info else None
        if isinstance(problem, HttpProcessingError):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = "refused a request that is not valid HTTP: %.200s", (_one_line(problem.message),)
            record.exc_info = record.exc_text = None
        return True


def _one_line(text: str) -> str:
    return " ".join(text.split())


HTTP_LOG = logging.getLogger(__name__)
"""For the servers themselves."""
HTTP_LOG.addFilter(_Brief())


def until_hung_up(handler: _Handler) -> _Handler:
    """A client that hangs up ends its request, whatever that was at, and is not an error to be printed."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionError:  # in the moment between the end of the connection and the cancellation of this
            if request.transport is not None and not request.transport.is_closing():
                raise
            return web.Response()  # for aiohttp, which finds the connection closed too

    return handle


async def invite_body(request: web.BaseRequest) -> None:
    """Lets a client go on that waits for a 100 before it sends the body: curl for a second, others for ever."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # or aiohttp takes it for the start of the response


async def send(simulator: Services, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Send an answer as it is."""
    if isinstance(reply.body, bytes) or reply.length <= _SMALL:
        body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.pieces())
        simulator.state(Record).bytes_sent += len(body)
        return web.Response(status=reply.status, headers=_headers(simulator, reply), body=body)
    response = await _begin(simulator, request, reply)
    for piece in () if request.method == "HEAD" else reply.pieces():
        await response.write(piece)
        simulator.state(Record).bytes_sent += len(piece)
    await response.write_eof()
    return response


def _headers(simulator: Services, reply: Reply) -> "CIMultiDict[str]":
    headers = CIMultiDict(reply.headers)
    headers[SPEED_HEADER] = f"{simulator.speed:g}"
    for cookie in reply.cookies:
        headers.add("Set-Cookie", cookie)
    return headers


async def _begin(simulator: Services, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=_headers(simulator, reply))
    response.content_length = reply.length
    await response.prepare(request)
    return response


async def send_part(simulator: Services, request: web.BaseRequest, reply: Reply, fault: Fault) -> NoReturn:
    """Send the headers and a part of the body, then close or reset the connection."""
    length = reply.length
    left = min(length // 2 if fault.after_bytes is None else fault.after_bytes, max(length - 1, 0))
    response = await _begin(simulator, request, reply)
    for piece in reply.pieces():
        part = piece[:left]
        if part:
            await response.write(part)
        simulator.state(Record).bytes_sent += len(part)
        left -= len(part)
        if left <= 0:
            break
    transport = request.transport
    if fault.kind == "truncate":
        if transport is not None:
            transport.close()
        await never()
    # Let what was written reach the client: a reset throws away what is still in the buffer.
    while transport is not None and transport.get_write_buffer_size():  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(0.001)
    await reset(request)


async def send_slowly(simulator: Services, request: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """Send the body in small pieces with pauses between them."""
    response = await _begin(simulator, request, reply)
    pause = (30.0 if fault.seconds is None else fault.seconds) / _PIECES / simulator.speed
    at_once = fault.after_bytes or 0
    step = max(1, -(-(reply.length - at_once) // _PIECES))
    now = asyncio.get_running_loop().time
    due = now()
    for piece in reply.pieces():
        start = 0
        while start < len(piece):
            size = at_once or step
            at_once = 0
            await response.write(piece[start : start + size])
            simulator.state(Record).bytes_sent += len(piece[start : start + size])
            start += size
            due += pause
            await asyncio.sleep(max(0.0, due - now()))  # so that pauses that were too long do not add up
    await response.write_eof()
    return response


async def reset(request: web.BaseRequest) -> NoReturn:
    """Reset the connection as a crashed peer would."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    await never()


async def never() -> NoReturn:
    """Wait until the connection is gone, which cancels this."""
    await asyncio.get_running_loop().create_future()
    raise RuntimeError("a future without a result had one")
