"""What a world is made of: apps, users, hubs, projects, folders, items, ACC sheets and Cost documents."""

from collections.abc import Iterator

import attrs

from .urns import derived_uuid

DOCUMENT = "Document"
FILE = "File"
DONE = "PROCESSING_COMPLETE"
PASSWORD = "simulator"  # noqa: S105 - everybody's, and shown on the log-in page


@attrs.define(eq=False)
class Collection:
    """A group of ACC sheets and version sets; what is in none is called ungrouped."""

    id: str
    name: str


@attrs.define(eq=False)
class VersionSet:
    """A set that ACC sheets are issued in."""

    id: str
    name: str
    issuance_date: str
    collection: Collection | None = None
    """None: ungrouped."""


@attrs.define(eq=False)
class BuildSheet:
    """A sheet of ACC's Sheets tool; Data Management does not know it."""

    id: str
    number: str
    title: str
    project: "Project" = attrs.field(repr=False)
    version_set: VersionSet
    order: int
    page: int
    tags: tuple[str, ...] = ()
    published: bool = True
    current: bool = True
    deleted: bool = False
    upload_file_name: str = ""
    collection: Collection | None = None
    """None: ungrouped."""
    paper_size: tuple[int, int] = (1000, 600)
    """Pixels, as in the documentation's sample; the drawn page has its own size."""
    fails: bool = False
    never: bool = False


@attrs.define(eq=False)
class Association:
    """Something of Cost Management that documents can be generated for."""

    id: str
    kind: str
    """The word of `associationType`."""
    name: str
    code: str
    amount: float
    project: "Project" = attrs.field(repr=False)


@attrs.define(eq=False)
class CostDocument:
    """A document that was generated, or is to be, for an association."""

    id: str
    association: Association
    template: str
    template_id: str
    number: int
    """Its `jobId`."""
    recipient: str = ""
    ends: str = "Completed"
    runs: bool = False
    """Whether it is being generated from the simulator's start on; otherwise it was long ago."""
    never: bool = False
    ended_at: float | None = None
    """Clock time at which it was first seen finished; None if it was there before the simulator began."""
    item: "Item | None" = attrs.field(default=None, repr=False)
    """The docx, once there is one."""


@attrs.define(eq=False)
class Cost:
    """The cost container of a project."""

    container: str = ""
    associations: dict[str, Association] = attrs.field(factory=dict[str, Association])
    """By id in lower case."""
    documents: list[CostDocument] = attrs.field(factory=list[CostDocument])
    templates: dict[str, str] = attrs.field(factory=dict[str, str])
    """Names by id."""


class WorldError(ValueError):
    """A world that cannot be served; the message begins with the place of the problem."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@attrs.frozen
class App:
    """An app that may ask for tokens."""

    client_id: str
    client_secret: str
    provisioned: bool = True
    """Whether the account's administrator has let the app in."""
    redirect_uris: tuple[str, ...] = ()
    """Where the authorize page may send the browser back to; compared sign for sign."""
    name: str = ""
    """What the consent page calls it; the client id when empty."""

    @property
    def public(self) -> bool:
        """Whether it has no secret, so that PKCE is all that protects its codes."""
        return not self.client_secret


@attrs.frozen
class User:
    """A user for `x-user-id`, with a password to sign in."""

    id: str
    name: str = ""
    projects: frozenset[str] | None = None
    """Names or ids of the projects they are members of; None: all."""
    denied_folders: frozenset[str] = frozenset()
    """Names or ids of folders they may not see, with everything below."""
    email: str = ""
    """What they sign in with; without one, this user cannot sign in."""
    password: str = attrs.field(default=PASSWORD, repr=False)

    @property
    def acc_id(self) -> str:
        """The id ACC has for them."""
        return derived_uuid("acc user", self.id)


@attrs.frozen
class Warning_:  # noqa: N801 - `Warning` is a builtin
    """A part of the account that could not be asked for its hubs."""

    region: str
    title: str
    detail: str


@attrs.define(eq=False)
class Version:
    """One version of an item: a sheet or an uploaded file."""

    id: str
    number: int
    item: "Item" = attrs.field(repr=False)
    storage: str | None = None


