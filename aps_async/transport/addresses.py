"""Builds and checks every URL before it is opened: API calls, signed links, redirects."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import quote

from yarl import URL

from aps_async.lazy import regex

__all__ = ["api_url", "checked_target", "encoded", "is_local", "is_loopback", "path_of", "read_address"]
__dir__: object = __all__.copy

_ENDS = "".join(map(chr, range(0x21)))  # control characters and the space, which every URL parser strips
_LINE_BREAKS = {ord(each): None for each in "\t\r\n"}  # which every URL parser removes
_UNSAFE = regex(r"[^\x21-\x7e]+")
_ADDRESS = regex(r"(?is)(https?)://([^/?#]*)(.*)")
_LINK = regex(r"(?is)(?:(?:https?:)?//[^/?#]*)?(/.*)")
_AUTHORITY = regex(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_LABEL = regex(r"[a-z0-9_-]{1,63}")
_NUMBER = regex(r"0x[0-9a-f]*|[0-9]+")
_remembered = lru_cache(256)  # the links of a run have only a few hosts
_LOCAL_NAMES = frozenset(
    [
        "localhost",
        "localhost4",
        "localhost6",
        "localhost.localdomain",
        "localhost4.localdomain4",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    ]
)
_LOCAL = [
    ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3", "::/127", "64:ff9b:1::/48", "fc00::/7", "fe80::/10",
        "fec0::/10", "ff00::/8",
    )
]  # fmt: skip
"""Loopback, private and link-local networks, and those that no server has: for tests, groups, or later use."""
# IPv6 addresses that contain an IPv4 address, and by how many bits that is shifted: IPv4-mapped, IPv4-compatible,
# IPv4-translated, NAT64, 6to4.
_EMBEDDING = [
    (ip_network(each), shift)
    for each, shift in (
        ("::ffff:0:0/96", 0), ("::/96", 0), ("::ffff:0:0:0/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80),
    )
]  # fmt: skip


def encoded(text: str) -> str:
    """Encodes spaces, control characters and non-ASCII characters of a path or query; the rest is unchanged.

    Raises:
        ValueError: it contains half a surrogate pair.
    """
    text = text.strip(_ENDS).translate(_LINE_BREAKS)
    try:
        return _UNSAFE.sub(lambda found: quote(found[0], safe=""), text)
    except UnicodeEncodeError:
        raise ValueError("the address contains half a surrogate pair") from None


def path_of(link: str) -> str:
    """The path and query of a link to the API: an absolute URL, whose host is ignored, or an absolute path.

    Raises:
        ValueError: the link has no path that begins with a slash, or cannot be encoded.
    """
    found = _LINK.fullmatch(encoded(link))
    if found is None:
        raise ValueError("the link is neither an http(s) URL with a path nor a path that begins with a slash")
    return found[1]


def api_url(base_url: str, path: str) -> URL:
    """The URL of an API call. It is sent with a token, so it always has the origin of the base address.

    Args:
        base_url: a base address as `request.checked_base` returns it.
        path: see `path_of`.

    Raises:
        ValueError: the path is not valid, or the URL would have another origin.
    """
    if path[:1] != "/" or path[:2] == "//" or _UNSAFE.search(path):
        path = path_of(path)
    url, base = URL(base_url + path, encoded=True), URL(base_url, encoded=True)
    if (url.scheme, url.raw_host, url.port) != (base.scheme, base.raw_host, base.port):
        raise ValueError("the address leads away from the API")
    return url


def checked_target(raw_url: str) -> URL:
    """An absolute http(s) URL as it will be opened: encoded where necessary, otherwise unchanged.

    Raises:
        ValueError: it is not an absolute http(s) URL, it contains a user name (which an HTTP client would turn into an
            Authorization header), or its host or port is not valid.
    """
    return URL(read_address(raw_url)[0], encoded=True)


@_remembered
def is_local(host: str) -> bool:
    """Whether a host is written as a loopback, private, link-local or unspecified address, or is `localhost`."""
    return _is_local_name(host) or any(each in network for each in _literals(host) for network in _LOCAL)


@_remembered
def is_loopback(host: str) -> bool:
    """Whether a host is written as a loopback address, or is `localhost`."""
    return _is_local_name(host) or any(each.is_loopback for each in _literals(host))


def _is_local_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name in _LOCAL_NAMES or name.endswith(".localhost")


def _literals(host: str) -> list[IPv4Address | IPv6Address]:
    """The IP address of a host that is written as one, and the IPv4 address in it; nothing for a name."""
    host = host.strip("[]").lower()
    if ":" not in host:
        found = _ipv4(host)
        return [] if found is None else [found]
    address = IPv6Address(host.partition("%")[0])
    inner = [IPv4Address(int(address) >> shift & 0xFFFFFFFF) for network, shift in _EMBEDDING if address in network]
    return [address, *inner]


def _ipv4(host: str) -> IPv4Address | None:
    """An IPv4 address in any of the forms that resolvers take (`127.1`, `0x7f000001`, `017700000001`); None for a name.

    Raises:
        ValueError: the last label is a number, but the whole is not an address.
    """
    *front, last = labels = host.rstrip(".").split(".")
    if not _NUMBER.fullmatch(last):
        return None
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, front)):
        raise ValueError("its host is neither a name nor an IP address")
    *bytes_, rest = map(_number, labels)
    if any(each > 255 for each in bytes_) or rest >= 256 ** (4 - len(bytes_)):
        raise ValueError("its host is not an IP address: a number is too large")
    return IPv4Address(sum(each << 8 * (3 - at) for at, each in enumerate(bytes_)) + rest)


def _number(text: str) -> int:
    if len(text) > 16:  # longer than any form of an address
        raise ValueError("its host is not an IP address: a number is too long")
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    if text.startswith("0") and ("8" in text or "9" in text):
        raise ValueError("its host is not an IP address: 8 and 9 are not octal digits")
    return int(text, 8 if text.startswith("0") else 10)


def read_address(raw: str) -> tuple[str, str]:
    """An absolute http(s) URL, ready to send, and its host in ASCII. The error messages do not quote it.

    Raises:
        ValueError: see `checked_target`.
    """
    found = _ADDRESS.fullmatch(raw.strip(_ENDS).translate(_LINE_BREAKS))
    if found is None:
        raise ValueError("expected an absolute http(s) URL")
    scheme, authority, rest = found[1].lower(), found[2], encoded(found[3])
    if "@" in authority:
        raise ValueError("a URL that contains a user name cannot be opened")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("its host or port cannot be read")
    host, port = _ascii_host(parts[1]), parts[2]
    if port and not 0 < int(port[:6]) <= 65535:
        raise ValueError("its port is not between 1 and 65535")
    return f"{scheme}://{host}{f':{port}' if port else ''}{rest}", host


@_remembered
def _ascii_host(host: str) -> str:
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1].partition("%")[0])
        except ValueError:
            raise ValueError("its host is not a valid IPv6 address") from None
        return host
    if not host.isascii():
        try:
            host = URL.build(scheme="https", host=host).raw_host or ""
        except ValueError:
            raise ValueError("its host is not a valid name") from None
    name = host.removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label.lower()) for label in name.split(".")):
        raise ValueError("its host is not a valid name: every label must have 1 to 63 letters, digits or hyphens")
    _literals(host)
    return host
