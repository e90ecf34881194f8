"""The object store behind the signed links, on an origin of its own."""

import base64
import hashlib
import hmac
import math
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape

import attrs

from .pages import Content
from .routing import Call, Endpoint, Reply

BUCKET = "autodesk-360-translation-storage"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_DATE = re.compile(r"[?&]X-Amz-Date=(\d{8}T\d{6}Z)(?:&|$)")
_EXPIRES = re.compile(r"[?&]X-Amz-Expires=(\d+)(?:&|$)")
_SIGNATURE = "&X-Amz-Signature="


class Signer:
    """Makes and checks signed links. The signature covers the request target byte for byte."""

    def __init__(self, seed: int) -> None:
        # Reproducible links for reproducible runs; they guard nothing but loopback.
        dice = random.Random(f"signer|{seed}")  # noqa: S311
        self._key = dice.randbytes(32)
        self._dice = dice
        session = base64.b64encode(b"\x09*\xc7origin_ec\x10Y\x1a\x09us-east-1" + dice.randbytes(740)).decode()
        self._session = quote(session + "/+", safe="")  # a slash and a plus in every token, as clients trip over them
        self._access_key = "ASIA" + base64.b32encode(dice.randbytes(10)).decode()[:16]

    def link(self, path: str, now: float, life: float) -> str:
        """The signed target of `path`, good for `life` seconds in whole seconds."""
        moment = datetime.fromtimestamp(now, UTC)
        tail = quote(base64.b64encode(self._dice.randbytes(24)).decode(), safe="")
        query = (
            f"X-Amz-Security-Token={self._session}{tail}&X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Date={moment:%Y%m%dT%H%M%SZ}&X-Amz-SignedHeaders=host&X-Amz-Expires={max(1, math.ceil(life))}"
            f"&X-Amz-Credential={self._access_key}%2F{moment:%Y%m%d}%2Fus-east-1%2Fs3%2Faws4_request"
        )
        return f"{path}?{query}{_SIGNATURE}{self._sign('GET', path, query)}"

    def is_signed(self, method: str, path: str, query: str) -> bool:
        """Whether this request is the one that was signed, in the very same spelling."""
        text, found, signature = query.rpartition(_SIGNATURE)
        return bool(found) and hmac.compare_digest(signature.encode(), self._sign(method, path, text).encode())

    def _sign(self, method: str, path: str, query: str) -> str:
        return hmac.new(self._key, f"{method}\n{path}\n{query}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@attrs.define
class StoredObject:
    """What lies under a path: content that a fault may replace."""

    make: Callable[[int], Content]
    modified: float
    revision: int = 0

    def content(self) -> Content:
        """The bytes as they are now."""
        return self.make(self.revision)


class Storage:
    """Objects by path, and the counters that tell a careless client."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.objects: dict[str, StoredObject] = {}
        self.expired_opened = 0
        self.authorization_seen = 0

    def put(self, path: str, make: Callable[[int], Content], modified: float) -> None:
        """Store an object unless it is there already."""
        self.objects.setdefault(path, StoredObject(make, modified))

    def change(self, path: str) -> None:
        """Replace the object under `path` by another of the same name."""
        stored = self.objects.get(path)
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
    more = {"X_Amz_Expires": life, "Expires": texts[0], "ServerTime": texts[1]}
    return xml_error(call, 403, "AccessDenied", "Request has expired", **more)


def _refusal(call: Call) -> Reply | None:
    """The checks before the object is looked at, in the store's order."""
    storage, query = call.simulator.storage, f"?{call.raw_query}"
    if "Authorization" in call.request.headers:
        storage.authorization_seen += 1
        message = (
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified"
        )
        more = {"ArgumentName": "Authorization", "ArgumentValue": call.request.headers["Authorization"][:6] + " ..."}
        return xml_error(call, 400, "InvalidArgument", message, **more)
    date, life = _DATE.search(query), _EXPIRES.search(query)
    if date is None or life is None or _SIGNATURE not in query:
        return xml_error(call, 403, "AccessDenied", "Access Denied")
    end = datetime.strptime(date[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() + int(life[1])
    if call.simulator.clock() > end:
        storage.expired_opened += 1
        return expired(call, life[1], end)
    if not storage.signer.is_signed(call.request.method, call.raw_path, call.raw_query):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        return xml_error(call, 403, "SignatureDoesNotMatch", message)
    return None


def _span(call: Call, size: int) -> tuple[int, int] | None:
    """The asked for range as start and stop, also an impossible one; None when the whole is to be sent."""
    match = _RANGE.match(call.request.headers.get("Range", ""))
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
    stored = call.simulator.storage.objects.get(call.raw_path)
    if stored is None:
        return xml_error(call, 404, "NoSuchKey", "The specified key does not exist.", Key=call.raw_path)
    content, asked = stored.content(), call.request.headers
    etag = f'"{content.etag}"'
    if asked.get("If-Match", "*") not in ("*", etag):
        message = "At least one of the pre-conditions you specified did not hold"
        return xml_error(call, 412, "PreconditionFailed", message, Condition="If-Match")
    headers = _identity(call)
    headers |= {
        "ETag": etag,
        "Last-Modified": formatdate(stored.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/pdf",
    }
    if asked.get("If-None-Match") in ("*", etag):
        return Reply(304, headers)
    span = _span(call, content.size)
    if span is None:
        return Reply(200, headers, content, 0, content.size)
    if span[0] >= span[1]:
        reply = xml_error(call, 416, "InvalidRange", "The requested range is not satisfiable")
        reply.headers["Content-Range"] = f"bytes */{content.size}"
        return reply
    headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{content.size}"
    return Reply(206, headers, content, *span)


SIGNED_GET = Endpoint("signed_get", "GET", "/", None, None, signed_get)
