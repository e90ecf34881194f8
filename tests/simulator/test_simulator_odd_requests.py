"""Requests as programs in other languages send them: none of them may end in a 500."""

import asyncio
import gzip
import io
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from aps_async.simulator import Behaviour, JobPolls, World

USER = "BW9RM76WZBGL"
DEEP = b"[" * 100_000
NUMBERS = ["", "0", "-1", "+5", "1e2", "1.0", " 1", "\u00b2", "\u0665", "9" * 5000, "abc", "0x1"]
WORLD = {
    "users": [{"id": USER, "name": "Ada Brandt"}],
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [{"name": "Plans", "items": [{"number": "A-101"}]}],
                    "cost": {"budgets": [{"name": "Steel", "documents": 1}]},
                },
                {"name": "Tower", "projectType": "ACC", "sheets": 2},
            ]
        }
    ],
}
NOW = Behaviour(job_time=JobPolls(0), unauthorized="json")


@attrs.frozen
class Paths:
    """The addresses of one world."""

    client: Any

    def project(self, name: str) -> Any:
        return next(each for each in self.client.simulator.world.projects.values() if each.name == name)

    @property
    def hub(self) -> str:
        return f"/project/v1/hubs/{self.client.simulator.world.hubs[0].id}"

    @property
    def bodies(self) -> dict[str, str]:
        """Every call that takes JSON, with the scope or token that it needs."""
        clinic, tower = self.project("Clinic").id, self.project("Tower").id
        return {
            self.client.exports(): "app",
            f"/bim360/docs/v1/projects/{clinic}/versions:batch-get": "app",
            f"/construction/sheets/v1/projects/{tower}/exports": "app",
            f"/construction/files/v1/projects/{tower}/exports": "app",
            f"/construction/sheets/v1/projects/{tower}/sheets:batch-get": "app",
            f"/cost/v1/containers/{clinic}/attachments": "user",
            "/authentication/v2/service-accounts": "accounts",
            "/simulator/behaviour": "app",
            "/simulator/faults": "app",
            "/simulator/user-token": "app",
        }

    @property
    def numbers(self) -> dict[str, str]:
        """Every parameter that takes a number."""
        plans = self.project("Clinic").folders[0]
        folder = f"/data/v1/projects/b.{self.project('Clinic').id}/folders/{quote(plans.id, safe='')}"
        sheets = f"/construction/sheets/v1/projects/{self.project('Tower').id}"
        return {
            f"{self.hub}/projects?page[limit]=": "app",
            f"{self.hub}/projects?page[number]=": "app",
            f"{folder}/contents?page[number]=": "app",
            f"{folder}/search?page[number]=": "app",
            f"{sheets}/sheets?offset=": "app",
            f"{sheets}/sheets?limit=": "app",
            f"{sheets}/version-sets?limit=": "app",
            f"{sheets}/collections?offset=": "app",
            f"/cost/v1/containers/{self.project('Clinic').id}/budgets?offset=": "user",
        }

    async def sign_in(self, kind: str) -> None:
        if kind == "user":
            self.client.bearer = self.client.simulator.user_token(scopes="data:read data:write")
        else:
            accounts = "application:service_account:write"
            await self.client.login(accounts if kind == "accounts" else "data:read data:write")


BODIES: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "nothing": (b"", {}, {400, 200}),
    "nested deeply": (DEEP, {}, {400}),
    "nested deeply in an object": (b'{"sheets": ' + DEEP, {}, {400}),
    "a list": (b"[]", {}, {400, 200}),
    "null": (b"null", {}, {400, 200}),
    "a number of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", {}, {400}),
    "not UTF-8": (b'{"a": "\xff"}', {}, {400}),
    "half of a surrogate pair": (b'{"name": "\\ud800"}', {}, {400, 202, 200}),
    "a broken gzip": (b"{}", {"Content-Encoding": "gzip"}, {400}),
    "too large": (b'{"a": "' + b"x" * 2_000_000 + b'"}', {}, {413}),
}


