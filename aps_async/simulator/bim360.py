"""BIM 360 Document Management: exports of single sheets, and versions:batch-get."""

import uuid
from collections import Counter
from typing import Any
from urllib.parse import quote

import attrs

from . import access
from .behaviour import JobPolls
from .jsonapi import timestamp
from .narrowing import is_list
from .pages import Content, Pages
from .parts import DOCUMENT, Project, Version
from .refusals import shaped
from .replies import Refusal, Reply, json_reply
from .requests import read_body, read_object
from .routing import Call, Endpoint
from .storage import BUCKET, Storage
from .urns import b64urn, derived_uuid, token22

_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


def _refuse_as(call: Call) -> access.ErrorMaker:
    shape = call.simulator.behaviour.bim360_errors

    def refuse(status: int, code: str, detail: str) -> Refusal:
        error = {"code": code, "title": _TITLES.get(status, "Error"), "detail": detail}
        return shaped(shape, status, error)

    return refuse


@attrs.define(eq=False)
class Job:
    """One export job."""

    id: str
    version: Version
    markups: bool
    hyperlinks: bool
    started: float
    """Loop time."""
    started_at: float
    """Clock time."""
    seconds: float | None
    """Real seconds from start to end; None when it is a matter of polls."""
    path: str
    polls: int = 0
    not_found_left: int = 0
    first_seen_completed: float | None = None
    link: str = ""

    def status(self, now: float, polls_needed: int) -> str:
        """`committed`, `completed` or `failed`."""
        over = self.polls >= polls_needed if self.seconds is None else now >= self.started + self.seconds
        if self.version.item.never or not over:
            return "committed"
        return "failed" if self.version.item.fails else "completed"

    def summary(self) -> dict[str, Any]:
        """This job as the counters report it."""
        finishes = None if self.seconds is None or self.version.item.never else self.started_at + self.seconds
        return {
            "kind": "bim360",
            "version": self.version.id,
            "started": self.started_at,
            "finishes": finishes,
            "polls": self.polls,
            "first_seen_completed": self.first_seen_completed,
        }


@attrs.define
class Jobs:
    """All export jobs of a simulator."""

    by_id: dict[str, Job] = attrs.field(factory=dict[str, Job])
    by_key: dict[tuple[str, bool, bool], Job] = attrs.field(factory=dict[tuple[str, bool, bool], Job])
    by_path: dict[str, Job] = attrs.field(factory=dict[str, Job])
    """By the path of what they deliver; of several with the same result the last."""
    made: Counter[tuple[object, ...]] = attrs.field(factory=Counter[tuple[object, ...]])
    """How many jobs each version and its options had, so that ids do not depend on the order of starts."""
    repeated: int = 0


def _project(call: Call) -> Project:
    refuse, identity = _refuse_as(call), call.params["project"]
    if not call.simulator.behaviour.project_prefix_refused:
        identity = identity.removeprefix("b.")
    try:
        canonical = str(uuid.UUID(identity)) == identity.lower()
    except ValueError:
        canonical = False
    if not canonical:
        raise refuse(400, "ERR_BAD_INPUT", f"project_id must be a UUID without prefix, got {identity!r}.")
    project = access.find_project(call, identity.lower(), refuse)
    if project.kind != "BIM360":
        status = call.simulator.behaviour.acc_status
        raise refuse(status, "ERR_NOT_SUPPORTED", "The project is not a BIM 360 project.")
    return project


def _sheet(call: Call, project: Project) -> Version:
    """The version to export, if that is something the service exports."""
    refuse, behaviour = _refuse_as(call), call.simulator.behaviour
    version = call.simulator.world.versions.get(call.params["version"])
    if version is None or version.item.hidden or version.item.deleted:
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The exported document does not exist.")
    item = version.item
    access.check_item(call, item, project, refuse)
    no = behaviour.not_exportable_status
    if item.kind != DOCUMENT:
        raise refuse(no, "ERR_BAD_INPUT", "Only pages of PDF files in the Plans folder can be exported.")
    if "SPLIT" not in item.folder.actions or not item.source_file_name.lower().endswith(".pdf"):
        raise refuse(no, "ERR_BAD_INPUT", "The document is not a page of a PDF file in the Plans folder.")
    if item.process_state != "PROCESSING_COMPLETE" and behaviour.unprocessed_status >= 400:
        raise refuse(behaviour.unprocessed_status, "ERR_BAD_INPUT", "The document is still being processed.")
    return version


