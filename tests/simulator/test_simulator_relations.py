"""Every address that Data Management hands out leads somewhere."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest

from aps_async.simulator import Behaviour, World
from tests.simulator.conftest import Serve

ELSEWHERE = ("https://", "/oss/")


def hrefs(value: Any) -> Iterator[str]:
    """Every `href` in a document."""
    if isinstance(value, list):
        for one in value:
            yield from hrefs(one)
    elif isinstance(value, dict):
        if isinstance(value.get("href"), str):
            yield value["href"]
        for one in value.values():
            yield from hrefs(one)


async def test_every_address_in_every_document_can_be_followed(serve: Serve) -> None:
    async with serve(World.demo(2), behaviour=Behaviour(quotas=False)) as client:
        waiting, seen = ["/project/v1/hubs"], set()
        while waiting:
            path = waiting.pop()
            address = unquote(path).removeprefix(client.simulator.url)
            if address in seen:
                continue
            seen.add(address)
            answer = await client.get(path)
            if answer.status == 403 and b"access this project" in answer.body:
                continue  # the project that refuses everybody
            if answer.status == 404 and "root folder" in answer.json["errors"][0]["detail"]:
                continue
            assert answer.status == 200, (path, answer.body)
            found = [href.removeprefix(client.simulator.url) for href in hrefs(answer.json)]
            waiting += [href for href in found if not href.startswith(ELSEWHERE)]
        ends = {address.partition("?page")[0].rpartition("/")[2] for address in seen}
    assert {"hub", "topFolders", "parent", "contents", "refs", "links", "item", "tip", "versions"} <= ends


@pytest.mark.parametrize("slashes", ["//", "///"])
@pytest.mark.parametrize("path", ["project/v1/hubs", "authentication/v2/keys", "simulator/counts", "userinfo"])
async def test_a_doubled_leading_slash_leads_to_the_same_endpoint(serve: Serve, slashes: str, path: str) -> None:
    async with serve() as client:
        client.bearer = client.simulator.user_token()
        assert (await client.get(f"{slashes}{path}")).status == 200


async def test_parents_lead_up_to_the_root_folder_and_no_further(serve: Serve) -> None:
    async with serve() as client:
        folder = next(f for f in client.simulator.world.folders.values() if f.path == "Plans/Architecture")
        base = f"/data/v1/projects/b.{folder.project.id}/folders"
        assert folder.parent is not None
        ids = [folder.id]
        while (answer := await client.get(f"{base}/{quote(ids[-1], safe='')}/parent")).status == 200:
            ids.append(answer.json["data"]["id"])
        assert answer.status == 404
        assert ids == [folder.id, folder.parent.id, folder.project.root]
        root = (await client.get(f"{base}/{quote(ids[-1], safe='')}")).json["data"]
        assert root["attributes"]["extension"]["data"]["isRoot"] is True
        inside = (await client.get(f"{base}/{quote(ids[-1], safe='')}/contents")).json["data"]
        assert folder.parent.id in [one["id"] for one in inside]


async def test_a_parent_that_may_not_be_seen_is_refused(serve: Serve) -> None:
    world = {
        "users": [{"id": "U", "deniedFolders": ["Plans"]}],
        "hubs": [{"projects": [{"folders": [{"name": "Plans", "sheets": 1}]}]}],
    }
    async with serve(World.from_json(world)) as client:
        item = next(iter(client.simulator.world.items.values()))
        path = f"/data/v1/projects/b.{item.folder.project.id}/items/{quote(item.id, safe='')}/parent"
        assert (await client.get(path)).status == 200
        assert (await client.get(path, user="U")).status == 403
