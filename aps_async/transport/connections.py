"""The two HTTP sessions of a session, and what every request of theirs has in common."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp

from aps_async.errors import InputError
from aps_async.settings import Settings

__all__ = ["HEADER_LIMIT", "TlsTrust", "open_api", "open_links", "request_options", "tls_context"]
__dir__: object = __all__.copy

HEADER_LIMIT = 64 * 1024
"""Bytes of one header line. Cookies and policies of corporate proxies exceed aiohttp's default of 8,190."""

TlsTrust = ssl.SSLContext | Path | str | None
"""Whom to trust: a context, a file with CA certificates (PEM), or the system's certificates only."""


def tls_context(trust: TlsTrust) -> ssl.SSLContext | None:
    """The TLS context to use; None for aiohttp's default.

    Raises:
        InputError: the CA file cannot be read, or holds no certificate.
    """
    if trust is None or isinstance(trust, ssl.SSLContext):
        return trust
    if not isinstance(trust, Path | str):
        raise InputError(
            "ssl takes an ssl.SSLContext or the path of a CA file (PEM); certificate checks cannot be turned off"
        )
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the CAs of corporate proxies often lack fields that it asks for
    try:
        context.load_verify_locations(Path(trust).expanduser())
    except (OSError, ValueError, RuntimeError) as problem:
        is_other = isinstance(problem, ssl.SSLError)  # which is an OSError too
        words = "it holds no PEM certificate" if is_other else getattr(problem, "strerror", None) or problem
        raise InputError(f"the CA file {trust} cannot be used: {words}; give a file of PEM certificates") from None
    return context


def request_options(context: ssl.SSLContext | None, proxy: str | None) -> dict[str, Any]:
    """What every request is sent with, over a caller's own aiohttp session too."""
    options: dict[str, Any] = {
        "allow_redirects": False,
        "proxy": proxy,
        "max_line_size": HEADER_LIMIT,
        "max_field_size": HEADER_LIMIT,
    }
    return options if context is None else {**options, "ssl": context}


def open_api(settings: Settings) -> aiohttp.ClientSession:
    """The HTTP session for API calls."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.connections), cookie_jar=aiohttp.DummyCookieJar()
    )


def open_links(settings: Settings, shared: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """The HTTP session for signed links, which has no way to send `Authorization` or a cookie of its own.

    Args:
        settings: its limits.
        shared: the connector of a caller's own session, whose CA, resolver and sockets it uses and leaves open.
    """
    return aiohttp.ClientSession(
        connector=shared or aiohttp.TCPConnector(limit=settings.connections),
        connector_owner=shared is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # the length and the hash are of the bytes as stored
        trust_env=False,  # with it, an entry in ~/.netrc would become an Authorization header
        timeout=aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        ),
    )
