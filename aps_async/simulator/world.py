"""The hubs, projects, folders and sheets that the simulator serves.

A world is built in code (`World.demo`, `World.single_folder`, `World.acc`, `World.with_pdf`) or read from JSON
(`World.load`, `World.from_json`); the format stands in `worldjson`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs

from .parts import BuildSheet, Cost, CostDocument, VersionSet
from .urns import derived_uuid

DOCUMENT = "Document"
FILE = "File"
DONE = "PROCESSING_COMPLETE"
PASSWORD = "simulator"  # noqa: S105 - everybody's, and told on the log-in page


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
    """Somebody to act for with `x-user-id`, who can also sign in."""

    id: str
    name: str = ""
    projects: frozenset[str] | None = None
    """Names or ids of the projects they are members of; None: all."""
    denied_folders: frozenset[str] = frozenset()
    """Names or ids of folders they may not see, with everything below."""
    email: str = ""
    """What they sign in with; without one, nobody can sign in as them."""
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
DEFAULT_APPS = (DEFAULT_APP, PUBLIC_APP, WEB_APP)

DEFAULT_USER = User("BW9RM76WZBGL", "Ada Brandt", email="ada@northlight.example")


def _default_apps() -> dict[str, App]:
    return {app.client_id: app for app in DEFAULT_APPS}


@attrs.define(eq=False)
class World:
    """Everything there is, with its indexes."""

    hubs: list[Hub]
    apps: dict[str, App] = attrs.field(factory=_default_apps)
    users: dict[str, User] = attrs.field(factory=lambda: {DEFAULT_USER.id: DEFAULT_USER})
    warnings: list[Warning_] = attrs.field(factory=list[Warning_])
    pdf: bytes | None = attrs.field(default=None, repr=False)
    """A PDF whose pages the sheets are; without one they are drawn."""
    projects: dict[str, Project] = attrs.field(init=False, factory=dict[str, Project], repr=False)
    folders: dict[str, Folder] = attrs.field(init=False, factory=dict[str, Folder], repr=False)
    items: dict[str, Item] = attrs.field(init=False, factory=dict[str, Item], repr=False)
    versions: dict[str, Version] = attrs.field(init=False, factory=dict[str, Version], repr=False)
    objects: dict[str, Version] = attrs.field(init=False, factory=dict[str, Version], repr=False)
    """Uploaded files by storage URN."""
    revision: int = attrs.field(init=False, default=0, repr=False)
    """Counts `index`, so that answers made before are not given again."""

    def __attrs_post_init__(self) -> None:
        self.index()

    def index(self) -> None:
        """Build the lookups anew; needed after the tree was changed by hand."""
        self.revision += 1
        for table in (self.projects, self.folders, self.items, self.versions, self.objects):
            table.clear()
        for hub in self.hubs:
            for project in hub.projects:
                _enter(self.projects, project.id, project, f"project {project.name!r}")
                for folder in project.folders:
                    self._index_folder(folder)

    def _index_folder(self, folder: Folder) -> None:
        _enter(self.folders, folder.id, folder, f"folder {folder.path!r}")
        for item in folder.items:
            self.add_item(item)
        for child in folder.folders:
            self._index_folder(child)

    def find_user(self, name: str) -> User | None:
        """The user with this Autodesk id or ACC user id."""
        found = self.users.get(name)
        return found or next((user for user in self.users.values() if user.acc_id == name.lower()), None)

    def add_item(self, item: Item) -> None:
        """Take an item that stands in its folder into the lookups."""
        self.revision += 1
        where = f"{item.folder.path}/{item.name}"
        _enter(self.items, item.id, item, f"item {where}")
        for version in item.versions:
            _enter(self.versions, version.id, version, f"version {version.number} of {where}")
            if version.storage:
                self.objects.setdefault(version.storage, version)

    @property
    def sheets(self) -> list[Item]:
        """Every sheet that can be exported, in the order of the tree."""
        return [item for item in self.items.values() if is_exportable(item)]

    def find_sheet(self, name: str) -> Item:
        """The first exportable sheet of this number; KeyError without one."""
        for item in self.sheets:
            if item.name == name:
                return item
        raise KeyError(name)

    @classmethod
    def demo(cls, sheets: int = 12, *, seed: int = 0) -> Self:
        """A believable account; `sheets` exportable ones in the BIM 360 project "Riverside Clinic".

        The ACC project "Harbour Tower" has 12 current sheets and a few PDF, DWG and RVT files whatever the number.
        Both have budgets with documents. "BW9RM76WZBGL" (Ada Brandt) may do everything: name her in `x-user-id`.
        """
        from .demo import demo

        return cls.from_json(demo(sheets, seed=seed))

    @classmethod
    def single_folder(cls, sheets: int, *, seed: int = 0, **options: Any) -> Self:
        """One project with nothing but `sheets` sheets in its Plans folder; `options` go to every sheet."""
        from .demo import single_folder

        return cls.from_json(single_folder(sheets, seed=seed, options=options))

    @classmethod
    def acc(cls, files: int = 0, sheets: int = 0, *, seed: int = 0) -> Self:
        """One ACC project with `files` PDFs in Project Files and `sheets` sheets in the Sheets tool."""
        from .demoacc import acc

        return cls.from_json(acc(files, sheets, seed=seed))

    @classmethod
    def with_pdf(cls, pdf: Path | str | bytes, *, seed: int = 0) -> Self:
        """The demo account with one sheet for each page of `pdf`, as if that file had been uploaded to Plans."""
        from .demo import demo_with_pdf
        from .pages import PdfPages

        name = "plans.pdf" if isinstance(pdf, bytes) else Path(pdf).name
        data = read_pdf(pdf)
        world = cls.from_json(demo_with_pdf(PdfPages(data).count, name, len(data), seed=seed))
        world.pdf = data
        return world

    @classmethod
    def from_json(cls, document: str | bytes | Mapping[str, Any]) -> Self:
        """Read a world from JSON text or from what such text parses to; WorldError names what is wrong where."""
        from .worldjson import read_world

        return cls(**read_world(document))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a world from a JSON file."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(str(path), f"cannot be read: {error}") from None
        return cls.from_json(text)

    def to_summary(self) -> dict[str, Any]:
        """The tree in short, for people and for the control interface; no secrets."""
        from .summary import summary

        return summary(self)


def read_pdf(pdf: Path | str | bytes) -> bytes:
    """The bytes of a PDF given as a file or as such."""
    if isinstance(pdf, bytes):
        return pdf
    try:
        return Path(pdf).read_bytes()
    except OSError as error:
        raise WorldError(str(pdf), f"cannot be read: {error.strerror}") from None


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


_T = TypeVar("_T")


def _enter(table: dict[str, _T], key: str, value: _T, what: str) -> None:
    if key in table:
        raise WorldError(what, f"has the id {key!r}, which something else has too")
    table[key] = value
