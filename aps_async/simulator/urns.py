"""Identifiers as the services form them, derived so that the same world always has the same ones."""

import base64
import hashlib
import uuid

_SPACE = uuid.UUID("6f1b7a52-3b0e-5d0a-9a53-5f0d3a7f8c11")


def token22(*parts: object) -> str:
    """22 characters of URL-safe base64, the form of the tails in lineage, version and folder URNs."""
    digest = hashlib.blake2b(_joined(parts).encode(), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def derived_uuid(*parts: object) -> str:
    """A UUID that depends on nothing but `parts`."""
    return str(uuid.uuid5(_SPACE, _joined(parts)))


def _joined(parts: tuple[object, ...]) -> str:
    """One text; a name in it may have been cut within a character."""
    return "\x1f".join(map(str, parts)).encode("utf-8", "backslashreplace").decode()


def b64urn(urn: str) -> str:
    """URL-safe base64 without padding, the form Model Derivative wants."""
    return base64.urlsafe_b64encode(urn.encode()).decode().rstrip("=")


def environment(region: str) -> str:
    """The part of a URN that names the hub's region."""
    return "wipprod" if region == "US" else f"wip{region.lower()}"
