"""Text from outside: makes it safe to encode, compares names as people read them, and suggests similar ones."""

import codecs
import fnmatch
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar, cast

from aps_async.lazy import regex

__all__ = [
    "NameIndex",
    "abridged",
    "count",
    "cut",
    "decoded",
    "did_you_mean",
    "finite_number",
    "folded",
    "globbed",
    "is_pattern",
    "listing",
    "look",
    "named",
    "nearest",
    "size",
    "spelling",
    "well_formed",
    "well_formed_values",
    "why_unreadable",
]
__dir__: object = __all__.copy

T = TypeVar("T")

_SURROGATE = regex("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """The text with every lone surrogate replaced by U+FFFD.

    A lone surrogate is half of a character: the rest of a name that was cut inside an emoji, or a byte that was not
    UTF-8. It cannot be encoded, so a single one breaks every file, database and terminal that it is written to.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def well_formed_values(value: Any) -> Any:
    """Decoded JSON with every text and key made `well_formed`."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value)
        return {well_formed_values(key): well_formed_values(each) for key, each in pairs.items()}
    if isinstance(value, list | tuple):
        return [well_formed_values(each) for each in cast("Sequence[Any]", value)]
    return value


def decoded(content: bytes) -> str:
    """The text of a file that a user wrote, in UTF-8 or with a byte order mark.

    Editors on Windows write the mark in front of UTF-8, and `>` of Windows PowerShell writes UTF-16.

    Raises:
        UnicodeDecodeError: it is something else.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig").replace("\r\n", "\n")


def why_unreadable(problem: Exception) -> str:
    """Why a file that a user wrote cannot be read, without an error's number or the offset of a byte."""
    if isinstance(problem, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return str(getattr(problem, "strerror", None) or problem)


def cut(text: str, size: int) -> str:
    """Cuts a text to at most `size` bytes, between two characters; also a name that is not valid Unicode."""
    return text.encode(errors="surrogateescape")[:size].decode(errors="ignore")


def count(number: int, what: str) -> str:
    """`1 sheet`, `2 sheets`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def size(number: int) -> str:
    """A number of bytes in decimal units, such as `1.5 MB`."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= least:
            return f"{number / least:,.1f} {unit}"
    return count(number, "byte")


def folded(name: str) -> str:
    """A form for comparing names as file systems do that ignore case and the encoding of accents."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def spelling(name: str) -> str:
    """A form in which two names are equal if they only differ in spaces and the encoding of accents.

    It is composed, so that a `?` in a pattern matches a letter with its accent.
    """
    visible = name if name.isascii() else "".join(each for each in name if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def look(name: str) -> str:
    """A form in which two names are equal if they only differ in case, accents, spaces and invisible characters."""
    return " ".join(name.lower().split()) if name.isascii() else folded(spelling(name))


class NameIndex(Generic[T]):
    """Finds things by the names that a user types.

    Args:
        things: the things to choose from.
        names: returns the names, numbers or ids of a thing.
    """

    def __init__(self, things: Iterable[T], names: Callable[[T], Iterable[str]]) -> None:
        self._forms: dict[Callable[[str], str], dict[str, dict[int, T]]] = {str: {}, spelling: {}, look: {}}
        for at, thing in enumerate(things):
            for name in names(thing):
                for form, known in self._forms.items():
                    known.setdefault(form(name), {})[at] = thing

    def find(self, wanted: str) -> list[T]:
        """The things with exactly that name; or else those with the same `spelling`; or else with the same `look`.

        So case only counts if two names differ in nothing else. An empty name finds nothing.
        """
        if not look(wanted):
            return []
        found = (known.get(form(wanted)) for form, known in self._forms.items())
        return next((list(things.values()) for things in found if things), list[T]())


def named(wanted: str, things: Iterable[T], names: Callable[[T], Iterable[str]]) -> list[T]:
    """The things that a user may mean by a name they typed; see `NameIndex`."""
    return NameIndex(things, names).find(wanted)


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern for `globbed`."""
    return any(each in text for each in "*?[")


def globbed(pattern: str, things: Iterable[T], name: Callable[[T], str]) -> list[T]:
    """The things whose name matches a pattern with `*`, `?` and `[...]`; case counts unless nothing matches with it."""
    known = [(each, spelling(name(each))) for each in things]
    seen = spelling(pattern)
    for flags in (re.NOFLAG, re.IGNORECASE):
        matches = re.compile(fnmatch.translate(seen), flags).match
        if found := [each for each, called in known if matches(called)]:
            return found
    return []


def nearest(wanted: str, names: Iterable[str], count: int = 5) -> list[str]:
    """The names most similar to one that does not exist: those that contain it, then those that differ in few letters.

    A single word is also compared with each word of the names.
    """
    seen = look(wanted)
    forms: dict[str, dict[str, None]] = {}
    for name in names:
        whole = look(name)
        for form in dict.fromkeys((whole, *whole.split())):
            forms.setdefault(form, {})[name] = None
    containing = [form for form in forms if seen and seen in form]
    from difflib import get_close_matches

    close = get_close_matches(seen, forms, n=count)
    return list(dict.fromkeys(name for form in (*containing, *close) for name in forms[form]))[:count]


def abridged(shown: Sequence[str], total: int, separator: str = ", ") -> str:
    """The first of several texts, with the number of the others: `A-101, A-102 and 3 more`."""
    rest = total - len(shown)
    return separator.join(shown) + (f" and {rest:,} more" if rest > 0 else "")


def listing(wanted: str, names: Iterable[str]) -> str:
    """What there is instead of a name that does not exist: the nearest names, or the first ten; `none` of none."""
    known = list(dict.fromkeys(names))
    return abridged(nearest(wanted, known) or known[:10], len(known)) or "none"


def _alternatives(names: Iterable[str]) -> str:
    """Joins names to choose from: `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(wanted: str, names: Iterable[str]) -> str:
    """The end of a message about a name that does not exist: the most similar names, or some of those that exist."""
    known = list(dict.fromkeys(names))
    if found := nearest(wanted, known):
        return f"did you mean {_alternatives(found)}?"
    return f"there are: {listing(wanted, known)}" if known else "there are none"


def finite_number(stated: object) -> float | None:
    """Converts a number or a text to a finite number; None for anything else."""
    if isinstance(stated, bool) or not isinstance(stated, int | float | str):
        return None
    try:
        number = float(stated)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
