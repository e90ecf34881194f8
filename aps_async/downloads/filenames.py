"""File names: made safe from titles, checked when they come from outside, and never twice in one folder."""

import errno
import hashlib
import os
import re
import threading
import unicodedata
from pathlib import Path, PurePath

from aps_async.errors import InputError
from aps_async.filesystem import nearest_existing
from aps_async.lazy import regex
from aps_async.text import cut, folded

__all__ = [
    "NameBook",
    "check_lengths",
    "checked_name",
    "checked_relative",
    "fitted",
    "in_folder",
    "name_limit",
    "safe_path",
    "safe_stem",
    "split_suffix",
    "stem_of",
]
__dir__: object = __all__.copy

_REFUSED = '/\\:*?"<>|'  # separators, drive letters, streams and wildcards of any system
_SEPARATORS = regex(f"[{re.escape(_REFUSED)}]")
_REPLACED = dict.fromkeys(map(ord, _REFUSED), "_")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co")  # control and direction characters, surrogates, private use
# On Windows these are devices, with any extension and in any case, also with superscript digits.
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{name}{digit}" for name in ("COM", "LPT") for digit in "123456789¹²³"),
}
_LIMIT = 180  # bytes; file systems allow 255, and " (2)", the extension and a part file's suffix have to fit too
_LONGEST = 255  # bytes of one name on common file systems
_SHORTEST = 64  # every file system with long names allows this
_ROOM = 11  # bytes for the longest suffix that we write
_SHORTENED = regex(r"~[0-9a-f]{16}\Z")


def safe_stem(title: str) -> str:
    """A file name without extension from any text.

    Separators and the characters that Windows refuses become `_`. Control and direction characters are dropped, and so
    are spaces and dots at the ends, so that `..` cannot climb. Device names get a `_` in front. At most 180 bytes.
    """
    text = title if _is_simple(title) else _visible(title)
    text = " ".join(text.translate(_REPLACED).split()).strip(" .")
    if _is_device(text):
        text = f"_{text}"
    return cut(text, _LIMIT).rstrip(" .") or "untitled"


def _is_simple(text: str) -> bool:
    """Whether all characters are visible and composed: a quick answer for nearly all names."""
    return text.isascii() and text.isprintable()


def _visible(title: str) -> str:
    text = "".join(" " if sign in "\t\r\n" else sign for sign in title)
    text = "".join(sign for sign in text if unicodedata.category(sign) not in _INVISIBLE)
    return unicodedata.normalize("NFC", text)  # last: a dropped character may have been between a letter and its accent


def checked_name(name: object) -> str:
    """Returns the name if it is that of a visible file directly inside a folder, on every system.

    For names from outside: a ledger, a database row, a caller. What `safe_stem` returns always passes.

    Raises:
        InputError: it is not text, is empty, is longer than 255 bytes, or could lead elsewhere: it contains separators,
            drive letters, `..`, device names, control characters, or dots or spaces at its ends.
    """
    if not isinstance(name, str):
        raise InputError(f"a file name must be text, not {type(name).__name__}")
    problem = None
    is_visible = _is_simple(name) or not any(unicodedata.category(each) in _INVISIBLE for each in name)
    if not is_visible or _SEPARATORS.search(name):
        problem = "contains characters that not every system allows"
    elif not name or name != name.strip() or name.startswith(".") or name.endswith("."):
        problem = "is empty, or begins or ends with a dot or space"
    elif _is_device(name):
        problem = "is the name of a device on Windows"
    elif len(name.encode()) > _LONGEST:
        problem = f"is longer than {_LONGEST} bytes"
    if problem:
        raise InputError(f"{name[:100]!r} cannot be used as a file name: it {problem}")
    return name


def checked_relative(name: object) -> tuple[str, ...]:
    """The parts of a relative name with `/` between folders, each checked by `checked_name`.

    Raises:
        InputError: a part cannot be used.
    """
    return tuple(checked_name(part) for part in (name.split("/") if isinstance(name, str) else [name]))


def safe_path(title: str, subfolder: str | None) -> str:
    """A relative file name without extension, with `/` between folders, each part made safe by `safe_stem`."""
    folders = [safe_stem(part) for part in (subfolder or "").split("/") if part.strip()]
    return "/".join((*folders, safe_stem(title)))


def stem_of(file: str) -> str:
    """A relative file name without its last extension."""
    folders, slash, name = file.rpartition("/")
    return f"{folders}{slash}{PurePath(name).stem}"


def name_limit(folder: str | os.PathLike[str]) -> int:
    """How many bytes a name may have in an existing folder: 255 nearly everywhere, 143 if names are encrypted."""
    try:
        found = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not available on Windows, and not on all file systems
        return _LONGEST
    return min(max(found, _SHORTEST), _LONGEST) if found > 0 else _LONGEST


def check_lengths(path: Path) -> None:
    """Checks that no name of a path is too long for the file system, also where its folders are yet to be made.

    Raises:
        OSError: ENAMETOOLONG.
    """
    whole = path.absolute()
    try:
        os.lstat(whole)
    except OSError as problem:
        if problem.errno == errno.ENAMETOOLONG:
            raise
    there = nearest_existing(whole.parent)
    for name in whole.relative_to(there).parts:
        # Windows counts units of UTF-16, and others bytes.
        length = len(name.encode("utf-16-le", "surrogatepass")) // 2 if os.name == "nt" else len(os.fsencode(name))
        if length > name_limit(there):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))


def fitted(stem: str, limit: int) -> str:
    """Shortens a stem, if necessary, so that it fits with its suffix into `limit` bytes; see `name_limit`.

    A digest of the whole stem replaces its end, so that different stems stay different, and the result is the same in
    every run. A stem that looks like a shortened one also gets a digest.
    """
    room = limit - _ROOM
    if limit >= _LONGEST or (len(stem.encode()) <= room and not _SHORTENED.search(stem)):
        return stem
    digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
    return f"{cut(stem, room - 17).rstrip(' .')}~{digest}"


def split_suffix(name: str) -> tuple[str, str]:
    """A file name's stem, and its suffix with the dot if that is as short as those that this library writes."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and len(suffix.encode()) < _ROOM else (name, "")


def in_folder(folder: Path, stem: str) -> Path:
    """The path of a file in a folder, still without its suffix; shortened if the file system requires it.

    The stem may be a relative path with `/` between folders.
    """
    limit = name_limit(folder)
    return folder.joinpath(*(fitted(part, limit) for part in stem.split("/")))


def _is_device(name: str) -> bool:
    return name.split(".")[0].rstrip().upper() in _DEVICES


class NameBook:
    """Hands out names that no file of this run has yet. `A-101` and `a-101` count as equal, as on many systems.

    Threads may share one: archives are unpacked in several at once, while the event loop names other files.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}
        """The last number given to each folded name, so that numbering many equal titles stays fast."""

    def take(self, title: str, suffix: str = ".pdf") -> str:
        """Returns a safe name for `title`; for the second file of the same title, `title (2)`."""
        return self.take_path(safe_stem(title), suffix)

    def take_path(self, stem: str, suffix: str = "") -> str:
        """Like `take`, for a stem that is safe already and may have folders; see `safe_path`."""
        name = f"{stem}{suffix}"
        first = folded(name)
        with self._lock:
            count = self._counts.get(first, 1)
            while folded(name) in self._taken:
                count += 1
                name = f"{stem} ({count}){suffix}"
            self._counts[first] = count
            self._taken.add(folded(name))
        return name
