"""The folders in which the system keeps a user's settings, logins, state and caches of programs."""

from pathlib import Path
from typing import Literal

from aps_async.errors import InputError
from aps_async.extras import needed

__all__ = ["Kind", "find_user_folder", "user_folder"]
__dir__: object = __all__.copy

Kind = Literal["config", "data", "state", "cache"]


def find_user_folder(kind: Kind, extra: str, what: str) -> Path | None:
    """Our folder of this kind; None if the user has no home, as in containers that run under any user id.

    Raises:
        MissingExtraError: platformdirs is not installed; see `needed`.
    """
    platformdirs = needed("platformdirs", extra, what)
    try:
        found = Path(getattr(platformdirs, f"user_{kind}_path")("aps-async", appauthor=False))
    except RuntimeError:
        return None
    return found if found.is_absolute() else None  # older versions of platformdirs return `~/...` then


def user_folder(kind: Kind, extra: str, what: str) -> Path:
    """Our folder of this kind.

    Raises:
        InputError: the user has no home.
        MissingExtraError: platformdirs is not installed.
    """
    found = find_user_folder(kind, extra, what)
    if found is None:
        variables = "HOME or APS_STATE_DIR" if kind == "state" else "HOME"
        raise InputError(f"{what} needs a folder of this user, who has no home: set {variables} to one")
    return found
