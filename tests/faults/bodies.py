"""Bodies: JSON that is cut, odd or none at all, token responses, and files that are not the file."""

import gzip
from typing import Any

from aps_async.errors import AuthError, DecodeError, ExportTimeoutError, IncompleteDownloadError
from tests.faults.scenarios import (
    AT_ONCE,
    DEADLINE,
    EIGHT_TRIES,
    FIRST_POLL,
    ONE_BREAK,
    ONE_LATE_POLL,
    SMOOTH,
    Scenario,
    delivered,
    fails,
    faults,
)
from tests.faults.server import ALWAYS, Reply
from tests.faults.services import OTHER, PAGE

PORTAL = b"<!DOCTYPE html><html><head><title>Guest Wi-Fi</title></head><body>Sign in.</body></html>"
XML = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Later.</Message></Error>'
NOT_JSON = {
    "nothing": b"",
    "white space": b" \r\n ",
    "a portal's page": PORTAL,
    "XML": XML,
    "a word": b"OK",
    "half an object": b'{"id": "7d3c", "sta',
    "two objects": b'{"id": "1"}{"id": "1"}',
    "NULs": bytes(500),
    "a PDF": PAGE,
    "200,000 brackets": b"[" * 200_000,
    "single quotes": b"{'id': '1', 'status': 'x'}",
}
NOT_A_JOB = {
    "null": b"null",
    "a number": b"7",
    "a text": b'"completed"',
    "a list": b"[]",
    "an empty object": b"{}",
}


def body(data: bytes, times: int = 1) -> Reply:
    return Reply(body=data, times=times)


def json(times: int = 1, **values: Any) -> Reply:
    return Reply(fields=values, times=times)


STATUS = faults("status", "status", {
    **{f"{name}, once": (body(data), delivered(ONE_LATE_POLL)) for name, data in NOT_JSON.items()},
    **{
        f"{name}, always": (
            body(NOT_JSON[name], ALWAYS),
            fails(ExportTimeoutError, f"not done in 600 s.*{words}", DEADLINE + 1, after=DEADLINE - 1),
        )
        for name, words in {"nothing": "an empty body", "a portal's page": "Guest Wi-Fi"}.items()
    },
    **{name: (body(data, ALWAYS), fails(DecodeError, "GET", FIRST_POLL)) for name, data in NOT_A_JOB.items()},
    "a BOM": (Reply(body=lambda data: b"\xef\xbb\xbf" + data, times=3), delivered()),
    "UTF-16": (Reply(body=lambda data: data.decode().encode("utf-16"), times=3), delivered()),
    "white space around": (Reply(body=lambda data: b"\r\n " + data + b"\n\n", times=3), delivered()),
    "a field that is not UTF-8": (Reply(body=lambda data: b'{"x": "\xff\xfe", ' + data[1:], times=3), delivered()),
    "a name given twice": (Reply(body=lambda data: b'{"status": "failed", ' + data[1:], times=3), delivered()),
    "fields that nobody knows": (json(3, jobId={"a": [None]}, a=10**30, b=1e308, c=[[]], d="\ud83d"), delivered()),
    "NaN in such a field": (Reply(body=lambda data: b'{"x": NaN, ' + data[1:], times=3), delivered()),
    "5,000 digits in such a field": (
        Reply(body=lambda data: b'{"x": ' + b"9" * 5000 + b", " + data[1:], times=3), delivered(),
    ),
    "another id": (json(3, id="other"), delivered()),
    "half a character in the id": (json(3, id="\ud83d"), delivered()),
    "no status": (json(ALWAYS, status=...), fails(DecodeError, "status", FIRST_POLL)),
    "a status that is null": (json(ALWAYS, status=None), fails(DecodeError, "status", FIRST_POLL)),
    "a status that is a list": (json(ALWAYS, status=["completed"]), fails(DecodeError, "status", FIRST_POLL)),
    "a megabyte of white space": (
        Reply(body=lambda data: b" " * (1 << 20) + data), fails(DecodeError, "longer than 1,048,576", FIRST_POLL),
    ),
})  # fmt: skip

START = faults("start", "start", {
    **{
        f"{name}, once": (
            body(data), delivered(SMOOTH + ONE_BREAK), fails(DecodeError, "POST", AT_ONCE, most={"start": 1}),
        )
        for name, data in NOT_JSON.items()
    },
    "a portal's page, always": (
        body(PORTAL, ALWAYS),
        fails(DecodeError, "POST.*Guest Wi-Fi", EIGHT_TRIES, after=30, most={"start": 8}),
        fails(DecodeError, "POST.*Guest Wi-Fi", AT_ONCE, most={"start": 1}),
    ),
    **{
        name: (body(data, ALWAYS), fails(DecodeError, "POST", AT_ONCE, most={"start": 1}))
        for name, data in NOT_A_JOB.items()
    },
    "a BOM": (Reply(body=lambda data: b"\xef\xbb\xbf" + data), delivered()),
    "no id": (json(ALWAYS, id=...), fails(DecodeError, "id", AT_ONCE, most={"start": 1})),
    "an id that is null": (json(ALWAYS, id=None), fails(DecodeError, "id", AT_ONCE, most={"start": 1})),
    "fields that nobody knows": (json(jobId=7, a=10**30, d="\ud83d"), delivered()),
})  # fmt: skip

