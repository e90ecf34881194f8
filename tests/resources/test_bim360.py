"""BIM 360's export of one sheet: what is sent, what the answers mean, and what a refusal says."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from aps_async import (
    DecodeError,
    ExportJob,
    ExportOptions,
    ExportRequest,
    ExportStatus,
    InputError,
    NotAllowedError,
    NotFoundError,
    ResponseError,
    Session,
    Settings,
    StaticToken,
    TwoLegged,
    bim360,
)
from aps_async.errors import NotExportableError
from aps_async.exports.wait import poll_export
from aps_async.models import ExportKind
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime

PROJECT = "c0337487-5b66-422b-a284-c273b424af54"
URN = "urn:adsk.wipprod:fs.file:vf.AAAA?version=1"
PATH = f"/bim360/docs/v1/projects/{PROJECT}/versions/urn%3Aadsk.wipprod%3Afs.file%3Avf.AAAA%3Fversion%3D1/exports"


@asynccontextmanager
async def account(
    world: World | None = None, *faults: Fault, polls: int = 2, **behaviour: Any
) -> AsyncIterator[tuple[Simulator, Session]]:
    switches = Behaviour(job_time=JobPolls(polls), **behaviour)
    async with (
        service(world or World.demo(12), faults=faults, behaviour=switches) as simulator,
        session_for(simulator, Settings(max_attempts=2)) as session,
    ):
        yield simulator, session


@asynccontextmanager
async def answering(*answers: dict[str, Any] | web.Response) -> AsyncIterator[tuple[Session, list[Any]]]:
    """A service that gives these answers in turn and keeps the requests."""
    requests = list[Any]()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        requests.append((request.method, request.raw_path, json.loads(body) if body else None))
        answer = answers[min(len(requests), len(answers)) - 1]
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    async with (
        served(handler) as url,
        Session(StaticToken("x"), base_url=url, settings=Settings(max_attempts=1)) as session,
    ):
        yield session, requests


def ids(simulator: Simulator) -> tuple[str, str]:
    item = simulator.world.sheets[0]
    return item.folder.project.id, item.tip.id


# -------------------------------------------------------------------- start


@pytest.mark.parametrize("markups", [False, True])
@pytest.mark.parametrize("hyperlinks", [False, True])
async def test_the_start_is_sent_as_documented_with_every_option_said(markups: bool, hyperlinks: bool) -> None:
    async with answering({"id": "e", "status": "committed"}) as (session, requests):
        job = await bim360.start_export(session, f"b.{PROJECT}", URN, markups=markups, hyperlinks=hyperlinks)
    assert requests == [("POST", PATH, {"includeMarkups": markups, "includeHyperlinks": hyperlinks})]
    assert job == ExportJob(ref=job.ref, status=ExportStatus.RUNNING, raw_status="committed")
    assert job.ref.export_id == "e"
    assert job.ref.request == ExportRequest(
        kind=ExportKind.BIM360,
        project_id=PROJECT,
        source_ids=(URN,),
        options=ExportOptions(markups=markups, hyperlinks=hyperlinks),
    )


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_2xx_is_a_start(status: int) -> None:
    async with account(post_status=status) as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator))
        assert job.status is ExportStatus.RUNNING
        assert simulator.counts()["jobs_started"] == 1


@pytest.mark.parametrize(
    "form",
    [str, lambda urn: quote(urn, safe=""), lambda urn: quote(quote(urn, safe=""), safe=""),
     lambda urn: base64.urlsafe_b64encode(urn.encode()).decode().rstrip("=")],
    ids=["raw", "encoded", "encoded twice", "base64"],
)  # fmt: skip
@pytest.mark.parametrize("what", ["version", "item"])
async def test_ids_in_every_form_start_the_same_job(form: Callable[[str], str], what: str) -> None:
    async with account() as (simulator, session):
        item = next(each for each in simulator.world.sheets if len(each.versions) > 1)
        job = await bim360.start_export(
            session, f"b.{item.folder.project.id}", form(item.id if what == "item" else item.tip.id)
        )
        assert job.ref.request.source_ids == (item.tip.id,)
        [started] = simulator.counts()["jobs"].values()
        assert started["version"] == item.tip.id


async def test_a_user_and_a_name_go_along() -> None:
    async with account() as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator), user_id="BW9RM76WZBGL", name="A-101")
        await bim360.get_export(session, job.ref)
        assert (job.ref.user_id, job.ref.request.name) == ("BW9RM76WZBGL", "A-101")
        users = [seen.headers.get("x-user-id") for seen in simulator.log if seen.endpoint.startswith("export_")]
        assert users == ["BW9RM76WZBGL"] * 2


async def test_a_repeat_that_is_complete_already_needs_no_poll() -> None:
    async with account(polls=0) as (simulator, session):
        first = await poll_export(session, await bim360.start_export(session, *ids(simulator)))
        polls = simulator.counts()["endpoints"]["export_status"]["calls"]
        again = await bim360.start_export(session, *ids(simulator))
        assert again.status is ExportStatus.SUCCEEDED
        assert again.link is not None
        assert again.link != first.link
        assert again.ref == first.ref
        assert await poll_export(session, again) == again
        assert simulator.counts()["endpoints"]["export_status"]["calls"] == polls
        assert simulator.counts()["jobs_started"] == 1


@pytest.mark.parametrize("kind", ["reset", "status", "html", "empty"])
async def test_a_lost_answer_to_a_start_costs_no_second_job(kind: Any) -> None:
    """The service answers a repeat with the same job, so this POST may be repeated."""
    fault = Fault(
        endpoint="export_start", kind=kind, status=500 if kind == "status" else None, nth=(1,), after_effect=True
    )
    async with account(None, fault) as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator))
        assert simulator.counts()["jobs_started"] == 1
        assert list(simulator.counts()["jobs"]) == [job.ref.export_id]


# ------------------------------------------------------------------- status


async def test_a_job_is_asked_about_where_it_was_started() -> None:
    result = {"versionUrn": "dXJu", "resourceId": "urn:x", "signedUrl": "https://h/x?X-Amz-Signature=s"}
    async with answering(
        {"id": "e/1", "status": "committed"}, {"id": "e/1", "status": "completed", "data": result}
    ) as (session, requests):
        job = await bim360.start_export(session, PROJECT, URN)
        done = await bim360.get_export(session, job.ref)
    assert requests[1] == ("GET", f"{PATH}/e%2F1", None)
    assert done.status is ExportStatus.SUCCEEDED
    assert done.link is not None
    assert done.link.reveal() == "https://h/x?X-Amz-Signature=s"
    assert done.ref == job.ref


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("committed", ExportStatus.RUNNING), ("completed", ExportStatus.SUCCEEDED), ("failed", ExportStatus.FAILED),
        ("Completed", ExportStatus.SUCCEEDED), ("FAILED", ExportStatus.FAILED), ("processing", ExportStatus.RUNNING),
        ("quantum", ExportStatus.RUNNING), ("", ExportStatus.RUNNING),
    ],
)  # fmt: skip
async def test_words_and_what_they_mean(word: str, status: ExportStatus) -> None:
    async with answering({"id": "e", "status": word, "surprise": {"deep": [1]}, "data": {"more": 1}}) as (session, _):
        job = await bim360.start_export(session, PROJECT, URN)
    assert (job.status, job.raw_status, job.link) == (status, word, None)


async def test_a_failed_job_is_an_answer_and_not_an_error() -> None:
    world = World.single_folder(1, fails=True)
    async with account(world, polls=1) as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator))
        assert (await bim360.get_export(session, job.ref)).status is ExportStatus.FAILED


@pytest.mark.parametrize("link_present", [True, False])
@pytest.mark.parametrize("source_first", [True, False])
async def test_a_finished_job_has_a_link_that_lives_as_long_as_the_reference_says(
    link_present: bool, source_first: bool
) -> None:
    switches: dict[str, Any] = {
        "link_present": link_present,
        "source_version_first": source_first,
        "signed_url_life": 300.0,
    }
    async with account(polls=1, **switches) as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator))
        done = await bim360.get_export(session, job.ref)
        assert done.link is not None
        assert done.link.expires_at == pytest.approx(session.now() + 120, abs=1.5)
        assert "X-Amz" not in repr(done)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": "committed"}, "required field missing @ $.id"),
        ({"id": 7, "status": "committed"}, "expected a text, got int @ $.id"),
        ({"id": "e"}, "required field missing @ $.status"),
        ({"id": "e", "status": "completed", "data": {"signedUrl": 7}}, "@ $.data.signedUrl"),
        ({"id": "e", "status": "completed", "data": {"signedUrl": "/relative?canary"}}, "absolute"),
        ({"id": "e", "status": "completed", "data": {"signedUrl": "https://u:canary@h/x"}}, "user name"),
        ({"id": "e", "status": "completed", "data": []}, "expected an object, got list @ $.data"),
    ],
)
async def test_an_answer_that_is_not_as_documented_says_where(answer: dict[str, Any], says: str) -> None:
    async with answering({"id": "e", "status": "committed"}, answer) as (session, _):
        job = await bim360.start_export(session, PROJECT, URN)
        with pytest.raises(DecodeError) as caught:
            await bim360.get_export(session, job.ref)
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_an_unknown_job_is_not_found() -> None:
    async with account() as (simulator, session):
        job = await bim360.start_export(session, *ids(simulator))
        simulator.jobs.by_id.clear()
        with pytest.raises(NotFoundError, match="export job does not exist"):
            await bim360.get_export(session, job.ref)


# ----------------------------------------------------------------- refusals


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_a_source_file_says_to_export_its_sheets(status: int) -> None:
    async with account(not_exportable_status=status) as (simulator, session):
        file = next(
            each for each in simulator.world.items.values() if each.kind == "File" and each.name.endswith(".pdf")
        )
        for which in (file.id, file.tip.id):
            with pytest.raises(NotExportableError, match=r"uploaded file.*not a sheet.*list_sheets") as caught:
                await bim360.start_export(session, file.folder.project.id, which)
            assert file.name in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(400, ResponseError), (403, NotAllowedError), (404, NotFoundError)])
@pytest.mark.parametrize("shape", ["object", "list", "developer", "text", "empty"])
async def test_an_acc_project_says_to_use_the_exports_of_acc(
    status: int, kind: type[ResponseError], shape: Any
) -> None:
    async with account(acc_status=status, bim360_errors=shape) as (simulator, session):
        acc = next(each for each in simulator.world.hubs[0].projects if each.kind == "ACC")
        with pytest.raises(kind) as caught:
            await bim360.start_export(session, acc.id, URN)
        assert caught.value.status == status
        assert any("ACC Sheets or ACC Files" in note for note in caught.value.__notes__)
        assert f"projects/{acc.id}" in str(caught.value)
        if shape != "empty":
            assert "not a BIM 360 project" in str(caught.value)


async def test_a_project_or_sheet_that_does_not_exist() -> None:
    async with account() as (simulator, session):
        project, version = ids(simulator)
        for wrong in ((PROJECT, version), (project, URN)):
            with pytest.raises(NotFoundError, match="does not exist"):
                await bim360.start_export(session, *wrong)


async def test_a_project_that_one_may_not_see() -> None:
    async with account() as (simulator, session):
        closed = next(each for each in simulator.world.hubs[0].projects if each.forbidden)
        with pytest.raises(NotAllowedError, match="permission"):
            await bim360.start_export(session, closed.id, URN)


async def test_a_sheet_that_this_user_may_not_view() -> None:
    async with account() as (simulator, session):
        sheet = next(each for each in simulator.world.sheets if each.folder.name == "Architecture")
        with pytest.raises(NotAllowedError, match="permission to view"):
            await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id, user_id="QX4TM81KLPZA")


async def test_the_services_refusal_is_raised_when_looking_up_its_reason_fails_too() -> None:
    faults = [Fault(endpoint="export_start", status=403), Fault(endpoint="version", kind="reset")]
    async with account(None, *faults) as (simulator, session):
        with pytest.raises(NotAllowedError, match="fault of the simulator: 403"):
            await bim360.start_export(session, *ids(simulator))


async def test_a_missing_scope_says_so() -> None:
    async with service(World.demo(1)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret, scopes=["account:read"])
        async with session_for(simulator, tokens=tokens) as session:
            for _ in range(2):  # as JSON and as text
                with pytest.raises(NotAllowedError, match=r"privilege.*scopes"):
                    await bim360.start_export(session, *ids(simulator))


@pytest.mark.parametrize(
    ("project", "version", "says"),
    [
        (PROJECT, "urn:adsk.wipprod:fs.file:vf.AAAA", "lacks its version"),
        (PROJECT, "A-101", "not a version URN"),
        ("Riverside Clinic", URN, "not a valid project id"),
        ("", URN, "not a valid project id"),
    ],
)
async def test_ids_that_are_none_are_refused_before_anything_is_sent(project: str, version: str, says: str) -> None:
    async with account() as (simulator, session):
        with pytest.raises(InputError, match=says):
            await bim360.start_export(session, project, version)
        assert len(simulator.log) == 0
