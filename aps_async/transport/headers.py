"""Checks values before they are sent as headers."""

from collections.abc import Mapping
from typing import Any

from aps_async.errors import APSError, AuthError, InputError
from aps_async.lazy import regex

__all__ = ["USER_AGENT", "bearer", "checked_headers", "header_value", "token_value"]
__dir__: object = __all__.copy

USER_AGENT = "aps-async"

_NAME = regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def header_value(what: str, value: Any, error: type[APSError] = InputError) -> str:
    """Checks a value for a header; returns it without white space around it, since files end in line breaks.

    Args:
        what: a name for the value, for the message, which never shows the value itself.
        value: the value; it has to be a text.
        error: the class to raise.

    Raises:
        error: the value is empty, or contains anything but printable characters of Latin-1.
    """
    if not isinstance(value, str):
        raise error(f"{what} must be a text, not {type(value).__name__}")
    text: str = value.strip()
    if not text:
        raise error(f"{what} is empty")
    if not text.isprintable() or not (text.isascii() or max(text) <= "\xff"):
        raise error(
            f"{what} contains a line break, a control character or a character outside Latin-1, which a header cannot "
            "contain; check where it comes from"
        )
    return text


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Returns a checked copy of a caller's headers.

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
    """Checks an access token for a header; returns it.

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
    """The value of `Authorization` for a token provider's result.

    Raises:
        AuthError: it is not an access token, or not valid in a header.
    """
    return f"Bearer {token_value(getattr(token, 'value', None), AuthError)}"
