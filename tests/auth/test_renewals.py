"""A login is renewed once for all its users, and no crash, cancellation or lost response loses it silently."""

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from aps_async import AuthError, InputError, Session, Settings
from aps_async.auth import Login, MemoryStore, ThreeLegged
from aps_async.resources.projects import list_hubs
from aps_async.simulator import Behaviour, Fault, Simulator, World
from aps_async.transport.quotas import Endpoint, TokenKind
from tests.auth.support import PUBLIC, login_of
from tests.support import service, session_for

pytestmark = pytest.mark.looptime
LIFE = 100.0  # of an access token; it is renewed after 90


def free_of_quotas(**options: Any) -> Behaviour:
    return Behaviour(token_life=LIFE, quotas=False, **options)


@attrs.define
class Scene:
    simulator: Simulator
    tokens: ThreeLegged
    session: Session

    @property
    def store(self) -> MemoryStore:
        assert isinstance(self.tokens.store, MemoryStore)
        return self.tokens.store

    async def login(self) -> Login:
        login = await self.store.load()
        assert login is not None
        return login

    def count(self, name: str) -> int:
        return int(self.simulator.counts()[name])

    async def call(self) -> None:
        await list_hubs(self.session)


@asynccontextmanager
async def scene_with(behaviour: Behaviour, tries: int = 8) -> AsyncIterator[Scene]:
    async with service(World.demo(1), behaviour=behaviour) as simulator:
        tokens = ThreeLegged(PUBLIC, store=MemoryStore())
        async with session_for(simulator, settings(tries), tokens=tokens) as session:
            await login_of(session, tokens)
            yield Scene(simulator, tokens, session)


def settings(tries: int = 8) -> Settings:
    return Settings(budgets={"hubs": 100_000, "token": 100_000}, max_attempts=tries, request_timeout=20.0)


