"""Whole projects: the same arguments and the same kind of result for BIM 360 and ACC projects."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aps_async import ExportOptions, InputError, Session, export_project, list_sheets, start_export
from aps_async.errors import NotExportableError, NotFoundInProjectError
from aps_async.exports.bulk import BulkProgress
from aps_async.exports.project import get_sheet, project_requests
from aps_async.models import ExportKind
from aps_async.resources.projects import find_project, list_top_folders
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.documents import lying_in, pages_in, texts_of
from tests.support import service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

SHEETS = [{"number": f"A-{100 + n}", "title": f"Plan {n}"} for n in range(1, 6)]
PART, REST = SHEETS[:2], SHEETS[2:]
WORLD: dict[str, Any] = {
    "users": [{"id": "ADA"}],
    "hubs": [
        {
            "projects": [
                {"name": "Clinic", "projectType": "BIM360", "folders": [
                    {"name": "Plans", "items": REST, "folders": [{"name": "Core", "items": PART}]}]},
                {"name": "Tower", "projectType": "ACC",
                 "sheets": [*({**each, "versionSet": "Core"} for each in PART),
                            *({**each, "versionSet": "Rest"} for each in REST)],
                 "folders": [{"name": "Project Files", "items": [
                     {"type": "file", "name": f"F-{n}.pdf"} for n in range(3)]}]},
                {"name": "Model", "projectType": "Fusion"},
                {"name": "Empty", "projectType": "ACC"},
            ]
        }
    ],
}  # fmt: skip
BOTH = pytest.mark.parametrize("project", ["Clinic", "Tower"])


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(World.from_json(WORLD), behaviour=Behaviour(job_time=JobTime.fixed(20))) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator) as opened:
        yield opened


@BOTH
@pytest.mark.parametrize("by", ["name", "id", "bare id", "value"])
async def test_sheets_are_listed(project: str, by: str, session: Session) -> None:
    found = await find_project(session, project)
    given: Any = {"name": project.upper(), "id": found.id, "bare id": found.id[2:], "value": found}[by]
    listed = [sheet async for sheet in list_sheets(session, given, user_id="ADA")]
    assert sorted(sheet.name for sheet in listed) == [f"A-{100 + n} - Plan {n}" for n in range(1, 6)]
    assert {sheet.kind for sheet in listed} == {ExportKind.BIM360 if project == "Clinic" else ExportKind.SHEETS}
    assert {sheet.project_id for sheet in listed} == {found.id[2:]}


@BOTH
async def test_a_part_of_them(project: str, session: Session) -> None:
    listed = [sheet async for sheet in list_sheets(session, project, folder="Core")]
    assert [sheet.number for sheet in listed] == ["A-101", "A-102"]
    with pytest.raises(NotFoundInProjectError, match="Core"):
        [sheet async for sheet in list_sheets(session, project, folder="Nope")]


@BOTH
async def test_one_of_them(project: str, session: Session) -> None:
    one = [sheet async for sheet in list_sheets(session, project)][3]
    found = await get_sheet(session, project, f" {one.id} ")
    assert (found.id, found.name, found.kind) == (one.id, one.name, one.kind)
    with pytest.raises(NotFoundInProjectError):
        await get_sheet(session, project, "Z-999")
    if project == "Tower":
        assert await get_sheet(session, project, one.number.lower()) == one


@BOTH
async def test_the_same_kind_of_folder_at_the_end(project: str, session: Session, tmp_path: Path) -> None:
    told: list[BulkProgress] = []
    run = export_project(
        session,
        project,
        tmp_path / "out",
        source_folder="Core",
        options=ExportOptions(markups=True),
        user_id="ADA",
        max_concurrent_downloads=2,
        timeout=300,
        on_progress=told.append,
    )
    async with aclosing(run) as outcomes:
        found = [outcome async for outcome in outcomes]
    assert all(outcome.ok and outcome.path and outcome.size and outcome.polls for outcome in found)
    assert lying_in(tmp_path / "out") == ["A-101 - Plan 1.pdf", "A-102 - Plan 2.pdf"]
    for path in (tmp_path / "out").iterdir():
        assert pages_in(path) == 1
        [text] = texts_of(path)
        assert re.search("(?i)markup|RFI", text)
        assert path.name[:5] in text
    assert (told[-1].done, told[-1].failed) == (2, 0)


async def test_a_folder_of_sheets_is_refused_where_they_lie_in_version_sets(session: Session, tmp_path: Path) -> None:
    tower = await find_project(session, "Tower")
    top = await list_top_folders(session, tower)
    with pytest.raises(InputError, match=r"Tower is an ACC \(Forma\) project: its sheets are in version sets"):
        [each async for each in export_project(session, tower, tmp_path, source_folder=top[0], user_id="ADA")]


@pytest.mark.parametrize("unpack", [True, False])
async def test_files_of_an_acc_project(unpack: bool, session: Session, tmp_path: Path) -> None:
    run = export_project(session, "Tower", tmp_path, what="files", user_id="ADA", unpack=unpack)
    [outcome] = [each async for each in run]
    assert outcome.ok
    expected = [f"F-{n}.pdf" for n in range(3)] if unpack else ["Tower files.zip"]
    assert lying_in(tmp_path) == expected
    assert [path.name for path in outcome.unpacked] == (expected if unpack else [])


async def test_files_of_a_bim360_project_need_no_export(session: Session, tmp_path: Path) -> None:
    with pytest.raises(NotExportableError, match="download"):
        [each async for each in export_project(session, "Clinic", tmp_path, what="files")]


async def test_no_files_and_no_sheets(session: Session) -> None:
    for what in ("files", "sheets"):
        assert [each async for each in project_requests(session, "Empty", what=what, user_id="ADA")] == []


@pytest.mark.parametrize("what", ["files", "sheets"])
async def test_acc_needs_a_user_before_anything_is_listed(what: Any, simulator: Simulator, session: Session) -> None:
    tower = await find_project(session, "Tower")
    simulator.reset_counts()
    with pytest.raises(InputError, match="user_id"):
        [each async for each in project_requests(session, tower, what=what)]
    assert list(simulator.log) == []
    async with session_for(simulator, user_id="ADA") as named:
        assert [each async for each in project_requests(named, tower, what=what)]


NOT_IN_BIM360 = [
    ExportOptions(issue_markups=True),
    ExportOptions(photo_markups=True),
    ExportOptions(asset_markups=True),
    ExportOptions(markups=True, unpublished_markups=True),
    ExportOptions(output_name="x"),
]


@pytest.mark.parametrize("options", NOT_IN_BIM360, ids=repr)
async def test_options_that_bim360_does_not_have_are_refused(
    simulator: Simulator, session: Session, tmp_path: Path, options: ExportOptions
) -> None:
    clinic = await find_project(session, "Clinic")
    [sheet, *_] = [each async for each in list_sheets(session, clinic)]
    simulator.reset_counts()
    with pytest.raises(InputError, match="only published markups and hyperlinks"):
        [each async for each in export_project(session, clinic, tmp_path, options=options)]
    with pytest.raises(InputError, match="only published markups and hyperlinks"):
        await start_export(session, sheet.to_request(options))
    assert list(simulator.log) == []


async def test_a_project_of_another_kind(session: Session) -> None:
    with pytest.raises(NotExportableError, match="type Fusion"):
        [each async for each in list_sheets(session, "Model")]
    with pytest.raises(NotExportableError, match="type Fusion"):
        await get_sheet(session, "Model", "A-101")
