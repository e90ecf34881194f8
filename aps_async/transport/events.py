"""The events that hooks are called with; see `aps_async.transport.hooks`, which offers them."""

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
    """The number that its `ExportBegan` has in this process; None if it is part of no export."""


@frozen(kw_only=True)
class Attempt(_PartOfExport):
    """One HTTP request, from its sending to the whole response, or to the headers of a download."""

    endpoint: str
    """The endpoint's name in the table of quotas; `storage` for a signed link."""
    method: str
    url: str
    """Without its query."""
    seconds: float
    status: int | None = None
    """None if no complete response came."""
    error: str | None = None
    """The type of the error, if no complete response came."""
    size: int = 0
    """Bytes of the body, decompressed; 0 for downloads, whose bytes are `BytesReceived`."""


@frozen(kw_only=True)
class Waited(_PartOfExport):
    """A wait: for the quota or until the next poll (once it is over), or before a retry or the rest of a download (when
    it begins). In a worker, the time until the next poll is spent in the queue and is not reported."""

    reason: WaitReason
    seconds: float
    what: str
    """The endpoint, the call or the export."""


@frozen(kw_only=True)
class RateLimited(_PartOfExport):
    """A response with status 429."""

    endpoint: str
    retry_after: float | None
    """Seconds, if the service named a time."""


@frozen(kw_only=True)
class Polled(_PartOfExport):
    """One answer about an export."""

    ref: ExportRef
    status: ExportStatus
    raw_status: str


@frozen(kw_only=True)
class BytesReceived(_PartOfExport):
    """A piece of a download; what has to be sent again is counted again."""

    size: int


@frozen(kw_only=True)
class ExportBegan(_PartOfExport):
    """An export begins: of `wait_for_export`, `export_stream`, a bulk run or a worker. One of the next two follows."""

    ref: ExportRef | None
    """None for an export that has to be started first."""
    kind: str


@frozen(kw_only=True)
class ExportEnded(_PartOfExport):
    """An export is delivered, or has failed for good, or whatever waited for it was cancelled."""

    ref: ExportRef | None
    """None for an export that could not be started."""
    kind: str
    seconds: float
    size: int | None = None
    """Bytes delivered."""
    error: str | None = None
    """The type of the error; None if it is delivered."""


@frozen(kw_only=True)
class ExportHandedOver(_PartOfExport):
    """A worker leaves an export to others, which go on with it."""

    ref: ExportRef | None
    kind: str


Event = Attempt | Waited | RateLimited | Polled | BytesReceived | ExportBegan | ExportEnded | ExportHandedOver
