"""What a download is written to, and its progress."""

from typing import Any, Protocol

from attrs import frozen

__all__ = ["Progress", "Writable"]
__dir__: object = __all__.copy


class Writable(Protocol):
    """An open binary file, or anything with its `write` (which may also be a coroutine function)."""

    def write(self, data: bytes, /) -> Any:
        """Takes all of `data`."""
        ...


@frozen(kw_only=True)
class Progress:
    """The progress of a download."""

    received: int
    """Bytes received so far."""
    total: int | None
    """Size of the whole file in bytes; None while it is not known."""
