"""The values that everything else passes around: frozen, plain, and without any parsing."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from attrs import field, frozen

from aps_async.links import SignedUrl
from aps_async.reprs import short_repr

__all__ = [
    "Collection",
    "CostSource",
    "DeliveredExport",
    "Derivative",
    "Downloaded",
    "ExportJob",
    "ExportKind",
    "ExportOptions",
    "ExportOutcome",
    "ExportRef",
    "ExportRequest",
    "ExportStatus",
    "FailedExport",
    "FailedFile",
    "FinishedExport",
    "Folder",
    "Hub",
    "Hubs",
    "Item",
    "ItemWarning",
    "LeftOut",
    "Progress",
    "Project",
    "Received",
    "ServiceWarning",
    "Sheet",
    "SheetIdentity",
    "StoredExport",
    "StoredOutcome",
    "Version",
]
__dir__: object = __all__.copy


class ExportKind(StrEnum):
    """Which service makes the file."""

    BIM360 = "bim360"
    """One sheet of a BIM 360 Plans folder as a PDF of one page."""
    FILES = "acc-files"
    """Files of an ACC project: one PDF, or a ZIP of them."""
    SHEETS = "acc-sheets"
    """Sheets of an ACC project as one PDF."""
    COST = "cost"
    """A document that Cost Management made from a template, as .docx."""


class ExportStatus(StrEnum):
    """What a job's state means to a caller, whatever word the service uses for it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    """A result exists, but some of what was asked for is missing from it."""
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more."""
        return self is not ExportStatus.RUNNING


@frozen(kw_only=True)
class ExportOptions:
    """What goes onto the pages. All but the asset markups are always sent, since the services' defaults differ."""

    markups: bool = False
    """Published markups, drawn onto the page."""
    hyperlinks: bool = False
    """BIM 360: links to the web and to other documents. ACC: the links of markups, so it takes those too."""
    unpublished_markups: bool = False
    """ACC: markups that only their creator sees."""
    issue_markups: bool = False
    """ACC: published markups of issues."""
    unpublished_issue_markups: bool = False
    """ACC: unpublished markups of issues."""
    photo_markups: bool = False
    """ACC: published markups of photos."""
    unpublished_photo_markups: bool = False
    """ACC: unpublished markups of photos."""
    asset_markups: bool = False
    """ACC Sheets: published markups of assets. Sent only when one of the two is asked for, since the service knows them
    only since April 2026 and their form is not confirmed. ACC Files does not know them and refuses them here."""
    unpublished_asset_markups: bool = False
    """ACC Sheets: unpublished markups of assets."""
    output_name: str | None = None
    """ACC: the service's own name for the result, without extension, at most 255 characters."""

    __repr__ = short_repr


@frozen(kw_only=True)
class CostSource:
    """Where a Cost document comes from."""

    container_id: str
    """The project's id without `b.`; older BIM 360 projects had one of their own."""
    association_type: str
    """What the document belongs to: `Budget`, `Contract`, `CostItem` and so on."""
    template_id: str | None = None
    """The template, when we start the document ourselves."""
    region: str | None = None
    """`US`, `EMEA` and so on: saves the service a look-up."""

    __repr__ = short_repr


@frozen(kw_only=True)
class Collection:
    """A group of sheets and version sets in an ACC project; sheets in none are called ungrouped."""

    id: str
    """A UUID."""
    name: str = ""

    __repr__ = short_repr


@frozen(kw_only=True)
class SheetIdentity:
    """What stays the same when an ACC sheet is revised, although its UUID changes."""

    number: str
    collection_id: str | None = None
    """None: ungrouped. One number may occur in several collections, for different sheets."""
    distinction: str | None = None
    """What distinguishes it from another sheet with its number in its collection; None if there is no other."""

    __repr__ = short_repr


@frozen(kw_only=True)
class ExportRequest:
    """What is to be exported: enough to start the job, and to start it again when its result has gone."""

    kind: ExportKind
    project_id: str
    """Without the `b.` prefix."""
    source_ids: tuple[str, ...]
    """What the service is asked to export. BIM 360: one version URN, raw; ACC Files: up to 200 of them; ACC Sheets: up
    to 1,000 sheet ids; Cost: one association id."""
    options: ExportOptions = field(factory=ExportOptions)
    user_id: str | None = None
    """The `x-user-id` that the job runs as; every later call about it must use the same one."""
    name: str | None = None
    """A name for the file, without extension; any text, it is made safe before it is used."""
    subfolder: str | None = None
    """Where the file goes below the run's folder, with `/` between folders; each is made safe."""
    allow_partial: bool = True
    """Whether a result that lacks some of what was asked for is taken; False makes it an error."""
    cost: CostSource | None = None
    """For Cost documents."""
    identity: SheetIdentity | None = None
    """ACC Sheets, a single sheet: which one it is, whatever its revision; `Sheet.to_request` sets it. A ledger finds
    the file of an earlier revision by it, and without it by `name`. The ids of the other kinds say it themselves."""

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.kind} export of {self.name or ', '.join(self.source_ids[:1])}"


