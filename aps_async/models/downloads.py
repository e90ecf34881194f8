"""Downloads: how far one is, and what has arrived."""

from pathlib import Path

from attrs import frozen

from aps_async.reprs import short_repr

__all__ = [
    "Downloaded",
    "Progress",
    "Received",
]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class Progress:
    """How far a download is."""

    received: int
    """Bytes that stand in the part file."""
    total: int | None
    """Bytes that there will be; None while the server has not said."""


@frozen(kw_only=True)
class Received:
    """A verified download that was written to an open file."""

    size: int
    """Bytes."""
    etag: str | None = None
    """Storage's tag for exactly these bytes, when it gave one."""
    sha256: str | None = None
    """As hexadecimal digits, when it was asked for."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file although it is complete, such as a PDF without an end mark."""

    __repr__ = short_repr


@frozen(kw_only=True, repr=False)  # that of `Received` is meant
class Downloaded(Received):
    """A verified file under its final name."""

    path: Path