@pytest.mark.parametrize("case", BODIES)
async def test_no_body_ends_in_a_500(serve: Any, case: str) -> None:
    body, headers, allowed = BODIES[case]
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        on = Paths(client)
        for path, kind in on.bodies.items():
            await on.sign_in(kind)
            sent = {"Content-Type": "application/json", **headers}
            answer = await client.api("POST", path, data=io.BytesIO(body), headers=sent, user=USER)
            assert answer.status in allowed, path
            assert answer.headers["Content-Type"].startswith("application/json"), path


@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}", mtime=0), b"\xef\xbb\xbf{}", "{}".encode("utf-16")])
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_an_object_is_read_however_it_is_encoded(serve: Any, body: bytes, content_type: str) -> None:
    packed = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        headers = {"Content-Type": content_type, **packed}
        assert (await client.api("POST", client.exports(), data=body, headers=headers)).status == 202


@pytest.mark.parametrize("text", NUMBERS)
async def test_no_number_ends_in_a_500(serve: Any, text: str) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        on = Paths(client)
        for path, kind in on.numbers.items():
            await on.sign_in(kind)
            answer = await client.get(path + quote(text))
            fits = text == "0" and ("offset" in path or "number" in path)
            assert answer.status == (200 if fits else 400), path


@pytest.mark.parametrize("text", ["0", "\u00b2", "61", "9" * 5000])
async def test_minutes_that_make_no_sense_are_refused(serve: Any, text: str) -> None:
    async with serve(behaviour=NOW) as client:
        stored = next(each for each in client.simulator.world.objects if each.endswith(".pdf"))
        bucket, _, key = stored.removeprefix("urn:adsk.objects:os.object:").partition("/")
        path = f"/oss/v2/buckets/{bucket}/objects/{quote(key, safe='')}/signeds3download?minutesExpiration="
        assert (await client.get(path + "60")).status == 200
        assert (await client.get(path + quote(text))).status == 400


async def test_head_has_the_headers_of_get_and_no_body(serve: Any) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        on = Paths(client)
        data = (await client.get(f"{client.exports()}/{(await client.start()).json['id']}")).json["data"]
        resource = quote(data["resourceId"], safe="")
        derivative = f"/modelderivative/v2/designdata/{data['versionUrn']}/manifest/{resource}"
        for path in ("/project/v1/hubs", on.hub, derivative, "/simulator/counts"):
            got, head = await client.get(path), await client.api("HEAD", path)
            assert (head.status, head.body) == (200, b""), path
            assert head.headers["Content-Type"] == got.headers["Content-Type"]
            assert path == "/simulator/counts" or int(head.headers["Content-Length"]) == len(got.body)
        assert (await client.api("HEAD", "/project/v1/nothing")).status == 404
        assert (await client.call("HEAD", data["signedUrl"])).status == 403, "the signature covers the method"


async def test_uuids_are_taken_in_capitals_too(serve: Any) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        on = Paths(client)
        clinic, tower = on.project("Clinic").id.upper(), on.project("Tower").id.upper()
        assert (await client.get(f"{on.hub}/projects/b.{clinic}")).status == 200
        assert (await client.get(f"//construction/sheets/v1/projects/{tower}/sheets")).status == 200
        hub = on.hub.rpartition("/")[2]
        assert (await client.get(on.hub.replace(hub, hub.upper()))).status == 200
        path = client.exports().replace(on.project("Clinic").id, clinic)
        started = await client.api("POST", path, json={})
        assert started.status == 202
        assert (await client.get(f"{path}/{started.json['id'].upper()}")).status == 200


