"""`projects.json`: which subfolder belongs to which project, in a folder that several projects are synced into.

A project keeps its subfolder when it gets another name, and when another project with its name is added.
"""

import asyncio
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from attrs import evolve, field, frozen

from aps_async.downloads.filenames import NameBook, checked_name, safe_stem
from aps_async.downloads.sinks import target_error
from aps_async.errors import DecodeError, InputError, LedgerError, TargetError
from aps_async.filesystem import open_own, replacing
from aps_async.ids import bare_id
from aps_async.ledger.places import FolderPlace
from aps_async.models import Project
from aps_async.sync.register import REGISTER_CSV, REGISTER_JSON, read_register
from aps_async.text import folded, well_formed
from aps_async.transport.converter import structure, to_dict

__all__ = ["FORM", "PROJECTS_JSON", "Subfolder", "Subfolders", "read_subfolders", "with_projects", "write_subfolders"]
__dir__: object = __all__.copy

PROJECTS_JSON = "projects.json"
FORM = 1
"""Of `projects.json`; a change that older readers would misunderstand gets another number."""
_LARGEST = 64 << 20
_OURS = (PROJECTS_JSON, REGISTER_JSON, REGISTER_CSV, "superseded")
"""Names that no project's subfolder gets."""


@frozen(kw_only=True)
class Subfolder:
    """One project's."""

    project_id: str
    """Without `b.`."""
    project: str
    """The project's name when it was last synced."""
    folder: str
    """The name of the subfolder."""


@frozen(kw_only=True)
class Subfolders:
    """What `projects.json` contains."""

    form: int
    command: str | None = None
    """Any text that describes how to run the same again."""
    projects: tuple[Subfolder, ...] = field(factory=tuple)

    def of(self, project: Project) -> str:
        """The name of a project's subfolder.

        Raises:
            LookupError: it has none.
        """
        return next(each.folder for each in self.projects if each.project_id == bare_id(project.id))


def read_subfolders(folder: Path) -> Subfolders | None:
    """Reads `projects.json`, which others may have written: names of folders are checked. None if there is none.

    Raises:
        LedgerError: it cannot be used.
    """
    path = folder / PROJECTS_JSON
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            content = file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise LedgerError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    try:
        plain = json.loads(well_formed(content.decode()))
        if plain["form"] != FORM:
            raise LedgerError(f"{path} is of another form ({plain['form']}) than this version reads ({FORM})")
        found = structure(plain, Subfolders, strict=True)
        _check(found.projects)
    except (ValueError, TypeError, LookupError, RecursionError, DecodeError, InputError) as problem:
        raise LedgerError(
            f"{path} cannot be used ({problem}): remove it, and the next sync finds the subfolders by their registers"
        ) from None
    return found


def _check(projects: Iterable[Subfolder]) -> None:
    names, ids = set[str](), set[str]()
    for each in projects:
        name = folded(checked_name(each.folder))
        if name in names or each.project_id in ids or name in _OURS:
            raise InputError(f"{each.folder!r} cannot be the subfolder of {each.project_id}")
        names.add(name)
        ids.add(each.project_id)


async def with_projects(folder: Path, known: Subfolders | None, projects: Iterable[Project]) -> Subfolders:
    """The subfolders with those of more projects: the names of the projects made safe, and numbered where they meet.

    Without a `projects.json`, the registers in the subfolders show which project each one belongs to.
    """
    found = {each.project_id: each for each in (known.projects if known else await _by_registers(folder))}
    book = NameBook()
    for name in (*_OURS, *(each.folder for each in found.values())):
        book.take_path(name)
    for project in projects:
        id_ = bare_id(project.id)
        if id_ in found:
            found[id_] = evolve(found[id_], project=project.name)
        else:
            name = book.take_path(safe_stem(project.name))
            found[id_] = Subfolder(project_id=id_, project=project.name, folder=name)
    return Subfolders(form=FORM, command=known.command if known else None, projects=tuple(found.values()))


async def _by_registers(folder: Path) -> list[Subfolder]:
    found: dict[str, Subfolder] = {}
    for path in await asyncio.to_thread(lambda: sorted(folder.iterdir()) if folder.is_dir() else []):
        with suppress(LedgerError, InputError, TargetError):  # no folder of ours
            if register := await read_register(FolderPlace(path)):
                own = Subfolder(
                    project_id=register.project_id, project=register.project, folder=checked_name(path.name)
                )
                found.setdefault(own.project_id, own)
    return list(found.values())


def write_subfolders(folder: Path, subfolders: Subfolders) -> None:
    """Writes `projects.json` in one step.

    Raises:
        TargetError: it cannot be written.
    """
    path = folder / PROJECTS_JSON
    try:
        with replacing(path, 0o666) as file:
            file.write(f"{json.dumps(to_dict(subfolders), ensure_ascii=False, indent=1)}\n".encode())
    except OSError as problem:
        raise target_error(path, problem) from problem
