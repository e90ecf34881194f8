"""JSON:API documents of Data Management, and `pages`, which follows a paged list to its end.

https://aps.autodesk.com/en/docs/data/v2/developers_guide/pagination/
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from attrs import evolve, field, frozen

from aps_async.errors import DecodeError
from aps_async.narrowing import as_object
from aps_async.session import Session
from aps_async.transport.addresses import path_of
from aps_async.transport.converter import ESSENTIAL, lenient
from aps_async.transport.quotas import Endpoint
from aps_async.transport.request import Query

__all__ = [
    "PAGES",
    "STALLED_PAGES",
    "Attributes",
    "Document",
    "Extension",
    "HasId",
    "NewItems",
    "Page",
    "Resource",
    "pages",
]
__dir__: object = __all__.copy


@lenient
@frozen
class Extension:
    """Autodesk's extension of a resource."""

    type: str = ""
    data: dict[str, Any] = field(factory=dict[str, Any])


@lenient
@frozen
class Attributes:
    """The attributes that a client needs, of any Data Management resource."""

    name: str | None = None
    display_name: str | None = None
    region: str | None = None
    hidden: bool | None = None
    version_number: int | None = None
    storage_size: int | None = None
    create_time: datetime | None = None
    last_modified_time: datetime | None = None
    extension: Extension = field(factory=Extension)


@lenient
@frozen
class Resource:
    """One JSON:API resource."""

    type: str
    id: str
    attributes: Attributes = field(factory=Attributes)
    relationships: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def data(self) -> dict[str, Any]:
        """The extension's data."""
        return self.attributes.extension.data

    def related(self, name: str) -> str | None:
        """The id of a relationship to one resource."""
        found = as_object(as_object(self.relationships.get(name)).get("data")).get("id")
        return found if isinstance(found, str) else None

    def text(self, name: str) -> str | None:
        """A text of the extension's data, or None."""
        found = self.data.get(name)
        return found if isinstance(found, str) and found else None


@frozen
class Document:
    """A JSON:API document with one resource."""

    data: Resource


@lenient
@frozen
class Page:
    """A JSON:API document with many."""

    data: tuple[Resource, ...]
    included: tuple[Resource, ...] = ()
    links: dict[str, Any] = field(factory=dict[str, Any], metadata=ESSENTIAL)
    meta: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def next(self) -> str | None:
        """The next page's address, as the service wrote it: relative, absolute, encoded or not.

        Raises:
            ValueError: there is one that cannot be read.
        """
        link = self.links.get("next")
        href = as_object(link).get("href", link)
        if href and not isinstance(href, str):
            raise ValueError(f"it is neither a text nor an object with a text: {href!r:.100}")
        return href or None


STALLED_PAGES = 100
"""Pages in a row without a new item; folders whose items are all hidden have pages without any."""
PAGES = 10_000
"""Pages of one list: two million items."""


class HasId(Protocol):
    """An item of a list."""

    @property
    def id(self) -> str:
        """Its id, unique in the list."""
        ...


T = TypeVar("T", bound=HasId)


class NewItems:
    """The items of a list that earlier pages did not have, so that a list that never ends is noticed.

    A page may begin with the last items of the one before, if items were added to the list meanwhile.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._ids: set[str] = set()
        self._pages = self._stalled = 0

    def of_page(self, items: Iterable[T]) -> list[T]:
        """The items of one page that are new.

        Raises:
            DecodeError: there were `STALLED_PAGES` in a row without any, or `PAGES` altogether.
        """
        found = list({each.id: each for each in items if each.id not in self._ids}.values())
        self._ids.update(each.id for each in found)
        self._pages += 1
        self._stalled = 0 if found else self._stalled + 1
        if self._stalled >= STALLED_PAGES:
            raise DecodeError(f"GET {self._path}: the list does not end: {self._stalled} pages brought nothing new")
        if self._pages >= PAGES:
            raise DecodeError(f"GET {self._path}: the list does not end: it has more than {PAGES:,} pages")
        return found


async def pages(
    session: Session, endpoint: Endpoint, path: str, *, query: Query | None = None, user_id: str | None = None
) -> AsyncIterator[Page]:
    """Follows `next` links to the end, through empty pages too: the service pages before it filters.

    Raises:
        DecodeError: the list does not end; see `NewItems`.
    """
    seen: set[str] = set()
    new = NewItems(path)
    at: str | None = path
    while at is not None:
        if at in seen:
            raise DecodeError(f"GET {path}: the next links go round in a circle")
        seen.add(at)
        page = await session.request(endpoint, "GET", at, into=Page, query=query, user_id=user_id)
        yield evolve(page, data=tuple(new.of_page(page.data)))
        try:
            link = page.next
            at, query = (path_of(link) if link else None), None
        except ValueError as problem:
            raise DecodeError(f"GET {path}: the link to the next page cannot be followed: {problem}") from None
