"""Logins: codes, rotating refresh tokens, and what can be asked about a token.

https://aps.autodesk.com/en/docs/oauth/v2
"""

import base64
import hashlib
import re
from typing import Any

import attrs

from .bearers import ISSUER, Token, Tokens
from .gateway import over_quota, unauthorized
from .oauthkeys import KEY_ID, public_key, sign
from .parts import App, User
from .replies import Refusal, Reply, gateway_error, json_reply
from .routing import Call, Endpoint, Services
from .tokens import (
    NO_STORE,
    SCOPES,
    client_of,
    grant_type,
    issue_token,
    oauth_error,
    read_form,
    scopes_of,
    token_document,
)

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")


@attrs.define(eq=False)
class Login:
    """One consent and the family of tokens that came of it."""

    id: str
    app: App
    user: User
    scopes: frozenset[str]
    ended: bool = False


@attrs.frozen
class Code:
    """The login that an authorization code belongs to, and how it may be exchanged."""

    login: Login
    redirect_uri: str
    challenge: str
    nonce: str
    expires: float


@attrs.define
class Refresh:
    """A refresh token."""

    login: Login
    expires: float
    used_at: float | None = None


@attrs.define
class Logins:
    """Every code and refresh token, dead ones included: only so is a second use known for what it is."""

    codes: dict[str, Code] = attrs.field(factory=dict[str, Code])
    spent_codes: dict[str, Login] = attrs.field(factory=dict[str, Login])
    refreshes: dict[str, Refresh] = attrs.field(factory=dict[str, Refresh])
    rotations: int = 0
    reuses: int = 0
    """How often a spent refresh token came again, outside of any grace."""

    def end(self, simulator: Services, login: Login) -> None:
        """Ends a login with everything that came of it."""
        login.ended = True
        simulator.state(Tokens).revoke_login(login.id)


def new_code(call: Call, app: App, user: User, scopes: frozenset[str]) -> str:
    """An authorization code after the user's consent."""
    simulator = call.simulator
    code = simulator.state(Tokens).secret()
    login = Login(simulator.state(Tokens).secret(), app, user, scopes)
    expires = simulator.now() + simulator.behaviour.code_life / simulator.speed
    asked = call.query
    simulator.state(Logins).codes[code] = Code(
        login, asked["redirect_uri"], asked.get("code_challenge", ""), asked.get("nonce", ""), expires
    )
    return code


def new_refresh_token(simulator: Services, login: Login) -> str:
    """One more refresh token of a login."""
    text = simulator.state(Tokens).secret()
    life = simulator.behaviour.refresh_token_life / simulator.speed
    simulator.state(Logins).refreshes[text] = Refresh(login, simulator.now() + life)
    return text


def _tokens_of(simulator: Services, login: Login, scopes: frozenset[str], nonce: str = "") -> dict[str, Any]:
    text, life = issue_token(simulator, login.app, scopes, user=login.user, login=login.id)
    more = {"refresh_token": new_refresh_token(simulator, login)}
    if "openid" in scopes:
        now = int(simulator.clock())
        claims = {"iss": ISSUER, "aud": login.app.client_id, "sub": login.user.id, "iat": now, "exp": now + int(life)}
        more["id_token"] = sign({"alg": "RS256", "kid": KEY_ID}, claims | ({"nonce": nonce} if nonce else {}))
    return token_document(text, life, **more)


@grant_type("authorization_code")
async def _authorization_code(call: Call, app: App, form: dict[str, str]) -> dict[str, Any]:
    logins, simulator = call.simulator.state(Logins), call.simulator
    text = form.get("code", "")
    spent = logins.spent_codes.get(text)
    if spent is not None and simulator.behaviour.code_reuse == "revoke":
        logins.end(simulator, spent)  # RFC 6749, 4.1.2: a code that comes twice was stolen
    code = logins.codes.pop(text, None)
    if code is None or code.login.app is not app or code.expires <= simulator.now():
        raise oauth_error("invalid_grant", "The authorization code is invalid, expired or used.")
    logins.spent_codes[text] = code.login
    if form.get("redirect_uri", "") != code.redirect_uri:
        raise oauth_error("invalid_grant", "The redirect_uri is not the one of the authorize request.")
    verifier = form.get("code_verifier", "")
    if code.challenge:
        if not _VERIFIER.match(verifier) or challenge_of(verifier) != code.challenge:
            raise oauth_error("invalid_grant", "The code_verifier does not fit the code_challenge.")
    elif verifier:
        raise oauth_error("invalid_grant", "A code_verifier came without a code_challenge before it.")
    return _tokens_of(simulator, code.login, code.login.scopes, code.nonce)


