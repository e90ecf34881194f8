"""Hooks: what a session does, as values for logs, metrics and traces. None of them holds a token or a signed URL.

    def print_event(event: Event) -> None:
        print(event)

    async with Session(TwoLegged.from_env(), hooks=[print_event]) as session:
        ...

A hook is called in the event loop, in the task that does the work, so it must return soon. What it raises is logged.
`aps_async.integrations.opentelemetry` is one. Every event has the `export_number` of the export that it is part of.
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from itertools import count
from typing import Literal

from attrs import define, field, frozen
from yarl import URL

from aps_async.models import ExportRef, ExportStatus

__all__ = [
    "Attempt",
    "AttemptResult",
    "BytesReceived",
    "Event",
    "ExportBegan",
    "ExportEnded",
    "ExportHandedOver",
    "Hook",
    "Polled",
    "RateLimited",
    "WaitReason",
    "Waited",
    "attempted",
    "emit",
    "next_number",
    "working_on",
]
__dir__: object = __all__.copy

WaitReason = Literal["quota", "retry", "poll", "download"]

_log = logging.getLogger(__name__)
_numbers = count(1)
_number: ContextVar[int | None] = ContextVar("aps_async_export_number", default=None)
_NO_CHANGE: AbstractContextManager[None] = nullcontext()


@frozen(kw_only=True)
class _PartOfExport:
    export_number: int | None = field(factory=_number.get, eq=False)
    """The number that its `ExportBegan` has in this process; None if it is part of no export."""


@frozen(kw_only=True)
class Attempt(_PartOfExport):
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
class Waited(_PartOfExport):
    """A wait: for the quota or until the next poll (once it is over), or before a retry or the rest of a download (when
    it begins). In a worker, the time until the next poll is spent in the queue and is not reported."""

    reason: WaitReason
    seconds: float
    what: str
    """The endpoint, the call or the export."""


@frozen(kw_only=True)
class RateLimited(_PartOfExport):
    """A response with status 429."""

    endpoint: str
    retry_after: float | None
    """Seconds, if the service named a time."""


@frozen(kw_only=True)
class Polled(_PartOfExport):
    """One answer about an export."""

    ref: ExportRef
    status: ExportStatus
    raw_status: str


@frozen(kw_only=True)
class BytesReceived(_PartOfExport):
    """A piece of a download; what has to be sent again is counted again."""

    size: int


@frozen(kw_only=True)
class ExportBegan(_PartOfExport):
    """An export begins: of `wait_for_export`, `export_stream`, a bulk run or a worker. One of the next two follows."""

    ref: ExportRef | None
    """None for an export that has to be started first."""
    kind: str


@frozen(kw_only=True)
class ExportEnded(_PartOfExport):
    """An export is delivered, or has failed for good, or whatever waited for it was cancelled."""

    ref: ExportRef | None
    """None for an export that could not be started."""
    kind: str
    seconds: float
    size: int | None = None
    """Bytes delivered."""
    error: str | None = None
    """The type of the error; None if it is delivered."""


@frozen(kw_only=True)
class ExportHandedOver(_PartOfExport):
    """A worker leaves an export to others, which go on with it."""

    ref: ExportRef | None
    kind: str


@define
class AttemptResult:
    """What an attempt brought, filled in by the block of `attempted`."""

    status: int | None = None
    size: int = 0


Event = Attempt | Waited | RateLimited | Polled | BytesReceived | ExportBegan | ExportEnded | ExportHandedOver
Hook = Callable[[Event], object]


def emit(hooks: Iterable[Hook], event: Event) -> None:
    """Calls every hook. Callers check first whether there are hooks, so that without any no event is made."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - a hook that fails must not end an export
            _log.exception("a hook failed with %s", type(event).__name__)


def next_number() -> int:
    """A number for an export that begins."""
    return next(_numbers)


def working_on(number: int | None) -> AbstractContextManager[None]:
    """Events in the block and in tasks that it creates belong to this export; None, without hooks, changes nothing."""
    return _NO_CHANGE if number is None else _marked(number)


@contextmanager
def _marked(number: int) -> Generator[None, None, None]:
    before = _number.set(number)
    try:
        yield
    finally:
        _number.reset(before)


@contextmanager
def attempted(hooks: tuple[Hook, ...], endpoint: str, method: str, url: URL) -> Generator[AttemptResult, None, None]:
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
