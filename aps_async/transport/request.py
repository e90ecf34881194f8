"""An API call before it is sent: URL, acting user, headers and body."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from attrs import field, frozen
from yarl import URL

from aps_async.errors import AuthError, DownloadError, InputError
from aps_async.narrowing import is_really
from aps_async.transport.addresses import api_url, checked_target, is_local, is_loopback, read_address
from aps_async.transport.headers import header_value
from aps_async.transport.quotas import Endpoint, LocalRateLimiter

__all__ = [
    "PRODUCTION",
    "Call",
    "Query",
    "acting_user",
    "call_to",
    "checked_base",
    "checked_link_target",
    "form_encoded",
]
__dir__: object = __all__.copy

Query = Mapping[str, str | int | bool | Sequence[str]]

PRODUCTION = "https://developer.api.autodesk.com"


@frozen(eq=False)
class Call:
    """One call, the same for every attempt."""

    endpoint: Endpoint
    method: str
    url: URL
    path: str
    """The path without the query, for messages."""
    headers: dict[str, str] = field(repr=False)
    """Without the token, which is added when the call is sent."""
    body: bytes | None = field(repr=False)
    authorized: bool
    may_be_empty: bool
    repeatable: bool
    """Whether it may be repeated although its response was lost."""
    priority: int
    """Its place in the order of arrival; see `WaitQueue.priority`."""


def call_to(
    base_url: str,
    endpoint: Endpoint,
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    query: Query | None = None,
    body: bytes | None = None,
    authorized: bool = True,
    may_be_empty: bool = False,
    repeatable: bool | None = None,
) -> Call:
    """Makes a call to `path`, already percent-encoded, or to a whole `next` link, whose host is ignored.

    Raises:
        InputError: the path or the query does not make a valid URL of this host.
    """
    text = path.partition("#")[0] if "#" in path else path
    if query:
        text += ("&" if "?" in text else "?") + form_encoded({name: _word(value) for name, value in query.items()})
    base = endpoint.host if endpoint.host and base_url == PRODUCTION else base_url
    try:
        url = api_url(base, text)
    except ValueError as problem:
        raise InputError(f"{method}: nothing was sent: {problem}") from None
    shown = path.partition("?")[0] if path[:1] == "/" else url.raw_path
    repeatable = endpoint.repeatable if repeatable is None else repeatable
    return Call(
        endpoint, method, url, shown, headers, body, authorized, may_be_empty, repeatable, LocalRateLimiter.priority()
    )


def form_encoded(values: Mapping[str, str]) -> str:
    """Encodes a query, or the body of a form.

    Raises:
        InputError: a value cannot be encoded; it is not shown.
    """
    try:
        return urlencode(values, quote_via=quote, safe="")
    except UnicodeEncodeError:
        raise InputError("a parameter contains half a surrogate pair, which cannot be sent") from None


def checked_base(address: str, place: str = "base_url") -> str:
    """Checks a base address; returns it encoded and without a slash at its end, so that paths can be appended.

    Args:
        address: the address.
        place: where it was set, for messages.

    Raises:
        InputError: it is not a plain http(s) address, or it is http and not on this machine, so that the token and
            the secret would be sent unencrypted.
    """
    if not is_really(address, str):
        raise InputError(f"{place} must be a text, not {type(address).__name__}")
    try:
        base, host = read_address(address.strip().rstrip("/"))
    except ValueError as problem:
        raise InputError(f"the base address is not a plain http(s) address ({problem}); check {place}") from None
    if "?" in base or "#" in base:
        raise InputError(f"the base address must not have a query or a fragment; check {place}")
    if base.startswith("http:") and not is_loopback(host):
        raise InputError(
            f"the base address http://{host} is not encrypted, so that anyone on the way could read the token and "
            f"the secret: use https. Plain http is for this machine only (127.0.0.1, localhost); check {place}"
        )
    return base


def checked_link_target(raw_url: str, base_url: str) -> URL:
    """Checks the URL of a signed link or its redirect; returns the URL to open.

    Only how the host is written is checked, not what its name resolves to: private endpoints and split DNS are common.

    Args:
        raw_url: the whole link; resolve a relative `Location` first.
        base_url: the session's base address.

    Raises:
        DownloadError: the link cannot be opened (see `checked_target`), is not encrypted although the base address
            is, or leads to this machine or a private network although the base address is public.
    """
    try:
        url = checked_target(raw_url)
    except ValueError as problem:
        raise DownloadError(f"the signed link cannot be opened: {problem}") from None
    base = URL(base_url, encoded=True)
    host, base_host = url.raw_host or "", base.raw_host or ""
    if base.scheme == "https" and url.scheme != "https":
        raise DownloadError(f"the signed link to {host} is not encrypted; it was not opened")
    if is_local(host) and not is_local(base_host):
        raise DownloadError(
            f"the signed link leads to {host}, on this machine or a private network, although {base_host} is public; "
            "it was not opened. Report it to the operator of the service or of the proxy in front of it"
        )
    return url


def acting_user(endpoint: Endpoint, two_legged: bool | None, asked: str | None, default: str | None) -> str | None:
    """Returns the `x-user-id` of a call; checks that it fits the call and the token.

    Args:
        endpoint: which token it needs (`Endpoint.token`).
        two_legged: whether the token is the app's own; None if that is unknown.
        asked: the user that the caller names.
        default: the session's default user.

    Raises:
        AuthError: the call needs another kind of token.
        InputError: the user is missing, or cannot be used with the token.
    """
    user, rule, name = default if asked is None else asked, endpoint.token, endpoint.name
    if user is not None:
        user = header_value("user_id", user)
    if rule == "app":
        if two_legged is False:
            raise AuthError(f"{name}: only the app itself may call this: it needs a two-legged token")
        if asked:
            raise InputError(f"{name}: this call is the app's own and takes no x-user-id: leave user_id out")
        return None
    if user and two_legged is False:
        raise InputError(f"{name}: x-user-id goes with two-legged tokens only; a user's own token names the user")
    if rule == "signed-in user" and two_legged:
        raise AuthError(
            f"{name}: this call needs the token of a user who has signed in (aps-async login) or of a service "
            "account; a two-legged token is refused, with or without x-user-id"
        )
    if rule == "user" and two_legged and not user:
        raise InputError(
            f"{name}: with a two-legged token this call needs the user it acts for: give user_id, the user's Autodesk "
            "id (x-user-id), or sign in as that user"
        )
    return user


def _word(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ",".join(value)
