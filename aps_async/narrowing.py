"""Type guards for decoded JSON and TOML, whose values may be of any type."""

from typing import Any, TypeGuard

__all__ = ["as_list", "as_object", "is_list", "is_object", "is_really"]
__dir__: object = __all__.copy


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a JSON object; its values may still be of any type."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is an array; nothing is known of its items."""
    return isinstance(value, list)


def as_object(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if is_list(value) else []


def is_really(value: object, kind: type) -> bool:
    """`isinstance` for what callers may have got wrong although its type is declared."""
    return isinstance(value, kind)
