"""Secure service accounts: users for programs, which authenticate with a private key.

https://aps.autodesk.com/en/docs/ssa/v1
"""

import logging
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from aps_async.auth.credentials import SCOPES, AppCredentials, request_token
from aps_async.auth.provider import AccessToken, RenewingProvider, TokenClient
from aps_async.errors import AuthError, InputError, ResponseError
from aps_async.extras import needed
from aps_async.filesystem import at_home
from aps_async.text import decoded, why_unreadable

__all__ = ["AUDIENCE", "GRANT", "ServiceAccount", "key_from_file"]
__dir__: object = __all__.copy

AUDIENCE = "https://developer.api.autodesk.com/authentication/v2/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 300  # seconds; the longest that the service accepts
_BACK = 30  # seconds by which the assertion is backdated, for clocks that are ahead of the service's
_log = logging.getLogger(__name__)
_KEYS = ("APS_SERVICE_ACCOUNT_KEY", "APS_SERVICE_ACCOUNT_KEY_FILE")


class ServiceAccount(RenewingProvider):
    """A service account's tokens, requested with an assertion that the account's key signs. Needs the extra `auth`.

    The services treat them as a user's tokens: invite the account's e-mail address to the projects that it needs, and
    send no `x-user-id`.

    Args:
        client_id: the app's client id.
        client_secret: its secret.
        account_id: the `serviceAccountId`.
        key_id: the `kid` of the key.
        private_key: the key as PEM text.
        scopes: the scopes of the tokens.

    Raises:
        InputError: an argument is empty, the key cannot be read, or the extra `auth` is not installed.
    """

    two_legged = False

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        account_id: str,
        key_id: str,
        private_key: str,
        scopes: Sequence[str] = SCOPES,
    ) -> None:
        super().__init__()
        if not all((client_id, client_secret, account_id, key_id)):
            raise InputError(
                "a service account needs the app's client id and secret, the account's id and its key's id"
            )
        if not scopes:
            raise InputError("a service account's tokens need at least one scope, such as data:read")
        self._app = AppCredentials(client_id, client_secret)
        self.client_id: str = self._app.client_id
        self.account_id = account_id
        self.scopes: tuple[str, ...] = tuple(scopes)
        self._key_id = key_id
        self._key = _read_key(private_key)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, scopes: Sequence[str] = SCOPES) -> "ServiceAccount":
        """Reads `APS_CLIENT_ID`, `APS_CLIENT_SECRET`, `APS_SERVICE_ACCOUNT_ID`, `APS_SERVICE_ACCOUNT_KEY_ID`.

        The key is in `APS_SERVICE_ACCOUNT_KEY` (PEM; line ends may be written as `\\n`) or in the file that
        `APS_SERVICE_ACCOUNT_KEY_FILE` names.

        Raises:
            AuthError: a variable is not set.
            InputError: the key cannot be read.
        """
        environ = os.environ if environ is None else environ
        names = ("APS_CLIENT_ID", "APS_CLIENT_SECRET", "APS_SERVICE_ACCOUNT_ID", "APS_SERVICE_ACCOUNT_KEY_ID")
        values = [environ.get(name, "").strip() for name in names]
        text, file = (environ.get(name, "").strip() for name in _KEYS)
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if not text and not file:
            missing.append(" or ".join(_KEYS))
        if missing:
            raise AuthError(f"no service account: set {', '.join(missing)}")
        client_id, client_secret, account_id, key_id = values
        key = text.replace("\\n", "\n") if text else key_from_file(file)
        return cls(client_id, client_secret, account_id=account_id, key_id=key_id, private_key=key, scopes=scopes)

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_id!r}, account_id={self.account_id!r})"

    async def _renew(
        self,
        client: TokenClient,
        rejected: AccessToken | None,  # noqa: ARG002 - every new token differs
    ) -> AccessToken:
        signed_at = client.now()
        try:
            return await self._exchange(client)
        except AuthError as problem:
            # It may have been refused only because it expired during an outage or a long Retry-After.
            if not isinstance(problem.__cause__, ResponseError) or client.now() - signed_at < _LIFE - _BACK:
                raise
        return await self._exchange(client)

    def _exchange(self, client: TokenClient) -> Coroutine[Any, Any, AccessToken]:
        """Requests a token for a new assertion. Sending that twice is harmless: it only yields two tokens."""
        return request_token(
            client,
            self._app,
            {"grant_type": GRANT, "assertion": self.assertion(client.now()), "scope": " ".join(self.scopes)},
            what=f"service account {self.account_id}",
            advice="check that account and key are enabled, that the key belongs to the account, and this clock",
        )

    def assertion(self, now: float) -> str:
        """A signed assertion, valid for about five minutes. Treat it like a password."""
        jwt = needed("joserfc.jwt", "auth", "a service account")
        claims = {
            "iss": self.client_id,
            "sub": self.account_id,
            "aud": AUDIENCE,
            "iat": int(now) - _BACK,
            "nbf": int(now) - _BACK,
            "exp": int(now) + _LIFE - _BACK,
            "jti": secrets.token_urlsafe(16),
            "scope": list(self.scopes),
        }
        return str(jwt.encode({"alg": "RS256", "kid": self._key_id}, claims, self._key, algorithms=["RS256"]))


def key_from_file(path: Path | str, what: str = "the service account's key") -> str:
    """The text of a file with a secret, such as a private key's PEM. Logs a warning if other users can read the file.

    Raises:
        InputError: the file cannot be read.
    """
    file = Path(at_home(path))
    try:
        text = decoded(file.read_bytes())
        mode = stat.S_IMODE(file.stat().st_mode)
    except (OSError, ValueError) as problem:
        raise InputError(f"{what}: the file {path} cannot be read: {why_unreadable(problem)}") from None
    if not text.strip():
        raise InputError(f"{what}: the file {path} is empty")
    if sys.platform != "win32" and mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warning(
            "%s: other users can read the file %s (mode %o); run: chmod 600 %s",
            what,
            file,
            mode,
            shlex.quote(str(file)),
        )
    return text


def _read_key(pem: str) -> Any:
    jwk = needed("joserfc.jwk", "auth", "a service account")
    errors = needed("joserfc.errors", "auth", "a service account")
    try:
        key = jwk.RSAKey.import_key(pem.strip() + "\n")
        if key.is_private:
            return key
    except (ValueError, TypeError, errors.JoseError):
        pass  # the parser's message may quote the key
    raise InputError(
        "the service account's key is not a valid RSA private key in PEM format (-----BEGIN PRIVATE KEY-----)"
    )
