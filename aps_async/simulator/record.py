"""What the simulator saw."""

from collections import deque
from typing import Any

import attrs


@attrs.frozen
class Seen:
    """One request."""

    time: float
    endpoint: str
    method: str
    path: str
    status: int
    """0 when no answer went out."""
    headers: dict[str, Any]
    """`x-user-id`, `region`, `range`, `if-match` where sent, and whether there was an `authorization`."""
    fault: str
    """Kind of the fault, or empty."""
    key: str
    """What a request was about, without query: its path, or for the storage the object's path."""


@attrs.define
class _Tally:
    calls: int = 0
    faults: int = 0
    statuses: dict[str, int] = attrs.field(factory=dict[str, int])


class Record:
    """The log and the tallies by endpoint."""

    def __init__(self, length: int) -> None:
        self.log: deque[Seen] = deque(maxlen=length)
        self._tallies: dict[str, _Tally] = {}
        self.bytes_sent: int = 0
        self.token_requests: int = 0

    def clear(self) -> None:
        """Forget everything."""
        self.log.clear()
        self._tallies.clear()
        self.bytes_sent = self.token_requests = 0

    def add(self, seen: Seen) -> None:
        """Note a request that is over."""
        self.log.append(seen)
        tally = self._tallies.get(seen.endpoint)
        if tally is None:
            tally = self._tallies[seen.endpoint] = _Tally()
        tally.calls += 1
        status = str(seen.status)
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        if seen.fault:
            tally.faults += 1

    def endpoints(self, most: dict[str, int]) -> dict[str, dict[str, Any]]:
        """The tallies as plain values."""
        return {
            name: {
                "calls": tally.calls,
                "statuses": dict(tally.statuses),
                "429": tally.statuses.get("429", 0),
                "faults": tally.faults,
                "most_in_a_window": most.get(name, 0),
            }
            for name, tally in self._tallies.items()
        }
