"""What an app proves itself with at the token endpoint, and the reading of what comes back.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/
"""

import base64
import json
import math
from collections.abc import Coroutine, Mapping
from typing import Any

from attrs import field, frozen

from aps_async.auth.provider import AccessToken, TokenClient
from aps_async.errors import DecodeError
from aps_async.transport.headers import header_value, token_value

__all__ = [
    "DEFAULT_LIFE",
    "LONGEST_LIFE",
    "SCOPES",
    "TOKEN_PATH",
    "AppCredentials",
    "claimed_text",
    "read_token",
    "seconds_from",
    "unverified_claims",
]
__dir__: object = __all__.copy

TOKEN_PATH = "/authentication/v2/token"  # noqa: S105 - an address
SCOPES = ("data:read", "data:write")
"""What all exports of this library need together."""
DEFAULT_LIFE = 3599.0
"""Seconds that a token lives if its response does not state it: what the service documents."""
LONGEST_LIFE = 365 * 86400.0
"""Seconds: nothing that is stated beyond this is believed."""


def _client_id(value: str) -> str:
    return header_value("the client id", value)


def _client_secret(value: str | None) -> str | None:
    return header_value("the client secret", value) if value else None


@frozen
class AppCredentials:
    """An app's client id and, unless it is a public client, its secret. `repr()` does not show the secret.

    White space around them is removed.

    Raises:
        InputError: the id or the secret is blank, or a header cannot hold it.
    """

    client_id: str = field(converter=_client_id)
    client_secret: str | None = field(default=None, repr=False, converter=_client_secret)

    def post(
        self,
        client: TokenClient,
        path: str,
        form: Mapping[str, str],
        *,
        repeatable: bool = True,
        may_be_empty: bool = False,
    ) -> Coroutine[Any, Any, Mapping[str, Any]]:
        """POSTs a form with what proves who asks; see `TokenClient.post_form`.

        Not a coroutine function, so that no frame keeps the form and the secret while the call is awaited.
        """
        signed, headers = self.sign(form)
        return client.post_form(path, signed, headers=headers, repeatable=repeatable, may_be_empty=may_be_empty)

    def sign(self, form: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The form and the headers that prove who asks: Basic, or without a secret the id in the form.

        Both at once would be answered with 400.
        """
        if not self.client_secret:
            return {**form, "client_id": self.client_id}, {}
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return dict(form), {"Authorization": f"Basic {pair}"}


def read_token(answer: Mapping[str, object], asked_at: float) -> AccessToken:
    """The access token of a token response. Its life counts from the request, so that a renewal never comes late.

    Raises:
        DecodeError: there is none, or it cannot be sent in a header.
    """
    value = answer.get("access_token")
    if not isinstance(value, str) or not value.strip():
        raise DecodeError("the token response has no access_token")
    token = token_value(value, DecodeError)
    return AccessToken(token, asked_at + _life(answer.get("expires_in")), asked_at)


def _life(stated: object) -> float:
    """Seconds that a token lives. RFC 6749 leaves `expires_in` optional; 0 or nonsense would renew before every call.

    If the default is too long, the service answers 401, which renews the token too.
    """
    seconds = seconds_from(stated)
    return min(seconds, LONGEST_LIFE) if seconds is not None and seconds > 0 else DEFAULT_LIFE


def seconds_from(stated: object) -> float | None:
    """A finite number given as a number or as text; None for anything else."""
    if isinstance(stated, bool) or not isinstance(stated, int | float | str):
        return None
    try:
        seconds = float(stated)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def unverified_claims(token: str) -> dict[str, object]:
    """A JWT's claims, not verified: the service verifies them, here they only label the token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def claimed_text(claims: Mapping[str, object], name: str) -> str:
    """A claim that is text; empty if it is missing or something else."""
    value = claims.get(name)
    return value if isinstance(value, str) else ""
