"""What exports of ACC Files and ACC Sheets have in common: permissions, options, jobs and their responses."""

import logging
import uuid
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from . import access
from .accjobs import AccJob, AccJobs
from .behaviour import JobPolls
from .marks import Options
from .narrowing import is_list, is_object
from .parts import BuildSheet, Project, Version
from .refusals import shaped
from .replies import Refusal, Reply, json_reply
from .requests import read_object
from .results import Results
from .routing import Call
from .storage import Storage
from .urns import derived_uuid

BUCKET = "accpes-s-ue1-storage"
_WORKFLOW = 1800.0
"""Seconds a job may run."""
_log = logging.getLogger(__name__)
_TITLES = {
    400: "ERR_BAD_INPUT",
    401: "ERR_AUTHENTICATED_ERROR",
    403: "ERR_NOT_ALLOWED",
    404: "ERR_RESOURCE_NOT_EXIST",
}
_MARKUPS = ("includePublishedMarkups", "includeUnpublishedMarkups")


def refuse(call: Call, status: int, title: str, detail: str) -> Refusal:
    """An `ERR_*` refusal; `code` is the status as a string."""
    behaviour = call.simulator.behaviour
    code = str(status) if behaviour.acc_error_code == "status" else title
    return shaped(behaviour.acc_errors, status, {"code": code, "title": title, "detail": detail})


def maker(call: Call) -> access.ErrorMaker:
    """The same for the checks that all services share."""
    return lambda status, code, detail: refuse(call, status, code, detail)


def find_project(call: Call, *, needs_user: bool) -> Project:
    """The ACC project of the path; `b.` or not."""
    identity, behaviour = call.params["project"].removeprefix("b.").lower(), call.simulator.behaviour
    try:
        uuid.UUID(identity)
    except ValueError:
        raise refuse(call, 400, "ERR_BAD_INPUT", "projectId must be a UUID, with or without 'b.'.") from None
    named = call.request.headers.get("x-user-id")
    if call.token is None or call.token.user is None:
        if not named and needs_user:
            status, detail = behaviour.acc_missing_user_status, "send x-user-id with a two-legged token."
            raise refuse(call, status, _TITLES[status], f"The user id is required: {detail}")
        if named and call.simulator.world.find_user(named) is None:
            status = behaviour.acc_unknown_user_status
            raise refuse(call, status, _TITLES[status], "The user given by x-user-id does not exist.")
    project = access.find_project(call, identity, maker(call), acc_ids=True)
    if project.kind != "ACC":
        status = behaviour.not_acc_status
        raise refuse(call, status, _TITLES[status], "The project is not an ACC project.")
    return project


async def read_body(call: Call) -> dict[str, Any]:
    """The JSON object of a start."""
    if not call.request.headers.get("Content-Type", "").lower().startswith("application/json"):
        raise refuse(call, 400, "ERR_BAD_INPUT", "The Content-Type header must be application/json.")
    body = await read_object(call)
    if body is None:
        raise refuse(call, 400, "ERR_BAD_INPUT", "The request body must be a JSON object.")
    return body


def read_ids(call: Call, body: Mapping[str, Any], name: str, most: int) -> list[str]:
    """The things to export."""
    _note_unknown(call, body, "the body", (name, "options"))
    ids = body.get(name)
    if not is_list(ids) or not all(isinstance(one, str) for one in ids) or not 1 <= len(ids) <= most:
        raise refuse(call, 400, "ERR_BAD_INPUT", f"{name} must be a list of 1 to {most} strings.")
    if len(set(ids)) != len(ids) and call.simulator.behaviour.acc_duplicates_refused:
        raise refuse(call, 400, "ERR_BAD_INPUT", f"{name} must not name anything twice.")
    return ids


