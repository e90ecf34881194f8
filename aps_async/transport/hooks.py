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
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define
from yarl import URL

from aps_async.lazy import importer

if TYPE_CHECKING:
    from aps_async.transport.events import (
        Attempt,
        BytesReceived,
        Event,
        ExportBegan,
        ExportEnded,
        ExportHandedOver,
        Polled,
        RateLimited,
        Waited,
        WaitReason,
    )

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
]
__dir__: object = __all__.copy

_HOMES = {
    "aps_async.transport.events": (
        "Attempt BytesReceived Event ExportBegan ExportEnded ExportHandedOver Polled RateLimited Waited WaitReason"
    ),
}
if not TYPE_CHECKING:  # which would accept any name
    __getattr__ = importer(__name__, _HOMES)

_log = logging.getLogger(__name__)


@define
class AttemptResult:
    """What an attempt brought, filled in by the block of `attempted`."""

    status: int | None = None
    size: int = 0


Hook = Callable[["Event"], object]


def emit(hooks: Iterable[Hook], event: "Event") -> None:
    """Calls every hook. Callers check first whether there are hooks, so that without any no event is made."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - a hook that fails must not end an export
            _log.exception("a hook failed with %s", type(event).__name__)


@contextmanager
def attempted(hooks: tuple[Hook, ...], endpoint: str, method: str, url: URL) -> Generator[AttemptResult, None, None]:
    """Emits `Attempt` for the block, which fills in the result."""
    result = AttemptResult()
    if not hooks:
        yield result
        return
    from aps_async.transport.events import Attempt

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
