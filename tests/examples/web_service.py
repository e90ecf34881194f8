"""Exports behind a web service: a call starts the job and is answered at once, the wait goes on in the background.

    pip install fastapi uvicorn
    uvicorn --app-dir tests/examples web_service:app

What was started is written down before it is answered, so that the service, when it starts again after whatever
stopped it, waits for the same jobs and starts none of them twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse

from aps_async import APSError, ExportRef, Session, TwoLegged, bim360, ref_from_json, ref_to_json, wait_for_export

FOLDER = Path(os.environ.get("EXPORTS", "exports"))


class Exports:
    """The exports under way, each in a task of its own."""

    def __init__(self, session: Session, group: asyncio.TaskGroup) -> None:
        self.problems: dict[str, str] = {}
        self._session = session
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, project: str, version: str) -> ExportRef:
        """Starts a job, notes its reference, and waits for it in the background."""
        job = await bim360.start_export(self._session, project, version)
        (FOLDER / f"{job.ref.export_id}.json").write_text(ref_to_json(job.ref))
        self.wait(job.ref)
        return job.ref

    def wait(self, ref: ExportRef) -> None:
        """Brings the result of a job, whoever started it and when."""
        task = self._group.create_task(self._deliver(ref))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Cancels what is under way; nothing half written is left, and the references stay."""
        for task in self._tasks:
            task.cancel()

    async def _deliver(self, ref: ExportRef) -> None:
        try:
            await wait_for_export(self._session, ref, FOLDER / f"{ref.export_id}.pdf")
        except APSError as problem:
            self.problems[ref.export_id] = str(problem)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One session for the life of the service."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with Session(TwoLegged.from_env()) as session, asyncio.TaskGroup() as group:
        app.state.exports = exports = Exports(session, group)
        for noted in FOLDER.glob("*.json"):
            if not noted.with_suffix(".pdf").exists():
                exports.wait(ref_from_json(noted.read_text()))
        yield
        exports.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/exports", status_code=202)
async def start(request: Request, project: str, version: str) -> dict[str, str]:
    """Starts the export of one sheet."""
    try:
        ref = await request.app.state.exports.start(project, version)
    except APSError as problem:
        raise HTTPException(502, str(problem)) from problem
    return {"id": ref.export_id}


@app.get("/exports/{export_id}")
async def result(request: Request, export_id: str) -> FileResponse:
    """The PDF; 202 while it is made, 502 with the reason when there will be none."""
    noted = {path.stem: path for path in FOLDER.glob("*.json")}.get(export_id)  # no path is made of what a caller says
    if noted is None:
        raise HTTPException(404, "there is no such export")
    if problem := request.app.state.exports.problems.get(export_id):
        raise HTTPException(502, problem)
    if not noted.with_suffix(".pdf").exists():
        raise HTTPException(202, "not done yet")
    return FileResponse(noted.with_suffix(".pdf"), media_type="application/pdf")
