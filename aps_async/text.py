"""Text from outside: made safe to encode, and compared the way people read it."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

__all__ = ["folded", "look", "named", "well_formed", "well_formed_values"]
__dir__: object = __all__.copy

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """The text with every lone surrogate replaced by U+FFFD.

    A lone surrogate is half of a character: the rest of a name that was cut inside an emoji, or a byte that was not
    UTF-8. No encoding can hold it, so one of them would break every file, database and terminal it is written to.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def well_formed_values(value: Any) -> Any:
    """Decoded JSON in which every text and every key is `well_formed`."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {well_formed_values(key): well_formed_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [well_formed_values(each) for each in value]
    return value


def folded(name: str) -> str:
    """The form in which file systems compare names that ignore case and the way an accent is encoded."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def look(name: str) -> str:
    """The form in which two names are equal if they look the same: case, accents, spaces, invisible characters."""
    if name.isascii():
        return " ".join(name.lower().split())
    visible = "".join(each for each in name if unicodedata.category(each) != "Cf")
    return folded(" ".join(visible.split()))


def named(wanted: str, things: Iterable[T], names: Callable[[T], Iterable[str]]) -> list[T]:
    """The things that a user may mean by a name they typed: all that look like it, those with exactly that name first.

    Args:
        wanted: what was typed.
        things: what there is.
        names: the names, numbers or ids that one thing goes by.
    """
    known = ((each, tuple(names(each))) for each in things)
    seen = look(wanted)
    found = [(wanted not in called, each) for each, called in known if seen and seen in map(look, called)]
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]