def read_options(call: Call, body: Mapping[str, Any], *, assets: bool = False) -> Options:
    """`options` of a start. Wrong types are refused; unknown keys are ignored with a warning in the log.

    Args:
        call: the call.
        body: its body.
        assets: whether the service knows `assetMarkups`.
    """
    behaviour = call.simulator.behaviour
    groups = ("standardMarkups", "issueMarkups", "photoMarkups", *(["assetMarkups"] if assets else []))
    options = _object(call, body, "options", ("outputFileName", *groups))
    name = options.get("outputFileName", "")
    slash = isinstance(name, str) and "/" in name and behaviour.acc_slash_in_name_refused
    if not isinstance(name, str) or len(name) > 255 or not name.isprintable() or slash:
        raise refuse(call, 400, "ERR_BAD_INPUT", "options.outputFileName must be a name of at most 255 characters.")
    standard = _flags(call, options, "standardMarkups", (*_MARKUPS, "includeMarkupLinks"), default=True)
    others = [flag for group in groups[1:3] for flag in _flags(call, options, group, _MARKUPS, default=False)]
    if assets and behaviour.acc_asset_markups == "one flag":
        others += 2 * _flags(call, options, "assetMarkups", ("includeMarkups",), default=False)
    elif assets:
        others += _flags(call, options, "assetMarkups", _MARKUPS, default=False)
    links = standard[2] and (standard[0] or standard[1])
    return Options(name, standard[0], standard[1], links, *others)


def _note_unknown(call: Call, value: Mapping[str, Any], where: str, known: tuple[str, ...]) -> None:
    """A service that grows ignores what it does not know, unless it is strict."""
    for name in sorted(set(value) - set(known)):
        if call.simulator.behaviour.acc_unknown_options == "refuse":
            raise refuse(call, 400, "ERR_BAD_INPUT", f"{name!r} in {where} is not known.")
        _log.warning("%s: ignored %r in %s: unknown here", call.endpoint.name, name, where)


