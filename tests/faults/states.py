"""What a service says about the job: words, ends, and results that come late or never."""

import re
from typing import Any

from aps_async.errors import ExportError, ExportFailedError, ExportTimeoutError
from tests.faults.scenarios import AT_ONCE, DEADLINE, FIRST_POLL, ONE_POLL, SMOOTH, Scenario, delivered, fails, faults
from tests.faults.server import ALWAYS, Reply

ENDING = ("aborted", "canceled", "cancelled", "expired", "timeout", "error", "rejected")
UNKNOWN = ("queued", "processing2", "", " ", "\ud83d", "DONE?", "in progress", "x" * 5000)
_DEADLINE = {"within": DEADLINE + 1, "after": DEADLINE - 1}
FIVE_POLLS = 5 * 2.2 + AT_ONCE


def job(state: str, times: int = 1, link: str | None = "") -> Reply:
    return Reply(job=state, times=times, link=link)


_ODD_RESULTS: list[Any] = [
    [],
    "",
    False,
    0,
    [1],
    {"output": []},
    {"output": "", "signedUrl": 7},
    {"signedUrl": "pending"},
]
_ODD_AT_THE_START: list[Any] = [[], "", {"output": 1}, {"signedUrl": "http://h:99999/"}]

WORDS = faults("status", "status", {
    "failed": (job("failed", ALWAYS), fails(ExportFailedError, "'failed'", FIRST_POLL, most={"status": 1, "start": 1})),
    "failed behind a poll": ((Reply(), job("failed", ALWAYS)), fails(ExportFailedError, "'failed'", SMOOTH)),
    **{
        f"{word} always": (
            job(word, ALWAYS),
            fails(ExportFailedError, f"'{word}'.*undocumented status", FIVE_POLLS, after=10, most={"status": 5}),
        )
        for word in (*ENDING, "Aborted", "TIMEOUT")
    },
    **{f"{word} once": (job(word), delivered()) for word in ENDING},
    "aborted four times": (job("aborted", 4), delivered(5 * 2.2 + AT_ONCE)),
    "two ending words in turn": ([job(word) for word in ENDING], delivered(8 * 2.2 + AT_ONCE)),
    **{f"an unknown word once, {word[:9]!a}": (job(word), delivered()) for word in UNKNOWN},
    "an unknown word always": (
        job("queued", ALWAYS), fails(ExportTimeoutError, "not done in 600 s.*last answer was 'queued'", **_DEADLINE),
    ),
    "running always": (
        job("running", ALWAYS), fails(ExportTimeoutError, "not done in 600 s.*last answer was", **_DEADLINE),
    ),
    "running for 100 polls": (job("running", 100), delivered(102 * 2.2)),
    "capitals": (
        Reply(body=lambda body: re.sub(b"completed|successful", lambda word: word[0].upper(), body), times=9),
        delivered(),
    ),
    "spaces": (
        Reply(body=lambda body: re.sub(rb'"(completed|successful)"', rb'" \1\\n"', body), times=9), delivered(),
    ),
    **{
        f"running with {value!r} as its result": (
            (Reply(job="running", fields={"data": value, "result": value}), Reply()), delivered()
        )
        for value in _ODD_RESULTS
    },
    "running with a link": ((Reply(job="running", link="http://127.0.0.1:1/x"), Reply()), delivered()),
})  # fmt: skip

PARTIAL = faults("status", "status", {
    "a partial success": (
        job("partialSuccess", ALWAYS, link=None),
        fails(ExportTimeoutError, "not done in 600 s.*'partialSuccess'", **_DEADLINE),
        fails(ExportError, "partialSuccess.*gives no link", 60, jobs=2),
    ),
})  # fmt: skip

_LATE = delivered(SMOOTH + 10)
NO_LINK = faults("no link", "status", {
    "in the first two responses": ((Reply(), job("done", 2, link=None)), _LATE),
    "for 8 s": ((Reply(), job("done", 4, link=None)), _LATE),
    "ever": (
        (Reply(), job("done", ALWAYS, link=None)),
        fails(ExportError, "'(completed|successful)'.*gives no link", 30, after=14, jobs=2, most={"start": 2}),
    ),
    "but null": ((Reply(), Reply(job="done", link=None, fields={"data": None, "result": None})), _LATE),
    "but an empty result": ((Reply(), Reply(job="done", link=None, fields={"data": {}, "result": {}})), _LATE),
    "but an empty output": (
        (Reply(), Reply(job="done", link=None, fields={"data": {"signedUrl": None}, "result": {"output": None}})),
        _LATE,
    ),
})  # fmt: skip

START = faults("start", "start", {
    "done at once": (job("done"), delivered(AT_ONCE, most={"status": 0})),
    "done at once, without a link": (job("done", link=None), delivered(FIRST_POLL)),
    "failed at once": (
        job("failed", ALWAYS), fails(ExportFailedError, "'failed'", AT_ONCE, most={"status": 0, "start": 1}),
    ),
    "an unknown word": (job("queued"), delivered()),
    **{
        f"running with {value!r} as its result": (
            Reply(job="running", fields={"data": value, "result": value}), delivered()
        )
        for value in _ODD_AT_THE_START
    },
    "an ending word": (job("aborted"), delivered()),
})  # fmt: skip

ACC_REASON = Scenario(
    id="status: failed, and why",
    does={"status": [job("failed", ALWAYS)]},
    ends=fails(ExportFailedError, "gives no reason", FIRST_POLL),
    acc=fails(ExportFailedError, "ERR_WORKFLOW_TIMEOUT: Too slow", FIRST_POLL),
)
DONE_TWICE = Scenario(
    id="status: done, and running again when the link is refused",
    does={"status": [Reply(), Reply(), job("running", 2)], "link": [Reply(status=403)]},
    ends=delivered(SMOOTH + 4 * ONE_POLL, jobs=2),
)

SCENARIOS: list[Scenario] = [*WORDS, *PARTIAL, *NO_LINK, *START, ACC_REASON, DONE_TWICE]
