"""One table of endpoints, matched on the raw request target.

Autodesk's URNs hold `:`, `?` and `=`. Whether a client encoded them decides which endpoint it reaches, so the path
is split before it is decoded; a router that decodes first would forgive what the real service does not.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

import attrs
from aiohttp import web

from .bearers import Token
from .behaviour import Behaviour
from .parts import App, User
from .replies import Reply
from .world import World

_S = TypeVar("_S")


class Services(Protocol):
    """What a handler may use of the simulator that it works for."""

    @property
    def world(self) -> World:
        """What there is."""
        ...

    @property
    def behaviour(self) -> Behaviour:
        """The switches, which may change while it runs."""
        ...

    @property
    def seed(self) -> int:
        """Seeds everything that only looks random."""
        ...

    @property
    def speed(self) -> float:
        """Divides every duration."""
        ...

    @property
    def url(self) -> str:
        """Address of the API."""
        ...

    @property
    def storage_url(self) -> str:
        """Address of the storage that signed links lead to."""
        ...

    @property
    def began(self) -> float:
        """Wall time of the start."""
        ...

    @property
    def began_loop(self) -> float:
        """Loop time of the start."""
        ...

    def clock(self) -> float:
        """Wall time in seconds."""
        ...

    def now(self) -> float:
        """Loop time; every duration is measured in it."""
        ...

    def next_request_number(self) -> int:
        """A number that no other request has."""
        ...

    def state(self, kind: type[_S]) -> _S:
        """What a service keeps between requests, by its class; the module of the class owns it."""
        ...


@attrs.define
class Call:
    """One request on its way through the simulator."""

    simulator: Services
    request: web.BaseRequest
    endpoint: "Endpoint"
    params: dict[str, str]
    raw_path: str
    raw_query: str
    key: str
    app: App | None = None
    token: Token | None = None
    """The bearer's, once the gateway has let the call in."""
    user: User | None = None
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

    Of several scopes, separated by spaces, one is enough; None: no bearer token is needed.
    """

    name: str
    method: str
    path: str
    scope: str | None
    quota: int | None
    handler: Handler


def target_of(request: web.BaseRequest) -> tuple[str, str]:
    """The raw path and query of a request, also where the target is a whole URL, as clients behind a proxy send it."""
    path, _, query = request.raw_path.partition("?")
    if not path.startswith("/") and "://" in path:
        path = f"/{path.partition('://')[2].partition('/')[2]}"
    return path, query


class Router:
    """Finds the endpoint of a raw path in one dictionary step per segment."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root: dict[str, Any] = {}
        self._find = lru_cache(1 << 12)(self._look_up)  # polls ask for the same few paths again and again
        self.endpoints: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            self.add(endpoint)

    def add(self, endpoint: Endpoint) -> None:
        """Take `endpoint` into the table."""
        if endpoint.name in self.endpoints:
            raise ValueError(f"endpoint {endpoint.name!r} is in the table twice")
        names: list[str] = []
        node = self._root
        for segment in endpoint.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node = node.setdefault("{}", {})
            else:
                node = node.setdefault(segment, {})
        node.setdefault("", {})[endpoint.method] = (endpoint, tuple(names))
        self._find.cache_clear()
        self.endpoints[endpoint.name] = endpoint

    def match(self, method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint for this raw path and its decoded parameters; HEAD is answered like GET."""
        found, values = self._find(raw_path)
        row = found.get("GET" if method == "HEAD" else method)
        return None if row is None else (row[0], dict(zip(row[1], values, strict=True)))

    def methods(self, raw_path: str) -> tuple[str, ...]:
        """The methods that a path has, OPTIONS among them; none where there is no such path."""
        found, _ = self._find(raw_path)
        return tuple(sorted({*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])})) if found else ()

    def _look_up(self, raw_path: str) -> tuple[dict[str, tuple[Endpoint, tuple[str, ...]]], list[str]]:
        """What is at a raw path, by method, and the decoded parameters. A slash at the end changes nothing."""
        values: list[str] = []
        node = self._root
        for segment in raw_path[1:].removesuffix("/").split("/"):
            child = node.get(unquote(segment)) if segment not in ("", "{}") else None
            if child is None:
                child = node.get("{}") if segment else None
                if child is None:
                    return {}, values
                values.append(unquote(segment))
            node = child
        return node.get("", {}), values
