"""BIM 360 exports: start, status, refusals, and what is switchable."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote, unquote

import pytest

from aps_async.simulator import Behaviour, JobPolls, JobTime, World
from tests.simulator.conftest import Answer, Client, Serve

POLLS = Behaviour(job_time=JobPolls(2))


async def status(client: Client, job: str, sheet: str = "A-101") -> Answer:
    return await client.get(f"{client.exports(sheet)}/{job}")


async def test_start_poll_complete(serve: Serve) -> None:
    async with serve(behaviour=POLLS) as client:
        start = await client.start(includeMarkups=True, includeHyperlinks=False)
        assert start.status == 202
        job = start.json["id"]
        assert start.json == {"id": job, "status": "committed"}
        assert (await status(client, job)).json == {"id": job, "status": "committed"}
        done = (await status(client, job)).json
        assert done["status"] == "completed"
        data = done["data"]
        padded = data["versionUrn"] + "=" * (-len(data["versionUrn"]) % 4)
        sheet = client.simulator.world.find_sheet("A-101")
        assert sheet.source is not None
        assert base64.urlsafe_b64decode(padded).decode() == sheet.source.tip.id
        assert data["resourceId"].startswith(f"urn:adsk.viewing:fs.file:{data['versionUrn']}/output/")
        assert unquote(data["link"]).endswith(data["resourceId"])
        path, _, query = data["signedUrl"].partition("?")
        assert path.startswith(client.simulator.storage_url)
        assert path.endswith(data["resourceId"].removeprefix("urn:adsk.viewing:fs.file:"))
        assert "X-Amz-Expires=120" in query
        assert "%2F" in query
        assert "%2B" in query
        assert len(data["signedUrl"]) > 1500
        counts = client.simulator.counts()
        assert (counts["jobs_started"], counts["jobs_restarted"]) == (1, 0)
        assert counts["jobs"][job]["polls"] == 2
        assert counts["jobs"][job]["first_seen_completed"] >= counts["last_start_accepted_at"]


async def test_repeat_answers_like_the_status_with_a_fresh_link(serve: Serve) -> None:
    async with serve(behaviour=Behaviour(job_time=JobPolls(0))) as client:
        first = (await client.start()).json
        again = await client.start()
        assert again.status == 202
        assert again.json["id"] == first["id"]
        assert again.json["status"] == "completed"
        links = {again.json["data"]["signedUrl"], (await client.start()).json["data"]["signedUrl"]}
        links.add((await status(client, first["id"])).json["data"]["signedUrl"])
        assert len(links) == 3
        for link in links:  # earlier ones stay good for their own life
            assert (await client.call("GET", link)).status == 200
        other = (await client.start(includeMarkups=True)).json
        assert other["id"] != first["id"]
        assert client.simulator.counts()["jobs_restarted"] == 2


async def test_switches(serve: Serve) -> None:
    behaviour = Behaviour(
        post_status=200,
        link_present=False,
        fresh_url_on_every_get=False,
        not_found_after_start=2,
        options_make_another_job=False,
        source_version_first=False,
        job_time=JobPolls(1),
    )
    async with serve(behaviour=behaviour) as client:
        start = await client.start()
        assert start.status == 200
        assert (await client.start(includeMarkups=True)).json["id"] == start.json["id"]
        job = start.json["id"]
        assert [(await status(client, job)).status for _ in range(3)] == [404, 404, 200]
        one, two = [(await status(client, job)).json["data"] for _ in range(2)]
        assert one["signedUrl"] == two["signedUrl"]
        assert "link" not in one
        assert (await client.start()).json["data"]["signedUrl"] != one["signedUrl"]
    async with serve(behaviour=Behaviour(repeat_gives_same_job=False)) as client:
        assert (await client.start()).json["id"] != (await client.start()).json["id"]


@pytest.mark.looptime
async def test_job_times_are_drawn_per_sheet_whatever_the_order(serve: Serve) -> None:
    world = World.demo(30)
    names = [item.name for item in world.sheets]
    found = []
    for order in (names, names[::-1]):
        async with serve(world, virtual=True, seed=7, speed=2) as client:
            started = {name: (await client.start(name)).json["id"] for name in order}
            jobs = client.simulator.counts()["jobs"]
            found.append(
                {name: round(jobs[job]["finishes"] - jobs[job]["started"], 6) for name, job in started.items()}
            )
            slowest = max(found[0], key=found[0].__getitem__)
            await asyncio.sleep(found[0][slowest] - 0.5)
            assert (await status(client, started[slowest], slowest)).json["status"] == "committed"
            await asyncio.sleep(0.5)
            assert (await status(client, started[slowest], slowest)).json["status"] == "completed"
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 30


def test_drawn_times_have_the_asked_for_median_and_percentile() -> None:
    times = sorted(JobTime(median=20, p95=60).draw(str(i)) for i in range(4000))
    assert times[2000] == pytest.approx(20, rel=0.1)
    assert times[3800] == pytest.approx(60, rel=0.1)
    assert JobTime.fixed(7).draw("x") == 7
    assert JobTime(median=20, p95=60, maximum=30).draw("1") <= 30
    with pytest.raises(ValueError, match="median"):
        JobTime(median=5, p95=1)


@pytest.mark.looptime
async def test_not_found_for_some_seconds(serve: Serve) -> None:
    async with serve(virtual=True, speed=10, behaviour=Behaviour(not_found_seconds=20)) as client:
        job = (await client.start()).json["id"]
        assert (await status(client, job)).status == 404
        await asyncio.sleep(2)
        assert (await status(client, job)).status == 200


@pytest.mark.looptime
async def test_jobs_that_fail_or_never_end(serve: Serve) -> None:
    items = [{"number": "A-1", "fails": True}, {"number": "A-2", "never": True}]
    world = World.from_json({"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": items}]}]}]})
    for restart in (False, True):
        behaviour = Behaviour(job_time=JobTime.fixed(5), repeat_restarts_failed=restart)
        async with serve(world, virtual=True, behaviour=behaviour) as client:
            failing, endless = [(await client.start(name)).json["id"] for name in ("A-1", "A-2")]
            await asyncio.sleep(3000)
            assert (await status(client, failing, "A-1")).json == {"id": failing, "status": "failed"}
            assert (await status(client, endless, "A-2")).json == {"id": endless, "status": "committed"}
            assert (await client.start("A-1")).json["status"] == ("committed" if restart else "failed")


async def test_what_cannot_be_exported(serve: Serve) -> None:
    async with serve() as client:
        world = client.simulator.world
        by_name = {item.name: item for item in world.items.values()}
        good = by_name["A-101"]
        assert good.source is not None

        async def start(version: Any, project: str | None = None) -> int:
            root = f"/bim360/docs/v1/projects/{project or version.item.folder.project.id}"
            return (await client.api("POST", f"{root}/versions/{quote(version.id, safe='')}/exports", json={})).status

        assert await start(good.tip, f"b.{good.folder.project.id}") == 400
        assert await start(good.tip, "9f1d1f8e-0000-4000-8000-000000000000") == 404
        assert await start(good.source.tip) == 400
        assert await start(by_name["X-901"].tip) == 404
        assert await start(by_name["X-902"].tip) == 404
        assert await start(by_name["X-903"].tip) == 400
        assert await start(by_name["T-01.pdf"].tip) == 404
        assert await start(by_name["Brief.docx"].tip) == 400
        annex = next(p for p in world.projects.values() if p.forbidden)
        assert await start(good.tip, annex.id) == 403
        tower = by_name["T-01.pdf"].folder.project
        assert await start(good.tip, tower.id) == 404
        raw = f"/bim360/docs/v1/projects/{good.folder.project.id}/versions/{good.tip.id}/exports"
        assert (await client.api("POST", raw, json={})).json["errorCode"] == "ERR-404"


async def test_bodies(serve: Serve) -> None:
    async with serve() as client:
        path = client.exports()
        assert (await client.api("POST", path)).status == 400
        assert (await client.api("POST", path, data="{}", headers={"Content-Type": "text/plain"})).status == 400
        bodies: list[Any] = [[], "x", {"includeMarkups": "yes"}]
        for body in bodies:
            refused = await client.api("POST", path, json=body)
            assert refused.status == 400
            assert set(refused.json) == {"code", "title", "detail"}
        assert (await client.start(somethingElse=1)).status == 202
    async with serve(behaviour=Behaviour(body_required=False)) as client:
        assert (await client.api("POST", client.exports())).status == 202


async def test_status_belongs_to_its_path(serve: Serve) -> None:
    async with serve() as client:
        job = (await client.start("A-101")).json["id"]
        assert (await status(client, job, "A-102")).status == 404
        assert (await status(client, "0f8fad5b-d9cb-469f-a165-70867728950e")).status == 404
        assert (await client.get(f"{client.exports()}/{job}", user="QX4TM81KLPZA")).status == 403
    async with serve(behaviour=Behaviour(status_checks_path=False)) as client:
        job = (await client.start("A-101")).json["id"]
        assert (await status(client, job, "A-102")).status == 200


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ("object", b'{"code"'),
        ("list", b'{"errors":[{'),
        ("developer", b'{"developerMessage"'),
        ("text", b"The "),
        ("empty", b""),
    ],
)
async def test_error_shapes(serve: Serve, shape: Any, start: bytes) -> None:
    async with serve(behaviour=Behaviour(bim360_errors=shape)) as client:
        answer = await status(client, "nothing")
        assert answer.status == 404
        assert answer.body.startswith(start)
        assert bool(answer.body) == bool(start)


async def test_batch_get(serve: Serve) -> None:
    items = [
        {"number": "A-1", "title": "Plan"},
        {"number": "A-2", "titleless": True},
        {"type": "file", "name": "a.rvt"},
    ]
    world = World.from_json({"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": items}]}]}]})
    async with serve(world) as client:
        project = next(iter(world.projects))
        path = f"/bim360/docs/v1/projects/{project}/versions:batch-get"
        urns = [next(iter(world.items)), *(item.tip.id for item in list(world.items.values())[1:]), "urn:nothing"]
        body = (await client.api("POST", path, json={"urns": urns})).json
        assert [one["title"] for one in body["results"]] == ["Plan", None, None]
        assert [one["entityType"] for one in body["results"]] == ["DOCUMENT", "DOCUMENT", "SEED_FILE"]
        assert [one["urn"] for one in body["errors"]] == ["urn:nothing"]
        assert (await client.api("POST", path, json={"urns": ["x"] * 51})).status == 400
        assert (await client.api("POST", path, json=[])).status == 400
        assert (await client.api("POST", path.replace(":batch", "%3Abatch"), json={"urns": urns})).status == 200
