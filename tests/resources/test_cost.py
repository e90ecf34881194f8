"""Cost Management: requests for documents, their states, and the tokens that they need."""

import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from aps_async import (
    AuthError,
    ExportError,
    ExportFailedError,
    ExportStatus,
    InputError,
    NotFoundError,
    Project,
    Session,
    StaticToken,
    cost,
    export_many,
    start_export,
    wait_for_export,
)
from aps_async.errors import DecodeError, NotFoundInProjectError
from aps_async.exports.kinds import get_export
from aps_async.exports.wait import export_states, poll_export
from aps_async.resources.projects import find_project
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from aps_async.transport.request import PRODUCTION
from tests.documents import entries_of, lying_in
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

STATES = ("Pending", "Started", "Completed", "Failed", "PendingSign", "Signed")
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "cost": {
                        "templates": [{"id": "template-1", "name": "Budget Summary"}],
                        "budgets": [{"name": word, "documents": [{"status": word}]} for word in STATES]
                        + [{"name": "Two", "documents": 2}, {"name": "None"}],
                        "scos": [{"name": "Piles", "documents": 1}],
                    },
                },
                {"name": "Clinic", "projectType": "BIM360", "cost": {"budgets": [{"name": "Steel", "documents": 1}]}},
                {"name": "Bare"},
            ]
        }
    ]
}


@asynccontextmanager
async def account(world: Any = WORLD, **behaviour: Any) -> AsyncIterator[tuple[Simulator, Session]]:
    """A signed-in user's session."""
    decided = Behaviour(job_time=JobTime.fixed(20), **behaviour)
    async with (
        service(World.from_json(world), behaviour=decided) as simulator,
        session_for(simulator, tokens=StaticToken(simulator.user_token())) as session,
    ):
        yield simulator, session


def project_of(simulator: Simulator, name: str = "Tower") -> Any:
    return next(each for each in simulator.world.hubs[0].projects if each.name == name)


def ids(simulator: Simulator, *names: str, project: str = "Tower") -> list[str]:
    known = {each.name: each.id for each in project_of(simulator, project).cost.associations.values()}
    return [known[name] for name in names]


def asked(simulator: Simulator, endpoint: str = "cost_documents") -> list[Any]:
    return [seen for seen in simulator.log if seen.endpoint == endpoint]


def query_of(seen: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(seen.path).query)


# ---------------------------------------------------------------- the call


@pytest.mark.parametrize(
    "form", [list, tuple, ",".join, " , ".join, lambda ids: [",".join(ids), ""], lambda ids: f",{','.join(ids)},"]
)
async def test_ids_in_one_text_are_taken_like_a_list(form: Any) -> None:
    async with account() as (simulator, session):
        project, wanted = project_of(simulator), ids(simulator, "Completed", "Signed")
        found = await cost.list_documents(session, project.id, association_type="Budget", association_ids=form(wanted))
        [one] = asked(simulator)
    assert [each.association_id for each in found] == wanted
    assert query_of(one)["associationId"] == [",".join(wanted)]


@pytest.mark.parametrize("none", ["", " ", ",", [], [""]])
async def test_no_id_is_refused_before_anything_is_sent(none: Any) -> None:
    async with account() as (simulator, session):
        with pytest.raises(InputError, match="at least one association id"):
            await cost.list_documents(
                session, project_of(simulator).id, association_type="Budget", association_ids=none
            )
        assert asked(simulator) == []


async def test_every_query_parameter() -> None:
    async with account() as (simulator, session):
        project, wanted = project_of(simulator), ids(simulator, "Completed", "Signed")
        plain = await cost.list_documents(session, project.id, association_type="Budget", association_ids=wanted)
        with pytest.warns(DeprecationWarning, match=r"filter\[(latest|signed)\]") as warned:
            await cost.list_documents(
                session,
                f"b.{project.id}",
                association_type="Budget",
                association_ids=wanted[0],
                region="EMEA",
                latest=True,
                signed=False,
            )
        one, other = asked(simulator)
    assert [each.association_id for each in plain] == wanted
    assert one.key == other.key == f"/cost/v1/containers/{project.id}/documents"
    assert query_of(one) == {"associationType": ["Budget"], "associationId": [",".join(wanted)]}
    assert "region" not in one.headers
    assert query_of(other) == {
        "associationType": ["Budget"], "associationId": [wanted[0]],
        "filter[latest]": ["true"], "filter[signed]": ["false"],
    }  # fmt: skip
    assert other.headers["region"] == "EMEA"
    assert {each.filename for each in warned} == {__file__}, "it points to the caller"
    assert len(warned) == 2


