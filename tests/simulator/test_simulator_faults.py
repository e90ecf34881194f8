"""Scripted faults, over real connections."""

import asyncio
import json
import logging
import re
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from aps_async.simulator import Behaviour, Exchange, Fault, FaultError, JobPolls, Simulator, load_faults
from tests.simulator.conftest import Serve

NOW = Behaviour(job_time=JobPolls(0))
HUBS = "/project/v1/hubs"


async def read_into(received: bytearray, response: aiohttp.ClientResponse) -> None:
    """Keep what arrives before the body breaks off."""
    async for piece in response.content.iter_any():
        received += piece


async def test_which_calls_are_hit(serve: Serve) -> None:
    async with serve(faults=[Fault(endpoint="hubs", nth=(2, 4))]) as client:
        assert [(await client.get(HUBS)).status for _ in range(5)] == [200, 503, 200, 503, 200]
        client.simulator.clear_faults()
        client.simulator.add_fault(Fault(endpoint="hub*", every=2, times=2, status=500))
        assert [(await client.get(HUBS)).status for _ in range(6)] == [200, 500, 200, 500, 200, 200]
        client.simulator.clear_faults()
        client.simulator.add_fault(Fault(endpoint="token"))
        assert (await client.get(HUBS)).status == 200
        assert (await client.token()).status == 503
        assert client.simulator.log[-1].fault == "status"
        assert client.simulator.counts()["endpoints"]["hubs"]["faults"] == 4


async def test_first_rule_that_fires_wins_and_all_count(serve: Serve) -> None:
    async with serve(faults=[Fault(nth=(2,), status=500), Fault(nth=(2, 3), status=502)]) as client:
        # the login was the first call
        assert [(await client.get(HUBS)).status for _ in range(3)] == [500, 502, 200]


async def test_probability_does_not_depend_on_the_order_of_targets(serve: Serve) -> None:
    names = ["A-101", "A-102", "A-103", "S-101", "S-102"]
    seen = []
    for order in (names, names[::-1]):
        fault = Fault(endpoint="export_start", probability=0.5)
        async with serve(seed=3, faults=[fault], behaviour=NOW) as client:
            seen.append({name: [(await client.start(name)).status for _ in range(6)] for name in order})
    assert seen[0] == seen[1]
    flat = [status for statuses in seen[0].values() for status in statuses]
    assert 5 < flat.count(503) < 25


async def test_statuses_and_retry_after(serve: Serve) -> None:
    async with serve() as client:
        client.simulator.add_fault(Fault(status=429, retry_after=7, times=1))
        answer = await client.get(HUBS)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        client.simulator.add_fault(Fault(status=503, retry_after="date+30", times=1))
        moment = parsedate_to_datetime((await client.get(HUBS)).headers["Retry-After"]).timestamp()
        assert moment == pytest.approx(client.simulator.clock() + 30, abs=3)
        client.simulator.add_fault(Fault(status=500, times=1))
        assert "Retry-After" not in (await client.get(HUBS)).headers


@pytest.mark.parametrize(
    ("fault", "status", "start", "kind"),
    [
        (Fault(kind="html"), 200, b"<!DOCTYPE html>", "text/html"),
        (Fault(kind="html", status=502), 502, b"<!DOCTYPE html>", "text/html"),
        (Fault(kind="text"), 200, b"upstream", "text/plain"),
        (Fault(kind="empty"), 200, b"", ""),
        (Fault(kind="broken_json"), 200, b'{"jsonapi"', "application/vnd.api+json"),
    ],
)
async def test_bodies_that_are_no_answer(serve: Serve, fault: Fault, status: int, start: bytes, kind: str) -> None:
    async with serve() as client:
        client.simulator.add_fault(fault)
        answer = await client.get(HUBS)
        assert answer.status == status
        assert answer.body.startswith(start)
        assert answer.headers.get("Content-Type", "").partition(";")[0] == kind
        with pytest.raises(json.JSONDecodeError):
            _ = answer.json


async def test_reset_before_the_answer(serve: Serve) -> None:
    async with serve() as client:
        client.simulator.add_fault(Fault(kind="reset", times=1))
        with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
            await client.api("POST", client.exports(), json={})
        assert client.simulator.counts()["jobs_started"] == 0
        client.simulator.add_fault(Fault(kind="reset", times=1, after_effect=True))
        with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
            await client.api("POST", client.exports(), json={})
        assert client.simulator.counts()["jobs_started"] == 1
        assert (await client.get(HUBS)).status == 200
        assert [seen.status for seen in client.simulator.log if seen.fault] == [0, 0]


