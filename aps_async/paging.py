"""Lists that come in pages.

https://aps.autodesk.com/en/docs/data/v2/developers_guide/pagination/
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from attrs import field, frozen

from aps_async.addresses import path_of
from aps_async.calls import Query
from aps_async.errors import DecodeError
from aps_async.quotas import Endpoint
from aps_async.session import Session


@frozen
class Identifier:
    """A JSON:API resource, by type and id."""

    type: str
    id: str


@frozen
class Extension:
    """What Autodesk adds to a resource."""

    type: str = ""
    data: dict[str, Any] = field(factory=dict)


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
    extension: Extension = field(factory=Extension)


@frozen
class Relation:
    """Where a relationship leads, when it leads to one thing."""

    data: Any = None

    @property
    def id(self) -> str | None:
        """The id at the other end."""
        found = self.data.get("id") if isinstance(self.data, dict) else None
        return found if isinstance(found, str) else None


@frozen
class Resource:
    """One JSON:API resource."""

    type: str
    id: str
    attributes: Attributes = field(factory=Attributes)
    relationships: dict[str, Relation] = field(factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The extension's data."""
        return self.attributes.extension.data

    def related(self, name: str) -> str | None:
        """The id that a relationship leads to."""
        relation = self.relationships.get(name)
        return relation.id if relation else None

    def text(self, name: str) -> str | None:
        """A text of the extension's data, or None."""
        found = self.data.get(name)
        return found if isinstance(found, str) and found else None


@frozen
class Document:
    """A JSON:API document with one resource."""

    data: Resource


@frozen
class Page:
    """A JSON:API document with many."""

    data: tuple[Resource, ...] = ()
    included: tuple[Resource, ...] = ()
    links: dict[str, Any] = field(factory=dict)
    meta: dict[str, Any] = field(factory=dict)

    @property
    def next(self) -> str | None:
        """The next page's address, as the service wrote it: relative, absolute, encoded or not."""
        link = self.links.get("next")
        href = link.get("href") if isinstance(link, dict) else link
        return href if isinstance(href, str) and href else None


async def pages(
    session: Session, endpoint: Endpoint, path: str, *, query: Query | None = None, user_id: str | None = None
) -> AsyncIterator[Page]:
    """Follows `next` links to the end, through empty pages too: the service pages before it filters."""
    seen: set[str] = set()
    at: str | None = path
    while at is not None:
        if at in seen:
            raise DecodeError(f"GET {path}: the next links go round in a circle")
        seen.add(at)
        page = await session.request(endpoint, "GET", at, into=Page, query=query, user_id=user_id)
        yield page
        try:
            at, query = (path_of(page.next) if page.next else None), None
        except ValueError as problem:
            raise DecodeError(f"GET {path}: the link to the next page cannot be followed: {problem}") from None
