"""The error documents of services whose shape is not documented."""

from collections.abc import Mapping
from typing import Any, Literal

from .replies import Refusal, Reply, gateway_error, json_reply

Shape = Literal["object", "list", "developer", "text", "empty"]


def shaped(shape: Shape, status: int, error: Mapping[str, Any]) -> Refusal:
    """A refusal with `error`, that is its `code` and `detail`, in one of the shapes the services have."""
    if shape == "text":
        return Refusal(Reply(status, {"Content-Type": "text/plain", "Server": "nginx"}, error["detail"].encode()))
    if shape == "empty":
        return Refusal(Reply(status, {"Server": "nginx"}))
    if shape == "developer":
        return Refusal(gateway_error(status, error["code"], error["detail"]))
    return Refusal(json_reply(status, {"errors": [error]} if shape == "list" else error))
