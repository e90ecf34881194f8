"""One table of endpoints, matched on the raw request target.

Autodesk's URNs hold `:`, `?` and `=`. Whether a client encoded them decides which endpoint it reaches, so the path
is split before it is decoded; a router that decodes first would forgive what the real service does not.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote

import attrs
from aiohttp import web

if TYPE_CHECKING:
    from .app import Simulator
    from .tokens import Token
    from .world import App, User


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


@attrs.define
class Call:
    """One request on its way through the simulator."""

    simulator: "Simulator"
    request: web.BaseRequest
    endpoint: "Endpoint"
    params: dict[str, str]
    raw_path: str
    raw_query: str
    key: str
    app: "App | None" = None
    token: "Token | None" = None
    """The bearer's, once the gateway has let the call in."""
    user: "User | None" = None
    fault_kind: str = ""
    _query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; of a name given twice the last value counts."""
        if self._query is None:
            self._query = dict(parse_qsl(self.raw_query, keep_blank_values=True))
        return self._query


Handler = Callable[[Call], Awaitable[Reply]]


@attrs.frozen
class Endpoint:
    """A row of the table: name, method, path, needed scope, calls a minute, handler.

    Of several scopes with blanks between them one is enough; None: no bearer at all.
    """

    name: str
    method: str
    path: str
    scope: str | None
    quota: int | None
    handler: Handler


class Router:
    """Finds the endpoint of a raw path in one dictionary step per segment."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root: dict[str, Any] = {}
        self.endpoints: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            self.add(endpoint)

    def add(self, endpoint: Endpoint) -> None:
        """Take `endpoint` into the table."""
        if endpoint.name in self.endpoints:
            raise ValueError(f"endpoint {endpoint.name!r} stands in the table twice")
        node, names = self._root, []
        for segment in endpoint.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node = node.setdefault("{}", {})
            else:
                node = node.setdefault(segment, {})
        node.setdefault("", {})[endpoint.method] = (endpoint, tuple(names))
        self.endpoints[endpoint.name] = endpoint

    def match(self, method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint for this raw path and its decoded parameters."""
        node, values = self._root, []
        for segment in raw_path[1:].split("/"):
            child = node.get(unquote(segment)) if segment not in ("", "{}") else None
            if child is None:
                child = node.get("{}") if segment else None
                if child is None:
                    return None
                values.append(unquote(segment))
            node = child
        found = node.get("", {}).get(method)
        return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))


def json_reply(status: int, document: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer as the services' own servers send it."""
    named = {"Content-Type": "application/json", "Server": "nginx"}
    if headers:
        named.update(headers)
    return Reply(status, named, json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


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
