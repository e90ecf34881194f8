"""Checks of arguments that callers without a type checker get wrong, before anything is begun."""

import inspect
from functools import partial
from types import FunctionType, MethodType

from aps_async.errors import InputError

__all__ = ["check_awaited", "check_functions", "check_kind", "check_not_async"]
__dir__: object = __all__.copy

_LAZY = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR


def check_functions(**given: object) -> None:
    """Checks that each argument is a function that does its work when it is called, or None.

    Raises:
        InputError: one is something else; or it is an async function or a generator function, whose code would never
            be run, since nothing awaits or iterates what it returns.
    """
    check_not_async(**given)
    for name, value in given.items():
        if not _is_plain(value) and any(map(inspect.isgeneratorfunction, _called(value))):
            raise InputError(f"{name} must be a plain function; this generator would never run: {value!r:.100}")


def check_not_async(**given: object) -> None:
    """Like `check_functions`, for arguments that may be generator functions.

    Raises:
        InputError: one cannot be called, or it is an async function, a partial of one, or has an async `__call__`.
    """
    check_awaited(**given)
    for name, value in given.items():
        if _is_plain(value):
            continue
        if any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in _called(value)):
            raise InputError(f"{name} must be a plain function; this one is async and would never run: {value!r:.100}")


def check_awaited(**given: object) -> None:
    """Checks that each argument can be called, or is None; its result is awaited, so it may be an async function.

    Raises:
        InputError: one cannot be called.
    """
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InputError(f"{name} must be a function or another callable, not {value!r:.100}")


def _is_plain(value: object) -> bool:
    """Whether it is None or certainly a plain function, a method or an object that is called like one.

    A quick answer for nearly all arguments. One with attributes may have one that marks it as async.
    """
    if not callable(value):
        return value is None
    if isinstance(value, MethodType):
        function: object = value.__func__
    else:
        function = value if isinstance(value, FunctionType) else type(value).__call__
    if not isinstance(function, FunctionType) or function.__dict__ or getattr(value, "__dict__", None):
        return False
    return not function.__code__.co_flags & _LAZY


def _called(function: object) -> tuple[object, ...]:
    """What may run when this is called: itself, or the `__call__` of its class."""
    while isinstance(function, partial):
        function = function.func
    return (function, type(function).__call__) if callable(function) else ()


def check_kind(name: str, value: object, kind: type) -> None:
    """Checks that an argument is of a class.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be {kind.__name__}(...), not {value!r:.100}")
