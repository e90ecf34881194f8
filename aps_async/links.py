"""Signed links: URLs that are secret, expire soon, and have to be sent byte for byte.

When one expires during a download, `downloads.transfer` replaces it.
"""

import re
from calendar import timegm
from time import strptime
from urllib.parse import parse_qs, urljoin, urlsplit

from attrs import field, frozen

from aps_async.reprs import cut_middle, short_repr
from aps_async.transport.addresses import checked_target, is_local

__all__ = ["Part", "SignedUrl", "Source", "local_expiry", "redact", "redact_addresses", "redirect_target"]
__dir__: object = __all__.copy

# Compiled at the first use, since compiling them takes longer than importing the rest of this module. Each takes a time
# in proportion to the text, also on texts made to be slow: services, and those who write to a ledger, choose these.
_AUTH = (
    r"(?i)\b(bearer\s+|authorization[\"']?\s*[:=]\s*[\"']?\w+\s+)[\w.~+/=-]+"
    r"|\b(basic\s+)[a-z0-9+/]{24,}=*"  # the base64 of an id and a secret
)
_WORD = r"[^\s\"'<>]+"
_MARK = r"(?i)(:\\?/\\?/|%(?:25)*3a%(?:25)*2f%(?:25)*2f)"  # behind a scheme; also as JSON escapes it, and in a query
_USER = r"[^/@]*:.*@"
_NAMELESS_USER = r"[^/]*@"
"""User and password of a URL: a password may contain / and @, and a user name may be a token."""
_QUERY = r"\?."
_ENCODED_QUERY = r"(?i)\?.|%(?:25)*3f."
_NAMED = (
    r"(?i)\b((?:x-(?:amz|goog)-[a-z-]{1,40}|sig|signature|awsaccesskeyid|key-pair-id|policy|code|code_verifier|assertion)"
    r"(?:=|%(?:25)*3d)|"  # in a query
    r"(?:client_secret|password|(?:access_|refresh_|id_)?token)[\"']?\s*(?:[:=]|%(?:25)*3d)\s*[\"']?)"  # also in JSON
    r"[^\s&\"'<>,}]+"
)
_JWT = r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"


def redact(text: str) -> str:
    """Removes tokens, credentials and queries of URLs from a text that will be shown."""
    text = re.sub(_AUTH, r"\1\2…", text)
    text = re.sub(_JWT, "…", text)
    return re.sub(_NAMED, r"\1…", redact_addresses(text))


def redact_addresses(text: str) -> str:
    """Removes user names, passwords and queries from the URLs in a text."""
    return re.sub(_WORD, _redact_word, text)


def _redact_word(word: "re.Match[str]") -> str:
    shown, *rest = re.split(_MARK, word[0])
    for mark, address in zip(rest[::2], rest[1::2], strict=True):
        may_be_nameless = shown[-1:].lower() in ("p", "s", "3", "z")  # http, https, s3, az
        user = "@" in address and (re.match(_USER, address) or (may_be_nameless and re.match(_NAMELESS_USER, address)))
        if user:
            address = f"…@{address[user.end() :]}"
        shown += mark
        if query := re.search(_ENCODED_QUERY if "%" in mark else _QUERY, address):
            return f"{shown}{address[: query.start()]}?…"
        shown += address
    return shown


@frozen
class SignedUrl:
    """A URL whose query opens one object to anyone until it expires.

    `str()` and `repr()` leave the query out; `reveal()` returns the whole URL, unchanged, since the signature covers
    every byte. `expires_at` is in seconds since the epoch; None if it is not known.
    """

    _raw: str = field(repr=False, alias="raw")
    expires_at: float | None = field(default=None, eq=False)
    _cookie: str | None = field(default=None, repr=False, alias="cookie")
    _received_at: float | None = field(default=None, repr=False, eq=False, alias="received_at")

    @classmethod
    def parse(
        cls, raw: str, *, received_at: float, date: float | None = None, lifetime: float | None = None
    ) -> "SignedUrl":
        """Reads the expiry from the query; see `local_expiry` for what it means by our clock.

        The reference promises 2 minutes, but its own sample has 300 s, so the earlier of the two is used.

        Args:
            raw: the URL.
            received_at: when the response with the URL arrived, by our clock.
            date: the response's own `Date`, in seconds since the epoch.
            lifetime: the documented lifetime in seconds.

        Raises:
            ValueError: the URL cannot be opened; see `checked_target`.
        """
        url = checked_target(raw)
        end, signed_for = _signed_expiry(url.raw_query_string)
        if date is None and signed_for is not None:
            end = None  # then its lifetime counts from the receipt
        lives = [each for each in (signed_for, lifetime) if each is not None and each > 0]
        expires_at = local_expiry(end, received_at=received_at, date=date, lifetime=min(lives, default=None))
        return cls(raw, expires_at, received_at=received_at)

    def reveal(self) -> str:
        """The whole URL with its secrets, to be opened and never to be shown."""
        return self._raw

    def reveal_cookie(self) -> str | None:
        """The `Cookie` header that has to be sent with it, if any; as secret as the URL."""
        return self._cookie

    def expires_within(self, seconds: float, now: float) -> bool:
        """Whether the URL expires within `seconds` after `now`; for shorter lifetimes, after nine tenths of these.

        A lifetime that seems to be shorter than `seconds` is due to a wrong clock or an unusual service. The link is
        nevertheless valid when it arrives.
        """
        if self.expires_at is None:
            return False
        if self._received_at is not None:
            seconds = min(seconds, (self.expires_at - self._received_at) / 10)
        return self.expires_at - now < seconds

    def __str__(self) -> str:
        """The URL without query and user name, even if it is not valid."""
        try:
            parts = urlsplit(self._raw)
        except ValueError:
            return "a link that cannot be read"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" + ("?…" if parts.query else "")

    def __repr__(self) -> str:
        return f"SignedUrl({cut_middle(str(self), 140)!r}, expires_at={self.expires_at})"