@frozen(kw_only=True)
class ExportRef:
    """A started job: plain data that can be stored, sent to a worker, and waited for there.

    `ref_to_json` and `ref_from_json` carry it to another process. It holds no token and no signed URL.
    """

    request: ExportRequest
    export_id: str

    __repr__ = short_repr

    @property
    def kind(self) -> ExportKind:
        """The service that runs the job."""
        return self.request.kind

    @property
    def project_id(self) -> str:
        """The project, without the `b.` prefix."""
        return self.request.project_id

    @property
    def user_id(self) -> str | None:
        """The acting user of a two-legged call, if one was named."""
        return self.request.user_id

    def __str__(self) -> str:
        return f"{self.kind} export {self.export_id} of project {self.project_id}"


@frozen(kw_only=True)
class FailedFile:
    """A file that a partial result lacks."""

    id: str
    """Its version URN."""
    reason: str | None = None
    detail: str | None = None

    __repr__ = short_repr


@frozen(kw_only=True)
class Derivative:
    """Where Model Derivative keeps a result: the older way to it."""

    urn: str
    """URL-safe base64, without padding."""
    derivative_urn: str
    """Raw."""

    __repr__ = short_repr


@frozen(kw_only=True)
class ExportJob:
    """What the service said of a job, once."""

    ref: ExportRef
    status: ExportStatus
    raw_status: str
    """The service's own word; an unknown one is kept here and counts as RUNNING."""
    link: SignedUrl | None = None
    """Where the result lies, once there is one."""
    reason: str | None = None
    """The service's own words on a failure, when it gives any. BIM 360 gives none."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what a PARTIAL result lacks."""
    derivative: Derivative | None = None
    """BIM 360: the older way to the result."""
    deprecated_link: str | None = None
    """BIM 360: the oldest way, which takes a token; nothing follows it but `download_link`."""
    version_urn: str | None = None
    """Cost: the document's version in Docs, from which it is downloaded."""

    __repr__ = short_repr


@frozen(kw_only=True)
class Progress:
    """How far a download is."""

    received: int
    """Bytes that stand in the part file."""
    total: int | None
    """Bytes that there will be; None while the server has not said."""


@frozen(kw_only=True)
class Received:
    """A verified download that was written to an open file."""

    size: int
    """Bytes."""
    etag: str | None = None
    """Storage's tag for exactly these bytes, when it gave one."""
    sha256: str | None = None
    """As hexadecimal digits, when it was asked for."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file although it is complete, such as a PDF without an end mark."""

    __repr__ = short_repr


@frozen(kw_only=True, repr=False)  # that of `Received` is meant
class Downloaded(Received):
    """A verified file under its final name."""

    path: Path


@frozen(kw_only=True)
class FinishedExport:
    """What is known of a finished export, whether it was delivered or failed."""

    request: ExportRequest
    ref: ExportRef | None = field(default=None, repr=False)
    """None if it was never started, or came as one of several sheets from one job; see `batch` of `export_many`."""
    seconds: float = 0.0
    """From the moment its turn to start came to the end."""
    polls: int = 0
    """Status calls that were answered."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what the result lacks; see `ExportRequest.allow_partial`."""


@frozen(kw_only=True)
class DeliveredExport(FinishedExport):
    """An export whose verified file is at `path`."""

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None
    path: Path
    """The verified file; of an archive that was unpacked, where it was."""
    size: int
    """Bytes."""
    unpacked: tuple[Path, ...] = ()
    """The files that an archive was unpacked to; and the archive itself, last, if not all of it could be unpacked."""
    reused: bool = False
    """The file is an earlier run's, found whole and unchanged: nothing was fetched."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file; see `Downloaded.warnings`. Not repeated when a later run reuses the file."""

    __repr__ = short_repr


@frozen(kw_only=True)
class StoredExport(FinishedExport):
    """An export that was delivered to a storage, such as `s3://`."""

    ok: ClassVar[Literal[True]] = True
    path: ClassVar[None] = None
    error: ClassVar[None] = None
    unpacked: ClassVar[tuple[Path, ...]] = ()
    size: int
    """Bytes."""
    locations: tuple[str, ...] = ()
    """Where its files are, such as `s3://plans/A-101.pdf`."""
    names: tuple[str, ...] = ()
    """Their names in the storage, with `/` between folders."""
    reused: bool = False
    """The files are an earlier run's, found whole and unchanged: nothing was fetched."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file; see `Downloaded.warnings`."""

    __repr__ = short_repr


@frozen(kw_only=True)
class FailedExport(FinishedExport):
    """An export that ended without a file."""

    ok: ClassVar[Literal[False]] = False
    path: ClassVar[None] = None
    size: ClassVar[Literal[0]] = 0
    unpacked: ClassVar[tuple[Path, ...]] = ()
    reused: ClassVar[Literal[False]] = False
    warnings: ClassVar[tuple[str, ...]] = ()
    error: Exception
    """Why there is no file."""

    __repr__ = short_repr


