"""Hooks: what a session does, as values for logs, metrics and traces. None of them holds a token or a signed URL.

    def print_event(event: Event) -> None:
        print(event)

    async with Session(TwoLegged.from_env(), hooks=[print_event]) as session:
        ...

A hook is called in the event loop, in the task that does the work, so it must return soon. What it raises is logged.
`aps_async.integrations.opentelemetry` is one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from attrs import define, frozen
from yarl import URL

from aps_async.models import ExportRef, ExportStatus

__all__ = [
    "Attempt",
    "AttemptResult",
    "BytesReceived",
    "Event",
    "ExportBegan",
    "ExportEnded",
    "Hook",
    "Polled",
    "RateLimited",
    "WaitReason",
    "Waited",
    "attempted",
    "emit",
]
__dir__: object = __all__.copy

WaitReason = Literal["quota", "retry", "poll", "download"]

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Attempt:
    """One HTTP request, from its sending to the whole response, or to the headers of a download."""

    endpoint: str
    """The endpoint's name in the table of quotas; `storage` for a signed link."""
    method: str
    url: str
    """Without its query."""
    seconds: float
    status: int | None = None
    """None if no complete response came."""
    error: str | None = None
    """The type of the error, if no complete response came."""
    size: int = 0
    """Bytes of the body, decompressed; 0 for downloads, whose bytes are `BytesReceived`."""


@frozen(kw_only=True)
class Waited:
    """A wait: for the quota or until the next poll (once it is over), or before a retry or the rest of a download (when
    it begins)."""

    reason: WaitReason
    seconds: float
    what: str
    """The endpoint, the call or the export."""


@frozen(kw_only=True)
class RateLimited:
    """A response with status 429."""

    endpoint: str
    retry_after: float | None
    """Seconds, if the service named a time."""


@frozen(kw_only=True)
class Polled:
    """One answer about an export."""

    ref: ExportRef
    status: ExportStatus
    raw_status: str


@frozen(kw_only=True)
class BytesReceived:
    """A piece of a download; what has to be sent again is counted again."""

    size: int


@frozen(kw_only=True)
class ExportBegan:
    """`wait_for_export` begins. `ExportEnded` follows in the same task."""

    ref: ExportRef


@frozen(kw_only=True)
class ExportEnded:
    """An export is delivered, or has failed for good: of `wait_for_export`, `export_stream`, a bulk run or a worker."""

    ref: ExportRef | None
    """None for an export that could not be started."""
    kind: str
    seconds: float
    size: int | None = None
    """Bytes delivered."""
    error: str | None = None
    """The type of the error; None if it is delivered."""


@define
class AttemptResult:
    """What an attempt brought, filled in by the block of `attempted`."""

    status: int | None = None
    size: int = 0


Event = Attempt | Waited | RateLimited | Polled | BytesReceived | ExportBegan | ExportEnded
Hook = Callable[[Event], object]


def emit(hooks: Iterable[Hook], event: Event) -> None:
    """Calls every hook. Callers check first whether there are hooks, so that without any no event is made."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - a hook that fails must not end an export
            _log.exception("a hook failed with %s", type(event).__name__)


@contextmanager
def attempted(hooks: tuple[Hook, ...], endpoint: str, method: str, url: URL) -> Iterator[AttemptResult]:
    """Emits `Attempt` for the block, which fills in the result."""
    result = AttemptResult()
    if not hooks:
        yield result
        return
    loop = asyncio.get_running_loop()
    began, error = loop.time(), None
    try:
        yield result
    except BaseException as problem:
        error = type(problem).__name__
        raise
    finally:
        seconds = loop.time() - began
        emit(
            hooks,
            Attempt(
                endpoint=endpoint,
                method=method,
                url=f"{url.origin()}{url.raw_path}",
                seconds=seconds,
                status=result.status,
                error=error,
                size=result.size,
            ),
        )
