"""Statuses: those that pass, those that do not, and how often each is asked again."""

from aps_async.errors import (
    AuthError,
    DecodeError,
    ExportTimeoutError,
    InterceptedError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    ResponseError,
    ServerError,
    UnauthorizedError,
)
from tests.faults.scenarios import (
    AT_ONCE,
    DEADLINE,
    EIGHT_TRIES,
    FIRST_POLL,
    ONE_BREAK,
    ONE_LATE_POLL,
    ONE_POLL,
    SMOOTH,
    Scenario,
    delivered,
    fails,
    faults,
)
from tests.faults.server import ALWAYS, Reply

ELSEWHERE = {"Location": "http://127.0.0.1:1/elsewhere"}
FILTER = b"<html><head><title>Blocked by ACME</title></head><body>Category: cloud storage.</body></html>"
THIRD_POLL = 17.0
"""It fails at the third poll in a row."""


def once(status: int, times: int = 1) -> Reply:
    return Reply(status=status, times=times)


def always(status: int) -> Reply:
    return Reply(status=status, times=ALWAYS)


START = faults("start", "start", {
    "none": ((), delivered()),
    "200 instead of 202": (once(200), delivered()),
    "201": (once(201), delivered()),
    **{
        f"{status} once": (
            once(status),
            delivered(SMOOTH + ONE_BREAK),
            fails(error, f"{status}.*Scripted", AT_ONCE, most={"start": 1}),
        )
        for status, error in {408: ResponseError, 500: ServerError, 502: ServerError, 504: ServerError}.items()
    },
    "503 once": (once(503), delivered(SMOOTH + ONE_BREAK)),
    "429 once": (once(429), delivered(SMOOTH + ONE_BREAK)),
    "503 five times": (once(503, 5), delivered(SMOOTH + 16, after=4 + 7.75)),
    "503 always": (always(503), fails(ServerError, "503.*Scripted", EIGHT_TRIES, after=30, jobs=0, most={"start": 8})),
    "429 always": (
        always(429), fails(RateLimitedError, "429.*Scripted", 64, after=30, jobs=0, most={"start": 8}),
    ),
    "500 always": (
        always(500), fails(ServerError, "500.*Scripted", EIGHT_TRIES, after=30, most={"start": 8}),
        fails(ServerError, "500.*Scripted", AT_ONCE, most={"start": 1}),
    ),
    "401 once": (once(401), delivered(most={"token": 2})),
    "401 always": (
        always(401), fails(UnauthorizedError, "401.*Scripted.*credentials", AT_ONCE, jobs=0, most={"token": 2}),
    ),
    **{
        f"{status}": (always(status), fails(error, f"{status}.*{words}", AT_ONCE, most={"start": 1}))
        for status, error, words in [
            (400, ResponseError, "Scripted"),
            (402, ResponseError, "Scripted"),
            (403, NotAllowedError, "Scripted.*Custom Integrations"),
            (404, NotFoundError, "Scripted"),
            (405, ResponseError, "Scripted"),
            (409, ResponseError, "Scripted"),
            (410, ResponseError, "Scripted"),
            (418, ResponseError, "Scripted"),
            (422, ResponseError, "Scripted"),
            (451, ResponseError, "Scripted"),
            (501, ServerError, "Scripted"),
            (599, ServerError, "Scripted"),
            (304, ResponseError, "empty body"),
        ]
    },
    **{
        f"{status} to elsewhere": (
            Reply(status=status, headers=ELSEWHERE, times=ALWAYS),
            fails(InterceptedError, f"{status}.*web filter.*redirect to 127", AT_ONCE),
        )
        for status in (301, 302, 303, 307, 308)
    },
    **{
        f"{status} with a filter's page": (
            Reply(status=status, body=FILTER, times=ALWAYS),
            fails(InterceptedError, f"{status} .*web filter.*an HTML page .Blocked by ", AT_ONCE, most={"start": 2}),
        )
        for status in (400, 401, 403, 404, 407, 451, 511)
    },
    "204": (always(204), fails(DecodeError, "POST", AT_ONCE)),
})  # fmt: skip

