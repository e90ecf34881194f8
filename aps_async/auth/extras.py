"""Libraries that only some ways of signing in need: imported when needed, and asked for by the name of the extra."""

from importlib import import_module
from typing import Any

from aps_async.errors import InputError


def needed(module: str, extra: str, what: str) -> Any:
    """The module.

    Raises:
        InputError: it is not installed; the message says how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        name = module.partition(".")[0]
        if (problem.name or "").partition(".")[0] != name:
            raise
    raise InputError(f"{what} needs {name}, which is not installed: pip install 'aps-async[{extra}]'")
