"""`define` and `frozen`: as in attrs, but without the methods whose generation takes most of the time of an import.

attrs writes `__eq__`, `__hash__` and `__repr__` as source code for each class, and compiles it. That is two thirds of
what a class costs; for the classes that one export needs, it was 5 % of the time in which a program starts. The methods
here are the same for all classes, and look up the fields when they are first called.
"""

from collections.abc import Callable
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from attrs import define as define
    from attrs import frozen as frozen


def _cheap(decorator: Any, hashed: Any) -> Any:
    """`attrs.define` or `attrs.frozen`; what a class defines itself is kept, as attrs does."""

    def decorate(cls: Any = None, /, *, eq: bool = True, repr: bool = True, **options: Any) -> Any:  # noqa: A002
        if cls is None:
            return partial(decorate, eq=eq, repr=repr, **options)
        methods: dict[str, Any] = {}
        if eq and "__eq__" not in vars(cls):
            methods |= {"__eq__": _equal, "__hash__": hashed}
        if repr:
            methods["__repr__"] = _repr
        for name, method in methods.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        return decorator(cls, eq=False, repr=False, **options)

    return decorate


_class_of: Callable[[Any], Any] = type


@cache
def _values(cls: Any) -> Callable[[Any], Any]:
    """Returns the values on which equality depends."""
    names = [field.name for field in attrs.fields(cls) if field.eq]
    return attrgetter(*names) if names else lambda _: ()


@cache
def _shown(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls) if field.repr)


def _equal(self: Any, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return cast("bool", NotImplemented)
    values = _values(_class_of(self))
    return bool(values(self) == values(other))


def _hash(self: Any) -> int:
    return hash(_values(_class_of(self))(self))


def _repr(self: Any) -> str:
    cls = _class_of(self)
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _shown(cls))
    return f"{cls.__qualname__.rpartition('>.')[2]}({shown})"


if not TYPE_CHECKING:  # type checkers know what attrs does with a class
    define = _cheap(attrs.define, None)
    frozen = _cheap(attrs.frozen, _hash)
