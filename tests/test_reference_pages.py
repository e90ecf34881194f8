"""Every header, parameter, status and field of the two reference pages, with its place in the client and the simulator.

The names are those of the pages, in their order. Each row is driven: a real call has to send or return it, and the
simulator has to act on it or to serve it.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

import aiohttp
import attrs
import pytest
from yarl import URL

from aps_async import Session, StaticToken, TwoLegged
from aps_async.auth.provider import AccessToken, TokenClient
from aps_async.errors import (
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    ResponseError,
    ServerError,
    UnauthorizedError,
)
from aps_async.models import ExportJob
from aps_async.resources import bim360, cost
from aps_async.simulator import Behaviour, Exchange, Fault, JobPolls, Simulator, World
from tests.test_fields import DOCUMENT, ERROR_INFO, EXPORT, EXPORT_DATA

# ------------------------------------------------------------------ what the rows are driven with

STATUSES = ("Pending", "Started", "Completed", "Failed", "PendingSign", "Signed")
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [{"name": "Plans", "sheets": 2}],
                    "cost": {
                        "budgets": [{"name": word, "documents": [{"status": word}]} for word in STATUSES],
                        "contracts": [{"name": "Shell", "documents": 1}],
                        "costItems": [{"name": "Doors", "documents": 1}],
                        "formInstances": [{"name": "Form", "documents": 1}],
                        "payments": [{"name": "May", "documents": 1}],
                        "budgetPayments": [{"name": "June", "documents": 1}],
                        "expenses": [{"name": "Crane", "documents": 1}],
                        "ocos": [{"name": "Lift", "documents": 1}],
                        "scos": [{"name": "Piles", "documents": 1}],
                    },
                }
            ]
        }
    ]
}
ALL_FIELDS = Behaviour(job_time=JobPolls(1), cost_pdf_urn=True)


@attrs.frozen
class Stage:
    """A simulator, a session of each kind of token, and what the pages' calls are about."""

    simulator: Simulator
    app: Session
    user: Session
    job: ExportJob
    exchanges: list[Exchange]

    @property
    def project(self) -> Any:
        return self.simulator.world.sheets[0].folder.project

    def association(self, kind: str, name: str = "") -> str:
        found = self.project.cost.associations.values()
        return str(next(each.id for each in found if each.kind == kind and name in each.name))


@asynccontextmanager
async def stage(behaviour: Behaviour = ALL_FIELDS) -> AsyncIterator[Stage]:
    exchanges: list[Exchange] = []
    async with Simulator(World.from_json(WORLD), behaviour=ALL_FIELDS, on_exchange=exchanges.append) as simulator:
        app = TwoLegged(simulator.client_id, simulator.client_secret)
        user = StaticToken(simulator.user_token())
        async with Session(app, base_url=simulator.url) as first, Session(user, base_url=simulator.url) as second:
            sheet = simulator.world.sheets[0]
            user_id = next(iter(simulator.world.users))
            job = await bim360.start_export(first, sheet.folder.project.id, sheet.tip.id, user_id=user_id)
            simulator.use_behaviour(behaviour)
            yield Stage(simulator, first, second, job, exchanges)


async def export_call(on: Stage) -> ExportJob:
    return await bim360.get_export(on.app, on.job.ref, retry=False)


async def documents_call(on: Stage) -> tuple[cost.CostDocument, ...]:
    with pytest.warns(DeprecationWarning, match="filter"):
        return await cost.list_documents(
            on.user,
            on.project.id,
            association_type="Budget",
            association_ids=[on.association("Budget", word) for word in STATUSES],
            region=on.project.hub.region,
            latest=True,
            signed=False,
            retry=False,
        )


EXPORT_CALL, DOCUMENTS_CALL = ("export_status", export_call), ("cost_documents", documents_call)
PageCall = tuple[str, Callable[[Stage], Awaitable[Any]]]

# ------------------------------------------------------------------ headers and parameters

