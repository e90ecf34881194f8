"""What can be wrong with a response: one row for each fault, drawn for a call from a seed.

Only faults that a client can notice: bytes changed under the right length and ETag are for TLS to prevent.
"""

import gzip
import random
import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Literal

from attrs import define, evolve, frozen

Header = tuple[str, str]


@define
class Response:
    """One response on its way to the client, and what becomes of its connection."""

    status: int
    headers: list[Header]
    body: bytes
    preamble: bytes = b""
    """Sent before the response."""
    trailer: bytes = b""
    """Sent after it."""
    keep: float = 1.0
    """How much of the response is sent, as a share."""
    end: Literal["", "close", "reset", "stall"] = ""
    """What happens to the connection then; nothing if empty."""
    silence: float | None = None
    """Seconds of a stall; None: until the client gives up."""
    chunked: bool = False
    pause: float = 0.0
    """Seconds in the middle of the response."""

    def header(self, name: str) -> str:
        """The value of a header, or nothing."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), "")

    def with_header(self, name: str, value: str | None) -> "Response":
        """The same with one header set, or without it."""
        kept = [each for each in self.headers if each[0].lower() != name.lower()]
        return evolve(self, headers=kept if value is None else [*kept, (name, value)])

    def to_bytes(self, dice: random.Random) -> bytes:
        """As it goes over the connection."""
        framing, body = ("Content-Length", str(len(self.body))), self.body
        if self.chunked:
            framing, pieces = ("Transfer-Encoding", "chunked"), []
            while body:
                size = dice.randrange(1, 9000)
                pieces.append(b"%x\r\n%s\r\n" % (len(body[:size]), body[:size]))
                body = body[size:]
            body = b"".join(pieces) + b"0\r\n\r\n"
        lines = [f"{name}: {value}\r\n" for name, value in [*self.headers, framing]]
        head = f"HTTP/1.1 {self.status} Any\r\n{''.join(lines)}\r\n"
        return self.preamble + head.encode("latin-1") + body + self.trailer


@frozen
class Request:
    """What the client asked for."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    of_storage: bool

    @property
    def asks_for_status(self) -> bool:
        """Whether it is the poll of a job."""
        return self.method == "GET" and bool(re.search(r"/exports/[^/]+$", self.path))

    @property
    def is_partial(self) -> bool:
        """Whether it asks for the rest of a file."""
        return "range" in self.headers


Change = Callable[[Response, random.Random], Response]

ODD_RETRY_AFTER = (
    "0",
    "-5",
    "0.02",
    "1e9",
    "inf",
    "soon",
    "9" * 400,
    "99999999",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 99 Foo 99999 99:99:99 GMT",
    "\xff",
    "",
)
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>\xff</body></html>"
_BODIES = (b"", b" ", _PAGE, b"upstream connect error", b'{"developerMessage": "not now"}', b"null", b"[", b"\xff\xfe")
_DEAD_LINKS = (
    (403, "AccessDenied", "Request has expired"),
    (400, "ExpiredToken", "The provided token has expired."),
    (401, "AccessDenied", "Access Denied"),
    (404, "NoSuchKey", "The specified key does not exist."),
)


def _instead(status: int, body: bytes, *headers: Header) -> Response:
    return Response(status, [("Server", "nginx"), *headers], body)


def _too_many(_: Response, dice: random.Random) -> Response:
    return _instead(429, dice.choice(_BODIES), ("Retry-After", dice.choice(ODD_RETRY_AFTER)))


def _status(_: Response, dice: random.Random) -> Response:
    return _instead(dice.choice((408, 500, 502, 503, 504)), dice.choice(_BODIES), ("Content-Type", "text/html"))


def _page(_: Response, __: random.Random) -> Response:
    return _instead(200, _PAGE, ("Content-Type", "text/html"))


def _empty(_: Response, __: random.Random) -> Response:
    return _instead(200, b"")


def _dead_link(_: Response, dice: random.Random) -> Response:
    status, code, message = dice.choice(_DEAD_LINKS)
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return _instead(status, text.encode(), ("Content-Type", "application/xml"))


def _unsent(end: Literal["close", "reset", "stall"]) -> Change:
    def change(response: Response, dice: random.Random) -> Response:
        return evolve(response, keep=0.0, end=end, silence=dice.choice((*[1.0] * 15, None)))

    return change


def _cut(end: Literal["close", "reset", "stall"]) -> Change:
    def change(response: Response, dice: random.Random) -> Response:
        return evolve(response, keep=dice.uniform(0.01, 0.99), end=end, silence=dice.choice((*[1.0] * 15, None)))

    return change


def _truncated(response: Response, dice: random.Random) -> Response:
    return evolve(response, body=response.body[: dice.randrange(len(response.body) or 1)])


def _garbled(response: Response, dice: random.Random) -> Response:
    # A quotation mark, since without one no document is valid. Other bytes may make another valid document.
    quotes = [found.start() for found in re.finditer(b'"', response.body)]
    if not quotes:
        return _truncated(response, dice)
    at = dice.choice(quotes)
    return evolve(response, body=response.body[:at] + dice.choice((b"\0", b"\xff", b"")) + response.body[at + 1 :])


