"""The older ways to an exported page: signed cookies when the signed link fails, and the deprecated link on request."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from attrs import evolve

from aps_async import (
    AuthError,
    DecodeError,
    DownloadError,
    ExportError,
    ExportJob,
    LinkExpiredError,
    Session,
    StaticToken,
    bim360,
    download,
    wait_for_export,
)
from aps_async.errors import IncompleteDownloadError
from aps_async.exports.uploads import DERIVATIVE, download_link
from aps_async.exports.wait import poll_export
from aps_async.models import Derivative
from aps_async.resources import derivatives
from aps_async.simulator import Behaviour, Fault, JobTime, Simulator, World
from aps_async.transport.hooks import RateLimited
from tests.documents import lying_in, pages_in
from tests.support import served, service, session_for

pytestmark = pytest.mark.looptime(start=time.monotonic)


def world(region: str = "US") -> World:
    sheet = {"number": "A-101", "bytes": 100_000}
    project = {"name": "Clinic", "folders": [{"name": "Plans", "items": [sheet]}]}
    return World.from_json({"users": [{"id": "ADA"}], "hubs": [{"region": region, "projects": [project]}]})


@asynccontextmanager
async def account(*, region: str = "US", **behaviour: Any) -> AsyncIterator[tuple[Simulator, Session]]:
    decided = Behaviour(job_time=JobTime.fixed(20), token_life=86_400, **behaviour)
    async with service(world(region), behaviour=decided) as simulator, session_for(simulator) as session:
        yield simulator, session


async def begin(simulator: Simulator, session: Session, **options: Any) -> ExportJob:
    sheet = simulator.world.sheets[0]
    return await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id, **options)


async def finish(simulator: Simulator, session: Session, **options: Any) -> ExportJob:
    return await poll_export(session, await begin(simulator, session, **options))


def seen(simulator: Simulator, endpoint: str) -> list[Any]:
    return [each for each in simulator.log if each.endpoint == endpoint]


# ---------------------------------------------------------------- signed cookies


@pytest.mark.parametrize("region", ["US", "EMEA", "AUS"])
@pytest.mark.parametrize("why", ["signed_url_present", "signed_url_refused"])
async def test_cookies_lead_to_the_page_when_the_link_does_not(why: str, region: str, tmp_path: Path) -> None:
    behaviour = {why: why == "signed_url_refused", "region_needed": True}
    async with account(region=region, **behaviour) as (simulator, session):
        job = await begin(simulator, session, user_id="ADA")
        await wait_for_export(session, job, tmp_path / "x.pdf", timeout=120)
        assert pages_in(tmp_path / "x.pdf") == 1
        [told] = seen(simulator, "signedcookies")
        assert told.headers.get("region", "US") == region
        assert told.headers["x-user-id"] == "ADA"
        [opened] = seen(simulator, "cdn_get")
        assert not opened.headers["authorization"]
        refused = seen(simulator, "signed_get")
        assert len(refused) == (2 if why == "signed_url_refused" else 0), "twice, although fresh"
        assert simulator.counts()["authorization_on_signed_link"] == 0
        assert seen(simulator, "derivative") == [], "the deprecated link is nobody's fallback"
    assert lying_in(tmp_path) == ["x.pdf"]


@pytest.mark.parametrize("kind", ["truncate", "reset_body"])
async def test_a_break_on_the_cdn_is_resumed(kind: str, tmp_path: Path) -> None:
    async with account(signed_url_present=False) as (simulator, session):
        job = await begin(simulator, session)
        simulator.add_fault(Fault(endpoint="cdn_get", kind=kind, nth=(1,), after_bytes=60_000))
        await wait_for_export(session, job, tmp_path / "x.pdf")
        first, second = seen(simulator, "cdn_get")
        assert "range" not in first.headers
        assert second.headers["range"] == "bytes=60000-"
        assert second.headers["if-match"]
        assert (tmp_path / "x.pdf").stat().st_size == 100_000


async def test_cookies_that_are_refused_are_asked_for_again(tmp_path: Path) -> None:
    async with account(signed_url_present=False) as (simulator, session):
        job = await begin(simulator, session)
        simulator.add_fault(Fault(endpoint="cdn_get", kind="expired", nth=(1,)))
        await wait_for_export(session, job, tmp_path / "x.pdf")
        assert len(seen(simulator, "signedcookies")) == 2
        simulator.add_fault(Fault(endpoint="cdn_get", kind="expired"))
        with pytest.raises(LinkExpiredError, match="403"):
            await wait_for_export(session, job.ref, tmp_path / "y.pdf")
    assert lying_in(tmp_path) == ["x.pdf"]


@pytest.mark.parametrize("status", [403, 404, 400])
async def test_neither_link_nor_derivative(status: int, tmp_path: Path) -> None:
    async with account(signed_url_present=False) as (simulator, session):
        simulator.add_fault(Fault(endpoint="signedcookies", kind="status", status=status))
        job = await begin(simulator, session)
        with pytest.raises(ExportError, match="is 'completed', but the service gives no link"):
            await wait_for_export(session, job, tmp_path / "x.pdf", timeout=120)
    assert lying_in(tmp_path) == []


async def test_either_spelling_of_the_urns(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        told = (await finish(simulator, session)).derivative
        assert told is not None
        encoded = Derivative(urn=told.urn + "==", derivative_urn=quote(told.derivative_urn, safe=""))
        for each in (told, encoded):
            source = await derivatives.get_source(session, each)
            assert source.size == 100_000
            got = await download(session, source, tmp_path / "x.pdf")
            assert got.size == 100_000
        assert len({call.path for call in seen(simulator, "signedcookies")}) == 1
        link = source.parts[0].link
        cookie = link.reveal_cookie()
        assert cookie is not None
        assert cookie.count("CloudFront-") == cookie.count("=") == 3
        assert "CloudFront" not in f"{link} {link!r} {source!r}"


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, {"url": "https://cdn.example/x"}, "there are no cookies"),
        ({"Set-Cookie": "a=b"}, {"url": "x"}, "url: expected an absolute"),
        ({"Set-Cookie": "a=b"}, {}, "url"),
    ],
)
async def test_answers_that_open_nothing(headers: dict[str, str], body: dict[str, str], words: str) -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, headers=headers)

    async with served(say) as url, Session(StaticToken("t"), base_url=url) as session:
        with pytest.raises(DecodeError, match=words):
            await derivatives.get_source(session, Derivative(urn="dXJu", derivative_urn="urn:x/y"))


# ---------------------------------------------------------------- the deprecated link


async def test_the_deprecated_link_when_asked_for(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        job = await finish(simulator, session, user_id="ADA")
        got = await download_link(session, job, tmp_path / "x.pdf")
        assert (got.path, got.size) == (tmp_path / "x.pdf", 100_000)
        [call] = seen(simulator, "derivative")
        assert call.headers["authorization"]
        assert call.headers["x-user-id"] == "ADA"
        assert seen(simulator, "signed_get") == []
    assert lying_in(tmp_path) == ["x.pdf"]


async def test_it_is_resumed_and_its_token_renewed(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        job = await finish(simulator, session)
        simulator.add_fault(Fault(endpoint="derivative", kind="truncate", nth=(1,), after_bytes=40_000))
        simulator.add_fault(Fault(endpoint="derivative", kind="revoke", nth=(2,)))
        simulator.add_fault(Fault(endpoint="derivative", kind="status", status=503, nth=(4,)))
        await download_link(session, job, tmp_path / "x.pdf")
        calls = seen(simulator, "derivative")
        assert [call.headers.get("range") for call in calls] == [None, "bytes=40000-", "bytes=40000-"]
        assert [call.status for call in calls] == [200, 401, 206]
        await download_link(session, job, tmp_path / "y.pdf")
    assert (tmp_path / "x.pdf").read_bytes() == (tmp_path / "y.pdf").read_bytes()


@pytest.mark.parametrize("asked", [20, None])
@pytest.mark.parametrize("renewed", [False, True])
async def test_a_429_holds_back_every_download_with_a_token(tmp_path: Path, asked: int | None, renewed: bool) -> None:
    events: list[object] = []
    async with account() as (simulator, _), session_for(simulator, hooks=[events.append]) as session:
        job = await finish(simulator, session)
        if renewed:  # the 429 is the response to the repeated call
            simulator.add_fault(Fault(endpoint="derivative", kind="revoke", nth=(1,)))
        refusal = Fault(endpoint="derivative", kind="status", status=429, retry_after=asked, nth=(1 + renewed,))
        simulator.add_fault(refusal)
        first = asyncio.create_task(download_link(session, job, tmp_path / "0.pdf"))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(download_link(session, job, tmp_path / f"{n}.pdf")) for n in (1, 2, 3)]
        await asyncio.gather(first, *others)
        calls = seen(simulator, "derivative")
        assert [call.status for call in calls] == [*([401] if renewed else []), 429, 200, 200, 200, 200]
        pause = asked or session.settings.backoff_base
        assert all(call.time - calls[renewed].time >= pause - 0.01 for call in calls[renewed + 1 :])
    told = [each for each in events if isinstance(each, RateLimited)]
    assert told == [RateLimited(endpoint=DERIVATIVE.name, retry_after=asked)]


async def test_there_is_no_deprecated_link(tmp_path: Path) -> None:
    async with account(link_present=False) as (simulator, session):
        job = await finish(simulator, session)
        with pytest.raises(ExportError, match="has no deprecated link; use download_export"):
            await download_link(session, job, tmp_path / "x.pdf")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(endpoint="derivative", kind="status", status=404), DownloadError),
        (Fault(endpoint="derivative", kind="status", status=403), LinkExpiredError),
        (Fault(endpoint="derivative", kind="status", status=401), DownloadError),
        (Fault(endpoint="derivative", kind="html"), IncompleteDownloadError),
        (Fault(endpoint="derivative", kind="reset"), IncompleteDownloadError),
    ],
    ids=["404", "403", "401", "html", "reset"],
)
async def test_what_it_cannot_bring(fault: Fault, error: type[Exception], tmp_path: Path) -> None:
    async with account() as (simulator, session):
        job = await finish(simulator, session)
        simulator.add_fault(fault)
        with pytest.raises(error):
            await download_link(session, job, tmp_path / "x.pdf")
    assert lying_in(tmp_path) == []


async def test_the_token_goes_to_our_own_host_only(tmp_path: Path) -> None:
    strangers: list[str] = []

    async def stranger(asked: web.BaseRequest) -> web.StreamResponse:
        strangers.append(asked.headers.get("Authorization", "none"))
        return web.Response(status=200, body=b"%PDF-")

    async with account() as (simulator, session), served(stranger) as elsewhere:
        job = await finish(simulator, session)
        assert job.deprecated_link is not None
        led_away = evolve(job, deprecated_link=job.deprecated_link.replace(simulator.url, elsewhere))
        await download_link(session, led_away, tmp_path / "x.pdf")
        assert len(seen(simulator, "derivative")) == 1

        async def redirect(_: web.BaseRequest) -> web.StreamResponse:
            raise web.HTTPFound(elsewhere)

        async with served(redirect) as moved, Session(StaticToken("canary"), base_url=moved) as other:
            with pytest.raises(DownloadError, match="302"):
                await download_link(other, job, tmp_path / "y.pdf")
    assert strangers == []


async def test_it_takes_a_token_that_can_be_had(tmp_path: Path) -> None:
    async with account() as (simulator, session):
        job = await finish(simulator, session)
        async with session_for(simulator) as stranger:
            simulator.add_fault(Fault(endpoint="token", kind="status", status=400))
            with pytest.raises(AuthError):
                await download_link(stranger, job, tmp_path / "x.pdf")
    assert lying_in(tmp_path) == []
