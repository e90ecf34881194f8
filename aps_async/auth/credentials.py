"""The credentials that an app sends to the token endpoint, and parsing of token responses.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/
"""

import base64
from collections.abc import Coroutine, Mapping
from typing import Any

from attrs import field, frozen

from aps_async.auth.provider import AccessToken, TokenClient
from aps_async.errors import APSError, AuthError, DecodeError, ResponseError
from aps_async.text import finite_number
from aps_async.transport.headers import header_value, token_value
from aps_async.transport.retry import is_undecided

__all__ = [
    "DEFAULT_LIFE",
    "LONGEST_LIFE",
    "SCOPES",
    "TOKEN_PATH",
    "AppCredentials",
    "claimed_text",
    "read_token",
    "request_token",
]
__dir__: object = __all__.copy

TOKEN_PATH = "/authentication/v2/token"  # noqa: S105 - an address
SCOPES = ("data:read", "data:write")
"""The scopes that the exports of this library need."""
DEFAULT_LIFE = 3599.0
"""A token's documented lifetime in seconds, used when the response does not state one."""
LONGEST_LIFE = 365 * 86400.0
"""The longest lifetime, in seconds, that is accepted from a response."""


def _client_id(value: str) -> str:
    return header_value("the client id", value)


def _client_secret(value: str | None) -> str | None:
    return header_value("the client secret", value) if value else None


@frozen
class AppCredentials:
    """An app's client id and, unless it is a public client, its secret. `repr()` does not show the secret.

    Surrounding white space is removed.

    Raises:
        InputError: the id or the secret is empty, or contains characters that a header cannot hold.
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
        """POSTs a form with the app's credentials; see `TokenClient.post_form`.

        Not a coroutine function, so that no frame keeps the form and the secret while the call is awaited.
        """
        signed, headers = self.sign(form)
        return client.post_form(path, signed, headers=headers, repeatable=repeatable, may_be_empty=may_be_empty)

    def sign(self, form: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The form and headers with the credentials: Basic authentication, or without a secret the id in the form.

        The service responds with 400 to both at once.
        """
        if not self.client_secret:
            return {**form, "client_id": self.client_id}, {}
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return dict(form), {"Authorization": f"Basic {pair}"}


async def request_token(
    client: TokenClient, app: AppCredentials, form: Mapping[str, str], *, what: str, advice: str
) -> AccessToken:
    """Requests an access token from the token endpoint.

    Args:
        client: an open session.
        app: the app, whose credentials are sent.
        form: the fields of the grant.
        what: what the token is for, for the error.
        advice: what to check if the service refuses.

    Raises:
        AuthError: there is no token; the message contains the service's reason.
    """
    asked_at = client.now()  # the lifetime counts from here, so that the renewal is never too late
    call = app.post(client, TOKEN_PATH, form)
    del form  # it may contain secrets, and this frame lives as long as the call
    try:
        return read_token(await call, asked_at)
    except APSError as problem:
        refused = isinstance(problem, ResponseError) and not is_undecided(problem)
        raise AuthError(f"no token for {what}: {problem}{f'; {advice}' if refused else ''}") from problem


def read_token(answer: Mapping[str, object], asked_at: float) -> AccessToken:
    """The access token of a response. Its lifetime counts from the request, so that it is never renewed too late.

    Raises:
        DecodeError: the response has no token, or a header cannot hold it.
    """
    value = answer.get("access_token")
    if not isinstance(value, str) or not value.strip():
        raise DecodeError("the token response has no access_token")
    token = token_value(value, DecodeError)
    return AccessToken(token, asked_at + _life(answer.get("expires_in")), asked_at)


def _life(stated: object) -> float:
    """A token's lifetime in seconds; the default if none or an unusable one is stated. RFC 6749 makes it optional.

    If the default is too long, the service responds with 401, which also renews the token.
    """
    seconds = finite_number(stated)
    return min(seconds, LONGEST_LIFE) if seconds is not None and seconds > 0 else DEFAULT_LIFE


def claimed_text(claims: Mapping[str, object], name: str) -> str:
    """A claim as text; empty if it is missing or not text."""
    value = claims.get(name)
    return value if isinstance(value, str) else ""
