"""Checks of what callers pass for the database to hold, before anything is stored."""

import os

from aps_async.arguments import check_kind
from aps_async.downloads.folder import Folder
from aps_async.downloads.storage import Storage
from aps_async.errors import InputError, TargetError
from aps_async.exports.bulk_requests import check_requests
from aps_async.text import well_formed
from aps_async.workers.owners import Owner

__all__ = ["check_number", "check_run", "check_storable", "check_storage", "check_text"]
__dir__: object = __all__.copy

_LONGEST = 1000  # characters; what is longer does not fit into an index


def check_storage(storage: Storage) -> None:
    """Checks that it is not a path or an address.

    Raises:
        InputError: it is one.
    """
    if isinstance(storage, str | os.PathLike):
        raise InputError("a worker's storage must be Folder(path) or storage_for(address), not a path or an address")


def check_storable(storage: Storage) -> None:
    """Checks that the database can hold the paths of delivered files.

    Raises:
        TargetError: the folder's path is not valid Unicode.
    """
    if isinstance(storage, Folder) and (shown := well_formed(str(storage.path))) != str(storage.path):
        raise TargetError(
            f"the path {shown!r} is not valid Unicode, so the database cannot hold it: rename the folder, or give it "
            "another path with a link or a mount",
            path=storage.path,
        )


def check_number(name: str, value: object, *, bits: int = 64) -> None:
    """Checks that it is a whole number that the database can hold.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number, not {value!r:.100}")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise InputError(f"{name} must be a number of at most {bits} bits, not {value!r:.100}")


def check_text(name: str, value: object) -> None:
    """Checks that it is a text that the database can hold and find again.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text, not {value!r:.100}")
    if len(value) > _LONGEST or "\0" in value or well_formed(value) != value:
        raise InputError(f"{name} must have at most {_LONGEST:,} characters, and no NUL or half a character")


def check_run(wanted: object, name: object, priority: object, owner: object, key: object) -> None:
    """Checks the arguments of `RunStore.enqueue`.

    Raises:
        InputError: one is of another type, or the database cannot hold it.
    """
    check_requests(wanted)
    if not isinstance(name, str):
        raise InputError(f"the name of a run must be a text, not {name!r:.100}")
    check_number("priority", priority, bits=32)
    if owner is not None:
        check_kind("owner", owner, Owner)
    if key is not None:
        check_text("key", key)