async def _options(call: Call) -> tuple[bool, bool]:
    refuse = _refuse_as(call)
    text = await read_body(call)
    if not text and not call.simulator.behaviour.body_required:
        return False, False
    if not call.request.headers.get("Content-Type", "").lower().startswith("application/json"):
        raise refuse(400, "AUTH-007", "The Content-Type header must be application/json.")
    body = await read_object(call)
    if body is None:
        raise refuse(400, "ERR_BAD_INPUT", "The request body must be a JSON object.")
    values = [body.get(name, False) for name in ("includeMarkups", "includeHyperlinks")]
    if not all(isinstance(value, bool) for value in values):
        raise refuse(400, "ERR_BAD_INPUT", "includeMarkups and includeHyperlinks must be booleans.")
    return bool(values[0]), bool(values[1])


def _content_maker(call: Call, job: Job) -> Any:
    pages, version = call.simulator.state(Pages), job.version

    def make(revision: int) -> Content:
        return pages.content(version, markups=job.markups, hyperlinks=job.hyperlinks, revision=revision)

    return make


def _new_job(call: Call, version: Version, markups: bool, hyperlinks: bool) -> Job:
    simulator, behaviour = call.simulator, call.simulator.behaviour
    jobs, now = simulator.state(Jobs), simulator.now()
    seconds = None
    if not isinstance(behaviour.job_time, JobPolls):
        seconds = behaviour.job_time.draw(f"{simulator.seed}|{version.id}") / simulator.speed
    options = (markups, hyperlinks)
    jobs.made[version.id, *options] += 1
    source = version.item.source.versions[0].id if version.item.source else version.id
    folder = b64urn(source if behaviour.source_version_first else version.id)
    tail = f"{token22('output', version.id)}/{token22('pdf', version.id, *options)}"
    job = Job(
        id=derived_uuid("job", simulator.seed, version.id, *options, jobs.made[version.id, *options]),
        version=version,
        markups=markups,
        hyperlinks=hyperlinks,
        started=now,
        started_at=simulator.clock(),
        seconds=seconds,
        path=f"/{BUCKET}/{folder}/output/{tail}.pdf",
        not_found_left=behaviour.not_found_after_start,
    )
    jobs.by_id[job.id] = jobs.by_path[job.path] = job
    simulator.state(Storage).put(job.path, _content_maker(call, job), job.started_at)
    return job


def _data(call: Call, job: Job) -> dict[str, str]:
    """The result of a completed job."""
    _, _, rest = job.path[1:].partition("/")
    resource = f"urn:adsk.viewing:fs.file:{rest}"
    data = {"versionUrn": rest.partition("/")[0], "resourceId": resource}
    if call.simulator.behaviour.link_present:
        root = f"{call.simulator.url}/modelderivative/v2/designdata"
        data["link"] = f"{root}/{data['versionUrn']}/manifest/{quote(resource, safe='')}"
    if call.simulator.behaviour.signed_url_present:
        data["signedUrl"] = job.link
    return data


def _document(call: Call, job: Job, *, fresh: bool) -> dict[str, Any]:
    simulator, behaviour = call.simulator, call.simulator.behaviour
    needed = behaviour.job_time.count if isinstance(behaviour.job_time, JobPolls) else 0
    status = job.status(simulator.now(), needed)
    answer: dict[str, Any] = {"id": job.id, "status": status}
    if status == "failed" and behaviour.failed_has_error:
        answer["error"] = {"code": "ERR_INTERNAL_SERVER_ERROR", "detail": "The export could not be finished."}
    if status != "committed" and job.first_seen_completed is None:
        job.first_seen_completed = simulator.clock()
    if status == "completed":
        if fresh or not job.link:
            if behaviour.new_url_ends_old:
                simulator.state(Storage).withdraw(job.link)
            target = simulator.state(Storage).signer.link(
                job.path, simulator.clock(), behaviour.signed_url_life / simulator.speed
            )
            job.link = f"{simulator.storage_url}{target}"
        answer["data"] = _data(call, job)
    return answer


