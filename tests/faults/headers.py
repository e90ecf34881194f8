"""Headers: every form of Retry-After at every step, framing, encodings, and lines that no header may be."""

import gzip
import zlib
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from aps_async.errors import (
    AuthError,
    DecodeError,
    DownloadError,
    ExportTimeoutError,
    ResponseError,
    ServerError,
    TransportError,
)
from tests.faults.scenarios import (
    AT_ONCE,
    DEADLINE,
    FIRST_POLL,
    ONE_BREAK,
    ONE_LATE_POLL,
    SMOOTH,
    Outcome,
    Scenario,
    delivered,
    fails,
    faults,
)
from tests.faults.server import ALWAYS, Asked, Reply, Value


def date_in(seconds: float) -> Callable[[Asked], str]:
    return lambda asked: formatdate(asked.now + seconds, usegmt=True)


OWN_BACKOFF = 0.0
TOO_LONG = float("inf")
RETRY_AFTER: dict[str, tuple[Value, float]] = {
    # what comes, and the seconds that it asks for
    "7": ("7", 7),
    "7.5": ("7.5", 7.5),
    "7 with spaces": ("  7  ", 7),
    "+7": ("+7", 7),
    "300": ("300", 300),
    "a date in 20 s": (date_in(20), 20),
    "0": ("0", OWN_BACKOFF),
    "-0": ("-0", OWN_BACKOFF),
    "-5": ("-5", OWN_BACKOFF),
    "a date just past": (date_in(-1), OWN_BACKOFF),
    "a date of 1970": ("Thu, 01 Jan 1970 00:00:00 GMT", OWN_BACKOFF),
    "inf": ("inf", OWN_BACKOFF),
    "nan": ("nan", OWN_BACKOFF),
    "1e9": ("1e9", OWN_BACKOFF),
    "400 digits": ("9" * 400, OWN_BACKOFF),
    "5,000 digits": ("9" * 5000, OWN_BACKOFF),
    "words": ("soon", OWN_BACKOFF),
    "nothing": ("", OWN_BACKOFF),
    "bytes": ("\xff\xfe", OWN_BACKOFF),
    "other digits": ("\xb2\xb3", OWN_BACKOFF),
    "two numbers": ("7, 9", OWN_BACKOFF),
    "a date that is none": ("Mon, 99 Foo 99999 99:99:99 GMT", OWN_BACKOFF),
    "301": ("301", TOO_LONG),
    "a day": ("86400", TOO_LONG),
    "a date in a year": (date_in(31_536_000), TOO_LONG),
    "a date of the year 9999": ("Fri, 31 Dec 9999 23:59:59 GMT", TOO_LONG),
}
_TWO_POLLS = 4.0
"""What a smooth export takes at least."""


def _retry_after(step: str, status: int, seconds: float) -> Outcome:
    """How an export ends that meets this Retry-After once: it is a floor, or means nothing."""
    if seconds == TOO_LONG and step in ("token", "start"):
        return fails(ServerError if step == "start" else AuthError, f"{status}.*Scripted", AT_ONCE, jobs=0)
    seconds = OWN_BACKOFF if seconds == TOO_LONG else seconds
    if step == "status":
        return delivered(max(ONE_LATE_POLL, FIRST_POLL + seconds), after=2 + max(4, seconds))
    return delivered(SMOOTH + ONE_BREAK + seconds, after=_TWO_POLLS + (seconds or 0.25))


def _every_retry_after() -> list[Scenario]:
    steps = [("token", 503), ("start", 503), ("status", 503), ("status", 429), ("link", 503)]
    return [
        Scenario(
            id=f"{step}: {status}, Retry-After is {name}",
            does={step: [Reply(status=status, headers={"Retry-After": text})]},
            ends=_retry_after(step, status, seconds),
        )
        for step, status in steps
        for name, (text, seconds) in RETRY_AFTER.items()
    ]


def lines(*headers: str, **more: Any) -> Reply:
    return Reply(more=headers, **more)


def instead(**more: str | None) -> Reply:
    return Reply(headers={name.replace("_", "-"): value for name, value in more.items()})


def raw(data: bytes) -> Reply:
    return Reply(raw=data, ends="closes")


def chunked(body: bytes) -> bytes:
    return b"5;name=value\r\n" + body[:5] + f"\r\n{len(body) - 5:X}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n"


