"""Checks of target paths before any work, and the errors of files that cannot be written or read."""

import errno
import os
from pathlib import Path

from aps_async.descriptors import TOO_MANY, TOO_MANY_ADVICE
from aps_async.downloads.filenames import check_lengths
from aps_async.errors import DiskFullError, InputError, TargetError
from aps_async.filesystem import check_replaceable, nearest_existing
from aps_async.lazy import regex
from aps_async.links import redact_addresses

__all__ = [
    "check_future_folder",
    "checked_future_path",
    "checked_lengths",
    "checked_path",
    "local_path",
    "made_folder",
    "source_error",
    "target_error",
]
__dir__: object = __all__.copy

_ADVICE = {
    errno.ENOSPC: "the disk is full; make room and run it again",
    errno.EDQUOT: "the disk quota is used up; make room and run it again",
    errno.EFBIG: "it is larger than the file system or a limit allows; raise the limit or choose another place",
    errno.EACCES: "it is not writable; choose another place or change its permissions",
    errno.EPERM: "it is not writable; choose another place or change its permissions",
    errno.EROFS: "it is on a read-only file system; choose another place",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "{folder}; choose another place",
    errno.EISDIR: "it is a folder; give a file name",
    errno.EEXIST: "something else has the name of its part file; run it again",
    errno.ELOOP: "a link, or something else that is not ours, is in {place}; remove it or choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    **dict.fromkeys(TOO_MANY, TOO_MANY_ADVICE),
}
_SUFFIX = ".docx"
"""The longest that is added to a path."""
_LONG = 60
"""Characters: shorter names fit into every file system."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ADDRESS = regex(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]|(?i:s3|gs|az|file|https?):")  # a drive letter is a single one
_SEPARATORS = (os.sep, os.altsep or os.sep)


def target_error(path: Path | None, problem: OSError) -> TargetError:
    """Converts an error while writing to a target; without a path, to an open file."""
    advice = _ADVICE.get(problem.errno or 0, os.strerror(problem.errno) if problem.errno else str(problem))
    other = problem.filename if path and problem.filename not in (None, os.fspath(path)) else None  # a folder above
    if problem.errno == errno.EEXIST and path and problem.filename == os.fspath(path):
        advice = "another file has this name; move it away and run it again"
    advice = advice.replace("{place}", f"the place of {other}" if other else "its place")
    if "{folder}" in advice:
        advice = advice.replace("{folder}", _instead_of_a_folder(path))
    kind = DiskFullError if problem.errno in _FULL else TargetError
    return kind(f"cannot write {path or 'to the open file'}: {advice}", path=path)


def _instead_of_a_folder(path: Path | None) -> str:
    """What is there in the place of a folder: at the path itself, or above it."""
    is_there = path is not None and os.path.lexists(path)
    place = nearest_existing(path) if path else None
    whose = "it" if is_there else "its folder"
    if place is None or place.is_file():
        return f"{whose} is a file, not a folder"
    if place.is_symlink() and not place.exists():
        return f"{whose} is a link to something that does not exist"
    return f"{whose} is not a folder"


def source_error(path: Path, problem: OSError) -> TargetError:
    """Converts an error while reading one of our own files, to store it or to copy it elsewhere."""
    reason = os.strerror(problem.errno) if problem.errno else str(problem)
    if problem.errno in (errno.ELOOP, errno.EISDIR):
        reason = "a link, a folder or something else that is not ours is in its place; move it away and run it again"
    return TargetError(f"cannot read {path}: {reason}", path=path)


def checked_path(path: str | bytes | os.PathLike[str], *, add_suffix: bool = False) -> Path:
    """Checks that a file can be created at a path, before a wait of minutes; returns the path.

    Args:
        path: the path.
        add_suffix: the file's name is this and a suffix that is not known yet, so that whatever has this very name is
            not in its way: a folder `A-101` may be beside `A-101.pdf`.

    Raises:
        InputError: see `local_path`.
        TargetError: its folder is missing or not writable, its name is too long, or the path is a folder, a device or
            a pipe.
    """
    target = local_path(path)
    if add_suffix and len(target.name) > _LONG:
        checked_lengths(target.with_name(f"{target.name}{_SUFFIX}"))
    if not add_suffix:
        _check_free(target)
    elif target.name in ("", "..") or os.fsdecode(path).endswith(_SEPARATORS):
        raise target_error(target, OSError(errno.EISDIR, ""))
    if os.access(os.path.dirname(target) or ".", os.W_OK | os.X_OK):
        return target
    if not target.parent.is_dir():
        raise target_error(target, OSError(errno.ENOTDIR if target.parent.exists() else errno.ENOENT, ""))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise target_error(target, OSError(errno.EACCES, ""))
    return target


def checked_lengths(path: Path) -> Path:
    """Checks that no name of a path is too long for its file system, also where folders are yet to be made.

    Raises:
        TargetError: one is.
    """
    try:
        check_lengths(path)
    except OSError as problem:
        raise target_error(path, problem) from None
    return path


def _check_free(target: Path) -> None:
    """Checks that what has a file's name, if anything, can be replaced."""
    try:
        is_link = check_replaceable(target)
    except OSError as problem:
        raise target_error(target, problem) from None
    if is_link and target.is_dir():
        raise target_error(target, OSError(errno.EISDIR, ""))


def local_path(path: str | bytes | os.PathLike[str]) -> Path:
    """Checks that this is a path on this machine; returns it.

    Raises:
        InputError: it is empty or not valid on any file system, or it is an address such as `s3://bucket`, which would
            become a folder of that name.
    """
    text = os.fsdecode(path)
    try:
        is_possible = text.strip() and "\0" not in text and (text.isascii() or os.fsencode(text))
    except UnicodeEncodeError:  # half of a character
        is_possible = False
    if not is_possible:
        raise InputError("the path must not be empty or contain NUL or half a character; '.' is the current folder")
    if _ADDRESS.match(text.strip()):  # a Path has lost the second slash
        raise InputError(
            f"{redact_addresses(text)!r} is not a path on this machine; where an address may be given, for many files, "
            "it begins with s3://, gs:// or az://"
        )
    return path if isinstance(path, Path) else Path(text)


def made_folder(folder: str | os.PathLike[str]) -> Path:
    """Creates a folder if it is missing; returns its path.

    Raises:
        InputError: see `local_path`.
        TargetError: it cannot be created, or is not writable.
    """
    path = local_path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise target_error(path, OSError(errno.ENOTDIR, "")) from None
    except OSError as problem:
        raise target_error(path, problem) from problem
    if not os.access(path, os.W_OK | os.X_OK):
        raise target_error(path, OSError(errno.EACCES, ""))
    return path


def checked_future_path(path: str | bytes | os.PathLike[str]) -> Path:
    """Checks that a file can be created at a path whose folder may be made later; returns the path.

    Raises:
        InputError: see `local_path`.
        TargetError: see `checked_path`; or the folder cannot be made.
    """
    target = checked_lengths(local_path(path))
    if target.parent.is_dir() or os.path.lexists(target):
        return checked_path(target)
    check_future_folder(target.parent)
    return target


def check_future_folder(folder: Path) -> None:
    """Checks that a folder is writable, or can be made where it is missing.

    Raises:
        TargetError: neither is so.
    """
    checked_lengths(folder)
    place = nearest_existing(folder)
    if not place.is_dir():
        raise target_error(folder, OSError(errno.ENOTDIR, ""))
    if not os.access(place, os.W_OK | os.X_OK):
        raise target_error(place, OSError(errno.EACCES, ""))