async def test_no_warning_without_a_deprecated_filter() -> None:
    async with account() as (simulator, session):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = await cost.list_documents(
                session, project_of(simulator).id, association_type="Budget", association_ids=ids(simulator, "Signed")
            )
    assert found


@pytest.mark.parametrize("number", [1, 44, 45, 46, 120])
async def test_many_ids_are_split_before_a_url_grows_too_long(number: int) -> None:
    budgets = [{"name": f"B{n}", "documents": 1} for n in range(number)]
    world = {"hubs": [{"projects": [{"name": "Tower", "projectType": "ACC", "cost": {"budgetPayments": budgets}}]}]}
    async with account(world) as (simulator, session):
        wanted = ids(simulator, *(f"B{n}" for n in range(number)))
        with pytest.warns(DeprecationWarning, match="deprecated"):
            found = await cost.list_documents(
                session,
                project_of(simulator).id,
                association_type="BudgetPayment",
                association_ids=wanted,
                latest=False,
                signed=False,
            )
        assert max(len(PRODUCTION + seen.path) for seen in asked(simulator)) < 2000
        sent = [one for seen in asked(simulator) for one in query_of(seen)["associationId"][0].split(",")]
        assert len(asked(simulator)) == -(-number // 45)
    assert sent == wanted
    assert [each.association_id for each in found] == wanted


async def test_an_id_in_two_spellings_is_one() -> None:
    async with account() as (simulator, session):
        [wanted] = ids(simulator, "Signed")
        both = [wanted.upper(), wanted.lower()]
        found = await cost.list_documents(
            session, project_of(simulator).id, association_type="Budget", association_ids=both
        )
    assert len(found) == 1


@pytest.mark.parametrize(
    ("kind", "association_ids"), [("Budget", []), ("", ["2b7a4b6c-0f0e-4d8e-9d0c-111111111111"]), ("Budget", ["a;b"])]
)
async def test_what_cannot_be_asked(kind: str, association_ids: list[str]) -> None:
    async with account() as (simulator, session):
        with pytest.raises(InputError, match="association"):
            await cost.list_documents(
                session, project_of(simulator).id, association_type=kind, association_ids=association_ids
            )
        assert asked(simulator) == []


# ---------------------------------------------------------------- containers


async def test_the_container_is_the_project_unless_another_is_named() -> None:
    async with account(cost_container_ids="container") as (simulator, session):
        clinic = await find_project(session, "Clinic")
        [steel] = ids(simulator, "Steel", project="Clinic")
        query: dict[str, Any] = {"association_type": "Budget", "association_ids": steel}
        with pytest.raises(NotFoundError):
            await cost.list_exports(session, clinic.id, **query)
        container = cost.find_container(clinic)
        assert container == project_of(simulator, "Clinic").cost.container
        [job] = await cost.list_exports(session, clinic.id, container_id=container, **query)
        assert (await get_export(session, job.ref)).status is ExportStatus.SUCCEEDED, "the ref remembers it"
        assert job.ref.project_id == clinic.id.removeprefix("b."), "where the file lies"


async def test_a_project_without_a_stated_container() -> None:
    bare = Project(id="b.1234", name="Bare", hub_id="b.h", project_type="BIM360")
    with pytest.raises(NotFoundInProjectError, match="use the project id 1234"):
        cost.find_container(bare)


# ---------------------------------------------------------------- who may ask


@pytest.mark.parametrize("user", [None, "BW9RM76WZBGL"])
async def test_a_two_legged_token_is_refused_before_the_call(user: str | None) -> None:
    async with service(World.from_json(WORLD)) as simulator, session_for(simulator, user_id=user) as session:
        project, [steel] = project_of(simulator), ids(simulator, "Signed")
        for call in (
            cost.list_documents(session, project.id, association_type="Budget", association_ids=[steel]),
            cost.list_exports(session, project.id, association_type="Budget", association_ids=[steel]),
            start_export(
                session,
                cost.make_request(project.id, association_type="Budget", association_id=steel, template_id="t"),
            ),
        ):
            with pytest.raises(AuthError, match=r"user who has signed in \(aps-async login\) or of a service account"):
                await call
        assert list(simulator.log) == []


# ---------------------------------------------------------------- the answers


@asynccontextmanager
async def answering(*documents: dict[str, Any], bare: bool = False) -> AsyncIterator[Session]:
    """A service that says just this."""

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(documents[0] if bare else list(documents))

    async with served(answer) as url, Session(StaticToken("t"), base_url=url) as session:
        yield session


ASSOCIATION = "18d97ae0-9484-11e8-a7ec-7ddae203e404"


async def jobs(session: Session) -> list[Any]:
    return await cost.list_exports(session, "p", association_type="Budget", association_ids=[ASSOCIATION])


async def test_unknown_words_are_kept() -> None:
    told = {"id": "1", "status": "Archived", "associationType": "Fee", "associationId": ASSOCIATION, "new": [1]}
    async with answering(told) as session:
        [document] = await cost.list_documents(session, "c", association_type="Fee", association_ids=ASSOCIATION)
        [job] = await jobs(session)
    assert (document.status, document.association_type) == ("Archived", "Fee")
    assert document.export_status is ExportStatus.RUNNING
    assert (job.raw_status, job.status) == ("Archived", ExportStatus.RUNNING)


@pytest.mark.parametrize("bare", [True, False])
async def test_a_list_or_one_object(bare: bool) -> None:
    async with answering({"id": "1", "status": "Signed", "associationId": ASSOCIATION}, bare=bare) as session:
        [job] = await jobs(session)
    assert job.ref.export_id == "1"


@pytest.mark.parametrize(
    "body", ["null", "{}", '{"results": []}', '{"errors": [{"title": "x"}]}', '""', "0", "false", ""]
)
async def test_what_is_no_list_of_documents_is_not_an_empty_one(body: str) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=200 if body else 204, text=body or None, content_type="application/json")

    async with served(answer) as url, Session(StaticToken("t"), base_url=url) as session:
        with pytest.raises(DecodeError, match=r"GET /cost/v1/containers/c/documents: .*not as documented"):
            await cost.list_documents(session, "c", association_type="Budget", association_ids=ASSOCIATION)


