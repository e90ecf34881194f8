"""Signing a user in with this machine's browser, or on another device."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aps_async.arguments import check_awaited
from aps_async.auth.background import in_daemon_thread
from aps_async.auth.credentials import SCOPES, AppCredentials
from aps_async.auth.grants import AuthorizationRequest
from aps_async.auth.provider import TokenClient
from aps_async.auth.store import Login
from aps_async.auth.three_legged import ThreeLegged
from aps_async.errors import APSError, AuthError
from aps_async.threads import stopped
from aps_async.transport.retry import check_timeout, until

if TYPE_CHECKING:  # the server half of aiohttp would double the time of `import aps_async`
    from aps_async.auth.callback import Listener

__all__ = ["CALLBACK", "authorize", "authorize_elsewhere", "open_browser"]
__dir__: object = __all__.copy

CALLBACK = "http://127.0.0.1:8765/callback"
"""The default callback address. Exactly this address must be registered for the app."""


async def open_browser(url: str) -> None:
    """Opens the user's browser; does nothing if there is none.

    If cancelled while the browser runs in the foreground, the browser stays open.
    """
    import webbrowser

    await in_daemon_thread(lambda: webbrowser.open(url))


async def authorize(
    client: TokenClient,
    tokens: ThreeLegged,
    *,
    scopes: Sequence[str] = SCOPES,
    callback: str = CALLBACK,
    prompt: str | None = None,
    timeout: float | None = 300.0,
    show: Callable[[str], Awaitable[None]] = open_browser,
) -> Login:
    """Signs a user in with this machine's browser, and puts the login into the store of `tokens`.

    A server on 127.0.0.1 (for a `localhost` callback also on ::1) waits for the redirected browser. It accepts only
    that one request, with the right path, host and `state`, and closes.

        tokens = ThreeLegged(client_id, store=FileStore("login.json"))
        async with Session(tokens) as session:
            await authorize(session, tokens, scopes=["data:read"])

    https://aps.autodesk.com/en/docs/oauth/v2

    Args:
        client: an open session; it may be the one that uses `tokens`.
        tokens: the app, and the store for the login.
        scopes: the scopes of the tokens.
        callback: `http://127.0.0.1:<port>/<path>`, exactly as registered for the app.
        prompt: `login` to show the sign-in form even if the user is signed in.
        timeout: seconds to wait for the user; None: no limit.
        show: called with the address of the sign-in page, to show it to the user.

    Raises:
        AuthError: access was denied or refused, or the user did not sign in within `timeout`. Nothing is stored then.
        InputError: the callback address does not point to this machine, its port is in use, or `timeout` is not a
            number of seconds.
    """
    from aps_async.auth.callback import Callback, listening

    check_timeout(timeout)
    check_awaited(show=show)
    request = AuthorizationRequest.new(tokens.app, redirect_uri=callback, scopes=scopes, prompt=prompt)
    async with listening(Callback.of(callback), request.is_answered_by) as listener:
        # Concurrently: with a browser in the terminal, `show` returns only when the user quits it, after the last page.
        showing = asyncio.ensure_future(show(request.url(client.base_url)))
        coming = asyncio.ensure_future(listener.redirected())
        try:
            async with _sign_in_within(timeout, listener):
                await asyncio.wait({showing, coming}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    await showing  # its exception ends the wait
                await coming
            return await _finish(client, tokens, request, coming.result(), listener)
        finally:
            await stopped([showing, coming])


async def _finish(
    client: TokenClient, tokens: ThreeLegged, request: AuthorizationRequest, redirected: str, listener: "Listener"
) -> Login:
    from aps_async.auth.callback import Page

    finishing = request.finish(client, tokens.app, redirected)
    del redirected  # it contains the code, and this frame lives as long as the call
    try:
        login = await finishing
        await tokens.keep(login)
    except Exception as problem:
        words = f"{problem}." if isinstance(problem, APSError) else "The login could not be stored."
        await listener.show(Page("Not signed in", words, good=False))
        raise
    await listener.show(Page("You are signed in", "aps-async has what it needs. You can return to it now."))
    return login


async def authorize_elsewhere(
    client: TokenClient,
    tokens: ThreeLegged,
    *,
    scopes: Sequence[str] = SCOPES,
    callback: str = CALLBACK,
    prompt: str | None = None,
    timeout: float | None = None,
    ask: Callable[[str], Awaitable[str]],
) -> Login:
    """Signs a user in with a browser on any device, and puts the login into the store of `tokens`.

    After the user consents, that browser is redirected to `callback`, where nothing needs to be listening. `ask` has
    to return the address that its address bar then shows.

    Args:
        client: an open session.
        tokens: the app, and the store for the login.
        scopes: the scopes of the tokens.
        callback: exactly one of the addresses registered for the app.
        prompt: `login` to show the sign-in form even if the user is signed in.
        timeout: seconds to wait for `ask`; None: no limit.
        ask: called with the address of the sign-in page; returns the address that the browser was redirected to.

    Raises:
        AuthError: access was denied or refused, `timeout` is over, or the address belongs to another request. Nothing
            is stored then.
        InputError: `timeout` is not a number of seconds.
    """
    app: AppCredentials = tokens.app
    check_timeout(timeout)
    check_awaited(ask=ask)
    request = AuthorizationRequest.new(app, redirect_uri=callback, scopes=scopes, prompt=prompt)
    async with _sign_in_within(timeout):
        redirected = await ask(request.url(client.base_url))
    finishing = request.finish(client, app, redirected.strip())
    del redirected  # it contains the code, and this frame lives as long as the call
    login = await finishing
    await tokens.keep(login)
    return login


def _sign_in_within(timeout: float | None, listener: "Listener | None" = None) -> AbstractAsyncContextManager[None]:
    """Ends the wait for the user. A TimeoutError of something else is raised as it is."""

    def error(_: Exception | None) -> AuthError:
        others = f" ({listener.refused} other requests were refused)" if listener and listener.refused else ""
        return AuthError(f"no sign-in within {timeout:.0f} s{others}; try again: aps-async login")

    return until(None if timeout is None else asyncio.get_running_loop().time() + timeout, error)