def local_expiry(
    end: float | None, *, received_at: float, date: float | None, lifetime: float | None = None
) -> float | None:
    """Converts an expiry in a response to our clock.

    Clocks differ by minutes, some by hours. So the difference between the expiry and the response's own `Date` is
    counted from the receipt of the response. What a response has just brought cannot have expired: if it seems so, a
    clock is wrong, and only `lifetime` limits it.

    Args:
        end: the expiry by the service's clock, in seconds since the epoch.
        received_at: when the response arrived, by our clock.
        date: the response's own `Date`; None: our clock is used instead.
        lifetime: the maximum lifetime in seconds, if one is documented.

    Returns:
        Seconds since the epoch; None if it does not expire.
    """
    left = None if end is None else end - (received_at if date is None else date)
    lives = [each for each in (left, lifetime) if each is not None and each > 0]
    return received_at + min(lives) if lives else None


def redirect_target(link: SignedUrl, location: str, *, base_url: str) -> SignedUrl:
    """The link to which a storage redirects temporarily.

    It has to keep https and the kind of host: a public host must not redirect to one that is written as a loopback,
    private or link-local address. A cookie is only sent to the same host.

    Args:
        link: the link that was opened.
        location: the `Location` of the response, absolute or relative.
        base_url: the API's address.

    Raises:
        ValueError: the redirect must not be followed; the message gives the reason without the query.
    """
    raw = location if re.match(r"(?i)https?://", location) else urljoin(link.reveal(), location)
    if not location or not raw.isascii() or not raw.isprintable() or " " in raw:
        raise ValueError("it has no usable Location")
    target = SignedUrl.parse(raw, received_at=0.0)
    before, after = urlsplit(link.reveal()), urlsplit(raw)
    if before.scheme == "https" != after.scheme:
        raise ValueError("it leaves https")
    old, base = (urlsplit(each).hostname or "" for each in (link.reveal(), base_url))
    if is_local(after.hostname or "") and not (is_local(old) and is_local(base)):
        raise ValueError("it leads from a public host to a private address")
    same_host = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    return SignedUrl(target.reveal(), cookie=link.reveal_cookie() if same_host else None)


def _signed_expiry(query: str) -> tuple[float | None, float | None]:
    """When a URL expires by its signer's clock, and for how many seconds it was signed."""
    values = {name.lower(): found[-1] for name, found in parse_qs(query).items()}
    try:
        if "x-amz-date" in values:  # SigV4
            life = float(values["x-amz-expires"])
            return timegm(strptime(values["x-amz-date"], "%Y%m%dT%H%M%SZ")) + life, life
        if "expires" in values:  # SigV2 and CloudFront: seconds since the epoch
            return float(values["expires"]), None
    except (KeyError, ValueError, OverflowError):
        pass
    return None, None


@frozen
class Part:
    """A part of a file with its own link."""

    link: SignedUrl
    size: int | None = None
    """Bytes; None if the link is for the whole file."""

    __repr__ = short_repr


@frozen(kw_only=True)
class Source:
    """The links to a file, and what is known of it before the download."""

    parts: tuple[Part, ...]
    """Usually one; several, in order, if storage has not merged an upload yet."""
    size: int | None = None
    """Bytes of the whole file."""
    sha1: str | None = None
    """SHA-1 of the whole file, as hexadecimal digits."""

    __repr__ = short_repr

    @classmethod
    def of(cls, link: SignedUrl) -> "Source":
        """Makes a source of one link to the whole file."""
        return cls(parts=(Part(link),))
