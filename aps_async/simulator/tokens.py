"""The token endpoint, and the one table of the bearers it has given out."""

import base64
import binascii
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import attrs

from .oauthkeys import KEY_ID, sign
from .routing import Call, Endpoint, Refusal, Reply, gateway_error, json_reply
from .world import App, User

if TYPE_CHECKING:
    from .app import Simulator

ISSUER = "https://developer.api.autodesk.com"
AUDIENCE = "https://autodesk.com"
SCOPES = frozenset(
    [
        "user-profile:read",
        "user:read",
        "user:write",
        "viewables:read",
        "data:read",
        "data:write",
        "data:create",
        "data:search",
        "bucket:create",
        "bucket:read",
        "bucket:update",
        "bucket:delete",
        "code:all",
        "account:read",
        "account:write",
        "openid",
        "application:service_account:read",
        "application:service_account:write",
        "application:service_account_key:read",
        "application:service_account_key:write",
    ]
)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@attrs.frozen
class Token:
    """An access token that was given out."""

    app: App
    scopes: frozenset[str]
    expires: float
    """Loop time from which it is refused."""
    user: User | None = None
    """Who signed in; None for a two-legged token."""
    login: str = ""
    """The login that it belongs to, and dies with."""
    until: float = 0.0
    """Wall time of the expiry, as its `exp` says."""


class Tokens:
    """Every bearer that is still good."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tokens|{seed}")  # noqa: S311 - reproducible, and good for nothing but loopback
        self._tokens: dict[str, Token] = {}
        self.issued = 0

    def issue(self, token: Token, now: float) -> str:
        """A new bearer; dead ones are forgotten from time to time."""
        self.issued += 1
        if self.issued % 256 == 0:
            self._tokens = {text: token for text, token in self._tokens.items() if token.expires > now}
        claims: dict[str, Any] = {
            "scope": sorted(token.scopes),
            "client_id": token.app.client_id,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "jti": self.secret(),
            "exp": int(token.until),
        }
        if token.user is not None:
            claims["userid"] = token.user.id
        text = sign({"alg": "RS256", "kid": KEY_ID, "pi.atm": "assc"}, claims)
        self._tokens[text] = token
        return text

    def secret(self) -> str:
        """A text that nobody guesses: for codes, refresh tokens and ids."""
        return f"{self._random.getrandbits(192):048x}"

    def find(self, text: str, now: float) -> Token | None:
        """The token behind a bearer, unless it has expired or was revoked."""
        token = self._tokens.get(text)
        return token if token is not None and token.expires > now else None

    def app_of(self, text: str) -> App | None:
        """Whose bearer this is or was."""
        token = self._tokens.get(text)
        return None if token is None else token.app

    def revoke(self, text: str) -> None:
        """Revoke one token."""
        if text in self._tokens:
            self._tokens[text] = attrs.evolve(self._tokens[text], expires=-1.0)

    def revoke_app(self, app: App) -> int:
        """Revoke every token of an app; how many there were."""
        return self._revoke_where(lambda token: token.app is app)

    def revoke_login(self, login: str) -> int:
        """Revoke every token of one login; how many there were."""
        return self._revoke_where(lambda token: token.login == login)

    def revoke_all(self) -> int:
        """Revoke every token; how many there were."""
        number = len(self._tokens)
        self._tokens.clear()
        return number

    def _revoke_where(self, fits: Callable[[Token], bool]) -> int:
        mine = [text for text, token in self._tokens.items() if fits(token) and token.expires >= 0]
        for text in mine:
            self.revoke(text)
        return len(mine)


def issue_token(
    simulator: "Simulator", app: App, scopes: frozenset[str], *, user: User | None = None, login: str = ""
) -> tuple[str, float]:
    """A new bearer and its life in seconds."""
    life = simulator.behaviour.token_life / simulator.speed
    now = simulator.now()
    token = Token(app, scopes, now + life, user, login, simulator.clock() + life)
    return simulator.tokens.issue(token, now), life


def oauth_error(status: int, error: str, description: str) -> Refusal:
    """A refusal as RFC 6749 words it."""
    return Refusal(json_reply(status, {"error": error, "error_description": description}, NO_STORE))


def _basic(header: str) -> tuple[str, str]:
    try:
        client, _, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise oauth_error(400, "invalid_request", "The Authorization header is malformed.") from None
    return unquote(client), unquote(secret)


async def read_form(call: Call) -> dict[str, str]:
    """The form of a token request."""
    kind = call.request.headers.get("Content-Type", "")
    if not kind.lower().startswith("application/x-www-form-urlencoded"):
        raise Refusal(gateway_error(400, "AUTH-007", "The Content-Type header must be x-www-form-urlencoded."))
    return dict(parse_qsl((await call.request.read()).decode("utf-8", "replace"), keep_blank_values=True))


def client_of(call: Call, form: dict[str, str]) -> App:
    """The app that a token request comes from: credentials by Basic or in the form, not both; public apps have none."""
    apps = call.simulator.world.apps
    header = call.request.headers.get("Authorization", "")
    if header[:6].lower() == "basic ":
        if "client_secret" in form or "client_id" in form:
            raise oauth_error(400, "invalid_request", "The client credentials must be given once: Basic or form.")
        client, secret = _basic(header)
    elif "client_id" in form and ("client_secret" in form or _is_public(apps.get(form["client_id"]))):
        client, secret = form["client_id"], form.get("client_secret", "")
    else:
        raise Refusal(gateway_error(400, "AUTH-008", "The required parameter(s) client_id/client_secret is missing."))
    app = apps.get(client)
    if app is None:
        raise Refusal(gateway_error(401, "AUTH-001", "The client_id specified does not have access to the api product"))
    if app.client_secret != secret:
        raise Refusal(gateway_error(401, "AUTH-003", "The client_id (or) client_secret specified is invalid."))
    return app


def _is_public(app: App | None) -> bool:
    return app is not None and app.public


def scopes_of(text: str) -> frozenset[str]:
    """The scopes that are asked for.

    Raises:
        Refusal: none, unknown ones, or too many.
    """
    names = text.split()
    if not names:
        raise oauth_error(400, "invalid_scope", "The required parameter scope is missing.")
    if len(names) > 50 or len(text) > 3000:
        raise oauth_error(400, "invalid_scope", "Too many scopes.")
    unknown = [name for name in names if name not in SCOPES and not name.startswith("data:read:")]
    if unknown:
        raise oauth_error(400, "invalid_scope", f"Unknown scope {unknown[0]!r}.")
    return frozenset(names)


Grant = Callable[[Call, App, dict[str, str]], Awaitable[dict[str, Any]]]
GRANTS: dict[str, Grant] = {}
"""The handlers of the token endpoint by `grant_type`; each gives the answer's document."""