_CHUNKED = {"Content-Length": None, "Transfer-Encoding": "chunked"}
_BOMB = gzip.compress(bytes(4 << 20))
LATER = delivered(ONE_LATE_POLL)
"""The poll fails and is repeated."""
EITHER = LATER
"""It is up to the HTTP client whether it reads this; if it does not, the poll is repeated."""

READ = faults("status", "status", {  # what can be read, is read
    "a header of 40 KB": (lines("X-Policy: " + "x" * 40_000), delivered()),
    "a header that is not UTF-8": (lines("X-Name: \xff\xfe"), delivered()),
    "two Content-Types": (lines("Content-Type: text/html"), delivered()),
    "no Content-Type": (instead(Content_Type=None), delivered()),
    "Content-Type: text/html": (instead(Content_Type="text/html"), delivered()),
    "an unknown charset": (instead(Content_Type="application/json; charset=x-\xff"), delivered()),
    "no Date": (instead(Date=None), delivered()),
    "a Date that is none": (instead(Date="Mon, 99 Foo 99999 99:99:99 GMT"), delivered()),
    "cookies": (lines("Set-Cookie: a=canary; Path=/", "Set-Cookie: ;;;=", "Set-Cookie: a=\xff"), delivered()),
    "Connection: close": (lines("Connection: close"), delivered()),
    "chunks": (Reply(headers=_CHUNKED, body=chunked), delivered()),
    "chunks and trailers": (
        Reply(headers=_CHUNKED, body=lambda body: chunked(body)[:-2] + b"X-Sum: 1\r\n\r\n"), delivered(),
    ),
    "no length, until it closes": (Reply(headers={"Content-Length": None}, ends="closes"), delivered()),
    "gzip": (Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress), delivered()),
    "deflate": (Reply(headers={"Content-Encoding": "deflate"}, body=zlib.compress), delivered()),
    **{
        f"Content-Encoding: {value}": (instead(Content_Encoding=value), delivered())
        for value in ("identity", "aws-chunked", "UTF-8", "")
    },
})  # fmt: skip

