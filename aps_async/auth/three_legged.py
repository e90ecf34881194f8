"""A user's tokens: kept in a shared store, renewed once for all users of the store, and never lost in a renewal.

https://aps.autodesk.com/en/docs/oauth/v2/reference/http/gettoken-POST/

A renewal spends the refresh token, and only its response contains the next one. So:

- one task of one process renews, under the store's lock, and the others read the result from the store;
- the store is marked before the request is sent, and the new refresh token is saved before the access token is used;
- cancelling the caller does not cancel the renewal, and a session waits for it before it closes, for as long as
  a call waits for the token;
- the request is repeated automatically only if it certainly never arrived. After a lost response, it is unknown whether
  the old token is spent. The current access token is then used until it expires, which gives a delayed request time to
  arrive; after that the old token is tried again, since nothing can be lost any more. If it is refused, the login is
  over, and the error says why.
"""

import asyncio
from contextlib import suppress

from attrs import evolve

from aps_async.auth.credentials import TOKEN_PATH, AppCredentials
from aps_async.auth.grants import login_from, revoke
from aps_async.auth.provider import AccessToken, RenewingProvider, TokenClient, renewal_time
from aps_async.auth.store import Login, TokenStore
from aps_async.errors import APSError, AuthError, InputError, ResponseError, TransportError
from aps_async.transport.retry import is_undecided

__all__ = ["ThreeLegged"]
__dir__: object = __all__.copy

_LOG_IN = "log in again: aps-async login"
_UNUSED_DAYS = 15  # the documented life of a refresh token
_SETTLE = 10.0  # seconds that a closing session waits for a renewal although no call waits for its token


