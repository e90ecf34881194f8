"""Files from storage: by any URN, whole or in parts, verified, and resumed after interruptions."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from attrs import evolve

from aps_async import (
    DecodeError,
    InputError,
    NotAllowedError,
    NotFoundError,
    Session,
    Settings,
    StaticToken,
    cost,
    storage,
    wait_for_export,
)
from aps_async.downloads.content import PDF, Expected
from aps_async.errors import IncompleteDownloadError, NotExportableError, TargetError
from aps_async.exports.uploads import download_urn
from aps_async.models import Progress
from aps_async.resources.projects import find_project
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.simulator.urns import b64urn
from tests.documents import entries_of, lying_in
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)

WORLD = {
    "users": [{"id": "ADA"}, {"id": "BEN", "projects": []}],
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {"name": "Plans", "items": [{"number": "A-101"}]},
                        {
                            "name": "Project Files",
                            "items": [
                                {"type": "file", "name": "Plan.pdf", "versions": 2, "size": 120_000},
                                {"type": "file", "name": "Parts.pdf", "size": 120_000, "chunked": True},
                            ],
                        },
                    ],
                    "cost": {"budgets": [{"name": "Steel", "documents": 1}]},
                }
            ]
        }
    ],
}
SHAPES = ("complete", "chunked", "fallback")
CHUNK = 9_000  # so that there are more than ten, and their names sort otherwise than their bytes


@asynccontextmanager
async def account(**behaviour: Any) -> AsyncIterator[tuple[Simulator, Session]]:
    decided = Behaviour(job_time=JobTime.fixed(20), oss_chunk=CHUNK, **behaviour)
    async with service(World.from_json(WORLD), behaviour=decided) as simulator, session_for(simulator) as session:
        yield simulator, session


def item(simulator: Simulator, name: str) -> Any:
    return next(each for each in simulator.world.items.values() if each.name == name)


def body_of(simulator: Simulator, name: str, version: int = -1) -> bytes:
    content = simulator.sources.content(item(simulator, name).versions[version])
    return b"".join(content.chunks(0, content.size))


def opened(simulator: Simulator) -> list[Any]:
    return [seen for seen in simulator.log if seen.endpoint in ("signed_get", "oss_get")]


# ---------------------------------------------------------------- by URN

FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "blanks": lambda urn: f" {urn}\n",
    "encoded": lambda urn: quote(urn, safe=""),
    "encoded twice": lambda urn: quote(quote(urn, safe=""), safe=""),
    "base64": b64urn,
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_every_urn(form: str, tmp_path: Path) -> None:
    async with account() as (simulator, session):
        plan = item(simulator, "Plan.pdf")
        wanted = {plan.id: -1, plan.versions[0].id: 0, plan.versions[1].id: 1, plan.versions[0].storage: 0}
        for urn, version in wanted.items():
            got = await download_urn(session, FORMS[form](urn), tmp_path / "x.pdf", project="Clinic")
            assert (tmp_path / "x.pdf").read_bytes() == body_of(simulator, "Plan.pdf", version)
            assert (got.path, got.size) == (tmp_path / "x.pdf", 120_000)
    assert lying_in(tmp_path) == ["x.pdf"]


async def test_a_project_is_found_by_id_by_name_or_not_looked_for(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        plan, project = item(simulator, "Plan.pdf"), await find_project(session, "Clinic")
        for given, calls in ((project, 0), (project.id, 0), (project.id[2:], 0), ("clinic", 1)):
            simulator.reset_counts()
            await download_urn(session, plan.tip.id, tmp_path / "x.pdf", project=given)
            assert sum(seen.endpoint == "hubs" for seen in simulator.log) == calls
        simulator.reset_counts()
        await download_urn(session, plan.tip.storage, io.BytesIO())
        assert [seen.endpoint for seen in simulator.log] == ["signeds3download", "signed_get"]
        for urn in (plan.id, plan.tip.id):
            with pytest.raises(InputError, match="give the project as well"):
                await download_urn(session, urn, tmp_path / "y.pdf")
    assert lying_in(tmp_path) == ["x.pdf"]


@pytest.mark.parametrize(
    "urn",
    ["Plan.pdf", "", "urn:adsk.wipprod:fs.folder:co.abc", "urn:adsk.wipprod:fs.file:vf.abc",
     "urn:adsk.objects:os.object:wip.dm.prod", "urn:adsk.objects:os.object:UPPER/x"],
)  # fmt: skip
async def test_what_is_no_such_urn(urn: str, tmp_path: Path) -> None:
    async with account() as (simulator, session):
        with pytest.raises(InputError, match="is not a valid version, item or storage URN"):
            await download_urn(session, urn, tmp_path / "x", project="Clinic")
        with pytest.raises(InputError):
            await storage.get_source(session, urn)
        assert list(simulator.log) == []


async def test_a_sheet_has_no_file_of_its_own(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        sheet = simulator.world.sheets[0]
        for urn in (sheet.tip.id, sheet.id):
            with pytest.raises(NotExportableError, match="a sheet has to be exported, or download the file it was"):
                await download_urn(session, urn, tmp_path / "x.pdf", project="Clinic")


async def test_what_is_not_there_or_not_for_this_user(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        plan = item(simulator, "Plan.pdf").tip
        with pytest.raises(NotFoundError):
            await download_urn(session, plan.id.replace("=2", "=9"), tmp_path / "x.pdf", project="Clinic")
        with pytest.raises(NotFoundError):
            await download_urn(session, plan.storage.replace(".pdf", ".no"), tmp_path / "x.pdf")
        with pytest.raises(NotAllowedError):
            await download_urn(session, plan.storage, tmp_path / "x.pdf", user_id="BEN")
        await download_urn(session, plan.storage, tmp_path / "x.pdf", user_id="ADA")
        assert simulator.log[-2].headers["x-user-id"] == "ADA"


async def test_a_bad_target_is_refused_before_any_call(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        with pytest.raises(TargetError, match="create it first"):
            await download_urn(session, item(simulator, "Plan.pdf").tip.storage, tmp_path / "no" / "x.pdf")
        assert list(simulator.log) == []


async def test_more_can_be_demanded_of_a_file(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        [document] = await documents(simulator, session)
        assert document.version_urn is not None
        with pytest.raises(IncompleteDownloadError, match="is not a PDF but"):
            await download_urn(
                session, document.version_urn, tmp_path / "x", project="Clinic", expected=Expected(signatures=(PDF,))
            )
        await download_urn(session, document.version_urn, tmp_path / "x.docx", project="Clinic")
    assert lying_in(tmp_path) == ["x.docx"]


# ---------------------------------------------------------------- a Cost document in every shape


async def documents(simulator: Simulator, session: Session) -> list[Any]:
    project = simulator.world.hubs[0].projects[0]
    async with session_for(simulator, tokens=StaticToken(simulator.user_token("ADA"))) as signed_in:
        return await cost.list_exports(
            signed_in, project.id, association_type="Budget", association_ids=list(project.cost.associations)
        )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cdn", [True, False])
async def test_a_document_in_every_shape(shape: Any, cdn: bool, tmp_path: Path) -> None:
    async with account(oss_status=shape, oss_cdn=cdn) as (simulator, session):
        [job] = await documents(simulator, session)
        async with session_for(simulator, tokens=StaticToken(simulator.user_token("ADA"))) as signed_in:
            await wait_for_export(signed_in, job, tmp_path / "x.docx")
        content = simulator.sources.content(simulator.world.versions[job.version_urn])
        assert (tmp_path / "x.docx").stat().st_size == content.size
        assert sha1((tmp_path / "x.docx").read_bytes()) == simulator.sources.sha1(content)
        assert len({seen.key for seen in opened(simulator)}) == (3 if shape == "chunked" else 1)
        assert not any(seen.headers["authorization"] for seen in opened(simulator))
    assert "word/document.xml" in entries_of(tmp_path / "x.docx")


async def test_a_document_in_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    async with account(cost_folder_readable=False) as (simulator, session):
        [job] = await documents(simulator, session)
        async with session_for(simulator, tokens=StaticToken(simulator.user_token("ADA"))) as signed_in:
            with pytest.raises(NotAllowedError):
                await wait_for_export(signed_in, job, tmp_path / "x.docx")
    assert lying_in(tmp_path) == []


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------- parts, breaks and expiry


@asynccontextmanager
async def parts(**options: Any) -> AsyncIterator[tuple[Simulator, Session, str]]:
    async with account(**options) as (simulator, session):
        yield simulator, session, item(simulator, "Parts.pdf").tip.storage


async def test_parts_are_joined_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    async with parts() as (simulator, session, urn):
        seen: list[Progress] = []
        await download_urn(session, urn, tmp_path / "x.pdf", on_progress=seen.append)
        assert (tmp_path / "x.pdf").read_bytes() == body_of(simulator, "Parts.pdf")
        await asyncio.sleep(1)  # a call is noted when the server is done with it
        assert [each.key.rpartition("-")[2] for each in opened(simulator)] == [str(n) for n in range(1, 15)]
        assert [each.received for each in seen] == sorted(each.received for each in seen)
        assert {each.total for each in seen} == {120_000}


@pytest.mark.parametrize("kind", ["truncate", "reset_body", "reset", "expired", "s3_error_200", "ignore_range"])
@pytest.mark.parametrize("nth", [1, 5, 14])
async def test_a_part_that_breaks_is_mended_alone(kind: str, nth: int, tmp_path: Path) -> None:
    async with parts() as (simulator, session, urn):
        if kind == "ignore_range":
            simulator.add_fault(Fault(endpoint="signed_get", kind="truncate", nth=(nth,)))
            simulator.add_fault(Fault(endpoint="signed_get", kind="ignore_range", nth=(nth + 1,)))
        else:
            simulator.add_fault(Fault(endpoint="signed_get", kind=kind, nth=(nth, nth + 1)))
        await download_urn(session, urn, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == body_of(simulator, "Parts.pdf")
        await asyncio.sleep(1)
        gets = [seen.key.rpartition("-")[2] for seen in opened(simulator)]
        assert sorted(set(gets), key=int) == [str(n) for n in range(1, 15)]
        assert all(gets.count(n) == 1 for n in gets if n != str(nth)), "no other part came twice"
    assert lying_in(tmp_path) == ["x.pdf"]


async def test_links_that_come_of_age_between_two_parts(tmp_path: Path) -> None:
    async with parts() as (simulator, session, urn):
        simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=50, every=1))
        await download_urn(session, urn, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == body_of(simulator, "Parts.pdf")
        counts = simulator.counts()
        assert counts["expired_urls_opened"] == 0
        assert counts["endpoints"]["signeds3download"]["calls"] >= 5
        await asyncio.sleep(10)  # a call is noted when the server is done with it
        assert len(opened(simulator)) == 14


@pytest.mark.parametrize("chunked_first", [True, False])
async def test_storage_merges_or_splits_in_the_middle(chunked_first: bool, tmp_path: Path) -> None:
    async with account() as (simulator, session):
        plan = item(simulator, "Parts.pdf")
        plan.chunked = chunked_first

        def turn(at: Progress) -> None:
            if at.received > 30_000 and plan.chunked is chunked_first:
                plan.chunked = not chunked_first
                simulator.add_fault(Fault(endpoint="signed_get", kind="expired", times=1))

        simulator.add_fault(Fault(endpoint="signed_get", kind="truncate", nth=(1,), after_bytes=31_000))
        await download_urn(session, plan.tip.storage, tmp_path / "x.pdf", on_progress=turn)
        assert plan.chunked is not chunked_first
        assert (tmp_path / "x.pdf").read_bytes() == body_of(simulator, "Parts.pdf")
    assert lying_in(tmp_path) == ["x.pdf"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_bytes_that_are_not_those_storage_tells(shape: Any, tmp_path: Path) -> None:
    async with account(oss_status=shape) as (simulator, session):
        urn = item(simulator, "Plan.pdf").tip.storage
        source = await storage.get_source(session, urn)
        assert source.sha1 == sha1(body_of(simulator, "Plan.pdf"))
        (tmp_path / "x.pdf").write_bytes(b"the old one")
        simulator.add_fault(Fault(endpoint="*_get", kind="changed", times=1))
        with pytest.raises(IncompleteDownloadError, match=r"sha1 differs|bytes instead of"):
            await download_urn(session, urn, tmp_path / "x.pdf")
        assert (tmp_path / "x.pdf").read_bytes() == b"the old one"
    assert lying_in(tmp_path) == ["x.pdf"]


async def test_cancelled_in_the_middle_of_the_parts(tmp_path: Path) -> None:
    async with parts() as (simulator, session, urn):
        simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=50, nth=(5,)))
        task = asyncio.create_task(download_urn(session, urn, tmp_path / "x.pdf"))
        await asyncio.sleep(20)
        assert len(lying_in(tmp_path)) == 1, "it is under way"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert lying_in(tmp_path) == []


# ---------------------------------------------------------------- answers that make no sense

LINK = "https://storage.example/x?X-Amz-Signature=CANARY"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": "complete"}, "url is missing"),
        ({"status": "complete", "url": "x"}, "expected an absolute"),
        ({"status": "chunked", "size": 10}, "end at 0 of 10"),
        ({"status": "chunked", "size": 10, "urls": {"0-4": LINK}}, "end at 5 of 10"),
        ({"status": "chunked", "size": 10, "urls": {"0-4": LINK, "6-9": LINK}}, "do not join at 5"),
        ({"status": "chunked", "size": 10, "urls": {"0-4": LINK, "4-9": LINK}}, "do not join at 5"),
        ({"status": "chunked", "size": 10, "urls": {"first": LINK}}, "'first' is not a valid byte range"),
        ({"status": "chunked", "size": 10, "urls": {"9-0": LINK}}, "do not join at 0"),
    ],
)
async def test_answers_without_a_usable_link(answer: dict[str, Any], words: str) -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"params": {}, **answer})

    async with served(say) as url, Session(StaticToken("t"), base_url=url) as session:
        with pytest.raises(DecodeError, match=words) as caught:
            await storage.get_source(session, "urn:adsk.objects:os.object:bucket/key")
    assert "CANARY" not in str(caught.value)


async def test_ranges_in_any_order_and_with_their_unit() -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        urls = {"bytes=10-11": f"{LINK}&n=3", " 0-1 ": f"{LINK}&n=1", "2-9": f"{LINK}&n=2"}
        return web.json_response({"status": "chunked", "params": {}, "size": 12, "urls": urls})

    async with served(say) as url, Session(StaticToken("t"), base_url=url, settings=Settings()) as session:
        source = await storage.get_source(session, "urn:adsk.objects:os.object:bucket/key")
    assert [(part.size, part.link.reveal()[-1]) for part in source.parts] == [(2, "1"), (8, "2"), (2, "3")]
    assert evolve(source, parts=()).size == 12
