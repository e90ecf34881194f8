"""A server that is as cheap as possible in Python, so that the client dominates the measurement."""

import asyncio
import json
import os
import sys

URN = "urn:adsk.wipprod:fs.file:vf.OtT6wxPje3l0rHSTErEZHQ?version=1"
EXPORT = "345eb2fb-d5b0-44c9-a50a-2c792d833f3f"
PROJECT = "c0337487-5b66-422b-a284-c273b424af54"
PENDING = json.dumps({"id": EXPORT, "status": "committed"}).encode()
DONE = json.dumps(
    {
        "id": EXPORT,
        "status": "completed",
        "data": {
            "versionUrn": "dXJuOmFkc2sud2lwcHJvZDpmcy5maWxlOnZmLkJCQkI_dmVyc2lvbj0x",
            "resourceId": "urn:adsk.viewing:fs.file:dXJuOm/output/xxxx/yyyy.pdf",
            "link": "https://developer.api.autodesk.com/modelderivative/v2/designdata/" + "x" * 300,
            "signedUrl": "https://storage.example/a/b.pdf?X-Amz-Date=20260101T000000Z&X-Amz-Expires=120&X-Amz-Security-Token="
            + "y%2F" * 500,
        },
    }
).encode()
TOKEN = json.dumps({"access_token": "t" * 900, "token_type": "Bearer", "expires_in": 3599}).encode()


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Canned(asyncio.Protocol):
    """Responds by the path alone, and only looks for the end of a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, data = data[:end], data[end + 4 :]
            if head.startswith(b"POST"):
                at = head.lower().find(b"content-length:")
                length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
                data = data[length:]
                self.transport.write(_TOKEN if b"/token" in head[:60] else _PENDING)
            else:
                self.transport.write(_DONE if b"/done/" in head[:60] else _PENDING)
        self.rest = data


_TOKEN, _PENDING, _DONE = _answer(TOKEN), _answer(PENDING), _answer(DONE)


async def serve() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the other core is the client's
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0)
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
