"""A raw TCP server that is the token service, the API and the storage of one export, and misbehaves by a script."""

import asyncio
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any, Literal

from attrs import field, frozen

from tests.faults.services import PAGE, Service, encode
from tests.support import RawListener, virtual_clock

Step = Literal["token", "start", "status", "link", "cookies", "other"]
ALWAYS = 10**9
SIGNATURE = "canary-signature"
LOCAL = "127.0.0.1"


@frozen
class Asked:
    """One request, as a reply may need to know it."""

    step: Step
    number: int
    """Requests to this step before."""
    at: int
    """Where the requested range begins."""
    base: str
    now: float
    """By the service's clock."""
    link: str
    """A fresh link that works."""


Value = str | None | Callable[[Asked], str]


@frozen(kw_only=True)
class Reply:
    """One response: the right one for its step and kind, but for what is named here."""

    status: int | None = None
    headers: Mapping[str, Value] = field(factory=dict)
    """Instead of the right ones; None leaves one out."""
    more: Sequence[str] = ()
    """Header lines, behind the others."""
    job: str | None = None
    """running, done, failed, or a word of no kind."""
    link: Value = ""
    """What a job gives as its link: by default a good one once it is done."""
    fields: Mapping[str, Any] = field(factory=dict)
    """JSON fields that are put in; `...` takes one out."""
    file: bytes = PAGE
    etag: str | None = '"1"'
    at: int | None = None
    """Where the file's bytes begin, if not where the request says."""
    total: int | str | None = None
    """What Content-Range gives as the whole size."""
    body: bytes | Callable[[bytes], bytes] | None = None
    before: bytes = b""
    """Comes before the status line."""
    behind: bytes = b""
    """Comes behind the body."""
    raw: bytes | None = None
    """All that comes."""
    sent: int | None = None
    """Bytes of the body that come, or of all if it is below 0 that many fewer."""
    slowly: tuple[int, float] | None = None
    """So many bytes at a time, and so many seconds between."""
    after: float = 0.0
    """Seconds before anything comes."""
    ends: Literal["keeps", "closes", "resets", "hangs"] = "keeps"
    """What becomes of the connection."""
    deaf: float = 0.0
    """Seconds for which nothing listens afterwards."""
    times: int = 1


