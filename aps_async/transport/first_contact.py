"""The contact with a service: until the first response, few retries, since the address may be wrong.

It also records whether calls fail at present, for progress displays.
"""

import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import aiohttp
from attrs import evolve, frozen

from aps_async.errors import ResponseError, TransportError
from aps_async.settings import Settings
from aps_async.transport import hooks
from aps_async.transport.hooks import Hook
from aps_async.transport.retry import is_transient, retrying, was_not_sent

__all__ = ["FirstContact", "Trouble"]
__dir__: object = __all__.copy

A = TypeVar("A")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_FIRST_CONNECT = 2.0  # seconds for each of the two attempts at the first connection of a command


@frozen(kw_only=True)
class Trouble:
    """Calls fail and are being retried: the service is down, or the network."""

    error: Exception
    """The error of the latest attempt."""
    since: datetime
    next_attempt: datetime | None = None
    """When the call is repeated; None if that is not known yet."""


class FirstContact:
    """Knows whether any response has arrived, and what may be retried until then.

    Args:
        patient: see `Session`; retry as if a response had arrived already.
        on_unreachable: see `Session`.
        hooks: see `Session`.
    """

    def __init__(
        self,
        *,
        patient: bool,
        on_unreachable: Callable[[TransportError], object] | None,
        hooks: tuple[Hook, ...] = (),
    ) -> None:
        self._hooks = hooks
        self._reached = patient
        self._on_unreachable = on_unreachable
        self._failures = 0
        self.trouble: Trouble | None = None
        """Set while calls fail and are retried, until one succeeds; None: the service responds."""
        self._listeners: list[Callable[[], object]] = []

    def made(self, status: int) -> None:
        """A response has arrived."""
        self._reached = True
        if self.trouble is not None and status < 500:
            self._change(None)

    def failed(self, problem: Exception) -> None:
        """An attempt has failed."""
        if is_transient(problem) and not (isinstance(problem, ResponseError) and problem.status < 500):
            self._change(Trouble(error=problem, since=self.trouble.since if self.trouble else datetime.now(UTC)))

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Calls the listener whenever `trouble` changes, until the returned function is called."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def _change(self, trouble: Trouble | None) -> None:
        self.trouble = trouble
        for listener in tuple(self._listeners):
            listener()

    def connect_limits(self, seconds: float) -> aiohttp.ClientTimeout:
        """The time limits for connecting; `seconds`: the usual limit."""
        if self._on_unreachable is not None and not self._reached:
            return aiohttp.ClientTimeout(total=None, connect=min(seconds, _FIRST_CONNECT))  # including the DNS lookup
        return aiohttp.ClientTimeout(total=None, sock_connect=seconds)

    def retried(
        self, target: Callable[[A], Coroutine[Any, Any, T]], settings: Settings
    ) -> dict[bool, Callable[[A], Coroutine[Any, Any, T]]]:
        """The coroutine function with retries: for calls that may be repeated (True), and for those that must not."""
        again = {True: is_transient, False: was_not_sent}
        return {
            key: retrying(target, settings, partial(self._may_repeat, may), self._note_retry)
            for key, may in again.items()
        }

    def _may_repeat(self, may: Callable[[BaseException], bool], problem: BaseException) -> bool:
        """Whether `may` allows a retry; for a first connection that cannot be made, only once."""
        obstacle = self._obstacle(problem)
        if obstacle in ("certificate", "tls", "host", "proxy") or (obstacle and self._on_unreachable is not None):
            self._failures += 1
            return may(problem) and self._failures == 1
        return may(problem)

    def _note_retry(self, details: Mapping[str, Any]) -> None:
        problem = details.get("exception")
        if self._on_unreachable is not None and isinstance(problem, TransportError) and self._obstacle(problem):
            self._on_unreachable(problem)
        if self.trouble is not None and self.trouble.error is problem:
            self._change(evolve(self.trouble, next_attempt=datetime.now(UTC) + timedelta(seconds=details["wait"])))
        if self._hooks:
            hooks.emit(self._hooks, hooks.Waited(reason="retry", seconds=details["wait"], what=type(problem).__name__))
        _log.info("attempt %d failed, next in %.1f s: %s", details["tries"], details["wait"], problem)

    def _obstacle(self, problem: BaseException) -> str | None:
        return problem.obstacle if isinstance(problem, TransportError) and not self._reached else None