async def test_the_documented_sample() -> None:
    """An `errorInfo` on a completed document is no failure, and its association id comes in upper case."""
    async with answering(SAMPLE) as session:
        [document] = await cost.list_documents(
            session, "c", association_type="Budget", association_ids=SAMPLE["associationId"].lower()
        )
        [job] = await jobs(session)
    assert document.error_info == cost.ErrorInfo("missingTemplate", "It is invalid.", "Got timeout.")
    assert (document.recipient_id, document.signed_by, document.job_id) == ("GF8XKPKWM38E", "CED9LVTLHNXV", 1)
    assert document.created_at is not None
    assert document.created_at.isoformat() == "2019-01-06T01:24:22.678000+00:00"
    assert job.status is ExportStatus.SUCCEEDED
    assert job.reason == "missingTemplate: It is invalid.: Got timeout."
    assert job.ref.request.source_ids == (SAMPLE["associationId"].lower(),)


SAMPLE: dict[str, Any] = {
    "id": "1df59db0-9484-11e8-a7ec-7ddae203e404",
    "recipientId": "GF8XKPKWM38E",
    "signedBy": "CED9LVTLHNXV",
    "urn": "urn:adsk.wipprod:fs.file:vf.PMbRnoPZR2mKDhau2uw4SQ?version=1",
    "pdfUrn": None,
    "status": "Completed",
    "jobId": 1,
    "errorInfo": {"code": "missingTemplate", "message": "It is invalid.", "detail": "Got timeout."},
    "associationId": "EDC42DF6-277A-436A-A50D-EF57F35E1248",
    "associationType": "Budget",
    "createdAt": "2019-01-06T01:24:22.678Z",
    "updatedAt": "2019-09-05T01:00:12.989Z",
}


async def test_done_without_a_file(tmp_path: Path) -> None:
    async with answering(SAMPLE | {"urn": None}) as session:
        [job] = await jobs(session)
        with pytest.raises(ExportError, match="is 'Completed', but has no file"):
            await wait_for_export(session, job, tmp_path / "x.docx")
    assert lying_in(tmp_path) == []