_LIVES: dict[str, Any] = {
    "no statement": ..., "null": None, "text": "3600", "half a second less": 3599.5, "0": 0, "-1": -1,
    "400 digits": 10**400, "inf": "inf", "words": "soon", "a list": [], "true": True, "nothing": "",
}  # fmt: skip
_NO_TOKEN = fails(AuthError, "no token", AT_ONCE, jobs=0, most={"token": 1})
_LATER = delivered(SMOOTH + ONE_BREAK)
TOKEN = faults("token", "token", {
    **{f"{name}, once": (body(data), _LATER) for name, data in NOT_JSON.items()},
    "a portal's page, always": (
        body(PORTAL, ALWAYS),
        fails(AuthError, "no token.*Guest Wi-Fi", EIGHT_TRIES, after=30, jobs=0, most={"token": 8}),
    ),
    **{name: (body(data, ALWAYS), _NO_TOKEN) for name, data in NOT_A_JOB.items()},
    **{
        f"a token that is {name}": (json(ALWAYS, access_token=value), _NO_TOKEN)
        for name, value in {
            "missing": ..., "null": None, "empty": "", "white space": " ", "a number": 7, "two lines": "canary\r\nX: y",
            "two words": "Bearer canary", "not ASCII": "canary-\xe4", "half a character": "canary-\ud83d",
        }.items()
    },
    **{
        f"a life of {name}": (json(expires_in=value), delivered(most={"token": 1}))
        for name, value in _LIVES.items()
    },
    "a life of a second": (json(ALWAYS, expires_in=1), delivered(most={"token": 3})),
    "a type in capitals": (json(token_type="BEARER"), delivered()),
    "a token that ends in a line break": (
        Reply(body=lambda data: data.replace(b'-0"', b'-0\\n"')), delivered(),
    ),
    "a BOM": (Reply(body=lambda data: b"\xef\xbb\xbf" + data), delivered()),
})  # fmt: skip


def file(data: bytes, times: int = 1, **more: Any) -> Reply:
    return Reply(file=data, times=times, **more)


UNSIZED: dict[str, Any] = {"headers": {"Content-Length": None}, "ends": "closes"}
OPEN_END = PAGE[:-8]
PADDED = PAGE + b"\0\r\n" * 2000
LATE_HEAD = b"\r\n" * 400 + PAGE
WEB = PAGE + b"7 0 obj\n" + PAGE[10:]
"""As a PDF for the web is: with an end mark near its beginning too."""
APPENDED = PAGE + b"x" * 30_000
_AGAIN = delivered(SMOOTH + ONE_BREAK, most={"link": 2})
_NEVER: dict[str, Any] = {"within": SMOOTH + 2 * ONE_BREAK + 1, "most": {"link": 3}}

LINK = faults("file", "link", {
    **{
        f"{name}, once": (file(data), _AGAIN)
        for name, data in NOT_JSON.items() if data != PAGE
    },
    **{
        f"{name}, always": (
            file(NOT_JSON[name], ALWAYS), fails(IncompleteDownloadError, f"not a .*PDF.*{words}", **_NEVER),
        )
        for name, words in {
            "nothing": "empty body", "a portal's page": "Guest Wi-Fi", "XML": "SlowDown: Later", "NULs": "bytes",
        }.items()
    },
    "gzip of it": (file(gzip.compress(PAGE), ALWAYS), fails(IncompleteDownloadError, "not a .*PDF", **_NEVER)),
    "it begins too late": (file(b" " * 1025 + PAGE, ALWAYS), fails(IncompleteDownloadError, "not a .*PDF", **_NEVER)),
    "it begins late": (file(LATE_HEAD), delivered(file=LATE_HEAD, most={"link": 1})),
    "NULs behind it": (file(PADDED), delivered(file=PADDED, most={"link": 1})),
    "bytes behind it": (file(APPENDED), delivered(file=APPENDED, most={"link": 1})),
    "no end mark, at its full length": (file(OPEN_END), delivered(file=OPEN_END, most={"link": 1})),
    "no end mark, no length, once": (file(OPEN_END, **UNSIZED), _AGAIN),
    "no end mark, no length, always": (
        file(OPEN_END, ALWAYS, **UNSIZED), fails(IncompleteDownloadError, "cut off: its end mark is missing", **_NEVER),
    ),
    "cut without a length, once": (file(PAGE, sent=5000, **UNSIZED), _AGAIN),
    "cut behind a first end mark without a length, once": (file(WEB, sent=len(PAGE) + 900, **UNSIZED), _AGAIN),
    "cut behind a first end mark without a length, always": (
        file(WEB, ALWAYS, sent=len(PAGE) + 900, **UNSIZED),
        fails(IncompleteDownloadError, "cut off: it continues after its end mark", **_NEVER),
    ),
    "several end marks, no length": (file(WEB, **UNSIZED), delivered(file=WEB, most={"link": 1})),
    "bytes behind it, no length": (file(APPENDED, **UNSIZED), delivered(file=APPENDED, most={"link": 1})),
    "another file": (file(OTHER), delivered(file=OTHER, most={"link": 1})),
})  # fmt: skip

SCENARIOS: list[Scenario] = [*STATUS, *START, *TOKEN, *LINK]
