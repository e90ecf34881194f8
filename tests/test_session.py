"""The session: what is sent where, with which token, and what comes back as a value."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from attrs import frozen

from aps_async import (
    AuthError,
    DecodeError,
    DownloadError,
    InputError,
    NotAllowedError,
    ResponseError,
    Session,
    Settings,
    StaticToken,
    TwoLegged,
    projects,
)
from aps_async.auth import AccessToken, TokenClient
from aps_async.links import SignedUrl
from aps_async.resources.jsonapi import Page
from aps_async.simulator import Behaviour, Fault, World
from aps_async.transport.quotas import Endpoint, Quotas
from tests.support import served, service, session_for, virtual_clock

pytestmark = pytest.mark.looptime

ANY = Endpoint("any", 1000)
HUBS = "/project/v1/hubs"


class FixedToken:
    """The least a provider can be."""

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
        return AccessToken("fixed")


@frozen
class Echo:
    """What the test server says it got."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode(),
        }
    )


@asynccontextmanager
async def echoing(**options: Any) -> AsyncIterator[Session]:
    async with served(echo) as url, Session(options.pop("tokens", FixedToken()), base_url=url, **options) as session:
        yield session


# ------------------------------------------------------------------ sending


async def test_a_call_goes_out_as_it_was_asked_for() -> None:
    async with echoing() as session:
        found = await session.request(
            ANY, "POST", "/a%3Fb%2Fc", into=Echo,
            query={"page[limit]": 200, "yes": True, "ids": ["a", "b"], "q": "a b+c"},
            json={"includeMarkups": False}, headers={"x-extra": "1"},
        )  # fmt: skip
    assert (found.method, found.path) == ("POST", "/a%3Fb%2Fc?page%5Blimit%5D=200&yes=true&ids=a%2Cb&q=a%20b%2Bc")
    assert json.loads(found.body) == {"includeMarkups": False}
    assert found.headers["content-type"] == "application/json"
    assert found.headers["authorization"] == "Bearer fixed"
    assert found.headers["accept"] == "application/json"
    assert found.headers["x-extra"] == "1"
    assert "x-user-id" not in found.headers


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/data/v1/urn%3Aadsk?page%5Bnumber%5D=1", "/data/v1/urn%3Aadsk?page%5Bnumber%5D=1"),
        ("https://evil.example/data/v1/x?a=%2F", "/data/v1/x?a=%2F"),
        ("http://127.0.0.1:1/folders/urn:adsk.wipprod:fs.folder:co.X", "/folders/urn:adsk.wipprod:fs.folder:co.X"),
        ("https://user:pw@evil.example/x", "/x"),
        ("//evil.example/x", "/x"),
        ("/x#fragment", "/x"),
    ],
)  # fmt: skip
async def test_a_next_link_is_followed_on_our_host_byte_for_byte_wherever_it_points(link: str, path: str) -> None:
    async with echoing() as session:
        assert (await session.request(ANY, "GET", link, into=Echo)).path == path


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    async def away(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async with served(away) as url, Session(FixedToken(), base_url=url) as session:
        with pytest.raises(ResponseError, match="302"):
            await session.request(ANY, "GET", "/x", into=dict)


async def test_a_base_address_may_have_a_path() -> None:
    async with served(echo) as url, Session(FixedToken(), base_url=f"{url}/gateway/aps/") as session:
        assert (await session.request(ANY, "GET", "/x?y=1", into=Echo)).path == "/gateway/aps/x?y=1"


async def test_the_base_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(echo) as url:
        monkeypatch.setenv("APS_BASE_URL", f" {url}/ ")
        async with Session(FixedToken()) as session:
            assert session.base_url == url
            assert (await session.request(ANY, "GET", "/x", into=Echo)).path == "/x"
    monkeypatch.delenv("APS_BASE_URL")
    assert Session(FixedToken()).base_url == "https://developer.api.autodesk.com"
    monkeypatch.setenv("APS_BASE_URL", "")
    assert Session(FixedToken()).base_url == "https://developer.api.autodesk.com"


@pytest.mark.parametrize(
    "wrong",
    ["developer.api.autodesk.com", "ftp://host", "https://", "https://host/?x=1", "https://host/#x", "http://[::1",
     "https://host:port", "https://host:99999", "https://user:canary@host", "file:///etc/passwd"],
)  # fmt: skip
async def test_a_base_address_that_is_none_is_refused_at_once(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="base_url") as caught:
        Session(FixedToken(), base_url=wrong)
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("APS_BASE_URL", wrong)
    with pytest.raises(InputError, match="APS_BASE_URL") as caught:
        Session(FixedToken())
    assert "canary" not in str(caught.value)


# -------------------------------------------------------------- life of it


async def test_a_session_that_is_not_open_says_how_to_open_it() -> None:
    async with service(World.demo(1)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        session = Session(tokens, base_url=simulator.url, clock=virtual_clock)
        for _ in range(2):  # before it is opened, and after it was closed
            with pytest.raises(InputError, match="async with"):
                await projects.list_hubs(session)
            with pytest.raises(InputError, match="async with"):
                async with session.open_link(SignedUrl(simulator.storage_url)):
                    pytest.fail("it opened")
            async with session:
                assert (await projects.list_hubs(session)).hubs


async def test_a_notebook_opens_and_closes_a_session_by_hand_and_may_do_so_again() -> None:
    async with service(World.demo(1)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        session = Session(tokens, base_url=simulator.url, clock=virtual_clock)
        await session.close()  # which was never opened
        for _ in range(2):
            assert await session.open() is session
            assert (await projects.list_hubs(session)).hubs
            with pytest.raises(InputError, match="open already"):
                await session.open()
            with pytest.raises(InputError, match="open already"):
                async with session:
                    pytest.fail("it opened")
            assert (await projects.list_hubs(session)).hubs
            await session.close()
            await session.close()
            with pytest.raises(InputError, match=r"session\.open\(\)"):
                await projects.list_hubs(session)


async def test_a_provider_is_asked_for_what_it_describes_of_itself_and_for_nothing_else() -> None:
    class Described(FixedToken):
        client_id = "id"
        two_legged = True
        settled = 0

        async def settle(self) -> None:
            self.settled += 1

    for tokens, kind, settled in ((Described(), True, 1), (FixedToken(), False, None)):
        async with echoing(tokens=tokens) as session:
            assert session.two_legged is kind
            await session.check_token()
        assert getattr(tokens, "settled", None) == settled


async def test_a_session_closed_before_its_first_token_says_so_too() -> None:
    async with aiohttp.ClientSession() as http, service(World.demo(1)) as simulator:
        for mine in (None, http):
            async with session_for(simulator, http=mine, quotas=Quotas()) as session:
                pass
            with pytest.raises(InputError, match="async with"):
                await projects.list_hubs(session)


async def test_the_callers_own_http_session_is_used_and_left_open() -> None:
    seen = list[str]()
    trace = aiohttp.TraceConfig()

    async def note(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    trace.on_request_start.append(note)
    async with service(World.demo(1)) as simulator, aiohttp.ClientSession(trace_configs=[trace]) as http:
        async with session_for(simulator, http=http) as session:
            await projects.list_hubs(session)
        assert seen == ["/authentication/v2/token", HUBS]
        assert not http.closed


async def test_a_closed_session_of_the_callers_is_an_input_error() -> None:
    async with service(World.demo(1)) as simulator:
        http = aiohttp.ClientSession()
        async with session_for(simulator, http=http) as session:
            await http.close()
            with pytest.raises(InputError, match="closed"):
                await projects.list_hubs(session)


async def test_closing_leaves_no_connection_and_no_task() -> None:
    async with service(World.demo(1)) as simulator:
        async with session_for(simulator) as session:
            await asyncio.gather(*(projects.list_hubs(session) for _ in range(5)))
            assert simulator.counts()["open_connections"] > 0
            mine = asyncio.all_tasks()
        await asyncio.sleep(1)
        assert simulator.counts()["open_connections"] == 0
        assert asyncio.all_tasks() <= mine


async def test_cancelling_a_call_drops_its_connection_and_gives_its_place_back() -> None:
    async with service(World.demo(1), faults=[Fault(endpoint="hubs", kind="hang", nth=(1,))]) as simulator:
        settings = Settings(budgets={"hubs": 1})
        async with session_for(simulator, settings) as session:
            call = asyncio.create_task(projects.list_hubs(session))
            await asyncio.sleep(1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.sleep(1)
            assert simulator.counts()["open_connections"] <= 1  # the one that brought the token
            assert (await projects.list_hubs(session)).hubs


# ------------------------------------------------------- who is acting


async def test_a_user_goes_with_two_legged_calls() -> None:
    async with service(World.demo(1)) as simulator:
        async with session_for(simulator) as session:
            await projects.list_hubs(session)
            await projects.list_hubs(session, user_id="BW9RM76WZBGL")
        async with session_for(simulator, user_id="ZK7HV20CEWRN") as session:
            await projects.list_hubs(session)
            await projects.list_hubs(session, user_id="BW9RM76WZBGL")
            with pytest.raises(NotAllowedError, match="not a member"):
                await projects.list_hubs(session, user_id="NOBODY")
        users = [seen.headers.get("x-user-id") for seen in simulator.log if seen.endpoint == "hubs"]
        assert users == [None, "BW9RM76WZBGL", "ZK7HV20CEWRN", "BW9RM76WZBGL", "NOBODY"]


async def test_a_user_is_refused_with_a_token_of_a_users_own_before_anything_is_sent() -> None:
    calls = 0

    async def count(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return web.json_response({})

    async with served(count) as url, Session(FixedToken(), base_url=url) as session:
        with pytest.raises(InputError, match="two-legged"):
            await session.request(ANY, "GET", "/x", into=dict, user_id="U")
    assert calls == 0


@pytest.mark.parametrize(
    ("token", "two_legged", "user", "outcome"),
    [
        ("user", True, None, InputError), ("user", True, "U", "U"), ("user", False, None, None),
        ("user", None, "U", "U"),
        ("signed-in user", True, "U", AuthError), ("signed-in user", True, None, AuthError),
        ("signed-in user", False, None, None), ("app", True, "U", InputError), ("app", True, None, None),
        ("app", False, None, AuthError), ("any", True, None, None), ("any", False, "U", InputError),
    ],
)  # fmt: skip
async def test_an_endpoint_says_whose_tokens_it_takes(
    token: Any, two_legged: bool | None, user: str | None, outcome: Any
) -> None:
    tokens = FixedToken()
    tokens.two_legged = two_legged  # type: ignore[attr-defined]
    async with echoing(tokens=tokens) as session:
        call = session.request(Endpoint("any", 100, token=token), "GET", "/x", into=Echo, user_id=user)
        if isinstance(outcome, type):
            with pytest.raises(outcome):
                await call
        else:
            assert (await call).headers.get("x-user-id") == outcome


# ------------------------------------------------------------- what comes back


def answering(status: int = 200, body: bytes = b"", kind: str = "application/json") -> Callable[..., Awaitable[Any]]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=kind)

    return answer


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<html><title>Sign in</title></html>", "text/html", "an HTML page (Sign in)"),
        (b"", "application/json", "an empty body"),
        (b"upstream connect error", "text/plain", "begins 'upstream connect error'"),
        (b'{"data": [', "application/json", "a body of 10 bytes"),
        (b'{"data": 7}', "application/json", "expected a list, got int @ $.data"),
        (b"[1]", "application/json", "expected an object, got list @ $"),
        (b'{"links": 7}', "application/json", "expected an object, got int @ $.links"),
    ],
)  # fmt: skip
async def test_a_bad_body_with_a_good_status_is_reported_with_call_and_body(body: bytes, kind: str, words: str) -> None:
    async with (
        served(answering(200, body, kind)) as url,
        Session(FixedToken(), base_url=url, settings=Settings(max_attempts=2)) as session,
    ):
        with pytest.raises(DecodeError) as caught:
            await session.request(ANY, "GET", f"{HUBS}?secret=canary", into=Page)
    assert words in str(caught.value)
    assert f"GET {HUBS}" in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_any_2xx_is_good() -> None:
    for status in (200, 201, 202):
        async with served(answering(status, b'{"data":[]}')) as url, Session(FixedToken(), base_url=url) as session:
            assert await session.request(ANY, "GET", "/x", into=Page) == Page(data=())


async def test_an_answer_without_a_body_can_be_what_is_expected() -> None:
    async with served(answering(204)) as url, Session(FixedToken(), base_url=url) as session:
        into: type[Any] = type(None)
        assert await session.request(ANY, "DELETE", "/x", into=into) is None


async def test_a_static_token_is_sent_as_it_is() -> None:
    async with echoing(tokens=StaticToken("Bearer abc.def")) as session:
        assert (await session.request(ANY, "GET", "/x", into=Echo)).headers["authorization"] == "Bearer abc.def"


async def test_a_signed_link_is_opened_without_a_token_and_byte_for_byte() -> None:
    async with served(echo) as url, Session(FixedToken(), base_url=url) as session:
        target = "/a%2Fb%3Ac~d/e.pdf?X-Amz-Signature=a%2Fb%2B%3D%7E&x=y+z"
        async with session.open_link(SignedUrl(url + target), {"Range": "bytes=1-"}) as response:
            found = await response.json()
        assert found["path"] == target
        assert "authorization" not in found["headers"]
        assert found["headers"]["accept-encoding"] == "identity"
        assert found["headers"]["range"] == "bytes=1-"
        with pytest.raises(InputError, match="authorization"):
            async with session.open_link(SignedUrl(url + target), {"authorization": "Bearer x"}):
                pytest.fail("it opened")


async def test_a_link_without_encryption_is_not_opened_where_the_service_has_it() -> None:
    async with Session(FixedToken(), base_url="https://service.example") as session:
        with pytest.raises(DownloadError, match="not encrypted") as caught:
            async with session.open_link(SignedUrl("http://127.0.0.1:1/x?canary=1")):
                pytest.fail("it opened")
        assert "canary" not in str(caught.value)


async def test_no_hub_without_provisioning() -> None:
    world = World.from_json({"apps": [{"id": "app", "secret": "s", "provisioned": False}], "hubs": [{}]})
    async with service(world, behaviour=Behaviour()) as simulator, session_for(simulator) as session:
        assert (await projects.list_hubs(session)).hubs == ()
