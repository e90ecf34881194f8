"""Secure service accounts: managing them, and tokens for assertions that their keys have signed.

https://aps.autodesk.com/en/docs/ssa/v1
"""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import attrs
from joserfc.jwk import RSAKey

from .bearers import ISSUER, Tokens
from .narrowing import is_list
from .oauthkeys import new_key_pair, unverified_header, verified_claims
from .parts import App, User
from .replies import Refusal, Reply, gateway_error, json_reply
from .requests import read_object
from .routing import Call, Endpoint
from .tokens import grant_type, issue_token, oauth_error, scopes_of, token_document

PATH = "/authentication/v2/service-accounts"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_PATH = "/authentication/v2/token"  # noqa: S105 - an address
_LONGEST = 300
_MOST_ACCOUNTS, _MOST_KEYS = 10, 3
_NAME = re.compile(r"[A-Za-z0-9-]{5,100}\Z")


@attrs.define(eq=False)
class Key:
    """One of an account's keys; the private half is gone."""

    id: str
    public: RSAKey = attrs.field(repr=False)
    created: float
    enabled: bool = True
    accessed: float | None = None


@attrs.define(eq=False)
class Account:
    """A service account, which is a user too."""

    app: App
    user: User
    created: float
    status: str = "ENABLED"
    accessed: float | None = None
    keys: dict[str, Key] = attrs.field(factory=dict[str, Key])


@attrs.define
class Accounts:
    """Every service account."""

    by_id: dict[str, Account] = attrs.field(factory=dict[str, Account])


def go_time(seconds: float) -> str:
    """A time as Go prints it, which is how this service does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06d}834 +0000 UTC"


def _app(call: Call) -> App:
    if call.app is None or (call.token is not None and call.token.user is not None):
        raise Refusal(gateway_error(403, "AUTH-010", "A two-legged token of the app is required."))
    return call.app


def _account(call: Call) -> Account:
    account = call.simulator.state(Accounts).by_id.get(call.params["account"])
    if account is None or account.app is not _app(call):
        raise Refusal(json_reply(404, {"title": "NOT_FOUND", "detail": "The service account does not exist."}))
    return account


def _key(call: Call) -> Key:
    key = _account(call).keys.get(call.params["key"])
    if key is None:
        raise Refusal(json_reply(404, {"title": "NOT_FOUND", "detail": "The key does not exist."}))
    return key


def _bad(detail: str, status: int = 400) -> Refusal:
    return Refusal(json_reply(status, {"title": "BAD_REQUEST" if status == 400 else "FORBIDDEN", "detail": detail}))


async def _body(call: Call) -> dict[str, Any]:
    value = await read_object(call)
    if value is None:
        raise _bad("The body must be a JSON object.")
    return value


async def create(call: Call) -> Reply:
    """POST: a new account."""
    app, body, simulator = _app(call), await _body(call), call.simulator
    name, first, last = (body.get(part) for part in ("name", "firstName", "lastName"))
    if not isinstance(name, str) or not _NAME.match(name):
        raise _bad("name must be 5 to 100 letters, digits or hyphens.")
    if not all(isinstance(part, str) and part for part in (first, last)):
        raise _bad("firstName and lastName are required.")
    mine = [account for account in simulator.state(Accounts).by_id.values() if account.app is app]
    if len(mine) >= _MOST_ACCOUNTS:
        raise _bad("An app may have at most 10 service accounts.", 403)
    email = f"{name}@{app.client_id}.adskserviceaccount.autodesk.com"
    if any(account.user.email == email for account in mine):
        raise _bad("A service account of this name exists.")
    identity = simulator.state(Tokens).secret()[:12].upper()
    projects = None if simulator.behaviour.service_accounts_invited else frozenset[str]()
    user = User(identity, f"{first} {last}", projects, email=email, password=simulator.state(Tokens).secret())
    simulator.world.users[identity] = user
    simulator.state(Accounts).by_id[identity] = Account(app, user, simulator.clock())
    return json_reply(201, {"serviceAccountId": identity, "email": email})


def _document(account: Account) -> dict[str, Any]:
    year = 365 * 86400
    return {
        "serviceAccountId": account.user.id,
        "email": account.user.email,
        "createdBy": account.app.client_id,
        "status": account.status,
        "createdAt": go_time(account.created),
        "accessedAt": go_time(account.accessed or account.created),
        "expiresAt": go_time((account.accessed or account.created) + year),
    }


async def list_all(call: Call) -> Reply:
    """GET: the app's accounts."""
    app = _app(call)
    mine = [_document(account) for account in call.simulator.state(Accounts).by_id.values() if account.app is app]
    return json_reply(200, {"serviceAccounts": mine})


async def get(call: Call) -> Reply:
    """GET: one account."""
    return json_reply(200, _document(_account(call)))


def _status_of(body: dict[str, Any]) -> str:
    status = body.get("status")
    if status not in ("ENABLED", "DISABLED"):
        raise _bad("status must be ENABLED or DISABLED.")
    return str(status)


async def change(call: Call) -> Reply:
    """PATCH: enable or disable an account. A disabled one's tokens die with it."""
    account = _account(call)
    account.status = _status_of(await _body(call))
    if account.status == "DISABLED":
        call.simulator.state(Tokens).revoke_login(account.user.id)
    return json_reply(200, _document(account))


