"""The pages of ACC Sheets' lists: collections, version sets and sheets, as the service returns them."""

from datetime import datetime

from attrs import frozen

from aps_async.ids import bare_id
from aps_async.models import Collection, ExportKind, Sheet
from aps_async.resources.offsets import Pagination
from aps_async.transport.converter import lenient

__all__ = ["CollectionPage", "FoundSheet", "SetPage", "SheetPage", "VersionSet", "sheet_of"]
__dir__: object = __all__.copy


@lenient
@frozen
class VersionSet:
    """An issue of sheets, by the date they were issued."""

    id: str
    name: str = ""
    issuance_date: str | None = None
    collection: Collection | None = None
    """None: ungrouped, or the service does not say."""


@lenient
@frozen
class FoundSheet:
    """A sheet as the service lists it."""

    id: str
    number: str | None = None
    title: str | None = None
    version_set: VersionSet | None = None
    upload_file_name: str | None = None
    is_current: bool | None = None
    deleted: bool | None = None
    collection: Collection | None = None
    updated_at: datetime | None = None
    tags: tuple[str, ...] | None = None


@lenient
@frozen
class SheetPage:
    """A page of the list of sheets."""

    results: tuple[FoundSheet, ...]
    pagination: Pagination | None = None


@lenient
@frozen
class SetPage:
    """A page of the list of version sets."""

    results: tuple[VersionSet, ...]
    pagination: Pagination | None = None


@lenient
@frozen
class CollectionPage:
    """A page of the list of collections."""

    results: tuple[Collection, ...]
    pagination: Pagination | None = None


def sheet_of(project_id: str, found: FoundSheet) -> Sheet:
    """Converts a listed sheet."""
    return Sheet(
        kind=ExportKind.SHEETS,
        project_id=bare_id(project_id),
        id=found.id,
        number=found.number or found.title or found.id,
        title=found.title or "",
        folder_path=found.version_set.name if found.version_set else "",
        source_file_name=found.upload_file_name,
        collection=found.collection,
        changed_at=found.updated_at,
        version_set_id=found.version_set.id if found.version_set else None,
        issuance_date=found.version_set.issuance_date if found.version_set else None,
        tags=found.tags or (),
    )