async def export_start(call: Call) -> Reply:
    """POST .../exports: a new job, or for a repeat the same one as a status call would show it."""
    version = _sheet(call, _project(call))
    markups, hyperlinks = await _options(call)
    simulator, behaviour = call.simulator, call.simulator.behaviour
    apart, jobs = behaviour.options_make_another_job, simulator.state(Jobs)
    key = (version.id, markups and apart, hyperlinks and apart)
    job = jobs.by_key.get(key) if behaviour.repeat_gives_same_job else None
    if job is not None and not access.is_forgotten(call, job.started):
        jobs.repeated += 1
        document = _document(call, job, fresh=True)
        if not (document["status"] == "failed" and behaviour.repeat_restarts_failed):
            return json_reply(behaviour.post_status, document)
    job = jobs.by_key[key] = _new_job(call, version, markups, hyperlinks)
    return json_reply(behaviour.post_status, {"id": job.id, "status": "committed"})


async def export_status(call: Call) -> Reply:
    """GET .../exports/{export}."""
    refuse, behaviour, simulator = _refuse_as(call), call.simulator.behaviour, call.simulator
    project = _project(call)
    job = simulator.state(Jobs).by_id.get(call.params["export"].lower())
    if job is None or access.is_forgotten(call, job.started):
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The export job does not exist.")
    if behaviour.status_checks_path and job.version.id != call.params["version"]:
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The export job does not exist for this version.")
    access.check_item(call, job.version.item, project, refuse)
    if job.not_found_left > 0:
        job.not_found_left -= 1
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The export job does not exist.")
    if simulator.now() < job.started + behaviour.not_found_seconds / simulator.speed:
        raise refuse(404, "ERR_RESOURCE_NOT_EXIST", "The export job does not exist.")
    job.polls += 1
    return json_reply(200, _document(call, job, fresh=behaviour.fresh_url_on_every_get))


def _batch_entry(version: Version) -> dict[str, Any]:
    item = version.item
    sheet = item.kind == DOCUMENT
    entry: dict[str, Any] = {
        "urn": version.id,
        "itemUrn": item.id,
        "name": item.name,
        "title": (item.title or None) if sheet else None,
        "number": item.name if sheet and item.title else None,
        "createTime": timestamp(version.id),
        "createUserId": "BW9RM76WZBGL",
        "createUserName": "Ada Brandt",
        "lastModifiedTime": timestamp(version.id, 1),
        "lastModifiedUserId": "BW9RM76WZBGL",
        "lastModifiedUserName": "Ada Brandt",
        "entityType": "DOCUMENT" if sheet else "SEED_FILE",
        "revisionNumber": version.number,
        "processState": item.process_state,
        "approvalStatus": {"label": "Approved", "value": "approved"},
        "customAttributes": [],
    }
    if not sheet and not any(other.source is item for other in item.folder.items):
        entry |= {"storageUrn": version.storage, "storageSize": item.size}
    return entry


async def batch_get(call: Call) -> Reply:
    """POST versions:batch-get: number, title and state of up to 50 items or versions."""
    refuse, world = _refuse_as(call), call.simulator.world
    project = _project(call)
    urns = (await read_object(call) or {}).get("urns")
    if not is_list(urns) or not 1 <= len(urns) <= 50 or not all(isinstance(urn, str) for urn in urns):
        raise refuse(400, "ERR_BAD_INPUT", "urns must be a list of 1 to 50 item or version URNs.")
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for urn in urns:
        version = world.items[urn].tip if urn in world.items else world.versions.get(urn)
        if version is None or version.item.folder.project is not project:
            errors.append(
                {"urn": urn, "code": "ERR_RESOURCE_NOT_EXIST", "title": "Not Found", "detail": "No such document."}
            )
        elif not access.may_see(call.user, version.item.folder):
            errors.append({"urn": urn, "code": "ERR_NOT_ALLOWED", "title": "Forbidden", "detail": "No permission."})
        else:
            results.append(_batch_entry(version))
    return json_reply(200, {"results": results, "errors": errors})


_PROJECT = "/bim360/docs/v1/projects/{project}"
_EXPORTS = f"{_PROJECT}/versions/{{version}}/exports"

ENDPOINTS = (
    Endpoint("export_start", "POST", _EXPORTS, "data:read", 100, export_start),
    Endpoint("export_status", "GET", f"{_EXPORTS}/{{export}}", "data:read", 1000, export_status),
    Endpoint("batch_get", "POST", f"{_PROJECT}/versions:batch-get", "data:read", None, batch_get),
)
