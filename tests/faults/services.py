"""What the kinds of exports differ in, as the raw server sees it: words, places, and how long a link lives."""

import json
import time
from collections.abc import Callable
from typing import Any

from attrs import frozen

from aps_async import bim360, files, sheets
from aps_async.models import ExportRequest

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
URN = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"
PAGE = b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\nstartxref\n9\n%%EOF\n"
OTHER = b"%PDF-1.7\n" + bytes(reversed(range(256))) * 40 + b"\nstartxref\n9\n%%EOF\n"
"""Another file of the same size."""

Job = dict[str, Any]


@frozen(kw_only=True)
class Service:
    """One kind: what is asked for, and what the right responses are."""

    request: ExportRequest
    words: dict[str, str]
    """The service's words for running, done and failed."""
    place: Callable[[Job, str], None]
    """Puts a link into a job."""
    query: Callable[[float], str]
    """The query of a link that is signed now."""
    is_acc: bool = True

    def job(self, state: str, link: str | None) -> Job:
        """The body of a start or a status; `state` is running, done, failed, or a word of its own."""
        found: Job = {"id": "7d3c", "status": self.words.get(state, state)}
        if link is not None:
            self.place(found, link)
        if state == "failed" and self.is_acc:
            found["result"] = {"error": {"code": "500", "title": "ERR_WORKFLOW_TIMEOUT", "detail": "Too slow."}}
        return found


def _put_bim360(job: Job, link: str) -> None:
    job["data"] = {
        "versionUrn": "dXJuOmFkc2sud2lwcHJvZDpmcy5maWxlOnZmLkE_dmVyc2lvbj0x",
        "resourceId": "urn:adsk.viewing:fs.file:dXJu/output/a/b.pdf",
        "signedUrl": link,
    }


def _put_acc(job: Job, link: str) -> None:
    job["result"] = {"output": {"signedUrl": link}}


def sigv4(now: float, life: float = 120) -> str:
    """As BIM 360 signs."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={life:g}&X-Amz-SignedHeaders=host"


def sigv2(now: float, life: float = 3600) -> str:
    """As ACC signs."""
    return f"AWSAccessKeyId=canary-key&Expires={int(now + life)}"


_ACC = {"running": "processing", "done": "successful", "failed": "failed"}
SERVICES = {
    "bim360": Service(
        request=bim360.make_request(PROJECT, URN, user_id="U1"),
        words={"running": "committed", "done": "completed", "failed": "failed"},
        place=_put_bim360,
        query=sigv4,
        is_acc=False,
    ),
    "acc-files": Service(
        request=files.make_requests(PROJECT, [URN], user_id="U1")[0], words=_ACC, place=_put_acc, query=sigv2
    ),
    "acc-sheets": Service(
        request=sheets.make_requests(PROJECT, [PROJECT], user_id="U1")[0], words=_ACC, place=_put_acc, query=sigv2
    ),
}


def encode(value: Any) -> bytes:
    """JSON, lone surrogates included."""
    return json.dumps(value).encode()