def in_scene(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Runs a test in a scene of its own. No fixture: looptime's time begins with the test."""

    @functools.wraps(test)
    async def wrapped(**given: Any) -> None:
        async with scene_with(free_of_quotas()) as scene:
            await test(scene, **given)

    signature = inspect.signature(test)
    rest = [each for each in signature.parameters.values() if each.name != "scene"]
    wrapped.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
    return wrapped


@in_scene
async def test_any_number_of_tasks_cause_one_renewal_for_each_expiry(scene: Scene) -> None:
    for _ in range(20):
        await asyncio.gather(*(scene.call() for _ in range(50)))
        await asyncio.sleep(LIFE / 4)
    assert scene.count("refresh_rotations") == 4
    assert scene.count("refresh_reuses") == 0
    assert {seen.status for seen in scene.simulator.log if seen.endpoint == "hubs"} == {200}
    assert (await scene.login()).renewals == 4


@in_scene
async def test_providers_that_share_a_store_share_the_renewal(scene: Scene) -> None:
    others = [ThreeLegged(PUBLIC, store=scene.store) for _ in range(5)]
    await asyncio.sleep(LIFE)
    tokens = await asyncio.gather(*(each.token(scene.session) for each in [scene.tokens, *others]))
    assert len({token.value for token in tokens}) == 1
    assert scene.count("refresh_rotations") == 1


@in_scene
async def test_a_revoked_access_token_is_renewed_once_for_all(scene: Scene) -> None:
    other = ThreeLegged(PUBLIC, store=scene.store)
    dead = await scene.tokens.token(scene.session)
    scene.simulator.tokens.revoke(dead.value)
    first = await scene.tokens.token(scene.session, dead)
    assert first.value != dead.value
    assert (await other.token(scene.session, dead)).value == first.value
    await asyncio.gather(*(scene.call() for _ in range(20)))
    assert scene.count("refresh_rotations") == 1


@in_scene
async def test_the_new_refresh_token_is_kept_before_the_access_token_is_used(scene: Scene) -> None:
    may_save = asyncio.Event()
    save = scene.store.save

    async def slow(login: Login) -> None:
        if not login.renewing:
            await may_save.wait()
        await save(login)

    scene.store.save = slow  # type: ignore[method-assign]
    await asyncio.sleep(LIFE)
    call = asyncio.create_task(scene.call())
    await asyncio.sleep(5)
    assert scene.count("refresh_rotations") == 1
    assert "hubs" not in scene.simulator.counts()["endpoints"]
    assert (await scene.login()).renewing
    may_save.set()
    await call
    assert not (await scene.login()).renewing


@in_scene
@pytest.mark.parametrize("kind", ["hang", "slow"])
async def test_cancelling_the_caller_does_not_cancel_the_renewal(scene: Scene, kind: Any) -> None:
    """Whether the refresh token has been spent by then, or not yet."""
    scene.simulator.add_fault(Fault(endpoint="token", kind=kind, seconds=10, nth=(1,)))
    await asyncio.sleep(LIFE)
    call = asyncio.create_task(scene.call())
    await asyncio.sleep(5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await scene.call()
    assert (scene.count("refresh_rotations"), scene.count("refresh_reuses")) == (1, 0)


@in_scene
async def test_a_session_that_closes_waits_for_the_renewal(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="hang", seconds=4, nth=(1,)))
    await asyncio.sleep(LIFE)
    async with session_for(scene.simulator, settings(), tokens=scene.tokens) as session:
        call = asyncio.create_task(list_hubs(session))
        await asyncio.sleep(2)
        call.cancel()
    assert not (await scene.login()).renewing
    assert (await scene.login()).renewals == 1


@in_scene
@pytest.mark.parametrize("others", [1, 3])
@pytest.mark.parametrize("first_leaves", [False, True])
async def test_a_session_that_closes_does_not_end_a_renewal_that_others_await(
    scene: Scene, others: int, first_leaves: bool
) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="hang", seconds=18, nth=(1,)))
    await asyncio.sleep(LIFE)
    async with session_for(scene.simulator, settings(), tokens=scene.tokens) as session:
        mine = asyncio.create_task(list_hubs(session))
        await asyncio.sleep(1)
        mine.cancel()
        calls = [asyncio.create_task(scene.call()) for _ in range(others + first_leaves)]
        await asyncio.sleep(1)
        if first_leaves:
            asyncio.get_running_loop().call_later(12, calls.pop(0).cancel)
    await asyncio.gather(*calls)
    assert (scene.count("refresh_rotations"), scene.count("refresh_reuses")) == (1, 0)
    assert (await scene.login()).renewals == 1


@in_scene
async def test_a_call_that_comes_while_a_session_closes_keeps_the_renewal_too(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="hang", seconds=18, nth=(1,)))
    await asyncio.sleep(LIFE)
    calls: list[asyncio.Task[None]] = []
    async with session_for(scene.simulator, settings(), tokens=scene.tokens) as session:
        mine = asyncio.create_task(list_hubs(session))
        await asyncio.sleep(1)
        mine.cancel()
        first = asyncio.create_task(scene.call())
        for after, action in ((12, lambda: calls.append(asyncio.create_task(scene.call()))), (14, first.cancel)):
            asyncio.get_running_loop().call_later(after, action)
    await asyncio.gather(*calls)
    assert (scene.count("token_requests"), scene.count("refresh_rotations"), len(calls)) == (2, 1, 1)


@in_scene
async def test_a_session_that_closes_ends_a_renewal_that_nobody_awaits_any_more(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="hang", nth=(1,)))
    await asyncio.sleep(LIFE)
    began = asyncio.get_running_loop().time()
    async with session_for(scene.simulator, settings(), tokens=scene.tokens) as session:
        mine = asyncio.create_task(list_hubs(session))
        await asyncio.sleep(1)
        mine.cancel()
        other = asyncio.create_task(scene.call())
        asyncio.get_running_loop().call_later(14, other.cancel)
    assert asyncio.get_running_loop().time() - began == pytest.approx(15)
    await scene.call()


@in_scene
async def test_a_form_that_never_arrived_is_sent_again(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="status", status=429, retry_after=3, times=3))
    await asyncio.sleep(LIFE)
    await scene.call()
    assert (scene.count("refresh_rotations"), scene.count("refresh_reuses")) == (1, 0)