class RawServer:
    """Serves one export of one kind; `does` has the replies to the first requests of each step."""

    def __init__(self, service: Service, does: Mapping[str, Sequence[Reply]], clock: Callable[[], float]) -> None:
        self.base = ""
        self.clock = clock
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self._open = 0
        self._left = asyncio.Event()
        self._left.set()
        self.started = 0
        """Jobs that the service has started, or may have."""
        self.wrong: list[str] = []
        """What no request may do."""
        self._service = service
        self._does = does
        self._tokens: set[str] = set()
        self._tls: ssl.SSLContext | None = None
        self._listener = RawListener(self._connected)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        self._tls = tls or self._tls
        return await self._listener.listen(port, ssl=self._tls, limit=1 << 20)

    async def close(self) -> None:
        await self._listener.close()
        for task in self._tasks:
            task.cancel()

    async def end(self) -> None:
        await self.close()
        await self._listener.end()

    async def is_left(self) -> bool:
        """Whether the client has closed every connection; a server that is slow notices it late."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), 150)
        return not self._open

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        self._left.clear()
        try:
            while await self._serve(reader, writer):
                pass
        finally:
            self._open -= 1
            if not self._open:
                self._left.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if length := re.search(r"(?i)\r\ncontent-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
        asked = self._read(head)
        reply = self._reply(asked)
        if asked.step == "start" and not _refuses(reply.status):
            self.started += 1
        await asyncio.sleep(reply.after)
        await self._send(writer, self._bytes(reply, asked), reply.slowly)
        if reply.ends == "hangs":
            await reader.read()
        elif reply.ends == "resets":
            await asyncio.sleep(0.01)  # else what has been sent may be lost with it
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if reply.deaf:
            await self._stop_listening(reply.deaf)
        return reply.ends == "keeps" and not reply.deaf

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, slowly: tuple[int, float] | None) -> None:
        size, pause = slowly or (len(data) or 1, 0)
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()
            if slowly:
                await asyncio.sleep(pause)

    async def _stop_listening(self, seconds: float) -> None:
        port = self._listener.port
        await self._listener.close()

        async def again() -> None:
            await asyncio.sleep(seconds)
            await self.listen(port)

        self._tasks.add(asyncio.create_task(again()))

    def _read(self, head: str) -> Asked:
        method, target, *_ = head.split(" ", 2)
        path = target.partition("?")[0]
        step: Step = "other"
        if path.endswith("/authentication/v2/token"):
            step = "token"
        elif path.endswith("/signedcookies"):
            step = "cookies"
        elif "/exports" in path:
            step = "start" if method == "POST" else "status"
        elif path.startswith("/file"):
            step = "link"
        found = re.search(r"(?i)\r\nauthorization: (\S+) (\S+)", head)
        if step == "link":
            self.wrong += [f"a link was opened with {found[1]}"] if found else []
            is_ours = target.startswith("/file%2Fa%20b?")
            self.wrong += [f"the link was changed: {target}"] if is_ours and target[-3:] != "%2B" else []
        elif step != "token" and (found is None or found[2] not in self._tokens):
            self.wrong.append(f"{method} {path} without a token of ours")
        elif step != "token" and "\r\nx-user-id: U1\r\n" not in head:
            self.wrong.append(f"{method} {path} without its user")
        start = re.search(r"(?i)\r\nrange: bytes=(\d+)-\r", head)
        if start and "\r\nif-match: " not in head.lower():
            self.wrong.append("a rest was asked for without If-Match")
        number = self.requests[step]
        self.requests[step] += 1
        now = self.clock()
        link = f"{self.base}/file%2Fa%20b?{self._service.query(now)}&Signature={SIGNATURE}-{number}%2B"
        return Asked(step, number, int(start[1]) if start else 0, self.base, now, link)

    def _reply(self, asked: Asked) -> Reply:
        left = asked.number
        for each in self._does.get(asked.step, ()):
            if left < each.times:
                return each
            left -= each.times
        return Reply()

    def _bytes(self, reply: Reply, asked: Asked) -> bytes:
        if reply.raw is not None:
            return reply.raw
        body, headers, status = self._right(reply, asked)
        if callable(reply.body):
            body = reply.body(body)
        elif reply.body is not None:
            body = reply.body
        status = reply.status or status
        if status in (204, 304):
            body = b""
        values: dict[str, Value] = {
            "Date": formatdate(asked.now, usegmt=True), "Content-Length": str(len(body)), **headers, **reply.headers,
        }  # fmt: skip
        lines = [f"HTTP/1.1 {status} Some Words"]
        for name, value in values.items():
            text = value(asked) if callable(value) else value
            lines += [] if text is None else [f"{name}: {text}"]
        head = "\r\n".join([*lines, *reply.more, "", ""]).encode("latin-1")
        return reply.before + head + body[: reply.sent] + reply.behind

    def _right(self, reply: Reply, asked: Asked) -> tuple[bytes, dict[str, Value], int]:
        """Body, headers and status of a right response, and of a documented refusal."""
        headers: dict[str, Value] = {"Content-Type": "application/json"}
        if asked.step == "link":
            return self._file(reply, asked)
        if asked.step == "token":
            token = f"canary-token-{asked.number}"
            self._tokens.add(token)
            found: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        elif asked.step in ("start", "status"):
            found = self._job(reply, asked)
        elif asked.step == "cookies" and reply.status == 200:
            found = {"url": asked.link, "size": len(reply.file)}
        else:
            return b'{"detail": "Unknown."}', headers, 404
        if reply.status is not None and reply.status >= 300:
            found = {"code": "ERR_SCRIPTED", "detail": "Scripted."}
        for name, value in reply.fields.items():
            if value is ...:
                found.pop(name, None)
            else:
                found[name] = value
        return encode(found), headers, 202 if asked.step == "start" else 200

    def _job(self, reply: Reply, asked: Asked) -> dict[str, Any]:
        is_first = asked.step == "start" or (asked.number == 0 and self.started == 1)
        state = reply.job or ("running" if is_first else "done")
        link = reply.link(asked) if callable(reply.link) else reply.link
        if link == "":
            link = asked.link if state == "done" else None
        return self._service.job(state, link)

    def _file(self, reply: Reply, asked: Asked) -> tuple[bytes, dict[str, Value], int]:
        if reply.status is not None and reply.status >= 300:
            return b"", {}, reply.status
        at = asked.at if reply.at is None else reply.at
        size = len(reply.file)
        headers: dict[str, Value] = {"Content-Type": "application/pdf", "ETag": reply.etag}
        status = reply.status or (206 if asked.at else 200)
        if status == 206:
            total = size if reply.total is None else reply.total
            headers["Content-Range"] = f"bytes {at}-{size - 1}/{total}"
        return reply.file[at:], headers, status


def _refuses(status: int | None) -> bool:
    """Whether a status says for sure that no job was started."""
    return status == 503 or (status is not None and 300 <= status < 500 and status != 408)


@asynccontextmanager
async def raw_server(
    service: Service,
    does: Mapping[str, Sequence[Reply]],
    *,
    clock: Callable[[], float] = virtual_clock,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawServer]:
    """The server on a free loopback port."""
    server = RawServer(service, does, clock)
    port = await server.listen(tls=tls)
    server.base = f"{'https' if tls else 'http'}://{LOCAL}:{port}"
    try:
        yield server
    finally:
        await server.end()
