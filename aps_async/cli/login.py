"""The commands `login`, `logout` and `whoami`."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from aps_async.auth import Login, ThreeLegged, authorize, authorize_elsewhere, open_browser
from aps_async.auth.background import in_daemon_thread
from aps_async.auth.credentials import claimed_text
from aps_async.auth.loopback import CALLBACK
from aps_async.auth.provider import unverified_claims
from aps_async.cli import profiles
from aps_async.cli.environment import session_with
from aps_async.cli.exit_codes import UsageProblem, reason
from aps_async.cli.identity import (
    OF_AN_APP,
    Found,
    Identity,
    Sources,
    identity,
    scopes_for,
    service_address,
    sources,
    three_legged,
)
from aps_async.cli.options import ORDER
from aps_async.cli.output import print_json, print_result, print_status
from aps_async.cli.profiles import Profile
from aps_async.errors import APSError, AuthError, NotAllowedError
from aps_async.narrowing import as_list
from aps_async.resources.users import UserInfo, get_user_info
from aps_async.session import Session
from aps_async.text import finite_number
from aps_async.transport.request import PRODUCTION

_REFRESH_DAYS = 15


@frozen(kw_only=True)
class LoginChoices:
    """Options of `login`."""

    client_id: str | None = None
    callback: str | None = None
    scopes: Sequence[str] = ()
    browser: bool = True
    keyring: bool = False
    another_user: bool = False
    timeout: float = 300.0


async def login(choices: LoginChoices) -> int:
    """`aps-async login`."""
    asked = sources(os.environ, may_be_new=True)
    client_id = choices.client_id or asked.find("client_id").value
    if not client_id:
        raise AuthError(
            "which app? Give its client id with --client-id, or set APS_CLIENT_ID (aps.autodesk.com/myapps)"
        )
    callback = _callback(choices.callback, asked, client_id)
    scopes = tuple(" ".join(choices.scopes).split()) or scopes_for("user", asked, client_id)
    base = service_address(asked)
    store = "keyring" if choices.keyring else asked.profile.values.get("store", "")
    profile = Profile(
        asked.profile.name,
        {
            **_kept_values(asked, client_id),
            "kind": "user",
            "client_id": client_id,
            "base_url": "" if base.value == PRODUCTION else base.value,
            "callback": "" if callback == CALLBACK else callback,
            "scopes": " ".join(scopes),
            "store": store,
        },
    )
    tokens = ThreeLegged(client_id, client_secret=asked.secret(client_id) or None, store=profile.store)
    async with session_with(tokens, base.value, place=base.place) as session:
        prompt = "login" if choices.another_user else None
        wanted: dict[str, Any] = {"scopes": scopes, "callback": callback, "prompt": prompt, "timeout": choices.timeout}
        if choices.browser:
            made = await authorize(session, tokens, **wanted, show=_show)
        else:
            made = await authorize_elsewhere(session, tokens, **wanted, ask=_ask)
        profiles.write(profile)
        print_result(f"Signed in as {await _name(made, session)}. Profile: {asked.profile_label}.")
    if identity(os.environ).kind != "user":
        print_status(
            "Credentials in the environment take precedence over this login. To use it, name its profile: "
            f"aps-async --profile {profile.name} ..."
        )
    return 0


def _callback(given: str | None, asked: Sources, client_id: str) -> str:
    """The callback address: that of the option, or else of the environment or the profile.

    Raises:
        UsageProblem: it is not an address.
    """
    found = Found(given, place="--callback") if given else asked.find("callback", client_id=client_id)
    callback = found.value or CALLBACK
    try:
        parts = urlsplit(callback)
        is_address = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageProblem(f"{found.place} {callback!r} is not an address such as {CALLBACK}")
    return callback


def _kept_values(asked: Sources, client_id: str) -> dict[str, str]:
    """The profile's values that a login keeps: none that belong to another app."""
    dropped = OF_AN_APP if asked.own.is_for_another_app(client_id) else ()
    return {key: value for key, value in asked.profile.values.items() if key not in dropped}


async def _show(url: str) -> None:
    print_status("Opening the sign-in page in your browser. If no browser opens, open this address on this machine:")
    print_status(url)
    await open_browser(url)