LOST = [
    Fault(endpoint="token", kind="reset", after_effect=True, times=1),
    Fault(endpoint="token", kind="status", status=500, after_effect=True, times=1),
    Fault(endpoint="token", kind="broken_json", times=1),
    Fault(endpoint="token", kind="truncate", times=1),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.kind)
@in_scene
async def test_a_lost_response_is_reported_as_such_and_not_before_the_current_token_expires(
    scene: Scene, fault: Fault
) -> None:
    scene.simulator.add_fault(fault)
    await asyncio.sleep(0.92 * LIFE)
    await scene.call()  # the renewal fails, and what is there still serves
    await scene.call()
    assert len([seen for seen in scene.simulator.log if seen.endpoint == "token" and seen.fault]) == 1
    assert (await scene.login()).renewing
    await asyncio.sleep(0.1 * LIFE)
    with pytest.raises(AuthError, match=r"the response to the last renewal was lost.*log in again: aps-async login"):
        await scene.call()
    tried = scene.count("token_requests")
    with pytest.raises(AuthError, match="log in again: aps-async login"):
        await scene.call()
    assert scene.count("token_requests") == tried  # a login that is over is not tried again
    await login_of(scene.session, scene.tokens)
    await scene.call()


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.kind)
async def test_a_service_that_knows_mercy_takes_the_old_token_once_more(fault: Fault) -> None:
    async with scene_with(free_of_quotas(refresh_grace=60)) as scene:
        scene.simulator.add_fault(fault)
        await asyncio.sleep(0.92 * LIFE)
        await scene.call()
        await asyncio.sleep(0.1 * LIFE)
        await scene.call()
        assert scene.count("refresh_reuses") == 0
        assert not (await scene.login()).renewing


@in_scene
async def test_a_form_that_was_lost_on_the_way_costs_nothing(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="token", kind="hang", times=1))
    await asyncio.sleep(LIFE)
    with pytest.raises(AuthError, match=r"could not be renewed.*no answer in time"):
        await scene.call()
    await scene.call()
    assert (scene.count("refresh_rotations"), scene.count("refresh_reuses")) == (1, 0)


async def test_a_token_service_that_is_down_does_no_harm_while_the_token_lives() -> None:
    async with scene_with(free_of_quotas(), tries=2) as scene:
        scene.simulator.add_fault(Fault(endpoint="token", kind="status", status=429, times=2))
        await asyncio.sleep(0.92 * LIFE)
        await scene.call()
        assert not (await scene.login()).renewing
        await asyncio.sleep(0.1 * LIFE)
        await scene.call()
        assert scene.count("refresh_rotations") == 1


@in_scene
async def test_a_copy_of_the_login_is_reported_as_such(scene: Scene) -> None:
    copy = ThreeLegged(PUBLIC, store=MemoryStore(await scene.login()))
    await asyncio.sleep(LIFE)
    await scene.call()
    with pytest.raises(AuthError, match=r"already used by another copy of the login.*log in again"):
        await copy.token(scene.session)
    assert scene.count("refresh_reuses") == 1


@in_scene
async def test_a_renewal_without_the_lock_is_read_from_the_store(scene: Scene) -> None:
    """As two machines on a network drive whose locks do not work."""

    class Shared(MemoryStore):
        asked = 0

        async def load(self) -> Login | None:
            self.asked += 1
            return await scene.store.load() if self.asked > 2 else await super().load()

    copy = Shared(await scene.login())
    await asyncio.sleep(LIFE)
    await scene.call()
    token = await ThreeLegged(PUBLIC, store=copy).token(scene.session)
    assert token.value == (await scene.login()).access_token


@in_scene
async def test_a_login_left_alone_for_too_long(scene: Scene) -> None:
    await asyncio.sleep(16 * 86400)
    with pytest.raises(AuthError, match=r"not used for 16 days; 15 are allowed.*log in again"):
        await scene.call()


