"""What an app proves itself with at the token endpoint, and the reading of what comes back.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/
"""

import base64
import json
from collections.abc import Coroutine, Mapping
from typing import Any

from attrs import field, frozen

from aps_async.auth.provider import AccessToken, TokenClient
from aps_async.errors import DecodeError
from aps_async.headers import header_value

TOKEN_PATH = "/authentication/v2/token"  # noqa: S105 - an address
SCOPES = ("data:read", "data:write")
"""What all exports of this library need together."""


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
    """The access token of a token answer. Its life counts from the asking, so that a renewal never comes late.

    Raises:
        DecodeError: it is not in there.
    """
    value, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value:
        raise DecodeError("the token answer holds no access_token")
    try:
        seconds = float(life)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DecodeError("the token answer holds no usable expires_in") from None
    return AccessToken(value, asked_at + seconds, asked_at)


def unverified_claims(token: str) -> dict[str, object]:
    """A JWT's claims, not verified: the service verifies them, here they only label the token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
