"""Files in the folder, compared with what the ledger knows of them. All of it runs in threads."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from aps_async.filesystem import open_own
from aps_async.ledger.journal import KnownFile


def are_whole(folder: Path, files: Sequence[KnownFile]) -> bool:
    """Whether all files are there and unchanged. Sizes first: they reveal most changes, and cost nothing."""
    try:
        if any((folder / each.name).stat().st_size != each.size for each in files):
            return False
        return all(sha256(folder / each.name) == each.sha256 for each in files)
    except OSError:
        return False


def is_whole(folder: Path, file: KnownFile, name: str | None = None) -> bool:
    """Whether the file is there and unchanged, under its own name or another one. A link in its place is a change."""
    path = folder / (name or file.name)
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def known_file(folder: Path, path: Path) -> KnownFile:
    """What there is to know of a file in the folder.

    Raises:
        OSError: it cannot be read.
    """
    return KnownFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256(path))


def sha256(path: Path) -> str:
    """The SHA-256 of a file that is not a link.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
