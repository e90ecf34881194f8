"""Targets of a run: a folder or a storage, and where its ledger is."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from aps_async.downloads.folder import storage_for
from aps_async.downloads.storage import ReadableStorage, Storage, is_object_storage
from aps_async.downloads.target_paths import local_path
from aps_async.errors import InputError
from aps_async.filesystem import at_home
from aps_async.ledger import LEDGER_NAME, Ledger
from aps_async.user_folders import user_folder

__all__ = ["check_no_state", "ledger_for", "readable", "state_folder", "state_folder_for", "target_for"]
__dir__: object = __all__.copy

_OF_STORAGE = ("stage", "put", "discard")
_OF_READABLE = ("location", "find", "fetch", "remove", "copy")


def target_for(given: str | os.PathLike[str] | Storage) -> Path | Storage:
    """Turns what the caller gave into a path or a storage.

    Raises:
        InputError: an address is not `s3://`, `gs://` or `az://`, or has no credentials; or `given` is not a path, an
            address or a `Storage`.
    """
    if isinstance(given, str) and is_object_storage(given):
        return storage_for(given)
    if isinstance(given, str | os.PathLike):
        return local_path(given)
    if _has(given, _OF_STORAGE):
        return given
    raise InputError(f"files go to a folder, an address or a Storage, and {type(given).__name__} is none of them")


def _has(given: object, methods: tuple[str, ...]) -> bool:
    return all(callable(getattr(given, name, None)) for name in methods)


def ledger_for(target: Path | Storage, state: str | os.PathLike[str] | None = None, **options: Any) -> Ledger:
    """Creates the ledger for a target; it is not opened.

    Args:
        target: see `target_for`.
        state: for a storage: the folder that the ledger is kept in; None: `state_folder` of its location.
        options: of `Ledger`.

    Raises:
        InputError: `state` is given for a folder; or the storage is not a `ReadableStorage`.
    """
    if isinstance(target, Path):
        check_no_state(state)
        return Ledger(target, **options)
    storage = readable(target)
    return Ledger(state_folder_for(storage, state), storage=storage, **options)


def check_no_state(state: object) -> None:
    """Checks that no state folder is given; for a target that is a folder.

    Raises:
        InputError: there is one.
    """
    if state is not None:
        raise InputError("the ledger of a folder is kept in it: a state folder is for storages only")


def readable(target: Storage) -> ReadableStorage:
    """Returns the storage as a `ReadableStorage`.

    Raises:
        InputError: it lacks some of its methods.
    """
    if not _has(target, _OF_READABLE):
        raise InputError(
            f"a ledger needs a storage with readable files, and {type(target).__name__} does not have all of "
            f"{', '.join(_OF_READABLE)}: see ReadableStorage, or leave the ledger out"
        )
    found: ReadableStorage = target  # type: ignore[assignment] # its methods were just checked
    return found


def state_folder_for(storage: ReadableStorage, state: str | os.PathLike[str] | None) -> Path:
    """The folder for the ledger of a storage: the given one, or else `state_folder` of the storage's location."""
    return local_path(state) if state is not None else state_folder(storage.location("x").removesuffix("x"))


def state_folder(address: str) -> Path:
    """The folder on this machine for the ledger of a storage.

    It is in `APS_STATE_DIR`, or else where the system keeps the state of programs. Each address has its own folder. If
    several projects were synced together, the folder of each is inside that of their common address.

    Raises:
        InputError: there is no `APS_STATE_DIR`, and platformdirs is not installed (extra `s3`) or the user has no home;
            or it is not a path.
    """
    scheme, _, rest = address.rstrip("/").partition("://")
    address = f"{scheme.lower()}://{rest}" if rest else scheme
    above, _, name = address.rpartition("/")
    among_others = _folder_of(above) / name
    return among_others if os.path.lexists(among_others / LEDGER_NAME) else _folder_of(address)


def _folder_of(address: str) -> Path:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", address)[:40].strip("-")
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    if given := os.environ.get("APS_STATE_DIR", "").strip():
        try:
            return local_path(at_home(given)).absolute() / f"{readable}-{digest}"
        except InputError as problem:
            raise InputError(f"APS_STATE_DIR: {problem}") from None
    return user_folder("state", "s3", "a ledger for a storage") / f"{readable}-{digest}"
