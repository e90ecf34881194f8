"""The hubs, projects, folders and sheets that the simulator serves.

A world is built in code (`World.demo`, `World.single_folder`, `World.acc`, `World.with_pdf`) or read from JSON
(`World.load`, `World.from_json`); `worldjson` describes the format.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs

from .behaviour import Behaviour
from .demo import demo, demo_with_pdf, single_folder
from .demoacc import acc
from .parts import (
    DEFAULT_APPS,
    DEFAULT_USER,
    App,
    Folder,
    Hub,
    Item,
    Project,
    User,
    Version,
    Warning_,
    WorldError,
    is_exportable,
)
from .summary import summary
from .worldjson import read_world


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
    behaviour: Behaviour = attrs.field(factory=Behaviour, repr=False)
    """The switches of a simulator that serves this world and is given no others."""
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
        """Adds an item, which is in its folder already, to the indexes."""
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
        return cls.from_json(demo(sheets, seed=seed))

    @classmethod
    def single_folder(cls, sheets: int, *, seed: int = 0, **options: Any) -> Self:
        """One project with nothing but `sheets` sheets in its Plans folder; `options` go to every sheet."""
        return cls.from_json(single_folder(sheets, seed=seed, options=options))

    @classmethod
    def acc(cls, files: int = 0, sheets: int = 0, *, seed: int = 0) -> Self:
        """One ACC project with `files` PDFs in Project Files and `sheets` sheets in the Sheets tool."""
        return cls.from_json(acc(files, sheets, seed=seed))

    @classmethod
    def with_pdf(cls, pdf: Path | str | bytes, *, seed: int = 0) -> Self:
        """The demo account with one sheet for each page of `pdf`, as if that file had been uploaded to Plans."""
        name = "plans.pdf" if isinstance(pdf, bytes) else Path(pdf).name
        from .pdfpages import PdfPages

        data = read_pdf(pdf)
        world = cls.from_json(demo_with_pdf(PdfPages(data).count, name, len(data), seed=seed))
        world.pdf = data
        return world

    @classmethod
    def from_json(cls, document: str | bytes | Mapping[str, Any]) -> Self:
        """Read a world from JSON text or from what such text parses to; WorldError names what is wrong where."""
        return cls(**read_world(document))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a world from a JSON file."""
        try:
            text = Path(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        return cls.from_json(text)

    def to_summary(self) -> dict[str, Any]:
        """The tree in short, for people and for the control interface; no secrets."""
        return summary(self.hubs, self.apps, self.users)


def read_pdf(pdf: Path | str | bytes) -> bytes:
    """The bytes of a PDF given as a file or as such."""
    if isinstance(pdf, bytes):
        return pdf
    try:
        return Path(pdf).read_bytes()
    except OSError as error:
        raise WorldError(str(pdf), f"cannot be read: {error.strerror}") from None


_T = TypeVar("_T")


def _enter(table: dict[str, _T], key: str, value: _T, what: str) -> None:
    if key in table:
        raise WorldError(what, f"has the id {key!r}, which something else has too")
    table[key] = value