class ThreeLegged(RenewingProvider):
    """The tokens of a signed-in user, from a store that any number of tasks and processes share.

    Sign in with `aps-async login` or `aps_async.auth.authorize`; a web app creates the login itself with
    `AuthorizationRequest`. After that, this class renews the login for as long as it is used every 15 days.

    Args:
        client_id: the app's client id.
        client_secret: its secret; None for a public client.
        store: the store of the login.

    Raises:
        InputError: the client id is empty.
    """

    two_legged = False

    def __init__(self, client_id: str, *, store: TokenStore, client_secret: str | None = None) -> None:
        super().__init__()
        if not client_id:
            raise InputError("a user's tokens need the client id of the app that the user signs in to")
        self.app: AppCredentials = AppCredentials(client_id, client_secret)
        self.client_id: str = self.app.client_id
        self.store = store
        self._user: str | None = None
        self._unsaved: Login | None = None
        self._renewal: asyncio.Task[AccessToken] | None = None

    def __repr__(self) -> str:
        return f"ThreeLegged({self.client_id!r}, store={self.store!r})"

    async def keep(self, login: Login) -> None:
        """Replaces the login in the store.

        Raises:
            AuthError: the store cannot be written.
        """
        async with self.store.lock():
            await self.store.save(login)
        self._current, self._user, self._unsaved = None, None, None

    async def log_out(self, client: TokenClient) -> Login | None:
        """Revokes the login at the service, deletes it from the store and returns it; None if there was none.

        Raises:
            APSError: the service could not be reached, or refused; nothing is deleted then. `store.delete()` deletes
                without revoking.
        """
        async with self.store.lock():
            login = await self.store.load()
            if login is not None:
                if login.refresh_token is not None and login.service == client.base_url:
                    await revoke(client, evolve(self.app, client_id=login.client_id), login.refresh_token)
                await self.store.delete()
        self._current = None
        return login

    async def settle(self) -> None:
        """Waits for a renewal in progress, so that its response is stored; see `Settles`.

        A renewal that takes too long is cancelled, unless a call waits for its token: other sessions may share this
        provider, and the request was sent over the connection of the one that closes.
        """
        renewal = self._renewal
        if renewal is None or renewal.done():
            return
        await asyncio.wait([renewal], timeout=_SETTLE)
        queue = self._queue_here()
        while not renewal.done():
            async with queue.lock:  # behind the calls that wait already; later ones wait for this
                if not queue.callers:
                    renewal.cancel()
                    await asyncio.wait([renewal])

    async def _renew(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        while True:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._read_or_renew(client, rejected))
                self._renewal.add_done_callback(_note_failure)
            token = await asyncio.shield(self._renewal)
            # A renewal that a cancelled caller left running may return a token that was rejected since.
            if rejected is None or token.value != rejected.value:
                return token

    async def _read_or_renew(self, client: TokenClient, rejected: AccessToken | None) -> AccessToken:
        login = self._checked(client, await self.store.load())
        if not self._is_fresh(client, login, rejected):
            async with self.store.lock():
                login = self._checked(client, await self._kept())
                if not self._is_fresh(client, login, rejected):  # another process may have renewed it while we waited
                    return await self._renew_login(client, login, rejected)
        return login.token

    async def _kept(self) -> Login | None:
        """The login in the store, after saving a renewed one that could not be saved before."""
        login = await self.store.load()
        if self._unsaved is not None:
            if login is not None and login.renewing and login.renewals + 1 == self._unsaved.renewals:
                await self.store.save(self._unsaved)
                login = self._unsaved
            self._unsaved = None
        return login

    def _checked(self, client: TokenClient, login: Login | None) -> Login:
        if login is None:
            raise AuthError("not logged in; log in: aps-async login")
        if login.client_id != self.client_id:
            raise AuthError(f"the stored login is for client id {login.client_id}, not {self.client_id}; {_LOG_IN}")
        if login.service != client.base_url:
            raise AuthError(f"the stored login is for {login.service}, not {client.base_url}; {_LOG_IN}")
        if self._user is not None and login.user_id != self._user:
            raise AuthError("another user has logged in since; start again to continue as that user")
        self._user = login.user_id
        return login

    @staticmethod
    def _is_fresh(client: TokenClient, login: Login, rejected: AccessToken | None) -> bool:
        is_rejected = rejected is not None and rejected.value == login.access_token
        return not is_rejected and client.now() < renewal_time(client, login.token)

    async def _renew_login(self, client: TokenClient, login: Login, rejected: AccessToken | None) -> AccessToken:
        """Called under the lock."""
        is_rejected = rejected is not None and rejected.value == login.access_token
        still_good = not is_rejected and client.now() < login.expires_at
        if still_good and (login.renewing or login.refresh_token is None):
            return _to_the_end(login)
        if login.refresh_token is None:
            raise AuthError(f"the login is over; {_LOG_IN}")
        try:
            renewed = await self._post(client, login)
        except ResponseError as problem:
            if problem.code == "invalid_grant":
                return await self._refused(client, login, problem)
            failure: APSError = problem
        except APSError as problem:
            failure = problem
        else:
            await self._save(renewed)
            return renewed.token
        if not login.renewing and _is_unspent(failure):
            await self.store.save(login)
        if still_good and is_undecided(failure):
            return _to_the_end(login)
        raise AuthError(f"the login could not be renewed: {failure}") from failure

    async def _post(self, client: TokenClient, login: Login) -> Login:
        await self.store.save(evolve(login, renewing=True))
        asked_at = client.now()
        answer = await self.app.post(
            client,
            TOKEN_PATH,
            {"grant_type": "refresh_token", "refresh_token": login.refresh_token or ""},
            repeatable=False,
        )
        return login_from(answer, client_id=self.client_id, service=login.service, asked_at=asked_at, before=login)

    async def _save(self, renewed: Login) -> None:
        self._unsaved = renewed
        await self.store.save(renewed)
        self._unsaved = None

    async def _refused(self, client: TokenClient, login: Login, problem: ResponseError) -> AccessToken:
        """The refresh token is invalid. A process without our lock, on another machine, may have spent it."""
        current = await self.store.load()
        if current is not None and current.refresh_token not in (None, login.refresh_token):
            if self._is_fresh(client, self._checked(client, current), None):
                return current.token
            raise AuthError("this login is also renewed elsewhere, without its lock; give each machine its own login")
        await self.store.save(evolve(login, refresh_token=None, renewing=False))
        days = (client.now() - login.issued_at) / 86400
        if login.renewing:
            why = "the response to the last renewal was lost, and the new refresh token with it"
        elif days > _UNUSED_DAYS:
            why = f"it was not used for {days:.0f} days; {_UNUSED_DAYS} are allowed"
        else:
            why = "its refresh token was revoked, or already used by another copy of the login"
        raise AuthError(f"the login is over ({why}); {_LOG_IN}") from problem


def _to_the_end(login: Login) -> AccessToken:
    """The current access token, to be used until it expires instead of up to the margin before that."""
    return evolve(login.token, issued_at=login.expires_at)


def _is_unspent(problem: APSError) -> bool:
    """Whether the service certainly did not accept the refresh token of the failed call."""
    if isinstance(problem, ResponseError):
        return problem.status < 500 and problem.status != 408
    return isinstance(problem, TransportError) and not problem.sent


def _note_failure(renewal: "asyncio.Task[AccessToken]") -> None:
    """Retrieves the exception: if every caller was cancelled, asyncio would log it as never retrieved."""
    with suppress(asyncio.CancelledError):
        renewal.exception()