def _odd_header(response: Response, dice: random.Random) -> Response:
    name, value = dice.choice(
        (
            ("Content-Encoding", "aws-chunked"),
            ("Content-Encoding", "UTF-8"),
            ("Set-Cookie", "a=\xff; Path=/"),
            ("Set-Cookie", ";;;="),
            ("X-Policy", "p" * 20_000),
            ("X-Request-Id", "\xff\xfe"),
            ("Retry-After", dice.choice(ODD_RETRY_AFTER)),
            ("Content-Type", "\xff"),
            ("Date", "Mon, 99 Foo 99999 99:99:99 GMT"),
            ("Connection", "close"),
        )
    )
    changed = response.with_header(name, value)
    return evolve(changed, end="close") if name == "Connection" else changed


def _early_hints(response: Response, dice: random.Random) -> Response:
    status = dice.choice((b"100 Continue", b"103 Early Hints"))
    return evolve(response, preamble=b"HTTP/1.1 %s\r\n\r\n" % status)


def _left_over(response: Response, dice: random.Random) -> Response:
    return evolve(response, trailer=dice.choice((b"\r\n\r\n", b"HTTP/1.1 500 X\r\n\r\n", b"\0" * 99)), end="close")


def _chunked(response: Response, _: random.Random) -> Response:
    return evolve(response, chunked=True)


def _compressed(response: Response, _: random.Random) -> Response:
    return evolve(response, body=gzip.compress(response.body)).with_header("Content-Encoding", "gzip")


def _slow(response: Response, dice: random.Random) -> Response:
    return evolve(response, pause=dice.uniform(0.05, 0.3))


def _no_validator(response: Response, dice: random.Random) -> Response:
    return response.with_header("ETag", dice.choice((None, f"W/{response.header('ETag')}", "\xff")))


def _other_part(response: Response, dice: random.Random) -> Response:
    """A 206 that is not what was requested: of another place, of a file of another size, or of another file."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.header("Content-Range"))
    if not found:
        return response
    first, last, total = map(int, found.groups())
    ranges = (f"{first + 1}-{last + 1}/{total + 1}", f"0-{last - first}/{total}", f"{first}-{last}/{total + 9}", "x")
    other = evolve(response, body=bytes(byte ^ 1 for byte in response.body))
    if dice.random() < 0.5:
        return other.with_header("Content-Range", f"bytes {dice.choice(ranges)}")
    return other.with_header("ETag", '"another"')


@frozen
class Fault:
    """One row."""

    name: str
    change: Change
    instead: bool = False
    """Whether the service does not see the call."""
    on: Literal["all", "api", "storage", "status", "rest"] = "all"
    """`status`: polls; `rest`: requests for the rest of a file."""
    weight: float = 1.0
    harmless: bool = False
    """Whether the response can still be used."""

    def fits(self, request: Request) -> bool:
        """Whether it can happen to this request."""
        return {
            "all": True,
            "api": not request.of_storage,
            "storage": request.of_storage,
            "status": request.asks_for_status,
            "rest": request.of_storage and request.is_partial,
        }[self.on]


FAULTS = (
    Fault("refused by 5xx or 408", _status, instead=True),
    Fault("429 with an odd Retry-After", _too_many, instead=True),
    Fault("a page of the network's", _page, instead=True, weight=0.5),
    Fault("empty 200", _empty, instead=True, weight=0.5),
    Fault("401", lambda *_: _instead(401, b""), instead=True, on="api", weight=0.3),
    Fault("404", lambda *_: _instead(404, b"{}"), instead=True, on="status", weight=0.5),
    Fault("dead link", _dead_link, instead=True, on="storage"),
    Fault("connection closed before the call", _unsent("close"), instead=True, weight=0.5),
    Fault("connection reset before the call", _unsent("reset"), instead=True, weight=0.5),
    Fault("connection stalled before the call", _unsent("stall"), instead=True, weight=0.2),
    Fault("response lost", _unsent("reset"), weight=0.5),
    Fault("5xx after the effect", _status, weight=0.5),
    Fault("closed within the response", _cut("close")),
    Fault("reset within the response", _cut("reset")),
    Fault("stalled within the response", _cut("stall"), weight=0.2),
    Fault("truncated JSON", _truncated, on="api"),
    Fault("garbled JSON", _garbled, on="api"),
    Fault("odd header", _odd_header, harmless=True),
    Fault("1xx before the response", _early_hints, weight=0.5, harmless=True),
    Fault("bytes after the response", _left_over, weight=0.5, harmless=True),
    Fault("in chunks", _chunked, weight=0.5, harmless=True),
    Fault("compressed", _compressed, on="api", weight=0.5, harmless=True),
    Fault("slow", _slow, weight=0.5, harmless=True),
    Fault("no strong ETag", _no_validator, on="storage", weight=0.5, harmless=True),
    Fault("wrong 206", _other_part, on="rest", weight=8),
)


def fault_of(seed: int, share: float, request: Request, number: int) -> tuple[Fault | None, random.Random]:
    """What goes wrong with the n-th call of its kind, whatever the order of calls; and the dice for its details."""
    text = f"{seed}|{request.method}|{request.path}|{number}"
    dice = random.Random(blake2b(text.encode(), digest_size=8).digest())
    if dice.random() >= share:
        return None, dice
    rows = [each for each in FAULTS if each.fits(request)]
    return dice.choices(rows, [each.weight for each in rows])[0], dice