async def delete(call: Call) -> Reply:
    """DELETE: an account with its keys and tokens."""
    account = _account(call)
    call.simulator.state(Tokens).revoke_login(account.user.id)
    del call.simulator.state(Accounts).by_id[account.user.id]
    call.simulator.world.users.pop(account.user.id, None)
    return Reply(204, {"Server": "nginx"})


async def create_key(call: Call) -> Reply:
    """POST: a new key, whose private half is shown this once."""
    account = _account(call)
    if len(account.keys) >= _MOST_KEYS:
        raise _bad("A service account may have at most 3 keys.", 403)
    private, public = new_key_pair()
    key = Key(str(uuid.uuid4()), public, call.simulator.clock())
    account.keys[key.id] = key
    return json_reply(201, {"kid": key.id, "privateKey": private})


async def list_keys(call: Call) -> Reply:
    """GET: an account's keys."""
    rows = [
        {
            "kid": key.id,
            "status": "ENABLED" if key.enabled else "DISABLED",
            "createdAt": go_time(key.created),
            "accessedAt": go_time(key.accessed) if key.accessed else "",
        }
        for key in _account(call).keys.values()
    ]
    return json_reply(200, {"keys": rows})


async def change_key(call: Call) -> Reply:
    """PATCH: enable or disable a key."""
    _key(call).enabled = _status_of(await _body(call)) == "ENABLED"
    return Reply(204, {"Server": "nginx"})


async def delete_key(call: Call) -> Reply:
    """DELETE: a key."""
    key = _key(call)
    del _account(call).keys[key.id]
    return Reply(204, {"Server": "nginx"})


@grant_type(GRANT)
async def _assertion(call: Call, app: App, form: dict[str, str]) -> dict[str, Any]:
    account, key, claims = _proven(call, app, form.get("assertion", ""))
    now = call.simulator.clock()
    expires, begins = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires, int | float) or not now < expires <= now + _LONGEST:
        raise oauth_error("invalid_grant", "exp must lie ahead, and by 300 seconds at most.")
    if not isinstance(begins, int | float) or begins > now + 1:
        raise oauth_error("invalid_grant", "nbf lies ahead.")
    granted = claims.get("scope")
    if not is_list(granted) or not all(isinstance(name, str) for name in granted):
        raise oauth_error("invalid_grant", "scope must be an array of strings.")
    allowed = scopes_of(" ".join(granted))
    scopes = scopes_of(form["scope"]) if form.get("scope") else allowed
    if not scopes <= allowed:
        raise oauth_error("invalid_scope", "The scope goes beyond the assertion's.")
    account.accessed = key.accessed = now
    text, life = issue_token(call.simulator, app, scopes, user=account.user, login=account.user.id)
    return token_document(text, life)


def _is_for_us(call: Call, audience: object) -> bool:
    """Whether an assertion is for the service's token address, or for the one this simulator is reached at."""
    if is_list(audience):
        return len(audience) == 1 and _is_for_us(call, audience[0])
    if not isinstance(audience, str) or not audience.startswith(("http://", "https://")):
        return False
    scheme, _, rest = audience.partition("://")
    host, _, path = rest.partition("/")
    origins = (ISSUER, call.simulator.url, f"http://{call.request.host}")
    return f"{scheme}://{host}" in origins and f"/{path.lstrip('/')}" == _TOKEN_PATH


def _proven(call: Call, app: App, text: str) -> tuple[Account, Key, dict[str, Any]]:
    """The account that signed an assertion, by the very key it names."""
    wrong = oauth_error("invalid_grant", "The assertion is invalid.")
    kid = unverified_header(text).get("kid")
    for account in call.simulator.state(Accounts).by_id.values():
        key = account.keys.get(str(kid))
        if key is None or account.app is not app:
            continue
        claims = verified_claims(text, key.public)
        if claims is None or claims.get("sub") != account.user.id:
            raise wrong
        if claims.get("iss") != app.client_id or not _is_for_us(call, claims.get("aud")):
            raise oauth_error("invalid_grant", "iss or aud is wrong.")
        if account.status != "ENABLED" or not key.enabled:
            raise oauth_error("invalid_grant", "The service account or its key is not enabled.")
        return account, key, claims
    raise wrong


_READ, _WRITE = "application:service_account:read", "application:service_account:write"
_KEY_READ, _KEY_WRITE = "application:service_account_key:read", "application:service_account_key:write"
_ONE, _KEYS = f"{PATH}/{{account}}", f"{PATH}/{{account}}/keys"

ENDPOINTS = (
    Endpoint("service_account_create", "POST", PATH, _WRITE, 100, create),
    Endpoint("service_account_list", "GET", PATH, _READ, 100, list_all),
    Endpoint("service_account", "GET", _ONE, _READ, 100, get),
    Endpoint("service_account_change", "PATCH", _ONE, _WRITE, 100, change),
    Endpoint("service_account_delete", "DELETE", _ONE, _WRITE, 100, delete),
    Endpoint("service_account_key_create", "POST", _KEYS, _KEY_WRITE, 100, create_key),
    Endpoint("service_account_key_list", "GET", _KEYS, _KEY_READ, 100, list_keys),
    Endpoint("service_account_key_change", "PATCH", f"{_KEYS}/{{key}}", _KEY_WRITE, 100, change_key),
    Endpoint("service_account_key_delete", "DELETE", f"{_KEYS}/{{key}}", _KEY_WRITE, 100, delete_key),
)
