"""Time limits for single attempts, which are doubled after each timeout."""

from aps_async.settings import Settings
from aps_async.transport.request import Call

__all__ = ["TimeLimits", "headers_timeout"]
__dir__: object = __all__.copy

_MOST_PATHS = 10_000


class TimeLimits:
    """The limits of attempts, by the path of the call and its number of timeouts in a row."""

    def __init__(self) -> None:
        self._timeouts: dict[str, int] = {}

    def attempt(self, call: Call, settings: Settings) -> tuple[float, float]:
        """Seconds for one attempt up to its headers, and altogether; doubled for each timeout before."""
        longest = settings.request_timeout
        if not call.repeatable:
            return longest, longest
        limit = min(settings.call_timeout * 2.0 ** self._timeouts.get(call.path, 0), longest)
        return limit, longest if call.endpoint.large else limit

    def timed_out(self, call: Call) -> None:
        """Records that an attempt timed out."""
        if len(self._timeouts) < _MOST_PATHS:
            self._timeouts[call.path] = self._timeouts.get(call.path, 0) + 1

    def answered(self, call: Call) -> None:
        """Records that an attempt brought a response."""
        self._timeouts.pop(call.path, None)


def headers_timeout(settings: Settings) -> float:
    """A timeout for a download's headers, since aiohttp's own read timeout does not apply after a 1xx response."""
    return settings.connect_timeout + settings.read_timeout
