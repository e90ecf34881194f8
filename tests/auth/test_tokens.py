"""Tokens: one request for any number of callers, renewed in time, and no failure that lasts longer than its cause."""

import asyncio
import base64
import json
from typing import Any

import looptime
import pytest
from aiohttp import web

from aps_async import AuthError, InputError, Session, Settings, StaticToken, TransportError, TwoLegged, projects
from aps_async.auth import AccessToken, Login, MemoryStore, ThreeLegged, TokenClient
from aps_async.errors import ServerError, UnauthorizedError
from aps_async.simulator import Behaviour, Fault, Simulator, World
from tests.support import served, service, session_for, virtual_clock

virtual_time = pytest.mark.looptime  # for coroutines only: it would leave a loop behind with the others


def calls(simulator: Simulator, endpoint: str) -> int:
    return sum(seen.endpoint == endpoint for seen in simulator.log)


@virtual_time
async def test_two_hundred_callers_cause_one_token_request() -> None:
    async with service(World.demo(1), behaviour=Behaviour(quotas=False)) as simulator:
        async with session_for(simulator, Settings(budgets={"hubs": 1000})) as session:
            await asyncio.gather(*(projects.list_hubs(session) for _ in range(200)))
        assert calls(simulator, "hubs") == 200
        assert simulator.counts()["token_requests"] == 1


@virtual_time
async def test_a_token_serves_until_shortly_before_it_expires() -> None:
    async with service(World.demo(1)) as simulator, session_for(simulator) as session:
        asked = list[int]()
        for at in (0, 1, 3538, 3540, 7000, 7090):  # lives 3,599 s, the margin is 60 s
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            await projects.list_hubs(session)
            asked.append(simulator.counts()["token_requests"])
        assert asked == [1, 1, 1, 2, 2, 3]
        assert "401" not in simulator.counts()["endpoints"]["hubs"]["statuses"]


@virtual_time
@pytest.mark.parametrize("life", [1.0, 5.0, 30.0, 100.0])
async def test_a_short_life_is_used_to_nine_tenths_and_never_beyond(life: float) -> None:
    async with service(World.demo(1), behaviour=Behaviour(token_life=life, quotas=False)) as simulator:
        async with session_for(simulator, Settings(budgets={"hubs": 1000})) as session:
            for _ in range(100):
                await projects.list_hubs(session)
                await asyncio.sleep(life / 20)
        statuses = simulator.counts()["endpoints"]["hubs"]["statuses"]
        assert statuses == {"200": 100}
        used = max(0.9 * life, life - 60)
        assert 5 * life / used <= simulator.counts()["token_requests"] <= 5 * life / used + 2


@virtual_time
async def test_a_token_does_not_expire_in_the_queue() -> None:
    """It is made after the wait for the quota, which here is longer than its life."""
    behaviour = Behaviour(token_life=20.0, quota_overrides={"hubs": 1}, quota_window="rolling")
    async with service(World.demo(1), behaviour=behaviour) as simulator:
        async with session_for(simulator, Settings(budgets={"hubs": 1})) as session:
            await asyncio.gather(*(projects.list_hubs(session) for _ in range(4)))
        assert simulator.counts()["endpoints"]["hubs"]["statuses"] == {"200": 4}


@virtual_time
@pytest.mark.parametrize("shape", ["json", "empty"])
async def test_a_revoked_token_is_renewed_once_and_the_calls_repeated(shape: Any) -> None:
    async with service(World.demo(1), behaviour=Behaviour(unauthorized=shape)) as simulator:
        async with session_for(simulator) as session:
            await projects.list_hubs(session)
            simulator.tokens.revoke_all()
            await asyncio.gather(*(projects.list_hubs(session) for _ in range(20)))
        assert simulator.counts()["token_requests"] == 2
        assert simulator.counts()["endpoints"]["hubs"]["statuses"] == {"200": 21, "401": 20}


