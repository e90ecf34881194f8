"""Two-legged tokens: the app acts as itself, or with `x-user-id` for one user.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/
"""

import os
from collections.abc import Mapping, Sequence

from aps_async.auth.credentials import SCOPES, TOKEN_PATH, AppCredentials, read_token
from aps_async.auth.provider import AccessToken, RenewingProvider, TokenClient
from aps_async.errors import APSError, AuthError, InputError, ResponseError
from aps_async.transport.retry import is_transient

__all__ = ["TwoLegged"]
__dir__: object = __all__.copy


class TwoLegged(RenewingProvider):
    """Client credentials.

    Args:
        client_id: the app's client id.
        client_secret: its secret.
        scopes: what the tokens are for. Listings and BIM 360 exports need `data:read`, ACC exports `data:write` too.

    Raises:
        InputError: the id or the secret is empty, or a header cannot hold it.
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
            AuthError: one of them is not set.
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
        rejected: AccessToken | None,  # noqa: ARG002 - whatever comes is another one
    ) -> AccessToken:
        asked_at = client.now()  # the life counts from here at the earliest, so the renewal never comes late
        try:
            form = {"grant_type": "client_credentials", "scope": " ".join(self.scopes)}
            return read_token(await self._app.post(client, TOKEN_PATH, form), asked_at)
        except APSError as problem:
            hint = ""
            if isinstance(problem, ResponseError) and not is_transient(problem):
                hint = "; check the client id, the secret and the scopes of the app"
            raise AuthError(f"no token for client id {self.client_id}: {problem}{hint}") from problem
