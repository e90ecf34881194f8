"""Checks of arguments that callers without a type checker get wrong, before anything is begun."""

from aps_async.errors import InputError

__all__ = ["check_functions", "check_kind"]
__dir__: object = __all__.copy


def check_functions(**given: object) -> None:
    """Checks that each argument is a function, or None.

    Raises:
        InputError: one is something else.
    """
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InputError(f"{name} must be a function or another callable, not {value!r:.100}")


def check_kind(name: str, value: object, kind: type) -> None:
    """Checks that an argument is of a class.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be {kind.__name__}(...), not {value!r:.100}")
