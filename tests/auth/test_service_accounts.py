"""Service accounts: managing them, and tokens for what their keys sign."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from aps_async import AuthError, InputError, NotAllowedError, NotFoundError, Session, StaticToken, TwoLegged
from aps_async.auth import ServiceAccount
from aps_async.auth.provider import unverified_claims
from aps_async.auth.service_account import key_from_file
from aps_async.resources import service_accounts as accounts
from aps_async.resources.projects import list_hubs
from aps_async.resources.service_accounts import go_time
from aps_async.resources.users import get_user_info
from aps_async.simulator import Fault, Simulator
from tests.support import service, session_for, virtual_clock

pytestmark = pytest.mark.looptime
SCOPES = [f"application:service_account{kind}:{right}" for kind in ("", "_key") for right in ("read", "write")]


@pytest.fixture(scope="module")
def private_key() -> str:
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


def manager(simulator: Simulator) -> TwoLegged:
    return TwoLegged(simulator.client_id, simulator.client_secret, scopes=SCOPES)


async def new_account(session: Session) -> tuple[str, accounts.NewServiceAccountKey]:
    made = await accounts.create_service_account(session, "exports-bot", first_name="Exports", last_name="Bot")
    return made.id, await accounts.create_service_account_key(session, made.id)


def robot(simulator: Simulator, account_id: str, key: accounts.NewServiceAccountKey, **options: Any) -> ServiceAccount:
    return ServiceAccount(
        simulator.client_id,
        simulator.client_secret,
        account_id=account_id,
        key_id=key.id,
        private_key=key.private_key,
        **options,
    )


@pytest.mark.parametrize("now", [1_800_000_000.0, 1_800_000_000.999])
def test_an_assertion_lives_for_the_300_seconds_that_are_taken(private_key: str, now: float) -> None:
    account = ServiceAccount("app", "s", account_id="A", key_id="K", private_key=private_key)
    claims = unverified_claims(account.assertion(now))
    issued, ends = claims["iat"], claims["exp"]
    assert isinstance(issued, int)
    assert isinstance(ends, int)
    assert ends - issued == 300
    assert claims["nbf"] == issued
    assert issued <= now - 30 < now < ends <= now + 300


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
@pytest.mark.parametrize(
    ("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)]
)
@pytest.mark.parametrize("way", ["account", "secret"])
def test_a_key_file_that_others_can_read_is_warned_of(
    tmp_path: Path, private_key: str, caplog: pytest.LogCaptureFixture, mode: int, warns: bool, way: str
) -> None:
    file = tmp_path / "the key.pem"
    file.write_text(private_key)
    file.chmod(mode)
    if way == "account":
        ids = ("APS_CLIENT_ID", "APS_CLIENT_SECRET", "APS_SERVICE_ACCOUNT_ID", "APS_SERVICE_ACCOUNT_KEY_ID")
        ServiceAccount.from_env(dict.fromkeys(ids, "x") | {"APS_SERVICE_ACCOUNT_KEY_FILE": str(file)})
    else:
        assert key_from_file(file, "the app's secret") == private_key
    assert (f"chmod 600 '{file}'" in caplog.text) == warns
    assert (f"mode {mode:o}" in caplog.text) == warns
    assert "PRIVATE" not in caplog.text


async def test_the_life_of_an_account() -> None:
    async with service() as simulator, session_for(simulator, tokens=manager(simulator)) as session:
        made = await accounts.create_service_account(session, "exports-bot", first_name="Exports", last_name="Bot")
        assert made.email == f"exports-bot@{simulator.client_id}.adskserviceaccount.autodesk.com"
        (listed,) = [each async for each in accounts.list_service_accounts(session)]
        assert listed == await accounts.get_service_account(session, made.id)
        assert listed.status == "ENABLED"
        assert listed.created_at is not None
        assert listed.created_at == datetime.fromtimestamp(virtual_clock(), UTC).replace(
            microsecond=listed.created_at.microsecond
        )
        key = await accounts.create_service_account_key(session, made.id)
        assert "PRIVATE KEY" in key.private_key
        assert "PRIVATE" not in repr(key)
        await accounts.set_service_account_key_enabled(session, made.id, key.id, enabled=False)
        (shown,) = [each async for each in accounts.list_service_account_keys(session, made.id)]
        assert (shown.id, shown.status, shown.accessed_at) == (key.id, "DISABLED", None)
        await accounts.delete_service_account_key(session, made.id, key.id)
        await accounts.set_service_account_enabled(session, made.id, enabled=False)
        assert (await accounts.get_service_account(session, made.id)).status == "DISABLED"
        await accounts.delete_service_account(session, made.id)
        with pytest.raises(NotFoundError):
            await accounts.get_service_account(session, made.id)


async def test_its_tokens_count_as_a_users_and_are_asked_for_again_before_they_expire() -> None:
    async with service() as simulator:
        async with session_for(simulator, tokens=manager(simulator)) as session:
            account_id, key = await new_account(session)
        tokens = robot(simulator, account_id, key, scopes=["data:read", "user-profile:read"])
        async with session_for(simulator, tokens=tokens) as session:
            before = simulator.counts()["token_requests"]
            await asyncio.gather(*(list_hubs(session) for _ in range(20)))
            assert simulator.counts()["token_requests"] == before + 1
            assert (await get_user_info(session)).sub == account_id
            await asyncio.sleep(3598)
            await list_hubs(session)
            assert simulator.counts()["token_requests"] == before + 2
            assert not [seen for seen in simulator.log if seen.status == 401]
            with pytest.raises(InputError, match="two-legged"):
                await list_hubs(session, user_id="BW9RM76WZBGL")
            with pytest.raises(AuthError, match="only the app itself"):
                await accounts.get_service_account(session, account_id)


async def test_disabled_accounts_get_a_clear_refusal() -> None:
    async with service() as simulator, session_for(simulator, tokens=manager(simulator)) as session:
        account_id, key = await new_account(session)
        await accounts.set_service_account_enabled(session, account_id, enabled=False)
        async with session_for(simulator, tokens=robot(simulator, account_id, key)) as other:
            with pytest.raises(AuthError, match=r"not enabled.*check that account and key are enabled"):
                await list_hubs(other)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "retry_after": 290},
        {"status": 503, "retry_after": 280},
        {"status": 503, "retry_after": 150, "times": 2},
        {"kind": "hang", "times": 6},
    ],
    ids=str,
)
async def test_an_outage_longer_than_the_life_of_an_assertion(fault: dict[str, Any]) -> None:
    async with service() as simulator:
        async with session_for(simulator, tokens=manager(simulator)) as session:
            account_id, key = await new_account(session)
        simulator.add_fault(Fault(endpoint="token", **{"times": 1, **fault}))
        before = simulator.counts()["token_requests"]
        async with session_for(simulator, tokens=robot(simulator, account_id, key)) as session:
            await list_hubs(session)
        assert simulator.counts()["token_requests"] - before == fault.get("times", 1) + 2


async def test_an_old_assertion_that_is_refused_for_another_reason_is_replaced_once() -> None:
    async with service() as simulator:
        async with session_for(simulator, tokens=manager(simulator)) as session:
            account_id, key = await new_account(session)
            await accounts.set_service_account_enabled(session, account_id, enabled=False)
        simulator.add_fault(Fault(endpoint="token", status=503, retry_after=280, times=1))
        before = simulator.counts()["token_requests"]
        async with session_for(simulator, tokens=robot(simulator, account_id, key)) as session:
            with pytest.raises(AuthError, match="not enabled"):
                await session.check_token()
        assert simulator.counts()["token_requests"] - before == 3


async def test_managing_takes_no_user_and_no_third_account_key_too_many() -> None:
    async with service() as simulator, session_for(simulator, tokens=manager(simulator)) as session:
        account_id, _ = await new_account(session)
        for _ in range(2):
            await accounts.create_service_account_key(session, account_id)
        with pytest.raises(NotAllowedError, match="at most 3"):
            await accounts.create_service_account_key(session, account_id)
        with pytest.raises(InputError, match="5 to 100"):
            await accounts.create_service_account(session, "bot", first_name="A", last_name="B")


async def test_from_the_environment(tmp_path: Path) -> None:
    async with service() as simulator, session_for(simulator, tokens=manager(simulator)) as session:
        account_id, key = await new_account(session)
        file = tmp_path / "key.pem"
        file.write_text(key.private_key)
        values = {
            "APS_CLIENT_ID": simulator.client_id,
            "APS_CLIENT_SECRET": simulator.client_secret,
            "APS_SERVICE_ACCOUNT_ID": account_id,
            "APS_SERVICE_ACCOUNT_KEY_ID": key.id,
        }
        places = (
            {"APS_SERVICE_ACCOUNT_KEY": key.private_key.replace("\n", "\\n")},
            {"APS_SERVICE_ACCOUNT_KEY_FILE": str(file)},
        )
        for place in places:
            tokens = ServiceAccount.from_env(values | place)
            assert "PRIVATE" not in repr(tokens)
            assert "PRIVATE" not in str(vars(tokens))
            async with session_for(simulator, tokens=tokens) as other:
                assert (await list_hubs(other)).hubs
        with pytest.raises(AuthError, match="APS_SERVICE_ACCOUNT_KEY or APS_SERVICE_ACCOUNT_KEY_FILE"):
            ServiceAccount.from_env(values)
        with pytest.raises(InputError, match="cannot be read"):
            ServiceAccount.from_env(values | {"APS_SERVICE_ACCOUNT_KEY_FILE": str(tmp_path / "none.pem")})


@pytest.mark.parametrize("pem", ["", "canary", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"])
def test_a_key_that_is_none_is_not_quoted(pem: str) -> None:
    with pytest.raises(InputError, match="not a valid RSA private key") as caught:
        ServiceAccount("id", "secret", account_id="A", key_id="K", private_key=pem)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-25 03:08:04.156576834 +0000 UTC", datetime(2024, 1, 25, 3, 8, 4, 156576, UTC)),
        ("2024-01-25 03:08:04 +0000 UTC", datetime(2024, 1, 25, 3, 8, 4, 0, UTC)),
        ("2024-01-25 03:08:04.1 +0200 CEST m=+0.1", datetime(2024, 1, 25, 1, 8, 4, 100000, UTC)),
        ("2024-01-25T03:08:04.156Z", datetime(2024, 1, 25, 3, 8, 4, 156000, UTC)),
        ("0001-01-01 00:00:00 +0000 UTC", None),
        ("2024-13-45 03:08:04 +0000 UTC", None),
        ("", None),
        (None, None),
    ],
)
def test_times_as_go_prints_them(text: str | None, expected: datetime | None) -> None:
    assert go_time(text) == expected


@pytest.mark.parametrize(("token", "kind"), [("opaque", None), ("e30.eyJjbGllbnRfaWQiOiJhIn0.x", True)])
def test_static_tokens_say_what_they_know(token: str, kind: bool | None) -> None:
    assert StaticToken(token).two_legged is kind
