"""The commands about credentials and access: `login`, `logout`, `whoami`, `doctor`."""

from functools import partial
from typing import Annotated, Any

import typer

from aps_async.cli.options import JSON_OBJECT, USER_ID, a_target


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(login)
    app.command()(logout)
    app.command()(whoami)
    app.command()(doctor)


def login(
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The app to sign in to; its id is not secret.")
    ] = None,
    callback: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback address registered for the app; by default http://127.0.0.1:8765/callback.",
        ),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="A scope of the tokens, such as data:read. Repeatable.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, to be opened in a browser on any device.")
    ] = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep the login in the system's keyring.")] = False,
    another_user: Annotated[
        bool, typer.Option("--another-user", help="Show the sign-in form even if the browser is already signed in.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How long to wait for you to sign in.")
    ] = 300.0,
) -> Any:
    """Sign in as a user, in the browser. Needs an app's client id, and no secret if the app is a public client."""
    from aps_async.cli import login as signing_in

    choices = signing_in.LoginChoices(
        client_id=client_id,
        callback=callback,
        scopes=tuple(scope or ()),
        browser=not no_browser,
        keyring=keyring,
        another_user=another_user,
        timeout=timeout,
    )
    return partial(signing_in.login, choices)


def logout(
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the login without revoking it at the service.")
    ] = False,
) -> Any:
    """Revoke the login at the service and delete it from this machine."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.logout, forget=forget)


def whoami(user_id: USER_ID = None, json: JSON_OBJECT = False) -> Any:
    """Show which user or app the other commands act as, where that is configured, its scopes and expiry."""
    from aps_async.cli import login as signing_in

    return partial(signing_in.whoami, user_id=user_id, as_json=json)


def doctor(
    out: Annotated[
        Any, typer.Option(metavar="DIR", parser=a_target, help="The folder or address to check write access to.")
    ] = ".",
    user_id: USER_ID = None,
    json: JSON_OBJECT = False,
) -> Any:
    """Check network, proxy, certificate, clock, credentials, scopes, hubs and write access; no secret is shown."""
    from aps_async.cli import doctor as examination

    return partial(examination.doctor, user_id=user_id, target=out, as_json=json)
