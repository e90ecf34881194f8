"""The gateway in front of every service: a valid token with the right scope, and a place in the quota."""

import math

from .bearers import Tokens
from .quotas import Quotas
from .replies import Reply, gateway_error, json_reply
from .routing import Call

_INVALID = "The access token provided is invalid or has expired."
_NO_PRIVILEGE = "Token does not have the privilege for this request."


def bearer(call: Call) -> str:
    """The bearer token of a call; empty without one."""
    header = call.request.headers.get("Authorization", "")
    return header[7:].strip() if header[:7].lower() == "bearer " else ""


def admit(call: Call, *, counts: bool = True) -> Reply | None:
    """Let a call in, or the response that refuses it; `counts`: whether it takes a place in the quota."""
    scope = call.endpoint.scope
    if scope is None:
        return None
    text, tokens = bearer(call), call.simulator.state(Tokens)
    call.app = tokens.app_of(text)
    token = call.token = tokens.find(text, call.simulator.now())
    if token is None:
        return unauthorized(call)
    if token.scopes.isdisjoint(scope.split()):
        return _missing_scope(call)
    return over_quota(call) if counts else None


def over_quota(call: Call) -> Reply | None:
    """Take a place in the quota of the call's app; the 429 if the quota is used up."""
    client_id = "" if call.app is None else call.app.client_id
    endpoint, services = call.endpoint, call.simulator
    wait = services.state(Quotas).take(client_id, endpoint.name, endpoint.quota, services.now())
    if wait is None:
        return None
    headers = {"Server": "Apigee Router"}
    if services.behaviour.retry_after_on_429:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return json_reply(429, {"developerMessage": "Quota limit exceeded."}, headers)


def unauthorized(call: Call) -> Reply:
    """A 401 in one of the shapes the services have."""
    shape = call.simulator.behaviour.unauthorized
    if shape == "empty" or (shape == "rotate" and call.simulator.next_request_number() % 2):
        return Reply(401, {"x-ads-troubleshooting": _INVALID, "Server": "nginx"})
    return gateway_error(401, "AUTH-006", _INVALID)


def _missing_scope(call: Call) -> Reply:
    shape = call.simulator.behaviour.missing_scope
    if shape == "text" or (shape == "rotate" and call.simulator.next_request_number() % 2):
        return Reply(403, {"Content-Type": "text/plain", "Server": "nginx"}, _NO_PRIVILEGE.encode())
    return gateway_error(403, "AUTH-010", _NO_PRIVILEGE)
