"""A loopback server whose responses are generated from a seed: plausible ones with something wrong in them."""

import asyncio
import gzip
import json
import random
import re
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.support import RawListener

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
URN = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"
ITEM = "urn:adsk.wipprod:dm.lineage:s3GqvKmTQ7WpZ0hYdXcR1A"
FOLDER = "urn:adsk.wipprod:fs.folder:co.s3GqvKmTQ7WpZ0hYdXcR1A"
STORAGE = "urn:adsk.objects:os.object:wip.dm.prod/x.pdf"
PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\nstartxref\n9\n%%EOF\n"

LINKS = [
    "",
    "x",
    "/",
    "//",
    "?",
    "http://",
    "http://\u2100.example/x",
    "http://a..b/x",
    f"http://{'a' * 70}.example/x",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:x/",
    "http://[::1/x",
    "http://127.0.0.1:0/x",
    "ftp://127.0.0.1/x",
    "http://us er@127.0.0.1/x",
    "http://127.0.0.1 /x",
    "http://127.0.0.1/\r\nx: y",
    "http://%zz/",
    "http://\ud83d/x",
    "https://127.0.0.1:1/x?X-Amz-Date=20300101T000000Z&X-Amz-Expires=1e999",
    "http://127.0.0.1/ä ö?\u2028",
    "http://127.0.0.1/x?Expires=nan",
    "http://127.0.0.1/x?X-Amz-Date=99999999T999999Z&X-Amz-Expires=9",
    ".evil.example/x",
    "http://*/",
    "http://-/",
    "http://xn--a/",
    "http://127.0.0.1:-1/x",
    "\x00",
    "/a\x0bb",
    "/\x00",
    "http://127.0.0.1/\x7f",
    "a" * 9000,
]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.0,
    2.2e9,
    1e308,
    10**30,
    -(10**400),
    float("nan"),
    float("inf"),
    "",
    " ",
    "\ud83d",
    "\x00",
    "\ufeff",
    "null",
    "x" * 5000,
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"id": None},
    {"data": []},
    [{}] * 3,
    "urn:",
    "%",
    "b.",
    "9999-99-99",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01 00:00:00 +9999 UTC",
    "dXJu====",
    "urn%3aadsk",
    "\u202e",
    *LINKS,
]
HEADERS = [
    ("Content-Type", "text/html"),
    ("Content-Type", "\xff"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br"),
    ("Content-Encoding", "aws-chunked"),
    ("Content-Encoding", "\xff"),
    ("Set-Cookie", "CloudFront-Policy=\xff; Path=/"),
    ("Set-Cookie", "a=b"),
    ("Set-Cookie", ";;;="),
    ("ETag", '"\xff"'),
    ("ETag", '"abc"'),
    ("ETag", '"\x0b"'),
    ("Set-Cookie", "a=\x0b"),
    ("ETag", ""),
    ("Date", "now"),
    ("Date", "Mon, 99 Foo 99999 99:99:99 GMT"),
    ("Retry-After", "0"),
    ("Retry-After", "soon"),
    ("Retry-After", "3"),
    ("Retry-After", "-1"),
    ("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("x-request-id", "\xff\xfe"),
    ("x-ads-troubleshooting", "\xff"),
    ("Location", "http://127.0.0.1:1/\xff"),
    ("Content-Range", "bytes 9-1/0"),
    ("Content-Range", "bytes */\xb2"),
    ("Content-Length", "\xb2"),
    ("Content-Length", "-1"),
    ("Content-Length", "99999"),
    ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "gzip"),
    ("Connection", "close"),
    ("X" * 300, "y" * 3000),
    ("WWW-Authenticate", 'Bearer error="\xff"'),
]
STATUSES = [
    200,
    200,
    201,
    202,
    204,
    206,
    301,
    307,
    400,
    401,
    403,
    404,
    409,
    412,
    416,
    422,
    429,
    500,
    503,
    599,
    700,
    999,
]


def resource(kind: str, urn: str, **attributes: Any) -> dict[str, Any]:
    """A JSON:API resource with all that the client reads."""
    data = {
        "projectType": "BIM360", "sourceFileName": "x.pdf", "processState": "PROCESSING_COMPLETE", "actions": ["SPLIT"],
        "folderType": "normal", "visibleTypes": ["items:autodesk.bim360:Document"],
    }  # fmt: skip
    known = {"hubs": "hubs:autodesk.bim360:Account", "projects": "projects:autodesk.bim360:Project"}
    extension = known.get(kind, f"{kind}:autodesk.bim360:Document")
    return {
        "type": kind,
        "id": urn,
        "attributes": {
            "name": "A-101.pdf", "displayName": "A-101.pdf", "hidden": False, "versionNumber": 1, "storageSize": 9,
            "createTime": "2019-06-18T23:29:21.0000000Z", "extension": {"type": extension, "data": data}, **attributes,
        },
        "relationships": {
            "tip": {"data": {"type": "versions", "id": URN}}, "item": {"data": {"type": "items", "id": ITEM}},
            "storage": {"data": {"type": "objects", "id": STORAGE}}, "rootFolder": {"data": {"id": FOLDER}},
            "cost": {"data": {"id": PROJECT}},
        },
    }  # fmt: skip


def documented(method: str, path: str, base: str) -> Any:
    """A response as documented, or nearly."""
    link = f"{base}/file?X-Amz-Date=20300101T000000Z&X-Amz-Expires=120&X-Amz-Signature=1"
    place = {"signedUrl": link, "versionUrn": "dXJuOmFkc2s", "resourceId": "urn:x/1.pdf", "link": f"{base}/file"}
    sheet = {"id": PROJECT, "number": "A-101", "title": "Plan", "versionSet": {"id": "v", "name": "V"}}
    account = {"serviceAccountId": "s", "email": "e", "createdAt": "2024-01-25 03:08:04.156576834 +0000 UTC"}
    pages = {"links": {"next": {"href": f"{base}{path}?page=2"}} if "page" not in path else {}}
    table: list[tuple[str, Any]] = [
        (r"/hubs$", {"data": [resource("hubs", "b.1")], "meta": {"warnings": [{"Title": "t"}]}}),
        (r"/projects$", {"data": [resource("projects", f"b.{PROJECT}")], **pages}),
        (r"/projects/[^/]+$", {"data": resource("projects", f"b.{PROJECT}")}),
        (r"topFolders$", {"data": [resource("folders", FOLDER)]}),
        (r"/contents$", {
            "data": [resource("folders", FOLDER + "x"), resource("items", ITEM)],
            "included": [resource("versions", URN)], **pages,
        }),
        (r"/folders/[^/]+$", {"data": resource("folders", FOLDER)}),
        (r"/items/[^/]+$", {"data": resource("items", ITEM)}),
        (r"/items/[^/]+/versions$", {"data": [resource("versions", URN)], **pages}),
        (r"/tip$|/versions/[^/]+$", {"data": resource("versions", URN)}),
        (r"versions:batch-get$", {"results": [{"urn": URN, "number": "A-101", "title": "Plan"}]}),
        (r"/version-sets$", {"results": [{"id": "v", "name": "V"}], "pagination": {"totalResults": 2}}),
        (r"/construction/sheets/.*/sheets$", {"results": [sheet], "pagination": {"totalResults": 2}}),
        (r"/construction/.*/exports", {
            "id": "1", "status": "successful",
            "result": {"output": {"signedUrl": link, "failedFiles": [{"id": URN, "reason": "r"}]}, "error": None},
        }),
        (r"/exports", {"id": "1", "status": "completed", "data": place}),
        (r"/documents$", [{"id": "1", "urn": URN, "status": "Completed", "associationId": PROJECT, "jobId": 7}]),
        (r"/attachments$", {"id": "1", "urn": URN, "status": "Pending"}),
        (r"/signeds3download$", {"status": "complete", "size": len(PDF), "url": link}),
        (r"/signedcookies$", {"url": link, "size": len(PDF), "expiration": 1_900_000_000_000}),
        (r"/userinfo$", {"sub": "u", "name": "n", "email_verified": True}),
        (r"/service-accounts$", {"serviceAccounts": [account], **account}),
        (r"/keys", {"keys": [{"kid": "k", "createdAt": "2024-01-25"}], "kid": "k", "privateKey": "p"}),
        (r"/service-accounts/", account),
        (r"/token$", {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}),
    ]  # fmt: skip
    return next((found for pattern, found in table if re.search(pattern, path)), {"id": "1", "status": "committed"})


def changed(value: Any, chance: random.Random) -> Any:
    """The same value with one part, anywhere in it, replaced, repeated or left out."""
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = chance.choice(keys)
        value = value.copy()
        act = chance.random()
        if act < 0.15:
            del value[key]
        elif act < 0.2 and isinstance(value, list):
            value += [value[key]] * 3
        else:
            value[key] = changed(value[key], chance)
        return value
    return chance.choice(ODD)


def body_of(method: str, path: str, base: str, chance: random.Random) -> bytes:
    """A body, most often JSON."""
    act = chance.random()
    if path.startswith("/file") and act < 0.8:
        return PDF
    if act < 0.05:
        return chance.choice(
            [b"", b" ", b"<html><title>\xff</title>", b"[" * 5000, b"\xff\xfe", b"7", b"null", b"[]", b"{}"]
        )
    if act < 0.1:
        return chance.randbytes(chance.randrange(300))
    value = documented(method, path, base)
    for _ in range(chance.choice([0, 1, 1, 1, 2, 5])):
        value = changed(value, chance)
    body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    act = chance.random()
    if act < 0.05:
        return b"\xef\xbb\xbf" + body
    if act < 0.1:
        return body[: chance.randrange(len(body) + 1)]
    if act < 0.15:
        at = chance.randrange(len(body) + 1)
        return body[:at] + chance.randbytes(1) + body[at + 1 :]
    return body


def response_to(method: str, path: str, base: str, chance: random.Random) -> bytes:
    """A whole HTTP response, or what comes instead of one."""
    act = chance.random()
    if act < 0.02:
        return chance.choice(
            [b"", b"\r\n\r\n", b"HTTP/1.1", b"SSH-2.0-x\r\n", b"HTTP/9.9 abc\r\n\r\n", b"\x16\x03\x01", b"H" * 9000]
        )
    status = chance.choice(STATUSES) if chance.random() < 0.3 else 200
    body = body_of(method, path, base, chance)
    headers = [("Content-Type", "application/json")]
    if chance.random() < 0.1:
        body = gzip.compress(body)
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    headers += chance.choices(HEADERS, k=chance.choice([0, 0, 1, 3]))
    if act < 0.05:
        headers.append(
            ("X-" + "".join(chance.choices(string.printable, k=5)), "".join(chance.choices(string.printable, k=9)))
        )
    head = f"HTTP/1.1 {status} " + chance.choice(["OK", "", "\xff"]) + "\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    return head.encode("latin-1", "replace") + body


class GeneratedServer:
    """Answers every request with the next response of the seed; some connections are cut or stay silent."""

    def __init__(self) -> None:
        self.chance = random.Random(0)  # noqa: S311 - guards nothing
        self.base = ""
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, *_ = head.decode("latin-1").split(" ", 2)
                if length := re.search(rb"(?i)content-length: (\d+)", head):
                    await reader.readexactly(int(length[1]))
                self.requests += 1
                act = self.chance.random()
                if act < 0.01:
                    await reader.read()  # silence, until the client gives up
                    break
                raw = response_to(method, path.partition("?")[0], self.base, self.chance)
                writer.write(raw[: self.chance.randrange(len(raw) + 1)] if act < 0.03 else raw)
                await writer.drain()
                if act < 0.2:
                    break


@asynccontextmanager
async def generated_server() -> AsyncIterator[GeneratedServer]:
    """The server on a free loopback port."""
    server = GeneratedServer()
    listener = RawListener(server.serve)
    server.base = f"http://127.0.0.1:{await listener.listen()}"
    try:
        yield server
    finally:
        await listener.end()
