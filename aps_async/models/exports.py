"""Export requests, references to started jobs, and the status of a job."""

from collections.abc import Mapping
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
    """The service that makes the file."""

    BIM360 = "bim360"
    """One sheet of a BIM 360 Plans folder as a PDF of one page."""
    FILES = "acc-files"
    """Files of an ACC project: one PDF, or a ZIP of them."""
    SHEETS = "acc-sheets"
    """Sheets of an ACC project as one PDF."""
    COST = "cost"
    """A document that Cost Management generates from a template, as .docx."""


class ExportStatus(StrEnum):
    """The status of a job, the same for all services, which use different words."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    """There is a result, but it lacks some of what was requested."""
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more."""
        return self is not ExportStatus.RUNNING

    @staticmethod
    def read(word: str, states: "Mapping[str, ExportStatus]") -> "ExportStatus":
        """The meaning of a service's word in any case and with spaces around it; RUNNING if it is not in the table."""
        return states.get(word.strip().lower(), ExportStatus.RUNNING)


@frozen(kw_only=True)
class ExportOptions:
    """What is drawn onto the pages; what a service does not have is refused.

    All but the asset markups are always sent, since the services' defaults differ.
    """

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
    """ACC Sheets: published markups of assets. Only sent if one of the two is True, since the service has had them only
    since April 2026, and their format is not confirmed. Refused for ACC Files, which does not have them."""
    unpublished_asset_markups: bool = False
    """ACC Sheets: unpublished markups of assets."""
    output_name: str | None = None
    """ACC: the service's own name for the result, without extension, at most 255 characters."""

    __repr__ = short_repr


@frozen(kw_only=True)
class CostSource:
    """The source of a Cost document."""

    container_id: str
    """The project's id without the `b.` prefix; older BIM 360 projects had a separate container id."""
    association_type: str
    """What the document belongs to: `Budget`, `Contract`, `CostItem` and so on."""
    template_id: str | None = None
    """The template; None for a document that exists already."""
    region: str | None = None
    """`US`, `EMEA` and so on; saves the service a lookup."""

    __repr__ = short_repr


@frozen(kw_only=True)
class SheetIdentity:
    """Identifies an ACC sheet through its revisions, whose UUIDs differ."""

    number: str
    collection_id: str | None = None
    """None: ungrouped. One number may occur in several collections, for different sheets."""
    distinction: str | None = None
    """What distinguishes it from another sheet with its number in its collection; None if there is no other."""

    __repr__ = short_repr


@frozen(kw_only=True)
class ExportRequest:
    """A request for an export: plain data, enough to start its job, and to start it again later."""

    kind: ExportKind
    project_id: str
    """Without the `b.` prefix."""
    source_ids: tuple[str, ...]
    """The ids to export. BIM 360: one version URN, raw; ACC Files: up to 200 of them; ACC Sheets: up
    to 1,000 sheet ids; Cost: one association id."""
    options: ExportOptions = field(factory=ExportOptions)
    user_id: str | None = None
    """The `x-user-id` that the job runs as; all later calls about the job have to use the same one."""
    name: str | None = None
    """A name for the file, without extension. It may be any text, and is made safe before it is used."""
    subfolder: str | None = None
    """A subfolder of the run's folder for the file, with `/` between several; each is made safe."""
    allow_partial: bool = True
    """Whether a partial result is accepted; False makes it an error."""
    cost: CostSource | None = None
    """For Cost documents."""
    identity: SheetIdentity | None = None
    """ACC Sheets, for a single sheet: identifies it through its revisions; set by `Sheet.to_request`. A ledger finds
    the file of an earlier revision by it, and without it by `name`. Other kinds do not need it: their ids stay."""

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.kind} export of {self.name or ', '.join(self.source_ids[:1])}"


@frozen(kw_only=True)
class ExportRef:
    """A started job: plain data that can be stored, sent to a worker, and waited for there.

    Use `ref_to_json` and `ref_from_json` to pass it to another process. It contains no token and no signed URL.
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
    """The location of a result in Model Derivative: the older way to download it."""

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
    """The service's own word. A word that is not documented counts as RUNNING."""
    link: SignedUrl | None = None
    """The link to the result, once there is one."""
    reason: str | None = None
    """The service's reason for a failure; None if it gives none, as BIM 360 does."""
    failed_files: tuple[FailedFile, ...] = ()
    """ACC Files: what a PARTIAL result lacks."""
    derivative: Derivative | None = None
    """BIM 360: the older way to the result."""
    deprecated_link: str | None = None
    """BIM 360: the oldest link, which needs a token; only used by `download_link`."""
    version_urn: str | None = None
    """Cost: the document's version in Docs, from which it is downloaded."""

    __repr__ = short_repr