def _object(call: Call, within: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    value: object = within.get(name)
    if value is None:
        return {}
    if not is_object(value):
        raise refuse(call, 400, "ERR_BAD_INPUT", f"{name} must be an object of {', '.join(keys)}.")
    _note_unknown(call, value, name, keys)
    return {key: value[key] for key in keys if key in value}


def _flags(call: Call, options: Mapping[str, Any], name: str, keys: tuple[str, ...], *, default: bool) -> list[bool]:
    values = _object(call, options, name, keys)
    found = [values.get(key, default and key in _MARKUPS) for key in keys]
    if not all(isinstance(value, bool) for value in found):
        raise refuse(call, 400, "ERR_BAD_INPUT", f"{name}: every option must be true or false.")
    return found


def start(
    call: Call,
    service: Literal["files", "sheets"],
    project: Project,
    inputs: tuple[Version, ...] | tuple[BuildSheet, ...],
    options: Options,
    suffix: str,
) -> AccJob:
    """Another job, whatever was asked for before."""
    simulator, behaviour, jobs = call.simulator, call.simulator.behaviour, call.simulator.state(AccJobs)
    if call.user is None:
        raise refuse(call, 400, "ERR_BAD_INPUT", "The user id is required.")
    key = (service, call.user.id, options, *(one.id for one in inputs))
    jobs.made[key] += 1
    digest = derived_uuid("acc job", simulator.seed, *key, jobs.made[key])
    seconds = None
    if not isinstance(behaviour.job_time, JobPolls):
        more = (len(inputs) - 1) * behaviour.acc_sheet_time if service == "sheets" else 0.0
        seconds = (behaviour.job_time.draw(f"{simulator.seed}|{digest}") + more) / simulator.speed
    items = [one if isinstance(one, BuildSheet) else one.item for one in inputs]
    name = options.output_name or ("sheets" if service == "sheets" else f"{project.name} files")
    job = AccJob(
        id=digest,
        service=service,
        project=project,
        user=call.user,
        inputs=inputs,
        options=options,
        started=simulator.now(),
        started_at=simulator.clock(),
        seconds=seconds,
        limit=_WORKFLOW / simulator.speed,
        never=any(item.never for item in items),
        path=f"/{BUCKET}/{project.id}/{digest}/{quote(name, safe='')}{suffix}",
        not_found_left=behaviour.not_found_after_start,
    )
    if any(item.fails for item in items) and (service == "sheets" or behaviour.acc_failing_file == "job"):
        job.problem = ("500", "ERR_INTERNAL_SERVER_ERROR", "The export could not be finished.")
    if job.timed_out:
        job.problem = ("500", "ERR_WORKFLOW_TIMEOUT", "The export ran for more than 30 minutes.")
    jobs.by_id[job.id] = job
    return job


async def started(call: Call, job: AccJob) -> Reply:
    """The answer to an accepted start."""
    media = "application/zip" if job.path.endswith(".zip") else "application/pdf"
    call.simulator.state(Storage).put(job.path, call.simulator.state(Results).maker(job), job.started_at, media)
    return json_reply(202, {"id": job.id, "status": "processing"})


async def status(call: Call, service: str) -> Reply:
    """GET .../exports/{export} of either service."""
    simulator, behaviour = call.simulator, call.simulator.behaviour
    project = find_project(call, needs_user=True)
    job = simulator.state(AccJobs).by_id.get(call.params["export"].lower())
    unknown = refuse(call, 404, "ERR_RESOURCE_NOT_EXIST", "The export job does not exist.")
    forgotten = job is not None and access.is_forgotten(call, job.started)
    if job is None or forgotten or job.service != service or job.project is not project:
        raise unknown
    if call.user is None or call.user.id != job.user.id:
        if behaviour.acc_initiator_status == 404:
            raise unknown
        raise refuse(call, behaviour.acc_initiator_status, "ERR_NOT_ALLOWED", "Another user started this export.")
    if job.not_found_left > 0:
        job.not_found_left -= 1
        raise unknown
    if simulator.now() < job.started + behaviour.not_found_seconds / simulator.speed:
        raise unknown
    job.polls += 1
    return json_reply(200, await _document(call, job))


async def _document(call: Call, job: AccJob) -> dict[str, Any]:
    simulator, behaviour = call.simulator, call.simulator.behaviour
    needed = behaviour.job_time.count if isinstance(behaviour.job_time, JobPolls) else 0
    if not job.is_over(simulator.now(), needed):
        return {"id": job.id, "status": "processing"}
    if job.first_seen_completed is None:
        job.first_seen_completed = simulator.clock()
    if job.problem is not None:
        code, title, detail = job.problem
        if job.timed_out and behaviour.acc_timeout_status != 200:
            raise refuse(call, behaviour.acc_timeout_status, title, detail)
        error = {"code": code, "title": title, "detail": detail}
        return {"id": job.id, "status": "failed", "result": {"error": error}}
    async with job.making:  # two polls at once must not draw everything twice
        await simulator.state(Results).prepare(job)
    output: dict[str, Any] = {"signedUrl": job.link or _link(call, job)}
    if job.failed_files:
        output["failedFiles"] = job.failed_files
    word = "partialSuccess" if job.failed_files else "successful"
    result = {"output": output} if behaviour.acc_result_place == "output" else output
    return {"id": job.id, "status": word, "result": result}


def _link(call: Call, job: AccJob) -> str:
    """The one link of a job; it lives from the job's end on, and no status call renews it."""
    simulator = call.simulator
    end = simulator.clock()
    if job.seconds is not None and simulator.behaviour.acc_url_from == "end":
        end = job.started_at + job.seconds
    name = job.options.output_name
    shown = f"{name}{job.path[-4:]}" if name else job.path.rpartition("/")[2]
    disposition = f"attachment; filename*=UTF-8''{quote(shown) if name else shown}"
    if shown.isascii() and name and not set(shown) & set('"\\'):
        disposition = f'attachment; filename="{shown}"'
    more = f"response-content-disposition={quote(disposition, safe='')}"
    target = simulator.state(Storage).signer.link_v2(
        job.path, end + simulator.behaviour.acc_url_life / simulator.speed, more
    )
    job.link = f"{simulator.storage_url}{target}"
    return job.link
