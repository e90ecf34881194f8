"""Every number in one place, each with its reason."""

from collections.abc import Mapping
from typing import Any

from attrs import Attribute, evolve, field, fields, frozen

from aps_async.reprs import short_repr

__all__ = ["Settings"]
__dir__: object = __all__.copy

_SERVICE = {"service_time": True}  # lengths that the service sets: a simulator that runs faster shrinks them


def _positive(_: object, part: "Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ValueError(f"{part.name} must be greater than 0, not {value}")


def _not_negative(_: object, part: "Attribute[Any]", value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{part.name} must not be negative, not {value}")


def _admitting(_: object, part: "Attribute[Any]", budgets: Mapping[str, int]) -> None:
    for name, budget in budgets.items():
        if not budget >= 1:
            raise ValueError(f"{part.name}: {name!r} must be at least 1, not {budget}")


@frozen(kw_only=True)
class Settings:
    """The numbers behind a `Session`; all durations in seconds.

    Raises:
        ValueError: a number is not positive.
    """

    quota_window: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """The published quotas are per minute."""
    budgets: Mapping[str, int] = field(factory=dict, validator=_admitting)
    """Calls per window by endpoint name, where they differ from the published ones (your app shares its quota,
    or Autodesk raised it)."""

    time_scale: float = field(default=1.0, validator=_positive)
    """Seconds of the service for each second here: more than 1 for a simulator that runs faster. `scaled` sets it."""
    max_attempts: int = field(default=8, validator=_positive)
    """Attempts at one call. With one answer in five faulty, 8 leave 3 calls in a million unanswered."""
    backoff_base: float = field(default=0.5, validator=_positive, metadata=_SERVICE)
    """The first wait after a failure; it doubles each time."""
    backoff_max: float = field(default=30.0, validator=_positive, metadata=_SERVICE)
    """The longest wait of our own choosing. `Retry-After` may ask for more."""
    retry_after_max: float = field(default=300.0, validator=_positive)
    """The longest `Retry-After` that is obeyed. A single call that is asked for more raises the error at once; waits
    that go on (polls, downloads, starts of a bulk run, workers, rate limiters) use their own backoff instead."""

    connect_timeout: float = field(default=15.0, validator=_positive)
    """Until a connection stands, TLS included."""
    read_timeout: float = field(default=60.0, validator=_positive)
    """The longest silence in a download. It has no total: a large file on a slow line is no fault."""
    call_timeout: float = field(default=10.0, validator=_positive, metadata={**_SERVICE, "least": 0.5})
    """One API call from end to end, if it is small and may be repeated, such as a status. After a call that took
    longer the next attempt at the same gets twice as long, up to `request_timeout`."""
    request_timeout: float = field(default=90.0, validator=_positive, metadata={**_SERVICE, "least": 5.0})
    """The same for pages of 200 items, and for calls that must not be repeated: an ACC start, whose lost response means
    a second job, and a refresh, whose lost response means a lost login."""
    response_limit: int = field(default=64 << 20, validator=_positive)
    """Bytes of one API response, after decompression; a page of 200 items has less than 1 MB. Not for downloads."""
    connections: int = field(default=100, validator=_positive)
    """Open connections for API calls, and as many again for downloads."""

    token_margin: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """A token is renewed this long before it expires, or at nine tenths of a shorter life."""

    link_lifetime: float = field(default=120.0, validator=_positive, metadata=_SERVICE)
    """The documented life of BIM 360's signed URL, even where the URL itself promises more."""
    link_margin: float = field(default=5.0, validator=_positive, metadata=_SERVICE)
    """A URL with less life than this left is renewed rather than opened: storage tests it on arrival."""
    link_renewals: int = field(default=4, validator=_positive)
    """Fresh URLs in a row that may be refused before a download gives up."""
    max_download_attempts: int = field(default=8, validator=_positive)
    """Breaks in a row, without one new byte between them, before a download gives up."""

    poll_interval: float = field(default=2.0, validator=_positive, metadata=_SERVICE)
    """Between two questions about one export; stretched when many share the status quota."""
    poll_jitter: float = field(default=0.1, validator=_not_negative)
    """The share of an interval that is drawn at random, so that exports started together spread."""
    not_found_grace: float = field(default=10.0, validator=_not_negative, metadata=_SERVICE)
    """A 404 this soon after the start is taken for a job that the service has not spread yet, and a finished job
    without a link for one whose data has not."""
    ending_word_grace: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """An undocumented status word that names an end, such as `aborted`, ends a wait after this, or after five polls."""
    export_timeout: float = field(default=600.0, validator=_positive, metadata=_SERVICE)
    """The deadline of a wait when the caller gives none; no server-side limit is documented for BIM 360."""
    acc_export_timeout: float = field(default=2100.0, validator=_positive, metadata=_SERVICE)
    """The same for ACC, which gives a job up after 30 minutes; five more for the answer and the download."""

    max_concurrent_downloads: int = field(default=8, validator=_positive)
    """Downloads at once in a bulk run."""
    max_concurrent_starts: int = field(default=32, validator=_positive)
    """Start calls in flight in a bulk run; the quota alone would allow 100 connections at one instant."""
    max_pending_exports: int = field(default=2000, validator=_positive)
    """Exports started and not yet delivered in a bulk run: 20 minutes of starts, so that a slow line stops them."""

    __repr__ = short_repr

    def scaled(self, speed: float) -> "Settings":
        """The same for a simulator that runs `speed` times as fast: what the service's clock sets is divided by it.

        The time limits of calls keep at least 0.5 and 5 s, since this machine becomes no faster.
        """
        changes = {
            part.name: max(
                getattr(self, part.name) / speed, min(part.metadata.get("least", 0.0), getattr(self, part.name))
            )
            for part in fields(Settings)
            if part.metadata.get("service_time")
        }
        return evolve(self, time_scale=self.time_scale * speed, **changes)