@pytest.mark.parametrize("kind", ["truncate", "reset_body"])
async def test_bodies_that_end_early(serve: Serve, kind: str) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        whole = (await client.call("GET", link)).body
        client.simulator.add_fault(Fault(endpoint="signed_get", kind=kind, after_bytes=1000, times=1))
        received = bytearray()
        async with client.http.get(URL(link, encoded=True)) as response:
            assert response.status == 200
            assert response.content_length == len(whole)
            with pytest.raises((aiohttp.ClientPayloadError, ConnectionResetError)):
                await read_into(received, response)
        assert received == whole[:1000]
        rest = await client.call("GET", link, headers={"Range": "bytes=1000-"})
        assert bytes(received) + rest.body == whole


@pytest.mark.looptime
async def test_hang_and_late_answers(serve: Serve) -> None:
    async with serve(virtual=True, speed=10) as client:
        client.simulator.add_fault(Fault(kind="hang", times=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(500):
                await client.get(HUBS)
        loop = asyncio.get_running_loop()
        client.simulator.add_fault(Fault(kind="hang", seconds=30, times=1))
        before = loop.time()
        assert (await client.get(HUBS)).status == 200
        assert loop.time() - before == pytest.approx(3, abs=0.1)


async def test_close_ends_a_hanging_call_at_once(serve: Serve) -> None:
    async with serve(faults=[Fault(endpoint="hubs", kind="hang")]) as client:
        waiting = asyncio.create_task(client.get(HUBS))
        while not client.simulator.quotas.most.get("hubs"):  # noqa: ASYNC110 - nothing tells when it has arrived
            await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await client.simulator.close()
        with pytest.raises(aiohttp.ClientError):
            await waiting


@pytest.mark.looptime
async def test_slow_bodies_trickle(serve: Serve) -> None:
    async with serve(virtual=True, behaviour=NOW, speed=2) as client:
        link = await client.link()
        whole = (await client.call("GET", link)).body
        client.simulator.add_fault(Fault(endpoint="signed_get", kind="slow", seconds=40))
        loop = asyncio.get_running_loop()
        before = loop.time()
        assert (await client.call("GET", link)).body == whole
        assert loop.time() - before == pytest.approx(20, abs=2)


async def test_faults_of_the_storage(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        first = await client.call("GET", link)
        client.simulator.add_fault(Fault(endpoint="signed_get", kind="expired", times=1))
        answer = await client.call("GET", link)
        assert (answer.status, answer.code) == (403, "AccessDenied")
        assert client.simulator.counts()["expired_urls_opened"] == 0
        client.simulator.add_fault(Fault(endpoint="signed_get", kind="s3_error_200", times=1))
        answer = await client.call("GET", link)
        assert (answer.status, answer.code) == (200, "InternalError")
        client.simulator.add_fault(Fault(endpoint="signed_get", kind="ignore_range", times=1))
        answer = await client.call("GET", link, headers={"Range": "bytes=10-"})
        assert (answer.status, answer.body) == (200, first.body)
        assert "Content-Range" not in answer.headers
        client.simulator.add_fault(Fault(endpoint="signed_get", status=503, times=1))
        assert (await client.call("GET", link)).code == "SlowDown"


async def test_a_changed_object_stays_changed(serve: Serve) -> None:
    async with serve(behaviour=NOW) as client:
        link = await client.link()
        first = await client.call("GET", link)
        client.simulator.add_fault(Fault(endpoint="signed_get", kind="changed", times=1))
        resumed = await client.call("GET", link, headers={"Range": "bytes=10-", "If-Match": first.headers["ETag"]})
        assert resumed.status == 412
        second = await client.call("GET", link)
        assert second.headers["ETag"] != first.headers["ETag"]
        assert second.body != first.body
        assert (await client.call("GET", link)).body == second.body


async def test_revoke_takes_all_tokens_of_the_app(serve: Serve) -> None:
    async with serve(faults=[Fault(endpoint="hubs", kind="revoke", times=1)]) as client:
        old = client.bearer
        await client.login()
        assert (await client.get(HUBS)).status == 401
        assert (await client.get(HUBS)).status == 401
        client.bearer = old
        assert (await client.get(HUBS)).status == 401
        await client.login()
        assert (await client.get(HUBS)).status == 200


def test_reading_faults(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"endpoint": "hubs", "nth": 3, "status": 500}, {"kind": "slow", "always": true}]')
    first, second = load_faults(file)
    assert first == Fault(endpoint="hubs", nth=(3,), status=500)
    assert second.kind == "slow"
    assert Fault.from_json(first.to_json()) == first


@pytest.mark.parametrize(
    ("endpoint", "near"),
    [("export_statu", "; did you mean 'export_status'?"), ("hubz", "; did you mean 'hub'?"), ("zzz*", ""), ("", "")],
)
async def test_a_fault_that_could_never_fire(endpoint: str, near: str) -> None:
    fault, words = Fault(endpoint=endpoint), re.escape(f"there is no endpoint {endpoint!r}{near}")
    with pytest.raises(FaultError, match=f"^{words}$"):
        Simulator(faults=[fault])
    async with Simulator() as simulator, aiohttp.ClientSession(simulator.url) as client:
        with pytest.raises(FaultError, match=words):
            simulator.add_fault(fault)
        async with client.post("/simulator/faults", json=[{}, fault.to_json()]) as response:
            assert (response.status, words.replace("\\", "") in await response.text()) == (400, True)
        assert not simulator.faults


@pytest.mark.parametrize("endpoint", ["*", "export_*", "hub[s]", "signed_get", "cdn_get", "unknown", "token"])
def test_a_fault_of_any_endpoint_there_is(endpoint: str) -> None:
    assert len(Simulator(faults=[Fault(endpoint=endpoint)]).faults) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "must be a JSON list"),
        ("[1]", r"faults\[0\]: a fault must be an object"),
        ('[{}, {"kind": "odd"}]', r"faults\[1\]: unknown kind 'odd'"),
        ('[{"nht": 3}]', "unknown key 'nht'"),
        ('[{"nth": "3"}]', "nth must be a whole number or a list of numbers, not '3'"),
        ('[{"nth": 3, "every": 2}]', "only one of"),
        ('[{"nth": 0}]', "count from 1"),
        ('[{"probability": 2}]', "between 0 and 1"),
        ('[{"status": 99}]', "status must lie"),
        ('[{"times": true}]', "times must be a whole number, not True"),
        ('[{"seconds": -1}]', "seconds must not be negative"),
        ('[{"seconds": NaN}]', "seconds must be finite"),
        ('[{"kind": "hang", "seconds": Infinity}]', "seconds must be finite"),
        ('[{"nth": [true]}]', "nth must be whole numbers"),
        ('[{"retry_after": "date+x"}]', "an HTTP date, or such as 'date.30'"),
        ('[{"retry_after": "date+NaN"}]', "an HTTP date, or such as 'date.30'"),
        ('[{"retry_after": "date+1e300"}]', "an HTTP date, or such as 'date.30'"),
        ('[{"retry_after": "1\\r\\nX-Evil: 1"}]', "what a header can hold"),
        ('[{"retry_after": "1\\u00fc"}]', "what a header can hold"),
    ],
)
def test_bad_faults(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(text)
    with pytest.raises(FaultError, match=message):
        load_faults(file)
    with pytest.raises(FaultError, match="cannot be read"):
        load_faults(tmp_path / "none")


@pytest.mark.parametrize(
    "fault",
    [None, *(Fault(endpoint="hubs", kind=kind) for kind in ("slow", "truncate"))],
    ids=lambda each: each.kind if each else "none",
)
async def test_a_client_that_hangs_up_is_no_error_of_the_simulator(
    fault: Fault | None, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a connection that was just lost, aiohttp has not yet cancelled the request: it goes on to its first write."""

    def hang_up(_exchange: Exchange) -> None:
        for _listening, server in client.simulator._servers:
            for connection in server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async with serve() as client:
        client.simulator.on_exchange = hang_up
        if fault is not None:
            client.simulator.add_fault(fault)
        with pytest.raises(aiohttp.ClientError):
            await client.get(HUBS)
        client.simulator.on_exchange = None
        client.simulator.clear_faults()
        assert (await client.get(HUBS)).status == 200
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