HEADERS = [
    {"Accept": "application/xml"},
    {"Accept": "application/vnd.api+json"},
    {"Accept-Encoding": "gzip, br"},
    {"X-Forwarded-For": "10.0.0.1"},
    {"If-None-Match": "*"},
    {"Authorization": "bearer {token}"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize(
    "path", ["/project/v1/hubs", "//project/v1/hubs", "/project/v1/hubs?utm=x", "/%70roject/v1/hubs"]
)
async def test_what_a_service_ignores_changes_nothing(serve: Any, path: str, headers: dict[str, str]) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        plain = await client.get("/project/v1/hubs")
        sent = {name: value.format(token=client.bearer) for name, value in headers.items()}
        answer = await client.get(path, headers=sent)
        assert (answer.status, answer.json) == (200, plain.json)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("POST", "/project/v1/hubs", 405, "GET, HEAD, OPTIONS"),
        ("DELETE", "/project/v1/hubs/b.x/projects", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/authentication/v2/token", 405, "OPTIONS, POST"),
        ("HEAD", "/authentication/v2/token", 405, "OPTIONS, POST"),
        ("GET", "{exports}", 405, "OPTIONS, POST"),
        ("PATCH", "{exports}/some-job", 405, "GET, HEAD, OPTIONS"),
        ("PUT", "/simulator/counts", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/project/v1/hubs", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "//project/v1/hubs/", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/project/v1/nothing", 404, None),
        ("POST", "/project/v1", 404, None),
        ("GET", "/project/v1/hubs//", 404, None),
        ("GET", "/", 404, None),
    ],
)
async def test_another_method_lists_those_of_the_path(
    serve: Any, method: str, path: str, status: int, allowed: str | None
) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        answer = await client.api(method, path.format(exports=client.exports()))
        assert (answer.status, answer.headers.get("Allow")) == (status, allowed)
        assert status == 204 or answer.headers["Content-Type"] == "application/json"


async def test_a_slash_at_the_end_changes_nothing(serve: Any) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        on = Paths(client)
        sheets = f"/construction/sheets/v1/projects/{on.project('Tower').id}/sheets"
        for path in ("/project/v1/hubs", on.hub, f"{on.hub}/projects", sheets, "/simulator/counts"):
            assert (await client.get(f"{path}/")).status == 200, path
        job = await client.api("POST", f"{client.exports()}/", json={})
        assert job.status == 202
        assert (await client.get(f"{client.exports()}/{job.json['id']}/?x=1")).status == 200


async def test_half_of_a_character_in_a_title_is_sent_as_it_is(serve: Any) -> None:
    world = World.from_json(WORLD)
    world.sheets[0].title = "cut \ud83d"
    async with serve(world, behaviour=NOW) as client:
        on = Paths(client)
        clinic = on.project("Clinic")
        folder = f"/data/v1/projects/b.{clinic.id}/folders/{quote(clinic.folders[0].id, safe='')}"
        assert (await client.get(f"{folder}/contents")).status == 200
        path = f"/bim360/docs/v1/projects/{clinic.id}/versions:batch-get"
        answer = await client.api("POST", path, json={"urns": [world.sheets[0].tip.id]})
        assert b"cut \\ud83d" in answer.body
        assert (await client.start()).status == 202


async def _exchange(url: str, request: str) -> list[bytes]:
    """Sends the lines of a request as they are; the status lines that come back before the body would be sent."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(request.replace("\n", "\r\n").encode())
    lines = [await reader.readline()]
    if b" 100 " in lines[0]:
        await reader.readline()
        writer.write(b"{}")
        lines.append(await reader.readline())
    writer.close()
    return lines


@pytest.mark.parametrize(
    ("request_line", "expect", "statuses"),
    [
        ("POST /simulator/behaviour HTTP/1.1", "100-continue", [100, 200]),
        ("POST {url}/simulator/behaviour HTTP/1.1", "100-Continue", [100, 200]),
        ("POST /simulator/nothing HTTP/1.1", "100-continue", [100, 404]),
        ("GET {url}/simulator/counts HTTP/1.1", "", [200]),
        ("GET {url}//simulator/counts?x=1 HTTP/1.1", "", [200]),
        ("GET http://other.example/simulator/counts HTTP/1.0", "", [200]),
        ("GET {url} HTTP/1.1", "", [404]),
    ],
)
async def test_requests_as_proxies_and_careful_clients_send_them(
    serve: Any, request_line: str, expect: str, statuses: list[int]
) -> None:
    async with serve(World.from_json(WORLD)) as client:
        url = client.simulator.url
        body = f"Expect: {expect}\nContent-Length: 2\n" if expect else ""
        lines = await _exchange(url, f"{request_line.format(url=url)}\nHost: x\n{body}\n")
        assert [int(line.split()[1]) for line in lines] == statuses


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("filter[type]=items", 2),
        ("filter[type]=folders&filter[type]=items", 3),
        ("filter[type]=items&filter[type]=folders", 3),
        ("filter[type]=folders,items", 3),
        ("filter[type]=items&filter[extension.type]=x&filter[extension.type]=items:autodesk.bim360:Document", 2),
        ("filter[displayName]-starts=A-1&filter[displayName]-ends=02", 1),
    ],
)
async def test_a_filter_that_is_repeated_has_several_values(serve: Any, query: str, count: int) -> None:
    plans = {"name": "Plans", "folders": [{"name": "Old"}], "items": [{"number": "A-101"}, {"number": "A-102"}]}
    async with serve(World.from_json({"hubs": [{"projects": [{"folders": [plans]}]}]})) as client:
        [project] = client.simulator.world.projects.values()
        folder = f"/data/v1/projects/b.{project.id}/folders/{quote(project.folders[0].id, safe='')}"
        answer = await client.get(f"{folder}/contents?{query.replace('[', '%5B').replace(']', '%5D')}")
        assert len(answer.json["data"]) == count


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=0-" + "9" * 5000, 200),
        ("bytes=" + "9" * 5000 + "-", 200),
        ("bytes=-" + "9" * 5000, 200),
        ("bytes=\u0663-", 200),
        ("bytes=-0", 416),
        ("bytes=-", 200),
        ("bytes=5-2", 200),
        ("bytes=0-1,4-5", 200),
        ("items=0-1", 200),
        ("bytes=0-" + "9" * 18, 206),
    ],
)
async def test_no_range_ends_in_a_500(serve: Any, header: str, status: int) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        answer = await client.call("GET", await client.link(), headers={"Range": header})
        assert answer.status == status


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=99999999T999999Z&X-Amz-Expires=9&X-Amz-Signature=x",
        "X-Amz-Date=20200101T000000Z&X-Amz-Expires=" + "9" * 5000 + "&X-Amz-Signature=x",
        "Signature=x&Expires=" + "9" * 5000,
        "Signature=x&Expires=99999999999",
        "Signature=x&Expires=1",
    ],
)
async def test_no_link_that_somebody_else_wrote_ends_in_a_500(serve: Any, query: str) -> None:
    async with serve(World.from_json(WORLD), behaviour=NOW) as client:
        path = (await client.link()).partition("?")[0]
        assert (await client.call("GET", f"{path}?{query}")).status == 403


@pytest.mark.parametrize(
    "head",
    [
        "GET /\u00e4 HTTP/1.1\nHost: x\n\n",
        "GET /?\u00e4 HTTP/1.1\nHost: x\n\n",
        "GET hubs HTTP/1.1\nHost: x\n\n",
        "GET http://[::1/x HTTP/1.1\nHost: x\n\n",
        "GET /x HTTP/1.1\n\n",
        f"GET /{'x' * 9000} HTTP/1.1\nHost: x\n\n",
        f"GET /x HTTP/1.1\nHost: x\nX: {'x' * 9000}\n\n",
        "POST /simulator/behaviour HTTP/1.1\nHost: x\nContent-Length: x\n\n",
    ],
)
async def test_what_is_no_http_is_refused_and_reported_in_one_line(
    serve: Any, head: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(World.from_json(WORLD)) as client:
        [line] = await _exchange(client.simulator.url, head)
        assert b" 400 " in line
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("refused a request that is not valid HTTP: ")
    assert record.exc_info is None
    assert "\n" not in record.getMessage()
