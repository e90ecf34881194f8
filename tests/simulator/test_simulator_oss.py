"""Uploaded files by storage URN: whole, in parts, and from OSS itself."""

import asyncio
import hashlib
from email.utils import formatdate
from typing import Any

import attrs
import pypdfium2
import pytest

from aps_async.simulator import Behaviour, World
from aps_async.simulator.parts import Item
from tests.simulator.conftest import Answer, Client, Serve


def file_named(client: Client, name: str) -> Item:
    return next(item for item in client.simulator.world.items.values() if item.name == name)


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def path(client: Client, name: str, query: str = "") -> str:
    storage = file_named(client, name).tip.storage
    assert storage is not None
    bucket, _, key = storage.removeprefix("urn:adsk.objects:os.object:").partition("/")
    return f"/oss/v2/buckets/{bucket}/objects/{key}/signeds3download{query}"


def file_world(**item: Any) -> World:
    plans = {"name": "Plans", "items": [{"type": "file", "name": "a.pdf", **item}]}
    return World.from_json({"hubs": [{"projects": [{"folders": [plans]}]}]})


async def opened(client: Client, name: str, query: str = "") -> Answer:
    signed = (await client.get(path(client, name, query))).json
    answer = await client.call("GET", signed["url"])
    assert answer.status == 200
    assert len(answer.body) == signed["size"]
    assert sha1(answer.body) == signed["sha1"]
    return answer


async def test_sources_have_real_bytes_of_the_told_size(serve: Serve) -> None:
    async with serve() as client:
        source = await opened(client, "Architecture.pdf")
        assert source.headers["Content-Type"] == "application/pdf"
        document = pypdfium2.PdfDocument(source.body)
        assert len(document) == 5
        assert "A-103" in document[2].get_textpage().get_text_range()
        assert len(pypdfium2.PdfDocument((await opened(client, "Facade_Package.pdf")).body)) == 3
        assert (await opened(client, "Brief.docx")).body.startswith(b"PK\x03\x04")
        assert (await opened(client, "Level_05.dwg")).body.startswith(b"AC1032")
        assert (await opened(client, "Core.rvt")).body.startswith(b"\xd0\xcf\x11\xe0")
        for name in ("Architecture.pdf", "Facade_Package.pdf", "Brief.docx", "Core.rvt"):
            item = file_named(client, name)
            assert (await client.get(path(client, name))).json["size"] == item.size


async def test_a_given_pdf_is_its_own_source(serve: Serve) -> None:
    from tests.simulator.test_simulator_pages import given_pdf

    data = given_pdf()
    async with serve(World.with_pdf(data)) as client:
        assert (await opened(client, "plans.pdf")).body == data


async def test_the_link_and_its_options(serve: Serve) -> None:
    async with serve() as client:
        query = "?minutesExpiration=5&response-content-type=text%2Fplain&response-content-disposition=attachment"
        signed = (await client.get(path(client, "Brief.docx", query))).json
        assert signed["status"] == "complete"
        assert signed["params"] == {"content-type": "text/plain", "content-disposition": "attachment"}
        assert "X-Amz-Expires=300" in signed["url"]
        answer = await client.call("GET", signed["url"])
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Content-Disposition"] == "attachment"
        part = await client.call("GET", signed["url"], headers={"Range": "bytes=2-5"})
        assert (part.status, part.body) == (206, answer.body[2:6])
        assert (await client.get(signed["url"])).status == 400
        cdn = (await client.get(path(client, "Brief.docx", "?useCdn=true"))).json["url"]
        assert "Key-Pair-Id=" in cdn
        assert "AWSAccessKeyId" not in cdn
        assert (await client.call("GET", cdn)).body == answer.body
        assert (await client.call("GET", cdn + "&x=1")).code == "SignatureDoesNotMatch"
        for bad in ("?minutesExpiration=61", "?minutesExpiration=0", "?useCdn=yes"):
            refused = await client.get(path(client, "Brief.docx", bad))
            assert (refused.status, list(refused.json)) == (400, ["reason"])
    async with serve(behaviour=Behaviour(oss_cdn=True)) as client:
        assert "Key-Pair-Id=" in (await client.get(path(client, "Brief.docx"))).json["url"]


async def test_what_is_refused_and_not_modified(serve: Serve) -> None:
    async with serve() as client:
        url = path(client, "Architecture.pdf")
        assert (await client.get(url.replace("Architecture", "x").replace("wip.dm", "WIP"))).status == 400
        assert (await client.get(url.replace(".pdf/", "x.pdf/"))).json == {"reason": "Object not found"}
        assert (await client.get(url, user="QX4TM81KLPZA")).status == 403  # may not see that folder
        assert (await client.get(url, user="ZK7HV20CEWRN")).status == 403  # is not in that project
        digest = (await client.get(url)).json["sha1"]
        assert (await client.get(url, headers={"If-None-Match": f'"{digest}"'})).status == 304
        assert (await client.get(url, headers={"If-None-Match": '"other"'})).status == 200
        now = client.simulator.clock()
        for at, status in ((now + 60, 304), (now - 86400, 200)):
            headers = {"If-Modified-Since": formatdate(at, usegmt=True)}
            assert (await client.get(url, headers=headers)).status == status
        assert (await client.get(url, headers={"If-Modified-Since": "yesterday"})).status == 200
        await client.login("data:write")
        assert (await client.get(url)).status == 403


