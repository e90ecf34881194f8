"""Responses before they are sent."""

import json
from collections.abc import Iterator, Mapping
from typing import Protocol

import attrs


class Body(Protocol):
    """A response body that need not be in memory."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    @property
    def etag(self) -> str:
        """Its ETag, without quotes."""
        ...

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces."""
        ...


@attrs.define
class Reply:
    """An answer before it is sent, so that a fault can still spoil it."""

    status: int
    headers: dict[str, str]
    body: bytes | Body = b""
    start: int = 0
    stop: int = 0
    cookies: tuple[str, ...] = ()
    """Values of `Set-Cookie`."""

    @property
    def length(self) -> int:
        """Number of body bytes this answer has."""
        return len(self.body) if isinstance(self.body, bytes) else self.stop - self.start

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        if isinstance(self.body, bytes):
            yield self.body
        else:
            yield from self.body.chunks(self.start, self.stop)


class Refusal(Exception):  # noqa: N818 - an answer that travels as an exception, not an error of ours
    """Ends a handler with an answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(status: int, document: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer as the services' own servers send it."""
    named = {"Content-Type": "application/json", "Server": "nginx"}
    if headers:
        named.update(headers)
    return Reply(
        status,
        named,
        json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace"),
    )


def gateway_error(status: int, code: str, message: str) -> Reply:
    """The gateway's legacy error document."""
    return json_reply(
        status,
        {
            "developerMessage": message,
            "userMessage": "",
            "errorCode": code,
            "more info": f"http://developer.api.autodesk.com/documentation/v1/errors/{code}",
        },
        {"Server": "Apigee Router"},
    )
