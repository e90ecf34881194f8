"""A client whose clock is wrong downloads as if it were right: one start, one link, no renewal."""

import asyncio
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aps_async import ExportJob, Session, StaticToken, start_export, wait_for_export
from aps_async.models import Derivative
from aps_async.resources import bim360, derivatives, files, storage
from tests.downloads.test_download import PAGE
from tests.support import EPOCH, served

pytestmark = pytest.mark.looptime

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
SHEET = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"


class Service:
    """Starts, polls and storage in one; its clock is right."""

    def __init__(self, life: int, with_date: bool, acc: bool) -> None:
        self.life, self.with_date, self.acc = life, with_date, acc
        self.seen = dict.fromkeys(("start", "poll", "link"), 0)

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Date": formatdate(self.now(), usegmt=True) if self.with_date else "unknown"}
        if request.path == "/file":
            self.seen["link"] += 1
            return web.Response(body=PAGE, headers=headers)
        self.seen["start" if request.method == "POST" else "poll"] += 1
        signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now()))
        url = f"{request.url.origin()}/file?X-Amz-Date={signed}&X-Amz-Expires={self.life}&X-Amz-Signature=1"
        answer: dict[str, Any] = {"id": "1", "status": "completed", "data": {"signedUrl": url}}
        if self.acc:
            answer = {"id": "1", "status": "successful", "result": {"output": {"signedUrl": url}}}
        return web.json_response(answer, headers=headers)


@pytest.mark.parametrize("wrong_by", [-315_360_000, -3700, -130, -20, 0, 20, 118, 130, 310, 3599, 3700, 86_400])
@pytest.mark.parametrize("with_date", [True, False])
@pytest.mark.parametrize("acc", [False, True])
async def test_a_wrong_clock_costs_nothing(tmp_path: Path, wrong_by: float, with_date: bool, acc: bool) -> None:
    at = Service(3600 if acc else 300, with_date, acc)
    async with (
        served(at) as url,
        Session(StaticToken("t"), base_url=url, clock=lambda: at.now() + wrong_by) as session,
    ):
        made = files.make_requests(PROJECT, [SHEET])[0] if acc else bim360.make_request(PROJECT, SHEET)
        job: ExportJob = await start_export(session, made)
        await wait_for_export(session, job, tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes() == PAGE
    assert at.seen == {"start": 1, "poll": 0, "link": 1}


@pytest.mark.parametrize("wrong_by", [-86_400, 0, 86_400])
async def test_every_absolute_time_of_a_service_is_read_by_its_own_date(wrong_by: float) -> None:
    """The end of a derivative's cookies is in milliseconds; an object's link carries its own."""

    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Date": formatdate(now(), usegmt=True), "Set-Cookie": "CloudFront-Policy=p; Path=/"}
        if "signedcookies" in request.path:
            ends = int(now() + 600) * 1000
            return web.json_response({"url": "https://cdn.example/x", "expiration": ends}, headers=headers)
        ends = int(now() + 60)
        return web.json_response(
            {"status": "complete", "url": f"https://cdn.example/x?Expires={ends}&Signature=s", "size": 1},
            headers=headers,
        )

    async with (
        served(answer) as url,
        Session(StaticToken("t"), base_url=url, clock=lambda: now() + wrong_by) as session,
    ):
        derivative = await derivatives.get_source(session, Derivative(urn="dXJu", derivative_urn="urn:x/y"))
        stored = await storage.get_source(session, "urn:adsk.objects:os.object:bucket/key")
        left = [(source.parts[0].link.expires_at or 0) - session.now() for source in (derivative, stored)]
    assert left == pytest.approx([600, 60], abs=2)
