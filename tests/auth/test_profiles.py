"""Profiles, the one order of precedence, and the commands that go with a login."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aps_async import AuthError, InputError, TwoLegged
from aps_async.auth import FileStore, KeyringStore, ServiceAccount, StaticToken, ThreeLegged
from aps_async.auth.credentials import SCOPES
from aps_async.cli import profiles
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.identity import identity, scopes_for, sources
from aps_async.cli.login import _kept_values as login_values
from aps_async.cli.profile_choice import profile_option
from aps_async.cli.profiles import Profile
from aps_async.simulator import Simulator
from aps_async.simulator.oauthkeys import new_key_pair
from aps_async.transport.request import PRODUCTION
from tests.auth.support import ADA, PUBLIC, Terminal, agree, world_with
from tests.support import free_port

APP = {"APS_CLIENT_ID": "env-app", "APS_CLIENT_SECRET": "env-secret"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _no_option() -> Iterator[None]:
    token = profile_option.set(None)
    yield
    profile_option.reset(token)


def keep(name: str = "default", **values: str) -> None:
    profiles.write(Profile(name, values))


def test_the_order_is_options_environment_profile(home: Path) -> None:
    with pytest.raises(AuthError, match="aps-async login"):
        identity({})
    keep(client_id="profile-app", base_url="http://127.0.0.1:1")
    keep("work", client_id="work-app")
    who = identity({})
    assert isinstance(who.tokens, ThreeLegged)
    assert (who.client_id, who.source, who.base_url) == ("profile-app", "profile default", "http://127.0.0.1:1")
    # The profile's address goes with the profile's credentials: the environment's are not sent there.
    who = identity(APP)
    assert isinstance(who.tokens, TwoLegged)
    assert (who.client_id, who.source, who.base_url) == ("env-app", "environment", PRODUCTION)
    assert identity({"APS_PROFILE": "work"}).client_id == "work-app"
    assert identity(APP | {"APS_PROFILE": "work"}).client_id == "env-app"
    assert identity({"APS_BASE_URL": "http://127.0.0.1:2"}).base_url == "http://127.0.0.1:2"
    profile_option.set("work")
    who = identity(APP | {"APS_ACCESS_TOKEN": "x", "APS_BASE_URL": "http://127.0.0.1:2"})
    assert isinstance(who.tokens, ThreeLegged)
    assert (who.client_id, who.source, who.base_url) == ("work-app", "profile work", PRODUCTION)
    assert who.tokens.app.client_secret is None  # that of another app


def test_a_user_id_is_the_option_s_then_the_variable_s_then_the_profile_s(home: Path) -> None:
    secret = home / "secret"
    secret.write_text("s3cret\n")
    keep(kind="app", client_id="app", client_secret_file=str(secret), user_id="PROFILE")
    assert (identity({}).user_id, identity({}).user_id_source) == ("PROFILE", "profile default")
    assert isinstance(identity({}).tokens, TwoLegged)
    variables = {"APS_USER_ID": "VARIABLE"}
    assert identity(variables, "VARIABLE").user_id_source == "environment"
    assert (identity(variables, "OPTION").user_id, identity(variables, "OPTION").user_id_source) == (
        "OPTION",
        "--user-id",
    )


def test_service_accounts_from_environment_and_profile(home: Path) -> None:
    key = home / "key.pem"
    key.write_text(new_key_pair()[0])
    account = {"APS_SERVICE_ACCOUNT_ID": "A", "APS_SERVICE_ACCOUNT_KEY_ID": "K"}
    tokens = identity(APP | account | {"APS_SERVICE_ACCOUNT_KEY_FILE": str(key)}).tokens
    assert isinstance(tokens, ServiceAccount)
    assert tokens.scopes == ("data:read", "data:write", "user-profile:read")
    with pytest.raises(AuthError, match="incomplete"):
        identity(APP | account)
    keep(
        "robot",
        kind="service-account",
        client_id="env-app",
        service_account_id="A",
        service_account_key_id="K",
        service_account_key_file=str(key),
        scopes="data:read",
    )
    profile_option.set("robot")
    robot = identity(APP).tokens
    assert isinstance(robot, ServiceAccount)
    assert robot.scopes == ("data:read",)
    with pytest.raises(AuthError, match="no secret for client id env-app"):
        identity({})


def test_a_given_token_comes_first_in_the_environment(home: Path) -> None:
    assert isinstance(identity(APP | {"APS_ACCESS_TOKEN": "x"}).tokens, StaticToken)
    with pytest.raises(AuthError, match="APS_ACCESS_TOKEN"):
        identity({"APS_ACCESS_TOKEN": "two words"})


WORDS = "data:read openid"
PROFILE = {"client_id": "profile-app", "scopes": WORDS, "user_id": "U1", "callback": "http://127.0.0.1:1/x"}
ANOTHER = {"APS_CLIENT_ID": "env-app", "APS_CLIENT_SECRET": "s"}
SAME = ANOTHER | {"APS_CLIENT_ID": "profile-app"}


@pytest.mark.parametrize("kind", ["user", "app", "service-account"])
def test_a_profile_s_scopes_never_go_with_another_app_s_credentials(home: Path, kind: str) -> None:
    keep(kind=kind, **PROFILE)
    for environ in (ANOTHER, SAME):  # nor with the same app's, where the environment brings them
        who = identity(environ)
        assert isinstance(who.tokens, TwoLegged)
        assert (who.tokens.scopes, who.user_id) == (SCOPES, "")
    who = identity(ANOTHER | {"APS_SCOPES": "data:read"})
    assert isinstance(who.tokens, TwoLegged)
    assert who.tokens.scopes == ("data:read",)


def test_a_profile_s_own_credentials_take_its_scopes(home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s\n")
    (tmp_path / "secret").chmod(0o600)
    keep(kind="app", client_secret_file=str(tmp_path / "secret"), **PROFILE)
    who = identity({})
    assert isinstance(who.tokens, TwoLegged)
    assert (who.tokens.scopes, who.user_id) == (tuple(WORDS.split()), "U1")


@pytest.mark.parametrize(("client_id", "is_same"), [("profile-app", True), ("other-app", False)])
def test_a_login_takes_over_only_what_belongs_to_its_app(home: Path, client_id: str, is_same: bool) -> None:
    (home / "secret").write_text("canary")
    (home / "secret").chmod(0o600)
    keep(kind="app", client_secret_file=str(home / "secret"), base_url="http://127.0.0.1:1", **PROFILE)
    asked = sources({})
    assert scopes_for("user", asked, client_id) == (tuple(WORDS.split()) if is_same else (*SCOPES, "user-profile:read"))
    assert bool(asked.find("callback", client_id=client_id)[0]) == is_same
    assert asked.secret(client_id) == ("canary" if is_same else "")
    kept = set(login_values(asked, client_id))
    assert kept == (
        {*PROFILE, "kind", "client_secret_file", "base_url"} if is_same else {"kind", "client_id", "base_url"}
    )


def test_profiles_are_small_files_for_their_owner(home: Path) -> None:
    odd = 'quote " backslash \\ newline \n umlaut ü'
    keep("odd", client_id=odd, store="keyring")
    found = profiles.read("odd")
    assert found is not None
    assert found.values["client_id"] == odd
    assert isinstance(found.store, KeyringStore)
    assert isinstance(Profile("plain").store, FileStore)
    assert f"{(home / 'odd.toml').stat().st_mode & 0o777:o}" == "600"
    assert profiles.names() == ["odd"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "with space", "x" * 65])
def test_names_that_lead_elsewhere_are_refused(home: Path, name: str) -> None:
    with pytest.raises(UsageProblem, match="is not a valid profile name"):
        Profile(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "cannot be read"),
        ('client_secret = "x"', "'client_secret' is not a valid key"),
        ("client_id = 7", "client_id must be text"),
        ('kind = "robot"', "kind must be one of"),
    ],
)
def test_an_invalid_profile_is_reported_when_it_is_asked_for(home: Path, text: str, words: str) -> None:
    (home / "default.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        identity({"APS_PROFILE": "default"})
    assert identity(APP).client_id == "env-app"  # nobody has asked for it


def test_a_profile_that_is_not_there(home: Path) -> None:
    keep("work", client_id="x")
    with pytest.raises(AuthError, match=r"no profile 'play' \(APS_PROFILE\); there are: work"):
        identity({"APS_PROFILE": "play"})


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    callback = f"http://127.0.0.1:{free_port()}/callback"
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    async with Simulator(world_with(callback)) as simulator:
        yield Terminal(simulator, tmp_path, {"APS_CALLBACK_URL": callback})


async def sign_in(terminal: Terminal, *options: str, email: str = ADA) -> tuple[int, str, str]:
    async with terminal.start(*options, "login", "--no-browser") as command:
        return await command.ended(await agree(await command.address(), email=email) + "\n")


async def test_two_profiles_side_by_side(terminal: Terminal) -> None:
    assert (await sign_in(terminal, "--profile", "ada"))[1].endswith("Profile: ada (--profile).\n")
    await sign_in(terminal, "--profile", "tower", email="tower@northlight.example")
    plain = {"APS_CLIENT_ID": "", "APS_BASE_URL": ""}
    _, out, _ = await terminal.run("--profile", "tower", "projects", **plain)
    assert ("Harbour Tower" in out, "Riverside Clinic" in out) == (True, False)
    code, out, _ = await terminal.run("whoami", "--json", APS_PROFILE="ada", **plain)
    facts = json.loads(out)
    assert (code, facts["user"], facts["userId"]) == (0, f"Ada Brandt <{ADA}>", "BW9RM76WZBGL")
    assert facts["scopes"] == ["data:read", "data:write", "user-profile:read"]
    assert facts["from"] == "profile ada"
    assert facts["tokenUntil"].endswith(" UTC")
    assert facts["loginUntil"] > facts["tokenUntil"]
    app = {"APS_CLIENT_ID": terminal.simulator.client_id, "APS_CLIENT_SECRET": terminal.simulator.client_secret}
    _, out, err = await terminal.run("whoami", **app)
    assert "the app itself (two-legged)" in out
    assert "Configured by   environment" in out
    assert "options, then environment variables, then the profile" in err
    async with terminal.start("login", "--no-browser", "--client-id", PUBLIC, **app) as command:
        _, _, err = await command.ended(await agree(await command.address()) + "\n")
    assert "To use it, name its profile: aps-async --profile default" in err
    code, _, err = await terminal.run("logout", **app)
    assert (code, "choose a profile with a login" in err) == (2, True)


async def test_logging_out_when_the_service_is_away(terminal: Terminal) -> None:
    await sign_in(terminal)
    await terminal.simulator.close()
    plain = {"APS_CLIENT_ID": "", "APS_SPEED": "1000"}
    code, _, err = await terminal.run("logout", **plain)
    assert (code, "aps-async logout --forget" in err) == (6, True)
    code, out, _ = await terminal.run("logout", "--forget", **plain)
    assert (code, "It was not revoked" in out) == (0, True)


@pytest.mark.parametrize(
    ("typed", "words"),
    [("\n", "no address was given"), ("http://evil.example/?code=x&state=y\n", "does not belong to the sign-in")],
)
async def test_what_is_pasted_must_be_the_answer(terminal: Terminal, typed: str, words: str) -> None:
    code, out, err = await terminal.run("login", "--no-browser", text=typed)
    assert (code, out, words in err) == (3, "", True)
    assert not terminal.logins.exists()


async def test_an_app_must_be_named(terminal: Terminal) -> None:
    code, _, err = await terminal.run("login", APS_CLIENT_ID="")
    assert (code, "--client-id" in err) == (3, True)
    async with terminal.start("login", "--no-browser", "--client-id", PUBLIC, APS_CLIENT_ID="") as command:
        assert f"client_id={PUBLIC}" in await command.address()