Where = Literal["header", "path", "query"]


@attrs.frozen
class Parameter:
    """One header or parameter of a page."""

    page: PageCall
    where: Where
    name: str
    sends: Callable[[Stage], str]
    """What the client's call has to send."""
    other: str | None
    """What the simulator has to answer differently to; None: without it."""
    answers: int
    path_name: str = ""
    """The name of a part of the path in the simulator."""


def always(text: str) -> Callable[[Stage], str]:
    return lambda _: text


NOBODY = "2f9b9bd1-7f0a-4f43-8ec9-0a1d3b1b8f11"
PARAMETERS = [
    Parameter(EXPORT_CALL, "header", "Authorization", always("Bearer "), None, 401),
    Parameter(EXPORT_CALL, "header", "x-user-id", lambda on: on.job.ref.user_id or "", "NOBODY", 403),
    Parameter(EXPORT_CALL, "path", "project_id", lambda on: on.project.id, NOBODY, 404, "project"),
    Parameter(EXPORT_CALL, "path", "version_id", lambda on: on.job.ref.request.source_ids[0], "urn:x", 404, "version"),
    Parameter(EXPORT_CALL, "path", "export_id", lambda on: on.job.ref.export_id, NOBODY, 404, "export"),
    Parameter(DOCUMENTS_CALL, "header", "Authorization", always("Bearer "), None, 401),
    Parameter(DOCUMENTS_CALL, "header", "region", lambda on: on.project.hub.region, "MARS", 400),
    Parameter(DOCUMENTS_CALL, "path", "containerId", lambda on: on.project.id, NOBODY, 404, "container"),
    Parameter(
        DOCUMENTS_CALL, "query", "associationId",
        lambda on: ",".join(on.association("Budget", word) for word in STATUSES), None, 400,
    ),
    Parameter(DOCUMENTS_CALL, "query", "associationType", always("Budget"), "Nonsense", 400),
    Parameter(DOCUMENTS_CALL, "query", "filter[latest]", always("true"), "maybe", 400),
    Parameter(DOCUMENTS_CALL, "query", "filter[signed]", always("false"), "maybe", 400),
]  # fmt: skip


async def status_of(on: Stage, sent: Exchange, changed: Parameter | None = None) -> int:
    """The simulator's answer to the same request again, except for one header or parameter."""
    parts: dict[Where, dict[str, str]] = {
        "header": {name: sent.request_headers[name] for name in ("authorization", "x-user-id", "region")
                   if name in sent.request_headers},
        "path": dict(sent.params),
        "query": dict(parse_qsl(sent.query)),
    }  # fmt: skip
    if changed is not None:
        part, name = parts[changed.where], changed.path_name or changed.name
        name = name.lower() if changed.where == "header" else name
        assert part.pop(name), "the request has it"
        if changed.other is not None:
            part[name] = changed.other
    path = sent.path.format(**{name: quote(value, safe="") for name, value in parts["path"].items()})
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in parts["query"].items())
    url = URL(f"{on.simulator.url}{path}?{query}", encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=parts["header"]) as answer:
        return answer.status


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: f"{row.page[0]}-{row.name}")
async def test_the_client_sends_every_parameter_and_the_simulator_acts_on_it(row: Parameter) -> None:
    endpoint, call = row.page
    async with stage() as on:
        await call(on)
        sent = on.exchanges[-1]
        assert (sent.endpoint, sent.status) == (endpoint, 200)
        parts: Mapping[Where, Mapping[str, str]] = {
            "header": sent.request_headers,
            "path": sent.params,
            "query": dict(parse_qsl(sent.query)),
        }
        name = row.name.lower() if row.where == "header" else row.path_name or row.name
        assert parts[row.where][name].startswith(row.sends(on))
        assert await status_of(on, sent) == 200
        assert await status_of(on, sent, row) == row.answers


# ------------------------------------------------------------------ statuses