@virtual_time
async def test_a_401_that_stays_ends_after_one_renewal_and_one_repeat() -> None:
    fault = Fault(endpoint="hubs", kind="status", status=401)
    async with service(World.demo(1), faults=[fault]) as simulator, session_for(simulator) as session:
        with pytest.raises(UnauthorizedError) as caught:
            await projects.list_hubs(session)
        assert isinstance(caught.value, AuthError)
        assert caught.value.status == 401
        assert calls(simulator, "hubs") == 2
        assert simulator.counts()["token_requests"] == 2


@virtual_time
async def test_a_token_service_that_is_down_for_a_while_is_waited_for() -> None:
    fault = Fault(endpoint="token", kind="status", status=500, times=5)
    async with service(World.demo(1), faults=[fault]) as simulator, session_for(simulator) as session:
        await asyncio.gather(*(projects.list_hubs(session) for _ in range(30)))
        assert simulator.counts()["token_requests"] == 6


@virtual_time
async def test_a_failed_renewal_does_not_poison_later_ones() -> None:
    faults = [Fault(endpoint="token", status=500)]
    async with (
        service(World.demo(1), faults=faults) as simulator,
        session_for(simulator, Settings(max_attempts=3)) as session,
    ):
        answers = await asyncio.gather(*(projects.list_hubs(session) for _ in range(30)), return_exceptions=True)
        assert simulator.counts()["token_requests"] == 3  # the tries of one renewal, shared by all
        for problem in answers:
            assert isinstance(problem, AuthError)
            assert isinstance(problem.__cause__, ServerError)
            assert "simulator-client" in str(problem)
            assert "check the client id" not in str(problem)
        assert len({id(problem) for problem in answers}) == 30  # each has its own, with its own traceback and notes
        simulator.clear_faults()
        await asyncio.gather(*(projects.list_hubs(session) for _ in range(30)))
        assert simulator.counts()["token_requests"] == 4


@virtual_time
async def test_a_failed_renewal_leaves_a_token_that_is_still_good_to_the_others() -> None:
    async with service(World.demo(1)) as simulator, session_for(simulator, Settings(max_attempts=1)) as session:
        await projects.list_hubs(session)
        simulator.add_fault(Fault(endpoint="hubs", status=401, nth=(1,)))  # a stray one
        simulator.add_fault(Fault(endpoint="token", status=500))
        with pytest.raises(AuthError):
            await projects.list_hubs(session)
        await projects.list_hubs(session)


@virtual_time
@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault(endpoint="token", status=503), 2),
        (Fault(endpoint="token", kind="hang"), 2),
        (Fault(endpoint="token", kind="html", status=403), 1),
    ],
    ids=["refuses", "hangs", "a web filter"],
)
async def test_a_token_service_that_is_down_hurts_nobody_while_the_token_is_good(fault: Fault, attempts: int) -> None:
    """It is renewed a minute early: one caller tries, the others go on, and so does that one when it has failed."""
    settings = Settings(max_attempts=2, request_timeout=10.0, budgets={"hubs": 1000})
    async with service(World.demo(1)) as simulator, session_for(simulator, settings) as session:
        await projects.list_hubs(session)
        await asyncio.sleep(3545)  # it lives 3,599 s
        simulator.add_fault(fault)
        renewer = asyncio.create_task(projects.list_hubs(session))
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(projects.list_hubs(session) for _ in range(20)))
        assert asyncio.get_running_loop().time() - began < 1
        await renewer
        await projects.list_hubs(session)
        assert simulator.counts()["token_requests"] == 1 + attempts  # the first, and those of the renewal
        simulator.clear_faults()
        await asyncio.sleep(60)
        await projects.list_hubs(session)
        assert simulator.counts()["token_requests"] == 2 + attempts


