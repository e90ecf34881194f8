"""From a redirect to a login: the steps that the command line and your own web app take.

https://aps.autodesk.com/en/docs/oauth/v2
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from aps_async.auth.credentials import TOKEN_PATH, AppCredentials, claimed_text, read_token
from aps_async.auth.provider import TokenClient, unverified_claims
from aps_async.auth.store import Login
from aps_async.errors import APSError, AuthError, InputError, forget_frames
from aps_async.links import redact
from aps_async.narrowing import is_list
from aps_async.transport.request import form_encoded

__all__ = ["AUTHORIZE_PATH", "REVOKE_PATH", "AuthorizationRequest", "login_from", "revoke"]
__dir__: object = __all__.copy

AUTHORIZE_PATH = "/authentication/v2/authorize"
REVOKE_PATH = "/authentication/v2/revoke"


@frozen(kw_only=True)
class AuthorizationRequest:
    """One attempt to sign a user in, with its own PKCE verifier and `state`. Use it once.

    A web app keeps it (in its session storage, on the server) while the user is on Autodesk's page:

        request = AuthorizationRequest.new(app, redirect_uri="https://example.com/callback", scopes=["data:read"])
        ...redirect the browser to request.url(session.base_url); in the handler of the redirect_uri then:
        login = await request.finish(session, app, str(http_request.url))
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    prompt: str | None = None

    @classmethod
    def new(
        cls, app: AppCredentials, *, redirect_uri: str, scopes: Sequence[str], prompt: str | None = None
    ) -> "AuthorizationRequest":
        """A new request.

        Args:
            app: the app to sign in to.
            redirect_uri: exactly one of those registered for the app.
            scopes: the scopes of the tokens.
            prompt: `login` to show the sign-in form even if the user is signed in; `create` to offer a new account.

        Raises:
            InputError: no scope is given.
        """
        if not scopes:
            raise InputError("a sign-in needs at least one scope, such as data:read")
        return cls(
            client_id=app.client_id,
            redirect_uri=redirect_uri,
            scopes=tuple(scopes),
            state=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(64),
            nonce=secrets.token_urlsafe(32),
            prompt=prompt,
        )

    def url(self, base_url: str) -> str:
        """The address to open in the user's browser."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        values = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.scopes),
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self.prompt:
            values["prompt"] = self.prompt
        if "openid" in self.scopes:
            values["nonce"] = self.nonce
        return f"{base_url}{AUTHORIZE_PATH}?{form_encoded(values)}"

    def is_answered_by(self, redirected: str) -> bool:
        """Whether a redirected address belongs to this request: the same place, and the right `state`."""
        try:
            here, there = urlsplit(redirected), urlsplit(self.redirect_uri)
            names = [name for name, _ in parse_qsl(here.query, keep_blank_values=True)]
            same = (here.scheme, here.netloc, here.path) == (there.scheme, there.netloc, there.path)
        except ValueError:
            return False
        values = dict(parse_qsl(here.query, keep_blank_values=True))
        ours = hmac.compare_digest(values.get("state", "").encode(), self.state.encode())
        return same and ours and len(names) == len(set(names)) and ("code" in values) != ("error" in values)

    async def finish(self, client: TokenClient, app: AppCredentials, redirected: str) -> Login:
        """Turns the address that the browser was redirected to into a login.

        Args:
            client: an open session.
            app: the same app as in `new`.
            redirected: the whole address, query included.

        Raises:
            AuthError: the address belongs to another request, the user denied access, the code was refused, or the
                service could not be reached. The code may be spent: start with a new request.
            DecodeError: the token response cannot be read.
        """
        if not self.is_answered_by(redirected):
            raise AuthError("this address does not belong to the sign-in that was started here: start again")
        values = dict(parse_qsl(urlsplit(redirected).query, keep_blank_values=True))
        if "error" in values:
            raise AuthError(_denied(values))
        asked_at = client.now()
        exchange = app.post(
            client,
            TOKEN_PATH,
            {
                "grant_type": "authorization_code",
                "code": values["code"],
                "redirect_uri": self.redirect_uri,
                "code_verifier": self.verifier,
            },
            repeatable=False,
        )
        del redirected, values  # they contain the code, and this frame lives as long as the call
        try:
            answer = await exchange
        except APSError as problem:
            raise AuthError(f"the sign-in was not completed: {problem}") from problem
        try:
            self._check_identity(answer)
            return login_from(
                answer, client_id=self.client_id, service=client.base_url, asked_at=asked_at, scopes=self.scopes
            )
        except APSError as problem:
            del answer  # this frame stays alive with the error
            forget_frames(problem)
            raise

    def _check_identity(self, answer: Mapping[str, Any]) -> None:
        """Refuses an id token that belongs to another request."""
        if "openid" in self.scopes and unverified_claims(str(answer.get("id_token"))).get("nonce") != self.nonce:
            raise AuthError("the id token does not belong to this sign-in: start again")


def _denied(values: Mapping[str, str]) -> str:
    word = values["error"]
    description = " ".join(redact(values.get("error_description", "")).split())[:200]
    if word == "access_denied":
        return "access was denied on the sign-in page; nothing was stored"
    return f"the sign-in page reports an error ({word[:60]}{f': {description}' if description else ''})"


def login_from(
    answer: Mapping[str, Any],
    *,
    client_id: str,
    service: str,
    asked_at: float,
    scopes: tuple[str, ...] = (),
    before: Login | None = None,
) -> Login:
    """The login in a token response; `before` is the login that it renews.

    Raises:
        DecodeError: the response contains no access token.
    """
    token = read_token(answer, asked_at)
    claims = unverified_claims(token.value)
    refresh, granted = answer.get("refresh_token"), claims.get("scope")
    user = claimed_text(claims, "userid") or claimed_text(unverified_claims(str(answer.get("id_token"))), "sub")
    if is_list(granted):
        scopes = tuple(each for each in granted if isinstance(each, str))
    return Login(
        client_id=client_id,
        service=service,
        scopes=scopes or (before.scopes if before else ()),
        refresh_token=refresh if isinstance(refresh, str) and refresh else (before.refresh_token if before else None),
        access_token=token.value,
        issued_at=asked_at,
        expires_at=token.expires_at or asked_at,
        signed_in_at=before.signed_in_at if before else asked_at,
        user_id=user or (before.user_id if before else None),
        renewals=before.renewals + 1 if before else 0,
    )


async def revoke(client: TokenClient, app: AppCredentials, token: str, *, hint: str = "refresh_token") -> None:
    """Revokes a token (`POST authentication/v2/revoke`; 100 calls a minute).

    https://aps.autodesk.com/en/docs/oauth/v2

    Args:
        client: an open session.
        app: the app that it was issued to.
        token: the token.
        hint: `refresh_token` or `access_token`.

    Raises:
        APSError: the service could not be reached, or refused.
    """
    call = app.post(client, REVOKE_PATH, {"token": token, "token_type_hint": hint}, may_be_empty=True)
    del token  # this frame lives as long as the call
    await call