@attrs.frozen
class Status:
    """One status of a page: how the simulator comes to answer it, and what the client makes of it."""

    page: PageCall
    code: int
    error: type[ResponseError] | None = None
    behaviour: Mapping[str, object] = attrs.field(factory=dict)
    fault: bool = False
    token: str | None = None
    """The token of the call."""
    about: str | None = None
    """The project or container of the call."""


class Given:
    """A token that is given out again when it was refused."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def token(self, _: TokenClient, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
        return AccessToken(self._value)


QUOTA = {"quota_overrides": {"export_status": 0, "cost_documents": 0}}
STATUS_CODES = [
    Status(EXPORT_CALL, 200),
    Status(EXPORT_CALL, 400, ResponseError, about="clinic"),
    Status(EXPORT_CALL, 401, UnauthorizedError, token="gone"),
    Status(EXPORT_CALL, 403, NotAllowedError, {"require_user_id": True}, token=""),
    Status(EXPORT_CALL, 404, NotFoundError, about=NOBODY),
    Status(EXPORT_CALL, 429, RateLimitedError, QUOTA),
    Status(EXPORT_CALL, 500, ServerError, fault=True),
    Status(DOCUMENTS_CALL, 200),
    Status(DOCUMENTS_CALL, 400, ResponseError, about="clinic"),
    Status(DOCUMENTS_CALL, 401, UnauthorizedError, token="gone"),
    Status(DOCUMENTS_CALL, 403, NotAllowedError, token="without a user"),
    Status(DOCUMENTS_CALL, 404, NotFoundError, about=NOBODY),
    Status(DOCUMENTS_CALL, 409, ResponseError, {"cost_conflict": True}),
    Status(DOCUMENTS_CALL, 429, RateLimitedError, QUOTA),
    Status(DOCUMENTS_CALL, 500, ServerError, fault=True),
    Status(DOCUMENTS_CALL, 503, ServerError, fault=True),
]


async def called(on: Stage, row: Status) -> object:
    """The page's call as the row has it."""
    token = row.token
    if token == "without a user":
        token = (await TwoLegged(on.simulator.client_id, on.simulator.client_secret).token(on.app)).value
    session = on.user if row.page is DOCUMENTS_CALL else on.app
    if token:
        session = Session(Given(token), base_url=on.simulator.url)
    async with opened(session, token) as used:
        if row.page is DOCUMENTS_CALL:
            ids = on.association("Budget", "Completed")
            return await cost.list_documents(
                used, row.about or on.project.id, association_type="Budget", association_ids=ids, retry=False
            )
        request = attrs.evolve(on.job.ref.request, project_id=row.about or on.project.id)
        request = attrs.evolve(request, user_id=None if row.token is not None else request.user_id)
        return await bim360.get_export(used, attrs.evolve(on.job.ref, request=request), retry=False)


@asynccontextmanager
async def opened(session: Session, token: str | None) -> AsyncIterator[Session]:
    """A session of its own for another token."""
    if not token:
        yield session
        return
    async with session:
        yield session


@pytest.mark.parametrize("row", STATUS_CODES, ids=lambda row: f"{row.page[0]}-{row.code}")
async def test_the_simulator_answers_every_status_and_the_client_has_an_error_for_it(row: Status) -> None:
    async with stage(attrs.evolve(ALL_FIELDS, **dict[str, Any](row.behaviour))) as on:
        if row.fault:
            on.simulator.add_fault(Fault(endpoint=row.page[0], status=row.code))
        if row.error is None:
            assert await called(on, row)
        else:
            with pytest.raises(row.error) as caught:
                await called(on, row)
            assert type(caught.value) is row.error
            assert caught.value.status == row.code
        answered = [each.status for each in on.exchanges if each.endpoint == row.page[0]]
        assert set(answered) == {row.code}


# ------------------------------------------------------------------ fields


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


