"""Where a run delivers to, and where its ledger is."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from aps_async.downloads.folder import storage_for
from aps_async.downloads.sinks import local_path
from aps_async.downloads.storage import ReadableStorage, Storage, is_object_storage
from aps_async.errors import InputError
from aps_async.extras import needed
from aps_async.ledger import Ledger

__all__ = ["ledger_for", "state_folder", "target_for"]
__dir__: object = __all__.copy

_OF_STORAGE = ("stage", "put", "discard")
_OF_READABLE = ("location", "find", "fetch", "remove", "copy")


def target_for(given: str | os.PathLike[str] | Storage) -> Path | Storage:
    """A folder's path, or a storage.

    Raises:
        InputError: an address is of another kind than `s3://`, `gs://` and `az://` or has no credentials; or it is none
            of these.
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
    """A ledger for a target.

    Args:
        target: see `target_for`.
        state: for a storage: the folder that the ledger is kept in; None: `state_folder` of its location.
        options: of `Ledger`.

    Raises:
        InputError: a folder is given a state folder; or the storage cannot be read, see `ReadableStorage`.
    """
    if isinstance(target, Path):
        if state is not None:
            raise InputError("the ledger of a folder lies in it: a state folder is for storages only")
        return Ledger(target, **options)
    if not _has(target, _OF_READABLE):
        raise InputError(
            f"a ledger needs a storage whose files can be looked at, and {type(target).__name__} has not all of "
            f"{', '.join(_OF_READABLE)}: see ReadableStorage, or leave the ledger out"
        )
    storage: ReadableStorage = target  # type: ignore[assignment] # its methods were just looked at
    if state is not None:
        return Ledger(local_path(state), storage=storage, **options)
    return Ledger(state_folder(storage.location("x").removesuffix("x")), storage=storage, **options)


def state_folder(address: str) -> Path:
    """The folder that the ledger of a storage is kept in on this machine.

    It is in `APS_STATE_DIR`, or else where the system keeps the state of programs. Two addresses have two folders.

    Raises:
        InputError: platformdirs is not installed (extra `s3`), and there is no `APS_STATE_DIR`.
    """
    scheme, _, rest = address.rstrip("/").partition("://")
    address = f"{scheme.lower()}://{rest}" if rest else scheme
    readable = re.sub(r"[^A-Za-z0-9]+", "-", address)[:40].strip("-")
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    if given := os.environ.get("APS_STATE_DIR", "").strip():
        return local_path(given).absolute() / f"{readable}-{digest}"
    platformdirs = needed("platformdirs", "s3", "a ledger for a storage")
    return Path(platformdirs.user_state_path("aps-async", appauthor=False)) / f"{readable}-{digest}"
