"""A token that is obtained and renewed elsewhere."""

from aps_async.auth.credentials import claimed_text
from aps_async.auth.provider import AccessToken, TokenClient, unverified_claims
from aps_async.errors import AuthError, InputError
from aps_async.narrowing import is_really
from aps_async.transport.headers import token_value

__all__ = ["StaticToken"]
__dir__: object = __all__.copy


class StaticToken:
    """Uses the given access token until the service refuses it.

    The client id and the kind of token are read from its claims if it is a JWT, as Autodesk's tokens are: one without
    a `userid` is two-legged. The kind of any other token is unknown, and `x-user-id` is sent with it if you give one.

    Args:
        token: the token itself, without `Bearer`.
        client_id: the app whose quota the calls use, if the token does not contain it.

    Raises:
        InputError: the token is empty, or contains spaces or characters that a header cannot hold.
    """

    def __init__(self, token: str, *, client_id: str | None = None) -> None:
        if not is_really(token, str):
            raise InputError(f"the access token must be a text, not {type(token).__name__}")
        token = token_value(f"{token.strip()} ".removeprefix("Bearer "))
        claims = unverified_claims(token)
        self.client_id: str = client_id or claimed_text(claims, "client_id")
        self.two_legged: bool | None = "userid" not in claims if claims else None
        self._token = AccessToken(token)

    async def token(
        self,
        client: TokenClient,  # noqa: ARG002 - part of the protocol
        rejected: AccessToken | None = None,
    ) -> AccessToken:
        """See `TokenProvider`."""
        if rejected is not None:
            raise AuthError("the given access token is refused (401): it has expired or was revoked; get a new one")
        return self._token
