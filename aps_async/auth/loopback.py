"""Signing a person in at this machine's browser, or at another device's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from aps_async.auth.background import in_daemon_thread
from aps_async.auth.credentials import SCOPES, AppCredentials
from aps_async.auth.grants import AuthorizationRequest
from aps_async.auth.provider import TokenClient
from aps_async.auth.store import Login
from aps_async.auth.three_legged import ThreeLegged
from aps_async.errors import APSError, AuthError

if TYPE_CHECKING:  # the server half of aiohttp would double the time of `import aps_async`
    from aps_async.auth.callback import Listener

__all__ = ["CALLBACK", "authorize", "authorize_elsewhere", "open_browser"]
__dir__: object = __all__.copy

CALLBACK = "http://127.0.0.1:8765/callback"
"""The callback address when no other is given. It must be registered for the app, sign for sign."""


async def open_browser(url: str) -> None:
    """Opens the user's browser; does nothing where there is none.

    Cancelled while the browser runs in the foreground, it leaves the browser open.
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
    timeout: float = 300.0,
    show: Callable[[str], Awaitable[None]] = open_browser,
) -> Login:
    """Signs a person in with the browser of this machine, and puts the login into the store of `tokens`.

    A server on 127.0.0.1 (for a `localhost` callback also on ::1) waits for the browser to come back. It answers that
    one request, with the right path, host and `state`, and closes.

        tokens = ThreeLegged(client_id, store=FileStore("login.json"))
        async with Session(tokens) as session:
            await authorize(session, tokens, scopes=["data:read"])

    https://aps.autodesk.com/en/docs/oauth/v2

    Args:
        client: an open session; it may be the one that `tokens` is for.
        tokens: for which app, and where the login goes.
        scopes: what the tokens are for.
        callback: `http://127.0.0.1:<port>/<path>`, sign for sign as it is registered for the app.
        prompt: `login` to have the person log in even when they are.
        timeout: seconds until we stop waiting for the person.
        show: gets the address of the sign-in page and brings it to the person.

    Raises:
        AuthError: denied, refused, or nobody came in time. Nothing is stored then.
        InputError: the callback address is not one of this machine's, or its port is taken.
    """
    from aps_async.auth.callback import Callback, listening

    request = AuthorizationRequest.new(tokens.app, redirect_uri=callback, scopes=scopes, prompt=prompt)
    async with listening(Callback.of(callback), request.is_answered_by) as listener:
        # Beside each other: a browser in the terminal holds `show` until the person leaves it, after the last page.
        showing = asyncio.ensure_future(show(request.url(client.base_url)))
        coming = asyncio.ensure_future(listener.redirected())
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({showing, coming}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    await showing  # what it raises ends the wait
                await coming
            return await _finish(client, tokens, request, coming.result(), listener)
        except TimeoutError:
            others = f" ({listener.refused} other requests were refused)" if listener.refused else ""
            raise _too_late(timeout, others) from None
        finally:
            for task in (showing, coming):
                task.cancel()
            await asyncio.gather(showing, coming, return_exceptions=True)


async def _finish(
    client: TokenClient, tokens: ThreeLegged, request: AuthorizationRequest, redirected: str, listener: "Listener"
) -> Login:
    from aps_async.auth.callback import Page

    finishing = request.finish(client, tokens.app, redirected)
    del redirected  # it holds the code, and this frame lives as long as the call
    try:
        login = await finishing
        await tokens.keep(login)
    except APSError as problem:
        await listener.show(Page("Not signed in", f"{problem}.", good=False))
        raise
    await listener.show(Page("You are signed in", "aps-async has what it needs. Go back to where you started it."))
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
    """Signs a person in with the browser of any device, and puts the login into the store of `tokens`.

    After the consent that browser is sent to `callback`, where nothing may be listening. Its address bar then shows
    the address that is wanted here.

    Args:
        client: an open session.
        tokens: for which app, and where the login goes.
        scopes: what the tokens are for.
        callback: any address that is registered for the app, sign for sign.
        prompt: `login` to have the person log in even when they are.
        timeout: seconds until we stop waiting for the person; None: as long as `ask` takes.
        ask: gets the address of the sign-in page, and gives back the one that the browser ended at.

    Raises:
        AuthError: denied, refused, too late, or the address answers another request. Nothing is stored then.
    """
    app: AppCredentials = tokens.app
    request = AuthorizationRequest.new(app, redirect_uri=callback, scopes=scopes, prompt=prompt)
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            redirected = await ask(request.url(client.base_url))
    except TimeoutError:
        if timeout is None or not limit.expired():
            raise  # an error of `ask`
        raise _too_late(timeout) from None
    finishing = request.finish(client, app, redirected.strip())
    del redirected  # it holds the code, and this frame lives as long as the call
    login = await finishing
    await tokens.keep(login)
    return login


def _too_late(timeout: float, others: str = "") -> AuthError:
    return AuthError(f"nobody signed in within {timeout:.0f} s{others}; try again: aps-async login")
