"""The events that hooks are called with; import them from `aps_async.transport.hooks`."""

from typing import Literal

from attrs import field, frozen

from aps_async.models import ExportRef, ExportStatus
from aps_async.transport.export_numbers import CURRENT

__all__ = [
    "Attempt",
    "BytesReceived",
    "Event",
    "ExportBegan",
    "ExportEnded",
    "ExportHandedOver",
    "Polled",
    "RateLimited",
    "WaitReason",
    "Waited",
]
__dir__: object = __all__.copy

WaitReason = Literal["quota", "retry", "poll", "download"]


@frozen(kw_only=True)
class _PartOfExport:
    export_number: int | None = field(factory=CURRENT.get, eq=False)
    """The number of its `ExportBegan`, unique in this process; None if it does not belong to an export."""


@frozen(kw_only=True)
class Attempt(_PartOfExport):
    """One HTTP request, until its response is complete, or for a download until the headers."""

    endpoint: str
    """The endpoint's name in the table of quotas; `storage` for a signed link."""
    method: str
    url: str
    """The address without its query."""
    seconds: float
    status: int | None = None
    """None if no complete response arrived."""
    error: str | None = None
    """The type of the error, if no complete response arrived."""
    size: int = 0
    """Bytes of the body, decompressed; 0 for downloads, whose bytes are `BytesReceived`."""


@frozen(kw_only=True)
class Waited(_PartOfExport):
    """A wait, for the quota, for the next poll, before a retry, or before a download is resumed.

    The first two are reported when they are over, the others when they begin. In a worker, exports wait for the next
    poll in the queue, which is not reported.
    """

    reason: WaitReason
    seconds: float
    what: str
    """The endpoint, the call or the export."""


@frozen(kw_only=True)
class RateLimited(_PartOfExport):
    """A response with status 429."""

    endpoint: str
    retry_after: float | None
    """Seconds; None if the service did not send a `Retry-After`."""


@frozen(kw_only=True)
class Polled(_PartOfExport):
    """One response to a status call."""

    ref: ExportRef
    status: ExportStatus
    raw_status: str


@frozen(kw_only=True)
class BytesReceived(_PartOfExport):
    """A piece of a download. Bytes that have to be sent again are counted again."""

    size: int


@frozen(kw_only=True)
class ExportBegan(_PartOfExport):
    """`wait_for_export`, `export_stream`, a bulk run or a worker begins an export.

    `ExportEnded` or `ExportHandedOver` follows with the same number.
    """

    ref: ExportRef | None
    """None if the export still has to be started."""
    kind: str


@frozen(kw_only=True)
class ExportEnded(_PartOfExport):
    """An export was delivered, has finally failed, or its wait was cancelled."""

    ref: ExportRef | None
    """None if the export could not be started."""
    kind: str
    seconds: float
    size: int | None = None
    """Bytes delivered."""
    error: str | None = None
    """The type of the error; None if it was delivered."""


@frozen(kw_only=True)
class ExportHandedOver(_PartOfExport):
    """A worker has left an export to other workers, which continue with it."""

    ref: ExportRef | None
    kind: str


Event = Attempt | Waited | RateLimited | Polled | BytesReceived | ExportBegan | ExportEnded | ExportHandedOver
