"""Values that become headers, checked once before they are sent."""

import re
from collections.abc import Mapping
from typing import Any

from aps_async.errors import APSError, AuthError, InputError

__all__ = ["USER_AGENT", "bearer", "checked_headers", "header_value", "token_value"]
__dir__: object = __all__.copy

USER_AGENT = "aps-async"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def header_value(what: str, value: Any, error: type[APSError] = InputError) -> str:
    """A value that a header can hold, without the white space around it: files end in line breaks.

    Args:
        what: what the value is, for the message, which never shows the value.
        value: the value; anything but a text is refused.
        error: the class to raise.

    Raises:
        error: the value is empty, or contains anything but printable characters of Latin-1.
    """
    if not isinstance(value, str):
        raise error(f"{what} must be a text, not {type(value).__name__}")
    text: str = value.strip()
    if not text:
        raise error(f"{what} is empty")
    if not text.isprintable() or max(text) > "\xff":
        raise error(
            f"{what} contains a line break, a control character or a character outside Latin-1, which a header cannot "
            "hold; check where it comes from"
        )
    return text


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of the headers that a caller gives.

    Raises:
        InputError: a name or a value cannot be sent.
    """
    checked: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name):
            raise InputError("a header's name must be letters, digits and hyphens")
        checked[name] = header_value(f"the header {name}", value)
    return checked


def token_value(value: Any, error: type[APSError] = InputError) -> str:
    """An access token that a header can hold.

    Raises:
        error: see `header_value`; or it contains a space or a character outside ASCII.
    """
    text = header_value("the access token", value, error)
    if " " in text or not text.isascii():
        raise error(
            "the access token contains a space or a character outside ASCII; give the bare token, without 'Bearer'"
        )
    return text


def bearer(token: Any) -> str:
    """The `Authorization` of what a token provider has returned.

    Raises:
        AuthError: it is not an access token, or a header cannot hold it.
    """
    return f"Bearer {token_value(getattr(token, 'value', None), AuthError)}"
