"""Looking into a running simulator and scripting it, over HTTP."""

import json
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from .faults import FaultError, read_faults
from .routing import Reply, json_reply

if TYPE_CHECKING:
    from .app import Simulator

PREFIX = "/simulator/"


async def control(simulator: "Simulator", request: web.BaseRequest, path: str) -> Reply:
    """Answer a call below `/simulator/`."""
    name = f"{request.method} {path.removeprefix(PREFIX)}"
    if name == "GET counts":
        return json_reply(200, simulator.counts())
    if name == "GET log":
        return json_reply(200, [attrs.asdict(seen) for seen in simulator.log])
    if name == "GET world":
        return json_reply(200, simulator.world.to_summary())
    if name == "GET faults":
        return json_reply(200, [fault.to_json() for fault in simulator.faults])
    if name == "POST faults":
        return _add_faults(simulator, await request.read())
    if name == "DELETE faults":
        simulator.clear_faults()
        return json_reply(200, {"faults": 0})
    if name == "POST reset":
        simulator.reset_counts()
        return json_reply(200, {"reset": True})
    if name == "POST user-token":
        return _user_token(simulator, await request.read())
    if name == "POST revoke":
        return json_reply(200, {"revoked": simulator.tokens.revoke_all()})
    return json_reply(404, {"error": f"there is no {name!r}"})


def _add_faults(simulator: "Simulator", body: bytes) -> Reply:
    try:
        faults = read_faults(json.loads(body))
    except FaultError as error:
        return json_reply(400, {"error": str(error)})
    except ValueError as error:
        return json_reply(400, {"error": f"is not JSON: {error}"})
    for fault in faults:
        simulator.add_fault(fault)
    return json_reply(200, {"faults": len(simulator.faults)})


def _user_token(simulator: "Simulator", body: bytes) -> Reply:
    try:
        asked = json.loads(body or b"{}")
        user, scopes = asked.get("user"), asked.get("scopes", "data:read data:write data:create")
        return json_reply(200, {"access_token": simulator.user_token(user, scopes), "token_type": "Bearer"})
    except KeyError:
        return json_reply(400, {"error": "there is no such user"})
    except (ValueError, AttributeError):
        return json_reply(400, {"error": 'wants {"user": "...", "scopes": "..."}, both optional'})
