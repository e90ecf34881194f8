"""Reads JSON files that a sync has written, and that anybody may have changed since."""

import json
from collections.abc import Callable
from typing import TypeVar

from aps_async.errors import DecodeError, InputError, LedgerError
from aps_async.text import well_formed
from aps_async.transport.converter import structure

__all__ = ["read_json_file"]
__dir__: object = __all__.copy

T = TypeVar("T")


def read_json_file(
    content: bytes, into: type[T], *, path: str, form: int, check: Callable[[T], object], advice: str
) -> T:
    """The value in a file.

    Args:
        content: the file's bytes.
        into: the type of the value, which has a field `form`.
        path: the file, for messages.
        form: the form that this version reads.
        check: raises an InputError if the value is not one that a sync writes.
        advice: what to do if the file cannot be used.

    Raises:
        LedgerError: it is of another form, or cannot be used.
    """
    try:
        plain = json.loads(well_formed(content.decode()))
        if plain["form"] != form:
            raise LedgerError(f"{path} is of form {plain['form']}, and this version reads form {form}: {advice}")
        found = structure(plain, into, strict=True)
        check(found)
    except (DecodeError, InputError) as problem:
        raise LedgerError(f"{path} cannot be used ({problem}): {advice}") from None
    except (ValueError, TypeError, LookupError, RecursionError):  # whose own words are Python's
        raise LedgerError(f"{path} cannot be used (it is not what a run writes): {advice}") from None
    return found
