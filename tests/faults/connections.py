"""Connections that are refused, closed, reset, silent or slow at every step, and TLS that is not right."""

from typing import Any

from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from aps_async import Settings
from aps_async.errors import AuthError, ExportTimeoutError, IncompleteDownloadError, TransportError
from tests.faults.scenarios import (
    AT_ONCE,
    DEADLINE,
    EIGHT_TRIES,
    ONE_BREAK,
    ONE_LATE_POLL,
    ONE_POLL,
    SMOOTH,
    Outcome,
    Scenario,
    delivered,
    fails,
    faults,
)
from tests.faults.server import ALWAYS, Reply

CALL, READ, CONNECT, LONG_CALL = 10.0, 60.0, 15.0, 90.0
"""Seconds of `Settings`: one call, a silence in a download, a connection, and a call that is not repeated."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
CLOSE = ("Connection: close",)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"


def cut(ends: Any, raw: bytes = b"", **more: Any) -> Reply:
    return Reply(raw=raw, ends=ends, **more)


BREAKS = {  # what comes, before the connection ends at once
    "is closed without a response": cut("closes"),
    "is reset without a response": cut("resets"),
    "is closed in the headers": cut("closes", HEAD),
    "is reset in the headers": cut("resets", HEAD),
    "is closed behind a 100": cut("closes", CONTINUE),
    "is closed in the body": Reply(sent=30, ends="closes"),
    "is reset in the body": Reply(sent=30, ends="resets"),
    "is closed before the last byte": Reply(sent=-1, ends="closes"),
}
SILENCES = {  # what comes, before nothing comes any more
    "is silent": cut("hangs"),
    "is silent in the headers": cut("hangs", HEAD),
    "is silent behind a 100": cut("hangs", CONTINUE),
    "is silent behind a 103": cut("hangs", HINTS),
    "is silent in the body": Reply(sent=30, ends="hangs"),
    "is silent before the last byte": Reply(sent=-1, ends="hangs"),
}
INTERIM = {  # what must cost nothing
    "a 100 before": Reply(before=CONTINUE),
    "a 103 before": Reply(before=HINTS),
    "50 times 102 before": Reply(before=b"HTTP/1.1 102 Processing\r\n\r\n" * 50),
}
PARTINGS = {  # as well, as the next request comes 2 s later; one that meets the closing is lost, see BREAKS
    "closed behind the response": Reply(ends="closes"),
    "reset behind the response": Reply(ends="resets"),
}
_LATER = delivered(SMOOTH + ONE_BREAK)
_LOST_START = fails(TransportError, "POST", AT_ONCE, most={"start": 1})


def always(reply: Reply) -> Reply:
    return Reply(raw=reply.raw, sent=reply.sent, ends=reply.ends, times=ALWAYS)


def named(step: str, table: dict[str, Reply], *outcomes: Outcome) -> list[Scenario]:
    return faults(step, step, {name: (reply, *outcomes) for name, reply in table.items()})


ONCE = [
    *named("token", BREAKS, _LATER),
    *named("start", BREAKS, _LATER, _LOST_START),
    *named("status", BREAKS, delivered(ONE_LATE_POLL)),
    *named("link", BREAKS, _LATER),
    *named("token", SILENCES, delivered(SMOOTH + CALL + ONE_BREAK, after=CALL)),
    *named(
        "start", SILENCES, delivered(SMOOTH + CALL + ONE_BREAK, after=CALL),
        fails(TransportError, "POST.*no answer in time", LONG_CALL + AT_ONCE, after=LONG_CALL, most={"start": 1}),
    ),
    *named("status", SILENCES, delivered(SMOOTH + CALL + AT_ONCE, after=CALL)),
    *named("link", SILENCES, delivered(SMOOTH + READ + CONNECT + ONE_BREAK, after=READ)),
    *(each for step in ("token", "start", "status", "link") for each in named(step, INTERIM, delivered())),
    *(each for step in ("start", "status", "link") for each in named(step, PARTINGS, delivered(most={"link": 1}))),
]  # fmt: skip

_DEADLINE: dict[str, Any] = {"within": DEADLINE + 1, "after": DEADLINE - 1}
_CLOSED, _SILENT = always(BREAKS["is closed without a response"]), always(SILENCES["is silent"])
_GIVES_UP = "8 interruptions without a new byte"
LASTING = [
    *faults("token", "token", {
        "is closed, always": (
            _CLOSED, fails(AuthError, "no token.*POST.*token", EIGHT_TRIES, after=30, jobs=0, most={"token": 8}),
        ),
        "is silent, always": (
            _SILENT, fails(AuthError, "no token.*no answer in time", 8 * LONG_CALL, jobs=0, most={"token": 8}),
        ),
    }),
    *faults("start", "start", {
        "is closed, always": (
            _CLOSED, fails(TransportError, "POST", EIGHT_TRIES, after=30, most={"start": 8}), _LOST_START,
        ),
    }),
    *faults("status", "status", {
        "is closed, always": (_CLOSED, fails(ExportTimeoutError, "not done in 600 s.*GET", **_DEADLINE)),
        "is silent, always": (
            _SILENT, fails(ExportTimeoutError, "not done in 600 s.*no answer in time", **_DEADLINE),
        ),
    }),
    *faults("link", "link", {
        "is closed without a byte, always": (  # which the HTTP client itself tries twice
            _CLOSED, fails(IncompleteDownloadError, _GIVES_UP, SMOOTH + EIGHT_TRIES, after=30, most={"link": 16}),
        ),
        "is silent, always": (
            _SILENT,
            fails(IncompleteDownloadError, _GIVES_UP, SMOOTH + EIGHT_TRIES + 8 * READ, most={"link": 8}),
        ),
        "is closed every 2,000 bytes": (
            Reply(sent=2000, ends="closes", times=ALWAYS), delivered(SMOOTH + 5 * ONE_BREAK, most={"link": 6}),
        ),
        "comes slowly": (
            Reply(slowly=(3000, 50.0)), delivered(SMOOTH + 200, after=150, most={"link": 1}),
        ),
    }),
]  # fmt: skip

PATIENT = Scenario(
    id="link: is silent until the deadline",
    does={"link": [_SILENT]},
    session={"settings": Settings(max_download_attempts=99)},
    ends=fails(
        ExportTimeoutError,
        "was done.*but not downloaded in 600 s; the last error was: GET.*(in time|Timeout)",
        **_DEADLINE,
    ),
)

SLOW = faults("slow", "status", {
    "a response after 9 s": (Reply(after=9.0), delivered(SMOOTH + 9, after=9)),
    "every response after 15 s": (
        Reply(after=15.0, times=ALWAYS), delivered(SMOOTH + CALL + 15, after=CALL + 15),
    ),
    "a response in pieces, for 9 s": (Reply(slowly=(60, 1.0)), delivered(SMOOTH + 12)),
    "a byte every 2 s": (Reply(slowly=(1, 2.0)), delivered(SMOOTH + CALL + AT_ONCE, after=CALL)),
    "a 102 every second": (
        Reply(before=b"HTTP/1.1 102 Processing\r\n\r\n" * 100, slowly=(27, 1.0)),
        delivered(SMOOTH + CALL + AT_ONCE, after=CALL),
    ),
})  # fmt: skip

LEFT_OVER = [
    Scenario(
        id="a second response that was not asked for",
        does={"status": [Reply(behind=b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}")]},
        ends=delivered(ONE_LATE_POLL),
    ),
    Scenario(
        id="a second response behind a file",
        does={"link": [Reply(behind=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")]},
        ends=delivered(most={"link": 1}),
    ),
    Scenario(
        id="bytes behind a file",
        does={"link": [Reply(behind=b"x" * 3000)]},
        ends=delivered(SMOOTH + ONE_BREAK),
    ),
    Scenario(
        id="every response closes its connection",
        does={step: [Reply(ends="closes", more=CLOSE, times=ALWAYS)] for step in ("token", "start", "status", "link")},
        ends=delivered(most={"start": 1, "status": 2, "link": 1, "token": 1}),
    ),
]


def deaf(seconds: float) -> Reply:
    return Reply(more=CLOSE, deaf=seconds)


REFUSED = [
    *faults("nothing listens", "token", {
        "for 3 s, then it starts": (deaf(3), delivered(SMOOTH + 8, after=3, most={"start": 1})),
        "any more, so it does not start": (
            deaf(5000), fails(TransportError, "POST.*Check the address", EIGHT_TRIES, after=30, jobs=0),
        ),
    }),
    *faults("nothing listens behind the start", "start", {
        "for 3 s": (deaf(3), delivered(SMOOTH + ONE_POLL, after=3)),
        "any more": (deaf(5000), fails(ExportTimeoutError, "not done in 600 s.*Check the address", **_DEADLINE)),
    }),
    *faults("nothing listens behind the last poll", "status", {
        "for 3 s": ((Reply(), deaf(3)), delivered(SMOOTH + 8, after=3)),
        "any more": (
            (Reply(), deaf(5000)), fails(IncompleteDownloadError, "8 interruptions", SMOOTH + EIGHT_TRIES, after=30),
        ),
    }),
]  # fmt: skip


class Nowhere(AbstractResolver):
    """Knows no name."""

    async def resolve(self, host: str, *_: object, **__: object) -> list[ResolveResult]:
        raise OSError(f"{host} is unknown")

    async def close(self) -> None:
        return


def unknown_host() -> dict[str, Any]:
    """Arguments of a session that finds no host."""
    return {"base_url": "https://aps.example", "http": ClientSession(connector=TCPConnector(resolver=Nowhere()))}


def _no_command(error: Exception) -> None:
    """Where a command prints why it tries again."""


def first(name: str, network: Any, words: str, within: float, **session: Any) -> Scenario:
    """The very first connection cannot be made."""
    ends = fails(AuthError, words, within, jobs=0, most={"connections": 0})
    return Scenario(id=f"the first connection: {name}", does={}, network=network, session=session, ends=ends)


FIRST = [
    first("refused", "refused", "no token.*Check the address", EIGHT_TRIES),
    first("refused, of a command", "refused", "no token.*Check the address", 5, on_unreachable=_no_command),
    first("an unknown host", "unknown host", "no token.*Check the address", 5),
    first("an unknown host, of a command", "unknown host", "no token.*address", 5, on_unreachable=_no_command),
    first("an unknown host, of a patient program", "unknown host", "no token.*address", EIGHT_TRIES, patient=True),
]


def tls(name: str, kind: Any, ends: Outcome, does: dict[str, list[Reply]] | None = None, **session: Any) -> Scenario:
    return Scenario(id=f"TLS: {name}", does=does or {}, tls=kind, ends=ends, session=session)


def _mistrusted(within: float = 5, most: int = 2) -> Outcome:
    return fails(
        AuthError, "no token.*certificate.*APS_CA_FILE", within, jobs=0, most={"connections": most, "token": 0}
    )


TLS = [
    tls("a company's CA", "trusted", delivered()),
    tls("an unknown CA", "unknown CA", _mistrusted()),
    tls("an unknown CA, of a command", "unknown CA", _mistrusted(), on_unreachable=_no_command),
    tls("an unknown CA, of a patient program", "unknown CA", _mistrusted(EIGHT_TRIES, 8), patient=True),
    tls("another host's certificate", "other host", _mistrusted()),
    tls("a certificate that has expired", "expired", _mistrusted()),
    tls("cut in the body", "trusted", _LATER, {"link": [Reply(sent=5000, ends="resets")]}),
    tls("cut in the body of a poll", "trusted", delivered(ONE_LATE_POLL), {"status": [Reply(sent=30, ends="resets")]}),
    tls(
        "cut without a length", "trusted", _LATER,
        {"link": [Reply(sent=5000, headers={"Content-Length": None}, ends="resets")]},
    ),
    tls(
        "ended without a notice, whole", "trusted", delivered(SMOOTH + ONE_BREAK),
        {"link": [Reply(headers={"Content-Length": None}, ends="resets")]},
    ),
    tls(
        "silent in the body", "trusted", delivered(SMOOTH + READ + ONE_BREAK, after=READ),
        {"link": [Reply(sent=5000, ends="hangs")]},
    ),
    tls(
        "nothing listens any more", "trusted", delivered(SMOOTH + ONE_POLL + 8), {"token": [deaf(3)]},
    ),
]  # fmt: skip

SCENARIOS: list[Scenario] = [*ONCE, *LASTING, PATIENT, *SLOW, *LEFT_OVER, *REFUSED, *FIRST, *TLS]
