"""`listed`: reads lists by offset, for ACC Sheets and Cost Management, until the service shows that they end."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from aps_async.models import ItemWarning
from aps_async.resources.jsonapi import HasId, NewItems
from aps_async.session import Session
from aps_async.threads import stopped
from aps_async.transport.converter import lenient

__all__ = ["PAGE", "OffsetPage", "Pagination", "Read", "listed"]
__dir__: object = __all__.copy

PAGE = 100
"""The most that these services return at once."""
_READINGS = 3
"""Of a list that changes while it is read."""

Item = TypeVar("Item", bound=HasId)
Shown = TypeVar("Shown", bound=HasId, covariant=True)


@lenient
@frozen
class Pagination:
    """`pagination`."""

    total_results: int | None = None
    next_url: str | None = None
    """Empty at the end."""


class OffsetPage(Protocol[Shown]):
    """One page."""

    @property
    def results(self) -> tuple[Shown, ...]:
        """What could be read of it."""
        ...

    @property
    def pagination(self) -> Pagination | None:
        """Its position in the list."""
        ...


Read = Callable[[int], Awaitable[OffsetPage[Item]]]
"""Reads the page at an offset. Not by `nextUrl`: an offset cannot lead to another host."""


@frozen
class _Reading:
    """One way through the list. What is removed meanwhile moves others to pages that have been read."""

    read: Read[Any]
    path: str
    ahead: int
    totals: list[int] = field(factory=list[int])
    ids: set[str] = field(factory=set[str])

    async def items(self) -> AsyncGenerator[Any, None]:
        offset, new, ahead = 0, NewItems(self.path), deque[asyncio.Future[OffsetPage[Any]]]()
        try:
            while True:
                page = await (ahead.popleft() if ahead else self.read(offset))
                for found in new.of_page(page.results):
                    self.ids.add(found.id)
                    yield found
                offset += len(page.results) or PAGE  # past a page of which nothing can be read
                if page.pagination and page.pagination.total_results is not None:
                    self.totals.append(page.pagination.total_results)
                if _is_last(page, offset):
                    return
                if len(page.results) < PAGE:  # the next page begins elsewhere
                    await stopped(ahead)
                    ahead.clear()
                    continue
                while len(ahead) < self.ahead and (at := offset + len(ahead) * PAGE) < max(self.totals, default=0):
                    ahead.append(asyncio.ensure_future(self.read(at)))
        finally:
            await stopped(ahead)


async def listed(session: Session, path: str, read: Read[Item], *, ahead: int = 0) -> AsyncGenerator[Item, None]:
    """The items of a list, each once; read again if its length changes meanwhile.

    What the service counts and does not show is a warning of the session.

    Args:
        session: the session.
        path: the list's path, for messages.
        read: reads the page at an offset.
        ahead: pages that are read before they are taken.

    Raises:
        DecodeError: the list does not end.
        APSError: as `read`.
    """
    seen: set[str] = set()
    total = 0
    for _ in range(_READINGS):
        reading = _Reading(read, path, ahead)
        async with aclosing(reading.items()) as items:
            async for found in items:
                if found.id not in seen:
                    seen.add(found.id)
                    yield found
        total = max(reading.totals, default=0)
        if len(set(reading.totals)) < 2:
            break
    call = f"GET {path}"
    unreadable = sum(each.left_out and each.call == call for each in session.warnings)
    if total > len(seen) + unreadable:
        reason = f"the service counts {total:,} items, and listed {len(seen):,}"
        session.warn(ItemWarning(call=call, id="part of the list", reason=reason, left_out=True))


def _is_last(page: OffsetPage[Any], offset: int) -> bool:
    """Whether nothing follows; a total that is too small or missing does not end a list that continues.

    Args:
        page: the page.
        offset: where the next one would begin.
    """
    total = page.pagination.total_results if page.pagination else None
    more = page.pagination.next_url if page.pagination else None
    if total is not None and offset < total:
        return False
    if not page.results:
        return total is not None or not more
    return not more and (more is not None or (total is not None and len(page.results) < PAGE))
