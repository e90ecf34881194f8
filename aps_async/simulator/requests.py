"""Reading what clients send: bodies, JSON and numbers, whatever they are."""

import json
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .narrowing import is_object
from .replies import Refusal, gateway_error
from .routing import Call

_MOST_DIGITS = 10


async def read_body(call: Call) -> bytes:
    """The body, decompressed.

    Raises:
        Refusal: it is too large, or not compressed as its Content-Encoding says.
    """
    try:
        return await call.request.read()
    except web.HTTPRequestEntityTooLarge as error:
        limit = call.request.client_max_size
        raise _unreadable(413, f"The request body is larger than {limit} bytes.") from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise _unreadable(400, "The request body cannot be decoded.") from error


def _unreadable(status: int, message: str) -> Refusal:
    reply = gateway_error(status, f"ERR-{status}", message)
    reply.headers["Connection"] = "close"  # the rest of the body would be taken for the next request
    return Refusal(reply)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


async def read_object(call: Call) -> dict[str, Any] | None:
    """The JSON object in the body; None if there is none."""
    try:
        value = parse_json(await read_body(call))
    except ValueError:
        return None
    return value if is_object(value) else None


def whole_number(text: str, least: int, most: int) -> int | None:
    """The number that a parameter names in ASCII digits; None if it is not one from `least` to `most`."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    number = int(text)
    return number if least <= number <= most else None