@virtual_time
@pytest.mark.parametrize("copied", [True, False])
async def test_an_error_of_a_store_is_the_same_for_all_who_wait_for_it(copied: bool) -> None:
    class StoreError(RuntimeError):
        def __init__(self, first: str, *rest: str) -> None:
            super().__init__(*([first, *rest] if copied else []))

    class BrokenStore(MemoryStore):
        loads = 0

        async def load(self) -> Login | None:
            self.loads += 1
            await asyncio.sleep(1)
            raise StoreError("the vault is sealed")

    store = BrokenStore()
    tokens = ThreeLegged("simulator-public", store=store)
    async with service(World.demo(1)) as simulator, session_for(simulator, tokens=tokens) as session:
        answers = await asyncio.gather(*(tokens.token(session) for _ in range(10)), return_exceptions=True)
    assert {type(each) for each in answers} == {StoreError}
    assert store.loads == 1


@pytest.mark.parametrize(
    ("client_id", "secret", "code"),
    [("simulator-client", "canary-secret", "AUTH-003"), ("canary-client", "canary-secret", "AUTH-001")],
)
@virtual_time
async def test_wrong_credentials_are_one_error_for_all_callers_that_says_what_to_check(
    client_id: str, secret: str, code: str
) -> None:
    async with service(World.demo(1)) as simulator:
        async with session_for(simulator, tokens=TwoLegged(client_id, secret)) as session:
            answers = await asyncio.gather(*(projects.list_hubs(session) for _ in range(40)), return_exceptions=True)
        assert simulator.counts()["token_requests"] == 1
        assert calls(simulator, "hubs") == 0
        for problem in answers:
            assert type(problem) is AuthError
            assert f"no token for client id {client_id}" in str(problem)
            assert code in str(problem)
            assert "check the client id, the secret and the scopes" in str(problem)
            assert "canary-secret" not in str(problem)


@virtual_time
async def test_an_unknown_scope_is_reported() -> None:
    async with service(World.demo(1)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret, scopes=["data:read", "data:eat"])
        async with session_for(simulator, tokens=tokens) as session:
            with pytest.raises(AuthError, match="data:eat"):
                await projects.list_hubs(session)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(endpoint="token", kind="html"), "an HTML page"),
        (Fault(endpoint="token", kind="empty"), "an empty body"),
        (Fault(endpoint="token", kind="reset"), "POST /authentication/v2/token"),
        (Fault(endpoint="token", kind="hang"), "no answer in time"),
    ],
)
@virtual_time
async def test_whatever_happens_to_the_token_endpoint_is_an_auth_error(fault: Fault, words: str) -> None:
    async with service(World.demo(1), faults=[fault]) as simulator:
        async with session_for(simulator, Settings(max_attempts=2, request_timeout=5)) as session:
            with pytest.raises(AuthError, match=words):
                await projects.list_hubs(session)
        assert simulator.counts()["token_requests"] == 2


@virtual_time
async def test_cancelling_the_caller_that_renews_does_not_harm_those_who_wait() -> None:
    slow = Fault(endpoint="token", kind="hang", seconds=10, nth=(1,))
    async with service(World.demo(1), faults=[slow]) as simulator, session_for(simulator) as session:
        renewer = asyncio.create_task(projects.list_hubs(session))
        await asyncio.sleep(1)
        waiters = [asyncio.create_task(projects.list_hubs(session)) for _ in range(10)]
        await asyncio.sleep(1)
        renewer.cancel()
        await asyncio.gather(*waiters)
        assert renewer.cancelled()
        assert simulator.counts()["token_requests"] == 2


@virtual_time
async def test_cancelling_one_who_waits_does_not_harm_the_renewal() -> None:
    slow = Fault(endpoint="token", kind="hang", seconds=5, nth=(1,))
    async with service(World.demo(1), faults=[slow]) as simulator, session_for(simulator) as session:
        tasks = [asyncio.create_task(projects.list_hubs(session)) for _ in range(10)]
        await asyncio.sleep(1)
        for task in tasks[3:6]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 3
        assert simulator.counts()["token_requests"] == 1


