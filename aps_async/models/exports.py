"""Export jobs: what is asked for, what was started, and what the service says of it."""

from enum import StrEnum

from attrs import field, frozen

from aps_async.links import SignedUrl
from aps_async.reprs import short_repr

__all__ = [
    "CostSource",
    "Derivative",
    "ExportJob",
    "ExportKind",
    "ExportOptions",
    "ExportRef",
    "ExportRequest",
    "ExportStatus",
    "FailedFile",
    "SheetIdentity",
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
    """Its version URN; `unknown` if the service calls a result partial and names nothing."""
    reason: str | None = None
    detail: str | None = None

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.id}: {': '.join(part for part in (self.reason, self.detail) if part) or 'no reason given'}"


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
    """The status of an export job, as the service reported it once."""

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
