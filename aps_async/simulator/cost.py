"""Cost Management: documents that are generated from templates, and the attachments that start them."""

import uuid
from datetime import UTC, datetime
from typing import Any

import attrs

from . import access
from .behaviour import JobPolls
from .costfiles import publish
from .gateway import unauthorized
from .jsonapi import timestamp
from .parts import Association, CostDocument, Project
from .replies import Refusal, Reply, json_reply
from .requests import read_object
from .routing import Call, Endpoint
from .urns import derived_uuid

_DOCUMENTED = ("Budget", "Contract", "CostItem", "FormInstance", "Payment", "BudgetPayment", "Expense", "OCO", "SCO")
_TYPES = frozenset((*_DOCUMENTED, "MainContract", "CostPayment", "PaymentItem", "RFQ", "RCO"))  # a fuller list
_FORMS = frozenset(["SCO", "OCO", "RFQ", "RCO", "PCO", "FormInstance"])
_ATTACHMENTS = ("Upload", "DocsFile", "Reference", "Document")
_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
_REGIONS = ("US", "EMEA", "AUS", "CAN", "DEU", "GBR", "IND", "JPN")
_CONFLICT = "The request could not be completed due to a conflict with the current state of the resource."
_TEMPLATE_ERROR = {
    "code": "missingTemplate",
    "message": "Couldn't generate the document because the template is invalid.",
    "detail": "Got timeout for POST upload URL.",
}


def refuse(status: int, _code: str, message: str, field: str = "") -> Refusal:
    """Cost's error document; a 400 names the field."""
    title = _TITLES.get(status, "Error")
    error: dict[str, Any] = {"status": status, "title": title, "message": message, "detail": message}
    if status == 400:
        code = "ERR_VALIDATION"
        error["errors"] = [{"field": field, "code": code, "title": "Invalid parameter", "detail": message}]
    return Refusal(json_reply(status, error))


@attrs.define(eq=False)
class Run:
    """The generation of one document."""

    started: float
    """Loop time."""
    started_at: float | None
    """Clock time; None when it began before anybody looked."""
    seconds: float | None
    """Real seconds; None when it is a matter of polls."""
    polls: int = 0
    ended_at: float | None = None

    def word(self, document: CostDocument, now: float, polls_needed: int) -> str:
        """The document's status."""
        if self.seconds is None:
            done = self.polls / polls_needed if polls_needed else 1.0
        else:
            done = (now - self.started) / self.seconds if self.seconds else 1.0
        if done >= 1 and not document.never:
            return document.ends
        return "Pending" if done < 1 / 3 else "Started"

    def summary(self) -> dict[str, Any]:
        """This run as the counters report it."""
        known = self.seconds is not None and self.started_at is not None
        return {
            "kind": "cost",
            "started": self.started_at,
            "finishes": (self.started_at or 0.0) + (self.seconds or 0.0) if known else None,
            "polls": self.polls,
            "first_seen_completed": self.ended_at,
        }


@attrs.define
class Desk:
    """What was asked of Cost Management since the simulator began."""

    runs: dict[str, Run] = attrs.field(factory=dict[str, Run])
    posted: dict[str, list[CostDocument]] = attrs.field(factory=dict[str, list[CostDocument]])
    """By project id."""


def project_of(call: Call) -> Project:
    """The project of the container, if the user may work in it."""
    behaviour = call.simulator.behaviour
    if call.token is None or call.token.user is None:
        if behaviour.cost_two_legged_status == 401:
            raise Refusal(unauthorized(call))
        raise refuse(behaviour.cost_two_legged_status, "", "The service needs the token of a user (three-legged).")
    identity = call.params["container"].lower()
    try:
        uuid.UUID(identity)
    except ValueError:
        raise refuse(400, "", "containerId must be a UUID.", "containerId") from None
    region = call.request.headers.get("region", "")
    if region and region not in _REGIONS and behaviour.cost_unknown_region_status != 200:
        raise refuse(
            behaviour.cost_unknown_region_status, "", f"region must be one of {', '.join(_REGIONS)}.", "region"
        )
    if behaviour.cost_conflict:
        raise refuse(409, "", _CONFLICT)
    kind = behaviour.cost_container_ids
    for project in call.simulator.world.projects.values():
        by_id = identity == project.id and (kind != "container" or identity == project.cost.container)
        if not by_id and (kind == "project" or identity != project.cost.container.lower()):
            continue
        if behaviour.cost_region_routes and region not in ("", project.hub.region):
            break
        return access.find_project(call, project.id, refuse)
    raise refuse(404, "", "The container does not exist.")


