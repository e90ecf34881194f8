"""Reading what clients send: bodies, JSON and numbers, whatever they are."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
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


def http_date(text: str | None) -> float | None:
    """The time that a header names; None if it names none."""
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def names_tag(header: str, tags: Collection[str], *, weak: bool) -> bool:
    """Whether a header lists one of these ETags, quoted or not as clients of object stores send them, or is `*`.

    `weak`: whether a weak ETag counts too.
    """
    for each in header.split(","):
        tag = each.strip()
        if weak:
            tag = tag.removeprefix("W/")
        if tag == "*" or tag.strip('"') in tags:
            return True
    return False


def precondition(asked: Mapping[str, str], tags: Collection[str], modified: float) -> int:
    """The status of a GET whose preconditions end it, 304 or 412, in the order of RFC 9110, 13.2.2; 200 otherwise."""
    tag, since = asked.get("If-Match"), http_date(asked.get("If-Unmodified-Since"))
    if tag is not None:
        if not names_tag(tag, tags, weak=False):
            return 412
    elif since is not None and int(modified) > since:
        return 412
    tag, since = asked.get("If-None-Match"), http_date(asked.get("If-Modified-Since"))
    if tag is not None:
        return 304 if names_tag(tag, tags, weak=True) else 200
    return 304 if since is not None and int(modified) <= since else 200