@pytest.mark.parametrize(
    "quirk",
    [{"cost_single_object": True}, {"cost_upper_case_ids": True}, {"cost_error_info_on_completed": True}],
    ids=str,
)
async def test_quirks_do_not_keep_a_document_from_coming(quirk: dict[str, bool], tmp_path: Path) -> None:
    async with account(**quirk) as (simulator, session):
        [job] = await cost.list_exports(
            session,
            project_of(simulator).id,
            association_type="Budget",
            association_ids=[ids(simulator, "Pending")[0].upper()],
        )
        await wait_for_export(session, job, tmp_path / "x.docx")
    assert "word/document.xml" in entries_of(tmp_path / "x.docx")


# ---------------------------------------------------------------- states


@pytest.mark.parametrize("state", STATES)
async def test_all_six_states(state: str, tmp_path: Path) -> None:
    async with account() as (simulator, session):
        [job] = await cost.list_exports(
            session, project_of(simulator).id, association_type="Budget", association_ids=ids(simulator, state)
        )
        words = [each.raw_status async for each in export_states(session, job)]
        if state in ("Pending", "Started"):
            assert list(dict.fromkeys(words)) == ["Pending", "Started", "Completed"]
        else:
            assert words == [state], "final, so nothing more is asked"
        if state == "Failed":
            with pytest.raises(ExportFailedError, match=r"missingTemplate: Couldn't generate the document"):
                await wait_for_export(session, job, tmp_path / "x.docx")
            assert lying_in(tmp_path) == []
            return
        await wait_for_export(session, job, tmp_path / "x.docx")
    assert state in entries_of(tmp_path / "x.docx")["word/document.xml"].decode()


# ---------------------------------------------------------------- started by us, and many


async def test_a_document_of_our_own(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        project, [association] = project_of(simulator), ids(simulator, "None")
        request = cost.make_request(
            f"b.{project.id}", association_type="Budget", association_id=association, template_id="template-1",
            region="EMEA",
        )  # fmt: skip
        job = await start_export(session, request)
        assert (job.status, job.raw_status) == (ExportStatus.RUNNING, "Pending")
        await wait_for_export(session, job, tmp_path / "x.docx")
        [posted] = asked(simulator, "cost_attachments")
        assert posted.key == f"/cost/v1/containers/{project.id}/attachments"
        assert {seen.headers["region"] for seen in [posted, *asked(simulator)]} == {"EMEA"}
        assert "Budget Summary" in entries_of(tmp_path / "x.docx")["word/document.xml"].decode()
        wrong = cost.make_request(
            project.id, association_type="Budget", association_id=association, template_id="no such template"
        )
        with pytest.raises(ExportFailedError, match="missingTemplate"):
            await poll_export(session, await start_export(session, wrong))


async def test_starting_needs_a_template() -> None:
    async with account() as (simulator, session):
        [job] = await cost.list_exports(
            session, project_of(simulator).id, association_type="Budget", association_ids=ids(simulator, "Signed")
        )
        with pytest.raises(InputError, match="needs a template"):
            await start_export(session, job.ref.request)
        assert asked(simulator, "cost_attachments") == []


async def test_a_family_of_documents(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        project = project_of(simulator).id
        names = (*STATES, "Two", "None")
        found = await cost.list_exports(
            session, project, association_type="Budget", association_ids=ids(simulator, *names)
        )
        # A change order's documents are those of a form.
        found += await cost.list_exports(
            session, project, association_type="FormInstance", association_ids=ids(simulator, "Piles")
        )
        outcomes = [outcome async for outcome in export_many(session, found, tmp_path)]
        assert len(asked(simulator)) < 20
        wrong = [outcome for outcome in outcomes if not outcome.ok]
        [two] = ids(simulator, "Two")
    assert len(outcomes) == 9
    assert [type(each.error) for each in wrong] == [ExportFailedError]
    assert len(lying_in(tmp_path)) == 8
    assert {name for name in lying_in(tmp_path) if two in name} == {f"Budget {two}.docx", f"Budget {two} (2).docx"}
    assert all("word/document.xml" in entries_of(path) for path in tmp_path.iterdir())
