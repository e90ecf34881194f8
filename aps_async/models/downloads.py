"""The result of a download."""

from pathlib import Path

from attrs import frozen

from aps_async.reprs import short_repr

__all__ = [
    "Downloaded",
    "Received",
]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class Received:
    """A verified download that was written to an open file."""

    size: int
    """Bytes."""
    etag: str | None = None
    """Storage's strong ETag, which identifies exactly these bytes; None without one, or if the file came in parts."""
    sha256: str | None = None
    """Hexadecimal digits; None if it was not requested."""
    warnings: tuple[str, ...] = ()
    """Irregularities of a file that is complete, such as a PDF without an end mark."""

    __repr__ = short_repr


@frozen(kw_only=True, repr=False)  # keeps the repr of `Received`
class Downloaded(Received):
    """A verified file under its final name."""

    path: Path
