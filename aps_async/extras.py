"""Optional dependencies: imported when they are needed; if one is missing, the error names the extra to install."""

from importlib import import_module
from typing import Any

from aps_async.errors import MissingExtraError

__all__ = ["missing", "needed"]
__dir__: object = __all__.copy


def needed(module: str, extra: str, what: str) -> Any:
    """Imports a module that an extra of this package installs.

    Raises:
        MissingExtraError: the module is not installed; the message contains the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        raise MissingExtraError(missing(problem, extra, what)) from None


def missing(problem: ModuleNotFoundError, extra: str, what: str) -> str:
    """The message for a failed import, with the command that installs the extra.

    Raises:
        ModuleNotFoundError: the original error, if the missing module is our own: that is a bug.
    """
    name = (problem.name or "").partition(".")[0]
    if name in ("", "aps_async"):
        raise problem
    return f"{what} needs {name}, which is not installed: pip install 'aps-async[{extra}]'"
