"""What a project has beside its folders: ACC's version sets and sheets, and what Cost Management keeps."""

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from .world import Item, Project


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
