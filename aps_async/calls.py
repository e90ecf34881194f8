"""One API call before it is sent: where it goes, on whose behalf, and with what."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from attrs import define, field
from yarl import URL

from aps_async.errors import AuthError, DecodeError, InputError
from aps_async.links import CONTROL, redact
from aps_async.quotas import Endpoint, Pacer

Query = Mapping[str, str | int | bool | Sequence[str]]

PRODUCTION = "https://developer.api.autodesk.com"


@define(eq=False)  # not frozen, like all that a poll makes and nobody keeps: a frozen one costs twice as much
class Call:
    """One call, the same for every try."""

    endpoint: Endpoint
    method: str
    url: URL
    path: str
    """For messages: without the query."""
    headers: dict[str, str] = field(repr=False)
    """With the token of the last try."""
    body: bytes | None
    authorized: bool
    may_be_empty: bool
    ticket: int
    """Its place in the order of arrival."""


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
) -> Call:
    """A call to `path`, already percent-encoded, or to a whole `next` link, of which the host is ignored."""
    if path[:1] != "/" or path[:2] == "//":
        # A next link may name another host; the token goes to ours alone.
        path = _path_of(path)
    text = path.partition("#")[0] if "#" in path else path
    shown = text.partition("?")[0] if "?" in text else text
    if query:
        flat = {name: _word(value) for name, value in query.items()}
        text += ("?" if text == shown else "&") + urlencode(flat, quote_via=quote, safe="", errors="replace")
    base = endpoint.host if endpoint.host and base_url == PRODUCTION else base_url
    try:
        if CONTROL.search(text):
            raise ValueError("control characters")  # noqa: TRY301 - one place makes the error
        url = URL(base + text, encoded=True)
    except ValueError:
        raise DecodeError(f"{method} {redact(shown)[:200]!r}: the address cannot be used") from None
    return Call(endpoint, method, url, shown, headers, body, authorized, may_be_empty, Pacer.ticket())


def _path_of(link: str) -> str:
    """The path and query of a link.

    Raises:
        DecodeError: it cannot be read as one.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # an impossible host
        raise DecodeError(f"the link {redact(link)[:200]!r} cannot be used") from None
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    return path + (f"?{parts.query}" if parts.query else "")


def checked_base(address: str) -> str:
    """An address to put paths behind; credentials in it would fight with the token.

    Raises:
        InputError: it is none.
    """
    base = address.strip().rstrip("/")
    try:
        parts = urlsplit(base)
        _ = parts.port
        extra = parts.query or parts.fragment or "@" in parts.netloc
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not extra
    except ValueError:
        good = False
    if not good:
        shown = redact(base).rpartition("@")[2]
        raise InputError(f"the base address {shown!r} is no plain http(s) address; check APS_BASE_URL")
    return base


def acting_user(endpoint: Endpoint, two_legged: bool | None, asked: str | None, default: str | None) -> str | None:
    """The `x-user-id` of a call, once it is sure that call, token and user go together.

    Args:
        endpoint: says whose token it takes (`Endpoint.acts_for`).
        two_legged: whether the token is the app's own; None when nobody knows.
        asked: the user that the call names.
        default: the session's.

    Raises:
        AuthError: the call takes another kind of token.
        InputError: the user is missing, or does not go with the token.
    """
    user, rule, name = asked or default, endpoint.acts_for, endpoint.name
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
            "account; a two-legged token is refused, and x-user-id is no substitute"
        )
    if rule == "user" and two_legged and not user:
        raise InputError(
            f"{name}: with a two-legged token this call must say for whom: give user_id, the user's Autodesk id "
            "(x-user-id), or sign in as that user"
        )
    return user


def _word(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ",".join(value)
