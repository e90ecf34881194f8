"""Short reprs, which fit into a line of a log."""

from collections.abc import Collection
from datetime import datetime
from pathlib import PurePath
from typing import Any, cast

from attrs import NOTHING, Attribute, AttrsInstance, Factory, fields, has

__all__ = ["cut_middle", "short_repr"]
__dir__: object = __all__.copy

_LONGEST = 200  # characters
_LONGEST_VALUE = 110


def short_repr(self: Any) -> str:
    """`__repr__` for attrs classes: the fields that differ from their defaults, shortened with `…`.

    Fields with `repr=False`, which hold secrets, are left out.
    """
    name = type(self).__name__
    own = cast("tuple[Attribute[Any], ...]", fields(cast("type[AttrsInstance]", type(self))))
    shown = [(each.name, getattr(self, each.name)) for each in own if each.repr and _differs(self, each)]
    text = ", ".join(f"{field}={_brief(value)}" for field, value in shown)
    room = _LONGEST - len(name) - len("()")
    return f"{name}({text if len(text) <= room else text[: room - 1] + '…'})"


def _differs(owner: Any, field: Any) -> bool:
    default = field.default
    if default is NOTHING:
        return True
    if isinstance(default, Factory):  # type: ignore[arg-type] # a class, though attrs declares a function
        default = default.factory(owner) if default.takes_self else default.factory()
    return bool(getattr(owner, field.name) != default)


def _brief(value: object) -> str:
    if isinstance(value, str | PurePath):
        return repr(cut_middle(str(value), _LONGEST_VALUE))
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return repr(round(value, 3))
    if isinstance(value, BaseException):
        return f"{type(value).__name__}({cut_middle(str(value), _LONGEST_VALUE)!r})"
    if isinstance(value, Collection) and not isinstance(value, bytes):
        return _brief_collection(cast("Collection[object]", value))
    if has(type(value)) and type(value).__str__ is not object.__str__:
        return f"<{cut_middle(str(value), _LONGEST_VALUE)}>"
    return cut_middle(repr(value), _LONGEST_VALUE)


def _brief_collection(values: Collection[object]) -> str:
    if not values:
        return repr(values)
    return f"<{len(values)}: {_brief(next(iter(values)))}{', …' if len(values) > 1 else ''}>"


def cut_middle(text: str, limit: int) -> str:
    """Cuts the middle out of a long text, since the ends of URNs and paths are the most telling."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}…{text[-half + 1 :]}"
