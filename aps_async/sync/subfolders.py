"""`projects.json`: which subfolder belongs to which project, in a folder that several projects are synced into.

A project keeps its subfolder when it is renamed, and when another project of the same name is added.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from attrs import evolve, field, frozen

from aps_async.downloads.filenames import NameBook, checked_name, safe_stem
from aps_async.downloads.storage import ReadableStorage, Storage, StorageBelow
from aps_async.errors import InputError, LedgerError, TargetError
from aps_async.exports.targets import check_no_state, readable, state_folder_for, target_for
from aps_async.ids import bare_id
from aps_async.ledger.places import FolderPlace, Place, StoragePlace
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.models import Project
from aps_async.sync.json_files import read_json_file
from aps_async.sync.register import REGISTER_CSV, REGISTER_JSON, read_register
from aps_async.text import folded
from aps_async.threads import in_thread
from aps_async.transport.converter import to_dict

__all__ = ["FORM", "PROJECTS_JSON", "Root", "Subfolder", "Subfolders", "check_is_for_several", "read_subfolders"]
__dir__: object = __all__.copy

PROJECTS_JSON = "projects.json"
FORM = 1
"""Version of `projects.json`, raised by changes that older readers would misunderstand."""
_LARGEST = 64 << 20
_OURS = (PROJECTS_JSON, REGISTER_JSON, REGISTER_CSV, "superseded")
"""Names that are not given to subfolders."""


@frozen(kw_only=True)
class Subfolder:
    """The subfolder of one project."""

    project_id: str
    """Without the `b.` prefix."""
    project: str
    """The project's name when it was last synced."""
    folder: str
    """The name of the subfolder."""


@frozen(kw_only=True)
class Subfolders:
    """The content of `projects.json`."""

    form: int
    command: str | None = None
    """Any text that describes how to repeat the run."""
    projects: tuple[Subfolder, ...] = field(factory=tuple)

    def of(self, project: Project) -> str:
        """The name of a project's subfolder.

        Raises:
            LookupError: the project has no subfolder.
        """
        return next(each.folder for each in self.projects if each.project_id == bare_id(project.id))


@frozen
class Root:
    """Where the subfolders of several projects are: in a folder, or in a storage with a folder for their ledgers."""

    folder: Path
    storage: ReadableStorage | None = None

    @classmethod
    def of(cls, target: str | os.PathLike[str] | Storage, state: str | os.PathLike[str] | None = None) -> "Root":
        """The root for a target; arguments as for `sync_project`.

        Raises:
            InputError: the target or the state folder cannot be used.
        """
        found = target_for(target)
        if isinstance(found, Path):
            check_no_state(state)
            return cls(found)
        storage = readable(found)
        return cls(state_folder_for(storage, state), storage)

    @property
    def _places(self) -> list[Place]:
        """Where `projects.json` is; with a storage, there for other machines, and beside the ledgers here."""
        here = FolderPlace(self.folder)
        return [here] if self.storage is None else [StoragePlace(self.storage), here]

    def target(self, name: str) -> Path | ReadableStorage:
        """The target for the files of a project."""
        return self.folder / name if self.storage is None else StorageBelow(self.storage, name)

    def state(self, name: str) -> Path | None:
        """The folder of a project's ledger; None if it is among the files."""
        return None if self.storage is None else self.folder / name

    def location(self, name: str) -> str:
        """Where the files of a project are, to show to users."""
        return self._places[0].location(name)

    async def subfolders(self, projects: Iterable[Project]) -> Subfolders:
        """The subfolders of all projects known so far, and new ones for the other projects.

        They have the names of the projects, made safe, and numbered if two are alike. Without a `projects.json`, the
        registers in the subfolders show which project each one belongs to.

        Raises:
            LedgerError: `projects.json` cannot be used.
        """
        known, wanted = None, list(projects)
        for place in self._places:
            known = known or await read_subfolders(place)
        found = {each.project_id: each for each in (known.projects if known else await self._by_registers(wanted))}
        book = NameBook()
        for name in (*_OURS, *(each.folder for each in found.values())):
            book.take_path(name)
        for project in wanted:
            id_ = bare_id(project.id)
            if id_ in found:
                found[id_] = evolve(found[id_], project=project.name)
            else:
                name = book.take_path(safe_stem(project.name))
                found[id_] = Subfolder(project_id=id_, project=project.name, folder=name)
        return Subfolders(form=FORM, command=known.command if known else None, projects=tuple(found.values()))

    async def write(self, subfolders: Subfolders) -> None:
        """Writes `projects.json` in one step.

        Raises:
            TargetError: it cannot be written.
        """
        text = f"{json.dumps(to_dict(subfolders), ensure_ascii=False, indent=1)}\n"
        for place in self._places:
            await place.write(PROJECTS_JSON, [text.encode()])

    async def _by_registers(self, projects: Iterable[Project]) -> list[Subfolder]:
        """Reads the registers of the subfolders. A storage cannot be listed, so there the projects' names are tried."""
        found: dict[str, Subfolder] = {}
        names = [safe_stem(each.name) for each in projects] if self.storage else await in_thread(_names_in, self.folder)
        for name in names:
            with suppress(LedgerError, InputError, TargetError):  # the folder is not one of ours
                if register := await read_register(self._places[0].below(name)):
                    own = Subfolder(project_id=register.project_id, project=register.project, folder=checked_name(name))
                    found.setdefault(own.project_id, own)
        return list(found.values())


def check_is_for_several(root: Path, location: str | None = None) -> None:
    """Raises what keeps a folder from having a subfolder for each of several projects.

    Args:
        root: the folder; of a storage, the one of its ledgers.
        location: where the files are, to show to users; None: in that folder.

    Raises:
        LedgerError: the folder has a ledger of its own, so it is that of a single project.
    """
    if (root / LEDGER_NAME).exists():
        raise LedgerError(
            f"{location or root} is the folder of an export or of one project, and several projects, also those"
            " that a pattern matches, get a subfolder each: choose another folder, or name the one project"
        )


def _names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


async def read_subfolders(place: Place) -> Subfolders | None:
    """Reads `projects.json`, and checks its folder names, since anybody may have written it. None if there is none.

    Raises:
        LedgerError: it cannot be used.
    """
    path = place.location(PROJECTS_JSON)
    try:
        content = await place.read(PROJECTS_JSON, _LARGEST)
    except TargetError as problem:
        raise LedgerError(f"{path} cannot be read: {problem}") from problem
    if content is None:
        return None
    return read_json_file(
        content,
        Subfolders,
        path=path,
        form=FORM,
        check=_check,
        advice="remove it, and the next sync finds the subfolders by their registers",
    )


def _check(found: Subfolders) -> None:
    names, ids = set[str](), set[str]()
    for each in found.projects:
        name = folded(checked_name(each.folder))
        if name in names or each.project_id in ids or name in _OURS:
            raise InputError(f"{each.folder!r} cannot be the subfolder of {each.project_id}")
        names.add(name)
        ids.add(each.project_id)
