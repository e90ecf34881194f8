"""The token endpoint and the bearers it has given out."""

import base64
import binascii
import json
import random
from urllib.parse import parse_qsl, unquote

import attrs

from .routing import Call, Endpoint, Refusal, Reply, gateway_error, json_reply
from .world import App

_SCOPES = frozenset(
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
    ]
)
_HEADER = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"64DOW2rhOMDeNTiMDL0eq0mN1cM_RS256","pi.atm":"assc"}')


@attrs.frozen
class Token:
    """An access token that was given out."""

    app: App
    scopes: frozenset[str]
    expires: float
    """Loop time from which it is refused."""


class Tokens:
    """Every bearer that is still good."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tokens|{seed}")  # noqa: S311 - reproducible, and good for nothing but loopback
        self._tokens: dict[str, Token] = {}
        self.issued = 0

    def issue(self, app: App, scopes: frozenset[str], expires: float, now: float) -> str:
        """A new bearer; dead ones are forgotten from time to time."""
        self.issued += 1
        if self.issued % 256 == 0:
            self._tokens = {text: token for text, token in self._tokens.items() if token.expires > now}
        claims = {
            "scope": sorted(scopes),
            "client_id": app.client_id,
            "iss": "https://developer.api.autodesk.com",
            "aud": "https://autodesk.com",
            "jti": f"{self._random.getrandbits(190):x}",
        }
        parts = (_HEADER, _b64(json.dumps(claims).encode()), _b64(self._random.randbytes(256)))
        text = b".".join(part.rstrip(b"=") for part in parts).decode()
        self._tokens[text] = Token(app, scopes, expires)
        return text

    def find(self, text: str, now: float) -> Token | None:
        """The token behind a bearer, unless it has expired or was revoked."""
        token = self._tokens.get(text)
        return token if token is not None and token.expires > now else None

    def app_of(self, text: str) -> App | None:
        """Whose bearer this is or was."""
        token = self._tokens.get(text)
        return None if token is None else token.app

    def revoke_app(self, app: App) -> int:
        """Revoke every token of an app; how many there were."""
        mine = [text for text, token in self._tokens.items() if token.app is app and token.expires >= 0]
        for text in mine:
            self._tokens[text] = attrs.evolve(self._tokens[text], expires=-1.0)
        return len(mine)

    def revoke_all(self) -> int:
        """Revoke every token; how many there were."""
        number = len(self._tokens)
        self._tokens.clear()
        return number


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data)


def _oauth_error(status: int, error: str, description: str) -> Refusal:
    return Refusal(json_reply(status, {"error": error, "error_description": description}, _NO_STORE))


_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _basic(header: str) -> tuple[str, str]:
    try:
        client, _, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _oauth_error(400, "invalid_request", "The Authorization header is malformed.") from None
    return unquote(client), unquote(secret)


async def read_form(call: Call) -> dict[str, str]:
    """The form of a token request."""
    kind = call.request.headers.get("Content-Type", "")
    if not kind.lower().startswith("application/x-www-form-urlencoded"):
        raise Refusal(gateway_error(400, "AUTH-007", "The Content-Type header must be x-www-form-urlencoded."))
    return dict(parse_qsl((await call.request.read()).decode("utf-8", "replace"), keep_blank_values=True))


def client_of(call: Call, form: dict[str, str]) -> App:
    """The app whose credentials came with a token request, by Basic or in the form but not both."""
    header = call.request.headers.get("Authorization", "")
    if header[:6].lower() == "basic ":
        if "client_secret" in form or "client_id" in form:
            raise _oauth_error(400, "invalid_request", "The client credentials must be given once: Basic or form.")
        client, secret = _basic(header)
    elif "client_id" in form and "client_secret" in form:
        client, secret = form["client_id"], form["client_secret"]
    else:
        raise Refusal(gateway_error(400, "AUTH-008", "The required parameter(s) client_id/client_secret is missing."))
    app = call.simulator.world.apps.get(client)
    if app is None:
        raise Refusal(gateway_error(401, "AUTH-001", "The client_id specified does not have access to the api product"))
    if app.client_secret != secret:
        raise Refusal(gateway_error(401, "AUTH-003", "The client_id (or) client_secret specified is invalid."))
    return app


def scopes_of(form: dict[str, str]) -> frozenset[str]:
    """The scopes a token request asks for."""
    text = form.get("scope", "")
    names = text.split()
    if not names:
        raise _oauth_error(400, "invalid_scope", "The required parameter scope is missing.")
    if len(names) > 50 or len(text) > 3000:
        raise _oauth_error(400, "invalid_scope", "Too many scopes.")
    unknown = [name for name in names if name not in _SCOPES and not name.startswith(("data:read:", "application:"))]
    if unknown:
        raise _oauth_error(400, "invalid_scope", f"Unknown scope {unknown[0]!r}.")
    return frozenset(names)


async def token(call: Call) -> Reply:
    """POST /authentication/v2/token."""
    form = await read_form(call)
    app = call.app = client_of(call, form)
    refused = call.simulator.over_quota(call)
    if refused is not None:
        return refused
    grant = form.get("grant_type", "")
    if grant != "client_credentials":
        error = "unsupported_grant_type" if grant else "invalid_request"
        raise _oauth_error(400, error, f"The grant type {grant!r} is not supported." if grant else "grant_type missing")
    simulator = call.simulator
    life, now = simulator.behaviour.token_life / simulator.speed, simulator.now()
    text = simulator.tokens.issue(app, scopes_of(form), now + life, now)
    document = {"access_token": text, "token_type": "Bearer", "expires_in": max(1, int(life))}
    return json_reply(200, document, _NO_STORE)


ENDPOINTS = (Endpoint("token", "POST", "/authentication/v2/token", None, 500, token),)
