"""File names from titles: safe on every system, and never two alike in one folder."""

import unicodedata

from aps_async.text import folded

_REPLACED = dict.fromkeys(map(ord, '/\\:*?"<>|'), "_")
# Windows gives these to devices, with any extension and in any case; the superscript digits count too.
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{name}{digit}" for name in ("COM", "LPT") for digit in "123456789¹²³"),
}
_LIMIT = 180  # bytes; file systems end at 255, and " (2)", the extension and a part file's suffix must fit as well


def safe_stem(title: str) -> str:
    """A file name without extension from any text.

    Separators and the signs that Windows refuses become `_`; control and direction signs go; blanks and dots at the
    ends go, so `..` cannot climb; device names get a `_` in front; the length stays below every file system's limit.
    """
    text = "".join(" " if sign in "\t\r\n" else sign for sign in title)
    text = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co"))
    text = unicodedata.normalize("NFC", text)  # now, since what has gone may have stood between a letter and its accent
    text = " ".join(text.translate(_REPLACED).split()).strip(" .")
    if text.split(".")[0].rstrip().upper() in _DEVICES:
        text = f"_{text}"
    text = text.encode()[:_LIMIT].decode(errors="ignore").rstrip(" .")
    return text or "untitled"


class NameBook:
    """Hands out names that no file of this run has yet; `A-101` and `a-101` are one name on many systems."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, title: str, suffix: str = ".pdf") -> str:
        """A safe name for `title`: the second sheet of one title becomes `title (2).pdf`."""
        stem = safe_stem(title)
        name, count = f"{stem}{suffix}", 1
        while folded(name) in self._taken:
            count += 1
            name = f"{stem} ({count}){suffix}"
        self._taken.add(folded(name))
        return name
