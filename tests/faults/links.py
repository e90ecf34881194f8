"""Links that die in every way, partial responses that are not the rest of the file, odd addresses, and wrong clocks."""

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from aps_async.errors import DecodeError, DownloadError, IncompleteDownloadError, LinkExpiredError
from tests.faults.scenarios import ONE_BREAK, SMOOTH, Outcome, Scenario, delivered, fails, faults
from tests.faults.server import ALWAYS, SIGNATURE, Asked, Reply
from tests.faults.services import OTHER, PAGE

FILTER = b"<html><head><title>Blocked - WebFilter</title></head><body>Cloud storage.</body></html>"


def xml(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>Words.</Message></Error>'.encode()


def refusal(status: int, body: bytes = b"", times: int = 1, **headers: Any) -> Reply:
    return Reply(status=status, body=body, times=times, headers=headers)


ANOTHER_JOB = 2.3
"""Seconds until a second job of ACC is done."""


def renewed(times: int = 1) -> tuple[Outcome, Outcome]:
    """Delivered over a later link: BIM 360 is asked again at once, ACC does the job again."""
    waits = {1: 0.0, 2: 0.5, 3: 1.5, 4: 3.5}[times]
    return (
        delivered(SMOOTH + waits, most={"start": 1, "link": times + 1, "status": 2 + times}),
        delivered(SMOOTH + waits + times * ANOTHER_JOB, jobs=1 + times, most={"start": 1 + times, "link": times + 1}),
    )


def refused(error: type[DownloadError], words: str, renewals: int, requests: int = 1) -> tuple[Outcome, Outcome]:
    """Given up after so many fresh links, each of which takes `requests`."""
    most = {"link": requests * (1 + renewals), "start": 1 + renewals}
    more: dict[str, Any] = {"jobs": 1 + renewals, "most": most}
    within = SMOOTH + {0: 0.0, 1: 0.0, 4: 3.5}[renewals]
    return fails(error, words, within, **more), fails(error, words, within + renewals * ANOTHER_JOB, **more)


DEAD = {  # status and body, fresh links that are tried, the error, and its words
    "403 AccessDenied": (403, xml("AccessDenied"), 4, LinkExpiredError, "403 AccessDenied: Words"),
    "403": (403, b"", 4, LinkExpiredError, "403 an empty body"),
    "401": (401, b"", 4, LinkExpiredError, "401 an empty body"),
    "400 ExpiredToken": (400, xml("ExpiredToken"), 4, LinkExpiredError, "400 ExpiredToken"),
    "400 InvalidToken": (400, xml("InvalidToken"), 4, LinkExpiredError, "400 InvalidToken"),
    "400 TokenRefreshRequired": (400, xml("TokenRefreshRequired"), 4, LinkExpiredError, "400 TokenRefreshRequired"),
    "400 RequestExpired": (400, xml("RequestExpired"), 4, LinkExpiredError, "400 RequestExpired"),
    "404 NoSuchKey": (404, xml("NoSuchKey"), 1, DownloadError, "404 NoSuchKey"),
    "SignatureDoesNotMatch": (403, xml("SignatureDoesNotMatch"), 1, DownloadError, "403 SignatureDoesNotMatch"),
    "a web filter": (403, FILTER, 1, DownloadError, "a web filter or proxy.*WebFilter"),
    "a web filter with a BOM": (403, b"\xef\xbb\xbf" + FILTER, 1, DownloadError, "a web filter or proxy.*WebFilter"),
    "a web filter in UTF-16": (
        403,
        FILTER.decode().encode("utf-16"),
        1,
        DownloadError,
        "a web filter or proxy.*WebFilter",
    ),
    "307 without a Location": (307, b"", 1, DownloadError, "307.*not followed"),
}
FINAL = {
    "400": (400, b"", "400 an empty body"),
    "400 InvalidArgument": (400, xml("InvalidArgument"), "400 InvalidArgument"),
    "407": (407, FILTER, "407.*WebFilter"),
    "410": (410, b"", "410 an empty body"),
    "511": (511, FILTER, "511.*WebFilter"),
    "204": (204, b"", "204 an empty body"),
    "302": (302, b"", "302 an empty body"),
    "501": (501, b"", "501"),
}
REFUSED = faults("link", "link", {
    **{f"{name}, once": (refusal(status, body), *renewed()) for name, (status, body, *_) in DEAD.items()},
    **{
        f"{name}, four times": (refusal(status, body, 4), *renewed(4))
        for name, (status, body, renewals, *_) in DEAD.items() if renewals == 4
    },
    **{
        f"{name}, always": (refusal(status, body, ALWAYS), *refused(error, words, renewals))
        for name, (status, body, renewals, error, words) in DEAD.items()
    },
    **{
        name: (refusal(status, body, ALWAYS), *refused(DownloadError, words, 0))
        for name, (status, body, words) in FINAL.items()
    },
    "403 in the middle": (
        (Reply(sent=5000, ends="closes"), refusal(403)), delivered(SMOOTH + ONE_BREAK),
        delivered(SMOOTH + ONE_BREAK + ANOTHER_JOB, jobs=2),
    ),
    "an unknown status": (refusal(799, times=ALWAYS), *refused(DownloadError, "799", 0)),
})  # fmt: skip


def location(text: str | Callable[[Asked], str], times: int = 1) -> Reply:
    return Reply(status=307, headers={"Location": text}, times=times)


REDIRECTED = faults("link", "link", {
    "307 to another 307": (location(lambda asked: asked.link, ALWAYS), *refused(DownloadError, "307", 1, requests=2)),
    "307 once, then the file": (location(lambda asked: asked.link), delivered(most={"link": 2, "start": 1})),
    "307 without its host": (
        location(lambda asked: asked.link.removeprefix(asked.base)), delivered(most={"link": 2, "start": 1}),
    ),
    **{
        f"307 to {text[:14]!a}": (location(text), *renewed())
        for text in ("ftp://127.0.0.1/x", "http://[::1/x", "http://us@127.0.0.1/x", "http://127.0.0.1:0/x", "http://\xe4/")
    },
})  # fmt: skip

CUT = Reply(sent=5000, ends="closes")


def rest(**more: Any) -> Reply:
    """A 206 with something wrong in it, in response to the request for the rest."""
    return Reply(status=206, **more)


def content_range(text: str | None) -> Reply:
    return rest(headers={"Content-Range": text})


_SIZE = len(PAGE)
_START_OVER = delivered(SMOOTH + ONE_BREAK, most={"link": 3})
_CONTINUES = delivered(SMOOTH + ONE_BREAK, most={"link": 2})
PARTIAL = faults("206", "link", {
    "as it should be": ((CUT, Reply()), _CONTINUES),
    "of another file of this size": ((CUT, rest(file=OTHER, etag='"2"')), _START_OVER),
    "of another file, which stays": (
        (CUT, Reply(file=OTHER, etag='"2"', times=ALWAYS)),
        delivered(SMOOTH + ONE_BREAK, file=OTHER, most={"link": 3}),
    ),
    "without an ETag": ((CUT, rest(file=OTHER, etag=None)), _START_OVER),
    "with a weak ETag": ((CUT, rest(file=OTHER, etag='W/"1"')), _START_OVER),
    "with an empty ETag": ((CUT, rest(file=OTHER, etag="")), _START_OVER),
    "with its ETag unquoted": ((CUT, rest(file=OTHER, etag="1")), _START_OVER),
    "from an earlier byte": ((CUT, rest(at=4000)), _START_OVER),
    "from the first byte": ((CUT, rest(at=0)), _START_OVER),
    "from a later byte": ((CUT, rest(at=6000)), _START_OVER),
    "of a larger whole": ((CUT, rest(total=_SIZE + 1)), _START_OVER),
    "of a smaller whole": ((CUT, rest(total=_SIZE - 1)), _START_OVER),
    "of a longer file": ((CUT, rest(file=OTHER + OTHER)), _START_OVER),
    "of a shorter file": ((CUT, rest(file=OTHER[:9000] + b"%%EOF")), _START_OVER),
    "of an unknown whole": ((CUT, rest(total="*")), _CONTINUES),
    "without Content-Range": ((CUT, content_range(None)), _START_OVER),
    **{
        f"with Content-Range: {text!a}": ((CUT, content_range(text)), _START_OVER)
        for text in (
            "", "bytes", f"bytes 5000-{_SIZE - 1}", f"items 5000-{_SIZE - 1}/{_SIZE}", f"bytes */{_SIZE}",
            "bytes a-b/c", f"bytes -5000-{_SIZE - 1}/{_SIZE}", "bytes 5000-\xb2/\xb3",
        )
    },
    **{
        f"with 5,000 digits {name}": ((CUT, content_range(text.format("9" * 5000))), _START_OVER)
        for name, text in {
            "in front": "bytes {}-9/9", "in the middle": f"bytes 5000-{{}}/{_SIZE}", "behind": "bytes 5000-9/{}",
        }.items()
    },
    "with two Content-Ranges": ((CUT, rest(more=["Content-Range: bytes 0-9/10"])), _START_OVER),
    "as gzip": ((CUT, rest(headers={"Content-Encoding": "gzip"})), _START_OVER),
    "in several parts": (
        (CUT, rest(headers={"Content-Type": "multipart/byteranges", "Content-Range": None})), _START_OVER,
    ),
    "shorter than asked for": (
        (CUT, rest(headers={"Content-Range": f"bytes 5000-5999/{_SIZE}"}, body=PAGE[5000:6000])),
        delivered(SMOOTH + ONE_BREAK, most={"link": 3}),
    ),
    "without a byte": ((CUT, rest(body=b"")), delivered(SMOOTH + 3 * ONE_BREAK, most={"link": 3})),
    "longer than the file": ((CUT, rest(body=lambda body: body + b"x" * 99)), delivered(SMOOTH + 3 * ONE_BREAK)),
    "cut as well": ((CUT, Reply(sent=2000, ends="closes")), delivered(SMOOTH + 2 * ONE_BREAK, most={"link": 3})),
    "a 200 instead": ((CUT, Reply(status=200, at=0)), delivered(SMOOTH + ONE_BREAK, most={"link": 2})),
    "a 200 of another file": (
        (CUT, Reply(status=200, at=0, file=OTHER, etag='"2"')),
        delivered(SMOOTH + ONE_BREAK, file=OTHER, most={"link": 2}),
    ),
    "a 416 instead": ((CUT, refusal(416)), _START_OVER),
    "a 412 instead": ((CUT, refusal(412)), _START_OVER),
    "a 503 instead": ((CUT, refusal(503)), delivered(SMOOTH + 3 * ONE_BREAK, most={"link": 3})),
    "no validator in the first response": (
        (Reply(sent=5000, ends="closes", etag=None), Reply(file=OTHER, etag=None)),
        delivered(SMOOTH + ONE_BREAK, file=OTHER, most={"link": 2}),
    ),
    "a weak validator in the first response": (
        (Reply(sent=5000, ends="closes", etag='W/"1"'), Reply(file=OTHER, etag='W/"1"')),
        delivered(SMOOTH + ONE_BREAK, file=OTHER, most={"link": 2}),
    ),
    "that was not asked for": (Reply(status=206, times=ALWAYS), *refused(DownloadError, "206", 0)),
    "that never fits": (
        [each for _ in range(20) for each in (CUT, rest(etag='"2"'))],
        fails(IncompleteDownloadError, "8 interruptions without a new byte", 70, after=30),
    ),
})  # fmt: skip


def linked(text: str | Callable[[Asked], str], times: int = ALWAYS) -> tuple[Reply, Reply]:
    """The service gives this as its link."""
    return Reply(), Reply(job="done", link=text, times=times)


def _with_path(path: str) -> Callable[[Asked], str]:
    return lambda asked: f"{asked.base}{path}?Signature={SIGNATURE}"


_UNREADABLE = fails(DecodeError, "signedUrl", SMOOTH, most={"link": 0, "start": 1})
ADDRESSES = faults("address", "status", {
    **{
        name: (linked(_with_path(path)), delivered(most={"link": 1, "start": 1}))
        for name, path in {
            "spaces": "/file a b", "umlauts": "/file\xe4\xf6", "an emoji": "/file\U0001f600",
            "a line break": "/fi\r\nle", "quotes": "/file\"'<>{}|\\^`", "dots": "/file/../file",
            "escapes of both kinds": "/file%2f%2F%20+", "a semicolon": "/file;x=y",
        }.items()
    },
    "white space around": (linked(lambda asked: f" {asked.link}\r\n"), delivered(most={"link": 1})),
    "a fragment": (
        linked(lambda asked: f"{asked.base}/file?Signature={SIGNATURE}#page=1"), delivered(most={"link": 1}),
    ),
    "capitals": (linked(lambda asked: asked.link.replace("http://", "HTTP://")), delivered(most={"link": 1})),
    **{
        f"{text[:16]!a}": (linked(text), _UNREADABLE)
        for text in (
            "x", "/file", "//127.0.0.1/file", "http://", "ftp://127.0.0.1/x", "file:///etc/passwd", "javascript:1",
            "http://127.0.0.1:99999/x", "http://127.0.0.1:x/", "http://127.0.0.1:0/x", "http://[::1/x", "http://a..b/x",
            f"http://{'a' * 70}.example/x", "http://us@127.0.0.1/x", "http://\u2100.example/x", "http://%zz/", "?", " ",
        )
    },
    "a port where nothing listens": (
        linked("http://127.0.0.1:1/file"),
        fails(IncompleteDownloadError, "8 interruptions.*cannot connect", 70, after=30),
    ),
})  # fmt: skip
PLAIN = Scenario(
    id="address: plain http, although the service has TLS",
    does={"status": linked("http://127.0.0.1:1/file")},
    tls="trusted",
    ends=fails(DownloadError, "not encrypted", SMOOTH, most={"link": 0, "start": 1}),
)


DERIVATIVE = Scenario(
    id="address: refused twice, and there is a derivative",
    does={
        "link": [refusal(403, times=2)],
        "cookies": [Reply(status=200, more=["Set-Cookie: CloudFront-Policy=canary"])],
    },
    ends=delivered(SMOOTH + ONE_BREAK, most={"cookies": 1, "link": 3, "start": 1}),
    acc=renewed(2)[1],
)


def _dated(seconds: float) -> Callable[[Asked], str]:
    return lambda asked: formatdate(asked.now + seconds, usegmt=True)


OFF = {
    "ten years behind": -315_360_000, "a day behind": -86_400, "an hour behind": -3700, "two minutes behind": -130,
    "20 s behind": -20, "20 s ahead": 20, "118 s ahead": 118, "two minutes ahead": 130, "five minutes ahead": 310,
    "almost an hour ahead": 3599, "an hour ahead": 3700, "a day ahead": 86_400, "ten years ahead": 315_360_000,
}  # fmt: skip
DATES = {"": _dated(0), ", no Date": None, ", a Date that is none": "yesterday"}
_COSTS_NOTHING = delivered(most={"token": 1, "start": 1, "status": 2, "link": 1})
CLOCKS = [
    Scenario(
        id=f"our clock is {name}{date_name}",
        does={step: [Reply(headers={"Date": date}, times=ALWAYS)] for step in ("token", "start", "status")},
        ends=_COSTS_NOTHING,
        clock_off=seconds,
    )
    for name, seconds in OFF.items()
    for date_name, date in DATES.items()
]

JUMPS = [
    Scenario(
        id="our clock is almost an hour ahead, and a download breaks",
        does={"link": [Reply(sent=5000, ends="hangs")]},
        ends=delivered(SMOOTH + 60 + ONE_BREAK, after=60, most={"start": 1, "status": 2, "link": 2}),
        clock_off=3590,
    ),
    *(
        Scenario(
            id=f"our clock goes {seconds:+} s between two polls",
            does={},
            ends=delivered(most={"token": 2, "start": 1, "status": 2, "link": 1}),
            clock_off=seconds,
            clock_jumps_at=3.0,
        )
        for seconds in (-86_400, -3700, 3700, 86_400)
    ),
    *(
        Scenario(
            id=f"our clock goes {seconds:+} s in a download",
            does={"link": [Reply(sent=5000, ends="hangs")]},
            ends=delivered(SMOOTH + 60 + ONE_BREAK, after=60, most={"start": 1, "status": 3, "link": 2}),
            acc=delivered(SMOOTH + 60 + ONE_BREAK + ANOTHER_JOB, after=60, jobs=1 + (seconds > 0), most={"link": 2}),
            clock_off=seconds,
            clock_jumps_at=30.0,
        )
        for seconds in (-86_400, -3700, 3700, 86_400)
    ),
]


def _signed(query: Callable[[float], str]) -> tuple[Reply, Reply]:
    return linked(lambda asked: f"{asked.base}/file?{query(asked.now)}&Signature={SIGNATURE}")


def _amz(moment: float, life: str = "120") -> str:
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
    return f"X-Amz-Date={date}&X-Amz-Expires={life}"


EXPIRIES = [
    *faults("expiry", "status", {
        f"{name}": (_signed(query), _COSTS_NOTHING)
        for name, query in {
            "a day ago": lambda now: _amz(now - 86_400),
            "in a year": lambda now: _amz(now + 31_536_000),
            "a life of 0": lambda now: _amz(now, "0"),
            "a life of 1 s": lambda now: _amz(now, "1"),
            "a negative life": lambda now: _amz(now, "-9"),
            "a life without end": lambda now: _amz(now, "1e999"),
            "a life in words": lambda now: _amz(now, "long"),
            "a date that is none": lambda _: "X-Amz-Date=99999999T999999Z&X-Amz-Expires=9",
            "no life": lambda now: _amz(now).partition("&")[0],
            "Expires just past": lambda now: f"Expires={int(now) - 1}",
            "Expires nan": lambda _: "Expires=nan",
            "Expires inf": lambda _: "Expires=inf",
            "Expires in milliseconds": lambda now: f"Expires={int(now)}000",
            "Expires of 400 digits": lambda _: f"Expires={'9' * 400}",
            "none at all": lambda _: "x=y",
        }.items()
    }),
    *faults("the service's Date", "status", {
        f"is {seconds:+} s off": ((Reply(), Reply(headers={"Date": _dated(seconds)}, times=ALWAYS)), _COSTS_NOTHING)
        for seconds in (-86_400, -3700, -130, 130, 3700, 86_400, 31_536_000)
    }),
]  # fmt: skip


SCENARIOS: list[Scenario] = [*REFUSED, *REDIRECTED, *PARTIAL, *ADDRESSES, PLAIN, DERIVATIVE, *CLOCKS, *JUMPS, *EXPIRIES]
