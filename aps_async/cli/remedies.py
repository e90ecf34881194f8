"""What to do about what `doctor` found."""

import ssl
from urllib.parse import urlsplit

from aiohttp import ClientConnectorCertificateError, ClientConnectorSSLError, ClientHttpProxyError

from aps_async.cli.environment import CA_FILE, is_loopback, proxy_variable
from aps_async.cli.exit_codes import exit_code
from aps_async.cli.identity import Identity
from aps_async.errors import NotFoundError
from aps_async.transport.request import PRODUCTION
from aps_async.transport.retry import interception

CLOCK = "set this machine's clock, or turn on its synchronization: tokens and certificates depend on it"
USER = (
    "give --user-id or APS_USER_ID: the Autodesk id of a member of the project (aps-async whoami shows it to a user "
    "who has signed in), or sign in with 'aps-async login'"
)
_LATER = "try again in a few minutes: the service has trouble, or another program uses up this client id's quota"
_INTERCEPTED = (
    "open any page in a browser, in case this network wants you to sign in; otherwise its administrators must let "
    "this program's calls through to the service"
)
_NEEDS_LOGIN = 407
# https://docs.openssl.org/master/man1/openssl-verification-options/#trust-anchors, X509_V_ERR_...
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64


def for_error(problem: BaseException) -> str:
    """Of an error whose message does not say what to do, because nothing here is wrong; otherwise empty."""
    if interception(problem):
        return _INTERCEPTED
    return _LATER if exit_code(problem) == 6 else ""


def for_certificate(problem: BaseException) -> str:
    """Of a server whose certificate is not trusted."""
    found = problem.certificate_error if isinstance(problem, ClientConnectorCertificateError) else None
    code = found.verify_code if isinstance(found, ssl.SSLCertVerificationError) else None
    if code in (_NOT_YET_VALID, _EXPIRED):
        return CLOCK
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return "another server answers: sign in to this network in a browser, if it has a sign-in page"
    return f"name the CA file (PEM) of a proxy that inspects TLS in {CA_FILE}"


def for_network(base: str, proxy: str | None, place: str, problem: BaseException) -> str:
    """Of a service that cannot be reached; `place` is where its address was set."""
    if isinstance(problem, ClientHttpProxyError) and problem.status == _NEEDS_LOGIN:
        return f"give the proxy's user and password: {proxy_variable()}=http://USER:PASSWORD@HOST:PORT"
    speaks_no_tls = isinstance(problem, ClientConnectorSSLError)
    if speaks_no_tls and proxy:
        scheme = urlsplit(proxy).scheme
        return f"begin {proxy_variable()} with http:// instead of {scheme}://, unless the proxy speaks TLS itself"
    if speaks_no_tls:
        instead = " or begin it with http://" if is_loopback(base) else ""
        return f"check {place}{instead}: what answers there does not speak TLS as it should"
    if proxy:
        return f"check that the proxy {without_user(proxy)} ({proxy_variable()}) runs and lets this host through"
    if is_loopback(base):
        return f"start a simulator at this address (aps-async simulate), or {_removed(place)} for the real service"
    check = "check the network" if base == PRODUCTION else f"check {place} and the network"
    return f"{check}; if a proxy is needed, name it in HTTPS_PROXY"


def _removed(place: str) -> str:
    """How to do without a value that was set there."""
    return f"unset {place}" if place.startswith("APS_") else f"remove {place}"


def for_token(problem: BaseException, acting: Identity) -> str:
    """Of credentials that bring no token."""
    if later := for_error(problem):
        return later
    if isinstance(problem.__cause__, NotFoundError) and (place := acting.places["base_url"]):
        return f"correct {place}: there is no token service at this address, which ends after its host and port"
    scopes = acting.places["scopes"]
    id_and_secret = " and ".join(filter(None, (acting.places["client_id"], acting.places["client_secret"])))
    if scopes and "scope" in str(problem.__cause__ or problem):
        return f"correct {scopes}, or {_removed(scopes)}"
    if acting.client_id.strip("'\"") != acting.client_id:
        return f"remove the quotation marks around {id_and_secret}"
    if acting.kind == "user":
        return "sign in again: aps-async login"
    compared = f"compare {id_and_secret} with the app's page at aps.autodesk.com/myapps"
    if acting.kind == "service-account":
        return f"{compared}, and see whether the account and its key exist there"
    return f"{compared}, and see that the app has the Data Management API"


def for_accounts(acting: Identity) -> str:
    """Of a service that shows no account."""
    app = f"the app (client id {acting.client_id})" if acting.client_id else "the app"
    if acting.kind in ("user", "token"):
        return f"an account admin must add {app} under Custom Integrations, and the user must be a member of an account"
    return f"an account admin must add {app} under Custom Integrations in Account Admin"


def without_user(proxy: str) -> str:
    """Scheme, host and port: a proxy's address may hold a password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