EXPORT_PLACES: dict[str, Callable[[ExportJob], object]] = {
    "id": lambda job: job.ref.export_id,
    "status": lambda job: job.raw_status,
    "data.versionUrn": lambda job: job.derivative and job.derivative.urn,
    "data.resourceId": lambda job: job.derivative and job.derivative.derivative_urn,
    "data.link": lambda job: job.deprecated_link,
    "data.signedUrl": lambda job: job.link and job.link.reveal(),
}
DOCUMENT_PLACES: dict[str, Callable[[cost.CostDocument], object]] = {
    "id": lambda one: one.id,
    "recipientId": lambda one: one.recipient_id,
    "signedBy": lambda one: one.signed_by,
    "urn": lambda one: one.urn,
    "pdfUrn": lambda one: one.pdf_urn,
    "status": lambda one: one.status,
    "jobId": lambda one: one.job_id,
    "errorInfo.code": lambda one: one.error_info and one.error_info.code,
    "errorInfo.message": lambda one: one.error_info and one.error_info.message,
    "errorInfo.detail": lambda one: one.error_info and one.error_info.detail,
    "associationId": lambda one: one.association_id,
    "associationType": lambda one: one.association_type,
    "createdAt": lambda one: one.created_at,
    "updatedAt": lambda one: one.updated_at,
}


def paths(body: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The values of a JSON object by their dotted path."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        found |= paths(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def test_the_places_are_those_of_the_tables() -> None:
    assert [*EXPORT_PLACES] == [*EXPORT][:2] + [f"data.{name}" for name in EXPORT_DATA]
    error_info = [f"errorInfo.{name}" for name in ERROR_INFO]
    listed = [each for name in DOCUMENT for each in (error_info if name == "errorInfo" else [name])]
    assert [*DOCUMENT_PLACES] == listed


async def test_the_simulator_serves_every_field_of_an_export_and_the_client_keeps_it() -> None:
    async with stage() as on:
        job = await export_call(on)
        served = paths(json.loads(on.exchanges[-1].response_body))
    assert served == {path: read(job) for path, read in EXPORT_PLACES.items()}
    assert all(isinstance(value, str) and value for value in served.values())


@pytest.mark.parametrize("job_id", ["number", "text"])
async def test_the_simulator_serves_every_field_of_a_document_and_the_client_keeps_it(
    job_id: Literal["number", "text"],
) -> None:
    async with stage(attrs.evolve(ALL_FIELDS, cost_job_id=job_id)) as on:
        documents = await documents_call(on)
        served = [paths(each) for each in json.loads(on.exchanges[-1].response_body)]
    met = set()
    for document, raw in zip(documents, served, strict=True):
        for path, read in DOCUMENT_PLACES.items():
            value = raw.get(path)
            assert read(document) == (moment(value) if value is not None and path.endswith("At") else value), path
            met |= {path} if value is not None else set()
        assert isinstance(document.job_id, str if job_id == "text" else int)
    assert met == set(DOCUMENT_PLACES)


@pytest.mark.parametrize("kind", cost.ASSOCIATION_TYPES)
async def test_every_association_type_of_the_page_is_sent_and_served(kind: str) -> None:
    async with stage() as on:
        [found, *_] = await cost.list_documents(
            on.user, on.project.id, association_type=kind, association_ids=on.association(kind)
        )
        assert dict(parse_qsl(on.exchanges[-1].query))["associationType"] == kind
    assert found.association_type == kind


@pytest.mark.parametrize("word", STATUSES)
async def test_every_status_of_a_document_is_served_and_read(word: str) -> None:
    polls = {"Pending": 6, "Started": 2}.get(word, 1)
    async with stage(attrs.evolve(ALL_FIELDS, job_time=JobPolls(polls))) as on:
        [found] = await cost.list_documents(
            on.user, on.project.id, association_type="Budget", association_ids=on.association("Budget", word)
        )
    assert (found.status, found.export_status) == (word, cost.STATES[word.lower()])