TOKEN = faults("token", "token", {
    **{
        f"{status} once": (once(status), delivered(SMOOTH + ONE_BREAK))
        for status in (408, 429, 500, 502, 503, 504)
    },
    **{
        f"{status} always": (
            always(status), fails(AuthError, f"no token.*{status}", 64, after=30, jobs=0, most={"token": 8})
        )
        for status in (429, 500, 503)
    },
    **{
        f"{status}": (
            always(status),
            fails(AuthError, f"no token.*{status}.*check the client id", AT_ONCE, jobs=0, most={"token": 1}),
        )
        for status in (400, 401, 403, 404)
    },
    "302 to elsewhere": (
        Reply(status=302, headers=ELSEWHERE, times=ALWAYS),
        fails(AuthError, "no token.*302 .*redirect to 127[^;]*$", AT_ONCE, jobs=0),
    ),
    **{
        f"{status} with a filter's page": (
            Reply(status=status, body=FILTER, times=ALWAYS),
            fails(AuthError, f"no token.*{status} .*an HTML page .Blocked by[^;]*$", AT_ONCE, jobs=0),
        )
        for status in (401, 403, 404)
    },
    "204": (always(204), fails(AuthError, "no token", AT_ONCE, jobs=0)),
})  # fmt: skip

STATUS = faults("status", "status", {
    "202 instead of 200": (once(202, 5), delivered()),
    "203": (once(203, 5), delivered()),
    **{f"{status} once": (once(status), delivered(ONE_LATE_POLL)) for status in (408, 429, 500, 502, 503, 504)},
    **{
        f"{status} between two polls": ((Reply(), once(status)), delivered(SMOOTH + ONE_POLL))
        for status in (401, 404, 429, 500, 503)
    },
    "500 five times": (once(500, 5), delivered(120, after=4 + 2 * (2 + 4 + 8 + 16))),
    **{
        f"{status} always": (
            always(status),
            fails(ExportTimeoutError, f"not done in 600 s.*{status} .*Scripted", DEADLINE + 1, after=DEADLINE - 1),
        )
        for status in (429, 500, 503)
    },
    "401 once": (once(401), delivered(most={"token": 2})),
    "401 three times": (once(401, 3), delivered(ONE_LATE_POLL, most={"token": 3})),
    "401 always": (always(401), fails(UnauthorizedError, "401.*credentials", 17, most={"token": 4, "status": 6})),
    "404 right after the start": (once(404, 2), delivered(SMOOTH + ONE_POLL)),
    "404 always": (always(404), fails(NotFoundError, "404.*Scripted", 13.5, after=10)),
    "404 after a poll, always": ((Reply(), always(404)), fails(NotFoundError, "404.*Scripted", SMOOTH + ONE_POLL)),
    **{
        f"{status}": (always(status), fails(error, f"{status}.*Scripted", FIRST_POLL, most={"status": 1}))
        for status, error in [
            (400, ResponseError), (403, NotAllowedError), (405, ResponseError), (409, ResponseError),
            (410, ResponseError), (422, ResponseError), (501, ServerError),
        ]
    },
    **{
        f"{status} to elsewhere": (
            Reply(status=status, headers=ELSEWHERE, times=ALWAYS),
            fails(InterceptedError, f"{status}.*redirect to 127", THIRD_POLL, most={"status": 3}),
        )
        for status in (302, 307)
    },
    **{
        f"{status} with a filter's page": (
            Reply(status=status, body=FILTER, times=ALWAYS),
            fails(InterceptedError, f"{status} .*an HTML page .Blocked by", THIRD_POLL, most={"status": 6}),
        )
        for status in (401, 403, 404, 511)
    },
    "403 with a filter's page, once": (Reply(status=403, body=FILTER), delivered(ONE_LATE_POLL)),
    "404 with a filter's page between two polls": (
        (Reply(), Reply(status=404, body=FILTER)), delivered(SMOOTH + ONE_POLL)
    ),
    "204": (always(204), fails(DecodeError, "GET", FIRST_POLL)),
})  # fmt: skip

LINK = faults("link", "link", {
    **{
        f"{status} once": (once(status), delivered(SMOOTH + ONE_BREAK))
        for status in (408, 429, 500, 502, 503, 504, 507, 509, 520, 529, 599)
    },
})  # fmt: skip

SCENARIOS: list[Scenario] = [*START, *TOKEN, *STATUS, *LINK]
