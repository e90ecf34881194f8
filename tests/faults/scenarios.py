"""The form of a scenario: what the server does, how the export must end, and within which time."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen

from aps_async.errors import APSError
from tests.faults.server import Reply
from tests.faults.services import PAGE

# Seconds of the event loop's clock. Polls come every 2 s and up to a tenth later; the second one finds the job done.
SMOOTH = 4.5
"""An export without a fault."""
AT_ONCE = 0.1
"""It fails before any wait."""
FIRST_POLL = 2.3
"""It fails at the first poll."""
ONE_LATE_POLL = 6.8
"""The first poll fails, and the next comes after twice the interval."""
ONE_POLL = 4.5
"""What another poll that fails costs on top."""
ONE_BREAK = 0.6
"""What one break of a call or of a download costs on top: the first wait."""
EIGHT_TRIES = 62.0
"""The waits between eight attempts: 0.5 + 1 + 2 + 4 + 8 + 16 + 30 s."""
DEADLINE = 600.0
"""The time that the wait is given."""


@frozen(kw_only=True)
class Outcome:
    """How an export ends."""

    error: type[APSError] | None = None
    """None: the file is delivered."""
    words: str = ""
    """A pattern that the error's message has."""
    within: float
    """Seconds of the event loop's clock that it may take at most."""
    after: float = 0.0
    """Seconds that it must take at least."""
    jobs: int = 1
    """Jobs that an ACC service may have started; BIM 360 repeats none."""
    most: Mapping[str, int] = field(factory=dict)
    """Requests to a step, or `connections`, that may be made at most."""
    file: bytes = PAGE


@frozen(kw_only=True)
class Scenario:
    """One fault, for every kind."""

    id: str
    does: Mapping[str, Sequence[Reply]]
    ends: Outcome
    acc: Outcome | None = None
    """Where ACC must end otherwise: its start is not repeated, and its link is renewed by another job only."""
    session: Mapping[str, Any] = field(factory=dict)
    """Arguments of the session."""
    clock_off: float = 0.0
    """Seconds by which our clock is ahead of the service's."""
    clock_jumps_at: float = 0.0
    """Seconds until it is."""
    network: Literal["there", "refused", "unknown host"] = "there"
    tls: Literal["", "trusted", "unknown CA", "other host", "expired"] = ""


def delivered(within: float = SMOOTH, **more: Any) -> Outcome:
    """The right bytes are under the final name."""
    return Outcome(within=within, **more)


def fails(error: type[APSError], words: str, within: float, **more: Any) -> Outcome:
    """This very error, and no file."""
    return Outcome(error=error, words=words, within=within, **more)


def faults(prefix: str, step: str, table: Mapping[str, tuple[Any, ...]]) -> list[Scenario]:
    """Rows of name: reply or replies, outcome, and the outcome for ACC where it differs; all about one step."""
    found = []
    for name, (reply, *outcomes) in table.items():
        replies = (reply,) if isinstance(reply, Reply) else tuple(reply)
        found.append(Scenario(id=f"{prefix}: {name}", does={step: replies}, ends=outcomes[0], acc=(*outcomes, None)[1]))
    return found
