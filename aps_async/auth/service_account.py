"""Secure service accounts: a user that is a program, and proves itself with a private key.

https://aps.autodesk.com/en/docs/ssa/v1
"""

import logging
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aps_async.auth.credentials import SCOPES, TOKEN_PATH, AppCredentials, read_token
from aps_async.auth.provider import AccessToken, RenewingProvider, TokenClient
from aps_async.errors import APSError, AuthError, InputError, ResponseError
from aps_async.extras import needed
from aps_async.transport.retry import is_transient

__all__ = ["AUDIENCE", "GRANT", "ServiceAccount", "key_from_file"]
__dir__: object = __all__.copy

AUDIENCE = "https://developer.api.autodesk.com/authentication/v2/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 300  # seconds; the longest that is taken
_BACK = 30  # how far the assertion's beginning lies behind, for clocks that go ahead of the service's
_log = logging.getLogger("aps_async")
_KEYS = ("APS_SERVICE_ACCOUNT_KEY", "APS_SERVICE_ACCOUNT_KEY_FILE")


class ServiceAccount(RenewingProvider):
    """A service account's tokens: each is asked for with an assertion that the account's key signs. Needs `auth`.

    The services count them as a user's: invite the account's e-mail address to the projects it shall see, and send
    no `x-user-id`.

    Args:
        client_id: the app's client id.
        client_secret: its secret.
        account_id: the `serviceAccountId`.
        key_id: the `kid` of the key.
        private_key: the key as PEM text.
        scopes: what the tokens are for.

    Raises:
        InputError: something is empty, the key cannot be read, or the extra `auth` is missing.
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

        The key itself is in `APS_SERVICE_ACCOUNT_KEY` (PEM, line ends also as `\\n`) or in the file that
        `APS_SERVICE_ACCOUNT_KEY_FILE` names.

        Raises:
            AuthError: one of them is not set.
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
        rejected: AccessToken | None,  # noqa: ARG002 - whatever comes is another one
    ) -> AccessToken:
        asked_at = client.now()
        # An assertion that goes out twice only brings two tokens.
        call = self._app.post(
            client,
            TOKEN_PATH,
            {"grant_type": GRANT, "assertion": self.assertion(asked_at), "scope": " ".join(self.scopes)},
        )
        try:
            return read_token(await call, asked_at)
        except APSError as problem:
            hint = ""
            if isinstance(problem, ResponseError) and not is_transient(problem):
                hint = "; check that account and key are enabled, that the key belongs to the account, and this clock"
            raise AuthError(f"no token for service account {self.account_id}: {problem}{hint}") from problem

    def assertion(self, now: float) -> str:
        """A signed assertion that holds for the next five minutes. It is as good as a password: do not show it."""
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
    file = Path(path)
    try:
        file = file.expanduser()
        text = file.read_text("utf-8")
        mode = stat.S_IMODE(file.stat().st_mode)
    except (OSError, ValueError, RuntimeError) as problem:
        words = getattr(problem, "strerror", None) or "it is not a text file"
        raise InputError(f"{what}: the file {path} cannot be read: {words}") from None
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
        pass  # the parser's words may quote the key
    raise InputError("the service account's key is no private RSA key in PEM form (-----BEGIN PRIVATE KEY-----)")
