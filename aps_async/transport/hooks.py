"""Hooks: called with events of a session, for logs, metrics and traces. No event contains a token or a signed URL.

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
_HOOKS = 100
_failures: dict[int, tuple["Hook", int]] = {}
"""How often each hook has failed, by its id. The hook is kept too, so that its id is not reused."""


@define
class AttemptResult:
    """The result of an attempt, filled in by the block of `attempted`."""

    status: int | None = None
    size: int = 0


Hook = Callable[["Event"], object]


def emit(hooks: Iterable[Hook], event: "Event") -> None:
    """Calls every hook. Callers check for hooks first, so that no event is created without any."""
    for hook in hooks:
        try:
            hook(event)
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - a hook that fails must not end an export
            _report(hook, event, problem)


def _report(hook: Hook, event: "Event", problem: BaseException) -> None:
    """Logs failure 1, 10, 100 ... of a hook, since one that always fails would fill the log."""
    if len(_failures) > _HOOKS:
        _failures.clear()
    number = _failures.get(id(hook), (hook, 0))[1] + 1
    _failures[id(hook)] = hook, number
    if number == 1:
        _log.error("a hook failed with %s", type(event).__name__, exc_info=problem)
    elif str(number).rstrip("0") == "1":
        _log.error("a hook has failed %d times, now with %s: %r", number, type(event).__name__, problem)


@contextmanager
def attempted(hooks: tuple[Hook, ...], endpoint: str, method: str, url: URL) -> Generator[AttemptResult, None, None]:
    """Emits `Attempt` for the block, which fills in the result."""
    result = AttemptResult()
    if not hooks:
        yield result
        return
    from aps_async.transport.events import Attempt

    shown = f"{url.origin()}{url.raw_path}"
    del url  # it may be a signed link
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
                url=shown,
                seconds=seconds,
                status=result.status,
                error=error,
                size=result.size,
            ),
        )