async def _ask(url: str) -> str:
    print_status("Open this address in any browser and sign in:")
    print_status(url)
    print_status("The browser is then sent to an address that may not load. Copy that address and paste it here:")
    line: str = await in_daemon_thread(sys.stdin.readline)  # Ctrl-C must work while this still reads
    if not line.strip():
        raise AuthError("no address was given; nothing was stored")
    return line


async def logout(*, forget: bool) -> int:
    """`aps-async logout`."""
    acting = identity(os.environ)
    tokens = three_legged(acting)
    if forget:
        async with tokens.store.lock():
            await tokens.store.delete()
        print_result(f"The login of profile {acting.profile.name} is deleted. It was not revoked at the service.")
        return 0
    async with session_with(tokens, acting.base_url, place=acting.places["base_url"]) as session:
        try:
            gone = await tokens.log_out(session)
        except APSError as problem:
            problem.add_note("The login is still stored. 'aps-async logout --forget' deletes it without revoking it.")
            raise
    print_result(
        f"Signed out of profile {acting.profile.name}." if gone else f"Profile {acting.profile.name} was not signed in."
    )
    return 0


async def whoami(*, user_id: str | None, as_json: bool) -> int:
    """`aps-async whoami`."""
    acting = identity(os.environ, user_id)
    async with session_with(acting.tokens, acting.base_url, place=acting.places["base_url"]) as session:
        token = await acting.tokens.token(session)
        claims = unverified_claims(token.value)
        user = None if session.two_legged else await _user_of(session)
    stored = await acting.tokens.store.load() if isinstance(acting.tokens, ThreeLegged) else None
    facts = _facts(acting, claims, user, stored)
    if as_json:
        print_json(facts)
        return 0
    for name, value in facts.items():
        if value not in (None, "", []):
            shown = " ".join(as_list(value)) or str(value)
            print_result(f"{_LABELS[name]:<16}{shown}")
    print_status(f"Precedence: {ORDER}.")
    return 0


_LABELS = {
    "user": "User",
    "userId": "User id",
    "kind": "Acts as",
    "from": "Configured by",
    "profile": "Profile",
    "clientId": "Client id",
    "scopes": "Scopes",
    "tokenUntil": "Token until",
    "loginUntil": "Login until",
    "service": "Service",
    "serviceFrom": "Service from",
    "xUserId": "x-user-id",
    "xUserIdFrom": "x-user-id from",
}
_KINDS = {
    "user": "a user who has signed in",
    "app": "the app itself (two-legged)",
    "token": "the owner of the given token",
    "service-account": "a service account",
}


def _facts(acting: Identity, claims: dict[str, object], user: UserInfo | None, stored: Login | None) -> dict[str, Any]:
    scopes, expires = claims.get("scope"), claims.get("exp")
    return {
        "user": _person(user),
        "userId": claimed_text(claims, "userid") or (user.sub if user else ""),
        "kind": _KINDS[acting.kind],
        "from": acting.source,
        "profile": acting.profile.name,
        "clientId": claimed_text(claims, "client_id") or acting.client_id,
        "scopes": [each for each in as_list(scopes) if isinstance(each, str)],
        "tokenUntil": _moment(stored.expires_at if expires is None and stored else finite_number(expires)),
        # Each renewal extends this.
        "loginUntil": _moment(stored.issued_at + _REFRESH_DAYS * 86400) if stored and stored.refresh_token else "",
        "service": acting.base_url,
        "serviceFrom": acting.base_url_source,
        "xUserId": acting.user_id,
        "xUserIdFrom": acting.user_id_source,
    }


def _moment(seconds: float | None) -> str:
    try:
        return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return ""  # a token may claim any number as its expiry


def _person(user: UserInfo | None) -> str:
    if user is None:
        return ""
    name = user.name or user.preferred_username
    return " ".join(part for part in (name, f"<{user.email}>" if user.email else "") if part)


async def _name(login: Login, session: Session) -> str:
    """The signed-in user's name. The login is already stored, so a failure here must not make it look failed."""
    try:
        user = await _user_of(session)
    except APSError as problem:
        print_status(f"The user's name could not be looked up: {reason(problem)}.")
        user = None
    return _person(user) or f"user {login.user_id or (user and user.sub) or 'unknown'}"


async def _user_of(session: Session) -> UserInfo | None:
    """The user; None if the scopes do not allow this call."""
    try:
        return await get_user_info(session)
    except NotAllowedError:
        return None
