"""The access tokens that were given out."""

import random
from collections.abc import Callable
from typing import Any

import attrs

from .oauthkeys import KEY_ID, sign
from .parts import App, User

ISSUER = "https://developer.api.autodesk.com"
AUDIENCE = "https://autodesk.com"


@attrs.frozen
class Token:
    """An access token that was given out."""

    app: App
    scopes: frozenset[str]
    expires: float
    """Loop time from which it is refused."""
    user: User | None = None
    """The user that signed in; None for a two-legged token."""
    login: str = ""
    """The login that it belongs to, and dies with."""
    until: float = 0.0
    """Wall time of the expiry, as its `exp` says."""


class Tokens:
    """Every bearer that is still good."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tokens|{seed}")  # noqa: S311 - reproducible, and good for nothing but loopback
        self._tokens: dict[str, Token] = {}
        self.issued: int = 0

    def issue(self, token: Token, now: float) -> str:
        """A new bearer; dead ones are forgotten from time to time."""
        self.issued += 1
        if self.issued % 256 == 0:
            self._tokens = {text: token for text, token in self._tokens.items() if token.expires > now}
        claims: dict[str, Any] = {
            "scope": sorted(token.scopes),
            "client_id": token.app.client_id,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "jti": self.secret(),
            "exp": int(token.until),
        }
        if token.user is not None:
            claims["userid"] = token.user.id
        text = sign({"alg": "RS256", "kid": KEY_ID, "pi.atm": "assc"}, claims)
        self._tokens[text] = token
        return text

    def secret(self) -> str:
        """A text that cannot be guessed: for codes, refresh tokens and ids."""
        return f"{self._random.getrandbits(192):048x}"

    def find(self, text: str, now: float) -> Token | None:
        """The token behind a bearer, unless it has expired or was revoked."""
        token = self._tokens.get(text)
        return token if token is not None and token.expires > now else None

    def app_of(self, text: str) -> App | None:
        """Whose bearer this is or was."""
        token = self._tokens.get(text)
        return None if token is None else token.app

    def revoke(self, text: str) -> None:
        """Revoke one token."""
        if text in self._tokens:
            self._tokens[text] = attrs.evolve(self._tokens[text], expires=-1.0)

    def revoke_app(self, app: App) -> int:
        """Revoke every token of an app; how many there were."""
        return self._revoke_where(lambda token: token.app is app)

    def revoke_login(self, login: str) -> int:
        """Revoke every token of one login; how many there were."""
        return self._revoke_where(lambda token: token.login == login)

    def revoke_all(self) -> int:
        """Revoke every token; how many there were."""
        number = len(self._tokens)
        self._tokens.clear()
        return number

    def _revoke_where(self, fits: Callable[[Token], bool]) -> int:
        mine = [text for text, token in self._tokens.items() if fits(token) and token.expires >= 0]
        for text in mine:
            self.revoke(text)
        return len(mine)
