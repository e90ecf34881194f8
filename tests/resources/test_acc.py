"""ACC Files and ACC Sheets: requests, results, the acting user, and timeouts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve

from aps_async import (
    ExportFailedError,
    ExportJob,
    ExportOptions,
    ExportOutcome,
    ExportRequest,
    ExportStatus,
    ExportTimeoutError,
    InputError,
    NotAllowedError,
    NotFoundError,
    Session,
    StaticToken,
    TwoLegged,
    export_many,
    files,
    ref_from_json,
    ref_to_json,
    sheets,
    start_export,
    wait_for_export,
)
from aps_async.exports.kinds import get_export
from aps_async.exports.wait import poll_export
from aps_async.models import ExportKind
from aps_async.simulator import Behaviour, JobTime, Simulator, World
from tests.documents import entries_of, lying_in, pages_in, texts_of
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

UPLOADS = [
    {"type": "file", "name": "T-01.pdf", "title": "Site Plan"},
    {"type": "file", "name": "T-02.pdf", "pages": 2},
    {"type": "file", "name": "Level_05.dwg"},
    {"type": "file", "name": "Point_Cloud.rvt", "noViews": True},
    {"type": "file", "name": "Raw.rvt", "unprocessed": True},
]
WORLD = {
    "users": [{"id": "ADA", "name": "Ada"}, {"id": "BEN", "name": "Ben"}],
    "hubs": [
        {
            "projects": [
                {"name": "Tower", "projectType": "ACC", "sheets": 3, "folders": [
                    {"name": "Project Files", "items": [
                        *UPLOADS, {"type": "file", "name": "never.pdf", "never": True}]}]}
            ]
        }
    ],
}  # fmt: skip
TWENTY = JobTime.fixed(20)


def world() -> World:
    return World.from_json(WORLD)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with service(world(), behaviour=Behaviour(job_time=TWENTY, token_life=86_400)) as running:
        yield running


@pytest.fixture
async def session(simulator: Simulator) -> AsyncIterator[Session]:
    async with session_for(simulator, user_id="ADA") as opened:
        yield opened


def project_of(simulator: Simulator) -> str:
    return simulator.world.hubs[0].projects[0].id


def urns(simulator: Simulator, *names: str) -> list[str]:
    found = {item.name: item.tip.id for item in simulator.world.items.values()}
    return [found[name] for name in names]


def sheet_ids(simulator: Simulator) -> list[str]:
    return [each.id for each in simulator.world.hubs[0].projects[0].sheets]


def calls(simulator: Simulator, endpoint: str) -> int:
    return int(simulator.counts()["endpoints"].get(endpoint, {"calls": 0})["calls"])


def request_of(simulator: Simulator, kind: ExportKind, **more: Any) -> ExportRequest:
    """One PDF file, or all sheets."""
    if kind is ExportKind.FILES:
        return files.make_requests(project_of(simulator), urns(simulator, "T-01.pdf"), **more)[0]
    return sheets.make_requests(project_of(simulator), sheet_ids(simulator), **more)[0]


BOTH = pytest.mark.parametrize("kind", [ExportKind.FILES, ExportKind.SHEETS])

# ---------------------------------------------------------------- options

MARKS = {
    "markups": "Published markup:",
    "unpublished_markups": "Unpublished markup of Ada",
    "issue_markups": "Published issue",
    "unpublished_issue_markups": "Unpublished issue of Ada",
    "photo_markups": "Published photo",
    "unpublished_photo_markups": "Unpublished photo of Ada",
}


@BOTH
async def test_every_option_shows_on_every_page_and_nothing_else_does(
    kind: ExportKind, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    for wanted in ((), *((name,) for name in MARKS), tuple(MARKS)):
        options = ExportOptions(**dict.fromkeys(wanted, True))  # type: ignore[arg-type]
        job = await start_export(session, request_of(simulator, kind, options=options))
        await wait_for_export(session, job, tmp_path / "x.pdf")
        for text in texts_of(tmp_path / "x.pdf"):
            assert [name for name, mark in MARKS.items() if mark in text] == list(wanted)
            assert "Markup link" not in text


@BOTH
@pytest.mark.parametrize("with_markups", [True, False])
async def test_hyperlinks_are_the_links_of_markups(
    kind: ExportKind, with_markups: bool, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    options = ExportOptions(hyperlinks=True, markups=with_markups)
    job = await start_export(session, request_of(simulator, kind, options=options))
    await wait_for_export(session, job, tmp_path / "x.pdf")
    assert {"Markup link" in text for text in texts_of(tmp_path / "x.pdf")} == {with_markups}


@BOTH
async def test_every_option_is_sent_whatever_the_services_defaults(kind: ExportKind, simulator: Simulator) -> None:
    sent: list[dict[str, Any]] = []

    async def answer(asked: web.BaseRequest) -> web.StreamResponse:
        sent.append(json.loads(await asked.read()))
        return web.json_response({"id": "1", "status": "processing"}, status=202)

    everything = dict.fromkeys((*MARKS, "hyperlinks"), True)
    async with served(answer) as url, Session(StaticToken("t"), base_url=url) as session:
        await start_export(session, request_of(simulator, kind))
        options = ExportOptions(**everything, output_name="Plans")
        await start_export(session, request_of(simulator, kind, options=options))
    nothing, all_of_it = (each["options"] for each in sent)
    both = ("includePublishedMarkups", "includeUnpublishedMarkups")
    groups = {"standardMarkups": (*both, "includeMarkupLinks"), "issueMarkups": both, "photoMarkups": both}
    assert nothing == {group: dict.fromkeys(names, False) for group, names in groups.items()}
    assert all_of_it == {
        **{group: dict.fromkeys(names, True) for group, names in groups.items()}, "outputFileName": "Plans"
    }  # fmt: skip
    assert set(sent[0]) == {"options", "fileVersions" if kind is ExportKind.FILES else "sheets"}


# ---------------------------------------------------------------- what is refused before anything is sent


def urn(number: int) -> str:
    return f"urn:adsk.wipprod:fs.file:vf.{number:022d}?version=1"


async def test_limits_are_checked_before_the_call(simulator: Simulator, session: Session) -> None:
    project = project_of(simulator)
    with pytest.raises(InputError, match="1 to 200 files, not 201"):
        await files.start_export(session, project, [urn(n) for n in range(201)])
    with pytest.raises(InputError, match="1 to 1000 sheets, not 1001"):
        await sheets.start_export(session, project, [f"s-{n}" for n in range(1001)])
    for service_of in (files, sheets):
        with pytest.raises(InputError, match="the list is empty"):
            await service_of.start_export(session, project, [])
        with pytest.raises(InputError, match="the list is empty"):
            service_of.make_requests(project, [])
    options = ExportOptions(output_name="x" * 256)
    with pytest.raises(InputError, match="256 characters; ACC allows 255"):
        await files.start_export(session, project, urns(simulator, "T-01.pdf"), options=options)
    with pytest.raises(InputError, match="is not a version URN"):
        await files.start_export(session, project, ["T-01.pdf"])
    assert list(simulator.log) == []


@BOTH
async def test_a_two_legged_token_has_to_name_a_user(kind: ExportKind, simulator: Simulator) -> None:
    async with session_for(simulator) as session:
        with pytest.raises(InputError, match="x-user-id"):
            await start_export(session, request_of(simulator, kind))
    assert list(simulator.log) == [], "not even a token was asked for"


@BOTH
async def test_a_user_who_signed_in_needs_no_name(kind: ExportKind, simulator: Simulator, tmp_path: Path) -> None:
    async with session_for(simulator, tokens=StaticToken(simulator.user_token("BEN"))) as session:
        job = await start_export(session, request_of(simulator, kind))
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert job.ref.user_id is None
    assert pages_in(tmp_path / "x.pdf") == (1 if kind is ExportKind.FILES else 3)


# ---------------------------------------------------------------- whose job it is


@BOTH
async def test_the_ref_remembers_who_started_the_job(
    kind: ExportKind, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    ref = ref_from_json(ref_to_json((await start_export(session, request_of(simulator, kind))).ref))
    assert ref.user_id == "ADA", "the session's own, although the request named none"
    async with session_for(simulator, user_id="BEN") as another:
        await wait_for_export(another, ref, tmp_path / "x.pdf")
    status = "files_export_status" if kind is ExportKind.FILES else "sheets_export_status"
    assert {seen.headers["x-user-id"] for seen in simulator.log if seen.endpoint == status} == {"ADA"}


@BOTH
@pytest.mark.parametrize(("status", "error"), [(403, NotAllowedError), (404, NotFoundError)])
async def test_another_user_cannot_read_it(kind: ExportKind, status: int, error: type[Exception]) -> None:
    behaviour = Behaviour(job_time=TWENTY, acc_initiator_status=status)
    async with service(world(), behaviour=behaviour) as simulator, session_for(simulator, user_id="ADA") as session:
        ref = (await start_export(session, request_of(simulator, kind))).ref
        with pytest.raises(error):
            await get_export(session, evolve(ref, request=evolve(ref.request, user_id="BEN")))
        assert (await get_export(session, ref)).status is ExportStatus.RUNNING


# ---------------------------------------------------------------- partial results

PARTIAL = ("T-01.pdf", "Point_Cloud.rvt", "Level_05.dwg", "Raw.rvt")


@pytest.fixture(params=["output", "result"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Simulator, Session]]:
    """Both places where `signedUrl` and `failedFiles` are met."""
    behaviour = Behaviour(job_time=TWENTY, acc_result_place=request.param)
    async with service(world(), behaviour=behaviour) as simulator, session_for(simulator, user_id="ADA") as session:
        yield simulator, session


async def test_a_partial_result_is_delivered_and_says_what_it_lacks(
    either: tuple[Simulator, Session], tmp_path: Path
) -> None:
    simulator, session = either
    job = await files.start_export(session, project_of(simulator), urns(simulator, *PARTIAL))
    done = await poll_export(session, job)
    assert done.status is ExportStatus.PARTIAL
    assert done.raw_status == "partialSuccess"
    await wait_for_export(session, done, tmp_path / "x.zip")
    assert list(entries_of(tmp_path / "x.zip")) == ["T-01.pdf", "Level_05.pdf"]
    lost = {each.id: each for each in done.failed_files}
    assert list(lost) == urns(simulator, "Point_Cloud.rvt", "Raw.rvt")
    assert [each.reason for each in lost.values()] == ["ERR_NO_PROCESSABLE_FILES"] * 2
    assert all(each.detail for each in lost.values())


async def test_a_partial_result_can_be_refused(either: tuple[Simulator, Session], tmp_path: Path) -> None:
    simulator, session = either
    project, wanted = project_of(simulator), urns(simulator, *PARTIAL)
    job = await files.start_export(session, project, wanted, allow_partial=False)
    with pytest.raises(ExportFailedError) as caught:
        await wait_for_export(session, job, tmp_path / "x.zip")
    for name in urns(simulator, "Point_Cloud.rvt", "Raw.rvt"):
        assert name in str(caught.value)
    assert "ERR_NO_PROCESSABLE_FILES" in str(caught.value)
    assert caught.value.job is not None
    assert len(caught.value.job.failed_files) == 2
    assert lying_in(tmp_path) == []


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_bulk_run_reports_missing_files(
    allowed: bool, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    project, wanted = project_of(simulator), urns(simulator, *PARTIAL)
    requests = files.make_requests(project, wanted, name="all", allow_partial=allowed)
    [outcome] = await gathered(session, requests, tmp_path)
    assert outcome.ok is allowed
    assert [each.id for each in outcome.failed_files] == urns(simulator, "Point_Cloud.rvt", "Raw.rvt")
    assert lying_in(tmp_path) == (["all.zip"] if allowed else [])


async def test_nothing_that_can_be_exported_is_a_failure(
    simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await files.start_export(session, project_of(simulator), urns(simulator, "Raw.rvt"))
    with pytest.raises(ExportFailedError, match="ERR_NO_PROCESSABLE_FILES: This file does not contain"):
        await wait_for_export(session, job, tmp_path / "x")


# ---------------------------------------------------------------- the life of the link


@BOTH
@pytest.mark.parametrize("place", ["output", "result"])
async def test_a_dead_link_costs_another_job(kind: ExportKind, place: Any, tmp_path: Path) -> None:
    behaviour = Behaviour(job_time=TWENTY, acc_result_place=place)
    async with service(world(), behaviour=behaviour) as simulator, session_for(simulator, user_id="ADA") as session:
        job = await poll_export(session, await start_export(session, request_of(simulator, kind)))
        await asyncio.sleep(3500)
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert simulator.counts()["jobs_started"] == 1, "alive for an hour"
        await asyncio.sleep(100)
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert simulator.counts()["jobs_started"] == 2
        assert simulator.counts()["expired_urls_opened"] == 0


async def _dead(simulator: Simulator, session: Session, kind: ExportKind) -> ExportJob:
    job = await poll_export(session, await start_export(session, request_of(simulator, kind)))
    await asyncio.sleep(3600)
    await get_export(session, job.ref)  # so that a connection and a token are at hand
    return job


@BOTH
async def test_no_new_job_past_the_deadline(
    kind: ExportKind, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await _dead(simulator, session, kind)
    with pytest.raises(ExportTimeoutError):
        await wait_for_export(session, job, tmp_path / "x.pdf", timeout=0)
    await asyncio.sleep(10)
    assert simulator.counts()["jobs_started"] == 1


@BOTH
async def test_the_new_job_is_waited_for_within_the_same_deadline(
    kind: ExportKind, simulator: Simulator, session: Session, tmp_path: Path
) -> None:
    job = await _dead(simulator, session, kind)
    began = asyncio.get_running_loop().time()
    with pytest.raises(ExportTimeoutError):
        await wait_for_export(session, job, tmp_path / "x.pdf", timeout=15)
    assert asyncio.get_running_loop().time() - began == pytest.approx(15, abs=0.01)
    assert simulator.counts()["jobs_started"] == 2
    assert lying_in(tmp_path) == []


async def test_the_services_own_time_limit_is_reported(simulator: Simulator, session: Session, tmp_path: Path) -> None:
    job = await files.start_export(session, project_of(simulator), urns(simulator, "never.pdf"))
    with pytest.raises(ExportFailedError, match="ERR_WORKFLOW_TIMEOUT"):
        await wait_for_export(session, job, tmp_path / "x", timeout=2100)


# ---------------------------------------------------------------- PDF or ZIP


async def gathered(session: Session, requests: Any, folder: Path, **options: Any) -> list[ExportOutcome]:
    return [outcome async for outcome in export_many(session, requests, folder, **options)]


async def test_the_content_decides_about_the_suffix(simulator: Simulator, session: Session, tmp_path: Path) -> None:
    project = project_of(simulator)
    wanted = {"one": ["T-01.pdf"], "two": ["T-01.pdf", "T-02.pdf"], "drawing": ["Level_05.dwg"]}
    requests = [files.make_requests(project, urns(simulator, *names), name=name)[0] for name, names in wanted.items()]
    requests.append(request_of(simulator, ExportKind.SHEETS, name="sheets"))
    assert all(outcome.ok for outcome in await gathered(session, requests, tmp_path))
    assert lying_in(tmp_path) == ["drawing.zip", "one.pdf", "sheets.pdf", "two.zip"]
    assert list(entries_of(tmp_path / "two.zip")) == ["T-01.pdf", "T-02.pdf"]
    assert pages_in(entries_of(tmp_path / "two.zip")["T-02.pdf"]) == 2


async def test_unpacked_there_is_one_file_per_entry(simulator: Simulator, session: Session, tmp_path: Path) -> None:
    project = project_of(simulator)
    [zipped] = files.make_requests(project, urns(simulator, "T-01.pdf", "T-02.pdf"), name="all")
    # Of the same name as an entry of the archive: neither may replace the other.
    [alone] = files.make_requests(
        project, urns(simulator, "T-01.pdf"), name="T-01", options=ExportOptions(markups=True)
    )
    outcomes = await gathered(session, [alone, zipped], tmp_path, unpack=True)
    assert lying_in(tmp_path) == ["T-01 (2).pdf", "T-01.pdf", "T-02.pdf"]
    unpacked = next(each for each in outcomes if each.request.name == "all").unpacked
    assert [path.name for path in unpacked] == ["T-01 (2).pdf", "T-02.pdf"]
    assert "Published markup" in texts_of(tmp_path / "T-01.pdf")[0]
    assert "Published markup" not in texts_of(tmp_path / "T-01 (2).pdf")[0]


# ---------------------------------------------------------------- many


@pytest.mark.long
async def test_402_files_and_2002_sheets(tmp_path: Path) -> None:
    async with service(World.acc(402, 2002), behaviour=Behaviour(job_time=TWENTY)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with session_for(simulator, tokens=tokens, user_id=next(iter(simulator.world.users))) as session:
            project = project_of(simulator)
            found = urns(simulator, *(f"F-{n:04d}.pdf" for n in range(1, 403)))
            requests = files.make_requests(project, found, name="Files")
            requests += sheets.make_requests(
                project, sheet_ids(simulator), name="Sheets", options=ExportOptions(output_name="Set")
            )
            assert [len(each.source_ids) for each in requests] == [200, 200, 2, 1000, 1000, 2]
            assert [each.options.output_name for each in requests[3:]] == ["Set (1)", "Set (2)", "Set (3)"]
            outcomes = await gathered(session, requests, tmp_path)
        told = simulator.counts()
    assert all(outcome.ok for outcome in outcomes)
    assert told["jobs_started"] == 6
    assert {name: each["429"] for name, each in told["endpoints"].items() if each["429"]} == {}
    parts = [f"({n} of 3)" for n in (1, 2, 3)]
    assert lying_in(tmp_path) == [*(f"Files {part}.zip" for part in parts), *(f"Sheets {part}.pdf" for part in parts)]
    assert [len(entries_of(tmp_path / f"Files {part}.zip")) for part in parts] == [200, 200, 2]
    assert [pages_in(tmp_path / f"Sheets {part}.pdf") for part in parts] == [1000, 1000, 2]
