"""Paths of folders, as people write them: one rule, wherever a path of folders in a project is taken."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from aps_async import InputError, Project, Session, files, list_sheets
from aps_async.exports.project import export_project, project_requests
from aps_async.ids import checked_folder_path
from aps_async.resources.projects import find_project
from aps_async.resources.walking import walk
from aps_async.simulator import World
from aps_async.sync.list_selected import list_selected
from aps_async.sync.selection import Selection, select
from aps_async.sync.sheets import ProjectSheet
from tests.support import service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

SET = "Bid / Permit"
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {
                            "name": "Plans",
                            "folders": [
                                {"name": "East Wing", "folders": [{"name": "Roof", "items": [{"number": "R-1"}]}]}
                            ],
                            "items": [{"number": "P-1"}],
                        }
                    ],
                },
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "versionSets": [{"name": SET}, {"name": "Other"}],
                    "sheets": [{"number": "R-1", "versionSet": SET}, {"number": "T-2", "versionSet": "Other"}],
                    "folders": [
                        {
                            "name": "Project Files",
                            "folders": [
                                {
                                    "name": "East Wing",
                                    "folders": [{"name": "Roof", "items": [{"type": "file", "name": "R-1.pdf"}]}],
                                }
                            ],
                            "items": [{"type": "file", "name": "P-1.pdf"}],
                        }
                    ],
                },
            ]
        }
    ]
}
SAME = (
    "East Wing/Roof",
    "/East Wing/Roof",
    "East Wing/Roof/",
    "//East Wing//Roof//",
    "East Wing\\Roof",
    "\\East Wing\\Roof\\",
    " East Wing / Roof ",
    "east wing/ROOF",
    "./East Wing/./Roof/.",
    " / East Wing / / Roof / ",
)
NOTHING = ("", " ", "/", "//", "\\", " / ", ".", "./", "/./")
UPWARDS = ("..", "../Roof", "East Wing/../Roof", "East Wing\\..\\Roof", "East Wing/.. ", "/..")
Names = Callable[[Session, Project, str], Awaitable[list[str]]]


async def _sheets(session: Session, project: Project, folder: str) -> list[str]:
    return [each.number async for each in list_sheets(session, project, folder=folder)]


async def _selected(session: Session, project: Project, folder: str) -> list[str]:
    return [each.number for each in (await list_selected(session, project, Selection(folder=folder))).chosen]


async def _select(session: Session, project: Project, folder: str) -> list[str]:
    known = [ProjectSheet(sheet=each, project=project) async for each in list_sheets(session, project)]
    return [each.number for each in select(known, Selection(folder=folder)).chosen]


async def _requests(session: Session, project: Project, folder: str) -> list[str]:
    return [str(each.name)[:3] async for each in project_requests(session, project, folder=folder)]


async def _walk(session: Session, project: Project, folder: str) -> list[str]:
    return [item.name[:3] async for _, items in walk(session, project, folder=folder) for item, _ in items]


async def _files(session: Session, project: Project, folder: str) -> list[str]:
    return [item.name[:3] async for item, _ in files.list_files(session, project, folder=folder)]


WAYS: dict[str, tuple[str, Names]] = {
    "list_sheets": ("Clinic", _sheets),
    "list_selected": ("Clinic", _selected),
    "select": ("Clinic", _select),
    "project_requests": ("Clinic", _requests),
    "walk": ("Clinic", _walk),
    "list_files": ("Tower", _files),
}


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with service(World.from_json(WORLD)) as simulator, session_for(simulator) as opened:
        yield opened


@pytest.mark.parametrize(("name", "listed"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("top", ["", "top/", "\\TOP \\"])
async def test_every_way_to_write_a_path(session: Session, name: str, listed: Names, top: str) -> None:
    project = await find_project(session, name)
    first = "Plans" if project.is_bim360 else "Project Files"
    for path in SAME:
        given = top.replace("top", first).replace("TOP", first.upper()) + path
        assert await listed(session, project, given) == ["R-1"], given


@pytest.mark.parametrize(("name", "listed"), WAYS.values(), ids=WAYS)
async def test_a_path_without_a_folder(session: Session, name: str, listed: Names) -> None:
    project = await find_project(session, name)
    for paths, words in ((NOTHING, "names no folder|contains an empty text"), (UPWARDS, "contains '..'")):
        for path in paths:
            with pytest.raises(InputError, match=words):
                await listed(session, project, path)


async def test_a_project_into_a_folder(session: Session, tmp_path: Path) -> None:
    exported = export_project(session, "Clinic", tmp_path, source_folder="/East Wing\\Roof/")
    assert [outcome.path.name[:3] async for outcome in exported if outcome.path] == ["R-1"]


@pytest.mark.parametrize("listed", [_sheets, _selected, _select])
@pytest.mark.parametrize("text", [SET, "BID / permit", "  Bid / Permit "])
async def test_a_version_set_is_no_path(session: Session, listed: Names, text: str) -> None:
    assert await listed(session, await find_project(session, "Tower"), text) == ["R-1"]


def test_what_is_no_text() -> None:
    with pytest.raises(InputError, match="must be a text, not"):
        checked_folder_path(Path("Plans"))  # type: ignore[arg-type]