async def test_chunks_have_links_of_their_own(serve: Serve) -> None:
    behaviour = Behaviour(oss_chunk=70_000)
    async with serve(file_world(chunked=True, size=220_515), behaviour=behaviour) as client:
        signed = (await client.get(path(client, "a.pdf"))).json
        assert signed["status"] == "chunked"
        assert "url" not in signed
        ranges = [tuple(map(int, key.split("-"))) for key in signed["urls"]]
        assert sorted(ranges) == [(0, 69_999), (70_000, 139_999), (140_000, 209_999), (210_000, 220_514)]
        assert ranges != sorted(ranges)  # an object has no order to rely on
        parts = {}
        for key, url in signed["urls"].items():
            answer = await client.call("GET", url)
            first, last = map(int, key.split("-"))
            assert len(answer.body) == last - first + 1
            parts[first] = answer
        joined = b"".join(parts[first].body for first in sorted(parts))
        assert sha1(joined) == signed["sha1"]
        assert len({answer.headers["ETag"] for answer in parts.values()}) == 4
        assert len(pypdfium2.PdfDocument(joined)) == 1
        some = await client.call("GET", signed["urls"]["70000-139999"], headers={"Range": "bytes=5-14"})
        assert some.headers["Content-Range"] == "bytes 5-14/70000"
        assert some.body == joined[70_005:70_015]
        fallback = (await client.get(path(client, "a.pdf", "?public-resource-fallback=true"))).json
        assert fallback["status"] == "fallback"


@pytest.mark.looptime
async def test_fallback_addresses_need_no_bearer_and_die(serve: Serve) -> None:
    async with serve(virtual=True, behaviour=Behaviour(oss_status="fallback")) as client:
        signed = (await client.get(path(client, "Brief.docx"))).json
        assert signed["url"].startswith(f"{client.simulator.url}/oss/v2/signedresources/")
        whole = await client.call("GET", signed["url"])
        assert sha1(whole.body) == signed["sha1"]
        part = await client.call("GET", signed["url"], headers={"Range": "bytes=0-3"})
        assert (part.status, part.body) == (206, b"PK\x03\x04")
        await asyncio.sleep(121)
        assert (await client.call("GET", signed["url"])).status == 403
        assert (await client.call("GET", f"{client.simulator.url}/oss/v2/signedresources/none")).status == 404
        counts = client.simulator.counts()
        assert counts["endpoints"]["oss_get"]["statuses"] == {"200": 1, "206": 1, "403": 1, "404": 1}
        assert counts["expired_urls_opened"] == 1


async def test_a_replaced_file_is_another_one_everywhere(serve: Serve) -> None:
    async with serve() as client:
        first = (await client.get(path(client, "Brief.docx"))).json
        body = (await client.call("GET", first["url"])).body
        await client.call("POST", "/simulator/faults", json=[{"endpoint": "signed_get", "kind": "changed", "times": 1}])
        assert (await client.call("GET", first["url"])).body != body
        second = (await client.get(path(client, "Brief.docx"))).json
        assert second["sha1"] != first["sha1"]
        assert sha1((await client.call("GET", second["url"])).body) == second["sha1"]
        client.simulator.behaviour = attrs.evolve(client.simulator.behaviour, oss_status="fallback")
        third = (await client.get(path(client, "Brief.docx"))).json
        rule = [{"endpoint": "oss_get", "kind": "truncate", "after_bytes": 10}]
        await client.call("POST", "/simulator/faults", json=rule)
        with pytest.raises(Exception, match="payload"):
            await client.call("GET", third["url"])


@pytest.mark.looptime
async def test_published_budget_and_regions(serve: Serve) -> None:
    tree = World.from_json(
        {
            "hubs": [
                {
                    "region": "EMEA",
                    "projects": [
                        {"folders": [{"name": "F", "items": [{"type": "file", "name": "a.txt", "versions": 2}]}]}
                    ],
                }
            ]
        }
    )
    async with serve(tree, virtual=True) as client:
        one, two = file_named(client, "a.txt").versions
        assert one.storage != two.storage
        assert one.storage is not None
        assert one.storage.startswith("urn:adsk.objects:os.object:wip.dm.emea.2/")
        statuses = [(await client.get(path(client, "a.txt"))).status for _ in range(1001)]
        assert statuses.count(200) == 1000
