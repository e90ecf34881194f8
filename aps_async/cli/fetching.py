"""The commands `cost-documents` and `download`."""

import time
from pathlib import Path

from attrs import evolve, frozen

from aps_async.cli.delivering import RunChoices, Task, delivered, export_tasks, keep, ledger_for
from aps_async.cli.environment import open_session
from aps_async.cli.output import print_json, print_result, print_status
from aps_async.cli.results import Result, Run
from aps_async.errors import NotFoundInProjectError
from aps_async.exports.uploads import download_urn
from aps_async.resources import cost
from aps_async.resources.associations import LISTS, find_labels, name_jobs
from aps_async.resources.projects import find_project_id
from aps_async.session import Session
from aps_async.text import size


@frozen(kw_only=True)
class DocumentChoices(RunChoices):
    """Options of `cost-documents`."""

    type: str
    ids: tuple[str, ...]
    container: str | None = None
    region: str | None = None
    template: str | None = None
    """Makes a new document for each id; None: those that there are."""


async def cost_documents(choices: DocumentChoices) -> int:
    """`aps-async cost-documents`."""
    run = Run(things="document", comes_as="document")
    return await delivered(choices, run, lambda session: _documents(session, choices, run))


async def _documents(session: Session, choices: DocumentChoices, run: Run) -> None:
    session.check_user(cost.DOCUMENTS)
    project = await find_project_id(session, choices.project)
    make = _existing if choices.template is None else _new
    tasks = await make(session, project, choices, run)
    await export_tasks(session, tasks, choices, run, ledger=ledger_for("cost-documents", choices))


async def _existing(session: Session, project: str, choices: DocumentChoices, run: Run) -> list[Task]:
    """The documents that there are for the ids."""
    jobs = await cost.list_exports(
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
    named = await name_jobs(session, jobs)
    return [Task(name=job.ref.request.name or "", id=job.ref.export_id, wanted=job) for job in named]


async def _new(session: Session, project: str, choices: DocumentChoices, run: Run) -> list[Task]:
    """A document to be made from the template for each of the ids."""
    requests = [
        cost.make_request(
            project,
            association_type=choices.type,
            association_id=each.lower(),
            template_id=choices.template or "",
            container_id=choices.container,
            region=choices.region,
        )
        for each in choices.ids
    ]
    source = requests[0].cost
    labels = await find_labels(session, source, choices.ids) if source else None
    tasks: list[Task] = []
    for request in requests:
        [each] = request.source_ids
        if labels is not None and each not in labels and choices.type in LISTS:
            problem = NotFoundInProjectError(f"there is no such {choices.type}; 'aps-async cost' lists them")
            keep(Result(name=request.name or each, id=each, error=problem), choices, run)
            continue
        name = (labels or {}).get(each) or request.name or each
        tasks.append(Task(name=name, id=each, wanted=evolve(request, name=name)))
    return tasks


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