def test_one_provider_serves_one_loop_after_the_other() -> None:
    """As in a worker that calls `asyncio.run` for every task of its queue."""
    tokens = TwoLegged("simulator-client", "simulator-secret")

    async def run() -> None:
        faults = [Fault(endpoint="token", kind="hang", seconds=1, nth=(1,))]
        async with service(World.demo(1), faults=faults, behaviour=Behaviour(token_life=20)) as simulator:
            async with session_for(simulator, tokens=tokens) as session:
                await asyncio.gather(*(projects.list_hubs(session) for _ in range(5)))
            assert simulator.counts()["token_requests"] == 1

    for start in (0.0, 100.0):
        loop = looptime.new_event_loop(start=start, idle_step=0.1, idle_timeout=1.0)
        try:
            loop.run_until_complete(run())
        finally:
            loop.close()


# ------------------------------------------------------------- providers


def jwt(**claims: Any) -> str:
    parts = (b'{"alg":"RS256"}', json.dumps(claims).encode(), b"signature")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@virtual_time
async def test_a_static_token_is_used_until_it_is_refused_and_then_says_so() -> None:
    async with service(World.demo(1)) as simulator:
        async with session_for(simulator) as session:
            token = (await session._tokens.token(session)).value
        async with session_for(simulator, tokens=StaticToken(token)) as session:
            await projects.list_hubs(session)
            await projects.list_hubs(session, user_id="BW9RM76WZBGL")
            simulator.tokens.revoke_all()
            with pytest.raises(AuthError, match="get a new one") as caught:
                await projects.list_hubs(session)
            assert token not in str(caught.value)
        assert simulator.counts()["token_requests"] == 1


@pytest.mark.parametrize(
    ("token", "client_id", "two_legged"),
    [
        (jwt(client_id="app"), "app", True),
        (jwt(client_id="app", userid="U"), "app", False),
        ("opaque", "", None),
        ("a.b.c", "", None),
        (f"Bearer {jwt(client_id='app')} \n", "app", True),
        (".".join(["x", base64.urlsafe_b64encode(b"[1]").decode(), "y"]), "", None),
    ],
)
def test_the_kind_of_a_static_token_is_read_from_its_claims(
    token: str, client_id: str, two_legged: bool | None
) -> None:
    provider = StaticToken(token)
    assert (provider.client_id, provider.two_legged) == (client_id, two_legged)
    assert StaticToken(token, client_id="given").client_id == "given"


@pytest.mark.parametrize("wrong", ["", "  ", "Bearer ", "two words", "line\nbreak", "\u00e9"])
def test_what_is_no_token_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(InputError) as caught:
        StaticToken(wrong)
    assert "words" not in str(caught.value)


@virtual_time
async def test_a_custom_provider_is_asked_before_every_call_and_gets_the_rejected_token() -> None:
    class Mine:
        asked: list[str | None] = []  # noqa: RUF012

        def __init__(self, *good: str) -> None:
            self.tokens = list(good)

        async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:
            assert client.now() >= 0
            assert client.token_margin == 60.0
            self.asked.append(rejected.value if rejected else None)
            if rejected is not None:
                self.tokens.pop(0)
            return AccessToken(self.tokens[0])

    async with service(World.demo(1)) as simulator:
        async with session_for(simulator) as session:
            good = (await session._tokens.token(session)).value
        provider = Mine("stale", good)
        async with session_for(simulator, tokens=provider) as session:
            await projects.list_hubs(session)
            await projects.list_hubs(session)
        assert provider.asked == [None, "stale", None]


@virtual_time
@pytest.mark.parametrize("callers", [1, 3])
async def test_a_session_that_closes_while_it_renews_fails_no_other_session(callers: int) -> None:
    async with service(World.demo(1)) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        simulator.add_fault(Fault(endpoint="token", kind="hang", seconds=8, nth=(1,)))
        async with session_for(simulator, tokens=tokens) as other:
            async with session_for(simulator, tokens=tokens) as session:
                mine = asyncio.create_task(projects.list_hubs(session))
                await asyncio.sleep(1)
                waiting = [asyncio.create_task(projects.list_hubs(other)) for _ in range(callers)]
                await asyncio.sleep(1)
            with pytest.raises(AuthError, match="not open"):
                await mine
            await asyncio.gather(*waiting)
        assert calls(simulator, "token") == 2


