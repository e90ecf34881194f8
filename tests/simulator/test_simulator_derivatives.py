"""The older ways to an exported PDF, and exports whose signed link is missing or refused."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from aps_async.simulator import Behaviour, JobPolls, World
from tests.simulator.conftest import Answer, Client, Serve

NOW = Behaviour(job_time=JobPolls(0))
ROOT = "/modelderivative/v2/designdata"


async def data(client: Client, sheet: str = "A-101") -> Any:
    """The result of an export."""
    await client.link(sheet)
    job = next(iter(client.simulator.jobs.by_id.values()))
    return (await client.get(f"{client.exports(sheet)}/{job.id}")).json["data"]


def path(result: Any, tail: str = "", root: str = ROOT) -> str:
    return f"{root}/{result['versionUrn']}/manifest/{quote(result['resourceId'], safe='')}{tail}"


def cookies(answer: Answer) -> dict[str, str]:
    return dict(value.partition(";")[0].split("=", 1) for value in answer.headers.getall("Set-Cookie"))


def header(values: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}


async def test_the_deprecated_download(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        result = await data(client)
        pdf = (await client.call("GET", result["signedUrl"])).body
        whole = await client.get(path(result))
        assert (whole.status, whole.body) == (200, pdf)
        assert whole.headers["Content-Type"] == "application/pdf"
        part = await client.get(path(result), headers={"Range": "bytes=5-9"})
        assert (part.status, part.body) == (206, pdf[5:10])
        assert (await client.get(result["link"])).body == pdf
        assert (await client.call("GET", path(result))).status == 401
        await client.login("viewables:read")
        assert (await client.get(path(result))).status == 200
        await client.login("data:write")
        assert (await client.get(path(result))).status == 403


async def test_cookies_open_the_cdn_and_nothing_else_does(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        result = await data(client)
        answer = await client.get(path(result, "/signedcookies"), headers={"region": "EMEA"})
        assert answer.status == 200
        told = answer.json
        assert set(told) == {"etag", "size", "url", "content-type", "expiration"}
        assert len(str(told["expiration"])) == 13
        assert told["url"].startswith(client.simulator.storage_url)
        set_by = answer.headers.getall("Set-Cookie")
        assert len(set_by) == 3
        assert all("Domain=.derivative.autodesk.com" in cookie for cookie in set_by)
        assert not list(client.http.cookie_jar)  # so no jar takes them
        values = cookies(answer)
        assert set(values) == {"CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"}
        pdf = (await client.call("GET", result["signedUrl"])).body
        for ordered in (values, dict(reversed(values.items()))):
            whole = await client.call("GET", told["url"], headers=header(ordered))
            assert (whole.status, whole.body) == (200, pdf)
            assert len(whole.body) == told["size"]
        part = await client.call("GET", told["url"], headers={**header(values), "Range": "bytes=-6"})
        assert (part.status, part.body) == (206, pdf[-6:])
        assert (await client.call("GET", told["url"])).code == "MissingKey"
        assert (await client.get(told["url"], headers=header(values))).status == 403
        assert client.simulator.counts()["authorization_on_signed_link"] == 1
        for name in values:
            less = {key: value for key, value in values.items() if key != name}
            assert (await client.call("GET", told["url"], headers=header(less))).status == 403
            spoiled = {**values, name: values[name][:-2]}
            assert (await client.call("GET", told["url"], headers=header(spoiled))).status == 403
        other = told["url"].replace(".pdf", "x.pdf")
        assert (await client.call("GET", other, headers=header(values))).status == 403
        assert client.simulator.log[-1].endpoint == "cdn_get"
        seen = next(entry for entry in client.simulator.log if entry.endpoint == "signedcookies")
        assert seen.headers["region"] == "EMEA"
        named = await client.get(path(result, "/signedcookies?response-content-disposition=attachment%3Bfilename%3Dx"))
        shown = await client.call("GET", named.json["url"], headers=header(cookies(named)))
        assert shown.headers["Content-Disposition"] == "attachment;filename=x"


async def test_what_is_refused(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        result = await data(client)
        derivative = quote(result["resourceId"], safe="")
        urn = result["versionUrn"]
        for tail in ("", "/signedcookies"):
            for bad, status in (
                (f"{ROOT}/{urn}%3D/manifest/{derivative}{tail}", 400),  # padding
                (f"{ROOT}/{urn}/manifest/{derivative.replace('%3A', ':', 1)}{tail}", 400),  # half encoded
                (f"{ROOT}/{urn}/manifest/{quote(derivative, safe='')}{tail}", 400),  # encoded twice
                (f"{ROOT}/{urn}/manifest/{result['resourceId']}{tail}", 404),  # raw slashes lead elsewhere
                (f"{ROOT}/{urn[:-2]}xx/manifest/{derivative}{tail}", 404),
                (f"{ROOT}/{urn}/manifest/{derivative[:-5]}x.pdf{tail}", 404),
            ):
                assert (await client.get(bad)).status == status, bad
        cookies_path = path(result, "/signedcookies")
        for query in ("minutes-expiration=361", "minutes-expiration=0", "response-content-disposition=inline"):
            assert (await client.get(f"{cookies_path}?{query}")).status == 400
        assert (await client.get(cookies_path, headers={"region": "MOON"})).status == 400
        assert (await client.get(cookies_path, user="ZK7HV20CEWRN")).status == 403
        assert (await client.get(f"{cookies_path}?minutes-expiration=360")).status == 200


async def test_before_the_end_and_after_a_failure(serve: Serve) -> None:
    async with serve(World.single_folder(1, fails=True), behaviour=Behaviour(job_time=JobPolls(1))) as client:
        await client.start()
        job = next(iter(client.simulator.jobs.by_id.values()))
        rest = job.path.split("/", 2)[2]
        result = {"versionUrn": rest.partition("/")[0], "resourceId": f"urn:adsk.viewing:fs.file:{rest}"}
        assert (await client.get(path(result))).status == 202
        assert (await client.get(path(result, "/signedcookies"))).status == 404
        await client.get(f"{client.exports()}/{job.id}")
        assert (await client.get(path(result))).status == 404


@pytest.mark.looptime
async def test_cookies_die(serve: Serve) -> None:
    async with serve(virtual=True, speed=60, behaviour=NOW) as client:
        result = await data(client)
        answer = await client.get(path(result, "/signedcookies?minutes-expiration=10"))
        url, values = answer.json["url"], header(cookies(answer))
        assert answer.json["expiration"] == pytest.approx((client.simulator.clock() + 10) * 1000, abs=2)
        await asyncio.sleep(10)
        assert (await client.call("GET", url, headers=values)).status == 200
        await asyncio.sleep(1)
        assert (await client.call("GET", url, headers=values)).code == "AccessDenied"
        assert client.simulator.counts()["expired_urls_opened"] == 1


async def test_regions(serve: Serve) -> None:
    plans = {"name": "Plans", "items": [{"number": "A-101"}]}
    tree = World.from_json({"hubs": [{"region": "EMEA", "projects": [{"folders": [plans]}]}]})
    async with serve(tree, behaviour=Behaviour(job_time=JobPolls(0), region_needed=True)) as client:
        result = await data(client)
        cookies_path = path(result, "/signedcookies")
        assert (await client.get(cookies_path)).status == 404
        assert (await client.get(cookies_path, headers={"region": "EMEA"})).status == 200
        europe = path(result, "/signedcookies", "/modelderivative/v2/regions/eu/designdata")
        assert (await client.get(europe)).status == 200
        assert (await client.get(path(result), headers={"region": "EMEA"})).status == 200


async def test_a_signed_link_may_be_missing_or_refused(serve: Serve) -> None:
    async with serve(behaviour=Behaviour(job_time=JobPolls(0), signed_url_present=False)) as client:
        job = (await client.start()).json
        result = (await client.get(f"{client.exports()}/{job['id']}")).json["data"]
        assert set(result) == {"versionUrn", "resourceId", "link"}
        answer = await client.get(path(result, "/signedcookies"))
        assert (await client.call("GET", answer.json["url"], headers=header(cookies(answer)))).status == 200
    async with serve(behaviour=Behaviour(job_time=JobPolls(0), signed_url_refused=True)) as client:
        fresh = await client.link()
        refused = await client.call("GET", fresh)
        assert (refused.status, refused.code) == (403, "AccessDenied")
        assert b"expired" not in refused.body


async def test_faults(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        result = await data(client)
        answer = await client.get(path(result, "/signedcookies"))
        url, values = answer.json["url"], header(cookies(answer))
        rules = [
            {"endpoint": "cdn_get", "status": 503, "nth": [1]},
            {"endpoint": "cdn_get", "kind": "changed", "nth": [3]},
            {"endpoint": "signedcookies", "kind": "broken_json", "nth": [1]},
            {"endpoint": "derivative", "kind": "ignore_range", "nth": [1]},
        ]
        await client.call("POST", "/simulator/faults", json=rules)
        assert (await client.call("GET", url, headers=values)).code == "SlowDown"
        one, two = [(await client.call("GET", url, headers=values)).headers["ETag"] for _ in range(2)]
        assert one != two
        broken = await client.get(path(result, "/signedcookies"))
        with pytest.raises(ValueError, match=r"line 1|Expecting|Unterminated"):
            broken.json  # noqa: B018
        assert (await client.get(path(result), headers={"Range": "bytes=0-1"})).status == 200
        counts = client.simulator.counts()["endpoints"]
        assert counts["cdn_get"]["faults"] == 2