def _type(value: object) -> str:
    if not isinstance(value, str) or value not in _TYPES:
        raise refuse(400, "", f"associationType must be one of {', '.join(sorted(_TYPES))}.", "associationType")
    return value


def _fits(call: Call, association: Association, kind: str) -> bool:
    """Whether an association is one of this type; a change order's documents may be asked for as those of a form."""
    as_form = kind == "FormInstance" and call.simulator.behaviour.cost_forms_find_change_orders
    return association.kind == kind or (as_form and association.kind in _FORMS)


def _associations(call: Call, project: Project) -> list[Association]:
    """What the query names, as far as it exists."""
    kind = _type(call.query.get("associationType"))
    ids = [text.strip() for text in call.query.get("associationId", "").split(",")]
    for identity in ids:
        try:
            uuid.UUID(identity)
        except ValueError:
            message = f"associationId must be UUIDs with commas between them, not {identity!r}."
            raise refuse(400, "", message, "associationId") from None
    for name in ("filter[latest]", "filter[signed]"):
        if call.query.get(name, "true").lower() not in ("true", "false"):
            raise refuse(400, "", f"{name} must be true or false.", name)
    found = [project.cost.associations.get(identity.lower()) for identity in dict.fromkeys(ids)]
    status = call.simulator.behaviour.cost_unknown_association_status
    if status != 200 and None in found:
        raise refuse(status, "", "The association does not exist.")
    return [one for one in found if one is not None and _fits(call, one, kind)]


def _latest(call: Call, project: Project, association: Association) -> list[CostDocument]:
    """The newest document of each template, or all of them."""
    everything = [*project.cost.documents, *call.simulator.state(Desk).posted.get(project.id, [])]
    mine = [one for one in everything if one.association is association]
    if call.simulator.behaviour.cost_all_documents:
        return mine
    return list({one.template_id: one for one in mine}.values())


def _run(call: Call, document: CostDocument) -> Run | None:
    """How far a document is; None when it was there before the simulator began."""
    runs = call.simulator.state(Desk).runs
    if document.runs and document.id not in runs:
        runs[document.id] = _new_run(call, document, call.simulator.began_loop, None)
    return runs.get(document.id)


def _new_run(call: Call, document: CostDocument, started: float, started_at: float | None) -> Run:
    simulator, behaviour = call.simulator, call.simulator.behaviour
    seconds = None
    if not isinstance(behaviour.job_time, JobPolls):
        seconds = behaviour.job_time.draw(f"{simulator.seed}|{document.id}") / simulator.speed
    return Run(started, started_at, seconds)


def _status(call: Call, document: CostDocument) -> tuple[str, Run | None]:
    """The status now; a document that has just been finished gets its file."""
    simulator = call.simulator
    run = _run(call, document)
    if run is None:
        return document.ends, None
    run.polls += 1
    job_time = simulator.behaviour.job_time
    word = run.word(document, simulator.now(), job_time.count if isinstance(job_time, JobPolls) else 0)
    if word in ("Pending", "Started"):
        return word, run
    if run.ended_at is None:
        run.ended_at = document.ended_at = simulator.clock()
    if word != "Failed" and document.item is None:
        item = publish(document)
        if item.id not in simulator.world.items:
            simulator.world.add_item(item)
    return word, run


