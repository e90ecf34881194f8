"""Two-legged tokens: the app acts as itself, or on behalf of one user with `x-user-id`.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/
"""

import os
from collections.abc import Mapping, Sequence

from aps_async.auth.credentials import SCOPES, AppCredentials, request_token
from aps_async.auth.provider import AccessToken, RenewingProvider, TokenClient
from aps_async.errors import AuthError, InputError

__all__ = ["TwoLegged"]
__dir__: object = __all__.copy


class TwoLegged(RenewingProvider):
    """Tokens of the app itself, from its client id and secret (client credentials).

    Args:
        client_id: the app's client id.
        client_secret: its secret.
        scopes: the scopes of the tokens. Listings and BIM 360 exports need `data:read`, ACC exports `data:write` too.

    Raises:
        InputError: the id or the secret is empty, or contains characters that a header cannot hold.
    """

    two_legged = True

    def __init__(self, client_id: str, client_secret: str, *, scopes: Sequence[str] = SCOPES) -> None:
        super().__init__()
        if not client_id or not client_secret:
            raise InputError("two-legged tokens need both a client id and a client secret")
        self._app = AppCredentials(client_id, client_secret)
        self.client_id: str = self._app.client_id
        self.scopes: tuple[str, ...] = tuple(scopes)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, scopes: Sequence[str] = SCOPES) -> "TwoLegged":
        """Reads `APS_CLIENT_ID` and `APS_CLIENT_SECRET`.

        Raises:
            AuthError: a variable is not set.
        """
        environ = os.environ if environ is None else environ
        missing = [name for name in ("APS_CLIENT_ID", "APS_CLIENT_SECRET") if not environ.get(name, "").strip()]
        if missing:
            raise AuthError(f"no credentials: set {' and '.join(missing)} to your app's, from aps.autodesk.com/myapps")
        return cls(environ["APS_CLIENT_ID"].strip(), environ["APS_CLIENT_SECRET"].strip(), scopes=scopes)

    def __repr__(self) -> str:
        return f"TwoLegged({self.client_id!r})"

    async def _renew(
        self,
        client: TokenClient,
        rejected: AccessToken | None,  # noqa: ARG002 - every new token differs
    ) -> AccessToken:
        return await request_token(
            client,
            self._app,
            {"grant_type": "client_credentials", "scope": " ".join(self.scopes)},
            what=f"client id {self.client_id}",
            advice="check the client id, the secret and the scopes of the app",
        )
