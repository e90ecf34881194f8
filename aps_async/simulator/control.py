"""Looking into a running simulator and scripting it, over HTTP."""

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from .bearers import Tokens
from .behaviour import Behaviour
from .faults import Faults, read_faults
from .narrowing import is_object
from .record import Record
from .replies import Refusal, Reply, json_reply
from .requests import parse_json, read_body
from .routing import Call, Endpoint, Services
from .tokens import USER_SCOPES

PREFIX = "/simulator/"


class Controlled(Services, Protocol):
    """What the control interface may do with the simulator."""

    def counts(self) -> dict[str, Any]:
        """A snapshot of the counters."""
        ...

    def reset_counts(self) -> None:
        """Clear log and counters."""
        ...

    def user_token(self, user_id: str | None = None, scopes: str = USER_SCOPES) -> str:
        """A three-legged token without a login."""
        ...

    def use_behaviour(self, behaviour: Behaviour | None) -> None:
        """Set all switches; None: as they were at the start."""
        ...


class Control:
    """The handlers below `/simulator/`."""

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows for the router."""
        table: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
            ("GET", "counts", lambda _: self._simulator.counts()),
            ("GET", "log", self._log),
            ("GET", "world", lambda _: self._simulator.world.to_summary()),
            ("GET", "faults", self._faults),
            ("POST", "faults", self._add_faults),
            ("DELETE", "faults", self._clear_faults),
            ("GET", "behaviour", self._behaviour),
            ("POST", "behaviour", self._set_behaviour),
            ("DELETE", "behaviour", self._reset_behaviour),
            ("POST", "reset", self._reset),
            ("POST", "revoke", self._revoke),
            ("POST", "user-token", self._user_token),
        )
        return tuple(_endpoint(*row) for row in table)

    def _log(self, _: Any = None) -> object:
        return [attrs.asdict(seen) for seen in self._simulator.state(Record).log]

    def _faults(self, _: Any = None) -> object:
        return [fault.to_json() for fault in self._simulator.state(Faults)]

    def _clear_faults(self, _: Any = None) -> object:
        self._simulator.state(Faults).clear()
        return {"faults": 0}

    def _reset(self, _: Any = None) -> object:
        self._simulator.reset_counts()
        return {"reset": True}

    def _revoke(self, _: Any = None) -> object:
        return {"revoked": self._simulator.state(Tokens).revoke_all()}

    def _add_faults(self, document: Any) -> object:
        faults, new = self._simulator.state(Faults), read_faults(document)
        for fault in new:
            faults.check(fault)  # all or none
        for fault in new:
            faults.append(fault)
        return {"faults": len(faults)}

    def _behaviour(self, _: Any = None) -> object:
        return self._simulator.behaviour.to_json()

    def _reset_behaviour(self, _: Any = None) -> object:
        self._simulator.use_behaviour(None)
        return self._behaviour()

    def _set_behaviour(self, document: Any) -> object:
        self._simulator.use_behaviour(Behaviour.from_json(document, self._simulator.behaviour))
        return self._behaviour()

    def _user_token(self, document: Any) -> object:
        asked: object = {} if document is None else document
        if not is_object(asked) or not all(isinstance(value, str) for value in asked.values()):
            raise ValueError('the body must be {"user": "...", "scopes": "..."}, both optional')
        try:
            text = self._simulator.user_token(asked.get("user"), asked.get("scopes", USER_SCOPES))
        except KeyError:
            raise ValueError(f"there is no user {asked['user']!r}") from None
        return {"access_token": text, "token_type": "Bearer"}


def _endpoint(method: str, name: str, answer: Callable[[Any], object]) -> Endpoint:
    async def handler(call: Call) -> Reply:
        try:
            body = await read_body(call)
            document = parse_json(body) if body and method == "POST" else None
        except Refusal as refusal:
            return refusal.reply
        except ValueError as error:
            return json_reply(400, {"error": f"is not JSON: {error}"})
        try:
            return json_reply(200, answer(document))
        except ValueError as error:
            return json_reply(400, {"error": str(error)})

    return Endpoint(
        f"simulator_{method}_{name}".lower().replace("-", "_"), method, f"{PREFIX}{name}", None, None, handler
    )