def _document(call: Call, document: CostDocument, kind: str) -> dict[str, Any]:
    behaviour, association = call.simulator.behaviour, document.association
    word, run = _status(call, document)
    created = timestamp(document.id)[:23] + "Z"
    updated = timestamp(document.id, 1)[:23] + "Z"
    if run is not None and run.started_at is not None:
        created = _iso(run.started_at)
    if run is not None:
        updated = _iso(run.ended_at or call.simulator.clock())
    finished = word not in ("Pending", "Started", "Failed")
    error = word == "Failed" or (word == "Completed" and behaviour.cost_error_info_on_completed)
    upper = behaviour.cost_upper_case_ids
    urn = document.item.tip.id if finished and document.item is not None else None
    found = {
        "id": document.id,
        "recipientId": document.recipient or "GF8XKPKWM38E",
        "signedBy": "CED9LVTLHNXV" if word == "Signed" else None,
        "urn": urn,
        "pdfUrn": urn if behaviour.cost_pdf_urn else None,
        "status": word,
        "jobId": str(document.number) if behaviour.cost_job_id == "text" else document.number,
        "errorInfo": dict(_TEMPLATE_ERROR) if error else None,
        "associationId": association.id.upper() if upper else association.id,
        "associationType": kind,
        "createdAt": created,
        "updatedAt": updated,
    }
    return found if behaviour.cost_null_fields else {name: value for name, value in found.items() if value is not None}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def cost_documents(call: Call) -> Reply:
    """GET documents."""
    project = project_of(call)
    chosen = _associations(call, project)
    kind = call.query["associationType"]
    found = [_document(call, one, kind) for each in chosen for one in _latest(call, project, each)]
    if call.simulator.behaviour.cost_filter_signed and call.query.get("filter[signed]", "").lower() == "true":
        found = [one for one in found if one["status"] == "Signed"]
    if len(found) == 1 and call.simulator.behaviour.cost_single_object:
        return json_reply(200, found[0])
    return json_reply(200, found)


async def _attachment(call: Call) -> dict[str, Any]:
    body = await read_object(call)
    if body is None:
        raise refuse(400, "", "The request body must be a JSON object.", "body")
    for name in ("name", "associationId", "type"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise refuse(400, "", f"{name} is required.", name)
    _type(body.get("associationType"))
    if body["type"] not in _ATTACHMENTS:
        raise refuse(400, "", f"type must be one of {', '.join(_ATTACHMENTS)}.", "type")
    needed = {"Document": "templateId", "DocsFile": "urn", "Reference": "urn"}.get(body["type"], "name")
    if not isinstance(body.get(needed), str) or not body[needed]:
        raise refuse(400, "", f"{needed} is required for the type {body['type']}.", needed)
    return body


async def cost_attachments(call: Call) -> Reply:
    """POST attachments: with a template, the generation of a document begins."""
    simulator, project = call.simulator, project_of(call)
    body = await _attachment(call)
    association = project.cost.associations.get(body["associationId"].lower())
    if association is None or not _fits(call, association, body["associationType"]):
        raise refuse(404, "", "The association does not exist.")
    status = simulator.behaviour.cost_unknown_template_status
    if body["type"] == "Document" and status != 201 and body["templateId"] not in project.cost.templates:
        raise refuse(status, "", "The template does not exist.", "templateId")
    posted = simulator.state(Desk).posted.setdefault(project.id, [])
    number = len(project.cost.documents) + len(posted) + 1
    identity = derived_uuid("attachment", simulator.seed, association.id, body["type"], number)
    if body["type"] == "Document":
        same = simulator.behaviour.cost_attachment_is_document
        own = identity if same else derived_uuid("document of", identity)
        _begin(call, association, own, body["templateId"], number)
    now = _iso(simulator.clock())
    document = {
        "id": identity,
        "folderId": body.get("folderId"),
        "urn": body.get("urn"),
        "pdfUrn": None,
        "pdfOssUrn": None,
        "type": body["type"],
        "name": body["name"],
        "status": "Pending" if body["type"] == "Document" else None,
        "associationId": association.id,
        "associationType": body["associationType"],
        "templateId": body.get("templateId"),
        "createdAt": now,
        "updatedAt": now,
    }
    return json_reply(201, document)


def _begin(call: Call, association: Association, identity: str, template_id: str, number: int) -> None:
    simulator, project = call.simulator, association.project
    known = project.cost.templates.get(template_id)
    document = CostDocument(
        id=identity,
        association=association,
        template=known or "Unknown template",
        template_id=template_id,
        number=number,
        recipient=call.user.id if call.user is not None else "",
        ends="Completed" if known else "Failed",
    )
    simulator.state(Desk).posted[project.id].append(document)
    simulator.state(Desk).runs[identity] = _new_run(call, document, simulator.now(), simulator.clock())


CONTAINER = "/cost/v1/containers/{container}"

ENDPOINTS = (
    Endpoint("cost_documents", "GET", f"{CONTAINER}/documents", "data:read", 30, cost_documents),
    Endpoint("cost_attachments", "POST", f"{CONTAINER}/attachments", "data:write", 50, cost_attachments),
)