@attrs.define(eq=False)
class Item:
    """A sheet (`Document`) or an uploaded file (`File`) in a folder."""

    id: str
    kind: str
    name: str
    folder: "Folder" = attrs.field(repr=False)
    title: str = ""
    order: int = 0
    page: int = 0
    source_file_name: str = ""
    source: "Item | None" = attrs.field(default=None, repr=False)
    process_state: str = DONE
    hidden: bool = False
    deleted: bool = False
    fails: bool = False
    never: bool = False
    size: int = 0
    padded_to: int | None = None
    pages: int = 1
    """Pages of an uploaded PDF that no sheets were split from; drawings of a DWG or RVT."""
    no_views: bool = False
    hides_renames: bool = False
    """Whether another name or title leaves `lastModifiedTime` as it was: what the service does is not documented."""
    unprocessed: bool = False
    """DWG and RVT: nothing that ACC could export."""
    chunked: bool = False
    """Its storage object has not been merged from its parts."""
    document: "CostDocument | None" = attrs.field(default=None, repr=False)
    """What Cost Management generated it for."""
    versions: list[Version] = attrs.field(factory=list[Version], repr=False)

    @property
    def tip(self) -> Version:
        """The newest version."""
        return self.versions[-1]


@attrs.define(eq=False)
class Folder:
    """A folder of a project."""

    id: str
    name: str
    project: "Project" = attrs.field(repr=False)
    parent: "Folder | None" = attrs.field(default=None, repr=False)
    actions: tuple[str, ...] = ()
    visible_types: tuple[str, ...] = ()
    folder_type: str = "normal"
    hidden: bool = False
    deleted: bool = False
    folders: list["Folder"] = attrs.field(factory=list["Folder"], repr=False)
    items: list[Item] = attrs.field(factory=list[Item], repr=False)

    def lineage(self) -> Iterator["Folder"]:
        """This folder and those above it."""
        folder: Folder | None = self
        while folder is not None:
            yield folder
            folder = folder.parent

    @property
    def path(self) -> str:
        """Names from the top folder down."""
        return "/".join(reversed([folder.name for folder in self.lineage()]))


@attrs.define(eq=False)
class Project:
    """A BIM 360 or ACC project."""

    id: str
    """Without `b.`."""
    name: str
    kind: str
    hub: "Hub" = attrs.field(repr=False)
    root: str = ""
    forbidden: bool = False
    folders: list[Folder] = attrs.field(factory=list[Folder], repr=False)
    collections: list[Collection] = attrs.field(factory=list[Collection], repr=False)
    version_sets: list[VersionSet] = attrs.field(factory=list[VersionSet], repr=False)
    sheets: list[BuildSheet] = attrs.field(factory=list[BuildSheet], repr=False)
    """Of an ACC project's Sheets tool; a BIM 360 project has its sheets in folders."""
    cost: Cost = attrs.field(factory=Cost, repr=False)


@attrs.define(eq=False)
class Hub:
    """An account."""

    id: str
    """With `b.`."""
    name: str
    region: str = "US"
    projects: list[Project] = attrs.field(factory=list[Project], repr=False)


_CALLBACKS = ("http://127.0.0.1:8765/callback", "http://localhost:8765/callback")
DEFAULT_APP = App("simulator-client", "simulator-secret", redirect_uris=_CALLBACKS, name="Simulated web app")
PUBLIC_APP = App("simulator-public", "", redirect_uris=_CALLBACKS, name="Simulated desktop app")
WEB_APP = App(
    "simulator-web",
    "simulator-web-secret",
    redirect_uris=(
        "http://localhost:8080/api/auth/callback",  # what Autodesk's tutorials register
        "http://localhost:3000/api/auth/callback",
        "http://localhost:3000/callback",
        "http://localhost:8080/callback",
        "http://localhost:8000/callback",
        "http://127.0.0.1:8000/callback",
    ),
    name="Simulated web server",
)
# The placeholders of the documentation, so that its commands work here as they are written.
_NAMED_IN_THE_GUIDES = (
    App("your-client-id", "your-client-secret", name="App of the guides"),
    App("your-desktop-app", "", redirect_uris=_CALLBACKS, name="Desktop app of the guides"),
)
DEFAULT_APPS = (DEFAULT_APP, PUBLIC_APP, WEB_APP, *_NAMED_IN_THE_GUIDES)

DEFAULT_USER = User("BW9RM76WZBGL", "Ada Brandt", email="ada@northlight.example")


def is_exportable(item: Item) -> bool:
    """Whether the export of this item's tip is something BIM 360 does."""
    return (
        item.kind == DOCUMENT
        and not item.hidden
        and not item.deleted
        and item.process_state == DONE
        and item.source_file_name.lower().endswith(".pdf")
        and "SPLIT" in item.folder.actions
        and item.folder.project.kind == "BIM360"
        and not item.folder.project.forbidden
    )