ExportOutcome: TypeAlias = DeliveredExport | FailedExport
"""What became of one request of a bulk run: `ok`, `path` and `error` are there in either case.

Runs into a storage have
`StoredOutcome`s instead. Type checkers narrow it by `outcome.ok is True` (mypy also by `if outcome.ok:`),
`outcome.error is None` and `isinstance`.
"""

StoredOutcome: TypeAlias = StoredExport | FailedExport
"""The same of a run into a storage."""


@frozen(kw_only=True)
class ServiceWarning:
    """A part of the answer that the service could not give, for example the hubs of one region."""

    title: str
    status: str
    """The HTTP status the service itself met, such as "403"."""
    detail: str = ""

    __repr__ = short_repr


@frozen(kw_only=True)
class ItemWarning:
    """An item of a list, or one of its values, that could not be read; everything else in the list could."""

    call: str
    """The call that returned it, such as `GET /data/v1/projects/…`."""
    id: str | None
    """The item's id, or what else it is known by; None when the call is about one item only."""
    reason: str
    left_out: bool
    """Whether the whole item is missing from the list; otherwise only the value that `reason` names."""

    __repr__ = short_repr

    def __str__(self) -> str:
        what = self.id or "the item"
        return f"{what} {'was left out' if self.left_out else 'lacks a value'}: {self.reason} ({self.call})"


@frozen(kw_only=True)
class Hub:
    """An account: BIM 360 and ACC projects lie side by side in one."""

    id: str
    """With its `b.` prefix."""
    name: str
    region: str
    """US, EMEA, AUS ...; an unknown one is kept."""
    extension_type: str

    __repr__ = short_repr


@frozen
class Hubs:
    """The hubs that answered, and the warnings about those that did not."""

    hubs: tuple[Hub, ...]
    warnings: tuple[ServiceWarning, ...] = ()

    __repr__ = short_repr


@frozen(kw_only=True)
class Project:
    """A project of a hub."""

    id: str
    """With its `b.` prefix, as Data Management wants it."""
    name: str
    hub_id: str
    project_type: str
    """`BIM360` or `ACC`; anything else is kept as the service says it."""
    root_folder_id: str | None = None
    cost_container_id: str | None = None

    __repr__ = short_repr

    @property
    def is_bim360(self) -> bool:
        """Whether BIM 360's export works here."""
        return self.project_type.upper() == "BIM360"

    @property
    def is_acc(self) -> bool:
        """Whether the exports of ACC Sheets and ACC Files work here."""
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
    """The names from the top folder down, joined with `/`, as far as the walk that found it knows them."""

    __repr__ = short_repr

    @property
    def is_plans(self) -> bool:
        """Whether uploads here are split into sheets: the documented sign of the Plans folder, whatever its name."""
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
    """Where the bytes lie; sheets have none, they are made by an export."""
    size: int | None = None
    """Bytes, where the service says."""

    __repr__ = short_repr


@frozen(kw_only=True)
class LeftOut:
    """What a list found and does not return: a sheet that cannot be exported now, or a folder that cannot be listed."""

    id: str
    """The item's or the folder's URN."""
    name: str
    folder_path: str
    reason: str
    """Such as `is still being processed (PROCESSING_COPY)`."""
    version: int | None = None
    version_urn: str | None = None
    """Of the version that cannot be exported; None for a folder."""

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, of which everything below is left out."""
        return self.version_urn is None

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.folder_path}/{self.name} {self.reason}".lstrip("/")


@frozen(kw_only=True)
class Sheet:
    """One exportable sheet, of a BIM 360 or an ACC project."""

    kind: ExportKind = ExportKind.BIM360
    project_id: str
    """Without the `b.` prefix."""
    id: str
    """BIM 360: the version URN. ACC: the sheet's UUID."""
    number: str
    """The sheet's number from its title block, such as `A-101`; its name when the service has none."""
    title: str
    folder_path: str
    """BIM 360: from the Plans folder down, such as `Plans/Architecture`. ACC: the version set's name."""
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
    """BIM 360: when the item or this version was modified last, as the service says; None if it does not."""
    revision: int | None = None
    """BIM 360: the number of the revision as Docs counts it. ACC has none."""
    version_set_id: str | None = None
    """ACC: the version set that it was issued in."""
    issuance_date: str | None = None
    """ACC: the date of that version set, as the service writes it."""
    tags: tuple[str, ...] = ()
    """ACC: its tags."""
    distinction: str | None = None
    """ACC: its title (or id), if a sheet that was listed before it has its number too, in the same collection."""

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
        """The request that exports this sheet alone, under its own name; `options` for more than the two."""
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
        """ACC: what stays the same when it is revised."""
        if self.kind is not ExportKind.SHEETS:
            return None
        return SheetIdentity(
            number=self.number,
            collection_id=self.collection.id if self.collection else None,
            distinction=self.distinction,
        )
