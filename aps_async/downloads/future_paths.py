"""Checks of paths whose folders are made later, before minutes of work are lost because of them."""

import errno
import os
from pathlib import Path

from aps_async.downloads.sinks import checked_lengths, checked_path, local_path, target_error
from aps_async.filesystem import nearest_existing

__all__ = ["check_future_folder", "checked_future_path"]
__dir__: object = __all__.copy


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
