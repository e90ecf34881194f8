"""The object store behind the signed links, on an origin of its own."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import attrs

from .replies import Body, Reply
from .requests import precondition
from .routing import Call, Endpoint
from .signing import Signer

BUCKET = "autodesk-360-translation-storage"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})$")
CDN = "/cdn.derivative.autodesk.com"
_OVERRIDES = ("Content-Type", "Content-Disposition", "Cache-Control")


@attrs.define
class StoredObject:
    """What lies under a path: content that a fault may replace."""

    make: Callable[[int], Body]
    modified: float
    media: str = "application/pdf"
    revision: int = 0

    def content(self) -> Body:
        """The bytes as they are now."""
        return self.make(self.revision)


class Storage:
    """Objects by path, and counters of what careful clients avoid."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.objects: dict[str, StoredObject] = {}
        self.aliases: dict[str, str] = {}
        """Paths of objects by the paths of other addresses that lead to them."""
        self.ends: dict[str, float] = {}
        """Until when those are good, in clock time."""
        self.expired_opened = 0
        self.authorization_seen = 0
        self._withdrawn: set[str] = set()

    def withdraw(self, url: str) -> None:
        """Let a link end before its time."""
        self._withdrawn.add(url.partition("?")[2])

    def is_withdrawn(self, query: str) -> bool:
        """Whether the link with this signed query was withdrawn."""
        return query in self._withdrawn

    def put(
        self, path: str, make: Callable[[int], Body], modified: float, media: str = "application/pdf"
    ) -> StoredObject:
        """Store an object unless it is there already."""
        return self.objects.setdefault(path, StoredObject(make, modified, media))

    def find(self, path: str) -> StoredObject | None:
        """The object under a path of the store or of the derivatives' CDN, or behind an address of OSS itself."""
        if path.startswith(f"{CDN}/"):
            path = f"/{BUCKET}{path.removeprefix(CDN)}"
        return self.objects.get(self.aliases.get(path, path))

    def change(self, path: str) -> None:
        """Replace the object under `path` by another of the same name."""
        stored = self.find(path)
        if stored is not None:
            stored.revision += 1


def _identity(call: Call) -> dict[str, str]:
    number = f"{call.simulator.next_request_number():016X}"
    return {
        "x-amz-request-id": number,
        "x-amz-id-2": base64.b64encode(number.encode() * 3).decode(),
        "Server": "AmazonS3",
    }


def xml_error(call: Call, status: int, code: str, message: str, **more: str) -> Reply:
    """An error document of the object store."""
    headers = _identity(call)
    fields = {"Code": code, "Message": message, **more}
    fields |= {"RequestId": headers["x-amz-request-id"], "HostId": headers["x-amz-id-2"]}
    body = "".join(
        f"<{name.replace('_', '-')}>{escape(text)}</{name.replace('_', '-')}>" for name, text in fields.items()
    )
    headers["Content-Type"] = "application/xml"
    return Reply(status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{body}</Error>'.encode())


def expired(call: Call, life: str = "120", end: float = 0.0) -> Reply:
    """What an old link answers."""
    now = call.simulator.clock()
    texts = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (end or now, now)]
    more = {"X_Amz_Expires": life} if life else {}
    more |= {"Expires": texts[0], "ServerTime": texts[1]}
    return xml_error(call, 403, "AccessDenied", "Request has expired", **more)


def _refusal(call: Call) -> Reply | None:
    """The checks before the object is looked at, in the store's order."""
    storage = call.simulator.state(Storage)
    if "Authorization" in call.request.headers:
        storage.authorization_seen += 1
        message = (
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified"
        )
        more = {"ArgumentName": "Authorization", "ArgumentValue": call.request.headers["Authorization"][:6] + " ..."}
        return xml_error(call, 400, "InvalidArgument", message, **more)
    term = storage.signer.term(call.raw_query)
    if term is None:
        return xml_error(call, 403, "AccessDenied", "Access Denied")
    if call.simulator.clock() > term.end or storage.is_withdrawn(call.raw_query):
        storage.expired_opened += 1
        return expired(call, term.life, term.end)
    if not storage.signer.is_signed(call.request.method, call.raw_path, call.raw_query):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        return xml_error(call, 403, "SignatureDoesNotMatch", message)
    if call.simulator.behaviour.signed_url_refused and call.raw_path.startswith(f"/{BUCKET}/"):
        return xml_error(call, 403, "AccessDenied", "Access Denied")
    return None


def _span(call: Call, size: int, etag: str) -> tuple[int, int] | None:
    """The asked for range as start and stop, also an impossible one; None when the whole is to be sent."""
    asked = call.request.headers
    match = _RANGE.match(asked.get("Range", ""))
    if call.simulator.behaviour.storage_reads_if_range and asked.get("If-Range", etag) != etag:
        return None
    if match is None or call.fault_kind == "ignore_range" or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    return start, min(int(match[2]) + 1, size) if match[2] else size


async def signed_get(call: Call) -> Reply:
    """GET of a signed link."""
    refused = _refusal(call)
    if refused is not None:
        return refused
    return object_reply(call)


def object_reply(call: Call) -> Reply:
    """The object under the path of the call, or the part of it that is asked for."""
    stored = call.simulator.state(Storage).find(call.raw_path)
    if stored is None:
        return xml_error(call, 404, "NoSuchKey", "The specified key does not exist.", Key=call.raw_path)
    return content_reply(call, stored)


def content_reply(call: Call, stored: StoredObject) -> Reply:
    """An object, or the part of it that is asked for, with the headers that the query wants otherwise."""
    content, asked = stored.content(), call.request.headers
    etag = f'"{content.etag}"'
    status = precondition(asked, [content.etag], stored.modified)
    if status == 412:
        message = "At least one of the pre-conditions you specified did not hold"
        name = "If-Match" if "If-Match" in asked else "If-Unmodified-Since"
        return xml_error(call, 412, "PreconditionFailed", message, Condition=name)
    headers = _identity(call)
    headers |= {
        "ETag": etag,
        "Last-Modified": formatdate(stored.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": stored.media,
    }
    given = parse_qs(call.raw_query)
    for name in _OVERRIDES:
        texts = given.get(f"response-{name.lower()}", [])
        if texts and texts[-1].isascii() and texts[-1].isprintable():
            headers[name] = texts[-1]
    if status == 304:
        return Reply(304, headers)
    span = _span(call, content.size, etag)
    if span is None:
        return Reply(200, headers, content, 0, content.size)
    if span[0] >= span[1]:
        reply = xml_error(call, 416, "InvalidRange", "The requested range is not satisfiable")
        reply.headers["Content-Range"] = f"bytes */{content.size}"
        return reply
    headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{content.size}"
    return Reply(206, headers, content, *span)


SIGNED_GET = Endpoint("signed_get", "GET", "/", None, None, signed_get)