@grant_type("refresh_token")
async def _refresh_token(call: Call, app: App, form: dict[str, str]) -> dict[str, Any]:
    simulator, now = call.simulator, call.simulator.now()
    found = simulator.state(Logins).refreshes.get(form.get("refresh_token", ""))
    if found is None or found.login.app is not app or found.login.ended or found.expires <= now:
        raise oauth_error("invalid_grant", "The refresh token is invalid or expired.")
    grace = simulator.behaviour.refresh_grace / simulator.speed
    if found.used_at is not None and now >= found.used_at + grace:
        simulator.state(Logins).reuses += 1
        if simulator.behaviour.refresh_reuse == "revoke":
            simulator.state(Logins).end(simulator, found.login)
        raise oauth_error("invalid_grant", "The refresh token has been used already.")
    scopes = scopes_of(form["scope"]) if form.get("scope") else found.login.scopes
    if not scopes <= found.login.scopes:
        raise oauth_error("invalid_scope", "The scope goes beyond what the user agreed to.")
    if found.used_at is None:
        found.used_at = now
    simulator.state(Logins).rotations += 1
    return _tokens_of(simulator, found.login, scopes)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def revoke(call: Call) -> Reply:
    """POST /authentication/v2/revoke."""
    form = await read_form(call)
    app = call.app = client_of(call, form)
    refused = over_quota(call)
    if refused is not None:
        return refused
    hint, text = form.get("token_type_hint", ""), form.get("token", "")
    if not text or hint not in ("access_token", "refresh_token"):
        raise oauth_error("invalid_request", "The parameters token and token_type_hint are required.")
    simulator = call.simulator
    found = simulator.state(Logins).refreshes.get(text)
    if found is not None and found.login.app is app:
        if simulator.behaviour.revoke_ends_access:
            simulator.state(Logins).end(simulator, found.login)
        found.login.ended = True
    elif simulator.state(Tokens).app_of(text) is app:
        simulator.state(Tokens).revoke(text)
    return Reply(200, {"Server": "nginx", **NO_STORE})  # what is not known is as dead as it was asked to be


async def introspect(call: Call) -> Reply:
    """POST /authentication/v2/introspect."""
    form = await read_form(call)
    app = call.app = client_of(call, form)
    refused = over_quota(call)
    if refused is not None:
        return refused
    simulator = call.simulator
    token = simulator.state(Tokens).find(form.get("token", ""), simulator.now())
    if token is None or token.app is not app:
        return json_reply(200, {"active": False}, NO_STORE)
    document: dict[str, Any] = {
        "active": True,
        "scope": " ".join(sorted(token.scopes)),
        "client_id": app.client_id,
        "exp": int(token.until),
    }
    if token.user is not None:
        document["userid"] = token.user.id
    return json_reply(200, document, NO_STORE)


async def keys(call: Call) -> Reply:  # noqa: ARG001 - every handler takes the call
    """GET /authentication/v2/keys."""
    return json_reply(200, {"keys": [public_key()]})


async def discovery(call: Call) -> Reply:
    """GET /.well-known/openid-configuration."""
    base = f"{call.simulator.url}/authentication/v2"
    return json_reply(
        200,
        {
            "issuer": ISSUER,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "userinfo_endpoint": f"{call.simulator.url}/userinfo",
            "jwks_uri": f"{base}/keys",
            "revoke_endpoint": f"{base}/revoke",  # in the published description
            "revocation_endpoint": f"{base}/revoke",  # in its sample, and in RFC 8414
            "introspection_endpoint": f"{base}/introspect",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    )


async def userinfo(call: Call) -> Reply:
    """GET /userinfo, which the real service has on a host of its own."""
    header = call.request.headers.get("Authorization", "")
    text = header[7:].strip() if header[:7].lower() == "bearer " else ""
    token: Token | None = call.simulator.state(Tokens).find(text, call.simulator.now())
    call.app = call.simulator.state(Tokens).app_of(text)
    if token is None:
        return unauthorized(call)
    refused = over_quota(call)
    if refused is not None:
        return refused
    user = token.user
    if user is None:
        raise Refusal(gateway_error(403, "AUTH-010", "A three-legged token is required."))
    given, _, family = user.name.rpartition(" ")
    document = {
        "sub": user.id,
        "name": user.name,
        "given_name": given or family,
        "family_name": family if given else "",
        "preferred_username": (user.email or user.id).partition("@")[0],
        "email": user.email,
        "email_verified": True,
        "locale": "en-US",
        "updated_at": int(call.simulator.clock()),
    }
    return json_reply(200, document, NO_STORE)


ENDPOINTS = (
    Endpoint("revoke", "POST", "/authentication/v2/revoke", None, 100, revoke),
    Endpoint("introspect", "POST", "/authentication/v2/introspect", None, 500, introspect),
    Endpoint("keys", "GET", "/authentication/v2/keys", None, None, keys),
    Endpoint("openid_configuration", "GET", "/.well-known/openid-configuration", None, None, discovery),
    Endpoint("userinfo", "GET", "/userinfo", None, 500, userinfo),
)
