"""The kinds of exports as the shared suite sees them: one line in `SCENES` adds a kind to every test of it."""

import zipfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pypdfium2
from attrs import frozen

from aps_async import (
    ExportJob,
    ExportRequest,
    Session,
    Settings,
    StaticToken,
    bim360,
    cost,
    files,
    sheets,
    start_export,
)
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.support import session_for

WAYS: list[dict[str, Any]] = [
    {"number": "good", "title": "Ground Floor"},
    {"number": "fails", "fails": True},
    {"number": "never", "never": True},
]
UPLOADS = [
    {"type": "file", "name": "good.pdf"},
    {"type": "file", "name": "second.pdf"},
    {"type": "file", "name": "fails.pdf", "fails": True},
    {"type": "file", "name": "never.pdf", "never": True},
]
RUNNING: list[dict[str, object]] = [
    {"name": "good", "ends": "Completed"},
    {"name": "fails", "ends": "Failed"},
    {"name": "never", "never": True},
]
BUDGETS = [
    {"name": each["name"], "documents": [{"status": "Pending", **{k: v for k, v in each.items() if k != "name"}}]}
    for each in RUNNING
]
WORLD = {
    "hubs": [
        {
            "name": "Northlight",
            "projects": [
                {
                    "name": "Clinic",
                    "projectType": "BIM360",
                    "folders": [{"name": "Plans", "items": [*WAYS, {"number": "large", "bytes": 3_000_000}]}],
                },
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "sheets": WAYS,
                    "folders": [{"name": "Project Files", "items": UPLOADS}],
                    "cost": {"budgets": BUDGETS},
                },
            ],
        }
    ]
}


@frozen(kw_only=True)
class Scene:
    """One kind: how its exports are asked for, and what the simulator calls its endpoints."""

    request: Callable[[Simulator, str], ExportRequest]
    start: str
    status: str
    storage: str = "signed_get"
    begin_with: Callable[[Session, Simulator, str], Awaitable[ExportJob]] | None = None
    """For what is not started by us: finds the running job."""
    signed_in: bool = False
    """Whether it takes the token of a user who has signed in, instead of an app's with x-user-id."""
    repeatable: bool = True
    """Whether a start may be repeated after an answer that got lost."""
    large: str = "good"
    """What to download where a body of some size matters."""

    async def begin(self, session: Session, simulator: Simulator, which: str) -> ExportJob:
        """A job under way for the thing in the world that goes `which` way."""
        if self.begin_with is not None:
            return await self.begin_with(session, simulator, which)
        return await start_export(session, self.request(simulator, which))

    def session(
        self, simulator: Simulator, settings: Settings | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Session]:
        """A session that may do it."""
        if self.signed_in:
            return session_for(simulator, settings, tokens=StaticToken(simulator.user_token()), **options)
        return session_for(simulator, settings, user_id=next(iter(simulator.world.users)), **options)


def project_id(simulator: Simulator, name: str) -> str:
    return next(each.id for each in simulator.world.hubs[0].projects if each.name == name)


def _bim360(simulator: Simulator, which: str) -> ExportRequest:
    sheet = simulator.world.find_sheet(which)
    return bim360.make_request(project_id(simulator, "Clinic"), sheet.tip.id, name=which)


def _sheets(simulator: Simulator, which: str) -> ExportRequest:
    [project] = [each for each in simulator.world.hubs[0].projects if each.name == "Tower"]
    [sheet] = [each for each in project.sheets if each.number == which]
    [request] = sheets.make_requests(project.id, [sheet.id], name=which)
    return request


def _files(simulator: Simulator, *which: str) -> ExportRequest:
    urns = [each.tip.id for each in simulator.world.items.values() if each.name in [f"{name}.pdf" for name in which]]
    [request] = files.make_requests(project_id(simulator, "Tower"), urns, name=which[0])
    return request


def _zipped(simulator: Simulator, which: str) -> ExportRequest:
    """Two files give a ZIP."""
    return _files(simulator, which, "good" if which != "good" else "second")


def _budget(simulator: Simulator, which: str) -> str:
    [project] = [each for each in simulator.world.hubs[0].projects if each.name == "Tower"]
    return next(each.id for each in project.cost.associations.values() if each.name == which)


def _cost(simulator: Simulator, which: str) -> ExportRequest:
    [project] = [each for each in simulator.world.hubs[0].projects if each.name == "Tower"]
    return cost.make_request(
        project.id,
        association_type="Budget",
        association_id=_budget(simulator, which),
        template_id=next(iter(project.cost.templates)),
        name=which,
    )


async def _running_document(session: Session, simulator: Simulator, which: str) -> ExportJob:
    [job] = await cost.list_exports(
        session,
        project_id(simulator, "Tower"),
        association_type="Budget",
        association_ids=[_budget(simulator, which)],
    )
    return job


SCENES = {
    "bim360": Scene(request=_bim360, start="export_start", status="export_status", large="large"),
    "acc-sheets": Scene(
        request=_sheets, start="sheets_export_start", status="sheets_export_status", repeatable=False
    ),
    "acc-files": Scene(request=_files, start="files_export_start", status="files_export_status", repeatable=False),
    "acc-files-zip": Scene(
        request=_zipped, start="files_export_start", status="files_export_status", repeatable=False
    ),
    "cost": Scene(
        request=_cost, begin_with=_running_document, start="cost_attachments", status="cost_documents",
        repeatable=False, signed_in=True,
    ),
}  # fmt: skip


def world() -> World:
    """A fresh world: the simulator keeps what happens to it."""
    return World.from_json(WORLD)


def twenty_seconds(**options: Any) -> Behaviour:
    """Jobs that take 20 s each, so that the waits can be told."""
    return Behaviour(job_time=JobTime.fixed(20), **options)


def is_whole(path: Path) -> bool:
    """Whether it opens as what it is: a page, an archive of pages, or a document."""
    if path.read_bytes()[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None and len(archive.namelist()) > 1
    with pypdfium2.PdfDocument(path) as document:
        return len(document) == 1
