"""The commands `cost-documents` and `download`."""

import time
from pathlib import Path

from attrs import frozen

from aps_async.cli.environment import open_session
from aps_async.cli.export import Result, Run, RunChoices, Task, delivered, export_tasks, keep, ledger_for
from aps_async.cli.output import print_json, print_result, print_status, size
from aps_async.errors import NotFoundInProjectError
from aps_async.exports.uploads import download_urn
from aps_async.resources import cost
from aps_async.resources.projects import find_project_id
from aps_async.session import Session


@frozen(kw_only=True)
class DocumentChoices(RunChoices):
    """Options of `cost-documents`."""

    type: str
    ids: tuple[str, ...]
    container: str | None = None
    region: str | None = None


async def cost_documents(choices: DocumentChoices) -> int:
    """`aps-async cost-documents`."""
    run = Run(things="document", comes_as="document")
    return await delivered(choices, run, lambda session: _documents(session, choices, run))


async def _documents(session: Session, choices: DocumentChoices, run: Run) -> None:
    session.check_user(cost.DOCUMENTS)
    project = await find_project_id(session, choices.project)
    jobs = await cost.document_jobs(
        session,
        project,
        association_type=choices.type,
        association_ids=choices.ids,
        container_id=choices.container,
        region=choices.region,
    )
    having = {subject for job in jobs for subject in job.ref.request.source_ids}
    for each in choices.ids:
        if each.strip().lower() not in having:
            problem = NotFoundInProjectError(f"no document was generated for it, or the {choices.type} does not exist")
            keep(Result(name=f"{choices.type} {each}", id=each, error=problem), choices, run)
    tasks = [Task(name=job.ref.request.name or "", id=job.ref.export_id, wanted=job) for job in jobs]
    await export_tasks(session, tasks, choices, run, ledger=ledger_for("cost-documents", choices))


async def download(urn: str, *, out: Path, project: str | None, user_id: str | None, as_json: bool) -> int:
    """`aps-async download`."""
    began = time.monotonic()
    async with open_session(user_id) as session:
        got = await download_urn(session, urn, out, project=project)
    for warning in got.warnings:
        print_status(f"warning: {out.name}: {warning}")
    if as_json:
        print_json({"urn": urn, "path": str(out), "bytes": got.size, "warnings": list(got.warnings)})
    else:
        print_result(f"{size(got.size)}, in {time.monotonic() - began:.1f} s: {out}")
    return 0
