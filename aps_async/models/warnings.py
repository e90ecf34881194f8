"""Warnings about parts of a response that could not be read."""

from attrs import frozen

from aps_async.reprs import short_repr

__all__ = ["ItemWarning"]
__dir__: object = __all__.copy


@frozen(kw_only=True)
class ItemWarning:
    """An item of a list, or one of its values, that could not be read; everything else in the list could."""

    call: str
    """The call that returned it, such as `GET /data/v1/projects/…`."""
    id: str | None
    """The item's id or name; None if the call is about one item only."""
    reason: str
    left_out: bool
    """Whether the whole item was left out of the list; otherwise only the value that `reason` names."""

    __repr__ = short_repr

    def __str__(self) -> str:
        what = self.id or "the item"
        return f"{what} {'was left out' if self.left_out else 'lacks a value'}: {self.reason} ({self.call})"