class Unsettled(StaticToken):
    problem: BaseException = RuntimeError("the store is gone")

    async def settle(self) -> None:
        await asyncio.sleep(0)
        raise self.problem


@virtual_time
@pytest.mark.parametrize("problem", [RuntimeError("the store is gone"), asyncio.CancelledError(), AuthError("no")])
@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_session_closes_everything_although_its_provider_raises(problem: BaseException, by_hand: bool) -> None:
    tokens = Unsettled("a-token")
    tokens.problem = problem
    async with service(World.demo(1)) as simulator:
        session = Session(tokens, base_url=simulator.url)
        await session.open()
        opened = [session._connections._api, session._connections._links]
        with pytest.raises(type(problem)) as raised:
            await (session.close() if by_hand else session.__aexit__())
        if not isinstance(problem, asyncio.CancelledError):
            assert raised.value is problem
        assert all(each is not None and each.closed for each in opened)
        await session.open()  # as after any other close
        tokens.problem = problem
        with pytest.raises(type(problem)):
            await session.close()


@virtual_time
async def test_a_session_waits_for_a_provider_that_has_to_finish_something() -> None:
    class Settling(StaticToken):
        settled = False

        async def settle(self) -> None:
            await asyncio.sleep(1)
            self.settled = True

    provider = Settling("x")
    async with Session(provider, base_url="http://127.0.0.1:1"):
        pass
    assert provider.settled


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "APS_CLIENT_ID and APS_CLIENT_SECRET"),
        ({"APS_CLIENT_ID": "x"}, "APS_CLIENT_SECRET"),
        ({"APS_CLIENT_ID": "  ", "APS_CLIENT_SECRET": "x"}, "APS_CLIENT_ID"),
    ],
)
def test_missing_credentials_name_the_variables(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(AuthError, match=f"set {missing} to"):
        TwoLegged.from_env(environ)


@virtual_time
async def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(World.demo(1)) as simulator:
        monkeypatch.setenv("APS_CLIENT_ID", f" {simulator.client_id}\n")
        monkeypatch.setenv("APS_CLIENT_SECRET", simulator.client_secret)
        monkeypatch.setenv("APS_BASE_URL", simulator.url)
        async with Session(TwoLegged.from_env(), clock=virtual_clock) as session:
            assert (await projects.list_hubs(session)).hubs


@pytest.mark.parametrize(("client_id", "secret"), [("", "x"), ("x", "")])
def test_empty_credentials_are_refused(client_id: str, secret: str) -> None:
    with pytest.raises(InputError, match="both"):
        TwoLegged(client_id, secret)


@pytest.mark.parametrize(
    "body",
    [{}, [], {"access_token": ""}, {"access_token": " \r\n"}, {"access_token": 7}, {"access_token": ["canary"]},
     {"access_token": "canary\r\nX-Other: canary"}, {"access_token": "canary canary"}, {"access_token": "canary\x00"},
     {"access_token": "canary\u00e9"}, {"access_token": "canary\ud83d"}],
)  # fmt: skip
@virtual_time
async def test_a_token_answer_of_another_shape_is_an_auth_error_that_shows_nothing(body: object) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body)

    async with served(answer) as url, Session(TwoLegged("app", "canary"), base_url=url) as session:
        with pytest.raises(AuthError) as caught:
            await projects.list_hubs(session)
    assert "canary" not in str(caught.value)


@virtual_time
async def test_an_address_without_a_server_is_reported() -> None:
    async with Session(
        TwoLegged("app", "s"), base_url="http://127.0.0.1:1", settings=Settings(max_attempts=2)
    ) as session:
        with pytest.raises(AuthError, match=r"127\.0\.0\.1") as caught:
            await projects.list_hubs(session)
        assert isinstance(caught.value.__cause__, TransportError)
        assert not caught.value.__cause__.sent
