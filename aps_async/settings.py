"""`Settings`: every number that can be changed, each with its reason."""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self, cast

from attrs import Attribute, evolve, field, fields, frozen

from aps_async.errors import InputError
from aps_async.reprs import short_repr

__all__ = ["SPEED_VARIABLE", "WAITING_VARIABLE", "Settings"]
__dir__: object = __all__.copy

SPEED_VARIABLE = "APS_SPEED"
WAITING_VARIABLE = "APS_WAITING"

_SERVICE = {"service_time": True}  # durations that depend on the service: shorter with a simulator that runs faster
_AT_ONCE = 0.001  # seconds


def _check(name: str, value: object, *, least: float | None = None) -> None:
    """Checks a number: above 0, or at least `least`. Infinity is allowed."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number that is too large for a float
            number = float(value)
    if not (number > 0 if least is None else number >= least):
        shown = type(value).__name__ if math.isnan(number) else repr(value)
        raise InputError(
            f"{name} must be a number {'above 0' if least is None else f'of at least {least}'}, not {shown}"
        )


def _positive(_: object, part: "Attribute[Any]", value: object) -> None:
    _check(part.name, value)


def _not_negative(_: object, part: "Attribute[Any]", value: object) -> None:
    _check(part.name, value, least=0)


def _admitting(_: object, part: "Attribute[Any]", budgets: object) -> None:
    if not isinstance(budgets, Mapping):
        raise InputError(f"{part.name} must be a mapping of names to numbers, not {type(budgets).__name__}")
    for name, budget in cast("Mapping[object, object]", budgets).items():
        _check(f"{part.name}: {name!r}", budget, least=1)


@frozen(kw_only=True)
class Settings:
    """The numbers behind a `Session`; all durations in seconds.

    Raises:
        InputError: a number is out of range; almost all must be positive.
    """

    quota_window: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """The published quotas are per minute."""
    budgets: Mapping[str, int] = field(factory=dict, validator=_admitting)
    """Calls per window by endpoint name, if they differ from the published quotas: because your app shares its quota,
    or because Autodesk raised it. Sessions of one client id in one event loop share a budget: the lowest of those that
    they name."""

    time_scale: float = field(default=1.0, validator=_positive)
    """Seconds of the service for each second here: more than 1 with a faster simulator. Set by `scaled`."""
    max_attempts: int = field(default=8, validator=_positive)
    """Attempts at one call. If one response in five is faulty, 3 calls in a million fail after 8 attempts."""
    backoff_base: float = field(default=0.5, validator=_positive, metadata=_SERVICE)
    """The first wait after a failure; it doubles each time."""
    backoff_max: float = field(default=30.0, validator=_positive, metadata=_SERVICE)
    """The longest backoff. `Retry-After` may ask for more."""
    retry_after_max: float = field(default=300.0, validator=_positive)
    """The longest `Retry-After` that is obeyed. A single call raises the error at once if the service asks for more;
    longer operations (polls, downloads, starts of a bulk run, workers, rate limiters) use their own backoff instead."""

    connect_timeout: float = field(default=15.0, validator=_positive)
    """The limit for opening a connection, TLS included."""
    read_timeout: float = field(default=60.0, validator=_positive)
    """The longest pause between two chunks of a download. There is no total limit: large files on slow connections are
    normal."""
    call_timeout: float = field(default=10.0, validator=_positive, metadata={**_SERVICE, "least": 0.5})
    """One API call from end to end, if it is small and may be repeated, such as a status; of a page of 200 items until
    its headers. After a call that took longer the next attempt at the same gets twice as long, up to `request_timeout`.
    """
    request_timeout: float = field(default=90.0, validator=_positive, metadata={**_SERVICE, "least": 5.0})
    """The same for pages of 200 items, and for calls that must not be repeated: an ACC start, where a lost response
    means a second job, and a token refresh, where it means a lost login."""
    response_limit: int = field(default=64 << 20, validator=_positive)
    """The maximum size of an API response in bytes, after decompression; a page of 200 items has less than 1 MB. Does
    not apply to downloads."""
    connections: int = field(default=100, validator=_positive)
    """The maximum number of connections for API calls, and the same again for downloads; fewer where the process may
    have few files open (`ulimit -n`)."""

    token_margin: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """A token is renewed this long before it expires, or at nine tenths of a short lifetime."""

    link_lifetime: float = field(default=120.0, validator=_positive, metadata=_SERVICE)
    """The documented lifetime of a signed URL of BIM 360, even if the URL itself states more."""
    link_margin: float = field(default=5.0, validator=_positive, metadata=_SERVICE)
    """A URL that expires sooner than this is renewed instead of opened: storage checks the expiry on arrival."""
    link_renewals: int = field(default=4, validator=_positive)
    """Consecutive renewed URLs that may be refused before a download fails."""
    max_download_attempts: int = field(default=8, validator=_positive)
    """Consecutive interruptions without a single new byte before a download fails."""

    poll_interval: float = field(default=2.0, validator=_positive, metadata=_SERVICE)
    """The interval between two status calls for one export; longer if many exports share the status quota."""
    poll_jitter: float = field(default=0.1, validator=_not_negative)
    """The random part of an interval, as a fraction of it, so that exports started together spread out."""
    not_found_grace: float = field(default=10.0, validator=_not_negative, metadata=_SERVICE)
    """For this long after the start, a 404 means that the job is not visible everywhere yet, and a finished job without
    a link means the same of its result: both are polled again."""
    ending_word_grace: float = field(default=60.0, validator=_positive, metadata=_SERVICE)
    """An undocumented status word that sounds final, such as `aborted`, ends a wait after this time or five polls."""
    export_timeout: float = field(default=600.0, validator=_positive, metadata=_SERVICE)
    """The default timeout of a wait; no server-side limit is documented for BIM 360."""
    acc_export_timeout: float = field(default=2100.0, validator=_positive, metadata=_SERVICE)
    """The same for ACC, which ends a job after 30 minutes; five more minutes for the response and the download."""

    max_concurrent_downloads: int = field(default=8, validator=_positive)
    """Concurrent downloads in a bulk run."""
    max_concurrent_starts: int = field(default=32, validator=_positive)
    """Concurrent start calls in a bulk run; the quota alone would allow 100 connections at once."""
    max_pending_exports: int = field(default=2000, validator=_positive)
    """Exports started and not yet delivered in a bulk run: 20 minutes of starts, after which slow downloads hold up
    further starts."""

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The defaults, scaled by `APS_SPEED`, the speed of a simulator, if it is set.

        With `APS_WAITING=off`, they are `without_waiting`.

        Raises:
            InputError: `APS_SPEED` is not a number greater than 0, or `APS_WAITING` is neither `on` nor `off`.
        """
        text = environ.get(SPEED_VARIABLE, "").strip()
        try:
            found = cls().scaled(float(text)) if text else cls()
        except (ValueError, ZeroDivisionError):
            raise InputError(f"{SPEED_VARIABLE} must be a number greater than 0, not {text!r}") from None
        waiting = environ.get(WAITING_VARIABLE, "").strip().lower() or "on"
        if waiting not in ("on", "off"):
            raise InputError(f"{WAITING_VARIABLE} must be 'on' or 'off', not {waiting!r}")
        return found if waiting == "on" else found.without_waiting()

    def concurrent_downloads(self, wanted: object) -> int:
        """Checks a number of concurrent downloads; None: `max_concurrent_downloads`.

        Raises:
            InputError: it is not a whole number above 0.
        """
        if wanted is None:
            return self.max_concurrent_downloads
        if not isinstance(wanted, int) or wanted < 1:
            raise InputError(f"max_concurrent_downloads must be at least 1, not {wanted!r}")
        return wanted

    def without_waiting(self) -> Self:
        """The same for tests that should not wait: polls and retries follow at once, and the client counts no quota.

        Time limits stay, and `Retry-After` is obeyed. The service must not count its quotas either; the pytest plugin
        turns off both.
        """
        return evolve(
            self,
            poll_interval=_AT_ONCE,
            poll_jitter=0.0,
            backoff_base=_AT_ONCE,
            backoff_max=_AT_ONCE,
            quota_window=_AT_ONCE,
        )

    def scaled(self, speed: float) -> Self:
        """The same for a simulator that runs `speed` times as fast: what the service's clock sets is divided by it.

        The time limits of calls stay at 0.5 and 5 s or more, since this machine does not become faster.

        Raises:
            ValueError: `speed` is not positive.
        """
        if not speed > 0:
            raise ValueError(f"speed must be positive, not {speed}")
        changes = {
            part.name: max(
                getattr(self, part.name) / speed, min(part.metadata.get("least", 0.0), getattr(self, part.name))
            )
            for part in fields(Settings)
            if part.metadata.get("service_time")
        }
        return evolve(self, time_scale=self.time_scale * speed, **changes)
