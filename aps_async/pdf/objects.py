"""Looks into PDF objects that may be damaged; pikepdf is imported when it is needed."""

from typing import Any

__all__ = ["array", "dictionaries", "dictionary"]
__dir__: object = __all__.copy


def dictionary(holder: Any, key: str) -> Any:
    """The dictionary under this key; an empty one if something else is there, as damaged files have it."""
    from pikepdf import Dictionary

    found = holder.get(key)
    return found if isinstance(found, Dictionary) else Dictionary()


def array(holder: Any, key: str) -> Any:
    """The array under this key; an empty one if something else is there."""
    from pikepdf import Array

    found = holder.get(key)
    return found if isinstance(found, Array) else Array()


def dictionaries(found: Any) -> list[Any]:
    """A dictionary alone, or those in an array; none if it is something else."""
    from pikepdf import Array, Dictionary

    return [each for each in (found if isinstance(found, Array) else [found]) if isinstance(each, Dictionary)]
