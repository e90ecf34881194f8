"""Files in the folder, compared with what the ledger knows of them. All of it runs in threads."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from aps_async.filesystem import open_own
from aps_async.ledger.journal import KnownFile

__all__ = ["are_whole", "is_whole", "known_file", "sha256"]
__dir__: object = __all__.copy

_CHUNK = 1 << 20


def are_whole(folder: Path, files: Sequence[KnownFile], stop: Event | None = None) -> bool:
    """Whether all files are there and unchanged. Sizes first: they reveal most changes, and cost nothing.

    `stop` ends it early, once the caller was cancelled.
    """
    try:
        if any((folder / each.name).stat().st_size != each.size for each in files):
            return False
        return all(sha256(folder / each.name, stop) == each.sha256 for each in files)
    except OSError:
        return False


def is_whole(folder: Path, file: KnownFile, name: str | None = None) -> bool:
    """Whether the file is there and unchanged, under its own name or another one. A link in its place is a change."""
    path = folder / (name or file.name)
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def known_file(folder: Path, path: Path, stop: Event | None = None) -> KnownFile:
    """What there is to know of a file in the folder.

    Raises:
        OSError: it cannot be read.
    """
    return KnownFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256(path, stop))


def sha256(path: Path, stop: Event | None = None) -> str:
    """The SHA-256 of a file that is not a link; of a part of it, once `stop` is set.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        while not (stop is not None and stop.is_set()) and (chunk := file.read(_CHUNK)):
            digest.update(chunk)
    return digest.hexdigest()
