"""Checks the links to download from, which callers give and their `renew` returns."""

from aps_async.errors import InputError
from aps_async.links import Part, SignedUrl, Source
from aps_async.narrowing import is_really

__all__ = ["as_source"]
__dir__: object = __all__.copy


def as_source(given: object, what: str = "the source must be") -> Source:
    """Returns links in the form in which a transfer uses them.

    Raises:
        InputError: it is neither a `Source` with links nor a signed link.
    """
    if isinstance(given, SignedUrl):
        return Source.of(given)
    if not isinstance(given, Source):
        raise InputError(f"{what} a Source or a SignedUrl, not {type(given).__name__}")  # a text may be a signed link
    if not given.parts or not all(is_really(each, Part) for each in given.parts):
        raise InputError(f"{what} a Source with one Part or more, or a SignedUrl")
    return given
