"""Packages that only some uses need: imported when they are needed, and asked for by the name of the extra."""

from importlib import import_module
from typing import Any

from aps_async.errors import InputError

__all__ = ["missing", "needed"]
__dir__: object = __all__.copy


def needed(module: str, extra: str, what: str) -> Any:
    """The module, which an extra of this package installs.

    Raises:
        InputError: it is not installed; the message names the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        raise InputError(missing(problem, extra, what)) from None


def missing(problem: ModuleNotFoundError, extra: str, what: str) -> str:
    """What to install, for an import that failed.

    Raises:
        ModuleNotFoundError: the problem itself, if a module of our own is missing: that is a fault, not an extra.
    """
    name = (problem.name or "").partition(".")[0]
    if name in ("", "aps_async"):
        raise problem
    return f"{what} needs {name}, which is not installed: pip install 'aps-async[{extra}]'"
