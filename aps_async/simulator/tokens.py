"""The token endpoint, and the one table of the bearers it has given out."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from .bearers import Token, Tokens
from .gateway import over_quota
from .parts import App, User
from .replies import Refusal, Reply, gateway_error, json_reply
from .requests import read_body
from .routing import Call, Endpoint, Services

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
USER_SCOPES = "data:read data:write data:create"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def issue_token(
    simulator: Services, app: App, scopes: frozenset[str], *, user: User | None = None, login: str = ""
) -> tuple[str, float]:
    """A new bearer and its life in seconds."""
    life = simulator.behaviour.token_life / simulator.speed
    now = simulator.now()
    token = Token(app, scopes, now + life, user, login, simulator.clock() + life)
    return simulator.state(Tokens).issue(token, now), life


def oauth_error(error: str, description: str) -> Refusal:
    """A refusal as RFC 6749 words it."""
    return Refusal(json_reply(400, {"error": error, "error_description": description}, NO_STORE))


def _basic(header: str) -> tuple[str, str]:
    try:
        client, _, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise oauth_error("invalid_request", "The Authorization header is malformed.") from None
    return unquote(client), unquote(secret)


async def read_form(call: Call) -> dict[str, str]:
    """The form of a token request."""
    kind = call.request.headers.get("Content-Type", "")
    if not kind.lower().startswith("application/x-www-form-urlencoded"):
        raise Refusal(gateway_error(400, "AUTH-007", "The Content-Type header must be x-www-form-urlencoded."))
    return dict(parse_qsl((await read_body(call)).decode("utf-8", "replace"), keep_blank_values=True))


def client_of(call: Call, form: dict[str, str]) -> App:
    """The app that a token request comes from: credentials by Basic or in the form, not both; public apps have none."""
    apps = call.simulator.world.apps
    header = call.request.headers.get("Authorization", "")
    if header[:6].lower() == "basic ":
        if "client_secret" in form or "client_id" in form:
            raise oauth_error("invalid_request", "The client credentials must be given once: Basic or form.")
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
        raise oauth_error("invalid_scope", "The required parameter scope is missing.")
    if len(names) > 50 or len(text) > 3000:
        raise oauth_error("invalid_scope", "Too many scopes.")
    unknown = [name for name in names if name not in SCOPES and not name.startswith("data:read:")]
    if unknown:
        raise oauth_error("invalid_scope", f"Unknown scope {unknown[0]!r}.")
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
        raise oauth_error("unauthorized_client", "A public client has no credentials of its own.")
    text, life = issue_token(call.simulator, app, scopes_of(form.get("scope", "")))
    return token_document(text, life)


def token_document(text: str, life: float, **more: str) -> dict[str, Any]:
    """A token answer."""
    return {"access_token": text, "token_type": "Bearer", "expires_in": max(1, int(life)), **more}


async def token(call: Call) -> Reply:
    """POST /authentication/v2/token."""
    form = await read_form(call)
    app = call.app = client_of(call, form)
    refused = over_quota(call)
    if refused is not None:
        return refused
    name = form.get("grant_type", "")
    handler = GRANTS.get(name)
    if handler is None:
        error = "unsupported_grant_type" if name else "invalid_request"
        raise oauth_error(error, f"The grant type {name!r} is not supported." if name else "grant_type missing")
    return json_reply(200, await handler(call, app, form), NO_STORE)


ENDPOINTS = (Endpoint("token", "POST", "/authentication/v2/token", None, 500, token),)
