"""Turns status, headers and bytes of a response into JSON, or into an error with the service's own words.

Services and gateways report errors in many forms, JSON or not, so nothing here relies on one.
"""

import codecs
import math
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from attrs import frozen
from multidict import CIMultiDict, CIMultiDictProxy

from aps_async.descriptors import TOO_MANY, TOO_MANY_ADVICE
from aps_async.errors import (
    DecodeError,
    InterceptedError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    ResponseError,
    ServerError,
    TransportError,
    UnauthorizedError,
    forget_frames,
)
from aps_async.links import SignedUrl, redact
from aps_async.narrowing import as_list, as_object, is_object
from aps_async.text import well_formed
from aps_async.transport.decoding import loads
from aps_async.transport.request import Call

__all__ = [
    "Answer",
    "Receipt",
    "describe",
    "error_of",
    "forget_secrets",
    "json_of",
    "read_answer",
    "readable_headers",
    "retry_after",
    "transport_error",
    "value_of",
    "xml_error",
]
__dir__: object = __all__.copy

_HINTS = {
    401: "the credentials are not valid for this service",
    403: "check that the app is added to the account (Custom Integrations), the scopes, and the user's permissions",
    404: "it does not exist, or this token may not see it",
    429: "others share this client id's quota",
}
_SIGN_IN_FIRST = 511  # RFC 6585: the network wants its users to sign in
_NOT_THEIRS = (
    "not from the service but from a web filter or proxy, or a network that wants a sign-in, "
    "which must let this call through"
)
_WORDS = ("developerMessage", "reason", "message", "title", "detail", "error_description", "error")
_CODES = ("errorCode", "code", "error")
_MOST = 10_000  # characters of a service's words that are looked at; a body may have 64 MiB
_NO_HEADERS = CIMultiDictProxy(CIMultiDict[str]())
_KINDS = {401: UnauthorizedError, 403: NotAllowedError, 404: NotFoundError, 429: RateLimitedError}


async def read_answer(response: aiohttp.ClientResponse, limit: int, what: str) -> "Answer":
    """Reads the whole body, decompressed piece by piece, so that a small body cannot fill the memory.

    Raises:
        DecodeError: it is longer than `limit` bytes.
    """
    pieces, size = list[bytes](), 0
    try:
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > limit:
                break
            pieces.append(piece)
    except BaseException:
        response.close()
        raise
    if size > limit:
        response.close()
        raise DecodeError(f"{what}: the response is longer than {limit:,} bytes (Settings.response_limit)")
    response.release()
    return Answer(response.status, readable_headers(response.headers), b"".join(pieces))


def readable_headers(headers: "CIMultiDictProxy[str]") -> "CIMultiDictProxy[str]":
    """The headers with U+FFFD for every byte that is not UTF-8."""
    if "".join(headers.values()).isascii():
        return headers
    return CIMultiDictProxy(CIMultiDict((name, well_formed(value)) for name, value in headers.items()))


@frozen(eq=False)
class Answer:
    """One complete HTTP response."""

    status: int
    headers: "CIMultiDictProxy[str]"
    body: bytes


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds in `Retry-After`, which may be a number or an HTTP date; 0 for a date in the past.

    None if it is absent, infinite or unreadable; no value raises an error. A date is compared with the response's own
    `Date`, so that a wrong clock here does no harm. `retry.requested_wait` decides whether the value is obeyed.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", text, re.ASCII):
        seconds = float(text)
    else:
        until = _http_date(text)
        if until is None:
            return None
        answered = _http_date(headers.get("Date", ""))
        seconds = until - (now if answered is None else answered)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _http_date(text: str) -> float | None:
    """Seconds since the epoch; a date without a time zone is in UTC."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):  # out of range
        return None


class Receipt:
    """When a response arrived: by our clock, and by its own `Date`. `note` is for `Session.request(on_headers=)`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.at: float = clock()
        self._date = ""

    def note(self, headers: Mapping[str, str]) -> None:
        """Takes the time from a response's headers."""
        self.at = self._clock()
        self._date = headers.get("Date", "")

    @property
    def date(self) -> float | None:
        """The response's own `Date`, in seconds since the epoch; read only when there is a link to date."""
        return _http_date(self._date)

    def link(self, raw: str, what: str, lifetime: float | None = None) -> SignedUrl:
        """Parses a signed URL in the response; `what` names its place there, for the error.

        Raises:
            DecodeError: see `SignedUrl.parse`.
        """
        try:
            return SignedUrl.parse(raw, received_at=self.at, date=self.date, lifetime=lifetime)
        except ValueError as problem:
            raise DecodeError(f"{what}: {problem}") from None


