"""Where files go that give way to others: `superseded/` in the folder of the run. Nothing is ever overwritten there."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from aps_async.downloads.filenames import checked_relative, fitted, name_limit, split_suffix
from aps_async.filesystem import check_real_folders, move_below
from aps_async.ledger.files import is_whole
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.rows import Former

__all__ = ["SUPERSEDED", "make_way", "move_aside", "put_away", "rename"]
__dir__: object = __all__.copy

SUPERSEDED = "superseded"


def make_way(folder: Path, name: str, known: Sequence[Former], *, keep: bool) -> str | None:
    """Makes way for a new file of this name: what people changed is moved, and so is an older version if `keep`.

    Args:
        folder: of the run.
        name: relative to the folder.
        known: what we have put there ourselves, see `rows.former`.
        keep: move an unchanged file of an older version too; otherwise the new file simply replaces it.

    Returns:
        A note on a changed file that was moved; None if there was none.

    Raises:
        OSError: it cannot be moved.
    """
    if not os.path.lexists(folder / name):
        return None
    ours = next((each for each in known if is_whole(folder, each.file, name)), None)
    if ours is None:
        return f"the file that was there had been changed; it is now {move_aside(folder, name)}"
    if keep and ours.version is not None:
        move_aside(folder, name, ours.version)
    return None


def put_away(folder: Path, left: Sequence[Former], superseded: Literal["keep", "drop"] | None) -> None:
    """Moves or removes files whose successors have other names; see `Ledger` for what `superseded` means.

    Raises:
        OSError: one cannot be moved or removed.
    """
    for each in left:
        name = each.file.name
        if not os.path.lexists(folder / name):
            continue
        if not is_whole(folder, each.file):
            if superseded is not None:
                move_aside(folder, name)
        elif superseded == "keep" and each.version is not None:
            move_aside(folder, name, each.version)
        else:
            check_real_folders(folder, name.split("/")[:-1])
            (folder / name).unlink(missing_ok=True)


def move_aside(folder: Path, name: str, label: str | None = None) -> str:
    """Moves a file to `superseded/`, under its own name and the label, numbered if there is one already.

    Returns:
        The new name, relative to the folder.

    Raises:
        OSError: it cannot be moved; FileNotFoundError if there is none.
    """
    *folders, last = checked_relative(name)
    check_real_folders(folder, folders)
    check_real_folders(folder, [SUPERSEDED, *folders])
    stem, suffix = split_suffix(last)
    stem = f"{stem} ({label})" if label else stem
    limit, count = name_limit(folder), 1
    while True:
        new = (fitted(stem if count == 1 else f"{stem} ({count})", limit)) + suffix
        parts = (SUPERSEDED, *folders, new)
        if not os.path.lexists(folder.joinpath(*parts)):
            break
        count += 1
    (folder / name).lstat()
    move_below(folder / name, folder, parts)
    return "/".join(parts)


def rename(folder: Path, files: Sequence[tuple[KnownFile, str]]) -> None:
    """Gives files other names in the folder. What has the new name already, from a run that was stopped, stays.

    Raises:
        OSError: one cannot be renamed; EEXIST if something else has the name.
    """
    for file, new in files:
        if os.path.lexists(folder / new):
            if not os.path.lexists(folder / file.name) and is_whole(folder, file, new):
                continue
            raise OSError(errno.EEXIST, "exists", str(folder / new))
        if os.path.lexists(folder / file.name):
            check_real_folders(folder, file.name.split("/")[:-1])
            move_below(folder / file.name, folder, new.split("/"))
            _remove_empty(folder, file.name.split("/")[:-1])


def _remove_empty(folder: Path, parts: Sequence[str]) -> None:
    """Folders that a rename has emptied."""
    for end in range(len(parts), 0, -1):
        try:
            folder.joinpath(*parts[:end]).rmdir()
        except OSError:
            return
