"""Signed links: URLs that are secrets, that die, and that must be sent byte for byte."""

import re
from calendar import timegm
from time import strptime
from urllib.parse import SplitResult, parse_qs, urlsplit

from attrs import field, frozen

_AUTH = re.compile(r"(?i)\b(bearer\s+|authorization[\"']?\s*[:=]\s*[\"']?\w+\s+)[\w.~+/=-]+")
_QUERY = re.compile(r"(?i)(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")
_NAMED = re.compile(
    r"(?i)\b(x-amz-[a-z-]+=|(?:signature|awsaccesskeyid|key-pair-id|policy|code|assertion)=|"  # as in a query
    r"(?:client_secret|(?:access_|refresh_|id_)?token)[\"']?\s*[:=]\s*[\"']?)[^\s&\"'<>,}]+"  # as in JSON too
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no URL and no header may hold."""
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")


def redact(text: str) -> str:
    """Takes tokens, credentials and the queries of URLs out of a text that will be shown."""
    text = _AUTH.sub(r"\1…", text)
    text = _JWT.sub("…", text)
    text = _QUERY.sub(r"\1?…", text)
    return _NAMED.sub(r"\1…", text)


def checked_address(raw: str) -> SplitResult:
    """The parts of an absolute http(s) URL whose host and port are possible.

    Raises:
        ValueError: it is not one.
    """
    parts = urlsplit(raw)
    host = parts.hostname
    if CONTROL.search(raw):
        raise ValueError("the URL holds control characters")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("expected an absolute http(s) URL")
    if parts.port == 0 or not host.isprintable() or " " in host:  # reading the port raises, too
        raise ValueError("the host or port of the URL is not possible")
    host.encode("idna")  # raises for labels that are empty, too long or not allowed; the resolver would only later
    return parts


@frozen
class SignedUrl:
    """A URL whose query opens one object to anybody until it expires.

    `str()` and `repr()` leave the query out; `reveal()` gives the whole URL, unchanged to the byte, as the
    signature covers it. `expires_at` is in seconds since the epoch; None when nothing tells.
    """

    _raw: str = field(repr=False, alias="raw")
    expires_at: float | None = field(default=None, eq=False)
    _cookie: str | None = field(default=None, repr=False, alias="cookie")

    @classmethod
    def parse(cls, raw: str, *, received_at: float, lifetime: float | None = None) -> "SignedUrl":
        """Reads the expiry off the query, and never trusts the URL for longer than `lifetime` after `received_at`.

        The reference promises 2 minutes while its own sample carries 300 s, so the earlier of the two counts.

        Raises:
            ValueError: this is not an absolute http(s) URL, or it carries a user name (which an HTTP client
                would turn into an Authorization header, and storage answers 400 to that).
        """
        parts = checked_address(raw)
        if "@" in parts.netloc:
            raise ValueError("a signed URL with a user name in it cannot be opened")
        ends = [when for when in (_signed_expiry(parts.query), received_at + lifetime if lifetime else None) if when]
        return cls(raw, min(ends, default=None))

    def reveal(self) -> str:
        """The whole URL, secrets included: for opening it, never for showing it."""
        return self._raw

    def reveal_cookie(self) -> str | None:
        """The `Cookie` header that has to go with it, if any: as secret as the URL."""
        return self._cookie

    def expires_within(self, seconds: float, now: float) -> bool:
        """Whether the URL will be dead `seconds` after `now`."""
        return self.expires_at is not None and self.expires_at - now < seconds

    def __str__(self) -> str:
        try:
            parts = urlsplit(self._raw)
        except ValueError:
            return "an unreadable URL"
        return f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")

    def __repr__(self) -> str:
        return f"SignedUrl({str(self)!r}, expires_at={self.expires_at})"


def _signed_expiry(query: str) -> float | None:
    values = {name.lower(): found[-1] for name, found in parse_qs(query).items()}
    try:
        if "x-amz-date" in values:  # SigV4: when it was signed, and for how many seconds it holds
            return timegm(strptime(values["x-amz-date"], "%Y%m%dT%H%M%SZ")) + float(values["x-amz-expires"])
        if "expires" in values:  # SigV2 and CloudFront: seconds since the epoch
            return float(values["expires"])
    except (KeyError, ValueError):
        return None
    return None


@frozen
class Part:
    """A stretch of a file that has a link of its own."""

    link: SignedUrl
    size: int | None = None
    """Bytes; None when the link is for the whole file."""


@frozen(kw_only=True)
class Source:
    """Where a file comes from, and what is known of it before it comes."""

    parts: tuple[Part, ...]
    """Usually one; storage that has not yet merged an upload gives several, in order."""
    size: int | None = None
    """Bytes of the whole."""
    sha1: str | None = None
    """Of the whole, as hexadecimal digits."""

    @classmethod
    def of(cls, link: SignedUrl) -> "Source":
        """One link to the whole file."""
        return cls(parts=(Part(link),))