def json_of(method: str, path: str, answer: Answer) -> Any:
    """The JSON of a successful response.

    Raises:
        DecodeError: (garbled) it is empty, HTML, text or broken JSON.
    """
    try:
        return loads(answer.body)
    except ValueError:
        pass
    raise DecodeError(f"{method} {path}: {answer.status} with {describe(answer.body)} instead of JSON", garbled=True)


def value_of(call: Call, answer: Answer, now: float) -> Any:
    """The JSON value of a response; None if it is empty and `Call.may_be_empty`.

    Raises:
        ResponseError: the status is an error; see its subclasses.
        DecodeError: it is not JSON.
    """
    if not 200 <= answer.status < 300:
        raise error_of(call.method, call.path, answer, now)
    if answer.status == 204 or (call.may_be_empty and not answer.body.strip()):
        return None
    return json_of(call.method, call.path, answer)


def describe(body: bytes) -> str:
    """Describes a body in a few words that contain no secrets."""
    if not body.strip():
        return "an empty body"
    text = _text(body[:2000])
    if text.startswith(("<?xml", "<Error")):
        return f"an XML error ({xml_error(body) or 'unreadable'})"
    if text[:1] == "<":
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
        words = title[1] if title else re.sub(r"(?is)<(script|style)\b.*?(</\1>|$)|<[^>]*(>|$)", " ", text)
        return "an HTML page" + (f" ({_short(words)})" if words.strip() else "")
    return f"a body of {len(body)} bytes that begins {_short(text, 60)!r}"


