"""The content of a hub: projects, folders, documents and sheets."""

from datetime import datetime

from attrs import frozen

from aps_async.models.exports import ExportKind, ExportOptions, ExportRequest, SheetIdentity
from aps_async.reprs import short_repr

__all__ = [
    "Collection",
    "Folder",
    "Hub",
    "Hubs",
    "Item",
    "LeftOut",
    "Project",
    "ServiceWarning",
    "Sheet",
    "Version",
]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class ServiceWarning:
    """A part of the response that the service could not provide, for example the hubs of one region."""

    title: str
    status: str
    """The HTTP status the service itself met, such as "403"."""
    detail: str = ""

    __repr__ = short_repr


@frozen(kw_only=True)
class Hub:
    """An account, which may have both BIM 360 and ACC projects."""

    id: str
    """With its `b.` prefix."""
    name: str
    region: str
    """`US`, `EMEA`, `AUS` ...; other words are kept."""
    extension_type: str

    __repr__ = short_repr


@frozen
class Hubs:
    """The hubs that the service returned, and warnings about those that it could not."""

    hubs: tuple[Hub, ...]
    warnings: tuple[ServiceWarning, ...] = ()

    __repr__ = short_repr


@frozen(kw_only=True)
class Project:
    """A project of a hub."""

    id: str
    """With its `b.` prefix, as Data Management requires."""
    name: str
    hub_id: str
    project_type: str
    """`BIM360` or `ACC`; other words are kept."""
    root_folder_id: str | None = None
    cost_container_id: str | None = None

    __repr__ = short_repr

    @property
    def is_bim360(self) -> bool:
        """Whether BIM 360 exports are available."""
        return self.project_type.upper() == "BIM360"

    @property
    def is_acc(self) -> bool:
        """Whether exports of ACC Sheets and ACC Files are available."""
        return self.project_type.upper() == "ACC"


@frozen(kw_only=True)
class Folder:
    """A folder."""

    id: str
    name: str
    hidden: bool = False
    actions: tuple[str, ...] = ()
    visible_types: tuple[str, ...] = ()
    folder_type: str | None = None
    parent_id: str | None = None
    path: str = ""
    """The names from the top folder down, joined with `/`, as far as they are known."""

    __repr__ = short_repr

    @property
    def is_plans(self) -> bool:
        """Whether uploads here are split into sheets, by which the Plans folder is recognized, whatever its name."""
        return "SPLIT" in self.actions


@frozen(kw_only=True)
class Item:
    """A document with all its versions (a lineage)."""

    id: str
    name: str
    type: str
    """Such as `items:autodesk.bim360:Document` (a sheet) or `items:autodesk.bim360:File` (an upload)."""
    hidden: bool = False
    source_file_name: str | None = None
    tip_version_urn: str | None = None
    folder_id: str | None = None
    modified_at: datetime | None = None

    __repr__ = short_repr


@frozen(kw_only=True)
class Version:
    """One version of an item."""

    urn: str
    name: str
    type: str
    """Such as `versions:autodesk.bim360:Document` or `versions:autodesk.bim360:File`."""
    number: int | None = None
    item_id: str | None = None
    source_file_name: str | None = None
    process_state: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    storage_urn: str | None = None
    """The object with the bytes; None for sheets, which only have bytes once they are exported."""
    size: int | None = None
    """Bytes; None if the service does not report it."""

    __repr__ = short_repr


@frozen(kw_only=True)
class LeftOut:
    """What was left out of a list: a sheet that cannot be exported now, or a folder that cannot be listed."""

    id: str
    """The item's or the folder's URN."""
    name: str
    folder_path: str
    reason: str
    """Such as `is still being processed (PROCESSING_COPY)`."""
    version: int | None = None
    version_urn: str | None = None
    """The version that cannot be exported; None for a folder."""

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, which is left out with everything in it."""
        return self.version_urn is None

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.folder_path}/{self.name} {self.reason}".lstrip("/")


@frozen(kw_only=True)
class Collection:
    """A group of sheets and version sets in an ACC project; sheets in none are called ungrouped."""

    id: str
    """A UUID."""
    name: str = ""

    __repr__ = short_repr


@frozen(kw_only=True)
class Sheet:
    """One exportable sheet, of a BIM 360 or an ACC project."""

    kind: ExportKind = ExportKind.BIM360
    project_id: str
    """Without the `b.` prefix."""
    id: str
    """BIM 360: the version URN. ACC: the sheet's UUID."""
    number: str
    """The sheet's number from its title block, such as `A-101`; its name if the service has no number."""
    title: str
    folder_path: str
    """BIM 360: the path from the Plans folder down, such as `Plans/Architecture`. ACC: the version set's name."""
    item_id: str | None = None
    """BIM 360: the item that this is a version of."""
    version: int | None = None
    source_file_name: str | None = None
    """The uploaded file that it was split from."""
    collection: Collection | None = None
    """ACC: the collection that it is in; None if it is ungrouped."""
    changed_at: datetime | None = None
    """BIM 360: when this version was created. ACC: when the sheet was last updated."""
    modified_at: datetime | None = None
    """BIM 360: when the item or this version was last modified; None if the service does not report it."""
    revision: int | None = None
    """BIM 360: the number of the revision as Docs counts it. ACC has none."""
    version_set_id: str | None = None
    """ACC: the version set that it was issued in."""
    issuance_date: str | None = None
    """ACC: the date of that version set, as the service writes it."""
    tags: tuple[str, ...] = ()
    """ACC: its tags."""
    distinction: str | None = None
    """ACC: its title (or id), if a sheet listed before it has the same number in the same collection."""

    __repr__ = short_repr

    @property
    def name(self) -> str:
        """Number and title in one line."""
        if self.number and self.title and self.title != self.number:
            return f"{self.number} - {self.title}"
        return self.number or self.title

    @property
    def version_urn(self) -> str:
        """BIM 360: the version to export."""
        return self.id

    def to_request(
        self,
        options: ExportOptions | None = None,
        *,
        markups: bool = False,
        hyperlinks: bool = False,
        user_id: str | None = None,
    ) -> ExportRequest:
        """Makes a request for this sheet alone, under its own name; use `options` for more than the two."""
        return ExportRequest(
            kind=self.kind,
            project_id=self.project_id,
            source_ids=(self.id,),
            options=options or ExportOptions(markups=markups, hyperlinks=hyperlinks),
            user_id=user_id,
            name=self.name,
            identity=self.identity,
        )

    @property
    def identity(self) -> SheetIdentity | None:
        """ACC: identifies the sheet through its revisions."""
        if self.kind is not ExportKind.SHEETS:
            return None
        return SheetIdentity(
            number=self.number,
            collection_id=self.collection.id if self.collection else None,
            distinction=self.distinction,
        )