GARBLED = faults("status", "status", {  # one poll is lost, no more
    "Content-Length too long": (Reply(headers={"Content-Length": "99999"}, ends="closes"), LATER),
    "Content-Length too short": (instead(Content_Length="20"), LATER),
    "Content-Length 0": (instead(Content_Length="0"), LATER),
    "Content-Length negative": (instead(Content_Length="-1"), LATER),
    "Content-Length in words": (instead(Content_Length="long"), LATER),
    "Content-Length of 30 digits": (instead(Content_Length="9" * 30), LATER),
    "two Content-Lengths": (lines("Content-Length: 7"), LATER),
    "a length and chunks": (lines("Transfer-Encoding: chunked", body=chunked), EITHER),
    "a Transfer-Encoding nobody knows": (instead(Transfer_Encoding="x-odd"), EITHER),
    "a chunk without its size": (Reply(headers=_CHUNKED, body=b"xyz\r\n{}\r\n0\r\n\r\n"), LATER),
    "chunks that are cut": (Reply(headers=_CHUNKED, body=chunked, sent=-5, ends="closes"), LATER),
    "a chunk that is cut": (Reply(headers=_CHUNKED, body=chunked, sent=40, ends="closes"), LATER),
    "gzip that is none": (instead(Content_Encoding="gzip"), LATER),
    "deflate that is none": (instead(Content_Encoding="deflate"), LATER),
    "gzip that is cut": (
        Reply(headers={"Content-Encoding": "gzip"}, body=lambda body: gzip.compress(body)[:-20]), LATER,
    ),
    "gzip with a wrong sum": (
        Reply(headers={"Content-Encoding": "gzip"}, body=lambda body: gzip.compress(body)[:-8] + bytes(8)), LATER,
    ),
    "a header of 100 KB": (lines("X-Policy: " + "x" * 100_000), LATER),
    "a line without a colon": (lines("no header"), LATER),
    "a space before the colon": (lines("X-Name : x"), EITHER),
    "a folded line": (lines("X-Name: x", "  y"), EITHER),
    "NUL in a header": (lines("X-Name: \0"), LATER),
    "a control character in a header": (lines("X-Name: \x0b"), EITHER),
    "no name": (lines(": x"), LATER),
    "5,000 headers": (lines(*["X-Name: x"] * 5000), EITHER),
    "a reason that is not ASCII": (raw(b"HTTP/1.1 503 \xff\xfe\r\nContent-Length: 0\r\n\r\n"), LATER),
    "a status in words": (raw(b"HTTP/1.1 good OK\r\n\r\n"), LATER),
    "a status of four digits": (raw(b"HTTP/1.1 2000 OK\r\n\r\n"), LATER),
    "a version nobody knows": (raw(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"), LATER),
    "another protocol": (raw(b"SSH-2.0-OpenSSH\r\n"), LATER),
    "TLS to plain HTTP": (raw(b"\x15\x03\x01\x00\x02\x02\x28"), LATER),
    "bytes of no kind": (raw(bytes(range(256)) * 40), LATER),
    "an HTTP/2 preface": (raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"), LATER),
    "no length, and it stays open": (
        Reply(headers={"Content-Length": None}, ends="hangs"), delivered(SMOOTH + 10, after=12),
    ),
    "an upgrade": (
        lines("Connection: upgrade", "Upgrade: h2c", status=101), fails(ResponseError, "101", FIRST_POLL),
    ),
    "a gzip bomb": (
        Reply(headers={"Content-Encoding": "gzip"}, body=_BOMB),
        fails(DecodeError, "longer than 1,048,576", FIRST_POLL),
    ),
    "a body without an end": (
        Reply(headers=_CHUNKED, body=(b"10000\r\n" + b" " * 65_536 + b"\r\n") * 32, ends="hangs"),
        fails(DecodeError, "longer than 1,048,576", FIRST_POLL),
    ),
    "a header of 100 KB, always": (
        lines("X-Policy: " + "x" * 100_000, times=ALWAYS),
        fails(ExportTimeoutError, "not done in 600 s.*last error", DEADLINE + 1, after=DEADLINE - 1),
    ),
})  # fmt: skip

_RESUMED = delivered(SMOOTH + ONE_BREAK)
LINK = faults("link", "link", {
    **{
        f"Content-Encoding: {value}": (instead(Content_Encoding=value), delivered(most={"link": 1}))
        for value in ("identity", "aws-chunked", "UTF-8", "binary", "none", "x-odd", "")
    },
    **{
        f"Content-Encoding: {value}": (
            Reply(headers={"Content-Encoding": value}, times=ALWAYS), fails(DownloadError, "encoded", SMOOTH),
        )
        for value in ("gzip", "GZIP", "x-gzip", "br", "deflate", "zstd", "identity, gzip", "gzip,aws-chunked")
    },
    "Content-Type: text/html": (instead(Content_Type="text/html"), delivered(most={"link": 1})),
    "no ETag": (instead(ETag=None), delivered(most={"link": 1})),
    "an ETag that is not ASCII": (instead(ETag='"\xff"'), delivered(most={"link": 1})),
    "a path as its name": (lines('Content-Disposition: attachment; filename="../../x"'), delivered()),
    "a Location that means nothing": (lines("Location: http://127.0.0.1:1/"), delivered(most={"link": 1})),
    "a Retry-After that means nothing": (lines("Retry-After: 300"), delivered(most={"link": 1})),
    "a Content-Range that means nothing": (lines("Content-Range: bytes 5-9/20"), delivered()),
    "chunks": (Reply(headers=_CHUNKED, body=chunked), delivered(most={"link": 1})),
    "no length, until it closes": (Reply(headers={"Content-Length": None}, ends="closes"), delivered(most={"link": 1})),
    "Content-Length too long": (Reply(headers={"Content-Length": "99999"}, ends="closes"), _RESUMED),
    "Content-Length 0": (instead(Content_Length="0"), _RESUMED),
    "Content-Length negative": (instead(Content_Length="-1"), _RESUMED),
    "two Content-Lengths": (lines("Content-Length: 7"), _RESUMED),
    "chunks that are cut": (Reply(headers=_CHUNKED, body=chunked, sent=2000, ends="closes"), _RESUMED),
    "a chunk without its size": (Reply(headers=_CHUNKED, body=b"xyz\r\n%PDF-\r\n0\r\n\r\n"), _RESUMED),
    "a header of 100 KB": (lines("X-Policy: " + "x" * 100_000), _RESUMED),
    "another protocol": (raw(b"SSH-2.0-OpenSSH\r\n"), _RESUMED),
})  # fmt: skip

START = faults("start", "start", {
    "no Content-Type": (instead(Content_Type=None), delivered()),
    "gzip": (Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress), delivered()),
    "gzip that is none": (
        instead(Content_Encoding="gzip"), _RESUMED,
        fails(TransportError, "POST", AT_ONCE, most={"start": 1}),
    ),
})  # fmt: skip

SCENARIOS: list[Scenario] = [*_every_retry_after(), *READ, *GARBLED, *LINK, *START]
