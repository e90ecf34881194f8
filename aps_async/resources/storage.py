"""The bytes behind a version or a storage URN (Object Storage Service).

https://aps.autodesk.com/en/docs/data/v2/reference/http/buckets-:bucketKey-objects-:objectKey-signeds3download-GET/
"""

import re
from typing import Any

from attrs import field, frozen

from aps_async.errors import DecodeError, InputError, NotExportableError
from aps_async.ids import decoded_urn, is_item_urn, is_version_urn, path_part, shown
from aps_async.lazy import regex
from aps_async.links import Part, SignedUrl, Source
from aps_async.resources.projects import get_tip, get_version
from aps_async.session import Session
from aps_async.transport.converter import ESSENTIAL, lenient
from aps_async.transport.quotas import Endpoint
from aps_async.transport.response import Receipt

__all__ = ["SIGNED", "SignedDownload", "checked_urn", "find_storage", "get_source", "is_storage_urn"]
__dir__: object = __all__.copy

SIGNED = Endpoint(
    "oss.signeds3download", 1000
)  # the published 1,000 a minute are for all of OSS, of which we use one call

_STORAGE = regex(r"urn:adsk\.objects:os\.object:([-_.a-z0-9]{3,128})/(.+)", re.DOTALL)


@lenient
@frozen
class SignedDownload:
    """The body of `signeds3download`."""

    status: str
    """`complete`, `chunked` or `fallback`."""
    size: int | None = None
    sha1: str | None = None
    url: str | None = field(default=None, repr=False, metadata=ESSENTIAL)
    urls: dict[str, str] = field(factory=dict[str, str], repr=False, metadata=ESSENTIAL)
    """For `chunked`: from `first-last` byte to the link."""
    params: dict[str, Any] = field(factory=dict[str, Any])


def is_storage_urn(urn: str) -> bool:
    """Whether a URN is that of an object in storage."""
    return _STORAGE.fullmatch(urn) is not None


def checked_urn(urn: str) -> str:
    """A version, item or storage URN in raw form.

    Raises:
        InputError: it is another kind of id.
    """
    decoded = decoded_urn(urn, "version", "item")
    if is_item_urn(decoded) or is_version_urn(decoded) or is_storage_urn(decoded):
        return decoded
    raise InputError(f"{shown(urn)} is not a valid version, item or storage URN")


async def find_storage(session: Session, project_id: str, urn: str, *, user_id: str | None = None) -> str:
    """The storage URN behind a version, item (its newest version) or storage URN, in any form.

    Raises:
        NotExportableError: the version has no bytes of its own, as a sheet; the message says what to do instead.
        InputError: this is not such a URN.
        APSError: as `Session.request`.
    """
    decoded = checked_urn(urn)
    if is_storage_urn(decoded):
        return decoded
    look_up = get_tip if is_item_urn(decoded) else get_version
    version = await look_up(session, project_id, decoded, user_id=user_id)
    if version.storage_urn is None:
        raise NotExportableError(
            f"{version.name} ({version.urn}, {version.type}) has no file of its own in storage; "
            "a sheet has to be exported, or download the file it was split from"
        )
    return version.storage_urn


async def get_source(session: Session, storage_urn: str, *, minutes: int = 2, user_id: str | None = None) -> Source:
    """Links to an object, with its size and sha1 (`GET oss/v2/…/signeds3download`; scope `data:read`).

    Args:
        session: the session.
        storage_urn: `urn:adsk.objects:os.object:<bucket>/<key>`.
        minutes: the lifetime of the links, 1 to 60.
        user_id: the acting user of a two-legged call.

    Raises:
        InputError: this is not a storage URN.
        DecodeError: the response has no usable link.
        APSError: as `Session.request`.
    """
    found = _STORAGE.fullmatch(storage_urn)
    if found is None:
        raise InputError(
            f"{shown(storage_urn)} is not a valid storage URN: expected urn:adsk.objects:os.object:<bucket>/<key>"
        )
    path = f"/oss/v2/buckets/{path_part(found[1])}/objects/{path_part(found[2])}/signeds3download"
    query = {"minutesExpiration": minutes}
    receipt = Receipt(session.now)
    answer = await session.request(
        SIGNED, "GET", path, into=SignedDownload, query=query, user_id=user_id, on_headers=receipt.note
    )
    lifetime = minutes * 60.0 / session.settings.time_scale

    def link(raw: str) -> SignedUrl:
        return receipt.link(raw, f"GET {path}: {answer.status}", lifetime)

    try:
        if answer.status == "chunked":
            return Source(parts=_parts(answer, link), size=answer.size, sha1=answer.sha1)
        if answer.url is None:
            raise ValueError("url is missing")  # noqa: TRY301 - one place creates the error
        return Source(parts=(Part(link(answer.url)),), size=answer.size, sha1=answer.sha1)
    except ValueError as problem:
        raise DecodeError(f"GET {path}: {answer.status}: {problem}") from None


def _parts(answer: SignedDownload, link: Any) -> tuple[Part, ...]:
    """The parts of an object that storage has not merged yet, in order and without gaps."""
    ranges: list[tuple[int, int, str]] = []
    for name, raw in answer.urls.items():
        found = re.fullmatch(r"(?:bytes=)?(\d+)-(\d+)", name.strip())
        if found is None:
            raise ValueError(f"{name!r} is not a valid byte range")
        ranges.append((int(found[1]), int(found[2]), raw))
    ranges.sort()
    at = 0
    for first, last, _ in ranges:
        if first != at or last < first:
            raise ValueError(f"the byte ranges do not join at {at}")
        at = last + 1
    if not ranges or (answer.size is not None and at != answer.size):
        raise ValueError(f"the byte ranges end at {at} of {answer.size}")
    return tuple(Part(link(raw), last + 1 - first) for first, last, raw in ranges)
