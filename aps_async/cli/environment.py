"""Opens a session as environment and profile configure it.

Secrets are never taken from the command line, where other users can read them.
"""

import os
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from aps_async.auth import TokenProvider
from aps_async.cli.ending import few_words
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.identity import identity
from aps_async.cli.output import print_status
from aps_async.cli.trouble import TroubleLines
from aps_async.errors import InputError, TransportError
from aps_async.session import Session
from aps_async.settings import SPEED_VARIABLE, WAITING_VARIABLE, Settings
from aps_async.transport import addresses
from aps_async.transport.headers import header_value
from aps_async.transport.quotas import RateLimiters
from aps_async.transport.request import checked_base

CA_FILE = "APS_CA_FILE"
"""Names a file of CA certificates (PEM) to trust besides the system's."""


def open_session(
    user_id: str | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    user_id_place: str = "--user-id",
    quotas: RateLimiters | None = None,
    patient: bool = False,
) -> Session:
    """A session, not yet entered, with the identity that options, environment and profile give; see `identity`."""
    environ = os.environ if environ is None else environ
    acting = identity(environ, user_id, user_id_place=user_id_place)
    if acting.user_id:
        header_value(acting.places["user_id"], acting.user_id)
    return session_with(
        acting.tokens,
        acting.base_url,
        place=acting.places["base_url"],
        user_id=acting.user_id,
        environ=environ,
        quotas=quotas,
        patient=patient,
    )


def session_with(
    tokens: TokenProvider,
    base_url: str,
    *,
    place: str,
    user_id: str = "",
    environ: Mapping[str, str] | None = None,
    quotas: RateLimiters | None = None,
    patient: bool = False,
) -> Session:
    """A session, not yet entered, for this address.

    Args:
        tokens: the token provider.
        base_url: the address of the service.
        place: where that was set, for messages.
        user_id: the user to act for.
        environ: the environment variables.
        quotas: shared rate limiters.
        patient: for a command that may start before the network is up.

    Raises:
        InputError: the address, or a value of the environment, cannot be used.
        UsageProblem: a variable is for a simulator.
    """
    base_url = checked_base(base_url, place)
    environ = os.environ if environ is None else environ
    session = Session(
        tokens,
        base_url=base_url,
        settings=settings_from(environ, base_url),
        user_id=user_id or None,
        proxy=proxy_for(base_url),
        ssl=environ.get(CA_FILE, "").strip() or None,
        quotas=quotas,
        patient=patient,
        on_unreachable=None if patient else partial(_second_attempt, host_of(base_url)),
    )
    session.base_url_place = place
    session.contact.listen(TroubleLines(session.contact))
    return session


def _second_attempt(host: str, problem: TransportError) -> None:
    print_status(f"{host}: {few_words(problem)}. Trying once more")


def settings_from(environ: Mapping[str, str], base_url: str) -> Settings:
    """`APS_SPEED` and `APS_WAITING` shorten times, which only a simulator on this machine can keep."""
    for name in (SPEED_VARIABLE, WAITING_VARIABLE):
        if environ.get(name, "").strip() and not is_loopback(base_url):
            raise UsageProblem(f"{name} is for a simulator on this machine, and {base_url} is not on it: unset it")
    try:
        return Settings.from_env(environ)
    except InputError as problem:
        raise UsageProblem(str(problem)) from None


def proxy_for(base_url: str) -> str | None:
    """The proxy of `HTTPS_PROXY`, unless `NO_PROXY` lists the host or the host is this machine.

    Raises:
        InputError: it is not the address of an HTTP proxy.
    """
    proxy, name = getproxies_environment().get("https"), proxy_variable()
    if not proxy or is_loopback(base_url) or proxy_bypass(host_of(base_url)):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"the address in {name} cannot be used: set it to that of an HTTP proxy, http://HOST:PORT")
    return proxy


def proxy_variable() -> str:
    """The variable that names the proxy: in small letters it comes first."""
    return next((name for name in ("https_proxy", "HTTPS_PROXY") if os.environ.get(name)), "HTTPS_PROXY")


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        return addresses.is_loopback(host_of(url))
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host of an address that has been checked."""
    return urlsplit(url).hostname or ""