def _text(body: bytes) -> str:
    """The text of a body. Pages of filters and proxies may be UTF-16, or begin with a byte order mark."""
    encoding = "utf-16" if body[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return body.decode(encoding, "replace").strip()


def xml_error(body: bytes) -> str | None:
    """`Code: Message` of a storage's error, without the rest of the body, which contains keys and signatures."""
    text = _text(body[:8000])
    found = [match[1] for name in ("Code", "Message") if (match := re.search(rf"<{name}>([^<]*)</{name}>", text))]
    return _short(": ".join(found)) if found else None


def error_of(method: str, path: str, answer: Answer, now: float, *, is_storage: bool = False) -> ResponseError:
    """The error for a response with an error status; a storage knows nothing of apps and their quotas."""
    code, detail = _said(answer)
    kind = _KINDS.get(answer.status) or (ServerError if answer.status >= 500 else ResponseError)
    words = detail or ("" if is_storage else _HINTS.get(answer.status, "")) or describe(answer.body)
    if detail and answer.status in (401, 403):
        words = f"{words} ({_HINTS[answer.status]})"
    if page := _page_of_another(answer):
        kind, words = InterceptedError, page
    return kind(
        f"{method} {path}: {answer.status} {f'[{code}] ' if code and code not in words else ''}{words}".rstrip(),
        status=answer.status,
        method=method,
        path=path,
        code=code,
        detail=detail,
        request_id=answer.headers.get("x-request-id") or answer.headers.get("x-ads-request-id"),
        retry_after=retry_after(answer.headers, now),
    )


def _page_of_another(answer: Answer) -> str:
    """Describes a response with 3xx, 4xx or 511 that is not the service's own; empty if it may be the service's.

    The services refuse calls with JSON or text, never with a page for people, and redirect no call. Their storage
    refuses and redirects with XML.
    """
    status, target = answer.status, answer.headers.get("Location", "")
    if 300 <= status < 400 and target and not xml_error(answer.body):
        host = re.match(r"(?i)(?:https?:)?//([^/?#]*)", target.strip())
        words = f"a redirect to {host[1].rpartition('@')[2][:253]}" if host else "a redirect"
        return f"{_NOT_THEIRS}: {words}"
    refused = 400 <= status < 500 and status not in (408, 429)  # these two are retried in any case
    if status == _SIGN_IN_FIRST or (refused and _is_html(answer.body)):
        return f"{_NOT_THEIRS}: {describe(answer.body)}"
    return ""


def _is_html(body: bytes) -> bool:
    text = _text(body[:2000])
    return text[:1] == "<" and re.search(r"(?i)<(!doctype\s+html|html|head|title|body|script|h1)\b", text) is not None


def _said(answer: Answer) -> tuple[str | None, str | None]:
    """The service's error code and message, wherever they are in the body."""
    try:
        said = loads(answer.body)
    except ValueError:
        hint = answer.headers.get("x-ads-troubleshooting")
        if hint:
            return None, _short(hint)
        kind = answer.headers.get("Content-Type", "")
        return None, _short(answer.body[: 4 * _MOST].decode("utf-8", "replace")) if kind.startswith(
            "text/plain"
        ) else None
    if not is_object(said):
        return None, None
    inner = as_object(next(iter(as_list(said.get("errors"))), None))
    codes = [str(part[name]) for part in (said, inner) for name in _CODES if _is_word(part.get(name))]
    words = [str(part[name]) for part in (inner, said) for name in _WORDS if _is_word(part.get(name))]
    distinct = list(dict.fromkeys(words))[:2]
    return (_short(codes[0], 60) if codes else None), (_short(": ".join(distinct), 400) if distinct else None)


def _is_word(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() != ""


def _short(text: str, limit: int = 200) -> str:
    if len(text) > _MOST:
        text = " ".join(text[:_MOST].split()[:-1])  # without the last word, of which a secret may have been cut off
    text = redact(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def forget_secrets(problem: BaseException) -> None:
    """Removes what an error of aiohttp shows of its request: URL and headers, and the local variables of its frames."""
    forget_frames(problem)
    if isinstance(problem, aiohttp.ClientResponseError):
        url = problem.request_info.real_url.with_query(None).with_user(None)  # a proxy's may have a password
        problem.request_info = aiohttp.RequestInfo(url, problem.request_info.method, _NO_HEADERS, url)
        problem.history = ()
        problem.args = (problem.request_info, problem.history)


def transport_error(what: str, problem: BaseException, address_place: str = "") -> TransportError:
    """Converts an error of aiohttp or the system, without secrets.

    Args:
        what: the call.
        problem: the error.
        address_place: where the host's address was set, if the user did that.
    """
    unsent = isinstance(problem, (*_NOT_CONNECTED, aiohttp.InvalidURL))
    if isinstance(problem, aiohttp.ConnectionTimeoutError):
        words = "no connection in time"
    elif isinstance(problem, TimeoutError):
        words = "no answer in time"
    elif type(problem) is aiohttp.ClientConnectorError:
        cause = problem.os_error
        reason = os.strerror(cause.errno) if cause.errno else str(cause) or "the connection was closed at once"
        words = f"cannot connect to {problem.host}:{problem.port}: {reason}"
    elif isinstance(problem, aiohttp.ClientHttpProxyError):
        words = f"the proxy does not connect: {problem.status} {_short(problem.message)}".rstrip()
    elif isinstance(problem, aiohttp.InvalidURL):
        words = "the address cannot be used"
    else:
        words = redact(str(problem)) or "the connection was lost"
    obstacle = _obstacle(problem)
    if isinstance(problem, OSError) and problem.errno in TOO_MANY:
        words = f"no connection: {TOO_MANY_ADVICE}"
    text, advice = f"{what}: {words} ({type(problem).__name__})", _advice(obstacle, address_place)
    return TransportError(text, sent=not unsent, obstacle=obstacle, advice=advice)


_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


def _advice(obstacle: str | None, address_place: str) -> str:
    """What to check, by `TransportError.obstacle`; the end of its message."""
    address = f"the address ({address_place})" if address_place else ""
    if obstacle is None:
        return ""
    if obstacle == "certificate":
        return "If a proxy inspects TLS, name its CA file (APS_CA_FILE, Session(ssl=)); otherwise check the clock"
    if obstacle == "tls":
        checked = f"{address} and " if address else ""
        return (
            f"The server does not speak TLS as it should: check {checked}the proxy (HTTPS_PROXY, Session(proxy=)), "
            "whose own address usually begins with http://"
        )
    if obstacle == "proxy":
        return "Check the proxy (HTTPS_PROXY, Session(proxy=)): its user and password, and whether it allows this host"
    checked = f"{address}, the network, and" if address else "the network and"
    return f"Check {checked} the proxy (HTTPS_PROXY, Session(proxy=))"


def _obstacle(problem: BaseException) -> str | None:
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return "certificate"
    if isinstance(problem, aiohttp.ClientConnectorError) and problem.errno in TOO_MANY:
        return None
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        return "tls"
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        return "host"
    if isinstance(problem, aiohttp.ClientHttpProxyError) and 400 <= problem.status < 500:
        return "proxy"
    if isinstance(problem, _NOT_CONNECTED):
        return "connection"
    return None