@in_scene
async def test_a_store_that_cannot_keep_the_new_token_gets_it_later(scene: Scene) -> None:
    save, full = scene.store.save, [True]

    async def sometimes(login: Login) -> None:
        if full[0] and not login.renewing:
            raise AuthError("the login cannot be stored: No space left on device")
        await save(login)

    scene.store.save = sometimes  # type: ignore[method-assign]
    await asyncio.sleep(LIFE)
    for _ in range(2):
        with pytest.raises(AuthError, match="No space left"):
            await scene.call()
    full[0] = False
    await scene.call()
    assert (scene.count("refresh_rotations"), scene.count("refresh_reuses")) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "other"}, "is for client id other"),
        ({"service": "https://elsewhere.example"}, "is for https://elsewhere.example"),
        ({"user_id": "SOMEBODY"}, "another user has logged in since"),
    ],
)
@in_scene
async def test_a_login_of_something_else_is_not_used(scene: Scene, changes: dict[str, Any], words: str) -> None:
    await scene.call()
    await scene.store.save(attrs.evolve(await scene.login(), **changes))
    await asyncio.sleep(LIFE)
    with pytest.raises(AuthError, match=words):
        await scene.call()
    assert scene.count("refresh_rotations") == 0


@in_scene
async def test_logging_out_revokes_and_deletes(scene: Scene) -> None:
    login = await scene.login()
    assert await scene.tokens.log_out(scene.session) == login
    assert await scene.store.load() is None
    assert scene.simulator.tokens.find(login.access_token, scene.simulator.now()) is None
    with pytest.raises(AuthError, match="not logged in"):
        await scene.call()


@in_scene
async def test_a_login_that_could_not_be_revoked_stays(scene: Scene) -> None:
    scene.simulator.add_fault(Fault(endpoint="revoke", kind="status", status=400))
    with pytest.raises(Exception, match="400"):
        await scene.tokens.log_out(scene.session)
    await scene.call()


@in_scene
async def test_x_user_id_is_refused_with_a_reason_before_anything_is_sent(scene: Scene) -> None:
    simulator, user = scene.simulator, "BW9RM76WZBGL"
    rules: tuple[TokenKind, ...] = ("user", "signed-in user", "app")
    calls = {rule: Endpoint(f"call_{i}", 10, token=rule) for i, rule in enumerate(rules)}
    before = len(simulator.log)

    async def ask(session: Session, rule: TokenKind, **options: Any) -> None:
        await session.request(calls[rule], "GET", "/project/v1/hubs", into=dict[str, Any], **options)

    with pytest.raises(InputError, match="a user's own token names the user"):
        await list_hubs(scene.session, user_id=user)
    with pytest.raises(AuthError, match="only the app itself"):
        await ask(scene.session, "app")
    async with session_for(simulator) as app:
        with pytest.raises(InputError, match="needs the user it acts for: give user_id"):
            await ask(app, "user")
        with pytest.raises(AuthError, match="is refused, with or without x-user-id"):
            await ask(app, "signed-in user", user_id=user)
        with pytest.raises(InputError, match="takes no x-user-id"):
            await ask(app, "app", user_id=user)
        assert len(simulator.log) == before
        await ask(app, "user", user_id=user)
        await ask(app, "app")
    await ask(scene.session, "user")
    await ask(scene.session, "signed-in user")
    sent = [seen.headers.get("x-user-id") for seen in simulator.log if seen.endpoint == "hubs"]
    assert sent == [user, None, None, None]


def test_nothing_shows_a_token() -> None:
    login = Login(
        client_id="app",
        service="https://x.example",
        scopes=("data:read",),
        refresh_token="canary-refresh",
        access_token="canary-access",
        issued_at=time.time(),
        expires_at=time.time(),
        signed_in_at=time.time(),
    )
    tokens = ThreeLegged("app", client_secret="canary-secret", store=MemoryStore(login))
    for shown in (login, login.token, tokens, tokens.app, tokens.store):
        assert "canary" not in f"{shown!r} {shown}"
    assert Login.from_json(login.to_json()) == login


@pytest.mark.parametrize("text", ["", "canary", "{}", "[]", '{"format": 2}', '{"format": 1, "client_id": "canary"}'])
def test_a_login_that_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(AuthError, match="log in again") as caught:
        Login.from_json(text)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