def grant_type(name: str) -> Callable[[Grant], Grant]:
    """Enters a handler into `GRANTS`."""

    def enter(handler: Grant) -> Grant:
        GRANTS[name] = handler
        return handler

    return enter


@grant_type("client_credentials")
async def _client_credentials(call: Call, app: App, form: dict[str, str]) -> dict[str, Any]:
    if app.public:
        raise oauth_error(400, "unauthorized_client", "A public client has no credentials of its own.")
    text, life = issue_token(call.simulator, app, scopes_of(form.get("scope", "")))
    return token_document(text, life)


def token_document(text: str, life: float, **more: str) -> dict[str, Any]:
    """A token answer."""
    return {"access_token": text, "token_type": "Bearer", "expires_in": max(1, int(life)), **more}


async def token(call: Call) -> Reply:
    """POST /authentication/v2/token."""
    form = await read_form(call)
    app = call.app = client_of(call, form)
    refused = call.simulator.over_quota(call)
    if refused is not None:
        return refused
    name = form.get("grant_type", "")
    handler = GRANTS.get(name)
    if handler is None:
        error = "unsupported_grant_type" if name else "invalid_request"
        raise oauth_error(400, error, f"The grant type {name!r} is not supported." if name else "grant_type missing")
    return json_reply(200, await handler(call, app, form), NO_STORE)


ENDPOINTS = (Endpoint("token", "POST", "/authentication/v2/token", None, 500, token),)
